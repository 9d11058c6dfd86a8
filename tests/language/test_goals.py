"""ProbLog programs that run from their goals."""

from __future__ import annotations

import pytest

from nesy.errors import QueryError
from nesy.language import check_text, core, parse_program, parse_query


def problog(text: str) -> core.CoreProgram:
    return parse_program(text, dialect="problog")


def test_a_rule_that_needs_its_arguments_is_guarded_by_what_is_asked():
    program = problog("down(0).\ndown(N) :- N > 0, M is N - 1, down(M).\nquery(down(3)).")
    asked = next(signature for signature in program.predicates if signature.name.startswith("asked down"))
    guarded = [rule for rule in program.rules if rule.heads[0].predicate == "down"]
    assert all(rule.body[0].atom.signature == asked for rule in guarded if isinstance(rule.body[0], core.Literal))
    assert [str(fact) for fact in program.facts if fact.signature == asked] == ["'asked down(+)'(3)"]


def test_a_program_that_runs_from_its_facts_is_left_alone():
    program = problog("edge(a, b).\npath(X, Y) :- edge(X, Y).\nquery(path(a, _)).")
    assert not any(" " in signature.name for signature in program.predicates)


def test_another_goal_than_the_stated_ones_is_refused_with_what_to_write():
    program = problog("double(X, Y) :- Y is 2 * X.\nquery(double(4, Y)).")
    assert parse_query("double(4, Z)", program).atom.predicate == "double"
    with pytest.raises(QueryError, match=r"add `query\(double\(5,Z\)\)\.` to the file"):
        parse_query("double(5, Z)", program)


def test_a_goal_that_leaves_open_what_its_rules_need_is_an_error_wherever_it_stands():
    text = "double(X, Y) :- Y is 2 * X.\nq :- double(X, 4).\nquery(q).\nquery(double(_, 4))."
    diagnostics = check_text(text, dialect="problog").diagnostics
    assert [(d.code, d.span.line) for d in diagnostics] == [("N212", 2), ("N212", 4)]


def test_prologs_identity_test_binds_nothing():
    text = "p(X) :- X == a.\nquery(p(X))."
    assert [d.code for d in check_text(text, dialect="problog").diagnostics] == ["N212"]


def test_a_query_with_a_body_asks_for_each_of_its_facts():
    program = problog("a(1). a(2). a(3).\n0.5::p(X) :- a(X).\nquery(p(X)) :- a(X), X > 1.")
    assert [str(query.atom) for query in program.queries] == ["p(2)", "p(3)"]


def test_in_a_nesy_file_the_same_rule_is_unsafe():
    assert [d.code for d in check_text("double(X, Y) :- Y = 2 * X.").diagnostics] == ["N203", "N203"]


def test_what_the_last_of_many_rules_needs_is_asked_of_all_before_it():
    rules = [f"p{i}(X, Y) :- p{i + 1}(X, Y)." for i in range(1500)]  # each more would be a pass over all if it were one
    program = problog("\n".join([*rules, "p1500(X, Y) :- Y is X + 1.", "query(p0(1, _))."]))
    assert [str(fact) for fact in program.facts] == ["'asked p0(+_)'(1)"]
    assert all(core.Signature(f"asked p{i}(+_)", 1) in program.predicates for i in range(1501))
