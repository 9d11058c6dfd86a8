"""A program's relations, kept up to date while facts are added and withdrawn.

An update goes through the strata from low to high, and each stratum only looks at what changed below it. What may have
lost its support is taken out, what still has some is put back, and what is new spreads semi-naively; negated
literals turn what was added below into losses, and what was withdrawn into gains. Where a recursion would lose a large
part of its rows (an edge in the middle of a dense graph), that stratum alone is run anew, which is faster then; so is
one that aggregates over what changed.

Source: delete and rederive (DRed) of Gupta, Mumick, Subrahmanian, "Maintaining Views Incrementally", SIGMOD 1993.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from nesy.errors import DataError, NesyError
from nesy.language.core import CoreProgram, Signature
from nesy.language.values import Value
from nesy.reasoning.evaluation.aggregates import fold
from nesy.reasoning.evaluation.boolean import Relations
from nesy.reasoning.evaluation.compiled import Group, compile_program
from nesy.reasoning.evaluation.fixpoint import fixpoint, head_keys, head_variables, recursive_atoms, run_rule
from nesy.reasoning.evaluation.joins import Table
from nesy.reasoning.evaluation.kernels import EMPTY, Index, difference, find, merge, sorted_unique
from nesy.reasoning.evaluation.layout import rows_of_values
from nesy.reasoning.evaluation.limits import Guard, Limits, describe, naming
from nesy.reasoning.evaluation.plan import Fold
from nesy.reasoning.evaluation.relation import Packing, Run, Space
from nesy.reasoning.evaluation.rules import GUARD, AggregateForm, BodyAtom, BodyItem, RuleForm, Test
from nesy.reasoning.evaluation.sources import RecordingSources
from nesy.reasoning.evaluation.state import Sample, State

# A recursion of which more than this share may be lost is run anew: putting rows back costs about as much as that.
MOST_LOST = 1 / 32
FEW = 256  # rows that are never too many to lose


@dataclass(frozen=True, eq=False)
class Change:
    """The rows of one predicate that an update added and removed: counted at no cost, made when iterated over."""

    _state: State
    _signature: Signature
    _gained: Run
    _lost: Run

    @property
    def num_added(self) -> int:
        return len(self._gained)

    @property
    def num_removed(self) -> int:
        return len(self._lost)

    @property
    def added(self) -> Iterator[tuple[Value, ...]]:
        return self._rows(self._gained)

    @property
    def removed(self) -> Iterator[tuple[Value, ...]]:
        return self._rows(self._lost)

    def _rows(self, run: Run) -> Iterator[tuple[Value, ...]]:
        skip = int(self._signature in self._state.compiled.sampled)
        return iter(rows_of_values(run.packing.unpack(run.keys)[skip:], len(run), self._state))


class Incremental:
    """The one model of a program without randomness, under changes to its facts.

    Facts are those of the program and of `sample`; any predicate may have some, also one that rules derive.

    Cost: an update costs what it touches and, for relations that lose rows, one pass over them.
    Raises: NesyError if the program makes random choices; otherwise as `evaluate`. An update that raises leaves the
    object unusable.

    Example:
        >>> from nesy.language import parse_program
        >>> text = "#input edge(x, y). path(X,Y) :- edge(X,Y). path(X,Z) :- path(X,Y), edge(Y,Z)."
        >>> edge, path = Signature("edge", 2), Signature("path", 2)
        >>> live = Incremental(parse_program(text), {edge: [(1, 2), (2, 3)]})
        >>> live.update(insert={edge: [(3, 4)]})[path].num_added
        3
        >>> sorted(live.update(delete={edge: [(2, 3)]})[path].removed)
        [(1, 3), (1, 4), (2, 3), (2, 4)]
    """

    def __init__(self, program: CoreProgram, sample: Sample | None = None, limits: Limits | None = None):
        for rule in (*program.rules, *program.constraints):
            if rule.choice is not None:
                raise NesyError(f"{describe(rule)} makes a random choice: ground the program instead of evaluating it")
        self._limits = limits or Limits()
        compiled = compile_program(program)
        self._state = State.create(compiled, Guard(self._limits), 1, None)
        self._state.load([sample or {}])
        self._facts = {signature: relation.settle() for signature, relation in self._state.relations.items()}
        self._groups = (*compiled.groups, compiled.constraints)
        self._forms = _Variants()
        for group in self._groups:
            fixpoint(group, self._state)

    @property
    def relations(self) -> Relations:
        """The relations as they are now; not to be used any more after the next update."""
        for group in self._groups:
            for signature in group.predicates:
                self._state.relation(signature)
        return Relations(self._state)

    def count(self, signature: Signature) -> int:
        """The number of rows of a predicate."""
        return len(self._state.relation(signature)) if signature in self._state.relations else 0

    def update(self, insert: Sample | None = None, delete: Sample | None = None) -> Mapping[Signature, Change]:
        """Withdraw facts, add facts, and bring all relations up to date; what changed, by predicate.

        A fact that is not there is withdrawn to no effect; one in both is there afterwards.

        Raises: DataError for a row that does not fit its predicate; LimitError; FunctionError.
        """
        state = self._state
        state.guard = Guard(self._limits)
        columns = [
            {signature: self._columns(signature, rows) for signature, rows in (sample or {}).items()}
            for sample in (delete, insert)
        ]  # all of them before any is packed: new values may need wider keys
        out, into = ({s: self._keys(s, own) for s, own in part.items()} for part in columns)
        update = _Update(state, self._forms)
        for signature in {**out, **into}:
            self._change_facts(signature, out.get(signature, EMPTY), into.get(signature, EMPTY), update)
        derived = {signature for group in self._groups for signature in group.predicates}
        for signature in {**out, **into}:
            if signature not in derived:
                update.set_facts(signature)
        for group in self._groups:
            update.group(group, self._facts)
        return {
            signature: Change(state, signature, update.gained(signature), update.lost(signature))
            for signature in update.changed
        }

    def _columns(self, signature: Signature, rows: Sequence[Sequence[Value]]) -> list[Index]:
        """Rows as columns of ids.

        Raises: DataError.
        """
        space = self._state.space
        if signature not in self._state.compiled.program.predicates:
            raise DataError(f"`{signature}` is not a predicate of the program")
        for number, row in enumerate(rows):
            if len(row) != signature.arity:
                raise DataError(f"row {number + 1} of `{signature}` has {len(row)} values: {row!r}")
        columns = space.interner.intern_rows(list(rows), signature.arity)
        space.admit(*columns, np.array([space.interner.bound]))
        is_sampled = signature in self._state.compiled.sampled
        return [*([np.zeros(len(rows), dtype=np.int64)] * is_sampled), *columns]

    def _keys(self, signature: Signature, columns: list[Index]) -> Index:
        """Rows as sorted keys of their relation; a predicate without columns has one row, given or not."""
        size = len(columns[0]) if columns else 1
        return sorted_unique(self._state.relation(signature).pack(columns, size).copy())

    def _change_facts(self, signature: Signature, out: Index, into: Index, update: _Update) -> None:
        packing = self._state.relation(signature).packing
        keys = _keys_in(packing, self._facts.get(signature))
        gained = difference(into, keys)
        lost = difference(out[find(keys, out)[1]], into)
        self._facts[signature] = Run(packing, merge(difference(keys, lost), gained))
        update.facts[signature] = Run(packing, gained), Run(packing, lost)


@dataclass
class _Variants:
    """Rules rewritten to start from a change; made once, as plans belong to a rule's form."""

    positive: dict[tuple[int, int], RuleForm] = field(default_factory=dict[tuple[int, int], RuleForm])
    guarded: dict[tuple[int, int], tuple[RuleForm, BodyAtom]] = field(
        default_factory=dict[tuple[int, int], tuple[RuleForm, BodyAtom]]
    )

    def asking(self, form: RuleForm, atom: BodyAtom) -> tuple[RuleForm, BodyAtom]:
        """The rule with a negated literal as a positive one."""
        if not atom.negated:
            return form, atom
        asked = replace(atom, negated=False)
        known = self.positive.get((id(form), atom.position))
        if known is None:
            body: tuple[BodyItem, ...] = tuple(asked if item is atom else item for item in form.body)
            known = self.positive[id(form), atom.position] = form.with_body(body)
        return known, asked

    def deriving(self, form: RuleForm, head: int) -> tuple[RuleForm, BodyAtom]:
        """The rule with one more literal, which its head must match."""
        known = self.guarded.get((id(form), head))
        if known is None:
            given = form.heads[head]
            tests: list[BodyItem] = []
            terms: list[str | int] = []
            for column, term in enumerate(given.terms):
                if isinstance(term, str | int):
                    terms.append(term)
                else:
                    terms.append(f"$head{column}")
                    tests.append(Test("=", f"$head{column}", term))
            guard = BodyAtom(GUARD, given.signature, tuple(terms), False)
            known = self.guarded[id(form), head] = form.with_body((guard, *form.body, *tests)), guard
        return known


