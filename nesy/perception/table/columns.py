"""The columns of a table as an encoder learns them from training rows: ranges of numbers, known words.

CSV has no types, so texts that all read as numbers are numbers, unless the task says that they are words.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self, TypeAlias

from nesy.errors import DataError
from nesy.perception.encoder import Payload
from nesy.perception.payloads import field_of

_LONGEST_INTEGER = 18  # digits: a longer one is no quantity that a column could tell from its neighbours
_NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?\s*", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True)
class NumberColumn:
    """Numbers, or texts that read as numbers; one outside the range of training counts as the nearest end."""

    name: str
    low: float
    high: float

    def value(self, cell: object) -> int | float:
        """The cell's number. Raises: DataError"""
        number = number_in(cell) if isinstance(cell, str) else cell
        if isinstance(number, bool) or not isinstance(number, int | float) or not math.isfinite(number):
            raise DataError(f"field `{self.name}`: expected a number, found {cell!r:.60}")
        return number

    def place(self, cell: object) -> float:
        """Where the cell's number lies in the range: 0..1."""
        number = self.value(cell)
        if self.low == self.high:
            return 0.5
        return min(1.0, max(0.0, (number - self.low) / (self.high - self.low)))


@dataclass(frozen=True)
class WordColumn:
    """Words; one that training did not have has no hypervector."""

    name: str
    words: tuple[str, ...]

    def value(self, cell: object) -> str:
        """The cell's word. Raises: DataError"""
        if not isinstance(cell, str):
            raise DataError(f"field `{self.name}`: expected a text, found {cell!r:.60}")
        return cell

    def place(self, cell: object) -> int:
        """The number of the word, -1 for an unknown one."""
        word = self.value(cell)
        return self.words.index(word) if word in self.words else -1


Column: TypeAlias = NumberColumn | WordColumn


def learn_columns(payloads: Sequence[Payload], names: Sequence[str], words: Sequence[str] = ()) -> list[Column]:
    """The columns of training rows; without names, all whose first value is a number or a text.

    Texts of the columns called `words` stay texts, whatever they read as.

    Raises: DataError
    """
    if not payloads:
        raise DataError("a table encoder needs training rows to know the columns by")
    chosen = names or [name for name, value in payloads[0].items() if _is_cell(value)]
    if not chosen:
        raise DataError("the training rows have no column of numbers or texts")
    for name in words:
        field_of({column: None for column in chosen}, name)  # refuses a misspelt one
    return [_learn(name, [field_of(payload, name) for payload in payloads], name in words) for name in chosen]


def _is_cell(value: object) -> bool:
    return isinstance(value, int | float | str) and not isinstance(value, bool)


def _learn(name: str, cells: Sequence[Any], are_words: bool) -> Column:
    if are_words or (isinstance(cells[0], str) and not _are_numbers(name, cells)):
        words = WordColumn(name, ())
        return WordColumn(name, tuple(sorted({words.value(cell) for cell in cells})))
    numbers = NumberColumn(name, -math.inf, math.inf)
    values = [numbers.value(cell) for cell in cells]
    return NumberColumn(name, float(min(values)), float(max(values)))


def _are_numbers(name: str, cells: Sequence[Any]) -> bool:
    """Whether the texts of a column are numbers: all of them. If most are, the others may be mistakes."""
    others = [cell for cell in cells if not isinstance(cell, str) or number_in(cell) is None]
    if others and len(others) < len(cells) / 2:
        raise DataError(
            f"field `{name}`: {len(cells) - len(others):,} of {len(cells):,} cells are numbers, and {others[0]!r:.60} "
            f'is none: mend it, or say that the column\'s texts are words: words = ["{name}"] in [encoder]'
        )
    return not others


def number_in(text: str) -> int | float | None:
    """The number that a text reads as, or None.

    >>> number_in("37"), number_in("-2.5e3"), number_in("1_000"), number_in("nan")
    (37, -2500.0, None, None)
    """
    if _NUMBER.fullmatch(text) is None:
        return None
    return int(text) if text.strip().lstrip("+-").isdigit() and len(text) <= _LONGEST_INTEGER else float(text)


def column_to_json(column: Column) -> dict[str, Any]:
    """A column as JSON data."""
    match column:
        case NumberColumn(name, low, high):
            return {"name": name, "low": low, "high": high}
        case WordColumn(name, words):
            return {"name": name, "words": list(words)}


def column_from_json(data: Mapping[str, Any]) -> Column:
    """The column written by `column_to_json`."""
    if "words" in data:
        return WordColumn(str(data["name"]), tuple(str(word) for word in data["words"]))
    return NumberColumn(str(data["name"]), float(data["low"]), float(data["high"]))


@dataclass(frozen=True)
class TypedRow:
    """A row as a person types it: `age=37, colour=red`."""

    values: Mapping[str, str]

    @classmethod
    def parse(cls, typed: str) -> Self:
        """Read a row. Raises: DataError"""
        values: dict[str, str] = {}
        for part in typed.split(","):
            name, equals, value = part.partition("=")
            if not equals or not name.strip() or not value.strip():
                raise DataError(f"`{part.strip()}` is not NAME=VALUE; a row reads: age=37, colour=red")
            values[name.strip()] = value.strip()
        return cls(values)
