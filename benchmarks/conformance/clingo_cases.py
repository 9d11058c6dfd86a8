"""clingo's test cases: the one answer set of a program, as a set of atoms."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from benchmarks.conformance import clingo
from benchmarks.conformance.outcome import Outcome, differing, evaluated
from nesy.language.core import Signature, ground_atom


def cases(folder: Path) -> Iterator[Outcome]:
    """All cases of the folder."""
    for file in sorted(folder.glob("*.lp")):
        yield _case(file)


def _case(file: Path) -> Outcome:
    result = evaluated(file.stem, lambda: clingo.translate(file.read_text(encoding="utf-8")))
    if isinstance(result, Outcome):
        return result
    steps, verdict = file.with_suffix(".sol").read_text(encoding="utf-8").split("\n")[1:-1], "SAT"
    if len(steps) != 2 or steps[-1] != verdict:
        return Outcome(file.stem, "refused", "no programs with several answer sets, or none")
    found = {
        str(ground_atom(name, tuple(row)))
        for name, columns in result.translation.columns.items()
        for row in result.relations.get(Signature(name, len(columns)), ())
    }
    if difference := differing(found, set(steps[0].split())):
        return Outcome(file.stem, "differs", difference)
    return Outcome(file.stem, "agrees", f"{len(found)} atoms")
