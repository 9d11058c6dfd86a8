"""ProbLog's `library(aggregate)`: `dept_salary(Dept, avg<Salary>) :- salary(X, Salary), dept(X, Dept).`

Such a rule says the same as an aggregate in its body, grouped by the other arguments of its head:

    dept_salary(Dept, R) :- salary(_1, _2), dept(_1, Dept), R = #avg{ Salary, X : salary(X, Salary), dept(X, Dept) }.

The body stands there once more, with names of its own, since ProbLog has no answer for a group without members.
"""

from __future__ import annotations

from dataclasses import replace

from nesy.language import ast
from nesy.language.catalogue import report
from nesy.language.scope import Refused, variables

FUNCTIONS = frozenset(("avg", "sum", "min", "max"))


def in_body(rule: ast.Rule) -> ast.Rule:
    """The rule with the aggregate of its head in its body; a rule without one is left alone.

    Raises: Refused, where ProbLog has no meaning for it either, or a function of the program's own.
    """
    found = [argument for head in rule.heads for argument in _arguments(head.atom) if _is_collected(argument)]
    if not found:
        return rule
    aggregate, head = found[0], next(iter(rule.heads))
    assert isinstance(aggregate, ast.Aggregate)
    span = aggregate.span
    if len(found) > 1 or len(rule.heads) > 1 or head.probability is not None or rule.body is None:
        instead = "a head has one, in a rule without probability that has a body"
        raise Refused(report("N110", span, what="an aggregate", instead=instead))
    if aggregate.function not in FUNCTIONS:
        instead = f"the functions are {', '.join(sorted(FUNCTIONS))}"
        raise Refused(report("N110", span, what=f"`{aggregate.function}<...>`", instead=instead))
    assert isinstance(head.atom, ast.Call)
    group = {v.name for argument in head.atom.arguments if argument is not aggregate for v in variables(argument)}
    taken = {v.name for v in variables((head.atom, rule.body))}
    result = ast.Variable(_fresh("Result", taken), span)
    arguments = tuple(result if argument is aggregate else argument for argument in head.atom.arguments)
    body = _without_blanks(rule.body, taken)
    others = dict.fromkeys(v.name for v in variables(body) if v.name not in group)
    apart = {name: _fresh(f"{name}_", taken) for name in others}
    # Each way in which the body holds counts once, so all of its variables are part of the tuple.
    terms = (*next(iter(aggregate.elements)).terms, *(ast.Variable(name, span) for name in others))
    collected = replace(aggregate, elements=(ast.Element(terms, (body,), span),))
    conditions = (_renamed(body, apart), ast.Comparison((result, collected), ("=",), span))
    atom = replace(head.atom, arguments=arguments)
    return replace(rule, heads=(replace(head, atom=atom),), body=ast.Conjunction(conditions, rule.body.span))


def _arguments(atom: ast.Term) -> tuple[ast.Term, ...]:
    return atom.arguments if isinstance(atom, ast.Call) else ()


def _is_collected(argument: ast.Term) -> bool:
    match argument:
        case ast.Aggregate(_, (ast.Element((ast.Variable(),), ()),)):
            return True
        case _:
            return False


def _fresh(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "_"
    taken.add(name)
    return name


def _without_blanks(body: ast.Body, taken: set[str]) -> ast.Body:
    """The body with a name for each `_` of its positive conditions: under `not`, `_` means "any"."""
    match body:
        case ast.Conjunction(parts) | ast.Disjunction(parts):
            return replace(body, parts=tuple(_without_blanks(part, taken) for part in parts))
        case ast.Call(arguments=arguments) | ast.Operation(arguments=arguments):
            return replace(body, arguments=tuple(_without_blanks(argument, taken) for argument in arguments))
        case ast.ListTerm(items, tail):
            named = tuple(_without_blanks(item, taken) for item in items)
            return replace(body, items=named, tail=None if tail is None else _without_blanks(tail, taken))
        case ast.Variable("_", span):
            return ast.Variable(_fresh("Any", taken), span)
        case _:
            return body


def _renamed(body: ast.Body, names: dict[str, str]) -> ast.Body:
    """The body with other names for some of its variables."""

    def each(parts: tuple[ast.Body, ...]) -> tuple[ast.Body, ...]:
        return tuple(_renamed(part, names) for part in parts)

    match body:
        case ast.Variable(name, span):
            return ast.Variable(names.get(name, name), span)
        case ast.Number() | ast.String():
            return body
        case ast.Conjunction(parts) | ast.Disjunction(parts):
            return replace(body, parts=each(parts))
        case ast.Call(arguments=arguments) | ast.Operation(arguments=arguments):
            return replace(body, arguments=each(arguments))
        case ast.Comparison(terms=terms):
            return replace(body, terms=each(terms))
        case ast.ListTerm(items, tail):
            return replace(body, items=each(items), tail=None if tail is None else _renamed(tail, names))
        case ast.Interval(low, high):
            return replace(body, low=_renamed(low, names), high=_renamed(high, names))
        case ast.Negation(inner) | ast.Group(inner):
            return replace(body, body=_renamed(inner, names))
        case ast.Aggregate(_, elements):
            inside = tuple(
                replace(element, terms=each(element.terms), conditions=each(element.conditions)) for element in elements
            )
            return replace(body, elements=inside)
