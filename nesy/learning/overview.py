"""`nesy data TASK`: what a task's data holds, in numbers and examples, before anything is trained on it."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nesy.learning.data import Row, Splits
from nesy.learning.sources import open_data
from nesy.learning.task import load_task
from nesy.perception.table.columns import number_in

_MOST_ANSWERS = 12  # told apart; the others are summed up
_WIDEST = 72  # characters of an example's field


@dataclass(frozen=True)
class Column:
    """One field of the inputs: its kind, and the least, middle and greatest of its size.

    Units: words of a text, numbers themselves, members of a list.
    """

    name: str
    kind: str
    least: float
    middle: float
    greatest: float

    def __str__(self) -> str:
        return f"{self.name}: {self.kind}, {self.least:g} to {self.greatest:g} (median {self.middle:g})"


@dataclass(frozen=True)
class SplitOverview:
    """One split: how many rows, how many of each answer, which concepts are known in how many."""

    name: str
    rows: int
    answers: Mapping[str, int]
    unanswered: int
    concepts: Mapping[str, int]
    columns: tuple[Column, ...]
    examples: tuple[Mapping[str, Any], ...]

    def __str__(self) -> str:
        lines = [f"{self.name}: {self.rows:,} rows"]
        if self.answers:
            shown = list(self.answers.items())[:_MOST_ANSWERS]
            rest = sum(self.answers.values()) - sum(count for _, count in shown)
            parts = [f"{answer}: {count:,} ({100 * count / self.rows:.0f} %)" for answer, count in shown]
            others = [f"{len(self.answers) - len(shown):,} others: {rest:,}"] if rest else []
            lines.append(f"  answers: {', '.join([*parts, *others])}")
        if self.unanswered:
            lines.append(f"  without an answer: {self.unanswered:,}")
        if self.concepts:
            lines.append(f"  known: {', '.join(f'{name} in {count:,} rows' for name, count in self.concepts.items())}")
        lines += [f"  {column}" for column in self.columns]
        for example in self.examples:
            inside = ", ".join(f"{name}={value}" for name, value in example["input"].items())
            lines.append(f"  e.g. {inside} -> {example['answer']}  ({example['origin']})")
        return "\n".join(lines)


@dataclass(frozen=True)
class Overview:
    """What was read, split by split; `repeated` counts inputs of dev and test that training has, too."""

    splits: tuple[SplitOverview, ...]
    repeated: Mapping[str, int]

    def to_dict(self) -> dict[str, Any]:
        """The overview as JSON data."""
        return {
            "splits": [
                {
                    "name": split.name, "rows": split.rows, "answers": dict(split.answers),
                    "unanswered": split.unanswered, "concepts": dict(split.concepts),
                    "columns": [vars(column) for column in split.columns], "examples": list(split.examples),
                }
                for split in self.splits
            ],
            "repeated": dict(self.repeated),
        }  # fmt: skip

    def __str__(self) -> str:
        lines = [str(split) for split in self.splits]
        lines += [f"warning: {n:,} inputs of {name} are training inputs, too" for name, n in self.repeated.items() if n]
        return "\n".join(lines)


def overview(task: str | Path, *, data: str | Path | None = None, seed: int = 0, examples: int = 3) -> Overview:
    """Read a task's data as training would, and say what is there.

    Raises: TaskError, DataError.
    """
    read = load_task(task)
    splits = open_data(read, data, seed=seed).splits
    names = tuple(read.data.answers)
    found = [(name, rows) for name, rows in _named(splits) if rows]
    seen = {_identity(row) for row in splits.train}
    repeated = {name: sum(_identity(row) in seen for row in rows) for name, rows in found if name in ("dev", "test")}
    return Overview(tuple(_overview(name, rows, examples, names) for name, rows in found), repeated)


def _named(splits: Splits) -> Iterable[tuple[str, Sequence[Row]]]:
    return (
        ("train", splits.train),
        ("beside", splits.beside),
        ("dev", splits.dev),
        ("test", splits.test),
        ("unlabelled", splits.unlabelled),
    )


def _overview(name: str, rows: Sequence[Row], examples: int, queries: Sequence[str]) -> SplitOverview:
    answers = Counter(text for row in rows for text in _answers(row, queries))
    concepts = Counter(concept for row in rows for concept in row.concepts)
    step = max(1, len(rows) // examples) if examples else len(rows)
    shown = [
        {
            "input": {k: _short(v) for k, v in row.payload.items()},
            "answer": ", ".join(_answers(row, queries)) if queries else row.answer,
            "origin": row.origin,
        }
        for row in rows[::step][:examples]
    ]
    unanswered = sum(not row.is_answered for row in rows)
    columns = tuple(filter(None, (_column(field, rows) for field in rows[0].payload)))
    return SplitOverview(name, len(rows), dict(answers.most_common()), unanswered, concepts, columns, tuple(shown))


def _answers(row: Row, queries: Sequence[str]) -> list[str]:
    """The known answers of a row; with several queries, each with the query's name."""
    known = [(i, answer) for i, answer in enumerate(row.answers) if answer is not None]
    return [f"{queries[i]}={answer}" if queries else str(answer) for i, answer in known]


def _column(name: str, rows: Sequence[Row]) -> Column | None:
    values = [row.payload[name] for row in rows if name in row.payload]
    match values[0]:
        case str():
            texts = [str(value) for value in values]
            numbers = [number for text in texts if (number := number_in(text)) is not None]
            if len(numbers) == len(texts):  # CSV has no types; the table encoder takes them as numbers, too
                kind, sizes = "number", numbers
            else:
                kind, sizes = "words", [len(text.split()) for text in texts]
        case bool():
            return None
        case int() | float():
            kind, sizes = "number", [value for value in values if isinstance(value, int | float)]
        case list() | tuple():
            kind, sizes = "list", [len(value) for value in values if isinstance(value, list | tuple)]
        case _:
            return None
    return Column(name, kind, min(sizes), statistics.median(sizes), max(sizes))


def _identity(row: Row) -> str:
    return repr(sorted(row.payload.items()))


def _short(value: object) -> str:
    """A field as a person would read it: names of pictures, texts cut to a line."""
    if isinstance(value, list | tuple):
        inside = ", ".join(_short(item) for item in value[:4])
        return f"[{inside}{', ...' if len(value) > 4 else ''}]"
    name = getattr(value, "name", None)
    text = name if isinstance(name, str) else str(value)
    return text if len(text) <= _WIDEST else f"{text[: _WIDEST - 3]}..."
