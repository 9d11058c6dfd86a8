"""What would change an answer, and what is wrong with proposals: against the enumeration of worlds."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import assume, given, settings

from nesy.language import parse_program
from nesy.reasoning import ground
from nesy.reasoning.derivation import DerivationGraph
from nesy.solver import explain_impossible, repair, smallest_change
from nesy.solver.graph_clauses import GraphClauses
from tests.examples import num_examples

from .random_programs import Example, examples

Outcomes = tuple[int | None, ...]


def grounded(example: Example) -> DerivationGraph:
    queries = "".join(f"query({atom}).\n" for atom in example.atoms)
    return ground(parse_program(example.text + queries))


def worlds_of(example: Example) -> dict[Outcomes, frozenset[str]]:
    return {outcomes: true for outcomes, true in example.worlds() if not example.violated(true)}


def outcomes_of(example: Example, graph: DerivationGraph, leaves: set[int], known: set[int]) -> dict[int, int | None]:
    """Graph choices and leaves as choices and outcomes of the example."""
    texts = {atom: (c, o) for c, choice in enumerate(example.choices) for o, (_, atom) in enumerate(choice)}
    found: dict[int, int | None] = {}
    for choice in known:
        found[texts[str(graph.atom_of(int(graph.choices.ptr[choice])))][0]] = None
    for leaf in leaves:
        choice, outcome = texts[str(graph.atom_of(leaf))]
        found[choice] = outcome
    return found


@settings(max_examples=num_examples(40))
@given(examples(constraints=True))
def test_a_change_flips_the_answer_and_none_is_smaller_or_as_small_and_more_probable(example: Example):
    graph = grounded(example)
    good = worlds_of(example)
    leaf = graph.choices.probability
    conditions = [2 * int(node) + 1 for node in graph.constraint]
    for query in [q for q in graph.query if q.literal is not None][:3]:
        assert query.literal is not None
        atom = str(query.atom)
        change = smallest_change(graph, leaf, query.literal)
        with_it = {o for o, true in good.items() if atom in true}
        if not with_it or len(with_it) == len(good):
            assert change.verdict == "never"
            continue
        assert change.verdict == "found"
        relevant = set(GraphClauses(graph, [query.literal, *conditions]).choices)
        base = outcomes_of(example, graph, set(change.world), relevant)
        own = np.prod([part(example, graph, c, outcome) for c, outcome in base.items()])
        # Outcomes that nothing here depends on are not in the graph: such a choice is "none of those that are".
        told = {o: tuple(seen(example, graph, c, o[c]) for c in base) for o in good}
        weight = {
            outcomes: np.prod([part(example, graph, c, outcome) for c, outcome in zip(base, outcomes, strict=True)])
            for outcomes in told.values()
        }
        assert tuple(base.values()) in {told[o] for o in with_it}
        assert own == pytest.approx(max(weight[told[o]] for o in with_it), rel=1e-5)
        distance = {
            told[o]: sum(x != y for x, y in zip(told[o], base.values(), strict=True)) for o in good if o not in with_it
        }
        size = min(distance.values())
        assert len(change.changes) == size
        best = max(weight[o] / own for o, number in distance.items() if number == size)
        assert change.odds == pytest.approx(best, rel=1e-5)
        changed = {**base, **outcomes_of_changes(example, graph, change.changes)}
        after = [o for o in good if told[o] == tuple(changed.values())]
        assert after and all(atom not in good[o] for o in after)


def leaves_of(example: Example, graph: DerivationGraph, choice: int) -> set[int]:
    """The outcomes of a choice of the example that are leaves of the graph."""
    atoms = [atom for _, atom in example.choices[choice]]
    return {atoms.index(text) for leaf in range(graph.num_leaves) if (text := str(graph.atom_of(leaf))) in atoms}


def seen(example: Example, graph: DerivationGraph, choice: int, outcome: int | None) -> int | None:
    return outcome if outcome in leaves_of(example, graph, choice) else None


def part(example: Example, graph: DerivationGraph, choice: int, outcome: int | None) -> float:
    own = [p for p, _ in example.choices[choice]]
    return own[outcome] if outcome is not None else 1 - sum(own[i] for i in leaves_of(example, graph, choice))


def outcomes_of_changes(example: Example, graph: DerivationGraph, changes) -> dict[int, int | None]:
    leaves = {change.after for change in changes if change.after is not None}
    return outcomes_of(example, graph, leaves, {change.choice for change in changes})


@settings(max_examples=num_examples(40))
@given(examples(constraints=True))
def test_conflicts_are_minimal_and_the_repair_is_the_most_probable_right_world(example: Example):
    graph = grounded(example)
    good = worlds_of(example)
    found = repair(graph, graph.choices.probability)
    assume(found.verdict != "consistent")
    every = dict(example.worlds())
    if not good:
        assert found.verdict == "impossible"
    for conflict in found.conflicts:
        index = int(conflict.place.split(":")[1]) - 1 - (example.text.count("\n") - len(example.constraints))
        proposed = [outcome_of_text(example, text) for text in conflict.proposals]

        def forced(chosen: list[tuple[int, int | None]], index: int = index) -> bool:
            matching = [
                true
                for o, true in every.items()
                if all(seen(example, graph, c, o[c]) == outcome for c, outcome in chosen)
            ]
            return all(index in example.violated(true) for true in matching)

        assert forced(proposed)
        if proposed:  # without any, the constraint can never hold
            smaller = itertools.combinations(proposed, len(proposed) - 1)
            assert not any(forced(list(chosen)) for chosen in smaller)
    if good:
        assert found.verdict == "repaired"
        weight = {
            o: np.prod([part(example, graph, c, seen(example, graph, c, outcome)) for c, outcome in enumerate(o)])
            for o in good
        }
        best = max(weight.values())
        likely = [o for o in good if weight[o] == pytest.approx(best, rel=1e-4)]
        answers = {frozenset(a for a in example.atoms if a in good[o]) for o in likely}
        assert frozenset(found.answers) in answers


def outcome_of_text(example: Example, text: str) -> tuple[int, int | None]:
    atom = text.removeprefix("not ").split(" and ")[0]
    for number, choice in enumerate(example.choices):
        for outcome, (_, name) in enumerate(choice):
            if name == atom:
                return number, None if text.startswith("not ") else outcome
    raise AssertionError(text)


def test_the_answer_is_changed_by_the_most_probable_of_the_smallest_changes():
    program = parse_program("0.9::a. 0.8::b. 0.6::c. ok :- a, b. ok :- a, c. query(ok).")
    graph = ground(program)
    query = graph.query[0].literal
    assert query is not None
    change = smallest_change(graph, graph.choices.probability, query)
    assert [str(c) for c in change.changes] == ["not a instead of a"]
    assert change.odds == pytest.approx(0.1 / 0.9)


def test_other_answers_of_the_same_query_are_told():
    program = parse_program("0.7::colour(red); 0.2::colour(blue); 0.1::colour(green). query(colour(X)).")
    graph = ground(program)
    literal = next(q.literal for q in graph.query if str(q.atom) == "colour(red)")
    assert literal is not None
    change = smallest_change(graph, graph.choices.probability, literal)
    assert [str(c) for c in change.changes] == ["colour(blue) instead of colour(red)"]
    assert change.instead == ("colour(blue)",)


def test_a_certain_answer_is_changed_by_nothing():
    graph = ground(parse_program("0.5::a. ok :- a. ok :- not a. query(ok)."))
    literal = graph.query[0].literal
    assert literal is not None
    change = smallest_change(graph, graph.choices.probability, literal)
    assert (change.verdict, change.reason) == ("never", "the answer holds in every world")


def test_impossible_evidence_is_named_with_its_places():
    program = parse_program(
        "0.5::rain.\nwet :- rain.\n0.3::cold.\n:- wet, cold.\nevidence(wet).\nevidence(cold).\nevidence(rain).\n",
        "rules/weather.nesy",
    )
    graph = ground(program)
    assert explain_impossible(graph) == (
        "no world satisfies these together:\n  rules/weather.nesy:5: evidence: wet\n"
        "  rules/weather.nesy:6: evidence: cold\n  rules/weather.nesy:4: :- wet, cold."
    )
