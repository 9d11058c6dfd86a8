"""Exact compilation along a frontier: decide one branch at a time, remember only what is still waited for.

Between two branches the diagram's states differ in what the formula's unfinished gates have seen so far:
a conjunction, whether all inputs so far hold; an aggregate, its partial value; a loop, which of its unfinished atoms
would follow from which. Gates that are finished or can no longer matter are forgotten, and states that
remember the same are merged. All states of a level are columns of numpy arrays and step together.

Cost: (states of a level) x (unfinished gates) summed over branches; so exponential only in the width of
the frontier, which `order` keeps small, and linear in the length of chains.

Source: frontier-based search: Sekine, Imai, Tani, "Computing the Tutte polynomial of a graph of moderate
size", ISAAC 1995; Hardy, Lucet, Limnios, "K-terminal network reliability measures with binary decision
diagrams", IEEE Trans. Reliability 2007; here for gates of any program instead of a graph's vertices.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import log2

import numpy as np
from numpy.typing import NDArray

from nesy.reasoning.compilation.budget import Clock
from nesy.reasoning.compilation.closure import ALWAYS, LoopPlan, LoopState, TooWide
from nesy.reasoning.compilation.diagram import Diagram
from nesy.reasoning.compilation.distinct import distinct, packed
from nesy.reasoning.compilation.formula import And, Leaf, Loop, Port, Shape, Total, Value
from nesy.reasoning.compilation.order import choose_order
from nesy.reasoning.derivation import Index

# What an open atom of a loop costs is more than the factor of two it is counted as: seen on grids and random graphs,
# states are about 2^5 times the estimate and up to 2^8.
_PER_LOOP = 4.5

Bits = NDArray[np.bool_]


def compile_frontier(shape: Shape, clock: Clock) -> Diagram | None:
    """The diagram of a formula; None where a loop is not linear or the budget does not suffice."""
    if any(isinstance(gate, Loop) and not gate.is_linear for gate in shape.gates):
        return None
    has_loop = any(isinstance(gate, Loop) for gate in shape.gates)
    enough = log2(clock.budget.nodes) - _PER_LOOP * has_loop
    order, size = choose_order(shape, enough)
    if has_loop and size > enough:
        return None
    try:
        return _Frontier(shape, order).run(clock)
    except TooWide:
        return None


@dataclass(slots=True)
class Visit:
    """What happens to a gate at one step: which inputs become known, and whether all are known then."""

    gate: int
    inputs: list[int]  # positions in the gate's inputs
    is_first: bool
    is_last: bool


@dataclass(slots=True)
class Level:
    """The states of one level: columns of S entries."""

    size: int
    seen: dict[int, Bits] = field(default_factory=dict)  # unfinished conjunctions
    total: dict[int, NDArray[np.float64]] = field(default_factory=dict)  # unfinished aggregates
    count: dict[int, Index] = field(default_factory=dict)  # elements that hold, where that matters
    loop: dict[int, LoopState] = field(default_factory=dict)
    mark: dict[int, Bits] = field(default_factory=dict)  # targets decided at this level

    def take(self, index: Index | Bits) -> None:
        """Keep, repeat or reorder states."""
        for columns in (self.seen, self.total, self.count, self.mark):
            for key, column in columns.items():
                columns[key] = column[index]  # type: ignore[assignment]
        for state in self.loop.values():
            state.follows = state.follows[:, index]
        self.size = int(index.sum()) if index.dtype == bool else len(index)


class _Frontier:
    def __init__(self, shape: Shape, order: tuple[int, ...]):
        self.shape = shape
        self.order = order
        self.step_of = {branch: step for step, branch in enumerate(order)}
        self._schedule()

    def _schedule(self) -> None:
        """When each gate is finished (-1: from the start), and what happens at each step."""
        gates = self.shape.gates
        self.done = [-1] * len(gates)
        self.visits: list[list[Visit]] = [[] for _ in range(len(self.order) + 1)]  # last: before the first step
        self.users: list[list[int]] = [[] for _ in gates]  # conjunctions that use a conjunction
        self.is_needed = [False] * len(gates)  # by something that is not a conjunction
        arc_times: dict[int, list[int]] = {}
        for number, gate in enumerate(gates):
            match gate:
                case Leaf(branch, _):
                    self.done[number] = self.step_of[branch]
                    self.visits[self.done[number]].append(Visit(number, [], True, True))
                case And(inputs):
                    self._visit_at(number, [self.done[i >> 1] for i in inputs])
                    for i in inputs:
                        self.users[i >> 1].append(number)
                case Total(_, inputs, _):
                    self._visit_at(number, [self.done[i >> 1] for i in inputs])
                    for i in inputs:
                        self.is_needed[i >> 1] = True
                case Loop(_, inputs, _, _):
                    arc_times[number] = self._arc_times(gate)
                    self._visit_at(number, arc_times[number])
                    for i in inputs:
                        self.is_needed[i >> 1] = True
                case Value(below, _) | Port(below, _):
                    self.done[number] = self.done[below]
                    self.visits[self.done[number]].append(Visit(number, [], True, True))
                case _:
                    pass
        for literal in (*self.shape.targets, *self.shape.conditions):
            self.is_needed[literal >> 1] = True
        on: dict[int, list[int]] = {}
        for literal in self.shape.conditions:
            on.setdefault(literal >> 1, []).append(literal)
        # Per step the conditions that may come to fail: those on gates that something happens to.
        self.due = [[c for visit in visits for c in on.get(visit.gate, ())] for visits in self.visits[:-1]]
        ports: dict[int, set[int]] = {}
        for number, gate in enumerate(gates):
            if isinstance(gate, Port) and (self.is_needed[number] or self.users[number]):
                ports.setdefault(gate.loop, set()).add(gate.atom)
        self.loops: dict[int, LoopPlan] = {}
        for number, times in arc_times.items():
            gate = gates[number]
            assert isinstance(gate, Loop)
            self.loops[number] = LoopPlan(gate, times, ports.get(number, ()))

    def _visit_at(self, number: int, times: list[int]) -> None:
        steps = sorted(set(times)) or [-1]
        self.done[number] = steps[-1]
        for step in steps:
            inputs = [i for i, time in enumerate(times) if time == step]
            self.visits[step].append(Visit(number, inputs, step == steps[0], step == steps[-1]))

    def _arc_times(self, loop: Loop) -> list[int]:
        """When each arc of a loop is applied: when its guard is known; a certain one, as late as one of its ends is
        touched for the last time."""
        times = [self.done[literal >> 1] for literal in loop.inputs]
        last: dict[int, int] = {}
        for time, head, tail in zip(times, loop.heads, loop.tails, strict=True):
            for atom in (head, *tail):
                last[atom] = max(last.get(atom, -1), time)
        return [
            min(last[atom] for atom in (head, *tail)) if time < 0 else time
            for time, head, tail in zip(times, loop.heads, loop.tails, strict=True)
        ]

    # -- running --

    def run(self, clock: Clock) -> Diagram | None:
        shape = self.shape
        self.level = Level(1)
        self.value: dict[int, Bits] = {0: np.ones(1, bool)}
        self.first = 0  # number of the first state of the level
        self.holds: list[Index] = [np.zeros(0, np.int64) for _ in shape.targets]
        sources: list[Index] = [np.zeros(0, np.int64)]
        targets: list[Index] = [np.zeros(0, np.int64)]
        branches: list[Index] = [np.zeros(0, np.int64)]
        outcomes: list[Index] = [np.zeros(0, np.int64)]
        self.step = -1
        self._work(self.visits[-1])
        self._conditions()
        self._mark()
        for step, branch in enumerate(self.order):
            self.step = step
            number = shape.num_outcomes[branch] + (not shape.is_exhaustive[branch])
            size = self.level.size
            if self.first + size * number > clock.budget.nodes or clock.is_over:
                return None
            source = np.tile(np.arange(size), number)
            outcome = np.repeat(np.arange(number), size)
            self.level.mark.clear()
            self.level.take(source)
            self.value = {0: np.ones(len(source), bool)}
            self.outcome = outcome
            self._work(self.visits[step])
            alive = self._conditions()
            if alive is not None:
                source, outcome = source[alive], outcome[alive]
            self._forget()
            for target, literal in enumerate(shape.targets):
                if self.done[literal >> 1] == step:
                    self.level.mark[target] = self._read(literal)
            merged = self._merge()
            before, self.first = self.first, self.first + size
            sources.append(source + before)
            targets.append(merged + self.first)
            branches.append(np.full(len(source), branch))
            outcomes.append(np.where(outcome < shape.num_outcomes[branch], outcome, -1))
            for target, mark in self.level.mark.items():
                self.holds[target] = np.flatnonzero(mark) + self.first
        return Diagram(
            num_states=max(1, self.first + self.level.size),  # the start, even if no condition can be met
            source=np.concatenate(sources),
            target=np.concatenate(targets),
            branch=np.concatenate(branches),
            outcome=np.concatenate(outcomes),
            final=np.arange(self.first, self.first + self.level.size),
            holds=tuple(self.holds),
            unknown=np.zeros(0, np.int64),
        )

    def _mark(self) -> None:
        """Targets that are decided before the first step."""
        for target, literal in enumerate(self.shape.targets):
            if self.done[literal >> 1] < 0 and self.level.size and self._read(literal)[0]:
                self.holds[target] = np.zeros(1, np.int64)

    def _read(self, literal: int) -> Bits:
        """The values of a literal that became known at this step."""
        value = self.value.get(literal >> 1)
        if value is None:  # known since before the first step
            value = np.full(self.level.size, self.certain[literal >> 1])
        return ~value if literal & 1 else value

    def _work(self, visits: list[Visit]) -> None:
        """Bring gates up to date with what became known; lower gates come first."""
        level = self.level
        for visit in visits:
            gate = self.shape.gates[visit.gate]
            match gate:
                case Leaf(_, outcome):
                    self.value[visit.gate] = self.outcome == outcome
                case And(inputs):
                    held = level.seen.pop(visit.gate, None)
                    for i in visit.inputs:
                        held = self._read(inputs[i]) if held is None else held & self._read(inputs[i])
                    assert held is not None
                    (self.value if visit.is_last else level.seen)[visit.gate] = held
                case Total():
                    self._total(visit, gate)
                case Loop():
                    self._loop(visit, gate)
                case Value(below, value):
                    self.value[visit.gate] = self._has_value(below, value)
                case Port(below, atom):
                    if atom in self.loops[below].ports:
                        self.value[visit.gate] = level.loop[below].holds(atom)
                case _:
                    pass
        if self.step < 0:
            self.certain = {gate: bool(value[0]) for gate, value in self.value.items()}
        for gate in [*level.total, *level.loop]:
            if self.done[gate] <= self.step:  # their values have been read
                level.total.pop(gate, None)
                level.count.pop(gate, None)
                level.loop.pop(gate, None)

    def _conditions(self) -> Bits | None:
        """Drop states in which a condition failed; which ones stay, or None for all."""
        alive: Bits | None = None
        due = self.shape.conditions if self.step < 0 else self.due[self.step]
        for literal in due:
            gate = literal >> 1
            if self.done[gate] == self.step:
                held = self._read(literal)
            elif gate in self.level.seen and not literal & 1:
                held = self.level.seen[gate]  # a conjunction fails before it is finished
            else:
                continue
            alive = held if alive is None else alive & held
        if alive is None or alive.all():
            return None
        self.level.take(alive)
        for gate, value in self.value.items():
            self.value[gate] = value[alive]
        return alive

    def _forget(self) -> None:
        """Let conjunctions that cannot matter any more look alike: all their users have failed."""
        seen = self.level.seen
        for gate in sorted(seen, reverse=True):
            if self.is_needed[gate]:
                continue
            matters: Bits | None = None
            for user in self.users[gate]:
                if user not in seen:  # not started: it may still need the gate
                    break
                matters = seen[user] if matters is None else matters | seen[user]
            else:
                if matters is not None:
                    seen[gate] = seen[gate] & matters

    def _merge(self) -> Index:
        """Merge states that remember the same; the new number of each old one."""
        level = self.level
        size = level.size
        if size == 0:
            return np.zeros(0, np.int64)
        columns: list[tuple[NDArray[np.generic], int]] = [(c, 1) for c in (*level.seen.values(), *level.mark.values())]
        for state in level.loop.values():
            columns += state.columns()
        words = packed(columns, size)
        words += [total.view(np.int64) for total in level.total.values()]
        words += list(level.count.values())
        index, inverse = distinct(words, size)
        level.take(index)
        return inverse

    # -- gates with state --

    def _total(self, visit: Visit, gate: Total) -> None:
        level = self.level
        number = visit.gate
        match gate.function:
            case "min":
                start, combine = np.inf, np.minimum
            case "max":
                start, combine = -np.inf, np.maximum
            case _:
                start, combine = 0.0, np.add
        total = level.total.pop(number, None)
        if total is None:
            total = np.full(level.size, start)
        for i in visit.inputs:
            held = self._read(gate.inputs[i])
            total = combine(total, np.where(held, gate.weights[i], start))
            if gate.function == "avg":
                level.count[number] = level.count.get(number, np.zeros(level.size, np.int64)) + held
        level.total[number] = total + 0.0  # no negative zero: states are compared bit by bit

    def _has_value(self, number: int, value: float) -> Bits:
        total = self.level.total[number]
        if number in self.level.count:
            count = self.level.count[number]
            total = np.where(count > 0, total / np.maximum(count, 1), np.inf)
        return np.isclose(total, value, rtol=1e-9, atol=1e-9)

    def _loop(self, visit: Visit, gate: Loop) -> None:
        level = self.level
        state = level.loop.get(visit.gate)
        if state is None:
            state = level.loop[visit.gate] = LoopState.start(level.size)
        for i in visit.inputs:
            state.connect(gate.tails[i][0] if gate.tails[i] else ALWAYS, gate.heads[i], self._read(gate.inputs[i]))
        if self.done[visit.gate] > self.step:
            state.leave(self.loops[visit.gate], self.step)
