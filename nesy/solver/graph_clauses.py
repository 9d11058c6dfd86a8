"""A derivation graph as formulas: each world of the graph is a model, and each model a world.

Unlike certificates, which check the graph, these formulas trust it: they answer what would have to change, what
cannot live together, which world is the most probable. Every node is completed (it holds exactly if one of its
derivations does), with ranks for nodes that depend positively on themselves.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from nesy.language.components import is_recursive, strongly_connected
from nesy.reasoning.derivation import DerivationGraph
from nesy.solver.script import Script, at_most_one, conjunction, disjunction, negation, number, total

# Costs are integers to Z3: this many units for a factor of e in probability. Worlds whose probabilities differ by
# less than a factor of 1.000001 may be taken for equally probable.
UNITS = 1_000_000


@dataclass
class GraphClauses:
    """The part of a graph that the roots depend on, written into a script."""

    graph: DerivationGraph
    roots: Sequence[int]  # literals
    script: Script = field(default_factory=Script)
    symbol: dict[int, str] = field(default_factory=dict)
    choices: list[int] = field(default_factory=list)  # that the roots depend on, ascending

    def __post_init__(self) -> None:
        self.aggregate_of = {int(n): a for a, agg in enumerate(self.graph.aggregates) for n in agg.result}
        nodes = self._reachable()
        for node in nodes:
            self.symbol[node] = self.script.declare(f"n{node}")
        self._choices(nodes)
        self._derivations(nodes)
        self._aggregates(nodes)

    def literal(self, literal: int) -> str:
        """The formula of a literal of the graph that the roots depend on."""
        symbol = self.symbol[literal >> 1]
        return negation(symbol) if literal & 1 else symbol

    def outcome(self, choice: int, leaf: int | None) -> str:
        """The formula of one outcome of a choice; None: none of its leaves."""
        if leaf is not None:
            return self.symbol[leaf]
        return conjunction(negation(self.symbol[other]) for other in self.leaves(choice))

    def leaves(self, choice: int) -> range:
        return range(int(self.graph.choices.ptr[choice]), int(self.graph.choices.ptr[choice + 1]))

    def outcomes(self, choice: int) -> list[int | None]:
        """The leaves of a choice, and None where none of them may hold."""
        rest: list[int | None] = [None] if self.graph.choices.has_rest[choice] else []
        return [*self.leaves(choice), *rest]

    def _reachable(self) -> list[int]:
        graph = self.graph
        ptr = graph.derivations_ptr
        seen = {literal >> 1 for literal in self.roots}
        todo = list(seen)
        while todo:
            node = todo.pop()
            if node < graph.num_leaves:
                below: Iterable[int] = self.leaves(int(graph.choices.of_leaf[node]))
            elif node in self.aggregate_of:
                below = map(int, graph.aggregates[self.aggregate_of[node]].element)
            else:
                start, end = graph.body_ptr[ptr[node]], graph.body_ptr[ptr[node + 1]]
                below = (int(literal) >> 1 for literal in graph.body[start:end])
            for other in below:
                if other not in seen:
                    seen.add(other)
                    todo.append(other)
        return sorted(seen)

    def _choices(self, nodes: Sequence[int]) -> None:
        of_leaf = self.graph.choices.of_leaf
        self.choices = sorted({int(of_leaf[node]) for node in nodes if node < self.graph.num_leaves})
        for choice in self.choices:
            symbols = [self.symbol[leaf] for leaf in self.leaves(choice)]
            if len(symbols) > 1:
                self.script.assert_(at_most_one(symbols))
            if not self.graph.choices.has_rest[choice]:
                self.script.assert_(disjunction(symbols))

    def _derivations(self, nodes: Sequence[int]) -> None:
        graph = self.graph
        loop_of = self._loops(nodes)
        ranks: dict[int, str] = {}

        def rank(node: int) -> str:
            if node not in ranks:
                ranks[node] = self.script.declare(f"rank {node}", "Int")
            return ranks[node]

        for node in nodes:
            if node < graph.num_leaves or node in self.aggregate_of:
                continue
            symbol = self.symbol[node]
            supports: list[str] = []
            for derivation in range(int(graph.derivations_ptr[node]), int(graph.derivations_ptr[node + 1])):
                literals = [int(literal) for literal in graph.body_of(derivation)]
                body = conjunction(map(self.literal, literals))
                if node not in loop_of:
                    supports.append(body)
                    continue
                self.script.assert_(f"(=> {body} {symbol})")
                lower = [
                    f"(< {rank(literal >> 1)} {rank(node)})"
                    for literal in literals
                    if not literal & 1 and loop_of.get(literal >> 1) == loop_of[node]
                ]
                supports.append(conjunction([body, *lower]))
            arrow = "=" if node not in loop_of else "=>"
            self.script.assert_(f"({arrow} {symbol} {disjunction(supports)})")

    def _loops(self, nodes: Sequence[int]) -> dict[int, int]:
        graph = self.graph
        below: dict[int, set[int]] = {}
        for node in nodes:
            start = graph.body_ptr[graph.derivations_ptr[node]]
            end = graph.body_ptr[graph.derivations_ptr[node + 1]]
            below[node] = {int(literal) >> 1 for literal in graph.body[start:end] if not literal & 1}
        loops: dict[int, int] = {}
        for index, component in enumerate(strongly_connected(below)):
            if is_recursive(component, below):
                loops.update(dict.fromkeys(component, index))
        return loops

    def _aggregates(self, nodes: Sequence[int]) -> None:
        for index in sorted({self.aggregate_of[node] for node in nodes if node in self.aggregate_of}):
            aggregate = self.graph.aggregates[index]
            holds = [self.symbol[int(element)] for element in aggregate.element]
            weights = [Fraction(weight.item()) for weight in aggregate.weight]
            results = [
                (self.symbol[int(node)], Fraction(value.item()))
                for node, value in zip(aggregate.result, aggregate.value, strict=True)
                if int(node) in self.symbol
            ]
            for symbol, formula in _meanings(self.script, index, aggregate.function, holds, weights, results):
                self.script.assert_(f"(= {symbol} {formula})")


def _meanings(
    script: Script,
    index: int,
    function: str,
    holds: Sequence[str],
    weights: Sequence[Fraction],
    results: Sequence[tuple[str, Fraction]],
) -> Iterable[tuple[str, str]]:
    """For each result, the formula that says that the aggregate takes its value."""
    if function in ("sum", "count"):
        whole = all(w.denominator == 1 for w in [*weights, *(v for _, v in results)])
        sort = "Int" if whole else "Real"
        sum_ = script.declare(f"sum {index}", sort)
        terms = [f"(ite {h} {number(w, sort)} {number(0, sort)})" for h, w in zip(holds, weights, strict=True)]
        script.assert_(f"(= {sum_} {total(terms, sort)})")
        for symbol, value in results:
            yield symbol, _near(sum_, value, sort, max(map(abs, weights), default=Fraction(0)) * len(weights))
        return
    for symbol, value in results:
        if function == "avg":
            terms = [f"(ite {h} {number(w - value, 'Real')} 0.0)" for h, w in zip(holds, weights, strict=True)]
            scale = max((abs(w - value) for w in weights), default=Fraction(0)) * len(weights)
            yield symbol, conjunction([disjunction(holds), _near(total(terms, "Real"), Fraction(0), "Real", scale)])
        else:
            sign = 1 if function == "min" else -1
            equal = disjunction(h for h, w in zip(holds, weights, strict=True) if w == value)
            beyond = [negation(h) for h, w in zip(holds, weights, strict=True) if sign * w < sign * value]
            yield symbol, conjunction([equal, *beyond])


def _near(term: str, value: Fraction, sort: str, scale: Fraction) -> str:
    """Equal to a value that was computed in floating point: within its rounding, 1e-12 of what was added up."""
    if sort == "Int":
        return f"(= {term} {number(value, 'Int')})"
    slack = scale / 10**12
    return f"(and (<= {number(value - slack, 'Real')} {term}) (<= {term} {number(value + slack, 'Real')}))"


def cost(probability: float) -> int:
    """What an outcome costs a world: minus the logarithm of its probability, in units."""
    return round(-math.log(probability) * UNITS)


def outcome_probability(graph: DerivationGraph, leaf: NDArray[np.float64], choice: int, outcome: int | None) -> float:
    """The probability of a leaf, or of what is left over of the choice."""
    if outcome is not None:
        return float(leaf[outcome])
    start, end = graph.choices.ptr[choice], graph.choices.ptr[choice + 1]
    return max(0.0, 1.0 - float(leaf[start:end].sum()))
