"""Exclusion by induction: what has one value in each world is summed without compiling, and nothing else is."""

import random
from itertools import product

import numpy as np
import pytest
import torch

from nesy.language import parse_program
from nesy.reasoning import exact, ground
from nesy.reasoning.compilation import sumproduct
from nesy.reasoning.compilation.formula import And, FormulaMaker, Leaf

STEPS, MARKS, STATES = 4, 3, 5


def automaton(arcs):
    """A program that reads `STEPS` random marks, from state 0; an arc is (state, mark, next state)."""
    choices = ["; ".join(f"{1 / MARKS}::mark({step}, {mark})" for mark in range(MARKS)) + "." for step in range(STEPS)]
    facts = [f"arc({state}, {mark}, {after})." for state, mark, after in arcs]
    rules = ["state(0, 0).", "state(I + 1, B) :- state(I, A), mark(I, M), arc(A, M, B)."]
    return "\n".join([*choices, *facts, *rules, f"reached(A) :- state({STEPS}, A).", "#query reached(A)."])


def read(text):
    graph = ground(parse_program(text), [{}])
    return graph, exact(graph)


def by_enumeration(arcs, p):
    """The chance of each state after the last step: every sequence of marks, followed by hand."""
    chance = dict.fromkeys(range(STATES), 0.0)
    for marks in product(range(MARKS), repeat=STEPS):
        weight = np.prod([p[step, mark] for step, mark in enumerate(marks)])
        reached = {0}
        for mark in marks:
            reached = {after for state, m, after in arcs if m == mark and state in reached}
        for state in reached:
            chance[state] += weight
    return chance


def check(arcs):
    graph, reading = read(automaton(arcs))
    p = np.random.default_rng(0).dirichlet(np.ones(MARKS), STEPS)
    leaf = np.zeros(graph.num_leaves)
    for number, atom in enumerate(map(graph.atom_of, range(graph.num_leaves))):
        step, mark = (argument.value for argument in atom.arguments)
        leaf[number] = p[step, mark]
    found = reading(torch.from_numpy(leaf)).p.tolist()
    expected = by_enumeration(arcs, p)
    asked = {query.atom.arguments[0].value: value for query, value in zip(graph.query, found, strict=True)}
    assert asked == pytest.approx({state: expected[state] for state in asked})
    assert all(expected[state] == 0 for state in set(expected) - set(asked))
    return reading.method


def deterministic(random):
    return [(s, m, random.randrange(STATES)) for s in range(STATES) for m in range(MARKS)]


def test_the_states_of_an_automaton_exclude_each_other_so_nothing_is_compiled():
    arcs = [(s, m, (2 * s + m) % STATES) for s in range(STATES) for m in range(MARKS)]
    assert check(arcs) == "exact"


def test_an_automaton_with_a_choice_of_states_is_compiled():
    arcs = [(s, m, (2 * s + m) % STATES) for s in range(STATES) for m in range(MARKS)]
    assert check([*arcs, (0, 1, 3)]) == "exact (compiled)"


@pytest.mark.parametrize("seed", range(12))
def test_random_automata_agree_with_the_enumeration_of_marks(seed):
    dice = random.Random(seed)
    check(deterministic(dice))
    arcs = dict.fromkeys((dice.randrange(STATES), dice.randrange(MARKS), dice.randrange(STATES)) for _ in range(20))
    check(list(arcs))


SPANS = """
0.2::digit(0, 0); 0.3::digit(0, 1); 0.5::digit(0, 2).
0.4::digit(2, 0); 0.1::digit(2, 1); 0.5::digit(2, 2).
0.3::digit(4, 0); 0.3::digit(4, 1); 0.4::digit(4, 2).
0.4::sign(1, plus); 0.6::sign(1, times).
0.7::sign(3, plus); 0.3::sign(3, times).
term(I, I, D) :- digit(I, D).
term(I, J + 2, V * D) :- term(I, J, V), sign(J + 1, times), digit(J + 2, D).
sum(J, V) :- term(0, J, V).
sum(K, V + W) :- sum(I, V), sign(I + 1, plus), term(I + 2, K, W).
#query sum(4, V).
"""


