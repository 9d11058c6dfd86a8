"""Bodies: syntax tree to core literals.

Core bodies are flat. Alternatives (`;`) become several bodies; what core has no shape for (a negated
conjunction, a negated atom with `_`) becomes an auxiliary predicate whose name is the text it stands for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import dataclass, replace
from itertools import chain, product
from typing import TypeAlias

from nesy.language import ast, core
from nesy.language.catalogue import report
from nesy.language.intervals import interval_literal, refuse_open_intervals
from nesy.language.prolog import refuse_builtin
from nesy.language.scan import Dialect
from nesy.language.scope import Refused, Scope, variables
from nesy.language.terms import lower_atom, lower_expression, lower_term
from nesy.source import Span

# Bodies that one body with `;` may stand for.
MAX_ALTERNATIVES = 256

_SAME = {"=": "=", "==": "=", "is": "=", "!=": "!=", "<>": "!=", "\\=": "!=", "\\==": "!=", "=<": "<="}
_NOT = {"=": "!=", "!=": "=", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}
_NOT_NUMERIC = {"=:=": "=\\=", "=\\=": "=:="}
_STRUCTURAL = frozenset(("=", "==", "\\=", "\\==", "!="))
_AGGREGATES = frozenset(("count", "sum", "min", "max", "avg"))
_NO_PREDICATES = frozenset(("true", "fail", "false", "forall", "between", "findall", "length"))
_FALSE = core.Comparison("=", core.Constant(0), core.Constant(1))

# Asked for the conjunctions that conditions stand for; see `alternatives`.
Alternatives: TypeAlias = Callable[[Sequence[ast.Body], Counter[str]], list[tuple[ast.Body, ...]]]
# Asked to define an auxiliary predicate by bodies over the arguments; gives the atom to use.
Define: TypeAlias = Callable[[str, tuple[core.Variable, ...], Sequence[tuple[ast.Body, ...]], Span], core.Atom]


@dataclass
class BodyLowering:
    """What lowering the body of one rule needs. `define` makes auxiliary predicates."""

    scope: Scope
    dialect: Dialect
    define: Define
    alternatives: Alternatives
    defined: Set[tuple[str, int]]  # predicates with a rule or fact
    outside: Counter[str]  # how often each variable occurs in the whole statement
    tests: dict[int, core.Comparison]  # `==` tests and never binds: comparisons by their id()
    siblings: Sequence[ast.Body] = ()  # the conditions of the conjunction that is being lowered

    def literals(self, conditions: Sequence[ast.Body]) -> list[core.BodyLiteral]:
        """The core literals of a conjunction."""
        result: list[core.BodyLiteral] = []
        self.siblings = conditions
        for condition in conditions:
            if condition.__class__ is ast.Call and self._is_ordinary(condition):  # type: ignore[arg-type]
                literals = [core.Literal(lower_atom(condition, self.scope, self.dialect))]
            else:
                literals = list(self._condition(condition))
            if self.scope.moved:
                result += self.scope.take_moved()
            result += literals
        return result

    def _is_ordinary(self, call: ast.Call) -> bool:
        """Whether a condition asks for a predicate, and can mean nothing else; so it is with most."""
        name, arguments = call.name, call.arguments
        return (
            self.dialect == "nesy" and name not in _NO_PREDICATES and (name, len(arguments)) not in self.scope.functions
        )

    def _condition(self, condition: ast.Body) -> Iterator[core.BodyLiteral]:
        match condition:
            case ast.Negation(inner, span):
                yield from self._negation(inner, span)
            case ast.Comparison():
                yield from self._comparison(condition)
            case ast.Call("true", ()):
                pass
            case ast.Call("fail" | "false", ()):
                yield _FALSE
            case ast.Call("forall", (condition_term, claim), span) if self._is_builtin("forall", 2):
                counterexample = ast.Conjunction((condition_term, ast.Negation(claim, span)), span)
                yield from self._negation(ast.Group(counterexample, span), span)
            case ast.Call(name, arguments, span) if self._is_test(name, len(arguments)):
                yield core.Comparison(
                    "=", lower_expression(condition, self.scope, self.dialect), core.Constant(1), span
                )
            case ast.Call("between", (low, high, value), span) if self._is_builtin("between", 3):
                yield from self._within(value, "=", ast.Interval(low, high, span), span)
            case ast.Call("findall", (ast.Variable(name), goal, numbers)) if self._is_builtin("findall", 3) and (
                bounds := self._numbers(name, goal)
            ):
                # Of all goals, this one has its answers in the same order in every engine, and in every world.
                call = replace(condition, name="numlist", arguments=(*bounds, numbers))
                yield core.Literal(lower_atom(call, self.scope, self.dialect))
            case ast.Call("length", (items, length), span) if (
                self.dialect == "problog" and ("length", 2) not in self.defined
            ):
                value = core.Expression("length", (lower_term(items, self.scope, self.dialect),), span)
                yield core.Comparison("=", lower_term(length, self.scope, self.dialect), value, span)
            case ast.Aggregate(function, _, span):
                instead = f"compare it: `X = #{function}{{...}}` or `#{function}{{...}} > 2`"
                raise Refused(report("N110", span, "", what="an aggregate alone", instead=instead))
            case _:
                if self.dialect == "problog":
                    refuse_builtin(condition, self.defined)
                yield core.Literal(lower_atom(condition, self.scope, self.dialect))

    def _is_builtin(self, name: str, arity: int) -> bool:
        return self.dialect == "problog" and (name, arity) not in self.defined

    def _numbers(self, name: str, goal: ast.Term) -> tuple[ast.Term, ast.Term] | None:
        """The ends in `findall(X, between(Low, High, X), L)` where `X` is its own variable and `numlist` is known."""
        match goal:
            case ast.Call("between", (low, high, ast.Variable(other))) if (
                name == other != "_" and self.outside[name] == 2 and ("numlist", 3) in self.defined
            ):
                return low, high
            case _:
                return None

    def _is_test(self, name: str, arity: int) -> bool:
        function = self.scope.functions.get((name, arity))
        return self.dialect == "nesy" and function is not None and function.is_test

    # -- comparisons -------------------------------------------------------------------------

    def _comparison(self, comparison: ast.Comparison) -> Iterator[core.BodyLiteral]:
        sides = comparison.terms
        for index, operator in enumerate(comparison.operators):
            left, right = sides[index], sides[index + 1]
            if isinstance(left, ast.Aggregate) or isinstance(right, ast.Aggregate):
                yield from self._guard(left, operator, right, comparison.span)
                continue
            if isinstance(right, ast.Interval):
                yield from self._within(left, operator, right, comparison.span)
                continue
            yield from self._compare(operator, left, right, comparison.span)

    def _compare(self, operator: str, left: ast.Term, right: ast.Term, span: Span) -> Iterator[core.BodyLiteral]:
        if self.dialect == "problog" and operator in _STRUCTURAL:
            lower = lower_term
        else:
            lower = lower_expression
        first = (lower_term if operator == "is" else lower)(left, self.scope, self.dialect)
        second = lower(right, self.scope, self.dialect)
        yield from self.scope.take_moved()
        match operator:
            case "=:=":  # equal as numbers: 1 =:= 1.0 holds, 1 = 1.0 does not
                yield core.Comparison("<=", first, second, span)
                yield core.Comparison(">=", first, second, span)
            case "=\\=":
                distance = core.Expression("abs", (core.Expression("-", (first, second), span),), span)
                yield core.Comparison(">", distance, core.Constant(0), span)
            case _:
                comparison = core.Comparison(_SAME.get(operator, operator), first, second, span)  # type: ignore[arg-type]
                if operator == "==":
                    self.tests[id(comparison)] = comparison
                yield comparison

    def _within(self, left: ast.Term, operator: str, right: ast.Interval, span: Span) -> Iterator[core.BodyLiteral]:
        if operator != "=":
            instead = "it stands behind `=`, in a condition without `not`; compare with its ends instead"
            raise Refused(report("N110", right.span, what="an interval", instead=instead))
        value = lower_expression(left, self.scope, self.dialect)
        if isinstance(value, core.Expression):
            yield from self.scope.take_moved()
            variable = self.scope.fresh()
            yield core.Comparison("=", variable, value, span)
            value = variable
        low, high = (lower_expression(end, self.scope, self.dialect) for end in (right.low, right.high))
        literal = interval_literal(value, low, high, right.span, self.scope)
        yield from self.scope.take_moved()
        yield literal

    def _guard(self, left: ast.Term, operator: str, right: ast.Term, span: Span) -> Iterator[core.BodyLiteral]:
        operator = _SAME.get(operator, operator)
        if operator not in _NOT:
            raise Refused(report("N110", span, what=f"`{operator}` beside an aggregate", instead="use = != < <= > >="))
        results: list[core.Expr] = []
        for side, other in ((left, right), (right, left)):
            if isinstance(side, ast.Aggregate):
                result = self._result(other, operator)
                yield self._aggregate(side, result)
                results.append(result)
            else:
                results.append(lower_expression(side, self.scope, self.dialect))
                yield from self.scope.take_moved()
        if results[0] != results[1]:
            yield core.Comparison(operator, results[0], results[1], span)  # type: ignore[arg-type]

    def _result(self, other: ast.Term, operator: str) -> core.Variable:
        """The variable itself in `X = #sum{...}` if nothing else can bind it, else a new one."""
        self.scope.counts_for_choice = False
        try:
            if isinstance(other, ast.Variable) and operator == "=" and other.name != "_":
                if other.name not in self.scope.bound_by_body:
                    self.scope.bound_by_body.add(other.name)
                    return self.scope.variable(other.name)
            return self.scope.fresh()
        finally:
            self.scope.counts_for_choice = True

    def _aggregate(self, aggregate: ast.Aggregate, result: core.Variable) -> core.Aggregate:
        scope = self.scope
        if aggregate.function not in _AGGREGATES:
            raise Refused(report("N110", aggregate.span, what=f"`#{aggregate.function}`", instead=""))
        inside = Counter(variable.name for variable in variables(aggregate))
        shared = [name for name in inside if name != "_" and name in scope.shared]
        group = tuple(core.Variable(name) for name in shared)
        elements: list[core.Element] = []
        kept, scope.moved = scope.moved, []
        scope.counts_for_choice = False
        for element in aggregate.elements:
            outer = dict(scope.renamed)
            for variable in variables(element):
                name = variable.name
                if name != "_" and name not in scope.shared and name not in scope.renamed:
                    scope.renamed[name] = name if name not in scope.locals else scope.fresh().name
                    scope.locals.add(name)
            for conditions in self.alternatives(list(element.conditions), Counter()):
                terms = tuple(lower_term(term, scope, self.dialect) for term in element.terms)
                moved = scope.take_moved()
                literals = [*moved, *self.literals(conditions)]
                refuse_open_intervals(literals, scope)
                for literal in literals:
                    if isinstance(literal, core.Aggregate):
                        instead = "define the inner one by a rule of its own"
                        raise Refused(
                            report("N110", aggregate.span, what="an aggregate inside an aggregate", instead=instead)
                        )
                elements.append(core.Element(terms, tuple(literals)))  # type: ignore[arg-type]
            scope.renamed = outer
        scope.counts_for_choice = True
        scope.moved = kept
        return core.Aggregate(aggregate.function, result, group, tuple(elements), aggregate.span)  # type: ignore[arg-type]

    # -- negation ----------------------------------------------------------------------------

    def _negation(self, inner: ast.Body, span: Span) -> Iterator[core.BodyLiteral]:
        match inner:
            case ast.Group(body):
                shared = {name for name, count in self.outside.items() if count > _count(body)[name]}
                names = [name for name in _count(body) if name in shared and name != "_"]
                text = " ".join(inner.span.text.split())
                arguments = tuple(core.Variable(self.scope.renamed.get(name, name)) for name in names)
                formal = tuple(core.Variable(name) for name in names)
                bodies = [(*self._binding(names, body), *body) for body in self.alternatives([body], Counter())]
                atom = self.define(text, formal, bodies, span)
                yield core.Literal(replace(atom, arguments=arguments), negated=True)
            case ast.Negation(body):
                yield from self._condition(body)
            case ast.Comparison(terms, (operator,), inner_span) if operator in _NOT_NUMERIC:
                yield from self._condition(ast.Comparison(terms, (_NOT_NUMERIC[operator],), inner_span))
            case ast.Comparison((_, ast.Interval()), (operator,), inner_span):
                yield from self._condition(ast.Comparison(inner.terms, (f"not {operator}",), inner_span))
            case ast.Comparison(terms, (operator,), inner_span):
                opposite = _NOT[_SAME.get(operator, operator)]
                yield from self._condition(ast.Comparison(terms, (opposite,), inner_span))
            case ast.Comparison():
                raise Refused(
                    report(
                        "N110", span, what="`not` before a chain of comparisons", instead="compare two sides at a time"
                    )
                )
            case ast.Call("true", ()):
                yield _FALSE
            case ast.Call("fail" | "false", ()):
                pass
            case ast.Call(name, arguments, inner_span) if self._is_test(name, len(arguments)):
                yield core.Comparison(
                    "=", lower_expression(inner, self.scope, self.dialect), core.Constant(0), inner_span
                )
            case _:
                if self.dialect == "problog":
                    refuse_builtin(inner, self.defined)
                yield self._negated_atom(inner)

    def _binding(self, names: Sequence[str], body: tuple[ast.Body, ...]) -> list[ast.Body]:
        """The conditions beside a negated group that bind the variables which the group itself does not."""
        own = {name for part in body for name in _bound_by(part)}
        needed = [name for name in names if name not in own]
        covered = set(own)
        chosen: dict[int, ast.Body] = {}
        while needed:
            name = needed.pop()
            if name in covered:
                continue
            covered.add(name)
            holders = [(i, part) for i, part in enumerate(self.siblings) if name in _bound_by(part)]
            for index, part in holders[:1]:
                chosen[index] = part
                covered.update(_bound_by(part))
            if holders:
                continue
            for index, part in enumerate(self.siblings):
                if isinstance(part, ast.Comparison) and name in _count(part):
                    chosen[index] = part
                    needed.extend(_count(part))
        return [chosen[index] for index in sorted(chosen)]

    def _negated_atom(self, inner: ast.Body) -> core.Literal:
        if "_" not in self.outside or not any(variable.name == "_" for variable in variables(inner)):
            return core.Literal(lower_atom(inner, self.scope, self.dialect), negated=True)
        # `not p(X, _)` says that no second argument makes p hold: a predicate without that column.
        arguments = inner.arguments[0].arguments if isinstance(inner, ast.Operation) else inner.arguments  # type: ignore[union-attr]
        named: list[core.Term] = []
        mask = ""
        inner_arguments: list[ast.Term] = []
        for argument in arguments:
            if isinstance(argument, ast.Variable) and argument.name == "_":
                mask += "_"
                inner_arguments.append(argument)
            elif any(variable.name == "_" for variable in variables(argument)):
                instead = "give it a name of its own by a rule with this atom as its body"
                raise Refused(report("N110", argument.span, what="`_` inside a term under `not`", instead=instead))
            else:
                mask += "+"
                named.append(lower_term(argument, self.scope, self.dialect))
                inner_arguments.append(ast.Variable(f"X{len(named)}", argument.span))
        call = inner.arguments[0] if isinstance(inner, ast.Operation) else inner
        assert isinstance(call, ast.Call)
        pattern = replace(call, arguments=tuple(inner_arguments))
        body = replace(inner, arguments=(pattern,)) if isinstance(inner, ast.Operation) else pattern
        sign = "-" if isinstance(inner, ast.Operation) else ""
        formal = tuple(core.Variable(f"X{index + 1}") for index in range(len(named)))
        atom = self.define(f"some {sign}{call.name}({','.join(mask)})", formal, [(body,)], inner.span)
        return core.Literal(replace(atom, arguments=tuple(named), span=inner.span), negated=True)


def _bound_by(part: ast.Body) -> list[str]:
    """The variables that a condition binds without help: those of a positive atom."""
    match part:
        case ast.Call(arguments=arguments) | ast.Operation("-", (ast.Call(arguments=arguments),)):
            # What stands in arithmetic inside the atom is computed, not bound.
            plain = [argument for argument in arguments if not isinstance(argument, ast.Operation)]
            return [variable.name for argument in plain for variable in variables(argument)]
        case _:
            return []


def _count(body: ast.Body) -> Counter[str]:
    return Counter(variable.name for variable in variables(body))


def alternatives(conditions: Sequence[ast.Body], outside: Counter[str]) -> list[tuple[ast.Body, ...]]:
    """The conjunctions that a body with `;` stands for (disjunctive normal form).

    `outside` counts the variables of the whole statement: a negated group whose variables all occur
    outside of it is turned inside out, `not (a, b)` into `not a ; not b`.
    """
    choices: list[list[tuple[ast.Body, ...]]] = []
    count = 1
    for condition in conditions:
        choices.append(_choices(condition, outside))
        count *= len(choices[-1])
        if count > MAX_ALTERNATIVES:
            instead = f"give its parts names by rules of their own: more than {MAX_ALTERNATIVES} combinations"
            raise Refused(report("N110", condition.span, what="so many alternatives", instead=instead))
    return [tuple(chain.from_iterable(parts)) for parts in product(*choices)]


def _choices(condition: ast.Body, outside: Counter[str]) -> list[tuple[ast.Body, ...]]:
    match condition:
        case ast.Conjunction(parts):
            return alternatives(parts, outside)
        case ast.Disjunction(parts):
            return [choice for part in parts for choice in _choices(part, outside)]
        case ast.Group(body):
            return _choices(body, outside)
        case ast.Negation(ast.Group(body), span) if not _has_locals(body, outside):
            return _choices(_negate(body, span), outside)
        case _:
            return [(condition,)]


def _has_locals(body: ast.Body, outside: Counter[str]) -> bool:
    return any(name == "_" or outside[name] <= count for name, count in _count(body).items())


def _negate(body: ast.Body, span: Span) -> ast.Body:
    match body:
        case ast.Conjunction(parts):
            return ast.Disjunction(tuple(_negate(part, span) for part in parts), span)
        case ast.Disjunction(parts):
            return ast.Conjunction(tuple(_negate(part, span) for part in parts), span)
        case ast.Group(inner):
            return _negate(inner, span)
        case ast.Negation(inner):
            return inner
        case _:
            return ast.Negation(body, body.span)
