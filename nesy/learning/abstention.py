"""When to say nothing: how often answers at least so sure are wrong, counted on dev rows.

A model that may abstain answers only where its best answer is sure enough. What that is worth is counted, not
believed: of the dev rows that would be answered, how many are wrong.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nesy.errors import DataError, RunError
from nesy.hub import run_place
from nesy.run_folder import read_json

CONFIDENCE_FILE = "confidence.json"
_POINTS = 10  # of the curve of coverage against error


@dataclass(frozen=True)
class Expectation:
    """What to expect of the answers whose chance is at least a threshold."""

    threshold: float
    rows: int  # that were counted
    answered: int
    wrong: int

    @property
    def coverage(self) -> float:
        """The share of inputs that are answered."""
        return self.answered / self.rows if self.rows else 0.0

    @property
    def error(self) -> float:
        """A bound on the chance that the next answer is wrong; 1 where nothing was answered.

        It holds on average for inputs drawn as the counted rows were, whatever the model: one more row, taken to be
        wrong, is as likely to be any of them.
        Source: Angelopoulos, Bates, Fisch, Lei, Schuster, "Conformal Risk Control", ICLR 2024, for a fixed threshold.
        """
        return (self.wrong + 1) / (self.answered + 1)

    def __str__(self) -> str:
        return (
            f"answers at least {self.threshold:.0%} sure: {self.answered:,} of {self.rows:,} dev rows, {self.wrong:,} "
            f"wrong; expect at most {self.error:.1%} wrong"
        )

    def to_dict(self) -> dict[str, Any]:
        """As JSON data."""
        return {
            "threshold": self.threshold,
            "rows": self.rows,
            "answered": self.answered,
            "wrong": self.wrong,
            "coverage": round(self.coverage, 6),
            "error_at_most": round(self.error, 6),
        }


@dataclass(frozen=True, eq=False)
class Confidence:
    """How sure the best answer of each row was, the surest first, and whether it was right.

    Shapes: chance [N] from 1 down, right [N]
    """

    chance: NDArray[np.float64]
    right: NDArray[np.bool_]

    @classmethod
    def of(cls, p: NDArray[np.float64], target: NDArray[np.int64]) -> Confidence:
        """Of answer distributions and known answers. Shapes: p [N, A], target [N]"""
        if not p.size:
            return cls(np.zeros(0), np.zeros(0, dtype=bool))
        chance = p.max(axis=1)
        order = np.argsort(-chance, kind="stable")
        return cls(chance[order], (p.argmax(axis=1) == target)[order])

    def at(self, threshold: float) -> Expectation:
        """What to expect when answers below a threshold are kept back."""
        answered = self.chance >= threshold
        return Expectation(threshold, len(self.chance), int(answered.sum()), int((answered & ~self.right).sum()))

    def curve(self) -> list[Expectation]:
        """Coverage against error: the thresholds at which a tenth, two tenths, ... of the rows are answered."""
        if not len(self.chance):
            return []
        places = [max(1, round(len(self.chance) * part / _POINTS)) for part in range(1, _POINTS + 1)]
        return [self.at(float(self.chance[place - 1])) for place in dict.fromkeys(places)]

    def to_json(self) -> str:
        """The text of a run's confidence.json."""
        return json.dumps({"chance": [round(c, 6) for c in self.chance.tolist()], "right": self.right.tolist()})

    @classmethod
    def read(cls, run: Path) -> Confidence:
        """What a run folder keeps of its dev rows.

        Raises: RunError for a run without it: made by an older nesy, or damaged.
        """
        if not (run / CONFIDENCE_FILE).is_file():
            raise RunError(f"{run}: the run does not know how sure its dev answers were: train it again")
        match read_json(run, CONFIDENCE_FILE):
            case {"chance": list(chance), "right": list(right)} if len(chance) == len(right):
                return cls(np.array(chance, dtype=np.float64), np.array(right, dtype=bool))
        raise RunError(f"{run / CONFIDENCE_FILE}: not what training writes there")


def expected_error(run: str | Path, threshold: float) -> Expectation:
    """What to expect of a run that answers only where it is at least so sure.

    Dev chose the run's best epoch and its temperatures too, so its count is a little friendlier than new rows are.

    Raises: DataError for a threshold that is no chance; RunError.
    """
    if not 0 <= threshold <= 1:
        raise DataError(f"an answer's chance is from 0 to 1, so there is nothing to abstain from below {threshold:g}")
    return Confidence.read(run_place(run)).at(threshold)
