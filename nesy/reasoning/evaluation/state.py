"""What one evaluation knows so far: relations, which of their rows are certain, and the derivations recorded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from nesy.errors import DataError
from nesy.language.core import Signature
from nesy.language.values import Value
from nesy.reasoning.evaluation.compiled import CompiledProgram
from nesy.reasoning.evaluation.interning import Interner
from nesy.reasoning.evaluation.joins import Table
from nesy.reasoning.evaluation.kernels import Index, Mask, find
from nesy.reasoning.evaluation.limits import Guard
from nesy.reasoning.evaluation.recorder import Recorder
from nesy.reasoning.evaluation.relation import Relation, Space
from nesy.reasoning.evaluation.rules import BodyAtom

if TYPE_CHECKING:
    from nesy.reasoning.evaluation.aggregates import AggregateStore

_ENTRY = 200  # bytes of one value in the table, about: a key, an entry, and the value itself

Sample = Mapping[Signature, Sequence[Sequence[Value]]]


@dataclass
class State:
    """See the module's text. Without a recorder nothing random may run: every row is then certain."""

    compiled: CompiledProgram
    space: Space
    guard: Guard
    recorder: Recorder | None = None
    relations: dict[Signature, Relation] = field(default_factory=dict[Signature, Relation])
    # Which rows hold in every world, for complete relations; a relation that is not here is certain.
    certain: dict[Signature, Mask] = field(default_factory=dict[Signature, Mask])

    folds: dict[int, AggregateStore] = field(default_factory=dict[int, "AggregateStore"])

    @classmethod
    def create(cls, compiled: CompiledProgram, guard: Guard, num_samples: int, recorder: Recorder | None) -> State:
        interner = Interner(compiled.interner, guard.limits.depth)
        return cls(compiled, Space(interner, num_samples), guard, recorder)

    def relation(self, signature: Signature) -> Relation:
        relation = self.relations.get(signature)
        if relation is None:
            sampled = signature in self.compiled.sampled
            arity = signature.arity + sampled
            relation = self.relations[signature] = Relation(self.space, arity, sampled)
        return relation

    @property
    def num_bytes(self) -> int:
        """What the evaluation holds: relations, values that are no small integers, derivations."""
        relations = sum(relation.num_bytes for relation in self.relations.values())
        recorded = self.recorder.num_bytes if self.recorder is not None else 0
        return relations + recorded + _ENTRY * len(self.space.interner)

    def watch(self) -> None:
        """Check the limit on memory, if enough has been added since the last time.

        Raises: LimitError.
        """
        if self.guard.is_due:
            self.guard.hold(self.num_bytes)

    def load(self, samples: Sequence[Sample]) -> None:
        """Add the program's facts, and the samples' facts with their sample.

        Raises: DataError for a row that does not fit its predicate.
        """
        space = self.space
        given: dict[Signature, list[Index]] = {}
        for signature, columns in self.compiled.facts.items():
            space.admit(*columns)
            size = len(columns[0]) if columns else 1
            if signature in self.compiled.sampled:
                count = space.num_samples
                samples_of = np.repeat(np.arange(count), size)
                given[signature] = [samples_of, *(np.tile(column, count) for column in columns)]
            else:
                given[signature] = columns
        for signature in {signature: None for sample in samples for signature in sample}:
            columns = self._input_columns(signature, [sample.get(signature, ()) for sample in samples])
            if signature in given:
                columns = [np.concatenate(pair) for pair in zip(given[signature], columns, strict=True)]
            given[signature] = columns
        space.admit(np.array([space.interner.bound]))
        for signature, columns in given.items():
            relation = self.relation(signature)
            relation.advance(relation.pack(columns, len(columns[0]) if columns else 1).copy())

    def _input_columns(self, signature: Signature, rows: list[Sequence[Sequence[Value]]]) -> list[Index]:
        predicate = self.compiled.program.predicates.get(signature)
        if predicate is None or predicate.kind != "input":
            known = ", ".join(str(p.signature) for p in self.compiled.program.inputs) or "none"
            raise DataError(f"`{signature}` is not an input of the program (its inputs: {known})")
        flat = [row for part in rows for row in part]
        for number, row in enumerate(flat):
            if len(row) != signature.arity:
                raise DataError(f"row {number + 1} of `{signature}` has {len(row)} values: {row!r}")
        columns = self.space.interner.intern_rows(flat, signature.arity)
        self.space.admit(*columns)
        return [np.repeat(np.arange(len(rows)), [len(part) for part in rows]), *columns]

    def rows_of(self, atom: BodyAtom, table: Table) -> Index:
        """For each row of the table, which row of a complete relation the atom is, or -1."""
        run = self.relation(atom.signature).settle()
        probes = [term if isinstance(term, int) else table.columns[term] for term in atom.terms]
        place, found = find(run.keys, run.packing.pack(probes, table.size, insert=False))
        return np.where(found, place, -1)

    def is_certain(self, signature: Signature, row: Index) -> Mask:
        """Whether rows of a complete relation (-1: no row) hold in every world."""
        certain = self.certain.get(signature)
        if certain is None or not len(certain):
            return row >= 0
        return (row >= 0) & certain[row]
