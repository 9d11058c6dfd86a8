"""What an image encoder saw, as a small PNG: what spoke for the outcome is orange, what spoke against it blue."""

from __future__ import annotations

import struct
import zlib

import numpy as np
from numpy.typing import NDArray

from nesy.perception import Influence

_SIDE = 112  # pixels that the longer side has at least, so that a small picture is sharp
_FOR, _AGAINST = np.array([255.0, 122.0, 0.0]), np.array([0.0, 90.0, 255.0])
_STRONGEST = 0.55  # share of the tint where a part's influence is greatest


def to_raster(pixels: NDArray[np.float32], influence: Influence | None = None) -> bytes:
    """A PNG of grey levels (0 is paper, 1 is ink), tinted by what each box of it did.

    Shapes: pixels [H, W]
    """
    colour = 255.0 * (1.0 - np.repeat(pixels[:, :, None], 3, axis=2).astype(np.float64))
    shares = [(part.box, value) for part, value in influence.parts if part.box] if influence else []
    greatest = max((abs(value) for _, value in shares), default=0.0)
    for box, value in shares:
        if greatest:
            top, left, bottom, right = box
            weight = _STRONGEST * abs(value) / greatest
            tint = _FOR if value > 0 else _AGAINST
            colour[top:bottom, left:right] = (1 - weight) * colour[top:bottom, left:right] + weight * tint
    times = max(1, -(-_SIDE // max(pixels.shape)))
    return _png(np.repeat(np.repeat(colour.round().astype(np.uint8), times, axis=0), times, axis=1))


def _png(rows: NDArray[np.uint8]) -> bytes:
    """Shapes: [H, W, 3]. Source: W3C, "Portable Network Graphics (PNG) Specification", 2nd edition, 2003."""
    height, width, _ = rows.shape
    lines = np.concatenate([np.zeros((height, 1), np.uint8), rows.reshape(height, -1)], axis=1)  # each unfiltered

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = [chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(lines.tobytes())), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)
