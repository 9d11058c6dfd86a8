"""Handwritten formulas and what they come to, composed from pictures of single digits and operators.

A formula is a digit, or digits with an operator (`+`, `-`, `×`, `÷`) between each two: 1, 3, 5 or 7 pictures. Without
`path` the digits are scikit-learn's, split as those of the generator `digits`, and the operators are drawn here.
`path` names a folder that holds two: one of digits as the generator `digits` reads it (option `digits`), and one of
operators (option `operators`) with `classes.json` and the IDX files `train_images`, `train_labels`, `val_images` and
`val_labels`; test formulas are made of the latter.

Pictures are split, not formulas. What each picture shows goes into `concepts`, for measuring only.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from nesy.errors import DataError, TaskError
from nesy.learning.generators.digits import split_pictures
from nesy.perception.image.operators import OPERATORS, operator_picture
from nesy.perception.image.picture import Picture
from nesy.perception.image.sources import idx_pictures, read_idx

_CLASSES = {
    "addition_plus": "plus",
    "subtraction_minus": "minus",
    "multiplication_cross": "times",
    "division_obelus": "over",
}
_LENGTHS = (1, 3, 5, 7)
_SPLITS = {"train": 0, "dev": 1, "test": 2}
_NUM_DRAWN = 1_000_000  # operators that are drawn for a split

Draw: TypeAlias = Callable[[str, np.random.Generator], Picture]


def rows(
    split: str,
    seed: int,
    epoch: int,
    *,
    longest: int = 7,
    path: str = "",
    digits: str = "mnist_10k",
    operators: str = "mdas_operators",
) -> list[dict[str, Any]]:
    """As many formulas of each length as the split's digits give, each digit in at most one.

    `longest` holds for training formulas only. Nothing is divided by 0: `÷` is not drawn before one.
    Columns: `images`, `length`, and `value`, an integer or text such as `-7/3` in lowest terms.
    """
    if longest not in _LENGTHS:
        raise TaskError(f"the option `longest` of the generator `formula` must be 1, 3, 5 or 7, not {longest}")
    random = np.random.default_rng((seed, epoch, _SPLITS[split]))
    source, pixels, labels, chosen = split_pictures(split, str(Path(path) / digits) if path else "")
    draw = _of_folder(Path(path) / operators, split) if path else _drawn(split)
    lengths = [length for length in _LENGTHS if split != "train" or length <= longest]
    order = random.permutation(chosen)
    count = len(order) // sum((length + 1) // 2 for length in lengths)
    found: list[dict[str, Any]] = []
    start = 0
    for length in lengths:
        size = (length + 1) // 2
        for group in order[start : start + count * size].reshape(count, size):
            pictures = [Picture(f"{source}:{index}", pixels[index]) for index in group.tolist()]
            found.append(_row(pictures, labels[group].tolist(), draw, random))
        start += count * size
    return found


def _row(pictures: Sequence[Picture], shown: Sequence[int], draw: Draw, random: np.random.Generator) -> dict[str, Any]:
    images, marks = [pictures[0]], [str(shown[0])]
    for picture, digit in zip(pictures[1:], shown[1:], strict=True):
        operator = OPERATORS[random.integers(len(OPERATORS) - (digit == 0))]
        images += [draw(operator, random), picture]
        marks += [operator, str(digit)]
    value = worth(marks)
    return {
        "images": images,
        "length": len(images),
        "value": int(value) if value.denominator == 1 else str(value),
        "concepts": {"mark": [[place, mark] for place, mark in enumerate(marks)]},
    }


def worth(marks: Sequence[str]) -> Fraction:
    """What a formula comes to: `times` and `over` before `plus` and `minus`, otherwise from left to right.

    >>> str(worth(["7", "minus", "1", "over", "3"]))
    '20/3'

    Raises: ZeroDivisionError
    """
    total, term = Fraction(0), Fraction(int(marks[0]))
    for operator, digit in zip(marks[1::2], marks[2::2], strict=True):
        match operator:
            case "times":
                term *= int(digit)
            case "over":
                term /= int(digit)
            case _:
                total, term = total + term, Fraction(int(digit) if operator == "plus" else -int(digit))
    return total + term


def _drawn(split: str) -> Draw:
    """Operators drawn anew; no two splits share one."""
    first = _SPLITS[split] * _NUM_DRAWN
    return lambda operator, random: operator_picture(operator, first + int(random.integers(_NUM_DRAWN)))


# -- operators of a data set -----------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Operators:
    source: Path
    pixels: NDArray[np.float32]
    of: dict[str, NDArray[np.int64]]

    def draw(self, operator: str, random: np.random.Generator) -> Picture:
        index = int(random.choice(self.of[operator]))
        return Picture(f"{self.source}:{index}", self.pixels[index])


def _of_folder(folder: Path, split: str) -> Draw:
    """The operators of a split. Of the training file, the last seventh is dev."""
    operators = _read_operators(folder, "val" if split == "test" else "train")
    of: dict[str, NDArray[np.int64]] = {}
    for name, places in operators.of.items():
        cut = len(places) - len(places) // 7
        of[name] = places if split == "test" else places[:cut] if split == "train" else places[cut:]
    return _Operators(operators.source, operators.pixels, of).draw


@lru_cache(maxsize=4)
def _read_operators(folder: Path, part: str) -> _Operators:
    """Raises: DataError"""
    names, images, labels = (
        folder / name for name in ("classes.json", f"{part}_images.idx3-ubyte.gz", f"{part}_labels.idx1-ubyte.gz")
    )
    try:
        classes = json.loads(names.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise DataError(f"{names}: expected a JSON list of the names of operators") from None
    missing = [name for name in _CLASSES if not isinstance(classes, list) or name not in classes]
    if missing:
        raise DataError(f"{names}: the operators {', '.join(missing)} are missing")
    pixels, label = idx_pictures(images), read_idx(labels)
    if label.shape != (len(pixels),):
        raise DataError(f"{labels}: expected an operator for each of the {len(pixels):,} pictures")
    of = {mark: np.flatnonzero(label == classes.index(name)) for name, mark in _CLASSES.items()}
    empty = [mark for mark, places in of.items() if len(places) < 7]
    if empty:
        raise DataError(f"{images}: too few pictures of {', '.join(empty)}")
    return _Operators(images, pixels, of)
