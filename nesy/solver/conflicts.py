"""What cannot live together: conflicts among proposals, the most probable repair, evidence without a world."""

from __future__ import annotations

import time
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from nesy.language.core import Rule
from nesy.reasoning.derivation import DerivationGraph
from nesy.reasoning.readings.findings import Conflict, Repair
from nesy.solver.change import (
    World,
    demands,
    differences,
    literal_text,
    most_probable_world,
    outcome_text,
)
from nesy.solver.cores import minimal_cores, smallest_core
from nesy.solver.domains import constraint_text
from nesy.solver.engine import DEFAULT_TIMEOUT, Session
from nesy.solver.graph_clauses import GraphClauses, outcome_probability
from nesy.solver.worlds import Worlds

MAX_CONFLICTS = 5  # minimal sets per constraint: enough to see what is wrong; there may be exponentially many


def repair(
    graph: DerivationGraph, leaf: NDArray[np.float64], sample: int = -1, timeout: float = DEFAULT_TIMEOUT
) -> Repair:
    """How the most probable outcome of each choice violates constraints, and the most probable world that does not.

    Shapes: leaf [L]
    """
    start = time.perf_counter()
    conditions = demands(graph, sample)
    proposals = proposed_world(graph, leaf)
    worlds = Worlds(graph)
    holds = worlds.holds([leaf for leaf in proposals.values() if leaf is not None])
    violated = [c for c in conditions if bool(holds[c >> 1]) == bool(c & 1)]
    if not violated:
        return Repair("consistent", answers=_answers(graph, holds, sample), seconds=time.perf_counter() - start)
    conflicts: list[Conflict] = []
    try:
        for condition in violated:
            conflicts.extend(_conflicts(graph, condition, proposals, timeout))
    except TimeoutError as error:
        return Repair("unknown", tuple(conflicts), seconds=time.perf_counter() - start, reason=str(error))
    world, reason = most_probable_world(graph, leaf, conditions, timeout)
    seconds = time.perf_counter() - start
    if world is None:
        verdict = "impossible" if reason == "unsat" else "unknown"
        return Repair(verdict, tuple(conflicts), seconds=seconds, reason="" if reason == "unsat" else reason)
    repaired = {**proposals, **world}
    holds = worlds.holds([leaf for leaf in repaired.values() if leaf is not None])
    changes = differences(graph, leaf, proposals, repaired)
    return Repair("repaired", tuple(conflicts), changes, _answers(graph, holds, sample), time.perf_counter() - start)


def proposed_world(graph: DerivationGraph, leaf: NDArray[np.float64]) -> World:
    """The most probable outcome of each choice on its own; of equals, the first."""
    world: World = {}
    for choice in range(graph.choices.num_choices):
        leaves: list[int | None] = [*range(int(graph.choices.ptr[choice]), int(graph.choices.ptr[choice + 1]))]
        if graph.choices.has_rest[choice]:
            leaves.append(None)
        world[choice] = max(leaves, key=lambda o, c=choice: outcome_probability(graph, leaf, c, o))
    return world


def explain_impossible(graph: DerivationGraph, sample: int = -1, timeout: float = DEFAULT_TIMEOUT) -> str:
    """Which evidence and constraints leave no possible world: the smallest set, each with its place.

    For the text of an `InconsistentError`. Where Z3 finds that a world does exist, it says so: then the
    probabilities given leave it none, not the rules.
    """
    conditions = demands(graph, sample)
    clauses = GraphClauses(graph, conditions)
    for leaf in range(graph.num_leaves):  # what the rule file says never happens
        if graph.choices.probability[leaf] == 0 and leaf in clauses.symbol:
            clauses.script.assert_(f"(not {clauses.symbol[leaf]})")
    symbols: dict[str, int] = {}
    for condition in conditions:
        symbol = clauses.script.declare(f"demand {condition}")
        clauses.script.assert_(f"(=> {symbol} {clauses.literal(condition)})")
        symbols[symbol] = condition
    core = smallest_core(Session(clauses.script, timeout), list(symbols))
    known = [f"  {text}" for text in graph.impossible]
    match core.verdict:
        case "unsat":
            lines = known + [f"  {demand_text(graph, symbols[member])}" for member in core.members]
            only = "this can never hold" if len(lines) == 1 else "no world satisfies these together"
            return "\n".join([f"{only}:", *lines])
        case "sat" if known:
            return "\n".join(["no world meets this:", *known])
        case "sat":
            return (
                "evidence and constraints can hold together, but with the given probabilities no such world is "
                "possible: an outcome that they need has probability 0"
            )
        case "unknown":
            lines = known or [f"  {demand_text(graph, condition)}" for condition in conditions]
            return "\n".join(["no world satisfies all of these (time ran out before the conflict was found):", *lines])


def demand_text(graph: DerivationGraph, literal: int) -> str:
    """A piece of evidence or a constraint, with its place."""
    rule = _constraint(graph, literal >> 1) if literal & 1 and literal >> 1 in graph.constraint else None
    if rule is not None:
        place = f"{rule.span.place}: " if rule.span else ""
        return f"{place}{constraint_text(rule)}"
    atom = graph.atom_of(literal >> 1)
    for evidence in graph.program.evidence:
        if evidence.atom.signature == atom.signature and evidence.holds != bool(literal & 1) and evidence.span:
            return f"{evidence.span.place}: evidence: {literal_text(graph, literal)}"
    return f"evidence: {literal_text(graph, literal)}"


def _conflicts(graph: DerivationGraph, condition: int, proposals: World, timeout: float) -> Iterable[Conflict]:
    clauses = GraphClauses(graph, [condition])
    clauses.script.assert_(clauses.literal(condition))
    texts: dict[str, str] = {}
    for choice in clauses.choices:
        symbol = clauses.script.declare(f"proposal {choice}")
        clauses.script.assert_(f"(=> {symbol} {clauses.outcome(choice, proposals[choice])})")
        texts[symbol] = outcome_text(graph, choice, proposals[choice])
    rule = _constraint(graph, condition >> 1)
    text = constraint_text(rule) if rule is not None else f"evidence: {literal_text(graph, condition)}"
    place = rule.span.place if rule is not None and rule.span else ""
    for core in minimal_cores(list(texts), Session(clauses.script, timeout), MAX_CONFLICTS):
        yield Conflict(text, place, tuple(texts[symbol] for symbol in texts if symbol in core))


def _constraint(graph: DerivationGraph, node: int) -> Rule | None:
    start, end = graph.derivations_ptr[node : node + 2]
    rules = {int(rule) for rule in graph.rule[start:end]}
    return next((rule for rule in graph.program.constraints if rule.id in rules), None)


def _answers(graph: DerivationGraph, holds: NDArray[np.bool_], sample: int) -> tuple[str, ...]:
    return tuple(
        ("not " if q.query.negated else "") + str(q.atom)
        for q in graph.query
        if q.literal is not None
        and (sample == -1 or q.sample in (-1, sample))
        and bool(holds[q.literal >> 1]) != bool(q.literal & 1)
    )
