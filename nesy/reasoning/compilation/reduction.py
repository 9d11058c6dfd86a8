"""The least diagram that says the same: states with the same future are one, and choices that decide nothing are gone.

A frontier's states say what has been seen; how much of that still bears on the targets only shows from the other end.
So levels are gone through from the last to the first. Two states of a level are the same if the same targets hold in
them and each outcome leads to the same; a state all of whose outcomes lead to the same is that one. States after which
no target can hold any more are left out.

Cost: a sort of each level's states. Often a tenth of them is left, and each is work in every batch.

Source: Bryant, "Graph-based algorithms for Boolean function manipulation", IEEE Trans. Computers 1986, section 4.2.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nesy.reasoning.compilation.diagram import Diagram
from nesy.reasoning.compilation.distinct import distinct, packed
from nesy.reasoning.compilation.formula import Shape
from nesy.reasoning.derivation import Index

_DEAD, _END = 0, 1  # classes: no target will hold; nothing is left to decide, and all conditions hold


def reduced(diagram: Diagram, shape: Shape) -> Diagram:
    """The least diagram in which each target and the conditions have the same probability, whatever the outcomes'.

    The probabilities of a branch's outcomes must add up to one. Without conditions nobody asks for final states, and
    there are none. Levels must be numbered one after the other and fully expanded, as a frontier's are.
    """
    return _Reduction(diagram, shape).run() if len(diagram.source) else diagram


class _Reduction:
    def __init__(self, diagram: Diagram, shape: Shape):
        self.diagram = diagram
        self.shape = shape
        self.of_state = np.full(diagram.num_states, _DEAD, np.int64)  # the class of each state
        self.num_classes = _END + 1
        self.edges = [np.zeros((4, 0), np.int64)]  # per level, last first: source and target (classes), branch, outcome
        self.holds = [[np.zeros(0, np.int64)] for _ in diagram.holds]  # classes in which each target holds
        self.final = np.zeros(0, np.int64)  # classes
        state = np.concatenate([np.zeros(0, np.int64), *diagram.holds])
        target = np.repeat(np.arange(len(diagram.holds)), [len(states) for states in diagram.holds])
        order = np.argsort(state, kind="stable")
        self.marked, self.target = state[order], target[order]  # which targets hold in which states

    def run(self) -> Diagram:
        diagram = self.diagram
        has_edges = np.zeros(diagram.num_states, bool)
        has_edges[diagram.source] = True
        self._ends(np.flatnonzero(~has_edges))
        starts = np.flatnonzero(np.diff(diagram.branch, prepend=-1)).tolist()
        stops = [*starts[1:], len(diagram.branch)]
        for start, stop in zip(reversed(starts), reversed(stops), strict=True):
            self._level(slice(start, stop))
        return self._numbered()

    def _ends(self, states: Index) -> None:
        """States after which nothing is decided."""
        below = np.full((1, self.diagram.num_states), _DEAD)
        if self.shape.conditions:
            below[0, self.diagram.final] = _END
        _, new = self._classify(states, below[:, states])
        if self.shape.conditions:
            self.final = np.concatenate([[_END], new])

    def _level(self, edges: slice) -> None:
        """The states of one level: those that the edges lead from."""
        diagram, shape = self.diagram, self.shape
        branch = int(diagram.branch[edges.start])
        states, column = np.unique(diagram.source[edges], return_inverse=True)
        number = shape.num_outcomes[branch]
        below = np.full((number + (not shape.is_exhaustive[branch]), len(states)), _DEAD)
        below[diagram.outcome[edges], column] = self.of_state[diagram.target[edges]]
        index, new = self._classify(states, below)
        outcome, place = np.nonzero(below[:, index])
        target = below[outcome, index[place]]
        outcome[outcome == number] = -1
        self.edges.append(np.stack([new[place], target, np.full(len(place), branch), outcome]))

    def _classify(self, states: Index, below: Index) -> tuple[Index, Index]:
        """Give each state its class; which states stand for the new classes, and the numbers of these.

        Shapes: below [outcomes, S], the class that each outcome leads to.
        """
        marks = self._marks(states)
        is_dead = ~below.any(0)
        is_marked = np.zeros(len(states), bool)
        for bits in marks.values():
            is_marked |= bits
        if self.shape.conditions:  # that a target holds counts only where the conditions come to hold
            is_marked &= ~is_dead
        self.of_state[states] = below[0]
        kept = np.flatnonzero(is_marked | (below != below[0]).any(0))
        width = self.num_classes.bit_length()
        columns = [(row[kept], width) for row in below] + [(bits[kept], 1) for bits in marks.values()]
        index, number = distinct(packed(columns, len(kept)), len(kept))
        new = self.num_classes + np.arange(len(index))
        self.num_classes += len(index)
        self.of_state[states[kept]] = new[number]
        for target, bits in marks.items():
            self.holds[target].append(new[bits[kept[index]]])
        return kept[index], new

    def _marks(self, states: Index) -> dict[int, NDArray[np.bool_]]:
        """For each target that holds in one of the states (in ascending order): in which."""
        low, high = np.searchsorted(self.marked, [states[0], states[-1] + 1]) if len(states) else (0, 0)
        marked, target = self.marked[low:high], self.target[low:high]
        return {t: np.isin(states, marked[target == t]) for t in np.unique(target).tolist()}

    def _numbered(self) -> Diagram:
        """The diagram of the classes. The start was the last to get one, so numbers are turned round."""
        root = int(self.of_state[0])
        if root == _DEAD:
            nothing = np.zeros(0, np.int64)
            return Diagram(1, nothing, nothing, nothing, nothing, nothing, tuple(nothing for _ in self.holds), nothing)
        source, target, branch, outcome = np.concatenate(self.edges[::-1], axis=1)
        return Diagram(
            num_states=root,
            source=root - source,
            target=root - target,
            branch=branch,
            outcome=outcome,
            final=root - self.final,
            holds=tuple(np.sort(root - np.concatenate(classes)) for classes in self.holds),
            unknown=np.zeros(0, np.int64),
        )
