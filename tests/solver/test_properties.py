"""Properties over all small databases, and open-world answers: against the enumeration of databases."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

import pytest

from nesy.checking import prove
from nesy.errors import ProgramError, QueryError
from nesy.language import parse_program, parse_query
from nesy.language.core import CoreProgram, Literal, Signature
from nesy.language.values import Symbol
from nesy.reasoning import evaluate
from nesy.solver import always, entails, equivalent, never

FAMILY = """
#input parent(a, b).
grandparent(X, Z) :- parent(X, Y), parent(Y, Z).
sibling(X, Y) :- parent(P, X), parent(P, Y), X != Y.
orphan(X) :- parent(X, _), not has_parent(X).
has_parent(X) :- parent(_, X).
ancestor(X, Y) :- parent(X, Y).
ancestor(X, Z) :- parent(X, Y), ancestor(Y, Z).
descends(X, Y) :- parent(X, Y).
descends(X, Z) :- descends(X, Y), descends(Y, Z).
near(X, Y) :- parent(X, Y).
near(X, Z) :- parent(X, Y), parent(Y, Z).
busy(X) :- parent(X, _), N = #count{ Y : parent(X, Y) }, N >= 2.
any :- parent(_, _).
"""


def family() -> CoreProgram:
    return parse_program(FAMILY, "rules/family.nesy")


def databases(size: int) -> Iterator[list[tuple[Symbol, Symbol]]]:
    people = [Symbol(name) for name in "abc"[:size]]
    rows = list(itertools.product(people, people))
    for number in range(len(rows) + 1):
        yield from map(list, itertools.combinations(rows, number))


def holding(program: CoreProgram, rows: list[tuple[Symbol, Symbol]], name: str, arity: int) -> set[tuple[object, ...]]:
    relations = evaluate(program, {Signature("parent", 2): rows})
    return set(map(tuple, relations[Signature(name, arity)]))


@pytest.mark.parametrize("query", ["grandparent(X, X)", "sibling(X, X)", "orphan(X)", "busy(X)", "ancestor(a, a)"])
@pytest.mark.parametrize("size", [1, 2])
def test_what_never_happens_happens_in_no_database_and_else_in_a_smallest_one(query: str, size: int):
    program = family()
    atom = parse_query(query, program).atom
    found = never(program, atom, size)
    wanted = [
        len(rows)
        for rows in databases(size)
        for values in [holding(program, rows, *atom.signature)]
        if (any(len(set(v)) == 1 for v in values) if "X, X" in query or "a, a" in query else values)
    ]
    assert found.verdict == ("broken" if wanted else "holds")
    assert len(found.database) == (min(wanted) if wanted else 0)


def test_a_counterexample_is_printed_as_facts_with_the_rules_that_fired():
    program = family()
    found = never(program, parse_query("grandparent(X, X)", program).atom, 1)
    assert str(found) == ("never grandparent(X,X): broken by parent(a,a).\n  rules/family.nesy:3: grandparent(a,a)")
    found = never(program, parse_query("sibling(X, X)", program).atom, 4)
    assert str(found) == "never sibling(X,X): holds over all databases of at most 4 values"


def test_two_ways_to_say_the_same_are_equivalent_and_others_are_told_apart():
    program = family()
    ancestor, descends, near = (Signature(name, 2) for name in ("ancestor", "descends", "near"))
    assert equivalent(program, ancestor, descends, 3).verdict == "holds"
    found = equivalent(program, ancestor, near, 4)
    assert found.verdict == "broken"
    assert len(found.database) == 3, "a chain of three"


def test_constraints_are_taken_to_hold():
    program = parse_program(FAMILY + ":- ancestor(X, X).\n")
    assert never(program, parse_query("grandparent(X, X)", program).atom, 3).verdict == "holds"


def test_always_holds_for_all_values_with_which_its_condition_does():
    program = family()
    assert always(program, parse_query("any", program).atom, 1).verdict == "broken"
    ancestor = parse_query("ancestor(X, Z)", program).atom
    grandparent = Literal(parse_query("grandparent(X, Z)", program).atom)
    found = always(program, ancestor, 3, when=[grandparent])
    assert str(found) == "always ancestor(X,Z) :- grandparent(X,Z): holds over all databases of at most 3 values"
    found = always(program, grandparent.atom, 3, when=[Literal(ancestor)])
    assert len(found.database) == 1, "a parent is an ancestor and no grandparent"
    assert found.database != ("parent(a,a)",), "one's own parent is one's grandparent too"


def test_always_without_values_to_range_over_is_refused():
    program = family()
    message = re.escape("`always busy(X)`: over which values? Say what X may be: `busy(X) :- ...`")
    with pytest.raises(ValueError, match=message):
        always(program, parse_query("busy(X)", program).atom, 1)


def test_a_claim_is_an_atom_or_has_a_condition(tmp_path):
    file = tmp_path / "family.nesy"
    file.write_text(FAMILY)
    assert prove(file, always="ancestor(X,Z) :- ancestor(X,Y), parent(Y,Z)").holds
    different = prove(file, never="parent(X,Y), parent(Y,X), X != Y", size=2)
    assert set(different.database) == {"parent(a,b)", "parent(b,a)"}
    with pytest.raises(QueryError, match="the property is empty"):
        prove(file, never=" . ")
    with pytest.raises(QueryError, match="over which values"):
        prove(file, always="ancestor(X,Z)")
    with pytest.raises(ProgramError, match="did you mean `ancestor`"):
        prove(file, always="ancester(X,Z) :- parent(X,Z)")
    with pytest.raises(ProgramError, match=re.escape("expected `.`, `,` or `;`, found `:-`")):
        prove(file, never="ancestor(X,Z) :- parent(X,Z)")


def test_choices_are_open_and_told():
    program = parse_program("#input man(x). 0.5::tall(X) :- man(X). giant(X) :- tall(X).")
    found = never(program, parse_query("giant(X)", program).atom, 2)
    assert found.chosen == (found.database[0].replace("man", "tall"),)


def test_what_is_too_large_is_unknown():
    program = parse_program("#input big(a, b, c, d). p :- big(_, _, _, _).")
    found = never(program, parse_query("p", program).atom, 20)
    assert found.verdict == "unknown"
    assert not found.holds


OPEN = """
#input -kind(x). #input -cold(x).
kind(ann). cold(ann). cold(bob).
-rough(X) :- kind(X), cold(X).
rough(X) :- -kind(X).
"""


@pytest.mark.parametrize(
    ("query", "verdict"),
    [
        ("kind(ann)", "true"),
        ("-rough(ann)", "true"),
        ("rough(ann)", "false"),
        ("rough(bob)", "unknown"),
        ("kind(bob)", "unknown"),
        ("-kind(ann)", "false"),
    ],
)
def test_an_open_predicate_is_true_false_or_unknown(query: str, verdict: str):
    program = parse_program(OPEN)
    found = entails(program, parse_query(query, program).atom, {}, [Signature("kind", 1), Signature("rough", 1)])
    assert found.verdict == verdict
    assert bool(found.holding) == (verdict != "false")
    assert bool(found.failing) == (verdict != "true")
    if verdict == "unknown":
        assert query.replace(" ", "") in found.holding
        assert query.replace(" ", "") not in found.failing


def test_a_closed_predicate_is_never_unknown():
    program = parse_program(OPEN)
    assert entails(program, parse_query("rough(bob)", program).atom).verdict == "false"


def test_from_a_contradiction_nothing_is_concluded():
    program = parse_program("p(a). -p(a).")
    assert entails(program, parse_query("p(a)", program).atom).verdict == "impossible"
