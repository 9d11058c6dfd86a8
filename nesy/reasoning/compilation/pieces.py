"""A graph of many samples, cut into one small graph per sample, and how alike those are.

What samples share (a probabilistic fact of the rule file, say) is copied into each piece, so that a piece is a graph
of its own. Nodes of a piece are numbered by their order in the whole, so two samples of the same structure
become the same arrays: that is what `signature` sees. Rules, atoms and probabilities are no part of it.

All samples are cut together, in a few numpy calls per level of what they share.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from nesy.reasoning.compilation.problem import slices
from nesy.reasoning.derivation import (
    ChoiceTable,
    DerivationGraph,
    GroundAggregate,
    GroundQuery,
    Index,
)


@dataclass(frozen=True, eq=False)
class Order:
    """Another numbering of a piece: what comes first, second, and so on, by the number it has so far."""

    choice: Index
    node: Index  # leaves first, by their choices
    query: Index  # places in `Piece.query`
    condition: Index  # places in `Piece.condition`, evidence first

    @property
    def parts(self) -> tuple[Index, Index, Index, Index]:
        return self.choice, self.node, self.query, self.condition


@dataclass(frozen=True, eq=False)
class Piece:
    """One sample of a graph. Places are the whole graph's numbers, contents are the piece's own."""

    whole: DerivationGraph
    sample: int
    query: tuple[int, ...]  # places in the whole's queries
    choice: Index  # [c] places
    node: Index  # [n] places, leaves first
    choice_ptr: Index  # [c + 1]
    derivation: Index  # [e] places
    head: Index  # [e]
    body_ptr: Index  # [e + 1]
    body: Index
    literal: tuple[int | None, ...]  # of each query
    condition: Index  # literals of the whole: evidence, then constraints as what must hold
    evidence: Index
    constraint: Index
    aggregates: tuple[GroundAggregate, ...]

    @cached_property
    def signature(self) -> bytes:
        """Equal for pieces that an exact method treats alike; 256 bits of a hash of all that it looks at."""
        return signature_of(
            self.num_nodes,
            self.choice_ptr,
            self.has_rest.astype(np.int64),
            self.head,
            self.body_ptr,
            self.body,
            self.literal,
            self.evidence,
            self.constraint,
            self.aggregates,
        )

    @property
    def num_nodes(self) -> int:
        return len(self.node)

    @property
    def size(self) -> int:
        """Nodes and literals of bodies."""
        return len(self.node) + len(self.body)

    @property
    def leaf(self) -> Index:
        """[l] places"""
        return self.node[: int(self.choice_ptr[-1])]

    @property
    def has_rest(self) -> NDArray[np.bool_]:
        """[c] as in the whole."""
        return self.whole.choices.has_rest[self.choice]

    @cached_property
    def rule(self) -> Index:
        """[e] as in the whole."""
        return self.whole.rule[self.derivation]

    @cached_property
    def choices(self) -> ChoiceTable:
        """Its own choices; those that are shared by all samples still say so."""
        table = self.whole.choices
        return ChoiceTable(
            ptr=self.choice_ptr,
            has_rest=self.has_rest,
            choice=table.choice[self.choice],
            sample=np.minimum(table.sample[self.choice], 0),
            key=tuple(table.key[place] for place in self.choice.tolist()),
            outcome=table.outcome[self.leaf],
            probability=table.probability[self.leaf],
        )

    @cached_property
    def body_size(self) -> Index:
        """[e] how many literals each body has."""
        return np.diff(self.body_ptr)

    @cached_property
    def choice_size(self) -> Index:
        """[c] how many leaves each choice has."""
        return np.diff(self.choice_ptr)

    @cached_property
    def own_conditions(self) -> Index:
        """The conditions on the piece's own numbers, in the order of `condition`."""
        return np.concatenate([self.evidence, 2 * self.constraint + 1])

    def renumbered(self, order: Order) -> Piece:
        """The same piece in another order; derivations by their heads and literals, and these by number.

        Raises: ValueError for a piece with aggregates.
        """
        if self.aggregates:
            raise ValueError("a piece with aggregates keeps its order")
        number = np.empty(self.num_nodes, dtype=np.int64)
        number[order.node] = np.arange(self.num_nodes)

        def moved(literals: Index) -> Index:
            return 2 * number[literals >> 1] + (literals & 1)

        head, body = number[self.head], moved(self.body)
        of_body = np.repeat(np.arange(len(head)), self.body_size)
        body = body[np.lexsort((body, of_body))]
        # Derivations by head, then by their literals: as rows of equal width, filled up with -1.
        table = np.full((len(head), int(self.body_size.max(initial=0))), -1, dtype=np.int64)
        table[of_body, np.arange(len(body)) - np.repeat(self.body_ptr[:-1], self.body_size)] = body
        derivation = np.lexsort((*table.T[::-1], head))
        size = self.body_size[derivation]
        body = body[slices(self.body_ptr[derivation], self.body_ptr[derivation] + size)]
        asked = [self.literal[place] for place in order.query.tolist()]
        num_evidence = len(self.evidence)
        return Piece(
            whole=self.whole,
            sample=self.sample,
            query=tuple(self.query[place] for place in order.query.tolist()),
            choice=self.choice[order.choice],
            node=self.node[order.node],
            choice_ptr=np.concatenate([[0], np.cumsum(self.choice_size[order.choice])]),
            derivation=self.derivation[derivation],
            head=head[derivation],
            body_ptr=np.concatenate([[0], np.cumsum(size)]),
            body=body,
            literal=tuple(None if one is None else 2 * int(number[one >> 1]) + (one & 1) for one in asked),
            condition=self.condition[order.condition],
            evidence=moved(self.own_conditions[order.condition[:num_evidence]]),
            constraint=number[self.own_conditions[order.condition[num_evidence:]] >> 1],
            aggregates=(),
        )

    def graph(self) -> DerivationGraph:
        """The piece as a graph of one sample. Atoms keep the names they have in the whole."""
        whole = self.whole
        asked = zip(self.query, self.literal, strict=True)
        return DerivationGraph(
            program=whole.program,
            num_samples=1,
            choices=replace(self.choices, sample=np.zeros(len(self.choice), dtype=np.int64)),
            num_nodes=self.num_nodes,
            sample=np.zeros(self.num_nodes, dtype=np.int64),
            head=self.head,
            body_ptr=self.body_ptr,
            body=self.body,
            rule=self.rule,
            aggregates=self.aggregates,
            query=tuple(
                GroundQuery(whole.query[place].query, whole.query[place].atom, 0, literal) for place, literal in asked
            ),
            evidence=self.evidence,
            constraint=self.constraint,
            atom_of=whole.atom_of,
        )


