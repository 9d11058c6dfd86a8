"""Sets of assumptions that cannot hold together, and the least that has to be given up.

The assumptions are symbols of a script. The smallest core is found by its duality with corrections: a core
meets every set whose removal restores consistency, so the smallest set that meets all corrections seen so far
is either a core, and then a smallest one, or leads to one more correction.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from nesy.solver.engine import DEFAULT_TIMEOUT, Session, Verdict, minimise
from nesy.solver.script import Script, disjunction, negation


@dataclass(frozen=True)
class Core:
    """`unsat` with a smallest set of assumptions, `sat` when all hold together, or `unknown`.

    `is_smallest` is false where time ran out between a minimal set (no member can be left out) and a smallest.
    """

    verdict: Verdict
    members: tuple[str, ...] = ()
    is_smallest: bool = False
    true: frozenset[str] = frozenset()
    reason: str = ""


def smallest_core(session: Session, assumptions: Sequence[str]) -> Core:
    """The smallest set of the assumptions that cannot hold together.

    Source: Ignatiev, Previti, Liffiton, Marques-Silva, "Smallest MUS extraction with minimal hitting set
    dualization", CP 2015.
    """
    outcome = session.check(assumptions)
    if outcome.verdict != "unsat":
        return Core(outcome.verdict, true=outcome.true, reason=outcome.reason)
    members = _shrink(session, [a for a in assumptions if a in set(session.core())])
    if members is None:
        return Core("unknown", reason="timeout")
    corrections: list[list[str]] = []
    while True:
        candidate = _smallest_hitting_set(corrections, assumptions)
        if candidate is None:
            return Core("unsat", tuple(members))
        if len(candidate) >= len(members):  # nothing smaller than what we have can be a core
            return Core("unsat", tuple(members), True)
        outcome = session.check(candidate)
        if outcome.verdict == "unknown":
            return Core("unsat", tuple(members))
        if outcome.verdict == "unsat":
            return Core("unsat", tuple(candidate), True)
        kept = _grow(session, assumptions, candidate, outcome.true)
        corrections.append([a for a in assumptions if a not in kept])


def minimal_cores(assumptions: Sequence[str], session: Session, limit: int) -> Iterator[tuple[str, ...]]:
    """All minimal sets of assumptions that cannot hold together, at most `limit` of them.

    Each candidate comes from a map of the sets not yet decided; a consistent one is grown and what it misses is
    marked, an inconsistent one is shrunk to a minimal set.
    Raises: TimeoutError when Z3 could not decide one of the sets.
    Source: Liffiton, Previti, Malik, Marques-Silva, "Fast, flexible MUS enumeration", Constraints 21, 2016.
    """
    index = {assumption: number for number, assumption in enumerate(assumptions)}
    explored = Script()
    for assumption in assumptions:
        explored.declare(f"m{index[assumption]}")
        explored.prefer(f"|m{index[assumption]}|", 1)
    found = 0
    while found < limit:
        outcome = minimise(explored, DEFAULT_TIMEOUT)
        if outcome.verdict == "unsat":
            return
        if outcome.verdict == "unknown":
            raise TimeoutError(outcome.reason)
        candidate = [a for a in assumptions if f"|m{index[a]}|" in outcome.true]
        answer = session.check(candidate)
        if answer.verdict == "unknown":
            raise TimeoutError(answer.reason)
        if answer.verdict == "sat":  # the candidate is of greatest size, so nothing can be added to it
            explored.assert_(disjunction(f"|m{index[a]}|" for a in assumptions if a not in set(candidate)))
            continue
        core = _shrink(session, [a for a in candidate if a in set(session.core())])
        if core is None:
            raise TimeoutError("timeout")
        explored.assert_(disjunction(negation(f"|m{index[a]}|") for a in core))
        found += 1
        yield tuple(core)


def _shrink(session: Session, members: list[str]) -> list[str] | None:
    """Leave out members one by one as long as the rest cannot hold together."""
    position = 0
    while position < len(members):
        rest = members[:position] + members[position + 1 :]
        outcome = session.check(rest)
        if outcome.verdict == "unknown":
            return None
        if outcome.verdict == "unsat":
            smaller = set(session.core())
            members = [a for a in rest if a in smaller]
            position = min(position, len(members))
        else:
            position += 1
    return members


def _grow(session: Session, assumptions: Sequence[str], kept: list[str], true: frozenset[str]) -> set[str]:
    """A set of assumptions around `kept` that holds together and cannot be added to."""
    result = set(kept) | {a for a in assumptions if _holds(a, true)}
    for assumption in assumptions:
        if assumption in result:
            continue
        outcome = session.check([a for a in assumptions if a in result or a == assumption])
        if outcome.verdict == "sat":
            result |= {a for a in assumptions if _holds(a, outcome.true)} | {assumption}
    return result


def _holds(assumption: str, true: frozenset[str]) -> bool:
    return assumption[5:-1] not in true if assumption.startswith("(not ") else assumption in true


def _smallest_hitting_set(sets: Sequence[Sequence[str]], universe: Sequence[str]) -> list[str] | None:
    if not sets:
        return []
    script = Script()
    symbol = {member: script.declare(f"h{number}") for number, member in enumerate(universe)}
    for one in sets:
        script.assert_(disjunction(symbol[member] for member in one))
    for member in universe:
        script.prefer(negation(symbol[member]), 1)
    outcome = minimise(script)
    return [m for m in universe if symbol[m] in outcome.true] if outcome.verdict == "sat" else None
