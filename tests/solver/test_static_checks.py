"""What Z3 warns of: rules that never fire or add nothing, constraints, and reasoning shortcuts."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nesy.language import parse_program
from nesy.language.core import Signature
from nesy.reasoning import evaluate
from nesy.solver import check_constraints, static_warnings


def told(text: str) -> list[tuple[str, str]]:
    program = parse_program(text)
    return [(d.code, d.span.text) for d in static_warnings(program, check_constraints(program))]


# -- rules ---------------------------------------------------------------------------------------------

OPERATORS = ["<", "<=", ">", ">=", "=", "!="]
SIDES = st.sampled_from(["X", "Y", "X + 1", "Y - 2", "X mod 3", "min(X, Y)", "2 * X", "0", "2", "-1"])
TESTS = st.tuples(SIDES, st.sampled_from(OPERATORS), SIDES).map(" ".join)


@settings(max_examples=25, deadline=None)
@given(st.lists(TESTS, min_size=2, max_size=3))
def test_comparisons_that_are_said_to_contradict_hold_of_no_numbers(tests: list[str]):
    numbers = "".join(f"n({x}). " for x in range(-4, 5))
    text = f"{numbers}p(X, Y) :- n(X), n(Y), {', '.join(tests)}."
    if "N801" in [code for code, _ in told(text)]:
        assert len(evaluate(parse_program(text)).get(Signature("p", 2), [])) == 0


@pytest.mark.parametrize(
    "text",
    [
        "n(1). p(X) :- n(X), X > 2, X < 3.",
        "n(1). p(X) :- n(X), X + 1 <= X, X != 7.",
        "n(1). p(X) :- n(X), X mod 2 = 5, X > 0.",
        "n(a). p(X) :- n(X), n(Y), X < Y, Y < X.",
        "n(1). p :- #count{ X : n(X) } < 0.",
        "n(1). :- n(X), X < 2, X > 5.",
    ],
)
def test_contradictions_are_found(text: str):
    assert [code for code, _ in told(text)] == ["N801"]


def test_what_may_be_a_float_is_no_integer():
    assert told("n(2.5). p(X) :- n(X), X > 2, X < 3.") == []
    assert told("#input n(x). p(X) :- n(X), X > 2, X < 3.") == []


def test_only_the_comparisons_that_contradict_are_shown():
    program = parse_program("n(1). p(X) :- n(X), X < 1, X != 8, n(Y), Y > 3, X > 2.")
    (warning,) = static_warnings(program, check_constraints(program))
    assert [label.span.text for label in warning.labels] == ["X > 2", "X < 1"]


ATOMS = st.tuples(st.sampled_from(["a", "b", "c"]), st.sampled_from("XY"), st.sampled_from("XYZ")).map(
    lambda t: f"{t[0]}({t[1]}, {t[2]})"
)
BODIES = st.tuples(
    st.lists(ATOMS, min_size=1, max_size=3), st.sampled_from([[], ["X < 3"], ["X < 2"], ["X != Y"], ["not d(X)"]])
).map(lambda t: ["n(X)", "n(Y)", *t[0], *t[1]])


@settings(max_examples=15, deadline=None)
@given(
    st.lists(BODIES, min_size=2, max_size=3, unique_by=tuple),
    st.sets(st.tuples(st.sampled_from("abc"), st.integers(0, 3), st.integers(0, 3)), min_size=4, max_size=12),
)
def test_a_rule_that_is_said_to_add_nothing_adds_nothing(bodies: list[list[str]], rows: set[tuple[str, int, int]]):
    facts = "".join(f"n({x}). " for x in range(4)) + "".join(f"{p}({x}, {y}). " for p, x, y in sorted(rows))
    facts += "d(1). a(9, 9). b(9, 9). c(9, 9).\n"
    rules = [f"p(X, Y) :- {', '.join(body)}." for body in bodies]
    redundant = {text for code, text in told(facts + "\n".join(rules)) if code == "N802"}
    kept = [rule for rule in rules if rule not in redundant] or rules[:1]
    before, after = (evaluate(parse_program(facts + "\n".join(some))) for some in (rules, kept))
    assert sorted(before[Signature("p", 2)]) == sorted(after[Signature("p", 2)])


def test_redundant_rules_are_found_and_one_of_two_equals_stays():
    path = "e(1, 2). p(X, Y) :- e(X, Y). p(X, Z) :- p(X, Y), e(Y, Z). "
    assert told(path) == []
    assert told(path + "p(A, B) :- e(A, B), e(B, _).") == [("N802", "p(A, B) :- e(A, B), e(B, _).")]
    assert told(path + "p(A, B) :- p(A, B), e(B, _).") == [("N802", "p(A, B) :- p(A, B), e(B, _).")]
    assert len(told("e(1, 2). f(1). p(X) :- e(X, _), f(X). p(Y) :- f(Y), e(Y, _).")) == 1
    assert told("e(1, 2). 0.5::p(X) :- e(X, _). 0.5::p(X) :- e(X, _).") == []  # two causes


# -- constraints ---------------------------------------------------------------------------------------


def test_a_constraint_that_the_rules_can_never_violate():
    assert told("#input s(x). #input k(x). n(X) :- s(X), not k(X). :- n(X), k(X).") == [("N803", ":- n(X), k(X).")]
    assert told("#input s(x). #input k(x). n(X) :- s(X). :- n(X), k(X).") == []
    assert told("e(1, 2). r(X, Y) :- e(X, Y). r(X, Z) :- r(X, Y), e(Y, Z). :- r(X, X).") == []
    assert told("0.5::e(1, 2). r(X, Y) :- e(X, Y). :- r(X, X).") == []


def test_a_constraint_over_three_different_things_needs_three():
    assert told("#input p(x). :- p(X), p(Y), p(Z), X != Y, Y != Z, X != Z.") == []


def test_constraints_that_no_world_satisfies_come_with_a_smallest_world():
    program = parse_program("0.5::a. 0.5::b. 0.5::c. both :- a, b. :- not both. :- a, b.")
    (warning,) = static_warnings(program, check_constraints(program))
    assert warning.code == "N804" and {label.span.text for label in warning.labels} == {":- not both.", ":- a, b."}
    assert warning.notes[-1] == "in the smallest world where the first holds and the last does not: a, b, both"


def test_inputs_that_make_constraints_clash_are_shown():
    program = parse_program("#input t(i). #input s(i). :- t(X), s(X). :- t(X), not s(X).")
    (warning,) = static_warnings(program, check_constraints(program))
    assert warning.notes[-1].endswith("s(a), t(b)") or warning.notes[-1].endswith("s(b), t(a)")


# -- reasoning shortcuts ---------------------------------------------------------------------------------

IMAGES = "#input image(i).\n#neural bit(I) -> {0, 1} :- image(I).\n"


def test_an_exchange_that_changes_no_answer_is_shown_by_two_labellings():
    text = IMAGES + "same :- bit(0, X), bit(1, X).\n#query same."
    program = parse_program(text)
    (warning,) = static_warnings(program, check_constraints(program))
    assert (warning.code, warning.span.line) == ("N805", 2)
    assert warning.notes[0] == "0 as 1, 1 as 0: both bit(0,0), bit(1,0) and bit(0,1), bit(1,1) give `same`"


@pytest.mark.parametrize(
    "rules",
    [
        "sum(S) :- S = #sum{ X,I : bit(I, X) }. #query sum(S).",
        "same :- bit(0, X), bit(1, X). set :- bit(0, 1). #query same. #query set.",
        "same :- bit(0, X), bit(1, X). :- bit(0, 1). #query same.",
    ],
)
def test_answers_that_tell_the_values_apart_have_no_shortcut(rules: str):
    assert told(IMAGES + rules) == []


def test_a_yes_no_predicate_may_be_learned_the_other_way_round():
    start = "#input t(i).\n#neural n(I) :- t(I).\n"
    text = start + "even :- #count{ I : n(I), t(I) } = 0.\nequal :- t(I), t(J), I < J, n(I), n(J).\n"
    assert told(text + "#query even. #query equal.") == []
    differ = start + "differ :- t(I), t(J), n(I), not n(J).\n#query differ."
    assert [code for code, _ in told(differ)] == ["N805"]


@settings(max_examples=6, deadline=None)
@given(st.sets(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=8))
def test_a_shortcut_is_found_exactly_where_an_exchange_of_values_keeps_all_answers(pairs: set[tuple[int, int]]):
    table = " ".join(f"good({x}, {y})." for x, y in sorted(pairs))
    text = "#input image(i).\n#neural v(I) -> 0..2 :- image(I).\n" + table
    text += "\nyes :- v(0, X), v(1, Y), good(X, Y).\n#query yes."
    silent = {0, 1, 2} - {value for pair in pairs for value in pair}  # of which no answer says anything
    exchanges = [
        maps
        for maps in product(range(3), repeat=3)
        if maps != (0, 1, 2)
        and all(maps[value] == value for value in silent)
        and all(((x, y) in pairs) == ((maps[x], maps[y]) in pairs) for x in range(3) for y in range(3))
    ]
    matters = 0 < len(pairs) < 9
    assert ("N805" in [code for code, _ in told(text)]) == (bool(exchanges) and matters)


def test_values_that_small_inputs_give_no_answer_for_are_not_called_a_shortcut():
    text = """
    #input image(index).
    #neural mark(I) -> {0, 1, 2, plus, minus} :- image(I).
    digit(I, D) :- mark(I, D), D = 0..2.
    value(D) :- digit(0, D), not image(1).
    value(A + B) :- digit(0, A), mark(1, plus), digit(2, B), mark(3, O), O != plus, image(4).
    value(A - B) :- digit(0, A), mark(1, minus), digit(2, B), mark(3, O), O != minus, image(4).
    #query value(V).
    """
    assert told(text) == []  # `plus` and `minus` need five images to be told apart
