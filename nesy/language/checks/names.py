"""Names: every predicate that a body, query or evidence asks for has a definition of that arity."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from nesy.diagnostics import Diagnostic, Label
from nesy.errors import near_name
from nesy.language import core
from nesy.language.catalogue import report
from nesy.language.draft import Draft
from nesy.language.prolog import builtin_advice
from nesy.source import Span

# Definitions with other numbers of arguments that one message shows.
_MAX_SHOWN = 3


def known_predicates(draft: Draft) -> dict[core.Signature, core.Predicate]:
    """What is defined: by a declaration, a fact or a rule, with the first place."""
    known = dict(draft.declared)
    for fact in draft.facts:
        signature = fact.signature
        if signature not in known:
            known[signature] = core.Predicate(signature, fact.span)
    for rule in draft.rules:
        for head in rule.heads:
            signature = head.signature
            if signature not in known:
                known[signature] = core.Predicate(signature, head.span)
    return known


def atoms_of(body: Iterable[core.BodyLiteral]) -> Iterator[core.Literal]:
    """All literals with an atom, inside aggregates too."""
    for literal in body:
        match literal:
            case core.Literal():
                yield literal
            case core.Aggregate(elements=elements):
                for element in elements:
                    for inner in element.body:
                        if isinstance(inner, core.Literal):
                            yield inner
            case core.Comparison():
                pass


def used_atoms(draft: Draft) -> Iterator[core.Atom]:
    """Every atom that asks for a predicate."""
    for rule in (*draft.rules, *draft.constraints):
        for literal in atoms_of(rule.body):
            yield literal.atom
    for query in draft.queries:
        yield query.atom
    for evidence in draft.evidence:
        yield evidence.atom


def check_names(draft: Draft, known: Mapping[core.Signature, core.Predicate]) -> Iterator[Diagnostic]:
    """A diagnostic for each use of a predicate that is not defined, or not with that arity."""
    by_name: dict[str, list[core.Signature]] = {}
    for signature in known:
        by_name.setdefault(signature.name, []).append(signature)
    aliased = with_alias(by_name)
    for atom in used_atoms(draft):
        if atom.signature not in known and atom.span is not None:
            yield unknown(atom.signature, atom.span, by_name, aliased, known)


def with_alias(names: Iterable[str]) -> dict[str, str]:
    """The qualified names by what stands behind their alias; the first of several.

    >>> with_alias(["kin.parent", "edge"])
    {'parent': 'kin.parent'}
    """
    found: dict[str, str] = {}
    for name in names:
        if "." in name:
            found.setdefault(name.rpartition(".")[2], name)
    return found


def unknown(
    missing: core.Signature,
    span: Span,
    by_name: Mapping[str, list[core.Signature]],
    aliased: Mapping[str, str],
    known: Mapping[core.Signature, core.Predicate],
) -> Diagnostic:
    """The diagnostic of a use of a predicate that is not known."""
    name, found = missing
    if name in by_name:
        signatures = by_name[name]
        others: list[Label] = []
        for signature in signatures[:_MAX_SHOWN]:
            place = known[signature].span
            if place is not None:
                others.append(Label(place, f"defined here with {_count(signature.arity)}"))
        *rest, last = sorted(signatures)[:_MAX_SHOWN]
        expected = " or ".join([*(str(signature.arity) for signature in rest), _count(last.arity)])
        return report("N202", span, f"{_count(found)} here", others=others, name=name, expected=expected, found=found)
    behind = aliased.get(name)
    foreign = builtin_advice(name, found)
    near = behind or (None if foreign else near_name(name, (other for other in by_name if " " not in other)))
    instead = f"did you mean `{near}`?" if near else foreign or _define(name)
    return report("N201", span, name=f"{name}/{found}", instead=instead)


def _define(name: str) -> str:
    return f"give it a fact or a rule, or declare it by `#input` or `#pred {name}(...)`"


def _count(number: int) -> str:
    return "1 argument" if number == 1 else f"{number} arguments"


def check_heads(draft: Draft) -> Iterator[Diagnostic]:
    """A diagnostic for each rule or fact of a predicate that data or an encoder gives."""
    for atom in (*draft.facts, *(head for rule in draft.rules for head in _own_heads(rule))):
        declared = draft.declared.get(atom.signature)
        if declared is None or declared.kind == "derived" or atom.span is None:
            continue
        what = "an input" if declared.kind == "input" else "a neural predicate"
        others = (Label(declared.span, "declared here"),) if declared.span is not None else ()
        yield report("N507", atom.span, others=others, name=atom.predicate, what=what)


def _own_heads(rule: core.Rule) -> tuple[core.Atom, ...]:
    return () if rule.choice is not None and rule.choice.neural is not None else rule.heads
