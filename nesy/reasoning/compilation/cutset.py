"""Sums and counts that are convolutions, maybe only once a few choices are decided.

The elements of an aggregate often share a choice: whether "not" negates turns every word that it reaches. Given that
choice, the words are independent again. So: find a small cut set of choices without which each element looks
at one choice at most; for each assignment of the cut set, the aggregate is a sum of independent weights,
one a choice (`lifting`). In the formula "the total is v" becomes "the cut set is as in assignment k, and so is v the
k-th distribution's outcome", with one new branch for each assignment in place of the elements' choices.

Source: conditioning on cut sets: Pearl, "Probabilistic Reasoning in Intelligent Systems", 1988, section 4.3.

Cost: (assignments) x (one convolution); evaluating the elements is one pass of boolean arrays over their gates.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import NDArray

from nesy.reasoning.compilation.formula import TRUE, Always, And, Formula, Gate, Leaf, Loop, Port, Shape, Total, Value
from nesy.reasoning.compilation.lifting import Lifted
from nesy.reasoning.derivation import Index

_FEWEST = 3  # independent choices that are worth it
_MOST_ASSIGNMENTS = 64  # of a cut set: six choices of two outcomes
_MOST_VALUES = 1_000_000  # of a sum: a distribution of 8 MB for each row of a batch


@dataclass(frozen=True, eq=False)
class Lifting:
    """An aggregate that is a sum of independent weights given the cut set, in the numbers of the old formula."""

    total: int  # the gate
    values: tuple[float, ...]  # that the formula asks for
    cut: tuple[int, ...]  # branches
    assignments: Index  # [m, cut] an outcome of each branch of the cut set; the number of outcomes stands for none
    own: tuple[int, ...]  # [n] the branches that are summed over
    weight: Index  # [m, n, K] what each outcome adds, from 0 up; the last is that none comes out
    wanted: Index  # [m, w] the values on that scale

    def distribution(self, row: Sequence[Sequence[int]]) -> Lifted:
        """The distributions, given the input rows `row[b]` of each branch's outcomes."""
        rows = np.zeros(self.weight.shape, np.int64)
        for i, branch in enumerate(self.own):
            rows[:, i, : len(row[branch])] = row[branch]
        return Lifted(rows, self.weight, self.wanted)


def lift(formula: Formula) -> tuple[Formula, list[Lifting]]:
    """Replace aggregates by branches where that is possible.

    The new branches come last: for each lifting one for each of its assignments, with an outcome for each value.
    """
    shape = formula.shape
    support = _supports(shape)
    values: dict[int, list[float]] = {}
    for gate in shape.gates:
        if isinstance(gate, Value):
            values.setdefault(gate.total, []).append(gate.value)
    found: dict[int, Lifting] = {}
    for number, gate in enumerate(shape.gates):
        if isinstance(gate, Total) and number in values:
            lifting = _lifting(shape, number, gate, tuple(values[number]), support)
            if lifting is not None:
                found[number] = lifting
    if not found:
        return formula, []
    return _Rewriting(formula, found).run(), list(found.values())


def _supports(shape: Shape) -> list[int]:
    """The branches that each gate depends on, as bits."""
    support: list[int] = []
    for gate in shape.gates:
        bits = 0
        match gate:
            case Leaf(branch, _):
                bits = 1 << branch
            case And(inputs) | Total(_, inputs, _) | Loop(_, inputs, _, _):
                for literal in inputs:
                    bits |= support[literal >> 1]
            case Value(below, _) | Port(below, _):
                bits = support[below]
            case _:
                pass
        support.append(bits)
    return support


def _bits(number: int) -> list[int]:
    """The places of the bits that are set."""
    places: list[int] = []
    while number:
        low = number & -number
        places.append(low.bit_length() - 1)
        number ^= low
    return places


def _lifting(
    shape: Shape, number: int, total: Total, values: tuple[float, ...], support: Sequence[int]
) -> Lifting | None:
    if total.function not in ("sum", "count") or any(weight != int(weight) for weight in total.weights):
        return None
    if sum(abs(weight) for weight in total.weights) > _MOST_VALUES:
        return None
    cone = _cone(shape, [literal >> 1 for literal in total.inputs])
    if not all(isinstance(shape.gates[gate], Always | Leaf | And) for gate in cone):
        return None
    needs = {support[literal >> 1] for literal in total.inputs}
    cut = _cut(needs, [size + (not full) for size, full in zip(shape.num_outcomes, shape.is_exhaustive, strict=True)])
    if cut is None:
        return None
    rest = 0
    for bits in needs:
        rest |= bits
    own = _bits(rest & ~cut)
    if len(own) < _FEWEST or _seen_elsewhere(shape, number, support) & rest & ~cut:
        return None
    return _weigh(shape, number, total, values, _bits(cut), own, sorted(cone), support)


