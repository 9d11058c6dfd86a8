"""VTB: real hypervectors, bound by vector-derived transformations."""

from __future__ import annotations

from math import isqrt
from typing import final

import torch
from torch import Tensor

from nesy.hdc.model import VSA, HypervectorError, Law, cosine, exact_cosine, pair_cosine, unit


@final
class VTB(VSA):
    """Vector-derived Transformation Binding: each vector is also a √D × √D matrix that turns the other.

    Written as matrices, bind(a, b) = D^¼ · A · Bᵀ. It is neither commutative nor associative: order is kept without
    permuting. The inverse is the transpose, right up to noise, and undoes the right factor. The identity is one on
    the right alone. A bundle is the sum, scaled to unit length.
    Source: Gosmann and Eliasmith, "Vector-Derived Transformation Binding", Neural Computation 31(5), 2019.

    >>> vsa = VTB(dim=1024)
    >>> a, b = vsa.random(2)
    >>> bool(vsa.similarity(vsa.unbind(vsa.bind(a, b), b), a) > 0.6)
    True
    """

    name = "VTB"
    laws = frozenset({Law.RIGHT_IDENTITY, Law.SUM_DISTRIBUTIVE, Law.PERMUTE_BUNDLE})
    default_dtype = torch.float32
    dtypes = (torch.float32, torch.float64)

    def __init__(self, dim: int, seed: int = 0, dtype: torch.dtype | None = None):
        super().__init__(dim, seed, dtype)
        self.side = isqrt(dim)
        if self.side**2 != dim:
            near = f"{self.side**2} or {(self.side + 1) ** 2}"
            raise HypervectorError(f"VTB needs a square dimension like {near}, not {dim}")

    def narrowed(self, dim: int) -> VSA:
        return VTB(isqrt(dim) ** 2, self.seed, self.dtype)

    def random(self, *shape: int, device: torch.device | str = "cpu") -> Tensor:
        return self.realize(self.latent(*shape)).to(device)

    def identity(self, *shape: int, device: torch.device | str = "cpu") -> Tensor:
        """One on the right: bind(a, identity) = a."""
        unit_matrix = torch.eye(self.side, dtype=self.dtype, device=device) / self.side**0.5
        return unit_matrix.flatten().expand(*shape, self.dim).clone()

    def bind(self, a: Tensor, b: Tensor) -> Tensor:
        self.check(a, b)
        return (self._matrix(a) @ self._matrix(b).mT).flatten(-2) * self.side**0.5

    def inverse(self, a: Tensor) -> Tensor:
        """The transposed matrix."""
        self.check(a)
        return self._matrix(a).mT.flatten(-2)

    def superpose(self, vectors: Tensor, dim: int = -2, weights: Tensor | None = None) -> Tensor:
        self.check(vectors)
        vectors = self._along(vectors, dim)
        return vectors.sum(-2) if weights is None else self._weighted(weights, vectors)

    def normalize(self, superposition: Tensor) -> Tensor:
        """Scaled to unit length; zero stays zero."""
        self.check(superposition)
        return unit(superposition)

    def permute(self, a: Tensor, shift: int = 1) -> Tensor:
        self.check(a)
        return torch.roll(a, shift, -1)

    def similarity(self, a: Tensor, b: Tensor) -> Tensor:
        """Cosine."""
        self.check(a, b)
        return cosine(a, b)

    def exact_similarity(self, a: Tensor, b: Tensor) -> Tensor:
        self.check(a, b)
        return exact_cosine(a, b)

    def pair_similarity(self, a: Tensor, b: Tensor) -> Tensor:
        self.check(a, b)
        return pair_cosine(a, b)

    def latent(self, *shape: int, device: torch.device | str = "cpu") -> Tensor:
        return self._draw(shape).to(device, self.dtype)

    def realize(self, latent: Tensor) -> Tensor:
        """Normal numbers scaled by 1/√D."""
        self.check(latent)
        return latent / self.dim**0.5

    def _matrix(self, a: Tensor) -> Tensor:
        return a.unflatten(-1, (self.side, self.side))
