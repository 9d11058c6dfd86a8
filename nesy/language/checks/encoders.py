"""Encoders: what a neural predicate is asked about comes from the input, for an encoder sees nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from nesy.diagnostics import Diagnostic
from nesy.language import core
from nesy.language.catalogue import report
from nesy.language.checks.strata import edges
from nesy.language.draft import Draft


def check_encoders(draft: Draft, known: Mapping[core.Signature, core.Predicate]) -> Iterator[Diagnostic]:
    """A diagnostic for each neural predicate whose body reaches no `#input`, through rules or directly.

    What is declared by `#pred` and defined by nothing may be the input of the program that includes the file.
    """
    asked = [rule for rule in draft.rules if rule.choice is not None and rule.choice.neural is not None]
    if not asked:
        return
    defined = {fact.signature for fact in draft.facts} | {head.signature for rule in draft.rules for head in rule.heads}
    named = {request.predicate for request in draft.tables}
    below: dict[core.Signature, set[core.Signature]] = {}
    for edge in edges(draft.rules):
        below.setdefault(edge.head, set()).add(edge.body)

    def is_given(signature: core.Signature) -> bool:
        declared = draft.declared.get(signature)
        if declared is None:
            return signature in draft.open or signature not in known
        return declared.kind == "input" or (signature not in defined and signature.name not in named)

    for rule in asked:
        todo, seen = [rule.heads[0].signature], set[core.Signature]()
        while todo:
            signature = todo.pop()
            if signature in seen:
                continue
            seen.add(signature)
            if is_given(signature):
                break
            todo.extend(below.get(signature, ()))
        else:
            span = rule.heads[0].span
            if span is not None:
                yield report("N711", span, name=rule.heads[0].predicate)
