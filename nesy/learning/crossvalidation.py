"""`nesy crossval`: how good a task's training is, and how much that depends on the rows and on the seed."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nesy.errors import DataError, RunError, TaskError
from nesy.learning.checkpoint import StateFile
from nesy.learning.data import Row, Splits
from nesy.learning.run import METRICS_FILE
from nesy.learning.seeding import permutation
from nesy.learning.sources import DataSource, hold_out, open_data
from nesy.learning.task import Task, load_task
from nesy.learning.training import train_on, training_identity
from nesy.program import Program
from nesy.run_folder import check, is_run, read_json

FIGURES = ("accuracy", "macro_f1", "log_loss", "ece")


@dataclass(frozen=True)
class Score:
    """One figure over all folds and seeds."""

    mean: float
    spread: float  # standard deviation over the runs; 0 for one
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Score:
        """The mean and spread of some runs."""
        spread = statistics.stdev(values) if len(values) > 1 else 0.0
        return cls(statistics.fmean(values), spread, min(values), max(values))

    def to_dict(self) -> dict[str, float]:
        return {name: round(getattr(self, name), 6) for name in ("mean", "spread", "low", "high")}


@dataclass(frozen=True)
class CrossValidation:
    """The figures of each fold and seed, and their mean and spread."""

    folder: Path
    folds: int
    seeds: tuple[int, ...]
    runs: tuple[Mapping[str, Any], ...]

    @property
    def scores(self) -> dict[str, Score]:
        """Mean and spread of each figure."""
        return {name: Score.of([float(run["test"][name]) for run in self.runs]) for name in FIGURES}

    def to_dict(self) -> dict[str, Any]:
        """The result as JSON data."""
        return {
            "folder": str(self.folder),
            "folds": self.folds,
            "seeds": list(self.seeds),
            "scores": {name: score.to_dict() for name, score in self.scores.items()},
            "runs": [dict(run) for run in self.runs],
        }

    def __str__(self) -> str:
        lines = [f"{self.folds} folds, {len(self.seeds)} seeds    mean    spread     low    high"]
        for name, score in self.scores.items():
            lines.append(f"{name:<18} {score.mean:9.4f} {score.spread:9.4f} {score.low:7.4f} {score.high:7.4f}")
        return "\n".join([*lines, f"runs: {self.folder}"])


def crossval(
    task: str | Path | Task,
    out: str | Path | None = None,
    *,
    folds: int = 5,
    seeds: int = 1,
    device: str = "auto",
    data: str | Path | None = None,
    epochs: int | None = None,
    progress: bool = True,
) -> CrossValidation:
    """Train and test on each fold of a task's training and dev rows, for each seed; the task's test rows stay unseen.

    Folds have like shares of every answer and are the same for every seed. Each run is a run folder below `out`;
    those that are there already, of this very training, are not run again, and one that was interrupted goes on where
    it was.

    Raises: TaskError, DataError, ProgramError, RunError.
    """
    read = task if isinstance(task, Task) else load_task(task)
    read = read.with_options("training", epochs=epochs)
    if read.data.redraw:
        raise TaskError(f"{read.folder}: rows that are redrawn in every epoch have no folds")
    source = open_data(read, data)
    rows = [row for row in (*source.splits.train, *source.splits.dev) if row.is_answered]
    if not 2 <= folds <= len(rows) // 2:
        raise DataError(f"{len(rows)} rows can be cut into 2 to {len(rows) // 2} folds, not {folds}")
    if seeds < 1:
        raise DataError(f"the number of seeds must be at least 1, not {seeds}")
    folder = Path(out) if out is not None else Path("runs") / f"{read.name}-crossval"
    program = Program.load(read.program)
    fold_of = stratified(rows, folds)
    runs: list[Mapping[str, Any]] = []
    for seed in range(seeds):
        for fold in range(folds):
            train, dev = hold_out(
                [row for row, place in zip(rows, fold_of, strict=True) if place != fold], read.data.holdout
            )
            test = [row for row, place in zip(rows, fold_of, strict=True) if place == fold]
            part = DataSource(Splits(train, dev, test, beside=source.splits.beside), read)
            place = folder / f"fold{fold + 1}-seed{seed}"
            identity = training_identity(read, program, part, seed)
            known = _finished(place, identity)
            if known is None:
                begun = StateFile.beside(place, identity).is_mine()
                run = train_on(read, part, place, seed=seed, device=device, data=data, resume=begun, progress=progress)
                known = run.metrics_document()
            runs.append({"fold": fold + 1, **known})
    return CrossValidation(folder, folds, tuple(range(seeds)), tuple(runs))


def stratified(rows: Sequence[Row], folds: int) -> list[int]:
    """The fold of each row: each answer's rows are dealt out in turn, in an order that no seed changes."""
    fold_of = [0] * len(rows)
    by_answer: dict[str, list[int]] = {}
    for number in permutation(len(rows), 0, "folds"):
        row = rows[number]
        by_answer.setdefault(str(row.answers if row.further else row.answer), []).append(number)
    dealt = 0
    for answer in sorted(by_answer):
        for number in by_answer[answer]:
            fold_of[number] = dealt % folds
            dealt += 1
    return fold_of


def _finished(folder: Path, identity: str) -> Mapping[str, Any] | None:
    """The metrics of a whole run of this very training, or None."""
    if not is_run(folder):
        return None
    try:
        check(folder)
        metrics = read_json(folder, METRICS_FILE)
    except RunError:
        return None
    return metrics if metrics.get("identity") == identity else None
