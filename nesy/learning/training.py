"""`nesy train`: a task folder in, a run folder out."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias

import torch

from nesy.device import choose_device
from nesy.errors import DataError, RunError, TaskError
from nesy.learning.abstention import CONFIDENCE_FILE
from nesy.learning.batches import AnswerNames, Prepared, check_row, in_order, prepare
from nesy.learning.calibration import calibrate
from nesy.learning.checkpoint import StateFile
from nesy.learning.data import Row, told_concepts
from nesy.learning.measure import measure
from nesy.learning.metrics import Metrics
from nesy.learning.optimise import Objective, TrainingBatches, label_objective, optimise
from nesy.learning.progress import Reporter, reporter
from nesy.learning.reports.card import CARD_FILE, model_card
from nesy.learning.reports.curves import draw_curves, read_log
from nesy.learning.run import LOG_FILE, TASK_FILE, Run, log_text, read_task, task_document
from nesy.learning.seeding import number
from nesy.learning.shortcuts import find_shortcuts
from nesy.learning.sources import DataSource, open_data
from nesy.learning.task import Task, load_task
from nesy.model import Model
from nesy.perception import Encoder, Interface
from nesy.perception.registry import encoder_class
from nesy.program import Program
from nesy.run_folder import is_run, place_for, read_text, write_text

_MEASURING_BATCH = 256  # rows; no gradient is kept, so more fit than in training

ObjectiveOf: TypeAlias = Callable[[Model, AnswerNames, Reporter], Objective]


@dataclass(frozen=True)
class Extension:
    """What a training method beyond labels adds: more rows, a loss of its own, words for the run folder."""

    name: str = "labels"
    rows: Sequence[Row] = ()  # further training rows, without answers
    objective: ObjectiveOf | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)  # what tells it from other trainings, as JSON data
    after: Callable[[Model, DataSource, AnswerNames], Mapping[str, Any]] | None = None  # figures for metrics.json


def train(
    task: str | Path | Task,
    out: str | Path | None = None,
    *,
    seed: int = 0,
    device: str = "auto",
    data: str | Path | None = None,
    resume: bool = False,
    unlabelled: str | Path | None = None,
    epochs: int | None = None,
    plot: str | Path | None = None,
    progress: bool = True,
) -> Run:
    """Train a task folder, keep the weights of the best epoch on dev, and measure them on test.

    The run folder appears whole at the end; until then a hidden file beside it holds the last epoch, from which
    `resume` goes on bit for bit. On a CPU, the same seed gives the same run. Rows of `unlabelled` have no answer and
    teach the rules' constraints, where task.toml gives these a weight. With `plot`, the curves of the loss and
    of the dev metric are drawn into that SVG file.

    Raises: TaskError, DataError, ProgramError, RunError.
    """
    read = task if isinstance(task, Task) else load_task(task)
    read = read.with_options("training", epochs=epochs) if epochs is not None else read
    drawing = place_for(plot, "the curves") if plot is not None else None
    if unlabelled is not None and not read.training.constraint_weight:
        raise TaskError(
            f"{read.folder}: rows without an answer teach the rules' constraints alone: give `constraint_weight` in "
            "[training] a value, or use `nesy distill`"
        )
    source = open_data(read, data, seed=seed, unlabelled=unlabelled)
    run = train_on(read, source, out, seed=seed, device=device, data=data, resume=resume, progress=progress)
    if drawing is not None:
        records = read_log(read_text(run.folder, LOG_FILE), str(run.folder / LOG_FILE))
        write_text(drawing, draw_curves(records, read.evaluation.metric, run.best_epoch))
    return run


def train_on(
    task: Task,
    source: DataSource,
    out: str | Path | None,
    *,
    seed: int,
    device: str,
    data: str | Path | None,
    resume: bool,
    progress: bool,
    extension: Extension | None = None,
) -> Run:
    """Train a task on rows that have been read; `train` and `distill` are this with different losses."""
    extension = extension or Extension()
    folder = Path(out) if out is not None else Path("runs") / task.name
    refuse_foreign(folder)
    place = choose_device(device)
    started = time.perf_counter()
    with torch.random.fork_rng(devices=[place] if place.type == "cuda" else []), reporter(progress) as report:
        model = build_model(task, source, seed).to(place)
        names = AnswerNames(model.query.atom)
        identity = training_identity(task, model.program, source, seed, extension)
        further = extension.rows or (source.splits.unlabelled if task.training.constraint_weight else ())
        state = StateFile.beside(folder, identity)
        if resume and not state.exists():
            raise RunError(f"{folder}: there is no interrupted training of this run to resume")
        batches = TrainingBatches(
            model,
            lambda epoch: [*source.train(seed, epoch), *further],
            source.redraws,
            task.training,
            seed,
            names,
            report,
        )
        dev = prepare_all(model, source.splits.dev, names, task)
        objective = extension.objective or (lambda model, names, report: label_objective(model, task.training))
        history = optimise(
            model, batches, dev, objective(model, names, report), task.evaluation, state, report, resume=resume
        )
        shortcuts = find_shortcuts(
            model,
            source.splits.train,
            names,
            seed=seed,
            told=told_concepts(source.splits.train) if task.training.concept_weight else frozenset(),
            column=task.training.length_column,
        )
        if task.training.calibrate:
            calibrate(model, dev)
        run = Run(
            folder=folder,
            task=task.name,
            seed=seed,
            best_epoch=history.best_epoch,
            epochs=len(history.records),
            seconds=time.perf_counter() - started,
            dev=measure(model, dev, names, "dev", task.evaluation),
            test=_measured(model, source.splits.test, names, "test", task),
            shortcuts=shortcuts,
            extra={
                "method": extension.name,
                "identity": identity,
                "parameters": sum(p.numel() for p in model.parameters()),
                "rules": model.parameters_of_rules.table(),
                "temperatures": model.temperatures.table(),
                **(extension.after(model, source, names) if extension.after else {}),
            },
        )
    _save(
        run, task, model, task_document(task, Path(data) if data is not None else None, seed), log_text(history.records)
    )
    state.remove()
    return run


def build_model(task: Task, source: DataSource, seed: int) -> Model:
    """An untrained model of a task: its rules, and an encoder made for its training rows."""
    program = Program.load(task.program)
    options = dict(task.encoder)
    kind = encoder_class(options.pop("kind"))
    interface = Interface.of(program.core)
    rows = source.splits.train

    def build(count: int) -> Encoder:
        torch.manual_seed(number(seed, "weights"))
        return kind.build(options, interface, [row.payload for row in rows[:count]], seed)

    try:
        encoder = build(len(rows))
    except DataError as error:
        raise DataError(f"{rows[_first_bad(build, len(rows)) - 1].origin}: {error}") from None
    return Model(program, encoder, task.query)


def _first_bad(build: Callable[[int], Encoder], count: int) -> int:
    """How many rows it takes until an encoder cannot read one, by bisection: encoders do not know where rows stand."""
    low, high = 0, count
    while high - low > 1:
        middle = (low + high) // 2
        try:
            build(middle)
            low = middle
        except DataError:
            high = middle
    return high


def prepare_all(model: Model, rows: Sequence[Row], names: AnswerNames, task: Task) -> list[Prepared]:
    """Batches of rows that are only measured, with every answer checked."""
    plan = in_order(model, rows, _MEASURING_BATCH, task.training.length_column)
    prepared = [prepare(model, [rows[i] for i in members], members, names) for members in plan]
    for row in rows:
        check_row(row, names)
    return prepared


def refuse_foreign(folder: Path) -> None:
    """Say before training, not after, that a folder of something else would be overwritten.

    Raises: RunError.
    """
    if folder.exists() and not is_run(folder) and (not folder.is_dir() or any(folder.iterdir())):
        raise RunError(f"{folder}: exists and is not a nesy run, so it is not overwritten: choose another --out")


def _measured(model: Model, rows: Sequence[Row], names: AnswerNames, split: str, task: Task) -> Metrics | None:
    if not rows:
        return None
    return measure(model, prepare_all(model, rows, names, task), names, split, task.evaluation)


def training_identity(
    task: Task, program: Program, source: DataSource, seed: int, extension: Extension | None = None
) -> str:
    """A digest of everything that decides a training: task, rules, rows, seed, method."""
    extension = extension or Extension()
    sources = {rule.span.source.text for rule in (*program.core.rules, *program.core.constraints) if rule.span}
    parts = [task.document(), sorted(sources), source.fingerprint, seed, extension.name, dict(extension.settings)]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def with_extra(run: Run, extra: Mapping[str, Any]) -> Run:
    """The run with more figures in its metrics.json, written anew."""
    more = replace(run, extra={**run.extra, **extra})
    texts = [(run.folder / name).read_text(encoding="utf-8") for name in (TASK_FILE, LOG_FILE)]
    _save(more, read_task(run.folder, check_files=False)[0], run.model, json.loads(texts[0]), texts[1])
    return more


def _save(run: Run, task: Task, model: Model, document: dict[str, Any], log: str) -> None:
    """The run folder, whole or not at all."""
    files = {TASK_FILE: json.dumps(document, indent=2), LOG_FILE: log, CARD_FILE: model_card(run, task, model)}
    if run.dev.confidence is not None:
        files[CONFIDENCE_FILE] = run.dev.confidence.to_json()
    model.save(run.folder, metrics=run.metrics_document(), files=files)
