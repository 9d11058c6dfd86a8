"""The most probable proofs of a literal.

Without aggregates, proofs are hyperpaths of the derivation graph: a node is proved by one of its derivations, its
absence by one failing literal of each of its derivations. The k best are enumerated lazily. Of
each goal only proofs are kept that contradict nothing and do not assume all that a better one assumes, so
recursion ends by itself. Candidates come in the order of their product; a leaf that is used twice counts
once in the probability by which proofs are finally ordered.

Where an aggregate decides, or absence through recursion, a proof is read off a most probable world (`worlds`).

Source: Huang, Chiang, "Better k-best Parsing", IWPT 2005, algorithm 3; the first best by Knuth, "A
Generalization of Dijkstra's Algorithm", IPL 1977, which also takes care of positive cycles.
"""

from __future__ import annotations

import heapq
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from math import inf, log
from typing import TypeAlias

from torch import Tensor

from nesy.reasoning.compilation.problem import Problem, extract
from nesy.reasoning.derivation import DerivationGraph
from nesy.reasoning.readings.assumptions import joint_probability
from nesy.reasoning.readings.proof import Absent, Assumed, Proof, Step, assumptions
from nesy.reasoning.readings.worlds import derived, proofs_from_worlds

# A goal is a literal, or 2 * num_nodes + d for "derivation d fails". A candidate is a hyperedge with the rank of
# the proof to take for each of its goals.
Goal: TypeAlias = int
_BEYOND = 16  # candidates looked at beyond k, as a leaf used twice puts a proof too late


