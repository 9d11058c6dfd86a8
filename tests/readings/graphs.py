"""Small derivation graphs written by hand or drawn at random, and the obviously right way to read them.

The oracle enumerates worlds: one outcome for each choice; in each world, levels from low to high, each to its
least fixpoint. It shares no code with the package.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from hypothesis import strategies as st

from nesy.language.core import Atom, CoreProgram, Query
from nesy.reasoning.derivation import ChoiceTable, DerivationGraph, GroundAggregate, GroundQuery

EMPTY = CoreProgram((), (), (), (), (), {}, (), {})


@dataclass
class Draft:
    """A graph under construction. Leaves first, then nodes; `level` orders negation and aggregates."""

    choices: list[tuple[int, bool, int]] = field(default_factory=list)  # leaves, has_rest, sample
    probability: list[float] = field(default_factory=list)
    level: list[int] = field(default_factory=list)
    sample: list[int] = field(default_factory=list)
    derivations: list[tuple[int, tuple[int, ...]]] = field(default_factory=list)
    aggregates: list[GroundAggregate] = field(default_factory=list)
    evidence: list[int] = field(default_factory=list)
    constraint: list[int] = field(default_factory=list)
    query: list[tuple[int | None, int]] = field(default_factory=list)
    num_samples: int = 1

    def choice(self, probabilities: list[float], has_rest: bool = False, sample: int = -1) -> list[int]:
        """A choice; its leaves as positive literals. All choices come before any node."""
        first = len(self.level)
        assert first == len(self.probability), "leaves come before nodes"
        self.choices.append((len(probabilities), has_rest, sample))
        self.probability += probabilities
        self.level += [0] * len(probabilities)
        self.sample += [sample] * len(probabilities)
        return [2 * leaf for leaf in range(first, len(self.level))]

    def fact(self, probability: float, sample: int = -1) -> int:
        return self.choice([probability], has_rest=True, sample=sample)[0]

    def node(self, *bodies: tuple[int, ...], level: int = 1, sample: int = -1) -> int:
        """A derived node with the given bodies; its positive literal."""
        self.level.append(level)
        self.sample.append(sample)
        literal = 2 * (len(self.level) - 1)
        for body in bodies:
            self.rule(literal, *body)
        return literal

    def rule(self, head: int, *body: int) -> None:
        self.derivations.append((head >> 1, body))

    def aggregate(
        self, function: str, elements: list[int], weights: list[int], level: int = 1, sample: int = -1
    ) -> dict[float, int]:
        """An aggregate over literals that are positive; its results by value."""
        values = sorted(
            {
                value
                for held in itertools.product([False, True], repeat=len(elements))
                if (value := apply(function, [w for w, h in zip(weights, held, strict=True) if h])) is not None
            }
        )
        results = {value: self.node(level=level, sample=sample) for value in values}
        self.aggregates.append(
            GroundAggregate(
                function,
                np.asarray([e >> 1 for e in elements], dtype=np.int64),
                np.asarray(weights),
                np.asarray([r >> 1 for r in results.values()], dtype=np.int64),
                np.asarray(values),
            )
        )
        return results

    def ask(self, literal: int | None, sample: int = 0) -> None:
        self.query.append((literal, sample))

    def graph(self) -> DerivationGraph:
        order = sorted(range(len(self.derivations)), key=lambda i: self.derivations[i][0])
        bodies = [self.derivations[i][1] for i in order]
        sizes = [c[0] for c in self.choices]
        integer = np.int64
        return DerivationGraph(
            program=EMPTY,
            num_samples=self.num_samples,
            choices=ChoiceTable(
                ptr=np.cumsum([0, *sizes]).astype(integer),
                has_rest=np.asarray([c[1] for c in self.choices], dtype=bool),
                choice=np.arange(len(sizes)),
                sample=np.asarray([c[2] for c in self.choices], dtype=integer),
                key=tuple(() for _ in sizes),
                outcome=np.concatenate([np.zeros(0, integer), *(np.arange(s) for s in sizes)]),
                probability=np.asarray(self.probability, dtype=float),
            ),
            num_nodes=len(self.level),
            sample=np.asarray(self.sample, dtype=integer),
            head=np.asarray([self.derivations[i][0] for i in order], dtype=integer),
            body_ptr=np.cumsum([0, *map(len, bodies)]).astype(integer),
            body=np.asarray([literal for body in bodies for literal in body], dtype=integer),
            rule=np.zeros(len(order), dtype=integer),
            aggregates=tuple(self.aggregates),
            query=tuple(
                GroundQuery(Query(Atom(f"q{i}", ())), Atom(f"q{i}", ()), sample, literal)
                for i, (literal, sample) in enumerate(self.query)
            ),
            evidence=np.asarray(self.evidence, dtype=integer),
            constraint=np.asarray([literal >> 1 for literal in self.constraint], dtype=integer),
            atom_of=lambda node: Atom(f"n{node}", ()),
        )

    # -- the oracle --

    def worlds(self, leaf: np.ndarray) -> Iterator[tuple[float, np.ndarray]]:
        """Every world's probability, and which nodes hold in it."""
        starts = np.cumsum([0, *(c[0] for c in self.choices)])
        options = [[*range(c[0]), *([-1] if c[1] else [])] for c in self.choices]
        for picked in itertools.product(*options):
            weight = 1.0
            holds = np.zeros(len(self.level), dtype=bool)
            for c, k in enumerate(picked):
                mine = leaf[starts[c] : starts[c + 1]]
                weight *= mine[k] if k >= 0 else 1 - mine.sum()
                if k >= 0:
                    holds[starts[c] + k] = True
            self.close(holds)
            yield weight, holds

    def close(self, holds: np.ndarray) -> None:
        for level in sorted(set(self.level)):
            for a in self.aggregates:
                if self.level[a.result[0] if len(a.result) else 0] == level:
                    value = apply(a.function, [w for e, w in zip(a.element, a.weight, strict=True) if holds[e]])
                    holds[a.result[a.value == value]] = True
            changed = True
            while changed:
                changed = False
                for head, body in self.derivations:
                    if self.level[head] == level and not holds[head] and all(holds[b >> 1] != b & 1 for b in body):
                        holds[head] = changed = True

    def probabilities(self, leaf: np.ndarray | None = None) -> tuple[list[float], list[float]]:
        """Each query's probability given its conditions (nan if impossible), and that of its conditions."""
        leaf = np.asarray(self.probability) if leaf is None else leaf
        joint = np.zeros(len(self.query))
        given = np.zeros(len(self.query))
        conditions = [*self.evidence, *(c ^ 1 for c in self.constraint)]
        for weight, holds in self.worlds(leaf):
            for i, (literal, sample) in enumerate(self.query):
                mine = [c for c in conditions if self.num_samples == 1 or self.sample[c >> 1] in (sample, -1)]
                if all(holds[c >> 1] != c & 1 for c in mine):
                    given[i] += weight
                    if literal is not None and holds[literal >> 1] != literal & 1:
                        joint[i] += weight
        with np.errstate(invalid="ignore", divide="ignore"):
            return (joint / given).tolist(), given.tolist()