@dataclass
class _Reading:
    """Relations before or after the update; some literals read given rows instead."""

    state: State
    before: Mapping[Signature, list[Run]]  # empty: after
    rows: Mapping[int, list[Run]]  # by the literal's position

    @property
    def space(self) -> Space:
        return self.state.space

    @property
    def guard(self) -> Guard:
        return self.state.guard

    def runs(self, atom: BodyAtom) -> Sequence[Run]:
        given = self.rows.get(atom.position)
        return given if given is not None else self._all(atom.signature)

    def _all(self, signature: Signature) -> Sequence[Run]:
        known = self.before.get(signature)
        return self.state.relation(signature).full if known is None else known

    def records(self, atom: BodyAtom) -> bool:
        return False

    def negate(self, atom: BodyAtom, table: Table) -> Table:
        held = np.zeros(table.size, dtype=np.bool_)
        probes = [term if isinstance(term, int) else table.columns[term] for term in atom.terms]
        for run in self._all(atom.signature):
            held |= find(run.keys, run.packing.pack(probes, table.size, insert=False))[1]
        return table.select(~held) if held.any() else table

    def fold(self, step: Fold, table: Table) -> Table:
        return fold(step.aggregate, table, self.state, RecordingSources(self.state))


class _TooMuch(Exception):
    """More of a recursion may be lost than is worth putting back."""


