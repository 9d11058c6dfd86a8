"""Statements to core rules, one statement at a time.

What a statement says becomes facts, rules, constraints, queries and so on in a `Draft`; whether they fit
together (names, safety, strata) is for the checks that come after.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from nesy.diagnostics import Diagnostic, Label
from nesy.language import ast, core
from nesy.language.body import BodyLowering, alternatives
from nesy.language.catalogue import report
from nesy.language.collected import in_body
from nesy.language.declarations import columns_of, domain_values
from nesy.language.functions import FUNCTIONS, Function
from nesy.language.prolog import refuse_directive
from nesy.language.scan import Dialect
from nesy.language.scope import Interval, Refused, Scope, Survey, survey, variables, walk
from nesy.language.tables import Request
from nesy.language.terms import lower_atom, lower_expression, lower_term
from nesy.language.values import Symbol, Value
from nesy.source import Span


@dataclass(frozen=True)
class Auxiliary:
    """A predicate made for a part of a body: its head, and the bodies that define it."""

    head: core.Atom
    bodies: tuple[tuple[ast.Body, ...], ...]


@dataclass
class Draft:
    """A core program in the making."""

    facts: list[core.Atom] = field(default_factory=list[core.Atom])
    rules: list[core.Rule] = field(default_factory=list[core.Rule])
    constraints: list[core.Rule] = field(default_factory=list[core.Rule])
    queries: list[core.Query] = field(default_factory=list[core.Query])
    evidence: list[core.Evidence] = field(default_factory=list[core.Evidence])
    neural: dict[str, core.Neural] = field(default_factory=dict[str, core.Neural])
    declared: dict[core.Signature, core.Predicate] = field(default_factory=dict[core.Signature, core.Predicate])
    types: dict[str, ast.TypeDeclaration] = field(default_factory=dict[str, ast.TypeDeclaration])
    statement_of: dict[int, ast.Statement] = field(
        default_factory=dict[int, ast.Statement]
    )  # rule id -> where it comes from
    lonely: list[ast.Statement] = field(default_factory=list[ast.Statement])  # some variable occurs in them once
    auxiliary: dict[str, Auxiliary] = field(default_factory=dict[str, Auxiliary])
    diagnostics: list[Diagnostic] = field(default_factory=list[Diagnostic])
    tests: dict[int, core.Comparison] = field(default_factory=dict[int, core.Comparison])  # by id(), see `safety`
    tables: list[Request] = field(default_factory=list[Request])
    open: dict[core.Signature, Span] = field(default_factory=dict[core.Signature, Span])
    intervals: dict[core.Signature, Interval] = field(default_factory=dict[core.Signature, Interval])
    queries_for_each: list[tuple[core.Query, tuple[core.BodyLiteral, ...], Span]] = field(
        default_factory=list[tuple[core.Query, tuple[core.BodyLiteral, ...], Span]]
    )
    unknown_fails: bool = False  # ProbLog's `:- unknown(fail).`
    next_id: int = 0
    next_choice: int = 0

    @property
    def stands_alone(self) -> bool:
        """Whether facts, rules and constraints are all there is: nothing that other statements share."""
        shared = (self.queries, self.evidence, self.neural, self.declared, self.auxiliary, self.diagnostics, self.tests)
        return not any((*shared, self.tables, self.open, self.intervals, self.queries_for_each, self.unknown_fails))


@dataclass
class Kept:
    """What checks found of the statements of a text that is being edited, for the next check of it.

    Ids of rules and choices go on from check to check, so that what is kept keeps its own.
    """

    statements: dict[int, tuple[ast.Statement, Draft]] = field(default_factory=dict[int, tuple[ast.Statement, Draft]])
    safe: set[int] = field(default_factory=set[int])  # ids of rules whose variables are all bound
    shapes: dict[int, tuple[object, ...]] = field(default_factory=dict[int, tuple[object, ...]])  # see `checks.style`
    next_id: int = 0
    next_choice: int = 0

    def take(self, draft: Draft, statements: dict[int, tuple[ast.Statement, Draft]]) -> None:
        """Keep what a check used, and forget the rest."""
        self.statements, self.next_id, self.next_choice = statements, draft.next_id, draft.next_choice
        self.safe.intersection_update(draft.statement_of)
        self.shapes = {identity: shape for identity, shape in self.shapes.items() if identity in draft.statement_of}


class Lowering:
    """Reduces statements to a draft; `defined` are the predicates that have a rule or a fact."""

    def __init__(
        self,
        defined: set[tuple[str, int]],
        functions: Mapping[tuple[str, int], Function] = FUNCTIONS,
        kept: Kept | None = None,
    ):
        self.draft = Draft() if kept is None else Draft(next_id=kept.next_id, next_choice=kept.next_choice)
        self._functions = functions
        self._folder = Path()
        self.defined = defined
        self._kept = kept
        self.used: dict[int, tuple[ast.Statement, Draft]] = {}  # to be kept

    def add(self, statement: ast.Statement, dialect: Dialect, folder: Path | None = None) -> None:
        """Add what a statement says, or a diagnostic; tables are looked for from the folder."""
        self._folder = folder or Path()
        if self._kept is not None and dialect == "nesy" and isinstance(statement, ast.Rule | ast.Constraint):
            known = self._kept.statements.get(id(statement))
            alone = known[1] if known is not None else self._alone(statement, dialect)
            if alone is not None:
                self.used[id(statement)] = statement, alone
                self._merge(alone)
                return
        try:
            self._add(statement, dialect)
        except Refused as refused:
            self.draft.diagnostics.append(refused.diagnostic)

    def _alone(self, statement: ast.Statement, dialect: Dialect) -> Draft | None:
        """What a statement says in a draft of its own, if that is all it says."""
        whole = self.draft
        self.draft = Draft(next_id=whole.next_id, next_choice=whole.next_choice)
        try:
            self._add(statement, dialect)
            return self.draft if self.draft.stands_alone else None
        except Refused:
            return None
        finally:
            self.draft = whole

    def _merge(self, alone: Draft) -> None:
        draft = self.draft
        draft.facts += alone.facts
        draft.rules += alone.rules
        draft.constraints += alone.constraints
        draft.lonely += alone.lonely
        draft.statement_of.update(alone.statement_of)
        draft.next_id = max(draft.next_id, alone.next_id)
        draft.next_choice = max(draft.next_choice, alone.next_choice)

    def _add(self, statement: ast.Statement, dialect: Dialect) -> None:
        match statement:
            case ast.Rule():
                self._rule(statement, dialect)
            case ast.Constraint():
                self._constraint(statement, dialect)
            case ast.NeuralDeclaration():
                self._neural(statement, dialect)
            case ast.Declaration():
                self._declaration(statement)
            case ast.TypeDeclaration():
                pass  # collected before all others
            case ast.Ask("query", condition):
                self._query(condition, dialect)
            case ast.Ask(_, condition):
                self._evidence(condition, None, dialect)
            case ast.FactsFile():
                self._facts_file(statement)
            case ast.OpenDeclaration(predicates):
                for opened in predicates:
                    self.draft.open.setdefault(core.Signature(opened.name, opened.arity), opened.span)
            case ast.Include():
                pass  # replaced by its statements when the files were read

    def collect_type(self, statement: ast.TypeDeclaration) -> None:
        """Declare a type; its values are checked here."""
        earlier = self.draft.types.get(statement.name)
        if earlier is not None:
            others = (Label(earlier.name_span, "declared here first"),)
            self.draft.diagnostics.append(report("N505", statement.name_span, others=others, name=statement.name))
            return
        self.draft.types[statement.name] = statement
        try:
            domain_values(statement.domain, self.draft.types)
        except Refused as refused:
            self.draft.diagnostics.append(refused.diagnostic)

    # -- rules -------------------------------------------------------------------------------

    def _rule(self, rule: ast.Rule, dialect: Dialect) -> None:
        if dialect == "problog":
            rule = in_body(rule)
        heads, body, span = rule.heads, rule.body, rule.span
        first = heads[0]
        if len(heads) == 1 and isinstance(first.atom, ast.Call):
            if body is None and first.probability is None and self._fast_fact(first.atom, span, dialect):
                return
            match first.atom:
                case ast.Call("query", (asked,)):
                    self._refuse_probability(first, "a query")
                    if body is not None:
                        return self._query_for_each(asked, body, dialect)
                    return self._query(asked, dialect)
                case ast.Call("evidence", (observed, *truth)) if len(truth) <= 1:
                    self._refuse_probability(first, "evidence")
                    self._refuse_body(body, "evidence")
                    return self._evidence(observed, truth[0] if truth else None, dialect)
                case _:
                    pass
        if len(heads) > 1 and any(head.probability is None for head in heads):
            bare = next(head for head in heads if head.probability is None)
            raise Refused(report("N403", bare.span))
        found = survey((heads, body))
        outside = found.counts
        if 1 in outside.values():
            self.draft.lonely.append(rule)
        bodies = _bodies(body, found)
        has_choice = first.probability is not None
        if has_choice and len(bodies) > 1:
            bodies = [self._joined(bodies, body, outside, span, dialect)]
        for conditions in bodies:
            self._one_rule(rule, conditions, found, dialect)

    def _fast_fact(self, atom: ast.Call, span: Span, dialect: Dialect) -> bool:
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

    def _one_rule(self, rule: ast.Rule, conditions: Sequence[ast.Body], found: Survey, dialect: Dialect) -> None:
        outside = found.counts
        scope = self._scope((rule.heads, conditions), conditions, outside, found.is_flat)
        lowering = self._lowering(scope, outside, dialect)
        heads: list[core.Atom] = []
        weights: list[core.Fixed | core.Learnable] = []
        for head in rule.heads:
            heads.append(lower_atom(head.atom, scope, dialect))
            if head.probability is not None:
                weights.append(self._weight(head.probability, scope, dialect))
        moved = scope.take_moved()
        body = [*lowering.literals(conditions), *moved]
        if not weights:
            if not body and all(isinstance(term, core.Constant) for term in heads[0].arguments):
                self.draft.facts.append(core.Atom(heads[0].predicate, heads[0].arguments, rule.span))
                return
            self._add_rule(tuple(heads), body, None, rule)
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
        self._add_rule(tuple(heads), body, core.Choice(self._choice_id(), key, tuple(weights)), rule)

    def _add_rule(
        self,
        heads: tuple[core.Atom, ...],
        body: Sequence[core.BodyLiteral],
        choice: core.Choice | None,
        statement: ast.Statement,
        span: Span | None = None,
    ) -> None:
        rule = core.Rule(self._rule_id(statement), heads, tuple(body), choice, span or statement.span)
        self.draft.rules.append(rule)

    def _weight(self, term: ast.Term, scope: Scope, dialect: Dialect) -> core.Fixed | core.Learnable:
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
                return core.Learnable(value, tuple(lower_term(item, scope, dialect) for item in index))
            case ast.Call() | ast.String() | ast.ListTerm() | ast.Aggregate() | ast.Group():
                if not isinstance(term, ast.Call) or not term.arguments:
                    raise Refused(report("N404", term.span))
            case _:
                pass
        expression = lower_expression(term, scope, dialect)
        if isinstance(expression, core.Constant):
            if not isinstance(expression.value, int | float):
                raise Refused(report("N404", term.span))
            expression = core.Constant(_probability(expression.value, term.span))
        elif isinstance(expression, core.Structure):
            raise Refused(report("N404", term.span))
        return core.Fixed(expression)

    # -- constraints -------------------------------------------------------------------------

    def _constraint(self, constraint: ast.Constraint, dialect: Dialect) -> None:
        body, weight, span = constraint.body, constraint.weight, constraint.span
        if dialect == "problog" and weight is None:
            return self._directive(body)
        found = survey((body, weight))
        outside = found.counts
        if 1 in outside.values():
            self.draft.lonely.append(constraint)
        bodies = _bodies(body, found)
        if weight is not None and len(bodies) > 1:
            bodies = [self._joined(bodies, body, outside, span, dialect)]
        for conditions in bodies:
            scope = self._scope((conditions, weight), conditions, outside, found.is_flat)
            lowering = self._lowering(scope, outside, dialect)
            choice = None
            if weight is not None:
                chance = self._penalty(weight, scope, dialect)
                moved = scope.take_moved()
                literals = [*lowering.literals(conditions), *moved]
                key = tuple(core.Variable(name) for name in scope.choice_key)
                choice = core.Choice(self._choice_id(), key, (chance,))
            else:
                literals = lowering.literals(conditions)
            identity = self._rule_id(constraint)
            head = core.Atom(f":- {identity}", (), span)
            self.draft.constraints.append(core.Rule(identity, (head,), tuple(literals), choice, span))

    def _penalty(self, weight: ast.Term, scope: Scope, dialect: Dialect) -> core.Fixed:
        """The chance that a violation is not forgiven: 1 - exp(-w)."""
        expression = lower_expression(weight, scope, dialect)
        if isinstance(expression, core.Constant):
            if not isinstance(expression.value, int | float):
                raise Refused(report("N404", weight.span))
            if expression.value < 0:
                raise Refused(report("N405", weight.span))
            return core.Fixed(core.Constant(-math.expm1(-expression.value)))
        minus = core.Expression("exp", (core.Expression("-", (expression,), weight.span),), weight.span)
        return core.Fixed(core.Expression("-", (core.Constant(1.0), minus), weight.span))

    # -- queries and evidence ----------------------------------------------------------------

    def _query(self, condition: ast.Body, dialect: Dialect) -> None:
        self.draft.queries.append(lower_query(condition, dialect, self._functions))

    def _query_for_each(self, asked: ast.Body, body: ast.Body, dialect: Dialect) -> None:
        """`query(p(X)) :- a(X).` asks for each p(X) such that a(X) is a fact; found when all facts are known."""
        outside = Counter(variable.name for variable in variables((asked, body)))
        for conditions in alternatives([body], outside):
            scope = self._scope((asked, conditions), conditions, outside)
            literals = self._lowering(scope, outside, dialect).literals(conditions)
            self.draft.queries_for_each.append(
                (lower_query(asked, dialect, self._functions), tuple(literals), body.span)
            )

    def _evidence(self, condition: ast.Body, truth: ast.Term | None, dialect: Dialect) -> None:
        query = lower_query(condition, dialect, self._functions)
        holds = not query.negated
        match truth:
            case None | ast.Call("true", ()):
                pass
            case ast.Call("false", ()):
                holds = not holds
            case _:
                raise Refused(report("N110", truth.span, what="this", instead="write `true` or `false`"))
        self.draft.evidence.append(core.Evidence(query.atom, holds, query.span))

    # -- declarations ------------------------------------------------------------------------

    def _declaration(self, declaration: ast.Declaration) -> None:
        for term in declaration.atoms:
            try:
                name, columns = columns_of(term)
            except Refused as refused:
                self.draft.diagnostics.append(refused.diagnostic)
                continue
            kind = "input" if declaration.keyword == "input" else "derived"
            self._declare(core.Predicate(core.Signature(name, len(columns)), term.span, kind, columns))

    def _declare(self, predicate: core.Predicate) -> None:
        earlier = self.draft.declared.get(predicate.signature)
        if earlier is not None and earlier.kind != predicate.kind and "derived" in (earlier.kind, predicate.kind):
            # A library says `#pred` of what the program that includes it says `#input` or `#neural` of.
            if predicate.kind != "derived":
                self.draft.declared[predicate.signature] = predicate
            return
        if earlier is not None and predicate.span is not None:
            others = (Label(earlier.span, "declared here first"),) if earlier.span is not None else ()
            name = str(predicate.signature)
            self.draft.diagnostics.append(report("N505", predicate.span, others=others, name=name))
            return
        self.draft.declared[predicate.signature] = predicate

    def _neural(self, neural: ast.NeuralDeclaration, dialect: Dialect) -> None:
        atom = neural.atom
        if not isinstance(atom, ast.Call):
            raise Refused(report("N109", atom.span, found=atom.span.text, instead=""))
        names: list[str] = []
        for argument in atom.arguments:
            if not isinstance(argument, ast.Variable) or argument.name == "_" or argument.name in names:
                instead = "its arguments are different variables, which the body binds"
                raise Refused(
                    report(
                        "N506", argument.span, problem="a neural predicate is declared over variables", instead=instead
                    )
                )
            names.append(argument.name)
        values = None if neural.domain is None else domain_values(neural.domain, self.draft.types)
        if values is not None and len(values) < 2:
            assert neural.domain is not None
            instead = "a predicate with one outcome needs no `->`: it holds or not"
            raise Refused(
                report(
                    "N506",
                    neural.domain.span,
                    problem="an encoder chooses between at least two values",
                    instead=instead,
                )
            )
        if atom.name in self.draft.neural:
            earlier = self.draft.neural[atom.name].span
            others = (Label(earlier, "declared here first"),) if earlier is not None else ()
            raise Refused(report("N505", atom.name_span, others=others, name=atom.name))
        outside = Counter(variable.name for variable in variables((atom, neural.body)))
        bodies = alternatives([neural.body], outside) if neural.body is not None else [()]
        if len(bodies) > 1:
            bodies = [self._joined(bodies, neural.body, outside, neural.span, dialect)]
        scope = self._scope((atom, bodies[0]), bodies[0], outside)
        literals = self._lowering(scope, outside, dialect).literals(bodies[0])
        key = tuple(core.Variable(name) for name in names)
        heads = _neural_heads(atom, key, values)
        arity = len(heads[0].arguments)
        self._declare(core.Predicate(core.Signature(atom.name, arity), atom.span, "neural", tuple(names)))
        self.draft.neural[atom.name] = core.Neural(atom.name, tuple(names), values, neural.span)
        choice = core.Choice(self._choice_id(), key, (), atom.name, exhaustive=values is not None)
        self._add_rule(heads, literals, choice, neural)

    def _facts_file(self, statement: ast.FactsFile) -> None:
        name, columns = columns_of(statement.predicate)
        self._table(name, statement.path, columns or None, statement.path_span)

    def _table(self, name: str, path: str, columns: tuple[str, ...] | None, span: Span) -> None:
        if "\0" in path:
            raise Refused(report("N509", span, problem="a path has no such characters"))
        self.draft.tables.append(Request(name, self._folder / path, path, columns, None, span))

    def _directive(self, body: ast.Body) -> None:
        """A Prolog directive."""
        match body:
            case ast.Call("unknown", (ast.Call("fail", ()),)):
                self.draft.unknown_fails = True
            case ast.Call("unknown", (ast.Call("error", ()),)):
                pass
            case ast.Call("use_module", (ast.Call("library", (ast.Call("aggregate", ()),)),)):
                pass  # what it provides is part of the language: see `collected`
            case _:
                refuse_directive(body)

    # -- parts -------------------------------------------------------------------------------

    def _scope(
        self, whole: object, conditions: Sequence[ast.Body], outside: Counter[str], is_flat: bool = False
    ) -> Scope:
        """The scope of one rule; `outside` counts the variables of the whole statement."""
        parts = () if is_flat else conditions
        aggregates = [item for condition in parts for item in walk(condition) if isinstance(item, ast.Aggregate)]
        if not aggregates:
            names = set(outside)
            return Scope(names, names, set(), intervals=self.draft.intervals, functions=self._functions)
        inside = Counter(variable.name for aggregate in aggregates for variable in variables(aggregate))
        here = Counter(variable.name for variable in variables(whole))
        shared = {name for name, count in here.items() if count > inside[name]}
        positive = [condition for condition in conditions if isinstance(condition, ast.Call | ast.Operation)]
        bound = {variable.name for variable in variables(tuple(positive))}
        return Scope(set(outside), shared, bound, intervals=self.draft.intervals, functions=self._functions)

    def _lowering(self, scope: Scope, outside: Counter[str], dialect: Dialect) -> BodyLowering:
        def define(
            text: str, formal: tuple[core.Variable, ...], bodies: Sequence[tuple[ast.Body, ...]], span: Span
        ) -> core.Atom:
            return self._define(text, formal, bodies, span, dialect)

        return BodyLowering(scope, dialect, define, self.defined, outside, self.draft.tests)

    def _define(
        self,
        text: str,
        formal: tuple[core.Variable, ...],
        bodies: Sequence[tuple[ast.Body, ...]],
        span: Span,
        dialect: Dialect,
    ) -> core.Atom:
        """An auxiliary predicate that holds of the formal arguments when one of the bodies does."""
        name, number = text, 2
        while (known := self.draft.auxiliary.get(name)) is not None:
            if known.head.arguments == formal and known.bodies == tuple(bodies):
                return known.head
            name, number = f"{text} {number}", number + 1
        head = core.Atom(name, formal, span)
        self.draft.auxiliary[name] = Auxiliary(head, tuple(bodies))
        for conditions in bodies:
            outside = Counter(variable.name for variable in variables(conditions))
            outside.update(variable.name for variable in formal)
            scope = self._scope(conditions, conditions, outside)
            scope.shared.update(variable.name for variable in formal)
            literals = self._lowering(scope, outside, dialect).literals(conditions)
            statement = ast.Rule((), _together(conditions, span), span)
            self._add_rule((head,), literals, None, statement, span)
        return head

    def _joined(
        self,
        bodies: Sequence[tuple[ast.Body, ...]],
        body: ast.Body | None,
        outside: Counter[str],
        span: Span,
        dialect: Dialect,
    ) -> tuple[ast.Body, ...]:
        """One condition for several bodies, so that a choice is made once for each assignment of their variables.

        Where a body does not have a variable of the others, `_` stands for it.
        """
        assert body is not None
        # Each value of a `_` is a way of its own for the body to hold, so it is part of the assignment too.
        taken = set(outside)
        bodies = [tuple(_named(condition, taken) for condition in conditions) for conditions in bodies]
        names = list(dict.fromkeys(v.name for conditions in bodies for v in variables(conditions) if v.name != "_"))
        padded: list[tuple[ast.Body, ...]] = []
        for conditions in bodies:
            present = {variable.name for variable in variables(conditions)}
            missing = [name for name in names if name not in present]
            blank = ast.Call("_", (), span, span)
            extra = [ast.Comparison((ast.Variable(name, span), blank), ("=",), span) for name in missing]
            padded.append((*conditions, *extra))
        text = " ".join(body.span.text.split())
        formal = tuple(core.Variable(name) for name in names)
        atom = self._define(f"({text})", formal, padded, body.span, dialect)
        self.defined.add((atom.predicate, len(names)))
        arguments = tuple(ast.Variable(name, body.span) for name in names)
        return (ast.Call(atom.predicate, arguments, body.span, body.span),)

    def _refuse_probability(self, head: ast.Head, what: str) -> None:
        if head.probability is not None:
            raise Refused(report("N406", head.span, what=what))

    def _refuse_body(self, body: ast.Body | None, what: str) -> None:
        if body is not None:
            instead = f"write a `{what}` for each atom, or ask for the atom with variables"
            raise Refused(report("N110", body.span, what=f"a body behind `{what}`", instead=instead))

    def _rule_id(self, statement: ast.Statement) -> int:
        identity = self.draft.next_id
        self.draft.next_id += 1
        self.draft.statement_of[identity] = statement
        return identity

    def _choice_id(self) -> int:
        self.draft.next_choice += 1
        return self.draft.next_choice - 1


def _bodies(body: ast.Body | None, found: Survey) -> Sequence[tuple[ast.Body, ...]]:
    """The conjunctions that a body stands for: of most, itself."""
    match body:
        case None:
            return ((),)
        case ast.Conjunction(parts) if found.is_flat and not any(part.__class__ is ast.Conjunction for part in parts):
            return (parts,)
        case _:
            return alternatives([body], found.counts)


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


def _neural_heads(
    atom: ast.Call, key: tuple[core.Variable, ...], values: tuple[Value, ...] | None
) -> tuple[core.Atom, ...]:
    if values is None:
        return (core.Atom(atom.name, key, atom.span),)
    return tuple(core.Atom(atom.name, (*key, core.Constant(value)), atom.span) for value in values)


def _named(term: ast.Body, taken: set[str]) -> ast.Body:
    """A positive condition with a name for each `_`; others are left, for `_` means "any" in them."""
    match term:
        case ast.Call() | ast.Operation() | ast.ListTerm() | ast.Variable():
            return _named_term(term, taken)
        case _:
            return term


def _named_term(term: ast.Term, taken: set[str]) -> ast.Term:
    match term:
        case ast.Variable("_", span):
            number = 1
            while (name := f"_Any{number}") in taken:
                number += 1
            taken.add(name)
            return ast.Variable(name, span)
        case ast.Call(arguments=arguments) | ast.Operation(arguments=arguments):
            return replace(term, arguments=tuple(_named_term(argument, taken) for argument in arguments))
        case ast.ListTerm(items, tail):
            named = tuple(_named_term(item, taken) for item in items)
            return replace(term, items=named, tail=None if tail is None else _named_term(tail, taken))
        case _:
            return term


def _probability(value: int | float, span: Span) -> float:
    if not 0 <= value <= 1:
        raise Refused(report("N401", span, value=value))
    return float(value)


def _together(conditions: tuple[ast.Body, ...], span: Span) -> ast.Body | None:
    return ast.Conjunction(conditions, span) if conditions else None
