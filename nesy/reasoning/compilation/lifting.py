"""Sums and counts over independent choices, by convolution instead of by decision diagram.

Where each choice adds a weight of its own, whatever the others do, the value of a `#sum` or `#count` is the sum of
independent random variables: its distribution is a product of polynomials, one a choice. Which aggregates are so, or
are so given some other choices, `cutset` finds out.

Cost: n choices with values up to V in total take about V^2 products where polynomials are short, and V log V by
FFT where they are long, for each row of the batch.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from nesy.reasoning.derivation import Index

_LONGEST_DIRECT = 24  # coefficients up to which the plain product costs no more than an FFT; it is as accurate as p


@dataclass(frozen=True, eq=False)
class Lifted:
    """The distributions of m sums that are alike: for each of n choices the weights that its outcomes add, as integers
    from 0 up.

    Outcome k of choice i of a sum has input row `row[sum, i, k]` and adds `weight[sum, i, k]`; unused outcomes have row
    0, which is 0. The last outcome is that none of the others comes out.
    """

    row: Index  # [m, n, K]
    weight: Index  # [m, n, K]
    wanted: Index  # [m, w] the values, on the same scale, that the formula asks for

    @property
    def num_rows(self) -> int:
        """How many chances come out."""
        return self.wanted.shape[0] * (self.wanted.shape[1] + 1)

    def __call__(self, inputs: Tensor) -> Tensor:
        """For each sum the chance of each wanted value, then of all others together.

        Shapes: inputs [num_inputs, B] -> [m * (w + 1), B]
        """
        device, width = inputs.device, inputs.shape[1]
        sums, num, outcomes = self.row.shape
        most = int(self.weight.max()) + 1
        rows = torch.from_numpy(self.row[:, :, :-1].reshape(-1)).to(device)
        chance = inputs.index_select(0, rows).reshape(sums, num, outcomes - 1, width)
        chance = torch.cat([chance, (1 - chance.sum(2, keepdim=True)).clamp_min(0)], dim=2)
        # Factor i of a sum, as the coefficients of a polynomial: [n, most] beside the sum and the batch.
        start = most * (np.arange(num)[:, None] + num * np.arange(sums)[:, None, None])
        place = torch.from_numpy((self.weight + start).reshape(-1)).to(device)
        factors = chance.new_zeros(sums * num * most, width).index_add(0, place, chance.flatten(0, 2))
        factors = factors.reshape(sums, num, most, width).permute(1, 2, 0, 3).reshape(num, most, sums * width)
        total = convolve_all(factors).reshape(-1, sums, width)
        total = torch.cat([total, total.new_zeros(1, sums, width)])
        last = len(total) - 1
        wanted = np.where((self.wanted >= 0) & (self.wanted < last), self.wanted, last)  # [m, w]
        flat = torch.from_numpy(wanted * sums + np.arange(sums)[:, None]).to(device)
        found = total.flatten(0, 1)[flat]  # [m, w, B]
        return torch.cat([found, (1 - found.sum(1, keepdim=True)).clamp_min(0)], dim=1).flatten(0, 1)


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
