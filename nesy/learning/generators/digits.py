"""Groups of handwritten digits and their sum, composed from pictures of single digits.

Without `path` the pictures are scikit-learn's 1,797 digits of 8 x 8 pixels, split by a fixed permutation into 1,200
for training, 97 for dev and 500 for testing. `path` names a folder with one IDX file of pictures and one of labels
(MNIST and its like), split by position: the last seventh is the test, the one before it dev.

Pictures are split, not groups: no test picture is ever trained on. What each digit is goes into `concepts`, for
measuring only.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nesy.errors import DataError, TaskError
from nesy.perception.image.picture import Picture
from nesy.perception.image.sources import digits, idx_pictures, read_idx

_SPLIT_SEED = 1234  # one fixed split, whatever the training seed, so that runs can be compared
_NUM_TEST = 500  # of scikit-learn's 1,797
_NUM_DEV = 97
_SHARE = 7  # of an IDX file, one part in so many is the test, and one is dev


def rows(split: str, seed: int, epoch: int, *, count: int = 2, path: str = "") -> list[dict[str, Any]]:
    """Disjoint groups of `count` pictures each; every picture of a split is in at most one group.

    A test or dev picture stands in one group only, so its rows are as independent as its pictures; training pictures
    are grouped anew for each seed and epoch.
    """
    if not 1 <= count <= 8:
        raise TaskError(f"the option `count` of the generator `digits` must be from 1 to 8, not {count}")
    source, pixels, labels, chosen = split_pictures(split, path)
    if split == "train":
        chosen = np.random.default_rng((seed, epoch)).permutation(chosen)
    groups = chosen[: len(chosen) // count * count].reshape(-1, count)
    return [
        {
            "images": [Picture(f"{source}:{index}", pixels[index]) for index in group.tolist()],
            "sum": int(labels[group].sum()),
            "concepts": {"digit": [[place, int(label)] for place, label in enumerate(labels[group])]},
        }
        for group in groups
    ]


def split_pictures(
    split: str, path: str
) -> tuple[str | Path, NDArray[np.float32], NDArray[np.int64], NDArray[np.int64]]:
    """Where all pictures are from, their pixels, the digits they show, and which of them belong to the split."""
    if path:
        source, pixels, labels = _idx_folder(Path(path))
        return source, pixels, labels, _by_position(split, len(pixels))
    pixels, labels = digits()
    return "digits", pixels, labels, _by_permutation(split, len(pixels))


def _by_permutation(split: str, size: int) -> NDArray[np.int64]:
    order = np.random.default_rng(_SPLIT_SEED).permutation(size)
    num_train = size - _NUM_TEST - _NUM_DEV
    match split:
        case "train":
            return order[:num_train]
        case "dev":
            return order[num_train : num_train + _NUM_DEV]
        case _:
            return order[num_train + _NUM_DEV :]


def _by_position(split: str, size: int) -> NDArray[np.int64]:
    part = size // _SHARE
    match split:
        case "train":
            return np.arange(size - 2 * part)
        case "dev":
            return np.arange(size - 2 * part, size - part)
        case _:
            return np.arange(size - part, size)


def _idx_folder(folder: Path) -> tuple[Path, NDArray[np.float32], NDArray[np.int64]]:
    """The pictures and labels of a folder, told apart by their number of axes."""
    if not folder.is_dir():
        raise DataError(f"{folder}: expected a folder with an IDX file of pictures and one of labels")
    files = sorted([*folder.glob("*.idx[13]-ubyte"), *folder.glob("*.idx[13]-ubyte.gz")])
    pictures = [file for file in files if "idx3" in file.name]
    labels = [file for file in files if "idx1" in file.name]
    if len(pictures) != 1 or len(labels) != 1:
        found = ", ".join(file.name for file in files) or "none"
        raise DataError(
            f"{folder}: expected one .idx3-ubyte file of pictures and one .idx1-ubyte of labels, found {found}"
        )
    pixels, digit = idx_pictures(pictures[0]), read_idx(labels[0]).astype(np.int64)
    if digit.shape != (len(pixels),) or (digit > 9).any():
        raise DataError(f"{labels[0]}: expected a digit for each of the {len(pixels):,} pictures")
    return pictures[0], pixels, digit
