"""The most probable proofs of a literal.

Without aggregates, proofs are hyperpaths of the derivation graph: a node is proved by one of its derivations, its
absence by one failing literal of each of its derivations. The k best are enumerated lazily. A leaf
that a proof uses twice counts once: candidates come in the order of their product, and are kept, without
contradictions and without repeating a smaller proof, in the order of the chance of their assumptions.

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

from nesy.reasoning.derivation import DerivationGraph
from nesy.reasoning.readings.assumptions import joint_probability
from nesy.reasoning.readings.problem import Problem, extract
from nesy.reasoning.readings.proof import Absent, Assumed, Proof, Step, assumptions
from nesy.reasoning.readings.worlds import derived, proofs_from_worlds

# A goal is a literal, or 2 * num_nodes + d for "derivation d fails". A candidate is a hyperedge with the rank of
# the proof to take for each of its goals.
Goal: TypeAlias = int
_PER_PROOF = 50  # candidates looked at for each proof asked for: the rest contradict or repeat


@dataclass(frozen=True, slots=True)
class Hyperedge:
    """`goal` is proved if all of `tail` are; `derivation` is -1 where it is a goal's only way."""

    goal: Goal
    derivation: int
    tail: tuple[Goal, ...]


@dataclass(slots=True)
class Goals:
    """What is known of one goal: proofs found so far, best first, and candidates for the next."""

    found: list[tuple[float, Hyperedge, tuple[int, ...]]] = field(default_factory=list)
    candidates: list[tuple[float, int, Hyperedge, tuple[int, ...]]] = field(default_factory=list)
    seen: set[tuple[int, tuple[int, ...]]] = field(default_factory=set)
    deferred: list[tuple[Hyperedge, tuple[int, ...], int]] = field(default_factory=list)
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
        """Knuth's algorithm: settle goals in the order of their best proof."""
        uses: dict[Goal, list[Hyperedge]] = {}
        waiting: dict[Hyperedge, int] = {}
        agenda: list[tuple[float, int, Hyperedge]] = []
        count = 0
        for edges in self.edges.values():
            for edge in edges:
                tail = set(edge.tail)
                waiting[edge] = len(tail)
                for goal in tail:
                    uses.setdefault(goal, []).append(edge)
                if not tail:
                    count += 1
                    heapq.heappush(agenda, (-self._own_weight(edge.goal), count, edge))
        while agenda:
            cost, _, edge = heapq.heappop(agenda)
            state = self.goals[edge.goal]
            if cost == inf or state.found:
                continue
            state.found.append((-cost, edge, (0,) * len(edge.tail)))
            state.seen.add((id(edge), (0,) * len(edge.tail)))
            for user in uses.get(edge.goal, ()):
                waiting[user] -= 1
                if waiting[user] == 0 and not self.goals[user.goal].found:
                    count += 1
                    weight = sum(self.goals[goal].found[0][0] for goal in user.tail)
                    heapq.heappush(agenda, (-weight, count, user))
        for goal, state in self.goals.items():
            if not state.found:
                continue
            # All other ways to prove the goal start as candidates with the best of each part.
            for edge in self.edges[goal]:
                if edge is not state.found[0][1] and all(self.goals[below].found for below in edge.tail):
                    self._push(state, edge, (0,) * len(edge.tail))
            self._push_next(state, state.found[0][1], state.found[0][2])

    def _push(self, state: Goals, edge: Hyperedge, ranks: tuple[int, ...]) -> None:
        mark = (id(edge), ranks)
        if mark not in state.seen:
            state.seen.add(mark)
            parts = (self.goals[g].found[r][0] for g, r in zip(edge.tail, ranks, strict=True))
            heapq.heappush(state.candidates, (-sum(parts), len(state.seen), edge, ranks))

    def _push_next(self, state: Goals, edge: Hyperedge, ranks: tuple[int, ...]) -> None:
        """Successors whose parts are known already; the others wait for `_kth`."""
        for i in range(len(ranks)):
            if len(self.goals[edge.tail[i]].found) > ranks[i] + 1:
                self._push(state, edge, (*ranks[:i], ranks[i] + 1, *ranks[i + 1 :]))

    def _kth(self, goal: Goal, rank: int) -> Generator[tuple[Goal, int], bool, bool]:
        """Make the proof of a rank known; yields what it needs first and is sent whether that exists."""
        state = self.goals[goal]
        if state.busy:
            return False  # a proof of the goal through itself says nothing new
        state.busy = True
        while len(state.found) <= rank and state.found:
            _, edge, ranks = state.found[-1]
            successors = [*state.deferred, *((edge, ranks, i) for i in range(len(ranks)))]
            state.deferred = []
            for edge, ranks, i in successors:
                below = edge.tail[i]
                if len(self.goals[below].found) > ranks[i] + 1 or (yield (below, ranks[i] + 1)):
                    self._push(state, edge, (*ranks[:i], ranks[i] + 1, *ranks[i + 1 :]))
                elif self.goals[below].busy:
                    state.deferred.append((edge, ranks, i))  # asked for in a circle; it may exist later
            if not state.candidates:
                break
            cost, _, edge, ranks = heapq.heappop(state.candidates)
            state.found.append((-cost, edge, ranks))
        state.busy = False
        return len(state.found) > rank

    def _demand(self, goal: Goal, rank: int) -> bool:
        """Run `_kth` with a stack of our own: proofs may be deeper than Python's recursion."""
        stack = [self._kth(goal, rank)]
        answer: bool | None = None
        while stack:
            try:
                needed = stack[-1].send(answer) if answer is not None else next(stack[-1])
                stack.append(self._kth(*needed))
                answer = None
            except StopIteration as finished:
                stack.pop()
                answer = bool(finished.value)
        return bool(answer)

    def best(self, k: int) -> list[Proof]:
        target = self.problem.targets[0]
        kept: list[tuple[frozenset[int], Proof]] = []
        for rank in range(k * _PER_PROOF):
            if not self._demand(target, rank):
                break
            root = self._step(target, rank)
            assumed = assumptions(root)
            chance = joint_probability(self.graph.choices, self.leaf, assumed)
            if chance > 0 and not any(other <= assumed for other, _ in kept):
                kept = [(other, proof) for other, proof in kept if not assumed < other]
                kept.append((assumed, Proof(root, tuple(sorted(assumed)), chance)))
                if len(kept) >= k:
                    break
        return sorted((proof for _, proof in kept), key=lambda proof: -proof.probability)

    def _step(self, target: Goal, rank: int) -> Step:
        """The tree of a found proof, built from its ends up."""
        made: dict[tuple[Goal, int], Step] = {}
        stack = [(target, rank)]
        while stack:
            goal, at = stack[-1]
            _, edge, ranks = self.goals[goal].found[at]
            parts = list(zip(edge.tail, ranks, strict=True))
            missing = [part for part in parts if part not in made]
            if (goal, at) in made or not missing:
                stack.pop()
                made.setdefault((goal, at), self._make(goal, edge, [made[part] for part in parts]))
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
