"""Each row bundled with the rows around it, each bound with its distance: what a word is in its place.

A matrix product over the gathered neighbours would say the same, at as many times the products as there are neighbours
where the rows come out of a narrower space: here a row is lifted once, and what is left are sums of products.
"""

from __future__ import annotations

import torch
from torch import Tensor

_BLOCK = 1 << 17  # numbers of a block of rows: with its neighbours it stays in a core's cache


def bundle_neighbours(rows: Tensor, distances: Tensor) -> Tensor:
    """Row i becomes the sum over distances d = -c .. c of row i + d, bound (multiplied) with `distances[c + d]`.

    Shapes: rows [*B, R, D], distances [2c + 1, D] -> [*B, R, D]; beyond the ends is nothing
    Gradient: in both, once.
    """
    (value,) = (_Bundle.apply(rows, distances),)  # type: ignore[no-untyped-call]
    return value


class _Bundle(torch.autograd.Function):
    """Sums of shifted products in place, block by block, instead of an autograd node for each distance."""

    @staticmethod
    def forward(ctx, rows: Tensor, distances: Tensor) -> Tensor:  # type: ignore[override]
        ctx.save_for_backward(rows, distances)
        return _shifted(rows, distances)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        rows, distances = ctx.saved_tensors
        to_distances = torch.zeros_like(distances)
        context = len(distances) // 2
        for start, stop in _blocks(rows):
            for d in range(-context, context + 1):
                low, high = max(start, -d), min(stop, rows.shape[-2] - d)
                if low < high:
                    product = gradient[..., low:high, :] * rows[..., low + d : high + d, :]
                    to_distances[context + d] += product.flatten(end_dim=-2).sum(0)
        return _shifted(gradient, distances.flip(0)), to_distances


def _shifted(rows: Tensor, distances: Tensor) -> Tensor:
    """The sum over d of row i + d times `distances[c + d]`. Shapes: [*B, R, D], [2c + 1, D] -> [*B, R, D]"""
    found = torch.empty_like(rows)
    context = len(distances) // 2
    for start, stop in _blocks(rows):
        torch.mul(rows[..., start:stop, :], distances[context], out=found[..., start:stop, :])
        for d in range(-context, context + 1):
            low, high = max(start, -d), min(stop, rows.shape[-2] - d)
            if d and low < high:
                found[..., low:high, :].addcmul_(rows[..., low + d : high + d, :], distances[context + d])
    return found


def _blocks(rows: Tensor) -> list[tuple[int, int]]:
    """Runs of rows that take up one block each."""
    length = rows.shape[-2]
    size = max(1, _BLOCK * length // max(1, rows.numel()))
    return [(start, min(length, start + size)) for start in range(0, length, size)]
