"""CLUTRR's stories of kinship: CSV files with names in brackets.

Columns: `text`, the story with its names in brackets; `head` and `tail`, and `relation`, what `tail` is to `head`;
`people` with the sex of each; `steps`, how many relations the answer takes; `kind`, 1 clean, 2 with supporting, 3 with
irrelevant, 4 with unconnected sentences.

Source: Sinha et al., "CLUTRR: A Diagnostic Benchmark for Inductive Reasoning from Text", EMNLP 2019.
"""

from __future__ import annotations

import re
from pathlib import Path

from nesy.errors import DataError
from nesy.learning.data import Located
from nesy.learning.files import read_records
from nesy.learning.formats import Record
from nesy.learning.formats.splits import files_by_split

_PAIR = re.compile(r"\(\s*'([^']+)'\s*,\s*'([^']+)'\s*\)")
_TASK = re.compile(r"task_(\d+)\.(\d+)")


def read(path: Path) -> dict[str, list[Record]]:
    """The stories of each split."""
    found = files_by_split(path, [".csv"])
    return {split: [_story(one) for file in files for one in read_records(file)] for split, files in found.items()}


def _story(located: Located) -> Record:
    row = located.record
    missing = [name for name in ("story", "query", "target", "task_name", "genders") if name not in row]
    if missing:
        raise DataError(f"{located.origin}: this is not CLUTRR: the column `{missing[0]}` is missing")
    pair, task = _PAIR.fullmatch(row["query"].strip()), _TASK.fullmatch(row["task_name"].strip())
    people = [one.split(":") for one in row["genders"].split(",") if one]
    if pair is None or task is None or any(len(one) != 2 for one in people):
        raise DataError(f"{located.origin}: not CLUTRR: expected a pair of names, task_1.2 and names with a sex")
    return {
        "text": row["story"],
        "head": pair[1],
        "tail": pair[2],
        "relation": row["target"],
        "people": dict(people),
        "steps": int(task[2]),
        "kind": int(task[1]),
    }
