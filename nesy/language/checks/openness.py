"""Open predicates: `#open p/1` speaks of a predicate that the program has, and that no choice decides."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from nesy.diagnostics import Diagnostic, Label
from nesy.language import core
from nesy.language.catalogue import report
from nesy.language.checks.names import unknown, used_atoms, with_alias
from nesy.language.draft import Draft
from nesy.source import Span


def add_open(draft: Draft, known: dict[core.Signature, core.Predicate]) -> None:
    """Make known what is open and asked for: neither it nor its opposite needs a rule to hold."""
    if draft.open:
        used = {atom.signature for atom in used_atoms(draft)}
        for signature, span in draft.open.items():
            for each in (signature, core.Signature(f"-{signature.name}", signature.arity)):
                if each in used:
                    known.setdefault(each, core.Predicate(each, span))


def check_open(
    draft: Draft, known: Mapping[core.Signature, core.Predicate], broken: Collection[str]
) -> Iterator[Diagnostic]:
    """A diagnostic for each open predicate that is not there, or that has a probability.

    `broken` are names in statements that could not be read: what they say of a predicate is not known.
    """
    by_name: dict[str, list[core.Signature]] = {}
    for signature in known if draft.open else ():
        by_name.setdefault(signature.name, []).append(signature)
    aliased = with_alias(by_name)
    for signature, span in draft.open.items():
        if signature in known:
            what, place, label = _random(signature, draft, known)
            if what:
                others = (Label(place, label),) if place is not None else ()
                yield report("N512", span, others=others, name=str(signature), what=what)
        elif signature.name not in broken:
            yield unknown(signature, span, by_name, aliased, known)


def _random(
    signature: core.Signature, draft: Draft, known: Mapping[core.Signature, core.Predicate]
) -> tuple[str, Span | None, str]:
    if known[signature].kind == "neural":
        return "an encoder decides it", known[signature].span, "declared here"
    for rule in draft.rules:
        if rule.choice is not None:
            for head in rule.heads:
                if head.signature == signature:
                    return "it has a probability", head.span, "which is given here"
    return "", None, ""
