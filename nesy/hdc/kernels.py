"""Matrix kernels: integer products and sums in the form that the hardware likes, chosen by the inputs' device."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from torch import Tensor

from nesy.hdc.packed import popcount, unpack

# Results from this size on are worth a huge page each: numpy asks the system for them, torch does not.
_HUGE_BYTES = 1 << 22


def elementwise_product(a: Tensor, b: Tensor) -> Tensor:
    """`a * b` with a gradient; a big result on the CPU without one lies on huge pages, which takes half the time."""
    numbers = max(a.numel(), b.numel())
    tracked = torch.is_grad_enabled() and (a.requires_grad or b.requires_grad)
    if tracked or a.device.type != "cpu" or numbers * a.element_size() < _HUGE_BYTES or a.dtype is torch.bfloat16:
        return a * b
    shape = torch.broadcast_shapes(a.shape, b.shape)
    out = torch.from_numpy(np.empty(shape, dtype=_NUMPY_DTYPES[a.dtype]))
    return torch.mul(a, b, out=out)


_NUMPY_DTYPES = {
    torch.int8: np.int8, torch.float32: np.float32, torch.float64: np.float64, torch.complex64: np.complex64,
    torch.complex128: np.complex128,
}  # fmt: skip


def bipolar_products(a: Tensor, b: Tensor) -> Tensor:
    """Dot products of all pairs of int8 rows, exact. Shapes: [A, D], [B, D] -> [A, B], float32"""
    return integer_products(a, b.T).to(torch.float32)


def integer_products(a: Tensor, b: Tensor) -> Tensor:
    """The matrix product of int8 numbers, exact: elsewhere than on the CPU by way of float32, whose 24 bits suffice
    for 1,000 rows of 127 or 16 million of 1. Shapes: int8 [A, K], [K, B] -> int32 [A, B]
    """
    if a.device.type == "cpu" and a.shape[-1] > 1:  # torch's int8 product over a single number is wrong
        return torch._int_mm(a, b)  # pyright: ignore[reportPrivateImportUsage]
    return (a.to(torch.float32) @ b.to(torch.float32)).to(torch.int32)


def real_products(a: Tensor, b: Tensor) -> Tensor:
    """Dot products of all pairs of real rows. Shapes: [A, K], [B, K] -> [A, B]

    Where the processor multiplies int8 matrices in tiles, big float32 products are made of three int8 ones, as
    16-bit fixed-point numbers: then a cosine is right within 2e-5, and typically within 1e-6.
    Gradient: to both, by way of the plain product.
    """
    plain = a.dtype is not torch.float32 or a.requires_grad or b.requires_grad or a.device.type != "cpu"
    if plain or min(len(a), len(b)) < _MANY or not _MANY <= a.shape[-1] <= _MOST_COLUMNS or not _has_int8_tiles():
        return a @ b.T
    a_high, a_low, a_scale = _two_digits(a)
    b_high, b_low, b_scale = _two_digits(b)
    total = integer_products(a_high, b_low.T)
    total += integer_products(a_low, b_high.T)
    total = total.to(torch.float32).div_(256).add_(integer_products(a_high, b_high.T))
    return total.mul_(a_scale * 256).mul_(b_scale.T * 256)


_MANY = 64  # rows of each side from which splitting pays
_MOST_COLUMNS = 1 << 17  # so many products of 127 · 127 fit an int32 sum
_LARGEST = 127 * 256  # of two signed int8 digits to the base 256, with room for the second digit's sign


def _two_digits(a: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Each row as scale · (256 high + low) with int8 digits. Shapes: [A, K] -> [A, K], [A, K], [A, 1]"""
    high, low = torch.empty_like(a, dtype=torch.int8), torch.empty_like(a, dtype=torch.int8)
    scale = torch.empty(len(a), 1, dtype=a.dtype)
    spare, spare_steps = torch.empty(8, a.shape[1]), torch.empty(8, a.shape[1], dtype=torch.int16)
    for i in range(0, len(a), 8):  # a cacheful of rows at a time
        rows = a[i : i + 8]
        here = torch.maximum(rows.amax(-1, keepdim=True), -rows.amin(-1, keepdim=True)).div_(_LARGEST)
        scaled, steps = spare[: len(rows)], spare_steps[: len(rows)]
        torch.mul(rows, torch.where(here > 0, 1 / here, 0), out=scaled)
        steps.copy_(scaled.round_())
        low[i : i + 8] = steps  # wraps to the last digit, -128 .. 127
        high[i : i + 8] = steps.add_(128).bitwise_right_shift_(8)
        scale[i : i + 8] = here
    return high, low, scale


@cache
def _has_int8_tiles() -> bool:
    return torch.cpu._is_amx_tile_supported()


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


def binary_products(a: Tensor, b: Tensor, dim: int) -> Tensor:
    """Hamming distances of all pairs of packed rows, exact. Shapes: int64 [A, W], [B, W] -> float32 [A, B]

    Distance = ones(a) + ones(b) - 2 a·b over 0/1 numbers.
    """
    x, y = unpack(a, dim).view(torch.int8), unpack(b, dim).view(torch.int8)
    ones = popcount(a).sum(-1, dtype=torch.float32)[:, None] + popcount(b).sum(-1, dtype=torch.float32)[None, :]
    return ones.sub_(bipolar_products(x, y), alpha=2)
