"""Arithmetic circuits as layers of sums of products on torch: what every exact method compiles to.

A circuit has rows. The first are its inputs (see `InputRows`): 0, 1, each leaf's probability, what is left over of each
leaf and of each choice. Each layer adds rows, every one a sum of products of two earlier rows; a product with row 1 is
a plain sum. A layer is three index tensors, so its evaluation is two gathers, a product and a scatter,
whatever the circuit came from.

Source: layered evaluation as in Maene, Derkinderen, Zuidberg Dos Martires, "KLay: Accelerating
Arithmetic Circuits for Neurosymbolic AI", ICLR 2025; backward pass: Darwiche, "A differential approach to
inference in Bayesian networks", JACM 2003.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from nesy.reasoning.compilation.problem import slices
from nesy.reasoning.derivation import ChoiceTable, Index

ZERO, ONE = 0, 1
_FEW = 4_000  # products that are walked one by one: less than numpy's calls for each layer cost


@dataclass(frozen=True, eq=False)
class InputRows:
    """The numbering of a circuit's inputs: 0, 1, leaves, their complements, what choices leave over."""

    choices: ChoiceTable

    @property
    def num_rows(self) -> int:
        return 2 + 2 * self.choices.num_leaves + self.choices.num_choices

    def leaf(self, leaf: int) -> int:
        return 2 + leaf

    def other(self, leaf: int) -> int:
        """The row of 1 - p(leaf)."""
        return 2 + self.choices.num_leaves + leaf

    def rest(self, choice: int) -> int:
        """The row of the chance that no leaf of the choice holds."""
        return 2 + 2 * self.choices.num_leaves + choice

    def values(self, leaf: Tensor) -> Tensor:
        """The inputs' values.

        Shapes: leaf [L, B] -> [num_rows, B]
        """
        num_choices = self.choices.num_choices
        of_leaf = torch.from_numpy(self.choices.of_leaf).to(leaf.device)
        taken = leaf.new_zeros(num_choices, leaf.shape[1]).index_add(0, of_leaf, leaf)
        # Rounding may leave a choice with a sum of 1 + 1e-16: what is left over is never negative.
        rest = (1 - taken).clamp_min(0)
        ends = leaf.new_tensor([0.0, 1.0])[:, None].expand(2, leaf.shape[1])
        return torch.cat([ends, leaf, 1 - leaf, rest])


@dataclass(frozen=True, eq=False)
class Layer:
    """Rows `first` .. `first + num_rows - 1`: row `first + out[e]` sums row[left[e]] * row[right[e]]."""

    first: int
    num_rows: int
    left: Tensor  # [E]
    right: Tensor  # [E]
    out: Tensor  # [E] ascending

    def to(self, device: torch.device) -> Layer:
        return Layer(self.first, self.num_rows, self.left.to(device), self.right.to(device), self.out.to(device))


@dataclass(frozen=True, eq=False)
class Wiring:
    """A circuit as plain arrays, to be kept and copied: layer i has rows first[i] .. first[i+1]-1, and edge e adds
    row[left[e]] * row[right[e]] to row[out[e]]; edges are sorted by `out`."""

    num_inputs: int
    first: Index  # [layers + 1]
    left: Index  # [E]
    right: Index
    out: Index
    root: Index  # [Q] rows

    @cached_property
    def layer_size(self) -> Index:
        """How many rows each layer has."""
        return np.diff(self.first)

    @cached_property
    def edge_size(self) -> Index:
        """How many edges each layer has."""
        return np.diff(np.searchsorted(self.out, self.first))

    @property
    def num_inside(self) -> int:
        """How many rows are no inputs."""
        return int(self.first[-1]) - self.num_inputs

    def circuit(self) -> Circuit:
        """The same as tensors."""
        left, right, out = (torch.from_numpy(edges) for edges in (self.left, self.right, self.out))
        first: list[int] = self.first.tolist()
        bounds: list[int] = np.searchsorted(self.out, self.first).tolist()
        layers = tuple(
            Layer(start, stop - start, left[low:high], right[low:high], out[low:high] - start)
            for start, stop, low, high in zip(first[:-1], first[1:], bounds[:-1], bounds[1:], strict=True)
        )
        return Circuit(self.num_inputs, layers, torch.from_numpy(self.root))