@dataclass
class _Update:
    """One update under way: what has changed so far, with the runs of changed relations as they were before."""

    state: State
    forms: _Variants
    facts: dict[Signature, tuple[Run, Run]] = field(default_factory=dict[Signature, tuple[Run, Run]])
    before: dict[Signature, list[Run]] = field(default_factory=dict[Signature, list[Run]])
    changes: dict[Signature, tuple[Run, Run]] = field(default_factory=dict[Signature, tuple[Run, Run]])

    @property
    def changed(self) -> list[Signature]:
        return list(self.changes)

    def gained(self, signature: Signature) -> Run:
        return self.changes[signature][0]

    def lost(self, signature: Signature) -> Run:
        return self.changes[signature][1]

    def set_facts(self, signature: Signature) -> None:
        """Change a predicate that no rule derives."""
        relation = self.state.relation(signature)
        gained, lost = (_keys_in(relation.packing, run) for run in self.facts[signature])
        if len(gained) or len(lost):
            self.before[signature] = list(relation.full)
            _remove(self.state, signature, lost)
            relation.advance(gained.copy())
            relation.advance(EMPTY)
            self._note(signature, gained, lost)

    def _note(self, signature: Signature, gained: Index, lost: Index) -> None:
        if len(gained) or len(lost):
            packing = self.state.relation(signature).packing
            self.changes[signature] = Run(packing, gained), Run(packing, lost)

    def group(self, group: Group, facts: Mapping[Signature, Run]) -> None:
        """Bring the predicates of a group up to date; all below them are."""
        touched = [
            (form, heads, atom)
            for form, heads in group.rules
            for atom in form.body
            if isinstance(atom, BodyAtom) and atom.signature in self.changes
        ]
        own = [signature for signature in group.predicates if any(map(len, self.facts.get(signature, ())))]
        if any(self._aggregates_over_changes(form) for form, _ in group.rules):
            self._anew(group, facts)
        elif touched or own:
            try:
                lost = self._lose(group, facts, touched, own)
            except _TooMuch:
                self._anew(group, facts)
                return
            self._gain(group, touched, own, lost)

    def _aggregates_over_changes(self, form: RuleForm) -> bool:
        return any(
            isinstance(inner, BodyAtom) and inner.signature in self.changes
            for item in form.body
            if isinstance(item, AggregateForm)
            for element in item.elements
            for inner in element.body
        )

    # -- losing ---------------------------------------------------------------------------------

    def _lose(
        self,
        group: Group,
        facts: Mapping[Signature, Run],
        touched: Sequence[tuple[RuleForm, tuple[int, ...], BodyAtom]],
        own: Sequence[Signature],
    ) -> dict[Signature, Run]:
        """What rests on something that is gone, before the update, except for facts; nothing is taken out yet.

        Raises: _TooMuch.
        """
        state = self.state
        size = sum(len(state.relation(signature)) for signature in group.predicates)
        most = max(FEW, int(size * MOST_LOST)) if group.is_recursive else size
        found = _Found(state)
        for form, heads, atom in touched:
            gone = self.gained(atom.signature) if atom.negated else self.lost(atom.signature)
            self._run(found, form, heads, atom, gone, self.before)
        for signature in own:
            gone = self.facts[signature][1]
            found.add(signature, gone.packing, gone.keys)
        lost: dict[Signature, Run] = {}
        while True:
            fresh: dict[Signature, Run] = {}
            for signature, keys in found.take().items():
                packing = state.relation(signature).packing
                known = _keys_in(packing, lost.get(signature))
                keys = difference(_present(state, signature, keys), known)
                keys = difference(keys, _keys_in(packing, facts.get(signature)))
                if len(keys):
                    lost[signature] = Run(packing, merge(known, keys))
                    fresh[signature] = Run(packing, keys)
            if sum(map(len, lost.values())) > most:
                raise _TooMuch
            if not fresh:
                return lost
            for form, heads in group.rules:
                for atom in recursive_atoms(form, group):
                    if atom.signature in fresh:
                        self._run(found, form, heads, atom, fresh[atom.signature], self.before)

    # -- gaining --------------------------------------------------------------------------------

    def _gain(
        self,
        group: Group,
        touched: Sequence[tuple[RuleForm, tuple[int, ...], BodyAtom]],
        own: Sequence[Signature],
        lost: dict[Signature, Run],
    ) -> None:
        """Take out what may be lost; put back what still has support, add what is new, and what follows from them."""
        state = self.state
        for signature in group.predicates:
            self.before.setdefault(signature, list(state.relation(signature).full))
        for signature, run in lost.items():
            _remove(state, signature, _keys_in(state.relation(signature).packing, run))
        found = _Found(state)
        for form, heads in group.rules:
            for head in heads:
                if form.heads[head].signature in lost:
                    guarded, guard = self.forms.deriving(form, head)
                    self._run(found, guarded, (head,), guard, lost[guard.signature], {})
        for form, heads, atom in touched:
            new = self.lost(atom.signature) if atom.negated else self.gained(atom.signature)
            self._run(found, form, heads, atom, new, {})
        for signature in own:
            new = self.facts[signature][0]
            found.add(signature, new.packing, new.keys)
        gained: dict[Signature, Run] = {}
        number = 0
        while self._advance(group, found, gained):
            number += 1
            state.guard.round(number)
            for form, heads in group.rules:
                for atom in recursive_atoms(form, group):
                    for run in state.relation(atom.signature).delta:
                        self._run(found, form, heads, atom, run, {})
        for signature in group.predicates:
            packing = state.relation(signature).packing
            before, after = _keys_in(packing, lost.get(signature)), _keys_in(packing, gained.get(signature))
            self._note(signature, difference(after, before), difference(before, after))
            if signature not in self.changes:
                self.before.pop(signature, None)

    def _advance(self, group: Group, found: _Found, gained: dict[Signature, Run]) -> bool:
        """Add what was found to the relations; whether anything is new."""
        progress = False
        parts = found.take()
        for signature in group.predicates:
            relation = self.state.relation(signature)
            if relation.advance(parts.get(signature, EMPTY)):
                (delta,) = relation.delta
                known = _keys_in(delta.packing, gained.get(signature))
                gained[signature] = Run(delta.packing, merge(known, delta.keys))
                self.state.guard.added(group.rules[0][0].rule, len(delta))
                progress = True
        return progress

    def _run(
        self,
        found: _Found,
        form: RuleForm,
        heads: tuple[int, ...],
        atom: BodyAtom,
        rows: Run,
        before: Mapping[Signature, list[Run]],
    ) -> None:
        """What a rule derives where one literal is among some rows."""
        if not len(rows):
            return
        chosen, asked = self.forms.asking(form, atom)
        with naming(form.rule):
            sources = _Reading(self.state, before, {atom.position: [rows]})
            table = run_rule(chosen, head_variables(chosen, heads), self.state, sources, asked)
            for head in heads if table.size else ():
                packing, keys = head_keys(chosen.heads[head], table, self.state)
                found.add(chosen.heads[head].signature, packing, keys)

    # -- anew -----------------------------------------------------------------------------------

    def _anew(self, group: Group, facts: Mapping[Signature, Run]) -> None:
        """Run a group from its facts, and compare."""
        state = self.state
        for form, _ in group.rules:
            for item in form.body:
                if isinstance(item, AggregateForm):
                    state.folds.pop(id(item), None)
        for signature in group.predicates:
            self.before.setdefault(signature, list(state.relation(signature).full))
            relation = state.relation(signature)
            relation.replace(_keys_in(relation.packing, facts.get(signature)))
        fixpoint(group, state)
        for signature in group.predicates:
            run = state.relation(signature).settle()
            old = EMPTY
            for part in sorted(self.before[signature], key=len):
                old = merge(old, _keys_in(run.packing, part))
            self._note(signature, *_exchanged(old, run.keys))
            if signature not in self.changes:
                del self.before[signature]


