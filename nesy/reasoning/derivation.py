"""The derivation graph: everything that running a program over possible facts derived.

This is the one structure that all answers are read from. It knows nothing of probabilities of neural
predicates (they change with every batch); it is built once per structure and read many times: by the
semirings, exact probability, proofs, Z3, pictures.

Nodes are numbered 0..N-1:

    0 .. L-1            leaves: leaf l is one outcome of a random choice
    L .. N-1            derived atoms, and the possible results of aggregates

A literal is `2 * node + negated`. Derivations (hyperedges) 0..E-1 are sorted by head; derivation e says
`head[e]` holds if all literals of its body hold. A body is in the order of its rule, with the leaf last where
the rule makes a choice; a negated literal whose atom no world has is left out. A node may have no derivation
only if it is a leaf or an aggregate's result. An empty body means certain. A node that holds in every world has
only derivations that do, and they lead back to facts without a cycle; other nodes may depend on each other
in a cycle (recursion), but never through a negation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from nesy.language.core import Atom, CoreProgram, Query
from nesy.language.values import Value

Index = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class ChoiceTable:
    """The random choices of the graph, C of them, each with one or more leaves.

    Leaf outcomes of one choice exclude each other. `has_rest[c]` says that none of them may hold
    either, with the probability that is left over from 1.
    """

    ptr: Index  # [C + 1]: leaves ptr[c] .. ptr[c+1]-1 belong to choice c
    has_rest: NDArray[np.bool_]  # [C]
    choice: Index  # [C] id of the core `Choice`
    sample: Index  # [C] the sample it belongs to, -1 where it is shared by all
    key: tuple[tuple[Value, ...], ...]  # [C] values of the choice's key variables
    outcome: Index  # [L] which of the choice's outcomes the leaf is
    probability: NDArray[np.float64]  # [L] from the rule file; nan where an encoder or a learner gives it

    @property
    def num_choices(self) -> int:
        return len(self.has_rest)

    @property
    def num_leaves(self) -> int:
        return len(self.outcome)

    @cached_property
    def of_leaf(self) -> Index:
        """[L] the choice each leaf belongs to."""
        return np.repeat(np.arange(self.num_choices), np.diff(self.ptr))


@dataclass(frozen=True, eq=False)
class GroundAggregate:
    """One aggregate of one group: a function of which of its elements hold.

    Element i is a term tuple, holds iff node `element[i]` holds, and weighs `weight[i]`. Exactly one of
    `result` nodes holds in each world, the one whose `value` is the function of the elements that
    hold (none for min, max, avg over no elements).
    """

    function: str
    element: Index  # [n] nodes
    weight: NDArray[np.float64] | NDArray[np.int64]  # [n]; all 1 for count
    result: Index  # [m] nodes
    value: NDArray[np.float64] | NDArray[np.int64]  # [m] distinct


@dataclass(frozen=True, eq=False)
class DerivationGraph:
    """See the module's text. All arrays are numpy, on the CPU; readings move what they need."""

    program: CoreProgram
    num_samples: int
    choices: ChoiceTable
    num_nodes: int
    sample: Index  # [N] the sample a node belongs to, -1 where it is shared by all
    head: Index  # [E] ascending
    body_ptr: Index  # [E + 1]
    body: Index  # literals
    rule: Index  # [E] id of the core rule; -1 for a certain fact; -2 for the condition of an aggregate element
    aggregates: tuple[GroundAggregate, ...]
    query: tuple[GroundQuery, ...]  # in the program's order, then by sample, then sorted by row
    evidence: Index  # literals that are observed to hold
    constraint: Index  # nodes that must not hold
    atom_of: Callable[[int], Atom]  # node -> ground atom (a leaf gives the head atom it selects)
    impossible: tuple[str, ...] = ()  # evidence or constraints that no world meets, known from grounding, as text

    @property
    def num_leaves(self) -> int:
        return self.choices.num_leaves

    @property
    def num_derivations(self) -> int:
        return len(self.head)

    @cached_property
    def derivations_ptr(self) -> Index:
        """[N + 1]: the derivations of node n are derivations_ptr[n] .. derivations_ptr[n+1]-1."""
        return np.searchsorted(self.head, np.arange(self.num_nodes + 1)).astype(np.int64)

    def body_of(self, derivation: int) -> Index:
        """The literals of a derivation's body."""
        return self.body[self.body_ptr[derivation] : self.body_ptr[derivation + 1]]


@dataclass(frozen=True)
class GroundQuery:
    """One ground answer of a query: its atom, and the literal that decides it.

    `literal` is None where the atom has no derivation at all: it is false in every world.
    """

    query: Query
    atom: Atom
    sample: int
    literal: int | None
