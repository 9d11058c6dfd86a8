"""Pairs of handwritten digits and their sum, composed from scikit-learn's 1,797 digits of 8 x 8 pixels.

Pictures are split, not pairs: no test picture is ever trained on. What each digit is goes into `concepts`, for
measuring only.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from nesy.errors import TaskError
from nesy.perception.image.picture import Picture
from nesy.perception.image.sources import digits

_SPLIT_SEED = 1234  # one fixed split, whatever the training seed, so that runs can be compared
_NUM_TRAIN = 1297  # of 1,797; the other 500 are the test
_NUM_DEV = 97  # of the training pictures, where asked for


def rows(split: str, seed: int, epoch: int, *, count: int = 2, hold_out_dev: bool = True) -> list[dict[str, Any]]:
    """Disjoint groups of `count` pictures each; every picture of a split is in at most one group.

    A test or dev group stands in one place only, so its rows are as independent as its pictures; training pictures
    are grouped anew for each seed and epoch. Without `hold_out_dev`, dev pictures are trained on too.
    """
    if not 1 <= count <= 8:
        raise TaskError(f"the option `count` of the generator `digits` must be from 1 to 8, not {count}")
    pixels, labels = digits()
    order = np.random.default_rng(_SPLIT_SEED).permutation(len(pixels))
    train, test = order[:_NUM_TRAIN], order[_NUM_TRAIN:]
    dev = train[-_NUM_DEV:]
    match split:
        case "train":
            chosen = train[:-_NUM_DEV] if hold_out_dev else train
            chosen = np.random.default_rng((seed, epoch)).permutation(chosen)
        case "dev":
            chosen = dev
        case _:
            chosen = test
    groups = chosen[: len(chosen) // count * count].reshape(-1, count)
    return [
        {
            "images": [Picture(f"digits:{index}", pixels[index]) for index in group.tolist()],
            "sum": int(labels[group].sum()),
            "concepts": {"digit": [[place, int(label)] for place, label in enumerate(labels[group])]},
        }
        for group in groups
    ]
