"""Random small programs, and the obviously right way to know what holds in their worlds.

Programs have probabilistic facts, annotated disjunctions, stratified negation, positive recursion, variables over
two constants, counts and constraints. The oracle substitutes constants for variables, enumerates outcomes and runs
rules to a fixpoint, stratum by stratum; it shares no code with the package.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from hypothesis import strategies as st

CONSTANTS = ("a", "b")


@dataclass(frozen=True)
class Rule:
    """`head :- body.` with X for a constant; `count` (p, n) adds the condition `#count{ Y : p(Y) } >= n`."""

    head: str
    body: tuple[tuple[bool, str], ...]  # negated, atom
    count: tuple[str, int] | None = None

    def __str__(self) -> str:
        parts = [("not " if negated else "") + atom for negated, atom in self.body]
        if "X" in self.head + "".join(parts):
            parts.insert(0, "dom(X)")
        if self.count:
            parts.append(f"N = #count{{ Y : {self.count[0]}(Y) }}, N >= {self.count[1]}")
        return f"{self.head} :- {', '.join(parts)}." if parts else f"{self.head}."

    def ground(self) -> Iterator[Rule]:
        if "X" not in self.head + "".join(atom for _, atom in self.body):
            yield self
            return
        for constant in CONSTANTS:
            body = tuple((n, atom.replace("X", constant)) for n, atom in self.body)
            yield Rule(self.head.replace("X", constant), body, self.count)


@dataclass(frozen=True)
class Example:
    """A program: choices of (probability, atom) each, rules by stratum, bodies of constraints."""

    choices: tuple[tuple[tuple[float, str], ...], ...]
    strata: tuple[tuple[Rule, ...], ...]
    constraints: tuple[tuple[tuple[bool, str], ...], ...] = ()

    @property
    def text(self) -> str:
        lines = [f"dom({constant})." for constant in CONSTANTS]
        lines += ["; ".join(f"{p}::{atom}" for p, atom in choice) + "." for choice in self.choices]
        lines += [str(rule) for stratum in self.strata for rule in stratum]
        lines += [str(Rule("", body)).lstrip() for body in self.constraints]
        return "\n".join(lines) + "\n"

    @property
    def atoms(self) -> list[str]:
        """All derived atoms, ground."""
        heads = {rule.head for stratum in self.strata for one in stratum for rule in one.ground()}
        return sorted(heads)

    def worlds(self) -> Iterator[tuple[tuple[int | None, ...], frozenset[str]]]:
        """Each way to choose, and what holds then."""
        options = [
            [*range(len(choice)), *([None] if sum(p for p, _ in choice) < 1 - 1e-9 else [])] for choice in self.choices
        ]
        for outcomes in itertools.product(*options):
            yield outcomes, self.model(outcomes)

    def model(self, outcomes: tuple[int | None, ...]) -> frozenset[str]:
        true = {f"dom({constant})" for constant in CONSTANTS}
        true |= {c[o][1] for c, o in zip(self.choices, outcomes, strict=True) if o is not None}
        for stratum in self.strata:
            rules = [rule for one in stratum for rule in one.ground()]
            while True:
                new = {rule.head for rule in rules if _fires(rule, true)} - true
                if not new:
                    break
                true |= new
        return frozenset(true)

    def probability(self, outcomes: tuple[int | None, ...]) -> float:
        result = 1.0
        for choice, outcome in zip(self.choices, outcomes, strict=True):
            result *= choice[outcome][0] if outcome is not None else 1 - sum(p for p, _ in choice)
        return result

    def violated(self, true: frozenset[str]) -> list[int]:
        """Which constraints a world violates."""
        return [
            index
            for index, body in enumerate(self.constraints)
            if any(_fires(rule, set(true)) for rule in Rule("", body).ground())
        ]


def _fires(rule: Rule, true: set[str]) -> bool:
    if any((atom in true) == negated for negated, atom in rule.body):
        return False
    return rule.count is None or sum(f"{rule.count[0]}({c})" in true for c in CONSTANTS) >= rule.count[1]


@st.composite
def examples(draw: st.DrawFn, constraints: bool = False) -> Example:
    """A program with at most 64 worlds, two strata of rules, and constraints if asked for."""
    choices: list[tuple[tuple[float, str], ...]] = []
    for number in range(draw(st.integers(1, 3))):
        choices.append(((draw(st.sampled_from([0.2, 0.5, 0.7])), f"f{number}(a)"),))
        if draw(st.booleans()):
            choices.append(((draw(st.sampled_from([0.1, 0.4])), f"f{number}(b)"),))
    if draw(st.booleans()):
        probabilities = draw(st.sampled_from([(0.3, 0.7), (0.2, 0.5), (0.6, 0.1, 0.3)]))
        choices.append(tuple((p, f"g{index}") for index, p in enumerate(probabilities)))
    random = sorted({atom for choice in choices for _, atom in choice})
    terms = sorted({atom.replace("(a)", "(X)").replace("(b)", "(X)") for atom in random})
    below = [*random, *terms]
    strata: list[tuple[Rule, ...]] = []
    for level in range(2):
        own = [f"d{level}{index}(X)" for index in range(2)] + [f"e{level}"]
        rules: list[Rule] = []
        for _ in range(draw(st.integers(1, 4))):
            head = draw(st.sampled_from(own))
            body = [(False, atom) for atom in draw(st.lists(st.sampled_from([*below, *own]), max_size=2))]
            body += [(True, atom) for atom in draw(st.lists(st.sampled_from(below), max_size=1))]
            if head == f"e{level}":  # a head without X: its body may only name constants
                body = [(n, atom.replace("X", draw(st.sampled_from(CONSTANTS)))) for n, atom in body]
            count = None
            if draw(st.integers(0, 3)) == 0:
                counted = sorted({atom.split("(")[0] for atom in below if "(" in atom})
                count = (draw(st.sampled_from(counted)), draw(st.integers(1, 2)))
            rules.append(Rule(head, tuple(dict.fromkeys(body)), count))
        strata.append(tuple(dict.fromkeys(rules)))
        heads = {rule.head for rule in rules}
        below = [*below, *sorted(heads | {head.replace("X", c) for head in heads for c in CONSTANTS})]
    # a body atom of the own stratum that no rule derives would be an unknown predicate
    derived = {rule.head for stratum in strata for rule in stratum}
    for level, stratum in enumerate(strata):
        strata[level] = tuple(
            Rule(r.head, tuple((n, a) for n, a in r.body if a[0] in "fg" or _pattern(a) in derived), r.count)
            for r in stratum
        )
    bodies: list[tuple[tuple[bool, str], ...]] = []
    if constraints:
        ground = sorted({*random, *(r.head for s in strata for one in s for r in one.ground())})
        for _ in range(draw(st.integers(1, 4))):
            body = draw(
                st.lists(st.tuples(st.booleans(), st.sampled_from(ground)), min_size=1, max_size=3, unique=True)
            )
            bodies.append(tuple(body))
    return Example(tuple(choices), tuple(strata), tuple(bodies))


def _pattern(atom: str) -> str:
    return atom if "(" not in atom else atom.split("(")[0] + "(X)"
