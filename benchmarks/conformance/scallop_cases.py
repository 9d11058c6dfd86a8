"""Scallop's test cases: relations are compared as sets, tags with probabilities where the provenance adds proofs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.conformance import scallop
from benchmarks.conformance.outcome import AS_EXPECTED, Evaluated, Outcome, differing, evaluated
from benchmarks.conformance.words import Unsupported
from nesy.errors import NesyError, ProgramError
from nesy.language.core import Signature
from nesy.language.values import Compound, Symbol, Value
from nesy.program import Program

TOLERANCE = 1e-4  # of the expected tags, which are given in few digits


def cases(folder: Path) -> Iterator[Outcome]:
    """All cases of the folder."""
    for line in (folder / "cases.jsonl").read_text(encoding="utf-8").splitlines():
        case = json.loads(line)
        yield _case(str(case["id"]), case)


def _case(name: str, case: dict[str, Any]) -> Outcome:
    if "expected_tagged" in case:
        return _tagged(name, case)
    result = evaluated(name, lambda: scallop.translate(case["program"]))
    if case.get("expected_error"):
        return _expected_error(name, result)
    if isinstance(result, Outcome):
        return result
    asked = iter(result.translation.inputs)
    for key, rows in case["expected"].items():
        relation = next(asked, "") if "(" in key else key
        arity = len(result.translation.columns.get(relation, ()))
        found = {_shown(row) for row in result.relations.get(Signature(relation, arity), ())}
        expected = {_shown(row) for row in rows}
        if difference := differing(found, expected):
            if {" ".join(row.split()) for row in found} == {" ".join(row.split()) for row in expected}:
                return Outcome(name, "refused", "the case's program was indented anew, its strings too")
            return Outcome(name, "differs", f"{key}: {difference}")
    return Outcome(name, "agrees", f"{len(case['expected'])} relations")


def _expected_error(name: str, result: Evaluated | Outcome) -> Outcome:
    if isinstance(result, Outcome):
        return Outcome(name, AS_EXPECTED, result.reason)
    return Outcome(name, "not refused", "refused there")


def _tagged(name: str, case: dict[str, Any]) -> Outcome:
    if case["provenance"] != "add_mult_prob":
        return Outcome(name, "refused", f"no provenance {case['provenance']}: probabilities here are exact")
    try:
        translation = scallop.translate(case["program"])
        program = Program.from_text(translation.text, name)
        for relation, rows in case["expected_tagged"].items():
            columns = ", ".join(f"X{i}" for i in range(len(translation.columns[relation])))
            answer = program.query(f"'{relation}'({columns})" if columns else f"'{relation}'")
            found = {_shown(tuple(row.bindings.values())): row.p for row in answer.rows if row.p > 0}
            expected = {_shown(row): float(tag) for tag, row in rows}
            if difference := differing(set(found), set(expected)):
                return Outcome(name, "differs", f"{relation}: {difference}")
            for row, tag in expected.items():
                if abs(found[row] - tag) > TOLERANCE:
                    return Outcome(name, "differs", f"{relation} {row}: {found[row]} instead of {tag}")
    except Unsupported as error:
        return Outcome(name, "refused", f"no {error}")
    except ProgramError as error:
        first = error.diagnostics[0]
        return Outcome(name, "refused", f"{first.code}: {first.message}")
    except NesyError as error:
        return Outcome(name, "refused", str(error).partition("\n")[0])
    return Outcome(name, "agrees", f"{len(case['expected_tagged'])} relations")


def _shown(row: list[Any] | tuple[Value, ...]) -> str:
    return "\t".join(_value(value) for value in row)


def _value(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case float():
            return f"{value:.6g}f"
        case Symbol(name):
            return name
        case Compound():
            return str(value)
        case _:
            return str(value)
