"""Matching rule bodies against relations: a body becomes a chain of closures, each calling the next.

Values are small integers here, and rows are tuples of them. The order of a body is chosen once, when its chain
is built: whatever can be tested is tested, otherwise the atom with the most bound columns is next.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from nesy.language.core import (
    Aggregate,
    Atom,
    BodyLiteral,
    Comparison,
    Constant,
    Expr,
    Expression,
    Literal,
    Rule,
    Signature,
    Structure,
    Term,
    Variable,
    ground_atom,
    term_variables,
)
from nesy.language.functions import FunctionError, compare, evaluate
from nesy.language.values import Compound, Value, key

Row = tuple[int, ...]
Entry = tuple[Row, int]  # a row and its atom's number
Next = Callable[[], None]
Found = Callable[[Row, Sequence[int], Sequence[tuple[int, int]]], None]

_CHECK_CLOCK = 20_000  # rows looked at between two looks at the clock, some hundredths of a second


class TooLargeError(Exception):
    """The part of the program that the question needs is larger than the limits; the verdict is unknown."""


class Aggregates(Protocol):
    """Who knows the groups of aggregates and the values they may take."""

    def group(self, rule: Rule, place: int, part: Aggregate, row: Row, /) -> int: ...

    def bound(self, group: int, /) -> Sequence[Value]: ...


class _Relation:
    """Rows of one predicate with the indexes that joins have asked for."""

    __slots__ = ("indexes", "rows")

    def __init__(self) -> None:
        self.rows: list[Entry] = []
        self.indexes: dict[tuple[int, ...], dict[Row, list[Entry]]] = {}

    def add(self, row: Row, atom: int) -> None:
        self.rows.append((row, atom))
        for columns, index in self.indexes.items():
            index.setdefault(tuple(row[c] for c in columns), []).append((row, atom))

    def index(self, columns: tuple[int, ...]) -> dict[Row, list[Entry]]:
        index = self.indexes.get(columns)
        if index is None:
            index = self.indexes[columns] = {}
            for entry in self.rows:
                index.setdefault(tuple(entry[0][c] for c in columns), []).append(entry)
        return index


@dataclass(eq=False)
class _Frame:
    """What a chain works on: values of the variables, and the literals and groups used so far."""

    slots: dict[str, int] = field(default_factory=dict)
    env: list[int] = field(default_factory=list)
    body: list[int] = field(default_factory=list)
    groups: list[tuple[int, int]] = field(default_factory=list)

    def slot(self, name: str) -> int:
        if name not in self.slots:
            self.slots[name] = len(self.env)
            self.env.append(-1)
        return self.slots[name]


@dataclass(frozen=True, eq=False)
class _Chain:
    """A compiled body: `take` matches the row it starts from, `rest` finds all ways for the rest."""

    frame: _Frame
    take: Callable[[Row], bool]
    rest: Next


class Matcher:
    """The relations, and the chains that match rules against them."""

    def __init__(
        self,
        atoms: list[Atom],
        numbers: dict[tuple[Signature, tuple[tuple[type, object], ...]], int],
        given: set[int],
        aggregates: Aggregates,
        strict: bool,
        deadline: float,
    ):
        self.deadline = deadline
        self.atoms, self.numbers, self.given = atoms, numbers, given
        self.aggregates, self.strict = aggregates, strict
        self.values: list[Value] = []
        self.undefined: list[str] = []
        self._ids: dict[tuple[type, object], int] = {}
        self._rows: dict[tuple[Signature, Row], int] = {}
        self._relations: dict[Signature, _Relation] = {}
        self._names: dict[int, tuple[str, ...]] = {}
        self._chains: dict[tuple[int, int], _Chain] = {}
        self._num_joins = 0

    # -- values and atoms --------------------------------------------------------------------------------

    def intern(self, value: Value) -> int:
        identity = key(value)
        number = self._ids.get(identity)
        if number is None:
            number = self._ids[identity] = len(self.values)
            self.values.append(value)
        return number

    def atom(self, signature: Signature, row: Row) -> int:
        """The number of an atom; it is new to its relation if it was not there."""
        number = self._rows.get((signature, row))
        if number is None:
            number = self._rows[signature, row] = len(self.atoms)
            values = tuple(self.values[v] for v in row)
            self.atoms.append(ground_atom(signature.name, values))
            self.numbers[signature, tuple(map(key, values))] = number
            self._relation(signature).add(row, number)
        return number

    def size(self, signature: Signature) -> int:
        return len(self._relation(signature).rows)

    def _relation(self, signature: Signature) -> _Relation:
        relation = self._relations.get(signature)
        if relation is None:
            relation = self._relations[signature] = _Relation()
        return relation

    # -- rules -------------------------------------------------------------------------------------------

    def run(self, rule: Rule, found: Found, start: tuple[int, int, int] | None = None) -> None:
        """Find all ways in which the body could hold. The first `found` given for a rule is the one that is told.

        `start` is a place in the body and a range of rows: that atom is matched with those rows only, first.
        """
        if time.monotonic() > self.deadline:
            raise TooLargeError("the rules could not be instantiated in time")
        place = -1 if start is None else start[0]
        chain = self._chains.get((rule.id, place))
        if chain is None:
            chain = self._chains[rule.id, place] = self._compile(rule, place, found)
        if start is None:
            chain.rest()
            return
        part = rule.body[start[0]]
        assert isinstance(part, Literal)
        body = chain.frame.body
        for row, atom in self._relation(part.atom.signature).rows[start[1] : start[2]]:
            if chain.take(row):
                body.append(2 * atom)
                chain.rest()
                body.pop()

    def _compile(self, rule: Rule, place: int, found: Found) -> _Chain:
        frame = _Frame()
        slots = [frame.slot(name) for name in self._variables(rule)]
        env, body, groups = frame.env, frame.body, frame.groups

        def end() -> None:
            found(tuple([env[s] for s in slots]), body, groups)

        parts = list(enumerate(rule.body))
        bound: set[str] = set()
        take: Callable[[Row], bool] = _nothing
        if place >= 0:
            _, part = parts.pop(place)
            assert isinstance(part, Literal)
            take = self._take(part.atom, bound, frame)
        return _Chain(frame, take, self._chain(rule, parts, bound, frame, end))

    def heads(self, rule: Rule, env: Row) -> Iterator[int]:
        """The head atoms of an instance, in order."""
        values = dict(zip(self._variables(rule), env, strict=True))
        for head in rule.heads:
            yield self.atom(head.signature, tuple(self._ground(t, values) for t in head.arguments))

    def key_of(self, rule: Rule, env: Row) -> Row:
        assert rule.choice is not None
        values = dict(zip(self._variables(rule), env, strict=True))
        return tuple(values[variable.name] for variable in rule.choice.key)

    def weight(self, rule: Rule, env: Row, expression: Expr) -> float:
        frame = _Frame()
        for name, value in zip(self._variables(rule), env, strict=True):
            frame.env[frame.slot(name)] = value
        value = self._expression(expression, frame)()
        return float(value) if isinstance(value, int | float) else 0.0

    def elements(self, part: Aggregate, row: Row) -> Iterator[tuple[Row, tuple[int, ...]]]:
        """Each way in which an element of a group's aggregate could hold: its terms, its body's literals."""
        for element in part.elements:
            frame = _Frame()
            for variable, value in zip(part.group, row, strict=True):
                frame.env[frame.slot(variable.name)] = value
            bound = {variable.name for variable in part.group}
            found: list[tuple[Row, tuple[int, ...]]] = []
            for term in element.terms:
                _reserve(term, frame)

            def end(frame: _Frame = frame, element=element, found=found) -> None:
                values = {name: frame.env[slot] for name, slot in frame.slots.items()}
                terms = tuple(self._ground(term, values) for term in element.terms)
                found.append((terms, tuple(dict.fromkeys(frame.body))))

            self._chain(None, list(enumerate(element.body)), bound, frame, end)()
            yield from found

    def _variables(self, rule: Rule) -> tuple[str, ...]:
        """The variables that tell instances of a rule apart: those outside of aggregates' elements."""
        names = self._names.get(rule.id)
        if names is None:
            seen: dict[str, None] = {}
            for part in rule.body:
                match part:
                    case Literal(atom):
                        for argument in atom.arguments:
                            seen.update(dict.fromkeys(term_variables((argument,))))
                    case Comparison(_, left, right):
                        seen.update(dict.fromkeys(term_variables((left, right))))
                    case Aggregate():
                        seen.update(dict.fromkeys(v.name for v in (*part.group, part.result)))
            names = self._names[rule.id] = tuple(seen)
        return names

    # -- chains ------------------------------------------------------------------------------------------

    def _chain(
        self, rule: Rule | None, parts: list[tuple[int, BodyLiteral]], bound: set[str], frame: _Frame, end: Next
    ) -> Next:
        """The closures of the parts, in the best order; `bound` are the variables that have a value before."""
        order: list[tuple[int, BodyLiteral, set[str]]] = []
        while parts:
            index = self._best(parts, bound)
            place, part = parts.pop(index)
            order.append((place, part, set(bound)))
            bound |= set(may_bind(part))
        chain = end
        for place, part, before in reversed(order):
            match part:
                case Literal(atom, False):
                    chain = self._join(atom, before, frame, chain)
                case Literal(atom):
                    chain = self._without(atom, frame, chain)
                case Comparison():
                    chain = self._compare(part, before, frame, chain)
                case Aggregate():
                    assert rule is not None
                    chain = self._aggregate(rule, place, part, before, frame, chain)
        return chain

    def _best(self, parts: Sequence[tuple[int, BodyLiteral]], bound: set[str]) -> int:
        best, best_score = -1, (-1.0, 0)
        for index, (_, part) in enumerate(parts):
            match part:
                case Comparison(operator, left, right):
                    sides = _is_bound(left, bound), _is_bound(right, bound)
                    # An equation binds what is not computed: `X mod 2 = Y mod 2` waits for both.
                    solves = (sides[0] and not isinstance(right, Expression)) or (
                        sides[1] and not isinstance(left, Expression)
                    )
                    if all(sides) or (operator == "=" and solves):
                        return index
                case Literal(atom, negated):
                    known = [_is_bound(argument, bound) for argument in atom.arguments]
                    if all(known):
                        return index
                    score = (sum(known) / len(known), -self.size(atom.signature))
                    if not negated and score > best_score:
                        best, best_score = index, score
                case Aggregate():
                    if best < 0 and all(v.name in bound for v in part.group):
                        best, best_score = index, (-0.5, 0)
        if best < 0:
            raise AssertionError("a checked rule always has a part that can be evaluated next")
        return best

    def _join(self, atom: Atom, before: set[str], frame: _Frame, chain: Next) -> Next:
        columns = tuple(c for c, argument in enumerate(atom.arguments) if _is_bound(argument, before))
        getters = [self._id(atom.arguments[c], frame) for c in columns]
        relation = self._relation(atom.signature)
        rest = [c for c in range(len(atom.arguments)) if c not in columns]
        take = self._take(atom, set(before), frame, rest)
        body = frame.body

        def join() -> None:
            if columns:
                entries: Sequence[Entry] = relation.index(columns).get(tuple([get() for get in getters]), ())
            else:
                entries = relation.rows
            count = len(entries)  # rows that this very rule adds meanwhile are seen in the next round
            self._num_joins += count
            if self._num_joins > _CHECK_CLOCK:
                self._num_joins = 0
                if time.monotonic() > self.deadline:
                    raise TooLargeError("the rules could not be instantiated in time")
            for number in range(count):
                row, found = entries[number]
                if take(row):
                    body.append(2 * found)
                    chain()
                    body.pop()

        return join

    def _take(
        self, atom: Atom, bound: set[str], frame: _Frame, columns: Sequence[int] | None = None
    ) -> Callable[[Row], bool]:
        """Match a row's columns: new variables get values, everything else is compared. `bound` grows."""
        env = frame.env
        assign: list[tuple[int, int]] = []
        tests: list[tuple[int, Callable[[int], bool]]] = []
        for column in range(len(atom.arguments)) if columns is None else columns:
            argument = atom.arguments[column]
            if isinstance(argument, Variable) and argument.name not in bound:
                assign.append((column, frame.slot(argument.name)))
                bound.add(argument.name)
            else:
                tests.append((column, self._pattern(argument, bound, frame)))

        def take(row: Row) -> bool:
            for column, slot in assign:
                env[slot] = row[column]
            for column, test in tests:
                if not test(row[column]):
                    return False
            return True

        return take

    def _pattern(self, term: Term, bound: set[str], frame: _Frame) -> Callable[[int], bool]:
        env = frame.env
        match term:
            case Variable(name):
                slot = frame.slot(name)
                if name in bound:
                    return lambda value: env[slot] == value
                bound.add(name)

                def assign(value: int) -> bool:
                    env[slot] = value
                    return True

                return assign
            case Constant(constant):
                wanted = self.intern(constant)
                return lambda value: value == wanted
            case Structure(functor, arguments):
                inner = [self._pattern(argument, bound, frame) for argument in arguments]

                def test(value: int) -> bool:
                    compound = self.values[value]
                    return (
                        isinstance(compound, Compound)
                        and compound.functor == functor
                        and len(compound.arguments) == len(inner)
                        and all(one(self.intern(part)) for one, part in zip(inner, compound.arguments, strict=True))
                    )

                return test

    def _without(self, atom: Atom, frame: _Frame, chain: Next) -> Next:
        getters = [self._id(argument, frame) for argument in atom.arguments]
        signature, body = atom.signature, frame.body

        def without() -> None:
            number = self._rows.get((signature, tuple([get() for get in getters])))
            if number is None:
                chain()
            elif number not in self.given:
                body.append(2 * number + 1)
                chain()
                body.pop()

        return without

    def _compare(self, part: Comparison, before: set[str], frame: _Frame, chain: Next) -> Next:
        left, right = _is_bound(part.left, before), _is_bound(part.right, before)
        if left and right:
            first, second, operator = (
                self._expression(part.left, frame),
                self._expression(part.right, frame),
                part.operator,
            )

            def test() -> None:
                try:
                    holds = compare(operator, first(), second())
                except FunctionError as error:
                    self._undefined(error)
                    return
                if holds:
                    chain()

            return test
        value = self._expression(part.left if left else part.right, frame)
        unknown = part.right if left else part.left
        assert not isinstance(unknown, Expression)  # a checked rule solves no equations
        pattern = self._pattern(unknown, set(before), frame)

        def unify() -> None:
            try:
                number = self.intern(value())
            except FunctionError as error:
                self._undefined(error)
                return
            if pattern(number):
                chain()

        return unify

    def _undefined(self, error: FunctionError) -> None:
        if self.strict:
            raise error
        self.undefined.append(str(error))

    def _aggregate(self, rule: Rule, place: int, part: Aggregate, before: set[str], frame: _Frame, chain: Next) -> Next:
        getters = [self._id(variable, frame) for variable in part.group]
        slot, env, groups = frame.slot(part.result.name), frame.env, frame.groups
        is_bound = part.result.name in before

        def aggregate() -> None:
            group = self.aggregates.group(rule, place, part, tuple([get() for get in getters]))
            for index, value in enumerate(self.aggregates.bound(group)):
                number = self.intern(value)
                if is_bound and env[slot] != number:
                    continue
                env[slot] = number
                groups.append((group, index))
                chain()
                groups.pop()

        return aggregate

    # -- terms -------------------------------------------------------------------------------------------

    def _id(self, term: Term, frame: _Frame) -> Callable[[], int]:
        env = frame.env
        match term:
            case Variable(name):
                slot = frame.slot(name)
                return lambda: env[slot]
            case Constant(value):
                number = self.intern(value)
                return lambda: number
            case Structure():
                build = self._expression(term, frame)
                return lambda: self.intern(build())

    def _expression(self, expression: Expr, frame: _Frame) -> Callable[[], Value]:
        env, values = frame.env, self.values
        match expression:
            case Variable(name):
                slot = frame.slot(name)
                return lambda: values[env[slot]]
            case Constant(value):
                return lambda: value
            case Structure(functor, arguments):
                parts = [self._expression(argument, frame) for argument in arguments]
                return lambda: Compound(functor, tuple([part() for part in parts]))
            case Expression(function, arguments):
                parts = [self._expression(argument, frame) for argument in arguments]
                return lambda: evaluate(function, [part() for part in parts])

    def _ground(self, term: Term, values: Mapping[str, int]) -> int:
        match term:
            case Variable(name):
                return values[name]
            case Constant(value):
                return self.intern(value)
            case Structure(functor, arguments):
                inner = tuple(self.values[self._ground(argument, values)] for argument in arguments)
                return self.intern(Compound(functor, inner))


def _nothing(row: Row) -> bool:
    raise AssertionError("a chain without a start takes no rows")


def _reserve(term: Term, frame: _Frame) -> None:
    for name in term_variables((term,)):
        frame.slot(name)


def may_bind(part: BodyLiteral) -> Iterator[str]:
    """The variables that a part of a body may bind."""
    match part:
        case Literal(atom, False):
            yield from term_variables(atom.arguments)
        case Comparison("=", left, right):
            yield from term_variables((left, right))
        case Aggregate():
            yield part.result.name
        case _:
            return


def _is_bound(term: Expr, bound: set[str]) -> bool:
    match term:
        case Variable(name):
            return name in bound
        case Constant():
            return True
        case Structure(_, arguments) | Expression(_, arguments):
            return all(_is_bound(argument, bound) for argument in arguments)
