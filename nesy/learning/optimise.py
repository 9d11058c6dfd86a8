"""The training loop: batches in, the weights of the best epoch left in the model."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, TypeAlias

import torch
from torch import Tensor

from nesy.errors import DataError, NesyError
from nesy.learning.batches import (
    AnswerNames,
    Prepared,
    are_few,
    check_answers,
    check_row,
    partition,
    prepare,
    refill,
    shuffled,
    structures,
)
from nesy.learning.checkpoint import StateFile, pack, unpack
from nesy.learning.data import Row
from nesy.learning.losses import answer_loss, concept_loss, constraint_loss, statement_loss
from nesy.learning.measure import measure
from nesy.learning.metrics import Metrics
from nesy.learning.progress import EpochRecord, Reporter
from nesy.learning.schema import EvaluationTable, TrainingTable
from nesy.learning.seeding import number, permutation
from nesy.model import Distribution, Model

Objective: TypeAlias = Callable[[Prepared, Distribution], Tensor]
RowsOfEpoch: TypeAlias = Callable[[int], Sequence[Row]]


@dataclass
class TrainingBatches:
    """The batches of each epoch, prepared as seldom as their structure allows (see `batches`)."""

    model: Model
    rows_of: RowsOfEpoch
    redraws: bool
    settings: TrainingTable
    seed: int
    names: AnswerNames
    reporter: Reporter

    def __post_init__(self) -> None:
        rows = self.rows_of(0)
        self.num_rows = len(rows)
        structure = structures(self.model, rows)
        self._is_free = are_few(structure, self.settings.batch_size)
        self._kept: list[Prepared] = []
        self._template: dict[tuple[Hashable, int], Prepared] = {}  # by structure and number of rows, where free
        self._known = {self.model.structure(rows[i].payload) for i in map(structure.index, set(structure))}
        plan = self._plan(rows, 0)
        self.num_steps = len(plan)
        self.reporter.stage("running the rules", self.num_steps)
        # Once over all rows of the first epoch (or one batch of each structure): it finds bad rows before any time is
        # spent on learning, and makes room for the rule file's parameters that the rows meet.
        first = {structure[members[0]]: members for members in reversed(plan)}
        prepared = [
            self._prepared(rows, members, learn=True) for members in (first.values() if self._is_free else plan)
        ]
        check_answers(prepared, self.names)
        if self._is_free:
            self._check_free(rows)
        elif not self.redraws:
            self._kept = prepared

    def _check_free(self, rows: Sequence[Row]) -> None:
        for row in rows:
            check_row(row, self.names)

    def epoch(self, epoch: int) -> Iterator[Prepared]:
        """The batches of an epoch, in its order."""
        if self._kept:
            for position in permutation(len(self._kept), self.seed, "batches", epoch):
                yield self._kept[position]
            return
        rows = self.rows_of(epoch)
        plan = self._plan(rows, epoch)
        for position in permutation(len(plan), self.seed, "batches", epoch):
            members = plan[position]
            if self._is_free and self.model.structure(rows[members[0]].payload) not in self._known:
                raise DataError(
                    f"epoch {epoch + 1}: the rows that were redrawn differ in structure from those of the first"
                )
            yield self._prepared(rows, members)

    def _plan(self, rows: Sequence[Row], epoch: int) -> list[list[int]]:
        if self._is_free:
            return shuffled(structures(self.model, rows), self.settings.batch_size, self.seed, epoch)
        seed = self.seed if not self.redraws else number(self.seed, "partition", epoch)
        return partition(rows, self.settings.batch_size, seed, self.settings.length_column)

    def _prepared(self, rows: Sequence[Row], members: Sequence[int], *, learn: bool = False) -> Prepared:
        chosen = [rows[i] for i in members]
        key = (self.model.structure(chosen[0].payload), len(members)) if self._is_free else None
        if key in self._template and not self.settings.concept_weight:
            return refill(self._template[key], chosen, members, self.names)
        one = prepare(self.model, chosen, members, self.names, learn=learn)
        if key is not None:
            self._template[key] = one
        if learn:
            self.reporter.step(len(one))
        return one


@dataclass
class History:
    """What happened, epoch by epoch."""

    records: list[EpochRecord] = field(default_factory=list)
    best_epoch: int = 0
    improved_epoch: int = 0  # the last one with a better dev metric; among equals the log-loss chooses the best
    best: tuple[float, float] = (-math.inf, -math.inf)
    stopped_early: bool = False


def label_objective(model: Model, settings: TrainingTable) -> Objective:
    """The loss of known answers and statements, and of known concepts and of constraints where they have a weight."""

    def loss(prepared: Prepared, out: Distribution) -> Tensor:
        total = answer_loss(out, prepared.target.to(out.p.device), settings.smoothing)
        if settings.concept_weight and prepared.concepts:
            total = total + settings.concept_weight * concept_loss(model, prepared)
        if len(prepared.statements):
            total = total + statement_loss(out, prepared.statements)
        if settings.constraint_weight:
            total = total + settings.constraint_weight * constraint_loss(out)
        return total

    return loss


def optimise(
    model: Model,
    batches: TrainingBatches,
    dev: Sequence[Prepared],
    objective: Objective,
    evaluation: EvaluationTable,
    state: StateFile,
    reporter: Reporter,
    *,
    resume: bool = False,
) -> History:
    """Train until the last epoch, or until dev no longer gets better; the best epoch's weights stay in the model.

    Raises: NesyError if the loss stops being a number; RunError for a state that does not fit.
    """
    settings, seed = batches.settings, batches.seed
    optimizer = _optimizer(model, settings)
    history = History()
    best = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
    if resume and state.exists():
        tensors, about = state.read()
        best = unpack(tensors, model, optimizer)
        history = _history(about)
        reporter.note(f"resuming after epoch {len(history.records)} of {settings.epochs}")
    num_steps = batches.num_steps * settings.epochs
    while len(history.records) < settings.epochs and not history.stopped_early:
        epoch = len(history.records)
        torch.manual_seed(number(seed, "dropout", epoch))
        started = time.perf_counter()
        reporter.stage(f"epoch {epoch + 1}/{settings.epochs}", batches.num_steps)
        model.train()
        total, rows = 0.0, 0
        for step, prepared in enumerate(batches.epoch(epoch)):
            share = step_size(settings, epoch * batches.num_steps + step, num_steps)
            for group in optimizer.param_groups:
                group["lr"] = group["peak"] * share
            loss = objective(prepared, model(prepared.batch))
            value = float(loss.detach())
            if not math.isfinite(value):
                raise NesyError(
                    f"the loss is {value} in epoch {epoch + 1}, step {step + 1}: lower `learning_rate` in [training]"
                )
            optimizer.zero_grad(set_to_none=True)
            if loss.requires_grad:
                loss.backward()
                if settings.clip:
                    torch.nn.utils.clip_grad_norm_(model.parameters(), settings.clip)
                optimizer.step()
            total += value * len(prepared)
            rows += len(prepared)
            reporter.step(len(prepared), total / rows)
        seconds = time.perf_counter() - started
        metrics = measure(model, dev, batches.names, "dev", evaluation)
        record = _record(epoch, total / max(rows, 1), metrics, optimizer, evaluation, seconds, rows)
        history.records.append(record)
        score = (metrics.value(evaluation.metric), metrics.value("log_loss"))
        is_best = score > history.best
        if score[0] > history.best[0]:
            history.improved_epoch = epoch + 1
        if is_best:
            history.best, history.best_epoch = score, epoch + 1
            best = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
        reporter.epoch(record, evaluation.metric, is_best)
        if settings.patience and epoch + 1 - history.improved_epoch >= settings.patience:
            history.stopped_early = True
        state.write(pack(model, optimizer, best), _about(history))
    model.load_state_dict(best)
    model.eval()
    return history


def step_size(settings: TrainingTable, step: int, num_steps: int) -> float:
    """The share of the peak step size at a step, by the schedule.

    >>> [round(step_size(TrainingTable(schedule="linear"), step, 4), 2) for step in range(4)]
    [1.0, 0.75, 0.5, 0.25]
    """
    warmup = round(settings.warmup * num_steps)
    if step < warmup:
        return (step + 1) / warmup
    done = (step - warmup) / max(1, num_steps - warmup)
    match settings.schedule:
        case "constant":
            return 1.0
        case "linear":
            return 1.0 - done
        case "cosine":
            return 0.5 * (1.0 + math.cos(math.pi * done))


def _optimizer(model: Model, settings: TrainingTable) -> torch.optim.AdamW:
    encoder = [p for p in model.encoder.parameters() if p.requires_grad]
    rules = [p for p in model.parameters_of_rules.parameters() if p.requires_grad and p.numel()]
    if not encoder and not rules:
        raise NesyError("there is nothing to train: the encoder has no weights and the rules no `t(..)` probabilities")
    groups = [
        # Decay pulls matrices towards 0; biases and scales have no reason to be small.
        {
            "params": [p for p in encoder if p.ndim > 1],
            "peak": settings.learning_rate,
            "weight_decay": settings.weight_decay,
        },
        {"params": [p for p in encoder if p.ndim <= 1], "peak": settings.learning_rate, "weight_decay": 0.0},
        {"params": rules, "peak": settings.rule_learning_rate, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW([group for group in groups if group["params"]], lr=settings.learning_rate)


def _record(
    epoch: int,
    loss: float,
    metrics: Metrics,
    optimizer: torch.optim.Optimizer,
    evaluation: EvaluationTable,
    seconds: float,
    rows: int,
) -> EpochRecord:
    value = metrics.value(evaluation.metric)
    return EpochRecord(
        epoch=epoch + 1,
        loss=loss,
        dev_metric=-value if evaluation.metric == "log_loss" else value,
        dev_accuracy=metrics.accuracy,
        dev_log_loss=metrics.log_loss,
        learning_rate=float(optimizer.param_groups[0]["lr"]),
        seconds=seconds,
        answers_per_second=rows / seconds if seconds else 0.0,
    )


def _about(history: History) -> dict[str, object]:
    return {
        "records": [asdict(record) for record in history.records],
        "best_epoch": history.best_epoch,
        "improved_epoch": history.improved_epoch,
        "best": list(history.best),
        "stopped_early": history.stopped_early,
    }


def _history(about: Mapping[str, Any]) -> History:
    records = [EpochRecord(**record) for record in about["records"]]
    metric, log_loss = about["best"]
    return History(
        records, about["best_epoch"], about["improved_epoch"], (metric, log_loss), bool(about["stopped_early"])
    )
