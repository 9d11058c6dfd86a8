"""The training loop: batches in, the weights of the best epoch left in the model."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
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
from nesy.learning.group import ALONE, Group
from nesy.learning.losses import Part, answer_loss, concept_loss, constraint_loss, means, statement_loss
from nesy.learning.measure import measure
from nesy.learning.metrics import Metrics
from nesy.learning.progress import EpochRecord, Reporter
from nesy.learning.schema import EvaluationTable, TrainingTable
from nesy.learning.seeding import number, permutation
from nesy.leaves import LeafPlan, Parameters
from nesy.model import Batch, Distribution, Model

Objective: TypeAlias = Callable[[Prepared, Distribution], Tensor]
RowsOfEpoch: TypeAlias = Callable[[int], Sequence[Row]]


@dataclass
class TrainingBatches:
    """The batches of each epoch, prepared as seldom as their structure allows (see `batches`).

    All processes of a group draw the same batches, and each prepares its own share of them.
    """

    model: Model
    rows_of: RowsOfEpoch
    redraws: bool
    settings: TrainingTable
    seed: int
    names: AnswerNames
    reporter: Reporter
    group: Group = ALONE

    def __post_init__(self) -> None:
        rows = self.rows_of(0)
        self.num_rows = len(rows)
        structure = structures(self.model, rows)
        self._is_free = are_few(structure, self.settings.batch_size)
        self._kept: list[tuple[Prepared, int]] = []
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
        self._agree()
        self._note_bounded(structure, list(first), prepared)
        if self._is_free:
            for row in rows:
                check_row(row, self.names)
        else:
            check_answers(prepared, self.names)
        if not self._is_free and not self.redraws:
            self._kept = [(self._replanned(one), len(members)) for one, members in zip(prepared, plan, strict=True)]

    def _note_bounded(self, structure: Sequence[int], first: Sequence[int], prepared: Sequence[Prepared]) -> None:
        """Say of how many rows only intervals of probabilities are known; all processes count together."""
        if self._is_free:
            bounded = {number for number, one in zip(first, prepared, strict=True) if bool(one.batch.is_bounded.any())}
            count = sum(number in bounded for number in structure)
        else:
            count = sum(self.group.gather(sum(int(one.batch.is_bounded.sum()) for one in prepared)))
        if count:
            self.reporter.note(
                f"{count:,} of {self.num_rows:,} rows are too entangled for exact probabilities: "
                "they are learned by the middle of an interval"
            )

    def _agree(self) -> None:
        """Make what any process met of answers and of the rules' parameters known to all, in one order."""
        if self.group.is_alone:
            return
        model = self.model
        met = self.group.gather((list(self.names.atoms.values()), list(model.parameters_of_rules.groups)))
        self.names.atoms.clear()
        self.names.by_name.clear()
        fresh = Parameters(model.core).to(model.parameters_of_rules.logits.device)
        for atoms, keys in met:
            self.names.extend(atoms)
            fresh.extend(keys)
        model.parameters_of_rules = fresh
        self._template = {key: self._replanned(one) for key, one in self._template.items()}

    def _replanned(self, one: Prepared) -> Prepared:
        """The batch for the parameters that the group has agreed on."""
        if self.group.is_alone:
            return one
        plan = LeafPlan.of(one.batch.graph, self.model.parameters_of_rules)
        return replace(one, batch=replace(one.batch, plan=plan))

    def epoch(self, epoch: int) -> Iterator[tuple[Prepared, int]]:
        """This process's shares of the batches of an epoch, in its order, and how many rows each batch has."""
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
            yield self._prepared(rows, members), len(members)

    def _plan(self, rows: Sequence[Row], epoch: int) -> list[list[int]]:
        if self._is_free:
            return shuffled(structures(self.model, rows), self.settings.batch_size, self.seed, epoch)
        seed = self.seed if not self.redraws else number(self.seed, "partition", epoch)
        return partition(rows, self.settings.batch_size, seed, self.settings.length_column)

    def _prepared(self, rows: Sequence[Row], batch: Sequence[int], *, learn: bool = False) -> Prepared:
        members = self.group.share(batch)
        chosen = [rows[i] for i in members]
        key = (self.model.structure(chosen[0].payload), len(members)) if self._is_free else None
        if key in self._template and not self.settings.concept_weight:
            return refill(self._template[key], chosen, members, self.names)
        one = prepare(self.model, chosen, members, self.names, learn=learn)
        if key is not None:
            self._template[key] = one
        if learn:
            self.reporter.step(len(batch))
        return one


@dataclass
class History:
    """What happened, epoch by epoch."""

    records: list[EpochRecord] = field(default_factory=list)
    best_epoch: int = 0
    improved_epoch: int = 0  # the last one with a better dev metric; among equals the log-loss chooses the best
    best: tuple[float, float] = (-math.inf, -math.inf)
    stopped_early: bool = False


