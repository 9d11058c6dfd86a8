"""What is measured of a trained model, from answer distributions and known answers alone.

Every figure is a plain function of arrays, so that a test can check it by hand.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nesy.learning.abstention import Confidence

SMALLEST = 1e-12  # probability below which a log is clamped: an impossible answer costs 27.6 nats, not infinity

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Figures:
    """The figures of one set of rows."""

    rows: int
    accuracy: float
    log_loss: float
    brier: float
    ece: float

    def to_dict(self) -> dict[str, Any]:
        return {
            "rows": self.rows,
            "accuracy": _round(self.accuracy),
            "log_loss": _round(self.log_loss),
            "brier": _round(self.brier),
            "ece": _round(self.ece),
        }


@dataclass(frozen=True)
class ConceptFigures:
    """How often a neural predicate is right where its truth is known."""

    atoms: int
    accuracy: float


@dataclass(frozen=True)
class StatementFigures:
    """How often atoms that rows say to hold, or not to hold, are more likely than not to do so."""

    atoms: int
    accuracy: float
    log_loss: float

    def to_dict(self) -> dict[str, Any]:
        return {"atoms": self.atoms, "accuracy": _round(self.accuracy), "log_loss": _round(self.log_loss)}


@dataclass(frozen=True)
class BoundedFigures:
    """Rows whose answers are too entangled for exact probabilities: what is measured is the middle of an interval."""

    rows: int
    slack: float  # half the width of the widest interval

    def to_dict(self) -> dict[str, Any]:
        return {"rows": self.rows, "slack": _round(self.slack)}

    def __str__(self) -> str:
        return (
            f"{self.rows:,} rows are too entangled for exact probabilities: theirs are within {self.slack:.3f}, "
            "and the middle is measured"
        )


@dataclass(frozen=True)
class GroupFigures:
    """Rows that belong together, such as a sentence and the same with a negation: right only if all of them are."""

    groups: int
    all_right: float


@dataclass(frozen=True)
class Bin:
    """One bin of a reliability diagram."""

    low: float
    high: float
    rows: int
    confidence: float
    accuracy: float


@dataclass(frozen=True)
class Metrics:
    """All figures of one split."""

    split: str
    overall: Figures
    macro_f1: float
    slices: Mapping[str, Figures] = field(default_factory=dict)
    concepts: Mapping[str, ConceptFigures] = field(default_factory=dict)
    confusion: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    reliability: Sequence[Bin] = ()
    grouped: GroupFigures | None = None
    underivable: int = 0  # rows whose answer the rules cannot derive from their input
    answers_per_second: float = 0.0
    statements: StatementFigures | None = None
    bounded: BoundedFigures | None = None
    confidence: Confidence | None = None  # of each row whose answer is known
    queries: Mapping[str, Metrics] = field(default_factory=dict)  # of each by itself, where there are several

    @property
    def accuracy(self) -> float:
        return self.overall.accuracy

    @property
    def log_loss(self) -> float:
        return self.overall.log_loss

    def value(self, metric: str) -> float:
        """A figure by its name in task.toml, turned so that larger is better.

        Where no row has an answer it is that of the statements.
        """
        if not self.overall.rows and self.statements is not None:
            return -self.statements.log_loss if metric == "log_loss" else self.statements.accuracy
        match metric:
            case "accuracy":
                return self.accuracy
            case "macro_f1":
                return self.macro_f1
            case "log_loss":
                return -self.log_loss
        raise ValueError(metric)

    def to_dict(self) -> dict[str, Any]:
        """The metrics as JSON data."""
        return {
            "split": self.split,
            **self.overall.to_dict(),
            "macro_f1": _round(self.macro_f1),
            "slices": {name: figures.to_dict() for name, figures in self.slices.items()},
            "concepts": {name: {"atoms": c.atoms, "accuracy": _round(c.accuracy)} for name, c in self.concepts.items()},
            "groups": {"groups": self.grouped.groups, "all_right": _round(self.grouped.all_right)}
            if self.grouped
            else None,
            "statements": self.statements.to_dict() if self.statements else None,
            "confusion": {true: dict(row) for true, row in self.confusion.items()},
            "reliability": [
                {
                    "low": b.low,
                    "high": b.high,
                    "rows": b.rows,
                    "confidence": _round(b.confidence),
                    "accuracy": _round(b.accuracy),
                }
                for b in self.reliability
            ],
            "underivable": self.underivable,
            "bounded": self.bounded.to_dict() if self.bounded else None,
            "queries": {name: metrics.to_dict() for name, metrics in self.queries.items()},
            "coverage": [point.to_dict() for point in self.confidence.curve()] if self.confidence else [],
            "answers_per_second": round(self.answers_per_second, 1),
        }

    def __str__(self) -> str:
        """The figures as `nesy eval` prints them."""
        width = max([12, *(len(name) for name in (*self.queries, *self.slices, *self.concepts))])
        apart = {name: metrics.overall for name, metrics in self.queries.items()}
        lines = [f"{self.split:<{width}}    rows  accuracy  log-loss     ece"]
        for name, f in (("all", self.overall), *apart.items(), *self.slices.items()):
            lines.append(f"{name:<{width}} {f.rows:>7,}  {f.accuracy:8.2%}  {f.log_loss:8.4f}  {f.ece:6.4f}")
        for name, concept in self.concepts.items():
            lines.append(f"{name:<{width}} {concept.atoms:>7,}  {concept.accuracy:8.2%}  (concept)")
        if self.statements:
            lines.append(f"{'statements':<{width}} {self.statements.atoms:>7,}  {self.statements.accuracy:8.2%}")
        lines.append(
            f"macro-F1 {self.macro_f1:.4f}, Brier {self.overall.brier:.4f}, {self.answers_per_second:,.0f} answers/s"
        )
        if self.grouped:
            lines.append(f"every row right in {self.grouped.all_right:.2%} of {self.grouped.groups:,} groups")
        if self.confidence and len(self.confidence.chance) > 1:
            half = next(point for point in self.confidence.curve() if point.coverage >= 0.5)
            right = 1 - half.wrong / half.answered
            lines.append(f"the surest {half.coverage:.0%} (at least {half.threshold:.1%} sure): {right:.2%} right")
        if self.underivable:
            lines.append(f"{self.underivable:,} rows have an answer that the rules cannot derive from their input")
        if self.bounded:
            lines.append(str(self.bounded))
        return "\n".join(lines)


def _round(value: float) -> float | None:
    """Six digits; None for what no row has a figure of."""
    return None if math.isnan(value) else round(float(value), 6)


def figures(p: Floats, target: Ints, bins: int) -> Figures:
    """Accuracy, log-loss, Brier score and calibration error.

    Shapes: p [N, A] with rows that sum to 1 (0 where an answer cannot be), target [N], -1 where it cannot be derived
    """
    if not len(target):
        return Figures(0, float("nan"), float("nan"), float("nan"), float("nan"))
    possible = target >= 0
    of_target = np.where(possible, p[np.arange(len(p)), np.maximum(target, 0)], 0.0)
    onehot = np.zeros_like(p)
    onehot[np.flatnonzero(possible), target[possible]] = 1.0
    return Figures(
        rows=len(target),
        accuracy=float((p.argmax(axis=1) == target).mean()),
        log_loss=float(-np.log(np.maximum(of_target, SMALLEST)).mean()),
        brier=float((((p - onehot) ** 2).sum(axis=1) + ~possible).mean()),
        ece=calibration_error(p, target, bins),
    )


def calibration_error(p: Floats, target: Ints, bins: int) -> float:
    """Expected calibration error: mean distance of confidence and accuracy over equal-width bins, by rows.

    Source: Guo, Pleiss, Sun, Weinberger, "On Calibration of Modern Neural Networks", ICML 2017, equation 3.
    """
    diagram = reliability(p, target, bins)
    return sum(b.rows * abs(b.accuracy - b.confidence) for b in diagram) / max(1, len(target))


def reliability(p: Floats, target: Ints, bins: int) -> list[Bin]:
    """The reliability diagram; empty bins are left out."""
    confidence = p.max(axis=1) if len(p) else np.zeros(0)
    correct = p.argmax(axis=1) == target if len(p) else np.zeros(0, dtype=bool)
    place = np.minimum((confidence * bins).astype(np.int64), bins - 1)
    found = []
    for number in range(bins):
        inside = place == number
        if inside.any():
            rows = int(inside.sum())
            found.append(
                Bin(
                    number / bins,
                    (number + 1) / bins,
                    rows,
                    float(confidence[inside].mean()),
                    float(correct[inside].mean()),
                )
            )
    return found


def group_figures(correct: NDArray[np.bool_], group: Sequence[object]) -> GroupFigures | None:
    """How many groups are right in every row; rows of no group (None, or -1) are left out, and groups of one row.

    Shapes: correct [N]
    """
    members: dict[object, list[bool]] = {}
    for is_right, name in zip(correct.tolist(), group, strict=True):
        if name is not None and name != -1 and name != "-1":
            members.setdefault(name, []).append(is_right)
    whole = [all(rows) for rows in members.values() if len(rows) > 1]
    return GroupFigures(len(whole), sum(whole) / len(whole)) if whole else None


def macro_f1(predicted: Ints, target: Ints) -> float:
    """F1 of each answer that occurs in the targets, averaged without weights."""
    scores = []
    for answer in np.unique(target[target >= 0]):
        hits = int(((predicted == answer) & (target == answer)).sum())
        given, true = int((predicted == answer).sum()), int((target == answer).sum())
        scores.append(2 * hits / (given + true))
    return float(np.mean(scores)) if scores else float("nan")


def confusion(predicted: Ints, target: Ints, names: Sequence[str]) -> dict[str, dict[str, int]]:
    """How often each true answer (outer) was answered as each answer (inner); zeros are left out."""
    table: dict[str, dict[str, int]] = {}
    for true in np.unique(target[target >= 0]):
        given, counts = np.unique(predicted[target == true], return_counts=True)
        table[names[int(true)]] = {names[int(g)]: int(c) for g, c in zip(given, counts, strict=True)}
    return table
