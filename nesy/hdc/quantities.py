"""Numbers as hypervectors: near numbers get similar hypervectors."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import final

import torch
from torch import Tensor, nn

from nesy.hdc.binary import BSC
from nesy.hdc.bipolar import MAP
from nesy.hdc.fhrr import FHRR
from nesy.hdc.hrr import HRR
from nesy.hdc.model import VSA, HypervectorError
from nesy.hdc.vtb import VTB


class Scale(nn.Module, ABC):
    """A number in low..high as one of `count` hypervectors, evenly spaced."""

    vectors: Tensor  # [count, D]

    def __init__(self, model: VSA, low: float, high: float, count: int):
        super().__init__()
        if not (math.isfinite(low) and math.isfinite(high)):
            raise HypervectorError(f"a scale needs finite ends, not {low:g}..{high:g}")
        if not low < high:
            raise HypervectorError(f"a scale from {low:g} to {high:g} is empty: low must be less than high")
        if count < 2:
            raise HypervectorError(f"a scale needs at least 2 levels, not {count}")
        self.model, self.low, self.high, self.count = model, low, high, count
        self.register_buffer("vectors", self.build())

    @abstractmethod
    def build(self) -> Tensor:
        """The hypervectors of all levels. Shapes: -> [count, D]"""

    def position(self, values: Tensor) -> Tensor:
        """Where each value lies, in levels: 0 .. count - 1. Raises: HypervectorError outside the scale"""
        outside = ~((values >= self.low) & (values <= self.high))
        if outside.any():
            value = float(values[outside][0])
            raise HypervectorError(f"{value:g} is outside the scale {self.low:g}..{self.high:g}")
        return (values - self.low) * ((self.count - 1) / (self.high - self.low))

    def index(self, values: Tensor) -> Tensor:
        """The nearest level of each value. Shapes: [*B] -> int64 [*B]"""
        return self.position(values).round().to(torch.int64)

    def forward(self, values: Tensor) -> Tensor:
        """The hypervector of the nearest level. Shapes: [*B] -> [*B, D]"""
        return self.vectors[self.index(values)]

    def interpolate(self, values: Tensor) -> Tensor:
        """A mixture of the two levels around each value, for float models. Shapes: [*B] -> [*B, D]

        Gradient: to the values, piecewise constant.
        """
        if not (self.vectors.is_floating_point() or self.vectors.is_complex()):
            raise HypervectorError(f"{self.model!r} cannot interpolate: use a model of a float dtype")
        position = self.position(values)
        below = position.detach().floor().clamp(max=self.count - 2)
        share = (position - below).unsqueeze(-1)
        index = below.to(torch.int64)
        return (1 - share) * self.vectors[index] + share * self.vectors[index + 1]

    def decode(self, vectors: Tensor) -> Tensor:
        """The value of the most similar level. Shapes: [*B, D] -> float [*B]"""
        index = self.model.similarity(vectors, self.vectors).argmax(-1)
        return self.low + index * ((self.high - self.low) / (self.count - 1))


@final
class Level(Scale):
    """Similarity falls linearly with distance, to none between the two ends.

    Source: Rahimi et al., "A Robust and Energy-Efficient Classifier Using Brain-Inspired Hyperdimensional Computing",
    ISLPED 2016.

    >>> from nesy.hdc import MAP
    >>> scale = Level(MAP(dim=10_000), 0.0, 1.0, 11)
    >>> [f"{abs(s):.1f}" for s in scale.model.similarity(scale.vectors[0], scale.vectors[[0, 5, 10]])]
    ['1.0', '0.5', '0.0']
    """

    def build(self) -> Tensor:
        first, last = self.model.random(2)
        switch = torch.rand(self.model.dim, generator=self.model.generator)
        level = torch.arange(self.count).unsqueeze(-1) / (self.count - 1)
        return self.model.select(switch < level, last, first)


@final
class Circular(Scale):
    """A scale whose end is its beginning (angles, hours): similarity falls linearly with the distance on the circle.

    Level 0 stands for `low`, and `high` is the same point.
    Source: Nunes et al., "An Extension to Basis-Hypervectors for Learning from Circular Data in Hyperdimensional
    Computing", 2022.
    """

    def build(self) -> Tensor:
        near, far = self.model.random(2)
        start = torch.rand(self.model.dim, generator=self.model.generator)
        angle = torch.arange(self.count).unsqueeze(-1) / self.count
        return self.model.select(torch.remainder(angle - start, 1) < 0.5, near, far)

    def position(self, values: Tensor) -> Tensor:
        if not torch.isfinite(values).all():
            raise HypervectorError("a circular scale needs finite values")
        return torch.remainder((values - self.low) / (self.high - self.low), 1) * self.count

    def index(self, values: Tensor) -> Tensor:
        return self.position(values).round().to(torch.int64) % self.count

    def interpolate(self, values: Tensor) -> Tensor:
        if not (self.vectors.is_floating_point() or self.vectors.is_complex()):
            raise HypervectorError(f"{self.model!r} cannot interpolate: use a model of a float dtype")
        position = self.position(values)
        below = position.detach().floor()
        share = (position - below).unsqueeze(-1)
        index = below.to(torch.int64)
        return (1 - share) * self.vectors[index % self.count] + share * self.vectors[(index + 1) % self.count]

    def decode(self, vectors: Tensor) -> Tensor:
        index = self.model.similarity(vectors, self.vectors).argmax(-1)
        return self.low + index * ((self.high - self.low) / self.count)


@final
class Thermometer(Scale):
    """The first dimensions are set and the rest are not, as many as the level says: from all opposite to all equal.

    For MAP, BSC and FHRR. Similarity falls linearly, to -1 between the two ends.
    """

    def build(self) -> Tensor:
        if not isinstance(self.model, MAP | BSC | FHRR):
            raise HypervectorError(f"a thermometer needs MAP, BSC or FHRR, not {self.model!r}")
        on = self.model.identity()
        off = self.model.pack(torch.ones(self.model.dim, dtype=torch.bool)) if isinstance(self.model, BSC) else -on
        place = (torch.arange(self.model.dim) + 0.5) / self.model.dim
        level = torch.arange(self.count).unsqueeze(-1) / (self.count - 1)
        return self.model.select(place < level, on, off)


@final
class RandomProjection(nn.Module):
    """Vectors of numbers, kept alike where they point alike: random directions, then what the model makes of them.

    MAP and BSC take the sign (similarity falls linearly with the angle between the vectors); HRR and VTB take the
    numbers; FHRR takes them as angles (similarity is a Gaussian of the distance over the bandwidth).
    Source: Charikar, "Similarity Estimation Techniques from Rounding Algorithms", STOC 2002, for the sign; Rahimi and
    Recht, "Random Features for Large-Scale Kernel Machines", NIPS 2007, for the angles.
    """

    def __init__(self, model: VSA, features: int, bandwidth: float = 1.0, learned: bool = False):
        super().__init__()
        if features < 1:
            raise HypervectorError(f"a projection needs at least 1 feature, not {features}")
        if not bandwidth > 0:
            raise HypervectorError(f"the bandwidth must be positive, not {bandwidth:g}")
        self.model, self.features, self.bandwidth = model, features, bandwidth
        kind = torch.float64 if model.dtype in (torch.float64, torch.complex128) else torch.float32
        directions = torch.randn(model.dim, features, generator=model.generator).to(kind)
        self.directions: Tensor
        if learned:
            self.directions = nn.Parameter(directions)
        else:
            self.register_buffer("directions", directions)

    def forward(self, values: Tensor) -> Tensor:
        """Shapes: float [*B, features] -> [*B, D]. Gradient: as the model's `realize`, to values and directions"""
        if values.ndim == 0 or values.shape[-1] != self.features:
            raise HypervectorError(f"the projection takes {self.features} features, got the shape {list(values.shape)}")
        if not torch.isfinite(values).all():
            raise HypervectorError("a projection needs finite values")
        projected = values.to(self.directions.dtype) @ self.directions.T
        match self.model:
            case BSC():
                return self.model.pack(projected)
            case FHRR():
                return self.model.realize(projected / self.bandwidth)
            case MAP():
                return self.model.realize(projected)
            case HRR() | VTB():
                return self.model.normalize(projected)
            case _:
                raise HypervectorError(f"{self.model!r} has no random projection")


