"""Kolmogorov-Arnold layers: a learned function on every edge instead of a weight, summed at every output.

Each edge's function is a combination of fixed bumps over -1..1, the range of a soft bundle, and of a smooth
ramp that also reaches outside. Two kinds of bumps: B-splines, local and exact; Gaussians, cheaper to evaluate.
Source: Liu et al., "KAN: Kolmogorov-Arnold Networks", 2024 (B-splines and the ramp); Li, "Kolmogorov-Arnold
Networks are Radial Basis Function Networks", 2024 (Gaussians).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import final

import torch
from torch import Tensor, nn


class Kan(nn.Module, ABC):
    """Inputs are D numbers, outputs V sums of D learned functions.

    Cost: D * V * num_bumps parameters, and as many multiplications for each row.
    """

    num_bumps: int

    def __init__(self, dim: int, num_outputs: int, num_bumps: int):
        super().__init__()
        self.num_bumps = num_bumps
        # Sums of D * num_bumps terms start with the variance of one linear layer's outputs.
        self.bumps = nn.Parameter(torch.randn(dim * num_bumps, num_outputs) * (0.1 / math.sqrt(dim)))
        self.ramp = nn.Linear(dim, num_outputs)

    @abstractmethod
    def basis(self, x: Tensor) -> Tensor:
        """The value of every bump. Shapes: [*B, D] -> [*B, D, num_bumps]"""

    def forward(self, x: Tensor) -> Tensor:
        """Shapes: [*B, D] -> [*B, V]"""
        return self.ramp(nn.functional.silu(x)) + self.basis(x).flatten(-2) @ self.bumps


@final
class SplineKan(Kan):
    """B-splines of degree 3 on a uniform grid of `intervals` over -1..1; outside, only the ramp is left."""

    degree = 3
    knots: Tensor  # [intervals + 2 * degree + 1]

    def __init__(self, dim: int, num_outputs: int, intervals: int = 5):
        super().__init__(dim, num_outputs, intervals + self.degree)
        step = 2.0 / intervals
        places = torch.arange(-self.degree, intervals + self.degree + 1, dtype=torch.float32)
        self.register_buffer("knots", places * step - 1.0)

    def basis(self, x: Tensor) -> Tensor:
        """Cox and de Boor's recursion."""
        x = x.unsqueeze(-1)
        knots = self.knots.to(x.dtype)
        bumps = ((x >= knots[:-1]) & (x < knots[1:])).to(x.dtype)
        for degree in range(1, self.degree + 1):
            rising = (x - knots[: -degree - 1]) / (knots[degree:-1] - knots[: -degree - 1])
            falling = (knots[degree + 1 :] - x) / (knots[degree + 1 :] - knots[1:-degree])
            bumps = rising * bumps[..., :-1] + falling * bumps[..., 1:]
        return bumps


@final
class GaussianKan(Kan):
    """Gaussians at evenly spaced centres over -1..1, as wide as their distance."""

    centres: Tensor  # [num_bumps]

    def __init__(self, dim: int, num_outputs: int, num_bumps: int = 8):
        super().__init__(dim, num_outputs, num_bumps)
        self.register_buffer("centres", torch.linspace(-1.0, 1.0, num_bumps))

    def basis(self, x: Tensor) -> Tensor:
        width = 2.0 / (self.num_bumps - 1)
        return torch.exp(-(((x.unsqueeze(-1) - self.centres.to(x.dtype)) / width) ** 2))
