"""Each row bundled with the rows around it, each bound with its distance: what a word is in its place.

A matrix product over the gathered neighbours would say the same, at as many times the products as there are neighbours
where the rows come out of a narrower space: here a row is lifted once, and what is left are sums of products. All is
done block by block: what is wide stays in a core's cache, and only the bundles that are asked for are ever stored.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

_BLOCK = 1 << 17  # numbers of a block of wide rows: with its neighbours it stays in a core's cache


def bundle_neighbours(rows: Tensor, distances: Tensor, place: Tensor, lift: Tensor | None = None) -> Tensor:
    """For each place i, the sum over distances d = -c .. c of row i + d, bound (multiplied) with `distances[c + d]`.

    With `lift`, rows are narrow, and count as their products with it.

    Shapes: rows [*B, R, N], distances [2c + 1, D], place [W] ascending, lift [N, D] -> [*B, W, D]; N = D without a
    lift; beyond the ends is nothing
    Gradient: in rows, distances and lift, once.
    """
    (value,) = (_Bundle.apply(rows, distances, place, lift),)  # type: ignore[no-untyped-call]
    return value


class _Bundle(torch.autograd.Function):
    """Sums of shifted products in place, instead of an autograd node for each distance."""

    @staticmethod
    def forward(  # type: ignore[override]
        ctx, rows: Tensor, distances: Tensor, place: Tensor, lift: Tensor | None
    ) -> Tensor:
        ctx.save_for_backward(rows, distances, place, lift)
        context, end = len(distances) // 2, rows.shape[-2]
        found = rows.new_empty(*rows.shape[:-2], len(place), distances.shape[-1])
        for start, stop, first, last in _blocks(place, found):
            low, high = max(0, first - context), min(end, last + context)
            around = _lifted(rows[..., low:high, :], lift)
            bundled = _shifted(around, distances, first - low, last - low)
            found[..., start:stop, :] = bundled.index_select(-2, place[start:stop] - first)
        return found

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(  # type: ignore[override]
        ctx, gradient: Tensor
    ) -> tuple[Tensor, Tensor, None, Tensor | None]:
        rows, distances, place, lift = ctx.saved_tensors
        context, end = len(distances) // 2, rows.shape[-2]
        lifted = _lifted(rows, lift)
        of_bundles = torch.zeros_like(lifted).index_copy_(-2, place, gradient)
        to_distances = torch.zeros_like(distances)
        for d in range(-context, context + 1):
            low, high = max(0, -d), min(end, end - d)
            if low < high:
                product = of_bundles[..., low:high, :] * lifted[..., low + d : high + d, :]
                to_distances[context + d] = product.flatten(end_dim=-2).sum(0)
        to_lifted = _shifted(of_bundles, distances.flip(0), 0, end)
        if lift is None:
            return to_lifted, to_distances, None, None
        to_lift = rows.flatten(end_dim=-2).T @ to_lifted.flatten(end_dim=-2)
        return to_lifted @ lift.T, to_distances, None, to_lift


def _lifted(rows: Tensor, lift: Tensor | None) -> Tensor:
    return rows if lift is None else rows @ lift


def _shifted(rows: Tensor, distances: Tensor, first: int, last: int) -> Tensor:
    """For i in first .. last - 1, the sum over d of row i + d times `distances[c + d]`.

    Shapes: [*B, R, D], [2c + 1, D] -> [*B, last - first, D]
    """
    context = len(distances) // 2
    found = rows[..., first:last, :] * distances[context]
    for d in range(-context, context + 1):
        low, high = max(first, -d), min(last, rows.shape[-2] - d)
        if d and low < high:
            found[..., low - first : high - first, :].addcmul_(rows[..., low + d : high + d, :], distances[context + d])
    return found


def _blocks(place: Tensor, found: Tensor) -> Iterator[tuple[int, int, int, int]]:
    """Runs of places that take up one block each: start and stop among the places, first and last (excluded) row."""
    size = max(1, _BLOCK * len(place) // max(1, found.numel()))
    for start in range(0, len(place), size):
        stop = min(len(place), start + size)
        yield start, stop, int(place[start]), int(place[stop - 1]) + 1
