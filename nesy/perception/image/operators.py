"""Arithmetic operators as a pen might draw them, as small as scikit-learn's digits; each number is another drawing."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nesy.perception.image.picture import Picture

OPERATORS = ("plus", "minus", "times", "over")

# Strokes from (x, y) to (x, y) in a square from -1 to 1, y downwards; a dot is a stroke without length.
_STROKES = {
    "plus": ((-0.6, 0.0, 0.6, 0.0), (0.0, -0.6, 0.0, 0.6)),
    "minus": ((-0.6, 0.0, 0.6, 0.0),),
    "times": ((-0.5, -0.5, 0.5, 0.5), (-0.5, 0.5, 0.5, -0.5)),
    "over": ((-0.6, 0.0, 0.6, 0.0), (0.0, -0.7, 0.0, -0.7), (0.0, 0.7, 0.0, 0.7)),
}
_SIDE = 8  # pixels
_FINE = 4  # subpixels along each side of a pixel


def operator_picture(operator: str, number: int) -> Picture:
    """Drawing `number` of an operator: `plus:7` is always the same.

    Shapes: pixels [8, 8] in 0..1
    """
    random = np.random.default_rng((OPERATORS.index(operator), number))
    return Picture(f"{operator}:{number}", _draw(operator, random))


def _draw(operator: str, random: np.random.Generator) -> NDArray[np.float32]:
    """Strokes with ends that tremble, moved, slanted and more or less thick."""
    place = (np.arange(_SIDE * _FINE) + 0.5) / (_SIDE * _FINE) * 2 - 1
    x, y = np.meshgrid(place, place)
    angle, width = random.uniform(-0.15, 0.15), random.uniform(0.11, 0.17)
    moved = random.uniform(-0.1, 0.1, 2)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) * random.uniform(0.9, 1.1)
    ink = np.zeros_like(x)
    for stroke in _STROKES[operator]:
        a, b = (np.array(stroke).reshape(2, 2) + random.normal(0, 0.04, (2, 2))) @ turn.T + moved
        along = b - a
        share = ((x - a[0]) * along[0] + (y - a[1]) * along[1]) / max(float(along @ along), 1e-9)
        share = np.clip(share, 0, 1)
        ink = np.maximum(ink, np.hypot(x - a[0] - share * along[0], y - a[1] - share * along[1]) < width)
    return ink.reshape(_SIDE, _FINE, _SIDE, _FINE).mean((1, 3)).astype(np.float32)
