"""SMT-LIB text, built line by line.

Everything that the solver is asked is first an SMT-LIB 2 script: Z3 reads the text, and the same text can be
written to a file for another solver to check. So no object of Z3 is ever held or passed around, and what was
proved is what can be read.

Names are quoted symbols that look like the atoms they stand for: `|parent(ann,bob)|`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal as OneOf

Sort = OneOf["Bool", "Int", "Real"]

TRUE = "true"
FALSE = "false"


@dataclass
class Script:
    """Declarations and assertions in the order in which they were made."""

    lines: list[str] = field(default_factory=list)
    num_assertions: int = 0
    _taken: set[str] = field(default_factory=set)

    def declare(self, name: str, sort: Sort = "Bool") -> str:
        """A new constant that reads like `name`; the symbol to use for it is returned."""
        symbol = "|" + name.translate(_UNQUOTABLE) + "|"
        number = 2
        while symbol in self._taken:
            symbol = f"|{name.translate(_UNQUOTABLE)} #{number}|"
            number += 1
        self._taken.add(symbol)
        self.lines.append(f"(declare-const {symbol} {sort})")
        return symbol

    def assert_(self, formula: str) -> None:
        self.lines.append(f"(assert {formula})")
        self.num_assertions += 1

    def prefer(self, formula: str, weight: int) -> None:
        """A soft assertion: leaving it out costs `weight`. The sum of the costs is made least."""
        self.lines.append(f"(assert-soft {formula} :weight {weight} :id cost)")

    def remark(self, text: str) -> None:
        self.lines.extend(f"; {line}" for line in text.splitlines())

    @property
    def text(self) -> str:
        return "\n".join(self.lines) + "\n"

    def standalone(self, logic: str = "ALL", expected: str | None = None, claim: str = "true") -> str:
        """The script, and one more claim, as a file that any SMT-LIB 2 solver runs."""
        claims = [] if claim == TRUE else [f"(assert {claim})"]
        status = [f"(set-info :status {expected})"] if expected else []
        return "\n".join([f"(set-logic {logic})", *status, *self.lines, *claims, "(check-sat)", "(exit)"]) + "\n"


# A quoted symbol may hold any printable character but these two; control characters are not portable.
_UNQUOTABLE = {ord("|"): "!", ord("\\"): "/", **{code: " " for code in range(32)}, 127: " "}


def conjunction(parts: Iterable[str]) -> str:
    """`and`, without the cases that SMT-LIB does not write.

    >>> conjunction([]), conjunction(["a"]), conjunction(["a", "true", "b"])
    ('true', 'a', '(and a b)')
    """
    kept = [part for part in parts if part != TRUE]
    if FALSE in kept:
        return FALSE
    return TRUE if not kept else kept[0] if len(kept) == 1 else f"(and {' '.join(kept)})"


def disjunction(parts: Iterable[str]) -> str:
    """`or`, without the cases that SMT-LIB does not write.

    >>> disjunction([]), disjunction(["a"]), disjunction(["a", "false", "b"])
    ('false', 'a', '(or a b)')
    """
    kept = [part for part in parts if part != FALSE]
    if TRUE in kept:
        return TRUE
    return FALSE if not kept else kept[0] if len(kept) == 1 else f"(or {' '.join(kept)})"


def negation(part: str) -> str:
    """`not`, twice taken off.

    >>> negation("a"), negation("(not a)"), negation("true")
    ('(not a)', 'a', 'false')
    """
    if part in (TRUE, FALSE):
        return FALSE if part == TRUE else TRUE
    return part[5:-1] if part.startswith("(not ") else f"(not {part})"


def at_most_one(parts: Sequence[str]) -> str:
    """No two of the parts hold."""
    return conjunction(
        f"(not (and {first} {second}))" for index, first in enumerate(parts) for second in parts[index + 1 :]
    )


def number(value: Fraction | int | float, sort: OneOf["Int", "Real"]) -> str:
    """A numeral, exactly: a float is the rational that it is.

    >>> number(-3, "Int"), number(0.5, "Real"), number(-2, "Real")
    ('(- 3)', '(/ 1.0 2.0)', '(- 2.0)')
    """
    exact = Fraction(value)
    if sort == "Int":
        if exact.denominator != 1:
            raise ValueError(f"{value} is not an integer")
        text = str(abs(exact.numerator))
    elif exact.denominator == 1:
        text = f"{abs(exact.numerator)}.0"
    else:
        text = f"(/ {abs(exact.numerator)}.0 {exact.denominator}.0)"
    return text if exact >= 0 else f"(- {text})"


def total(parts: Sequence[str], sort: OneOf["Int", "Real"]) -> str:
    """`+`, without the cases that SMT-LIB does not write."""
    return number(0, sort) if not parts else parts[0] if len(parts) == 1 else f"(+ {' '.join(parts)})"
