"""True, false or unknown, and the steps to it: against the enumeration of worlds."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from nesy.errors import QueryError
from nesy.explanation import to_text
from nesy.language import parse_program, parse_query
from nesy.language.core import CoreProgram
from nesy.program import Program
from nesy.solver import Inference, entailments, entails
from nesy.solver.inferences import infer
from nesy.solver.open_world import _instantiate, _opposites, with_opposites
from tests.examples import num_examples

ATOMS = ["p0", "p1", "p2", "p3", "p4", "p5"]  # two to a stratum
OPPOSITES = ["-p0", "-p2"]  # where these predicates are open


@dataclass(frozen=True)
class Sketch:
    """A propositional program: rules are (head, positive body, negative body)."""

    open: tuple[str, ...]
    facts: tuple[str, ...]
    rules: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...]
    constraints: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]

    @property
    def text(self) -> str:
        lines = [f"#open {', '.join(f'{name}/0' for name in self.open)}."] if self.open else []
        lines += [f"{name} :- {name}." for name in ATOMS]  # all are known, and nothing follows
        lines += [f"{fact}." for fact in self.facts]
        lines += [f"{head} :- {body(positive, negative)}." for head, positive, negative in self.rules]
        lines += [f":- {body(positive, negative)}." for positive, negative in self.constraints]
        return "\n".join(lines)

    def worlds(self) -> Iterator[frozenset[str]]:
        """All worlds: what is open comes out any way, the rest follows."""
        both = [name for name in self.open if f"-{name}" in self.text]
        free = [*self.open, *(f"-{name}" for name in both)]
        for size in range(len(free) + 1):
            for chosen in itertools.combinations(free, size):
                world = set(chosen) | set(self.facts)
                for stratum in range(3):
                    changed = True
                    while changed:
                        changed = False
                        for head, positive, negative in self.rules:
                            fires = set(positive) <= world and not set(negative) & world
                            if level(head) == stratum and fires and head not in world:
                                world.add(head)
                                changed = True
                apart = all((name in world) != (f"-{name}" in world) for name in both)
                apart = apart and not any(f"-{name}" in world and name in world for name in ATOMS)
                broken = any(set(p) <= world and not set(n) & world for p, n in self.constraints)
                if apart and not broken:
                    yield frozenset(world)


def level(name: str) -> int:
    return int(name[-1]) // 2


def body(positive: tuple[str, ...], negative: tuple[str, ...]) -> str:
    return ", ".join([*positive, *(f"not {name}" for name in negative)])


@st.composite
def sketches(draw: st.DrawFn) -> Sketch:
    opened = tuple(draw(st.lists(st.sampled_from(["p0", "p2", "p4"]), min_size=1, unique=True)))
    known = [*ATOMS, *(name for name in OPPOSITES if name[1:] in opened)]
    rules = []
    for _ in range(draw(st.integers(1, 5))):
        head = draw(st.sampled_from(ATOMS))
        positive = draw(st.lists(st.sampled_from([n for n in known if level(n) <= level(head)]), max_size=2))
        below = [n for n in known if level(n) < level(head)]
        negative = draw(st.lists(st.sampled_from(below), max_size=2)) if below else []
        if positive or negative:
            rules.append((head, tuple(positive), tuple(negative)))
    constraints = []
    for _ in range(draw(st.integers(0, 2))):
        positive = draw(st.lists(st.sampled_from(known), min_size=1, max_size=2))
        negative = draw(st.lists(st.sampled_from(known), max_size=1))
        constraints.append((tuple(positive), tuple(negative)))
    facts = tuple(draw(st.lists(st.sampled_from(known), max_size=2, unique=True)))
    return Sketch(opened, facts, tuple(rules), tuple(constraints))


@settings(max_examples=num_examples(60))
@given(sketches())
def test_the_verdict_and_every_step_of_its_proof_hold_in_all_worlds(sketch: Sketch):
    program = parse_program(sketch.text)
    worlds = list(sketch.worlds())
    assume(worlds)  # an impossible program is found out from what bears on the query alone
    for name in ATOMS:
        found = entails(program, parse_query(name, program).atom, {}, program.open)
        holds = {name in world for world in worlds}
        wanted = {(True,): "true", (False,): "false", (False, True): "unknown"}[tuple(sorted(holds))]
        assert found.verdict == wanted, (sketch.text, name)
        for number, step in enumerate(found.proof):
            assert all((step.text in world) == step.holds for world in worlds), (sketch.text, step)
            assert all(premise < number for premise in step.premises)
        for literal, steps in propagated(program, name):
            assert steps == () or all((name in world) == (literal & 1 == 0) for world in worlds), (sketch.text, literal)
        if found.proof:
            assert (found.proof[-1].text, found.proof[-1].holds) == (name, wanted == "true")


def propagated(program: CoreProgram, name: str) -> Iterator[tuple[int, tuple[Inference, ...]]]:
    """What propagation says of an atom and of its negation, whatever Z3 says."""
    opened = with_opposites(program, program.open)
    hard = [rule for rule in program.constraints if rule.choice is None]
    instances, (goal,) = _instantiate(program, parse_query(name, program).atom, {}, opened, hard, 5.0)
    for literal in (2 * goal, 2 * goal + 1):
        yield literal, infer(instances, _opposites(instances, opened), literal)


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("#open p/0. :- p. q :- -p.", ["not p", "-p", "q"]),
        ("#open a/0, b/0. h :- a. h :- b. :- not h. :- a. q :- b.", ["not a", "h", "b", "q"]),
        ("#open a/0, b/0. h :- a, b. :- h. b. q :- not a.", ["b", "not h", "not a", "q"]),
    ],
    ids=["opposite", "last way", "denied"],
)
def test_a_literal_may_follow_backwards(text: str, steps: list[str]) -> None:
    program = parse_program(text)
    found = entails(program, parse_query("q", program).atom, {}, program.open)
    assert found.verdict == "true"
    told = [step.text if step.holds else f"not {step.text}" for step in found.proof]
    assert sorted(told) == sorted(steps)
    assert told[-1] == "q"


SUSPECTS = """
#open alibi/1, motive/1.
person(ann).  person(bob).
motive(ann).  -alibi(ann).
suspect(X) :- person(X), motive(X), not alibi(X).
"""


def test_a_query_with_variables_is_answered_for_all_that_could_hold():
    program = Program.from_text(f"{SUSPECTS} person(cy). alibi(cy).")
    assert str(program.truth("suspect(X)")) == "suspect(ann)  true\nsuspect(bob)  unknown"
    assert str(program.truth("suspect(cy)")) == "suspect(cy)  false"


def test_a_true_answer_has_its_proof_and_an_unknown_one_a_world_for_either_case():
    truth = Program.from_text(SUSPECTS, "suspects.nesy").truth("suspect(X)")
    assert to_text(truth.explain(truth[0]).story, width=100).splitlines()[:6] == [
        "suspect(ann)  true  entailment",
        "because",
        "└── suspect(ann)  suspects.nesy:5",
        "    ├── person(ann)  fact",
        "    ├── motive(ann)  fact",
        "    └── not alibi(ann)  or else the constraint would be violated  suspects.nesy:4",
    ]
    told = to_text(truth.explain(truth[1]).story, width=100).splitlines()
    assert told[0] == "suspect(bob)  unknown  entailment"
    assert told[1] == "a world in which suspect(bob) holds"
    assert "suspect(bob)" in told[2]
    assert told[3] == "a world in which it does not"
    assert "suspect(bob)" not in told[4]


def test_what_could_only_support_itself_is_false_with_the_reason_around_the_circle():
    program = parse_program("#open go/0. a :- b. b :- a. b :- c, go. c :- go, not d. d. #query a.")
    (found,) = entailments(program, parse_query("a", program).atom, {}, program.open)
    assert found.verdict == "false"
    assert [step.text for step in found.proof][-1] == "a"
    assert not any(step.holds for step in found.proof)


def test_a_proof_that_needs_an_analysis_of_cases_is_left_to_the_script():
    program = Program.from_text("#open day/0. out :- day. out :- not day.")
    truth = program.truth("out")
    assert truth[0].verdict == "true"
    assert truth[0].found.proof == ()
    assert "it takes an analysis of cases" in str(truth.explain())
    assert "(assert" in truth[0].found.smt2


def test_probabilities_of_an_open_program_are_refused():
    program = Program.from_text(SUSPECTS)
    with pytest.raises(QueryError, match="alibi/1`, `motive/1`: with open predicates an answer is true, false or unk"):
        program.query("suspect(ann)")
    with pytest.raises(QueryError, match="evidence conditions probabilities"):
        Program.from_text(f"{SUSPECTS} evidence(motive(bob)).").truth("suspect(bob)")
