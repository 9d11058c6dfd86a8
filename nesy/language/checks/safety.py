"""Safety: every variable of a rule is bound by its body."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from itertools import islice

from nesy.diagnostics import Diagnostic
from nesy.errors import near_name
from nesy.language import ast, core
from nesy.language.catalogue import report
from nesy.language.core import term_variables
from nesy.language.draft import Draft
from nesy.language.scope import variables, walk
from nesy.source import Span

# Variables of one rule that are told: each is compared with all others, for a name that is near.
_MAX_NAMES = 20


def check_safety(draft: Draft, safe: set[int]) -> Iterator[Diagnostic]:
    """A diagnostic for each variable that nothing binds, one for each statement and name.

    `safe` are the ids of rules that were found to be safe before; those found now join them.
    """
    seen: set[tuple[int, str]] = set()
    for rule in (*draft.rules, *draft.constraints):
        if rule.id in safe:
            continue
        unsafe = list(unsafe_variables(rule, draft.tests))
        if not unsafe:
            safe.add(rule.id)
        for code, name in unsafe:
            statement = draft.statement_of[rule.id]
            if (id(statement), name) in seen:
                continue
            seen.add((id(statement), name))
            yield _diagnostic(code, name, statement, rule)


def unsafe_variables(rule: core.Rule, tests: Container[int] = ()) -> Iterator[tuple[str, str]]:
    """Code and name of each variable that the body does not bind."""
    bound = bound_variables(rule.body, tests=tests)
    unsafe: dict[str, str] = {}
    for head in rule.heads:
        for name in term_variables(head.arguments):
            if name not in bound:
                unsafe.setdefault(name, "N203")
    if rule.choice is not None:
        for weight in rule.choice.weights:
            terms = (weight.probability,) if isinstance(weight, core.Fixed) else weight.index
            for name in term_variables(terms):
                if name not in bound:
                    unsafe.setdefault(name, "N207")
    for literal in rule.body:
        match literal:
            case core.Literal(atom, negated=True):
                for name in term_variables(atom.arguments):
                    if name not in bound:
                        unsafe.setdefault(name, "N204")
            case core.Comparison(_, left, right):
                for name in term_variables((left, right)):
                    if name not in bound:
                        unsafe.setdefault(name, "N205")
            case core.Aggregate():
                for name in _unsafe_in_aggregate(literal, bound):
                    unsafe.setdefault(name, "N206")
            case core.Literal():
                pass
    for name, code in islice(unsafe.items(), _MAX_NAMES):
        yield code, name


def bound_variables(
    body: Iterable[core.BodyLiteral], given: Iterable[str] = (), tests: Container[int] = ()
) -> set[str]:
    """The variables that a body binds: by positive literals, `=` with a bound side, and aggregates.

    `tests` are the ids of comparisons that only test, though their operator is `=` (Prolog's `==`).
    """
    bound = set(given)
    waiting: list[core.Comparison | core.Aggregate] = []
    for literal in body:
        match literal:
            case core.Literal(atom, negated=False):
                for argument in atom.arguments:
                    if isinstance(argument, core.Variable):
                        bound.add(argument.name)
                    elif isinstance(argument, core.Structure):
                        bound.update(term_variables((argument,)))
            case core.Comparison("=") | core.Aggregate():
                if id(literal) not in tests:
                    waiting.append(literal)
            case _:
                pass
    waiting = [literal for literal in waiting if not binds(literal, bound)]
    if waiting:
        _bind_in_any_order(waiting, bound)
    return bound


def _bind_in_any_order(waiting: list[core.Comparison | core.Aggregate], bound: set[str]) -> None:
    """Evaluate what can be: a literal is tried again when one of its variables is bound."""
    asking: dict[str, list[core.Comparison | core.Aggregate]] = {}
    for literal in waiting:
        for name in _names(literal):
            asking.setdefault(name, []).append(literal)
    todo = [*waiting]
    while todo:
        literal = todo.pop()
        unbound = [name for name in _names(literal) if name not in bound]
        if unbound and binds(literal, bound):
            for name in unbound:
                todo += asking[name]


def _names(literal: core.Comparison | core.Aggregate) -> list[str]:
    if isinstance(literal, core.Aggregate):
        return [literal.result.name, *(variable.name for variable in literal.group)]
    return list(term_variables((literal.left, literal.right)))


def binds(literal: core.Comparison | core.Aggregate, bound: set[str]) -> bool:
    """Whether the literal can be evaluated now; its new variables join `bound`."""
    if isinstance(literal, core.Aggregate):
        if all(variable.name in bound for variable in literal.group):
            bound.add(literal.result.name)
            return True
        return False
    for one, other in ((literal.left, literal.right), (literal.right, literal.left)):
        if isinstance(other, core.Expression | core.Constant) and isinstance(one, core.Expression):
            continue
        if all(name in bound for name in term_variables((other,))):
            if isinstance(one, core.Variable | core.Structure):
                bound.update(term_variables((one,)))
            if all(name in bound for name in term_variables((one,))):
                return True
    return all(name in bound for name in term_variables((literal.left, literal.right)))


def _unsafe_in_aggregate(aggregate: core.Aggregate, bound: set[str]) -> Iterator[str]:
    outer = {variable.name for variable in aggregate.group}
    yield from (name for name in outer if name not in bound)
    for element in aggregate.elements:
        inner = bound_variables(element.body, outer & bound)
        yield from (name for name in term_variables(element.terms) if name not in inner and name not in outer)
        for literal in element.body:
            match literal:
                case core.Literal(atom, negated=True):
                    names = term_variables(atom.arguments)
                case core.Comparison(_, left, right):
                    names = term_variables((left, right))
                case core.Literal():
                    continue
            yield from (name for name in names if name not in inner and name not in outer)


# -- the message -----------------------------------------------------------------------------------


def _diagnostic(code: str, name: str, statement: ast.Statement, rule: core.Rule) -> Diagnostic:
    # A variable made by lowering stands for an expression or for `_`; it shows as what was written.
    written = name if any(v.name == name for v in _variables_of(statement)) else "_"
    span = _place(code, written, statement)
    if span is None:
        assert rule.span is not None
        span = rule.span
    names = [variable.name for variable in _variables_of(statement) if variable.name not in (name, "_")]
    near = near_name(name, set(names))
    hint = f"did you mean `{near}`?" if near else None
    if code == "N204":
        instead = hint or f"bind `{written}` by a condition without `not`, or write `_` if any value will do"
        return report(code, span, name=written, instead=instead)
    if code == "N203" and not hint:
        hint = _binding(written, statement, rule)
    return report(code, span, name=written, hint=hint or "")


def _binding(name: str, statement: ast.Statement, rule: core.Rule) -> str:
    """How to bind a variable of a head."""
    match statement:
        case ast.NeuralDeclaration(body=None, span=span):
            declared = span.text.removesuffix(".").rstrip()
            return f"say for which values the encoder is asked: `{declared} :- p({name}).`"
        case ast.Rule(body=None) if name != "_":
            return f"a fact has no variables; write a name in small letters, or add a body that binds `{name}`"
        case _:
            pass
    if any(isinstance(term, core.Structure) for head in rule.heads for term in head.arguments):
        return (
            "rules are run from the facts up, where lists and terms that are only asked for are not known: bind it by "
            "a condition, or keep the program in a `.pl` file, whose rules are run from its queries down"
        )
    return ""


def _variables_of(statement: ast.Statement) -> list[ast.Variable]:
    match statement:
        case ast.Rule(heads, body):
            return list(variables((heads, body)))
        case ast.Constraint(body, weight):
            return list(variables((body, weight)))
        case ast.NeuralDeclaration(atom, _, body):
            return list(variables((atom, body)))
        case _:
            return []


def _place(code: str, name: str, statement: ast.Statement) -> Span | None:
    """The first place of the variable in the part of the statement that the code speaks of."""
    parts: list[object] = []
    match statement:
        case ast.Rule(heads, body):
            atoms = tuple(head.atom for head in heads)
            chances = tuple(head.probability for head in heads)
            parts = [atoms] if code == "N203" else [chances] if code == "N207" else [body, atoms]
        case ast.Constraint(body, weight):
            parts = [weight, body] if code == "N207" else [body, weight]
        case ast.NeuralDeclaration(atom, _, body):
            parts = [atom, body]
        case _:
            pass
    kind = {"N204": ast.Negation, "N205": ast.Comparison, "N206": ast.Aggregate}.get(code)
    for part in parts:
        for item in walk(part):
            if kind is not None and isinstance(item, kind):
                for variable in variables(item):
                    if variable.name == name:
                        return variable.span
    for part in parts:
        for variable in variables(part):
            if variable.name == name:
                return variable.span
    return None
