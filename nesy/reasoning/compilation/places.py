"""Where samples are in the graph of a batch, and graphs that are put together from samples known before.

Which samples share a batch changes from epoch to epoch; what was found out about a sample does not. So pieces that were
cut out of earlier graphs can be laid side by side in a new one, and no rule is run again.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from nesy.language.core import Atom, CoreProgram
from nesy.reasoning.compilation.pieces import Piece
from nesy.reasoning.derivation import ChoiceTable, DerivationGraph, GroundAggregate, GroundQuery, Index


@dataclass(frozen=True, eq=False)
class Column:
    """Numbers of each sample, one sample behind the other."""

    value: Index
    ptr: Index  # [samples + 1]

    @classmethod
    def of(cls, parts: Sequence[Index]) -> Column:
        """The parts of all samples."""
        return cls(np.concatenate([_NONE, *parts]), pointers([len(part) for part in parts]))


_NONE = np.zeros(0, dtype=np.int64)


@dataclass(frozen=True, eq=False)
class Places:
    """Where the parts of each sample are in a graph; in which order, a sample's structure says."""

    leaf: Column
    choice: Column
    query: Column
    condition: Column  # literals of the graph

    @classmethod
    def of(cls, pieces: Sequence[Piece]) -> Places:
        """The places of pieces in the graph that they were cut from."""
        return cls(
            Column.of([piece.leaf for piece in pieces]),
            Column.of([piece.choice for piece in pieces]),
            Column.of([np.array(piece.query, dtype=np.int64) for piece in pieces]),
            Column.of([piece.condition for piece in pieces]),
        )


def gather(program: CoreProgram, pieces: Sequence[Piece]) -> tuple[DerivationGraph, Places]:
    """A graph whose samples are pieces of other graphs, and where they are in it.

    What samples shared in those is copied, one for each. Bodies are without literals that hold in every world.
    """
    count = len(pieces)
    tables = [piece.choices for piece in pieces]
    leaf_ptr = pointers([table.num_leaves for table in tables])
    choice_ptr = pointers([table.num_choices for table in tables])
    query_ptr = pointers([len(piece.query) for piece in pieces])
    node_ptr = pointers([piece.num_nodes for piece in pieces])
    num_leaves, num_nodes = int(leaf_ptr[-1]), int(node_ptr[-1])
    own_leaves = np.diff(leaf_ptr)
    first = num_leaves + node_ptr - leaf_ptr  # of a sample's nodes that are no leaves

    def placed(node: Index, size: Index) -> Index:
        """Nodes of all samples on the graph's numbers, so many of each sample."""
        behind = np.repeat(first[:-1] - own_leaves, size)
        return node + np.where(node < np.repeat(own_leaves, size), np.repeat(leaf_ptr[:-1], size), behind)

    def nodes(parts: Sequence[Index]) -> Index:
        column = Column.of(parts)
        return placed(column.value, np.diff(column.ptr))

    def literals(parts: Sequence[Index]) -> Index:
        column = Column.of(parts)
        return 2 * placed(column.value >> 1, np.diff(column.ptr)) + (column.value & 1)

    def number(sample: int, node: int) -> int:
        own = int(own_leaves[sample])
        return int(leaf_ptr[sample]) + node if node < own else int(first[sample]) + node - own

    query: list[GroundQuery] = []
    aggregates: list[GroundAggregate] = []
    for sample, piece in enumerate(pieces):
        for place, literal in zip(piece.query, piece.literal, strict=True):
            asked = piece.whole.query[place]
            moved = None if literal is None else 2 * number(sample, literal >> 1) + (literal & 1)
            query.append(GroundQuery(asked.query, asked.atom, sample, moved))
        for a in piece.aggregates:
            element, result = (np.array([number(sample, n) for n in part.tolist()]) for part in (a.element, a.result))
            aggregates.append(GroundAggregate(a.function, element, a.weight, result, a.value))
    # The answers of a sample stay in the order in which its rules derived them, however its structure numbers them.
    came = np.array([place for piece in pieces for place in piece.query], dtype=np.int64)
    order = np.lexsort((came, np.repeat(np.arange(count), np.diff(query_ptr))))
    place_of_query = np.empty(len(order), dtype=np.int64)
    place_of_query[order] = np.arange(len(order))
    own = np.repeat(np.arange(count), np.diff(choice_ptr))
    shared = np.concatenate([_NONE, *(table.sample for table in tables)]) < 0
    empty = np.zeros(0, dtype=np.bool_)
    choices = ChoiceTable(
        ptr=np.concatenate([[0], np.cumsum(np.concatenate([_NONE, *(piece.choice_size for piece in pieces)]))]),
        has_rest=np.concatenate([empty, *(table.has_rest for table in tables)]),
        choice=np.concatenate([_NONE, *(table.choice for table in tables)]),
        sample=np.where(shared, -1, own),
        key=tuple(chain.from_iterable(table.key for table in tables)),
        outcome=np.concatenate([_NONE, *(table.outcome for table in tables)]),
        probability=np.concatenate([np.zeros(0), *(table.probability for table in tables)]),
    )
    evidence = literals([piece.evidence for piece in pieces])
    constraint = nodes([piece.constraint for piece in pieces])
    conditions = literals([piece.own_conditions for piece in pieces])
    names = _Names(pieces, leaf_ptr, first)
    graph = DerivationGraph(
        program=program,
        num_samples=count,
        choices=choices,
        num_nodes=num_nodes,
        sample=np.concatenate(
            [np.repeat(np.arange(count), own_leaves), np.repeat(np.arange(count), np.diff(node_ptr) - own_leaves)]
        ),
        head=nodes([piece.head for piece in pieces]),
        body_ptr=np.concatenate([[0], np.cumsum(np.concatenate([_NONE, *(piece.body_size for piece in pieces)]))]),
        body=literals([piece.body for piece in pieces]),
        rule=np.concatenate([_NONE, *(piece.rule for piece in pieces)]),
        aggregates=tuple(aggregates),
        query=tuple(query[place] for place in order.tolist()),
        evidence=evidence,
        constraint=constraint,
        atom_of=names.atom_of,
    )
    places = Places(
        Column(np.arange(num_leaves), leaf_ptr),
        Column(np.arange(len(own)), choice_ptr),
        Column(place_of_query, query_ptr),
        Column(conditions, pointers([len(piece.condition) for piece in pieces])),
    )
    return graph, places


@dataclass(frozen=True, eq=False)
class _Names:
    """The atoms of a gathered graph's nodes, as the pieces' own graphs have them."""

    pieces: Sequence[Piece]
    leaf_ptr: Index
    first: Index

    def atom_of(self, node: int) -> Atom:
        """The atom of a node."""
        ptr = self.leaf_ptr if node < self.leaf_ptr[-1] else self.first
        sample = bisect_right(ptr.tolist(), node) - 1
        if not 0 <= sample < len(self.pieces):
            raise IndexError(f"node {node} of a graph with {self.first[-1]}")
        piece = self.pieces[sample]
        skipped = 0 if ptr is self.leaf_ptr else len(piece.leaf)
        return piece.whole.atom_of(int(piece.node[node - int(ptr[sample]) + skipped]))


def pointers(sizes: Sequence[int] | Index) -> Index:
    """Where each of some runs of numbers starts, and the end. Shapes: -> [runs + 1]"""
    return np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])
