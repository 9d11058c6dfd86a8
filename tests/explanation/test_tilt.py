"""Which decisions would make another answer the most probable: against reading the graph with each of them."""

from __future__ import annotations

import pytest
import torch

from nesy.explanation import tilt
from nesy.language import parse_program
from nesy.reasoning import exact, ground


def test_one_decision_is_enough_and_the_most_probable_of_those_is_named():
    program = parse_program(
        "0.6::a. 0.3::b. yes :- a. yes :- b. no :- not yes. 0.9::c. yes :- c, b. query(yes). query(no)."
    )
    graph = ground(program)
    # P(yes) = 1 - 0.4 * 0.7 = 0.72; without a: 0.3, so the answer is no; without b: 0.6, without c: 0.72
    change = tilt(exact(graph), torch.from_numpy(graph.choices.probability), range(2))
    assert change.verdict == "found"
    assert [str(c) for c in change.changes] == ["not a instead of a"]
    assert change.instead == ("no",)
    assert change.odds == pytest.approx(0.4 / 0.6)


def test_two_decisions_where_one_is_not_enough():
    program = parse_program("0.9::a. 0.8::b. yes :- a. yes :- b. no :- not yes. query(yes). query(no).")
    graph = ground(program)
    change = tilt(exact(graph), torch.from_numpy(graph.choices.probability), range(2))
    assert {str(c) for c in change.changes} == {"not a instead of a", "not b instead of b"}


def test_more_than_two_are_not_claimed():
    program = parse_program(
        "0.9::a. 0.9::b. 0.9::c. yes :- a. yes :- b. yes :- c. no :- not yes. query(yes). query(no)."
    )
    graph = ground(program)
    change = tilt(exact(graph), torch.from_numpy(graph.choices.probability), range(2))
    assert (change.verdict, change.reason) == ("unknown", "no two decisions alone would change it")
