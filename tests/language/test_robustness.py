"""Whatever the text, the checker says something and comes back."""

from __future__ import annotations

import time

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from nesy.errors import ProgramError
from nesy.language import check_text, parse
from nesy.language.pretty import format_text

TEXT = r"""p q r f X Y _ a 1 2.5 "s" 'q' ( ) [ ] { } , ; . .. : :: :- :~ <- -> = != < <= >= =:= \= is not \+ + -
* / // mod ** | #count #sum
#include #type #pred #input #neural #facts #query #evidence % %* *% true fail query evidence t 0.3"""
WORDS = st.sampled_from([*TEXT.split(), "\n"])
PHASES = (Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink)


@settings(max_examples=150, deadline=None, phases=PHASES)
@given(st.lists(WORDS, max_size=40).map(" ".join), st.sampled_from(["nesy", "problog"]))
def test_any_sequence_of_words_is_checked_without_a_crash(text, dialect):
    checked = check_text(text, dialect=dialect)
    assert (checked.program is None) == bool(checked.errors)
    for diagnostic in checked.diagnostics:
        assert diagnostic.render().startswith(f"{diagnostic.severity}[{diagnostic.code}]")
        assert 0 <= diagnostic.span.start <= diagnostic.span.end <= len(diagnostic.span.source.text)


@settings(max_examples=60, deadline=None, phases=PHASES)
@given(st.text(max_size=60))
def test_any_text_is_checked_without_a_crash(text):
    check_text(text)


@settings(max_examples=60, deadline=None, phases=PHASES)
@given(st.lists(WORDS, max_size=25).map(" ".join))
def test_what_parses_is_formatted_to_the_same_program(text):
    try:
        formatted = format_text(text)
    except ProgramError:
        return
    assert parse(formatted).file.statements == parse(text).file.statements


@pytest.mark.parametrize(
    "text",
    [
        "(" * 200_000,
        "p(" * 50_000 + "a" + ")" * 50_000 + ".",
        "p([" + "a," * 100_000 + "a]).",
        "p :- " + ",".join(["(a;b)"] * 5_000) + ".",
        "p :- " + "not " * 50_000 + "a.",
        "p :- " + "; ".join("a" * 5_000) + ".",
        "p(:-q.\n" * 20_000,
        "'" * 200_000,
        "%*" + "x" * 200_000,
        "p(" + "9" * 200_000 + ").",
        "p(1e" + "9" * 100_000 + ").",
        "p(9 ** 9 ** 9 ** 9).",
        "".join(f"p{i} :- p{i + 1}. " for i in range(3_000)) + "p3000 :- not p0.",
        '#include "' + "x" * 5_000 + '".',
        "p :- " + "\\" * 1_000_000,
        "".join(f"#type t{i} = t{i + 1}. " for i in range(40_000)),
        '#include "a". ' * 20_000,
    ],
    ids=lambda text: text[:12],
)
def test_hostile_texts_come_back_in_bounded_time(text):
    start = time.process_time()
    assert check_text(text).errors
    assert time.process_time() - start < 10


def test_many_comments_of_prolog_that_never_end_take_no_longer_than_one():
    start = time.process_time()
    checked = check_text("/* " * 300_000, dialect="problog")
    assert [(d.code, d.hints) for d in checked.errors] == [("N106", ("close it with `*/`",))]
    assert time.process_time() - start < 5


def test_a_cycle_of_thousands_of_predicates_is_told_by_its_first_steps():
    (error,) = check_text("".join(f"p{i} :- p{i + 1}. " for i in range(3_000)) + "p3000 :- not p0.").errors
    assert len(error.labels) == 50
    assert error.notes[1].startswith("the cycle is p3000/0 <- not p0/0 (<text>:1), p0/0 <- p1/0 (<text>:1), ")
    assert error.notes[1].endswith(", p48/0 <- p49/0 (<text>:1), and 2,951 more")


def test_a_message_about_a_very_long_line_shows_what_is_around_the_place():
    rendered = check_text(f"{'p(a). ' * 5_000}q(. {'p(a). ' * 5_000}").errors[0].render()
    line, caret = rendered.splitlines()[3:5]
    assert len(line) < 220 and line.startswith("1 | ...") and line.endswith("...")
    assert line[caret.index("^")] == "." and line[caret.index("^") - 2 :].startswith("q(. ")


@pytest.mark.parametrize(
    ("text", "code", "problem"),
    [
        ("p :- " + ", ".join(["(a ; b)"] * 8) + ". ", "N110", "one more alternative cannot stand here"),
        ("#type t{i} = 0..99999. ", "N506", "the types and neural predicates of this program have more than 1,000,000"),
        ("p({i}..{i}999999). ", "N506", "the intervals of this program have more than 10,000,000 integers"),
        ("p(X) :- n(N), X = {i}..N. ", "N506", "this program has more than 2,000 different intervals"),
        ("X. ", "N113", "more than 1000 mistakes; the rest is left out"),
        ("p(X) :- n(X), m(Y). ", "N712", "more than 1000 warnings; the rest is left out"),
    ],
)
def test_what_adds_up_over_a_large_file_is_bounded_and_said(text, code, problem):
    count = 10 if "999999" in text else 2_500
    text = "a. b. n(1). m(1). " + "".join(text.replace("{i}", str(i)) for i in range(1, count))
    checked = check_text(text)
    assert any(d.code == code and d.message.startswith(problem) for d in checked.diagnostics)
    assert len(checked.diagnostics) <= 1_001


def test_a_chain_of_equations_binds_its_variables_in_whatever_order_it_is_written():
    chain = [f"X{i} = X{i + 1}" for i in range(3_000)]
    for order in (chain, chain[::-1]):
        assert not check_text(f"q(1). p(X0) :- {', '.join(order)}, q(X3000).").errors
