"""BSC: bits, packed 64 to a word, bound by exclusive or."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor

from nesy.hdc.bipolar import fair_sign
from nesy.hdc.kernels import hamming_distances
from nesy.hdc.model import VSA, HypervectorError, Law, all_pairs
from nesy.hdc.packed import (
    clear_tail,
    count_planes,
    counts_of,
    majority,
    pack,
    pack_signs,
    popcount,
    rotate,
    tail_is_clear,
    unpack,
    words_for,
)
from nesy.hdc.rows import CHUNK_WORDS, num_runs, packed_row_planes, packed_run_planes


@final
class BSC(VSA):
    """Binary Spatter Codes: D bits in int64 words, 32 times smaller than float32.

    Binding is exclusive or and its own inverse; a bundle is the majority of each bit. BSC is MAP written in bits (a
    set bit is -1): `unpack` and `pack` go from one to the other and change no result, ties included, so a BSC is
    trained as `MAP(dtype=torch.float32)` and packed when it is done. Where D is no multiple of 64 the last word is
    padded with zeros, which every operation keeps.
    Source: Kanerva, "Binary Spatter-Coding of Ordered K-tuples", ICANN 1996.

    >>> vsa = BSC(dim=10_000)
    >>> a, b = vsa.random(2)
    >>> a.shape, a.dtype
    (torch.Size([157]), torch.int64)
    >>> torch.equal(vsa.unbind(vsa.bind(a, b), b), a)
    True
    """

    name = "BSC"
    laws = frozenset(
        {
            Law.COMMUTATIVE, Law.ASSOCIATIVE, Law.LEFT_IDENTITY, Law.RIGHT_IDENTITY, Law.EXACT_UNBIND, Law.SELF_INVERSE,
            Law.ODD_BUNDLE_DISTRIBUTIVE, Law.PERMUTE_BIND, Law.PERMUTE_BUNDLE, Law.SIMILARITY_KEPT,
        }
    )  # fmt: skip
    default_dtype = torch.int64
    dtypes = (torch.int64,)

    @property
    def width(self) -> int:
        return words_for(self.dim)

    def random(self, *shape: int, device: torch.device | str = "cpu") -> Tensor:
        # 32 random bits twice: torch draws no full range of int64 at once.
        high, low = torch.randint(0, 1 << 32, (2, *shape, self.width), generator=self.generator)
        return clear_tail((high << 32) | low, self.dim).to(device)

    def identity(self, *shape: int, device: torch.device | str = "cpu") -> Tensor:
        return torch.zeros(*shape, self.width, dtype=torch.int64, device=device)

    def pack(self, bipolar: Tensor) -> Tensor:
        """Bipolar numbers (a negative one is a set bit) or booleans into words. Shapes: [*B, D] -> [*B, W]"""
        if bipolar.ndim == 0 or bipolar.shape[-1] != self.dim:
            raise HypervectorError(f"{self!r} packs a last axis of {self.dim}, got the shape {list(bipolar.shape)}")
        return pack(bipolar) if bipolar.dtype is torch.bool else pack_signs(bipolar)

    def unpack(self, words: Tensor, dtype: torch.dtype = torch.int8) -> Tensor:
        """Words into +1 and -1, hypervectors of `MAP` with this dtype. Shapes: [*B, W] -> [*B, D]"""
        self.check(words)
        return unpack(words, self.dim).view(torch.int8).mul(-2).add_(1).to(dtype)

    def bind(self, a: Tensor, b: Tensor) -> Tensor:
        self.check(a, b)
        return a ^ b

    def inverse(self, a: Tensor) -> Tensor:
        self.check(a)
        return a

    def negative(self, a: Tensor) -> Tensor:
        """All bits flipped."""
        self.check(a)
        return clear_tail(~a, self.dim)

    def superpose(self, vectors: Tensor, dim: int = -2, weights: Tensor | None = None) -> Tensor:
        """The sum in bipolar numbers: int32, or float with weights. Shapes: [*B, L, W] -> [*B, D]"""
        self.check(vectors)
        vectors = self._along(vectors, dim)
        if weights is None:
            counts = counts_of(self._planes(vectors), self.dim)
            return vectors.shape[-2] - 2 * counts
        kind = weights.dtype if weights.is_floating_point() else torch.float32
        return self._weighted(weights, self.unpack(vectors, kind))

    def normalize(self, superposition: Tensor) -> Tensor:
        """The signs of bipolar sums, as words. Shapes: [*B, D] -> [*B, W]"""
        if superposition.ndim == 0 or superposition.shape[-1] != self.dim:
            raise HypervectorError(
                f"{self!r} normalizes sums of {self.dim} dimensions, got the shape {list(superposition.shape)}"
            )
        return pack_signs(fair_sign(superposition))

    def bundle(self, vectors: Tensor, dim: int = -2, weights: Tensor | None = None) -> Tensor:
        """The majority of each bit, counted without unpacking."""
        if weights is not None:
            self._check_bundled(weights)
            return self.normalize(self.superpose(vectors, dim, weights))
        self.check(vectors)
        vectors = self._along(vectors, dim)
        return majority(self._planes(vectors), vectors.shape[-2], self.dim)

    def superpose_rows(self, table: Tensor, index: Tensor) -> Tensor:
        rows = self._index(table, index)
        counts = counts_of(packed_row_planes([table], [rows]), self.dim)
        return (num_runs(rows, 1).unsqueeze(-1) - 2 * counts).to(torch.int32).reshape(*index.shape[:-1], -1)

    def bundle_rows(self, table: Tensor, index: Tensor) -> Tensor:
        self._refuse_empty(index, 1)
        rows = self._index(table, index)
        planes = packed_row_planes([table], [rows])
        return majority(planes, num_runs(rows, 1), self.dim).reshape(*index.shape[:-1], -1)

    def superpose_runs(self, items: Tensor, index: Tensor, n: int) -> Tensor:
        rows = self._index(items, index, n)
        counts = counts_of(self._run_planes(items, rows, n), self.dim)
        return (num_runs(rows, n).unsqueeze(-1) - 2 * counts).to(torch.int32).reshape(*index.shape[:-1], -1)

    def bundle_runs(self, items: Tensor, index: Tensor, n: int) -> Tensor:
        self._refuse_empty(index, n)
        rows = self._index(items, index, n)
        words = majority(self._run_planes(items, rows, n), num_runs(rows, n), self.dim)
        return words.reshape(*index.shape[:-1], -1)

    def _run_planes(self, items: Tensor, rows: Tensor, n: int) -> list[Tensor]:
        return packed_run_planes([rotate(items, n - 1 - j, self.dim) for j in range(n)], rows)

    def permute(self, a: Tensor, shift: int = 1) -> Tensor:
        self.check(a)
        return rotate(a, shift, self.dim)

    def select(self, mask: Tensor, a: Tensor, b: Tensor) -> Tensor:
        self.check(a, b)
        if mask.ndim == 0 or mask.shape[-1] != self.dim:
            raise HypervectorError(f"{self!r} needs a mask of {self.dim} dimensions, got the shape {list(mask.shape)}")
        words = pack(mask)
        return (a & words) | (b & ~words)

    def similarity(self, a: Tensor, b: Tensor) -> Tensor:
        """1 - 2 · (share of differing bits), which is the bipolar cosine."""
        return self.hamming(a, b).mul_(-2 / self.dim).add_(1)

    def pair_similarity(self, a: Tensor, b: Tensor) -> Tensor:
        self.check(a, b)
        return 1 - popcount(a ^ b).sum(-1, dtype=torch.int32).to(torch.float32) * (2 / self.dim)

    def hamming(self, a: Tensor, b: Tensor) -> Tensor:
        """How many bits differ, for all pairs. Shapes: [*A, W], [*B, W] -> float32 [*A, *B]

        Cost: exclusive or and bit counts, nothing unpacked; on a GPU a matrix product of unpacked bits.
        """
        self.check(a, b)
        self.check_values(a)
        self.check_values(b)
        x, y, shape = all_pairs(a, b)
        return hamming_distances(x, y, self.dim).reshape(shape)

    def check_values(self, vectors: Tensor) -> None:
        """Refuse words with bits past dimension D (say, from a file). Raises: HypervectorError"""
        self.check(vectors)
        if not tail_is_clear(vectors, self.dim):
            raise HypervectorError(
                f"{self!r}: bits past dimension {self.dim} are set; the last word is padded with zeros"
            )

    def _planes(self, vectors: Tensor) -> list[Tensor]:
        """Bit counts over axis -2, a cacheful of the batch at a time. Shapes: [*B, L, W] -> planes of [*B, W]"""
        rows = vectors.movedim(-2, 0)
        if rows.ndim == 2:
            return count_planes(rows.clone(memory_format=torch.contiguous_format))
        flat = rows.flatten(1, -2)
        step = max(1, CHUNK_WORDS // (rows.shape[0] * self.width))
        parts = [count_planes(part.clone(memory_format=torch.contiguous_format)) for part in flat.split(step, dim=1)]
        return [torch.cat(plane).reshape(rows.shape[1:]) for plane in zip(*parts, strict=True)]
