"""The derivations recorded so far, on provisional node numbers.

Nodes get numbers in segments as their relations are completed; a leaf's number says which outcome of which
instance of which choice it is, so leaves need no table. The graph renumbers both at the end.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeAlias

import numpy as np

from nesy.language.core import Choice, Rule, Signature
from nesy.reasoning.evaluation.compiled import is_exhaustive
from nesy.reasoning.evaluation.kernels import Index, Mask
from nesy.reasoning.evaluation.outcomes import Exclusive
from nesy.reasoning.evaluation.relation import WIDE_BITS, Codes, Packing, Run
from nesy.reasoning.evaluation.rules import SAMPLE, AggregateForm, RuleForm

# A provisional number with this bit is a leaf: above it the choice's place, below it instance and outcome.
LEAF = 1 << 58
CHOICE_SHIFT = 42

FACT, ELEMENT = -1, -2


@dataclass(eq=False)
class ChoiceStore:
    """The instances of one choice, numbered as they arrive."""

    place: int
    rule: Rule
    choice: Choice
    form: RuleForm
    num_outcomes: int
    sampled: bool
    _packing: Packing
    _codes: Codes = field(default_factory=Codes)
    probabilities: list[tuple[Index, list[Index | None]]] = field(
        default_factory=list[tuple[Index, list[Index | None]]]
    )

    @cached_property
    def is_exhaustive(self) -> bool:
        return is_exhaustive(self.choice)

    @cached_property
    def bulk_ids(self) -> tuple[Index, Index]:
        """Of the probabilistic facts that are run together: the ids of their rules, and of their choices."""
        rules = self.form.bulk
        ids = [(rule.id, rule.choice.id) for rule in rules if rule.choice is not None]
        array = np.array(ids, dtype=np.int64)
        return array[:, 0], array[:, 1]

    def instances(self, key: list[Index], size: int) -> Index:
        """The instance of the choice for each row of key values."""
        return self._codes.add(self._packing.pack(key, size))

    def key_columns(self, instance: Index) -> list[Index]:
        """Key values of instances, the sample first where there is one."""
        return self._packing.unpack(self._codes.keys(instance))

    def leaf(self, instance: Index, outcome: int) -> Index:
        return LEAF + (self.place << CHOICE_SHIFT) + instance * self.num_outcomes + outcome


@dataclass(frozen=True, eq=False)
class Block:
    """Derivations by one rule, or by rules that are run together."""

    rule: int | Index
    head: Index  # [n] nodes
    body: Index  # [n, k] literals, -1 for none

    def select(self, mask: Mask) -> Block:
        rule = self.rule if isinstance(self.rule, int) else self.rule[mask]
        return Block(rule, self.head[mask], self.body[mask])


@dataclass(frozen=True, eq=False)
class RelationSegment:
    """The nodes of a complete relation's rows."""

    base: int
    size: int
    signature: Signature
    sampled: bool
    run: Run


@dataclass(frozen=True, eq=False)
class AggregateSegment:
    """Nodes of an aggregate: its possible results, or its elements."""

    base: int
    size: int
    form: AggregateForm
    group: list[Index]  # [size] values of the group, per group variable
    terms: list[Index]  # [size] the element's terms, or the one result
    is_result: bool

    @property
    def sampled(self) -> bool:
        return self.form.group[:1] == (SAMPLE,)


Segment: TypeAlias = RelationSegment | AggregateSegment


@dataclass(frozen=True, eq=False)
class RecordedAggregate:
    """A `GroundAggregate` on provisional numbers."""

    function: str
    element: Index
    weight: np.ndarray
    result: Index
    value: np.ndarray


