"""Comparisons as arithmetic: can those of one body hold together, and do they entail those of another?

Variables that only hold integers are integers to Z3, all others are reals: the standard order is a total one, so what
contradicts itself over the reals contradicts itself for any values. Whatever Z3 is not told (products of variables,
arithmetic with rounding, text functions, `!=` beyond integers) may be anything, so `contradictory` and `entailed`
are proofs, and their absence proves nothing.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal as OneOf

import z3

from nesy.language.core import Aggregate, BodyLiteral, Comparison, Constant, Expr, Expression, Variable, format_term
from nesy.solver.script import conjunction, number

# Time for one question; questions of this kind are answered in less than one.
_MILLISECONDS = 200


@dataclass
class Comparisons:
    """Answers questions about comparisons until its time is up; then every answer is no."""

    seconds: float
    num_unasked: int = 0
    _deadline: float = field(init=False)
    _known: dict[str, bool] = field(default_factory=dict[str, bool])
    _declared: set[str] = field(default_factory=set[str])
    _solver: z3.Solver = field(init=False)

    def __post_init__(self) -> None:
        self._deadline = time.monotonic() + self.seconds
        self._solver = z3.SimpleSolver(ctx=z3.Context())
        self._solver.set("random_seed", 0)
        self._solver.set("timeout", _MILLISECONDS)

    @property
    def is_late(self) -> bool:
        """Whether the time is up."""
        return time.monotonic() > self._deadline

    def contradictory(self, body: Iterable[BodyLiteral], integers: frozenset[str]) -> bool:
        """Whether the comparisons of a body never hold together."""
        writer = _Writer(integers)
        asserted = writer.body(body)
        return bool(asserted) and self._unsatisfiable(writer, asserted)

    def entailed(self, wanted: Sequence[Comparison], given: Iterable[BodyLiteral], integers: frozenset[str]) -> bool:
        """Whether the given comparisons make all the wanted ones hold."""
        writer = _Writer(integers)
        asserted = writer.body(given)
        for comparison in wanted:
            formula = writer.comparison(comparison, exactly=True)
            if formula is None or not self._unsatisfiable(writer, [*asserted, f"(not {formula})"]):
                return False
        return True

    def _unsatisfiable(self, writer: _Writer, asserted: Sequence[str]) -> bool:
        text = f"(assert {conjunction(asserted)})"
        known = self._known.get(text)
        if known is not None:
            return known
        if self.is_late:
            self.num_unasked += 1
            return False
        # Declarations stay when assertions are taken back, so each symbol is declared once.
        new = [f"(declare-const {name} {sort})" for name, sort in writer.declared.items() if name not in self._declared]
        self._declared.update(writer.declared)
        self._solver.push()
        self._solver.from_string("\n".join([*new, text]))
        found = self._solver.check() == z3.unsat
        self._solver.pop()
        self._known[text] = found
        return found


_OPERATOR: Mapping[str, str] = {"<": "<", "<=": "<=", ">": ">", ">=": ">=", "=": "="}
_LINEAR = frozenset(("+", "-"))


@dataclass
class _Writer:
    """Comparisons as formulas. Names are numbered as they come, so that two bodies of one shape are one text."""

    integers: frozenset[str]
    declared: dict[str, OneOf["Int", "Real"]] = field(default_factory=dict[str, OneOf["Int", "Real"]])
    _names: dict[str, str] = field(default_factory=dict[str, str])

    def body(self, body: Iterable[BodyLiteral]) -> list[str]:
        """The formulas of a body's comparisons, and that no count is negative."""
        formulas: list[str] = []
        for part in body:
            match part:
                case Comparison():
                    formula = self.comparison(part)
                    if formula is not None:
                        formulas.append(formula)
                case Aggregate(function="count", result=result):
                    formulas.append(f"(>= {self._symbol(result.name, True)} 0)")
                case _:
                    pass
        return formulas

    def comparison(self, comparison: Comparison, exactly: bool = False) -> str | None:
        """The formula of a comparison, None where it has none; `exactly`: it says the same, and nothing weaker."""
        left, right = comparison.left, comparison.right
        whole = self._is_whole(left) and self._is_whole(right)
        if comparison.operator == "!=":
            return f"(not (= {self._term(left)} {self._term(right)}))" if whole else None
        if not (_is_number(left) and _is_number(right)):
            return None
        if comparison.operator == "=" and exactly and not whole:
            return None  # 1 and 1.0 are equal as numbers, and different values
        return f"({_OPERATOR[comparison.operator]} {self._term(left)} {self._term(right)})"

    def _term(self, term: Expr) -> str:
        whole = self._is_whole(term)
        match term:
            case Constant(bool() | int() | float() as value):
                return number(value, "Int" if whole else "Real")
            case Variable(name):
                return self._symbol(name, whole)
            case Expression(function, arguments) if whole:
                inner = [self._term(argument) for argument in arguments]
                return self._whole(term, function, arguments, inner)
            case _:
                return self._symbol(format_term(term), whole)

    def _whole(self, term: Expr, function: str, arguments: Sequence[Expr], inner: Sequence[str]) -> str:
        match function, inner:
            case "+" | "-", _:
                return f"({function} {' '.join(inner)})"
            case "*", (left, right) if any(isinstance(argument, Constant) for argument in arguments):
                return f"(* {left} {right})"
            case "min", (left, right):
                return f"(ite (<= {left} {right}) {left} {right})"
            case "max", (left, right):
                return f"(ite (>= {left} {right}) {left} {right})"
            case "abs", (only,):
                return f"(abs {only})"
            case "//" | "mod", (left, right):
                match arguments[1]:
                    case Constant(int() as divisor) if divisor > 0:  # there, rounding down is Euclid's division
                        return f"({'div' if function == '//' else 'mod'} {left} {right})"
                    case _:
                        return self._symbol(format_term(term), True)
            case _:
                return self._symbol(format_term(term), True)

    def _is_whole(self, term: Expr) -> bool:
        match term:
            case Constant(value):
                return isinstance(value, int)
            case Variable(name):
                return name in self.integers
            case Expression("+" | "-" | "*" | "//" | "mod" | "min" | "max" | "abs", arguments):
                return all(self._is_whole(argument) for argument in arguments)
            case _:
                return False

    def _symbol(self, name: str, whole: bool) -> str:
        # A variable is an integer everywhere or nowhere.
        if name not in self._names:
            self._names[name] = f"{'i' if whole else 'r'}{len(self._names)}"
            self.declared[self._names[name]] = "Int" if whole else "Real"
        return self._names[name]


def _is_number(term: Expr) -> bool:
    """Whether a side can be written: names and texts have no place among the numbers."""
    match term:
        case Constant(value):
            return isinstance(value, int | float) and math.isfinite(value)
        case Variable() | Expression():
            return True
        case _:
            return False
