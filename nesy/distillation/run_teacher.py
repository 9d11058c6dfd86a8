"""A trained run as the teacher: it is asked for its answers, and for the facts that it proposes.

On a row whose answer is known, its facts are those given the answer: a run that is right about nine facts of ten is
right about more once the rules have told which of its readings lead to what is known. So a student can be better
than its teacher, and what is learned of facts still comes from answers alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from nesy.distillation.compare import Said, about_model
from nesy.distillation.objectives import aligned, tempered_kl
from nesy.distillation.resolve import identity_of
from nesy.errors import TeacherError
from nesy.language.values import Value
from nesy.learning.batches import AnswerNames, Prepared, in_order, prepare
from nesy.learning.data import Row
from nesy.learning.metrics import SMALLEST
from nesy.learning.optimise import Objective, label_objective
from nesy.learning.progress import Reporter
from nesy.learning.sources import DataSource
from nesy.learning.task import Task
from nesy.model import Distribution, Model

_BATCH = 256  # rows that the teacher is asked about together


@dataclass
class Facts:
    """What the teacher says of one neural predicate's keys.

    Shapes: p [N, outcomes] probabilities: one for each value, or no and yes
    """

    p: list[Tensor] = field(default_factory=list)
    place: dict[tuple[int, tuple[Value, ...]], int] = field(default_factory=dict)  # by number of the row, and key

    def add(self, rows: Sequence[int], keys: Sequence[tuple[Value, ...]], p: Tensor) -> None:
        """Keep what is said of some keys. Shapes: p [len(keys), outcomes]"""
        for row, key in zip(rows, keys, strict=True):
            self.place[row, key] = len(self.place)
        self.p.append(p)

    def table(self) -> Tensor:
        """All of it. Shapes: -> [N, outcomes]"""
        if len(self.p) > 1:
            self.p = [torch.cat(self.p)]
        return self.p[0]


class RunLesson:
    """What a trained run says about a task's inputs."""

    def __init__(self, task: Task, folder: Path, source: DataSource, device: str):
        self.task, self.folder, self.source = task, folder, source
        self.teacher = Model.from_pretrained(folder, device=device)
        self.settings: Mapping[str, Any] = {"teacher": identity_of(folder)}
        self.names = AnswerNames.of(self.teacher)
        self.answers: tuple[str, ...] = ()
        self._rows: list[Row] = []
        self._number: dict[int, int] = {}  # of a row, by its identity: rows are kept, so it stays its own
        self._said = torch.zeros(0, 0)
        self._facts: dict[str, Facts] = {}

    def objective(self, model: Model, names: AnswerNames, reporter: Reporter) -> Objective:
        """Ask the teacher about all inputs, and give the loss that compares the student with it.

        Raises: TeacherError for a run that answers another query.
        """
        told, asked = ([str(query.atom) for query in one.queries] for one in (self.teacher, model))
        if told != asked:
            raise TeacherError(f"{self.folder}: this run answers `{', '.join(told)}`, and the task asks `{asked[0]}`")
        shared = [name for name in model.core.neural if _outcomes(model, name) == _outcomes(self.teacher, name)]
        splits = self.source.splits
        self._ask([*splits.learned, *splits.unlabelled, *(splits.test or splits.dev)], shared, reporter)
        table = self.task.distillation
        labels = label_objective(model, self.task.training)

        def loss(prepared: Prepared, out: Distribution) -> Tensor:
            said = self._said[[self._number[id(row)] for row in prepared.rows]].to(out.p.device, out.p.dtype)
            divergence = tempered_kl(aligned(out, self.answers), said, table.temperature)
            total = (1 - table.weight) * labels(prepared, out) + table.weight * divergence
            if table.facts_weight and self._facts:
                total = total + table.facts_weight * self._fact_loss(prepared, out)
            return total

        return loss

    def _fact_loss(self, prepared: Prepared, out: Distribution) -> Tensor:
        """Divergence of the proposed facts from the teacher's, a mean over keys, summed over predicates."""
        numbers = [self._number[id(row)] for row in prepared.rows]
        total = out.p.new_zeros(())
        for name, facts in self._facts.items():
            keys = prepared.batch.requests.get(name)
            if keys is None:
                continue
            told = [facts.place.get((numbers[s], k), -1) for s, k in zip(keys.sample.tolist(), keys.key, strict=True)]
            place = torch.tensor(told, dtype=torch.int64)
            known = place >= 0
            if bool(known.any()):
                scores = out.scores[name][known.to(out.p.device)]
                total = total + fact_divergence(scores, facts.table()[place[known]].to(scores))
        return total

    def reported(self) -> tuple[Sequence[Row], str, Said]:
        """The rows that figures are of, and what the teacher says of them."""
        splits = self.source.splits
        rows, split = (splits.test, "test") if splits.test else (splits.dev, "dev")
        about = about_model(str(self.folder), self.teacher, self.task, rows)
        log = self._said[[self._number[id(row)] for row in rows]]
        can = (log.exp() > SMALLEST).any(dim=0)
        answers = [answer for answer, may in zip(self.answers, can.tolist(), strict=True) if may]
        return rows, split, Said(log[:, can], answers, about)

    def _ask(self, rows: Sequence[Row], shared: Sequence[str], reporter: Reporter) -> None:
        self._rows = list(rows)
        self._number = {id(row): number for number, row in enumerate(self._rows)}
        plan = in_order(self.teacher, rows, _BATCH, self.task.training.length_column)
        reporter.stage("asking the teacher", len(plan))
        self._facts = {name: Facts() for name in shared}
        found: list[tuple[list[int], tuple[str, ...], Tensor]] = []
        for members in plan:
            prepared = prepare(self.teacher, [rows[i] for i in members], members, self.names)
            out, facts = facts_given_answers(self.teacher, prepared)
            found.append((list(members), tuple(map(str, out.answers)), out.p.detach().float().cpu()))
            for name in shared:
                if name in facts:
                    keys = prepared.batch.requests[name]
                    self._facts[name].add([members[s] for s in keys.sample.tolist()], keys.key, facts[name])
            reporter.step(len(members))
        self._facts = {name: facts for name, facts in self._facts.items() if facts.p}
        self.answers = tuple(self.names.atoms)
        place = {answer: column for column, answer in enumerate(self.answers)}
        p = torch.zeros(len(rows), len(self.answers))
        for members, answers, of_batch in found:
            p[torch.tensor(members)[:, None], torch.tensor([place[answer] for answer in answers])[None]] = of_batch
        self._said = p.clamp(min=SMALLEST).log()


