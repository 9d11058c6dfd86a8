"""Rows of a task: read from files or made by a generator, checked one by one.

A record is a mapping of columns, as a line of a file or a generator gives it. A row is a record that has been
understood: what the encoder reads, the answer in the rule file's own words, and what is known of the concepts in
between. Every mistake names the file, the line, the field and what was expected.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

from nesy.errors import DataError, near_name
from nesy.learning.schema import DataTable
from nesy.learning.task import show

Split: TypeAlias = Literal["train", "dev", "test", "unlabelled"]
Record: TypeAlias = Mapping[str, Any]
Answer: TypeAlias = str | int | float

_MISTAKES_SHOWN = 5  # of a file; the first few tell what is wrong with all


@dataclass(frozen=True)
class Located:
    """A record and where it came from: `file:line`, or `generator NAME, row i`."""

    record: Record
    origin: str


@dataclass(frozen=True)
class Row:
    """One input with its answer: a value, or the text of an answer atom; None where it is not known."""

    payload: Mapping[str, Any]
    answer: Answer | None
    concepts: Mapping[str, tuple[tuple[Any, ...], ...]]  # predicate -> (key..., value) of each known atom
    columns: Record
    origin: str
    statements: Mapping[str, bool] = field(default_factory=dict)  # instances of the query that hold, and that do not
    further: tuple[Answer | None, ...] = ()  # where a task has several queries: the answers to those after the first

    @property
    def answers(self) -> tuple[Answer | None, ...]:
        """The answer to each query."""
        return (self.answer, *self.further)

    @property
    def is_answered(self) -> bool:
        """Whether any answer is known."""
        return any(answer is not None for answer in self.answers)


def make_rows(records: Iterable[Located], data: DataTable, *, labelled: bool = True) -> list[Row]:
    """Understand records as the [data] table of a task says.

    Raises: DataError with the first few mistakes, and how many there are.
    """
    records = list(records)
    if labelled:
        _check_columns(records, data)
    rows: list[Row] = []
    mistakes: list[str] = []
    for located in records:
        try:
            rows.append(_row(located, data, labelled))
        except DataError as error:
            mistakes.append(str(error))
    if mistakes:
        shown = mistakes[:_MISTAKES_SHOWN]
        if len(mistakes) > len(shown):
            shown.append(f"... and {len(mistakes) - len(shown):,} more rows like these")
        raise DataError("\n".join(shown))
    return rows


def _check_columns(records: Sequence[Located], data: DataTable) -> None:
    """A row may lack answers to some of several queries, but a column that none of them has is misspelt."""
    known = {name for located in records for name in located.record} if data.answers else set()
    for column in data.answers.values():
        if records and column not in known:
            near = near_name(column, known)
            hint = f"; did you mean `{near}`?" if near else f"; they have {_listed(known)}"
            raise DataError(f"{records[0].origin}: neither this row nor any other has the field `{column}`{hint}")


def _row(located: Located, data: DataTable, labelled: bool) -> Row:
    record, origin = located.record, located.origin
    known = set(record)
    apart = (*data.answer_columns, data.concepts, data.statements)
    inputs = data.input or tuple(name for name in record if name not in apart)
    statements = _statements(record.get(data.statements), data.statements, origin) if labelled else MappingProxyType({})
    needs_answer = labelled and not statements and not data.answers
    for name in (*data.input, *((data.answer,) if needs_answer else ())):
        if name not in known:
            near = near_name(name, known)
            hint = f"; did you mean `{near}`?" if near else f"; the row has {_listed(known)}"
            raise DataError(f"{origin}: the field `{name}` is missing{hint}")
    payload = {name: record[name] for name in inputs}
    for name, value in payload.items():
        if value is None:
            raise DataError(f"{origin}: field `{name}`: expected a value, found null")
    answer, *further = (
        _answer(record.get(column), column, data, origin) if labelled else None for column in data.answer_columns
    )
    concepts = _concepts(record.get(data.concepts), data.concepts, origin)
    return Row(MappingProxyType(payload), answer, concepts, record, origin, statements, tuple(further))


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in sorted(names)) or "no fields"


def _answer(value: object, column: str, data: DataTable, origin: str) -> Answer | None:
    """The answer as the rules call it; an explicit null means that it is not known.

    So does an empty cell where there are several queries: CSV has no null.
    """
    if value is None or (data.answers and value == ""):
        return None
    if isinstance(value, bool):
        value = str(value).lower()
    if not isinstance(value, str | int | float):
        raise DataError(f"{origin}: field `{column}`: expected text or a number, found {show(value)}")
    if not data.labels or (data.answers and str(value).strip() not in data.labels):
        return value
    text = str(value).strip()
    if text in data.labels:
        return data.labels[text]
    if text in data.labels.values():
        return text
    raise DataError(
        f"{origin}: field `{column}`: expected one of {_listed(data.labels)}, found {show(value)}"
        " (the labels are named in [data.labels] of task.toml)"
    )


def _statements(value: object, column: str, origin: str) -> Mapping[str, bool]:
    if value is None:
        return MappingProxyType({})
    if not isinstance(value, Mapping) or not all(isinstance(truth, bool) for truth in value.values()):
        expected = 'expected a table such as {"label(negative)": false} (an atom of the query, and whether it holds)'
        raise DataError(f"{origin}: field `{column}`: {expected}, found {show(value)}")
    return MappingProxyType({str(atom): bool(truth) for atom, truth in value.items()})


def _concepts(value: object, column: str, origin: str) -> Mapping[str, tuple[tuple[Any, ...], ...]]:
    if value is None:
        return MappingProxyType({})
    expected = 'expected a table such as {"digit": [[0, 7], [1, 2]]} (key and value of each known atom)'
    if not isinstance(value, Mapping):
        raise DataError(f"{origin}: field `{column}`: {expected}, found {show(value)}")
    known: dict[str, tuple[tuple[Any, ...], ...]] = {}
    for predicate, atoms in value.items():
        if not isinstance(atoms, list | tuple) or not all(isinstance(a, list | tuple) and a for a in atoms):
            raise DataError(f"{origin}: field `{column}`, predicate `{predicate}`: {expected}, found {show(atoms)}")
        known[str(predicate)] = tuple(tuple(atom) for atom in atoms)
    return MappingProxyType(known)


def told_concepts(rows: Sequence[Row]) -> frozenset[str]:
    """The neural predicates whose truth some row gives."""
    return frozenset(predicate for row in rows for predicate in row.concepts)


@dataclass(frozen=True)
class Splits:
    """The rows of each split; `test` may be empty.

    Rows of `beside` are labelled by construction: a student learns them with those of `train`, a teacher does not.
    """

    train: Sequence[Row]
    dev: Sequence[Row]
    test: Sequence[Row]
    unlabelled: Sequence[Row] = ()
    beside: Sequence[Row] = ()

    @property
    def learned(self) -> Sequence[Row]:
        """All rows with answers that an epoch goes over."""
        return [*self.train, *self.beside]

    def of(self, name: str) -> Sequence[Row]:
        """The rows of a split by its name, which must have some."""
        names = [split for split in ("train", "dev", "test") if len(self._named(split))]
        rows = self._named(name)
        if not rows:
            raise DataError(f"there are no rows of the split `{name}`; there are {', '.join(names)}")
        return rows

    def _named(self, name: str) -> Sequence[Row]:
        match name:
            case "train":
                return self.train
            case "dev":
                return self.dev
            case "test":
                return self.test
            case "unlabelled":
                return self.unlabelled
        near = near_name(name, ["train", "dev", "test"])
        hint = f"; did you mean `{near}`?" if near else ""
        raise DataError(f"there is no split `{name}`: it is train, dev or test{hint}")

    def with_train(self, rows: Sequence[Row]) -> Splits:
        """The same with other training rows."""
        return replace(self, train=rows)