def test_values_of_a_grammar_are_summed_although_readings_differ_in_where_they_split():
    graph, reading = read(SPANS)
    assert reading.method == "exact"
    digits = [(0.2, 0.3, 0.5), (0.4, 0.1, 0.5), (0.3, 0.3, 0.4)]
    expected = {}
    for a, b, c in product(range(3), repeat=3):
        for (value, p, q) in [
            (a + b + c, 0.4, 0.7), (a + b * c, 0.4, 0.3), (a * b + c, 0.6, 0.7), (a * b * c, 0.6, 0.3)
        ]:  # fmt: skip
            expected[value] = expected.get(value, 0) + p * q * digits[0][a] * digits[1][b] * digits[2][c]
    found = reading(torch.from_numpy(graph.choices.probability)).p.tolist()
    values = [query.atom.arguments[1].value for query in graph.query]
    assert dict(zip(values, found, strict=True)) == pytest.approx(expected)


def test_two_readings_of_one_line_do_not_exclude_each_other():
    # (A + B) * C and A + B * C, both in every world: nothing tells the two ways apart, so they are compiled.
    graph, reading = read("""
        0.2::digit(0, 0); 0.3::digit(0, 1); 0.5::digit(0, 2).
        0.4::digit(1, 0); 0.1::digit(1, 1); 0.5::digit(1, 2).
        0.3::digit(2, 0); 0.3::digit(2, 1); 0.4::digit(2, 2).
        left(A + B) :- digit(0, A), digit(1, B).
        right(B * C) :- digit(1, B), digit(2, C).
        value(V * C) :- left(V), digit(2, C).
        value(A + V) :- digit(0, A), right(V).
        #query value(V).
    """)
    assert reading.method == "exact (compiled)"
    digits = [(0.2, 0.3, 0.5), (0.4, 0.1, 0.5), (0.3, 0.3, 0.4)]
    expected = {}
    for a, b, c in product(range(3), repeat=3):
        for value in {(a + b) * c, a + b * c}:
            expected[value] = expected.get(value, 0) + digits[0][a] * digits[1][b] * digits[2][c]
    found = reading(torch.from_numpy(graph.choices.probability)).p.tolist()
    values = [query.atom.arguments[0].value for query in graph.query]
    assert dict(zip(values, found, strict=True)) == pytest.approx(expected)


def test_a_family_is_claimed_only_where_at_most_one_member_holds_in_each_world():
    """Every claim about a random automaton's atoms, against all worlds."""
    dice, claims = random.Random(7), 0
    for _ in range(10):
        arcs = [(dice.randrange(STATES), dice.randrange(MARKS), dice.randrange(STATES)) for _ in range(9)]
        graph = ground(parse_program(automaton(list(dict.fromkeys(arcs)))), [{}])
        maker = FormulaMaker(graph)
        formula = maker.make([query.literal for query in graph.query if query.literal is not None], [])
        if not formula.shape.targets:
            continue
        shape = formula.shape
        families = sumproduct.families(formula)
        groups = {}
        for literal, numbers in families.members().items():
            for number in numbers:
                groups.setdefault(number, []).append(literal)
        for marks in product(*(range(size + 1) for size in shape.num_outcomes)):
            held = []
            for gate in shape.gates:
                match gate:
                    case Leaf(branch, outcome):
                        held.append(marks[branch] == outcome)
                    case _:
                        inputs = gate.inputs if isinstance(gate, And) else ()
                        held.append(all(held[i >> 1] != bool(i & 1) for i in inputs))
            for members in groups.values():
                claims += 1
                assert sum(held[m >> 1] != bool(m & 1) for m in members) <= 1
    assert claims > 500