def facts_given_answers(model: Model, prepared: Prepared) -> tuple[Distribution, dict[str, Tensor]]:
    """A batch's answers, and the probability of each outcome of each key: given the row's answer where it is known.

    The probability of an answer is linear in that of each outcome of a key, so the gradient of its logarithm by the
    key's scores is how much likelier each outcome is once the answer is known. A row whose answer has no chance keeps
    what the model says without it.

    Shapes: each [K, outcomes]; no and yes for a predicate with a single score
    Source: Darwiche, "A Differential Approach to Inference in Bayesian Networks", JACM 2003, for posteriors as
    derivatives.
    """
    batch = prepared.batch
    with torch.no_grad():
        given = model.scores(batch)
    scores = {name: score.detach().requires_grad_() for name, score in given.items()}
    with torch.enable_grad():
        out = model.distribution(batch, scores)
        known = prepared.target >= 0
        column = prepared.target.clamp(min=0).to(out.p.device)[:, None]
        chance = (out.p.gather(1, column).squeeze(1) * out.evidence)[known.to(out.p.device)]
        surprise = chance.clamp(min=SMALLEST).log().sum()
        names = list(scores)
        moves = torch.autograd.grad(surprise, [scores[name] for name in names], allow_unused=True)
    facts = {}
    for name, move in zip(names, moves, strict=True):
        soft = model.temperatures.soften(name, scores[name]).detach()
        ratio = model.temperatures.soften(name, torch.ones_like(soft))
        gained = torch.zeros_like(soft) if move is None else move / ratio
        prior = soft.sigmoid() if soft.shape[1] == 1 else soft.softmax(dim=1)
        p = (prior + gained).clamp(min=0)
        p = torch.cat([1 - p, p], dim=1).clamp(min=0) if soft.shape[1] == 1 else p
        facts[name] = (p / p.sum(dim=1, keepdim=True)).float().cpu()
    return out, facts


def fact_divergence(scores: Tensor, teacher: Tensor) -> Tensor:
    """Mean divergence of proposed facts from the teacher's.

    Shapes: scores [K, V], teacher [K, outcomes] -> []
    Units: nats.
    Source: Hinton, Vinyals, Dean, 2015 (as `tempered_kl`), on the facts below the rules.
    """
    if scores.shape[1] == 1:
        own = torch.cat([functional.logsigmoid(-scores), functional.logsigmoid(scores)], dim=1)
    else:
        own = functional.log_softmax(scores, dim=1)
    return (torch.special.xlogy(teacher, teacher) - teacher * own).sum(dim=1).mean()


def _outcomes(model: Model, name: str) -> object:
    """What a predicate may say of a key, as far as two programs have it in common; None where one lacks it."""
    neural = model.core.neural.get(name)
    return None if neural is None else (neural.values, neural.num_scores)
