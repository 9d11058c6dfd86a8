"""Data that a task folder does not hold: what `--data PATH` and `--unlabelled FILE` name.

A folder is read as one file a split, told by `train`, `dev` or `valid`, and `test` in the files' names; where there
is no test file, the dev file is the test and a share of the training rows takes dev's place, so that nothing is ever
chosen on the rows that are reported. A single file is cut into train, dev and test. A CSV or TSV file whose first
line does not name the task's answer column has no header: SST and its like, where the column whose every value is a
known label is the answer and the other one is the input.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from nesy.errors import DataError
from nesy.learning.data import Located, Row, make_rows
from nesy.learning.files import SUFFIXES, kind_of, read_records, read_text
from nesy.learning.schema import DataTable
from nesy.learning.seeding import permutation

_WORDS = {"train": "train", "training": "train", "dev": "dev", "valid": "dev", "validation": "dev", "test": "test"}
_TEST_SHARE = 0.1  # of a single file that has to serve for all splits


def import_rows(path: Path, data: DataTable) -> dict[str, list[Row]]:
    """The rows of each split that a folder or a file of the user's gives.

    Raises: DataError.
    """
    if path.is_dir():
        found = {split: make_rows(labelled_records(file, data), data) for split, file in _files(path).items()}
        if "test" not in found and "dev" in found:
            found["test"] = found.pop("dev")
        return found
    rows = make_rows(labelled_records(path, data), data)
    order = permutation(len(rows), 0, "test")
    num_test = max(1, round(len(rows) * _TEST_SHARE)) if len(rows) > 2 else 0
    test = sorted(order[:num_test])
    chosen = set(test)
    return {"train": [row for i, row in enumerate(rows) if i not in chosen], "test": [rows[i] for i in test]}


def import_unlabelled(path: Path, data: DataTable) -> list[Row]:
    """Rows without an answer: a text file is one input a line."""
    name = input_column(data)
    if kind_of(path) in (".csv", ".tsv") and not _has_header(path, name):
        records = [Located({name: line.record[name]}, line.origin) for line in _headerless(path, data)]
    else:
        records = read_records(path, text_column=name)
    return make_rows(records, data, labelled=False)


def input_column(data: DataTable) -> str:
    """The column that a single text goes to."""
    return data.input[0] if data.input else "text"


def labelled_records(path: Path, data: DataTable) -> list[Located]:
    """The records of one file with answers, with or without a header."""
    kind = kind_of(path)
    if kind == ".txt":
        raise DataError(f"{path}: a .txt file has no answers; labelled rows come as .jsonl, .csv or .tsv")
    if kind == ".jsonl" or any(_has_header(path, column) for column in data.answer_columns):
        return read_records(path)
    return _headerless(path, data)


def _files(folder: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for file in sorted(folder.iterdir()):
        suffix = Path(file.name.removesuffix(".gz")).suffix.lower()
        if not file.is_file() or suffix not in SUFFIXES or suffix == ".txt":
            continue
        for word in re.split(r"[^a-z]+", file.name.lower()):
            split = _WORDS.get(word)
            if split is None:
                continue
            if split in found:
                raise DataError(
                    f"{folder}: both `{found[split].name}` and `{file.name}` look like {split} rows: "
                    "put the files of one data set into a folder, or name one file"
                )
            found[split] = file
            break
    if "train" not in found:
        raise DataError(f"{folder}: no .jsonl, .csv or .tsv file in this folder has `train` in its name")
    return found


def _has_header(path: Path, column: str) -> bool:
    return column in [cell.strip().strip('"') for cell in re.split(r"[\t,]", _first_line(path))]


def _first_line(path: Path) -> str:
    return next((line for line in read_text(path).splitlines() if line.strip()), "")


def _headerless(path: Path, data: DataTable) -> list[Located]:
    columns = data.columns
    if not columns and data.answers:
        raise DataError(f"{path}: the first line names no column of an answer ({', '.join(data.answer_columns)})")
    if not columns:
        width = len(re.split("\t" if kind_of(path) == ".tsv" else ",", _first_line(path)))
        if width != 2:
            raise DataError(
                f"{path}: the first line does not name the column `{data.answer}`, and which of {width} columns "
                "is which cannot be told: give the file a header, or name `columns` in [data] of task.toml"
            )
        columns = ("first", "second")
    records = read_records(path, header=False, columns=columns)
    if data.columns:
        return records
    answer = _label_column(records, data)
    text = input_column(data)
    other = "first" if answer == "second" else "second"
    return [Located({text: r.record[other], data.answer: r.record[answer]}, r.origin) for r in records]


def _label_column(records: Sequence[Located], data: DataTable) -> str:
    """Which of two columns holds labels; the second, as in most data sets, where both or neither might."""
    known = {*data.labels, *data.labels.values()}
    share = {
        name: sum(str(located.record[name]).strip() in known for located in records) / len(records)
        for name in ("first", "second")
    }
    return "first" if share["first"] > share["second"] else "second"
