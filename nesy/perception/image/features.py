"""From pixels to one hypervector: bound pairs of what is seen and where, bundled."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeAlias, final

import torch
from torch import Tensor, nn

from nesy.hdc import MAP, Level

Box: TypeAlias = tuple[int, int, int, int]  # top, left, bottom, right in pixels; the last two excluded


@final
class RecordFeatures(nn.Module):
    """Each pixel's grey level bound with its place; the picture is the bundle. Nothing here is learned.

    Source: Ge, Parhi, "Classification Using Hyperdimensional Computing: A Review", 2020, on record-based encoding.
    """

    table: Tensor  # [P * levels, D] every level bound with every place

    def __init__(self, shape: tuple[int, int], dim: int, levels: int, seed: int):
        super().__init__()
        self.model = MAP(dim, seed=seed, dtype=torch.float32)
        self.levels = levels
        self.num_places = shape[0] * shape[1]
        scale = Level(self.model, 0.0, 1.0, levels).vectors
        places = self.model.random(self.num_places)
        bound = self.model.bind(places[:, None], scale[None])
        self.register_buffer("table", bound.flatten(0, 1))

    def forward(self, pixels: Tensor) -> Tensor:
        """Shapes: [B, H, W] -> [B, D]"""
        level = (pixels.flatten(1) * (self.levels - 1)).round().to(torch.int64)
        place = torch.arange(self.num_places, device=pixels.device) * self.levels
        sums = nn.functional.embedding_bag(level + place, self.table, mode="sum")
        return self.model.normalize(sums)

    def members(self, pixels: Tensor) -> tuple[list[Box], Tensor]:
        """The pixels as boxes, and what each adds to the bundle. Shapes: [H, W] -> [H * W, D]"""
        height, width = pixels.shape
        level = (pixels.flatten() * (self.levels - 1)).round().to(torch.int64)
        place = torch.arange(self.num_places, device=pixels.device) * self.levels
        boxes = [(i, j, i + 1, j + 1) for i in range(height) for j in range(width)]
        return boxes, self.table[level + place]


@final
class ConvolutionFeatures(nn.Module):
    """Learned local features, each bound with its place; the picture is the soft sign of the bundle.

    A stage is a 3 x 3 convolution, a ReLU and a maximum over 2 x 2. Channel c has a random hypervector, so has
    every place p of the last stage; feature f[c, p] weighs their product. Binding and bundling are one matrix
    product with the table of all products.
    """

    table: Tensor  # [C * P, D] every channel bound with every place

    def __init__(self, shape: tuple[int, int], dim: int, channels: Sequence[int], seed: int):
        super().__init__()
        self.model = MAP(dim, seed=seed, dtype=torch.float32)
        stages: list[nn.Module] = []
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            for before, after in zip([1, *channels], channels, strict=False):
                stages += [nn.Conv2d(before, after, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2, ceil_mode=True)]
        # On a CPU, a fifth to a third of the time is saved where a pixel's channels lie side by side.
        self.stem: nn.Sequential = nn.Sequential(*stages).to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        height, width = (math.ceil(side / 2 ** len(channels)) for side in shape)
        bound = self.model.bind(self.model.random(channels[-1], 1), self.model.random(1, height * width))
        self.register_buffer("table", bound.flatten(0, 1) / math.sqrt(len(bound.flatten(0, 1))))

    def forward(self, pixels: Tensor) -> Tensor:
        """Shapes: [B, H, W] -> [B, D]"""
        features = self.stem(pixels[:, None]).flatten(1)
        return torch.tanh(features @ self.table)

    def members(self, pixels: Tensor) -> tuple[list[Box], Tensor]:
        """The cell that each feature lies over, and what it adds to the bundle. Shapes: [H, W] -> [C * P, D]

        A convolution also looks a few pixels beyond its cell.
        """
        features = self.stem(pixels[None, None])[0]
        (channels, rows, columns), (height, width) = features.shape, pixels.shape
        side = 2 ** (len(self.stem) // 3)
        boxes = [
            (i * side, j * side, min(height, (i + 1) * side), min(width, (j + 1) * side))
            for i in range(rows)
            for j in range(columns)
        ]
        return boxes * channels, features.flatten()[:, None] * self.table
