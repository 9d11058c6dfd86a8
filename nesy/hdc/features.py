"""Rows of numbers as bipolar hypervectors: the front of every classifier here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from nesy.hdc.bipolar import MAP
from nesy.hdc.model import HypervectorError
from nesy.hdc.quantities import Level

Encoding: TypeAlias = Literal["nonlinear", "linear", "record"]
ENCODINGS: tuple[Encoding, ...] = ("nonlinear", "linear", "record")

_ROWS = 256  # encoded at a time: 20 MB of float64 at D = 10,000
_DISTANCES = 512  # rows whose distances set the bandwidth


@dataclass(frozen=True, eq=False)
class FeatureEncoder:
    """How numbers become signs. Every tensor is kept, so that a saved encoder needs no random numbers.

    nonlinear   sign(cos(w·x + b)): similarity is that of a Gaussian kernel, up to the sign's distortion
    linear      sign(w·x): similarity falls linearly with the angle between centred rows
    record      each feature's place bound with the level of its value, bundled
    """

    encoding: Encoding
    tensors: dict[str, Tensor]

    @classmethod
    def fit(
        cls, rows: Tensor, encoding: Encoding, dim: int, seed: int, bandwidth: float, levels: int
    ) -> FeatureEncoder:
        """Centre, scale and bandwidth from the training rows; directions from the seed. Shapes: rows float64 [N, F]"""
        if encoding not in ENCODINGS:
            raise HypervectorError(f"`{encoding}` is no encoding; there are {', '.join(ENCODINGS)}")
        model = MAP(dim, seed)
        low, high = rows.amin(0), rows.amax(0)
        if encoding == "record":
            scale = Level(model, 0.0, 1.0, levels)
            places = model.random(rows.shape[1])
            table = model.bind(places[:, None], scale.vectors)
            return cls(encoding, {"low": low, "high": high, "table": table})
        centre = rows.mean(0)
        directions = torch.randn(rows.shape[1], dim, generator=model.generator, dtype=torch.float64)
        if encoding == "linear":
            return cls(encoding, {"centre": centre, "directions": directions})
        few = rows[:: max(1, len(rows) // _DISTANCES)][:_DISTANCES]
        distances = torch.nn.functional.pdist(few)
        typical = distances[distances > 0].median() if bool((distances > 0).any()) else torch.ones((), dtype=rows.dtype)
        # In half turns, so that the sign of the cosine is the parity of a floor.
        directions = directions / (bandwidth * typical * torch.pi)
        offset = torch.rand(dim, generator=model.generator, dtype=torch.float64) * 2
        return cls(encoding, {"centre": centre, "directions": directions, "offset": offset})

    @property
    def num_features(self) -> int:
        return len(self.tensors["low" if self.encoding == "record" else "centre"])

    def encode(self, rows: Tensor) -> Tensor:
        """Shapes: float64 [N, F] -> int8 [N, D]"""
        if not len(rows):
            width = self.tensors["table" if self.encoding == "record" else "directions"].shape[-1]
            return torch.empty(0, width, dtype=torch.int8)
        return torch.cat([self._encode(few) for few in rows.split(_ROWS)])

    def _encode(self, rows: Tensor) -> Tensor:
        t = self.tensors
        if self.encoding == "record":
            features, levels, dim = t["table"].shape
            span = torch.where(t["high"] > t["low"], t["high"] - t["low"], 1)
            share = ((rows - t["low"]) / span).clamp(0, 1)  # beyond the training rows' range: its ends
            index = (share * (levels - 1)).round().to(torch.int64) + levels * torch.arange(features)
            return MAP(dim).bundle_rows(t["table"].flatten(0, 1), index)
        centred = rows - t["centre"]
        if self.encoding == "linear":
            return (centred @ t["directions"] >= 0).to(torch.int8).mul_(2).sub_(1)
        half_turns = torch.addmm(t["offset"], centred, t["directions"]).floor_()
        return torch.remainder(half_turns, 2).to(torch.int8).mul_(-2).add_(1)
