"""Samples put together from independent factors answer as enumeration does, and share what was analysed."""

from __future__ import annotations

import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from nesy.language import parse_program
from nesy.language.core import Signature
from nesy.reasoning import Structures, exact, ground
from nesy.reasoning.compilation.factors import factoring
from nesy.reasoning.compilation.pieces import cut
from tests.readings.graphs import Draft

SENTENCES = """
#input token(index, word).
#neural leans(T) -> {good, bad} :- token(T, _).
t(0.9)::turns("not"). t(0.8)::turns("never").
turned(T) :- turns(W), token(S, W), T = S + 1, token(T, _).
says(T, P) :- leans(T, P), not turned(T).
says(T, good) :- leans(T, bad), turned(T).
says(T, bad) :- leans(T, good), turned(T).
label(P) :- says(_, P).
:- label(good), label(bad).
#query label(P).
"""


def sample_of(sentence: str) -> dict[Signature, list[tuple[int, str]]]:
    return {Signature("token", 2): list(enumerate(sentence.split()))}


@st.composite
def tops_over_blocks(draw: st.DrawFn) -> Draft:
    """Two or three blocks of choices that share nothing, and a few nodes above that look at all of them."""
    draft = Draft()
    blocks: list[list[int]] = [[] for _ in range(draw(st.integers(2, 3)))]
    for number in range(draw(st.integers(4, 5))):
        size = draw(st.sampled_from([1, 1, 2, 3]))
        parts = [draw(st.integers(1, 9)) for _ in range(size + 1)]
        has_rest = size == 1 or draw(st.booleans())
        total = sum(parts) if has_rest else sum(parts[:-1])
        blocks[number % len(blocks)] += draft.choice([part / total for part in parts[:-1]], has_rest)
    for block in blocks:
        leaves, here = list(block), [draft.node(level=1) for _ in range(draw(st.integers(0, 3)))]
        for head in here:
            for _ in range(draw(st.integers(1, 2))):
                body = draw(st.lists(st.sampled_from(leaves + here), max_size=2, unique=True))
                draft.rule(head, *(literal ^ (literal in leaves and draw(st.booleans())) for literal in body))
        block += here
    top = [draft.node(level=2) for _ in range(draw(st.integers(1, 3)))]
    for head in top:
        for block in blocks:
            for _ in range(draw(st.integers(0, 2))):
                body = draw(st.lists(st.sampled_from(block), min_size=1, max_size=2, unique=True))
                beside = draw(st.lists(st.sampled_from(top), max_size=1))
                draft.rule(head, *(literal ^ draw(st.booleans()) for literal in body), *beside)
    for literal in top:
        draft.ask(literal ^ draw(st.booleans()))
    for literal in draw(st.lists(st.sampled_from(top), max_size=1)):
        draft.evidence.append(literal ^ draw(st.booleans()))
    both = draft.node(level=3)
    draft.rule(both, *draw(st.lists(st.sampled_from(top), min_size=1, max_size=2, unique=True)))
    if draw(st.booleans()):
        draft.constraint.append(both)
    return draft


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(tops_over_blocks())
def test_factors_and_their_top_answer_as_enumeration_does(draft: Draft) -> None:
    graph = draft.graph()
    assume(factoring(cut(graph)[0]) is not None)
    leaf = torch.tensor(draft.probability, dtype=torch.float64, requires_grad=True)
    found = exact(graph, structures=Structures())(leaf, where_impossible="nan")
    expected, chance = draft.probabilities()
    assert found.evidence.tolist() == pytest.approx(chance, abs=1e-9)
    for p, e, g in zip(found.p.tolist(), expected, chance, strict=True):
        assert g <= 1e-12 or p == pytest.approx(e, abs=1e-9)
    if min(chance) > 1e-12:
        # Against the whole in one piece: the same way up and down, where choices stay distributions.
        whole = exact(graph)(leaf, where_impossible="nan")
        step = direction(draft)
        for number in range(len(expected)):
            (one,) = torch.autograd.grad(found.p[number], leaf, retain_graph=True, materialize_grads=True)
            (other,) = torch.autograd.grad(whole.p[number], leaf, retain_graph=True, materialize_grads=True)
            torch.testing.assert_close(one @ step, other @ step, atol=1e-8, rtol=1e-7)


def direction(draft: Draft) -> torch.Tensor:
    """Changes of leaf probabilities that leave the sum of a choice as it is where nothing may be left over."""
    change, at = torch.zeros(len(draft.probability), dtype=torch.float64), 0
    for number, (size, has_rest, _) in enumerate(draft.choices):
        mine = torch.arange(1.0, size + 1, dtype=torch.float64) * (number + 1)
        change[at : at + size] = mine if has_rest else mine - mine.mean()
        at += size
    return change


def test_a_sentence_falls_into_the_words_that_hang_together() -> None:
    graph = ground(parse_program(SENTENCES), [sample_of("this is not good but never dull either")])
    found = factoring(cut(graph)[0])
    assert found is not None
    sizes = sorted(len(factor.choice) for factor in found.factors)
    assert sizes == [1, 1, 1, 1, 1, 1, 2, 2]  # "not" and "good", "never" and "dull"
    assert len(found.functions) == 2  # a word says good, a word says bad


def test_a_word_that_two_negations_share_keeps_what_they_reach_together() -> None:
    graph = ground(parse_program(SENTENCES), [sample_of("not good , not bad at all")])
    found = factoring(cut(graph)[0])
    assert found is not None
    assert sorted(len(factor.choice) for factor in found.factors) == [1, 1, 1, 1, 1, 3]


def test_a_longer_sentence_of_known_parts_is_not_analysed_anew() -> None:
    program, structures = parse_program(SENTENCES), Structures()
    exact(ground(program, [sample_of("a b not c d")]), structures=structures)
    before = len(structures)
    exact(ground(program, [sample_of("not a b c d e f g h i j never k")]), structures=structures)
    assert len(structures) == before + 1  # the sentence itself, put together
    assert structures.counts.misses == 2


def test_what_is_asked_of_a_leaf_has_no_factors() -> None:
    draft = Draft()
    leaves = [draft.fact(0.5) for _ in range(6)]
    draft.node(*((leaf,) for leaf in leaves))
    draft.ask(leaves[0])
    assert factoring(cut(draft.graph())[0]) is None


def test_a_question_that_another_nodes_rules_look_at_stays_whole() -> None:
    draft = Draft()
    leaves = [draft.fact(0.1 * (i + 1)) for i in range(6)]
    asked = draft.node(*((leaf,) for leaf in leaves[:4]))
    middle = draft.node((asked, leaves[4]))
    draft.ask(asked)
    draft.ask(draft.node((middle,), (leaves[5],)))
    graph = draft.graph()
    assert factoring(cut(graph)[0]) is None
    p = exact(graph, structures=Structures())(torch.tensor(draft.probability)).p
    assert p.tolist() == pytest.approx(draft.probabilities()[0], abs=1e-6)
