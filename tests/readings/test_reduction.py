"""Least diagrams, and states of loops that dominated atoms tell apart."""

import numpy as np
import pytest
import torch

from nesy.language import parse_program
from nesy.reasoning import Budget, exact, ground
from nesy.reasoning.compilation.formula import FormulaMaker, Loop
from nesy.reasoning.compilation.frontier import compile_frontier
from nesy.reasoning.compilation.reduction import reduced


def diagrams(text: str):
    graph = ground(parse_program(text))
    shape = FormulaMaker(graph).make([query.literal for query in graph.query], graph.evidence.tolist()).shape
    diagram = compile_frontier(shape, Budget().start())
    assert diagram is not None
    return shape, diagram, reduced(diagram, shape)


def masses(diagram, chance: dict[tuple[int, int], float]) -> list[float]:
    """Each target's mass, by going through the edges."""
    mass = np.zeros(diagram.num_states)
    mass[0] = 1.0
    edges = zip(diagram.source, diagram.target, diagram.branch, diagram.outcome, strict=True)
    for source, target, branch, outcome in edges:
        mass[target] += mass[source] * chance[branch, outcome]
    return [float(mass[states].sum()) for states in diagram.holds]


PARITY = (
    " ".join(f"0.{i + 1}::a({i})." for i in range(6))
    + """
    odd(0) :- a(0).  even(0) :- not a(0).
    odd(J) :- odd(I), J = I + 1, place(J), not a(J).  odd(J) :- even(I), J = I + 1, a(J).
    even(J) :- even(I), J = I + 1, place(J), not a(J).  even(J) :- odd(I), J = I + 1, a(J).
    place(0..5). #query odd(5)."""
)


def test_the_least_diagram_of_a_parity_has_two_states_a_level():
    _, _, least = diagrams(PARITY)
    assert len(least.source) == 2 + 4 * 4 + 2  # the last level has one way each that makes it odd


def test_choices_that_decide_nothing_are_left_out():
    _, diagram, least = diagrams(
        "0.5::a. 0.5::b. p :- a, b. p :- a, not b. p :- not a, b. p :- not a, not b, b. q :- p, a. #query q."
    )
    assert set(diagram.branch.tolist()) == {0, 1}
    assert len(set(least.branch.tolist())) == 1 and len(least.source) == 1


def test_a_target_that_no_world_makes_hold_leaves_nothing():
    _, _, least = diagrams("0.5::a. 0.5::b. p :- a, b. q :- a, not b. r :- p, q. s :- r, b. #query s.")
    assert least.num_states == 1 and not len(least.source) and not len(least.holds[0])


@pytest.mark.parametrize("seed", range(8))
def test_targets_keep_their_probabilities(seed: int):
    draw = np.random.default_rng(seed)
    arcs = sorted({(int(a), int(b)) for a, b in draw.integers(0, 6, (11, 2)) if a != b})
    text = (
        " ".join(f"0.5::edge({a},{b})." for a, b in arcs)
        + """
        reach(0). reach(Y) :- reach(X), edge(X, Y). twice(X) :- reach(X), edge(X, Y), reach(Y), X < Y.
        #query reach(_). #query twice(_)."""
    )
    shape, diagram, least = diagrams(text)
    chance = {}
    for branch in range(len(shape.num_outcomes)):
        chance[branch, 0] = draw.random()
        chance[branch, -1] = 1 - chance[branch, 0]
    assert masses(least, chance) == pytest.approx(masses(diagram, chance), abs=1e-12)
    assert len(least.source) <= len(diagram.source)


def test_what_follows_from_a_loop_joins_it():
    text = """0.5::a. 0.5::b. 0.5::c. 0.5::d. p :- a. p :- q, b. q :- p, c. r :- q, d. r :- a, b. s :- r. t :- s, not p.
        #query {}."""
    for asked, size in (("p", 2), ("q", 2), ("r", 3), ("s", 3)):  # `s` is another name for `r`
        graph = ground(parse_program(text.format(asked)))
        shape = FormulaMaker(graph).make([graph.query[0].literal], []).shape
        (loop,) = [gate for gate in shape.gates if isinstance(gate, Loop)]
        assert loop.size == size
    graph = ground(parse_program(text.format("t")))
    found = exact(graph)(torch.from_numpy(graph.choices.probability.copy()))
    assert found.p.item() == 0.0  # whatever makes `r` hold is `a`, or `q` and so `p`


def reached_in_all_worlds(size: int, arcs: list[tuple[int, int]], starts: list[float], p: list[float]) -> np.ndarray:
    """[size] how probable each node is reached, by going through all worlds side by side."""
    number = len(arcs) + size
    world = np.arange(2**number)
    holds = [(world >> i & 1).astype(bool) for i in range(number)]
    weight = np.ones(len(world))
    for bits, chance in zip(holds, [*p, *starts], strict=True):
        weight *= np.where(bits, chance, 1 - chance)
    reached = holds[len(arcs) :]
    for _ in range(size):
        for (a, b), bits in zip(arcs, holds, strict=False):
            reached[b] = reached[b] | (reached[a] & bits)
    return np.array([weight[bits].sum() for bits in reached])


@pytest.mark.parametrize("seed", range(30))
def test_reachability_in_random_graphs_is_that_of_all_worlds(seed: int):
    draw = np.random.default_rng(seed)
    size = 6
    pairs = [(a, b) for a in range(size) for b in range(size) if a != b]
    arcs = [pairs[i] for i in sorted(draw.choice(len(pairs), 9, replace=False).tolist())]
    starts, p = draw.random(size).round(2).tolist(), draw.random(len(arcs)).round(2).tolist()
    text = [f"{chance}::start({i}). reach({i}) :- start({i})." for i, chance in enumerate(starts)]
    text += [f"{chance}::edge({a},{b})." for (a, b), chance in zip(arcs, p, strict=True)]
    text += ["reach(Y) :- reach(X), edge(X, Y)."]
    expected = reached_in_all_worlds(size, arcs, starts, p)
    for asked in (f"#query reach({seed % size}).", "#query reach(_)."):
        graph = ground(parse_program("\n".join([*text, asked])))
        found = exact(graph)(torch.from_numpy(graph.choices.probability.copy())).p
        for query, value in zip(graph.query, found.tolist(), strict=True):
            assert value == pytest.approx(expected[int(str(query.atom)[6:-1])], abs=1e-12)
