"""ProbLog's test cases: each expected probability is compared, to 1e-6."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import nesy
from benchmarks.conformance.outcome import AS_EXPECTED, Outcome
from nesy.errors import InconsistentError, NesyError, ProgramError

TOLERANCE = 1e-6


def cases(folder: Path) -> Iterator[Outcome]:
    """The inference cases; those of learning from interpretations belong elsewhere."""
    for line in (folder / "cases.jsonl").read_text(encoding="utf-8").splitlines():
        case = json.loads(line)
        if case["group"] != "lfi":
            yield _case(folder, case)


# The errors that a case may expect, by what is raised here for the same reason.
_SAME_REASON = {
    "UnknownClause": ("N201", "N202"),
    "NegativeCycle": ("N301",),
    "CallModeError": (),
    "InconsistentEvidenceError": ("inconsistent",),
}


def _case(folder: Path, case: dict[str, object]) -> Outcome:
    """Load and query one program, and compare each expected probability."""
    name = str(case["case"])
    expected_error = case.get("expected_error")
    try:
        answer = nesy.load(folder / f"{name}.pl").query()
    except ProgramError as error:
        codes = tuple(d.code for d in error.diagnostics if d.severity == "error")
        if expected_error and set(codes) <= set(_SAME_REASON.get(str(expected_error), ())):
            return Outcome(name, AS_EXPECTED, str(expected_error))
        return Outcome(name, "refused", f"{codes[0]}: {error.diagnostics[0].message}")
    except InconsistentError as error:
        return Outcome(name, AS_EXPECTED if expected_error == "InconsistentEvidenceError" else "differs", str(error))
    except NesyError as error:
        return Outcome(name, "refused", str(error).partition("\n")[0])
    if expected_error:
        return Outcome(name, "differs", f"{expected_error} was expected")
    got = {_plain(f"\\+{row.atom}" if row.negated else str(row.atom)): row.p for row in answer.rows}
    expected = case["expected"]
    assert isinstance(expected, list)
    for query, probability in expected:
        found = got.get(_plain(query), 0.0)
        if abs(found - float(probability)) > TOLERANCE:
            return Outcome(name, "differs", f"{query}: {found} instead of {probability}")
    return Outcome(name, "agrees")


def _plain(text: str) -> str:
    return "".join(text.split()).replace("'", "")
