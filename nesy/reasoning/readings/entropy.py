"""How uncertain an answer is: the entropy of which rows of a query hold.

Where at most one row can hold (the values of a choice, a sum, a label), the entropy is that of the rows' probabilities.
Whether that is so is decided once, from the structure: the probability that any row holds is compared with their
sum at random leaf probabilities, and polynomials that agree there agree everywhere. A few rows that do not exclude
each other are asked for together, every combination for itself. More of them leave an interval.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import e

import numpy as np
import torch
from torch import Tensor

from nesy.reasoning.compilation.budget import Budget
from nesy.reasoning.derivation import DerivationGraph
from nesy.reasoning.readings.exact import Reading, exact
from nesy.reasoning.readings.extension import Extension

MOST_TOGETHER = 6  # rows whose 2^n combinations are asked for
_SAME = 1e-9  # of probabilities at random leaves: far above rounding, far below any difference of polynomials


@dataclass(frozen=True, eq=False)
class Entropies:
    """The entropy of each query's answer.

    Shapes: all [*B, G], in the order of `Entropy.groups`
    Units: nats. `lower` and `upper` are equal where the entropy is exact.
    Gradient: of both; infinite nowhere: that of a probability of 0 or 1 is taken as 0.
    """

    lower: Tensor
    upper: Tensor


@dataclass(frozen=True)
class Group:
    """The rows of one query in one sample, and what their entropy is read from."""

    rows: tuple[int, ...]  # positions in the graph's queries
    outcomes: tuple[int, ...] | None  # positions of events of which exactly one holds; None: an interval
    others: int | None  # the position of the event that no outcome covers, negated: "any row holds"


@dataclass(frozen=True, eq=False)
class Entropy:
    """Leaf probabilities in, entropies out; made by `entropy`.

    Shapes: leaf [*B, L] -> each of `Entropies` [*B, G]
    """

    reading: Reading
    groups: tuple[Group, ...]

    def __call__(self, leaf: Tensor) -> Entropies:
        """The entropy of each group's rows, given the evidence and the constraints.

        Raises: InconsistentError where no world meets them.
        """
        found = self.reading(leaf)
        low, high = _terms(found.lower, found.upper)
        rest_low, rest_high = _terms(1 - found.upper, 1 - found.lower)
        lower: list[Tensor] = []
        upper: list[Tensor] = []
        for group in self.groups:
            if group.outcomes is None:
                each = list(group.rows)
                lower.append((low[..., each] + rest_low[..., each]).amax(-1))
                upper.append((high[..., each] + rest_high[..., each]).sum(-1))
                continue
            parts = list(group.outcomes)
            below, above = low[..., parts].sum(-1), high[..., parts].sum(-1)
            if group.others is not None:
                below, above = below + rest_low[..., group.others], above + rest_high[..., group.others]
            lower.append(below)
            upper.append(above)
        if not self.groups:
            nothing = found.p.new_zeros(*found.p.shape[:-1], 0)
            return Entropies(nothing, nothing)
        return Entropies(torch.stack(lower, -1), torch.stack(upper, -1))


def entropy(graph: DerivationGraph, budget: Budget | None = None) -> Entropy:
    """Analyse a graph for the entropy of its queries' answers: one for each query and sample, in the order of rows.

    Raises: InconsistentError, as `exact` does.
    Cost: that of `exact` with one more question for each query; with up to 2^6 for rows that do not exclude each other.

    Example:
        >>> from nesy.language import parse_program
        >>> from nesy.reasoning import ground
        >>> graph = ground(parse_program("0.5::c(red); 0.5::c(blue). #query c(X)."))
        >>> round(entropy(graph)(torch.tensor([0.5, 0.5])).lower.item(), 4)
        0.6931
    """
    found: dict[tuple[int, int], list[int]] = {}
    for position, query in enumerate(graph.query):
        if query.literal is not None:
            found.setdefault((id(query.query), query.sample), []).append(position)
    groups = [tuple(rows) for rows in found.values()]
    excluding = _excluding(graph, [rows for rows in groups if len(rows) > 1], budget)
    extension = Extension(graph)
    asked: list[int] = []
    made: list[Group] = []
    for rows in groups:
        literals = [extension.literal(_literal(graph, row)) for row in rows]
        sample = graph.query[rows[0]].sample
        if len(rows) == 1:
            made.append(Group(rows, rows, rows[0]))
        elif rows in excluding:
            asked.append(extension.node("any", sample, [[literal] for literal in literals]))
            made.append(Group(rows, rows, len(graph.query) + len(asked) - 1))
        elif len(rows) <= MOST_TOGETHER:
            first = len(graph.query) + len(asked)
            for which in range(1 << len(rows)):
                way = [literal ^ (which >> i & 1) for i, literal in enumerate(literals)]
                asked.append(extension.node("together", sample, [way]))
            made.append(Group(rows, tuple(range(first, len(graph.query) + len(asked))), None))
        else:
            made.append(Group(rows, None, None))
    return Entropy(exact(extension.build(asked), budget), tuple(made))


def _literal(graph: DerivationGraph, position: int) -> int:
    literal = graph.query[position].literal
    assert literal is not None
    return literal


def _excluding(
    graph: DerivationGraph, groups: Sequence[tuple[int, ...]], budget: Budget | None
) -> set[tuple[int, ...]]:
    """The groups of which at most one row holds in each world that meets the conditions."""
    if not groups:
        return set()
    extension = Extension(graph)
    asked = [
        extension.node("any", graph.query[rows[0]].sample, [[extension.literal(_literal(graph, row))] for row in rows])
        for rows in groups
    ]
    reading = exact(extension.build(asked), budget)
    found = reading(_anywhere(graph), where_impossible="nan")
    lower, upper = found.lower.nan_to_num(), found.upper.nan_to_num()
    number = len(graph.query)
    return {
        rows
        for i, rows in enumerate(groups)
        if abs(float(upper[list(rows)].sum() - lower[number + i])) <= _SAME
        and abs(float(lower[list(rows)].sum() - upper[number + i])) <= _SAME
    }


def _anywhere(graph: DerivationGraph) -> Tensor:
    """Random leaf probabilities at which every world is possible.

    Shapes: -> [L]
    """
    table = graph.choices
    weight = np.random.default_rng(0).uniform(0.5, 1.5, size=table.num_leaves)
    whole = np.where(table.has_rest, 1.0, 0.0)
    np.add.at(whole, table.of_leaf, weight)
    return torch.from_numpy(weight / whole[table.of_leaf])


def _terms(lower: Tensor, upper: Tensor) -> tuple[Tensor, Tensor]:
    """The least and the greatest -p log p for p in an interval; it rises up to 1/e and falls after.

    Shapes: lower, upper [...] -> two of [...]
    """
    left, right = _term(lower), _term(upper)
    top = torch.where((lower < 1 / e) & (upper > 1 / e), 1 / e, torch.maximum(left, right))
    return torch.minimum(left, right), top


def _term(p: Tensor) -> Tensor:
    """-p log p, 0 with a gradient of 0 where p is 0 (or less, by rounding)."""
    inside = p > 0
    safe = torch.where(inside, p, 1)
    return torch.where(inside, -safe * safe.log(), 0)
