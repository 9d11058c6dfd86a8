"""Sums whose elements share a few choices are convolutions given those, and agree with every other way."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nesy.language import parse_program
from nesy.language.core import Signature
from nesy.reasoning import exact, ground
from nesy.reasoning.compilation.budget import Budget
from nesy.reasoning.compilation.cutset import lift
from nesy.reasoning.compilation.formula import FormulaMaker
from nesy.reasoning.compilation.frontier import compile_frontier
from tests.readings.graphs import Draft
from tests.readings.test_exact import assert_agrees


@st.composite
def shared_sums(draw: st.DrawFn) -> Draft:
    """A sum or count whose elements look at one choice of their own and at one or two that all share."""
    draft = Draft()
    shared = [draft.fact(draw(st.integers(1, 9)) / 10) for _ in range(draw(st.integers(1, 2)))]
    own: list[list[int]] = []
    for _ in range(draw(st.integers(3, 4))):
        size, has_rest = draw(st.sampled_from([(1, True), (2, False), (2, True)]))
        own.append(draft.choice([1 / (size + has_rest)] * size, has_rest))
    elements: list[int] = []
    for leaves in own:
        for _ in range(draw(st.integers(1, 2))):
            bodies = []
            for _ in range(draw(st.integers(1, 2))):
                body = [
                    draw(st.sampled_from(leaves)),
                    *draw(st.lists(st.sampled_from(shared), max_size=2, unique=True)),
                ]
                bodies.append(tuple(literal ^ int(draw(st.booleans())) for literal in body))
            elements.append(draft.node(*bodies))
    if draw(st.booleans()):
        elements.append(draft.node((shared[0],)))
    function = draw(st.sampled_from(["sum", "count"]))
    weights = [1 if function == "count" else draw(st.integers(-2, 3)) for _ in elements]
    results = draft.aggregate(function, elements, weights, level=2)
    for result in results.values():
        draft.ask(result)
    some = draw(st.lists(st.sampled_from(sorted(results)), min_size=1, unique=True))
    draft.ask(draft.node(*((results[value], shared[0] ^ 1) for value in some), level=3))
    match draw(st.sampled_from(["free", "shared", "sum", "own"])):
        case "shared":
            draft.evidence.append(shared[0])
        case "sum" if len(results) > 1:
            draft.constraint.append(draft.node((results[sorted(results)[0]],), level=3))
        case "own":
            draft.evidence.append(draft.node((own[0][0],), (shared[0],), level=3))
        case _:
            pass
    return draft


@settings(max_examples=40)
@given(shared_sums())
def test_sums_that_share_choices_agree_with_world_enumeration(draft: Draft) -> None:
    assert_agrees(draft)


WORDS = """
#input token(index, word).
#neural leans(T) -> {strong, good, neutral, bad, awful} :- token(T, _).
0.9::negates("not"). 0.7::negates("never"). 0.6::negates("hardly").
weighs(strong, 3). weighs(good, 1). weighs(bad, -1). weighs(awful, -3).
reaches(S, T) :- negates(W), token(S, W), T = S + 1, token(T, _).
reaches(S, T) :- reaches(S, R), T = R + 1, T <= S + 3, token(T, _).
undone(T) :- reaches(R, T), reaches(S, T), R < S.
turned(T) :- reaches(_, T), not undone(T).
value(T, V) :- leans(T, P), weighs(P, V), not turned(T).
value(T, W) :- leans(T, P), weighs(P, V), turned(T), W = 0 - V.
score(S) :- S = #sum{ V, T : value(T, V) }.
#query score(S).
"""


def sentence(text: str) -> dict[Signature, list[tuple[int, str]]]:
    return {Signature("token", 2): list(enumerate(text.split()))}


@pytest.mark.parametrize(("text", "assignments"), [("a b c d", 1), ("not a b c", 2), ("not a never b", 4)])
def test_one_distribution_for_each_assignment_of_the_negators(text: str, assignments: int) -> None:
    graph = ground(parse_program(WORDS), [sentence(text)])
    reading = exact(graph)
    assert reading.method == "exact"
    assert [one.wanted.shape[0] for one in reading.lifted] == [assignments]


def test_it_agrees_with_compiling_along_a_frontier() -> None:
    graph = ground(parse_program(WORDS), [sentence("not a never b")])
    maker = FormulaMaker(graph)
    literals = [query.literal for query in graph.query if query.literal is not None]
    formula = maker.make(literals, [])
    _, liftings = lift(formula)
    assert len(liftings) == 1
    diagram = compile_frontier(formula.shape, Budget().start())
    assert diagram is not None
    torch.manual_seed(1)
    table = graph.choices
    leaf = torch.rand(graph.num_leaves, dtype=torch.float64)
    for c in range(table.num_choices):
        mine = slice(int(table.ptr[c]), int(table.ptr[c + 1]))
        leaf[mine] = leaf[mine] / (leaf[mine].sum() + float(table.has_rest[c]))
    mass = [0.0] * diagram.num_states
    mass[0] = 1.0
    for source, target, branch, outcome in zip(
        diagram.source.tolist(), diagram.target.tolist(), diagram.branch.tolist(), diagram.outcome.tolist(), strict=True
    ):
        chance = float(leaf[formula.leaf[branch][outcome]])
        if outcome < 0:
            chance = 1.0 - sum(float(leaf[node]) for node in formula.leaf[branch])
        mass[target] += mass[source] * chance
    expected = [sum(mass[state] for state in states.tolist()) for states in diagram.holds]
    found = exact(graph)(leaf).p.tolist()
    assert [p for p, q in zip(found, graph.query, strict=True) if q.literal is not None] == pytest.approx(
        expected, abs=1e-12
    )


def test_gradients_reach_the_words_and_the_negators() -> None:
    graph = ground(parse_program(WORDS), [sentence("not a b never c")])
    reading = exact(graph)
    weights = torch.linspace(-1, 1, len(graph.query), dtype=torch.float64)

    def answer(leaf: torch.Tensor) -> torch.Tensor:
        return (reading(leaf).p * weights).sum()

    leaf = torch.full((graph.num_leaves,), 0.19, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(answer, (leaf,), fast_mode=False)


def test_a_cut_set_that_would_be_too_large_is_left_to_the_compiler() -> None:
    draft = Draft()
    shared = [draft.fact(0.5) for _ in range(7)]
    own = [draft.fact(0.3) for _ in range(3)]
    elements = [draft.node(*((leaf, literal) for literal in shared)) for leaf in own]
    for result in draft.aggregate("count", elements, [1] * 3, level=2).values():
        draft.ask(result)
    assert not exact(draft.graph()).lifted
    assert_agrees(draft)