@final
class FractionalPower(nn.Module):
    """Any real number, as a base hypervector bound with itself that many times: FHRR, or a unitary HRR.

    Adding numbers is binding. Similarity falls with distance over the bandwidth (sinc-shaped).
    Source: Plate, "Distributed Representations and Nested Compositional Structure", 1994; Frady, Kleyko, Kymn,
    Olshausen, Sommer, "Computing on Functions Using Randomized Vector Representations", 2022.

    >>> from nesy.hdc import FHRR
    >>> number = FractionalPower(FHRR(dim=1_000))
    >>> sum_of_two = number.model.bind(number(torch.tensor(1.5)), number(torch.tensor(2.0)))
    >>> f"{number.model.similarity(sum_of_two, number(torch.tensor(3.5))):.2f}"
    '1.00'
    """

    def __init__(self, model: FHRR | HRR, bandwidth: float = 1.0, learned: bool = False):
        super().__init__()
        if not isinstance(model, FHRR | HRR) or (isinstance(model, HRR) and not model.unitary):
            raise HypervectorError("FractionalPower needs FHRR or HRR(unitary=True)")
        if not bandwidth > 0:
            raise HypervectorError(f"the bandwidth must be positive, not {bandwidth:g}")
        self.model, self.bandwidth = model, bandwidth
        latent = model.latent()
        self.latent: Tensor
        if learned:
            self.latent = nn.Parameter(latent)
        else:
            self.register_buffer("latent", latent)

    def forward(self, values: Tensor) -> Tensor:
        """Shapes: [*B] -> [*B, D]. Gradient: to the values and, where learned, to the base"""
        if isinstance(self.model, FHRR):
            return self.model.realize((values / self.bandwidth).to(self.latent.dtype).unsqueeze(-1) * self.latent)
        return self.model.power(self.model.realize(self.latent), values / self.bandwidth)

    def decode(self, vectors: Tensor, candidates: Tensor) -> Tensor:
        """The most similar of the candidate numbers. Shapes: [*B, D], [V] -> [*B]"""
        if candidates.ndim != 1 or not len(candidates):
            raise HypervectorError(f"candidates are one or more numbers [V], got the shape {list(candidates.shape)}")
        return candidates[self.model.exact_similarity(vectors, self(candidates)).argmax(-1)]
