"""Pictures as they might as well have been drawn: turned, moved and stretched a little, anew each time."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Jitter:
    """The most that a picture is changed by; each picture draws its own change, evenly up to these.

    Units: `turn` in degrees, `shift` as a share of the side, `stretch` as a share of the size (and of slant)
    """

    turn: float
    shift: float
    stretch: float

    @property
    def is_still(self) -> bool:
        """Whether nothing changes."""
        return self.turn == self.shift == self.stretch == 0

    def __call__(self, pixels: Tensor) -> Tensor:
        """What comes in from beyond the edge is background; the draws are torch's.

        Shapes: [B, H, W] -> [B, H, W]
        """
        if self.is_still:
            return pixels
        turn, size, slant, right, down = torch.rand(5, len(pixels), device=pixels.device, dtype=pixels.dtype) * 2 - 1
        angle = turn * math.radians(self.turn)
        scale, shear = 1 + size * self.stretch, slant * self.stretch
        # The place in the old picture that each place of the new one shows; a side reaches from -1 to 1.
        across = torch.stack([angle.cos() * scale, shear - angle.sin() * scale, 2 * self.shift * right], 1)
        along = torch.stack([angle.sin() * scale, angle.cos() * scale, 2 * self.shift * down], 1)
        places = nn.functional.affine_grid(
            torch.stack([across, along], 1), [len(pixels), 1, *pixels.shape[1:]], align_corners=False
        )
        return nn.functional.grid_sample(pixels[:, None], places, align_corners=False)[:, 0]
