"""`nesy ask RUN --input FILE`: many questions at once, one line of JSON for each answer, in their order.

Questions are cut into parts of a fixed size, and a part is answered as batches: the same parts whatever answers them,
so that the lines are the same, bit for bit.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import torch

from nesy import run_folder
from nesy.answer import Row, row_of
from nesy.errors import DataError, InconsistentError
from nesy.hub import run_place
from nesy.language.core import Atom
from nesy.learning.abstention import Expectation, expected_error
from nesy.learning.batches import names_of
from nesy.learning.distributed import map_in_order
from nesy.learning.files import kind_of, read_records
from nesy.learning.importers import input_column
from nesy.learning.progress import reporter
from nesy.learning.run import TASK_FILE, read_task
from nesy.learning.schema import DataTable
from nesy.learning.task import Task
from nesy.model import Model
from nesy.perception import Payload

_PART = 256  # questions: large enough for batches of like structure, small enough to lose little with a worker
_BATCH = 64

Line: TypeAlias = dict[str, Any]


@dataclass(frozen=True)
class Question:
    """One input, and where it stands."""

    payload: Payload
    origin: str


@dataclass(frozen=True)
class Asked:
    """What came of asking: how many, how many were kept back or have no answer, and where the lines are."""

    questions: int
    abstained: int
    impossible: int
    file: Path | None
    expected: Expectation | None

    def to_dict(self) -> dict[str, Any]:
        """As JSON data."""
        return {
            "questions": self.questions,
            "abstained": self.abstained,
            "impossible": self.impossible,
            "file": str(self.file) if self.file else None,
            "expected": self.expected.to_dict() if self.expected else None,
        }

    def __str__(self) -> str:
        parts = [f"{self.questions:,} questions"]
        if self.expected:
            parts.append(f"{self.abstained:,} kept back")
        if self.impossible:
            parts.append(f"{self.impossible:,} without any answer")
        lines = [", ".join(parts) + (f": {self.file}" if self.file else "")]
        return "\n".join([*lines, str(self.expected)] if self.expected else lines)


def ask_all(
    run: str | Path,
    questions: str | Path,
    out: str | Path | None = None,
    *,
    device: str = "auto",
    abstain_below: float | None = None,
    explain: bool = False,
    workers: int = 1,
    progress: bool = True,
) -> Asked:
    """Answer every question of a file into `out`, whole or not at all; without it, to standard output.

    A question is a line of a .jsonl, .csv or .tsv file with the columns that the encoder reads, or of a .txt file what
    `ask` takes. Each line of the answer has the question's place, the most probable answer and all answers with their
    probabilities; with `explain`, why. With several `workers` the parts of the file are answered by as many processes
    (Ray; on a cluster, `run` has to be a place that each machine can read, or a hub id): the same lines in the same
    order, and a part whose process is killed is answered again.

    Raises: RunError; DataError that names the line; nothing is written then.
    """
    place = run_folder.place_for(out, "the answers") if out is not None else None
    folder = run_place(run)
    expected = expected_error(folder, abstain_below) if abstain_below is not None else None
    model = Model.from_pretrained(folder, device=device)
    asked = read_questions(Path(questions), model, _data_table(folder))
    counts = {"abstained": 0, "impossible": 0}
    with reporter(progress and place is not None) as report, _lines_to(place) as write:
        report.stage("asking", -(-len(asked) // _PART))
        answer = partial(answer_part, abstain_below=abstain_below, explain=explain)
        answers = (
            map_in_order(partial(_worker, str(run), device, answer), parts_of(asked), workers)
            if workers > 1
            else (answer(model, part) for part in parts_of(asked))
        )
        for lines in answers:
            for line in lines:
                counts["abstained"] += _count(line.get("abstains"))
                counts["impossible"] += "impossible" in line
                write(json.dumps(line, ensure_ascii=False, allow_nan=False) + "\n")
            report.step(len(lines))
    return Asked(len(asked), **counts, file=place, expected=expected)


def _data_table(run: Path) -> DataTable:
    """Which columns the run's task reads; the plain ones for a model that was saved from Python."""
    if not (run / TASK_FILE).is_file():
        return DataTable()
    task: Task = read_task(run, check_files=False)[0]
    return task.data


def read_questions(path: Path, model: Model, data: DataTable) -> list[Question]:
    """The questions of a file, each one that the encoder can read.

    Raises: DataError that names the line.
    """
    is_typed = kind_of(path) == ".txt"
    records = read_records(path, text_column=input_column(data))
    found = []
    for located in records:
        record = located.record
        try:
            if is_typed:
                payload: Payload = model.encoder.payload_of(str(next(iter(record.values()))))
            else:
                payload = _payload(record, data)
            model.encoder.facts(payload)
        except DataError as error:
            raise DataError(f"{located.origin}: {error}") from None
        found.append(Question(payload, located.origin))
    return found