@dataclass(eq=False)
class Recorder:
    """Collects segments of nodes, blocks of derivations, choices and aggregates."""

    num_nodes: int = 0
    segments: list[Segment] = field(default_factory=list[Segment])
    blocks: list[Block] = field(default_factory=list[Block])
    choices: dict[int, ChoiceStore] = field(default_factory=dict[int, ChoiceStore])
    aggregates: list[RecordedAggregate] = field(default_factory=list[RecordedAggregate])
    leaf_heads: list[tuple[Index, Index]] = field(default_factory=list[tuple[Index, Index]])
    base_of: dict[Signature, int] = field(default_factory=dict[Signature, int])
    _sole: dict[int, tuple[Index, Mask]] = field(default_factory=dict[int, "tuple[Index, Mask]"])

    @property
    def num_bytes(self) -> int:
        """What the recorded derivations take."""
        return sum(block.head.nbytes + block.body.nbytes for block in self.blocks)

    def add_relation(self, signature: Signature, sampled: bool, run: Run) -> int:
        """Number the rows of a complete relation."""
        base = self.base_of[signature] = self.num_nodes
        self.segments.append(RelationSegment(base, len(run), signature, sampled, run))
        self.num_nodes += len(run)
        return base

    def add_aggregate_nodes(
        self, form: AggregateForm, group: list[Index], terms: list[Index], size: int, is_result: bool
    ) -> int:
        base = self.num_nodes
        self.segments.append(AggregateSegment(base, size, form, group, terms, is_result))
        self.num_nodes += size
        return base

    def choice(self, form: RuleForm) -> ChoiceStore:
        """The store of a rule's choice."""
        choice = form.rule.choice
        assert choice is not None
        store = self.choices.get(choice.id)
        if store is None:
            sampled = form.choice_key[:1] == (SAMPLE,)
            # 31 bits a column, whatever the ids need now: keys of choices outlive a repacking.
            packing = Packing((WIDE_BITS,) * len(form.choice_key))
            store = ChoiceStore(len(self.choices), form.rule, choice, form, len(form.heads), sampled, packing)
            self.choices[choice.id] = store
        return store

    def segment_of(self, node: int) -> Segment:
        """The segment that a provisional node is in."""
        return self.segments[bisect_right(self.segments, node, key=lambda segment: segment.base) - 1]

    def deciding_leaves(
        self, element: Index, body: Index, num_elements: int, certain: Mapping[Signature, Mask]
    ) -> tuple[Index, Mask]:
        """Per element the leaf without which it cannot hold, -1 where none is seen, and whether the leaf is enough.

        Seen are leaves directly below: the element has one instance, one of whose literals is an atom with one
        derivation, by a choice.
        """
        leaf = np.full(num_elements, -1, dtype=np.int64)
        is_pure = np.zeros(num_elements, dtype=np.bool_)
        single = np.bincount(element, minlength=num_elements)[element] == 1
        decided = np.full(len(element), -1, dtype=np.int64)
        pure = np.ones(len(element), dtype=np.bool_)
        for column in body.T:
            found, enough = self._leaf_of_literals(column, certain)
            uncertain = (column >= 0) & ~self._are_certain(column, certain)
            first = (decided < 0) & (found >= 0)
            pure &= ~uncertain | (first & enough)
            decided = np.where(first, found, decided)
        chosen = single & (decided >= 0)
        leaf[element[chosen]] = decided[chosen]
        is_pure[element[chosen]] = pure[chosen]
        return leaf, is_pure

    def _are_certain(self, literals: Index, certain: Mapping[Signature, Mask]) -> Mask:
        result = np.zeros(len(literals), dtype=np.bool_)
        node = literals >> 1
        for segment in self._segments_of(node[literals >= 0]):
            if isinstance(segment, RelationSegment):
                inside = (literals >= 0) & (node >= segment.base) & (node < segment.base + segment.size)
                known = certain.get(segment.signature)
                result[inside] = True if known is None else known[node[inside] - segment.base]
        return result

    def _segments_of(self, node: Index) -> list[Segment]:
        bases = np.array([segment.base for segment in self.segments])
        return [self.segments[i] for i in np.unique(np.searchsorted(bases, np.unique(node), side="right") - 1)]

    def _leaf_of_literals(self, literals: Index, certain: Mapping[Signature, Mask]) -> tuple[Index, Mask]:
        leaf = np.full(len(literals), -1, dtype=np.int64)
        pure = np.zeros(len(literals), dtype=np.bool_)
        node = literals >> 1
        positive = (literals >= 0) & (literals & 1 == 0)
        for segment in self._segments_of(node[positive]):
            inside = positive & (node >= segment.base) & (node < segment.base + segment.size)
            leaves, enough = self._sole_leaves(segment, certain)
            leaf[inside] = leaves[node[inside] - segment.base]
            pure[inside] = enough[node[inside] - segment.base]
        return leaf, pure

    def _sole_leaves(self, segment: Segment, certain: Mapping[Signature, Mask]) -> tuple[Index, Mask]:
        """Per node of a segment the leaf of its only derivation, and whether nothing else there is random."""
        known = self._sole.get(segment.base)
        if known is not None:
            return known
        leaf = np.full(segment.size, -1, dtype=np.int64)
        pure = np.zeros(segment.size, dtype=np.bool_)
        number = np.zeros(segment.size, dtype=np.int64)
        for block in self.blocks:
            row = block.head - segment.base
            inside = (row >= 0) & (row < segment.size)
            if not inside.any():
                continue
            row, body = row[inside], block.body[inside]
            number += np.bincount(row, minlength=segment.size)
            if body.shape[1] and np.all(body[:, -1] >= 2 * LEAF):
                leaf[row] = body[:, -1] >> 1
                enough = np.ones(len(row), dtype=np.bool_)
                for column in body[:, :-1].T:
                    enough &= (column < 0) | self._are_certain(column, certain)
                pure[row] = enough
        leaf[number != 1] = -1
        self._sole[segment.base] = leaf, pure
        return leaf, pure

    def exclusive(self, leaf: Index, is_pure: Mask) -> Exclusive:
        """What the leaves that decide elements say about which elements exclude each other."""
        place = np.where(leaf >= 0, (leaf - LEAF) >> CHOICE_SHIFT, -1)
        rest = np.where(leaf >= 0, (leaf - LEAF) & ((1 << CHOICE_SHIFT) - 1), 0)
        choice = np.full(len(leaf), -1, dtype=np.int64)
        outcome = np.full(len(leaf), -1, dtype=np.int64)
        num_outcomes = np.full(len(leaf), -1, dtype=np.int64)
        first = 0
        for store in self.choices.values():
            mine = place == store.place
            if mine.any():
                instances, inverse = np.unique(rest[mine] // store.num_outcomes, return_inverse=True)
                choice[mine] = first + inverse.reshape(-1)
                first += len(instances)
                outcome[mine] = rest[mine] % store.num_outcomes
                num_outcomes[mine] = store.num_outcomes if store.is_exhaustive else -1
        return Exclusive(choice, outcome, is_pure, num_outcomes)
