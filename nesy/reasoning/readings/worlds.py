"""Most probable worlds, and the proofs that can be read off them.

A decision diagram's paths exclude each other, and each decides as few choices as it needs: the best path to
an end in which a literal holds is its most probable (partial) world. In a world everything that matters
is settled, so a proof is found by looking: of the derivations that hold, the likeliest; of the literals
that fail, the likeliest.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, log

import numpy as np
from torch import Tensor

from nesy.errors import InconsistentError, LimitError
from nesy.reasoning.compilation.budget import Budget
from nesy.reasoning.compilation.conditioning import Conditioning, Facts
from nesy.reasoning.compilation.diagram import Diagram
from nesy.reasoning.compilation.formula import FormulaMaker
from nesy.reasoning.compilation.frontier import compile_frontier
from nesy.reasoning.compilation.problem import Problem
from nesy.reasoning.derivation import DerivationGraph
from nesy.reasoning.readings.assumptions import joint, joint_probability
from nesy.reasoning.readings.proof import Absent, Aggregated, Assumed, Derived, Proof, Step, assumptions

_WORLDS_PER_PROOF = 16  # worlds looked at for each proof asked for: several worlds may share one proof


def proofs_from_worlds(graph: DerivationGraph, problem: Problem, leaf: Sequence[float], k: int) -> list[Proof]:
    """Up to k proofs of the problem's first target, read off its most probable worlds.

    Raises: LimitError where the literal depends on more than a decision diagram can hold.
    """
    prior = [[leaf[number] for number in branch.leaf] for branch in problem.branches]
    conditioning = Conditioning(problem, prior)
    diagram = conditioning.build(Budget(nodes=200_000).start())
    if len(diagram.unknown):
        raise LimitError(
            f"the proofs of `{graph.atom_of(int(problem.node[problem.targets[0] >> 1]))}` depend on "
            f"{len(problem.branches)} choices through aggregates or negated recursion; that is too many to enumerate"
        )
    kept: list[tuple[frozenset[int], Proof]] = []
    weight = [[*chances, max(0.0, 1.0 - sum(chances))] for chances in prior]
    for outcomes in best_paths(diagram, diagram.holds[0].tolist(), weight, k * _WORLDS_PER_PROOF):
        facts = conditioning.propagation.start()
        for position, outcome in outcomes:
            branch = problem.branches[position]
            true = 0 if outcome < 0 else 1 << branch.node[outcome]
            facts = conditioning.propagation.decide(facts, true, conditioning.leaf_mask[position] & ~true)
        root = _Reader(graph, problem, leaf, facts).step(problem.targets[0])
        assumed = assumptions(root)
        if not any(other <= assumed for other, _ in kept):
            kept = [(other, proof) for other, proof in kept if not assumed < other]
            chance = joint_probability(graph.choices, leaf, assumed)
            kept.append((assumed, Proof(root, tuple(sorted(assumed)), chance)))
            if len(kept) >= k:
                break
    return sorted((proof for _, proof in kept), key=lambda proof: -proof.probability)


@dataclass(frozen=True)
class World:
    """One outcome for each choice: the leaves that hold, and the probability of exactly that."""

    leaves: tuple[int, ...]
    probability: float


def best_worlds(graph: DerivationGraph, leaf: Tensor | Sequence[float], k: int = 1) -> list[World]:
    """The k most probable worlds that agree with all evidence and constraints, most probable first.

    A world decides every choice of the graph. Fewer than k where there are fewer that have a chance.

    Shapes: leaf [L], the probability of each leaf.
    Raises: InconsistentError where no world agrees, LimitError where there is too much to compile.
    Source: most probable explanation by max-product, Dechter, "Bucket elimination", 1999.
    """
    chances: list[float] = leaf.detach().double().tolist() if isinstance(leaf, Tensor) else [float(p) for p in leaf]
    conditions = [*graph.evidence.tolist(), *(2 * graph.constraint + 1).tolist()]
    formula = FormulaMaker(graph).make([], conditions)
    diagram = compile_frontier(formula.shape, Budget().start())
    if diagram is None:
        raise LimitError("the evidence and constraints depend on too much for their most probable worlds to be found")
    options = [_options(graph, chances, choice) for choice in range(graph.choices.num_choices)]
    branch_of = {choice: branch for branch, choice in enumerate(formula.choice)}

    def allowed(branch: int, outcome: int) -> list[tuple[float, int]]:
        """What a choice may come out as, on a path that gives its branch an outcome."""
        mine = formula.leaf[branch]
        every = options[formula.choice[branch]]
        return [o for o in every if (o[1] == mine[outcome] if outcome >= 0 else o[1] not in mine)]

    # A path that says nothing of a choice leaves it its likeliest outcome: what it says costs as much as it is less
    # likely than that. So paths come in the order of their best worlds.
    weight: list[list[float]] = []
    for branch, leaves in enumerate(formula.leaf):
        top = options[formula.choice[branch]][0][0]
        best = [max((chance for chance, _ in allowed(branch, o)), default=0.0) for o in (*range(len(leaves)), -1)]
        weight.append([chance / top if top > 0 else 0.0 for chance in best])
    worlds: list[World] = []
    for path in best_paths(diagram, diagram.final.tolist(), weight, k):
        taken = dict(path)
        decided = [
            allowed(branch_of[choice], taken[branch_of[choice]]) if branch_of.get(choice) in taken else every
            for choice, every in enumerate(options)
        ]
        worlds += _likeliest(decided, k)
    if not worlds:
        raise InconsistentError("no possible world agrees with the evidence and constraints")
    return sorted(worlds, key=lambda world: -world.probability)[:k]


def world_probability(graph: DerivationGraph, leaf: Tensor, world: World) -> Tensor:
    """The probability of a world, with its gradient in the leaf probabilities; of the best world, that of max-product.

    Shapes: leaf [*B, L] -> [*B]
    """
    held = set(graph.choices.of_leaf[list(world.leaves)].tolist())
    literals = [2 * number for number in world.leaves]
    none = np.flatnonzero(~np.isin(graph.choices.of_leaf, list(held)))
    return joint(graph.choices, leaf, [*literals, *(2 * none + 1).tolist()])


def _options(graph: DerivationGraph, chances: Sequence[float], choice: int) -> list[tuple[float, int]]:
    """The outcomes of a choice, likeliest first: chance and leaf, -1 for none of its leaves."""
    own = range(int(graph.choices.ptr[choice]), int(graph.choices.ptr[choice + 1]))
    found = [(chances[number], number) for number in own]
    if graph.choices.has_rest[choice]:
        found.append((max(0.0, 1.0 - sum(chances[number] for number in own)), -1))
    return sorted(found, reverse=True)


def _likeliest(decided: Sequence[Sequence[tuple[float, int]]], k: int) -> list[World]:
    """The k most probable worlds of independent choices: the best k of the first few, with each next choice."""
    best: list[tuple[float, tuple[int, ...]]] = [(1.0, ())]
    for options in decided:
        grown = (
            (probability * chance, (*leaves, number) if number >= 0 else leaves)
            for probability, leaves in best
            for chance, number in options[:k]
            if chance > 0
        )
        best = heapq.nlargest(k, grown)
    return [World(leaves, probability) for probability, leaves in best]


def best_paths(
    diagram: Diagram, ends: Sequence[int], weight: Sequence[Sequence[float]], k: int
) -> list[list[tuple[int, int]]]:
    """The k best paths from the start to one of the ends, best first, by the product of their outcomes' weights.

    A path is a list of (branch, outcome), -1 for none of the branch's outcomes that matter; so is the last weight.
    """
    # For each state its best continuations: (log probability, edge, rank of the continuation after the edge).
    best: list[list[tuple[float, int, int]]] = [[] for _ in range(diagram.num_states)]
    for state in ends:
        best[state] = [(0.0, -1, 0)]
    edges = zip(*(a.tolist() for a in (diagram.source, diagram.target, diagram.branch, diagram.outcome)), strict=True)
    for edge, (source, target, branch, outcome) in reversed(list(enumerate(edges))):
        chance, after = weight[branch][outcome], best[target]
        if chance > 0 and after:
            mine = [(log(chance) + w, edge, rank) for rank, (w, _, _) in enumerate(after)]
            best[source] = heapq.nlargest(k, best[source] + mine)
    paths: list[list[tuple[int, int]]] = []
    for rank in range(len(best[0])):
        path: list[tuple[int, int]] = []
        state, at = 0, rank
        while (edge := best[state][at][1]) >= 0:
            path.append((int(diagram.branch[edge]), int(diagram.outcome[edge])))
            state, at = int(diagram.target[edge]), best[state][at][2]
        paths.append(path)
    return paths


def derived(graph: DerivationGraph, problem: Problem, derivation: int, parts: Sequence[Step]) -> Derived:
    """The step of a derivation, its children in the order of the graph's body."""
    own = problem.derivations[derivation]
    by_literal = {step.literal: step for step in parts}
    body = graph.body_of(own.number).tolist()
    return Derived(int(problem.node[own.head]), own.number, tuple(by_literal[literal] for literal in body))


