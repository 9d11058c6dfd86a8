"""Small databases to try a program on: which values may stand in which column of its inputs.

Columns that share a variable in some rule hold values of one sort. A sort's values are the constants that the
program itself puts into its columns, and a few more that nothing names: numbers where the program computes with
the column or puts numbers there, symbols otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod

from nesy.language.core import (
    Aggregate,
    Atom,
    BodyLiteral,
    Comparison,
    Constant,
    CoreProgram,
    Expression,
    Literal,
    Rule,
    Signature,
    Structure,
    Variable,
    term_variables,
)
from nesy.language.values import Symbol, Value, key
from nesy.solver.instances import Fact
from nesy.solver.matching import TooLargeError

Column = tuple[Signature, int]
_Place = Column | tuple[int, str]  # a column, or a variable of a rule

MAX_ROWS = 4_096  # rows of one predicate over its columns' values
MAX_NAMED = 200  # rows of a table whose values count as named: a larger one is data


@dataclass(frozen=True)
class Sort:
    """What a class of columns may hold: the constants named by the program, and whether numbers belong there."""

    constants: tuple[Value, ...]
    is_numeric: bool


def databases(program: CoreProgram, signatures: Sequence[Signature], size: int, named: bool = True) -> list[Fact]:
    """All rows of the predicates over the values of their columns, `size` new values in each sort.

    Raises: TooLargeError when a predicate has too many rows.
    """
    sorts = column_sorts(program)
    facts: list[Fact] = []
    for signature in signatures:
        columns = [sort_values(sorts.get((signature, c), Sort((), False)), size, named) for c in range(signature.arity)]
        if prod(map(len, columns)) > MAX_ROWS:
            new = f"{size} new value{'s' if size > 1 else ''}"
            beside = " and those that the program names" if named else ""
            raise TooLargeError(f"`{signature}` has more than {MAX_ROWS} rows over {new}{beside} in each column")
        facts.extend((signature, row) for row in product(*columns))
    return facts


def sort_values(sort: Sort, size: int, named: bool = True) -> list[Value]:
    """The constants of a sort, and `size` more."""
    known = {key(constant) for constant in sort.constants}
    new = (n for n in range(len(known) + size)) if sort.is_numeric else map(Symbol, _names())
    values: list[Value] = list(sort.constants) if named else []
    wanted = len(values) + size
    for value in new:
        if len(values) >= wanted:
            break
        if key(value) not in known:
            values.append(value)
    return values


def column_sorts(program: CoreProgram, facts: Iterable[Fact] = ()) -> Mapping[Column, Sort]:
    """The sort of each column of each predicate; the values of further facts are among its constants."""
    classes = _Classes()
    for signature, row in facts:
        for column, value in enumerate(row):
            classes.constant((signature, column), value)
    for rule in (*program.rules, *program.constraints):
        for atom in rule.heads:
            classes.atom(rule.id, atom)
        _body(classes, rule.id, rule.body)
    for query in program.queries:
        classes.atom(-1, query.atom)
    for atom in program.facts:
        classes.atom(-1, atom)
    for table in program.tables:
        for row in table.rows() if table.num_rows <= MAX_NAMED else ():
            for column, value in enumerate(row):
                classes.constant((table.signature, column), value)
    for neural in program.neural.values():
        if neural.values is not None:
            signature = Signature(neural.name, len(neural.key) + 1)
            for value in neural.values:
                classes.constant((signature, len(neural.key)), value)
    return classes.sorts()


def _body(classes: _Classes, rule: int, body: Iterable[BodyLiteral]) -> None:
    for part in body:
        match part:
            case Literal(atom):
                classes.atom(rule, atom)
            case Comparison():
                _comparison(classes, rule, part)
            case Aggregate():
                for element in part.elements:
                    _body(classes, rule, element.body)
                    if part.function != "count" and isinstance(element.terms[0], Variable):
                        classes.number((rule, element.terms[0].name))
                classes.number((rule, part.result.name))


def _comparison(classes: _Classes, rule: int, part: Comparison) -> None:
    match part.left, part.right:
        case Variable(left), Variable(right):
            classes.join((rule, left), (rule, right))
        case (Variable(name), Constant(value)) | (Constant(value), Variable(name)):
            classes.constant((rule, name), value)
    for side, other in ((part.left, part.right), (part.right, part.left)):
        if isinstance(side, Expression):
            for name in term_variables((side,)):
                classes.number((rule, name))
            if isinstance(other, Variable):
                classes.number((rule, other.name))


class _Classes:
    """Union-find over columns and rule variables, with what is known of each class."""

    def __init__(self) -> None:
        self.parent: dict[_Place, _Place] = {}
        self.constants: list[tuple[_Place, Value]] = []
        self.numbers: list[_Place] = []

    def find(self, place: _Place) -> _Place:
        self.parent.setdefault(place, place)
        root = place
        while self.parent[root] != root:
            root = self.parent[root]
        while self.parent[place] != root:
            self.parent[place], place = root, self.parent[place]
        return root

    def join(self, first: _Place, second: _Place) -> None:
        self.parent[self.find(first)] = self.find(second)

    def constant(self, place: _Place, value: Value) -> None:
        self.find(place)
        self.constants.append((place, value))

    def number(self, place: _Place) -> None:
        self.find(place)
        self.numbers.append(place)

    def atom(self, rule: int, atom: Atom) -> None:
        for column, argument in enumerate(atom.arguments):
            place = (atom.signature, column)
            match argument:
                case Variable(name):
                    self.join(place, (rule, name))
                case Constant(value):
                    self.constant(place, value)
                case Structure():
                    self.find(place)

    def sorts(self) -> dict[Column, Sort]:
        constants: dict[_Place, dict[tuple[type, object], Value]] = {}
        for place, value in self.constants:
            constants.setdefault(self.find(place), {})[key(value)] = value
        numeric = {self.find(place) for place in self.numbers}
        found: dict[Column, Sort] = {}
        for place in list(self.parent):
            if isinstance(place[0], Signature) and isinstance(place[1], int):
                root = self.find(place)
                values = tuple(constants.get(root, {}).values())
                is_numeric = root in numeric or any(isinstance(v, int | float) for v in values)
                found[place[0], place[1]] = Sort(values, is_numeric)
        return found


def _names() -> Iterator[str]:
    letters = "abcdefghijklmnopqrstuvwxyz"
    for round_ in range(1_000):
        for letter in letters:
            yield letter if round_ == 0 else f"{letter}{round_}"


def constraint_text(rule: Rule) -> str:
    """A constraint as it was written."""
    return " ".join(rule.span.text.split()) if rule.span else f"constraint {rule.id}"