@dataclass(frozen=True, eq=False)
class Circuit:
    """See the module's text; `root` are the rows that are asked for."""

    num_inputs: int
    layers: tuple[Layer, ...]
    root: Tensor  # [Q]

    @property
    def num_rows(self) -> int:
        return self.layers[-1].first + self.layers[-1].num_rows if self.layers else self.num_inputs

    @property
    def num_edges(self) -> int:
        return sum(len(layer.left) for layer in self.layers)

    def to(self, device: torch.device) -> Circuit:
        """The same circuit on a device."""
        if self.root.device == device:
            return self
        return Circuit(self.num_inputs, tuple(layer.to(device) for layer in self.layers), self.root.to(device))

    def __call__(self, inputs: Tensor) -> Tensor:
        """The roots' values.

        Shapes: inputs [num_inputs, B] -> [Q, B]
        Gradient: exact, as of a polynomial: finite everywhere.
        """
        (value,) = (_Evaluate.apply(inputs, self),)  # type: ignore[no-untyped-call]
        return value

    def log(self, inputs: Tensor) -> Tensor:
        """The natural logarithms of the roots' values, for circuits whose values are too small for the type.

        Shapes: inputs [num_inputs, B], not logarithms -> [Q, B]
        Gradient: 0, not infinite, in inputs that are 0.
        """
        (value,) = (_EvaluateLog.apply(inputs, self),)  # type: ignore[no-untyped-call]
        return value


class _EvaluateLog(torch.autograd.Function):
    """The same passes with sums of logarithms and log-sum-exp: about five times the cost."""

    @staticmethod
    def forward(ctx, inputs: Tensor, circuit: Circuit) -> Tensor:  # type: ignore[override]
        rows = inputs.new_full((circuit.num_rows, inputs.shape[1]), -torch.inf)
        rows[: circuit.num_inputs] = inputs.log()
        for layer in circuit.layers:
            product = rows.index_select(0, layer.left) + rows.index_select(0, layer.right)
            out = layer.out[:, None].expand_as(product)
            top = rows.narrow(0, layer.first, layer.num_rows).scatter_reduce_(0, out, product, "amax")
            shift = top.clamp_min(torch.finfo(rows.dtype).min)  # a finite shift where every product is zero
            total = torch.zeros_like(top).index_add_(0, layer.out, (product - shift[layer.out]).exp_())
            top.copy_(shift + total.log_())
        ctx.circuit = circuit
        ctx.save_for_backward(inputs, rows)
        return rows.index_select(0, circuit.root)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None]:  # type: ignore[override]
        circuit: Circuit = ctx.circuit
        inputs, rows = ctx.saved_tensors
        adjoint = torch.zeros_like(rows).index_add_(0, circuit.root, gradient.contiguous())
        for layer in reversed(circuit.layers):
            product = rows.index_select(0, layer.left) + rows.index_select(0, layer.right)
            out = rows.narrow(0, layer.first, layer.num_rows).index_select(0, layer.out)
            share = torch.where(out > -torch.inf, (product - out).exp_(), 0)
            share *= adjoint.narrow(0, layer.first, layer.num_rows).index_select(0, layer.out)
            adjoint.index_add_(0, layer.left, share)
            adjoint.index_add_(0, layer.right, share)
        return torch.where(inputs > 0, adjoint[: circuit.num_inputs] / inputs, 0), None


class _Evaluate(torch.autograd.Function):
    """One pass up and one pass down over all layers in two buffers, instead of an autograd node per layer."""

    @staticmethod
    def forward(ctx, inputs: Tensor, circuit: Circuit) -> Tensor:  # type: ignore[override]
        rows = inputs.new_zeros(circuit.num_rows, inputs.shape[1])
        rows[: circuit.num_inputs] = inputs
        for layer in circuit.layers:
            product = rows.index_select(0, layer.left)
            product *= rows.index_select(0, layer.right)
            rows.narrow(0, layer.first, layer.num_rows).index_add_(0, layer.out, product)
        ctx.circuit = circuit
        ctx.save_for_backward(rows)
        return rows.index_select(0, circuit.root)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None]:  # type: ignore[override]
        circuit: Circuit = ctx.circuit
        (rows,) = ctx.saved_tensors
        adjoint = torch.zeros_like(rows).index_add_(0, circuit.root, gradient.contiguous())
        for layer in reversed(circuit.layers):
            above = adjoint.narrow(0, layer.first, layer.num_rows).index_select(0, layer.out)
            adjoint.index_add_(0, layer.left, above * rows.index_select(0, layer.right))
            adjoint.index_add_(0, layer.right, above.mul_(rows.index_select(0, layer.left)))
        return adjoint[: circuit.num_inputs], None


