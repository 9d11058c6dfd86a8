"""MAP: bipolar hypervectors, multiplied, added and permuted."""

from __future__ import annotations

from typing import Any, final

import torch
from torch import Tensor

from nesy.hdc.kernels import bipolar_products, column_sums
from nesy.hdc.model import VSA, HypervectorError, Law, all_pairs, cosine


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
            Law.DISTRIBUTIVE, Law.PERMUTE_BIND, Law.PERMUTE_BUNDLE, Law.SIMILARITY_KEPT,
        }
    )  # fmt: skip
    default_dtype = torch.int8
    dtypes = (torch.int8, torch.float32, torch.float64, torch.bfloat16)

    def random(self, *shape: int, device: torch.device | str = "cpu") -> Tensor:
        bits = torch.randint(0, 2, (*shape, self.dim), generator=self.generator, dtype=torch.int8)
        return bits.mul_(2).sub_(1).to(device, self.dtype)

    def identity(self, *shape: int, device: torch.device | str = "cpu") -> Tensor:
        return torch.ones(*shape, self.dim, dtype=self.dtype, device=device)

    def bind(self, a: Tensor, b: Tensor) -> Tensor:
        self.check(a, b)
        return a * b

    def inverse(self, a: Tensor) -> Tensor:
        self.check(a)
        return a

    def superpose(self, vectors: Tensor, dim: int = -2, weights: Tensor | None = None) -> Tensor:
        """Integers (int32) from int8 without weights, else floats."""
        self.check(vectors)
        vectors = self._along(vectors, dim)
        if weights is None:
            return column_sums(vectors) if self.dtype is torch.int8 else vectors.sum(-2)
        weights = self._weights(weights, vectors)
        if self.dtype is torch.int8:
            vectors = vectors.to(weights.dtype if weights.is_floating_point() else torch.float32)
        return (weights.to(vectors.dtype).unsqueeze(-2) @ vectors).squeeze(-2)

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
        return torch.tanh(self.superpose(vectors, dim, weights) / temperature)

    def permute(self, a: Tensor, shift: int = 1) -> Tensor:
        self._check_width(a)
        return torch.roll(a, shift, -1)

    def similarity(self, a: Tensor, b: Tensor) -> Tensor:
        """Cosine. Superpositions are welcome beside hypervectors.

        Cost: between int8 hypervectors one int8 matrix product; exact.
        """
        self._check_width(a)
        self._check_width(b)
        if a.dtype is torch.int8 and b.dtype is torch.int8:
            x, y, shape = all_pairs(a, b)
            return bipolar_products(x, y).reshape(shape).div(self.dim)
        dtype = torch.promote_types(a.dtype, b.dtype)
        dtype = dtype if dtype.is_floating_point else torch.float32
        return cosine(a.to(dtype), b.to(dtype))

    def latent(self, *shape: int, device: torch.device | str = "cpu") -> Tensor:
        return self._draw(shape).to(device, self.dtype if self.dtype.is_floating_point else torch.float32)

    def realize(self, latent: Tensor) -> Tensor:
        self._check_width(latent)
        return straight_through(latent, fair_sign(latent)).to(self.dtype)


def fair_sign(sums: Tensor) -> Tensor:
    """The sign of each number; a zero takes its sign from the neighbour before it (see `MAP`). Shapes: [*B, D]"""
    signs = sums.sign()
    ties = signs == 0
    if not ties.any():
        return signs
    if sums.is_floating_point():
        odd = torch.remainder(torch.floor(sums.detach() / 2), 2).to(signs.dtype)
    else:
        odd = (sums >> 1) & 1
    return torch.where(ties, torch.roll(1 - 2 * odd, 1, -1), signs)


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
