"""A derivation graph with more in it: nodes that combine its literals, switches that a caller sets.

Readings that ask about combinations of answers (which of them hold together? what if this one had been
observed?) put the combination into the graph as nodes, so that the exact methods need to know nothing of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from nesy.language.core import Atom, Query
from nesy.reasoning.derivation import DerivationGraph, GroundQuery

COMBINED = -2  # the rule of derivations that are no rule's, as for the elements of aggregates


@dataclass
class Extension:
    """Collects what is new. Switches are choices of two outcomes or none, and come after the graph's own leaves.

    A literal of the old graph is a literal of the new one by `literal`.
    """

    graph: DerivationGraph
    num_switches: int = 0
    names: list[str] = field(default_factory=list)  # of new nodes
    samples: list[int] = field(default_factory=list)
    bodies: list[tuple[int, tuple[int, ...]]] = field(default_factory=list)  # head, body

    @property
    def num_leaves(self) -> int:
        return self.graph.num_leaves + 2 * self.num_switches

    def literal(self, old: int) -> int:
        """A literal of the old graph in the new one."""
        return old if old >> 1 < self.graph.num_leaves else old + 4 * self.num_switches

    def switch(self, number: int, outcome: int) -> int:
        """The literal of a switch's outcome, 0 or 1."""
        return 2 * (self.graph.num_leaves + 2 * number + outcome)

    def node(self, name: str, sample: int, ways: Sequence[Sequence[int]]) -> int:
        """The literal of a new node that holds if all literals of one of the ways hold (literals of the new graph)."""
        number = self.graph.num_nodes + 2 * self.num_switches + len(self.names)
        self.names.append(name)
        self.samples.append(sample)
        self.bodies += [(number, tuple(way)) for way in ways]
        return 2 * number

    def build(self, queries: Sequence[int], constraints: Sequence[int] = ()) -> DerivationGraph:
        """The graph, asked for the old queries and then for new literals; further constraints are new nodes."""
        graph, shift = self.graph, 2 * self.num_switches
        old, table = graph.num_leaves, graph.choices
        literals = np.where(graph.body >> 1 < old, graph.body, graph.body + 2 * shift)
        new_body = np.asarray([b for _, body in self.bodies for b in body], np.int64)
        new_ptr = np.cumsum([len(body) for _, body in self.bodies], dtype=np.int64)
        sample_of = np.asarray(self.samples, np.int64)

        def moved(nodes: np.ndarray) -> np.ndarray:
            return np.where(nodes < old, nodes, nodes + shift)

        def atom_of(node: int) -> Atom:
            if node >= graph.num_nodes + shift:
                return Atom(self.names[node - graph.num_nodes - shift], ())
            if old <= node < old + shift:
                return Atom(f"switch {node - old}", ())
            return graph.atom_of(node if node < old else node - shift)

        more = self.num_switches
        choices = replace(
            table,
            ptr=np.concatenate([table.ptr, table.ptr[-1] + 2 * np.arange(1, more + 1)]),
            has_rest=np.concatenate([table.has_rest, np.ones(more, np.bool_)]),
            choice=np.concatenate([table.choice, np.full(more, -1)]),
            sample=np.concatenate([table.sample, np.full(more, -1)]),
            key=(*table.key, *((number,) for number in range(more))),
            outcome=np.concatenate([table.outcome, np.tile(np.arange(2), more)]),
            probability=np.concatenate([table.probability, np.full(2 * more, np.nan)]),
        )
        known = [replace(q, literal=None if q.literal is None else self.literal(q.literal)) for q in graph.query]
        asked = [self._question(literal, atom_of) for literal in queries]
        return replace(
            graph,
            choices=choices,
            num_nodes=graph.num_nodes + shift + len(self.names),
            sample=np.concatenate([graph.sample[:old], np.full(shift, -1), graph.sample[old:], sample_of]),
            head=np.concatenate([moved(graph.head), np.asarray([head for head, _ in self.bodies], np.int64)]),
            body_ptr=np.concatenate([graph.body_ptr, graph.body_ptr[-1] + new_ptr]),
            body=np.concatenate([literals, new_body]),
            rule=np.concatenate([graph.rule, np.full(len(self.bodies), COMBINED)]),
            aggregates=tuple(replace(a, element=moved(a.element), result=moved(a.result)) for a in graph.aggregates),
            query=(*known, *asked),
            evidence=np.where(graph.evidence >> 1 < old, graph.evidence, graph.evidence + 2 * shift),
            constraint=np.concatenate(
                [moved(graph.constraint), np.asarray([literal >> 1 for literal in constraints], np.int64)]
            ),
            atom_of=atom_of,
        )

    def _question(self, literal: int, atom_of) -> GroundQuery:  # type: ignore[no-untyped-def]
        node = literal >> 1
        first = self.graph.num_nodes + 2 * self.num_switches
        sample = self.samples[node - first] if node >= first else 0
        atom = atom_of(node)
        return GroundQuery(Query(atom), atom, sample, literal)
