"""SBC: sparse block codes, one active unit in each block, bound by shifting within blocks."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor

from nesy.hdc.kernels import integer_products
from nesy.hdc.model import VSA, HypervectorError, Law, all_pairs

# Up to this block size agreement is counted by an int8 product of one-hot blocks, above it by comparing.
_ONE_HOT = 16
# Blocks compared at a time: a few megabytes.
_COMPARED = 1 << 22


@final
class SBC(VSA):
    """Sparse block codes: D blocks of `block_size` units of which one is active, kept as its number.

    Binding adds the numbers modulo the block size; a bundle takes in each block the number that occurs most often
    (ties go to the first at or after a place that the neighbouring block's sum decides, so no number is favoured).
    Similarity is the share of equal blocks: about 1 / block_size between unrelated hypervectors.
    Source: Laiho, Poikonen, Kanerva, Lehtonen, "High-dimensional Computing with Sparse Vectors", BioCAS 2015; Frady,
    Kleyko, Sommer, "Variable Binding for Sparse Distributed Representations", 2021.

    >>> vsa = SBC(dim=500, block_size=64)
    >>> a, b = vsa.random(2)
    >>> torch.equal(vsa.unbind(vsa.bind(a, b), b), a)
    True
    """

    name = "SBC"
    laws = frozenset(
        {
            Law.COMMUTATIVE, Law.ASSOCIATIVE, Law.LEFT_IDENTITY, Law.RIGHT_IDENTITY, Law.EXACT_UNBIND, Law.PERMUTE_BIND,
            Law.PERMUTE_BUNDLE, Law.SIMILARITY_KEPT,
        }
    )  # fmt: skip
    default_dtype = torch.uint8
    dtypes = (torch.uint8, torch.int16, torch.int32)

    def __init__(self, dim: int, seed: int = 0, dtype: torch.dtype | None = None, block_size: int = 256):
        super().__init__(dim, seed, dtype)
        largest = torch.iinfo(self.dtype).max + 1
        if not 2 <= block_size <= largest:
            name = str(self.dtype).removeprefix("torch.")
            raise HypervectorError(f"the block size must be in 2..{largest} for {name}, not {block_size}")
        self.block_size = block_size

    def __repr__(self) -> str:
        return f"SBC(dim={self.dim}, seed={self.seed}, dtype={self.dtype}, block_size={self.block_size})"

    def narrowed(self, dim: int) -> VSA:
        return SBC(dim, self.seed, self.dtype, self.block_size)

    def random(self, *shape: int, device: torch.device | str = "cpu") -> Tensor:
        drawn = torch.randint(0, self.block_size, (*shape, self.dim), generator=self.generator, dtype=torch.int32)
        return drawn.to(device, self.dtype)

    def identity(self, *shape: int, device: torch.device | str = "cpu") -> Tensor:
        return torch.zeros(*shape, self.dim, dtype=self.dtype, device=device)

    def check_values(self, vectors: Tensor) -> None:
        """Refuse a number outside 0 .. block_size - 1. Raises: HypervectorError"""
        self.check(vectors)
        if vectors.numel() and not 0 <= int(vectors.min()) <= int(vectors.max()) < self.block_size:
            raise HypervectorError(
                f"{self!r} got numbers {int(vectors.min())}..{int(vectors.max())}: they are in 0..{self.block_size - 1}"
            )

    def negative(self, a: Tensor) -> Tensor:
        raise HypervectorError(f"{self!r} has no hypervector that cancels another: give it no weight")

    def bind(self, a: Tensor, b: Tensor) -> Tensor:
        self.check(a, b)
        if self.block_size == 256 and self.dtype is torch.uint8:
            return a + b  # wraps at 256
        return torch.remainder(a.to(torch.int32) + b, self.block_size).to(self.dtype)

    def inverse(self, a: Tensor) -> Tensor:
        self.check(a)
        return torch.remainder(-a.to(torch.int32), self.block_size).to(self.dtype)

    def superpose(self, vectors: Tensor, dim: int = -2, weights: Tensor | None = None) -> Tensor:
        """How often each number occurs in each block. Shapes: [*B, L, D] -> [*B, D, block_size], int32 or float"""
        self.check(vectors)
        vectors = self._along(vectors, dim)
        kind = torch.int32 if weights is None else weights.dtype if weights.is_floating_point() else torch.float32
        shares = torch.ones((), dtype=kind, device=vectors.device)
        if weights is not None:
            weights = self._weights(weights, vectors)
            vectors = vectors.expand(*weights.shape, self.dim)
            shares = weights.to(kind).unsqueeze(-2)
        counts = torch.zeros(*vectors.shape[:-2], self.dim, self.block_size, dtype=kind, device=vectors.device)
        numbers = vectors.mT.to(torch.int64)
        return counts.scatter_add_(-1, numbers, shares.expand(numbers.shape))

    def normalize(self, superposition: Tensor) -> Tensor:
        """The most frequent number of each block. Shapes: [*B, D, block_size] -> [*B, D]"""
        if superposition.shape[-2:] != (self.dim, self.block_size):
            raise HypervectorError(
                f"{self!r} normalizes counts of [*B, {self.dim}, {self.block_size}], got {list(superposition.shape)}"
            )
        numbers = torch.arange(self.block_size, device=superposition.device)
        sums = (superposition * numbers).sum(-1).round().to(torch.int64)
        start = torch.roll(sums, 1, -1).unsqueeze(-1)
        most = superposition == superposition.amax(-1, keepdim=True)
        order = torch.remainder(numbers - start, self.block_size).masked_fill_(~most, self.block_size)
        return order.argmin(-1).to(self.dtype)

    def superpose_rows(self, table: Tensor, index: Tensor) -> Tensor:
        rows = self._index(table, index)
        step = max(1, _COMPARED // (rows.shape[1] * self.dim))
        sums = [self._run_sums([table], few) for few in rows.split(step)]
        return torch.cat(sums).unflatten(0, index.shape[:-1])

    def permute(self, a: Tensor, shift: int = 1) -> Tensor:
        self.check(a)
        return torch.roll(a, shift, -1)

    def similarity(self, a: Tensor, b: Tensor) -> Tensor:
        """The share of equal blocks."""
        self.check(a, b)
        x, y, shape = all_pairs(a, b)
        if self.block_size <= _ONE_HOT:
            equal = integer_products(self._one_hot(x), self._one_hot(y).T)
        else:
            step = max(1, _COMPARED // max(y.numel(), 1))
            parts = [(few.unsqueeze(1) == y).sum(-1) for few in x.split(step)]
            equal = torch.cat(parts) if parts else torch.zeros(0, len(y), device=x.device)
        return equal.reshape(shape).to(torch.float32) / self.dim

    def pair_similarity(self, a: Tensor, b: Tensor) -> Tensor:
        self.check(a, b)
        return (a == b).to(torch.float32).mean(-1)

    def _one_hot(self, a: Tensor) -> Tensor:
        """Shapes: [A, D] -> int8 [A, D * block_size]"""
        numbers = torch.arange(self.block_size, dtype=self.dtype, device=a.device)
        return (a.unsqueeze(-1) == numbers).to(torch.int8).flatten(-2)
