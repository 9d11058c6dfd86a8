"""Test programs of other engines: none is answered differently from what its own engine says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from benchmarks.conformance import clingo, nemo, scallop, souffle
from benchmarks.conformance.outcome import AS_EXPECTED, Outcome
from benchmarks.conformance.run import SUITES
from benchmarks.conformance.words import Unsupported

DATA = Path(__file__).parents[2] / ".." / "shared" / "data"


def outcomes(suite: str) -> list[Outcome]:
    """What became of each case of a suite, none of which may differ."""
    name, cases = SUITES[suite]
    found = _run(name, cases)
    assert [outcome for outcome in found if outcome.verdict == "differs"] == []
    return found


def _run(name: str, cases: Callable[[Path], Iterator[Outcome]]) -> list[Outcome]:
    if not (DATA / name).is_dir():
        pytest.skip(f"the data set {name} is not on this machine")
    return list(cases(DATA / name))


def _agreeing(found: list[Outcome]) -> int:
    return sum(outcome.verdict in ("agrees", AS_EXPECTED) for outcome in found)


def test_problog_programs_agree_or_are_refused():
    assert _agreeing(outcomes("problog")) >= 34


@pytest.mark.slow
def test_souffle_programs_of_rules_arithmetic_and_negation_all_agree():
    found = outcomes("souffle")
    plain = [o for o in found if set(o.features) <= {"arith", "negation"} and o.verdict in ("agrees", "refused")]
    assert [outcome for outcome in plain if outcome.verdict != "agrees"] == []
    assert len(plain) >= 60
    assert sum(outcome.verdict == "agrees" for outcome in found) >= 115


@pytest.mark.parametrize(("suite", "number"), [("nemo", 22), ("clingo", 1), ("scallop", 83)])
def test_programs_of_other_engines_agree_or_are_refused(suite, number):
    assert _agreeing(outcomes(suite)) >= number


def test_the_souffle_translator_tells_variables_from_relations_and_symbols(tmp_path):
    declared = ".decl p(x:number, s:symbol)\n.decl q(x:number)\n.output q\n"
    text = f'{declared}p(-7, "a").\nq(x / 2) :- p(x, "a"), !q(0), x % 4 != 0, x = range(0, 3).\n'
    translation = souffle.translate(text, tmp_path)
    assert translation.text.splitlines() == [
        "#pred 'p'(_, _).",
        "#pred 'q'(_).",
        "'p'(-7, \"a\").",
        "'q'(truncate(Vx / 2)) :- 'p'(Vx, \"a\"), not 'q'(0), (Vx - 4 * truncate(Vx / 4)) != 0, "
        "(Vx = 0..3 - 1; Vx = 3 + 1..0).",
    ]
    with pytest.raises(Unsupported, match=r"\.comp"):
        souffle.translate(".comp A {}", tmp_path)


def test_the_nemo_translator_groups_an_aggregate_by_the_other_terms_of_its_head(tmp_path):
    translation = nemo.translate('p(a, 1) .\nq(?X, #sum(?Y)) :- p(?X, ?Y), ~r(?X, "b") .', tmp_path)
    assert translation.text.splitlines()[3:] == [
        "'p'('a', 1).",
        "'tuples of q 1'(G0, W0) :- 'p'(VX, VY), not 'r'(VX, \"b\"), G0 = VX, W0 = VY.",
        "'q'(G0, R0) :- 'tuples of q 1'(G0, _), R0 = #sum{ W0 : 'tuples of q 1'(G0, W0) }.",
    ]
    with pytest.raises(Unsupported, match="existential"):
        nemo.translate("p(!X) :- q(?Y) .", tmp_path)


def test_the_scallop_translator_reads_sets_of_facts_and_connectives():
    text = 'rel e = {(0, "a"), 0.5::(1, "b")}\nrel 0.3::p(x) = e(x, "a") or (e(x, _) and not p2(x))\nrel p2(7)'
    assert scallop.translate(text).text.splitlines()[3:] == [
        "'e'(0, \"a\").",
        "0.5::'e'(1, \"b\").",
        "0.3::'p'(Vx) :- 'e'(Vx, \"a\"); ('e'(Vx, _), not 'p2'(Vx)).",
        "'p2'(7).",
    ]
    with pytest.raises(Unsupported, match="relation lookup"):
        scallop.translate("rel p(x) = lookup(x)")


def test_the_clingo_translator_changes_numbers_only():
    translation = clingo.translate("h(0x2A, 1..3).\np(X) :- h(X, Y), not q(X), Y < 0b11. % end")
    assert translation.text == "h ( 42 , 1 .. 3 ).\np ( X ) :- h ( X , Y ) , not q ( X ) , Y < 3.\n"
    assert translation.columns == {"h": ("", ""), "p": ("",)}
    with pytest.raises(Unsupported, match="choices between answer sets"):
        clingo.translate("{ a }.")
