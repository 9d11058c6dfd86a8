"""Tables and intervals are facts to Z3 as well: of constraints, properties and certificates."""

from __future__ import annotations

import pytest

import nesy
from nesy.solver import instances


@pytest.fixture
def write(tmp_path):
    def write(text: str, rows: str = "1\n2\n3\n"):
        (tmp_path / "p.csv").write_text(rows)
        path = tmp_path / "rules.nesy"
        path.write_text(text)
        return path

    return write


@pytest.mark.parametrize("source", ["p(1..3).", '#facts p from "p.csv".', "p(1). p(2). p(3)."])
def test_a_constraint_that_facts_violate_is_a_conflict_wherever_they_come_from(write, source):
    report = nesy.check(write(f"{source}\n:- p(A), p(B), A + B = 4."))
    assert report.summary.startswith("failed: this can never hold:")
    assert [d.code for d in report.diagnostics] == ["N804"]


@pytest.mark.parametrize("source", ["p(1..3).", '#facts p from "p.csv".'])
def test_a_constraint_that_chosen_rows_may_violate_is_not_said_to_be_idle(write, source):
    report = nesy.check(write(f"{source}\n0.5::q(X) :- p(X).\n:- q(2)."))
    assert report.summary.endswith("the hard constraint can hold") and not report.diagnostics


def test_a_table_too_large_for_z3_leaves_the_verdict_open(write, monkeypatch):
    monkeypatch.setattr(instances, "MAX_TABLE_ROWS", 2)
    report = nesy.check(write('#facts p from "p.csv".\n:- p(2).'))
    assert report.consistency is not None and report.consistency.verdict == "unknown"
    assert report.consistency.reason == "`p/1` has 3 rows, more than 2"


@pytest.mark.parametrize("source", ["p(1..3).", '#facts p from "p.csv".'])
def test_proofs_with_rows_and_intervals_at_their_leaves_are_certified(write, source):
    program = nesy.load(write(f"{source}\n0.5::r(X) :- p(X).\nq(X) :- r(X), X = 1..2.\ns(X) :- p(X), not r(X)."))
    for query in ("q(X)", "s(X)"):
        answer = program.query(query)
        assert len(answer) >= 2
        for row in answer:
            assert "checked by Z3" in str(answer.explain(row))


def test_rows_of_tables_are_values_to_try_in_small_databases(write):
    rules = '#input seen(thing).\n#facts p from "p.csv".\nhit(X) :- seen(X), p(X).'
    path = write(rules, "red\nblue\n")
    found = nesy.prove(path, never="hit(red)", size=1)
    assert found.verdict == "broken" and found.database == ("seen(red)",)
    assert nesy.prove(path, never="hit(green)", size=1).verdict == "holds"
