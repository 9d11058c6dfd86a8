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
from nesy.reasoning.compilation.places import Places
from nesy.reasoning.derivation import ChoiceTable, Index

Method = OneOf["exact", "exact (compiled)", "bounds", "sampled"]
METHODS: tuple[Method, ...] = ("exact", "exact (compiled)", "bounds", "sampled")
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
class Alike:
    """Samples of one structure in the circuit of a batch."""

    template: Template
    samples: Index  # [n]
    root: Index  # [n, r] the rows of the template's roots


@dataclass(frozen=True, eq=False)
class SideBySide:
    """The circuits of several samples as one; its roots are those of the samples."""

    wiring: Wiring
    lifted: tuple[Lifted, ...]
    alike: tuple[Alike, ...]


def side_by_side(choices: ChoiceTable, places: Places, templates: Sequence[Template]) -> SideBySide:
    """One wiring for all samples, over the inputs of the whole graph.

    Cost: linear in the edges of all samples, with a few numpy calls for each template that is used.
    """
    like: dict[int, list[int]] = {}
    for place, template in enumerate(templates):
        like.setdefault(id(template), []).append(place)
    alike = [(templates[samples[0]], np.array(samples, dtype=np.int64)) for samples in like.values()]
    layers = [template.wiring.layer_size for template, _ in alike]
    size = np.zeros((len(alike), max(map(len, layers), default=0)), dtype=np.int64)  # rows of a layer in one sample
    for number, layer_size in enumerate(layers):
        size[number, : len(layer_size)] = layer_size
    together = size * np.array([len(samples) for _, samples in alike], dtype=np.int64)[:, None]
    before = np.cumsum(together, axis=0) - together  # rows of a layer that other templates have

    inputs = InputRows(choices)
    num_late = sum(len(samples) * sum(one.num_rows for one in template.lifted) for template, samples in alike)
    num_inputs = inputs.num_rows + num_late
    first = num_inputs + np.concatenate([[0], np.cumsum(together.sum(axis=0))])
    late = inputs.num_rows
    lifted: list[Lifted] = []
    left: list[Index] = []
    right: list[Index] = []
    out: list[Index] = []
    found: list[Alike] = []
    for number, (template, samples) in enumerate(alike):
        count, wiring = len(samples), template.wiring
        rows = [_input_rows(places, samples, inputs)]  # of the whole
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
        layer_size = layers[number]
        inside = np.arange(int(wiring.first[-1]) - wiring.num_inputs) + wiring.num_inputs
        here = slice(0, len(layer_size))
        base = inside + np.repeat(first[:-1][here] + before[number, here] - wiring.first[:-1], layer_size)
        rows.append(base + np.arange(count)[:, None] * np.repeat(layer_size, layer_size))
        row = np.concatenate(rows, axis=1)
        left.append(row[:, wiring.left].reshape(-1))
        right.append(row[:, wiring.right].reshape(-1))
        out.append(row[:, wiring.out].reshape(-1))
        found.append(Alike(template, samples, row[:, wiring.root]))
    empty = np.zeros(0, dtype=np.int64)
    all_left, all_right, all_out = (np.concatenate([empty, *parts]) for parts in (left, right, out))
    order = np.argsort(all_out, kind="stable")
    roots = np.concatenate([empty, *(one.root.reshape(-1) for one in found)])
    wiring = Wiring(num_inputs, first, all_left[order], all_right[order], all_out[order], roots)
    return SideBySide(wiring, tuple(lifted), tuple(found))


def _input_rows(places: Places, samples: Index, inputs: InputRows) -> Index:
    """The inputs of samples of one structure as rows of the whole's inputs. Shapes: samples [n] -> [n, rows]"""
    (one, *_) = samples.tolist()
    leaf = places.leaf.table(samples, int(places.leaf.ptr[one + 1] - places.leaf.ptr[one]))
    choice = places.choice.table(samples, int(places.choice.ptr[one + 1] - places.choice.ptr[one]))
    ends = np.broadcast_to(np.arange(2), (len(samples), 2))
    return np.concatenate([ends, inputs.leaf(0) + leaf, inputs.other(0) + leaf, inputs.rest(0) + choice], axis=1)
