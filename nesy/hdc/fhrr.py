"""FHRR: complex phases, bound by adding angles."""

from __future__ import annotations

import math
from typing import final

import torch
from torch import Tensor

from nesy.hdc.kernels import elementwise_product
from nesy.hdc.model import VSA, HypervectorError, Law, cosine, exact_cosine, pair_cosine
from nesy.hdc.rows import grouped_run_sums


@final
class FHRR(VSA):
    """Fourier Holographic Reduced Representations: each dimension is a complex number of modulus one.

    Binding multiplies (angles add), the inverse is the conjugate and exact; a bundle is the sum with each modulus
    set back to one.
    Source: Plate, "Distributed Representations and Nested Compositional Structure", PhD thesis, Toronto 1994.

    >>> vsa = FHRR(dim=1024)
    >>> a, b = vsa.random(2)
    >>> f"{vsa.similarity(vsa.unbind(vsa.bind(a, b), b), a):.2f}"
    '1.00'
    """

    name = "FHRR"
    laws = frozenset(Law) - {Law.SELF_INVERSE}
    default_dtype = torch.complex64
    dtypes = (torch.complex64, torch.complex128)

    def random(self, *shape: int, device: torch.device | str = "cpu") -> Tensor:
        return self.realize(self.latent(*shape)).to(device)

    def identity(self, *shape: int, device: torch.device | str = "cpu") -> Tensor:
        return torch.ones(*shape, self.dim, dtype=self.dtype, device=device)

    def bind(self, a: Tensor, b: Tensor) -> Tensor:
        self.check(a, b)
        return elementwise_product(a, b)

    def inverse(self, a: Tensor) -> Tensor:
        """The conjugate."""
        self.check(a)
        return a.conj()

    def superpose(self, vectors: Tensor, dim: int = -2, weights: Tensor | None = None) -> Tensor:
        self.check(vectors)
        vectors = self._along(vectors, dim)
        if weights is None:
            return vectors.sum(-2)
        return self._weighted(weights, vectors)

    def superpose_runs(self, items: Tensor, index: Tensor, n: int) -> Tensor:
        rows = self._index(items, index, n)
        tables = [self.permute(items, n - 1 - j) for j in range(n)]
        return grouped_run_sums(tables, rows).reshape(*index.shape[:-1], -1)

    def normalize(self, superposition: Tensor) -> Tensor:
        """Each number scaled to modulus one; zero stays zero, with a zero gradient."""
        self.check(superposition)
        modulus = superposition.abs()
        return superposition / torch.where(modulus > 0, modulus, torch.inf)

    def permute(self, a: Tensor, shift: int = 1) -> Tensor:
        self.check(a)
        return torch.roll(a, shift, -1)

    def similarity(self, a: Tensor, b: Tensor) -> Tensor:
        """The real part of the cosine; of many complex64 hypervectors in fixed point (see `cosines` for how exact)."""
        self.check(a, b)
        return cosine(_as_real(a), _as_real(b))

    def exact_similarity(self, a: Tensor, b: Tensor) -> Tensor:
        self.check(a, b)
        return exact_cosine(_as_real(a), _as_real(b))

    def pair_similarity(self, a: Tensor, b: Tensor) -> Tensor:
        self.check(a, b)
        return pair_cosine(_as_real(a), _as_real(b))

    def latent(self, *shape: int, device: torch.device | str = "cpu") -> Tensor:
        """Angles in radians, uniform on the circle."""
        angles = torch.rand(*shape, self.dim, generator=self.generator) * (2 * math.pi) - math.pi
        return angles.to(device, self._real)

    def realize(self, latent: Tensor) -> Tensor:
        """The hypervector of these angles. Units: radians"""
        self._check_width(latent)
        if latent.dtype is not self._real:
            raise HypervectorError(f"{self!r} realizes angles of {self._real}, not {latent.dtype}")
        return torch.polar(torch.ones_like(latent), latent)

    def power(self, a: Tensor, exponent: Tensor) -> Tensor:
        """Bind `a` with itself a real number of times (fractional power).

        Shapes: a [D], exponent [*B] -> [*B, D]
        """
        self.check(a)
        if a.ndim != 1:
            raise HypervectorError(f"power needs one base hypervector, got the shape {list(a.shape)}")
        return self.realize(exponent.to(self._real).unsqueeze(-1) * a.angle())

    @property
    def _real(self) -> torch.dtype:
        return torch.float32 if self.dtype is torch.complex64 else torch.float64


def _as_real(a: Tensor) -> Tensor:
    """Real and imaginary parts side by side. Shapes: complex [*B, D] -> [*B, 2 D]"""
    return torch.view_as_real(a.resolve_conj()).flatten(-2)
