"""People with diabetes: ten measurements, and whether the disease went on faster than usual in the year after.

The rows are those of scikit-learn's diabetes data (442 people). `label` is `faster` where its index of progression
is above 140, about the median, else `slower`. A fixed permutation keeps 222 for testing; the others are for training,
of which `train` are drawn by the seed, so that it can be seen what few rows are enough for.

Source: Efron, Hastie, Johnstone, Tibshirani, "Least Angle Regression", Annals of Statistics 2004.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from nesy.errors import TaskError

_SPLIT_SEED = 1234  # one fixed split, whatever the training seed, so that runs can be compared
_NUM_TEST = 222  # of 442
_USUAL = 140.0  # index of progression; the median is 140.5
# The data's columns and what they measure; the seventh, the logarithm of triglycerides, is taken back to mg/dl.
_COLUMNS = ("age", "sex", "bmi", "pressure", "cholesterol", "ldl", "hdl", "ratio", "triglycerides", "glucose")


def rows(split: str, seed: int, epoch: int, *, train: int = 220) -> list[dict[str, Any]]:
    """The people of a split; there is no dev split, as rows are to be few.

    Columns: age, sex (1 or 2), body mass index, mean arterial pressure (mmHg), cholesterol, LDL, HDL, triglycerides and
    glucose (mg/dl), the ratio of cholesterol to HDL, and `label`.
    """
    from sklearn.datasets import load_diabetes  # slow to import, and only this function needs it

    measured, progression = map(np.asarray, load_diabetes(return_X_y=True, scaled=False))
    order = np.random.default_rng(_SPLIT_SEED).permutation(len(progression))
    pool = order[:-_NUM_TEST]
    if not 2 <= train <= len(pool):
        raise TaskError(f"the option `train` of the generator `diabetes` must be from 2 to {len(pool)}, not {train}")
    match split:
        case "train":
            chosen = np.random.default_rng((seed, epoch)).permutation(pool)[:train]
        case "dev":
            return []
        case _:
            chosen = order[-_NUM_TEST:]
    return [_row(measured[i].tolist(), float(progression[i])) for i in chosen.tolist()]


def _row(measured: list[float], progression: float) -> dict[str, Any]:
    row: dict[str, Any] = dict(zip(_COLUMNS, measured, strict=True))
    row["triglycerides"] = float(round(math.exp(row["triglycerides"])))
    row["label"] = "faster" if progression > _USUAL else "slower"
    return row