def apply(function: str, weights: list[float]) -> float | None:
    """The value of an aggregate function, None where it has none."""
    match function:
        case "count":
            return len(weights)
        case "sum":
            return sum(weights)
        case "min":
            return min(weights, default=None)
        case "max":
            return max(weights, default=None)
        case _:
            return sum(weights) / len(weights) if weights else None


@st.composite
def drafts(draw: st.DrawFn, max_choices: int = 5, max_nodes: int = 8, conditions: bool = True) -> Draft:
    """A random small graph: cycles, negation, shared leaves, aggregates, evidence, constraints."""
    draft = Draft()
    literals: list[int] = []
    for _ in range(draw(st.integers(1, max_choices))):
        size = draw(st.sampled_from([1, 1, 1, 2, 3]))
        parts = [draw(st.integers(1, 9)) for _ in range(size + 1)]
        has_rest = size == 1 or draw(st.booleans())
        total = sum(parts) if has_rest else sum(parts[:-1])
        literals += draft.choice([part / total for part in parts[:-1]], has_rest)
    lower = list(literals)  # what negation and aggregates may look at
    for level in range(1, draw(st.integers(2, 4))):
        here: list[int] = []
        if draw(st.integers(0, 2)) == 0:
            elements = draw(st.lists(st.sampled_from(lower), min_size=1, max_size=4, unique=True))
            weights = [draw(st.integers(-2, 3)) for _ in elements]
            function = draw(st.sampled_from(["sum", "count", "min", "max", "avg"]))
            if function == "count":
                weights = [1] * len(elements)
            here += draft.aggregate(function, elements, weights, level=level).values()
        plain = [draft.node(level=level) for _ in range(draw(st.integers(1, max_nodes // 2)))]
        here += plain
        for head in plain:
            for _ in range(draw(st.integers(0, 3))):
                body = draw(st.lists(st.sampled_from(lower + here), min_size=0, max_size=3, unique=True))
                signs = [draw(st.integers(0, 3)) == 0 and literal in lower for literal in body]
                draft.rule(head, *(literal ^ sign for literal, sign in zip(body, signs, strict=True)))
        lower += here
    for literal in draw(st.lists(st.sampled_from(lower), min_size=1, max_size=4, unique=True)):
        draft.ask(literal ^ int(draw(st.booleans())))
    if conditions:
        for literal in draw(st.lists(st.sampled_from(lower), max_size=2, unique=True)):
            if draw(st.booleans()):
                draft.evidence.append(literal ^ int(draw(st.booleans())))
            elif literal >> 1 >= len(draft.probability):
                draft.constraint.append(literal)
    return draft
