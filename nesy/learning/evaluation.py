"""`nesy eval`: measure a trained run on a split of its data."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

from nesy import run_folder
from nesy.errors import TaskError
from nesy.hub import run_place
from nesy.learning.batches import AnswerNames
from nesy.learning.measure import answered, metrics_of
from nesy.learning.metrics import Metrics
from nesy.learning.reports.curves import curve_plots, read_log
from nesy.learning.reports.evaluation import Subject, evaluation_page
from nesy.learning.reports.mistakes import surest_mistakes
from nesy.learning.run import LOG_FILE, METRICS_FILE, Run, read_task
from nesy.learning.sources import DataSource, open_data
from nesy.learning.task import Task
from nesy.learning.training import prepare_all
from nesy.model import Model
from nesy.run_folder import read_text

_MISTAKES_SHOWN = 6  # of a report, with their proofs: a page stays readable
_MOST_NUMBERS = 20  # temperatures or probabilities of rules in a report's last table


def evaluate(
    run: str | Path | Run,
    split: str = "test",
    *,
    device: str = "auto",
    data: str | Path | None = None,
    html: str | Path | None = None,
) -> Metrics:
    """The metrics of a run on train, dev or test; `data` takes the place of what it was trained on.

    Answers per second count everything an answer costs: reading the input's facts, running the rules, the encoder and
    the exact probabilities. With `html`, also one page that needs nothing else: plots, tables, and the surest wrong
    answers with their proofs.

    Raises: RunError, DataError; TaskError where the task's own data files are gone.
    """
    page = run_folder.place_for(html, "the report") if html is not None else None
    folder = run.folder if isinstance(run, Run) else run_place(run)
    model, source, task = open_run(folder, device=device, data=data)
    rows = source.splits.of(split)
    names = AnswerNames.of(model)
    started = time.perf_counter()
    batches = prepare_all(model, rows, names, task)
    found = answered(model, batches, names, task.evaluation)
    metrics = metrics_of(found, model, batches, names, split, task.evaluation)
    seconds = time.perf_counter() - started
    metrics = replace(metrics, answers_per_second=len(rows) / seconds)
    if page is not None:
        mistakes = surest_mistakes(model, found, names, _MISTAKES_SHOWN)
        run_folder.write_text(page, evaluation_page(metrics, subject_of(folder, task), mistakes))
    return metrics


def subject_of(folder: Path, task: Task) -> Subject:
    """What a report says about a run apart from what is measured.

    Raises: RunError for a run whose files are not what training writes.
    """
    metrics, config = (run_folder.read_json(folder, name) for name in (METRICS_FILE, "config.json"))
    records = read_log(read_text(folder, LOG_FILE), str(folder / LOG_FILE))
    about = {
        "run": folder,
        "rules": config.get("program"),
        "query": config.get("query"),
        "epochs": f"{metrics.get('epochs')}, the best of them {metrics.get('best_epoch')}",
        "seconds": metrics.get("seconds"),
        "seed": metrics.get("seed"),
        "parameters": metrics.get("parameters"),
        "temperatures": _listed(metrics.get("temperatures")),
        "probabilities of rules": _listed(metrics.get("rules")),
        "nesy": config.get("nesy"),
    }
    best = metrics.get("best_epoch")
    curves = curve_plots(records, task.evaluation.metric, best if isinstance(best, int) else 0)
    kept = {name: value for name, value in about.items() if value not in (None, "")}
    return Subject(str(metrics.get("task") or folder.name), task.task.description, kept, curves)


def _listed(table: object) -> str:
    """Numbers by name in a line; many are cut."""
    if not isinstance(table, dict):
        return ""
    shown = [f"{name} {value:.3g}" for name, value in table.items() if isinstance(value, int | float)]
    more = len(shown) - _MOST_NUMBERS
    return ", ".join(shown[:_MOST_NUMBERS]) + (f" and {more} more" if more > 0 else "")


def open_run(run: str | Path, *, device: str, data: str | Path | None) -> tuple[Model, DataSource, Task]:
    """A trained model with the data it was trained on, or with other data in its place.

    Raises: RunError, DataError; TaskError where the task's own data files are gone.
    """
    folder = run_place(run)
    model = Model.from_pretrained(folder, device=device)
    task, trained_on, seed = read_task(folder, check_files=False)
    path = Path(data) if data is not None else trained_on
    if path is None and not task.data.generator and not task.folder.is_dir():
        raise TaskError(f"{folder}: the task folder it was trained from is gone ({task.folder}): name data with --data")
    return model, open_data(task, path, seed=seed), task
