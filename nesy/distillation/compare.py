"""Student and teacher on the same rows, and beside them the students that lacked the teacher or the rules."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from nesy.errors import InconsistentError
from nesy.learning.batches import AnswerNames, Prepared
from nesy.learning.data import Row
from nesy.learning.measure import answer_all, summarise, with_derived
from nesy.learning.metrics import SMALLEST
from nesy.learning.task import Task
from nesy.learning.training import prepare_all
from nesy.model import Model

_EXPLAINED = 20  # disagreements kept in metrics.json with their explanation, the most confident ones
_TIMED = 256  # rows that answers per second are measured on, everything included


@dataclass(frozen=True, eq=False)
class Said:
    """What a teacher says of rows, and who it is.

    Shapes: log [N, len(answers)] log-probabilities
    """

    log: Tensor
    answers: Sequence[str]
    about: Mapping[str, Any]  # name, parameters, bytes, answers_per_second


@dataclass(frozen=True, eq=False)
class Side:
    """A model's answers to rows beside a teacher's, in columns of the same order.

    Shapes: student, teacher [N, A]; target [N], -1 not known, -2 known and not derivable; excluded [N, A]
    """

    student: NDArray[np.float64]
    teacher: NDArray[np.float64]
    target: NDArray[np.int64]
    columns: list[str]
    rows: list[Row]  # with a column for each predicate of the rules that slices them
    excluded: NDArray[np.bool_]  # answers that the rules and constraints leave no chance, whatever the encoder says


def comparison(
    model: Model, task: Task, rows: Sequence[Row], split: str, names: AnswerNames, said: Said
) -> dict[str, Any]:
    """The teacher's figures beside the student's, and where the two disagree, for metrics.json."""
    side = beside(model, task, rows, names, said)
    student = students_column("student", model, side, task, split, names)
    return {
        "teacher": {
            **teachers_column(side, task, split, names, said),
            "agreement": student["agreement"],
            "kl": student["kl"],
            "num_disagreements": int((side.student.argmax(axis=1) != side.teacher.argmax(axis=1)).sum()),
            "disagreements": disagreements(model, side, rows, names),
        },
        "students": [student],
    }


def columns_of(
    others: Mapping[str, Model], task: Task, rows: Sequence[Row], split: str, said: Said
) -> list[dict[str, Any]]:
    """The figures of students that lack something."""
    columns = []
    for name, model in others.items():
        names = AnswerNames.of(model)
        side = beside(model, task, rows, names, said)
        columns.append(students_column(name, model, side, task, split, names))
    return columns


def about_model(name: str, model: Model, task: Task, rows: Sequence[Row]) -> dict[str, Any]:
    """Who a teacher is that is itself a model with rules."""
    return {
        "name": name,
        "parameters": sum(p.numel() for p in model.parameters()),
        "bytes": num_bytes(model),
        "inputs_cut": 0,
        "answers_per_second": answers_per_second(model, task, rows),
    }


def beside(model: Model, task: Task, rows: Sequence[Row], names: AnswerNames, said: Said) -> Side:
    """Ask a model about rows that a teacher has been asked about."""
    prepared = prepare_all(model, rows, names, task)
    student, columns = answer_all(model, prepared, names)
    teacher = np.zeros_like(student)
    teacher[:, [columns.index(answer) for answer in said.answers]] = said.log.double().exp().numpy()
    target = np.full(len(rows), -1, dtype=np.int64)
    excluded = np.ones(student.shape, dtype=bool)
    sliced = list(rows)
    wanted = {name for name in task.evaluation.slices if any(name == known.name for known in model.core.predicates)}
    for batch in prepared:
        derived = with_derived(model, batch, wanted)
        for number, own, row in zip(batch.index.tolist(), batch.target.tolist(), derived, strict=True):
            target[number] = columns.index(str(batch.batch.answers[own])) if own >= 0 else own
            sliced[number] = row
        _allow(excluded, batch, columns)
    return Side(student, teacher, target, columns, sliced, excluded)


def _allow(excluded: NDArray[np.bool_], batch: Prepared, columns: Sequence[str]) -> None:
    """Mark the answers that a derivation leads to."""
    place = [columns.index(str(atom)) for atom in batch.batch.answers]
    possible = (batch.batch.column < len(batch.batch.graph.query)).numpy()
    for row, number in enumerate(batch.index.tolist()):
        excluded[number, [column for column, may in zip(place, possible[row], strict=True) if may]] = False


def teachers_column(side: Side, task: Task, split: str, names: AnswerNames, said: Said) -> Any:
    """The teacher's own figures."""
    metrics = summarise(side.teacher, side.target, side.columns, side.rows, names, split, task.evaluation)
    told = side.teacher.argmax(axis=1)
    return {
        **said.about,
        **_figures(metrics.to_dict()),
        "violations": int(side.excluded[np.arange(len(told)), told].sum()),
    }