@dataclass(frozen=True, slots=True)
class Hyperedge:
    """`goal` is proved if all of `tail` are; `derivation` is -1 where it is a goal's only way."""

    goal: Goal
    derivation: int
    tail: tuple[Goal, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """A proof of a goal: its weight, its hyperedge with a proof of each part, its assumptions as a bit set."""

    weight: float
    edge: Hyperedge
    ranks: tuple[int, ...]
    assumed: int


@dataclass(slots=True)
class Goals:
    """What is known of one goal: proofs found so far, best first, and candidates for the next.

    A candidate's weight may be too good as long as the proofs of its parts are not known.
    """

    found: list[Found] = field(default_factory=list)
    candidates: list[tuple[float, int, Hyperedge, tuple[int, ...]]] = field(default_factory=list)
    seen: set[tuple[int, tuple[int, ...]]] = field(default_factory=set)
    deferred: list[tuple[float, int, Hyperedge, tuple[int, ...]]] = field(default_factory=list)
    busy: bool = False


def best_proofs(graph: DerivationGraph, leaf: Tensor | Sequence[float], literal: int, k: int) -> list[Proof]:
    """The k most probable proofs of a literal, most probable first; fewer where there are fewer.

    No proof is listed whose assumptions include all of a better one's. Proofs of probability 0 are left out.

    Shapes: leaf [L], the probability of each leaf.
    """
    if k < 1:
        return []
    chances: list[float] = leaf.detach().double().tolist() if isinstance(leaf, Tensor) else [float(p) for p in leaf]
    if len(chances) != graph.num_leaves:
        raise ValueError(f"{len(chances)} leaf probabilities for a graph of {graph.num_leaves} leaves")
    problem = extract(graph, [literal], [])
    if _needs_worlds(problem):
        return proofs_from_worlds(graph, problem, chances, k)
    return _Enumeration(graph, problem, chances).best(k)


def _needs_worlds(problem: Problem) -> bool:
    """Whether an aggregate, or the absence of something recursive, is part of the literal's proofs."""
    if problem.aggregates:
        return True
    recursive = {node for members in problem.components if len(members) > 1 for node in members}
    recursive |= {d.head for d in problem.derivations if 2 * d.head in d.body}
    if not recursive:
        return False
    # Absence is asked for below negated literals.
    stack = [literal for literal in problem.targets]
    seen: set[int] = set()
    while stack:
        literal = stack.pop()
        if literal in seen:
            continue
        seen.add(literal)
        if literal & 1 and literal >> 1 in recursive:
            return True
        for d in problem.of_head[literal >> 1]:
            stack.extend(below ^ (literal & 1) for below in problem.derivations[d].body)
    return False


class _Enumeration:
    """Lazy k-best over one problem's hypergraph; weights are natural logarithms."""

    def __init__(self, graph: DerivationGraph, problem: Problem, leaf: Sequence[float]):
        self.graph = graph
        self.problem = problem
        self.leaf = leaf
        self.goals: dict[Goal, Goals] = {}
        self.edges: dict[Goal, list[Hyperedge]] = {}
        self._collect(problem.targets[0])
        self._first_best()

    def _collect(self, target: Goal) -> None:
        """The hyperedges below the target."""
        stack = [target]
        while stack:
            goal = stack.pop()
            if goal not in self.edges:
                self.edges[goal] = self._edges(goal)
                self.goals[goal] = Goals()
                stack.extend(below for edge in self.edges[goal] for below in edge.tail)

    def _edges(self, goal: Goal) -> list[Hyperedge]:
        problem = self.problem
        if goal >= 2 * problem.num_nodes:
            body = problem.derivations[goal - 2 * problem.num_nodes].body
            return [Hyperedge(goal, -1, (literal ^ 1,)) for literal in body]
        node = goal >> 1
        if node in problem.leaf:
            return [Hyperedge(goal, -1, ())]
        if goal & 1:
            return [Hyperedge(goal, -1, tuple(2 * problem.num_nodes + d for d in problem.of_head[node]))]
        return [Hyperedge(goal, d, problem.derivations[d].body) for d in problem.of_head[node]]

    def _own_weight(self, goal: Goal) -> float:
        """What proving a goal costs beyond its tail: the assumption, for a leaf."""
        found = self.problem.leaf.get(goal >> 1) if goal < 2 * self.problem.num_nodes else None
        if found is None:
            return 0.0
        chance = self.leaf[found[1]]
        chance = 1.0 - chance if goal & 1 else chance
        return log(chance) if chance > 0 else -inf

    def _first_best(self) -> None:
        """Knuth's algorithm: how good the best proof of each goal is; the candidates to start from."""
        uses: dict[Goal, list[Hyperedge]] = {}
        waiting: dict[int, int] = {}
        best: dict[Goal, float] = {}
        agenda: list[tuple[float, int, Hyperedge]] = []
        for edges in self.edges.values():
            for edge in edges:
                tail = set(edge.tail)
                waiting[id(edge)] = len(tail)
                for goal in tail:
                    uses.setdefault(goal, []).append(edge)
                if not tail:
                    heapq.heappush(agenda, (-self._own_weight(edge.goal), id(edge), edge))
        while agenda:
            cost, _, edge = heapq.heappop(agenda)
            if cost == inf:
                break
            if edge.goal in best:
                continue
            best[edge.goal] = -cost
            for user in uses.get(edge.goal, ()):
                waiting[id(user)] -= 1
                if waiting[id(user)] == 0:
                    heapq.heappush(agenda, (-sum(best[goal] for goal in user.tail), id(user), user))
        for goal in best:
            for edge in self.edges[goal]:
                if all(below in best for below in edge.tail):
                    weight = self._own_weight(goal) + sum(best[below] for below in edge.tail)
                    self._push(self.goals[goal], weight, edge, (0,) * len(edge.tail))

    def _push(self, state: Goals, weight: float, edge: Hyperedge, ranks: tuple[int, ...]) -> None:
        if (id(edge), ranks) not in state.seen:
            state.seen.add((id(edge), ranks))
            heapq.heappush(state.candidates, (-weight, len(state.seen), edge, ranks))

    def _kth(self, goal: Goal, rank: int) -> Generator[tuple[Goal, int], bool, bool]:
        """Find proofs of a goal up to a rank; yields what it needs first and is sent whether that exists."""
        state = self.goals[goal]
        if state.busy:
            return False  # a proof of the goal through itself says nothing new
        state.busy = True
        for candidate in state.deferred:
            heapq.heappush(state.candidates, candidate)
        state.deferred = []
        while len(state.found) <= rank and state.candidates:
            cost, number, edge, ranks = heapq.heappop(state.candidates)
            for below, at in zip(edge.tail, ranks, strict=True):
                if len(self.goals[below].found) <= at and not (yield (below, at)):
                    if self.goals[below].busy:  # asked for in a circle: it may exist later
                        state.deferred.append((cost, number, edge, ranks))
                    break
            else:
                parts = [self.goals[below].found[at] for below, at in zip(edge.tail, ranks, strict=True)]
                weight = self._own_weight(goal) + sum(part.weight for part in parts)
                if -weight > cost + 1e-12:
                    heapq.heappush(state.candidates, (-weight, number, edge, ranks))
                    continue
                for i in range(len(ranks)):
                    self._push(state, weight, edge, (*ranks[:i], ranks[i] + 1, *ranks[i + 1 :]))
                assumed = self._bit(goal)
                for part in parts:
                    assumed |= part.assumed
                if not any(old.assumed & ~assumed == 0 for old in state.found) and not self._contradicts(assumed):
                    state.found.append(Found(weight, edge, ranks, assumed))
        state.busy = False
        return len(state.found) > rank

    def _bit(self, goal: Goal) -> int:
        """What proving a goal assumes by itself: bit g for leaf literal g."""
        return 1 << goal if goal < 2 * self.problem.num_nodes and goal >> 1 in self.problem.leaf else 0

    def _contradicts(self, assumed: int) -> bool:
        """Whether leaf literals cannot hold together, or have no chance to."""
        for branch in self.problem.branches:
            positive = [node for node in branch.node if assumed >> 2 * node & 1]
            negative = [node for node in branch.node if assumed >> 2 * node + 1 & 1]
            if len(positive) > 1 or (positive and positive[0] in negative):
                return True
            if branch.is_exhaustive and len(negative) == len(branch.node):
                return True
        return False

    def _demand(self, goal: Goal, rank: int) -> bool:
        """Run `_kth` with a stack of our own: proofs may be deeper than Python's recursion."""
        stack = [self._kth(goal, rank)]
        answer: bool | None = None
        while stack:
            try:
                needed = next(stack[-1]) if answer is None else stack[-1].send(answer)
                stack.append(self._kth(*needed))
                answer = None
            except StopIteration as finished:
                stack.pop()
                answer = bool(finished.value)
        return bool(answer)

    def best(self, k: int) -> list[Proof]:
        """The best k of the first few candidates: their order by product is nearly that by probability."""
        target = self.problem.targets[0]
        kept: list[Proof] = []
        for rank in range(k + _BEYOND):
            if not self._demand(target, rank):
                break
            root = self._step(target, rank)
            assumed = assumptions(root)
            chance = joint_probability(self.graph.choices, self.leaf, assumed)
            if chance > 0 and not any(set(proof.assumed) <= assumed for proof in kept):
                kept = [proof for proof in kept if not assumed < set(proof.assumed)]
                kept.append(Proof(root, tuple(sorted(assumed)), chance))
        return sorted(kept, key=lambda proof: -proof.probability)[:k]

    def _step(self, target: Goal, rank: int) -> Step:
        """The tree of a found proof, built from its ends up."""
        made: dict[tuple[Goal, int], Step] = {}
        stack = [(target, rank)]
        while stack:
            goal, at = stack[-1]
            found = self.goals[goal].found[at]
            parts = list(zip(found.edge.tail, found.ranks, strict=True))
            missing = [part for part in parts if part not in made]
            if (goal, at) in made or not missing:
                stack.pop()
                made.setdefault((goal, at), self._make(goal, found.edge, [made[part] for part in parts]))
            else:
                stack.extend(reversed(missing))
        return made[target, rank]

    def _make(self, goal: Goal, edge: Hyperedge, parts: list[Step]) -> Step:
        problem = self.problem
        if goal >= 2 * problem.num_nodes:
            return parts[0]  # that a derivation fails is shown by the literal that fails
        node = int(problem.node[goal >> 1])
        if goal >> 1 in problem.leaf:
            return Assumed(2 * node + (goal & 1))
        if goal & 1:
            return Absent(node, tuple(dict.fromkeys(parts)))
        return derived(self.graph, problem, edge.derivation, parts)
