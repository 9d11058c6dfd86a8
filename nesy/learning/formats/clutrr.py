"""CLUTRR's stories of kinship: CSV files with names in brackets.

Columns: `text`, the story with its names in brackets; `head` and `tail`, and `relation`, what `tail` is to `head`;
`people` with the sex of each; `links`, what the sentences that decide the answer were written from, each as head, tail,
relation; `steps`, how many these are; `kind`, 1 where there are no others, 2 with supporting, 3 with irrelevant, 4 with
unconnected ones beside them. Relations are words as rules write them (`mother_in_law`), spelt right.

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

_COLUMNS = ("story", "query", "target", "task_name", "story_edges", "edge_types", "genders")
_ASKED = re.compile(r"\(\s*'([^']+)'\s*,\s*'([^']+)'\s*\)")
_TASK = re.compile(r"task_(\d+)\.(\d+)")
_EDGE = re.compile(r"\((\d+), *(\d+)\)")
_QUOTED = re.compile(r"'([^']*)'")
_MISSPELT = {"neice": "niece"}  # in some of the published rows


def read(path: Path) -> dict[str, list[Record]]:
    """The stories of each split."""
    return {split: [one.record for one in stories] for split, stories in read_stories(path).items()}


def read_stories(path: Path) -> dict[str, list[Located]]:
    """The stories of each split, each with where it stands."""
    found = files_by_split(path, [".csv"])
    return {split: [_story(row) for file in files for row in read_records(file)] for split, files in found.items()}


def _story(located: Located) -> Located:
    row = located.record
    missing = [name for name in _COLUMNS if name not in row]
    if missing:
        raise DataError(f"{located.origin}: this is not CLUTRR: the column `{missing[0]}` is missing")
    asked, task = _ASKED.fullmatch(row["query"].strip()), _TASK.fullmatch(row["task_name"].strip())
    people = [one.split(":") for one in row["genders"].split(",") if one]
    if asked is None or task is None or any(len(one) != 2 for one in people):
        raise DataError(f"{located.origin}: not CLUTRR: expected a pair of names, task_1.2 and names with a sex")
    names = [name.strip() for name, _ in people]
    edges = [(int(a), int(b)) for a, b in _EDGE.findall(row["story_edges"])]
    words = _QUOTED.findall(row["edge_types"])
    # Sentences beside the chain have edges, too, which come last and without a word.
    if not len(words) == int(task[2]) <= len(edges) or any(max(edge) >= len(names) for edge in edges):
        raise DataError(f"{located.origin}: columns `story_edges`, `edge_types` and `genders` do not fit together")
    record = {
        "text": row["story"],
        "head": asked[1],
        "tail": asked[2],
        "relation": _word(row["target"]),
        "people": {name: sex.strip() for name, (_, sex) in zip(names, people, strict=True)},
        "links": [[names[a], names[b], _word(word)] for (a, b), word in zip(edges, words, strict=False)],
        "steps": int(task[2]),
        "kind": int(task[1]),
    }
    return Located(record, located.origin)


def _word(written: str) -> str:
    word = written.strip().replace("-", "_")
    return _MISSPELT.get(word, word)
