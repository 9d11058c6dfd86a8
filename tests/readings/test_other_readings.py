"""Sampling covers the truth, most probable worlds are the most probable, degrees are min and max."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings

from nesy.errors import InconsistentError
from nesy.reasoning.compilation.budget import Budget
from nesy.reasoning.compilation.conditioning import Conditioning, priors
from nesy.reasoning.compilation.problem import extract
from nesy.reasoning.readings.exact import exact
from nesy.reasoning.readings.godel import godel
from nesy.reasoning.readings.sampling import sample
from nesy.reasoning.readings.worlds import best_worlds
from tests.readings.graphs import Draft, drafts


@settings(max_examples=25)
@given(drafts())
def test_sampling_is_near_the_truth(draft: Draft) -> None:
    expected, chance = draft.probabilities()
    if min(chance) < 0.02:
        return  # too few worlds are left to say anything about; refusal has its own test
    found = sample(draft.graph(), draft.probability, num_worlds=4_000)
    error = 5 * np.sqrt(0.25 / found.effective_size)  # five standard errors: one failure in a million
    assert (np.abs(found.p - np.asarray(expected)) <= error).all()
    assert (np.abs(found.evidence - np.asarray(chance)) <= 0.05).all()
    assert (found.lower <= found.p).all() and (found.p <= found.upper).all()


def test_intervals_cover_at_the_rate_they_state() -> None:
    draft = Draft()
    a, b, c = draft.fact(0.3), draft.fact(0.6), draft.fact(0.5)
    either = draft.node((a, b), (c,))
    draft.ask(a)
    draft.evidence.append(either)
    graph, ((truth,), _) = draft.graph(), draft.probabilities()
    runs = [sample(graph, draft.probability, num_worlds=300, seed=seed, confidence=0.9) for seed in range(300)]
    covered = sum(bool(run.lower[0] <= truth <= run.upper[0]) for run in runs)
    assert 250 <= covered <= 290  # 270 of 300 expected, four standard deviations


def test_evidence_on_a_leaf_costs_no_worlds() -> None:
    draft = Draft()
    rare, other = draft.fact(0.001), draft.fact(0.5)
    draft.ask(draft.node((rare, other)))
    draft.evidence.append(rare)
    found = sample(draft.graph(), draft.probability, num_worlds=1_000)
    assert found.effective_size[0] == pytest.approx(1_000) and found.evidence[0] == pytest.approx(0.001)


def test_sampling_without_any_world_left_is_refused() -> None:
    draft = Draft()
    both = draft.node(())
    draft.ask(both)
    draft.evidence.append(both ^ 1)
    with pytest.raises(InconsistentError, match="none of 10 sampled worlds agrees"):
        sample(draft.graph(), draft.probability, num_worlds=10)


@settings(max_examples=30)
@given(drafts())
def test_the_most_probable_world_is_the_most_probable(draft: Draft) -> None:
    conditions = [*draft.evidence, *(c ^ 1 for c in draft.constraint)]
    weights = [
        weight
        for weight, holds in draft.worlds(np.asarray(draft.probability))
        if all(holds[c >> 1] != c & 1 for c in conditions)
    ]
    if not weights or max(weights) < 1e-12:
        with pytest.raises(InconsistentError):
            best_worlds(draft.graph(), draft.probability)
        return
    first, *others = best_worlds(draft.graph(), draft.probability, k=3)
    assert first.probability == pytest.approx(max(weights))
    assert all(world.probability <= first.probability + 1e-12 for world in others)


@settings(max_examples=30)
@given(drafts(max_choices=6, max_nodes=8))
def test_bounds_contain_the_truth_and_meet_it_in_the_end(draft: Draft) -> None:
    graph = draft.graph()
    conditions = [*draft.evidence, *(c ^ 1 for c in draft.constraint)]
    target = draft.query[0][0]
    assert target is not None
    problem = extract(graph, [target], conditions)
    truth = sum(
        weight
        for weight, holds in draft.worlds(np.asarray(draft.probability))
        if all(holds[c >> 1] != c & 1 for c in [*conditions, target])
    )
    for nodes in (1, 4, 16, 10_000):
        building = Conditioning(problem, priors(graph, problem), by_mass=True)
        diagram = building.build(Budget(nodes=nodes).start())
        edges = zip(diagram.source, diagram.target, diagram.branch, diagram.outcome, strict=True)
        mass = building._mass(diagram.num_states, [(int(s), int(t), int(b), int(o)) for s, t, b, o in edges])
        lower, slack = mass[diagram.holds[0]].sum(), mass[diagram.unknown].sum()
        assert lower - 1e-9 <= truth <= lower + slack + 1e-9
    assert slack == 0


def test_a_reading_beyond_its_budget_gives_an_interval() -> None:
    draft = Draft()
    facts = [draft.fact(0.1) for _ in range(60)]
    nodes = [draft.node() for _ in range(20)]
    for i, node in enumerate(nodes):
        draft.rule(node, facts[i])
        draft.rule(node, facts[20 + i], nodes[(i + 7) % 20], nodes[(i + 3) % 20])  # not linear: no frontier
        draft.rule(node, facts[40 + i], nodes[(i + 11) % 20])
    draft.ask(nodes[0])
    reading = exact(draft.graph(), Budget(nodes=2_000))
    answer = reading(torch.tensor(draft.probability, dtype=torch.float64))
    assert reading.method == "bounds"
    found = sample(draft.graph(), draft.probability, num_worlds=20_000)
    assert answer.lower.item() - 0.01 <= found.p[0] <= answer.upper.item() + 0.01
    assert answer.lower.item() < answer.p.item() < answer.upper.item() < 1


@settings(max_examples=25)
@given(drafts(conditions=False).filter(lambda d: not d.aggregates))
def test_degrees_of_truth_agree_with_their_definition(draft: Draft) -> None:
    degree = np.zeros(len(draft.level))
    degree[: len(draft.probability)] = draft.probability
    for level in sorted(set(draft.level)):
        for _ in draft.level:
            for head, body in draft.derivations:
                if draft.level[head] == level:
                    weakest = min((1 - degree[b >> 1] if b & 1 else degree[b >> 1] for b in body), default=1.0)
                    degree[head] = max(degree[head], weakest)
    found = godel(draft.graph(), torch.tensor(draft.probability, dtype=torch.float64))
    for (literal, _), value in zip(draft.query, found.tolist(), strict=True):
        assert literal is not None
        assert 0 <= value <= 1
        if not _contradicts(draft):
            assert value == pytest.approx(1 - degree[literal >> 1] if literal & 1 else degree[literal >> 1])


def _contradicts(draft: Draft) -> bool:
    """Whether some body may be impossible by itself: the formula drops it, the bare definition does not."""
    return any(size > 1 for size, _, _ in draft.choices) or any(
        b ^ 1 in body for _, body in draft.derivations for b in body
    )
