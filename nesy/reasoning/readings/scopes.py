"""Which conditions each answer is under, and how the work splits into independent parts.

The conditions of a query are the evidence and constraints of its own sample and those shared by all
samples. Conditions that share no choice with a query, not even through other conditions, cannot change its
probability and are left out of its part; they still count for the probability of the evidence.

Samples are independent given what they share: a shared leaf (a probabilistic fact of the rule file, say) is one
variable within each sample's part, and constraints of one sample say nothing about another's answers.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from nesy.reasoning.derivation import DerivationGraph
from nesy.reasoning.readings.formula import FormulaMaker


@dataclass
class Part:
    """Queries and conditions that share choices, so that they are looked at together."""

    queries: list[int]  # positions in graph.query
    conditions: list[int]  # literals of the graph
    choices: set[int] = field(default_factory=set)
    under: frozenset[int] = frozenset()  # which groups of conditions


@dataclass(frozen=True, eq=False)
class Split:
    """The parts that have queries, and for each scope the independent groups of its conditions."""

    parts: list[Part]
    scope: list[int]  # of each query: its sample, or -1 where there is one sample only
    conditions: dict[int, list[tuple[int, ...]]]


def split(graph: DerivationGraph, maker: FormulaMaker) -> Split:
    """Split the questions that a graph asks."""
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
    for mine, numbers in queries.items():
        inside = of_scope.get(mine, []) + (of_scope.get(-1, []) if mine != -1 else [])
        groups = _disjoint([Part([], [c], maker.choices_below(c)) for c in inside])
        conditions[mine] = [tuple(group.conditions) for group in groups]
        asked: list[Part] = []
        for number in numbers:
            literal = graph.query[number].literal
            if literal is not None:
                about = maker.choices_below(literal)
                under = frozenset(i for i, group in enumerate(groups) if not about.isdisjoint(group.choices))
                about = about.union(*(groups[i].choices for i in under))
                asked.append(Part([number], [c for i in sorted(under) for c in groups[i].conditions], about, under))
        parts += _disjoint(asked)
    return Split(parts, scope, conditions)


def _disjoint(parts: list[Part]) -> list[Part]:
    """Join parts that share choices and are under the same conditions, if any."""
    apart: list[Part] = []
    for part in parts:
        joined, rest = part, []
        for other in apart:
            if other.under == part.under and not part.choices.isdisjoint(other.choices):
                both = dict.fromkeys(other.conditions + joined.conditions)
                joined = Part(other.queries + joined.queries, list(both), other.choices | joined.choices, part.under)
            else:
                rest.append(other)
        apart = [*rest, joined]
    return apart
