"""Nemo's test cases: each exported relation is compared with its table."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path

from benchmarks.conformance import nemo
from benchmarks.conformance.outcome import Outcome, differing, evaluated
from nesy.language.core import Signature


def cases(folder: Path) -> Iterator[Outcome]:
    """All cases of the folder."""
    for line in (folder / "cases.jsonl").read_text(encoding="utf-8").splitlines():
        yield _case(folder, json.loads(line))


def _case(folder: Path, case: dict[str, list[str]]) -> Outcome:
    name = str(case["case"])
    program = folder / str(case["program"])
    result = evaluated(name, lambda: nemo.translate(program.read_text(encoding="utf-8"), program.parent))
    if isinstance(result, Outcome):
        return result
    for file in case["expected"]:
        relation = Path(file).stem
        arity = len(result.translation.columns.get(relation, ()))
        rows = result.relations.get(Signature(relation, arity), ())
        found = {"\t".join(nemo.show(value) for value in row) for row in rows}
        written = (folder / file).read_text(encoding="utf-8")
        expected = {"\t".join(row) for row in csv.reader(io.StringIO(written)) if row}
        if difference := differing(found, expected):
            return Outcome(name, "differs", f"{relation}: {difference}")
    return Outcome(name, "agrees", f"{len(case['expected'])} relations")
