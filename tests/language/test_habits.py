"""Programs as people write them who know another language, or none: each mistake's place, and the fix it names."""

from __future__ import annotations

import pytest

from nesy.language import check_text

PROGRAMS = [
    # Prolog
    ("a.\nb :- a, !.", "N110", "!", "rules are sets here: their order does not matter, so nothing has to be cut"),
    (":- dynamic p/1.", "N102", "p", "remove it: `dynamic` has no counterpart here, and needs none"),
    ("?- p(X).", "N104", "?", "ask by `#query path(a, X).`"),
    (
        "n(1).\nold(X) :- n(X), (X > 60 -> true ; fail).",
        "N110",
        "->",
        "write two rules, one with the condition and one with `not` before it",
    ),
    (
        "p(1).\na(L) :- findall(X, p(X), L).",
        "N201",
        "findall(X, p(X), L)",
        "count, sum, min, max and avg are aggregates",
    ),
    (
        ":- use_module(library(x)).",
        "N201",
        "use_module(library(x))",
        "remove it: `#include` reads rules of other files",
    ),
    (
        "len([_|T], N) :- len(T, M), N is M + 1.",
        "N203",
        "_",
        "keep the program in a `.pl` file, whose rules are run from",
    ),
    # clingo
    ("#const n = 5.", "N110", "#const", "write the number itself where it is used, or keep it in a fact: `size(5).`"),
    ("#show p/1.", "N110", "#show", "say what to answer by queries: `#query color(N, C).`"),
    ("#minimize { X : p(X) }.", "N110", "#minimize", "say what should be rare by soft constraints: `:~ p(X). [1.5]`"),
    ("n(1).\n{ p(X) } :- n(X).", "N110", "{", "write the alternatives with probabilities: `0.5::a; 0.5::b.`"),
    ("p(1;2;3).", "N102", ";", "write a fact for each: `p(1). p(2).`; a run of integers is an interval: `p(1..3).`"),
    ("a | b.", "N102", "|", "the alternatives of a choice are separated by `;`, each with its probability"),
    ("a.\n:~ a. [1@2]", "N104", "@", "a soft constraint has a weight and no level: `:~ a. [1.5]`"),
    # Soufflé
    (".decl edge(x: number)", "N102", ".", "declare a predicate by `#pred edge(int, int).`, or leave that out"),
    ("#input edge(x: int).", "N102", ":", "a column is written by its name or its type alone: `edge(int, int)`"),
    ("n(1).\nq(X) :- n(X), !p(X).", "N110", "!", "negation is written `not p(X)`"),
    # no language of this kind
    ("Parent(ann, bob).", "N109", "Parent", "predicate names start with a small letter: `parent`"),
    ("n(1).\np(X) :- n(X), Small(X).", "N109", "Small", "predicate names start with a small letter: `small`"),
    ("if rain then wet.", "N102", "rain", "a rule starts with what it concludes: `wet :- rain.`"),
    ("rain -> wet.", "N102", "->", "a rule starts with what it concludes: `wet :- rain.`"),
    ("wet <= rain.", "N102", "<=", "a rule starts with what it concludes: `wet :- rain.`"),
    ("rain = 0.3.", "N102", "=", "a fact that may hold has its probability before it: `0.3::rain.`"),
    ("a.\nb :- a and a.", "N102", "and", "and is written `,` between conditions"),
    ("a.\nb :- a || a.", "N102", "|", "or is written `;` between conditions"),
    ("a.\nb :- a && a.", "N104", "&", "and is written `,` between conditions"),
    ("n(1).\nb :- n(X), X => 1.", "N102", ">", "at least is written `>=`"),
    ("not sunny :- rain.", "N102", "not", "that something is false is a predicate of its own: `-sunny :- rain.`"),
    ("p(a)., p(b).", "N102", ",", "the statement before has its full stop: remove the `,`"),
    ("p(a),\np(b).", "N102", ",", "a head is one atom: end a fact with `.`, and write a rule for each conclusion"),
    ("# a remark\np(a).", "N104", "#", "a comment starts with `%`"),
    ("// a remark\np(a).", "N102", "//", "a comment starts with `%`"),
    ("30% :: rain.\na.", "N102", "0", "`%` starts a comment; thirty percent is written `0.3::`"),
    ("#type color = red, green.", "N102", ",", "list the values in braces: `#type color = {red, green}.`"),
    ("#fact p from 'x.csv'.", "N110", "#fact", "did you mean `#facts`?"),
    ("#neural digit(I) -> 0..9.", "N203", "I", "`#neural digit(I) -> 0..9 :- p(I).`"),
]


@pytest.mark.parametrize(("text", "code", "place", "fix"), PROGRAMS, ids=lambda value: value[:24])
def test_a_habit_of_another_language_is_told_with_the_way_to_say_it_here(text, code, place, fix):
    first = check_text(text).errors[0]
    assert (first.code, first.span.text) == (code, place)
    assert any(fix in hint for hint in first.hints), first.render()


def test_a_rule_written_with_another_arrow_is_told_which_one_is_meant():
    (error,) = check_text("p(1).\nq(X) := p(X).").errors
    assert (error.message, error.span.text) == ("expected `:-`, found `:=`", ":=")


def test_every_statement_without_its_full_stop_is_told_in_one_run():
    checked = check_text("p(a)\np(b)\np(c)\nq(X) :- p(X) p(X).\nr(X) :- p(X.")
    assert [(d.code, d.span.line) for d in checked.errors] == [("N102", n) for n in (1, 2, 3, 4, 5)]
