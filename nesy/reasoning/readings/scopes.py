"""Which conditions each answer is under, and how the work splits into independent parts.

The conditions of a query are the evidence and constraints of its own sample and those shared by all
samples. Conditions that share no choice with a query, not even through other conditions, cannot change its
probability and are left out of its part; they still count for the probability of the evidence.

Samples are independent given what they share: a shared leaf (a probabilistic fact of the rule file, say) is one
variable within each sample's part, and constraints of one sample say nothing about another's answers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nesy.reasoning.derivation import DerivationGraph, Index
from nesy.reasoning.readings.problem import Reach


@dataclass(frozen=True, eq=False)
class Part:
    """Queries that can be answered together: they are under the same conditions, and share choices."""

    scope: int  # the sample, or -1
    queries: tuple[int, ...]  # positions in graph.query
    conditions: tuple[int, ...]  # literals of the graph


@dataclass(frozen=True, eq=False)
class Split:
    """The parts, and for each scope the independent groups that its conditions fall into."""

    parts: tuple[Part, ...]
    scope_of_query: Index  # [Q]
    conditions: dict[int, tuple[tuple[int, ...], ...]]  # scope -> groups of literals


def split(graph: DerivationGraph) -> Split:
    """Split the questions that a graph asks."""
    reach = Reach(graph)
    literals = np.concatenate([graph.evidence, 2 * graph.constraint + 1]).astype(np.int64)
    sample_of = graph.sample[literals >> 1] if len(literals) else np.zeros(0, np.int64)
    scope_of_query = np.asarray(
        [query.sample if graph.num_samples > 1 else -1 for query in graph.query], dtype=np.int64
    )
    parts: list[Part] = []
    conditions: dict[int, tuple[tuple[int, ...], ...]] = {}
    for scope in np.unique(scope_of_query).tolist():
        inside = literals if graph.num_samples == 1 else literals[(sample_of == scope) | (sample_of == -1)]
        unique = list(dict.fromkeys(inside.tolist()))
        queries = [int(q) for q in np.flatnonzero(scope_of_query == scope) if graph.query[q].literal is not None]
        groups, found = _parts(graph, reach, scope, unique, queries)
        conditions[scope] = groups
        parts += found
    return Split(tuple(parts), scope_of_query, conditions)


def _parts(
    graph: DerivationGraph, reach: Reach, scope: int, literals: list[int], queries: list[int]
) -> tuple[tuple[tuple[int, ...], ...], list[Part]]:
    of_leaf = graph.choices.of_leaf
    # The groups of conditions, each with the choices it is about.
    groups: list[tuple[list[int], set[int]]] = []
    for literal in literals:
        below = reach([literal >> 1])[: graph.num_leaves]
        mine, about = [literal], set(of_leaf[np.flatnonzero(below)].tolist())
        apart: list[tuple[list[int], set[int]]] = []
        for other, choices in groups:
            if about.isdisjoint(choices):
                apart.append((other, choices))
            else:
                mine, about = other + mine, about | choices
        groups = [*apart, (mine, about)]
    # A query is under the groups it shares a choice with; queries under the same groups that share choices
    # with each other are answered together.
    open_parts: list[tuple[list[int], set[int], frozenset[int]]] = []
    for query in queries:
        literal = graph.query[query].literal
        assert literal is not None
        below = reach([literal >> 1])[: graph.num_leaves]
        about = set(of_leaf[np.flatnonzero(below)].tolist())
        under = frozenset(i for i, (_, choices) in enumerate(groups) if not about.isdisjoint(choices))
        for i in under:
            about |= groups[i][1]
        mine = [query]
        apart_parts: list[tuple[list[int], set[int], frozenset[int]]] = []
        for other, choices, same in open_parts:
            if same == under and not about.isdisjoint(choices):
                mine, about = other + mine, about | choices
            else:
                apart_parts.append((other, choices, same))
        open_parts = [*apart_parts, (mine, about, under)]
    parts = [
        Part(scope, tuple(sorted(mine)), tuple(literal for i in sorted(under) for literal in groups[i][0]))
        for mine, _, under in open_parts
    ]
    return tuple(tuple(group) for group, _ in groups), parts
