"""Samples that were met in earlier batches, laid side by side in a new one, answer as they did there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nesy.errors import InconsistentError
from nesy.language import parse_program
from nesy.language.core import CoreProgram, Query, Signature
from nesy.language.values import Symbol, Value
from nesy.reasoning import Budget, DerivationGraph, KnownSamples, Limits, Structures, exact, ground
from nesy.reasoning.compilation.pieces import cut
from nesy.reasoning.compilation.places import gather
from nesy.reasoning.readings.exact import analysed, joined
from tests.readings.graphs import EMPTY, drafts
from tests.readings.test_structures import SENTENCES, batch_of, sample_of

Sample = Mapping[Signature, Sequence[Sequence[Value]]]


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_pieces_of_one_graph_are_a_graph_in_any_order(data: st.DataObject) -> None:
    base = data.draw(drafts(max_choices=4, max_nodes=6))
    num_shared = data.draw(st.integers(0, len(base.choices)))
    asked = data.draw(st.lists(st.lists(st.integers(0, len(base.query) - 1), max_size=3), min_size=1, max_size=3))
    batch = batch_of(base, num_shared, asked, [list(base.probability) for _ in asked])
    order = data.draw(st.lists(st.integers(0, len(asked) - 1), min_size=1, max_size=4))
    cuttings = cut(batch.graph())
    pieces, templates = analysed(EMPTY, [cuttings[s] for s in order], Budget(), Structures())
    graph, places = gather(EMPTY, pieces)
    leaf = torch.tensor(graph.choices.probability)
    alone, chance = base.probabilities()
    every = [number for numbers in asked for number in numbers]
    numbered = {f"q{place}": number for place, number in enumerate(every)}
    for reading in (joined(graph, places, pieces, templates), exact(graph)):
        found = reading(leaf, where_impossible="nan")
        numbers = [numbered[str(query.atom)] for query in graph.query]
        assert found.evidence.tolist() == pytest.approx([chance[number] for number in numbers], abs=1e-9)
        for p, number in zip(found.p.tolist(), numbers, strict=True):
            assert chance[number] <= 1e-12 or p == pytest.approx(alone[number], abs=1e-9)


def test_atoms_keep_their_names() -> None:
    program = parse_program(SENTENCES)
    first = cut(ground(program, [sample_of("a not b"), sample_of("x")]))
    second = cut(ground(program, [sample_of("never c d")]))
    graph, _ = gather(program, [first[1], second[0], first[0]])
    names = [str(graph.atom_of(node)) for node in range(graph.num_nodes)]
    assert names[: graph.num_leaves][:2] == ["leans(0,up)", "leans(0,down)"]
    assert 'turns("never")' in names and 'turns("not")' in names
    for query in graph.query:
        assert query.literal is not None and str(graph.atom_of(query.literal >> 1)) == str(query.atom) == "says(up)"
    with pytest.raises(IndexError):
        graph.atom_of(graph.num_nodes)


def test_a_batch_of_known_samples_answers_as_a_new_one_does() -> None:
    program = parse_program(SENTENCES)
    texts = ["it was not good", "a b", "never not c", "a b"]
    samples = [sample_of(text) for text in texts]
    known = KnownSamples(program, program.queries[:1], Structures())
    known.read(samples[:2], texts[:2])
    known.read(samples[2:3], texts[2:3])
    reading = known.read(samples, texts)
    counts = known.structures.counts
    assert len(known) == 3 and (counts.hits, counts.misses) == (4, 3)
    whole = ground(program, samples)

    def chances(graph: DerivationGraph) -> torch.Tensor:
        says = [str(graph.atom_of(leaf)) for leaf in range(graph.num_leaves)]
        return torch.tensor([0.3 if name.endswith("up)") else 0.7 if name[0] == "l" else 0.9 for name in says]).double()

    expected = exact(whole)(chances(whole)).p
    torch.testing.assert_close(reading(chances(reading.graph)).p, expected)


def test_samples_that_were_not_asked_for_longest_go_first(monkeypatch: pytest.MonkeyPatch) -> None:
    program = parse_program(SENTENCES)
    grounded: list[int] = []

    def counting(
        program: CoreProgram, samples: Sequence[Sample], queries: Sequence[Query], limits: Limits
    ) -> DerivationGraph:
        grounded.append(len(samples))
        return ground(program, samples, queries, limits)

    monkeypatch.setattr("nesy.reasoning.readings.known.ground", counting)
    texts = [f"a w{i}" for i in range(9)]
    size = cut(ground(program, [sample_of(texts[0])]))[0].size
    known = KnownSamples(program, program.queries[:1], Structures(), most=8 * size)
    for text in (*texts[:8], texts[0], texts[8]):  # the ninth is one too many: two go, but not the first
        known.read([sample_of(text)], [text])
    assert len(known) == 7 and grounded == [1] * 9
    known.read([sample_of(texts[0]), sample_of(texts[1])], texts[:2])
    assert grounded == [1] * 10
    known.read([sample_of(texts[0]), sample_of(texts[8])], [texts[0], texts[8]])
    assert grounded == [1] * 10


def test_impossible_evidence_is_named_by_the_sample_it_was_given_as() -> None:
    program = parse_program(
        "#input seen(thing). #neural good(X) :- seen(X). all :- good(a). #evidence all. #query good(X)."
    )
    known = KnownSamples(program, program.queries[:1], Structures())
    rows = [{Signature("seen", 1): [(Symbol(name),)]} for name in ("a", "b")]
    known.read(rows[:1], ["a"])
    with pytest.raises(InconsistentError, match="evidence `all` holds in no world in sample 1"):
        known.read(rows, ["a", "b"])
    assert len(known) == 1