class _Reader:
    """Reads proofs off one world. Costs are minus log probabilities of what a proof would assume."""

    def __init__(self, graph: DerivationGraph, problem: Problem, leaf: Sequence[float], facts: Facts):
        self.graph = graph
        self.problem = problem
        self.facts = facts
        self.cost: dict[int, float] = {}
        self.by: dict[int, int] = {}  # the derivation that a node that holds is proved by
        self.component = {n: i for i, members in enumerate(problem.components) for n in members}
        for node, (_, number) in problem.leaf.items():
            for literal in (2 * node, 2 * node + 1):
                chance = 1 - leaf[number] if literal & 1 else leaf[number]
                if self._holds(literal):
                    self.cost[literal] = -log(chance) if chance > 0 else inf
        for members in problem.components:
            self._settle(members)

    def _holds(self, literal: int) -> bool:
        """Whether the world settles that the literal holds."""
        settled = ~self.facts.open if literal & 1 else self.facts.true
        return bool(settled >> (literal >> 1) & 1)

    def _settle(self, members: list[int]) -> None:
        problem = self.problem
        changed = True
        while changed:  # strict improvements only, so that reasons never go in circles
            changed = False
            for node in members:
                if not self._holds(2 * node):
                    continue
                if node in problem.aggregate_of and 2 * node not in self.cost:
                    elements = problem.aggregates[problem.aggregate_of[node]].element
                    self.cost[2 * node] = sum(self._settled_cost(e) for e in elements)
                    changed = True
                for d in problem.of_head[node]:
                    cost = sum(self.cost.get(literal, inf) for literal in problem.derivations[d].body)
                    if cost < self.cost.get(2 * node, inf) or (cost < inf and 2 * node not in self.cost):
                        self.cost[2 * node] = cost
                        self.by[node] = d
                        changed = True
        for node in members:
            if self._holds(2 * node + 1):
                outside = (self._failing(d, self.component[node]) for d in problem.of_head[node])
                self.cost[2 * node + 1] = sum(self.cost[literal] for literal in outside if literal is not None)

    def _settled_cost(self, element: int) -> float:
        return self.cost.get(2 * element, self.cost.get(2 * element + 1, 0.0))

    def _failing(self, derivation: int, component: int) -> int | None:
        """The likeliest true literal that shows, from outside a component, that a derivation fails."""
        shown = [literal ^ 1 for literal in self.problem.derivations[derivation].body if self._holds(literal ^ 1)]
        outside = [literal for literal in shown if self.component.get(literal >> 1) != component]
        return min(outside, key=lambda literal: self.cost[literal], default=None)

    def step(self, literal: int, inside: dict[int, Step | None] | None = None) -> Step:
        """The proof of a literal that the world settles; `inside` are absences of the same component above it."""
        problem, node = self.problem, literal >> 1
        original = int(problem.node[node])
        if node in problem.leaf:
            return Assumed(2 * original + (literal & 1))
        if not literal & 1:
            if node in self.by:
                d = self.by[node]
                return derived(self.graph, problem, d, [self.step(b) for b in problem.derivations[d].body])
            number = problem.aggregate_of[node]
            elements = problem.aggregates[number].element
            shown = [2 * e + (not self._holds(2 * e)) for e in elements]
            children = tuple(self.step(b) for b in shown if self._holds(b))
            return Aggregated(original, self._aggregate_number(original), children)
        return self._absent(node, {} if inside is None else inside)

    def _aggregate_number(self, node: int) -> int:
        return next(i for i, a in enumerate(self.graph.aggregates) if node in a.result)

    def _absent(self, node: int, inside: dict[int, Step | None]) -> Step:
        """Why a node fails. `inside[n]` is None while the absence of n is being explained further up."""
        problem, component = self.problem, self.component[node]
        inside[node] = None
        children: list[Step] = []
        for d in problem.of_head[node]:
            outside = self._failing(d, component)
            if outside is not None:
                children.append(self.step(outside))
                continue
            within = [b >> 1 for b in problem.derivations[d].body if self._holds(b ^ 1)]
            if any(other in inside and inside[other] is None for other in within):
                continue
            other = within[0]
            found = inside.get(other)
            children.append(found if found is not None else self._absent(other, inside))
        if node in problem.aggregate_of:
            elements = problem.aggregates[problem.aggregate_of[node]].element
            shown = [2 * e + (not self._holds(2 * e)) for e in elements]
            children += [self.step(b) for b in shown if self._holds(b)]
        step = Absent(int(problem.node[node]), tuple(dict.fromkeys(children)))
        inside[node] = step
        return step
