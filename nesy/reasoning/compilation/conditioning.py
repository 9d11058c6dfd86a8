"""Exact probability of anything: decide one random choice after the other, simplify, share what is alike.

A state is what is left of the program once some choices are decided: the nodes that are still open and
matter, the derivations that could still decide them, how far each aggregate has got. Choices are decided in one
fixed order, so equal states are reached along different paths and need to be expanded once:
the states and their outcomes form a decision diagram whose paths exclude each other.

Cycles cost nothing extra: what is true in a state is a least fixpoint, and so is what is still possible.

Source: the search with caching of Bacchus, Dalmao, Pitassi, "Solving #SAT and Bayesian Inference with Backtracking
Search", JAIR 2009, on ground programs instead of clauses; well-founded propagation as in Van Gelder,
Ross, Schlipf, JACM 1991.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nesy.reasoning.compilation.budget import Clock
from nesy.reasoning.compilation.diagram import Diagram
from nesy.reasoning.compilation.problem import LocalAggregate, Problem
from nesy.reasoning.derivation import DerivationGraph, Index


@dataclass(frozen=True, slots=True)
class Facts:
    """What is settled: bit n of `true` says that node n holds, of `open` that it is not known to fail."""

    true: int
    open: int  # includes `true`


class Propagation:
    """Consequences of decided choices in one problem."""

    def __init__(self, problem: Problem):
        self.problem = problem
        self.positive = [_mask(b >> 1 for b in d.body if not b & 1) for d in problem.derivations]
        self.negative = [_mask(b >> 1 for b in d.body if b & 1) for d in problem.derivations]
        self.component = [0] * problem.num_nodes
        components = problem.components
        for number, members in enumerate(components):
            for node in members:
                self.component[node] = number
        self.members = [_mask(members) for members in components]
        self.derivations_of = [[d for node in members for d in problem.of_head[node]] for members in components]
        self.head = [d.head for d in problem.derivations]
        # Which components have to be looked at again when a node is settled.
        self.users = [0] * problem.num_nodes
        for derivation in problem.derivations:
            for literal in derivation.body:
                self.users[literal >> 1] |= 1 << self.component[derivation.head]
        for aggregate in problem.aggregates:
            for element in aggregate.element:
                for result in aggregate.result:
                    self.users[element] |= 1 << self.component[result]
        self.everything = (1 << problem.num_nodes) - 1
        self.all_components = (1 << len(components)) - 1

    def start(self) -> Facts:
        """What holds, and what can hold, before anything is decided."""
        return self._settle(0, self.everything, self.all_components)

    def decide(self, facts: Facts, true: int, false: int) -> Facts:
        """Make some leaves true and others false."""
        pending = 0
        for node in _bits((true & ~facts.true) | (false & facts.open)):
            pending |= self.users[node]
        return self._settle(facts.true | true, facts.open & ~false, pending)

    def _settle(self, true: int, possible: int, pending: int) -> Facts:
        """Run the components that something changed for, lower ones first."""
        while pending:
            number = (pending & -pending).bit_length() - 1
            pending &= pending - 1
            members = self.members[number]
            before_true, before_possible = true & members, possible & members
            if before_true == before_possible:
                continue
            true = self._derive(number, true, possible, certain=True)
            possible = self._derive(number, true, possible, certain=False)
            changed = ((true ^ before_true) | (possible ^ before_possible)) & members
            # A node that became possible again would be a bug; only settled ones change.
            for node in _bits(changed):
                pending |= self.users[node] & ~(1 << number)
        return Facts(true, possible)

    def _derive(self, number: int, true: int, possible: int, certain: bool) -> int:
        """The least fixpoint of one component: of what is certain, or of what is possible."""
        members = self.members[number]
        if certain:
            reached, blocked = true, possible
        else:
            reached, blocked = (possible & ~members) | (true & members), true
        todo = self.derivations_of[number]
        reached = self._aggregated(number, true, possible, certain, reached)
        grew = True
        while grew and todo:
            grew = False
            waiting: list[int] = []
            for d in todo:
                head = 1 << self.head[d]
                if reached & head:
                    continue
                if self.positive[d] & ~reached:
                    waiting.append(d)
                elif not self.negative[d] & blocked:
                    reached |= head
                    grew = True
            todo = waiting
        return reached

    def _aggregated(self, number: int, true: int, possible: int, certain: bool, reached: int) -> int:
        for node in _bits(self.members[number]):
            owner = self.problem.aggregate_of.get(node)
            if owner is None:
                continue
            aggregate = self.problem.aggregates[owner]
            value = aggregate.value[aggregate.result.index(node)]
            can, must = _result(aggregate, value, true, possible)
            if must if certain else can:
                reached |= 1 << node
        return reached


def _result(aggregate: LocalAggregate, value: float, true: int, possible: int) -> tuple[bool, bool]:
    """Whether an aggregate can, and whether it must, have the value, given what is settled.

    `can` may be generous while elements are open; once all are settled both are exact.
    """
    held = [w for e, w in zip(aggregate.element, aggregate.weight, strict=True) if true >> e & 1]
    unknown = [w for e, w in zip(aggregate.element, aggregate.weight, strict=True) if (possible & ~true) >> e & 1]
    match aggregate.function:
        case "sum" | "count":
            low = sum(held) + sum(w for w in unknown if w < 0)
            high = sum(held) + sum(w for w in unknown if w > 0)
            slack = 1e-9 * max(1.0, abs(low), abs(high))
            settled = high - low <= slack
            return low - slack <= value <= high + slack, settled and abs(low - value) <= slack
        case "min" | "max":
            better = min if aggregate.function == "min" else max
            best = better(held, default=None)
            if best is None:
                return value in unknown, False
            decided = better(best, value) == best
            can = value == best or (not decided and value in unknown)
            return can, value == best and all(better(best, w) == best for w in unknown)
        case _:
            if unknown:
                return True, False
            hit = bool(held) and _is_close(sum(held) / len(held), value)
            return hit, hit


def _is_close(left: float, right: float) -> bool:
    return abs(left - right) <= 1e-9 * max(1.0, abs(left), abs(right))


@dataclass(frozen=True, slots=True)
class Residue:
    """What matters of a state: unsettled nodes and derivations, the aggregates' partial values, settled targets."""

    nodes: int
    derivations: int
    partial: tuple[tuple[int, float, int], ...]
    settled: int
    holds: int


