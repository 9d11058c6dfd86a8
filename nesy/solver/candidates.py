"""Which facts could be of use to an answer: rows that a derivation, or what it denies, could look at.

Constants are passed on from heads to bodies, so that a question about one person brings no rows about another.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import product
from math import prod

from nesy.language.core import (
    Aggregate,
    Atom,
    BodyLiteral,
    Comparison,
    Constant,
    CoreProgram,
    Literal,
    Signature,
    Structure,
    Term,
    Variable,
)
from nesy.language.values import Value, key
from nesy.solver.domains import MAX_ROWS, Sort, column_sorts, sort_values
from nesy.solver.instances import Fact, depends_on
from nesy.solver.matching import TooLargeError

Pattern = tuple[Value | None, ...]  # None where any value may stand

_MOST_NEW = 8  # values of a column that occur nowhere yet


def candidates(program: CoreProgram, goals: Sequence[Atom], base: set[Signature], given: Sequence[Fact]) -> list[Fact]:
    """The rows of base predicates that derivations of the goals, or what they deny, could use."""
    named: list[Fact] = [
        (goal.signature, tuple(a.value for a in goal.arguments if isinstance(a, Constant)))
        for goal in goals
        if all(isinstance(a, Constant) for a in goal.arguments)
    ]
    sorts = column_sorts(program, [*given, *named])
    num_new = _num_new(program, depends_on(program, [goal.signature for goal in goals]))
    random = {  # probabilistic facts are there already, as outcomes that may come out
        (head.signature, tuple(key(a.value) for a in head.arguments if isinstance(a, Constant)))
        for rule in program.rules
        if not rule.body
        for head in rule.heads
    }
    rows: dict[tuple[Signature, tuple[tuple[type, object], ...]], Fact] = {}
    for signature, pattern in _needed_patterns(program, goals):
        if signature not in base:
            continue
        columns: list[Sequence[Value]] = [
            [value] if value is not None else sort_values(sorts.get((signature, c), Sort((), False)), num_new)
            for c, value in enumerate(pattern)
        ]
        if prod(map(len, columns)) > MAX_ROWS:
            raise TooLargeError(f"`{signature}` could have more than {MAX_ROWS} further rows")
        for row in product(*columns):
            if (signature, tuple(map(key, row))) not in random:
                rows[signature, tuple(map(key, row))] = (signature, row)
    for signature, row in given:
        if signature in base:
            rows[signature, tuple(map(key, row))] = (signature, row)
    return list(rows.values())


def _needed_patterns(program: CoreProgram, goals: Iterable[Atom]) -> Iterator[tuple[Signature, Pattern]]:
    """Which atoms the goals can depend on: constants are passed on from heads to bodies."""
    todo: list[tuple[Signature, Pattern]] = [
        (goal.signature, tuple(a.value if isinstance(a, Constant) else None for a in goal.arguments)) for goal in goals
    ]
    seen = {_identity(*pattern) for pattern in todo}
    while todo:
        signature, pattern = todo.pop()
        yield signature, pattern
        for rule in program.rules:
            for head in rule.heads:
                bound = unify(head, pattern) if head.signature == signature else None
                if bound is None:
                    continue
                for other in body_atoms(rule.body):
                    needed = (other.signature, tuple(instance(a, bound) for a in other.arguments))
                    if _identity(*needed) not in seen:
                        seen.add(_identity(*needed))
                        todo.append(needed)


def body_atoms(body: Iterable[BodyLiteral]) -> Iterator[Atom]:
    """The atoms of a body, those inside aggregates too."""
    for part in body:
        match part:
            case Literal(atom):
                yield atom
            case Aggregate():
                for element in part.elements:
                    yield from body_atoms(element.body)
            case Comparison():
                continue


def unify(head: Atom, pattern: Pattern) -> dict[str, Value] | None:
    """The values that a pattern gives to a head's variables; None where they do not fit."""
    bound: dict[str, Value] = {}
    for term, value in zip(head.arguments, pattern, strict=True):
        if value is None:
            continue
        match term:
            case Variable(name):
                if key(bound.setdefault(name, value)) != key(value):
                    return None
            case Constant(constant):
                if key(constant) != key(value):
                    return None
            case Structure():
                continue  # its variables stay open: more rows than needed, never fewer
    return bound


def instance(term: Term, bound: Mapping[str, Value]) -> Value | None:
    """A term's value; None where it is not known."""
    match term:
        case Variable(name):
            return bound.get(name)
        case Constant(value):
            return value
        case Structure():
            return None


def _identity(signature: Signature, pattern: Pattern) -> tuple[object, ...]:
    return signature, tuple(None if value is None else key(value) for value in pattern)


def _num_new(program: CoreProgram, relevant: Collection[Signature]) -> int:
    """How many new values a column gets: `N >= 3` over a count asks for three."""
    wanted = 1
    for rule in program.rules:
        if any(head.signature in relevant for head in rule.heads) and any(isinstance(p, Aggregate) for p in rule.body):
            sides = [side for part in rule.body if isinstance(part, Comparison) for side in (part.left, part.right)]
            numbers = [side.value for side in sides if isinstance(side, Constant) and isinstance(side.value, int)]
            wanted = max(wanted, 2, *(min(_MOST_NEW, number + 1) for number in numbers))
    return wanted
