"""Samples of one structure are analysed once, and what is found out serves every graph that has it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nesy.language import parse_program
from nesy.language.core import Signature
from nesy.language.values import Symbol
from nesy.reasoning import Budget, Structures, exact, ground
from nesy.reasoning.compilation.pieces import cut
from nesy.reasoning.derivation import GroundAggregate
from tests.readings.graphs import Draft, drafts


def depends_on(draft: Draft) -> list[set[int]]:
    """The leaves that each node depends on."""
    below: list[set[int]] = [{leaf} for leaf in range(len(draft.probability))]
    below += [set() for _ in range(len(draft.level) - len(draft.probability))]
    for _ in draft.level:
        for head, body in draft.derivations:
            below[head].update(*(below[literal >> 1] for literal in body))
        for aggregate in draft.aggregates:
            for result in aggregate.result.tolist():
                below[result].update(*(below[element] for element in aggregate.element.tolist()))
    return below


def batch_of(base: Draft, num_shared: int, asked: list[list[int]], chance: list[list[float]]) -> Draft:
    """Copies of a graph side by side: what depends on the first choices only is there once, for all samples.

    Sample s asks the queries `asked[s]` of the base; its choices have the probabilities `chance[s]`.
    """
    batch = Draft(num_samples=len(asked))
    first = np.cumsum([0, *(size for size, _, _ in base.choices)]).tolist()
    place: dict[tuple[int, int], int] = {}  # (sample, node of the base) -> node of the batch
    samples = range(len(asked))
    for number, (_, has_rest, _) in enumerate(base.choices):
        span = range(first[number], first[number + 1])
        for s in [-1] if number < num_shared else samples:
            leaves = batch.choice([chance[max(s, 0)][leaf] for leaf in span], has_rest, sample=s)
            for leaf, literal in zip(span, leaves, strict=True):
                place.update({(t, leaf): literal >> 1 for t in (samples if s < 0 else [s])})
    shared_leaves = set(range(first[num_shared]))
    scope = {node: [-1] if leaves <= shared_leaves else list(samples) for node, leaves in enumerate(depends_on(base))}
    for node in range(len(base.probability), len(base.level)):
        for s in scope[node]:
            new = batch.node(level=base.level[node], sample=s) >> 1
            place.update({(t, node): new for t in (samples if s < 0 else [s])})

    def moved(literal: int, s: int) -> int:
        return 2 * place[max(s, 0), literal >> 1] + (literal & 1)

    for head, body in base.derivations:
        for s in scope[head]:
            batch.rule(moved(2 * head, s), *(moved(literal, s) for literal in body))
    for a in base.aggregates:
        for s in scope[int(a.result[0])] if len(a.result) else []:
            element, result = (
                np.array([place[max(s, 0), n] for n in nodes.tolist()]) for nodes in (a.element, a.result)
            )
            batch.aggregates.append(GroundAggregate(a.function, element, a.weight, result, a.value))
    for literals, found in ((base.evidence, batch.evidence), (base.constraint, batch.constraint)):
        for literal in literals:
            found += [moved(literal, s) for s in scope[literal >> 1]]
    for s in samples:
        for number in asked[s]:
            literal = base.query[number][0]
            batch.ask(None if literal is None else moved(literal, s), sample=s)
    return batch


@settings(max_examples=120)
@given(st.data())
def test_samples_side_by_side_answer_as_each_does_alone(data: st.DataObject) -> None:
    base = data.draw(drafts(max_choices=4, max_nodes=6))
    num_shared = data.draw(st.integers(0, len(base.choices)))
    queries = st.lists(st.integers(0, len(base.query) - 1), max_size=3)
    asked = data.draw(st.lists(queries, min_size=2, max_size=4))
    chance = [list(base.probability) for _ in asked]
    start = sum(size for size, _, _ in base.choices[:num_shared])
    for s, row in enumerate(chance):
        row[start:] = [p * (1.0 if s == 0 else has_rest_scale(base, leaf)) for leaf, p in enumerate(row)][start:]
    batch = batch_of(base, num_shared, asked, chance)
    structures = Structures()
    for _ in range(2):
        answer = exact(batch.graph(), structures=structures)(
            torch.tensor(batch.probability, dtype=torch.float64), where_impossible="nan"
        )
        expected: list[float] = []
        evidence: list[float] = []
        for row, numbers in zip(chance, asked, strict=True):
            alone, given_chance = base.probabilities(np.asarray(row))
            expected += [alone[number] for number in numbers]
            evidence += [given_chance[number] for number in numbers]
        assert answer.evidence.tolist() == pytest.approx(evidence, abs=1e-9)
        for p, e, g in zip(answer.p.tolist(), expected, evidence, strict=True):
            assert g <= 1e-12 or p == pytest.approx(e, abs=1e-9)
    assert structures.counts.misses <= len({tuple(numbers) for numbers in asked})
    assert structures.counts.hits + structures.counts.misses == 2 * len(asked)


def has_rest_scale(base: Draft, leaf: int) -> float:
    """A factor that keeps a choice a distribution: less where something may be left over."""
    at = 0
    for size, has_rest, _ in base.choices:
        if leaf < at + size:
            return 0.5 if has_rest else 1.0
        at += size
    return 1.0


SENTENCES = """
#input token(index, word).
#neural leans(T) -> {up, down} :- token(T, _).
t(0.9)::turns("not"). t(0.8)::turns("never").
reaches(S, T) :- turns(W), token(S, W), T = S + 1, token(T, _).
turned(T) :- reaches(_, T).
says(up) :- leans(T, up), not turned(T).
says(up) :- leans(T, down), turned(T).
#query says(P).
"""


def sample_of(sentence: str) -> dict[Signature, list[tuple[int, str]]]:
    return {Signature("token", 2): list(enumerate(sentence.split()))}


def test_sentences_with_negations_in_the_same_places_share_what_was_analysed() -> None:
    program = parse_program(SENTENCES)
    structures = Structures()
    exact(ground(program, [sample_of("it was not good"), sample_of("they were never nice")]), structures=structures)
    assert (structures.counts.hits, structures.counts.misses) == (1, 1)
    exact(
        ground(program, [sample_of("a tree"), sample_of("i am not here"), sample_of("a bush")]), structures=structures
    )
    assert (structures.counts.hits, structures.counts.misses) == (3, 2)


def test_what_samples_share_stays_one_choice_in_each() -> None:
    """Two words turned by one uncertain `not` are turned together."""
    program = parse_program(SENTENCES)
    graph = ground(program, [sample_of("not good not bad"), sample_of("x not good")])
    first, second = cut(graph)
    assert len(first.choice) == 5 and len(second.choice) == 4
    alone = ground(program, [sample_of("not good not bad")])
    leaf = {}
    for g in (graph, alone):
        p = torch.tensor([0.9 if g.choices.sample[c] < 0 else 0.3 for c in g.choices.of_leaf], dtype=torch.float64)
        p[[str(g.atom_of(i)).endswith("down)") for i in range(g.num_leaves)]] = 0.7
        leaf[id(g)] = p
    together = exact(graph)(leaf[id(graph)]).p[0]
    assert together.item() == pytest.approx(exact(alone)(leaf[id(alone)]).p[0].item(), abs=1e-12)


def test_the_least_recently_used_structures_go_first() -> None:
    program = parse_program(SENTENCES)
    structures = Structures(max_bytes=1)
    both = [sample_of("a b"), sample_of("a b c")]
    for sample in both:
        exact(ground(program, [sample]), structures=structures)
    assert len(structures) == 1
    exact(ground(program, both[1:]), structures=structures)
    assert structures.counts.hits == 1
    exact(ground(program, both[:1]), structures=structures)
    assert structures.counts.misses == 3


def test_a_structure_cut_short_by_a_budget_is_not_used_for_a_larger_one() -> None:
    edges = [(a, b) for a in range(9) for b in range(9) if b == a + 3 or (b == a + 1 and b % 3)]
    text = "".join(f"0.5::edge({a},{b}). " for a, b in edges) + "link(X,Y) :- edge(X,Y). link(X,Y) :- edge(Y,X). "
    text += "reach(X,Y) :- link(X,Y). reach(X,Y) :- link(X,Z), reach(Z,Y). "
    program = parse_program(text + "#query reach(0,8).")
    structures = Structures()
    graph = ground(program)
    leaf = torch.tensor(graph.choices.probability)
    tight = exact(graph, Budget(nodes=8), structures)
    exactly = exact(graph, Budget(), structures)
    assert tight.method == "bounds" and exactly.method != "bounds"
    low, high, p = tight(leaf).lower, tight(leaf).upper, exactly(leaf).p
    assert bool((low <= p + 1e-12).all()) and bool((p <= high + 1e-12).all())


def test_symbols_that_differ_only_in_name_make_no_difference() -> None:
    program = parse_program("#input seen(thing). #neural is_good(X) :- seen(X). any :- is_good(_). #query any.")
    graphs = [ground(program, [{Signature("seen", 1): [(Symbol(name),) for name in names]}]) for names in ("ab", "cd")]
    structures = Structures()
    for graph in graphs:
        exact(graph, structures=structures)
    assert (structures.counts.hits, structures.counts.misses) == (1, 1)