@dataclass
class CircuitBuilder:
    """Collects rows with their products, then sorts them into as few layers as their depth allows."""

    num_inputs: int
    left: list[Index] = field(default_factory=list)
    right: list[Index] = field(default_factory=list)
    out: list[Index] = field(default_factory=list)
    late: list[int] = field(default_factory=list)
    num_rows: int = 0

    def __post_init__(self) -> None:
        self.num_rows = self.num_inputs

    def rows(self, count: int) -> int:
        """The first of `count` new rows (each 0 until it gets products)."""
        first = self.num_rows
        self.num_rows += count
        return first

    def inputs(self, count: int) -> int:
        """The first of `count` more inputs; the circuit's inputs are then those too, in the order they were made."""
        first = self.rows(count)
        self.late += range(first, first + count)
        return first

    def add(self, out: Index, left: Index, right: Index) -> None:
        """Add the product row[left[e]] * row[right[e]] to row out[e]."""
        self.out.append(out)
        self.left.append(left)
        self.right.append(right)

    def build(self, root: Sequence[int]) -> Wiring:
        """The wiring of the rows that the roots need.

        Cost: linear in products, besides a few numpy calls per layer where there are many.
        """
        empty = np.zeros(0, np.int64)
        out = np.concatenate([empty, *self.out])
        order = np.argsort(out, kind="stable")
        out = out[order]
        left = np.concatenate([empty, *self.left])[order]
        right = np.concatenate([empty, *self.right])[order]
        ptr = np.searchsorted(out, np.arange(self.num_rows + 1))
        roots = np.asarray(root, np.int64)
        # 0 for inputs and for rows without products, which read as zero; -1 for what no root needs.
        depth = (_depths_of_few if len(out) <= _FEW else _depths_of_many)(left, right, ptr, roots)
        num_inputs = self.num_inputs + len(self.late)
        renumbered = np.full(self.num_rows, ZERO, np.int64)
        renumbered[: self.num_inputs] = np.arange(self.num_inputs)
        renumbered[self.late] = np.arange(self.num_inputs, num_inputs)
        rows = np.flatnonzero(depth > 0)
        rows = rows[np.argsort(depth[rows], kind="stable")]
        renumbered[rows] = num_inputs + np.arange(len(rows))
        first = num_inputs + np.searchsorted(depth[rows], np.arange(1, int(depth.max(initial=0)) + 2))
        kept = np.flatnonzero(depth[out] > 0)
        kept = kept[np.argsort(renumbered[out[kept]], kind="stable")]
        return Wiring(
            num_inputs, first, renumbered[left[kept]], renumbered[right[kept]], renumbered[out[kept]], renumbered[roots]
        )


def _depths_of_few(left: Index, right: Index, ptr: Index, root: Index) -> Index:
    """[rows] one more than the deepest row that a row uses; a walk down from the roots, row by row."""
    lefts, rights, start = left.tolist(), right.tolist(), ptr.tolist()
    depth: dict[int, int] = {}
    stack: list[int] = root.tolist()
    while stack:
        row = stack[-1]
        if row in depth:
            stack.pop()
            continue
        below = lefts[start[row] : start[row + 1]] + rights[start[row] : start[row + 1]]
        missing = [other for other in below if other not in depth]
        if missing:
            stack += missing
            continue
        stack.pop()
        depth[row] = 1 + max([depth[other] for other in below]) if below else 0
    found = np.full(len(ptr) - 1, -1, np.int64)
    found[list(depth)] = list(depth.values())
    return found


def _depths_of_many(left: Index, right: Index, ptr: Index, root: Index) -> Index:
    """The same, a layer at a time (Kahn's topological order)."""
    num_rows = len(ptr) - 1
    needed = np.zeros(num_rows, bool)
    frontier = np.unique(root)
    while len(frontier):
        needed[frontier] = True
        edges = slices(ptr[frontier], ptr[frontier + 1])
        below = np.concatenate([left[edges], right[edges]])
        frontier = np.unique(below[~needed[below]])
    out = np.repeat(np.arange(num_rows), np.diff(ptr))
    operand = np.concatenate([left, right])
    user = np.concatenate([out, out])
    order = np.argsort(operand, kind="stable")
    operand, user = operand[order], user[order]
    use_ptr = np.searchsorted(operand, np.arange(num_rows + 1))
    pending = np.bincount(user, minlength=num_rows)
    depth = np.zeros(num_rows, np.int64)
    frontier = np.flatnonzero(pending == 0)
    layer = 0
    while len(frontier):
        depth[frontier] = layer
        used = user[slices(use_ptr[frontier], use_ptr[frontier + 1])]
        rows, counts = np.unique(used, return_counts=True)
        pending[rows] -= counts
        frontier = rows[pending[rows] == 0]
        layer += 1
    return np.where(needed, depth, -1)
