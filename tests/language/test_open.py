"""Open predicates: what `#open` says, how it is written, and what is refused."""

from __future__ import annotations

import pytest

from nesy.errors import ProgramError
from nesy.language import check_text, parse_program
from nesy.language.core import Signature
from nesy.language.pretty import format_text


def messages(text: str) -> list[str]:
    return [f"{d.code} {d.span.text}: {d.message} {' '.join(d.hints)}".strip() for d in check_text(text).errors]


def test_the_program_holds_the_open_predicates():
    program = parse_program("#open away/1, -ill/2. p(X) :- away(X). q(X) :- -ill(X, X).")
    assert program.open == {Signature("away", 1), Signature("-ill", 2)}


def test_an_open_predicate_needs_no_rule_but_is_known():
    program = parse_program("#open away/1.\np(X) :- away(X).")
    span = program.predicates[Signature("away", 1)].span
    assert span is not None and (span.line, span.text) == (1, "away/1")


def test_the_formatter_keeps_it():
    assert format_text("#open  p / 1,-q/2,'two words'/0 .") == "#open p/1, -q/2, 'two words'/0.\n"


def test_a_predicate_that_nothing_speaks_of_cannot_be_open():
    assert messages("motive(ann).\n#open motve/1.") == [
        "N201 motve/1: predicate `motve/1` is never defined did you mean `motive`?"
    ]
    assert messages("motive(ann).\n#open motive/2.") == ["N202 motive/2: `motive` has 1 argument, not 2"]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("0.3::ill(ann).\n#open ill/1.", "it has a probability"),
        ("p(ann).\n0.3::ill(X); 0.2::well(X) :- p(X).\n#open well/1.", "it has a probability"),
        ("#input t(i).\n#neural ill(I) :- t(I).\n#open ill/1.", "an encoder decides it"),
    ],
)
def test_what_is_random_cannot_be_open(text: str, what: str):
    (message,) = messages(text)
    assert message.startswith("N512 ") and f"cannot be open: {what}" in message


def test_a_statement_that_is_not_a_name_and_a_number_is_told_what_was_expected():
    with pytest.raises(ProgramError, match="expected `/` and the number of arguments, found `\\(`"):
        parse_program("p(1).\n#open p(1).")
