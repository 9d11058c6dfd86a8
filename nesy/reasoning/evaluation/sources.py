"""The two ways to read relations while a body runs: as they grow, or complete and with the rows that matched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal as OneOf

from nesy.reasoning.evaluation.aggregates import fold
from nesy.reasoning.evaluation.joins import Table
from nesy.reasoning.evaluation.limits import Guard
from nesy.reasoning.evaluation.plan import Fold
from nesy.reasoning.evaluation.relation import Run, Space
from nesy.reasoning.evaluation.rules import BodyAtom
from nesy.reasoning.evaluation.state import State

View = OneOf["old", "delta", "full"]


@dataclass
class PossibleSources:
    """Reads possible atoms; a recursive literal may read only the last round's, or those before."""

    state: State
    views: dict[int, View] = field(default_factory=dict[int, View])

    @property
    def space(self) -> Space:
        return self.state.space

    @property
    def guard(self) -> Guard:
        return self.state.guard

    def runs(self, atom: BodyAtom) -> Sequence[Run]:
        relation = self.state.relation(atom.signature)
        match self.views.get(atom.position, "full"):
            case "old":
                return relation.old
            case "delta":
                return relation.delta
            case "full":
                return relation.full

    def records(self, atom: BodyAtom) -> bool:
        return False

    def negate(self, atom: BodyAtom, table: Table) -> Table:
        held = self.state.is_certain(atom.signature, self.state.rows_of(atom, table))
        return table.select(~held) if held.any() else table

    def fold(self, step: Fold, table: Table) -> Table:
        return fold(step.aggregate, table, self.state, RecordingSources(self.state))


@dataclass
class RecordingSources:
    """Reads complete relations, and keeps for each literal the row it matched (-1: the literal is certainly true)."""

    state: State

    @property
    def space(self) -> Space:
        return self.state.space

    @property
    def guard(self) -> Guard:
        return self.state.guard

    def runs(self, atom: BodyAtom) -> Sequence[Run]:
        return (self.state.relation(atom.signature).settle(),)

    def records(self, atom: BodyAtom) -> bool:
        return atom.position >= 0  # a guard is no literal of its rule

    def negate(self, atom: BodyAtom, table: Table) -> Table:
        row = self.state.rows_of(atom, table)
        held = self.state.is_certain(atom.signature, row)
        if held.any():
            table, row = table.select(~held), row[~held]
        table.rows[atom.position] = row
        return table

    def fold(self, step: Fold, table: Table) -> Table:
        return fold(step.aggregate, table, self.state, self)