def label_objective(model: Model, settings: TrainingTable, group: Group = ALONE) -> Objective:
    """The loss of known answers and statements, and of known concepts and of constraints where they have a weight."""

    def loss(prepared: Prepared, out: Distribution) -> Tensor:
        parts: list[Part] = [(1.0, [answer_loss(out, prepared, settings.smoothing)])]
        if settings.concept_weight:
            parts.append((settings.concept_weight, concept_loss(model, out, prepared)))
        parts.append((1.0, [statement_loss(out, prepared.statements)]))
        if settings.constraint_weight:
            parts.append((settings.constraint_weight, [constraint_loss(out)]))
        return means(parts, group)

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

    The processes of a group end with the same weights. Its first one measures `dev` and writes the state; that of the
    others is not looked at.

    Raises: NesyError if the loss stops being a number; RunError for a state that does not fit.
    """
    settings, group = batches.settings, batches.group
    optimizer = _optimizer(model, settings)
    history = History()
    best = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
    before = group.from_first(state.read() if group.is_first and resume and state.exists() else None)
    if before is not None:
        tensors, about = before
        best = unpack(tensors, model, optimizer)
        history = _history(about)
        reporter.note(f"resuming after epoch {len(history.records)} of {settings.epochs}")
    while len(history.records) < settings.epochs and not history.stopped_early:
        epoch = len(history.records)
        started = time.perf_counter()
        loss, rows = _pass(model, batches, objective, optimizer, epoch, reporter)
        seconds = time.perf_counter() - started
        found = None
        if group.is_first:
            metrics = measure(model, dev, batches.names, "dev", evaluation)
            score = (metrics.value(evaluation.metric), metrics.value("log_loss"))
            found = _record(epoch, loss, metrics, optimizer, evaluation, seconds, rows), score
        record, score = group.from_first(found)
        history.records.append(record)
        is_best = score > history.best
        if score[0] > history.best[0]:
            history.improved_epoch = epoch + 1
        if is_best:
            history.best, history.best_epoch = score, epoch + 1
            best = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
        reporter.epoch(record, evaluation.metric, is_best)
        if settings.patience and epoch + 1 - history.improved_epoch >= settings.patience:
            history.stopped_early = True
        if group.is_first:
            state.write(pack(model, optimizer, best), _about(history))
    model.load_state_dict(best)
    model.eval()
    return history


def _with_fact_dropout(model: Model, batch: Batch, shares: Mapping[str, float]) -> Distribution:
    """The answers where nothing is said of a random share of some predicates' atoms, and all that the encoder says.

    Each value of such an atom is as likely as the others. Where one predicate alone explains the training answers,
    others that new inputs need would learn little. Source: Neverova et al., "ModDrop: adaptive multi-modal gesture
    recognition", TPAMI 2016.
    """
    scores = model.scores(batch)
    heard = {
        name: score * (torch.rand(len(score), 1, device=score.device) >= shares[name]) if name in shares else score
        for name, score in scores.items()
    }
    return replace(model.distribution(batch, heard), scores=scores)


def _pass(
    model: Model,
    batches: TrainingBatches,
    objective: Objective,
    optimizer: torch.optim.Optimizer,
    epoch: int,
    reporter: Reporter,
) -> tuple[float, int]:
    """One pass over the training rows: the mean of their losses, and how many they are."""
    settings, group = batches.settings, batches.group
    purpose = "dropout" if group.is_first else f"dropout of process {group.rank}"
    torch.manual_seed(number(batches.seed, purpose, epoch))
    reporter.stage(f"epoch {epoch + 1}/{settings.epochs}", batches.num_steps)
    model.train()
    total, rows = 0.0, 0
    for step, (prepared, num_rows) in enumerate(batches.epoch(epoch)):
        share = step_size(settings, epoch * batches.num_steps + step, batches.num_steps * settings.epochs)
        for weights in optimizer.param_groups:
            weights["lr"] = weights["peak"] * share
        loss = objective(prepared, _with_fact_dropout(model, prepared.batch, settings.fact_dropout))
        value = float(group.sum(loss.detach()))
        if not math.isfinite(value):
            raise NesyError(
                f"the loss is {value} in epoch {epoch + 1}, step {step + 1}: lower `learning_rate` in [training]"
            )
        optimizer.zero_grad(set_to_none=True)
        if loss.requires_grad:
            loss.backward()
        group.sum_gradients(model.parameters())
        if settings.clip:
            torch.nn.utils.clip_grad_norm_(model.parameters(), settings.clip)
        optimizer.step()
        total += value * num_rows
        rows += num_rows
        reporter.step(num_rows, total / rows)
    return total / max(rows, 1), rows


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
