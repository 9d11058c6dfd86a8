"""Whether constraints can hold together, and the smallest set that cannot, against enumeration."""

from __future__ import annotations

import itertools

from hypothesis import given, settings

from nesy.language import parse_program
from nesy.solver import check_constraints
from tests.examples import num_examples

from .random_programs import Example, examples


@settings(max_examples=num_examples(60))
@given(examples(constraints=True))
def test_a_conflict_is_named_exactly_if_no_world_is_right_and_is_smallest(example: Example):
    consistency = check_constraints(parse_program(example.text))
    violated = [set(example.violated(true)) for _, true in example.worlds()]
    numbers = range(len(example.constraints))
    if any(not v for v in violated):
        assert consistency.verdict == "consistent"
        assert consistency.conflict == ()
        return
    assert consistency.verdict == "conflict"
    smallest = min(
        size
        for size in numbers
        for chosen in itertools.combinations(numbers, size + 1)
        if all(v & set(chosen) for v in violated)
    )
    lines = {demand.span.line for demand in consistency.conflict if demand.span}
    first = example.text.count("\n") - len(example.constraints) + 1
    named = {line - first for line in lines}
    assert len(named) == smallest + 1
    assert all(v & named for v in violated)


def test_the_smallest_set_is_named_with_its_places():
    program = parse_program(
        "0.3::a.\n0.4::b.\n:- a, b.\n:- a, not b.\n:- not a, not b.\n:- not a.\n", "rules/four.nesy"
    )
    assert str(check_constraints(program)) == (
        "these cannot hold together:\n  rules/four.nesy:3: :- a, b.\n  rules/four.nesy:4: :- a, not b.\n"
        "  rules/four.nesy:6: :- not a."
    )


def test_one_constraint_that_can_never_hold_stands_alone():
    program = parse_program("p(1). :- p(X), X > 0. 0.5::q. :- q.")
    assert str(check_constraints(program)) == "this can never hold:\n  <text>:1: :- p(X), X > 0."


def test_evidence_takes_part():
    program = parse_program("0.5::rain. wet :- rain. :- wet. evidence(rain).")
    consistency = check_constraints(program)
    assert [demand.kind for demand in consistency.conflict] == ["constraint", "evidence"]


def test_soft_constraints_never_conflict():
    assert check_constraints(parse_program("p. :~ p. [2.0]")).verdict == "consistent"


def test_inputs_are_tried_with_small_databases_and_the_verdict_says_so():
    rules = """
    #input token(index, word).
    #neural polarity(T) -> {positive, negative} :- token(T, _).
    :- polarity(T, positive), T >= 0.
    :- polarity(T, negative).
    """
    consistency = check_constraints(parse_program(rules.replace(", T >= 0", "")))
    assert consistency.verdict == "conflict"
    assert consistency.scope == "over databases of 3 unnamed values per column in which every input has a row"
    assert len(consistency.conflict) == 2
    assert check_constraints(parse_program("#input p(x). #input q(x). :- p(X), q(X).")).verdict == "consistent"


def test_an_unfinished_proof_is_unknown():
    program = parse_program("0.5::n(0). n(X + 1) :- n(X), X < 100000. :- n(99999). 0.5::p. :- p.")
    consistency = check_constraints(program, timeout=0.2)
    assert consistency.verdict == "unknown"
    assert not consistency.holds


def test_where_named_values_are_too_many_to_combine_a_world_without_them_will_do():
    names = " ".join(f'known("w{n}").' for n in range(70))
    rules = f"#input edit(index, word, word). {names} same(V, W) :- edit(_, V, W), known(V), known(W). "
    assert check_constraints(parse_program(rules + ":- same(V, W), V < W.")).verdict == "consistent"
    clash = check_constraints(parse_program(rules + ":- edit(_, V, V). :- edit(_, V, W), V != W."))
    assert clash.verdict == "unknown"  # without the named values nothing is proved
    assert (
        clash.reason
        == "`edit/3` has more than 4096 rows over 1 new value and those that the program names in each column"
    )
