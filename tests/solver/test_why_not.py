"""Why an answer did not come out: the facts that are missing bring it, and no fewer would."""

from __future__ import annotations

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from nesy.language import parse_program, parse_query
from nesy.language.core import Signature
from nesy.language.values import Symbol
from nesy.solver import why_not
from tests.examples import num_examples

from .random_programs import CONSTANTS, Example, Rule, examples


@settings(max_examples=num_examples(20))
@given(st.booleans().flatmap(examples), st.data())
def test_the_missing_facts_bring_the_answer_and_no_fewer_would(example: Example, data: st.DataObject):
    names = sorted({atom.split("(")[0] for choice in example.choices for _, atom in choice})
    universe = [
        f"{name}({c})" if name.startswith("f") else name
        for name in names
        for c in (CONSTANTS if name.startswith("f") else ("",))
    ]
    database = frozenset(data.draw(st.sets(st.sampled_from(universe), max_size=3)))
    rules = "".join(f"{rule}\n" for stratum in example.strata for rule in stratum)
    rules += "".join(f"{str(Rule('', body)).lstrip()}\n" for body in example.constraints)
    inputs = "".join(f"#input {name}(x).\n" if name.startswith("f") else f"#input {name}.\n" for name in names)
    program = parse_program(inputs + "#input dom(x).\n" + rules)
    domain = {f"dom({c})" for c in CONSTANTS}
    facts: dict[Signature, list[tuple[Symbol, ...]]] = {}
    for atom in sorted(database | domain):
        name, _, rest = atom.partition("(")
        row = (Symbol(rest[:-1]),) if rest else ()
        facts.setdefault(Signature(name, len(row)), []).append(row)
    stated = facts_to_take_out(example)
    database |= stated
    absent = [atom for atom in example.atoms if not comes_out(example, atom, database | domain)]
    if not absent:
        return
    atom = data.draw(st.sampled_from(absent))
    found = why_not(program, parse_query(atom, program).atom, facts)
    counted = {rule.count[0] for stratum in example.strata for rule in stratum if rule.count}
    new = [f"{name}({value})" for name in ("dom", *names) if name == "dom" or name in counted for value in "uv"]
    new = new if counted else []  # a count may need values that are not there yet
    everything = [*universe, *new, *sorted(domain | stated)]
    sizes = [
        len(chosen)
        for size in range(4)
        for chosen in itertools.combinations(everything, size)
        if comes_out(example, atom, (database | domain) ^ set(chosen))
    ]
    if found.verdict == "found":
        changed = (database | domain) - set(found.in_the_way) | set(found.missing)
        assert not set(found.missing) & (database | domain)
        assert set(found.in_the_way) <= database | domain
        assert comes_out(example, atom, changed)
        size = len(found.missing) + len(found.in_the_way)
        assert size == min(sizes) if sizes else size > 3
    else:
        assert found.verdict == "never"
        assert not sizes


def comes_out(example: Example, atom: str, database: frozenset[str] | set[str]) -> bool:
    """Whether the rules give the atom and no constraint is violated."""
    true = derived(example, database)
    return atom in true and not example.violated(frozenset(true))


def derived(example: Example, database: frozenset[str] | set[str]) -> set[str]:
    """What the rules derive from certain facts, stratum by stratum; nothing is certain but these."""
    stated, true = facts_to_take_out(example), set(database)
    constants = {*CONSTANTS, *(atom[4:-1] for atom in database if atom.startswith("dom("))}
    for stratum in example.strata:
        while True:
            new = {
                rule.head
                for one in stratum
                if one.head not in stated
                for constant in constants
                for rule in [substituted(one, constant)]
                if rule is not None and fires(rule, constant, "X" in f"{one.head}{one.body}", true)
            } - true
            if not new:
                break
            true |= new
    return true


def facts_to_take_out(example: Example) -> set[str]:
    """What the program states as facts, of predicates that have nothing but facts."""
    rules = [rule for stratum in example.strata for rule in stratum]
    derived_heads = {rule.head for rule in rules if rule.body or rule.count or "X" in rule.head}
    names = {head.split("(")[0] for head in derived_heads}
    return {rule.head for rule in rules if rule.head not in derived_heads and rule.head.split("(")[0] not in names}


def substituted(rule: Rule, constant: str) -> Rule:
    body = tuple((n, atom.replace("X", constant)) for n, atom in rule.body)
    return Rule(rule.head.replace("X", constant), body, rule.count)


