"""The rows of a task, wherever they come from: its own files, a generator, or data that the user names."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nesy.errors import DataError, TaskError
from nesy.learning.data import Row, Splits, make_rows
from nesy.learning.files import read_records
from nesy.learning.generators import Generator, find_generator
from nesy.learning.importers import import_rows, import_unlabelled, input_column
from nesy.learning.seeding import permutation
from nesy.learning.task import Task


@dataclass(frozen=True)
class DataSource:
    """The splits of a task, and where new training rows come from if they are redrawn."""

    splits: Splits
    task: Task
    generator: Generator | None = None

    @property
    def redraws(self) -> bool:
        """Whether each epoch trains on rows of its own."""
        return self.generator is not None and self.task.data.redraw

    def train(self, seed: int, epoch: int) -> Sequence[Row]:
        """The training rows of an epoch."""
        if self.generator is None or not self.redraws or epoch == 0:
            return self.splits.learned
        return make_rows(self.generator.records("train", seed, epoch), self.task.data)

    @property
    def fingerprint(self) -> str:
        """A digest of the rows as far as they are text, for telling data sets apart."""
        digest = hashlib.sha256()
        for rows in (self.splits.learned, self.splits.dev, self.splits.test, self.splits.unlabelled):
            digest.update(f"{len(rows)}\n".encode())
            for row in rows:
                texts = [
                    f"{name}={value}" for name, value in row.columns.items() if isinstance(value, str | int | float)
                ]
                known = f"{row.answers if row.further else row.answer}\t{texts}\t{sorted(row.statements.items())}\n"
                digest.update(known.encode())
        return digest.hexdigest()


def open_data(
    task: Task, data: str | Path | None = None, *, seed: int = 0, unlabelled: str | Path | None = None
) -> DataSource:
    """The rows of a task; `data` takes the place of what its task.toml says.

    Raises: DataError, TaskError.
    """
    path = Path(data) if data is not None else None
    if path is not None and not path.exists():
        raise DataError(f"{path}: there is no such file or folder")
    generator = find_generator(task.data.generator, task.data.options) if task.data.generator else None
    if generator is not None and path is not None and generator.takes_path:
        generator, path = generator.with_path(str(path)), None
    beside: list[Row] = []
    if path is not None:
        if generator is not None and task.data.beside:
            beside = make_rows(generator.records("train", seed), task.data)
        generator = None
        rows = import_rows(path, task.data)
    elif generator is not None:
        splits = (("train", seed), ("dev", 0), ("test", 0))
        rows = {name: make_rows(generator.records(name, number), task.data) for name, number in splits}
    else:
        rows = _own_files(task)
    extra = _unlabelled(task, unlabelled)
    train, dev = rows.get("train", []), rows.get("dev", [])
    if not train:
        raise DataError(f"{task.folder}: there are no training rows")
    if not dev:
        train, dev = hold_out(train, task.data.holdout)
    splits = Splits(train, dev, rows.get("test", []), extra, beside)
    return DataSource(splits, task, generator)


def _own_files(task: Task) -> dict[str, list[Row]]:
    table = task.data
    found: dict[str, list[Row]] = {}
    for split, name in (("train", table.train), ("dev", table.dev), ("test", table.test)):
        if name:
            path = task.folder / name
            found[split] = make_rows(read_records(path, header=table.header, columns=table.columns), table)
    return found


def _unlabelled(task: Task, named: str | Path | None) -> list[Row]:
    if named is not None:
        return import_unlabelled(Path(named), task.data)
    if not task.data.unlabelled:
        return []
    path = task.folder / task.data.unlabelled
    records = read_records(path, text_column=input_column(task.data))
    return make_rows(records, task.data, labelled=False)


def hold_out(rows: Sequence[Row], share: float) -> tuple[list[Row], list[Row]]:
    """Cut dev rows off the training rows: the same ones whatever the seed, so that runs can be compared."""
    if len(rows) < 2:
        raise TaskError("one training row is too few: dev rows are needed too, to choose the best epoch")
    num_dev = min(len(rows) - 1, max(1, round(len(rows) * share)))
    dev = set(permutation(len(rows), 0, "holdout")[:num_dev])
    return [row for i, row in enumerate(rows) if i not in dev], [rows[i] for i in sorted(dev)]
