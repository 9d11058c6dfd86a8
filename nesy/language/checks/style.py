"""What is allowed and probably not meant: warnings, given only where there is no error."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from nesy.diagnostics import Diagnostic, Label
from nesy.errors import near_name
from nesy.language import ast, core
from nesy.language.catalogue import report
from nesy.language.checks.names import atoms_of
from nesy.language.draft import Draft
from nesy.language.functions import compare
from nesy.language.scope import variables
from nesy.language.values import key
from nesy.source import Source


def check_style(
    draft: Draft,
    known: Mapping[core.Signature, core.Predicate],
    main: Source,
    shapes: dict[int, tuple[object, ...]],
) -> Iterator[Diagnostic]:
    """Warnings about a program that has no errors; `main` is the file that was asked for.

    `shapes` are those of rules that were looked at before, by id; others join them.
    """
    yield from _singletons(draft)
    yield from _unused(draft, known, main)
    yield from _repeated(draft, shapes)
    yield from _impossible(draft)


def _singletons(draft: Draft) -> Iterator[Diagnostic]:
    for statement in draft.lonely:
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


def _repeated(draft: Draft, shapes: dict[int, tuple[object, ...]]) -> Iterator[Diagnostic]:
    """Rules that are the same but for the names of their variables; one with a probability is a cause of its own."""
    first: dict[tuple[object, ...], core.Rule] = {}
    seen: set[tuple[int, int]] = set()
    for rule in draft.rules:
        if rule.choice is not None or rule.span is None or " " in rule.heads[0].predicate:
            continue
        shape = shapes.get(rule.id)
        if shape is None:
            shape = shapes[rule.id] = shape_of(rule)
        earlier = first.setdefault(shape, rule)
        if earlier is rule or earlier.span is None:
            continue
        # A body with `;` stands for several rules: they are not told apart by their place.
        if earlier.span.source is rule.span.source and earlier.span.start == rule.span.start:
            continue
        place = (id(rule.span.source), rule.span.start)
        if place not in seen:
            seen.add(place)
            yield report("N703", rule.span, others=(Label(earlier.span, "this one"),))


def shape_of(rule: core.Rule) -> tuple[object, ...]:
    """What a rule says, whatever its variables are called: two rules of one shape are the same."""
    numbers: dict[str, int] = {}
    parts: list[object] = []
    for head in rule.heads:
        _add_atom(head, parts, numbers)
    for literal in rule.body:
        match literal:
            case core.Literal(atom, negated):
                parts.append(negated)
                _add_atom(atom, parts, numbers)
            case core.Comparison(operator, left, right):
                parts.append(operator)
                _add_term(left, parts, numbers)
                _add_term(right, parts, numbers)
            case core.Aggregate():
                parts.append(repr(literal))
    return tuple(parts)


def _add_atom(atom: core.Atom, parts: list[object], numbers: dict[str, int]) -> None:
    parts.append(atom.signature)
    for argument in atom.arguments:
        if isinstance(argument, core.Variable):
            parts.append(numbers.setdefault(argument.name, len(numbers)))
        else:
            _add_term(argument, parts, numbers)


def _add_term(term: core.Expr, parts: list[object], numbers: dict[str, int]) -> None:
    match term:
        case core.Variable(name):
            parts.append(numbers.setdefault(name, len(numbers)))
        case core.Constant(value):
            parts.append(key(value))
        case core.Structure(name, arguments) | core.Expression(name, arguments):
            parts.append((term.__class__, name, len(arguments)))
            for argument in arguments:
                _add_term(argument, parts, numbers)


def _impossible(draft: Draft) -> Iterator[Diagnostic]:
    for rule in (*draft.rules, *draft.constraints):
        for literal in rule.body:
            match literal:
                case core.Comparison(operator, core.Constant(left), core.Constant(right), span) if span is not None:
                    if not compare(operator, left, right):
                        yield report("N704", span)
                case _:
                    pass
