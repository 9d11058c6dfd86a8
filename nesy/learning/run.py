"""A trained run, and what of its training is kept beside the model: the task as it was, the log, the metrics."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

from nesy import hub
from nesy.errors import RunError
from nesy.learning.metrics import Metrics
from nesy.learning.progress import EpochRecord
from nesy.learning.shortcuts import Shortcuts
from nesy.learning.task import Task, restore_task
from nesy.model import Model
from nesy.run_folder import read_json

TASK_FILE = "task.json"
LOG_FILE = "log.csv"
METRICS_FILE = "metrics.json"


@dataclass(frozen=True)
class Run:
    """What `train` gives: the folder, and what was measured."""

    folder: Path
    task: str
    seed: int
    best_epoch: int
    epochs: int
    seconds: float
    dev: Metrics
    test: Metrics | None
    extra: Mapping[str, Any]
    shortcuts: Shortcuts | None = None  # None where there was nothing to try

    @cached_property
    def model(self) -> Model:
        """The trained model, loaded from the folder."""
        return Model.from_pretrained(self.folder)

    def push_to_hub(self, repository: str, *, private: bool | None = None, token: str | None = None) -> str:
        """Upload the run folder as it is to the Hugging Face hub; gives the repository's address.

        Raises: RunError.
        """
        return hub.push(self.folder, repository, private=private, token=token)

    def to_dict(self) -> dict[str, Any]:
        """The run as JSON data: what metrics.json holds, and where it is."""
        return {"run": str(self.folder), **self.metrics_document()}

    def metrics_document(self) -> dict[str, Any]:
        """What metrics.json holds."""
        return {
            "task": self.task,
            "seed": self.seed,
            "best_epoch": self.best_epoch,
            "epochs": self.epochs,
            "seconds": round(self.seconds, 2),
            "dev": self.dev.to_dict(),
            "test": self.test.to_dict() if self.test else None,
            "shortcuts": self.shortcuts.to_dict() if self.shortcuts else None,
            **self.extra,
        }

    def __str__(self) -> str:
        lines = [str(self.test or self.dev)]
        if teacher := self.extra.get("teacher"):
            lines += ["", *_beside(teacher, self.extra["students"]), ""]
        if self.shortcuts and self.shortcuts.admitted:
            lines.append(str(self.shortcuts))
        lines.append(f"best of {self.epochs} epochs: {self.best_epoch}; {self.seconds:.1f} s")
        lines.append(f"run: {self.folder}")
        return "\n".join(lines)


def _beside(teacher: Mapping[str, Any], students: Sequence[Mapping[str, Any]]) -> list[str]:
    """The student, its teacher and the students that lack something, a column each."""
    student, *others = students
    columns = [("student", student), ("teacher", teacher), *((str(other["name"]), other) for other in others)]
    rows = [("accuracy", [f"{each['accuracy']:.2%}" for _, each in columns])]
    for name in student["slices"]:
        cells = [each["slices"].get(name) for _, each in columns]
        rows.append((name, [f"{cell['accuracy']:.2%}" if cell else "-" for cell in cells]))
    if student["groups"]:
        cells = [each["groups"] for _, each in columns]
        rows.append(("all of a group", [f"{cell['all_right']:.2%}" if cell else "-" for cell in cells]))
    for name, key, form in (
        ("log-loss", "log_loss", ".4f"),
        ("ece", "ece", ".4f"),
        ("agreement", "agreement", ".2%"),
        ("KL from teacher", "kl", ".4f"),
        ("rules violated", "violations", ",d"),
        ("parameters", "parameters", ",d"),
        ("bytes", "bytes", ",d"),
        ("answers/s", "answers_per_second", ",.0f"),
    ):
        is_distance = key in ("agreement", "kl")
        rows.append(
            (name, ["-" if is_distance and each is teacher else format(each[key], form) for _, each in columns])
        )
    width = max(len(name) for name, _ in rows)
    lines = [f"{'':<{width}} " + " ".join(f"{title:>12}" for title, _ in columns)]
    lines += [f"{name:<{width}} " + " ".join(f"{cell:>12}" for cell in cells) for name, cells in rows]
    lines.append(
        f"{teacher['num_disagreements']:,} inputs on which student and teacher differ; the surest, each with its "
        f"proof, are in {METRICS_FILE}"
    )
    return lines


def task_document(task: Task, data: Path | None, seed: int) -> dict[str, Any]:
    """What task.json holds: enough to measure the run again."""
    return {
        "folder": str(task.folder.resolve()),
        "data": str(data.resolve()) if data is not None else None,
        "seed": seed,
        "tables": task.document(),
    }


def read_task(folder: Path, *, check_files: bool) -> tuple[Task, Path | None, int]:
    """The task of a run, the data it was trained on if not the task's own, and its seed.

    Raises: RunError, TaskError.
    """
    document = read_json(folder, TASK_FILE)
    match document:
        case {"folder": str(home), "data": str() | None as data, "seed": int(seed), "tables": dict(tables)}:
            task = restore_task(tables, home, str(folder / TASK_FILE), check_files=check_files)
            return task, Path(data) if data is not None else None, seed
    raise RunError(f"{folder / TASK_FILE}: not what training writes there")


def log_text(records: Sequence[EpochRecord]) -> str:
    """The training log as CSV: one line an epoch."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([spec.name for spec in fields(EpochRecord)])
    for record in records:
        writer.writerow([f"{value:.6g}" if isinstance(value, float) else value for value in astuple(record)])
    return out.getvalue()
