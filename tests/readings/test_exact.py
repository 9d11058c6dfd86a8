"""Exact probabilities agree with the enumeration of worlds, and so do their gradients."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nesy.errors import InconsistentError
from nesy.language import parse_program
from nesy.reasoning import ground
from nesy.reasoning.derivation import DerivationGraph, GroundAggregate
from nesy.reasoning.readings.exact import exact
from tests.readings.graphs import Draft, drafts


def leaves(draft: Draft) -> torch.Tensor:
    return torch.tensor(draft.probability, dtype=torch.float64)


def assert_agrees(draft: Draft) -> None:
    expected, given_chance = draft.probabilities()
    answer = exact(draft.graph())(leaves(draft), where_impossible="nan")
    for p, lower, upper, evidence, e, g in zip(
        *(t.tolist() for t in (answer.p, answer.lower, answer.upper, answer.evidence)),
        expected,
        given_chance,
        strict=True,
    ):
        assert evidence == pytest.approx(g, abs=1e-9)
        if g > 1e-12:
            assert p == pytest.approx(e, abs=1e-9)
            assert lower == pytest.approx(e, abs=1e-9) and upper == pytest.approx(e, abs=1e-9)


@settings(max_examples=200)
@given(drafts())
def test_any_small_graph_agrees_with_world_enumeration(draft: Draft) -> None:
    assert_agrees(draft)


def through_scores(draft: Draft, scores: np.ndarray) -> np.ndarray:
    """Leaf probabilities from unconstrained scores: a softmax per choice, with a score of 0 for the rest."""
    parts: list[np.ndarray] = []
    at = 0
    for size, has_rest, _ in draft.choices:
        e = np.exp(scores[at : at + size])
        parts.append(e / (e.sum() + (1.0 if has_rest else 0.0)))
        at += size
    return np.concatenate(parts)


def torch_scores(draft: Draft, scores: torch.Tensor) -> torch.Tensor:
    parts: list[torch.Tensor] = []
    at = 0
    for size, has_rest, _ in draft.choices:
        e = scores[at : at + size].exp()
        parts.append(e / (e.sum() + (1.0 if has_rest else 0.0)))
        at += size
    return torch.cat(parts)


@settings(max_examples=60)
@given(drafts(max_choices=4, max_nodes=6), st.integers(0, 999))
def test_gradients_agree_with_finite_differences(draft: Draft, seed: int) -> None:
    random = np.random.default_rng(seed)
    start = random.normal(size=len(draft.probability))
    expected, given_chance = draft.probabilities(through_scores(draft, start))
    if min(given_chance) < 1e-6:
        return  # the conditions leave nothing to differentiate; that case has its own test
    scores = torch.tensor(start, requires_grad=True)
    answer = exact(draft.graph())(torch_scores(draft, scores))
    weights = torch.from_numpy(random.normal(size=len(expected)))
    (answer.p * weights).sum().backward()
    assert scores.grad is not None
    step = 1e-5
    for i in range(len(start)):
        ends: list[float] = []
        for sign in (1, -1):
            moved = start.copy()
            moved[i] += sign * step
            ends.append(float(np.dot(draft.probabilities(through_scores(draft, moved))[0], weights.numpy())))
        assert scores.grad[i].item() == pytest.approx((ends[0] - ends[1]) / (2 * step), abs=1e-7)


@settings(max_examples=40)
@given(drafts(conditions=False), st.integers(0, 999))
def test_gradients_are_finite_where_probabilities_are_0_or_1(draft: Draft, seed: int) -> None:
    random = np.random.default_rng(seed)
    leaf = torch.tensor(
        [1.0 if size == 1 and random.random() < 0.5 else 0.0 for size, _, _ in draft.choices for _ in range(size)]
    )
    leaf.requires_grad_(True)
    answer = exact(draft.graph())(leaf)
    answer.p.sum().backward()
    assert leaf.grad is not None and bool(leaf.grad.isfinite().all())


def umbrella() -> Draft:
    draft = Draft()
    rain, sprinkler = draft.fact(0.2), draft.fact(0.5)
    wet = draft.node((rain,), (sprinkler,))
    draft.ask(wet)
    draft.ask(rain)
    draft.ask(None)
    return draft


def test_a_batch_of_any_shape_keeps_its_shape_and_type() -> None:
    reading = exact(umbrella().graph())
    for dtype in (torch.float32, torch.float64):
        leaf = torch.rand(4, 2, 3, 2, dtype=dtype)
        answer = reading(leaf)
        assert answer.p.shape == (4, 2, 3, 3) and answer.p.dtype == dtype
        one = 1 - (1 - leaf[..., 0]) * (1 - leaf[..., 1])
        assert torch.allclose(answer.p[..., 0], one)
        assert answer.p[..., 2].eq(0).all()
    assert reading(torch.zeros(0, 2)).p.shape == (0, 3)


def test_evidence_conditions_the_answer() -> None:
    draft = umbrella()
    draft.evidence.append(draft.query[0][0])
    answer = exact(draft.graph())(torch.tensor([0.2, 0.5], dtype=torch.float64))
    assert answer.p.tolist() == pytest.approx([1.0, 0.2 / 0.6, 0.0])
    assert answer.evidence.tolist() == pytest.approx([0.6] * 3)


def test_impossible_evidence_is_named() -> None:
    draft = umbrella()
    draft.evidence.append(draft.query[0][0])
    reading = exact(draft.graph())
    with pytest.raises(InconsistentError, match=r"^no possible world agrees with evidence n2$"):
        reading(torch.zeros(2))
    answer = reading(torch.tensor([[0.0, 0.0], [0.2, 0.5]]), where_impossible="nan")
    assert math.isnan(answer.p[0, 0]) and answer.p[1, 0].item() == pytest.approx(1.0)


def test_constraints_of_one_sample_do_not_touch_another() -> None:
    draft = Draft(num_samples=2)
    shared = draft.fact(0.5)
    mine = [draft.fact(0.5, sample=s) for s in range(2)]
    both = [draft.node((shared, mine[s]), sample=s) for s in range(2)]
    draft.constraint.append(draft.node((both[0],), level=2, sample=0))
    for s in range(2):
        draft.ask(both[s], sample=s)
        draft.ask(shared, sample=s)
    assert_agrees(draft)
    answer = exact(draft.graph())(leaves(draft))
    assert answer.p.tolist() == pytest.approx([0.0, 1 / 3, 0.25, 0.5])


def test_a_leaf_vector_of_the_wrong_length_is_refused() -> None:
    with pytest.raises(ValueError, match=r"not \[\*B, 2\]"):
        exact(umbrella().graph())(torch.zeros(3))


def chain(length: int, probability: float) -> Draft:
    """Heads in every toss of a long row, as recursion without cycles."""
    draft = Draft()
    tosses = [draft.fact(probability) for _ in range(length)]
    node = draft.node(())
    for toss in tosses:
        node = draft.node((node, toss))
    draft.ask(node)
    return draft


def test_a_probability_too_small_for_the_type_keeps_its_logarithm_and_gradient() -> None:
    draft = chain(400, 0.1)
    leaf = torch.full((400,), 0.1, dtype=torch.float64, requires_grad=True)
    answer = exact(draft.graph())(leaf)
    assert answer.p.item() == 0.0
    assert answer.log_p.item() == pytest.approx(400 * math.log(0.1))
    answer.log_p.sum().backward()
    assert leaf.grad is not None and leaf.grad.tolist() == pytest.approx([10.0] * 400)


def test_a_ratio_of_tiny_masses_is_exact() -> None:
    draft = chain(400, 0.1)
    draft.evidence.append(draft.query[0][0])
    draft.ask(0)
    answer = exact(draft.graph())(torch.full((2, 400), 0.1))
    assert answer.p.tolist() == [[pytest.approx(1.0)] * 2] * 2


@settings(max_examples=60)
@given(st.data())
def test_lifted_sums_agree_with_world_enumeration(data: st.DataObject) -> None:
    draft = Draft()
    elements: list[int] = []
    for _ in range(data.draw(st.integers(3, 5))):
        size, has_rest = data.draw(st.integers(1, 3)), data.draw(st.booleans())
        elements += draft.choice([1 / (size + has_rest)] * size, has_rest)
    elements = data.draw(st.lists(st.sampled_from(elements), min_size=3, unique=True))
    function = data.draw(st.sampled_from(["sum", "count"]))
    weights = [1 if function == "count" else data.draw(st.integers(-3, 4)) for _ in elements]
    results = draft.aggregate(function, elements, weights)
    some = data.draw(st.lists(st.sampled_from(sorted(results)), min_size=1, unique=True))
    draft.ask(draft.node(*((results[value],) for value in some), level=2))
    for value in some:
        draft.ask(results[value])
    if data.draw(st.booleans()) and len(results) > 1:
        draft.constraint.append(draft.node((results[sorted(results)[0]],), level=2))
    assert_agrees(draft)


def test_a_sum_of_many_choices_is_lifted_and_adds_up() -> None:
    draft = Draft()
    faces = [draft.choice([0.1] * 10) for _ in range(60)]
    draft.sample += [-1] * 541
    draft.level += [1] * 541
    results = np.arange(600, 600 + 541)
    draft.aggregates.append(GroundAggregate("sum", np.arange(600), np.tile(np.arange(10), 60), results, np.arange(541)))
    for result in results.tolist():
        draft.ask(2 * result)
    assert len(faces) == 60
    reading = exact(draft.graph())
    leaf = torch.full((2, 600), 0.1, dtype=torch.float64, requires_grad=True)
    answer = reading(leaf)
    assert reading.method == "exact"
    expected = np.ones(1)
    for _ in range(60):
        expected = np.convolve(expected, np.full(10, 0.1))
    assert answer.p[1].tolist() == pytest.approx(expected.tolist(), abs=1e-12)
    answer.p[0, 270].backward()
    assert leaf.grad is not None and bool(leaf.grad.isfinite().all())


CHAIN = """
#pred step(index, colour).
{steps}
go(red, red, red). go(red, green, green). go(red, blue, red).
go(green, red, red). go(green, green, blue). go(green, blue, blue).
go(blue, red, red). go(blue, green, blue). go(blue, blue, green).
state(0, red).
state(I + 1, T) :- state(I, S), step(I + 1, C), go(S, C, T).
0.4::first.
end(T) :- first, state({half}, T).
end(T) :- not first, state({length}, T).
#query end(T).
"""


def test_the_states_of_a_chain_exclude_each_other_without_compiling() -> None:
    length, half, p = 12, 5, {"red": 0.2, "green": 0.5, "blue": 0.3}
    steps = "\n".join("; ".join(f"{p[c]}::step({i}, {c})" for c in p) + "." for i in range(1, length + 1))
    program = parse_program(CHAIN.format(steps=steps, length=length, half=half))
    graph = ground(program, queries=program.queries)
    reading = exact(graph)
    assert reading.method == "exact"
    move = {"red": "rgr", "green": "rbb", "blue": "rbg"}  # where red, green, blue lead from each
    state, after = np.array([1.0, 0.0, 0.0]), []
    matrix = np.zeros((3, 3))
    for i, here in enumerate(p):
        for j, there in enumerate(move[here]):
            matrix[i, "rgb".index(there)] += list(p.values())[j]
    for _ in range(length):
        state = state @ matrix
        after.append(state)
    expected = 0.4 * after[half - 1] + 0.6 * after[length - 1]
    found = {str(q.atom): p for q, p in zip(graph.query, reading(leaves_of(graph)).p.tolist(), strict=True)}
    assert [found[f"end({colour})"] for colour in p] == pytest.approx(expected.tolist(), abs=1e-12)


def leaves_of(graph: DerivationGraph) -> torch.Tensor:
    return torch.from_numpy(graph.choices.probability)


DRAWN = """
#pred step(index, colour).
{steps}
{draws}
turn(2). turn(3). turn(4).
state(1, C) :- step(1, C).
state(I, T) :- turn(I), state(I - 1, S), step(I, C), go(I, S, C, T).
#query state(4, T).
"""


def test_how_each_state_goes_on_may_be_a_choice_of_its_own() -> None:
    colours, weights = ("red", "green"), np.array([[[0.9, 0.1], [0.3, 0.6]], [[0.2, 0.8], [0.5, 0.5]]])
    step = np.array([0.25, 0.75])
    steps = "\n".join(f"0.25::step({i}, red); 0.75::step({i}, green)." for i in range(1, 5))
    draws = "\n".join(
        f"{weights[s, c, 0]}::go(I, {colours[s]}, {colours[c]}, red); "
        f"{weights[s, c, 1]}::go(I, {colours[s]}, {colours[c]}, green) :- turn(I)."
        for s in range(2)
        for c in range(2)
    )
    program = parse_program(DRAWN.format(steps=steps, draws=draws))
    graph = ground(program, queries=program.queries)
    reading = exact(graph)
    assert reading.method == "exact"
    state = step
    for _ in range(3):
        state = np.einsum("s,c,sct->t", state, step, weights)
    found = {str(q.atom): p for q, p in zip(graph.query, reading(leaves_of(graph)).p.tolist(), strict=True)}
    assert [found[f"state(4,{c})"] for c in colours] == pytest.approx(state.tolist(), abs=1e-12)
