"""The surest wrong answers of a split, each with the reason why it was given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from nesy.answer import Explanation
from nesy.errors import NesyError
from nesy.language.core import Atom
from nesy.learning.batches import AnswerNames
from nesy.learning.measure import Answered
from nesy.model import Model


@dataclass(frozen=True)
class Mistake:
    """One wrong answer: where its row is, what was right, what was said and how surely."""

    origin: str
    input: Mapping[str, Any]
    truth: str
    given: str
    chance: float
    chance_of_truth: float
    explanation: Explanation | None  # None where the input has no answer at all


def surest_mistakes(model: Model, found: Answered, names: AnswerNames, most: int) -> list[Mistake]:
    """The wrong answers that the model was surest of, the surest first."""
    if not found.p.size:
        return []
    wrong = np.flatnonzero((found.target != -1) & (found.p.argmax(axis=1) != found.target))
    order = wrong[np.argsort(-found.p[wrong].max(axis=1), kind="stable")]
    mistakes = []
    for number in order[:most].tolist():
        row, own, query = found.rows[number], int(found.target[number]), number % len(names.queries)
        given = int(found.p[number].argmax())
        mistakes.append(
            Mistake(
                origin=row.origin,
                input=row.payload,
                truth=names.short(found.answers[own]) if own >= 0 else str(row.answers[query]),
                given=names.short(found.answers[given]),
                chance=float(found.p[number, given]),
                chance_of_truth=float(found.p[number, own]) if own >= 0 else 0.0,
                explanation=_explained(model, row.payload, names.queries[query]),
            )
        )
    return mistakes


def _explained(model: Model, payload: Mapping[str, Any], query: Atom) -> Explanation | None:
    """Why the most probable answer to a query was given; None where constraints leave the input none."""
    try:
        parts = model.ask(payload).parts
        return next((part.explain() for part in parts if part.best.atom.signature == query.signature), None)
    except NesyError:
        return None
