"""Readouts: from a hypervector to the scores of a neural predicate, interchangeable in task.toml."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal, TypeAlias, final

import torch
from torch import Tensor, nn

from nesy.hdc import MAP
from nesy.perception.kan import GaussianKan, SplineKan

ReadoutName: TypeAlias = Literal["linear", "cosine", "mlp", "kan-spline", "kan-gaussian"]


def make_readouts(name: ReadoutName, dim: int, num_scores: Mapping[str, int], hidden: int, seed: int) -> nn.ModuleDict:
    """A readout for each neural predicate; the same seed gives the same start.

    Shapes: each [*B, D] -> [*B, V]
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        made = {predicate: _make(name, dim, width, hidden) for predicate, width in num_scores.items()}
    return nn.ModuleDict(made)


def _make(name: ReadoutName, dim: int, width: int, hidden: int) -> nn.Module:
    match name:
        case "linear":
            return nn.Linear(dim, width)
        case "cosine":
            return CosineReadout(dim, width)
        case "mlp":
            return nn.Sequential(nn.Linear(dim, hidden), nn.ReLU(), nn.Linear(hidden, width))
        case "kan-spline":
            return SplineKan(dim, width)
        case "kan-gaussian":
            return GaussianKan(dim, width)


@final
class CosineReadout(nn.Module):
    """The similarity to one learned hypervector per class, times a learned sharpness.

    Source: Ge, Parhi, "Classification Using Hyperdimensional Computing: A Review", 2020, for class prototypes.
    """

    def __init__(self, dim: int, num_scores: int):
        super().__init__()
        self.model = MAP(dim, dtype=torch.float32)
        self.prototypes = nn.Parameter(torch.randn(num_scores, dim))
        self.sharpness_log = nn.Parameter(torch.tensor(math.log(8.0)))  # scores start within -8 .. 8

    def forward(self, hypervectors: Tensor) -> Tensor:
        """Shapes: [*B, D] -> [*B, V]"""
        return self.sharpness_log.exp() * self.model.similarity(hypervectors, self.prototypes)
