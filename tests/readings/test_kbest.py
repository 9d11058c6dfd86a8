"""Proofs prove, the best come first, and none is missing."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nesy.reasoning.derivation import DerivationGraph
from nesy.reasoning.readings.kbest import best_proofs
from nesy.reasoning.readings.proof import Absent, Aggregated, Assumed, Derived, Proof, Step
from tests.readings.graphs import Draft, drafts


def check_step(graph: DerivationGraph, step: Step, above: frozenset[int]) -> None:
    """A step follows from its children, by the graph alone."""
    match step:
        case Assumed(literal):
            assert literal >> 1 < graph.num_leaves
        case Derived(node, derivation, children):
            assert graph.head[derivation] == node
            assert [child.literal for child in children] == graph.body_of(derivation).tolist()
        case Absent(node, children):
            shown = {child.literal for child in children}
            away = {n for n in above | {node}}
            if not any(node in a.result for a in graph.aggregates):
                for d in range(graph.derivations_ptr[node], graph.derivations_ptr[node + 1]):
                    body = graph.body_of(d).tolist()
                    assert any(b ^ 1 in shown or (not b & 1 and b >> 1 in away) for b in body)
            above = above | {node}
        case Aggregated(node, number, children):
            assert node in graph.aggregates[number].result
            elements = graph.aggregates[number].element.tolist()
            assert [c.literal >> 1 for c in children] == [
                e for e in elements if e in {c.literal >> 1 for c in children}
            ]
    for child in step.children:
        check_step(graph, child, above)


def assert_proves(draft: Draft, graph: DerivationGraph, proof: Proof) -> None:
    check_step(graph, proof.root, frozenset())
    assert {s.literal for s in proof.steps() if isinstance(s, Assumed)} == set(proof.assumed)
    chance = 0.0
    for weight, holds in draft.worlds(np.asarray(draft.probability)):
        if all(holds[a >> 1] != a & 1 for a in proof.assumed):
            assert holds[proof.literal >> 1] != proof.literal & 1, "the assumptions do not entail the literal"
            chance += weight
    assert proof.probability == pytest.approx(chance, abs=1e-12) and chance > 0


@settings(max_examples=150)
@given(drafts(conditions=False), st.integers(1, 6))
def test_every_proof_proves_its_literal_and_has_its_probability(draft: Draft, k: int) -> None:
    graph = draft.graph()
    expected, _ = draft.probabilities()
    for (literal, _), p in zip(draft.query, expected, strict=True):
        assert literal is not None
        proofs = best_proofs(graph, draft.probability, literal, k)
        assert len(proofs) <= k
        assert (len(proofs) > 0) == (p > 1e-12)
        assert [q.probability for q in proofs] == sorted((q.probability for q in proofs), reverse=True)
        for proof in proofs:
            assert proof.literal == literal
            assert_proves(draft, graph, proof)


def positive(draft: Draft) -> Draft:
    draft.derivations = [(head, tuple(b & ~1 for b in body)) for head, body in draft.derivations]
    return draft


@settings(max_examples=100)
@given(drafts(conditions=False).filter(lambda d: not d.aggregates).map(positive))
def test_all_minimal_proofs_are_found_where_nothing_is_negated(draft: Draft) -> None:
    graph = draft.graph()
    owner = graph.choices.of_leaf
    for literal in {literal & ~1 for literal, _ in draft.query if literal is not None}:
        minimal: list[frozenset[int]] = []
        for size in range(len(draft.probability) + 1):
            for assumed in itertools.combinations(range(len(draft.probability)), size):
                if len({owner[a] for a in assumed}) < size or any(m <= set(assumed) for m in minimal):
                    continue
                holds = np.zeros(len(draft.level), dtype=bool)
                holds[list(assumed)] = True
                draft.close(holds)
                if holds[literal >> 1]:
                    minimal.append(frozenset(assumed))
        found = {
            frozenset(a >> 1 for a in proof.assumed) for proof in best_proofs(graph, draft.probability, literal, 99)
        }
        assert found == set(minimal)


def test_the_best_proof_of_a_cycle_is_the_shortest_way_round() -> None:
    draft = Draft()
    a, b, c = draft.fact(0.9), draft.fact(0.5), draft.fact(0.8)
    x, y = draft.node(), draft.node()
    draft.rule(x, y, a)
    draft.rule(x, b)
    draft.rule(y, x)
    draft.rule(y, c)
    first, second = best_proofs(draft.graph(), draft.probability, x, 5)
    assert first.assumed == (a, c) and first.probability == pytest.approx(0.72)
    assert second.assumed == (b,) and second.probability == pytest.approx(0.5)


def test_absence_shows_one_failing_literal_of_each_derivation() -> None:
    draft = Draft()
    a, b, c = draft.fact(0.2), draft.fact(0.6), draft.fact(0.3)
    x = draft.node((a, b), (c,))
    proof, *_ = best_proofs(draft.graph(), draft.probability, x ^ 1, 1)
    assert proof.root == Absent(x >> 1, (Assumed(a ^ 1), Assumed(c ^ 1)))
    assert proof.probability == pytest.approx(0.8 * 0.7)


def test_a_sum_is_explained_by_the_likeliest_elements() -> None:
    draft = Draft()
    faces = [0.1, 0.2, 0.7]
    dice = [draft.choice(faces), draft.choice(faces)]
    total = draft.aggregate("sum", dice[0] + dice[1], [1, 2, 3] * 2)
    proof, *_ = best_proofs(draft.graph(), draft.probability, total[5], 1)
    assert proof.probability == pytest.approx(0.14)
    assert isinstance(proof.root, Aggregated)
    assert [step.literal for step in proof.root.children if not step.literal & 1] in (
        [dice[0][1], dice[1][2]],
        [dice[0][2], dice[1][1]],
    )
    assert sum(p.probability for p in best_proofs(draft.graph(), draft.probability, total[5], 9)) == pytest.approx(0.28)


def test_a_deep_proof_needs_no_recursion() -> None:
    draft = Draft()
    fact = draft.fact(0.5)
    node = draft.node((fact,))
    for _ in range(3_000):
        node = draft.node((node,))
    (proof,) = best_proofs(draft.graph(), draft.probability, node, 3)
    assert proof.assumed == (fact,)
