"""What every model of hypervectors offers: the algebra, over plain tensors.

A hypervector is a tensor whose last axis is the hypervector; every other axis is a batch. The model object
keeps the dimension, the dtype and the seed, so nothing is guessed from a tensor. All models speak the same
words; `laws` says which equations hold exactly, and the tests have a counterexample for each of the others.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from enum import Enum
from numbers import Integral

import torch
from torch import Tensor

from nesy.errors import NesyError
from nesy.hdc.fixed_point import cosines, float_cosines
from nesy.hdc.rows import bag_sums, num_runs, run_members

# Numbers gathered at a time where runs are bound one by one.
_GATHERED = 1 << 22


class HypervectorError(NesyError, ValueError):
    """Hypervectors that do not fit the model, the codebook or the encoder they are given to."""


class Law(Enum):
    """An equation that a model may promise, exactly or within rounding."""

    COMMUTATIVE = "bind(a, b) = bind(b, a)"
    ASSOCIATIVE = "bind(a, bind(b, c)) = bind(bind(a, b), c)"
    LEFT_IDENTITY = "bind(identity, a) = a"
    RIGHT_IDENTITY = "bind(a, identity) = a"
    EXACT_UNBIND = "unbind(bind(a, b), b) = a"
    SELF_INVERSE = "inverse(a) = a"
    SUM_DISTRIBUTIVE = "bind(superpose(a, b), c) = superpose(bind(a, c), bind(b, c))"
    ODD_BUNDLE_DISTRIBUTIVE = "bind(bundle(a, b, c), d) = bundle(bind(a, d), bind(b, d), bind(c, d))"
    EVEN_BUNDLE_DISTRIBUTIVE = "bind(bundle(a, b), c) = bundle(bind(a, c), bind(b, c))"
    PERMUTE_BIND = "permute(bind(a, b)) = bind(permute(a), permute(b))"
    PERMUTE_BUNDLE = "permute(bundle(a, b)) = bundle(permute(a), permute(b))"
    SIMILARITY_KEPT = "similarity(bind(a, c), bind(b, c)) = similarity(a, b)"


class VSA(ABC):
    """A vector-symbolic architecture: how hypervectors are drawn, bound, bundled, permuted and compared.

    `random` draws from the model's own generator, always on the CPU and then moved, so that a seed gives the same
    hypervectors on every device. Everything else keeps no state.
    """

    name: str
    laws: frozenset[Law]
    default_dtype: torch.dtype
    dtypes: tuple[torch.dtype, ...]

    def __init__(self, dim: int, seed: int = 0, dtype: torch.dtype | None = None):
        if not isinstance(dim, Integral) or dim < 1:
            raise HypervectorError(f"{type(self).__name__} needs a whole dimension of at least 1, not {dim!r}")
        self.dim = int(dim)
        self.seed = seed
        self.dtype = self.default_dtype if dtype is None else dtype
        if self.dtype not in self.dtypes:
            offered = ", ".join(str(d).removeprefix("torch.") for d in self.dtypes)
            asked = str(dtype).removeprefix("torch.")
            raise HypervectorError(f"{type(self).__name__} has no dtype {asked}; it offers {offered}")
        self.generator = torch.Generator().manual_seed(seed)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(dim={self.dim}, seed={self.seed}, dtype={self.dtype})"

    @property
    def width(self) -> int:
        """Length of a hypervector tensor's last axis: D, or the number of words where bits are packed."""
        return self.dim

    # --- what each model says for itself

    @abstractmethod
    def random(self, *shape: int, device: torch.device | str = "cpu") -> Tensor:
        """Draw independent hypervectors. Shapes: -> [*shape, D]"""

    @abstractmethod
    def identity(self, *shape: int, device: torch.device | str = "cpu") -> Tensor:
        """The hypervector that binding leaves unchanged. Shapes: -> [*shape, D]"""

    @abstractmethod
    def bind(self, a: Tensor, b: Tensor) -> Tensor:
        """A hypervector for the pair, unlike both. Shapes: [*B, D], [*B, D] (broadcast) -> [*B, D]"""

    @abstractmethod
    def inverse(self, a: Tensor) -> Tensor:
        """What to bind with to undo binding with `a`. Shapes: [*B, D] -> [*B, D]"""

    def negative(self, a: Tensor) -> Tensor:
        """What cancels `a` in a bundle. Shapes: [*B, D] -> [*B, D]"""
        self.check(a)
        return -a

    @abstractmethod
    def superpose(self, vectors: Tensor, dim: int = -2, weights: Tensor | None = None) -> Tensor:
        """The plain sum over one batch axis, before it is made a hypervector again.

        Shapes: vectors [*B, L, D] (or [L, D] for all), weights [*B, L] -> [*B, D] (`dim` says which axis is L)
        """

    @abstractmethod
    def normalize(self, superposition: Tensor) -> Tensor:
        """The hypervector nearest to a superposition."""

    @abstractmethod
    def permute(self, a: Tensor, shift: int = 1) -> Tensor:
        """Rotate the dimensions by `shift`: a hypervector unlike `a`, undone by `-shift`. Shapes: [*B, D] -> [*B, D]"""

    @abstractmethod
    def similarity(self, a: Tensor, b: Tensor) -> Tensor:
        """All pairs: 1 for the same hypervector, about 0 for unrelated ones.

        Shapes: [*A, D], [*B, D] -> [*A, *B], float
        """

    def exact_similarity(self, a: Tensor, b: Tensor) -> Tensor:
        """As `similarity`, but never in fixed point: tells apart what lies close together. Shapes: as `similarity`"""
        return self.similarity(a, b)

    @abstractmethod
    def pair_similarity(self, a: Tensor, b: Tensor) -> Tensor:
        """Row by row, not all pairs. Shapes: [*B, D], [*B, D] (broadcast) -> float [*B]"""

    def narrowed(self, dim: int) -> VSA:
        """A model of fewer dimensions, for comparing the first ones alone."""
        return type(self)(dim, self.seed, self.dtype)

    def select(self, mask: Tensor, a: Tensor, b: Tensor) -> Tensor:
        """Each dimension from `a` where the mask is true, else from `b`. Shapes: mask bool [*B, D] -> [*B, D]"""
        self.check(a, b)
        return torch.where(mask, a, b)

    # --- what follows from it

    def unbind(self, product: Tensor, factor: Tensor) -> Tensor:
        """The other factor of a product (with noise, where the model's inverse is approximate)."""
        return self.bind(product, self.inverse(factor))

    def bundle(self, vectors: Tensor, dim: int = -2, weights: Tensor | None = None) -> Tensor:
        """One hypervector that is like each of those given: a set. Shapes: as `superpose`

        Raises: HypervectorError where there is none to be like: no vectors, or all weights 0
        """
        self._check_bundled(weights)
        return self.normalize(self.superpose(vectors, dim, weights))

    def bind_all(self, vectors: Tensor, dim: int = -2) -> Tensor:
        """Bind along one batch axis, from the first to the last. Shapes: [*B, L, D] -> [*B, D]"""
        vectors = self._along(vectors, dim)
        product = vectors[..., 0, :]
        for i in range(1, vectors.shape[-2]):
            product = self.bind(product, vectors[..., i, :])
        return product

    def superpose_rows(self, table: Tensor, index: Tensor) -> Tensor:
        """The sum of the rows of a table named by an index; -1 is left out. Nothing of [*B, L, D] is built.

        Shapes: table [T, D], index int64 [*B, L] -> as `superpose`
        """
        rows = self._index(table, index)
        return bag_sums(table, rows).reshape(*index.shape[:-1], -1)

    def bundle_rows(self, table: Tensor, index: Tensor) -> Tensor:
        """The bundle of the rows of a table. Shapes: as `superpose_rows`. Raises: HypervectorError for an empty one"""
        self._refuse_empty(index, 1)
        return self.normalize(self.superpose_rows(table, index))

    def superpose_runs(self, items: Tensor, index: Tensor, n: int) -> Tensor:
        """The sum over all runs of n neighbours, each bound after permuting its member j by n - 1 - j.

        Runs with an index of -1 are left out. Nothing of [*B, L, D] is built.
        Shapes: items [V, D], index int64 [*B, L] -> as `superpose`
        """
        rows = self._index(items, index, n)
        tables = [self.permute(items, n - 1 - j) for j in range(n)]
        sums = [self._run_sums(tables, few) for few in rows.split(max(1, _GATHERED // (rows.shape[1] * self.width)))]
        return torch.cat(sums).unflatten(0, index.shape[:-1])

    def bundle_runs(self, items: Tensor, index: Tensor, n: int) -> Tensor:
        """The bag of n-grams. Shapes: as `superpose_runs`. Raises: HypervectorError for a sequence without a run"""
        self._refuse_empty(index, n)
        return self.normalize(self.superpose_runs(items, index, n))

    def cleanup(self, noisy: Tensor, items: Tensor) -> Tensor:
        """The most similar of the items. Shapes: noisy [*B, D], items [V, D] -> [*B, D]"""
        similarity = self.exact_similarity(noisy, items)
        if not similarity.shape[-1]:
            raise HypervectorError("a cleanup needs at least one item")
        return items[similarity.argmax(-1)]

    def latent(self, *shape: int, device: torch.device | str = "cpu") -> Tensor:
        """Real numbers that `realize` turns into random hypervectors: start values for a learned codebook."""
        raise HypervectorError(self._not_learned())

    def realize(self, latent: Tensor) -> Tensor:
        """Hypervectors from real numbers, differentiably.

        Shapes: [*B, D] -> [*B, D]
        Gradient: flows to every latent number; through a sign it is straight-through.
        """
        raise HypervectorError(self._not_learned())

    # --- checks shared by all

    def check(self, *tensors: Tensor) -> None:
        """Refuse tensors of another width, dtype or device. Raises: HypervectorError"""
        for t in tensors:
            if t.dtype is not self.dtype:
                raise HypervectorError(
                    f"{self!r} got a tensor of {str(t.dtype).removeprefix('torch.')}: "
                    "hypervectors of another model or dtype do not mix"
                )
            self._check_width(t)
        if len({t.device for t in tensors}) > 1:
            raise HypervectorError(f"hypervectors on different devices: {', '.join(str(t.device) for t in tensors)}")

    def check_values(self, vectors: Tensor) -> None:
        """`check`, and refuse numbers that no hypervector of the model has. Raises: HypervectorError

        Codebooks look at every number once; operations do so only where it costs next to nothing.
        """
        self.check(vectors)
        if not torch.isfinite(vectors).all():
            raise HypervectorError(f"{self!r} got a hypervector with numbers that are not finite")

    def _check_width(self, t: Tensor) -> None:
        if t.ndim == 0 or t.shape[-1] != self.width:
            raise HypervectorError(f"{self!r} needs a last axis of {self.width}, got the shape {list(t.shape)}")

    def _along(self, vectors: Tensor, dim: int) -> Tensor:
        """The vectors with the axis to be reduced moved to -2, checked to be a batch axis and not empty."""
        self._check_width(vectors)
        if vectors.ndim < 2 or dim % vectors.ndim == vectors.ndim - 1:
            raise HypervectorError(f"axis {dim} of the shape {list(vectors.shape)} is not a batch axis")
        if vectors.shape[dim] == 0:
            raise HypervectorError("an empty bundle has no hypervector: give at least one")
        return vectors.movedim(dim, -2)

    def _weights(self, weights: Tensor, vectors: Tensor) -> Tensor:
        """Weights broadcast to [*B, L] of vectors [*B, L, D]; or many weights [*B, L] for the same vectors [L, D]."""
        expected = vectors.shape[:-1]
        shared = vectors.ndim == 2 and weights.shape[-1:] == expected
        if weights.shape != expected and weights.shape != expected[-1:] and not shared:
            raise HypervectorError(
                f"weights of shape {list(weights.shape)} do not fit vectors of shape {list(vectors.shape)}"
            )
        return weights if shared else weights.expand(expected)

    def _weighted(self, weights: Tensor, vectors: Tensor) -> Tensor:
        """Weighted sums over axis -2. Shapes: [*B, L], [*B, L, D] or [L, D] -> [*B, D]"""
        weights = self._weights(weights, vectors).to(vectors.dtype)
        return weights @ vectors if vectors.ndim == 2 else (weights.unsqueeze(-2) @ vectors).squeeze(-2)

    def _check_bundled(self, weights: Tensor | None) -> None:
        if weights is None:
            return
        if not torch.isfinite(weights).all():
            raise HypervectorError("weights must be finite")
        if weights.shape[-1:].numel() and (weights == 0).all(-1).any():
            raise HypervectorError("an empty bundle has no hypervector: all its weights are 0")

    def _draw(self, shape: tuple[int, ...]) -> Tensor:
        """Standard normal numbers from the model's generator, on the CPU."""
        return torch.randn(*shape, self.dim, generator=self.generator)

    def _index(self, table: Tensor, index: Tensor, n: int = 1) -> Tensor:
        """The index as a matrix, checked against the table and the length of runs. Shapes: [*B, L] -> [B, L]"""
        self.check(table)
        if index.ndim == 0 or index.dtype is not torch.int64:
            raise HypervectorError(f"an index is int64 of shape [*B, L], got {index.dtype} {list(index.shape)}")
        if not 1 <= n <= index.shape[-1]:
            raise HypervectorError(f"a sequence of {index.shape[-1]} has no runs of {n}")
        if index.numel() and not -1 <= int(index.min()) <= int(index.max()) < len(table):
            raise HypervectorError(
                f"index {int(index.min())}..{int(index.max())} does not fit the {len(table)} items (-1 for none)"
            )
        return index.reshape(-1, index.shape[-1])

    def _run_sums(self, tables: list[Tensor], index: Tensor) -> Tensor:
        """`superpose_runs` by its definition, for a few sequences."""
        members = run_members(index, len(tables))
        runs = tables[0][members[0].clamp_min(0)]
        for table, member in zip(tables[1:], members[1:], strict=True):
            runs = self.bind(runs, table[member.clamp_min(0)])
        known = torch.stack([member >= 0 for member in members]).all(0)
        return self.superpose(runs, weights=None if known.all() else known.to(torch.float32))

    def _refuse_empty(self, index: Tensor, n: int) -> None:
        counts = num_runs(index.reshape(-1, index.shape[-1]), n) if index.shape[-1] >= n else None
        if counts is not None and (counts == 0).any():
            first = int((counts == 0).to(torch.int8).argmax())
            what = "symbol" if n == 1 else f"run of {n} symbols"
            raise HypervectorError(f"sequence {first} has no {what}: an empty bundle has no hypervector")

    def _not_learned(self) -> str:
        return f"{type(self).__name__} has no real numbers behind its hypervectors to learn"


def check_temperature(temperature: float) -> None:
    """Raises: HypervectorError"""
    if not temperature > 0:
        raise HypervectorError(f"a temperature must be positive, not {temperature:g}")


def all_pairs(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor, torch.Size]:
    """Both sides as matrices, and the shape of the all-pairs result."""
    return a.reshape(-1, a.shape[-1]), b.reshape(-1, b.shape[-1]), a.shape[:-1] + b.shape[:-1]


def cosine(a: Tensor, b: Tensor) -> Tensor:
    """Cosine of all pairs of real vectors (see `cosines`). Shapes: [*A, D], [*B, D] -> [*A, *B]"""
    x, y, shape = all_pairs(a, b)
    return cosines(x, y).reshape(shape)


def exact_cosine(a: Tensor, b: Tensor) -> Tensor:
    """As `cosine`, in floats. Shapes: [*A, D], [*B, D] -> [*A, *B]"""
    x, y, shape = all_pairs(a, b)
    return float_cosines(x, y).reshape(shape)


def pair_cosine(a: Tensor, b: Tensor) -> Tensor:
    """Cosine row by row; a zero vector is like nothing (0). Shapes: [*B, D], [*B, D] -> [*B]"""
    return (unit(a) * unit(b)).sum(-1)


def unit(a: Tensor) -> Tensor:
    """Each vector scaled to length one; a zero vector stays zero, with a zero gradient. Shapes: [*B, D] -> [*B, D]"""
    length = torch.linalg.vector_norm(a, dim=-1, keepdim=True)
    return a / torch.where(length > 0, length, torch.inf)
