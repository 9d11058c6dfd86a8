"""A picture: grey levels from 0 (background) to 1, with a name that explanations can print."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nesy.errors import DataError

_LARGEST = 1 << 22  # pixels; four million is a photograph, and none of these encoders is meant for one


@dataclass(frozen=True, eq=False)
class Picture:
    """Shapes: pixels float32 [H, W]"""

    name: str
    pixels: NDArray[np.float32]

    @property
    def shape(self) -> tuple[int, int]:
        height, width = self.pixels.shape
        return height, width


def as_picture(value: object, default_name: str, white: float) -> Picture:
    """A picture from what a data row may hold: a `Picture`, an array, rows of numbers, or a table of name and pixels.

    Numbers are divided by `white`, the value of the lightest pixel (1, 16, 255, ...).
    Raises: DataError
    """
    if isinstance(value, Picture):
        return value
    if isinstance(value, dict):
        name = value.get("name", default_name)
        if set(value) - {"name", "pixels"} or "pixels" not in value or not isinstance(name, str):
            raise DataError(
                f'{default_name}: expected {{"name": text, "pixels": rows of numbers}}, found {value!r:.60}'
            )
        return as_picture(value["pixels"], name, white)
    if not isinstance(value, list | tuple | np.ndarray):
        raise DataError(f"{default_name}: expected a picture (rows of numbers), found {value!r:.60}")
    try:
        pixels = np.asarray(value, dtype=np.float32) / white
    except (TypeError, ValueError):
        raise DataError(f"{default_name}: a picture is rows of numbers, all of the same length") from None
    if pixels.ndim != 2 or not 0 < pixels.size <= _LARGEST:
        shape = " x ".join(map(str, pixels.shape))
        raise DataError(
            f"{default_name}: a picture has rows and columns, this has the shape {shape or 'of one number'}"
        )
    if not (pixels.min() >= 0 and pixels.max() <= 1):  # also refuses nan
        raise DataError(
            f"{default_name}: pixels must be from 0 to {white:g} (option `white` of [encoder]), found "
            f"{pixels.min() * white:g} to {pixels.max() * white:g}"
        )
    return Picture(default_name, pixels)
