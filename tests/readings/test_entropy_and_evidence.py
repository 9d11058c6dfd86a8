"""Entropies, evidence row by row, and the gradients of best proofs, best worlds and degrees: against enumeration."""

from __future__ import annotations

from collections import defaultdict
from math import log

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from nesy.errors import InconsistentError
from nesy.language import parse_program
from nesy.reasoning import (
    best_proofs,
    best_worlds,
    entropy,
    exact,
    godel,
    ground,
    observing,
    viterbi,
    world_probability,
)
from tests.evaluation.programs import program
from tests.evaluation.worlds import as_row, worlds
from tests.readings.graphs import Draft, drafts


def entropies_by_enumeration(core) -> dict[str, float]:
    """For each predicate that is asked for, the entropy of the set of its rows that hold; nothing if impossible."""
    share: dict[str, dict[frozenset, float]] = defaultdict(lambda: defaultdict(float))
    allowed = 0.0
    for number, (weight, _, model) in enumerate(worlds(core)):
        assume(number < 150)
        if any(row[0].startswith(":-") for row in model):
            continue
        if all((as_row(e.atom) in model) == e.holds for e in core.evidence):
            allowed += weight
            for query in core.queries:
                name = query.atom.predicate
                share[name][frozenset(row for row in model if row[0] == name)] += weight
    assume(allowed > 1e-9)
    return {name: -sum(w / allowed * log(w / allowed) for w in sets.values()) for name, sets in share.items()}


@settings(max_examples=12)
@given(program(is_busy=True))
def test_entropies_agree_with_enumeration(lines: list[str]) -> None:
    core = parse_program("\n".join(lines))
    truth = entropies_by_enumeration(core)
    graph = ground(core)
    reading = entropy(graph)
    found = reading(torch.from_numpy(graph.choices.probability))
    for group, low, high in zip(reading.groups, found.lower.tolist(), found.upper.tolist(), strict=True):
        h = truth[graph.query[group.rows[0]].atom.predicate]
        assert low - 1e-9 <= h <= high + 1e-9
        if group.outcomes is not None:
            assert low == pytest.approx(h, abs=1e-9) == high


def test_a_sum_has_the_entropy_of_its_distribution_and_a_gradient() -> None:
    text = "0.3::a(1); 0.7::a(2). 0.4::b(1); 0.6::b(2). t(S) :- S = #sum{ X,x : a(X); Y,y : b(Y) }. #query t(S)."
    graph = ground(parse_program(text))
    reading = entropy(graph)
    leaf = torch.from_numpy(graph.choices.probability).requires_grad_(True)
    (value,) = reading(leaf).lower
    p = np.array([0.12, 0.46, 0.42])
    assert value.item() == pytest.approx(-(p * np.log(p)).sum())
    tangent = torch.tensor([1.0, -1.0, 0.5, -0.5], dtype=torch.float64)
    (slope,) = torch.autograd.grad(value, leaf)
    with torch.no_grad():
        difference = (reading(leaf + 1e-6 * tangent).lower - reading(leaf - 1e-6 * tangent).lower) / 2e-6
    assert (slope @ tangent).item() == pytest.approx(difference.item(), rel=1e-6)


def test_many_rows_that_may_hold_together_give_an_interval() -> None:
    text = "".join(f"0.5::on({i}). lit({i}) :- on({i}). lit({i}) :- on({(i + 1) % 9}).\n" for i in range(9))
    graph = ground(parse_program(text + "#query lit(X)."))
    found = entropy(graph)(torch.from_numpy(graph.choices.probability))
    assert 0 < found.lower.item() < found.upper.item() <= 9 * log(2)


def test_certain_answers_have_no_entropy_and_a_finite_gradient() -> None:
    graph = ground(parse_program("0.5::c(red); 0.5::c(blue). #query c(X)."))
    leaf = torch.tensor([1.0, 0.0], dtype=torch.float64, requires_grad=True)
    (value,) = entropy(graph)(leaf).lower
    (slope,) = torch.autograd.grad(value, leaf)
    assert value.item() == 0 and bool(slope.isfinite().all())


@settings(max_examples=30)
@given(drafts(), st.data())
def test_evidence_row_by_row_is_the_evidence_of_each(draft: Draft, data: st.DataObject) -> None:
    count = len(draft.query)
    rows = data.draw(
        st.lists(st.lists(st.sampled_from([-1, 0, 1]), min_size=count, max_size=count), min_size=1, max_size=4)
    )
    leaf = torch.tensor(draft.probability, dtype=torch.float64)
    found = observing(draft.graph(), range(count))(leaf, torch.tensor(rows), where_impossible="nan")
    own = list(draft.evidence)
    for row, p, evidence in zip(rows, found.p.tolist(), found.evidence.tolist(), strict=True):
        draft.evidence = own + [q[0] ^ (seen < 0) for q, seen in zip(draft.query, row, strict=True) if seen]
        expected, chance = draft.probabilities()
        for mine, mine_evidence, theirs, given_chance in zip(p, evidence, expected, chance, strict=True):
            assert mine_evidence == pytest.approx(given_chance, abs=1e-9)
            if given_chance > 1e-9:
                assert mine == pytest.approx(theirs, abs=1e-8)