def signature_of(
    num_nodes: int,
    choice_ptr: Index,
    has_rest: Index,
    head: Index,
    body_ptr: Index,
    body: Index,
    literals: Sequence[int | None],
    evidence: Index,
    constraint: Index,
    aggregates: Sequence[GroundAggregate] = (),
) -> bytes:
    """256 bits of a hash of everything that an exact method looks at."""
    queries = np.array([-1 if literal is None else literal for literal in literals], dtype=np.int64)
    arrays = [np.array([num_nodes]), choice_ptr, has_rest, head, body_ptr, body, queries, evidence, constraint]
    for aggregate in aggregates:
        function = np.frombuffer(aggregate.function.encode().ljust(8), dtype=np.int64)
        arrays += [function, aggregate.element, aggregate.weight.astype(np.float64).view(np.int64)]
        arrays += [aggregate.result, aggregate.value.astype(np.float64).view(np.int64)]
    digest = blake2b(np.array([len(array) for array in arrays], dtype=np.int64).tobytes(), digest_size=32)
    digest.update(np.concatenate(arrays).tobytes())
    return digest.digest()


def cut(graph: DerivationGraph) -> list[Piece]:
    """The pieces of a graph, one for each sample.

    Cost: linear in the graph and in the copies of what is shared.
    """
    return _Cut(graph).pieces()


