"""Relations under changes equal those of a fresh evaluation, and what is said to have changed is what did."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nesy.errors import DataError, LimitError, NesyError
from nesy.language import parse_program
from nesy.language.core import Signature
from nesy.reasoning import Incremental, Limits
from nesy.reasoning.evaluation import incremental
from tests.evaluation.programs import ARITY, CONSTANTS, program
from tests.evaluation.worlds import model

GIVEN = ["e", "e", "e", "u", "c", "r", "p", "t"]  # the last ones are derived too


@st.composite
def row(draw):
    name = draw(st.sampled_from(GIVEN))
    return name, *(draw(st.sampled_from([*CONSTANTS, 4])) for _ in range(ARITY[name]))


def rows_of(live: Incremental) -> set[tuple]:
    return {(s.name, *values) for s in live.relations if s.name in ARITY for values in live.relations[s]}


def by_predicate(rows) -> dict[Signature, list[tuple]]:
    found: dict[Signature, list[tuple]] = {}
    for name, *values in sorted(rows):
        found.setdefault(Signature(name, len(values)), []).append(tuple(values))
    return found


@settings(max_examples=40)
@given(
    program(min_rules=3),
    st.lists(st.tuples(st.lists(row(), max_size=3), st.lists(row(), max_size=3)), min_size=1, max_size=6),
    st.sampled_from([0, 2, 256]),
    st.booleans(),
)
def test_any_sequence_of_changes_ends_where_a_fresh_evaluation_does(lines, edits, few, is_input) -> None:
    certain = [re.sub(r"[0-9.]+::", "", line) for line in lines if not line.startswith("evidence") and ";" not in line]
    rules = [line for line in certain if ":-" in line or line.startswith("#")]
    facts = {(f.predicate, *(a.value for a in f.arguments)) for f in parse_program("\n".join(certain)).facts}
    declared = ["#input e(x, y)."] if is_input else []
    text = "\n".join([*declared, *(line for line in rules if not (is_input and line.startswith("e(")))])
    core = parse_program(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(incremental, "FEW", few)
        live = Incremental(core, by_predicate(f for f in facts if f[0] == "e") if is_input else None)
        live.update(insert=by_predicate(facts))
        before = rows_of(live)
        assert before == {fact for fact in model(core, {}, facts) if fact[0] in ARITY}
        for insert, delete in edits:
            changes = live.update(by_predicate(insert), by_predicate(delete))
            facts = facts - set(delete) | set(insert)
            after = rows_of(live)
            assert after == {fact for fact in model(core, {}, facts) if fact[0] in ARITY}
            added = {(s.name, *values) for s, change in changes.items() for values in change.added if s.name in ARITY}
            removed = {(s.name, *v) for s, change in changes.items() for v in change.removed if s.name in ARITY}
            assert (added, removed) == (after - before, before - after)
            before = after


TEXT = "#input edge(x, y). path(X,Y) :- edge(X,Y). path(X,Z) :- path(X,Y), edge(Y,Z). :- path(X,X)."
EDGE, PATH = Signature("edge", 2), Signature("path", 2)


def test_an_insertion_derives_only_what_is_new() -> None:
    chain = [(i, i + 1) for i in range(400)]
    live = Incremental(parse_program(TEXT), {EDGE: chain})
    assert live.count(PATH) == 80_200
    changes = live.update(insert={EDGE: [(1000, 1001)]})
    assert {str(s): c.num_added for s, c in changes.items()} == {"edge/2": 1, "path/2": 1}
    assert live._state.guard.tuples == 1
    assert live.update(insert={EDGE: [(1000, 1001)]}) == {}
    assert live.update(delete={EDGE: [(399, 400)]})[PATH].num_removed == 400


def test_a_violated_constraint_shows_as_a_change() -> None:
    live = Incremental(parse_program(TEXT), {EDGE: [(1, 2)]})
    changes = live.update(insert={EDGE: [(2, 1)]})
    (constraint,) = [s for s in changes if s.name.startswith(":-")]
    assert changes[constraint].num_added >= 1
    assert live.update(delete={EDGE: [(1, 2)]})[constraint].num_removed >= 1


def test_values_that_are_new_make_room_for_themselves() -> None:
    live = Incremental(parse_program(TEXT), {EDGE: [(1, 2)]})
    for i in range(2, 120):
        live.update(insert={EDGE: [(i, i + 1)]}, delete={EDGE: [(i - 20, i - 19)]})
    assert live.count(PATH) == 20 * 21 // 2


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(NesyError, match="makes a random choice"):
        Incremental(parse_program("0.5::a."))
    live = Incremental(parse_program(TEXT))
    with pytest.raises(DataError, match="`nothing/1` is not a predicate of the program"):
        live.update(insert={Signature("nothing", 1): [(1,)]})
    with pytest.raises(DataError, match="row 2 of `edge/2` has 1 values"):
        live.update(delete={EDGE: [(1, 2), (3,)]})
    counting = parse_program("#input start(x). n(X) :- start(X). n(Y) :- n(X), Y = X + 1.")
    runaway = Incremental(counting, limits=Limits(rounds=50))
    with pytest.raises(LimitError, match="the limit of 50 rounds"):
        runaway.update(insert={Signature("start", 1): [(0,)]})


def test_a_fact_that_is_also_derived_stays_until_both_are_gone() -> None:
    live = Incremental(parse_program(TEXT), {EDGE: [(1, 2)]})
    assert PATH not in live.update(insert={PATH: [(1, 2)]})
    assert PATH not in live.update(delete={EDGE: [(1, 2)]})
    assert live.update(delete={PATH: [(1, 2)]})[PATH].num_removed == 1
