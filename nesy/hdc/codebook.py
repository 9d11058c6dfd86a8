"""Codebooks (item memories): names and their hypervectors, looked up both ways."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self, final

import torch
from torch import Tensor, nn

from nesy.errors import near_name
from nesy.hdc.model import VSA, HypervectorError, check_temperature


@dataclass(frozen=True, eq=False)
class Nearest:
    """The items most similar to each query, best first."""

    index: Tensor  # int64 [*B, K]
    similarity: Tensor  # float [*B, K]
    names: tuple[str, ...]  # of the whole codebook

    @property
    def name(self) -> str:
        """The best item of a single query."""
        if self.index.ndim != 1:
            raise HypervectorError(f"`name` is for a single query, these are {list(self.index.shape[:-1])}")
        return self.names[int(self.index[0])]


@final
class Codebook(nn.Module):
    """A hypervector for each of a set of names.

    `random` draws one for each name; `learned` keeps real numbers behind them that an optimizer can move; `of` takes
    hypervectors you have.

    >>> from nesy.hdc import MAP
    >>> fruit = Codebook.random(MAP(dim=1_000), ["apple", "pear", "plum"])
    >>> noisy = fruit.model.bundle(fruit.encode(["apple", "pear", "apple"]))
    >>> fruit.nearest(noisy).name
    'apple'
    """

    def __init__(self, model: VSA, names: Sequence[str], vectors: Tensor | None, latent: Tensor | None):
        super().__init__()
        self.model = model
        self.names = tuple(names)
        self._index = {name: i for i, name in enumerate(self.names)}
        if not self.names:
            raise HypervectorError("a codebook needs at least one name")
        if len(self._index) < len(self.names):
            twice = next(name for i, name in enumerate(self.names) if self._index[name] != i)
            raise HypervectorError(f"`{twice}` is twice in the codebook")
        if vectors is not None:
            model.check_values(vectors)
            if vectors.shape != (len(self.names), model.width):
                raise HypervectorError(f"{len(self.names)} names do not fit vectors of shape {list(vectors.shape)}")
        self.register_buffer("fixed", vectors)
        self.latent = None if latent is None else nn.Parameter(latent)

    @classmethod
    def random(cls, model: VSA, names: int | Iterable[str]) -> Self:
        """Independent random hypervectors; a number n stands for the names 0 .. n-1."""
        names = _names(names)
        return cls(model, names, model.random(len(names)), None)

    @classmethod
    def learned(cls, model: VSA, names: int | Iterable[str]) -> Self:
        """Random hypervectors with real parameters behind them. Gradient: that of the model's `realize`."""
        names = _names(names)
        return cls(model, names, None, model.latent(len(names)))

    @classmethod
    def of(cls, model: VSA, names: int | Iterable[str], vectors: Tensor) -> Self:
        """These hypervectors, in the order of the names."""
        return cls(model, _names(names), vectors, None)

    def __len__(self) -> int:
        return len(self.names)

    def __contains__(self, name: str) -> bool:
        return name in self._index

    def __getitem__(self, name: str) -> Tensor:
        """The hypervector of one name. Shapes: -> [D]"""
        return self.vectors[self.index([name])[0]]

    @property
    def vectors(self) -> Tensor:
        """All hypervectors. Shapes: -> [V, D]"""
        if self.latent is not None:
            return self.model.realize(self.latent)
        assert isinstance(self.fixed, Tensor)
        return self.fixed

    def index(self, names: Iterable[str]) -> Tensor:
        """The row of each name. Shapes: -> int64 [L]. Raises: HypervectorError with the nearest name"""
        try:
            return torch.tensor([self._index[name] for name in names], dtype=torch.int64)
        except KeyError as error:
            raise HypervectorError(self._unknown(error.args[0])) from None

    def encode(self, names: Iterable[str]) -> Tensor:
        """The hypervectors of several names. Shapes: -> [L, D]"""
        return self.vectors[self.index(names)]

    def similarity(self, query: Tensor) -> Tensor:
        """To every item. Shapes: [*B, D] -> float [*B, V]"""
        return self.model.similarity(query, self.vectors)

    def nearest(self, query: Tensor, k: int = 1) -> Nearest:
        """The k most similar items, best first. Shapes: query [*B, D]"""
        if not 1 <= k <= len(self):
            raise HypervectorError(f"k must be in 1..{len(self)}, the size of the codebook, not {k}")
        similarity, index = self.model.exact_similarity(query, self.vectors).topk(k, dim=-1)
        return Nearest(index, similarity, self.names)

    def cleanup(self, query: Tensor, temperature: float | None = None) -> Tensor:
        """The nearest item; with a temperature the bundle of all, weighted by softmax(similarity / temperature).

        Shapes: [*B, D] -> [*B, D]
        Gradient: with a temperature, to the query and to a learned codebook; without, none to the query.
        """
        if temperature is None:
            return self.model.cleanup(query, self.vectors)
        check_temperature(temperature)
        vectors = self.vectors
        weights = torch.softmax(self.model.similarity(query, vectors) / temperature, -1)
        return self.model.bundle(vectors, weights=weights)

    def _unknown(self, name: object) -> str:
        near = near_name(name, self.names) if isinstance(name, str) else None
        hint = f"; did you mean `{near}`?" if near else f"; it has {len(self)} names, `{self.names[0]}` the first"
        return f"`{name}` is not in the codebook{hint}"