def _payload(record: Mapping[str, Any], data: DataTable) -> Payload:
    names = data.input or tuple(
        name for name in record if name not in (*data.answer_columns, data.concepts, data.statements)
    )
    missing = [name for name in names if record.get(name) is None]
    if missing:
        known = ", ".join(f"`{name}`" for name in record) or "no fields"
        raise DataError(f"the field `{missing[0]}` is missing; the row has {known}")
    return {name: record[name] for name in names}


def parts_of(questions: Sequence[Question]) -> Iterator[Sequence[Question]]:
    """The questions in parts, in order."""
    for start in range(0, len(questions), _PART):
        yield questions[start : start + _PART]


def _worker(
    run: str, device: str, answer: Callable[[Model, Sequence[Question]], list[Line]]
) -> Callable[[Sequence[Question]], list[Line]]:
    """What a process of its own answers parts with: the model, loaded there once."""
    return partial(answer, Model.from_pretrained(run, device=device))


def answer_part(
    model: Model, questions: Sequence[Question], *, abstain_below: float | None = None, explain: bool = False
) -> list[Line]:
    """A line for each question, in order."""
    lines: list[Line] = []
    for start in range(0, len(questions), _BATCH):
        lines += _answered(model, questions[start : start + _BATCH], abstain_below, explain)
    return lines


def _answered(model: Model, questions: Sequence[Question], abstain_below: float | None, explain: bool) -> list[Line]:
    try:
        found = _read(model, [question.payload for question in questions])
    except InconsistentError as error:  # some question leaves no world: which one shows when each is asked alone
        if len(questions) == 1:
            return [{"origin": questions[0].origin, "answer": None, "impossible": str(error)}]
        return [line for question in questions for line in _answered(model, [question], abstain_below, explain)]
    return [
        _line(model, question, rows, abstain_below, explain) for question, rows in zip(questions, found, strict=True)
    ]


def _line(model: Model, question: Question, rows: Sequence[Row], abstain_below: float | None, explain: bool) -> Line:
    said = {
        query.atom.predicate: _said(query.atom, [row for row in rows if row.atom.signature == query.atom.signature])
        for query in model.queries
    }
    line: Line = {"origin": question.origin, "answer": _by_query(said, 0), "probability": _by_query(said, 1)}
    line["answers"] = [row.to_dict() for row in rows]
    if abstain_below is not None:
        line["abstains"] = _by_query({name: (share < abstain_below,) for name, (_, _, share) in said.items()}, 0)
    if explain and rows:
        told = {part.best.atom.predicate: part.explain().to_dict() for part in model.ask(question.payload).parts}
        line["explanation"] = told if len(said) > 1 else next(iter(told.values()))
    return line


def _said(query: Atom, rows: Sequence[Row]) -> tuple[str | None, float, float]:
    """The best answer to a query, its probability, and its share of all."""
    best = max(rows, key=lambda row: row.p, default=None)
    total = sum(row.p for row in rows)
    if best is None:
        return None, 0.0, 0.0
    return names_of(query, best.atom)[0], best.p, best.p / total if total else 0.0


def _by_query(said: Mapping[str, tuple[Any, ...]], place: int) -> Any:
    """One thing of each query's answer, by its predicate; the thing itself where there is but one query."""
    found = {name: values[place] for name, values in said.items()}
    return found if len(found) > 1 else next(iter(found.values()))


def _count(abstains: bool | Mapping[str, bool] | None) -> int:
    return sum(abstains.values()) if isinstance(abstains, Mapping) else int(abstains or False)


@torch.no_grad()
def _read(model: Model, payloads: Sequence[Payload]) -> list[list[Row]]:
    """The rows of each payload's answer, as `Model.ask` gives them."""
    batch = model.prepare(payloads)
    found = batch.reading(model.leaves(batch))
    p, lower, upper = (values.tolist() for values in (found.p, found.lower, found.upper))
    rows: list[list[Row]] = [[] for _ in payloads]
    for number, query in enumerate(batch.graph.query):
        if batch.is_shared:
            for sample, own in enumerate(rows):
                three = p[sample][number], lower[sample][number], upper[sample][number]
                own.append(row_of(batch.graph, batch.reading, number, *three))
        else:
            rows[query.sample].append(
                row_of(batch.graph, batch.reading, number, p[number], lower[number], upper[number])
            )
    return rows


@contextmanager
def _lines_to(place: Path | None) -> Iterator[Callable[[str], object]]:
    """Where lines go: a file that appears whole at the end, or standard output."""
    if place is None:
        yield sys.stdout.write
        return
    scratch = place.with_name(f".{place.name}.new")
    try:
        with scratch.open("w", encoding="utf-8") as file:
            yield file.write
            file.flush()
            os.fsync(file.fileno())
        os.replace(scratch, place)
    finally:
        scratch.unlink(missing_ok=True)
