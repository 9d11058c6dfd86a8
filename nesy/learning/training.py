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
from nesy.errors import DataError, RunError, TaskError, near_name
from nesy.learning.abstention import CONFIDENCE_FILE
from nesy.learning.batches import AnswerNames, Prepared, check_answers, in_order, prepare
from nesy.learning.calibration import calibrate
from nesy.learning.checkpoint import StateFile
from nesy.learning.data import Row, told_concepts
from nesy.learning.distributed import run_together
from nesy.learning.group import Group
from nesy.learning.measure import measure
from nesy.learning.optimise import History, Objective, TrainingBatches, label_objective, optimise
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

_MEASURING_BATCH = 512  # rows; no gradient is kept, so more fit than in training

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
    workers: int = 1,
    progress: bool = True,
) -> Run:
    """Train a task folder, keep the weights of the best epoch on dev, and measure them on test.

    The run folder appears whole at the end; until then a hidden file beside it holds the last epoch, from which
    `resume` goes on bit for bit. On a CPU, the same seed gives the same run. Rows of `unlabelled` have no answer and
    teach the rules' constraints, where task.toml gives these a weight. With `plot`, the curves of the loss and
    of the dev metric are drawn into that SVG file.

    With several `workers`, as many processes (Ray Train) each learn from their share of every batch: the run is that of
    one process but for the order in which floating-point numbers are added, and for what dropout draws. If one is
    killed, all go on from the last epoch that is whole, and the run is the same, bit for bit.

    Raises: TaskError, DataError, ProgramError, RunError; MissingExtraError for workers without Ray.
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
    run = train_on(
        read, source, out, seed=seed, device=device, data=data, resume=resume, progress=progress, workers=workers
    )
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
    workers: int = 1,
) -> Run:
    """Train a task on rows that have been read; `train` and `distill` are this with different losses."""
    folder = Path(out) if out is not None else Path("runs") / task.name
    refuse_foreign(folder)
    place = choose_device(device)
    if resume and not StateFile.beside(folder, "").exists():
        raise RunError(f"{folder}: there is no interrupted training of this run to resume")

    training = _Training(task, source, folder, seed, place, data, resume, extension or Extension())
    with reporter(progress) as report:
        try:
            if workers == 1:
                run = training.run(False, report)
            else:
                Program.load(task.program)  # its mistakes are told before any process is started
                scratch = folder.with_name(f".{folder.name}.workers")
                run = run_together(training.run, workers, scratch, report, on_gpu=place.type == "cuda")
        except KeyboardInterrupt:
            if StateFile.beside(folder, "").exists():
                report.note("interrupted: with --resume it goes on after the last epoch that is whole")
            raise
    assert run is not None, "the first process gives the run"
    return run


@dataclass(frozen=True)
class _Training:
    """All that decides one training; the same in each process of a group."""

    task: Task
    source: DataSource
    folder: Path
    seed: int
    place: torch.device
    data: str | Path | None
    resume: bool
    extension: Extension

    def run(self, is_again: bool, report: Reporter) -> Run | None:
        """Train; in a group of processes the first one measures and writes the run, and the others give None.

        With `is_again` the processes were started anew, and go on from the last epoch, if there was one.
        """
        started = time.perf_counter()
        group, task, source = Group.current(), self.task, self.source
        with torch.random.fork_rng(devices=[self.place] if self.place.type == "cuda" else []):
            model = build_model(task, source, self.seed).to(self.place)
            names = AnswerNames.of(model)
            identity = training_identity(task, model.program, source, self.seed, self.extension, group.size)
            state = StateFile.beside(self.folder, identity)
            batches = TrainingBatches(model, self._rows, source.redraws, task.training, self.seed, names, report, group)
            dev = prepare_all(model, source.splits.dev, names, task) if group.is_first else []
            objective = self.extension.objective or (lambda *_: label_objective(model, task.training, group))
            history = optimise(
                model,
                batches,
                dev,
                objective(model, names, report),
                task.evaluation,
                state,
                report,
                resume=self.resume or (is_again and state.is_mine()),
            )
            if not group.is_first:
                return None
            run = self._measured(model, dev, names, history, group.size, identity, started)
        document = task_document(task, Path(self.data) if self.data is not None else None, self.seed)
        _save(run, task, model, document, log_text(history.records))
        state.remove()
        return run

    def _rows(self, epoch: int) -> Sequence[Row]:
        further = self.source.splits.unlabelled if self.task.training.constraint_weight else ()
        return [*self.source.train(self.seed, epoch), *(self.extension.rows or further)]

    def _measured(
        self,
        model: Model,
        dev: Sequence[Prepared],
        names: AnswerNames,
        history: History,
        workers: int,
        identity: str,
        started: float,
    ) -> Run:
        """The run of a model that has learned, calibrated on dev and measured on dev and test."""
        task, splits, extension = self.task, self.source.splits, self.extension
        shortcuts = find_shortcuts(
            model,
            splits.train,
            names,
            seed=self.seed,
            told=told_concepts(splits.train) if task.training.concept_weight else frozenset(),
            column=task.training.length_column,
        )
        if task.training.calibrate:
            calibrate(model, dev)
        test = prepare_all(model, splits.test, names, task)
        return Run(
            folder=self.folder,
            task=task.name,
            seed=self.seed,
            best_epoch=history.best_epoch,
            epochs=len(history.records),
            seconds=time.perf_counter() - started,
            dev=measure(model, dev, names, "dev", task.evaluation),
            test=measure(model, test, names, "test", task.evaluation) if test else None,
            shortcuts=shortcuts,
            extra={
                "method": extension.name,
                "identity": identity,
                "workers": workers,
                "parameters": sum(p.numel() for p in model.parameters()),
                "rules": model.parameters_of_rules.table(),
                "temperatures": model.temperatures.table(),
                **(extension.after(model, self.source, names) if extension.after else {}),
            },
        )


def build_model(task: Task, source: DataSource, seed: int) -> Model:
    """An untrained model of a task: its rules, and an encoder made for its rows, with and without answers."""
    program = Program.load(task.program)
    for name in task.training.fact_dropout:
        if name not in program.core.neural:
            near = near_name(name, program.core.neural)
            known = ", ".join(program.core.neural) or "none"
            hint = f"did you mean `{near}`?" if near else f"those of the rules are {known}"
            raise TaskError(f"`fact_dropout` of [training] names `{name}`, which is no neural predicate: {hint}")
    options = dict(task.encoder)
    kind = encoder_class(options.pop("kind"))
    interface = Interface.of(program.core)
    rows = [*source.splits.learned, *source.splits.unlabelled]

    def build(count: int) -> Encoder:
        torch.manual_seed(number(seed, "weights"))
        return kind.build(options, interface, [row.payload for row in rows[:count]], seed)

    try:
        encoder = build(len(rows))
    except DataError as error:
        raise DataError(f"{rows[_first_bad(build, len(rows)) - 1].origin}: {error}") from None
    return Model(program, encoder, task.task.query)


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
    check_answers(prepared, names)
    return prepared


def refuse_foreign(folder: Path) -> None:
    """Say before training, not after, that a folder of something else would be overwritten.

    Raises: RunError.
    """
    if folder.exists() and not is_run(folder) and (not folder.is_dir() or any(folder.iterdir())):
        raise RunError(f"{folder}: exists and is not a nesy run, so it is not overwritten: choose another --out")


def training_identity(
    task: Task, program: Program, source: DataSource, seed: int, extension: Extension | None = None, workers: int = 1
) -> str:
    """A digest of everything that decides a training: task, rules, rows, seed, method, and how many processes."""
    extension = extension or Extension()
    sources = {rule.span.source.text for rule in (*program.core.rules, *program.core.constraints) if rule.span}
    parts = [task.document(), sorted(sources), source.fingerprint, seed, extension.name, dict(extension.settings)]
    parts += [workers] if workers > 1 else []
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