@final
class CoarseCleanup:
    """Approximate cleanup for big codebooks: rank all items by their first `dims` dimensions, then the best
    `candidates` by all of them.

    Each dimension of a hypervector says as much as any other, so the first ones estimate the whole similarity with a
    standard error of about 1/√dims. The similarities returned are exact; an item is missed only where its estimate
    falls behind `candidates` others.
    Cost: D / dims times less than the exact search, and as much less memory read.

    >>> from nesy.hdc import MAP
    >>> book = Codebook.random(MAP(dim=10_000), 2_000)
    >>> CoarseCleanup(book, dims=1_024).nearest(book["1234"]).name
    '1234'
    """

    def __init__(self, codebook: Codebook, dims: int = 1024, candidates: int = 32):
        model = codebook.model
        per_word = model.dim / model.width if model.dim == model.width else 64
        if not 0 < dims <= model.dim or dims % per_word:
            unit = " and a multiple of 64" if per_word == 64 else ""
            raise HypervectorError(f"dims must be in 1..{model.dim}{unit}, not {dims}")
        if not 1 <= candidates <= len(codebook):
            raise HypervectorError(f"candidates must be in 1..{len(codebook)}, the size of the codebook")
        self.codebook, self.candidates = codebook, candidates
        self._coarse_model = model.narrowed(dims)
        self._coarse = codebook.vectors.detach()[:, : self._coarse_model.width].contiguous()

    def nearest(self, query: Tensor, k: int = 1) -> Nearest:
        """As `Codebook.nearest`, approximately. Shapes: query [*B, D]"""
        if not 1 <= k <= self.candidates:
            raise HypervectorError(f"k must be in 1..{self.candidates}, the number of candidates, not {k}")
        model, vectors = self.codebook.model, self.codebook.vectors
        model.check(query)
        flat = query.reshape(-1, model.width)
        rough = self._coarse_model.similarity(flat[:, : self._coarse.shape[1]].contiguous(), self._coarse)
        chosen = rough.topk(self.candidates, dim=-1).indices
        exact = [model.similarity(one, vectors[few]) for one, few in zip(flat, chosen, strict=True)]
        similarity, place = torch.stack(exact).topk(k, dim=-1)
        shape = (*query.shape[:-1], k)
        return Nearest(chosen.gather(1, place).reshape(shape), similarity.reshape(shape), self.codebook.names)


def _names(names: int | Iterable[str]) -> tuple[str, ...]:
    return tuple(str(i) for i in range(names)) if isinstance(names, int) else tuple(names)
