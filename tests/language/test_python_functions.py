"""Python functions in rules: typed, handed over by the caller, called once for each combination of arguments."""

from __future__ import annotations

import pytest

import nesy
from nesy.errors import NesyError
from nesy.language import check_text, function, parse_program
from nesy.language.python_functions import FunctionTypeError
from nesy.language.values import Symbol, Value


@function
def double(x: int) -> int:
    """Twice a number."""
    return 2 * x


@function
def near(x: float, y: float) -> bool:
    return abs(x - y) < 1


@function
def shout(word: str) -> str:
    return word.upper()


@function
def quoted(word: str) -> str:
    return nesy.String(word)


@function
def same(value: Value) -> Value:
    return value


def answers(text: str, *functions) -> dict[str, float]:
    return {str(row.atom): row.p for row in nesy.Program.from_text(text, functions=functions).query() if row.p > 0}


def test_functions_compute_in_conditions_and_arguments():
    text = "p(3).  0.5::p(4).\nq(double(X)) :- p(X).\nr(X) :- p(X), double(X) + 1 > 8.\n#query q(X).\n#query r(X)."
    assert answers(text, double) == {"q(6)": 1, "q(8)": 0.5, "r(4)": 0.5}


def test_a_function_that_gives_a_truth_value_is_a_condition():
    text = "p(1). p(1.5). p(4).\nq(X, Y) :- p(X), p(Y), X < Y, near(X, Y).\nr(X) :- p(X), not near(X, 1).\n"
    assert answers(text + "#query q(X, Y).\n#query r(X).", near) == {"q(1,1.5)": 1, "r(4)": 1}


def test_text_goes_in_as_it_is_and_comes_back_as_a_symbol_or_a_string():
    text = 'p(ann). p("bob").\nq(shout(X)) :- p(X).\nr(quoted(X)) :- p(X).\ns(same(f(X))) :- p(X).\n'
    found = answers(text + "#query q(X).\n#query r(X).\n#query s(X).", shout, quoted, same)
    assert set(found) == {"q('ANN')", "q('BOB')", 'r("ann")', 'r("bob")', "s(f(ann))", 's(f("bob"))'}


def test_a_function_is_called_once_for_each_combination_of_arguments():
    calls: list[int] = []

    @function
    def counted(x: int) -> int:
        calls.append(x)
        return x % 2

    text = "p(1). p(2). p(3).\nq(X, Y) :- p(X), p(Y), counted(X) = counted(Y).\n#query q(X, Y)."
    program = nesy.Program.from_text(text, functions=[counted])
    answer = program.query()
    assert len(answer.rows) == 5 and sorted(calls) == [1, 2, 3]
    answer.explain()  # rules, proof and certificate read the same table
    assert sorted(calls) == [1, 2, 3]


def test_the_proof_of_what_a_function_gave_is_certified():
    program = nesy.Program.from_text("0.5::p(3).\nq(double(X)) :- p(X).\n#query q(6).", functions=[double])
    explanation = program.query().explain()
    assert "q(6)" in str(explanation) and "p(3)" in str(explanation) and "Z3" in str(explanation)


def test_an_error_inside_names_the_rule_the_line_and_the_arguments():
    @function
    def inverse(x: float) -> float:
        return 1 / x

    text = "p(2). p(0).\nq(Y) :- p(X), Y = inverse(X).\n#query q(Y)."
    with pytest.raises(NesyError) as error:
        nesy.Program.from_text(text, "a.nesy", functions=[inverse]).query()
    shown = str(error.value)
    assert "`inverse(0)`: ZeroDivisionError in Python: float division by zero" in shown and "a.nesy:2" in shown


def test_a_result_of_another_type_than_annotated_is_an_error():
    @function
    def wrong(x: int) -> int:
        return None  # type: ignore[return-value]

    with pytest.raises(NesyError, match=r"`wrong\(1\)`: it gave None, and its result is annotated `int`"):
        answers("p(1).\nq(wrong(X)) :- p(X).\n#query q(X).", wrong)


def test_an_argument_of_another_type_is_told_when_the_program_is_checked():
    text = "p(ann).\nq(double(X)) :- p(X)."
    (warning,) = check_text(text, functions=[double]).warnings
    assert (warning.code, warning.message) == ("N708", "`double` takes integers, and `X` is a symbol")


def test_a_function_on_constants_is_computed_at_once_with_its_place():
    assert str(parse_program("p(double(4)).", functions=[double]).facts[0]) == "p(8)"
    (error,) = check_text("q.\np(double(a)) :- q.", functions=[double]).errors
    assert (error.code, error.span.line, error.span.text) == ("N210", 2, "double(a)")


def test_a_rule_file_alone_knows_no_python_function():
    assert str(parse_program("p(double(4)).").facts[0]) == "p(double(4))"


def test_an_included_file_under_an_alias_calls_the_same_functions(tmp_path):
    (tmp_path / "lib.nesy").write_text("p(1). p(5).\nq(double(X)) :- p(X), near(X, 1).\n")
    (tmp_path / "main.nesy").write_text('#include "lib" as lib.\n#query lib.q(X).\n')
    program = nesy.load(tmp_path / "main.nesy", functions=[double, near])
    assert [str(row.atom) for row in program.query()] == ["lib.q(2)"]


def _unannotated(x):
    return x


def _listed(x: list) -> int:
    return len(x)


def _many(*xs: int) -> int:
    return sum(xs)


def _nothing() -> int:
    return 1


def length(x: str) -> int:
    return len(x)


@pytest.mark.parametrize(
    ("python", "message"),
    [
        (lambda x: x, "`<lambda>` cannot name a function in rules"),
        (_unannotated, "`_unannotated` cannot name a function in rules"),
        (length, "`length` of 1 arguments is part of the language"),
    ],
)
def test_what_cannot_be_a_function_is_refused(python, message):
    with pytest.raises(FunctionTypeError, match=message):
        function(python)


@pytest.mark.parametrize(
    ("python", "message"),
    [
        (_unannotated, "parameter `x` has no type"),
        (_listed, "parameter `x` has type `list`"),
        (_many, "has to be a plain parameter"),
        (_nothing, "has no parameters"),
    ],
)
def test_what_has_no_type_that_rules_know_is_refused(python, message):
    python.__name__ = python.__name__.lstrip("_")
    with pytest.raises(FunctionTypeError, match=message):
        function(python)


def test_two_functions_of_one_name_are_refused():
    with pytest.raises(FunctionTypeError, match="two functions are called `double`"):
        parse_program("p(1).", functions=[double, double])


def test_a_function_is_still_one_in_python():
    assert double(21) == 42 and near(1, 1.5) and same(Symbol("a")) == Symbol("a")
