"""Analysed structures, kept: what was found out about one sample serves every sample that is like it.

A `Template` is the circuit of one piece of a graph on the piece's own numbers. The circuit of a whole batch is the
templates of its samples side by side, layer by layer. `Structures` keeps templates across batches and epochs.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal as OneOf

import numpy as np

from nesy.reasoning.compilation.budget import Budget
from nesy.reasoning.compilation.circuit import InputRows, Wiring
from nesy.reasoning.compilation.lifting import Lifted
from nesy.reasoning.compilation.pieces import Piece
from nesy.reasoning.derivation import ChoiceTable, Index

Method = OneOf["exact", "exact (compiled)", "bounds", "sampled"]
_BYTES = 256 * 2**20  # that templates may take together


@dataclass(frozen=True, eq=False)
class Template:
    """What there is to know about one structure, on its own numbers.

    The wiring's roots: yes, total, unknown of each query; then total and unknown of each group of conditions.
    """

    wiring: Wiring
    methods: tuple[Method, ...]  # of each query
    is_conditional: tuple[bool, ...]  # of each query: its total is not 1
    groups: tuple[tuple[int, ...], ...]  # literals of each group of conditions
    groups_of: tuple[tuple[int, ...], ...]  # the groups that each query is under, even if they do not touch it
    lifted: tuple[Lifted, ...]  # distributions that are inputs of the wiring after those of `InputRows`

    @property
    def method(self) -> Method:
        """The weakest method any query was answered with."""
        order: list[Method] = ["exact", "exact (compiled)", "bounds", "sampled"]
        return order[max((order.index(method) for method in self.methods), default=0)]

    @property
    def num_bytes(self) -> int:
        """About what keeping it costs."""
        lifted = sum(one.row.nbytes + one.weight.nbytes + one.wanted.nbytes for one in self.lifted)
        return 24 * len(self.wiring.out) + 8 * (len(self.wiring.first) + len(self.wiring.root)) + lifted + 1024


@dataclass(frozen=True)
class Counts:
    """How often a structure was asked for that was known, and how often one that had to be analysed."""

    hits: int
    misses: int

    @property
    def share(self) -> float:
        """The share of hits."""
        return self.hits / max(1, self.hits + self.misses)


class Structures:
    """Templates by structure, the least recently used ones dropped beyond `max_bytes`.

    Units: `max_bytes` in bytes of index arrays.
    """

    def __init__(self, max_bytes: int = _BYTES):
        self.max_bytes = max_bytes
        self.num_bytes = 0
        self._kept: OrderedDict[tuple[bytes, Budget], Template] = OrderedDict()
        self._hits = 0
        self._misses = 0

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def counts(self) -> Counts:
        """Hits and misses so far, one for each sample."""
        return Counts(self._hits, self._misses)

    def find(self, signature: bytes, budget: Budget) -> Template | None:
        """The template of a structure, if it is known."""
        found = self._kept.get((signature, budget))
        if found is None:
            self._misses += 1
            return None
        self._hits += 1
        self._kept.move_to_end((signature, budget))
        return found

    def part(self, signature: bytes, budget: Budget) -> Template | None:
        """The same for a part of a sample: it does not count."""
        found = self._kept.get((signature, budget))
        if found is not None:
            self._kept.move_to_end((signature, budget))
        return found

    def repeat(self) -> None:
        """Count a structure that was met a moment ago and is about to be kept."""
        self._hits += 1

    def keep(self, signature: bytes, budget: Budget, template: Template) -> None:
        """Remember a template."""
        self._kept[signature, budget] = template
        self.num_bytes += template.num_bytes
        while self.num_bytes > self.max_bytes and len(self._kept) > 1:
            self.num_bytes -= self._kept.popitem(last=False)[1].num_bytes


@dataclass(frozen=True, eq=False)
class SideBySide:
    """The wiring of several pieces; `root[i]` says where piece i's roots are among the wiring's."""

    wiring: Wiring
    lifted: tuple[Lifted, ...]
    root: list[Index]


def side_by_side(choices: ChoiceTable, pieces: Sequence[Piece], templates: Sequence[Template]) -> SideBySide:
    """One wiring for all pieces, over the inputs of the whole graph.

    Cost: linear in the edges of all pieces, with a few numpy calls for each template that is used.
    """
    like: dict[int, list[int]] = {}
    for place, template in enumerate(templates):
        like.setdefault(id(template), []).append(place)
    alike = [(templates[places[0]], places) for places in like.values()]

    num_layers = max((len(template.wiring.layer_size) for template in templates), default=0)
    size = np.zeros((len(alike), num_layers), dtype=np.int64)  # rows of a layer that one piece has
    for number, (template, _) in enumerate(alike):
        size[number, : len(template.wiring.layer_size)] = template.wiring.layer_size
    together = size * np.array([len(places) for _, places in alike], dtype=np.int64)[:, None]
    before = np.cumsum(together, axis=0) - together  # rows of a layer that other templates have

    inputs = InputRows(choices)
    num_late = sum(len(places) * sum(one.num_rows for one in template.lifted) for template, places in alike)
    num_inputs = inputs.num_rows + num_late
    first = num_inputs + np.concatenate([[0], np.cumsum(together.sum(axis=0))])
    late = inputs.num_rows
    lifted: list[Lifted] = []
    left: list[Index] = []
    right: list[Index] = []
    out: list[Index] = []
    root: list[Index] = [np.zeros(0, dtype=np.int64) for _ in pieces]
    for number, (template, places) in enumerate(alike):
        count = len(places)
        rows = [np.stack([_input_rows(pieces[place], inputs) for place in places])]  # of the whole
        for one in template.lifted:
            lifted.append(
                Lifted(
                    rows[0][:, one.row].reshape(-1, *one.row.shape[1:]),
                    np.tile(one.weight, (count, 1, 1)),
                    np.tile(one.wanted, (count, 1)),
                )
            )
            rows.append((late + np.arange(count * one.num_rows)).reshape(count, one.num_rows))
            late += count * one.num_rows
        layer = np.repeat(np.arange(len(template.wiring.layer_size)), template.wiring.layer_size)
        start = np.cumsum(template.wiring.layer_size) - template.wiring.layer_size
        inside = np.arange(len(layer)) - start[layer]
        base = first[layer] + before[number, layer] + inside
        rows.append(base + np.arange(count)[:, None] * size[number, layer])
        row = np.concatenate(rows, axis=1)
        left.append(row[:, template.wiring.left].reshape(-1))
        right.append(row[:, template.wiring.right].reshape(-1))
        out.append(row[:, template.wiring.out].reshape(-1))
        for place, mine in zip(places, row[:, template.wiring.root], strict=True):
            root[place] = mine
    empty = np.zeros(0, dtype=np.int64)
    all_left, all_right, all_out = (np.concatenate([empty, *parts]) for parts in (left, right, out))
    order = np.argsort(all_out, kind="stable")
    roots = np.concatenate([empty, *root])
    wiring = Wiring(num_inputs, first, all_left[order], all_right[order], all_out[order], roots)
    stop = np.cumsum([len(mine) for mine in root]).tolist()
    return SideBySide(
        wiring, tuple(lifted), [np.arange(end - len(mine), end) for end, mine in zip(stop, root, strict=True)]
    )


def _input_rows(piece: Piece, inputs: InputRows) -> Index:
    """The inputs of a piece as rows of the whole's inputs."""
    leaves = inputs.leaf(0) + piece.leaf
    others = inputs.other(0) + piece.leaf
    rests = inputs.rest(0) + piece.choice
    return np.concatenate([np.arange(2), leaves, others, rests])
