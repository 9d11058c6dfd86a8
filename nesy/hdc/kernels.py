"""Matrix kernels: integer products and sums in the form that the hardware likes, chosen by the inputs' device."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

import numkong
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nesy.hdc.packed import popcount, unpack

T = TypeVar("T")

# The C library hands memory of this size back to the system and asks for it anew, page by page. numpy asks for huge
# pages, torch does not. Smaller results lie in memory that is used again.
_HUGE_BYTES = 1 << 25


def elementwise_product(a: Tensor, b: Tensor) -> Tensor:
    """`a * b` with a gradient; a big result on the CPU without one lies on huge pages, which takes half the time."""
    numbers = max(a.numel(), b.numel())
    tracked = torch.is_grad_enabled() and (a.requires_grad or b.requires_grad)
    if tracked or a.device.type != "cpu" or numbers * a.element_size() < _HUGE_BYTES or a.dtype is torch.bfloat16:
        return a * b
    out = np.empty(torch.broadcast_shapes(a.shape, b.shape), dtype=_NUMPY_DTYPES[a.dtype])
    return torch.mul(a, b, out=torch.from_numpy(out))


_NUMPY_DTYPES = {
    torch.int8: np.int8, torch.float32: np.float32, torch.float64: np.float64, torch.complex64: np.complex64,
    torch.complex128: np.complex128,
}  # fmt: skip


def integer_products(a: Tensor, b: Tensor) -> Tensor:
    """The matrix product of int8 numbers, exact: elsewhere than on the CPU by way of float32, whose 24 bits suffice
    for 1,000 rows of 127 or 16 million of 1. Shapes: int8 [A, K], [K, B] -> int32 [A, B]
    """
    if a.device.type == "cpu" and a.shape[-1] > 1:  # torch's int8 product over a single number is wrong
        return torch._int_mm(a, b)  # pyright: ignore[reportPrivateImportUsage]
    return (a.to(torch.float32) @ b.to(torch.float32)).to(torch.int32)


def on_threads(work: Callable[[int], T], starts: Sequence[int]) -> Iterator[T]:
    """The work of each start in turn, on as many threads as torch has; a caller who stops leaves the rest undone."""
    threads = min(torch.get_num_threads(), len(starts))
    if threads < 2:
        yield from map(work, starts)
        return
    with ThreadPoolExecutor(threads) as pool:
        yield from pool.map(work, starts)


def column_sums(vectors: Tensor) -> Tensor:
    """Sums of int8 numbers over the axis before the last, as int32. Shapes: [*B, L, D] -> [*B, D]"""
    if vectors.device.type != "cpu":
        return vectors.sum(-2, dtype=torch.int32)
    # Up to 127 numbers of -1 or 1 fit an int8 sum, which is four times as many lanes as an int32 one.
    array = vectors.numpy()
    total = np.zeros(array.shape[:-2] + array.shape[-1:], dtype=np.int32)
    for start in range(0, array.shape[-2], 127):
        total += np.add.reduce(array[..., start : start + 127, :], axis=-2, dtype=np.int8)
    return torch.from_numpy(total)


def hamming_distances(a: Tensor, b: Tensor, dim: int) -> Tensor:
    """How many bits differ, for all pairs of packed rows, exact. Shapes: int64 [A, W], [B, W] -> float32 [A, B]

    On the CPU exclusive or and bit counts, nothing unpacked; elsewhere ones(a) + ones(b) - 2 a·b over 0/1 numbers.
    """
    if a.device.type != "cpu":
        x, y = unpack(a, dim).view(torch.int8), unpack(b, dim).view(torch.int8)
        ones = popcount(a).sum(-1, dtype=torch.float32)[:, None] + popcount(b).sum(-1, dtype=torch.float32)[None, :]
        return ones.sub_(integer_products(x, y.T).to(torch.float32), alpha=2)
    out = torch.empty(len(a), len(b))
    octets, others = (words.contiguous().numpy().view(np.uint8) for words in (a, b))
    for first in range(0, len(b), _BLOCK):
        block = numkong.hammings_pack(others[first : first + _BLOCK])
        count = partial(_count, out[:, first : first + _BLOCK], octets, block)
        list(on_threads(count, range(0, len(a), _ROWS)))
    return out


_ROWS = 64  # counts of so many rows with a block stay in cache until they are turned into floats
_BLOCK = 4096  # rows of the other side that are laid out for the kernel at a time


def _count(out: Tensor, octets: NDArray[np.uint8], block: numkong.PackedMatrix, start: int) -> None:
    """Some rows' distances to a block, written to their place."""
    counts = np.asarray(numkong.hammings_packed(octets[start : start + _ROWS], block))
    out[start : start + _ROWS] = torch.from_numpy(counts.view(np.int32))
