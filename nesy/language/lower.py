"""Statements to core rules, one statement at a time.

What a statement says becomes facts, rules, constraints, queries and so on in a `Draft`; whether they fit
together (names, safety, strata) is for the checks that come after.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from nesy.diagnostics import Label
from nesy.language import ast, core
from nesy.language.catalogue import report
from nesy.language.conditions import Conditions
from nesy.language.declarations import columns_of, count_values, declare_columns, declare_neural, domain_values
from nesy.language.draft import Draft, Kept
from nesy.language.functions import FUNCTIONS, Function
from nesy.language.rules import RuleLowering
from nesy.language.scan import Dialect
from nesy.language.scope import Refused
from nesy.language.tables import Request


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
        self.defined = defined
        self._kept = kept
        self.used: dict[int, tuple[ast.Statement, Draft]] = {}  # to be kept

    def add(self, statement: ast.Statement, dialect: Dialect, folder: Path | None = None) -> None:
        """Add what a statement says, or a diagnostic; tables are looked for from the folder."""
        if self._kept is not None and dialect == "nesy" and isinstance(statement, ast.Rule | ast.Constraint):
            known = self._kept.statements.get(id(statement))
            alone = known[1] if known is not None else self._alone(statement, dialect)
            if alone is not None:
                self.used[id(statement)] = statement, alone
                self.draft.merge(alone)
                return
        try:
            self._add(statement, dialect, folder, self.draft)
        except Refused as refused:
            self.draft.diagnostics.append(refused.diagnostic)

    def _alone(self, statement: ast.Statement, dialect: Dialect) -> Draft | None:
        """What a statement says in a draft of its own, if that is all it says."""
        alone = Draft(next_id=self.draft.next_id, next_choice=self.draft.next_choice)
        try:
            self._add(statement, dialect, None, alone)
        except Refused:
            return None
        return alone if alone.stands_alone else None

    def _add(self, statement: ast.Statement, dialect: Dialect, folder: Path | None, draft: Draft) -> None:
        parts = Conditions(draft, self.defined, self._functions, dialect)
        match statement:
            case ast.Rule():
                RuleLowering(parts).rule(statement)
            case ast.Constraint():
                RuleLowering(parts).constraint(statement)
            case ast.NeuralDeclaration():
                declare_neural(statement, parts)
            case ast.Declaration():
                declare_columns(statement, draft)
            case ast.TypeDeclaration():
                pass  # collected before all others
            case ast.Ask("query", condition):
                RuleLowering(parts).query(condition)
            case ast.Ask(_, condition):
                RuleLowering(parts).evidence(condition, None)
            case ast.FactsFile():
                draft.tables.append(_table(statement, folder or Path()))
            case ast.OpenDeclaration(predicates):
                for opened in predicates:
                    draft.open.setdefault(core.Signature(opened.name, opened.arity), opened.span)
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
            values = domain_values(statement.domain, self.draft.types)
            count_values(len(values), statement.domain.span, self.draft)
        except Refused as refused:
            self.draft.diagnostics.append(refused.diagnostic)


def _table(statement: ast.FactsFile, folder: Path) -> Request:
    name, columns = columns_of(statement.predicate)
    path, span = statement.path, statement.path_span
    if "\0" in path:
        raise Refused(report("N509", span, problem="a path has no such characters"))
    return Request(name, folder / path, path, columns or None, None, span)
