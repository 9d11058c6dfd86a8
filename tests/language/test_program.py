"""From text to core program: what each construct becomes."""

from __future__ import annotations

import math

import pytest

from nesy.errors import NesyError, ProgramError
from nesy.language import check_text, core, load_program, parse_program, parse_query
from nesy.language.core import Signature
from nesy.language.values import Symbol


def codes(text: str, dialect: str = "nesy") -> list[str]:
    return [d.code for d in check_text(text, dialect=dialect).diagnostics]  # type: ignore[arg-type]


def test_facts_keep_their_values_and_types():
    program = parse_program("p(1, 1.0, \"a\", b, 'B c', -3, f(a, [1, 2]), 1 + 2).")
    assert str(program.facts[0]) == "p(1,1.0,\"a\",b,'B c',-3,f(a,[1,2]),3)"


def test_an_annotated_disjunction_is_chosen_for_each_grounding_of_all_variables():
    program = parse_program("0.3::e(X); 0.2::f(X) :- a(X, Z), b(Z, _). a(1, 2). b(2, 3).")
    (rule,) = program.rules
    assert rule.choice is not None
    assert [variable.name for variable in rule.choice.key][:2] == ["X", "Z"]
    assert len(rule.choice.key) == 3
    assert not rule.choice.exhaustive


def test_a_neural_predicate_has_one_outcome_for_each_value_and_is_keyed_by_its_arguments_only():
    program = parse_program("#input token(i, w). #neural polarity(T) -> {pos, neg} :- token(T, W).")
    (rule,) = program.rules
    assert [str(head) for head in rule.heads] == ["polarity(T,pos)", "polarity(T,neg)"]
    assert rule.choice is not None and rule.choice.exhaustive and rule.choice.key == (core.Variable("T"),)
    assert program.neural["polarity"].values == (Symbol("pos"), Symbol("neg"))
    assert program.predicates[Signature("polarity", 2)].kind == "neural"


def test_a_soft_constraint_of_weight_w_forgives_with_e_to_the_minus_w():
    program = parse_program("a. b. :~ a, b. [1.5]")
    (rule,) = program.constraints
    assert rule.choice is not None
    (weight,) = rule.choice.weights
    assert isinstance(weight, core.Fixed) and isinstance(weight.probability, core.Constant)
    assert weight.probability.value == pytest.approx(1 - math.exp(-1.5), abs=1e-15)


def test_strong_negation_keeps_both_sides_apart():
    program = parse_program("q(a). p(a). -p(X) :- q(X).")
    (constraint,) = program.constraints
    assert [str(literal.atom) for literal in constraint.body if isinstance(literal, core.Literal)] == [
        "p(X1)",
        "-p(X1)",
    ]


def test_arithmetic_in_atoms_moves_to_comparisons():
    program = parse_program("n(1). p(X + 1) :- n(X), n(2 * X).")
    (rule,) = program.rules
    assert all(isinstance(term, core.Variable) for term in rule.heads[0].arguments)
    assert sum(isinstance(literal, core.Comparison) for literal in rule.body) == 2


def test_an_aggregate_is_grouped_by_the_variables_it_shares():
    program = parse_program("d(a). w(a, 3). t(D, S) :- d(D), S = #sum{ W : w(D, W) }.")
    (aggregate,) = [literal for literal in program.rules[0].body if isinstance(literal, core.Aggregate)]
    assert aggregate.group == (core.Variable("D"),)
    assert aggregate.result == core.Variable("S")


def test_components_come_after_what_they_depend_on():
    program = parse_program("a :- b, not c. b :- d. c :- d, c. d.")
    order = [component.predicates[0].name for component in program.components]
    assert order.index("d") < order.index("c") < order.index("a")
    assert [c.is_recursive for c in program.components if c.predicates[0].name == "c"] == [True]


def test_negation_with_an_anonymous_variable_asks_for_any_value():
    program = parse_program("p(a). q(a, b). r(X) :- p(X), not q(X, _).")
    rule = next(rule for rule in program.rules if rule.heads[0].predicate == "r")
    literal = rule.body[-1]
    assert isinstance(literal, core.Literal) and literal.negated and len(literal.atom.arguments) == 1
    assert " " in literal.atom.predicate


def test_problog_syntax_is_read_in_its_dialect():
    program = parse_program(
        "0.4::a; 0.6::b <- c. c. d(X) :- e(X), X =\\= 1, X \\== 2, Y is X + 1, Y =< 4, \\+ a. e(1).\n"
        "query(d(_)). evidence(\\+b). query(\\+a).",
        dialect="problog",
    )
    assert len(program.queries) == 2 and program.queries[1].negated
    assert program.evidence[0].holds is False


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("p(X) :- q(Y). q(a).", ["N203"]),
        ("p(X) :- q(X), not r(Y). q(a). r(a).", ["N204"]),
        ("p(X) :- q(X), Y < 3. q(a).", ["N205"]),
        ("p(X) :- q(X), qq(X). q(a).", ["N201"]),
        ("p(X) :- q(X, a). q(a).", ["N202"]),
        ("p :- not q. q :- p.", ["N301"]),
        ("p(N) :- N = #count{ X : p(X) }.", ["N302"]),
        ("1.5::p.", ["N401"]),
        ("0.5::p; 0.6::q.", ["N402"]),
        ("p; q.", ["N403"]),
        ("p(X) :- q(X) r(X). q(a).", ["N102"]),
    ],
)
def test_each_mistake_has_its_code(text: str, expected: list[str]):
    assert codes(text) == expected


