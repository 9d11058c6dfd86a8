"""What would change an answer: the smallest set of decisions to take otherwise, by weighted MaxSMT.

The answer is looked at in the most probable world in which it holds (with the evidence, and without violated
constraints). Of all worlds in which it does not hold, one is wanted that differs from it in as few choices as
possible, and of those the most probable. What Z3 finds is confirmed by evaluating the graph in that world.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from nesy.reasoning.derivation import DerivationGraph
from nesy.reasoning.readings.findings import Change, OutcomeChange
from nesy.solver.engine import DEFAULT_TIMEOUT, minimise
from nesy.solver.graph_clauses import GraphClauses, cost, outcome_probability
from nesy.solver.script import negation
from nesy.solver.worlds import Worlds

World = dict[int, int | None]  # choice -> leaf that holds, None where none does


def smallest_change(
    graph: DerivationGraph,
    leaf: NDArray[np.float64],
    literal: int,
    timeout: float = DEFAULT_TIMEOUT,
) -> Change:
    """The smallest, then most probable, set of choices to decide otherwise so that the literal does not hold.

    Shapes: leaf [L], the probability of each leaf; outcomes of probability 0 are not considered.
    """
    start = time.perf_counter()
    answer = literal_text(graph, literal)
    sample = int(graph.sample[literal >> 1])
    conditions = demands(graph, sample)
    world, reason = most_probable_world(graph, leaf, [*conditions, literal], timeout)
    if world is None:
        verdict = "never" if reason == "unsat" else "unknown"
        text = "the answer holds in no world" if reason == "unsat" else reason
        return Change(verdict, answer, seconds=time.perf_counter() - start, reason=text)
    clauses = GraphClauses(graph, [*conditions, literal])
    for condition in conditions:
        clauses.script.assert_(clauses.literal(condition))
    clauses.script.assert_(negation(clauses.literal(literal)))
    gaps: list[tuple[str, int]] = []
    for choice in clauses.choices:
        before = outcome_probability(graph, leaf, choice, world[choice])
        for outcome in clauses.outcomes(choice):
            after = outcome_probability(graph, leaf, choice, outcome)
            formula = clauses.outcome(choice, outcome)
            if after <= 0:
                clauses.script.assert_(negation(formula))
            elif outcome != world[choice]:
                gaps.append((negation(formula), cost(after) - cost(before)))
    # One change costs more than all differences in probability together, so the number of changes comes first.
    one_change = 1 + 2 * sum(abs(gap) for _, gap in gaps)
    for formula, gap in gaps:
        clauses.script.prefer(formula, one_change + gap)
    left = max(0.001, timeout - (time.perf_counter() - start))
    outcome = minimise(clauses.script, left)
    if outcome.verdict != "sat":
        verdict = "never" if outcome.verdict == "unsat" else "unknown"
        text = "the answer holds in every world" if outcome.verdict == "unsat" else outcome.reason
        return Change(verdict, answer, seconds=time.perf_counter() - start, reason=text)
    changed = _world(clauses, outcome.true)
    changes = differences(graph, leaf, world, changed)
    leaves = [leaf for leaf in changed.values() if leaf is not None]
    holds = Worlds(graph).holds(leaves)
    confirmed = not _true(holds, literal) and all(_true(holds, condition) for condition in conditions)
    if not confirmed:
        raise AssertionError("a change that Z3 found does not change the answer: please report this as a bug")
    odds = float(np.prod([c.probability_after / c.probability_before for c in changes]))
    return Change(
        "found",
        answer,
        changes,
        _answers(graph, holds, literal, sample),
        tuple(sorted(leaf for leaf in world.values() if leaf is not None)),
        odds,
        time.perf_counter() - start,
    )


def most_probable_world(
    graph: DerivationGraph, leaf: NDArray[np.float64], literals: Sequence[int], timeout: float
) -> tuple[World | None, str]:
    """The most probable outcome of each choice that the literals depend on, given that they all hold.

    None with `unsat` or the reason why it is unknown.
    """
    clauses = GraphClauses(graph, literals)
    for literal in literals:
        clauses.script.assert_(clauses.literal(literal))
    prefer_probable(clauses, leaf)
    outcome = minimise(clauses.script, timeout)
    if outcome.verdict != "sat":
        return None, outcome.reason or outcome.verdict
    return _world(clauses, outcome.true), ""


def prefer_probable(clauses: GraphClauses, leaf: NDArray[np.float64]) -> None:
    """Make probable worlds cheap; outcomes of probability 0 are ruled out."""
    for choice in clauses.choices:
        for outcome in clauses.outcomes(choice):
            probability = outcome_probability(clauses.graph, leaf, choice, outcome)
            formula = negation(clauses.outcome(choice, outcome))
            if probability <= 0:
                clauses.script.assert_(formula)
            elif probability < 1:
                clauses.script.prefer(formula, max(1, cost(probability)))


def demands(graph: DerivationGraph, sample: int) -> list[int]:
    """The evidence and constraints that concern a sample, as literals that must hold."""
    own = (-1, sample)
    evidence = [int(e) for e in graph.evidence if sample == -1 or int(graph.sample[int(e) >> 1]) in own]
    return evidence + [2 * int(n) + 1 for n in graph.constraint if sample == -1 or int(graph.sample[int(n)]) in own]


def differences(
    graph: DerivationGraph, leaf: NDArray[np.float64], before: World, after: World
) -> tuple[OutcomeChange, ...]:
    """The choices that are decided otherwise."""
    return tuple(
        OutcomeChange(
            choice,
            before[choice],
            outcome,
            outcome_text(graph, choice, before[choice], outcome),
            outcome_text(graph, choice, outcome, before[choice]),
            outcome_probability(graph, leaf, choice, before[choice]),
            outcome_probability(graph, leaf, choice, outcome),
        )
        for choice, outcome in after.items()
        if outcome != before[choice]
    )


def outcome_text(graph: DerivationGraph, choice: int, outcome: int | None, other: int | None = None) -> str:
    """An outcome as a literal; of a choice none of whose leaves holds, the leaf it is set against is named."""
    if outcome is not None:
        return str(graph.atom_of(outcome))
    leaves = range(int(graph.choices.ptr[choice]), int(graph.choices.ptr[choice + 1]))
    named = [other] if other is not None else leaves
    return " and ".join(f"not {graph.atom_of(leaf)}" for leaf in named)


def literal_text(graph: DerivationGraph, literal: int) -> str:
    """A literal in the language's syntax."""
    return ("not " if literal & 1 else "") + str(graph.atom_of(literal >> 1))


def _world(clauses: GraphClauses, true: frozenset[str]) -> World:
    return {
        choice: next((leaf for leaf in clauses.leaves(choice) if clauses.symbol[leaf] in true), None)
        for choice in clauses.choices
    }


def _true(holds: NDArray[np.bool_], literal: int) -> bool:
    return bool(holds[literal >> 1]) != bool(literal & 1)


def _answers(graph: DerivationGraph, holds: NDArray[np.bool_], literal: int, sample: int) -> tuple[str, ...]:
    """Other answers of the query that the literal answers, as they stand in a world."""
    queries = {id(q.query) for q in graph.query if q.literal == literal}
    return tuple(
        ("not " if q.query.negated else "") + str(q.atom)
        for q in graph.query
        if id(q.query) in queries
        and q.literal is not None
        and q.literal != literal
        and (sample == -1 or q.sample in (-1, sample))
        and _true(holds, q.literal)
    )
