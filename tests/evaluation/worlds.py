"""Oracles for rule evaluation, by brute force: all worlds of a program, and one world of a graph.

They work row by row on the core program's own terms and share nothing with the engine.
"""

from __future__ import annotations

from collections.abc import Iterator

import networkx as nx

from nesy.language.core import (
    Aggregate,
    Atom,
    Comparison,
    Constant,
    CoreProgram,
    Expression,
    Literal,
    Variable,
    ground_atom,
)
from nesy.reasoning.derivation import DerivationGraph

ARITHMETIC = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "mod": lambda a, b: a % b,
}
COMPARISON = {
    "=": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


class Real(float):
    """A float as a constant of the language, where 1.0 and 1 are different ones."""

    def __eq__(self, other):
        return isinstance(other, float) and float.__eq__(self, other)

    def __ne__(self, other):
        return not self == other

    __hash__ = float.__hash__


def constant(value):
    return Real(value) if isinstance(value, float) else value


class Undecided(Exception):
    """The model needs a choice that has not been made yet."""

    def __init__(self, key, weights):
        self.key, self.weights = key, weights


def worlds(program: CoreProgram, facts=()) -> Iterator[tuple[float, dict, set]]:
    """Each world: its probability, its choices by (id, key), and its model as a set of (name, *values).

    An outcome equal to the number of heads means that none was chosen.
    """
    layers = layers_of(program)
    pending = [(1.0, {})]
    while pending:
        probability, decided = pending.pop()
        try:
            yield probability, decided, model(program, decided, facts, layers)
        except Undecided as missing:
            rest = 1.0 - sum(missing.weights)
            for outcome, weight in enumerate([*missing.weights, rest]):
                if weight > 1e-12:
                    pending.append((probability * weight, {**decided, missing.key: outcome}))


def layers_of(program: CoreProgram) -> list[tuple]:
    """The predicates of each component with the rules that derive them."""
    return [
        (c.predicates, [rule for rule in program.rules if any(head.signature in c.predicates for head in rule.heads)])
        for c in program.components
    ]


def model(program: CoreProgram, decided: dict, facts=(), layers=None) -> set:
    """The perfect model of a program whose choices have been made."""
    true = {(fact.predicate, *(constant(a.value) for a in fact.arguments)) for fact in program.facts} | set(facts)
    for predicates, rules in layers or layers_of(program):
        _close(rules, predicates, true, decided)
    _close(program.constraints, None, true, decided)
    return true


def _close(rules, predicates, true, decided):
    grown = True
    while grown:
        grown = False
        for rule in rules:
            for binding in list(_solve(rule.body, {}, true)):
                heads = list(rule.heads)
                if rule.choice is not None:
                    key = rule.choice.id, tuple(binding[v.name] for v in rule.choice.key)
                    if key not in decided:
                        raise Undecided(key, [_number(w.probability, binding) for w in rule.choice.weights])
                    heads = heads[decided[key] : decided[key] + 1]
                for head in heads:
                    row = (head.predicate, *(_value(a, binding) for a in head.arguments))
                    if (predicates is None or head.signature in predicates) and row not in true:
                        true.add(row)
                        grown = True


def _number(probability, binding):
    return _value(probability, binding)


def _solve(body, binding, true):
    """All bindings under which a body holds, trying its literals in whatever order they can be tried."""
    if not body:
        yield binding
        return
    for place, item in enumerate(body):
        rest = body[:place] + body[place + 1 :]
        match item:
            case Literal(atom, False):
                for row in sorted(true, key=repr):
                    if row[0] == atom.predicate and len(row) == 1 + len(atom.arguments):
                        found = _match(atom.arguments, row[1:], binding)
                        if found is not None:
                            yield from _solve(rest, found, true)
                return
            case Literal(atom, True) if all(_known(a, binding) for a in atom.arguments):
                if (atom.predicate, *(_value(a, binding) for a in atom.arguments)) not in true:
                    yield from _solve(rest, binding, true)
                return
            case Comparison(operator, left, right):
                if _known(left, binding) and _known(right, binding):
                    if COMPARISON[operator](_value(left, binding), _value(right, binding)):
                        yield from _solve(rest, binding, true)
                    return
                if operator == "=" and isinstance(left, Variable) and _known(right, binding):
                    yield from _solve(rest, {**binding, left.name: _value(right, binding)}, true)
                    return
                if operator == "=" and isinstance(right, Variable) and _known(left, binding):
                    yield from _solve(rest, {**binding, right.name: _value(left, binding)}, true)
                    return
            case Aggregate(function, result, group, elements) if all(v.name in binding for v in group):
                rows = set()
                for element in elements:
                    for inner in _solve(element.body, {v.name: binding[v.name] for v in group}, true):
                        rows.add(tuple(_value(term, inner) for term in element.terms))
                weights = [row[0] for row in rows]
                if function == "count":
                    value = len(rows)
                elif function == "sum":
                    value = constant(sum(weights))
                elif not weights:
                    return
                else:
                    value = constant({"min": min, "max": max, "avg": lambda w: sum(w) / len(w)}[function](weights))
                if binding.get(result.name, value) == value:
                    yield from _solve(rest, {**binding, result.name: value}, true)
                return
            case _:
                continue
    raise AssertionError(f"unsafe: {body} under {binding}")


def _known(term, binding):
    match term:
        case Variable(name):
            return name in binding
        case Expression(_, arguments):
            return all(_known(a, binding) for a in arguments)
    return True


def _value(term, binding):
    match term:
        case Variable(name):
            return binding[name]
        case Constant(value):
            return constant(value)
        case Expression(function, (left, right)):
            return constant(ARITHMETIC[function](_value(left, binding), _value(right, binding)))
    raise AssertionError(term)


def _match(arguments, values, binding):
    found = dict(binding)
    for argument, value in zip(arguments, values, strict=True):
        if isinstance(argument, Variable):
            if found.setdefault(argument.name, value) != value:
                return None
        elif constant(argument.value) != value:
            return None
    return found


def graph_world(graph: DerivationGraph, decided: dict, sample: int = 0) -> list[bool]:
    """Which nodes of a graph hold, given the outcomes of its choices."""
    true = [False] * graph.num_nodes
    table = graph.choices
    for leaf, choice in enumerate(table.of_leaf):
        key = int(table.choice[choice]), table.key[choice]
        if int(table.sample[choice]) in (-1, sample) and key in decided:
            true[leaf] = decided[key] == int(table.outcome[leaf])
    derivations: dict[int, list[list[int]]] = {}
    needs = nx.DiGraph()
    needs.add_nodes_from(range(graph.num_nodes))
    for edge, head in enumerate(graph.head.tolist()):
        body = graph.body_of(edge).tolist()
        derivations.setdefault(head, []).append(body)
        needs.add_edges_from((literal >> 1, head) for literal in body)
    result_of = {}
    for aggregate in graph.aggregates:
        for node, value in zip(aggregate.result.tolist(), aggregate.value.tolist(), strict=True):
            result_of[node] = aggregate, value
            needs.add_edges_from((element, node) for element in aggregate.element.tolist())
    for component in nx.topological_sort(condensed := nx.condensation(needs)):
        members = condensed.nodes[component]["members"]
        for node in members & result_of.keys():
            aggregate, value = result_of[node]
            weights = [w for e, w in zip(aggregate.element.tolist(), aggregate.weight.tolist(), strict=True) if true[e]]
            true[node] = _aggregate(aggregate.function, weights) == value
        grown = True
        while grown:
            grown = False
            for node in members:
                for body in derivations.get(node, ()):
                    if not true[node] and all(true[literal >> 1] != bool(literal & 1) for literal in body):
                        true[node] = grown = True
    return true


def _aggregate(function, weights):
    if function in ("count", "sum"):
        return sum(weights)
    if not weights:
        return None
    return {"min": min, "max": max, "avg": lambda w: sum(w) / len(w)}[function](weights)


def edges(graph: DerivationGraph, wanted=lambda head, body: True) -> list[tuple[str, list[str]]]:
    """The derivations as text, without node numbers; `wanted` chooses by nodes."""
    found = []
    for edge, head in enumerate(graph.head.tolist()):
        body = graph.body_of(edge).tolist()
        if wanted(head, [literal >> 1 for literal in body]):
            texts = ["not " * (literal & 1) + str(graph.atom_of(literal >> 1)) for literal in body]
            found.append((str(graph.atom_of(head)), texts))
    return found


def as_row(atom: Atom) -> tuple:
    """A ground atom as the oracle writes it."""
    return atom.predicate, *(constant(argument.value) for argument in atom.arguments)


def as_atom(row: tuple) -> Atom:
    """A row of the oracle as a ground atom of the language."""
    name, *values = row
    return ground_atom(name, tuple(float(value) if isinstance(value, Real) else value for value in values))
