"""Student and teacher on the same rows: their figures, how often they agree, and where they do not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from torch import Tensor

from nesy.learning.batches import AnswerNames
from nesy.learning.data import Row
from nesy.learning.measure import answer_all, summarise
from nesy.learning.metrics import SMALLEST
from nesy.learning.task import Task
from nesy.learning.training import prepare_all
from nesy.model import Model

_SHOWN = 20  # disagreements kept in metrics.json, the most confident ones


def compare(
    model: Model,
    task: Task,
    rows: Sequence[Row],
    split: str,
    names: AnswerNames,
    teacher: Tensor,
    answers: Sequence[str],
) -> dict[str, Any]:
    """The teacher's figures and its distance to the student.

    Shapes: teacher [N, len(answers)] log-probabilities
    """
    prepared = prepare_all(model, rows, names, task)
    student, columns = answer_all(model, prepared, names)
    place = [columns.index(answer) for answer in answers]
    said = np.zeros_like(student)
    said[:, place] = teacher.double().exp().numpy()
    target = np.full(len(rows), -1, dtype=np.int64)
    for batch in prepared:
        for number, own in zip(batch.index.tolist(), batch.target.tolist(), strict=True):
            target[number] = columns.index(str(batch.batch.answers[own])) if own >= 0 else own
    metrics = summarise(said, target, columns, rows, names, split, task.evaluation)
    known = np.maximum(student, SMALLEST)
    divergence = (said * (np.log(np.maximum(said, SMALLEST)) - np.log(known))).sum(axis=1)
    chosen, told = student.argmax(axis=1), said.argmax(axis=1)
    differ = np.flatnonzero(chosen != told)
    certainty = student.max(axis=1) + said.max(axis=1)
    differ = differ[np.argsort(-certainty[differ], kind="stable")]
    document = metrics.to_dict()
    return {
        **{name: document[name] for name in ("split", "rows", "accuracy", "log_loss", "ece", "slices")},
        "agreement": round(float((chosen == told).mean()), 6),
        "kl": round(float(divergence.mean()), 6),
        "num_disagreements": len(differ),
        "disagreements": [
            {
                "input": dict(rows[i].payload),
                "answer": rows[i].answer,
                "student": {names.short(columns[chosen[i]]): round(float(student[i, chosen[i]]), 4)},
                "teacher": {names.short(columns[told[i]]): round(float(said[i, told[i]]), 4)},
            }
            for i in differ[:_SHOWN].tolist()
        ],
    }
