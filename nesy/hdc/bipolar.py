"""MAP: bipolar hypervectors, multiplied, added and permuted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn, final

import numpy as np
import torch
from torch import Tensor

from nesy.hdc.kernels import column_sums, elementwise_product, hamming_distances, integer_products
from nesy.hdc.model import VSA, HypervectorError, Law, all_pairs, check_temperature, cosine, exact_cosine, pair_cosine
from nesy.hdc.packed import counts_of, majority, pack_signs, rotate, unpack, words_for
from nesy.hdc.rows import grouped_run_sums, num_runs, packed_run_planes, row_sums

_SIGN_ROWS = 16  # at D = 10,000 int32 sums of so many rows fill a third of a second-level cache
_BIT_ROWS = 48  # of so many the int8 signs and what is made of them do
_MANY = 64  # rows on each side from which turning signs into bits pays


@final
class MAP(VSA):
    """Multiply-Add-Permute: each dimension is +1 or -1, and binding is multiplication.

    In int8 (the default) everything is exact and fast; in a float dtype everything has a gradient. A bundle is the
    sign of the sum. Where the sum is zero the sign is taken from the neighbouring dimension (whether half its sum
    is odd), which is fair, the same for every order of the summands, and unlike from one bundle to the next.
    Source: Gayler, "Multiplicative Binding, Representation Operators & Analogy", 1998.

    >>> vsa = MAP(dim=10_000)
    >>> king, queen = vsa.random(2)
    >>> pair = vsa.bind(king, queen)
    >>> torch.equal(vsa.unbind(pair, queen), king)
    True
    """

    name = "MAP"
    laws = frozenset(
        {
            Law.COMMUTATIVE, Law.ASSOCIATIVE, Law.LEFT_IDENTITY, Law.RIGHT_IDENTITY, Law.EXACT_UNBIND, Law.SELF_INVERSE,
            Law.ODD_BUNDLE_DISTRIBUTIVE, Law.PERMUTE_BIND, Law.PERMUTE_BUNDLE, Law.SIMILARITY_KEPT,
        }
    )  # fmt: skip
    default_dtype = torch.int8
    dtypes = (torch.int8, torch.float32, torch.float64, torch.bfloat16)

    def __init__(self, dim: int, seed: int = 0, dtype: torch.dtype | None = None):
        super().__init__(dim, seed, dtype)
        if self.dtype is not torch.int8:  # the integer sums of int8 hypervectors are no hypervectors
            self.laws = MAP.laws | {Law.SUM_DISTRIBUTIVE}

    def random(self, *shape: int, device: torch.device | str = "cpu") -> Tensor:
        bits = torch.randint(0, 2, (*shape, self.dim), generator=self.generator, dtype=torch.int8)
        return bits.mul_(2).sub_(1).to(device, self.dtype)

    def identity(self, *shape: int, device: torch.device | str = "cpu") -> Tensor:
        return torch.ones(*shape, self.dim, dtype=self.dtype, device=device)

    def bind(self, a: Tensor, b: Tensor) -> Tensor:
        self.check(a, b)
        return elementwise_product(a, b)

    def inverse(self, a: Tensor) -> Tensor:
        self.check(a)
        return a

    def superpose(self, vectors: Tensor, dim: int = -2, weights: Tensor | None = None) -> Tensor:
        """Integers (int32) from int8 without weights, else floats."""
        self.check(vectors)
        vectors = self._along(vectors, dim)
        if weights is None:
            return column_sums(vectors) if self.dtype is torch.int8 else vectors.sum(-2)
        if self.dtype is torch.int8:
            vectors = vectors.to(weights.dtype if weights.is_floating_point() else torch.float32)
        return self._weighted(weights, vectors)

    def normalize(self, superposition: Tensor) -> Tensor:
        """The sign of each dimension.

        Gradient: straight-through: that of the sum itself, so that a bundle can be trained.
        """
        self._check_width(superposition)
        if superposition.requires_grad:
            return straight_through(superposition, fair_sign(superposition)).to(self.dtype)
        return fair_sign(superposition).to(self.dtype)

    def soft_bundle(self, vectors: Tensor, temperature: float, dim: int = -2, weights: Tensor | None = None) -> Tensor:
        """A bundle between the sum and its sign: tanh(sum / temperature). Its gradient is the true one."""
        if self.dtype is torch.int8:
            raise HypervectorError("soft_bundle needs a MAP of a float dtype, not int8")
        check_temperature(temperature)
        return torch.tanh(self.superpose(vectors, dim, weights) / temperature)

    def superpose_rows(self, table: Tensor, index: Tensor) -> Tensor:
        if self.dtype is not torch.int8:
            return super().superpose_rows(table, index)
        return row_sums(table, self._index(table, index)).reshape(*index.shape[:-1], -1)

    def superpose_runs(self, items: Tensor, index: Tensor, n: int) -> Tensor:
        """Counted in packed bits, unless a gradient is asked for."""
        rows = self._index(items, index, n)
        if items.requires_grad:
            tables = [self.permute(items, n - 1 - j) for j in range(n)]
            return grouped_run_sums(tables, rows).reshape(*index.shape[:-1], -1)
        counts = counts_of(self._run_planes(items, rows, n), self.dim)
        sums = torch.add(num_runs(rows, n).to(torch.int32).unsqueeze(-1), counts, alpha=-2)
        return sums.to(torch.int32 if self.dtype is torch.int8 else self.dtype).reshape(*index.shape[:-1], -1)

    def bundle_runs(self, items: Tensor, index: Tensor, n: int) -> Tensor:
        if items.requires_grad:
            return super().bundle_runs(items, index, n)
        self._refuse_empty(index, n)
        rows = self._index(items, index, n)
        words = majority(self._run_planes(items, rows, n), num_runs(rows, n), self.dim)
        signs = unpack(words, self.dim).view(torch.int8).mul_(-2).add_(1)
        return signs.to(self.dtype).reshape(*index.shape[:-1], -1)

    def _run_planes(self, items: Tensor, rows: Tensor, n: int) -> list[Tensor]:
        words = pack_signs(items)
        return packed_run_planes([rotate(words, n - 1 - j, self.dim) for j in range(n)], rows)

    def permute(self, a: Tensor, shift: int = 1) -> Tensor:
        self._check_width(a)
        return torch.roll(a, shift, -1)

    def similarity(self, a: Tensor, b: Tensor) -> Tensor:
        """Cosine. Superpositions are welcome beside hypervectors.

        Cost: between int8 hypervectors one int8 matrix product, or on the CPU, where there are many on both sides,
        bit counts of their signs; exact.
        Raises: HypervectorError where those many are not all 1 and -1
        """
        return self._compared(a, b, cosine)

    def exact_similarity(self, a: Tensor, b: Tensor) -> Tensor:
        return self._compared(a, b, exact_cosine)

    def _compared(self, a: Tensor, b: Tensor, cosines: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
        self._check_width(a)
        self._check_width(b)
        if a.dtype is torch.int8 and b.dtype is torch.int8:
            x, y, shape = all_pairs(a, b)
            if x.device.type == "cpu" and min(len(x), len(y)) >= _MANY:
                distances = hamming_distances(self._bits(x), self._bits(y), self.dim)
                return distances.mul_(-2 / self.dim).add_(1).reshape(shape)
            return integer_products(x, y.T).to(torch.float32).div_(self.dim).reshape(shape)
        dtype = torch.promote_types(a.dtype, b.dtype)
        dtype = dtype if dtype.is_floating_point else torch.float32
        return cosines(a.to(dtype), b.to(dtype))

    def _bits(self, signs: Tensor) -> Tensor:
        """A set bit for each 1 of int8 signs on the CPU, in words. Shapes: [V, D] -> int64 [V, W]"""
        words = np.zeros((len(signs), words_for(self.dim)), dtype=np.int64)
        octets = words.view(np.uint8)[:, : -(-self.dim // 8)]
        spare = np.empty((_BIT_ROWS, self.dim), dtype=np.int8)
        for start in range(0, len(signs), _BIT_ROWS):
            rows = signs[start : start + _BIT_ROWS].numpy()
            more = np.add(rows, 1, out=spare[: len(rows)])  # 0 or 2, so no other bit is ever set
            if np.bitwise_or.reduce(more, axis=None) & ~2:
                self._refuse(int(rows[(more != 0) & (more != 2)][0]))
            octets[start : start + _BIT_ROWS] = np.packbits(more, axis=-1, bitorder="little")
        return torch.from_numpy(words)

    def check_values(self, vectors: Tensor) -> None:
        """Refuse an int8 number that is neither 1 nor -1. (Floats may be superpositions.) Raises: HypervectorError"""
        super().check_values(vectors)
        if self.dtype is torch.int8 and vectors.numel():
            size = vectors.abs()  # -128 stays negative
            if int(size.min()) != 1 or int(size.max()) != 1:
                self._refuse(int(vectors[size != 1][0]))

    def _refuse(self, number: int) -> NoReturn:
        raise HypervectorError(f"{self!r} got a hypervector with the number {number}: they are of 1 and -1")

    def pair_similarity(self, a: Tensor, b: Tensor) -> Tensor:
        self.check(a, b)
        kind = torch.float32 if self.dtype is torch.int8 else self.dtype
        return pair_cosine(a.to(kind), b.to(kind))

    def latent(self, *shape: int, device: torch.device | str = "cpu") -> Tensor:
        return self._draw(shape).to(device, self.dtype if self.dtype.is_floating_point else torch.float32)

    def realize(self, latent: Tensor) -> Tensor:
        self._check_width(latent)
        return straight_through(latent, fair_sign(latent)).to(self.dtype)


def fair_sign(sums: Tensor) -> Tensor:
    """The sign of each number; a zero takes its sign from the neighbour before it (see `MAP`).

    Shapes: int32 [*B, D] -> int8, or float [*B, D] -> float
    """
    if not sums.is_floating_point():
        return _fair_sign_of_integers(sums)
    signs = sums.sign()
    ties = signs == 0
    if not ties.any():
        return signs
    odd = torch.remainder(torch.floor(sums.detach() / 2), 2).to(signs.dtype)
    return torch.where(ties, torch.roll(1 - 2 * odd, 1, -1), signs)


def _fair_sign_of_integers(sums: Tensor) -> Tensor:
    """A zero's neighbour before it has an odd half just if its bit of value 2 is set: so the sign of
    2·sum + 1 - (that bit) is the answer, without a zero. Worked out a cacheful of rows at a time.
    """
    flat = sums.reshape(-1, sums.shape[-1])
    signs = torch.empty_like(flat, dtype=torch.int8)
    for rows, out in zip(flat.split(_SIGN_ROWS), signs.split(_SIGN_ROWS), strict=True):
        doubled = torch.roll(rows, 1, -1).bitwise_and_(2).neg_().add_(rows, alpha=2).add_(1)
        out.copy_(doubled.bitwise_right_shift_(doubled.element_size() * 8 - 1).mul_(2).add_(1))
    return signs.reshape(sums.shape)


class _StraightThrough(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, soft: Tensor, hard: Tensor) -> Tensor:
        return hard.clone()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:  # type: ignore[override]
        return gradient, None


def straight_through(soft: Tensor, hard: Tensor) -> Tensor:
    """The hard values forwards, the soft values' gradient backwards.

    Source: Bengio, Léonard, Courville, "Estimating or Propagating Gradients Through Stochastic Neurons", 2013.
    """
    return _StraightThrough.apply(soft, hard.detach())  # type: ignore[no-any-return]
