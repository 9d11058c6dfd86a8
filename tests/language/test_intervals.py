"""`X = 1..5`: the integers of an interval."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nesy
from nesy.errors import ProgramError
from nesy.language import check_text, parse, parse_program
from nesy.language.core import Signature
from nesy.language.pretty import format_text
from nesy.reasoning import evaluate


def rows(text: str, name: str, arity: int) -> list[tuple[object, ...]]:
    return sorted(evaluate(parse_program(text)).get(Signature(name, arity), ()))


def problem(text: str) -> tuple[str, str]:
    (found,) = check_text(text).errors
    return found.code, found.message


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(-40, 40), st.integers(-40, 40)), min_size=1, max_size=4, unique=True))
def test_an_interval_is_the_integers_between_its_ends(ends):
    facts = "".join(f"ends({low}, {high}).\n" for low, high in ends)
    text = f"{facts}in(L, H, X) :- ends(L, H), X = L..H.\n"
    text += "".join(f"same({low}, {high}, {low}..{high}).\n" for low, high in ends)
    expected = sorted((low, high, x) for low, high in ends for x in range(low, high + 1))
    assert rows(text, "in", 3) == rows(text, "same", 3) == expected


def test_an_interval_in_an_atom_stands_for_each_of_its_integers():
    text = "size(3). t(2, a). t(7, b).\np(1..2, 5..6).\nq(X) :- size(N), t(1..N, X).\nr(X, X..X + 1) :- X = 1..2.\n"
    assert rows(text, "p", 2) == [(1, 5), (1, 6), (2, 5), (2, 6)]
    assert [str(x) for (x,) in rows(text, "q", 1)] == ["a"]
    assert rows(text, "r", 2) == [(1, 1), (1, 2), (2, 2), (2, 3)]


def test_an_interval_tests_a_value_that_is_bound():
    text = "n(0). n(3). n(4). n(2.0).\nsmall(X) :- n(X), X = 1..3.\nnext(X) :- n(X), X + 1 = 4..9.\n"
    assert rows(text, "small", 1) == [(3,)]
    assert rows(text, "next", 1) == [(3,), (4,)]


def test_a_probability_before_an_interval_is_that_of_each_integer(tmp_path):
    file = tmp_path / "coins.nesy"
    file.write_text("0.5::coin(1..2).\nboth :- coin(1), coin(2).\n#query both.", encoding="utf-8")
    assert [row.p for row in nesy.load(file).query().rows] == [0.25]


def test_intervals_whose_ends_are_derived_do_not_hold_each_other_up():
    # The end of the second counts what the first gives: no cycle through the aggregate.
    text = "size(3).\nfirst(X) :- size(N), X = 1..N.\nsecond(X) :- N = #count{ Y : first(Y) }, X = 0..N.\n"
    assert rows(text, "second", 1) == [(0,), (1,), (2,), (3,)]


def test_an_interval_may_stand_in_an_aggregate_with_constant_ends():
    assert rows("s(S) :- S = #sum{ X : X = 1..100 }.", "s", 1) == [(5050,)]


def test_an_interval_of_a_million_integers_is_quick():
    assert len(evaluate(parse_program("p(1..1000000).\nq(X) :- p(X), X > 999999.\n"))[Signature("q", 1)]) == 1


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        ("p(X) :- X = 1..N.", "N211", "variable `N` is the end of an interval but never bound"),
        ("n(1).\np(X) :- n(X), not X = 1..3.", "N110", "an interval cannot stand here"),
        ("n(1).\np(X) :- n(X), X < 1..3.", "N110", "an interval cannot stand here"),
        ("p(1.5..3).", "N506", "the ends of an interval are integers"),
        ("p(a..c).", "N506", "the ends of an interval are integers"),
        ("p(1..100000000).", "N506", "this interval has more than 10000000 integers"),
        (
            "n(1).\np(S) :- n(N), S = #count{ X : X = 1..N }.",
            "N110",
            "an interval with variables inside an aggregate cannot stand here",
        ),
    ],
)
def test_an_interval_that_means_nothing_is_refused(text, code, message):
    assert problem(text) == (code, message)


def test_an_end_that_turns_out_to_be_no_integer_is_an_error():
    with pytest.raises(nesy.errors.NesyError, match=r"is not an integer"):
        evaluate(parse_program("n(1.5).\np(X) :- n(N), X = 0..N."))


def test_an_interval_is_formatted_as_it_is_read():
    text = "p(-1..3, X) :- q(N), X = N - 1..2 * N.\n"
    assert format_text(text) == text
    assert parse(format_text(text)).file.statements == parse(text).file.statements


def test_between_of_prolog_is_an_interval():
    text = "p(X) :- between(2, 4, X).\nq(N, X) :- between(1, N, X).\nquery(p(X)).\nquery(q(2, X)).\n"
    program = parse_program(text, dialect="problog")
    assert sorted(evaluate(program)[Signature("p", 1)]) == [(2,), (3,), (4,)]
    assert sorted(evaluate(program)[Signature("q", 2)]) == [(2, 1), (2, 2)]
    assert [d.code for d in check_text("q(N) :- between(1, N, 3).\nquery(q(N)).", dialect="problog").errors] == ["N212"]


def test_a_text_with_a_range_keeps_its_error_where_only_a_value_can_stand():
    with pytest.raises(ProgramError, match="expected"):
        parse_program("p(X) :- X = (1..3).")
