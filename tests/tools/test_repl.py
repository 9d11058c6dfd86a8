"""Talking to the prompt."""

from __future__ import annotations

import pytest

from nesy.tools.repl import Quit, Session, run


def said(*lines: str) -> Session:
    session = Session()
    for line in lines:
        assert session.handle(line) == "", line
    return session


def test_facts_and_rules_are_said_and_goals_are_asked():
    session = said(
        "0.5::edge(a, b).", "0.5::edge(b, c).", "path(X, Y) :- edge(X, Y).", "path(X, Z) :- edge(X, Y), path(Y, Z)."
    )
    assert session.handle("?- path(a, W).") == "path(a,b)  0.5\npath(a,c)  0.25"
    assert session.handle("path(c, a)?") == "no"


def test_a_statement_may_go_over_several_lines():
    session = said("p(a).", "q(X) :-")
    assert session.prompt == "...> "
    assert session.handle("p(X).") == ""
    assert session.handle("?- q(X).") == "q(a)  1"


def test_a_mistake_is_told_and_changes_nothing():
    session = said("p(a).")
    assert "N203" in session.handle("q(X) :- p(Y).")
    assert "expected" in session.handle("q(X :- p(X).")
    assert session.said == ["p(a)."]


def test_a_rule_may_come_before_what_it_uses():
    session = Session()
    assert session.handle("q(X) :- p(X).") == "note: predicate `p/1` is never defined, so far"
    assert "N201" in session.handle("?- q(X).")
    assert session.handle("p(a).") == ""
    assert session.handle("?- q(X).") == "q(a)  1"


def test_the_last_word_is_taken_back():
    session = said("p(a).", "p(b).")
    assert session.handle(":undo") == "took back: p(b)."
    assert session.handle("?- p(X).") == "p(a)  1"


def test_a_proof_is_shown():
    session = said("0.3::rain.", "wet :- rain.")
    text = session.handle(":explain wet")
    assert text.startswith("wet  0.3") and "rain" in text and "<prompt>:2" in text


def test_files_are_taken_in(tmp_path):
    path = tmp_path / "family.nesy"
    path.write_text("parent(ann, bob).\nchild(X, Y) :- parent(Y, X).\n")
    session = Session()
    assert session.handle(f":load {path}") == f"took in {path}: 1 rules, 1 facts"
    assert session.handle("?- child(X, ann).") == "child(bob,ann)  1"
    assert "there is no such file" in session.handle(":load nowhere.nesy")


def test_completion_offers_what_was_said():
    session = said("grandparent(ann, cy).")
    assert session.completions("grand") == ["grandparent"]
    assert session.completions(":un") == [":undo"]


def test_leaving_ends_the_talk():
    with pytest.raises(Quit):
        Session().handle(":quit")
    lines = iter(["p(a).", "?- p(X).", ":quit"])
    output: list[str] = []
    run(lambda _: next(lines), output.append)
    assert output[1:] == ["p(a)  1"]
