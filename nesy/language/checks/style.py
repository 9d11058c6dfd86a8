"""What is allowed and probably not meant: warnings, given only where there is no error."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from nesy.diagnostics import Diagnostic, Label
from nesy.errors import near_name
from nesy.language import ast, core
from nesy.language.catalogue import report
from nesy.language.checks.names import atoms_of
from nesy.language.functions import compare
from nesy.language.lower import Draft
from nesy.language.scope import variables
from nesy.source import Source


def check_style(draft: Draft, known: Mapping[core.Signature, core.Predicate], main: Source) -> Iterator[Diagnostic]:
    """Warnings about a program that has no errors; `main` is the file that was asked for."""
    yield from _singletons(draft)
    yield from _unused(draft, known, main)
    yield from _repeated(draft)
    yield from _impossible(draft)


def _singletons(draft: Draft) -> Iterator[Diagnostic]:
    seen: set[int] = set()
    for statement in draft.statement_of.values():
        if id(statement) in seen:
            continue
        seen.add(id(statement))
        match statement:
            case ast.Rule(heads, body) if heads:
                found = list(variables((heads, body)))
            case ast.Constraint(body, weight):
                found = list(variables((body, weight)))
            case _:
                continue
        counts = Counter(variable.name for variable in found)
        for variable in found:
            name = variable.name
            if counts[name] == 1 and not name.startswith("_"):
                near = near_name(name, [other for other in counts if other != name and counts[other] > 1])
                instead = (
                    f"did you mean `{near}`? If any value will do, write `_`"
                    if near
                    else "write `_` if any value will do"
                )
                yield report("N701", variable.span, name=name, instead=instead)


def _unused(draft: Draft, known: Mapping[core.Signature, core.Predicate], main: Source) -> Iterator[Diagnostic]:
    """Only where the program says what it asks for: a library is there to be used by others."""
    if not draft.queries:
        return
    used = {asked.atom.signature for asked in (*draft.queries, *draft.evidence)}
    for rule in (*draft.rules, *draft.constraints):
        own = {head.signature for head in rule.heads}
        used.update(literal.atom.signature for literal in atoms_of(rule.body) if literal.atom.signature not in own)
    for signature, predicate in known.items():
        span = predicate.span
        if signature not in used and " " not in signature.name and span is not None and span.source is main:
            yield report("N702", span, name=str(signature))


def _repeated(draft: Draft) -> Iterator[Diagnostic]:
    """Rules that are the same but for the names of their variables; one with a probability is a cause of its own."""
    first: dict[str, core.Rule] = {}
    seen: set[tuple[int, int]] = set()
    for rule in draft.rules:
        if rule.choice is not None or rule.span is None or " " in rule.heads[0].predicate:
            continue
        earlier = first.setdefault(_shape(rule), rule)
        if earlier is rule or earlier.span is None:
            continue
        # A body with `;` stands for several rules: they are not told apart by their place.
        if earlier.span.source is rule.span.source and earlier.span.start == rule.span.start:
            continue
        place = (id(rule.span.source), rule.span.start)
        if place not in seen:
            seen.add(place)
            yield report("N703", rule.span, others=(Label(earlier.span, "this one"),))


def _shape(rule: core.Rule) -> str:
    names: dict[str, str] = {}

    def rename(term: core.Expr) -> core.Expr:
        match term:
            case core.Variable(name):
                return core.Variable(names.setdefault(name, f"X{len(names)}"))
            case core.Structure(functor, arguments):
                return core.Expression(f"@{functor}", tuple(rename(argument) for argument in arguments))
            case core.Expression(function, arguments):
                return core.Expression(function, tuple(rename(argument) for argument in arguments))
            case core.Constant():
                return term

    parts: list[object] = []
    for head in rule.heads:
        parts.append((head.predicate, [rename(argument) for argument in head.arguments]))
    for literal in rule.body:
        match literal:
            case core.Literal(atom, negated):
                parts.append((negated, atom.predicate, [rename(argument) for argument in atom.arguments]))
            case core.Comparison(operator, left, right):
                parts.append((operator, rename(left), rename(right)))
            case core.Aggregate():
                parts.append(literal)
    return repr(parts)


def _impossible(draft: Draft) -> Iterator[Diagnostic]:
    for rule in (*draft.rules, *draft.constraints):
        for literal in rule.body:
            match literal:
                case core.Comparison(operator, core.Constant(left), core.Constant(right), span) if span is not None:
                    if not compare(operator, left, right):
                        yield report("N704", span)
                case _:
                    pass