class _Cut:
    """Entries are pairs of a sample and a node, sorted by sample: first copies of shared nodes in the order in which
    the sample meets them, then its own nodes."""

    def __init__(self, graph: DerivationGraph):
        self.graph = graph
        self.is_shared = graph.sample < 0
        self.aggregate_of: dict[int, int] = {}
        for number, aggregate in enumerate(graph.aggregates):
            self.aggregate_of.update(dict.fromkeys(aggregate.result.tolist(), number))
        self.literals = np.concatenate([graph.evidence, 2 * graph.constraint + 1]).astype(np.int64)
        self.body_ptr, self.body = _without_facts(graph)
        self._roots()

    def _roots(self) -> None:
        """What each sample asks for: its queries; its conditions, and then those that all samples share."""
        graph, count = self.graph, self.graph.num_samples
        self.query: list[list[int]] = [[] for _ in range(count)]
        for place, query in enumerate(graph.query):
            self.query[query.sample].append(place)
        scope = graph.sample[self.literals >> 1]
        everywhere = np.flatnonzero(scope < 0)
        own = np.argsort(scope, kind="stable")
        bounds = np.searchsorted(scope[own], np.arange(count + 1))
        # Evidence stays before constraints, so that one cut tells them apart.
        self.condition = [
            np.sort(np.concatenate([own[start:stop], everywhere]))
            for start, stop in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True)
        ]

    def pieces(self) -> list[Piece]:
        graph, count = self.graph, self.graph.num_samples
        sample, node = self._entries()
        is_leaf = node < graph.num_leaves
        of_choice = graph.choices.of_leaf
        # Choices: whole ones, in the order in which their first leaf stands.
        leaf_sample, choice = sample[is_leaf], of_choice[node[is_leaf]]
        code = leaf_sample * max(1, graph.choices.num_choices) + choice
        _, first = np.unique(code, return_index=True)
        first = np.sort(first)
        choice_sample, choice = leaf_sample[first], choice[first]
        size = graph.choices.ptr[choice + 1] - graph.choices.ptr[choice]
        leaf = slices(graph.choices.ptr[choice], graph.choices.ptr[choice + 1])
        leaf_sample = np.repeat(choice_sample, size)
        sample = np.concatenate([leaf_sample, sample[~is_leaf]])
        node = np.concatenate([leaf, node[~is_leaf]])
        order = np.argsort(sample, kind="stable")  # leaves before others, within each sample
        sample, node = sample[order], node[order]
        ptr = np.searchsorted(sample, np.arange(count + 1))
        local = np.arange(len(node)) - ptr[sample]
        number = _Numbers(graph, self.is_shared, sample, node, local)
        start, stop = graph.derivations_ptr[node], graph.derivations_ptr[node + 1]
        derivation = slices(start, stop)
        head = np.repeat(local, stop - start)
        head_sample = np.repeat(sample, stop - start)
        length = self.body_ptr[derivation + 1] - self.body_ptr[derivation]
        body = self.body[slices(self.body_ptr[derivation], self.body_ptr[derivation + 1])]
        body = 2 * number(np.repeat(head_sample, length), body >> 1) + (body & 1)
        body_end = np.concatenate([[0], np.cumsum(length)])
        choice_ptr = np.searchsorted(choice_sample, np.arange(count + 1))
        choice_end = np.concatenate([[0], np.cumsum(size)])
        head_ptr = np.searchsorted(head_sample, np.arange(count + 1))
        found: list[Piece] = []
        aggregates = self._aggregates(sample, node)
        for s in range(count):
            choices = slice(int(choice_ptr[s]), int(choice_ptr[s + 1]))
            edges = slice(int(head_ptr[s]), int(head_ptr[s + 1]))
            mine = node[ptr[s] : ptr[s + 1]]
            ends = body_end[edges.start : edges.stop + 1]
            asked = [graph.query[place].literal for place in self.query[s]]
            known = np.array([literal for literal in asked if literal is not None], dtype=np.int64)
            literals = self.literals[self.condition[s]]
            numbers = number(s, np.concatenate([known, literals]) >> 1)
            targets = iter((2 * numbers[: len(known)] + (known & 1)).tolist())
            conditions = 2 * numbers[len(known) :] + (literals & 1)
            num_evidence = int(np.count_nonzero(self.condition[s] < len(graph.evidence)))

            found.append(
                Piece(
                    whole=graph,
                    sample=s,
                    query=tuple(self.query[s]),
                    choice=choice[choices],
                    node=mine,
                    choice_ptr=choice_end[choices.start : choices.stop + 1] - choice_end[choices.start],
                    derivation=derivation[edges],
                    head=head[edges],
                    body_ptr=ends - ends[0],
                    body=body[ends[0] : ends[-1]],
                    literal=tuple(None if literal is None else next(targets) for literal in asked),
                    condition=literals,
                    evidence=conditions[:num_evidence],
                    constraint=conditions[num_evidence:] >> 1,
                    aggregates=tuple(
                        GroundAggregate(a.function, number(s, a.element), a.weight, number(s, a.result), a.value)
                        for a in (graph.aggregates[place] for place in aggregates[s])
                    ),
                )
            )
        return found

    def _entries(self) -> tuple[Index, Index]:
        """All pairs of a sample and a node that belongs to it or that it needs of what is shared."""
        graph = self.graph
        own = np.flatnonzero(~self.is_shared)
        own = own[np.argsort(graph.sample[own], kind="stable")]
        sample = graph.sample[own]
        met_sample, met = self._below(sample, own)
        rooted: list[tuple[int, int]] = []
        for s, queries in enumerate(self.query):
            literals = [graph.query[place].literal for place in queries]
            rooted += [(s, literal >> 1) for literal in literals if literal is not None]
            rooted += [(s, literal >> 1) for literal in self.literals[self.condition[s]].tolist()]
        asked = np.array(rooted, dtype=np.int64).reshape(-1, 2)
        asked = asked[self.is_shared[asked[:, 1]]]
        met_sample = np.concatenate([met_sample, asked[:, 0]])
        met = np.concatenate([met, asked[:, 1]])
        samples: list[Index] = []
        nodes: list[Index] = []
        seen = np.zeros(0, dtype=np.int64)
        while len(met):
            code = met_sample * graph.num_nodes + met
            distinct, first = np.unique(code, return_index=True)
            is_new = ~np.isin(distinct, seen, assume_unique=True)
            seen = np.concatenate([seen, distinct[is_new]])
            first = np.sort(first[is_new])  # in the order in which they are met
            samples.append(met_sample[first])
            nodes.append(met[first])
            met_sample, met = self._below(met_sample[first], met[first])
        sample = np.concatenate([*samples, sample])
        node = np.concatenate([*nodes, own])
        order = np.argsort(sample, kind="stable")
        return sample[order], node[order]

    def _below(self, sample: Index, node: Index) -> tuple[Index, Index]:
        """The shared nodes that nodes depend on directly, each with the sample that it is met in."""
        graph = self.graph
        start, stop = graph.derivations_ptr[node], graph.derivations_ptr[node + 1]
        derivation = slices(start, stop)
        first, last = self.body_ptr[derivation], self.body_ptr[derivation + 1]
        below = self.body[slices(first, last)] >> 1
        below_sample = np.repeat(np.repeat(sample, stop - start), last - first)
        if self.aggregate_of:
            parts = [(below_sample, below)]
            seen: set[tuple[int, int]] = set()
            for s, n in zip(sample.tolist(), node.tolist(), strict=True):
                number = self.aggregate_of.get(n)
                if number is not None and (s, number) not in seen:
                    seen.add((s, number))
                    aggregate = graph.aggregates[number]
                    members = np.concatenate([aggregate.element, aggregate.result])
                    parts.append((np.full(len(members), s), members))
            below_sample = np.concatenate([part for part, _ in parts])
            below = np.concatenate([part for _, part in parts])
        kept = self.is_shared[below]
        return below_sample[kept], below[kept]

    def _aggregates(self, sample: Index, node: Index) -> list[list[int]]:
        """The aggregates of each sample's piece."""
        found: list[dict[int, None]] = [{} for _ in range(self.graph.num_samples)]
        if self.aggregate_of:
            for s, n in zip(sample.tolist(), node.tolist(), strict=True):
                if n in self.aggregate_of:
                    found[s][self.aggregate_of[n]] = None
        return [list(mine) for mine in found]


