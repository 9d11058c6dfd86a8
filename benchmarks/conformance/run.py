"""Run the test programs of other engines, and say of each whether it agrees, or what keeps it out.

    python -m benchmarks.conformance.run [problog souffle nemo clingo scallop] [--data ../shared/data] [--show]

A case agrees (`agrees`), answers differently (`differs`), is refused with its reason (`refused`), or is a program
that its own engine refuses or warns of, and so does this one (`refused as expected`) or not (`not refused`).
"""

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

from benchmarks.conformance import clingo_cases, nemo_cases, problog_cases, scallop_cases, souffle_cases
from benchmarks.conformance.outcome import AS_EXPECTED, Outcome

DATA = Path(__file__).parents[2] / ".." / "shared" / "data"

SUITES: dict[str, tuple[str, Callable[[Path], Iterator[Outcome]]]] = {
    "problog": ("problog_tests", problog_cases.cases),
    "souffle": ("souffle_tests", souffle_cases.cases),
    "nemo": ("nemo_tests", nemo_cases.cases),
    "clingo": ("clingo_tests", clingo_cases.cases),
    "scallop": ("scallop_cases", scallop_cases.cases),
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
        folder, cases = SUITES[suite]
        if not (options.data / folder).is_dir():
            print(f"{suite}: {options.data / folder} is not there")
            continue
        outcomes = list(cases(options.data / folder))
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
