"""Inferred kinds: values are followed from facts through rules, and what never fits is told with both places."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nesy.language import check_text, parse_program
from nesy.language.kinds import kind_of
from nesy.reasoning import evaluate


def told(text: str, dialect: str = "nesy") -> list[tuple[str, list[tuple[str, str]]]]:
    """Code, and text and words of each place."""
    found = check_text(text, dialect=dialect).diagnostics  # type: ignore[arg-type]
    return [(d.code, [(label.span.text, label.text) for label in d.labels]) for d in found]


def test_a_join_of_two_kinds_shows_both_uses_and_where_the_kinds_come_from():
    text = "age(ann, 31).\nname(ann, bob).\np(X) :- age(X, Y), old(Y).\nold(Z) :- name(_, Z).\n"
    assert told(text) == [
        (
            "N706",
            [
                ("old(Y)", "a symbol here"),
                ("age(X, Y)", "an int here"),
                ("age(ann, 31).", "an int from here"),
                ("old(Z)", "a symbol from here"),
            ],
        )
    ]


def test_a_constant_of_a_kind_that_never_comes_is_told():
    assert told('age(ann, 31).\np(X) :- age(X, "31").') == [
        ("N707", [('age(X, "31")', ""), ("age(ann, 31).", "an int here")])
    ]
    assert [code for code, _ in told("age(ann, 31).\n#query age(31, X).")] == ["N707"]
    assert [code for code, _ in told("price(tea, 3).\nfree(X) :- price(X, 0.0).")] == ["N707"]


def test_arithmetic_on_what_is_no_number_is_told():
    assert told("age(ann, young).\np(X) :- age(X, A), A + 1 > 3.") == [
        (
            "N708",
            [("A + 1", ""), ("age(X, A)", "a symbol here"), ("age(ann, young).", "a symbol from here")],
        )
    ]
    assert [code for code, _ in told("n(1).\np(L) :- n(X), L = lower(X).")] == ["N708"]


def test_a_comparison_across_kinds_is_told_and_one_of_numbers_is_not():
    assert [code for code, _ in told('age(ann, 31).\np(X) :- age(X, A), A < "40".')] == ["N709"]
    assert [code for code, _ in told("age(ann, 31).\np(X) :- age(X, A), A != old.")] == ["N709"]
    assert told("age(ann, 31).\np(X) :- age(X, A), A < 40.5.") == []
    (found,) = check_text("age(ann, 31).\np(X) :- age(X, A), A != 31.0.").diagnostics
    assert found.hints[0].startswith("1 and 1.0 are different values")


def test_a_column_of_numbers_and_texts_is_told_unless_it_is_declared():
    assert [code for code, _ in told('age(ann, 31).\nage(bob, "old").\nage(cy, old).')] == ["N710"]
    assert told('#pred age(who, when).\nage(ann, 31).\nage(bob, "old").') == []
    assert told("price(tea, 3).\nprice(cake, 4.5).\nsize([], 0).\nsize(f(a), 1).\nsize(b, 2).") == []


def test_kinds_go_through_recursion_arithmetic_and_aggregates():
    rules = "n(0).\nn(X + 1) :- n(X), X < 5.\nhalf(X / 2) :- n(X).\ntotal(S) :- S = #sum{ X : n(X) }.\n"
    assert told(rules + "p(X) :- total(X), n(X).\nq(Y) :- half(Y), Y > 1.") == []
    assert [code for code, _ in told(rules + "p(X) :- half(X), n(X).")] == ["N706"]
    assert [code for code, _ in told(rules + "most(M) :- M = #max{ X : n(X) }.\np(X) :- most(X), X = a.")] == ["N706"]


@pytest.mark.parametrize(
    "text",
    [
        "#input age(who, years).\np(X) :- age(X, Y), old(Y).\nold(a).",
        "#pred age(who, years).\np(X) :- age(X, Y), old(Y).\nold(a).",
        "#open age/2.\nage(ann, 3).\np(X) :- age(X, Y), old(Y).\nold(a).",
        "p(X) :- q(X), r(X).\nq(X) :- s(X).\n#pred s(x).\nr(1).",
        "q(X, Y) :- p(X), Y = f(X).\np(1).\nr(X) :- q(_, f(X)), p(X).",
    ],
)
def test_what_is_given_from_outside_may_be_of_any_kind(text: str):
    assert told(text) == []


def test_what_an_input_declares_is_used():
    text = "#input age(symbol, int).\np(X) :- age(X, Y), old(Y).\nold(a)."
    assert [code for code, _ in told(text)] == ["N706"]
    head = "#pred age(symbol, int).\nsaid(ann, old).\nage(X, Y) :- said(X, Y)."
    assert told(head) == [
        ("N707", [("age(X, Y)", ""), ("age(symbol, int)", "declared here"), ("said(X, Y)", "a symbol here")])
    ]


def test_a_value_that_an_encoder_never_gives_is_an_error_with_a_near_name():
    text = "#input t(i).\n#neural leans(I) -> {positive, negative} :- t(I).\ngood :- leans(0, positve)."
    (error,) = check_text(text).errors
    assert (error.code, error.message) == ("N510", "`positve` is not of type `{positive, negative}`")
    assert error.hints == ("did you mean `positive`?",)
    digits = "#input t(i).\n#neural shows(I) -> 0..9 :- t(I).\nten :- shows(0, 10)."
    assert [d.message for d in check_text(digits).errors] == ["`10` is not of type `0..9`"]


def test_the_shipped_programs_have_no_mismatch():
    root = Path(__file__).parents[2]
    for path in [*root.glob("rules/*.nesy"), *root.glob("tasks/*/*.nesy")]:
        codes = {d.code for d in check_text(path.read_text(encoding="utf-8"), folder=path.parent).diagnostics}
        assert not codes & {"N706", "N707", "N708", "N709", "N710"}


# -- what is called impossible never happens: random programs ----------------------------------------------

VALUES = st.sampled_from(["1", "2", "1.0", "a", '"a"', "f(1)"])
FACTS = st.lists(
    st.tuples(st.sampled_from("pqr"), VALUES, VALUES).map(lambda t: f"{t[0]}({t[1]}, {t[2]})."), min_size=3, max_size=8
)
TERMS = st.sampled_from(["X", "Y", "Z", "1", "a", '"a"'])
ATOMS = st.tuples(st.sampled_from("pqrs"), TERMS, TERMS).map(lambda t: f"{t[0]}({t[1]}, {t[2]})")
TESTS = st.sampled_from(["X = Y", "X != Y", "X < 2", "Y = 1", "X = 1.0"])
BODIES = st.tuples(st.lists(ATOMS, min_size=1, max_size=2), st.lists(TESTS, max_size=1)).map(lambda t: [*t[0], *t[1]])


@settings(max_examples=60, deadline=None)
@given(FACTS, st.lists(BODIES, min_size=1, max_size=4))
def test_a_rule_that_is_called_impossible_derives_nothing(facts: list[str], bodies: list[list[str]]):
    rules = [f"s(X, {number}) :- p(X, _), {', '.join(body)}." for number, body in enumerate(bodies)]
    rules += [f"fired({number}) :- s(_, {number})." for number in range(len(bodies))]
    text = "#pred s(x, y).\n#pred p(x, y).\n#pred q(x, y).\n#pred r(x, y).\n" + "\n".join([*facts, *rules])
    checked = check_text(text)
    if checked.program is None:
        return
    impossible = {d.span.line for d in checked.warnings if d.code in ("N706", "N707")}
    first = 5 + len(facts)
    from nesy.language.core import Signature

    fired = {row[0] for row in evaluate(parse_program(text)).get(Signature("fired", 1), [])}
    for number in range(len(bodies)):
        assert not (first + number in impossible and number in fired)


@given(st.sampled_from([1, 1.0, "a"]))
def test_each_value_has_one_kind(value: int | float | str):
    assert bin(kind_of(value)).count("1") == 1
