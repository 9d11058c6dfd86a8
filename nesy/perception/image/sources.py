"""Pictures by name: of a data set that ships with a package, drawn by nesy, or of an IDX file.

`digits:12` is picture 12 of scikit-learn's handwritten digits, `plus:7` an operator that is drawn;
`PATH.idx3-ubyte.gz:12` is picture 12 of an IDX file (the format of MNIST).
"""

from __future__ import annotations

import struct
import zlib
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nesy.errors import DataError
from nesy.perception.image.operators import OPERATORS, operator_picture
from nesy.perception.image.picture import Picture

_MOST_DIGITS = 18  # of a drawing's number, which seeds its pen
_LARGEST_IDX = 1 << 28  # bytes after unpacking: five times all of MNIST


def find_pictures(typed: str) -> list[Picture]:
    """The pictures that a person names, apart by spaces: `digits:12 digits:700`.

    Raises: DataError
    """
    names = typed.split()
    if not names:
        raise DataError("name a picture, such as digits:12")
    return [_find(name) for name in names]


def _find(name: str) -> Picture:
    source, colon, number = name.rpartition(":")
    if not colon or not number.isdecimal():
        raise DataError(f"`{name}` names no picture: write SOURCE:NUMBER, such as digits:12 or FILE.idx3-ubyte.gz:12")
    if source in OPERATORS and len(number) <= _MOST_DIGITS:
        return operator_picture(source, int(number))
    pixels = digits()[0] if source == "digits" else idx_pictures(Path(source))
    if int(number) >= len(pixels):
        raise DataError(f"{source} has {len(pixels):,} pictures, from 0: there is no number {number}")
    return Picture(name, pixels[int(number)])


@lru_cache(maxsize=1)
def digits() -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """scikit-learn's 1,797 handwritten digits and what they are.

    Shapes: -> [N, 8, 8] in 0..1, [N]
    Source: Alpaydin, Kaynak, "Optical Recognition of Handwritten Digits", UCI, 1998.
    """
    from sklearn.datasets import load_digits  # slow to import, and only this function needs it

    pixels, labels = load_digits(return_X_y=True)
    white = np.float32(16)
    return np.asarray(pixels, np.float32).reshape(-1, 8, 8) / white, np.asarray(labels, np.int64)


def idx_pictures(path: Path) -> NDArray[np.float32]:
    """The pictures of an IDX file, gzipped or not. Shapes: -> [N, H, W] in 0..1. Raises: DataError"""
    array = read_idx(path)
    if array.ndim != 3:
        raise DataError(f"{path}: an IDX file of pictures has 3 axes, this has {array.ndim}")
    return array.astype(np.float32) / np.float32(255)


@lru_cache(maxsize=8)
def read_idx(path: Path) -> NDArray[np.uint8]:
    """An IDX file of bytes, gzipped or not. Raises: DataError"""
    try:
        raw = path.read_bytes()
        if raw[:2] == b"\x1f\x8b":
            unpacker = zlib.decompressobj(16 + zlib.MAX_WBITS)
            raw = unpacker.decompress(raw, _LARGEST_IDX)
            if unpacker.unconsumed_tail:
                raise DataError(f"{path}: more than {_LARGEST_IDX:,} bytes when unpacked")
            if not unpacker.eof:
                raise DataError(f"{path}: the gzip file is cut off")
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None
    except zlib.error:
        raise DataError(f"{path}: the gzip file is damaged") from None
    if len(raw) < 4 or raw[:3] != b"\x00\x00\x08":
        raise DataError(f"{path}: not an IDX file of bytes")
    axes = raw[3]
    header = 4 + 4 * axes
    if len(raw) < header:
        raise DataError(f"{path}: the IDX file is cut off in its header")
    shape = struct.unpack(f">{axes}I", raw[4:header])
    if len(raw) - header != int(np.prod(shape, dtype=object)):
        raise DataError(
            f"{path}: the IDX header says {' x '.join(map(str, shape))}, the file holds {len(raw) - header:,} bytes"
        )
    return np.frombuffer(raw, dtype=np.uint8, offset=header).reshape(shape)
