"""Analysed structures, kept: what was found out about one sample serves every sample that is like it.

A `Template` is the circuit of one piece of a graph on the piece's own numbers. The circuit of a whole batch is the
templates of its samples side by side, layer by layer. `Structures` keeps templates across batches and epochs.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal as OneOf

import numpy as np

from nesy.reasoning.compilation.budget import Budget
from nesy.reasoning.compilation.canonical import Numberings
from nesy.reasoning.compilation.circuit import InputRows, Wiring
from nesy.reasoning.compilation.lifting import Lifted
from nesy.reasoning.compilation.places import Places, pointers
from nesy.reasoning.derivation import ChoiceTable, Index

Method = OneOf["exact", "exact (compiled)", "bounds", "sampled"]
METHODS: tuple[Method, ...] = ("exact", "exact (compiled)", "bounds", "sampled")
_NONE = np.zeros(0, dtype=np.int64)
_BYTES = 256 * 2**20  # that templates may take together


def weakest(methods: Sequence[Method]) -> Method:
    """The weakest of some methods."""
    return METHODS[max((METHODS.index(method) for method in methods), default=0)]


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
        return weakest(self.methods)

    @cached_property
    def num_late(self) -> int:
        """How many inputs its lifted distributions are."""
        return sum(one.num_rows for one in self.lifted)

    @cached_property
    def method_numbers(self) -> Index:
        """Each query's method by its place in `METHODS`. Shapes: [Q]"""
        return np.array([METHODS.index(one) for one in self.methods], dtype=np.int64)

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
        self.numberings = Numberings()
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
        """The same, uncounted: for parts of samples, and where it is counted otherwise."""
        found = self._kept.get((signature, budget))
        if found is not None:
            self._kept.move_to_end((signature, budget))
        return found

    def repeat(self, times: int = 1) -> None:
        """Count structures that are known from elsewhere, or were met a moment ago and are about to be kept."""
        self._hits += times

    def keep(self, signature: bytes, budget: Budget, template: Template) -> None:
        """Remember a template."""
        self._kept[signature, budget] = template
        self.num_bytes += template.num_bytes
        while self.num_bytes > self.max_bytes and len(self._kept) > 1:
            self.num_bytes -= self._kept.popitem(last=False)[1].num_bytes


@dataclass(frozen=True, eq=False)
class SideBySide:
    """The circuits of several samples as one.

    Shapes: root [samples * r] the rows of each sample's roots, in the order of the samples; root_ptr [samples + 1]
    """

    wiring: Wiring  # its roots are those of the samples
    lifted: tuple[Lifted, ...]
    root_ptr: Index


def side_by_side(choices: ChoiceTable, places: Places, templates: Sequence[Template]) -> SideBySide:
    """One wiring for all samples, over the inputs of the whole graph.

    A table says for each row of each sample's own circuit which row of the whole it is. Within a layer the samples
    stand in their order, and so do their edges: nothing has to be sorted.

    Cost: linear in the edges of all samples, in a few numpy calls.
    """
    inputs = InputRows(choices)
    wirings = [template.wiring for template in templates]
    num_leaves, num_choices = np.diff(places.leaf.ptr), np.diff(places.choice.ptr)
    num_late = np.array([template.num_late for template in templates], dtype=np.int64)
    num_inside = np.array([wiring.num_inside for wiring in wirings], dtype=np.int64)
    own_inputs = 2 + 2 * num_leaves + num_choices
    ptr = pointers(own_inputs + num_late + num_inside)  # of each sample's part of the table
    start = ptr[:-1]
    row = np.empty(int(ptr[-1]), dtype=np.int64)
    row[start], row[start + 1] = 0, 1
    at = _within(start + 2, num_leaves)
    row[at] = inputs.leaf(0) + places.leaf.value
    row[at + np.repeat(num_leaves, num_leaves)] = inputs.other(0) + places.leaf.value
    row[_within(start + 2 + 2 * num_leaves, num_choices)] = inputs.rest(0) + places.choice.value
    lifted = _lifted(templates, start, own_inputs, row, inputs.num_rows)

    layers = max((len(wiring.layer_size) for wiring in wirings), default=0)
    num_rows, num_edges = np.zeros((2, len(templates), layers), dtype=np.int64)
    for sample, wiring in enumerate(wirings):
        num_rows[sample, : len(wiring.layer_size)] = wiring.layer_size
        num_edges[sample, : len(wiring.layer_size)] = wiring.edge_size
    num_inputs = inputs.num_rows + int(num_late.sum())
    row[_within(start + own_inputs + num_late, num_inside)] = num_inputs + _by_layer(num_rows)
    first = num_inputs + pointers(num_rows.sum(axis=0))

    def rows(parts: Sequence[Index]) -> Index:
        return row[np.concatenate([_NONE, *parts]) + np.repeat(start, [len(part) for part in parts])]

    place = _by_layer(num_edges)
    left, right, out = np.empty((3, len(place)), dtype=np.int64)
    left[place] = rows([wiring.left for wiring in wirings])
    right[place] = rows([wiring.right for wiring in wirings])
    out[place] = rows([wiring.out for wiring in wirings])
    roots = [wiring.root for wiring in wirings]
    return SideBySide(
        Wiring(num_inputs, first, left, right, out, rows(roots)), lifted, pointers([len(root) for root in roots])
    )


def _within(start: Index, size: Index) -> Index:
    """start[i], start[i] + 1, ... so many for each i. Shapes: [n], [n] -> [sum of size]"""
    before = np.cumsum(size) - size
    return np.arange(int(size.sum())) + np.repeat(start - before, size)


def _by_layer(size: Index) -> Index:
    """Where things that stand by sample, and within it by layer, stand when it is by layer, and within it by sample.

    Shapes: size [samples, layers] -> [things]
    """
    turned = size.T.reshape(-1)
    return _within((np.cumsum(turned) - turned).reshape(size.T.shape).T.reshape(-1), size.reshape(-1))


def _lifted(
    templates: Sequence[Template], start: Index, own_inputs: Index, row: Index, late: int
) -> tuple[Lifted, ...]:
    """The lifted distributions of all samples, those of one structure together; their rows, from `late` on, are written
    into the table."""
    like: dict[int, list[int]] = {}
    for sample, template in enumerate(templates):
        if template.lifted:
            like.setdefault(id(template), []).append(sample)
    found: list[Lifted] = []
    for samples in like.values():
        template, count, begin = templates[samples[0]], len(samples), start[samples][:, None]
        past = int(own_inputs[samples[0]])
        for one in template.lifted:
            rows = row[begin[:, :, None, None] + one.row].reshape(-1, *one.row.shape[1:])
            found.append(Lifted(rows, np.tile(one.weight, (count, 1, 1)), np.tile(one.wanted, (count, 1))))
            num = one.num_rows
            row[begin + past + np.arange(num)] = (late + np.arange(count * num)).reshape(count, num)
            past, late = past + num, late + count * num
    return tuple(found)
