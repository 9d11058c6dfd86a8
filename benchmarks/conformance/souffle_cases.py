"""Soufflé's test cases: each output relation is compared as a set of rows, and what it prints too."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.conformance import souffle
from benchmarks.conformance.outcome import AS_EXPECTED, Evaluated, Outcome, differing, evaluated
from benchmarks.conformance.souffle_tables import show
from nesy.language.core import Signature


def cases(folder: Path) -> Iterator[Outcome]:
    """All cases; a program that must be rejected there has to be rejected here."""
    for line in (folder / "cases.jsonl").read_text(encoding="utf-8").splitlines():
        case = json.loads(line)
        outcome = _case(folder / case["case"], case)
        yield replace(outcome, features=tuple(case["features"]))


def _case(place: Path, case: dict[str, Any]) -> Outcome:
    name = str(case["case"])
    text = (place / f"{place.name}.dl").read_text(encoding="utf-8")
    result = evaluated(name, lambda: souffle.translate(text, place / "facts"))
    if case["expects_error"]:
        if isinstance(result, Outcome):
            return replace(result, verdict=AS_EXPECTED)
        return Outcome(name, "not refused", "refused or warned of there")
    if isinstance(result, Outcome):
        return result
    problems = [*_files(place, case, result, "rfc4180" in text)]
    problems += _printed(place, case, result)
    if not problems:
        return Outcome(name, "refused", "no relation to compare")
    return next((replace(p, case=name) for p in problems if p.verdict != "agrees"), Outcome(name, "agrees"))


def _rows(result: Evaluated, relation: str) -> list[str]:
    columns = result.translation.columns[relation]
    rows = result.relations.get(Signature(relation, len(columns)), ())
    return ["\t".join(show(v, k) for v, k in zip(row, columns, strict=True)) for row in rows]


def _files(place: Path, case: dict[str, Any], result: Evaluated, is_quoted: bool) -> Iterator[Outcome]:
    """An outcome for each relation that is written to a file."""
    for output in case["outputs"]:
        relation = str(output).removesuffix(".csv")
        columns = result.translation.columns.get(relation)
        if columns is None:
            yield Outcome("", "refused", "no output files of other names")
            continue
        written = (place / str(output)).read_text(encoding="utf-8")
        if is_quoted:
            expected = {"\t".join(row) for row in csv.reader(io.StringIO(written))}
        else:
            lines = written.split("\n")
            expected = set(lines[:-1] if lines[-1] == "" else lines)
        found = set(_rows(result, relation))
        if not columns:
            found = {"()"} if found else set()
        difference = differing(found, expected)
        yield Outcome("", "differs", f"{relation}: {difference}") if difference else Outcome("", "agrees")


def _printed(place: Path, case: dict[str, Any], result: Evaluated) -> Iterator[Outcome]:
    """An outcome for each relation that is printed: its size, or its rows between lines of marks."""
    printed = place / f"{place.name}.out"
    if not printed.is_file() or not case["stdout"]:
        return
    lines = printed.read_text(encoding="utf-8").splitlines()
    while lines:
        line = lines.pop(0)
        is_table = line.startswith("-----")
        relation, _, size = (lines.pop(0), "", "") if is_table else line.partition("\t")
        if relation not in result.translation.columns:
            yield Outcome("", "refused", "no printing of this kind")
            return
        found = _rows(result, relation)
        if is_table:
            start = 1 if lines[0].startswith("=====") else 2  # a line of column names, in newer outputs
            end = next(i for i, other in enumerate(lines) if other.startswith("=====") and i >= start)
            difference = "" if sorted(found) == sorted(lines[start:end]) else f"{sorted(found)[:3]}"
            del lines[: end + 1]
        else:
            difference = "" if str(len(found)) == size else f"{len(found)} rows instead of {size}"
        yield Outcome("", "differs", f"{relation}: {difference}") if difference else Outcome("", "agrees")