def _cone(shape: Shape, roots: Sequence[int]) -> set[int]:
    """The gates that some gates depend on, and these."""
    seen = set(roots)
    stack = list(seen)
    while stack:
        gate = shape.gates[stack.pop()]
        below: list[int] = []
        match gate:
            case And(inputs) | Total(_, inputs, _) | Loop(_, inputs, _, _):
                below = [literal >> 1 for literal in inputs]
            case Value(lower, _) | Port(lower, _):
                below = [lower]
            case _:
                pass
        for lower in below:
            if lower not in seen:
                seen.add(lower)
                stack.append(lower)
    return seen


def _seen_elsewhere(shape: Shape, number: int, support: Sequence[int]) -> int:
    """The branches that the questions look at on ways that do not lead through a gate, as bits."""
    bits = 0
    seen = {number}
    stack = [literal >> 1 for literal in (*shape.targets, *shape.conditions)]
    while stack:
        current = stack.pop()
        if current in seen:
            continue
        seen.add(current)
        match shape.gates[current]:
            case Leaf(branch, _):
                bits |= 1 << branch
            case And(inputs) | Total(_, inputs, _) | Loop(_, inputs, _, _):
                stack += [literal >> 1 for literal in inputs]
            case Value(below, _) | Port(below, _):
                stack.append(below)
            case _:
                pass
    return bits


def _cut(needs: set[int], num_outcomes: Sequence[int]) -> int | None:
    """Branches without which every element depends on one branch at most, as bits; None where that takes too many."""
    cut, assignments = 0, 1
    left = {bits for bits in needs if bits.bit_count() > 1}
    while left:
        near: dict[int, int] = {}  # branch -> those it meets in an element
        for bits in left:
            for branch in _bits(bits):
                near[branch] = near.get(branch, 0) | bits
        branch = min(near, key=lambda b: (-near[b].bit_count(), num_outcomes[b], b))
        cut |= 1 << branch
        assignments *= num_outcomes[branch]
        if assignments > _MOST_ASSIGNMENTS:
            return None
        left = {bits & ~cut for bits in left if (bits & ~cut).bit_count() > 1}
    return cut


def _weigh(
    shape: Shape,
    number: int,
    total: Total,
    values: tuple[float, ...],
    cut: Sequence[int],
    own: Sequence[int],
    cone: Sequence[int],
    support: Sequence[int],
) -> Lifting:
    """What each outcome of each choice adds, for each assignment of the cut set.

    Elements look at one choice of their own each, so all choices can be set to their k-th outcome at once.
    """
    ranges = [range(shape.num_outcomes[b] + (not shape.is_exhaustive[b])) for b in cut]
    count = prod(map(len, ranges))
    grid = np.indices([len(r) for r in ranges]).reshape(len(cut), count) if cut else np.zeros((0, 1), np.int64)
    given = {branch: grid[i][:, None] for i, branch in enumerate(cut)}  # [m, 1]
    width = max(shape.num_outcomes[b] for b in own) + 1
    value: dict[int, NDArray[np.bool_]] = {}
    for gate in cone:
        match shape.gates[gate]:
            case Leaf(branch, outcome) if branch in given:
                value[gate] = given[branch] == outcome
            case Leaf(_, outcome):
                value[gate] = (np.arange(width) == outcome)[None]
            case And(inputs):
                held = np.ones((1, 1), bool)
                for literal in inputs:
                    held = held & (value[literal >> 1] ^ bool(literal & 1))
                value[gate] = held
            case _:
                value[gate] = np.ones((1, 1), bool)
    place = {branch: i for i, branch in enumerate(own)}
    weight = np.zeros((count, len(own), width), np.int64)
    constant = np.zeros(count, np.int64)
    for literal, adds in zip(total.inputs, total.weights, strict=True):
        held = np.broadcast_to(value[literal >> 1] ^ bool(literal & 1), (count, width))
        mine = [b for b in _bits(support[literal >> 1]) if b in place]
        if mine:
            weight[:, place[mine[0]]] += int(adds) * held
        else:
            constant += int(adds) * held[:, 0]
    # Outcomes that a branch does not have have no chance and no say in what is the least.
    exists = np.array([[k < shape.num_outcomes[b] or k == width - 1 for k in range(width)] for b in own])
    lowest = np.where(exists, weight, np.iinfo(np.int64).max).min(axis=2)
    weight = np.where(exists, weight - lowest[:, :, None], 0)
    constant += lowest.sum(axis=1)
    asked = np.array([int(v) if v == int(v) else 0 for v in values], np.int64)
    wanted = np.where([v == int(v) for v in values], asked - constant[:, None], -1)
    return Lifting(number, values, tuple(cut), grid.T, tuple(own), weight, wanted)