def test_all_mistakes_are_reported_in_the_order_of_the_file():
    text = "p(X :- q(X).\nr(X) :- s(X).\n1.5::t.\nu(X) :- not v(X).\n"
    diagnostics = check_text(text).diagnostics
    assert [(d.code, d.span.line) for d in diagnostics] == [
        ("N102", 1),
        ("N201", 2),
        ("N401", 3),
        ("N203", 4),
        ("N201", 4),
    ]


def test_a_cycle_through_negation_is_printed_with_the_place_of_each_edge():
    checked = check_text("win(X) :- move(X, Y),\n  not lose(Y).\nlose(X) :- win(X).\nmove(a, b).", "game.nesy")
    (diagnostic,) = checked.diagnostics
    assert diagnostic.notes[1] == "the cycle is win/1 <- not lose/1 (game.nesy:2), lose/1 <- win/1 (game.nesy:3)"


def test_a_query_about_an_unknown_predicate_names_the_nearest(tmp_path):
    program = parse_program("grandparent(a, b).")
    with pytest.raises(ProgramError) as error:
        parse_query("grandparnt(a, X)", program)
    assert "did you mean `grandparent`?" in str(error.value)
    assert "1 | grandparnt(a, X)." in str(error.value)


@pytest.mark.parametrize("data", [b"", b"  \n", b"\0\1\2", b"p(\xff\xfe).", None])
def test_a_file_that_is_no_text_gives_one_clear_error(tmp_path, data):
    path = tmp_path / "rules.nesy"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(NesyError) as error:
        load_program(path)
    assert str(error.value).startswith(f"cannot read `{path}`: ")


def test_spans_of_included_files_point_into_them(tmp_path):
    (tmp_path / "base.nesy").write_text("edge(a, b).\n\npath(X, Y) :- edge(X, Y).\n")
    main = tmp_path / "main.nesy"
    main.write_text('#include "base".\nquery(path(a, X)).\n')
    program = load_program(main)
    (rule,) = program.rules
    assert rule.span is not None and rule.span.place == f"{tmp_path / 'base.nesy'}:3"


def test_includes_in_a_circle_are_refused_with_the_circle(tmp_path):
    (tmp_path / "a.nesy").write_text('#include "b".\np.\n')
    (tmp_path / "b.nesy").write_text('#include "a".\nq.\n')
    with pytest.raises(ProgramError) as error:
        load_program(tmp_path / "a.nesy")
    assert "the circle is `a.nesy` -> `b.nesy` -> `a.nesy`" in str(error.value)


def test_hostile_nesting_is_a_diagnostic_and_not_a_crash():
    assert codes("p(" + "f(" * 5000 + "a" + ")" * 5001 + ".") == ["N107"]
    assert codes("p(X) :- X = " + "-" * 5000 + "1.")[0] == "N107"
    assert codes("p(X) :- X = " + "+".join("1" * 5000) + ".")[0] == "N107"
    assert codes("p([" + ",".join("a" * 3000) + "]).") == ["N107"]


def test_a_library_may_declare_what_the_including_program_gives_as_input(tmp_path):
    (tmp_path / "lib.nesy").write_text("#pred token(i, word).\nlong(I) :- token(I, W), length(W) > 5.\n")
    for text in ('#include "lib".\n#input token(i, word).\n', '#input token(i, word).\n#include "lib".\n'):
        program = parse_program(text, folder=tmp_path)
        assert program.predicates[Signature("token", 2)].kind == "input"


def test_warnings_do_not_hinder_a_program():
    checked = check_text("p(a). q(X) :- p(X), r(Y). r(b). #query q(X).")
    assert checked.program is not None
    assert [d.code for d in checked.warnings] == ["N701"]


def test_a_constant_of_another_type_shows_the_declaration():
    checked = check_text("#type size = 1..3.\n#pred box(symbol, size).\nbox(a, 2). box(b, 4).\np(X) :- box(X, 5).")
    assert [(d.code, d.span.line, d.labels[1].span.line) for d in checked.errors] == [("N510", 3, 2), ("N510", 4, 2)]


def test_a_column_word_that_is_no_type_is_only_a_name():
    assert check_text("#pred parent(person, person).\nparent(ann, 3).").diagnostics == ()


def test_two_libraries_that_define_the_same_predicate_are_told_apart(tmp_path):
    (tmp_path / "a.nesy").write_text("head(ann).\n")
    (tmp_path / "b.nesy").write_text("head(X) :- boss(X).\nboss(bob).\n")
    checked = check_text('#include "a".\n#include "b".\n', folder=tmp_path)
    assert [d.code for d in checked.errors] == ["N514"]
    assert check_text('#include "a".\nhead(cy).\n', folder=tmp_path).diagnostics == ()
