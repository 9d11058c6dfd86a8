"""Which results an aggregate can have, when some of its elements may hold or not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from nesy.reasoning.evaluation.kernels import EMPTY, Index, Mask

Numbers: TypeAlias = NDArray[Any]  # int64 or float64

# Partial sums of integers in a range up to this many values are kept as the bits of one long integer.
MAX_BITS = 1 << 22


class TooManyResults(Exception):
    """More possible results than the limit allows."""


@dataclass(frozen=True, eq=False)
class Elements:
    """Distinct term tuples, ascending by group, and the instances of their conditions."""

    group: Index  # [n]
    terms: list[Index]
    weight: Numbers  # [n]
    is_integer: Mask  # [n] the weight is one
    certain: Mask  # [n]
    of_instance: Index  # [i] the element of each instance
    body: Index  # [i, k] literals
    instance_certain: Mask  # [i]

    @classmethod
    def none(cls, width: int) -> Elements:
        nothing = np.empty(0, dtype=np.bool_)
        return cls(EMPTY, [EMPTY] * width, EMPTY, nothing, nothing, EMPTY, np.empty((0, 0), dtype=np.int64), nothing)


class Exclusive(NamedTuple):
    """What is known of elements that a random choice decides: per element, -1 where nothing is."""

    choice: Index  # elements of one choice and different outcomes exclude each other
    outcome: Index
    is_pure: Mask  # the element holds exactly when its outcome is chosen
    num_outcomes: Index  # of an exhaustive choice; -1 where it may also have none of its outcomes

    def select(self, part: slice) -> Exclusive:
        """The same of some elements."""
        return Exclusive(self.choice[part], self.outcome[part], self.is_pure[part], self.num_outcomes[part])


def possible_results(function: str, weight: Numbers, certain: Mask, choices: Exclusive, limit: int) -> Numbers:
    """All results in ascending order, maybe with some that no world has.

    Raises: TooManyResults.
    """
    match function:
        case "count" | "sum":
            values = _sums(weight, certain, choices, limit)
        case "min":
            values = np.unique(weight if not certain.any() else weight[weight <= weight[certain].min()])
        case "max":
            values = np.unique(weight if not certain.any() else weight[weight >= weight[certain].max()])
        case _:
            values = _averages(weight, certain, limit)
    if len(values) > limit:
        raise TooManyResults
    return values


def _steps(weight: Numbers, certain: Mask, choices: Exclusive) -> list[Numbers]:
    """Independent contributions: what each may add."""
    steps: list[Numbers] = []
    free = ~certain & (choices.choice < 0)
    zero = np.zeros(1, dtype=weight.dtype)
    for value in weight[free]:
        steps.append(np.unique(np.append(zero, value)))
    decided = np.flatnonzero(~certain & (choices.choice >= 0))
    for choice in np.unique(choices.choice[decided]):
        members = decided[choices.choice[decided] == choice]
        outcomes = np.unique(choices.outcome[members])
        added = [] if len(outcomes) == choices.num_outcomes[members[0]] else [zero]
        for outcome in outcomes:
            mine = members[choices.outcome[members] == outcome]
            sums = zero
            for member in mine:
                shifted = sums + weight[member]
                sums = shifted if choices.is_pure[member] else np.concatenate([sums, shifted])
            added.append(sums)
        steps.append(np.unique(np.concatenate(added)))
    return steps


def _sums(weight: Numbers, certain: Mask, choices: Exclusive, limit: int) -> Numbers:
    start = weight[certain].sum(keepdims=True) if certain.any() else np.zeros(1, dtype=weight.dtype)
    steps = _steps(weight, certain, choices)
    if weight.dtype == np.int64:
        low = sum(int(step[0]) for step in steps)
        high = sum(int(step[-1]) for step in steps)
        if high - low < MAX_BITS:
            bits = 1
            for step in steps:
                shifted = 0
                for value in (step - step[0]).tolist():
                    shifted |= bits << value
                bits = shifted
            raw = np.frombuffer(bits.to_bytes((high - low) // 8 + 1, "little"), dtype=np.uint8)
            return np.flatnonzero(np.unpackbits(raw, bitorder="little")).astype(np.int64) + low + start
    sums = start
    for step in steps:
        if len(sums) * len(step) > 100 * limit:
            raise TooManyResults
        sums = np.unique(sums[:, None] + step[None, :])
        if len(sums) > limit:
            raise TooManyResults
    return sums


def _averages(weight: Numbers, certain: Mask, limit: int) -> Numbers:
    """Averages come from pairs of a sum and a count; here each element is taken to be free."""
    pairs: set[tuple[float, int]] = {(float(weight[certain].sum()), int(certain.sum()))}
    for value in weight[~certain].tolist():
        pairs |= {(total + value, number + 1) for total, number in pairs}
        if len(pairs) > limit:
            raise TooManyResults
    return np.unique(np.array([total / number for total, number in pairs if number], dtype=np.float64))