class Conditioning:
    """Builds the decision diagram of a problem."""

    def __init__(self, problem: Problem, prior: Sequence[Sequence[float]], by_mass: bool = False):
        """`prior[c]` guesses the probabilities of the c-th branch's leaves.

        With `by_mass`, states that the prior thinks most probable are expanded first, and choices close to the
        targets are decided first, so that what a budget leaves open weighs little.
        """
        self.problem = problem
        self.by_mass = by_mass
        self.propagation = Propagation(problem)
        self.leaf_mask = [_mask(branch.node) for branch in problem.branches]
        self.all_leaves = _mask(problem.leaf)
        self.elements = [_mask(aggregate.element) for aggregate in problem.aggregates]
        self.prior = prior
        self.rank = self._order()

    def _order(self) -> list[int]:
        """The rank of each choice: in the order in which a search from the targets down meets them."""
        problem = self.problem
        rank: dict[int, int] = {}
        waiting = deque(dict.fromkeys(literal >> 1 for literal in (*problem.targets, *problem.conditions)))
        seen: set[int] = set()
        while waiting:
            node = waiting.popleft()
            if node in seen:
                continue
            seen.add(node)
            if node in problem.leaf:
                rank.setdefault(problem.leaf[node][0], len(rank))
            elif self.by_mass:
                waiting.extend(problem.below(node))
            else:
                waiting.extendleft(reversed(list(problem.below(node))))
        return [rank[position] for position in range(len(problem.branches))]

    def build(self, clock: Clock) -> Diagram:
        """Expand states until none is left, what is open weighs less than the budget's epsilon, or the budget is
        used up."""
        edges: list[tuple[int, int, int, int]] = []
        ends: dict[int, int] = {}
        number: dict[Residue, int] = {}
        facts_of: list[Facts] = []
        residue_of: list[Residue] = []
        mass: list[float] = []
        heap: list[tuple[float, int]] = []

        def reach(facts: Facts, weight: float) -> int | None:
            residue = self._residue(facts)
            if residue is None:
                return None
            state = number.get(residue)
            if state is None:
                state = number[residue] = len(facts_of)
                facts_of.append(facts)
                residue_of.append(residue)
                mass.append(0.0)
                if not residue.nodes:
                    ends[state] = residue.holds
                else:
                    heapq.heappush(heap, (-weight if self.by_mass else self._next(residue), state))
            mass[state] += weight
            return state

        reach(self.propagation.start(), 1.0)
        expanded, look = 0, 64
        while heap:
            if len(facts_of) > clock.budget.nodes or (expanded % 64 == 63 and clock.is_over):
                break
            if self.by_mass and expanded >= look:
                look += look // 4
                if self._mass(len(facts_of), edges)[[state for _, state in heap]].sum() <= clock.budget.epsilon:
                    break
            _, state = heapq.heappop(heap)
            expanded += 1
            facts = facts_of[state]
            choice = self._choice(residue_of[state])
            for outcome, true, weight in self._outcomes(choice):
                child = reach(
                    self.propagation.decide(facts, true, self.leaf_mask[choice] & ~true), mass[state] * weight
                )
                if child is not None:
                    edges.append((state, child, choice, outcome))
        source, target, branch, outcomes = self._by_rank(edges)
        holds = [[state for state, bits in ends.items() if bits >> t & 1] for t in range(len(self.problem.targets))]
        return Diagram(
            num_states=max(1, len(facts_of)),
            source=source,
            target=target,
            branch=branch,
            outcome=outcomes,
            final=np.asarray(list(ends), np.int64),
            holds=tuple(np.asarray(states, np.int64) for states in holds),
            unknown=np.asarray(sorted(state for _, state in heap), np.int64),
        )

    def _by_rank(self, edges: list[tuple[int, int, int, int]]) -> Index:
        """[4, E] sources, targets, branches and outcomes, edges into a state before those out of it."""
        columns = np.asarray(edges, np.int64).reshape(-1, 4).T
        rank = np.asarray([*self.rank, 0])[columns[2]]
        return columns[:, np.argsort(rank, kind="stable")]

    def _mass(self, num_states: int, edges: list[tuple[int, int, int, int]]) -> NDArray[np.float64]:
        """What each state weighs by the prior."""
        source, target, branch, outcome = self._by_rank(edges)
        prior = [[*chances, max(0.0, 1.0 - sum(chances))] for chances in self.prior]
        weight = np.asarray([prior[b][o] for b, o in zip(branch.tolist(), outcome.tolist(), strict=True)])
        mass = np.zeros(max(1, num_states))
        mass[0] = 1.0
        if not edges:
            return mass
        starts = np.flatnonzero(np.diff(branch, prepend=-1))
        for start, stop in zip(starts.tolist(), [*starts[1:].tolist(), len(branch)], strict=True):
            np.add.at(mass, target[start:stop], mass[source[start:stop]] * weight[start:stop])
        return mass

    def _outcomes(self, choice: int) -> list[tuple[int, int, float]]:
        """Each outcome of a choice: its position or -1, the mask of the leaf that holds or 0, and its prior."""
        branch = self.problem.branches[choice]
        found = [(i, 1 << n, p) for i, (n, p) in enumerate(zip(branch.node, self.prior[choice], strict=True))]
        if not branch.is_exhaustive:
            found.append((-1, 0, max(0.0, 1.0 - sum(self.prior[choice]))))
        return found

    def _next(self, residue: Residue) -> int:
        return self.rank[self._choice(residue)]

    def _choice(self, residue: Residue) -> int:
        """The open choice of lowest rank that matters."""
        leaves = residue.nodes & self.all_leaves
        if not leaves:
            raise AssertionError("a state without open choices is not settled; this is a bug in nesy")
        return min((self.problem.leaf[node][0] for node in _bits(leaves)), key=self.rank.__getitem__)

    def _residue(self, facts: Facts) -> Residue | None:
        """What still matters; None where a condition fails."""
        problem, propagation = self.problem, self.propagation
        unsettled = facts.open & ~facts.true
        waiting = 0
        for literal in problem.conditions:
            node, negated = literal >> 1, literal & 1
            if unsettled >> node & 1:
                waiting |= 1 << node
            elif (facts.true >> node & 1) == negated:
                return None
        settled = holds = 0
        for bit, literal in enumerate(problem.targets):
            node, negated = literal >> 1, literal & 1
            if unsettled >> node & 1:
                waiting |= 1 << node
            else:
                settled |= 1 << bit
                holds |= ((facts.true >> node & 1) ^ negated) << bit
        nodes = derivations = 0
        partial: dict[int, tuple[int, float, int]] = {}
        failed = propagation.everything & ~facts.open
        while waiting:
            node = waiting.bit_length() - 1
            nodes |= 1 << node
            below = 0
            for d in problem.of_head[node]:
                positive, negative = propagation.positive[d], propagation.negative[d]
                if not (positive & failed or negative & facts.true):
                    derivations |= 1 << d
                    below |= positive | negative
            owner = problem.aggregate_of.get(node)
            if owner is not None and owner not in partial:
                aggregate = problem.aggregates[owner]
                partial[owner] = (owner, *_partial(aggregate, facts.true))
                below |= self.elements[owner]
            waiting = (waiting | below & unsettled) & ~nodes
        return Residue(nodes, derivations, tuple(sorted(partial.values())), settled, holds)


