"""Random programs: through parse, format and parse; through check; and against an enumeration of all worlds.

    python -m benchmarks.random_programs --count 10000 [--seed 0] [--kind syntax] [--kind words] [--kind answers]

The strategies are those of the tests, and the oracle too (`tests/evaluation/worlds.py`: it goes through the worlds of
a program one by one and shares no code with the engine). Programs with too many worlds for it, or with numbers
that 64 bits cannot hold, are counted apart.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import Counter
from collections.abc import Callable

os.environ.setdefault("OMP_NUM_THREADS", "1")

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from nesy.errors import InconsistentError
from nesy.language import check_text, parse, parse_program
from nesy.language.pretty import format_text, pretty
from nesy.program import Program
from tests.evaluation.programs import program
from tests.evaluation.worlds import as_row, worlds
from tests.language.test_pretty import STATEMENTS
from tests.language.test_robustness import WORDS

MAX_WORLDS = 300
TOLERANCE = 1e-9


def syntax(statements: list[object]) -> str:
    """A tree that is printed, parsed, formatted and parsed again is the same; checking it says something."""
    text = "\n".join(pretty(statement) for statement in statements)  # type: ignore[arg-type]
    parsed = parse(text)
    assert not parsed.diagnostics, parsed.diagnostics[0].render()
    assert parsed.file.statements == tuple(statements)
    formatted = format_text(text)
    assert parse(formatted).file.statements == tuple(statements)
    assert format_text(formatted) == formatted
    return words(text)


def words(text: str) -> str:
    """Whatever the text, the checker says something and comes back."""
    checked = check_text(text)
    assert (checked.program is None) == bool(checked.errors)
    for diagnostic in checked.diagnostics:
        assert diagnostic.render()
        assert 0 <= diagnostic.span.start <= diagnostic.span.end <= len(diagnostic.span.source.text)
    return "refused" if checked.errors else "a program"


def answers(lines: list[str]) -> str:
    """The formatted program is the same program, and its probabilities are those of all worlds added up."""
    text = "\n".join(lines)
    assert parse(format_text(text)).file.statements == parse(text).file.statements
    core = parse_program(format_text(text))
    total, chance = 0.0, Counter[tuple[object, ...]]()
    for number, (weight, _, model) in enumerate(worlds(core)):
        if number >= MAX_WORLDS:
            return "too many worlds"
        violates = any(row[0].startswith(":-") for row in model)
        unlike = any((as_row(e.atom) in model) != e.holds for e in core.evidence)
        if violates or unlike:
            continue
        total += weight
        for row in model:
            chance[row] += weight
    try:
        rows = Program(core).query().rows
    except InconsistentError:
        assert total < TOLERANCE, f"worlds of probability {total} are left"
        return "no world is left"
    assert total > 0, "no world is left, and it answers"
    asked = {query.atom.predicate for query in core.queries}
    expected = {row: weight / total for row, weight in chance.items() if row[0] in asked}
    found = {as_row(row.atom): row.p for row in rows}
    for row in expected.keys() | found.keys():
        assert abs(expected.get(row, 0.0) - found.get(row, 0.0)) < TOLERANCE, (row, expected.get(row), found.get(row))
    return "agrees"


KINDS: dict[str, tuple[st.SearchStrategy[object], Callable[..., str]]] = {
    "syntax": (st.lists(STATEMENTS, max_size=4), syntax),
    "words": (st.lists(WORDS, max_size=40).map(" ".join), words),
    "answers": (program(), answers),
}


def run(kind: str, count: int, number: int) -> Counter[str]:
    """Try so many random programs; what became of them. A failure is raised with the smallest program that shows it."""
    strategy, claim = KINDS[kind]
    outcomes: Counter[str] = Counter()

    @seed(number)
    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def check(example: object) -> None:
        outcomes[claim(example)] += 1

    check()
    return outcomes


def main(arguments: list[str]) -> int:
    """Run the kinds that are asked for, and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kind", action="append", choices=list(KINDS))
    options = parser.parse_args(arguments)
    for kind in options.kind or KINDS:
        start = time.process_time()
        outcomes = run(kind, options.count, options.seed)
        shown = ", ".join(f"{count} {outcome}" for outcome, count in outcomes.most_common())
        seconds = time.process_time() - start
        print(f"{kind}, seed {options.seed}: {outcomes.total()} programs: {shown} ({seconds:.0f} s)", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