def students_column(name: str, model: Model, side: Side, task: Task, split: str, names: AnswerNames) -> dict[str, Any]:
    """A student's figures, and how near it is to the teacher."""
    metrics = summarise(side.student, side.target, side.columns, side.rows, names, split, task.evaluation)
    chosen, told = side.student.argmax(axis=1), side.teacher.argmax(axis=1)
    known = np.maximum(side.student, SMALLEST)
    divergence = (side.teacher * (np.log(np.maximum(side.teacher, SMALLEST)) - np.log(known))).sum(axis=1)
    return {
        "name": name,
        "parameters": sum(p.numel() for p in model.parameters()),
        "bytes": num_bytes(model),
        "answers_per_second": answers_per_second(model, task, side.rows),
        **_figures(metrics.to_dict()),
        "agreement": round(float((chosen == told).mean()), 6),
        "kl": round(float(divergence.mean()), 6),
        "violations": int(side.excluded[np.arange(len(chosen)), chosen].sum()),
    }


def _figures(document: Mapping[str, Any]) -> dict[str, Any]:
    return {name: document[name] for name in ("split", "rows", "accuracy", "log_loss", "ece", "slices", "groups")}


def num_bytes(model: Model) -> int:
    """What the weights take on disk, less the header of some hundred bytes."""
    return sum(tensor.numel() * tensor.element_size() for tensor in model.state_dict().values())


def answers_per_second(model: Model, task: Task, rows: Sequence[Row]) -> float:
    """Texts in, answers out: reading, rules, encoder and exact probabilities. The better of two measurements."""
    few = [rows[i] for i in range(0, len(rows), max(1, len(rows) // _TIMED))][:_TIMED]
    best = float("inf")
    for _ in range(2):
        names = AnswerNames.of(model)
        started = time.perf_counter()
        answer_all(model, prepare_all(model, few, names, task), names)
        best = min(best, time.perf_counter() - started)
    return round(len(few) / best, 1)


def disagreements(model: Model, side: Side, rows: Sequence[Row], names: AnswerNames) -> list[dict[str, Any]]:
    """The rows on which student and teacher most surely differ, each with the student's proof."""
    chosen, told = side.student.argmax(axis=1), side.teacher.argmax(axis=1)
    differ = np.flatnonzero(chosen != told)
    certainty = side.student.max(axis=1) + side.teacher.max(axis=1)
    differ = differ[np.argsort(-certainty[differ], kind="stable")]
    columns = side.columns
    return [
        {
            "input": dict(rows[i].payload),
            "answer": rows[i].answer,
            "student": {names.short(columns[chosen[i]]): round(float(side.student[i, chosen[i]]), 4)},
            "teacher": {names.short(columns[told[i]]): round(float(side.teacher[i, told[i]]), 4)},
            "excluded_by_rules": bool(side.excluded[i, told[i]]),
            "because": _because(model, rows[i]),
        }
        for i in differ[:_EXPLAINED].tolist()
    ]


def _because(model: Model, row: Row) -> str:
    try:
        return str(model.ask(row.payload).explain(top=1))
    except InconsistentError as error:
        return str(error)
