"""Run the test programs of other engines, and say of each whether it agrees, or what keeps it out.

    python -m benchmarks.conformance.run [problog] [souffle] [--data ../shared/data] [--show]

A case agrees (`agrees`), answers differently (`differs`), is refused with its reason (`refused`), or is a program
that its own engine refuses or warns of, and so does this one (`refused as expected`) or not (`not refused`).
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import nesy
from benchmarks.conformance import souffle
from nesy.errors import InconsistentError, NesyError, ProgramError
from nesy.language import parse_program
from nesy.language.core import Signature
from nesy.reasoning import Limits, evaluate

DATA = Path(__file__).parents[2] / ".." / "shared" / "data"
TOLERANCE = 1e-6
# A test program is small: one that runs longer than this (seconds) would be reported.
SECONDS = 20.0
AS_EXPECTED = "refused as expected"


@dataclass(frozen=True)
class Outcome:
    """What became of a case: agrees, differs, refused, or refused as expected."""

    case: str
    verdict: str
    reason: str = ""
    features: tuple[str, ...] = ()


def problog_cases(folder: Path) -> Iterator[Outcome]:
    """The inference cases; those of learning from interpretations belong elsewhere."""
    for line in (folder / "cases.jsonl").read_text(encoding="utf-8").splitlines():
        case = json.loads(line)
        if case["group"] != "lfi":
            yield problog_case(folder, case)


# The errors that a case may expect, by what is raised here for the same reason.
_SAME_REASON = {
    "UnknownClause": ("N201", "N202"),
    "NegativeCycle": ("N301",),
    "CallModeError": (),
    "InconsistentEvidenceError": ("inconsistent",),
}


def problog_case(folder: Path, case: dict[str, object]) -> Outcome:
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


def souffle_cases(folder: Path) -> Iterator[Outcome]:
    """All cases; a program that must be rejected there has to be rejected here."""
    for line in (folder / "cases.jsonl").read_text(encoding="utf-8").splitlines():
        case = json.loads(line)
        yield souffle_case(folder / case["case"], case)


def souffle_case(place: Path, case: dict[str, object]) -> Outcome:
    """Translate, evaluate, and compare each output relation as a set of rows."""
    name, features = str(case["case"]), tuple(str(feature) for feature in case["features"])  # type: ignore[attr-defined]
    text = (place / f"{place.name}.dl").read_text(encoding="utf-8")
    try:
        translation = souffle.translate(text, place / "facts")
        program = parse_program(translation.text, name)
        relations = evaluate(program, limits=Limits(seconds=SECONDS))
    except souffle.Unsupported as error:
        return Outcome(name, AS_EXPECTED if case["expects_error"] else "refused", f"no {error}", features)
    except ProgramError as error:
        first = error.diagnostics[0]
        verdict = AS_EXPECTED if case["expects_error"] else "refused"
        return Outcome(name, verdict, f"{first.code}: {first.message}", features)
    except NesyError as error:
        return Outcome(name, "refused", str(error).partition("\n")[0], features)
    if case["expects_error"]:
        return Outcome(name, "not refused", "refused or warned of there", features)
    compared = 0
    for output in case["outputs"]:  # type: ignore[attr-defined]
        relation = str(output).removesuffix(".csv")
        columns = translation.columns.get(relation)
        if columns is None:
            return Outcome(name, "refused", "no output files of other names", features)
        rows = relations.get(Signature(relation, len(columns)), ())
        found = {"\t".join(souffle.show(v, k) for v, k in zip(row, columns, strict=True)) for row in rows}
        written = (place / str(output)).read_text(encoding="utf-8")
        if "rfc4180" in text:
            expected = {"\t".join(row) for row in csv.reader(io.StringIO(written))}
        else:
            lines = written.split("\n")
            expected = set(lines[:-1] if lines[-1] == "" else lines)
        if not columns:
            found = {"()"} if len(rows) else set()
        if found != expected:
            example = sorted(found ^ expected)[0]
            side = "missing" if example in expected else "too much"
            return Outcome(name, "differs", f"{relation}: {example!r} {side}", features)
        compared += 1
    printed = place / f"{place.name}.out"
    if printed.is_file() and case["stdout"]:
        lines = printed.read_text(encoding="utf-8").splitlines()
        while lines:
            line = lines.pop(0)
            is_table = line.startswith("-----")
            relation, _, size = (lines.pop(0), "", "") if is_table else line.partition("\t")
            if relation not in translation.columns:
                return Outcome(name, "refused", "no printing of this kind", features)
            columns = translation.columns[relation]
            rows = relations.get(Signature(relation, len(columns)), ())
            if is_table:
                start = 1 if lines[0].startswith("=====") else 2  # a line of column names, in newer outputs
                end = next(i for i, other in enumerate(lines) if other.startswith("=====") and i >= start)
                found = sorted("\t".join(souffle.show(v, k) for v, k in zip(row, columns, strict=True)) for row in rows)
                if found != sorted(lines[start:end]):
                    return Outcome(name, "differs", f"{relation}: {found[:3]}", features)
                del lines[: end + 1]
            elif str(len(rows)) != size:
                return Outcome(name, "differs", f"{relation} has {len(rows)} rows instead of {size}", features)
            compared += 1
    return (
        Outcome(name, "agrees", f"{compared} relations", features)
        if compared
        else Outcome(name, "refused", "no relation to compare", features)
    )


SUITES: dict[str, tuple[str, Callable[[Path], Iterator[Outcome]]]] = {
    "problog": ("problog_tests", problog_cases),
    "souffle": ("souffle_tests", souffle_cases),
}


def main(arguments: list[str]) -> int:
    """Run the suites, print counts, what differs and what is refused; the status says whether anything differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("suites", nargs="*", default=list(SUITES), metavar="suite")
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--show", action="store_true", help="list every case")
    options = parser.parse_args(arguments)
    status = 0
    for suite in options.suites:
        folder, run = SUITES[suite]
        if not (options.data / folder).is_dir():
            print(f"{suite}: {options.data / folder} is not there")
            continue
        outcomes = list(run(options.data / folder))
        counts = Counter(outcome.verdict for outcome in outcomes)
        print(f"\n## {suite}: {len(outcomes)} cases; " + ", ".join(f"{n} {v}" for v, n in counts.most_common()))
        if suite == "souffle":
            runnable = [o for o in outcomes if o.verdict not in (AS_EXPECTED, "not refused")]
            plain = [o for o in runnable if set(o.features) <= {"arith", "negation"}]
            agree = sum(outcome.verdict == "agrees" for outcome in plain)
            print(f"   rules, arithmetic and negation only: {agree} of {len(plain)} agree")
        for outcome in outcomes:
            if options.show or outcome.verdict == "differs":
                print(f"   {outcome.verdict:20} {outcome.case}: {outcome.reason}")
        reasons = Counter(outcome.reason for outcome in outcomes if outcome.verdict == "refused")
        for reason, count in reasons.most_common():
            print(f"   {count:4} refused: {reason}")
        status |= counts["differs"] > 0
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
