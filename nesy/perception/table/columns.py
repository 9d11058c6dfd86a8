"""The columns of a table as an encoder learns them from training rows: ranges of numbers, known words."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self, TypeAlias

from nesy.errors import DataError
from nesy.perception.encoder import Payload
from nesy.perception.payloads import field_of


@dataclass(frozen=True)
class NumberColumn:
    """Numbers; one outside the range of training counts as the nearest end."""

    name: str
    low: float
    high: float

    def place(self, value: object) -> float:
        """Where the value lies in the range: 0..1."""
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise DataError(f"field `{self.name}`: expected a number, found {value!r:.60}")
        if self.low == self.high:
            return 0.5
        return min(1.0, max(0.0, (value - self.low) / (self.high - self.low)))


@dataclass(frozen=True)
class WordColumn:
    """Words; one that training did not have has no hypervector."""

    name: str
    words: tuple[str, ...]

    def place(self, value: object) -> int:
        """The number of the word, -1 for an unknown one."""
        if not isinstance(value, str):
            raise DataError(f"field `{self.name}`: expected a text, found {value!r:.60}")
        return self.words.index(value) if value in self.words else -1


Column: TypeAlias = NumberColumn | WordColumn


def learn_columns(payloads: Sequence[Payload], names: Sequence[str]) -> list[Column]:
    """The columns of training rows; without names, all whose first value is a number or a text.

    Raises: DataError
    """
    if not payloads:
        raise DataError("a table encoder needs training rows to know the columns by")
    chosen = names or [name for name, value in payloads[0].items() if _is_cell(value)]
    if not chosen:
        raise DataError("the training rows have no column of numbers or texts")
    return [_learn(name, [field_of(payload, name) for payload in payloads]) for name in chosen]


def _is_cell(value: object) -> bool:
    return isinstance(value, int | float | str) and not isinstance(value, bool)


def _learn(name: str, values: Sequence[Any]) -> Column:
    if isinstance(values[0], str):
        words = WordColumn(name, tuple(sorted({value for value in values if isinstance(value, str)})))
        for value in values:
            words.place(value)
        return words
    numbers = NumberColumn(name, -math.inf, math.inf)
    for value in values:
        numbers.place(value)
    return NumberColumn(name, float(min(values)), float(max(values)))


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

    values: Mapping[str, float | str]

    @classmethod
    def parse(cls, typed: str) -> Self:
        """Read a row; a value that reads as a number is one. Raises: DataError"""
        values: dict[str, float | str] = {}
        for part in typed.split(","):
            name, equals, value = part.partition("=")
            if not equals or not name.strip() or not value.strip():
                raise DataError(f"`{part.strip()}` is not NAME=VALUE; a row reads: age=37, colour=red")
            values[name.strip()] = _number_or_text(value.strip())
        return cls(values)


def _number_or_text(text: str) -> float | str:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
