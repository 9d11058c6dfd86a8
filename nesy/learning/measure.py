"""Run a model over prepared batches and measure what comes out."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from nesy.language.core import Atom, Query, Variable
from nesy.learning.abstention import Confidence
from nesy.learning.batches import AnswerNames, Prepared
from nesy.learning.data import Row
from nesy.learning.losses import normalised, statement_surprise
from nesy.learning.metrics import (
    BoundedFigures,
    ConceptFigures,
    Metrics,
    StatementFigures,
    confusion,
    figures,
    group_figures,
    macro_f1,
    reliability,
)
from nesy.learning.schema import EvaluationTable
from nesy.model import Model
from nesy.reasoning import ground


@torch.no_grad()
def answer_all(model: Model, batches: Sequence[Prepared], names: AnswerNames) -> tuple[NDArray[np.float64], list[str]]:
    """The distribution over answers to each query of every row, normalised, in the rows' own order.

    Shapes: -> [N, A], N items, those of a row beside each other, and the A answers as text
    """
    answers = sorted(names.atoms)
    column = {text: i for i, text in enumerate(answers)}
    table = np.zeros((sum(len(prepared.target) for prepared in batches), len(answers)))
    with _evaluating(model):
        for prepared in batches:
            out = model(prepared.batch)
            if not out.answers:
                continue
            p = normalised(prepared.of_items(out.p.double())).cpu().numpy()
            columns = np.array([column[str(atom)] for atom in out.answers])
            table[np.ix_(prepared.items.numpy(), columns)] = p
    return table, answers


@contextmanager
def _evaluating(model: Model) -> Iterator[None]:
    """Without dropout, and afterwards as before."""
    was_training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(was_training)


@dataclass(frozen=True, eq=False)
class Answered:
    """The rows of a split with the model's answers and the known ones, in the rows' own order.

    With several queries each row stands here once for each of them.

    Shapes: p [N, A] normalised, target [N]: -1 not known, -2 known and not derivable, else a column of the A answers
    """

    p: NDArray[np.float64]
    target: NDArray[np.int64]
    answers: Sequence[str]
    rows: Sequence[Row]
    seconds: float  # of the encoder and the probabilities; the rules had run before


def answered(model: Model, batches: Sequence[Prepared], names: AnswerNames, evaluation: EvaluationTable) -> Answered:
    """Answer the rows of a split; predicates that slice them become columns of the rows."""
    started = time.perf_counter()
    p, answers = answer_all(model, batches, names)
    seconds = time.perf_counter() - started
    rows: list[Row | None] = [None] * len(p)
    target = np.full(len(p), -1, dtype=np.int64)
    column = {text: i for i, text in enumerate(answers)}
    wanted = {name for name in evaluation.slices if any(name == known.name for known in model.core.predicates)}
    for prepared in batches:
        sliced = with_derived(model, prepared, wanted)
        each = len(names.queries)
        asked = (row for row in sliced for _ in range(each))
        for number, row, own in zip(prepared.items.tolist(), asked, prepared.target.tolist(), strict=True):
            rows[number] = row
            target[number] = column[str(prepared.batch.answers[own])] if own >= 0 else own
    return Answered(p, target, answers, [row for row in rows if row is not None], seconds)


def measure(
    model: Model, batches: Sequence[Prepared], names: AnswerNames, split: str, evaluation: EvaluationTable
) -> Metrics:
    """All figures of a split. Rows whose answer is not known are left out of those that need it."""
    return metrics_of(answered(model, batches, names, evaluation), model, batches, names, split, evaluation)


def metrics_of(
    found: Answered,
    model: Model,
    batches: Sequence[Prepared],
    names: AnswerNames,
    split: str,
    evaluation: EvaluationTable,
) -> Metrics:
    """All figures of answers that have been given."""
    metrics = summarise(found.p, found.target, found.answers, found.rows, names, split, evaluation)
    each = len(names.queries)
    queries = {
        str(query): summarise(
            found.p[number::each], found.target[number::each], found.answers, found.rows[number::each], names, split,
            evaluation,
        )
        for number, query in enumerate(names.queries)
        if each > 1
    }  # fmt: skip
    return replace(
        metrics,
        queries=queries,
        concepts=concept_accuracy(model, batches),
        statements=statement_figures(model, batches),
        bounded=bounded_figures(model, batches),
        answers_per_second=len(found.p) / found.seconds if found.seconds else 0.0,
    )


def with_derived(model: Model, prepared: Prepared, predicates: set[str]) -> Sequence[Row]:
    """The rows with a column for each predicate of the rules that slices them: whether it may hold of the row.

    The predicates are asked for by themselves: the batch's graph has only what its query depends on.
    """
    if not predicates:
        return prepared.rows
    queries = [
        Query(Atom(signature.name, tuple(Variable(f"X{i}") for i in range(signature.arity))))
        for signature in model.core.predicates
        if signature.name in predicates
    ]
    facts = [model.encoder.facts(row.payload) for row in prepared.rows]
    graph = ground(model.core, facts, queries=queries)
    holds = {(query.atom.predicate, query.sample) for query in graph.query if query.literal is not None}
    return [
        replace(row, columns={**{name: (name, i) in holds for name in predicates}, **row.columns})
        for i, row in enumerate(prepared.rows)
    ]


def summarise(
    p: NDArray[np.float64],
    target: NDArray[np.int64],
    answers: Sequence[str],
    rows: Sequence[Row],
    names: AnswerNames,
    split: str,
    evaluation: EvaluationTable,
) -> Metrics:
    """All figures that follow from distributions and answers.

    Shapes: p [N, A], target [N]: -1 not known, -2 known and not derivable
    """
    known = target != -1
    p, target = p[known], target[known]
    rows = [row for row, is_known in zip(rows, known, strict=True) if is_known]
    predicted = p.argmax(axis=1) if p.size else np.zeros(len(p), dtype=np.int64)
    slices = {}
    for name in evaluation.slices:
        values = np.array([_shown(row.columns.get(name)) for row in rows], dtype=object)
        for value in sorted({v for v in values if v}):
            inside = values == value
            slices[f"{name}={value}"] = figures(p[inside], target[inside], evaluation.bins)
    correct = predicted == target
    groups = [row.columns.get(evaluation.groups) for row in rows] if evaluation.groups else []
    return Metrics(
        split=split,
        grouped=group_figures(correct, groups) if groups else None,
        overall=figures(p, target, evaluation.bins),
        macro_f1=macro_f1(predicted, target),
        slices=slices,
        confusion=confusion(predicted, target, [names.short(text) for text in answers]),
        reliability=reliability(p, target, evaluation.bins),
        underivable=int((target == -2).sum()),
        confidence=Confidence.of(p, target),
    )


@torch.no_grad()
@torch.no_grad()
def bounded_figures(model: Model, batches: Sequence[Prepared]) -> BoundedFigures | None:
    """Rows with an answer of which only an interval is known; None where there are none."""
    with _evaluating(model):
        found = [model(one.batch).slack[one.batch.is_bounded] for one in batches if bool(one.batch.is_bounded.any())]
    return BoundedFigures(sum(map(len, found)), max(float(slack.max()) for slack in found)) if found else None


def statement_figures(model: Model, batches: Sequence[Prepared]) -> StatementFigures | None:
    """How right the answers are about what rows say of single atoms; None where they say nothing."""
    right, surprise, atoms = 0, 0.0, 0
    with _evaluating(model):
        for prepared in batches:
            said = prepared.statements
            if len(said):
                out = model(prepared.batch)
                right += int(((said.chance(out.p).cpu() > 0.5) == (said.truth == 1)).sum())
                surprise += statement_surprise(out, said).sum().item()
                atoms += len(said)
    return StatementFigures(atoms, right / atoms, surprise / atoms) if atoms else None


def _shown(value: object) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


@torch.no_grad()
def concept_accuracy(model: Model, batches: Sequence[Prepared]) -> dict[str, ConceptFigures]:
    """How often each neural predicate is right on the atoms whose truth the rows give."""
    right: dict[str, int] = {}
    atoms: dict[str, int] = {}
    with _evaluating(model):
        for prepared in batches:
            if not prepared.concepts:
                continue
            scores = model.encoder(prepared.batch.payloads, prepared.batch.requests)
            for concept in prepared.concepts:
                picked = scores[concept.predicate].cpu()[concept.request]
                said = (picked[:, 0] > 0).long() if picked.shape[1] == 1 else picked.argmax(dim=1)
                name = concept.predicate
                right[name] = right.get(name, 0) + int((said == concept.truth).sum())
                atoms[name] = atoms.get(name, 0) + len(said)
    return {name: ConceptFigures(atoms[name], right[name] / atoms[name]) for name in atoms}