def priors(graph: DerivationGraph, problem: Problem) -> list[list[float]]:
    """The probabilities written in the rule file; where there are none, all outcomes alike."""
    choices = graph.choices
    found: list[list[float]] = []
    for branch in problem.branches:
        written = choices.probability[list(branch.leaf)]
        alike = 1.0 / max(2, int(choices.ptr[branch.choice + 1] - choices.ptr[branch.choice]))
        found.append(np.where(np.isnan(written), alike, written).tolist())
    return found


def _partial(aggregate: LocalAggregate, true: int) -> tuple[float, int]:
    """What the elements that hold so far make of an aggregate: all that its value can depend on."""
    held = [w for e, w in zip(aggregate.element, aggregate.weight, strict=True) if true >> e & 1]
    match aggregate.function:
        case "sum" | "count":
            return sum(held), 0
        case "min":
            return min(held, default=float("inf")), 0
        case "max":
            return max(held, default=float("-inf")), 0
        case _:
            return sum(held), len(held)


def _mask(nodes: Iterable[int]) -> int:
    mask = 0
    for node in nodes:
        mask |= 1 << node
    return mask


def _bits(mask: int) -> Iterator[int]:
    while mask:
        lowest = mask & -mask
        yield lowest.bit_length() - 1
        mask ^= lowest
