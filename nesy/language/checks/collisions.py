"""Collisions: two included files that define one predicate, and neither of them knows of the other.

A file knows of all that it includes, itself or through others, so it may add facts and rules to their predicates: that
is meant. Two files of which neither includes the other agree on a name by accident, unless a file that includes both
declares the predicate by `#pred`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from nesy.diagnostics import Diagnostic, Label
from nesy.language import core
from nesy.language.catalogue import report
from nesy.language.draft import Draft
from nesy.language.values import predicate_name
from nesy.source import Source, Span


def check_collisions(draft: Draft, includes: Iterable[tuple[Source, Source]]) -> Iterator[Diagnostic]:
    """A diagnostic for each predicate with facts or rules in two files that do not know of each other.

    `includes` are the pairs of a file and one that it includes.
    """
    directly: dict[Source, set[Source]] = {}
    for including, included in includes:
        directly.setdefault(including, set()).add(included)
        directly.setdefault(included, set())
    if len(directly) < 3:
        return
    below = {source: _reached(source, directly) for source in directly}
    places: dict[core.Signature, dict[Source, Span]] = {}
    for atom in _defined(draft):
        if atom.span is not None and " " not in atom.predicate:
            places.setdefault(atom.signature, {}).setdefault(atom.span.source, atom.span)
    for signature, spans in places.items():
        pair = _strangers(list(spans), below)
        if pair is None:
            continue
        declared = draft.declared.get(signature)
        if declared is not None and declared.span is not None:
            if {*pair} <= below.get(declared.span.source, set()):
                continue
        one, other = (spans[source] for source in pair)
        stem = Path(other.source.name).stem
        alias = "".join(c if c.isalnum() else "_" for c in stem.lower())
        columns = f"({', '.join('_' * signature.arity)})" if signature.arity else ""
        instead = (
            f'include one of them under an alias, as in `#include "{stem}" as {alias}.`; or, if both are meant, '
            f"declare `#pred {predicate_name(signature.name)}{columns}.` in the file that includes them"
        )
        yield report("N514", other, others=(Label(one, "and here"),), name=str(signature), instead=instead)


def _reached(start: Source, directly: Mapping[Source, Iterable[Source]]) -> set[Source]:
    """A file and all that it includes, itself or through others."""
    reached, todo = {start}, [start]
    while todo:
        new = {*directly[todo.pop()]} - reached
        reached |= new
        todo += new
    return reached


def _strangers(sources: list[Source], below: dict[Source, set[Source]]) -> tuple[Source, Source] | None:
    for index, other in enumerate(sources):
        for one in sources[:index]:
            if other not in below.get(one, ()) and one not in below.get(other, ()):
                return one, other
    return None


def _defined(draft: Draft) -> Iterator[core.Atom]:
    yield from draft.facts
    for rule in draft.rules:
        if rule.choice is None or rule.choice.neural is None:
            yield from rule.heads
