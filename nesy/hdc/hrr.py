"""HRR: real hypervectors, bound by circular convolution."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor

from nesy.hdc.model import VSA, HypervectorError, Law, cosine, exact_cosine, pair_cosine, unit
from nesy.hdc.rows import grouped_run_sums


@final
class HRR(VSA):
    """Holographic Reduced Representations: real vectors of unit length on average, bound by circular convolution.

    The inverse is the involution, right up to noise; with `unitary=True` the random vectors' spectra have modulus
    one, and then it is exact. A bundle is the sum, scaled to unit length. Permuting follows one fixed random cycle
    through the dimensions: a plain rotation would be a convolution itself, and so commute with binding, and n-grams
    would not see the order of their members.
    Source: Plate, "Holographic Reduced Representations", IEEE Transactions on Neural Networks 6(3), 1995.

    >>> vsa = HRR(dim=1024)
    >>> a, b = vsa.random(2)
    >>> bool(vsa.similarity(vsa.unbind(vsa.bind(a, b), b), a) > 0.6)
    True
    """

    name = "HRR"
    laws = frozenset(
        {
            Law.COMMUTATIVE, Law.ASSOCIATIVE, Law.LEFT_IDENTITY, Law.RIGHT_IDENTITY, Law.SUM_DISTRIBUTIVE,
            Law.PERMUTE_BUNDLE,
        }
    )  # fmt: skip
    default_dtype = torch.float32
    dtypes = (torch.float32, torch.float64)

    def __init__(self, dim: int, seed: int = 0, dtype: torch.dtype | None = None, unitary: bool = False):
        super().__init__(dim, seed, dtype)
        self.unitary = unitary
        self._cycle = torch.randperm(dim, generator=torch.Generator().manual_seed(dim))
        self._place = torch.argsort(self._cycle)
        if unitary:
            self.laws = HRR.laws | {
                Law.EXACT_UNBIND, Law.SIMILARITY_KEPT, Law.ODD_BUNDLE_DISTRIBUTIVE, Law.EVEN_BUNDLE_DISTRIBUTIVE,
            }  # fmt: skip

    def narrowed(self, dim: int) -> VSA:
        return HRR(dim, self.seed, self.dtype, self.unitary)

    def random(self, *shape: int, device: torch.device | str = "cpu") -> Tensor:
        return self.realize(self.latent(*shape)).to(device)

    def identity(self, *shape: int, device: torch.device | str = "cpu") -> Tensor:
        unit = torch.zeros(*shape, self.dim, dtype=self.dtype, device=device)
        unit[..., 0] = 1
        return unit

    def bind(self, a: Tensor, b: Tensor) -> Tensor:
        self.check(a, b)
        return self.from_spectrum(self.spectrum(a) * self.spectrum(b))

    def unbind(self, product: Tensor, factor: Tensor) -> Tensor:
        self.check(product, factor)
        return self.from_spectrum(self.spectrum(product) * self.spectrum(factor).conj())

    def inverse(self, a: Tensor) -> Tensor:
        """The involution: dimension i goes to -i modulo D."""
        self.check(a)
        return torch.roll(a.flip(-1), 1, -1)

    def bind_all(self, vectors: Tensor, dim: int = -2) -> Tensor:
        self.check(vectors)
        return self.from_spectrum(self.spectrum(self._along(vectors, dim)).prod(-2))

    def superpose(self, vectors: Tensor, dim: int = -2, weights: Tensor | None = None) -> Tensor:
        self.check(vectors)
        vectors = self._along(vectors, dim)
        if weights is None:
            return vectors.sum(-2)
        return self._weighted(weights, vectors)

    def superpose_runs(self, items: Tensor, index: Tensor, n: int) -> Tensor:
        """In the spectrum, where binding is a product: one transform back a sequence."""
        rows = self._index(items, index, n)
        tables = [self.spectrum(self.permute(items, n - 1 - j)) for j in range(n)]
        return self.from_spectrum(grouped_run_sums(tables, rows)).reshape(*index.shape[:-1], -1)

    def normalize(self, superposition: Tensor) -> Tensor:
        """Scaled to unit length; zero stays zero."""
        self.check(superposition)
        return unit(superposition)

    def permute(self, a: Tensor, shift: int = 1) -> Tensor:
        """Move every number `shift` steps along the cycle."""
        self.check(a)
        source = self._cycle[torch.remainder(self._place - shift, self.dim)]
        return a.index_select(-1, source.to(a.device))

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
        """Normal numbers scaled by 1/√D, or made unitary."""
        self.check(latent)
        return self.make_unitary(latent) if self.unitary else latent / self.dim**0.5

    def make_unitary(self, a: Tensor) -> Tensor:
        """The same phases with a spectrum of modulus one: binding with it keeps lengths and is undone exactly."""
        self.check(a)
        spectrum = self.spectrum(a)
        return self.from_spectrum(torch.polar(torch.ones_like(spectrum.real), spectrum.angle()))

    def power(self, a: Tensor, exponent: Tensor) -> Tensor:
        """Bind `a` with itself a real number of times (fractional power; `a` unitary).

        Shapes: a [D], exponent [*B] -> [*B, D]
        Source: Plate, "Distributed Representations and Nested Compositional Structure", 1994, section 3.6.
        """
        self.check(a)
        if a.ndim != 1:
            raise HypervectorError(f"power needs one base hypervector, got the shape {list(a.shape)}")
        phases = exponent.to(self.dtype).unsqueeze(-1) * self.spectrum(a).angle()
        return self.from_spectrum(torch.polar(torch.ones_like(phases), phases))

    def spectrum(self, a: Tensor) -> Tensor:
        """The half of the Fourier transform that a real vector has. Shapes: [*B, D] -> [*B, D // 2 + 1]"""
        if not a.numel():  # of which MKL has no transform
            return a.new_zeros(*a.shape[:-1], self.dim // 2 + 1, dtype=self.dtype.to_complex())
        return torch.fft.rfft(a)

    def from_spectrum(self, spectrum: Tensor) -> Tensor:
        if not spectrum.numel():
            return spectrum.new_zeros(*spectrum.shape[:-1], self.dim, dtype=self.dtype)
        return torch.fft.irfft(spectrum, n=self.dim)
