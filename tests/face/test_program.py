"""A program asked from Python."""

from __future__ import annotations

import pytest

from nesy import Program, String
from nesy.errors import InconsistentError, NesyError, QueryError

FAMILY = "#pred parent(a, b). grandparent(X, Z) :- parent(X, Y), parent(Y, Z). #query grandparent(ann, Who)."


def probabilities(program: Program, query: str | None = None) -> dict[str, float]:
    return {row.text: pytest.approx(row.p, abs=1e-12) for row in program.query(query)}


def test_facts_with_probabilities_come_from_python() -> None:
    program = Program.from_text(FAMILY)
    answer = program.query("grandparent(ann, Who)", {"parent": {("ann", "bob"): 0.9, ("bob", "cy"): 0.8}})
    assert [(str(row["Who"]), round(row.p, 12)) for row in answer] == [("cy", 0.72)]


def test_a_program_never_changes() -> None:
    program = Program.from_text(FAMILY)
    program.with_facts({"parent": [("ann", "bob"), ("bob", "cy")]})
    assert len(program.query()) == 0


def test_text_in_a_row_is_a_symbol_and_string_is_a_string() -> None:
    program = Program.from_text('#pred says(word). sad :- says("no"). happy :- says(no). #query sad. #query happy.')
    assert probabilities(program.with_facts({"says": [("no",)]})) == {"sad": 0.0, "happy": 1.0}
    assert probabilities(program.with_facts({"says": [(String("no"),)]})) == {"sad": 1.0, "happy": 0.0}


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"parnt": [("a", "b")]}, "`parnt/2` is not a predicate of the program; did you mean `parent`?"),
        ({"parent": [("a",)]}, "parent(a): `parent` has 2 columns, not 1"),
        ({"parent": {("a", "b"): 1.5}}, "parent(a,b): probability 1.5 is not between 0 and 1"),
        ({"parent": [("a", True)]}, "True: a truth value is not a constant; use the symbols true and false"),
        ({"parent": ["ab"]}, "parent: a row is a tuple of values, not 'ab'"),
        ({"parent": [("a", None)]}, "None: a constant is a number, text, a Symbol or a list of these"),
    ],
)
def test_facts_that_do_not_fit_are_refused(facts: dict, message: str) -> None:
    with pytest.raises(QueryError) as caught:
        Program.from_text(FAMILY).with_facts(facts)
    assert str(caught.value) == message


def test_impossible_evidence_is_an_error_that_names_it() -> None:
    program = Program.from_text("0.5::a. b :- a. evidence(a, false). evidence(b, true). #query a.")
    with pytest.raises(InconsistentError, match="evidence"):
        program.query()


def test_a_learnable_probability_is_read_at_its_initial_value() -> None:
    program = Program.from_text("t(0.3)::a. 0.2::b; t(0.5)::c; t(_)::d. #query a. #query b. #query c. #query d.")
    assert {text: round(p.expected, 6) for text, p in probabilities(program).items()} == {
        "a": 0.3,
        "b": 0.2,
        "c": 0.5,
        "d": 0.15,  # half of what is left: the other half is that none of the three is chosen
    }


def test_every_error_is_a_nesy_error() -> None:
    with pytest.raises(NesyError):
        Program.from_text(FAMILY).query("grandparnt(X, Y)")
    with pytest.raises(NesyError):
        Program.from_text("p(X) :- q(Y).")
    with pytest.raises(NesyError):
        Program.load("no/such/file.nesy")


def test_answers_display_themselves_in_a_notebook() -> None:
    shown = Program.from_text('0.25::p("<b>"). #query p(X).').query()._repr_html_()
    assert "<td><code>p(&quot;&lt;b&gt;&quot;)</code></td><td>0.25</td><td>exact</td>" in shown
    assert "because" in shown
    assert "no answers" in Program.from_text("p(a) :- q. #input q. #query p(X).").query()._repr_html_()
    truth = Program.from_text("#open q/0. p :- q. #query p.").truth()._repr_html_()
    assert "<td><code>p</code></td><td>unknown</td>" in truth
    assert "a world in which p holds" in truth