class _Rewriting:
    """A formula with branches in place of lifted aggregates."""

    def __init__(self, formula: Formula, liftings: Mapping[int, Lifting]):
        self.formula = formula
        self.liftings = liftings
        self.gates: list[Gate] = [Always()]
        self.known: dict[Gate, int] = {}
        self.literal: dict[int, int] = {0: TRUE}  # old gate -> new literal
        gone = {branch for lifting in liftings.values() for branch in lifting.own}
        num_old = len(formula.shape.num_outcomes)
        self.kept = [branch for branch in range(num_old) if branch not in gone]
        self.branch = {branch: i for i, branch in enumerate(self.kept)}
        self.first: dict[int, int] = {}  # lifted gate -> its first new branch
        self.sizes: list[int] = []
        for number, lifting in liftings.items():
            self.first[number] = len(self.kept) + len(self.sizes)
            self.sizes += [len(lifting.values)] * len(lifting.assignments)

    def run(self) -> Formula:
        old = self.formula.shape
        for number in sorted(self._needed()):
            self.literal[number] = self._rewritten(number, old.gates[number])
        count = len(self.sizes)
        natural = [self.branch[b] for b in old.natural if b in self.branch]
        shape = Shape(
            gates=tuple(self.gates),
            num_outcomes=(*(old.num_outcomes[b] for b in self.kept), *self.sizes),
            is_exhaustive=(*(old.is_exhaustive[b] for b in self.kept), *(False for _ in self.sizes)),
            natural=(*natural, *range(len(self.kept), len(self.kept) + count)),
            targets=tuple(self._moved(t) for t in old.targets),
            conditions=tuple(self._moved(c) for c in old.conditions),
        )
        choice = (*(self.formula.choice[b] for b in self.kept), *(-1 for _ in self.sizes))
        leaf = (*(self.formula.leaf[b] for b in self.kept), *(() for _ in self.sizes))
        return Formula(shape, choice, leaf)

    def _needed(self) -> set[int]:
        """The gates that the questions still look at, down to lifted aggregates."""
        shape = self.formula.shape
        seen: set[int] = {0}
        stack = [literal >> 1 for literal in (*shape.targets, *shape.conditions)]
        while stack:
            number = stack.pop()
            if number in seen:
                continue
            seen.add(number)
            match shape.gates[number]:
                case And(inputs) | Total(_, inputs, _) | Loop(_, inputs, _, _):
                    stack += [literal >> 1 for literal in inputs]
                case Value(below, _) if below in self.liftings:
                    pass
                case Value(below, _) | Port(below, _):
                    stack.append(below)
                case _:
                    pass
        return seen

    def _moved(self, literal: int) -> int:
        return self.literal[literal >> 1] ^ (literal & 1)

    def _gate(self, gate: Gate) -> int:
        number = self.known.get(gate)
        if number is None:
            number = self.known[gate] = len(self.gates)
            self.gates.append(gate)
        return 2 * number

    def _and(self, literals: Sequence[int]) -> int:
        inputs = sorted(set(literals) - {TRUE})
        if len(inputs) < 2:
            return inputs[0] if inputs else TRUE
        return self._gate(And(tuple(inputs)))

    def _rewritten(self, number: int, gate: Gate) -> int:
        match gate:
            case Leaf(branch, outcome):
                return self._gate(Leaf(self.branch[branch], outcome))
            case And(inputs):
                return self._and([self._moved(literal) for literal in inputs])
            case Total(function, inputs, weights):
                return self._gate(Total(function, tuple(self._moved(literal) for literal in inputs), weights))
            case Loop(size, inputs, heads, tails):
                return self._gate(Loop(size, tuple(self._moved(literal) for literal in inputs), heads, tails))
            case Value(below, value) if below in self.liftings:
                return self._value(self.liftings[below], value)
            case Value(below, value):
                return self._gate(Value(self.literal[below] >> 1, value))
            case Port(below, atom):
                return self._gate(Port(self.literal[below] >> 1, atom))
            case _:
                return TRUE

    def _value(self, lifting: Lifting, value: float) -> int:
        """That a lifted aggregate has a value: some assignment of the cut set holds, and its distribution says so."""
        outcome = lifting.values.index(value)
        first = self.first[lifting.total]
        ways: list[int] = []
        for k, assignment in enumerate(lifting.assignments.tolist()):
            decided = [self._decided(branch, o) for branch, o in zip(lifting.cut, assignment, strict=True)]
            ways.append(self._and([self._and(decided), self._gate(Leaf(first + k, outcome))]) ^ 1)
        return ways[0] ^ 1 if len(ways) == 1 else self._and(ways) ^ 1

    def _decided(self, branch: int, outcome: int) -> int:
        """That a branch has an outcome, or none of those that it names."""
        new, size = self.branch[branch], self.formula.shape.num_outcomes[branch]
        if outcome < size:
            return self._gate(Leaf(new, outcome))
        return self._and([self._gate(Leaf(new, o)) ^ 1 for o in range(size)])
