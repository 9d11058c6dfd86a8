"""A core program in the making, and what is kept of it while its text is edited."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from nesy.diagnostics import Diagnostic
from nesy.language import ast, core
from nesy.language.scope import Interval
from nesy.language.tables import Request
from nesy.source import Span


@dataclass(frozen=True)
class Auxiliary:
    """What a predicate made for a part of a body stands for: a text, its variables, the bodies that define it."""

    text: str
    arguments: tuple[core.Variable, ...]
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
    auxiliary: dict[Auxiliary, core.Atom] = field(default_factory=dict[Auxiliary, core.Atom])
    auxiliary_texts: Counter[str] = field(default_factory=Counter[str])  # how many were made of each text
    diagnostics: list[Diagnostic] = field(default_factory=list[Diagnostic])
    tests: dict[int, core.Comparison] = field(default_factory=dict[int, core.Comparison])  # by id(), see `safety`
    tables: list[Request] = field(default_factory=list[Request])
    open: dict[core.Signature, Span] = field(default_factory=dict[core.Signature, Span])
    intervals: dict[core.Signature, Interval] = field(default_factory=dict[core.Signature, Interval])
    queries_for_each: list[tuple[core.Query, tuple[core.BodyLiteral, ...], Span]] = field(
        default_factory=list[tuple[core.Query, tuple[core.BodyLiteral, ...], Span]]
    )
    unknown_fails: bool = False  # ProbLog's `:- unknown(fail).`
    num_alternatives: int = 0  # conditions of what bodies with `;` stand for
    num_values: int = 0  # of types and neural predicates
    next_id: int = 0
    next_choice: int = 0

    @property
    def stands_alone(self) -> bool:
        """Whether facts, rules and constraints are all there is: nothing that other statements share."""
        shared = (self.queries, self.evidence, self.neural, self.declared, self.auxiliary, self.diagnostics, self.tests)
        return not any((*shared, self.tables, self.open, self.intervals, self.queries_for_each, self.unknown_fails))

    def add_rule(
        self,
        heads: tuple[core.Atom, ...],
        body: Sequence[core.BodyLiteral],
        choice: core.Choice | None,
        statement: ast.Statement,
        span: Span | None = None,
    ) -> None:
        """Add a rule with an id of its own, which tells the statement that it comes from."""
        rule = core.Rule(self.rule_id(statement), heads, tuple(body), choice, span or statement.span)
        self.rules.append(rule)

    def rule_id(self, statement: ast.Statement) -> int:
        identity = self.next_id
        self.next_id += 1
        self.statement_of[identity] = statement
        return identity

    def choice_id(self) -> int:
        self.next_choice += 1
        return self.next_choice - 1

    def merge(self, alone: Draft) -> None:
        """Add what stands alone in a draft of its own."""
        self.facts += alone.facts
        self.rules += alone.rules
        self.constraints += alone.constraints
        self.lonely += alone.lonely
        self.statement_of.update(alone.statement_of)
        self.next_id = max(self.next_id, alone.next_id)
        self.next_choice = max(self.next_choice, alone.next_choice)
        self.num_alternatives += alone.num_alternatives


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