class _Numbers:
    """What number a node has in the piece of a sample."""

    def __init__(self, graph: DerivationGraph, is_shared: NDArray[np.bool_], sample: Index, node: Index, local: Index):
        own = ~is_shared[node]
        self._is_shared = is_shared
        self._own = np.zeros(graph.num_nodes, dtype=np.int64)
        self._own[node[own]] = local[own]
        # Of shared nodes each sample has copies: found by pair.
        pair = sample[~own] * graph.num_nodes + node[~own]
        order = np.argsort(pair)
        self._pair = pair[order]
        self._copy = local[~own][order]
        self._num_nodes = graph.num_nodes

    def __call__(self, sample: Index | int, node: Index) -> Index:
        """Shapes: sample [n] or one for all, node [n] -> [n]"""
        found = self._own[node]
        shared = np.flatnonzero(self._is_shared[node])
        if len(shared):
            of = sample if isinstance(sample, int) else sample[shared]
            found[shared] = self._copy[np.searchsorted(self._pair, of * self._num_nodes + node[shared])]
        return found


def _without_facts(graph: DerivationGraph) -> tuple[Index, Index]:
    """The bodies without literals that hold in every world: pointers and literals."""
    ptr, body = graph.body_ptr, graph.body
    of_body = np.repeat(np.arange(graph.num_derivations), np.diff(ptr))
    is_fact = np.zeros(graph.num_nodes, dtype=np.bool_)
    size = np.diff(ptr)
    while True:
        found = graph.head[size == 0]
        if is_fact[found].all():
            return ptr, body
        is_fact[found] = True
        kept = ~is_fact[body >> 1] | (body & 1 == 1)
        body, of_body = body[kept], of_body[kept]
        size = np.bincount(of_body, minlength=graph.num_derivations)
        ptr = np.concatenate([[0], np.cumsum(size)])
