"""The part of a derivation graph that some literals depend on, renumbered and ordered for exact methods.

A `Problem` asks: with what probability does each of `targets` hold together with all of `conditions`?
It keeps only what these depend on. Nodes are ordered by their dependency components (Tarjan), so
that a component's body literals outside of itself are decided before it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from nesy.reasoning.derivation import DerivationGraph, Index


@dataclass(frozen=True, eq=False)
class Derivation:
    """One hyperedge of a problem: `head` holds if all literals of `body` hold (local numbers)."""

    head: int
    body: tuple[int, ...]
    number: int  # in the graph


@dataclass(frozen=True, eq=False)
class Branch:
    """One random choice of a problem, with those of its outcomes that matter."""

    choice: int  # in the graph
    leaf: tuple[int, ...]  # the graph's leaves
    node: tuple[int, ...]  # the same, as local nodes
    is_exhaustive: bool  # one of these leaves always comes out


@dataclass(frozen=True, eq=False)
class LocalAggregate:
    """An aggregate in local numbers; see `GroundAggregate`."""

    function: str
    element: tuple[int, ...]
    weight: tuple[float, ...]
    result: tuple[int, ...]  # only those that matter
    value: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class Problem:
    """See the module's text. A literal is `2 * node + negated` in local numbers."""

    node: Index  # [n] the graph's number of each local node
    branches: tuple[Branch, ...]
    derivations: tuple[Derivation, ...]
    aggregates: tuple[LocalAggregate, ...]
    targets: tuple[int, ...]  # local literals
    conditions: tuple[int, ...]  # local literals

    @property
    def num_nodes(self) -> int:
        return len(self.node)

    @cached_property
    def leaf(self) -> dict[int, tuple[int, int]]:
        """Local node of a leaf -> (its branch, the graph's leaf)."""
        return {
            node: (position, leaf)
            for position, branch in enumerate(self.branches)
            for node, leaf in zip(branch.node, branch.leaf, strict=True)
        }

    @cached_property
    def of_head(self) -> list[list[int]]:
        """Derivations of each node."""
        found: list[list[int]] = [[] for _ in range(self.num_nodes)]
        for number, derivation in enumerate(self.derivations):
            found[derivation.head].append(number)
        return found

    @cached_property
    def of_body(self) -> list[list[int]]:
        """Derivations in whose body each node is."""
        found: list[list[int]] = [[] for _ in range(self.num_nodes)]
        for number, derivation in enumerate(self.derivations):
            for node in {literal >> 1 for literal in derivation.body}:
                found[node].append(number)
        return found

    @cached_property
    def aggregate_of(self) -> dict[int, int]:
        """The aggregate that a result node belongs to."""
        return {node: number for number, a in enumerate(self.aggregates) for node in a.result}

    def below(self, node: int) -> Iterable[int]:
        """The nodes that a node depends on directly."""
        for number in self.of_head[node]:
            for literal in self.derivations[number].body:
                yield literal >> 1
        if node in self.aggregate_of:
            yield from self.aggregates[self.aggregate_of[node]].element

    @cached_property
    def components(self) -> list[list[int]]:
        """Strongly connected components, those that others depend on first; no leaves.

        Results of one aggregate are one component of their own unless they are also recursive.
        """
        return strong_components(self.num_nodes, self.below, skip=self.leaf)


def strong_components(
    num_nodes: int, below: Callable[[int], Iterable[int]], skip: Iterable[int] = ()
) -> list[list[int]]:
    """Tarjan's strongly connected components in dependency order, without recursion.

    Source: Tarjan, "Depth-first search and linear graph algorithms", SIAM J. Comput. 1972.
    """
    skipped = set(skip)
    index = [-1] * num_nodes
    low = [0] * num_nodes
    on_stack = [False] * num_nodes
    stack: list[int] = []
    components: list[list[int]] = []
    counter = 0
    for start in range(num_nodes):
        if index[start] >= 0 or start in skipped:
            continue
        work = [(start, iter(below(start)))]
        index[start] = low[start] = counter
        counter += 1
        stack.append(start)
        on_stack[start] = True
        while work:
            node, children = work[-1]
            for child in children:
                if child in skipped:
                    continue
                if index[child] < 0:
                    index[child] = low[child] = counter
                    counter += 1
                    stack.append(child)
                    on_stack[child] = True
                    work.append((child, iter(below(child))))
                    break
                if on_stack[child]:
                    low[node] = min(low[node], index[child])
            else:
                work.pop()
                if work:
                    parent = work[-1][0]
                    low[parent] = min(low[parent], low[node])
                if low[node] == index[node]:
                    component: list[int] = []
                    while True:
                        member = stack.pop()
                        on_stack[member] = False
                        component.append(member)
                        if member == node:
                            break
                    components.append(component)
    return components


