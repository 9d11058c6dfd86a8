"""A few of the random programs of `benchmarks/agreement.py`: the benchmark runs thousands."""

from __future__ import annotations

import random
from importlib.util import find_spec

import pytest

from benchmarks import agreement


def test_random_programs_agree_with_their_worlds_and_with_problog() -> None:
    can_compile = find_spec("problog") is not None and find_spec("pysdd") is not None  # ProbLog's compiler
    tally = agreement.run(25, with_problog=can_compile)
    assert tally.wrong == []
    assert tally.covers
    assert tally.done["programs ProbLog accepts"] >= 6 * can_compile
    for construct in ("recursion", "negation", "annotated disjunctions", "constraints", "evidence", "aggregates"):
        assert tally.done[f"with {construct}"] >= 2, construct


def test_a_wrong_probability_does_not_go_unnoticed(monkeypatch: pytest.MonkeyPatch) -> None:
    right = agreement.probabilities
    monkeypatch.setattr(agreement, "probabilities", lambda graph: right(graph) * 0.999)
    assert agreement.run(10, with_problog=False).wrong


def test_reordering_keeps_the_literals_of_a_body() -> None:
    line = "t(X,S) :- u(X), S = #sum{Y,Z : e(X,Y), p(Z)}, not q(X)."
    found = {agreement.reordered(line, random.Random(seed)) for seed in range(20)}
    assert len(found) == 6
    assert all("S = #sum{Y,Z : e(X,Y), p(Z)}" in text and text.endswith(".") for text in found)
    assert agreement.reordered("0.5::e(1,2).", random.Random(0)) == "0.5::e(1,2)."