@dataclass
class _Found:
    """Rows that rules produced, not yet compared with what is there."""

    state: State
    parts: dict[Signature, list[tuple[Packing, Index]]] = field(
        default_factory=dict[Signature, list[tuple[Packing, Index]]]
    )

    def add(self, signature: Signature, packing: Packing, keys: Index) -> None:
        if len(keys):
            self.parts.setdefault(signature, []).append((packing, keys))

    def take(self) -> dict[Signature, Index]:
        """All of them, sorted and distinct, in the packing that their relation has now."""
        found: dict[Signature, Index] = {}
        for signature, parts in self.parts.items():
            packing = self.state.relation(signature).packing
            found[signature] = sorted_unique(np.concatenate([packing.repack(used, keys) for used, keys in parts]))
        self.parts.clear()
        return found


def _keys_in(packing: Packing, run: Run | None) -> Index:
    """The sorted keys of a run in a packing that may be newer than the run's."""
    if run is None:
        return EMPTY
    keys = packing.repack(run.packing, run.keys)
    return keys if packing.is_direct or packing is run.packing else np.sort(keys)


def _exchanged(old: Index, new: Index) -> tuple[Index, Index]:
    """What is only in the second, and what is only in the first of two sorted arrays; linear in both."""
    if np.array_equal(old, new):
        return EMPTY, EMPTY
    both = np.concatenate([old, new])
    both.sort(kind="stable")  # two sorted runs: merged in one pass
    twice = both[1:] == both[:-1]
    alone = np.ones(len(both), dtype=np.bool_)
    alone[1:] &= ~twice
    alone[:-1] &= ~twice
    single = both[alone]
    is_new = find(new, single)[1]
    return single[is_new], single[~is_new]


def _present(state: State, signature: Signature, keys: Index) -> Index:
    """Those of the sorted keys that a relation has."""
    held = np.zeros(len(keys), dtype=np.bool_)
    for run in state.relation(signature).full:
        held |= find(run.keys, keys)[1]
    return keys[held]


def _remove(state: State, signature: Signature, keys: Index) -> None:
    """Take rows out of a relation."""
    if len(keys):
        relation = state.relation(signature)
        relation.replace(difference(relation.settle().keys, keys))
