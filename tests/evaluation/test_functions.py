"""The table of functions: meanings, errors, and the order of values."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nesy.language.functions import FUNCTIONS, FunctionError, OrderKey, arities, compare, evaluate, order
from nesy.language.values import Compound, Symbol, format_value, make_list

values = st.recursive(
    st.integers(-5, 5)
    | st.sampled_from([-1.5, 0.0, 1.0, 2.5])
    | st.sampled_from(["", "a", "b"])
    | st.sampled_from([Symbol("a"), Symbol("b")]),
    lambda inner: st.builds(Compound, st.sampled_from("fg"), st.lists(inner, min_size=1, max_size=2).map(tuple)),
    max_leaves=4,
)


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("+", (2, 3), 5), ("-", (2, 3), -1), ("*", (2, 1.5), 3.0), ("/", (6, 2), 3.0), ("//", (-7, 2), -4),
        ("mod", (-7, 2), 1), ("**", (2, 10), 1024), ("**", (2, -1), 0.5), ("min", (2, 1.5), 1.5), ("max", (2, 3), 3),
        ("gcd", (-12, 18), 6), ("gcd", (0, 5), 5),
        ("-", (4,), -4), ("abs", (-4,), 4), ("sign", (-0.5,), -1), ("sqrt", (9,), 3.0), ("float", (1,), 1.0),
        ("integer", (2.9,), 2), ("round", (2.5,), 2), ("floor", (-2.5,), -3), ("ceiling", (2.1,), 3),
        ("/\\", (6, 3), 2), ("length", ("word",), 4), ("length", (make_list([1, 2]),), 2),
        ("length", (Symbol("[]"),), 0),
        ("concat", (Symbol("un"), "kind"), Symbol("unkind")), ("lower", ("ABC",), "abc"),
        ("substring", ("hearing", 1, 3), "ear"), ("starts_with", ("unkind", Symbol("un")), 1),
        ("ends_with", ("unkind", "un"), 0), ("contains", ("unkind", "kin"), 1), ("number", ("12",), 12),
        ("number", (Symbol("1.5"),), 1.5), ("string", (Compound("f", (1, Symbol("a"))),), "f(1,a)"),
        ("symbol", ("two words",), Symbol("two words")),
    ],
)  # fmt: skip
def test_a_function_gives_what_its_sentence_says(name, arguments, expected):
    result = evaluate(name, arguments)
    assert result == expected and type(result) is type(expected)


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("//", (7, 0), "`7 // 0`: division by zero"),
        ("mod", (7, 0), "`7 mod 0`: division by zero"),
        ("/", (1.0, 0), "`1.0 / 0`: division by zero"),
        ("+", (2**63 - 1, 1), "`9223372036854775807 + 1`: the result is beyond 64-bit integers"),
        ("**", (10, 10**9), "`10 ** 1000000000`: the result is too large"),
        ("**", (-8, 0.5), "`-8 ** 0.5`: a negative number has no real power with this exponent"),
        ("*", (1e300, 1e300), "`1e+300 * 1e+300`: the result is not a finite number"),
        ("sqrt", (-1,), "`sqrt(-1)`: no real result"),
        ("+", (Symbol("a"), 1), "`a + 1`: `a` is not a number"),
        ("substring", ("ab", 1.0, 1), '`substring("ab", 1.0, 1)`: `1.0` is not an integer'),
        ("substring", ("ab", 1, 2), '`substring("ab", 1, 2)`: start and length reach outside the text'),
        ("gcd", (4, 1.5), "`gcd(4, 1.5)`: `1.5` is not an integer"),
        ("length", (3,), "`length(3)`: expected a text or a list"),
        ("number", ("1_0",), '`number("1_0")`: the text is not a number'),
    ],
)
def test_a_function_without_result_is_an_error_that_names_the_call(name, arguments, message):
    with pytest.raises(FunctionError) as caught:
        evaluate(name, arguments)
    assert str(caught.value) == message


def test_every_entry_is_found_by_name_and_arity_and_has_a_sentence():
    for (name, arity), function in FUNCTIONS.items():
        assert (function.name, function.arity) == (name, arity)
        assert arity in arities(name)
        assert function.doc.endswith(".") and not function.doc[0].islower()


def test_minus_zero_is_zero():
    assert math.copysign(1, evaluate("*", (-1.0, 0.0))) == 1


@given(values, values)
def test_equality_is_identity_and_complements_inequality(a, b):
    assert compare("=", a, b) == (format_value(a) == format_value(b))
    assert compare("!=", a, b) != compare("=", a, b)


@given(values, values, values)
def test_the_order_is_total_and_transitive(a, b, c):
    assert order(a, b) == -order(b, a)
    assert compare("<", a, b) + compare(">", a, b) + (order(a, b) == 0) == 1
    if order(a, b) <= 0 and order(b, c) <= 0:
        assert order(a, c) <= 0


@given(st.lists(values))
def test_sorting_does_not_depend_on_the_order_given(items):
    def text(xs):
        return [format_value(x) for x in xs]

    assert text(sorted(items, key=OrderKey)) == text(sorted(reversed(items), key=OrderKey))


def test_kinds_of_values_are_ordered_numbers_symbols_strings_compounds():
    ordered = [-1, 0.5, 10, Symbol("a"), Symbol("b"), "a", Compound("z", (1,)), Compound("a", (1, 2))]
    assert sorted(reversed(ordered), key=OrderKey) == ordered
