"""The resonator network: factor a product of unknown items, one from each of several codebooks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from nesy.hdc.binary import BSC
from nesy.hdc.bipolar import MAP
from nesy.hdc.codebook import Codebook
from nesy.hdc.model import HypervectorError, Law

# Guesses of one step and the next at least this similar have stopped moving.
_SETTLED = 0.9999


@dataclass(frozen=True, eq=False)
class Factors:
    """What a resonator found for each product."""

    index: Tensor  # int64 [*B, F]: the row of each codebook
    converged: Tensor  # bool [*B]: the bound items are the product again
    iterations: Tensor  # int64 [*B]: steps taken
    names: tuple[tuple[str, ...], ...]

    def name(self, *place: int) -> tuple[str, ...]:
        """The factors of the product at a place of the batch."""
        return tuple(names[int(i)] for names, i in zip(self.names, self.index[place], strict=True))


@final
class Resonator:
    """Finds the factors of bind(x₁, x₂, …), each from its own codebook, without trying all combinations.

    Each step unbinds the current guesses of all other factors, and replaces the guess by the bundle of its codebook's
    items weighted by their similarity: guesses are superpositions that search in parallel. A product is found when
    the cleaned-up guesses bind to it again (their similarity reaches `accept`), which is checked at each step;
    products found leave the batch. A search that settles elsewhere starts again from random guesses until
    `max_iterations` are used up.
    Source: Frady, Kent, Olshausen, Sommer, "Resonator Networks, 1", Neural Computation 32(12), 2020.

    >>> from nesy.hdc import MAP
    >>> model = MAP(dim=2_000)
    >>> shape, colour = Codebook.random(model, ["cube", "ball"]), Codebook.random(model, ["red", "blue", "green"])
    >>> Resonator([shape, colour]).factor(model.bind(shape["ball"], colour["green"])).name()
    ('ball', 'green')
    """

    def __init__(self, codebooks: Sequence[Codebook], max_iterations: int = 500, accept: float = 0.99):
        if len(codebooks) < 2:
            raise HypervectorError(f"a resonator needs at least 2 codebooks, not {len(codebooks)}")
        models = {id(book.model): book.model for book in codebooks}
        model = codebooks[0].model
        if len(models) > 1:
            named = ", ".join(repr(other) for other in models.values())
            raise HypervectorError(f"the codebooks of a resonator share one model, these have {named}")
        if not {Law.COMMUTATIVE, Law.EXACT_UNBIND} <= model.laws:
            raise HypervectorError(f"a resonator needs binding that commutes and unbinds exactly, {model!r} does not")
        self.model, self.codebooks = model, tuple(codebooks)
        self.max_iterations, self.accept = max_iterations, accept
        # Bits and int8 signs search as float signs: each step is two matrix products with real weights.
        self._inner = MAP(model.dim, model.seed, torch.float32) if isinstance(model, BSC | MAP) else model
        self._items = [self._inside(book.vectors.detach()) for book in codebooks]

    def factor(self, products: Tensor) -> Factors:
        """Shapes: [*B, D]"""
        self.model.check(products)
        vsa = self._inner
        targets = self._inside(products.reshape(-1, self.model.width))
        count, parts = len(targets), len(self.codebooks)
        index = torch.zeros(count, parts, dtype=torch.int64, device=products.device)
        converged = torch.zeros(count, dtype=torch.bool, device=products.device)
        iterations = torch.zeros(count, dtype=torch.int64, device=products.device)
        active = torch.arange(count, device=products.device)
        guesses = [vsa.bundle(items).expand(count, -1) for items in self._items]
        for _ in range(self.max_iterations):
            if not len(active):
                break
            here = targets[active]
            settled = torch.ones(len(active), dtype=torch.bool, device=products.device)
            for i, items in enumerate(self._items):
                others = [guess for j, guess in enumerate(guesses) if j != i]
                similarity = vsa.similarity(vsa.unbind(here, vsa.bind_all(torch.stack(others, -2))), items)
                index[active, i] = similarity.argmax(-1)
                guess = self._mixture(items, similarity)
                settled &= vsa.pair_similarity(guess, guesses[i]) > _SETTLED
                guesses[i] = guess
            iterations[active] += 1
            chosen = [items[index[active, i]] for i, items in enumerate(self._items)]
            found = vsa.pair_similarity(vsa.bind_all(torch.stack(chosen, -2)), here) >= self.accept
            converged[active] = found
            stuck = (settled & ~found)[:, None]
            if stuck.any():
                starts = [self._seen_through(items, len(active)) for items in self._items]
                guesses = [torch.where(stuck, start, guess) for start, guess in zip(starts, guesses, strict=True)]
            guesses = [guess[~found] for guess in guesses]
            active = active[~found]
        shape = products.shape[:-1]
        names = tuple(book.names for book in self.codebooks)
        return Factors(index.reshape(*shape, parts), converged.reshape(shape), iterations.reshape(shape), names)

    def _seen_through(self, items: Tensor, count: int) -> Tensor:
        """New starts: random hypervectors, seen through a codebook's items. Shapes: [V, D] -> [count, D]"""
        drawn = self._inner.random(count, device=items.device)
        return self._mixture(items, self._inner.similarity(drawn, items))

    def _mixture(self, items: Tensor, weights: Tensor) -> Tensor:
        """A bundle that may, by chance, weigh nothing. Shapes: [V, D], [B, V] -> [B, D]"""
        return self._inner.normalize(self._inner.superpose(items, weights=weights))

    def _inside(self, vectors: Tensor) -> Tensor:
        if isinstance(self.model, BSC):
            return self.model.unpack(vectors, torch.float32)
        return vectors.to(self._inner.dtype)
