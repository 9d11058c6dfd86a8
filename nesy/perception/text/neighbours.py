"""Each row bundled with the rows around it, each bound with its distance: what a word is in its place.

A matrix product over the gathered neighbours would say the same, at as many times the products as there are neighbours
where the rows come out of a narrower space: here a row is lifted once, and what is left are sums of products. All is
done block by block: what is wide stays in a core's cache, and only the bundles that are asked for are ever stored.
"""

from __future__ import annotations

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
        found = rows.new_empty(*rows.shape[:-2], len(place), distances.shape[-1])
        size = _block_size(found)
        firsts, lasts = place[::size].tolist(), [*place[size - 1 :: size].tolist(), int(place[-1])]
        for start, first, last in zip(range(0, len(place), size), firsts, lasts, strict=False):
            own = place[start : start + size] - first
            low, high = _around(first, last + 1, rows, distances)
            bundled = _shifted(_lifted(rows[..., low:high, :], lift), distances, first - low, last + 1 - low)
            found[..., start : start + size, :] = bundled.index_select(-2, own)
        return found

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(  # type: ignore[override]
        ctx, gradient: Tensor
    ) -> tuple[Tensor, Tensor, None, Tensor | None]:
        rows, distances, place, lift = ctx.saved_tensors
        context, end = len(distances) // 2, rows.shape[-2]
        of_bundles = gradient.new_zeros(*gradient.shape[:-2], end, gradient.shape[-1])
        of_bundles.index_copy_(-2, place, gradient)
        to_rows, to_distances = torch.empty_like(rows), torch.zeros_like(distances)
        to_lift = None if lift is None else torch.zeros_like(lift)
        size = _block_size(of_bundles)
        for first in range(0, end, size):
            last = min(end, first + size)
            low, high = _around(first, last, rows, distances)
            lifted, own = _lifted(rows[..., low:high, :], lift), of_bundles[..., first:last, :]
            for d in range(-context, context + 1):
                start, stop = max(first, -d), min(last, end - d)
                if start < stop:
                    product = (
                        own[..., start - first : stop - first, :] * lifted[..., start + d - low : stop + d - low, :]
                    )
                    to_distances[context + d] += product.flatten(end_dim=-2).sum(0)
            to_lifted = _shifted(of_bundles[..., low:high, :], distances.flip(0), first - low, last - low)
            if lift is None or to_lift is None:
                to_rows[..., first:last, :] = to_lifted
                continue
            to_rows[..., first:last, :] = to_lifted @ lift.T
            to_lift += rows[..., first:last, :].flatten(end_dim=-2).T @ to_lifted.flatten(end_dim=-2)
        return to_rows, to_distances, None, to_lift


def _around(first: int, last: int, rows: Tensor, distances: Tensor) -> tuple[int, int]:
    """The rows that those from first to last (excluded) are bundled with, themselves included."""
    context = len(distances) // 2
    return max(0, first - context), min(rows.shape[-2], last + context)


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


def _block_size(wide: Tensor) -> int:
    """How many rows of wide ones make up a block."""
    return max(1, _BLOCK * wide.shape[-2] // max(1, wide.numel()))
