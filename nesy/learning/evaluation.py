"""`nesy eval`: measure a trained run on a split of its data."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

from nesy.errors import TaskError
from nesy.learning.batches import AnswerNames
from nesy.learning.measure import measure
from nesy.learning.metrics import Metrics
from nesy.learning.run import Run, read_task
from nesy.learning.sources import DataSource, open_data
from nesy.learning.task import Task
from nesy.learning.training import prepare_all
from nesy.model import Model


def evaluate(
    run: str | Path | Run, split: str = "test", *, device: str = "auto", data: str | Path | None = None
) -> Metrics:
    """The metrics of a run on train, dev or test; `data` takes the place of what it was trained on.

    Answers per second count everything an answer costs: reading the input's facts, running the rules, the encoder and
    the exact probabilities.

    Raises: RunError, DataError; TaskError where the task's own data files are gone.
    """
    model, source, task = open_run(run.folder if isinstance(run, Run) else run, device=device, data=data)
    rows = source.splits.of(split)
    names = AnswerNames(model.query.atom)
    started = time.perf_counter()
    batches = prepare_all(model, rows, names, task)
    metrics = measure(model, batches, names, split, task.evaluation)
    seconds = time.perf_counter() - started
    return replace(metrics, answers_per_second=len(rows) / seconds)


def open_run(run: str | Path, *, device: str, data: str | Path | None) -> tuple[Model, DataSource, Task]:
    """A trained model with the data it was trained on, or with other data in its place.

    Raises: RunError, DataError; TaskError where the task's own data files are gone.
    """
    folder = Path(run)
    model = Model.from_pretrained(folder, device=device)
    task, trained_on, seed = read_task(folder, check_files=False)
    path = Path(data) if data is not None else trained_on
    if path is None and not task.data.generator and not task.folder.is_dir():
        raise TaskError(f"{folder}: the task folder it was trained from is gone ({task.folder}): name data with --data")
    return model, open_data(task, path, seed=seed), task
