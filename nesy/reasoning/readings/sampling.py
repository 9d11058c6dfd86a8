"""Probabilities from random worlds, where nothing exact is wanted or possible.

Worlds are drawn side by side and run through the formula's gates as columns. Evidence on a choice itself is imposed and
weighted by its chance (likelihood weighting); other evidence and constraints reject worlds. The answer says how
many independent worlds its weights are worth.

Source: Fung, Chang, "Weighing and integrating evidence for stochastic simulation in Bayesian networks", UAI 1989;
Kong, Liu, Wong, "Sequential imputations and Bayesian missing data problems", JASA 1994, for the effective
sample size; Wilson, JASA 1927, for the interval.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from nesy.errors import InconsistentError
from nesy.reasoning.compilation.formula import And, Formula, FormulaMaker, Gate, Leaf, Loop, Port, Total, Value
from nesy.reasoning.compilation.scopes import split
from nesy.reasoning.derivation import DerivationGraph

Column = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Samples:
    """Estimates for each query, in the order of the graph's queries.

    Shapes: all [Q]. `lower` and `upper` bound the truth with the confidence that was asked for, not always.
    """

    p: NDArray[np.float64]
    lower: NDArray[np.float64]
    upper: NDArray[np.float64]
    evidence: NDArray[np.float64]  # the estimated chance of the query's conditions
    effective_size: NDArray[np.float64]  # how many independent worlds the estimate is worth


def sample(
    graph: DerivationGraph,
    leaf: Tensor | Sequence[float],
    num_worlds: int = 10_000,
    seed: int = 0,
    confidence: float = 0.95,
) -> Samples:
    """Estimate each query's probability from random worlds; the same seed gives the same worlds.

    Shapes: leaf [L], the probability of each leaf.
    Raises: InconsistentError where no drawn world meets a query's evidence and constraints.
    """
    chances = np.asarray(leaf.detach().cpu() if isinstance(leaf, Tensor) else leaf, dtype=np.float64)
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    maker = FormulaMaker(graph)
    answer = Samples(*(np.zeros(len(graph.query)) for _ in range(5)))
    answer.evidence[:] = 1.0
    answer.effective_size[:] = num_worlds
    parts = split(graph, maker)
    for part in parts.parts:
        generator = np.random.default_rng([seed, part.queries[0]])
        literals = [literal for q in part.queries if (literal := graph.query[q].literal) is not None]
        formula = maker.make(literals, part.conditions)
        weight, held = _run(formula, chances, num_worlds, generator)
        total = weight.sum()
        if total <= 0:
            raise _no_world(num_worlds)
        size = total**2 / (weight**2).sum()
        for query, holds in zip(part.queries, held, strict=True):
            p = min(1.0, float(weight[holds].sum() / total))
            middle = (p + z * z / (2 * size)) / (1 + z * z / size)
            half = z / (1 + z * z / size) * np.sqrt(p * (1 - p) / size + z * z / (4 * size * size))
            answer.p[query], answer.effective_size[query] = p, size
            answer.lower[query], answer.upper[query] = max(0.0, middle - half), min(1.0, middle + half)
    chance: dict[tuple[int, ...], float] = {}
    for query, scope in enumerate(parts.scope):
        for group in parts.conditions[scope]:
            if group not in chance:
                generator = np.random.default_rng([seed, len(graph.query) + len(chance)])
                chance[group] = float(_run(maker.make([], group), chances, num_worlds, generator)[0].mean())
            answer.evidence[query] *= chance[group]
    if (answer.evidence <= 0).any():
        raise _no_world(num_worlds)
    return answer


def _no_world(num_worlds: int) -> InconsistentError:
    return InconsistentError(
        f"none of {num_worlds} sampled worlds agrees with the evidence and constraints: "
        "use exact inference, or sample more worlds"
    )


def _run(
    formula: Formula, chances: NDArray[np.float64], size: int, generator: np.random.Generator
) -> tuple[NDArray[np.float64], list[Column]]:
    """Weights of random worlds, and in which of them each target holds."""
    shape = formula.shape
    weight = np.ones(size)
    allowed = _imposed(shape.gates, shape.conditions, formula)
    outcome: list[NDArray[np.int64]] = []
    for branch, leaves in enumerate(formula.leaf):
        own = np.append(chances[list(leaves)], 0.0)
        own[-1] = 0.0 if shape.is_exhaustive[branch] else max(0.0, 1.0 - own.sum())
        own = np.where(allowed[branch], own, 0.0)
        total = own.sum()
        weight *= total
        edges = np.cumsum(own / total) if total > 0 else np.ones(len(own))
        outcome.append(np.minimum(np.searchsorted(edges, generator.random(size), side="right"), len(own) - 1))
    value = _evaluate(shape.gates, outcome, size)

    def read(literal: int) -> Column:
        return ~value[literal >> 1] if literal & 1 else value[literal >> 1]

    for literal in shape.conditions:
        weight = weight * read(literal)
    return weight, [read(literal) for literal in shape.targets]


def _imposed(gates: Sequence[Gate], conditions: Sequence[int], formula: Formula) -> list[Column]:
    """For each branch the outcomes (the last: none of them) that conditions on single leaves allow."""
    allowed = [np.ones(len(leaves) + 1, dtype=bool) for leaves in formula.leaf]
    for literal in conditions:
        gate = gates[literal >> 1]
        if isinstance(gate, Leaf):
            holds = np.arange(len(allowed[gate.branch])) == gate.outcome
            allowed[gate.branch] &= ~holds if literal & 1 else holds
    return allowed


def _evaluate(gates: Sequence[Gate], outcome: Sequence[NDArray[np.int64]], size: int) -> list[Column]:
    """Each gate's value in each world."""
    value: list[Column] = []
    totals: dict[int, NDArray[np.float64]] = {}
    loops: dict[int, list[Column]] = {}

    def read(literal: int) -> Column:
        return ~value[literal >> 1] if literal & 1 else value[literal >> 1]

    for number, gate in enumerate(gates):
        here = np.ones(size, dtype=bool)
        match gate:
            case Leaf(branch, which):
                here = outcome[branch] == which
            case And(inputs):
                for literal in inputs:
                    here = here & read(literal)
            case Total():
                totals[number] = _total(gate, [read(literal) for literal in gate.inputs], size)
            case Value(total, wanted):
                here = np.isclose(totals[total], wanted, rtol=1e-9, atol=1e-9)
            case Loop(atoms, inputs, heads, tails):
                held = [np.zeros(size, dtype=bool) for _ in range(atoms)]
                before = -1
                while before != (before := sum(int(column.sum()) for column in held)):
                    for literal, head, tail in zip(inputs, heads, tails, strict=True):
                        way = read(literal)
                        for atom in tail:
                            way = way & held[atom]
                        held[head] = held[head] | way
                loops[number] = held
            case Port(loop, atom):
                here = loops[loop][atom]
            case _:
                pass
        value.append(here)
    return value


def _total(gate: Total, columns: Sequence[Column], size: int) -> NDArray[np.float64]:
    """An aggregate's value in each world; nan where it has none."""
    weights = np.asarray(gate.weights, dtype=np.float64)[:, None]
    held = np.stack(columns) if columns else np.zeros((0, size), dtype=bool)
    count = held.sum(0)
    match gate.function:
        case "sum" | "count":
            return (weights * held).sum(0)
        case "avg":
            return np.where(count > 0, (weights * held).sum(0) / np.maximum(count, 1), np.nan)
        case "min":
            return np.where(held, weights, np.inf).min(0, initial=np.inf)
        case _:
            return np.where(held, weights, -np.inf).max(0, initial=-np.inf)
