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


@final
class Readouts(nn.ModuleDict):
    """A readout for each neural predicate, by its name.

    A module cannot be called by every such name: not by `kin.digit`, of a file included under an alias, nor by `keys`.
    """

    def __init__(self, modules: Mapping[str, nn.Module]):
        super().__init__({_module_name(name): module for name, module in modules.items()})

    def __getitem__(self, key: str) -> nn.Module:
        return super().__getitem__(_module_name(key))


_TAKEN = frozenset(dir(nn.ModuleDict()))


def _module_name(predicate: str) -> str:
    """A module's name for a predicate's, itself where that may be; two predicates never share one.

    >>> _module_name("digit"), _module_name("kin.digit"), _module_name("keys")
    ('digit', 'kin%2Edigit', 'keys%')
    """
    name = predicate.replace("%", "%25").replace(".", "%2E")
    return f"{name}%" if name in _TAKEN else name


def make_readouts(
    name: ReadoutName, dim: int | Mapping[str, int], num_scores: Mapping[str, int], hidden: int, seed: int
) -> Readouts:
    """A readout for each neural predicate, of vectors as wide as `dim` says; the same seed gives the same start.

    Shapes: each [*B, D] -> [*B, V]
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        made = {
            predicate: _make(name, dim if isinstance(dim, int) else dim[predicate], width, hidden)
            for predicate, width in num_scores.items()
        }
    return Readouts(made)


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
