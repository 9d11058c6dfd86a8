"""Declarations: the values of a type, the columns of a predicate."""

from __future__ import annotations

from collections.abc import Mapping

from nesy.errors import near_name
from nesy.language import ast
from nesy.language.catalogue import report
from nesy.language.core import Constant
from nesy.language.scope import Refused, Scope
from nesy.language.terms import lower_term
from nesy.language.values import Value, format_value, key

# Values of one range: an encoder gives a score to each.
MAX_VALUES = 100_000


def domain_values(domain: ast.Domain, types: Mapping[str, ast.TypeDeclaration]) -> tuple[Value, ...]:
    """The values that a type or a neural predicate lists.

    Raises: Refused, for anything that is not a list of different constants or a range of integers.
    """
    match domain:
        case ast.TypeName(name, span):
            if name not in types:
                near = near_name(name, types)
                instead = f"did you mean `{near}`?" if near else f"declare it: `#type {name} = {{...}}.`"
                raise Refused(report("N504", span, name=name, instead=instead))
            target = types[name].domain
            if isinstance(target, ast.TypeName):
                raise Refused(
                    report(
                        "N506",
                        target.span,
                        problem=f"type `{name}` lists no values",
                        instead="write `{a, b}` or `0..9`",
                    )
                )
            return domain_values(target, types)
        case ast.Range(low, high, span):
            if not (isinstance(low, ast.Number) and isinstance(high, ast.Number)):
                raise Refused(report("N506", span, problem="the ends of a range are integers", instead="as in `0..9`"))
            first, last = low.value, high.value
            if not (isinstance(first, int) and isinstance(last, int)):
                raise Refused(report("N506", span, problem="the ends of a range are integers", instead="as in `0..9`"))
            if not first <= last < first + MAX_VALUES:
                problem = "this range is empty" if last < first else f"this range has more than {MAX_VALUES} values"
                raise Refused(
                    report(
                        "N506",
                        span,
                        problem=problem,
                        instead=f"did you mean `{last}..{first}`?" if last < first else "",
                    )
                )
            return tuple(range(first, last + 1))
        case ast.ValueSet(terms):
            values: list[Value] = []
            seen: set[object] = set()
            for term in terms:
                lowered = lower_term(term, Scope(set(), set()), "nesy")
                if not isinstance(lowered, Constant):
                    raise Refused(
                        report(
                            "N506",
                            term.span,
                            problem="only constants can be values",
                            instead="names start with a small letter",
                        )
                    )
                if key(lowered.value) in seen:
                    problem = f"`{format_value(lowered.value)}` is listed twice"
                    raise Refused(report("N506", term.span, problem=problem, instead="remove one"))
                seen.add(key(lowered.value))
                values.append(lowered.value)
            return tuple(values)


def columns_of(term: ast.Term) -> tuple[str, tuple[str, ...]]:
    """Name and columns of `token(index, word)`.

    Raises: Refused.
    """
    match term:
        case ast.Call(name, arguments):
            pass
        case ast.Operation("-", (ast.Call(inner, arguments),)):
            name = f"-{inner}"
        case _:
            raise Refused(
                report(
                    "N109",
                    term.span,
                    found=term.span.text,
                    instead="write a name and its columns, as in `parent(person, person)`",
                )
            )
    columns: list[str] = []
    for argument in arguments:
        match argument:
            case ast.Call(column, ()):
                columns.append(column)
            case ast.Variable(column):
                columns.append(column.lower() if column != "_" else "_")
            case _:
                raise Refused(
                    report(
                        "N506",
                        argument.span,
                        problem="a column is declared by its name or type",
                        instead="as in `parent(person, person)`",
                    )
                )
    return name, tuple(columns)