def test_evidence_of_a_row_that_no_world_meets_is_an_error() -> None:
    graph = ground(parse_program("0.5::a. b :- a. #query a. #query b."))
    reading = observing(graph, [0, 1])
    with pytest.raises(InconsistentError, match="evidence and constraints, and a; not b as seen"):
        reading(torch.tensor([0.5]), torch.tensor([1, -1]))
    with pytest.raises(ValueError, match="evidence is 1"):
        reading(torch.tensor([0.5]), torch.tensor([1, 2]))


@settings(max_examples=30)
@given(drafts(), st.integers(1, 6))
def test_the_best_worlds_are_those_of_enumeration(draft: Draft, k: int) -> None:
    conditions = [*draft.evidence, *(c ^ 1 for c in draft.constraint)]
    weights = sorted(
        (
            weight
            for weight, holds in draft.worlds(np.asarray(draft.probability))
            if weight > 1e-12 and all(holds[c >> 1] != c & 1 for c in conditions)
        ),
        reverse=True,
    )
    assume(weights)
    graph = draft.graph()
    found = best_worlds(graph, draft.probability, k)
    assert [world.probability for world in found] == pytest.approx(weights[:k])
    assert len({world.leaves for world in found}) == len(found)
    leaf = torch.tensor(draft.probability, dtype=torch.float64, requires_grad=True)
    for world in found:
        p = world_probability(graph, leaf, world)
        assert p.item() == pytest.approx(world.probability)
        (slope,) = torch.autograd.grad(p.log(), leaf)
        assert slope[list(world.leaves)].tolist() == pytest.approx([1 / draft.probability[n] for n in world.leaves])


@settings(max_examples=40)
@given(drafts(conditions=False), st.integers(0, 99))
def test_the_best_proof_has_its_probability_and_a_gradient(draft: Draft, seed: int) -> None:
    graph = draft.graph()
    leaf = torch.tensor(draft.probability, dtype=torch.float64, requires_grad=True)
    batch = torch.stack([leaf, leaf])
    found = viterbi(graph, batch)
    assert bool((found[0] <= exact(graph)(leaf).p + 1e-9).all())
    for p, (literal, _) in zip(found[1].tolist(), draft.query, strict=True):
        proofs = best_proofs(graph, draft.probability, literal, 1) if literal is not None else []
        assert p == pytest.approx(proofs[0].probability if proofs else 0.0)
    # A tiny step keeps the best proof the best, unless two are as good as each other.
    tangent = torch.from_numpy(np.random.default_rng(seed).normal(size=len(leaf)))
    ends = [viterbi(graph, (leaf + side * 1e-7 * tangent).detach()) for side in (1, -1)]
    middle = viterbi(graph, leaf)
    smooth = ((ends[0] + ends[1] - 2 * middle.detach()).abs() < 1e-11).nonzero().flatten().tolist()
    for i in smooth:
        if middle[i].requires_grad:
            (slope,) = torch.autograd.grad(middle[i], leaf, retain_graph=True)
            assert (slope @ tangent).item() == pytest.approx(((ends[0] - ends[1])[i] / 2e-7).item(), abs=1e-4)


@settings(max_examples=30)
@given(drafts(conditions=False).filter(lambda d: not d.aggregates), st.integers(0, 99))
def test_degrees_of_truth_have_the_gradient_of_the_leaf_that_decides(draft: Draft, seed: int) -> None:
    graph = draft.graph()
    draw = np.random.default_rng(seed)
    values = torch.from_numpy(draw.permutation(np.linspace(0.05, 0.93, len(draft.probability)))).requires_grad_(True)
    tangent = torch.from_numpy(draw.normal(size=len(values)))
    weight = torch.from_numpy(draw.normal(size=len(draft.query)))
    total = godel(graph, values) @ weight
    slope = torch.autograd.grad(total, values)[0] if total.requires_grad else torch.zeros_like(values)
    up, down = (godel(graph, values.detach() + side * 1e-6 * tangent) @ weight for side in (1, -1))
    assert (slope @ tangent).item() == pytest.approx(((up - down) / 2e-6).item(), abs=1e-6)
