"""One world of a derivation graph: which nodes hold when it is decided which leaves do.

The plain meaning of a graph, evaluated component by component in Python. It shares nothing with the formulas that
Z3 gets, so that what Z3 finds can be confirmed with it.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from nesy.language.components import strongly_connected
from nesy.reasoning.derivation import DerivationGraph, GroundAggregate


@dataclass(frozen=True, eq=False)
class Worlds:
    """Evaluates worlds of one graph; the order of its nodes is worked out once."""

    graph: DerivationGraph

    def holds(self, leaves: Collection[int]) -> NDArray[np.bool_]:
        """Which nodes hold in the world in which exactly these leaves do. Shapes: -> [N]"""
        graph = self.graph
        true = np.zeros(graph.num_nodes, dtype=np.bool_)
        true[list(leaves)] = True
        done: set[int] = set()
        for component in self._order:
            changed = True
            while changed:
                changed = False
                for node in component:
                    if node < graph.num_leaves or true[node]:
                        continue
                    if node in self._aggregate_of:
                        aggregate = self._aggregate_of[node]
                        if id(aggregate) not in done:
                            done.add(id(aggregate))
                            _decide(aggregate, true)
                    elif any(self._fires(d, true) for d in self._derivations(node)):
                        true[node] = changed = True
        return true

    def _derivations(self, node: int) -> range:
        return range(int(self.graph.derivations_ptr[node]), int(self.graph.derivations_ptr[node + 1]))

    def _fires(self, derivation: int, true: NDArray[np.bool_]) -> bool:
        return all(true[literal >> 1] != bool(literal & 1) for literal in self.graph.body_of(derivation))

    @cached_property
    def _aggregate_of(self) -> dict[int, GroundAggregate]:
        return {int(node): aggregate for aggregate in self.graph.aggregates for node in aggregate.result}

    @cached_property
    def _order(self) -> list[list[int]]:
        below: dict[int, set[int]] = {node: set() for node in range(self.graph.num_nodes)}
        for derivation, head in enumerate(self.graph.head):
            below[int(head)].update(int(literal) >> 1 for literal in self.graph.body_of(derivation))
        for node, aggregate in self._aggregate_of.items():
            below[node].update(int(element) for element in aggregate.element)
        return [sorted(members) for members in strongly_connected(below)]


def _decide(aggregate: GroundAggregate, true: NDArray[np.bool_]) -> None:
    weights = [w.item() for e, w in zip(aggregate.element, aggregate.weight, strict=True) if true[e]]
    match aggregate.function:
        case "sum" | "count":
            value: float | int | None = sum(weights)
        case "min":
            value = min(weights, default=None)
        case "max":
            value = max(weights, default=None)
        case _:
            value = sum(weights) / len(weights) if weights else None
    if value is not None:
        nearest = int(np.argmin(np.abs(aggregate.value.astype(np.float64) - value)))
        if np.isclose(float(aggregate.value[nearest]), value, rtol=1e-9, atol=1e-9):
            true[int(aggregate.result[nearest])] = True
