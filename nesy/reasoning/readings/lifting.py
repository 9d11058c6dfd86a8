"""Sums and counts over independent choices, by convolution instead of by decision diagram.

Where every element of a `#sum` or `#count` is an outcome of a choice that nothing else looks at, the
aggregate's value is a random variable of its own: the sum of one independent weight per choice. Its
distribution is a product of polynomials, one a choice. The formula then sees one branch, "which value", in
place of all those.

Cost: n choices with values up to V in total take about V^2 products where polynomials are short, and V log V by
FFT where they are long, for each row of the batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nesy.reasoning.derivation import Index
from nesy.reasoning.readings.formula import And, Formula, Gate, Leaf, Loop, Total, Value

_LONGEST_DIRECT = (
    24  # coefficients up to which the plain product costs no more than an FFT; it keeps relative accuracy too
)
_FEWEST = 3  # choices that are worth it
_MOST_VALUES = 1_000_000  # of a sum: a distribution of 8 MB for each row of a batch


@dataclass(frozen=True, eq=False)
class Lifted:
    """The distributions of m sums that are alike: for each of n choices the weights that its outcomes add, as integers
    from 0 up.

    Outcome k of choice i of a sum has input row `row[sum, i, k]` and adds `weight[i, k]`; unused outcomes have row 0,
    which is 0. The last outcome is that none of the others comes out.
    """

    row: Index  # [m, n, K]
    weight: Index  # [n, K]
    wanted: Index  # [w] the values, on the same scale, that the formula asks for

    @property
    def num_rows(self) -> int:
        """How many chances each sum has."""
        return len(self.wanted) + 1

    def __call__(self, inputs: Tensor) -> Tensor:
        """For each sum the chance of each wanted value, then of all others together.

        Shapes: inputs [num_inputs, B] -> [m * (w + 1), B]
        """
        device = inputs.device
        sums, num = self.row.shape[:2]
        most = int(self.weight.max()) + 1
        rows = torch.from_numpy(self.row[:, :, :-1].transpose(1, 2, 0).reshape(-1)).to(device)
        chance = inputs.index_select(0, rows).reshape(num, self.row.shape[2] - 1, -1)  # [n, K - 1, m * B]
        chance = torch.cat([chance, (1 - chance.sum(1, keepdim=True)).clamp_min(0)], dim=1)
        place = torch.from_numpy(self.weight + most * np.arange(num)[:, None]).to(device)
        start = chance.new_zeros(num * most, chance.shape[2]).index_add(0, place.reshape(-1), chance.flatten(0, 1))
        total = convolve_all(start.unflatten(0, (num, most)))
        total = torch.cat([total, total.new_zeros(1, total.shape[1])])
        wanted = np.where((self.wanted >= 0) & (self.wanted < len(total) - 1), self.wanted, len(total) - 1)
        found = total.index_select(0, torch.from_numpy(wanted).to(device))
        found = torch.cat([found, (1 - found.sum(0, keepdim=True)).clamp_min(0)])
        return found.reshape(self.num_rows, sums, -1).transpose(0, 1).reshape(sums * self.num_rows, -1)


def convolve_all(factors: Tensor) -> Tensor:
    """The product of polynomials, by halves.

    Shapes: factors [n, V, B], coefficients of n polynomials -> [n * (V - 1) + 1, B]
    Gradient: exact, but for the rounding of an FFT where polynomials are long.
    """
    degree = factors.shape[0] * (factors.shape[1] - 1)
    factors = factors.transpose(1, 2).contiguous()  # [n, B, V]
    while len(factors) > 1:
        if len(factors) % 2:
            one = torch.zeros_like(factors[:1])
            one[..., 0] = 1
            factors = torch.cat([factors, one])
        (factors,) = (_Convolve.apply(factors[0::2], factors[1::2]),)  # type: ignore[no-untyped-call]
    return factors[0, :, : degree + 1].T


class _Convolve(torch.autograd.Function):
    """Products of pairs of polynomials; the way back correlates with the other factor. Its spectra are kept."""

    @staticmethod
    def forward(ctx, left: Tensor, right: Tensor) -> Tensor:  # type: ignore[override]
        """Shapes: [n, B, V], [n, B, V] -> [n, B, 2V - 1]"""
        size = left.shape[-1]
        ctx.size, ctx.points = size, None
        if size <= _LONGEST_DIRECT:
            ctx.save_for_backward(left, right)
            product = left.new_zeros(*left.shape[:-1], 2 * size - 1)
            for i in range(size):
                product[..., i : i + size].addcmul_(left[..., i : i + 1], right)
            return product
        ctx.points = _fast_length(2 * size - 1)
        first, second = torch.fft.rfft(left, ctx.points), torch.fft.rfft(right, ctx.points)
        ctx.save_for_backward(first, second)
        return torch.fft.irfft(first * second, ctx.points)[..., : 2 * size - 1].clamp_min(0)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        size, (left, right) = ctx.size, ctx.saved_tensors
        if ctx.points is None:
            to_left, to_right = torch.empty_like(left), torch.zeros_like(right)
            for i in range(size):
                part = gradient[..., i : i + size]
                to_left[..., i] = (part * right).sum(-1)
                to_right.addcmul_(left[..., i : i + 1], part)
            return to_left, to_right
        spectrum = torch.fft.rfft(gradient, ctx.points)
        return (
            torch.fft.irfft(spectrum * right.conj(), ctx.points)[..., :size],
            torch.fft.irfft(spectrum * left.conj(), ctx.points)[..., :size],
        )


def _fast_length(least: int) -> int:
    """The least length from `least` on without prime factors above 5: those transform fast.

    >>> [_fast_length(n) for n in (7, 11, 17, 289)]
    [8, 12, 18, 300]
    """
    length = least
    while True:
        rest = length
        for factor in (2, 3, 5):
            while rest % factor == 0:
                rest //= factor
        if rest == 1:
            return length
        length += 1


def lift(formula: Formula) -> tuple[Formula, list[tuple[int, tuple[float, ...]]]]:
    """Replace liftable aggregates by branches; those come last, in the order of the second part.

    The second part names for each new branch the gate of the aggregate in the old formula and the values that matter.
    """
    shape = formula.shape
    uses = _uses(shape.gates, (*shape.targets, *shape.conditions))
    lifted: list[tuple[int, tuple[float, ...]]] = []
    gates: list[Gate] = list(shape.gates)
    gone: set[int] = set()
    for number, gate in enumerate(shape.gates):
        if isinstance(gate, Total) and (branches := _liftable(shape.gates, number, gate, uses)):
            values = [(g, v.value) for g, v in enumerate(shape.gates) if isinstance(v, Value) and v.total == number]
            for outcome, (value_gate, _) in enumerate(values):
                gates[value_gate] = Leaf(len(shape.num_outcomes) + len(lifted), outcome)
            for old in (number, *(literal >> 1 for literal in gate.inputs)):
                gates[old] = shape.gates[0]
            gone |= branches
            lifted.append((number, tuple(value for _, value in values)))
    if not lifted:
        return formula, []
    num_old = len(shape.num_outcomes)
    kept = [branch for branch in range(num_old) if branch not in gone]
    new = {branch: i for i, branch in enumerate([*kept, *range(num_old, num_old + len(lifted))])}
    renumbered = tuple(Leaf(new[g.branch], g.outcome) if isinstance(g, Leaf) else g for g in gates)
    reduced = replace(
        shape,
        gates=renumbered,
        num_outcomes=(*(shape.num_outcomes[b] for b in kept), *(len(values) for _, values in lifted)),
        is_exhaustive=(*(shape.is_exhaustive[b] for b in kept), *(False for _ in lifted)),
        natural=(*(new[b] for b in shape.natural if b not in gone), *range(len(kept), len(kept) + len(lifted))),
    )
    choice = (*(formula.choice[b] for b in kept), *(-1 for _ in lifted))
    leaf = (*(formula.leaf[b] for b in kept), *(() for _ in lifted))
    return Formula(reduced, choice, leaf), lifted


def _uses(gates: Sequence[Gate], asked: Sequence[int]) -> list[set[int]]:
    """The gates that use each gate; -1 for the question itself."""
    uses: list[set[int]] = [set() for _ in gates]
    for number, gate in enumerate(gates):
        if isinstance(gate, And | Total | Loop):
            for literal in gate.inputs:
                uses[literal >> 1].add(number)
    for literal in asked:
        uses[literal >> 1].add(-1)
    return uses


def _liftable(gates: Sequence[Gate], number: int, total: Total, uses: list[set[int]]) -> set[int] | None:
    """The branches of an aggregate whose elements are outcomes that nothing else looks at."""
    leaves = [gates[literal >> 1] for literal in total.inputs if literal > 1]
    if total.function not in ("sum", "count") or any(weight != int(weight) for weight in total.weights):
        return None
    branches = {leaf.branch for leaf in leaves if isinstance(leaf, Leaf)}
    if sum(abs(weight) for weight in total.weights) > _MOST_VALUES:
        return None
    if len(branches) < _FEWEST or not all(isinstance(leaf, Leaf) for leaf in leaves):
        return None
    if any(isinstance(g, Leaf) and g.branch in branches and uses[i] - {number} for i, g in enumerate(gates)):
        return None
    return branches


def distribution(formula: Formula, gate: int, values: Sequence[float], row: Sequence[Sequence[int]]) -> Lifted:
    """The distribution of the aggregate at a gate of the formula, before lifting.

    `row[b]` are the input rows of a branch's outcomes.
    """
    total = formula.shape.gates[gate]
    assert isinstance(total, Total)
    constant = 0
    weights: dict[int, NDArray[np.int64]] = {}
    for literal, weight in zip(total.inputs, total.weights, strict=True):
        leaf = formula.shape.gates[literal >> 1]
        if not isinstance(leaf, Leaf):
            constant += int(weight) * (literal & 1 ^ 1)
            continue
        own = weights.setdefault(leaf.branch, np.zeros(len(row[leaf.branch]) + 1, np.int64))
        if literal & 1:
            own += int(weight)
            own[leaf.outcome] -= int(weight)
        else:
            own[leaf.outcome] += int(weight)
    most = max(len(own) for own in weights.values())
    rows, scaled = np.zeros((len(weights), most), np.int64), np.zeros((len(weights), most), np.int64)
    for i, (branch, own) in enumerate(weights.items()):
        lowest = int(own.min())
        constant += lowest
        rows[i, : len(own) - 1] = row[branch]
        scaled[i, : len(own) - 1] = own[:-1] - lowest
        scaled[i, -1] = own[-1] - lowest
    wanted = np.asarray([int(v) - constant if v == int(v) else -1 for v in values], np.int64)
    return Lifted(rows[None], scaled, wanted)
