"""What only a `.pl` file can say, and what is said of the rest."""

from __future__ import annotations

import nesy
from nesy.language import check_text, parse
from nesy.language.pretty import format_text


def answers(tmp_path, text: str) -> dict[str, float]:
    """The probabilities of a ProbLog program's queries, without what is impossible."""
    file = tmp_path / "program.pl"
    file.write_text(text, encoding="utf-8")
    return {str(row.atom): round(row.p, 9) for row in nesy.load(file).query().rows if row.p}


def problems(text: str) -> list[tuple[str, str]]:
    return [(d.code, d.message) for d in check_text(text, dialect="problog").diagnostics if d.severity == "error"]


# -- aggregates in heads -------------------------------------------------------------------------------

SALARIES = """
:- use_module(library(aggregate)).
pays(ann, a, 10). pays(bob, a, 20). pays(dan, a, 10). 0.5::pays(cy, b, 30). pays(eve, b, 10).
"""


def test_an_aggregate_in_a_head_is_grouped_by_the_other_arguments_and_counts_each_way(tmp_path):
    # 10 is paid twice in a: it counts twice, for the ways to hold differ in the person.
    found = answers(tmp_path, f"{SALARIES}total(D, sum<S>) :- pays(_, D, S).\nquery(total(D, S)).")
    assert found == {"total(a,40)": 1.0, "total(b,10)": 0.5, "total(b,40)": 0.5}
    found = answers(tmp_path, f"{SALARIES}mean(avg<S>) :- pays(P, a, S).\nquery(mean(S)).")
    assert found == {f"mean({40 / 3!r})": 1.0}


def test_a_group_without_members_has_no_aggregate(tmp_path):
    text = "0.3::p(a, 2).\nlow(X, min<N>) :- p(X, N).\nsum_of(sum<N>) :- p(_, N).\n"
    found = answers(tmp_path, f"{text}query(low(X, N)).\nquery(sum_of(N)).")
    assert found == {"low(a,2)": 0.3, "sum_of(2)": 0.3}


def test_an_aggregate_in_a_head_that_means_nothing_is_refused():
    assert problems("p(1).\nq(med<X>) :- p(X).\nquery(q(X)).") == [("N110", "`med<...>` cannot stand here")]
    assert problems("p(1).\n0.5::q(sum<X>) :- p(X).\nquery(q(X)).") == [("N110", "an aggregate cannot stand here")]
    assert [d.code for d in check_text("p(1).\nq(sum<X>) :- p(X).").errors] == ["N110"]


def test_an_aggregate_in_a_head_is_printed_as_it_was_written():
    text = "q(D, sum<X>) :- p(D, X).\n"
    assert format_text(text, dialect="problog") == text
    assert parse(format_text(text)).file.statements == parse(text).file.statements


def test_a_scope_is_printed_and_asked_as_it_is_written(tmp_path):
    text = "0.4::scope1:cell(1, 2).\nscope1:profit :- scope1:cell(1, X), X > 1.\n"
    assert format_text(text, dialect="problog") == text
    file = tmp_path / "scopes.pl"
    file.write_text(f"{text}query(scope1:profit).", encoding="utf-8")
    program = nesy.load(file)
    assert [str(row.atom) for row in program.query().rows] == ["scope1:profit"]
    assert program.query("scope1:profit").rows[0].p == 0.4


# -- lists and goals -----------------------------------------------------------------------------------

LISTS = ":- use_module(library(lists)).\n"


def test_a_predicate_may_be_asked_forwards_and_backwards_in_one_program(tmp_path):
    text = f"{LISTS}split(X, Y) :- append(X, Y, [a, b]).\njoined(L) :- append([a], [b], L).\n"
    found = answers(tmp_path, f"{text}query(split(X, Y)).\nquery(joined(L)).")
    assert found == {"split([],[a,b])": 1, "split([a],[b])": 1, "split([a,b],[])": 1, "joined([a,b])": 1}


def test_a_predicate_of_the_program_that_is_asked_in_two_ways_has_the_same_answers_in_both(tmp_path):
    text = "0.4::e(1). 0.6::e(2).\ncat([], X, X).\ncat([H | T], X, [H | L]) :- cat(T, X, L).\n"
    text += "p(A) :- e(1), cat(A, _, [x, y]), cat(A, [z], [x, z]).\nquery(p(A))."
    assert answers(tmp_path, text) == {"p([x])": 0.4}


def test_a_weighted_choice_from_a_list_takes_each_value_in_proportion_to_its_weight(tmp_path):
    text = f"{LISTS}p(X, R) :- select_weighted(a, [1, 2, 5], [x, y, z], X, R).\nquery(p(X, R))."
    assert answers(tmp_path, text) == {"p(x,[y,z])": 0.125, "p(y,[x,z])": 0.25, "p(z,[x,y])": 0.625}
    text = f"{LISTS}p(X) :- select_uniform(a, [x, y, z, w], X, _).\nquery(p(X))."
    assert answers(tmp_path, text) == {f"p({name})": 0.25 for name in "wxyz"}


def test_of_all_goals_findall_takes_the_numbers_between_two(tmp_path):
    text = f"{LISTS}p(L) :- findall(X, between(2, 4, X), L).\nquery(p(L))."
    assert answers(tmp_path, text) == {"p([2,3,4])": 1}
    for goal in ("between(1, 2, Y)", "e(X)"):
        text = f"{LISTS}e(1).\np(L) :- findall(X, {goal}, L).\nquery(p(L))."
        assert ("N601", "`findall/3` of Prolog is not part of the language") in problems(text)
