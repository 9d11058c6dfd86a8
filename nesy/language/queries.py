"""Queries with a body: `query(p(X)) :- a(X).` asks for p(X) for each fact a(X)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from nesy.diagnostics import Diagnostic
from nesy.language import core
from nesy.language.catalogue import report
from nesy.language.draft import Draft
from nesy.language.functions import FunctionError, compare, evaluate
from nesy.language.values import Compound, Value, key

# Queries that one statement may stand for.
MAX_QUERIES = 10_000


class _NotFacts(Exception):
    """The body asks for something that is not certain."""


def query_for_each(draft: Draft) -> list[Diagnostic]:
    """Add the queries that bodies over facts stand for, in the order of the facts."""
    diagnostics: list[Diagnostic] = []
    if not draft.queries_for_each:
        return diagnostics
    derived = {head.signature for rule in draft.rules for head in rule.heads} | set(draft.declared)
    facts: dict[core.Signature, list[tuple[Value, ...]]] = {}
    for fact in draft.facts:
        values = tuple(argument.value for argument in fact.arguments if isinstance(argument, core.Constant))
        facts.setdefault(fact.signature, []).append(values)
    for query, body, span in draft.queries_for_each:
        try:
            seen: dict[str, core.Atom] = {}
            for binding in _solve(body, {}, facts, derived):
                arguments = tuple(_substitute(argument, binding) for argument in query.atom.arguments)
                atom = core.Atom(query.atom.predicate, arguments, query.atom.span)
                seen.setdefault(str(atom), atom)
                if len(seen) > MAX_QUERIES:
                    raise _NotFacts
            draft.queries += [replace(query, atom=atom) for atom in seen.values()]
        except (_NotFacts, FunctionError):
            diagnostics.append(report("N213", span))
    return diagnostics


def _solve(
    body: Sequence[core.BodyLiteral],
    binding: Mapping[str, Value],
    facts: Mapping[core.Signature, list[tuple[Value, ...]]],
    derived: set[core.Signature],
) -> Iterator[Mapping[str, Value]]:
    if not body:
        yield binding
        return
    literal, rest = body[0], body[1:]
    match literal:
        case core.Literal(atom, False) if atom.signature in facts and atom.signature not in derived:
            for row in facts[atom.signature]:
                extended = dict(binding)
                if all(_match(term, value, extended) for term, value in zip(atom.arguments, row, strict=True)):
                    yield from _solve(rest, extended, facts, derived)
        case core.Comparison("=", core.Variable(name), right) if name not in binding:
            yield from _solve(rest, {**binding, name: _value(right, binding)}, facts, derived)
        case core.Comparison(operator, left, right):
            if compare(operator, _value(left, binding), _value(right, binding)):
                yield from _solve(rest, binding, facts, derived)
        case _:
            raise _NotFacts


def _match(term: core.Term, value: Value, binding: dict[str, Value]) -> bool:
    match term:
        case core.Variable(name):
            return key(binding.setdefault(name, value)) == key(value)
        case core.Constant(other):
            return key(other) == key(value)
        case core.Structure(functor, arguments):
            return (
                isinstance(value, Compound)
                and value.functor == functor
                and len(value.arguments) == len(arguments)
                and all(_match(part, inner, binding) for part, inner in zip(arguments, value.arguments, strict=True))
            )


def _value(term: core.Expr, binding: Mapping[str, Value]) -> Value:
    match term:
        case core.Variable(name):
            if name not in binding:
                raise _NotFacts
            return binding[name]
        case core.Constant(value):
            return value
        case core.Structure(functor, arguments):
            return Compound(functor, tuple(_value(argument, binding) for argument in arguments))
        case core.Expression(function, arguments):
            return evaluate(function, [_value(argument, binding) for argument in arguments])


def _substitute(term: core.Term, binding: Mapping[str, Value]) -> core.Term:
    match term:
        case core.Variable(name):
            return core.Constant(binding[name]) if name in binding else term
        case core.Constant():
            return term
        case core.Structure(functor, arguments):
            inner = tuple(_substitute(argument, binding) for argument in arguments)
            values = [argument.value for argument in inner if isinstance(argument, core.Constant)]
            if len(values) == len(inner):
                return core.Constant(Compound(functor, tuple(values)))
            return core.Structure(functor, inner)
