"""The order in which a rule's body is run: tests as soon as they can be, joins by estimated size.

The cost model is the classical one: a join with a relation of n rows of which b of a columns are bound
multiplies the rows by n ** (1 - b / a). Functions that can fail (`//` by zero) are run as late as possible, so
that no error comes from rows that another literal excludes.
"""

from __future__ import annotations

from collections.abc import Callable, Set
from dataclasses import dataclass
from typing import TypeAlias

from nesy.reasoning.evaluation.rules import (
    SAMPLE,
    AggregateForm,
    BodyAtom,
    BodyItem,
    Build,
    Operand,
    Simple,
    Test,
    has_call,
    item_variables,
    variables,
)


@dataclass(frozen=True, slots=True)
class Join:
    """Extend each row of the table by the matching rows of a relation."""

    atom: BodyAtom
    bound: tuple[int, ...]  # columns, ascending
    probes: tuple[Simple, ...]  # what they are bound to
    free: tuple[tuple[int, str], ...]  # columns that give new variables
    same: tuple[tuple[int, int], ...]  # columns that must be equal, for a variable that occurs twice
    keep: frozenset[str]  # variables that are needed afterwards


@dataclass(frozen=True, slots=True)
class Negate:
    """Drop the rows for which the atom is known to hold."""

    atom: BodyAtom


@dataclass(frozen=True, slots=True)
class Filter:
    """Keep the rows for which a comparison holds."""

    test: Test


@dataclass(frozen=True, slots=True)
class Assign:
    """Give a variable the value of an operand."""

    variable: str
    operand: Operand


@dataclass(frozen=True, slots=True)
class Take:
    """Take a structure apart: keep the rows where it fits, and bind the variables inside."""

    value: Operand
    pattern: Build


@dataclass(frozen=True, slots=True)
class Fold:
    """Aggregate for each row's group."""

    aggregate: AggregateForm


@dataclass(frozen=True, slots=True)
class Samples:
    """One row for each sample: nothing else says which samples a rule is about."""


Step: TypeAlias = Join | Negate | Filter | Assign | Take | Fold | Samples
Plan: TypeAlias = tuple[Step, ...]


def make_plan(
    body: tuple[BodyItem, ...],
    bound: Set[str],
    needed: Set[str],
    size: Callable[[BodyAtom], int],
    first: BodyAtom | None = None,
) -> Plan:
    """The steps of a body, given the variables that are bound before; `first` is the join to begin with.

    `needed` are the variables that the caller wants afterwards; SAMPLE among them is bound by a step of its
    own where no literal does it.
    """
    known = set(bound)
    todo = list(body)
    steps: list[Step] = []

    def take(item: BodyItem, step: Step, binds: Set[str]) -> None:
        todo.remove(item)
        steps.append(step)
        known.update(binds)

    def join(atom: BodyAtom) -> None:
        after: set[str] = set(needed)
        for item in todo:
            if item is not atom:
                after |= item_variables(item)
        take(atom, _join(atom, known, frozenset(after)), item_variables(atom))

    if first is not None:
        join(first)
    while todo:
        if _take_ready(todo, known, take, late=False):
            continue
        atoms = [item for item in todo if isinstance(item, BodyAtom) and not item.negated]
        best = min(atoms, key=lambda atom: (_fan_out(atom, known, size), atom.position), default=None)
        connected = best is not None and any(isinstance(t, int) or t in known for t in best.terms)
        if (best is None or not connected) and _take_ready(todo, known, take, late=True):
            continue
        if best is not None:
            join(best)
            continue
        if SAMPLE not in known:
            steps.append(Samples())
            known.add(SAMPLE)
            continue
        raise AssertionError(f"no order to run this body in: {todo}")  # the language checks safety
    if SAMPLE in needed and SAMPLE not in known:
        steps.append(Samples())
    return tuple(steps)


def _join(atom: BodyAtom, known: Set[str], after: frozenset[str]) -> Join:
    bound: list[int] = []
    probes: list[Simple] = []
    free: dict[str, int] = {}
    same: list[tuple[int, int]] = []
    for column, term in enumerate(atom.terms):
        if isinstance(term, int) or term in known:
            bound.append(column)
            probes.append(term)
        elif term in free:
            same.append((free[term], column))
        else:
            free[term] = column
    wanted = tuple((column, name) for name, column in free.items() if name in after)
    return Join(atom, tuple(bound), tuple(probes), wanted, tuple(same), after)


def _fan_out(atom: BodyAtom, known: Set[str], size: Callable[[BodyAtom], int]) -> float:
    if not atom.terms:
        return 0.0
    bound = sum(isinstance(term, int) or term in known for term in atom.terms)
    return max(size(atom), 1) ** (1.0 - bound / len(atom.terms))


def _take_ready(
    todo: list[BodyItem], known: Set[str], take: Callable[[BodyItem, Step, Set[str]], None], late: bool
) -> bool:
    """Run one item that needs no join, if there is one; `late` allows what can fail or is dear."""
    for item in todo:
        match item:
            case BodyAtom(negated=True):
                if item_variables(item) <= known:
                    take(item, Negate(item), set())
                    return True
            case Test():
                if not late and (has_call(item.left) or has_call(item.right)) and not _is_safe_call(item):
                    continue
                step = _test_step(item, known)
                if step is not None:
                    take(item, step, item_variables(item))
                    return True
            case AggregateForm(group=group, result=result):
                if late and set(group) <= known:
                    take(item, Fold(item), {result})
                    return True
            case BodyAtom():
                pass
    return False


# Cannot fail on numbers short of an overflow; so recursion over counters joins on what they give.
_TOTAL = frozenset({"+", "-", "*", "min", "max", "abs", "sign"})


def _is_safe_call(test: Test) -> bool:
    def safe(operand: Operand) -> bool:
        match operand:
            case str() | int():
                return True
            case Build(_, operands):
                return all(map(safe, operands))
            case _:
                return operand.function in _TOTAL and all(map(safe, operand.operands))

    return safe(test.left) and safe(test.right)


def _test_step(test: Test, known: Set[str]) -> Step | None:
    left, right = set(variables(test.left)) <= known, set(variables(test.right)) <= known
    if left and right:
        return Filter(test)
    if test.operator != "=":
        return None
    for one, other, ready in ((test.left, test.right, right), (test.right, test.left, left)):
        if not ready:
            continue
        match one:
            case str():
                return Assign(one, other)
            case Build():
                return Take(other, one)
            case _:
                pass
    return None
