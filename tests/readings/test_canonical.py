"""Pieces of one structure are numbered alike, however their nodes were numbered: what was analysed serves them all."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nesy.language import parse_program
from nesy.language.core import Signature
from nesy.reasoning import Budget, Structures, exact, ground
from nesy.reasoning.compilation.canonical import Numbering, Numberings
from nesy.reasoning.compilation.pieces import cut
from nesy.reasoning.readings.exact import analysed
from tests.readings.graphs import Draft, drafts


def shuffled(base: Draft, data: st.DataObject) -> tuple[Draft, list[int]]:
    """The same graph with choices, nodes, derivations, literals and queries in another order; and that of queries."""
    first = np.cumsum([0, *(size for size, _, _ in base.choices)]).tolist()
    num_leaves = first[-1]
    choices = data.draw(st.permutations(range(len(base.choices))))
    order = [leaf for c in choices for leaf in range(first[c], first[c + 1])]
    order += data.draw(st.permutations(range(num_leaves, len(base.level))))
    number = {node: place for place, node in enumerate(order)}

    def moved(literal: int) -> int:
        return 2 * number[literal >> 1] + (literal & 1)

    asked = data.draw(st.permutations(range(len(base.query))))
    derivations = [
        (number[head], tuple(moved(literal) for literal in data.draw(st.permutations(body))))
        for head, body in data.draw(st.permutations(base.derivations))
    ]
    found = replace(
        base,
        choices=[base.choices[c] for c in choices],
        probability=[base.probability[leaf] for leaf in order[:num_leaves]],
        level=[base.level[node] for node in order],
        sample=[base.sample[node] for node in order],
        derivations=derivations,
        aggregates=[],
        evidence=[moved(literal) for literal in data.draw(st.permutations(base.evidence))],
        constraint=[moved(literal) for literal in data.draw(st.permutations(base.constraint))],
        query=[(None if (one := base.query[q][0]) is None else moved(one), 0) for q in asked],
    )
    return found, asked


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_shuffled_graph_answers_as_the_first_one_does(data: st.DataObject) -> None:
    base = data.draw(drafts(max_choices=4, max_nodes=6).filter(lambda draft: not draft.aggregates))
    other, asked = shuffled(base, data)
    structures = Structures()
    exact(base.graph(), structures=structures)
    reading = exact(other.graph(), structures=structures)
    answer = reading(torch.tensor(other.probability, dtype=torch.float64), where_impossible="nan")
    alone, evidence = base.probabilities()
    assert answer.evidence.tolist() == pytest.approx([evidence[number] for number in asked], abs=1e-9)
    for p, number in zip(answer.p.tolist(), asked, strict=True):
        assert evidence[number] <= 1e-12 or p == pytest.approx(alone[number], abs=1e-9)


LINKS = """
#input link(name, name).
#input asked(name, name).
#neural holds(X, Y) :- link(X, Y).
reach(X, Y) :- holds(X, Y).
reach(X, Z) :- reach(X, Y), holds(Y, Z).
goal :- asked(X, Y), reach(X, Y).
#query goal.
"""


def chain(*names: str) -> dict[Signature, list[tuple[str, ...]]]:
    links = list(pairwise(names))
    return {Signature("link", 2): sorted(links), Signature("asked", 2): [(names[0], names[-1])]}


def test_the_order_of_names_makes_no_difference() -> None:
    """Links are numbered by their names: in one order down the chain, in the other up, and mixed."""
    program, structures = parse_program(LINKS), Structures()
    for names in ("abcd", "dcba", "bdac"):
        graph = ground(program, [chain(*names)])
        answer = exact(graph, structures=structures)(torch.tensor([0.5, 0.6, 0.7], dtype=torch.float64))
        assert answer.p.tolist() == pytest.approx([0.21])
    assert (structures.counts.hits, structures.counts.misses) == (2, 1)
    exact(ground(program, [chain(*"abc")]), structures=structures)
    assert structures.counts.misses == 2


def test_how_a_piece_is_numbered_does_not_depend_on_what_was_met_before() -> None:
    """Else sums of floats would differ between a training and one that goes on after an interruption."""
    program = parse_program(LINKS)
    (piece,) = cut(ground(program, [chain(*"bdac")]))
    found = []
    for met in ("abcd", "dcba"):
        structures = Structures()
        exact(ground(program, [chain(*met)]), structures=structures)
        ((numbered,), _) = analysed(program, [piece], Budget(), structures)
        assert structures.counts.hits == 1
        found.append(numbered.node.tolist())
    assert found[0] == found[1]


def test_numberings_beyond_what_may_be_kept_are_dropped() -> None:
    (piece,) = cut(ground(parse_program(LINKS), [chain(*"abcd")]))
    kept, dropped = Numberings(), Numberings(max_bytes=1)
    for numberings in (kept, dropped):
        for _ in range(2):
            numberings.keep(piece.signature, Numbering.of(piece))
    assert kept.find(piece.signature) is not None
    assert kept.num_bytes == Numbering.of(piece).num_bytes
    assert dropped.find(piece.signature) is None
    assert dropped.num_bytes == 0
