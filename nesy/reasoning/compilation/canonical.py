"""A numbering of a piece that does not depend on how its nodes were numbered before.

Samples that differ only in what comes first (who is named before whom, say) have different arrays and one structure.
Here each node gets a colour that says how it is used and what it is made of, refined until no more are told apart; in
the order of these colours, pieces of one structure become the same arrays. Where nodes of one colour are left, they
keep their order, and the arrays may differ: then the structures count as different, which costs time and no exactness.

Source: Weisfeiler, Leman, "A reduction of a graph to a canonical form", 1968 (colour refinement).

Cost: a sort of the literals, then linear in them for each round; rounds grow with the depth of the graph.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from nesy.reasoning.compilation.pieces import Order, Piece
from nesy.reasoning.compilation.problem import slices
from nesy.reasoning.derivation import Index

Colours: TypeAlias = NDArray[np.uint64]

_BYTES = 128 * 2**20  # that numberings may take together


@dataclass(frozen=True, eq=False)
class Numbering:
    """How a piece is to be numbered, and the signature that its structure goes by; as it is where `order` is None.

    It depends on the piece alone and not on what was met before, so that sums of floats come out the same in a training
    that goes on after an interruption.
    """

    signature: bytes
    order: Order | None

    @classmethod
    def of(cls, piece: Piece) -> Numbering:
        """The canonical numbering, where the piece has one."""
        order = canonical(piece)
        return cls(piece.signature if order is None else piece.renumbered(order).signature, order)

    def apply(self, piece: Piece) -> Piece:
        """The piece in this numbering."""
        return piece if self.order is None else piece.renumbered(self.order)

    @property
    def num_bytes(self) -> int:
        """About what keeping it costs."""
        return 256 + (0 if self.order is None else sum(part.nbytes for part in self.order.parts))


class Numberings:
    """Numberings by the signatures that pieces come with, the least recently used ones dropped beyond `max_bytes`."""

    def __init__(self, max_bytes: int = _BYTES):
        self.max_bytes = max_bytes
        self.num_bytes = 0
        self._kept: OrderedDict[bytes, Numbering] = OrderedDict()

    def find(self, signature: bytes) -> Numbering | None:
        """The numbering of a piece, if it is known."""
        found = self._kept.get(signature)
        if found is not None:
            self._kept.move_to_end(signature)
        return found

    def keep(self, signature: bytes, numbering: Numbering) -> None:
        """Remember a numbering."""
        before = self._kept.pop(signature, None)
        self._kept[signature] = numbering
        self.num_bytes += numbering.num_bytes - (0 if before is None else before.num_bytes)
        while self.num_bytes > self.max_bytes:
            self.num_bytes -= self._kept.popitem(last=False)[1].num_bytes


def canonical(piece: Piece) -> Order | None:
    """The order in which pieces of one structure are the same arrays, where colours tell all of their nodes apart.

    None for a piece with aggregates: which element of those has which weight is not looked at here.
    """
    return None if piece.aggregates else _order(piece, _Refinement(piece).colours())


def _order(piece: Piece, colour: Colours) -> Order:
    """Choices, nodes, queries and conditions by colour; what has the same one stays in order."""
    num_leaves = len(piece.leaf)
    ptr = piece.choice_ptr
    choice = np.argsort(_sums(colour[:num_leaves], ptr), kind="stable")
    leaf = slices(ptr[choice], ptr[choice + 1])
    node = np.concatenate([leaf, num_leaves + np.argsort(colour[num_leaves:], kind="stable")])
    number = np.empty(piece.num_nodes, dtype=np.int64)
    number[node] = np.arange(piece.num_nodes)
    never = 2 * piece.num_nodes  # a query that cannot hold comes last
    asked = np.array([never if literal is None else literal for literal in piece.literal], dtype=np.int64)
    asked[asked < never] = 2 * number[asked[asked < never] >> 1] + (asked[asked < never] & 1)
    given = 2 * number[piece.own_conditions >> 1] + (piece.own_conditions & 1)
    is_constraint = np.arange(len(given)) >= len(piece.evidence)
    return Order(choice, node, np.argsort(asked, kind="stable"), np.lexsort((given, is_constraint)))


class _Refinement:
    """Colours are 64 bits that hash what a node is; sums of hashes stand for sets, so no order matters."""

    def __init__(self, piece: Piece):
        self.piece = piece
        self.node = piece.body >> 1
        self.sign = (piece.body & 1).astype(np.uint64)
        self.of_body = np.repeat(np.arange(len(piece.head)), piece.body_size)
        self.by_node = np.argsort(self.node, kind="stable")
        nodes = np.arange(piece.num_nodes + 1)
        self.use_ptr = np.searchsorted(self.node[self.by_node], nodes)
        self.head_ptr = np.searchsorted(piece.head, nodes)
        self.of_choice = np.repeat(np.arange(len(piece.choice)), piece.choice_size)

    def colours(self) -> Colours:
        """The colour of each node when no further ones are told apart."""
        colour, count = self._first(), 0
        while (more := len(np.unique(colour))) > count:
            colour, count = self._refined(colour), more
        return colour

    def _first(self) -> Colours:
        """What can be said of a node by itself: its place in its choice, and what is asked of it."""
        piece, num_leaves = self.piece, len(self.piece.leaf)
        asked = np.array([literal for literal in piece.literal if literal is not None], dtype=np.int64)
        colour = np.zeros(piece.num_nodes, dtype=np.uint64)
        for kind, literals in enumerate((asked, piece.evidence, 2 * piece.constraint + 1)):
            np.add.at(colour, literals >> 1, _mixed((4 * (literals & 1) + kind + 1).astype(np.uint64)))
        place = np.arange(num_leaves) - np.repeat(piece.choice_ptr[:-1], piece.choice_size)
        of_choice = 2 * piece.choice_size + piece.has_rest
        colour[:num_leaves] += _mixed(((place << 32) + of_choice[self.of_choice]).astype(np.uint64))
        return _mixed(colour)

    def _refined(self, colour: Colours) -> Colours:
        """Each colour with those of the node's bodies, of the bodies that it is in, and of its choice."""
        piece, num_leaves = self.piece, len(self.piece.leaf)
        literal = _mixed(2 * colour[self.node] + self.sign)
        body = _mixed(_sums(literal, piece.body_ptr))
        use = _mixed(body + _mixed(colour[piece.head]))[self.of_body] + literal
        refined = _mixed(colour) + 3 * _mixed(_sums(body, self.head_ptr))
        refined += 5 * _mixed(_sums(_mixed(use[self.by_node]), self.use_ptr))
        refined[:num_leaves] += 7 * _mixed(_sums(colour[:num_leaves], piece.choice_ptr))[self.of_choice]
        return _mixed(refined)


def _sums(values: Colours, ptr: Index) -> Colours:
    """The sum of each run of values; sums wrap around."""
    total = np.concatenate([np.zeros(1, dtype=np.uint64), np.cumsum(values, dtype=np.uint64)])
    return total[ptr[1:]] - total[ptr[:-1]]


def _mixed(bits: Colours) -> Colours:
    """A hash of 64 bits each. Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014."""
    bits = bits + np.uint64(0x9E3779B97F4A7C15)
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))
