"""After training: would another meaning of the encoder's values have answered the training rows as well?

An encoder that learns from answers alone may have learned some values as others, wherever the rules let it. Whether
they do is seen by trying: the scores of what was learned are given to other values (exchanged, or several to one), and
the rules answer the same rows again. No label is needed for that, and no assumption on what the encoder learned.
`nesy check` proves the same of all small inputs before any training; its exchange is one of those tried here.

Source: Marconato, Teso, Vergari, Passerini, "Not all neuro-symbolic concepts are created equal", NeurIPS 2023, where
the optima that are no intended ones are counted as maps between labellings, as here.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations, product
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.nn import functional

from nesy.errors import InconsistentError
from nesy.language.values import format_value
from nesy.learning.batches import AnswerNames, Prepared, in_order, prepare
from nesy.learning.data import Row
from nesy.learning.losses import normalised
from nesy.learning.seeding import permutation
from nesy.model import Model
from nesy.solver.shortcuts import find_exchange

_ROWS = 256  # answered again under each relabelling: enough to tell one wrong row in a hundred
_FIRST = 32  # rows of the first batch, in which most relabellings fail
_BATCH = 64
_SLACK = 0.01  # share of the rows that a relabelling may have wrong beyond those that are wrong anyway
_FEWEST_RIGHT = 0.5  # of the rows: where less is right, nothing was learned that could be mistaken
_MOST_TRIED = 600  # of one predicate; where there are more, exchanges, merges and shifts of values stand for them
_IMPOSSIBLE = -1e9  # the score of a value that nothing is taken for
_LISTED = 5

# For each predicate, by the number of its own outcome, the outcome it is taken for. A yes/no predicate has 0 no, 1 yes.
Relabelling: TypeAlias = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class Shortcuts:
    """What came of trying other labellings on training rows."""

    rows: int
    right: int  # under the labelling that was learned
    tried: int
    possible: int  # relabellings there are
    admitted: int  # that answer the rows as well
    examples: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """As JSON data."""
        return {
            "rows": self.rows,
            "right": self.right,
            "tried": self.tried,
            "possible": self.possible,
            "admitted": self.admitted,
            "examples": list(self.examples),
        }

    def __str__(self) -> str:
        if not self.admitted:
            return ""
        some = f" (such as {self.examples[0]})" if self.examples else ""
        return (
            f"warning: reasoning shortcut: {self.admitted:,} of {self.tried:,} other labellings{some} answer "
            f"{self.rows:,} training rows as well as what was learned; answers alone cannot teach which is meant: see "
            "N805 of `nesy check`, or give some rows concepts"
        )


def find_shortcuts(
    model: Model, rows: Sequence[Row], names: AnswerNames, *, seed: int, told: frozenset[str], column: str
) -> Shortcuts | None:
    """Count the relabellings of the encoder's values that answer training rows as well as the learned ones.

    Predicates whose truth the loss was `told` keep their values; `column` tells rows of like length. None where there
    is nothing to find: no neural predicate, no row with an answer, or too few rows answered rightly.
    """
    free = [name for name in sorted(model.core.neural) if name not in told]
    known = [row for row in rows if row.is_answered]
    chosen = [known[i] for i in permutation(len(known), seed, "shortcuts")[:_ROWS]]
    if not free or not chosen:
        return None
    model.eval()
    trial = _Trial(model, _batches(model, chosen, names, column))
    right = sum(trial.right(number, {}) for number in range(len(trial.batches)))
    answers = sum(trial.known)
    if right < _FEWEST_RIGHT * answers:
        return None
    allowed = answers - right + math.floor(_SLACK * answers)
    seen = {name: trial.seen(name) for name in free}
    possible = (
        math.prod(_num_outcomes(model, name) ** len(outcomes) for name, outcomes in seen.items()) - 1
    )  # the learned labelling itself is one of them
    tried, found = 0, []
    for relabelling in _distinct(candidates(model, seen), seen):
        tried += 1
        if trial.is_as_good(relabelling, allowed):
            found.append(_told(model, relabelling, seen))
    found.sort(key=lambda text: (text.count(" as "), text))
    return Shortcuts(len(chosen), right, tried, possible, len(found), tuple(found[:_LISTED]))


def _batches(model: Model, rows: Sequence[Row], names: AnswerNames, column: str) -> list[Prepared]:
    parts = [part for part in (rows[:_FIRST], rows[_FIRST:]) if part]
    plans = [(part, members) for part in parts for members in in_order(model, part, _BATCH, column)]
    return [prepare(model, [part[i] for i in members], members, names) for part, members in plans]


class _Trial:
    """Rows with the scores that the encoder gives them, answered under any labelling."""

    def __init__(self, model: Model, batches: Sequence[Prepared]):
        self.model, self.batches = model, batches
        self.known = [int((one.target != -1).sum()) for one in batches]  # answers, of which a row may have several
        with torch.no_grad():
            self.scores = [model.scores(one.batch) for one in batches]

    def seen(self, name: str) -> tuple[int, ...]:
        """The outcomes of a predicate that the encoder gave to something."""
        given: set[int] = set()
        for scores in self.scores:
            if name in scores and len(scores[name]):
                score = scores[name]
                best = (score[:, 0] > 0).long() if score.shape[1] == 1 else score.argmax(dim=1)
                given |= set(best.tolist())
        return tuple(sorted(given))

    @torch.no_grad()
    def right(self, number: int, relabelling: Relabelling) -> int:
        """How many answers of a batch are right."""
        one = self.batches[number]
        scores = {
            name: relabelled(score, relabelling[name]) if name in relabelling else score
            for name, score in self.scores[number].items()
        }
        try:
            out = self.model.distribution(one.batch, scores)
        except InconsistentError:  # some row has no world left: such an encoder would be infinitely wrong
            return 0
        if not out.answers:
            return 0
        return int((normalised(one.of_items(out.p)).argmax(dim=1).cpu() == one.target).sum())

    def is_as_good(self, relabelling: Relabelling, allowed: int) -> bool:
        """Whether no more than so many answers are wrong; most relabellings fail in the first batch."""
        wrong = 0
        for number, known in enumerate(self.known):
            wrong += known - self.right(number, relabelling)
            if wrong > allowed:
                return False
        return True


def relabelled(score: Tensor, taken_for: Sequence[int]) -> Tensor:
    """The scores of an encoder that takes each outcome for another one.

    Shapes: score [K, V], or [K, 1] of a yes/no predicate, whose outcomes are no and yes

    >>> relabelled(torch.tensor([[0.0, 1.0, 2.0]]), (1, 0, 2)).softmax(dim=1).argsort()
    tensor([[1, 0, 2]])
    """
    if score.shape[1] == 1:
        log = torch.cat([functional.logsigmoid(-score), functional.logsigmoid(score)], dim=1)
        return torch.diff(_moved(log, taken_for), dim=1)
    return _moved(functional.log_softmax(score, dim=1), taken_for)


def _moved(log: Tensor, taken_for: Sequence[int]) -> Tensor:
    columns = []
    for outcome in range(log.shape[1]):
        sources = [source for source, target in enumerate(taken_for) if target == outcome]
        columns.append(torch.logsumexp(log[:, sources], dim=1) if sources else torch.full_like(log[:, 0], _IMPOSSIBLE))
    return torch.stack(columns, dim=1)


# -- which relabellings are tried ----------------------------------------------------------------------------


def _num_outcomes(model: Model, name: str) -> int:
    values = model.core.neural[name].values
    return 2 if values is None else len(values)


def candidates(model: Model, seen: Mapping[str, Sequence[int]]) -> Iterator[Relabelling]:
    """All relabellings of all predicates together where they are few; else of each alone, or those of a simple form."""
    every = math.prod(_num_outcomes(model, name) ** len(outcomes) for name, outcomes in seen.items())
    if every <= _MOST_TRIED:
        for maps in product(*(_all_maps(_num_outcomes(model, name), outcomes) for name, outcomes in seen.items())):
            yield dict(zip(seen, maps, strict=True))
        return
    for name, outcomes in seen.items():
        count = _num_outcomes(model, name)
        if count ** len(outcomes) <= _MOST_TRIED:
            alone = list(_all_maps(count, outcomes))
        else:
            alone = list(_simple_maps(count))
            alone = alone[:: math.ceil(len(alone) / _MOST_TRIED)]
        for taken_for in alone:
            yield {name: taken_for}
    proved = _proved(model)
    if proved:
        yield proved


def _all_maps(count: int, outcomes: Sequence[int]) -> Iterator[tuple[int, ...]]:
    for targets in product(range(count), repeat=len(outcomes)):
        taken_for = list(range(count))
        for outcome, target in zip(outcomes, targets, strict=True):
            taken_for[outcome] = target
        yield tuple(taken_for)


def _simple_maps(count: int) -> Iterator[tuple[int, ...]]:
    """Two values exchanged, one taken for another, all shifted by as much, and the order turned around."""
    for a, b in permutations(range(count), 2):
        merged = list(range(count))
        merged[a] = b
        yield tuple(merged)
        if a < b:
            merged[b] = a
            yield tuple(merged)
    for shift in range(1, count):
        yield tuple((value + shift) % count for value in range(count))
    yield tuple(reversed(range(count)))


def _proved(model: Model) -> Relabelling:
    """The exchange that the static check finds over all small inputs."""
    exchange = find_exchange(model.core)
    found: dict[str, tuple[int, ...]] = {}
    for name, neural in model.core.neural.items():
        values = (None, 1) if neural.values is None else neural.values
        found[name] = tuple(values.index(exchange.get((name, value), value)) for value in values)
    return found if exchange else {}


def _distinct(candidates: Iterator[Relabelling], seen: Mapping[str, Sequence[int]]) -> Iterator[Relabelling]:
    """Those that differ from each other, and from the learned labelling, in what the encoder gives to some input."""
    known = {_on_seen({}, seen)}
    for relabelling in candidates:
        key = _on_seen(relabelling, seen)
        if key not in known:
            known.add(key)
            yield relabelling


def _on_seen(relabelling: Relabelling, seen: Mapping[str, Sequence[int]]) -> tuple[int, ...]:
    return tuple(
        relabelling[name][outcome] if name in relabelling else outcome
        for name, outcomes in seen.items()
        for outcome in outcomes
    )


def _told(model: Model, relabelling: Relabelling, seen: Mapping[str, Sequence[int]]) -> str:
    """A relabelling in words, as `digit: 0 as 1, 1 as 0`."""
    parts = []
    for name, taken_for in relabelling.items():
        values = model.core.neural[name].values
        shown = ("no", "yes") if values is None else [format_value(value) for value in values]
        changed = [f"{shown[o]} as {shown[taken_for[o]]}" for o in seen.get(name, ()) if taken_for[o] != o]
        if changed:
            parts.append(f"{name}: {', '.join(changed)}")
    return "; ".join(parts)
