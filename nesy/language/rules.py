"""Rules, constraints, queries and evidence to core, one statement at a time."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence

from nesy.language import ast, core
from nesy.language.catalogue import report
from nesy.language.collected import in_body
from nesy.language.conditions import Conditions
from nesy.language.draft import Draft
from nesy.language.functions import FUNCTIONS, Function
from nesy.language.prolog import refuse_directive
from nesy.language.scan import Dialect
from nesy.language.scope import Refused, Scope, Survey, survey, variables
from nesy.language.terms import lower_atom, lower_expression, lower_term
from nesy.language.values import Symbol
from nesy.source import Span


class RuleLowering:
    """Adds what rules, constraints and questions say to the draft of their conditions."""

    def __init__(self, parts: Conditions):
        self.parts = parts
        self.draft = parts.draft
        self.dialect: Dialect = parts.dialect

    def rule(self, rule: ast.Rule) -> None:
        if self.dialect == "problog":
            rule = in_body(rule)
        heads, body, span = rule.heads, rule.body, rule.span
        first = heads[0]
        if len(heads) == 1 and isinstance(first.atom, ast.Call):
            if body is None and first.probability is None and self._fast_fact(first.atom, span):
                return
            match first.atom:
                case ast.Call("query", (asked,)):
                    self._refuse_probability(first, "a query")
                    if body is not None:
                        return self._query_for_each(asked, body)
                    return self.query(asked)
                case ast.Call("evidence", (observed, *truth)) if len(truth) <= 1:
                    self._refuse_probability(first, "evidence")
                    self._refuse_body(body, "evidence")
                    return self.evidence(observed, truth[0] if truth else None)
                case _:
                    pass
        if len(heads) > 1 and any(head.probability is None for head in heads):
            bare = next(head for head in heads if head.probability is None)
            raise Refused(report("N403", bare.span))
        found = survey((heads, body))
        outside = found.counts
        if 1 in outside.values():
            self.draft.lonely.append(rule)
        bodies = self._bodies(body, found)
        has_choice = first.probability is not None
        if has_choice and len(bodies) > 1:
            bodies = [self.parts.joined(bodies, body, outside, span)]
        for conditions in bodies:
            self._one_rule(rule, conditions, found)

    def _bodies(self, body: ast.Body | None, found: Survey) -> Sequence[tuple[ast.Body, ...]]:
        """The conjunctions that a body stands for: of most, itself."""
        match body:
            case None:
                return ((),)
            case ast.Conjunction(parts) if found.is_flat and not any(p.__class__ is ast.Conjunction for p in parts):
                return (parts,)
            case _:
                return self.parts.alternatives([body], found.counts)

    def _fast_fact(self, atom: ast.Call, span: Span) -> bool:
        """Add a fact whose arguments are plain constants; most statements of most files are one."""
        if atom.name in ("query", "evidence"):
            return False
        constants: list[core.Term] = []
        for argument in atom.arguments:
            match argument:
                case ast.Call(name, (), is_qualified=False):
                    constants.append(core.Constant(Symbol(name)))
                case ast.Number(value) | ast.String(value):
                    constants.append(core.Constant(value))
                case _:
                    return False
        self.draft.facts.append(core.Atom(atom.name, tuple(constants), span))
        return True

    def _one_rule(self, rule: ast.Rule, conditions: Sequence[ast.Body], found: Survey) -> None:
        outside = found.counts
        scope = self.parts.scope((rule.heads, conditions), conditions, outside, found.is_flat)
        heads: list[core.Atom] = []
        weights: list[core.Fixed | core.Learnable] = []
        for head in rule.heads:
            heads.append(lower_atom(head.atom, scope, self.dialect))
            if head.probability is not None:
                weights.append(self._weight(head.probability, scope))
        moved = scope.take_moved()
        body = [*self.parts.lower(conditions, scope, outside), *moved]
        if not weights:
            if not body and all(isinstance(term, core.Constant) for term in heads[0].arguments):
                self.draft.facts.append(core.Atom(heads[0].predicate, heads[0].arguments, rule.span))
                return
            self.draft.add_rule(tuple(heads), body, None, rule)
            return
        total = sum(
            weight.probability.value
            for weight in weights
            if isinstance(weight, core.Fixed)
            and isinstance(weight.probability, core.Constant)
            and isinstance(weight.probability.value, float)
        )
        if total > 1 + 1e-9:
            whole = rule.heads[0].span.to(rule.heads[-1].span)
            self.draft.diagnostics.append(report("N402", whole, total=f"{total:.6g}"))
        key = tuple(core.Variable(name) for name in scope.choice_key)
        self.draft.add_rule(tuple(heads), body, core.Choice(self.draft.choice_id(), key, tuple(weights)), rule)

    def _weight(self, term: ast.Term, scope: Scope) -> core.Fixed | core.Learnable:
        match term:
            case ast.Call("t", (initial, *index)):
                value: float | None = None
                match initial:
                    case ast.Number(number):
                        value = _probability(number, initial.span)
                    case ast.Variable("_"):
                        pass
                    case _:
                        raise Refused(report("N404", initial.span))
                return core.Learnable(value, tuple(lower_term(item, scope, self.dialect) for item in index))
            case ast.Call() | ast.String() | ast.ListTerm() | ast.Aggregate() | ast.Group():
                if not isinstance(term, ast.Call) or not term.arguments:
                    raise Refused(report("N404", term.span))
            case _:
                pass
        expression = lower_expression(term, scope, self.dialect)
        if isinstance(expression, core.Constant):
            if not isinstance(expression.value, int | float):
                raise Refused(report("N404", term.span))
            expression = core.Constant(_probability(expression.value, term.span))
        elif isinstance(expression, core.Structure):
            raise Refused(report("N404", term.span))
        return core.Fixed(expression)

    def constraint(self, constraint: ast.Constraint) -> None:
        body, weight, span = constraint.body, constraint.weight, constraint.span
        if self.dialect == "problog" and weight is None:
            return _directive(body, self.draft)
        found = survey((body, weight))
        outside = found.counts
        if 1 in outside.values():
            self.draft.lonely.append(constraint)
        bodies = self._bodies(body, found)
        if weight is not None and len(bodies) > 1:
            bodies = [self.parts.joined(bodies, body, outside, span)]
        for conditions in bodies:
            scope = self.parts.scope((conditions, weight), conditions, outside, found.is_flat)
            choice = None
            if weight is not None:
                chance = self._penalty(weight, scope)
                moved = scope.take_moved()
                literals = [*self.parts.lower(conditions, scope, outside), *moved]
                key = tuple(core.Variable(name) for name in scope.choice_key)
                choice = core.Choice(self.draft.choice_id(), key, (chance,))
            else:
                literals = self.parts.lower(conditions, scope, outside)
            identity = self.draft.rule_id(constraint)
            head = core.Atom(f":- {identity}", (), span)
            self.draft.constraints.append(core.Rule(identity, (head,), tuple(literals), choice, span))

    def _penalty(self, weight: ast.Term, scope: Scope) -> core.Fixed:
        """The chance that a violation is not forgiven: 1 - exp(-w)."""
        expression = lower_expression(weight, scope, self.dialect)
        if isinstance(expression, core.Constant):
            if not isinstance(expression.value, int | float):
                raise Refused(report("N404", weight.span))
            if expression.value < 0:
                raise Refused(report("N405", weight.span))
            return core.Fixed(core.Constant(-math.expm1(-expression.value)))
        minus = core.Expression("exp", (core.Expression("-", (expression,), weight.span),), weight.span)
        return core.Fixed(core.Expression("-", (core.Constant(1.0), minus), weight.span))

    # -- queries and evidence ----------------------------------------------------------------

    def query(self, condition: ast.Body) -> None:
        self.draft.queries.append(lower_query(condition, self.dialect, self.parts.functions))

    def _query_for_each(self, asked: ast.Body, body: ast.Body) -> None:
        """`query(p(X)) :- a(X).` asks for each p(X) such that a(X) is a fact; found when all facts are known."""
        outside = Counter(variable.name for variable in variables((asked, body)))
        for conditions in self.parts.alternatives([body], outside):
            scope = self.parts.scope((asked, conditions), conditions, outside)
            literals = self.parts.lower(conditions, scope, outside)
            self.draft.queries_for_each.append(
                (lower_query(asked, self.dialect, self.parts.functions), tuple(literals), body.span)
            )

    def evidence(self, condition: ast.Body, truth: ast.Term | None) -> None:
        query = lower_query(condition, self.dialect, self.parts.functions)
        holds = not query.negated
        match truth:
            case None | ast.Call("true", ()):
                pass
            case ast.Call("false", ()):
                holds = not holds
            case _:
                raise Refused(report("N110", truth.span, what="this", instead="write `true` or `false`"))
        self.draft.evidence.append(core.Evidence(query.atom, holds, query.span))

    def _refuse_probability(self, head: ast.Head, what: str) -> None:
        if head.probability is not None:
            raise Refused(report("N406", head.span, what=what))

    def _refuse_body(self, body: ast.Body | None, what: str) -> None:
        if body is not None:
            instead = f"write a `{what}` for each atom, or ask for the atom with variables"
            raise Refused(report("N110", body.span, what=f"a body behind `{what}`", instead=instead))


def lower_query(
    condition: ast.Body, dialect: Dialect, functions: Mapping[tuple[str, int], Function] = FUNCTIONS
) -> core.Query:
    """An atom to ask for, maybe negated.

    Raises: Refused.
    """
    negated = isinstance(condition, ast.Negation)
    inner = condition.body if isinstance(condition, ast.Negation) else condition
    scope = Scope({variable.name for variable in variables(inner)}, set(), functions=functions)
    atom = lower_atom(inner, scope, dialect)
    if scope.moved:
        span = scope.moved[0].span
        assert span is not None
        instead = "ask for the value itself, or define a predicate that computes it"
        raise Refused(report("N110", span, what="arithmetic with a variable", instead=instead))
    return core.Query(atom, negated, condition.span)


def _probability(value: int | float, span: Span) -> float:
    if not 0 <= value <= 1:
        raise Refused(report("N401", span, value=value))
    return float(value)


def _directive(body: ast.Body, draft: Draft) -> None:
    """A Prolog directive."""
    match body:
        case ast.Call("unknown", (ast.Call("fail", ()),)):
            draft.unknown_fails = True
        case ast.Call("unknown", (ast.Call("error", ()),)):
            pass
        case ast.Call("use_module", (ast.Call("library", (ast.Call("aggregate", ()),)),)):
            pass  # what it provides is part of the language: see `collected`
        case _:
            refuse_directive(body)
