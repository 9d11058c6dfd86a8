"""Public data formats, by name: each read into plain records, one JSON object a line, that any task can take.

A reader is a function

    read(path: Path) -> Mapping[str, Iterable[Mapping[str, Any]]]

that gives the records of each split (train, dev, test) of a file or folder: JSON values under column names. What it
cannot read it refuses with a DataError that says where. A package of the user's own adds one by an entry point in the
group `nesy.formats`; nothing of it is imported before it is asked for.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeAlias

from nesy import run_folder
from nesy.errors import DataError, near_name

GROUP = "nesy.formats"
BUILT_IN: Mapping[str, str] = MappingProxyType(
    {
        "babi": "nesy.learning.formats.babi:read",
        "clutrr": "nesy.learning.formats.clutrr:read",
        "conll": "nesy.learning.formats.conll:read",
        "idx": "nesy.learning.formats.idx:read",
        "sst": "nesy.learning.formats.sst:read",
        "triples": "nesy.learning.formats.triples:read",
    }
)

Record: TypeAlias = Mapping[str, Any]
Reader: TypeAlias = Callable[[Path], Mapping[str, Iterable[Record]]]


@dataclass(frozen=True)
class Imported:
    """What was written: how many records of each split, and where."""

    folder: Path
    rows: Mapping[str, int]

    def to_dict(self) -> dict[str, Any]:
        """As JSON data."""
        return {"folder": str(self.folder), "rows": dict(self.rows)}

    def __str__(self) -> str:
        return "\n".join(f"{self.folder / f'{split}.jsonl'}: {count:,} rows" for split, count in self.rows.items())


def import_data(name: str, source: str | Path, folder: str | Path) -> Imported:
    """Write the records of a public format as one .jsonl file a split.

    Raises: DataError for an unknown format, a source that is not of it, or files that are there already.
    """
    path, place = Path(source), Path(folder)
    if not path.exists():
        raise DataError(f"{path}: there is no such file or folder")
    read = find_format(name)(path)
    if not read:
        raise DataError(f"{path}: nothing in it is of the format `{name}`")
    taken = [split for split in read if (place / f"{split}.jsonl").exists()]
    if taken:
        raise DataError(f"{place / f'{taken[0]}.jsonl'}: is there already, and is not overwritten")
    texts = {
        split: [json.dumps(record, ensure_ascii=False, allow_nan=False) + "\n" for record in records]
        for split, records in read.items()
    }
    place.mkdir(parents=True, exist_ok=True)
    for split, lines in texts.items():
        run_folder.write_text(place / f"{split}.jsonl", "".join(lines))
    return Imported(place, {split: len(lines) for split, lines in texts.items()})


def format_names() -> list[str]:
    """All names that `find_format` knows."""
    return sorted({*BUILT_IN, *(point.name for point in entry_points(group=GROUP))})


def find_format(name: str) -> Reader:
    """The reader of a format.

    Raises: DataError for a name that nothing offers.
    """
    if name in BUILT_IN:
        module, _, attribute = BUILT_IN[name].partition(":")
        return getattr(import_module(module), attribute)
    for point in entry_points(group=GROUP, name=name):
        return point.load()
    known = format_names()
    near = near_name(name, known)
    hint = f"did you mean `{near}`?" if near else f"there are {', '.join(known)}"
    raise DataError(f"there is no format `{name}`: {hint}")
