"""Terms, atoms and expressions: syntax tree to core.

An expression inside an atom is moved out of it: `p(X + 1)` becomes `p(V), V = X + 1`.
"""

from __future__ import annotations

import math

from nesy.errors import near_name
from nesy.language import ast, core
from nesy.language.build import aliases_of
from nesy.language.catalogue import report
from nesy.language.functions import FUNCTIONS, FunctionError, Registered, arities, evaluate
from nesy.language.intervals import interval_literal
from nesy.language.scan import Dialect
from nesy.language.scope import Refused, Scope
from nesy.language.values import CONS, NIL, Compound, Symbol
from nesy.source import Span

# A longer list in a program's text is refused: later stages walk its cells one inside the other.
MAX_LIST = 250


def lower_term(term: ast.Term, scope: Scope, dialect: Dialect) -> core.Term:
    """A term as an argument of an atom."""
    match term:
        case ast.Variable(name):
            return scope.variable(name)
        case ast.Number(value):
            return core.Constant(value)
        case ast.String(value):
            return core.Constant(value)
        case ast.Call(name, span=span, is_qualified=True):
            own = name[len(aliases_of(name)) :]
            instead = f"all files share their constants and structures: write `{own}`"
            raise Refused(report("N110", span, what="an alias", instead=instead))
        case ast.Call(name, ()):
            return core.Constant(Symbol(name))
        case ast.Call(name, arguments) if dialect == "nesy" and (name, len(arguments)) in scope.functions:
            return _move(lower_expression(term, scope, dialect), term.span, scope)
        case ast.Call(name, arguments):
            return structure(name, tuple(lower_term(argument, scope, dialect) for argument in arguments))
        case ast.ListTerm(items, tail, span):
            if len(items) > MAX_LIST:
                raise Refused(
                    report("N107", span, limit=MAX_LIST, hint="keep long lists as facts: `item(1, a). item(2, b).`")
                )
            result = core.Constant(NIL) if tail is None else lower_term(tail, scope, dialect)
            for item in reversed([lower_term(item, scope, dialect) for item in items]):
                result = structure(CONS, (item, result))
            return result
        case ast.Operation(span=span):
            if dialect == "problog":
                instead = f"compute it first: `V is {_text(span)}`, and write `V` here"
                raise Refused(report("N209", span, instead=instead))
            return _move(lower_expression(term, scope, dialect), span, scope)
        case ast.Interval(low, high, span):
            value = scope.variable("_")
            first, last = lower_expression(low, scope, dialect), lower_expression(high, scope, dialect)
            scope.moved.append(interval_literal(value, first, last, span, scope))
            return value
        case ast.Aggregate(_, _, span):
            instead = "compare it with a variable: `X = #count{...}`, and write `X` here"
            raise Refused(report("N110", span, what="an aggregate", instead=instead))
        case _:
            raise Refused(
                report(
                    "N110", term.span, what="a condition", instead="terms are names, numbers, variables, lists, f(X)"
                )
            )


def structure(functor: str, arguments: tuple[core.Term, ...]) -> core.Term:
    """A compound term: a constant if it has no variables."""
    values = [argument.value for argument in arguments if isinstance(argument, core.Constant)]
    if len(values) == len(arguments):
        return core.Constant(Compound(functor, tuple(values)))
    return core.Structure(functor, arguments)


def lower_expression(term: ast.Term, scope: Scope, dialect: Dialect) -> core.Expr:
    """A term that is evaluated: a side of a comparison, or a probability. Constant parts are computed here."""
    match term:
        case ast.Operation(name, arguments, span):
            pass
        case ast.Call(name, arguments, span, is_qualified=False) if arguments:
            if (name, len(arguments)) not in scope.functions:
                if dialect == "nesy":
                    return lower_term(term, scope, dialect)
                near = near_name(name, {known for known, _ in FUNCTIONS if known[0].isalpha()})
                numbers = arities(name)
                instead = f"it takes {numbers[0]}" if numbers else f"did you mean `{near}`?" if near else ""
                raise Refused(report("N208", term.name_span, name=name, found=len(arguments), instead=instead))
        case ast.Call("pi" | "e" as name, ()) if dialect == "problog":
            return core.Constant(math.pi if name == "pi" else math.e)
        case _:
            return lower_term(term, scope, dialect)
    if (name, len(arguments)) not in scope.functions:
        raise Refused(report("N208", span, name=name, found=len(arguments), instead=""))
    entry = scope.functions[name, len(arguments)]
    if (name, len(arguments)) not in FUNCTIONS:
        name = Registered.of(entry)
    lowered = tuple(lower_expression(argument, scope, dialect) for argument in arguments)
    values = [argument.value for argument in lowered if isinstance(argument, core.Constant)]
    if len(values) < len(lowered):
        return core.Expression(name, lowered, span)
    try:
        return core.Constant(evaluate(name, values))
    except FunctionError as error:
        raise Refused(report("N210", span, problem=str(error))) from None


def lower_atom(term: ast.Body, scope: Scope, dialect: Dialect) -> core.Atom:
    """An atom; `-p(X)` is an atom of the predicate `-p`."""
    match term:
        case ast.Call(name, arguments, span):
            lowered = [
                scope.variable(argument.name)
                if isinstance(argument, ast.Variable)
                else lower_term(argument, scope, dialect)
                for argument in arguments
            ]
            return core.Atom(name, tuple(lowered), span)
        case ast.Operation("-", (ast.Call(name, arguments),), span):
            return core.Atom(f"-{name}", tuple([lower_term(argument, scope, dialect) for argument in arguments]), span)
        case _:
            raise Refused(report("N109", term.span, found=_text(term.span), instead=_instead(term)))


def _instead(term: ast.Body) -> str:
    match term:
        case ast.Variable(name):
            return f"predicate names start with a small letter: `{name.lower().lstrip('_') or 'p'}`"
        case ast.Number():
            return "a probability is followed by `::`, as in `0.3::rain.`"
        case ast.Comparison() | ast.Operation():
            return "arithmetic belongs on a side of a comparison, as in `X = Y + 1`"
        case _:
            return ""


def _move(expression: core.Expr, span: Span, scope: Scope) -> core.Term:
    if not isinstance(expression, core.Expression):
        return expression
    variable = scope.fresh()
    scope.moved.append(core.Comparison("=", variable, expression, span))
    return variable


def _text(span: Span) -> str:
    text = " ".join(span.text.split())
    return text if len(text) <= 60 else text[:57] + "..."
