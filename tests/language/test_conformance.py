"""Test programs of other engines: none is answered differently from what its own engine says."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.conformance.run import AS_EXPECTED, problog_cases, souffle_cases
from benchmarks.conformance.souffle import Unsupported, translate

DATA = Path(__file__).parents[2] / ".." / "shared" / "data"


def _folder(name: str) -> Path:
    folder = DATA / name
    if not folder.is_dir():
        pytest.skip(f"the data set {name} is not on this machine")
    return folder


def test_problog_programs_agree_or_are_refused():
    outcomes = list(problog_cases(_folder("problog_tests")))
    assert [outcome for outcome in outcomes if outcome.verdict == "differs"] == []
    assert sum(outcome.verdict in ("agrees", AS_EXPECTED) for outcome in outcomes) >= 34


@pytest.mark.slow
def test_souffle_programs_of_rules_arithmetic_and_negation_agree():
    outcomes = list(souffle_cases(_folder("souffle_tests")))
    assert [outcome for outcome in outcomes if outcome.verdict == "differs"] == []
    plain = [outcome for outcome in outcomes if set(outcome.features) <= {"arith", "negation"}]
    assert sum(outcome.verdict == "agrees" for outcome in plain) >= 60
    assert sum(outcome.verdict == "agrees" for outcome in outcomes) >= 105


def test_the_translator_tells_variables_from_relations_and_symbols(tmp_path):
    declared = ".decl p(x:number, s:symbol)\n.decl q(x:number)\n.output q\n"
    text = f'{declared}p(-7, "a").\nq(x / 2) :- p(x, "a"), !q(0), x % 4 != 0.\n'
    translation = translate(text, tmp_path)
    assert translation.text.splitlines() == [
        "#pred 'p'(_, _).",
        "#pred 'q'(_).",
        "'p'(-7, \"a\").",
        "'q'(truncate(Vx / 2)) :- 'p'(Vx, \"a\"), not 'q'(0), (Vx - 4 * truncate(Vx / 4)) != 0.",
    ]
    with pytest.raises(Unsupported, match=r"\.comp"):
        translate(".comp A {}", tmp_path)
