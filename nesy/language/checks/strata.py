"""Strata: no predicate depends on itself through `not` or through an aggregate."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping

from nesy.diagnostics import Diagnostic, Label
from nesy.language import core
from nesy.language.catalogue import report
from nesy.language.components import is_recursive, strongly_connected
from nesy.language.draft import Draft
from nesy.source import Span, node

# Steps of a cycle that its message shows, from the one that is forbidden on: a longer one was generated.
_MAX_STEPS = 50


@node
class Edge:
    """The head depends on the body's predicate."""

    head: core.Signature
    body: core.Signature
    through: str  # "", "not" or "#count", ...
    span: Span | None


def edges(rules: Iterable[core.Rule]) -> Iterator[Edge]:
    """All dependencies of a set of rules."""
    for rule in rules:
        heads = rule.heads
        signatures = [heads[0].signature] if len(heads) == 1 else dict.fromkeys(head.signature for head in heads)
        for head in signatures:
            for literal in rule.body:
                match literal:
                    case core.Literal(atom, negated):
                        yield Edge(head, atom.signature, "not" if negated else "", atom.span)
                    case core.Aggregate(function=function, elements=elements):
                        for element in elements:
                            for inner in element.body:
                                if isinstance(inner, core.Literal):
                                    yield Edge(head, inner.atom.signature, f"#{function}", inner.atom.span)
                    case core.Comparison():
                        pass


def components(
    draft: Draft, known: Mapping[core.Signature, core.Predicate]
) -> tuple[tuple[core.Component, ...], list[Diagnostic]]:
    """The predicates in an order in which they can be run, and a diagnostic for each cycle that forbids it."""
    below: dict[core.Signature, dict[core.Signature, None]] = {signature: {} for signature in known}
    all_edges = [edge for edge in edges(draft.rules) if edge.body in known]
    for edge in all_edges:
        below[edge.head][edge.body] = None
    result: list[core.Component] = []
    component_of: dict[core.Signature, int] = {}
    order = {signature: place for place, signature in enumerate(known)}
    for number, members in enumerate(strongly_connected(below)):
        members.sort(key=order.__getitem__)
        result.append(core.Component(tuple(members), is_recursive(members, below)))
        for signature in members:
            component_of[signature] = number
    inside: dict[int, list[Edge]] = {}
    for edge in all_edges:
        if component_of[edge.head] == component_of[edge.body]:
            inside.setdefault(component_of[edge.head], []).append(edge)
    diagnostics: list[Diagnostic] = []
    for cycle_edges in inside.values():
        bad = next((edge for edge in cycle_edges if edge.through), None)
        if bad is not None:
            diagnostics.append(_diagnostic(bad, cycle_edges))
    return tuple(result), diagnostics


def _diagnostic(bad: Edge, cycle_edges: list[Edge]) -> Diagnostic:
    cycle = [bad, *_path(bad.body, bad.head, cycle_edges)]
    left_out = f", and {len(cycle) - _MAX_STEPS:,} more" if len(cycle) > _MAX_STEPS else ""
    del cycle[_MAX_STEPS:]
    labels = [Label(edge.span, _words(edge)) for edge in cycle if edge.span is not None]
    steps = [f"{_show(edge.head)} <- {edge.through + ' ' if edge.through else ''}{_show(edge.body)}" for edge in cycle]
    places = [f"{step} ({edge.span.place})" for step, edge in zip(steps, cycle, strict=True) if edge.span is not None]
    code = "N301" if bad.through == "not" else "N302"
    assert bad.span is not None
    note = f"the cycle is {', '.join(places)}{left_out}"
    diagnostic = report(code, bad.span, labels[0].text, others=labels[1:], name=_show(bad.head))
    return Diagnostic(code, diagnostic.message, diagnostic.labels, (*diagnostic.notes, note), diagnostic.hints)


def _path(start: core.Signature, goal: core.Signature, cycle_edges: list[Edge]) -> list[Edge]:
    """The shortest way from one predicate of a component to another."""
    if start == goal:
        return []
    leaving: dict[core.Signature, list[Edge]] = {}
    for edge in cycle_edges:
        leaving.setdefault(edge.head, []).append(edge)
    came_by: dict[core.Signature, Edge] = {}
    queue = deque([start])
    while goal not in came_by:
        here = queue.popleft()
        for edge in leaving.get(here, ()):
            if edge.body not in came_by and edge.body != start:
                came_by[edge.body] = edge
                queue.append(edge.body)
    path = [came_by[goal]]
    while path[-1].head != start:
        path.append(came_by[path[-1].head])
    return path[::-1]


def _words(edge: Edge) -> str:
    through = f" through `{edge.through}`" if edge.through else ""
    return f"`{_show(edge.head)}` depends on `{_show(edge.body)}`{through}"


def _show(signature: core.Signature) -> str:
    return signature.name if " " in signature.name else f"{signature.name}/{signature.arity}"
