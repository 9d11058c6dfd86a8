"""Aggregates: plain values where all elements are certain, else nodes for the results that are possible.

An aggregate is evaluated for the groups that a rule asks for, each group once. Its elements are the distinct
term tuples whose conditions may hold. Where none of a group's elements is random the result is a value like
any other; otherwise the group becomes a `GroundAggregate`, with a node for every result that some choice
of elements could give.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from nesy.errors import LimitError
from nesy.language.functions import FunctionError
from nesy.language.values import format_value
from nesy.reasoning.evaluation.expressions import numbers_of
from nesy.reasoning.evaluation.joins import Sources, Table, run_plan
from nesy.reasoning.evaluation.kernels import EMPTY, Index, Mask, all_by_group, expand
from nesy.reasoning.evaluation.literals import body_literals
from nesy.reasoning.evaluation.outcomes import Elements, Numbers, TooManyResults, possible_results
from nesy.reasoning.evaluation.plan import make_plan
from nesy.reasoning.evaluation.recorder import ELEMENT, Block, RecordedAggregate
from nesy.reasoning.evaluation.relation import WIDE_BITS, Codes, Packing
from nesy.reasoning.evaluation.rules import AggregateForm, BodyAtom, variables
from nesy.reasoning.evaluation.state import State

_GROUP = "$group"


@dataclass(eq=False)
class AggregateStore:
    """The groups of one aggregate that have been evaluated: their possible results, as a CSR table."""

    packing: Packing
    codes: Codes = field(default_factory=Codes)
    num_groups: int = 0
    start: Index = field(default_factory=lambda: EMPTY)
    count: Index = field(default_factory=lambda: EMPTY)
    value: Index = field(default_factory=lambda: EMPTY)  # ids of results
    node: Index = field(default_factory=lambda: EMPTY)  # their nodes, -1 for a certain result


def fold(form: AggregateForm, table: Table, state: State, sources: Sources) -> Table:
    """Each row of the table with each possible result of its group's aggregate.

    `sources` must read complete relations and keep the rows that matched.
    """
    store = state.folds.get(id(form))
    if store is None:
        store = state.folds[id(form)] = AggregateStore(Packing((WIDE_BITS,) * len(form.group)))
    columns = [table.columns[name] for name in form.group]
    group = store.codes.add(store.packing.pack(columns, table.size))
    known = store.num_groups
    total = int(group.max()) + 1
    if total > known:
        keys = store.codes.keys(np.arange(known, total))
        _evaluate(form, store, store.packing.unpack(keys), total - known, state, sources)
    count = store.count[group]
    rows, place = expand(store.start[group], count, int(count.sum()))
    result = table.select(rows)
    bound = result.columns.get(form.result)
    result.columns[form.result] = store.value[place]
    result.rows[form.position] = store.node[place]
    return result if bound is None else result.select(bound == store.value[place])


def _evaluate(
    form: AggregateForm, store: AggregateStore, group: list[Index], size: int, state: State, sources: Sources
) -> None:
    elements = _elements(form, group, size, state, sources)
    uncertain = np.zeros(size, dtype=np.bool_)
    uncertain[elements.group[~elements.certain]] = True
    values, has_value = _plain(form, elements, size)
    whole = all_by_group(elements.is_integer, elements.group, size) & (form.function != "avg")
    ids = _intern_numbers(values, whole, state)
    # Per new group its results, in the group's order.
    node_parts: list[Index] = []
    value_parts: list[Index] = []
    count = has_value.astype(np.int64)
    if uncertain.any():
        recorded = _record(form, elements, uncertain, group, state)
        for place in range(size):
            if uncertain[place]:
                result_ids, nodes = recorded[place]
                count[place] = len(nodes)
                value_parts.append(result_ids)
                node_parts.append(nodes)
            elif has_value[place]:
                value_parts.append(ids[place : place + 1])
                node_parts.append(np.full(1, -1, dtype=np.int64))
        value = np.concatenate(value_parts) if value_parts else EMPTY
        node = np.concatenate(node_parts) if node_parts else EMPTY
    else:
        value, node = ids[has_value], np.full(int(count.sum()), -1, dtype=np.int64)
    store.start = np.concatenate([store.start, len(store.value) + np.cumsum(count) - count])
    store.count = np.concatenate([store.count, count])
    store.value = np.concatenate([store.value, value])
    store.node = np.concatenate([store.node, node])
    store.num_groups += size


def _elements(form: AggregateForm, group: list[Index], size: int, state: State, sources: Sources) -> Elements:
    """The distinct term tuples of each group, and the instances of their conditions."""
    columns = dict(zip(form.group, group, strict=True))
    columns[_GROUP] = np.arange(size)
    width = max(len(element.terms) for element in form.elements)
    keys: list[list[Index]] = []
    bodies: list[Index] = []
    certains: list[Mask] = []
    for element in form.elements:
        needed = frozenset(name for term in element.terms for name in variables(term)) | {_GROUP}

        def rows(atom: BodyAtom) -> int:
            return len(state.relation(atom.signature))

        plan = make_plan(element.body, frozenset(columns), needed, rows)
        table = run_plan(plan, Table(size, dict(columns)), sources)
        if not table.size:
            continue
        body, certain = body_literals(element.body, table, state)
        terms = [table.column(term, state.space) for term in element.terms]
        absent = [np.zeros(table.size, dtype=np.int64)] * (width - len(terms))
        keys.append([table.columns[_GROUP], np.full(table.size, len(terms)), *terms, *absent])
        bodies.append(body)
        certains.append(certain)
    if not keys:
        return Elements.none(width)
    tuples = [np.concatenate(parts) for parts in zip(*keys, strict=True)]
    depth = max(body.shape[1] for body in bodies)
    body = np.concatenate([np.pad(b, ((0, 0), (0, depth - b.shape[1])), constant_values=-1) for b in bodies])
    certain = np.concatenate(certains)
    packing = Packing((max(1, size.bit_length()), 6, *([state.space.bits] * width)))
    distinct, inverse = np.unique(packing.pack(tuples, len(certain)), return_inverse=True)
    inverse = inverse.reshape(-1)
    group_of, _, *terms = packing.unpack(distinct)
    holds = np.zeros(len(distinct), dtype=np.bool_)
    holds[inverse[certain]] = True
    weight, is_integer = _weights(form, terms[0], state)
    if not packing.is_direct:  # codes come in order of arrival: bring the elements of a group together
        order = np.argsort(group_of, kind="stable")
        back = np.empty_like(order)
        back[order] = np.arange(len(order))
        group_of, terms, holds = group_of[order], [term[order] for term in terms], holds[order]
        weight, is_integer, inverse = weight[order], is_integer[order], back[inverse]
    return Elements(group_of, terms, weight, is_integer, holds, inverse, body, certain)


def _weights(form: AggregateForm, terms: Index, state: State) -> tuple[Numbers, Mask]:
    """The weight of each element, and whether it is an integer (a result is one if all in its group are)."""
    if form.function == "count":
        return np.ones(len(terms), dtype=np.int64), np.ones(len(terms), dtype=np.bool_)
    numbers = numbers_of(terms, state.space)
    if numbers is None:
        values = (state.space.interner.value(identity) for identity in terms.tolist())
        wrong = next(value for value in values if not isinstance(value, int | float))
        raise FunctionError(f"`#{form.function}` of `{format_value(wrong)}`, which is not a number")
    if numbers.dtype == np.int64:
        if np.abs(numbers.astype(np.float64)).sum() >= 2.0**63:
            raise FunctionError(f"`#{form.function}`: the result may be beyond 64-bit integers")
        return numbers, np.ones(len(terms), dtype=np.bool_)
    integer = [isinstance(state.space.interner.lookup(identity), int) for identity in terms.tolist()]
    return numbers, np.array(integer, dtype=np.bool_)


def _plain(form: AggregateForm, elements: Elements, size: int) -> tuple[Numbers, Mask]:
    """Per group the aggregate of all its elements, and whether it has a value."""
    number = np.bincount(elements.group, minlength=size)
    present = number > 0
    weight = elements.weight
    if form.function == "count":
        return number.astype(np.int64), np.ones(size, dtype=np.bool_)
    result = np.zeros(size, dtype=np.float64 if form.function == "avg" else weight.dtype)
    if len(weight):
        start = np.flatnonzero(np.diff(elements.group, prepend=-1))
        match form.function:
            case "sum":
                result[present] = np.add.reduceat(weight, start)
            case "min":
                result[present] = np.minimum.reduceat(weight, start)
            case "max":
                result[present] = np.maximum.reduceat(weight, start)
            case "avg":
                result[present] = np.add.reduceat(weight, start) / number[present]
    return result, np.ones(size, dtype=np.bool_) if form.function == "sum" else present


def _intern_numbers(values: Numbers, whole: Mask, state: State) -> Index:
    """The ids of results, as integers where they are whole."""
    interner = state.space.interner
    if whole.all():
        ids = interner.intern_integers(values.astype(np.int64))
    else:
        mixed = zip(values.tolist(), whole.tolist(), strict=True)
        numbers = (interner.intern(int(value) if is_whole else float(value) + 0.0) for value, is_whole in mixed)
        ids = np.fromiter(numbers, np.int64, len(values))
    state.space.admit(ids)
    return ids


def _record(
    form: AggregateForm, elements: Elements, uncertain: Mask, group: list[Index], state: State
) -> dict[int, tuple[Index, Index]]:
    """Make nodes for the groups that are not certain: for each, the ids and the nodes of its results."""
    recorder = state.recorder
    assert recorder is not None, "an uncertain element without a recorder"
    wanted = uncertain[elements.group]
    chosen = np.flatnonzero(wanted)
    number = np.full(len(wanted), -1, dtype=np.int64)
    owner = elements.group[chosen]
    terms = [term[chosen] for term in elements.terms]
    base = recorder.add_aggregate_nodes(form, [g[owner] for g in group], terms, len(chosen), is_result=False)
    number[chosen] = base + np.arange(len(chosen))
    # A certain element needs no condition that may fail.
    useful = wanted[elements.of_instance] & (elements.instance_certain | ~elements.certain[elements.of_instance])
    recorder.blocks.append(Block(ELEMENT, number[elements.of_instance[useful]], elements.body[useful]))

    leaf, is_pure = recorder.deciding_leaves(elements.of_instance, elements.body, len(wanted), state.certain)
    begin = np.searchsorted(elements.group, np.arange(len(uncertain) + 1))
    everywhere = recorder.exclusive(leaf, is_pure)
    remembered: dict[tuple[object, ...], Numbers] = {}
    results: dict[int, tuple[Index, Index]] = {}
    for place in np.flatnonzero(uncertain).tolist():
        part = slice(int(begin[place]), int(begin[place + 1]))
        weight, certain = elements.weight[part], elements.certain[part]
        if elements.is_integer[part].all():
            weight = weight.astype(np.int64)
        choices = everywhere.select(part)
        # Numbered from the group's first choice on, so that groups that are alike have equal patterns.
        decided = choices.choice >= 0
        if decided.any():
            first = int(choices.choice[decided].min())
            choices = choices._replace(choice=np.where(decided, choices.choice - first, -1))
        pattern = (weight.dtype.char, *(array.tobytes() for array in (weight, certain, *choices)))
        values = remembered.get(pattern)
        if values is None:
            try:
                values = possible_results(form.function, weight, certain, choices, state.guard.limits.results)
            except TooManyResults as error:
                limit = state.guard.limits.results
                raise LimitError(
                    f"`#{form.function}` over {len(weight)} elements has more than {limit:,} possible results"
                    f"\n  hint: raise the limit with Limits(results={10 * limit})"
                ) from error
            remembered[pattern] = values
        ids = _intern_numbers(values, np.full(len(values), values.dtype == np.int64), state)
        same = [np.full(len(ids), g[place], dtype=np.int64) for g in group]
        first = recorder.add_aggregate_nodes(form, same, [ids], len(ids), is_result=True)
        nodes = first + np.arange(len(ids))
        recorder.aggregates.append(RecordedAggregate(form.function, number[part], weight, nodes, values))
        results[place] = ids, nodes
    return results
