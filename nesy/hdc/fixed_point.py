"""Dot products of many float32 rows as int8 matrix products, which processors make several times faster.

A row becomes fixed-point numbers n = base · x + r, where x and the small rest r fit int8. Summed over the columns,

    n n' = base² x x' + base (x r' + r x') + r r'                               three int8 products, or
    n n' = base (base - 1) x x' + base (x + r)(x' + r') - (base - 1) r r'       two of fewer digits,

without the last term. Rounding to n, and of n to x, goes up or down at random so that the mean is kept: what is rounded
off and what is left out are then sums of independent numbers of mean 0 whatever the rows are, also where a row meets
itself. The random numbers are the same in each call.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from torch import Tensor

from nesy.hdc.kernels import integer_products, on_threads


def cosines(a: Tensor, b: Tensor) -> Tensor:
    """Cosines of all pairs of real rows; a zero row is like nothing (0), with a zero gradient.

    Where a processor has int8 products (VNNI or AMX), those of many long float32 rows on the CPU are made of
    fixed-point numbers, right within 0.01 / √K but for a chance of 1e-18. For complex numbers of D = 10,000
    (K = 20,000) that is 7e-5, and typically 4e-6 (AMX: 4e-7). Rows whose largest number stands out are multiplied as
    floats, and so is everything that asks for a gradient.

    Shapes: [A, K], [B, K] -> [A, B]
    """
    plain = a.dtype is not torch.float32 or a.requires_grad or b.requires_grad or a.device.type != "cpu"
    form = None if plain or not _pays(len(a), len(b), a.shape[-1]) else form_of_processor()
    found = None if form is None else fixed_point_cosines(a, b, form)
    return float_cosines(a, b) if found is None else found


def float_cosines(a: Tensor, b: Tensor) -> Tensor:
    """Cosines of all pairs of rows by their plain product. Shapes: [A, K], [B, K] -> [A, B]"""
    lengths, others = (torch.linalg.vector_norm(side, dim=-1) for side in (a, b))
    nonzero = [torch.where(length > 0, length, torch.inf) for length in (lengths, others)]
    return a @ b.T / nonzero[0][:, None] / nonzero[1]


def _pays(num_rows: int, num_others: int, num_columns: int) -> bool:
    """Laying a row out takes what about 200 of its products save; of short rows they would not be as exact."""
    return num_rows * num_others >= 200 * (num_rows + num_others) and 1 << 12 <= num_columns <= 1 << 17


@dataclass(frozen=True)
class Form:
    """How rows are laid out in int8."""

    base: int
    num_products: int
    largest: int  # n: x, r and, where there are two products, x + r stay within int8
    flatness: float  # of a row at most: its largest number by the root of its mean square


TWO_PRODUCTS = Form(base=16, num_products=2, largest=16 * 112, flatness=1.5)
THREE_PRODUCTS = Form(base=128, num_products=3, largest=128 * 126, flatness=8.0)


@cache
def form_of_processor() -> Form | None:
    """The one that pays: int8 products are more than eight times as fast as float32 ones by AMX, four times by VNNI."""
    if not torch.backends.mkldnn.is_available():  # whose product it is
        return None
    if torch.cpu._is_amx_tile_supported():
        return THREE_PRODUCTS
    return TWO_PRODUCTS if torch.cpu._is_vnni_supported() else None


def fixed_point_cosines(a: Tensor, b: Tensor, form: Form) -> Tensor | None:
    """Cosines of all pairs of rows in this form, or None if one of them is not flat enough for it.

    Shapes: float32 [A, K], [B, K] -> [A, B]
    """
    first = _laid_out(a, form, seed=0)
    second = None if first is None else _laid_out(b, form, seed=1)
    if first is None or second is None:
        return None
    (x, rest, unit), (y, other, other_unit) = first, second
    total = integer_products(x, y.T).to(torch.float32)
    if form.num_products == 2:
        total.mul_(form.base - 1).add_(integer_products(rest, other.T))
    else:
        total.mul_(form.base).add_(integer_products(x, other.T)).add_(integer_products(rest, y.T))
    return total.mul_(unit * form.base).mul_(other_unit.T)


def _laid_out(a: Tensor, form: Form, seed: int) -> tuple[Tensor, Tensor, Tensor] | None:
    """Each row's x, its r (x + r where there are two products) and what n is multiplied by to give the row at length
    one; None if a row is not flat.

    Shapes: float32 [A, K] -> int8 [A, K], int8 [A, K], float32 [A, 1]
    """
    rng = np.random.default_rng(seed)
    to_n = (_ABOVE_ZERO + rng.uniform(0, 1, a.shape[1])).astype(np.float32)
    to_x = rng.integers(0, form.base, a.shape[1], dtype=np.uint16)
    x, rest, unit = np.empty(a.shape, np.int8), np.empty(a.shape, np.int8), np.empty((len(a), 1), np.float32)
    floats = a.detach().resolve_neg().numpy()

    def lay_out(start: int) -> bool:
        here = slice(start, start + _ROWS)
        rows = floats[here]
        largest = np.maximum(rows.max(-1), -rows.min(-1))
        zero = largest == 0
        if not (zero | (largest > _SMALLEST) & np.isfinite(largest)).all():
            return False
        scaled = rows * np.divide(form.largest, largest, out=np.zeros_like(largest), where=~zero)[:, None]
        length = np.sqrt(np.vecdot(scaled, scaled))
        if not (zero | (form.largest * math.sqrt(rows.shape[1]) <= form.flatness * length)).all():
            return False
        unit[here, 0] = np.divide(1, length, out=np.zeros_like(length), where=~zero)
        scaled += to_n
        n = scaled.astype(np.uint16)
        digit = n + to_x
        digit //= form.base
        x[here] = digit
        digit *= form.base - 1 if form.num_products == 2 else form.base
        n -= digit
        rest[here] = n
        return True

    if not all(on_threads(lay_out, range(0, len(a), _ROWS))):
        return None
    return torch.from_numpy(x), torch.from_numpy(rest), torch.from_numpy(unit)


_ROWS = 4  # at D = 10,000 complex numbers what is made of so many rows fits a second-level cache
_ABOVE_ZERO = 1 << 15  # makes n a positive 16-bit number; the last eight bits of what is made of it are as without
_SMALLEST = 1e-30  # of a largest number whose inverse is far from the end of what floats hold