def fires(rule: Rule, constant: str, has_variable: bool, true: set[str]) -> bool:
    if has_variable and f"dom({constant})" not in true:
        return False
    if any((atom in true) == negated for negated, atom in rule.body):
        return False
    return rule.count is None or sum(atom.startswith(f"{rule.count[0]}(") for atom in true) >= rule.count[1]


FAMILY = """
parent(ann, bob). parent(bob, cy). parent(eve, dan). dead(bob). person(zoe).
grandparent(X, Z) :- parent(X, Y), parent(Y, Z), not dead(Y).
ancestor(X, Y) :- parent(X, Y).
ancestor(X, Y) :- parent(X, Z), ancestor(Z, Y).
0.3::happy(X) :- person(X).
glad(X) :- happy(X), ancestor(X, _).
"""


def ask(query: str):
    program = parse_program(FAMILY, "family.nesy")
    return why_not(program, parse_query(query, program).atom)


def test_a_fact_in_the_way_is_named_and_the_rule_says_how_far_it_got():
    found = ask("grandparent(ann, cy)")
    assert found.in_the_way == ("dead(bob)",)
    assert found.missing == ()
    (attempt,) = found.attempts
    assert attempt.place == "family.nesy:3"
    assert attempt.met == ("parent(ann,bob)", "parent(bob,cy)")
    assert attempt.unmet == ("not dead(bob)",)


def test_recursion_needs_only_one_more_fact():
    found = ask("ancestor(ann, dan)")
    assert len(found.missing) == 1
    assert [attempt.place for attempt in found.attempts] == ["family.nesy:4", "family.nesy:5"]


def test_outcomes_that_have_to_come_out_are_named():
    assert ask("glad(zoe)").chosen == ("happy(zoe)",)


def test_an_answer_that_no_rule_gives_is_never_found():
    program = parse_program("#input n(x). small(X) :- n(X), X < 3.")
    found = why_not(program, parse_query("small(7)", program).atom)
    assert (found.verdict, found.reason) == ("never", "no facts over these values would do")


def test_a_count_may_ask_for_several_new_values():
    program = parse_program("#input guest(x). crowd :- N = #count{ X : guest(X) }, N >= 4.")
    found = why_not(program, parse_query("crowd", program).atom, {})
    assert found.verdict == "found"
    assert len(found.missing) == 4


def test_the_facts_that_are_missing_violate_no_constraint():
    program = parse_program(
        "parent(ann, bob). 0.5::parent(bob, cy). person(eve).\n"
        "#pred person(name). ancestor(X, Y) :- parent(X, Y). ancestor(X, Z) :- parent(X, Y), ancestor(Y, Z).\n"
        ":- ancestor(X, X).\n"
        "evidence(parent(bob, cy)).",
        "family.nesy",
    )
    found = why_not(program, parse_query("ancestor(cy, ann)", program).atom)
    assert found.excluded_by == ()
    assert (found.verdict, found.missing, found.in_the_way) == ("found", ("parent(cy,ann)",), ("parent(ann,bob)",))


def test_a_constraint_that_excludes_what_the_rules_give_is_named():
    program = parse_program(
        "bird(tim). swims(tim). 0.9::flies(X) :- bird(X).\n:- flies(X), swims(X).\nevidence(bird(tim)).", "birds.nesy"
    )
    found = why_not(program, parse_query("flies(tim)", program).atom)
    assert found.excluded_by == ("birds.nesy:2: :- flies(X), swims(X).",)
    assert (found.in_the_way, found.chosen) == (("swims(tim)",), ("flies(tim)",))


def test_what_the_answer_rests_on_includes_what_constraints_ask():
    program = parse_program("#input a. 0.5::b. 0.5::c. h :- a, b. :- h, c.", "rests.nesy")
    found = why_not(program, parse_query("h", program).atom, {})
    assert (found.missing, sorted(found.chosen)) == (("a",), ["b", "not c"])


def test_a_fact_that_a_constraint_asks_for_is_missing_too():
    program = parse_program("#input works(x). #input paid(x). busy(X) :- works(X). :- works(X), not paid(X).")
    found = why_not(program, parse_query("busy(ann)", program).atom, {})
    assert set(found.missing) == {"works(ann)", "paid(ann)"}
