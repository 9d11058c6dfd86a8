"""Structures as single hypervectors, and back: multisets, sequences, n-grams, records."""

from __future__ import annotations

import torch
from torch import Tensor

from nesy.hdc.model import VSA, HypervectorError


def multiset(model: VSA, vectors: Tensor, weights: Tensor | None = None) -> Tensor:
    """A bag: similar to each of its members, in any order. Shapes: [*B, L, D], weights [*B, L] -> [*B, D]"""
    return model.bundle(vectors, weights=weights)


def sequence(model: VSA, vectors: Tensor, weights: Tensor | None = None) -> Tensor:
    """A list: member i is permuted i times before bundling, so order counts.

    Shapes: [*B, L, D], weights [*B, L] (zero masks a place out) -> [*B, D]
    Source: Kanerva, "Hyperdimensional Computing", Cognitive Computation 1, 2009.
    """
    return model.bundle(_permuted(model, vectors), weights=weights)


def sequence_item(model: VSA, encoded: Tensor, place: int) -> Tensor:
    """What was at a place of a sequence, noisy: clean it up with a codebook. Shapes: [*B, D] -> [*B, D]"""
    return model.permute(encoded, -place)


def bind_sequence(model: VSA, vectors: Tensor) -> Tensor:
    """A list as one product: member i is permuted i times before binding. Unlike each of its members; known whole.

    Shapes: [*B, L, D] -> [*B, D]
    """
    return model.bind_all(_permuted(model, vectors))


def record(model: VSA, keys: Tensor, values: Tensor, weights: Tensor | None = None) -> Tensor:
    """A record: each value bound with its key, bundled. With places as keys it is a positional encoding.

    Shapes: keys [L, D] or [*B, L, D], values [*B, L, D], weights [*B, L] -> [*B, D]
    """
    if keys.shape[-2:-1] != values.shape[-2:-1]:
        raise HypervectorError(f"{keys.shape[-2]} keys do not fit {values.shape[-2]} values")
    return model.bundle(model.bind(keys, values), weights=weights)


def record_value(model: VSA, encoded: Tensor, key: Tensor) -> Tensor:
    """The value under a key of a record, noisy: clean it up with a codebook. Shapes: [*B, D], [*B, D] -> [*B, D]"""
    return model.unbind(encoded, key)


def ngrams(model: VSA, vectors: Tensor, n: int = 3, weights: Tensor | None = None) -> Tensor:
    """The bag of all runs of n neighbours, each bound after permuting its member j by n - 1 - j.

    Shapes: [*B, L, D], weights [*B, L - n + 1] -> [*B, D]
    """
    length = vectors.shape[-2]
    if not 1 <= n <= length:
        raise HypervectorError(f"a sequence of {length} has no runs of {n}")
    runs = model.permute(vectors[..., : length - n + 1, :], n - 1)
    for j in range(1, n):
        runs = model.bind(runs, model.permute(vectors[..., j : length - n + 1 + j, :], n - 1 - j))
    return model.bundle(runs, weights=weights)


def _permuted(model: VSA, vectors: Tensor) -> Tensor:
    if vectors.ndim < 2 or vectors.shape[-2] == 0:
        raise HypervectorError(f"a sequence is [*B, L, D] with at least one member, not {list(vectors.shape)}")
    return torch.stack([model.permute(vectors[..., i, :], i) for i in range(vectors.shape[-2])], dim=-2)
