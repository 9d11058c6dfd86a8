"""Which conditions each answer is under, and how the work splits into independent parts.

The conditions of a query are the evidence and constraints of its own sample and those shared by all
samples. Conditions that share no choice with a query, not even through other conditions, cannot change its
probability and are left out of its part; they still count for the probability of the evidence.

Samples are independent given what they share: a shared leaf (a probabilistic fact of the rule file, say) is one
variable within each sample's part, and constraints of one sample say nothing about another's answers.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nesy.reasoning.compilation.formula import FormulaMaker
from nesy.reasoning.compilation.problem import slices
from nesy.reasoning.derivation import DerivationGraph, Index


@dataclass(frozen=True)
class Part:
    """Queries and conditions that share choices, so that they are looked at together."""

    queries: list[int]  # positions in graph.query
    conditions: list[int]  # literals of the graph


@dataclass(frozen=True, eq=False)
class Split:
    """The parts that have queries, and for each scope the independent groups of its conditions."""

    parts: list[Part]
    scope: list[int]  # of each query: its sample, or -1 where there is one sample only
    conditions: dict[int, list[tuple[int, ...]]]


def split(graph: DerivationGraph, maker: FormulaMaker) -> Split:
    """Split the questions that a graph asks.

    Cost: linear in what conditions and queries reach; where there are conditions, for each query that they touch
    linear in what it reaches before it meets them.
    """
    literals: list[int] = np.concatenate([graph.evidence, 2 * graph.constraint + 1]).astype(np.int64).tolist()
    of_scope: dict[int, list[int]] = {}
    for literal in dict.fromkeys(literals):
        of_scope.setdefault(int(graph.sample[literal >> 1]) if graph.num_samples > 1 else -1, []).append(literal)
    scope = [query.sample if graph.num_samples > 1 else -1 for query in graph.query]
    queries: dict[int, list[int]] = {}
    for number, mine in enumerate(scope):
        queries.setdefault(mine, []).append(number)
    parts: list[Part] = []
    conditions: dict[int, list[tuple[int, ...]]] = {}
    links = _Links(graph, maker)
    for mine, numbers in queries.items():
        inside = of_scope.get(mine, []) + (of_scope.get(-1, []) if mine != -1 else [])
        asked = [(q, literal) for q in numbers if (literal := graph.query[q].literal) is not None]
        groups, found = _split_scope(links, inside, asked)
        conditions[mine] = [tuple(group) for group in groups]
        parts += found
    return Split(parts, scope, conditions)


def _split_scope(
    links: _Links, conditions: Sequence[int], asked: Sequence[tuple[int, int]]
) -> tuple[list[list[int]], list[Part]]:
    """The groups of conditions, and the parts of the queries (position, literal), of one scope."""
    given = _Sets(links)
    groups: dict[int, list[int]] = {}
    for condition in conditions:
        given.add(condition >> 1)
    for condition in conditions:
        groups.setdefault(given.find(condition >> 1), []).append(condition)
    number = {root: place for place, root in enumerate(groups)}
    of_group = list(groups.values())
    # Queries of one set that meets no condition make a part; elsewhere it counts which groups each query is under.
    free = _Sets(links, given)
    for _, literal in asked:
        free.add(literal >> 1)
    parts: dict[object, Part] = {}
    for query, literal in asked:
        root = free.find(literal >> 1)
        under: frozenset[int] = frozenset()
        if root in free.meets or literal >> 1 in given:
            under = frozenset(number[met] for met in _met(links, literal >> 1, given))
        key: object = under or root
        if key not in parts:
            parts[key] = Part([], [condition for place in sorted(under) for condition in of_group[place]])
        parts[key].queries.append(query)
    return of_group, list(parts.values())


class _Links:
    """What each item depends on, as far as choices decide it. Items are nodes; then aggregates; and choices, as
    negative numbers."""

    def __init__(self, graph: DerivationGraph, maker: FormulaMaker):
        self._maker = maker
        self._num_nodes = graph.num_nodes
        self._is_random = _random(graph).tolist()

    def below(self, item: int) -> Iterable[int]:
        maker = self._maker
        if item < 0:
            return ()
        if item < maker.num_leaves:
            return (-1 - maker.of_leaf[item],)
        if item >= self._num_nodes:
            return [node for node in maker.elements[item - self._num_nodes] if self._is_random[node]]
        found = [node for node in maker.below(item) if self._is_random[node]]
        if item in maker.aggregate_of:
            found.append(self._num_nodes + maker.aggregate_of[item])
        return found


class _Sets:
    """Items that depend on a choice in common, maybe through others, are one set (union-find).

    Nothing is followed into `given`; roots of sets that touch it are in `meets`.
    """

    def __init__(self, links: _Links, given: _Sets | None = None):
        self._links = links
        self._given = given
        self._parent: dict[int, int] = {}
        self._meeting: list[int] = []

    def __contains__(self, item: int) -> bool:
        return item in self._parent

    @property
    def meets(self) -> set[int]:
        """The sets that touch what is given."""
        return {self.find(item) for item in self._meeting}

    def find(self, item: int) -> int:
        """The set of an item."""
        parent = self._parent
        root = item
        while (above := parent[root]) != root:
            root = above
        while parent[item] != root:
            parent[item], item = root, parent[item]
        return root

    def add(self, item: int) -> None:
        """Add an item and what it depends on."""
        if item in self._parent:
            return
        self._parent[item] = item
        stack = [item]
        while stack:
            current = stack.pop()
            for child in self._links.below(current):
                if self._given is not None and child in self._given:
                    self._meeting.append(current)
                    continue
                if child not in self._parent:
                    self._parent[child] = self.find(current)
                    stack.append(child)
                else:
                    self._parent[self.find(child)] = self.find(current)


def _met(links: _Links, item: int, given: _Sets) -> set[int]:
    """The given sets that an item depends on."""
    seen = {item}
    stack = [item]
    found: set[int] = set()
    while stack:
        current = stack.pop()
        if current in given:
            found.add(given.find(current))
            continue
        for child in links.below(current):
            if child not in seen:
                seen.add(child)
                stack.append(child)
    return found


def _random(graph: DerivationGraph) -> NDArray[np.bool_]:
    """[N] whether a node depends on a choice; a wave up from the leaves."""
    num_nodes = graph.num_nodes
    used = [graph.body >> 1]
    user: list[Index] = [np.repeat(graph.head, np.diff(graph.body_ptr))]
    for number, aggregate in enumerate(graph.aggregates):
        used += [aggregate.element, np.full(len(aggregate.result), num_nodes + number)]
        user += [np.full(len(aggregate.element), num_nodes + number), aggregate.result]
    below, above = np.concatenate(used), np.concatenate(user)
    order = np.argsort(below, kind="stable")
    above = above[order]
    size = num_nodes + len(graph.aggregates)
    ptr = np.searchsorted(below[order], np.arange(size + 1))
    reached = np.zeros(size, dtype=np.bool_)
    wave = np.arange(graph.num_leaves)
    while len(wave):
        reached[wave] = True
        wave = np.unique(above[slices(ptr[wave], ptr[wave + 1])])
        wave = wave[~reached[wave]]
    return reached[:num_nodes]
