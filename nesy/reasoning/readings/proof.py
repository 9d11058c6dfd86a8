"""A proof: why one literal of a derivation graph holds, as a tree of steps.

Found by `best_proofs`; drawn by explanations; checked by Z3. Steps name nodes and derivations of the
graph they were found in, and nothing else: what a node says is `graph.atom_of(node)`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Assumed:
    """The end of a branch: a leaf that is taken to hold, or (negated) not to hold."""

    literal: int

    @property
    def children(self) -> tuple[Step, ...]:
        return ()


@dataclass(frozen=True, slots=True)
class Derived:
    """`node` holds by `derivation`; `children[i]` proves the i-th literal of its body."""

    node: int
    derivation: int
    children: tuple[Step, ...]

    @property
    def literal(self) -> int:
        return 2 * self.node


@dataclass(frozen=True, slots=True)
class Absent:
    """`node` does not hold, because none of its derivations does.

    `children` proves, for each of its derivations, that one literal of the body fails (fewer where
    one reason serves several derivations). A derivation that fails only because it leads back to this node or
    to one that is absent above it (recursion without support) has no child. A node without children
    can never be derived.
    """

    node: int
    children: tuple[Step, ...]

    @property
    def literal(self) -> int:
        return 2 * self.node + 1


@dataclass(frozen=True, slots=True)
class Aggregated:
    """`node`, a result of aggregate number `aggregate`, holds because of which elements hold.

    `children` proves of the elements that they hold or that they do not (a negated literal), in the
    order of the aggregate's elements; elements that cannot change the result any more have none.
    """

    node: int
    aggregate: int
    children: tuple[Step, ...]

    @property
    def literal(self) -> int:
        return 2 * self.node


Step: TypeAlias = Assumed | Derived | Absent | Aggregated


@dataclass(frozen=True, slots=True)
class Proof:
    """One reason for `root.literal`: it holds in every world where all of `assumed` holds.

    `assumed` are the leaf literals of the tree's ends, sorted, each once; they never contradict each
    other. `probability` is the chance that all of them hold, so it is a lower bound of the literal's.
    """

    root: Step
    assumed: tuple[int, ...]
    probability: float

    @property
    def literal(self) -> int:
        return self.root.literal

    def steps(self) -> Iterator[Step]:
        """Every step, parents before children, a shared step each time it is used."""
        stack: list[Step] = [self.root]
        while stack:
            step = stack.pop()
            yield step
            stack.extend(reversed(step.children))


def assumptions(root: Step) -> frozenset[int]:
    """The leaf literals that a tree of steps ends in; each shared step is looked at once."""
    seen: set[int] = set()
    stack: list[Step] = [root]
    found: set[int] = set()
    while stack:
        step = stack.pop()
        if id(step) not in seen:
            seen.add(id(step))
            stack.extend(step.children)
            if isinstance(step, Assumed):
                found.add(step.literal)
    return frozenset(found)
