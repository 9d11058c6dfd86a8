"""IDX files, as MNIST comes: pictures in one file, their labels in another.

Columns: `images`, a list of one picture (its name, and rows of numbers from 0 to 255: `white = 255` in `[encoder]`);
`label`. A file of pictures and one of labels belong together where their names differ in no more than `images` and
`labels`, `idx3` and `idx1`.

Source: LeCun, Cortes, Burges, "The MNIST database of handwritten digits", section "File formats".
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nesy.errors import DataError
from nesy.learning.files import read_bytes
from nesy.learning.formats import Record
from nesy.learning.formats.splits import files_by_split

_UNSIGNED_BYTES = 8  # IDX's code of its one type that is read here
_MOST_VALUES = 1 << 31


def read(path: Path) -> dict[str, list[Record]]:
    """The pictures of each split with their labels."""
    if path.is_file():
        raise DataError(f"{path}: name the folder that holds both the file of pictures and the file of labels")
    found = files_by_split(path, ["ubyte", ".idx", ".idx1", ".idx3"])
    rows: dict[str, list[Record]] = {}
    for split, files in found.items():
        arrays = {file: _array(file) for file in files}
        labels = {_stem(file): array for file, array in arrays.items() if array.ndim == 1}
        for file, pictures in arrays.items():
            if pictures.ndim == 3:
                rows.setdefault(split, []).extend(_rows(file, pictures, labels.get(_stem(file))))
    return rows


def _rows(file: Path, pictures: NDArray[np.uint8], labels: NDArray[np.uint8] | None) -> list[Record]:
    if labels is None or len(labels) != len(pictures):
        what = "there is no file of labels that belongs to it" if labels is None else f"it has {len(labels):,} labels"
        raise DataError(f"{file}: {len(pictures):,} pictures, and {what}")
    name = _stem(file)
    return [
        {"images": [{"name": f"{name}:{i}", "pixels": picture.tolist()}], "label": int(label)}
        for i, (picture, label) in enumerate(zip(pictures, labels, strict=True))
    ]


def _stem(file: Path) -> str:
    name = file.name.removesuffix(".gz").lower()
    for word in ("images", "labels", "idx3", "idx1", "ubyte", "idx"):
        name = name.replace(word, "")
    return name.strip(".-_") or "picture"


def _array(file: Path) -> NDArray[np.uint8]:
    raw = read_bytes(file)
    if len(raw) < 4 or raw[:2] != b"\0\0":
        raise DataError(f"{file}: not an IDX file: it does not begin with two zero bytes")
    if raw[2] != _UNSIGNED_BYTES:
        raise DataError(f"{file}: holds numbers of type {raw[2]:#x}; only unsigned bytes (0x8) are read")
    rank, start = raw[3], 4 + 4 * raw[3]
    shape = [int.from_bytes(raw[4 + 4 * i : 8 + 4 * i]) for i in range(rank)]
    size = int(np.prod(shape, dtype=object)) if rank else 0
    if not rank or size > _MOST_VALUES or len(raw) - start != size:
        told = " x ".join(map(str, shape)) or "nothing"
        raise DataError(f"{file}: says that it holds {told} bytes, and holds {max(0, len(raw) - start):,}")
    return np.frombuffer(raw, np.uint8, offset=start).reshape(shape)
