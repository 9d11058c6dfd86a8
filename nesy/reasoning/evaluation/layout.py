"""From provisional numbers to a derivation graph: trimmed to what matters, leaves first, derivations by head."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from nesy.errors import NesyError
from nesy.language.core import Atom, Constant, CoreProgram, Query, Variable, ground_atom
from nesy.language.values import Value
from nesy.reasoning.derivation import ChoiceTable, DerivationGraph, GroundAggregate, GroundQuery
from nesy.reasoning.evaluation.compiled import TOLERANCE
from nesy.reasoning.evaluation.expressions import numbers_of
from nesy.reasoning.evaluation.interning import decode_small
from nesy.reasoning.evaluation.kernels import EMPTY, Index, csr, expand, sorted_unique
from nesy.reasoning.evaluation.limits import describe
from nesy.reasoning.evaluation.recorder import (
    CHOICE_SHIFT,
    LEAF,
    AggregateSegment,
    ChoiceStore,
    Recorder,
    RelationSegment,
)
from nesy.reasoning.evaluation.state import State

Asked: TypeAlias = tuple[Query, Atom, int, int | None]  # query, answer, sample, provisional literal


@dataclass
class Roots:
    """What the graph is for, on provisional numbers."""

    answers: list[Asked] = field(default_factory=list[Asked])
    evidence: list[int] = field(default_factory=list[int])  # literals
    constraint: list[int] = field(default_factory=list[int])  # nodes
    impossible: list[str] = field(default_factory=list[str])

    def nodes(self) -> Index:
        literals = [literal for _, _, _, literal in self.answers if literal is not None] + self.evidence
        return np.unique(np.array([literal >> 1 for literal in literals] + self.constraint, dtype=np.int64))


@dataclass(frozen=True, eq=False)
class _Edges:
    """All derivations, sorted by head."""

    head: Index
    ptr: Index
    body: Index
    rule: Index

    def select(self, chosen: Index) -> _Edges:
        length = self.ptr[chosen + 1] - self.ptr[chosen]
        _, place = expand(self.ptr[chosen], length, int(length.sum()))
        ptr = np.zeros(len(chosen) + 1, dtype=np.int64)
        np.cumsum(length, out=ptr[1:])
        return _Edges(self.head[chosen], ptr, self.body[place], self.rule[chosen])


def lay_out(program: CoreProgram, state: State, recorder: Recorder, roots: Roots) -> DerivationGraph:
    """The graph of what the roots reach."""
    edges = _edges(recorder)
    reached = _reach(edges, recorder, roots.nodes())
    kept = np.flatnonzero(reached[edges.head])
    if len(kept) < len(edges.head):
        edges = edges.select(kept)
    is_leaf = edges.body >= 2 * LEAF
    leaves = sorted_unique(edges.body[is_leaf] >> 1)
    leaves = _complete(leaves, recorder)
    choices = _choices(leaves, recorder, state)

    nodes = np.flatnonzero(reached)
    number = np.full(recorder.num_nodes, -1, dtype=np.int64)
    number[nodes] = len(leaves) + np.arange(len(nodes))

    def renumber(literals: Index) -> Index:
        leaf = literals >= 2 * LEAF
        node = literals >> 1
        place = np.where(leaf, np.searchsorted(leaves, node), number[np.where(leaf, 0, node)] if len(number) else 0)
        return 2 * place + (literals & 1)

    aggregates = tuple(
        GroundAggregate(a.function, number[a.element], a.weight, number[a.result], a.value)
        for a in recorder.aggregates
        if reached[a.result].any()
    )
    numbers: list[int] = number.tolist()
    answers = tuple(
        GroundQuery(query, atom, sample, None if place is None else 2 * numbers[place >> 1] + (place & 1))
        for query, atom, sample, place in roots.answers
    )
    evidence = renumber(np.array(roots.evidence, dtype=np.int64))
    return DerivationGraph(
        program=program,
        num_samples=state.space.num_samples,
        choices=choices,
        num_nodes=len(leaves) + len(nodes),
        sample=np.concatenate([choices.sample[choices.of_leaf], _samples(nodes, recorder)]),
        head=number[edges.head],
        body_ptr=edges.ptr,
        body=renumber(edges.body),
        rule=edges.rule,
        aggregates=aggregates,
        query=answers,
        evidence=evidence,
        constraint=number[np.array(roots.constraint, dtype=np.int64)],
        atom_of=_namer(leaves, nodes, choices, recorder, state),
        impossible=tuple(roots.impossible),
    )


def _edges(recorder: Recorder) -> _Edges:
    blocks = recorder.blocks
    if not blocks:
        return _Edges(EMPTY, np.zeros(1, dtype=np.int64), EMPTY, EMPTY)
    head = np.concatenate([block.head for block in blocks])
    rule = np.concatenate([np.broadcast_to(np.asarray(block.rule), len(block.head)) for block in blocks])
    present = [block.body >= 0 for block in blocks]
    length = np.concatenate([mask.sum(axis=1) for mask in present])
    body = np.concatenate([block.body[mask] for block, mask in zip(blocks, present, strict=True)])
    ptr = np.zeros(len(head) + 1, dtype=np.int64)
    np.cumsum(length, out=ptr[1:])
    edges = _Edges(head, ptr, body, rule)
    return edges.select(np.argsort(head, kind="stable"))


def _reach(edges: _Edges, recorder: Recorder, roots: Index) -> NDArray[np.bool_]:
    """Which nodes the roots depend on."""
    size = recorder.num_nodes
    reached = np.zeros(size, dtype=np.bool_)
    by_head = csr(edges.head, size)
    aggregate_of = np.full(size, -1, dtype=np.int64)
    for place, aggregate in enumerate(recorder.aggregates):
        aggregate_of[aggregate.result] = place
    seen_aggregates: set[int] = set()
    frontier = roots
    while len(frontier):
        reached[frontier] = True
        start = by_head[frontier]
        length = by_head[frontier + 1] - start
        _, edge = expand(start, length, int(length.sum()))
        start = edges.ptr[edge]
        length = edges.ptr[edge + 1] - start
        _, place = expand(start, length, int(length.sum()))
        literals = edges.body[place]
        below = [literals[literals < 2 * LEAF] >> 1]
        if recorder.aggregates:
            for place in set(aggregate_of[frontier].tolist()) - seen_aggregates - {-1}:
                seen_aggregates.add(place)
                # All results, so that exactly one of them holds in each world.
                below += [recorder.aggregates[place].element, recorder.aggregates[place].result]
        together = np.concatenate(below) if len(below) > 1 else below[0]
        frontier = sorted_unique(together[~reached[together]])
    return reached


def _stores(recorder: Recorder) -> list[ChoiceStore]:
    return list(recorder.choices.values())  # in the order of their places


def _complete(leaves: Index, recorder: Recorder) -> Index:
    """The leaves with all outcomes of exhaustive choices: that one of them holds is worth knowing."""
    parts: list[Index] = []
    for store, own in _by_store(leaves, recorder):
        if store.is_exhaustive and store.num_outcomes > 1:
            instance = sorted_unique(own // store.num_outcomes)
            own = (instance[:, None] * store.num_outcomes + np.arange(store.num_outcomes)).reshape(-1)
        parts.append(own + LEAF + (store.place << CHOICE_SHIFT))
    return np.concatenate(parts) if parts else EMPTY


def _by_store(leaves: Index, recorder: Recorder) -> list[tuple[ChoiceStore, Index]]:
    """The choices that leaves are of, each with its leaves as instance * outcomes + outcome."""
    place = (leaves - LEAF) >> CHOICE_SHIFT
    parts: list[tuple[ChoiceStore, Index]] = []
    for store in _stores(recorder):
        low, high = np.searchsorted(place, [store.place, store.place + 1])
        if low < high:
            parts.append((store, (leaves[low:high] - LEAF) & ((1 << CHOICE_SHIFT) - 1)))
    return parts


def _choices(leaves: Index, recorder: Recorder, state: State) -> ChoiceTable:
    counts: list[Index] = [np.zeros(1, dtype=np.int64)]
    choice: list[Index] = []
    sample: list[Index] = []
    has_rest: list[NDArray[np.bool_]] = []
    keys: list[tuple[Value, ...]] = []
    outcomes: list[Index] = []
    probabilities: list[NDArray[np.float64]] = []
    for store, own in _by_store(leaves, recorder):
        instance, count = np.unique(own // store.num_outcomes, return_counts=True)
        columns = store.key_columns(instance)
        size = len(instance)
        sample.append(columns[0] if store.sampled else np.full(size, -1, dtype=np.int64))
        if store.form.bulk:
            keys += [()] * size
            choice.append(store.bulk_ids[1][decode_small(columns[0])])
        else:
            keys += rows_of_values(columns[1:] if store.sampled else columns, size, state)
            choice.append(np.full(size, store.choice.id, dtype=np.int64))
        counts.append(count)
        outcomes.append(own % store.num_outcomes)
        table = _probabilities(store, state)
        probability = table[own // store.num_outcomes, own % store.num_outcomes]
        probabilities.append(probability)
        has_rest.append(np.full(size, not store.is_exhaustive) | (count < store.num_outcomes))
    empty = np.empty(0, dtype=np.bool_)
    return ChoiceTable(
        ptr=np.cumsum(np.concatenate(counts)),
        has_rest=np.concatenate(has_rest) if has_rest else empty,
        choice=np.concatenate(choice) if choice else EMPTY,
        sample=np.concatenate(sample) if sample else EMPTY,
        key=tuple(keys),
        outcome=np.concatenate(outcomes) if outcomes else EMPTY,
        probability=np.concatenate(probabilities) if probabilities else np.empty(0),
    )


def rows_of_values(columns: list[Index], size: int, state: State) -> list[tuple[Value, ...]]:
    """Rows of values; each distinct value is made once."""
    if not columns:
        return [()] * size
    made: list[list[Value]] = []
    for column in columns:
        distinct, inverse = np.unique(column, return_inverse=True)
        values = state.space.interner.values(distinct.tolist())
        made.append([values[place] for place in inverse.reshape(-1).tolist()])
    return list(zip(*made, strict=True))


def _probabilities(store: ChoiceStore, state: State) -> NDArray[np.float64]:
    """[instances, outcomes] as the rule file gives them, nan where it does not.

    Raises: NesyError for what is no distribution, naming the rule.
    """
    rows = max((int(instance.max()) + 1 for instance, _ in store.probabilities), default=0)
    table = np.full((rows, store.num_outcomes), np.nan)
    for instance, weights in store.probabilities:
        for outcome, ids in enumerate(weights):
            if ids is None:
                continue
            numbers = numbers_of(ids, state.space)
            if numbers is None:
                raise NesyError(f"a probability is not a number in {describe(store.rule)}")
            known = table[instance, outcome]
            table[instance, outcome] = numbers
            if np.any(table[instance, outcome] != numbers) or np.any(~np.isnan(known) & (known != numbers)):
                raise NesyError(f"one choice has two probabilities in {describe(store.rule)}")
    given = np.nan_to_num(table)
    wrong = (given < 0) | (given > 1)
    if wrong.any():
        raise NesyError(f"the probability {given[wrong][0]:g} is not between 0 and 1 in {describe(store.rule)}")
    total = given.sum(axis=1)
    if np.any(total > 1 + TOLERANCE):
        raise NesyError(f"the probabilities sum to {total.max():g}, more than 1, in {describe(store.rule)}")
    return table


def _samples(nodes: Index, recorder: Recorder) -> Index:
    """The sample of each node, -1 where it is shared."""
    sample = np.full(len(nodes), -1, dtype=np.int64)
    for segment in recorder.segments:
        if segment.size and segment.sampled:
            low, high = np.searchsorted(nodes, [segment.base, segment.base + segment.size])
            rows = nodes[low:high] - segment.base
            match segment:
                case RelationSegment(run=run):
                    sample[low:high] = run.packing.unpack(run.keys[rows])[0]
                case AggregateSegment(group=group):
                    sample[low:high] = group[0][rows]
    return sample


def _namer(
    leaves: Index, nodes: Index, choices: ChoiceTable, recorder: Recorder, state: State
) -> Callable[[int], Atom]:
    """The atom of a node, made when it is asked for."""
    head_of_leaf: dict[int, int] = {}

    def leaf_head(leaf: int) -> int | None:
        if not head_of_leaf:
            for own, heads in reversed(recorder.leaf_heads):
                head_of_leaf.update(zip(reversed(own.tolist()), reversed(heads.tolist()), strict=True))
        return head_of_leaf.get(leaf)

    def written_head(node: int) -> Atom:
        """The head of an outcome whose atom nothing asks for, and which was not derived for that reason."""
        program = state.compiled.program
        choice = int(choices.of_leaf[node])
        for rule in (*program.rules, *program.constraints):
            if rule.choice is not None and rule.choice.id == int(choices.choice[choice]):
                bound = dict(zip(rule.choice.key, choices.key[choice], strict=True))
                head = rule.heads[int(choices.outcome[node])]
                terms = (Constant(bound[t]) if isinstance(t, Variable) and t in bound else t for t in head.arguments)
                return Atom(head.predicate, tuple(terms), head.span)
        raise IndexError(f"leaf {node} belongs to no choice of the program")

    def atom_of(node: int) -> Atom:
        if not 0 <= node < len(leaves) + len(nodes):
            raise IndexError(f"node {node} of a graph with {len(leaves) + len(nodes)}")
        place = leaf_head(int(leaves[node])) if node < len(leaves) else int(nodes[node - len(leaves)])
        return written_head(node) if place is None else atom_at(place, recorder, state)

    return atom_of


def atom_at(node: int, recorder: Recorder, state: State) -> Atom:
    """The atom of a provisional node; results and elements of aggregates are named after their function."""
    segment = recorder.segment_of(node)
    row = node - segment.base
    values = state.space.interner.values
    match segment:
        case RelationSegment(signature=signature, sampled=sampled, run=run):
            columns = run.packing.unpack(run.keys[row : row + 1])
            return ground_atom(signature.name, values(int(column[0]) for column in columns[sampled:]))
        case AggregateSegment(form=form, group=group, terms=terms, is_result=is_result):
            inside = [int(column[row]) for column in (*group[segment.sampled :], *terms)]
            return ground_atom(f"#{form.function}" if is_result else f"#{form.function} element", values(inside))