def extract(
    graph: DerivationGraph, targets: Sequence[int], conditions: Sequence[int], reach: Reach | None = None
) -> Problem:
    """The problem that the given literals of the graph make, with nothing else in it.

    Cost: linear in what the literals depend on, besides a few numpy calls per level.
    """
    reach = reach or Reach(graph)
    aggregate_of = reach.aggregate_of
    kept = reach(np.asarray([*targets, *conditions], dtype=np.int64) >> 1)
    node = np.flatnonzero(kept)
    local = np.full(graph.num_nodes, -1, dtype=np.int64)
    local[node] = np.arange(len(node))

    derivation_kept = np.flatnonzero(kept[graph.head])
    derivations: list[Derivation] = []
    for number in derivation_kept.tolist():
        body = graph.body_of(number)
        renumbered = tuple(sorted(set((2 * local[body >> 1] + (body & 1)).tolist())))
        derivations.append(Derivation(int(local[graph.head[number]]), renumbered, number))

    aggregates: list[LocalAggregate] = []
    for number in np.unique(aggregate_of[node[aggregate_of[node] >= 0]]).tolist():
        a = graph.aggregates[number]
        used = kept[a.result]
        aggregates.append(
            LocalAggregate(
                a.function,
                tuple(local[a.element].tolist()),
                tuple(a.weight.tolist()),
                tuple(local[a.result[used]].tolist()),
                tuple(a.value[used].tolist()),
            )
        )

    leaves = node[node < graph.num_leaves]
    choices = graph.choices
    branches: list[Branch] = []
    for choice in np.unique(choices.of_leaf[leaves]).tolist():
        mine = leaves[choices.of_leaf[leaves] == choice]
        is_exhaustive = not choices.has_rest[choice] and len(mine) == choices.ptr[choice + 1] - choices.ptr[choice]
        branches.append(Branch(choice, tuple(mine.tolist()), tuple(local[mine].tolist()), bool(is_exhaustive)))

    def renumber(literals: Sequence[int]) -> tuple[int, ...]:
        return tuple(2 * int(local[literal >> 1]) + (literal & 1) for literal in literals)

    return Problem(
        node=node,
        branches=tuple(branches),
        derivations=tuple(derivations),
        aggregates=tuple(aggregates),
        targets=renumber(targets),
        conditions=renumber(conditions),
    )


class Reach:
    """Answers what some nodes depend on; keeps the index it needs."""

    def __init__(self, graph: DerivationGraph):
        self.graph = graph
        self.aggregate_of = np.full(graph.num_nodes, -1, dtype=np.int64)  # the aggregate a node is a result of
        for number, aggregate in enumerate(graph.aggregates):
            self.aggregate_of[aggregate.result] = number
        self._element_ptr = np.cumsum([0, *(len(a.element) for a in graph.aggregates)])
        self._elements = np.concatenate([np.zeros(0, np.int64), *(a.element for a in graph.aggregates)])

    def __call__(self, roots: Sequence[int] | Index) -> NDArray[np.bool_]:
        """[N] whether a root depends on the node, or is it.

        Cost: linear in what is reached plus N, with a few numpy calls per level.
        """
        graph = self.graph
        kept = np.zeros(graph.num_nodes, dtype=bool)
        ptr = graph.derivations_ptr
        frontier = np.unique(np.asarray(roots, dtype=np.int64))
        while len(frontier):
            kept[frontier] = True
            used = slices(ptr[frontier], ptr[frontier + 1])
            below = graph.body[slices(graph.body_ptr[used], graph.body_ptr[used + 1])] >> 1
            groups = np.unique(self.aggregate_of[frontier])
            groups = groups[groups >= 0]
            elements = self._elements[slices(self._element_ptr[groups], self._element_ptr[groups + 1])]
            below = np.concatenate([below, elements])
            frontier = np.unique(below[~kept[below]])
        return kept


def slices(start: Index, stop: Index) -> Index:
    """The indices of all ranges start[i] .. stop[i]-1, one after the other.

    >>> slices(np.array([0, 5]), np.array([2, 8])).tolist()
    [0, 1, 5, 6, 7]
    """
    length = stop - start
    ends = np.cumsum(length)
    total = int(ends[-1]) if len(ends) else 0
    return np.arange(total, dtype=np.int64) + np.repeat(start - (ends - length), length)
