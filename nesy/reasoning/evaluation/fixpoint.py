"""The least fixpoint of mutually recursive rules, semi-naively: each round joins only what is new.

What runs here is the positive reading over possible atoms: a negated literal drops a row only if its atom
holds in every world. For a program without choices, possible and certain are the same, so this is then
the perfect model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from nesy.language.core import Signature
from nesy.reasoning.evaluation.bits import Pairs, as_path, is_dense_enough, path_fixpoint
from nesy.reasoning.evaluation.compiled import Group, operand_variables
from nesy.reasoning.evaluation.joins import Sources, Table, run_plan
from nesy.reasoning.evaluation.kernels import EMPTY, Index, sorted_unique
from nesy.reasoning.evaluation.limits import naming
from nesy.reasoning.evaluation.relation import Packing
from nesy.reasoning.evaluation.rules import BodyAtom, HeadForm, RuleForm
from nesy.reasoning.evaluation.sources import PossibleSources, View
from nesy.reasoning.evaluation.state import State


def run_rule(
    form: RuleForm, needed: frozenset[str], state: State, sources: Sources, first: BodyAtom | None = None
) -> Table:
    """The assignments of a rule's body.

    Raises: FunctionError, LimitError.
    """
    state.guard.enter(form.rule)

    def size(atom: BodyAtom) -> int:
        return len(state.relation(atom.signature))

    plan = state.compiled.plan(form, needed, size, first)
    return run_plan(plan, Table(1), sources)


def head_keys(head: HeadForm, table: Table, state: State) -> tuple[Packing, Index]:
    """The rows of a head's relation that a table of assignments derives, as keys (with repetitions)."""
    columns = [table.column(term, state.space) for term in head.terms]
    packing = state.relation(head.signature).packing
    return packing, packing.pack(columns, table.size)


def head_variables(form: RuleForm, heads: Sequence[int]) -> frozenset[str]:
    return operand_variables([term for head in heads for term in form.heads[head].terms])


@dataclass
class _Round:
    """What the rules of a group have produced since the last round."""

    state: State
    produced: dict[Signature, list[tuple[RuleForm, Packing, Index]]] = field(default_factory=dict)  # type: ignore[type-arg]

    def run(
        self, form: RuleForm, heads: Sequence[int], sources: PossibleSources, first: BodyAtom | None = None
    ) -> None:
        with naming(form.rule):
            table = run_rule(form, head_variables(form, heads), self.state, sources, first)
            for head in heads if table.size else ():
                packing, keys = head_keys(form.heads[head], table, self.state)
                self.produced.setdefault(form.heads[head].signature, []).append((form, packing, keys))

    def end(self, predicates: frozenset[Signature]) -> bool:
        """Add what is new to the relations; whether anything was."""
        progress = False
        for signature in predicates:
            relation = self.state.relation(signature)
            packing = relation.packing
            # A rule that ran before ids outgrew their bits has packed its rows too tightly.
            parts = [(form, packing.repack(used, keys)) for form, used, keys in self.produced.get(signature, ())]
            new = relation.advance(np.concatenate([keys for _, keys in parts]) if parts else EMPTY)
            total = sum(len(keys) for _, keys in parts)
            for form, keys in parts:
                self.state.guard.added(form.rule, -(-new * len(keys) // max(total, 1)))
            progress |= new > 0
        self.produced.clear()
        self.state.watch()
        return progress


def recursive_atoms(form: RuleForm, group: Group) -> list[BodyAtom]:
    """The positive literals of a rule that depend on its head."""
    atoms = [item for item in form.body if isinstance(item, BodyAtom) and not item.negated]
    return [atom for atom in atoms if atom.signature in group.predicates]


def fixpoint(group: Group, state: State) -> None:
    """Derive all possible rows of a group's predicates.

    Raises: LimitError, naming the rule that grows.
    """
    this = _Round(state)
    recursive = [(form, heads, recursive_atoms(form, group)) for form, heads in group.rules]
    for form, heads, atoms in recursive:
        if not atoms:
            this.run(form, heads, PossibleSources(state))
    recursive = [entry for entry in recursive if entry[2]]
    this.end(group.predicates)
    if recursive and _by_bits(recursive, group, state):
        return
    # The first round reads everything: facts of these predicates are older than what was just derived.
    for form, heads, _ in recursive:
        this.run(form, heads, PossibleSources(state))
    number = 1
    while this.end(group.predicates):
        number += 1
        state.guard.round(number)
        for form, heads, atoms in recursive:
            for place, atom in enumerate(atoms):
                if state.relation(atom.signature).delta:
                    views: dict[int, View] = {other.position: "old" for other in atoms[place + 1 :]}
                    views[atom.position] = "delta"
                    this.run(form, heads, PossibleSources(state, views), atom)


# Bits are tried from this many rows on: below, arrays are as fast.
MIN_BIT_ROWS = 64


def _by_bits(rules: Sequence[tuple[RuleForm, tuple[int, ...], list[BodyAtom]]], group: Group, state: State) -> bool:
    """Run the recursive rules of a group on bit rows, if they have the form and the relations the density for it."""
    paths = [as_path(form, form.heads[head]) for form, heads, _ in rules for head in heads]
    if any(path is None for path in paths):
        return False
    chosen = [path for path in paths if path is not None]
    signatures = {link.signature for path in chosen for link in path.links} | group.predicates
    if state.space.num_samples > 1 and signatures & state.compiled.sampled:
        return False
    columns = {s: [column for run in state.relation(s).full for column in run.columns[-2:]] for s in signatures}
    rows = sum(len(state.relation(signature)) for signature in signatures)
    if rows < MIN_BIT_ROWS:
        return False
    ids = sorted_unique(np.concatenate([column for some in columns.values() for column in some]))
    if not is_dense_enough(len(ids), rows):
        return False
    state.guard.enter(rules[0][0].rule)
    state.guard.reserve(len(signatures) * len(ids) ** 2 // 4)  # a bit for each pair, and as much again at work
    pairs: dict[Signature, Pairs] = {}
    for signature in signatures:
        run = state.relation(signature).settle()
        first, second = (np.searchsorted(ids, column) for column in run.columns[-2:])
        pairs[signature] = Pairs(len(ids), edges=(first, second))
    path_fixpoint(chosen, pairs, group.predicates, state.guard)
    for signature in group.predicates:
        relation = state.relation(signature)
        first, second = pairs[signature].edges
        sample = [np.zeros(len(first), dtype=np.int64)] if relation.sampled else []
        relation.replace(relation.pack([*sample, ids[first], ids[second]], len(first)))
    return True
