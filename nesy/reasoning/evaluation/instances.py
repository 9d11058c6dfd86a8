"""Recording: every instance of every rule over the possible atoms, as derivations between numbered nodes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nesy.language.core import Signature
from nesy.reasoning.evaluation.certain import certain_rows
from nesy.reasoning.evaluation.compiled import Group, operand_variables
from nesy.reasoning.evaluation.fixpoint import fixpoint, head_variables, run_rule
from nesy.reasoning.evaluation.interning import decode_small
from nesy.reasoning.evaluation.kernels import Index, Mask, find
from nesy.reasoning.evaluation.limits import naming
from nesy.reasoning.evaluation.literals import body_literals
from nesy.reasoning.evaluation.recorder import FACT, Block, Recorder
from nesy.reasoning.evaluation.relation import Packing, Run
from nesy.reasoning.evaluation.rules import RuleForm
from nesy.reasoning.evaluation.sources import RecordingSources
from nesy.reasoning.evaluation.state import State


@dataclass(frozen=True, eq=False)
class _Instances:
    """The instances of one rule for one of its heads, before the head's rows have numbers."""

    form: RuleForm
    rule: int | Index
    head: int
    packing: Packing
    keys: Index  # [n] the head's rows
    body: Index  # [n, k] literals
    certain: Mask  # [n] the literals outside of the group hold in every world
    leaf: Index | None


def record_group(group: Group, state: State, recorder: Recorder) -> None:
    """Complete the relations of a group, and record how their rows are derived."""
    loud = frozenset(form.heads[head].signature for form, heads in group.rules if not form.is_silent for head in heads)
    given = {signature: state.relation(signature).settle() for signature in loud}
    if group.is_recursive or not loud:
        fixpoint(group, state)
        _number(loud, state, recorder)
    if not loud:
        return
    instances: list[_Instances] = []
    for form, heads in group.rules:
        if not form.is_silent:
            with naming(form.rule):
                instances += _instances(form, heads, state, recorder)
    if not group.is_recursive:
        for part in instances:
            signature = part.form.heads[part.head].signature
            relation = state.relation(signature)
            keys = relation.packing.repack(part.packing, part.keys)
            state.guard.added(part.form.rule, relation.advance(keys.copy()))
            state.watch()
        _number(loud, state, recorder)
    _record(group.is_recursive, state, recorder, instances, given)


def record_facts(state: State, recorder: Recorder) -> None:
    """Number the relations that no rule derives, and record their rows as certain facts."""
    derived = {signature for group in state.compiled.groups for signature in group.predicates}
    for signature in sorted(state.relations.keys() - derived - state.compiled.hidden):
        run = state.relation(signature).settle()
        base = recorder.add_relation(signature, signature in state.compiled.sampled, run)
        nothing = np.empty((len(run), 0), dtype=np.int64)
        recorder.blocks.append(Block(FACT, base + np.arange(len(run)), nothing))


def _number(signatures: frozenset[Signature], state: State, recorder: Recorder) -> None:
    for signature in sorted(signatures):
        recorder.add_relation(signature, signature in state.compiled.sampled, state.relation(signature).settle())


def _instances(form: RuleForm, heads: Sequence[int], state: State, recorder: Recorder) -> list[_Instances]:
    needed = head_variables(form, heads) | frozenset(form.choice_key) | operand_variables(form.weights)
    table = run_rule(form, needed, state, RecordingSources(state))
    if not table.size:
        return []
    body, certain = body_literals(form.body, table, state)
    rule: int | Index = form.rule.id
    choice_rows: Index | None = None
    if form.rule.choice is not None:
        store = recorder.choice(form)
        choice_rows = store.instances([table.columns[name] for name in form.choice_key], table.size)
        weights = [None if w is None else table.column(w, state.space) for w in form.weights]
        store.probabilities.append((choice_rows, weights))
        certain = np.zeros(table.size, dtype=np.bool_)
        if form.bulk:
            rule = store.bulk_ids[0][decode_small(table.columns[form.choice_key[0]])]
    parts: list[_Instances] = []
    for head in heads:
        columns = [table.column(term, state.space) for term in form.heads[head].terms]
        packing = state.relation(form.heads[head].signature).packing
        keys = packing.pack(columns, table.size)
        leaf = None
        literals = body
        if choice_rows is not None:
            leaf = recorder.choice(form).leaf(choice_rows, head)
            literals = np.column_stack([body, 2 * leaf])
        parts.append(_Instances(form, rule, head, packing, keys, literals, certain, leaf))
    return parts


def _record(
    is_recursive: bool,
    state: State,
    recorder: Recorder,
    instances: list[_Instances],
    given: dict[Signature, Run],
) -> None:
    """Find out which rows are certain, and keep the derivations that matter.

    A row that holds in every world needs no derivation that may fail: those are dropped, and of the certain
    ones those stay that lead back to facts without a cycle.
    """
    start = min(recorder.base_of[signature] for signature in given)
    size = recorder.num_nodes - start
    blocks: list[Block] = []
    maybe: list[Mask] = []
    for signature, facts in given.items():
        run = state.relation(signature).settle()
        keys = run.packing.pack(facts.columns, len(facts), insert=False)
        row, _ = find(run.keys, keys)
        blocks.append(Block(FACT, recorder.base_of[signature] + row, np.empty((len(row), 0), dtype=np.int64)))
        maybe.append(np.ones(len(row), dtype=np.bool_))
    for part in instances:
        signature = part.form.heads[part.head].signature
        run = state.relation(signature).settle()
        row, _ = find(run.keys, run.packing.repack(part.packing, part.keys))
        head = recorder.base_of[signature] + row
        blocks.append(Block(part.rule, head, part.body))
        maybe.append(part.certain)
        if part.leaf is not None:
            recorder.leaf_heads.append((part.leaf, head))
    certain, keep = certain_rows(blocks, maybe, start, size, is_recursive)
    for block, mask in zip(blocks, keep, strict=True):
        recorder.blocks.append(block if mask.all() else block.select(mask))
    for signature in given:
        base = recorder.base_of[signature] - start
        state.certain[signature] = certain[base : base + len(state.relation(signature))]
