"""Which decisions, taken otherwise, would make another answer the most probable one.

Where `nesy.solver.smallest_change` changes the most probable world, this changes what the answer's probability is
computed from: an encoder's output, or a fact, is set to one outcome, and the graph is read again. All single
changes are tried, then all pairs; so what is found is a smallest set, and of those the most probable.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import torch
from torch import Tensor

from nesy.reasoning.derivation import DerivationGraph
from nesy.reasoning.readings.exact import Reading
from nesy.reasoning.readings.findings import Change, OutcomeChange

_MAX_ROWS = 4_096  # pairs read at once; beyond, those are tried whose single changes come nearest


@dataclass(frozen=True)
class _Setting:
    """One outcome of one choice, taken for certain; `before` is the one that was most probable."""

    choice: int
    before: int | None
    after: int | None
    probability_before: float
    probability_after: float

    @property
    def odds(self) -> float:
        return self.probability_after / self.probability_before


def tilt(reading: Reading, leaf: Tensor, rivals: Sequence[int]) -> Change:
    """The fewest, then most probable, outcomes to settle so that another of the rivals has the highest probability.

    `rivals` are queries of the graph, such as all answers to one question. `unknown` where more than two are needed.

    Shapes: leaf [L]
    """
    start = time.perf_counter()
    graph = reading.graph
    given = leaf.detach().double()
    queries = torch.as_tensor(list(rivals))
    with torch.no_grad():
        now = reading(given).p[queries]
    top = int(now.argmax())
    answer = str(graph.query[int(queries[top])].atom)
    settings = _settings(graph, given)
    for size in (1, 2):
        sets = _sets(reading, given, settings, queries, top, size)
        if not sets:
            continue
        with torch.no_grad():
            rows = torch.stack([_settled(graph, given, chosen) for chosen in sets])
            p = reading(rows, where_impossible="nan").p[:, queries]
        others = torch.cat([p[:, :top], p[:, top + 1 :]], 1)
        differs = others.amax(1) > p[:, top] if others.shape[1] else p[:, top] < 0.5
        flips = torch.nonzero(differs).flatten().tolist()
        if flips:
            best = max(flips, key=lambda row: (_odds(sets[row]), -row))
            instead = str(graph.query[int(queries[int(p[best].argmax())])].atom)
            changes = tuple(_change(graph, setting) for setting in sets[best])
            named = (instead,) if instead != answer else ()
            return Change("found", answer, changes, named, odds=_odds(sets[best]), seconds=time.perf_counter() - start)
    reason = "no two decisions alone would change it"
    return Change("unknown", answer, seconds=time.perf_counter() - start, reason=reason)


def _settings(graph: DerivationGraph, leaf: Tensor) -> list[_Setting]:
    found: list[_Setting] = []
    for choice in range(graph.choices.num_choices):
        leaves = range(int(graph.choices.ptr[choice]), int(graph.choices.ptr[choice + 1]))
        chances: dict[int | None, float] = {one: leaf[one].item() for one in leaves}
        if graph.choices.has_rest[choice]:
            chances[None] = max(0.0, 1.0 - sum(chances.values()))
        before = max(chances, key=lambda one: chances[one])
        for after, chance in chances.items():
            if after != before and chance > 0:
                found.append(_Setting(choice, before, after, chances[before], chance))
    return found


def _sets(
    reading: Reading, leaf: Tensor, settings: Sequence[_Setting], queries: Tensor, top: int, size: int
) -> list[tuple[_Setting, ...]]:
    if size == 1:
        return [(setting,) for setting in settings]
    if len(settings) < 2:
        return []
    with torch.no_grad():
        rows = torch.stack([_settled(reading.graph, leaf, (setting,)) for setting in settings])
        alone = reading(rows, where_impossible="nan").p[:, queries][:, top].nan_to_num(nan=1.0)
    nearest = [settings[index] for index in alone.argsort(stable=True).tolist()]
    while len(nearest) * (len(nearest) - 1) // 2 > _MAX_ROWS:
        nearest.pop()
    return [pair for pair in combinations(nearest, 2) if pair[0].choice != pair[1].choice]


def _settled(graph: DerivationGraph, leaf: Tensor, settings: Sequence[_Setting]) -> Tensor:
    row = leaf.clone()
    for setting in settings:
        row[int(graph.choices.ptr[setting.choice]) : int(graph.choices.ptr[setting.choice + 1])] = 0
        if setting.after is not None:
            row[setting.after] = 1
    return row


def _odds(settings: Sequence[_Setting]) -> float:
    result = 1.0
    for setting in settings:
        result *= setting.odds
    return result


def _change(graph: DerivationGraph, setting: _Setting) -> OutcomeChange:
    return OutcomeChange(
        setting.choice,
        setting.before,
        setting.after,
        _text(graph, setting.choice, setting.before, setting.after),
        _text(graph, setting.choice, setting.after, setting.before),
        setting.probability_before,
        setting.probability_after,
    )


def _text(graph: DerivationGraph, choice: int, outcome: int | None, other: int | None) -> str:
    if outcome is not None:
        return str(graph.atom_of(outcome))
    leaf = other if other is not None else int(graph.choices.ptr[choice])
    return f"not {graph.atom_of(leaf)}"
