"""Grounding: run a program over possible facts, and lay out what was derived as a derivation graph."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nesy.errors import DataError
from nesy.language.core import Atom, Constant, CoreProgram, Evidence, Literal, Query, Rule, ground_atom
from nesy.language.functions import OrderKey
from nesy.reasoning.derivation import DerivationGraph
from nesy.reasoning.evaluation.compiled import compile_program
from nesy.reasoning.evaluation.demand import demand_of, demanded
from nesy.reasoning.evaluation.instances import record_facts, record_group
from nesy.reasoning.evaluation.joins import Table, run_plan
from nesy.reasoning.evaluation.kernels import EMPTY, Index, sorted_unique, unique_inverse
from nesy.reasoning.evaluation.layout import Asked, Roots, lay_out, rows_of_values
from nesy.reasoning.evaluation.limits import Guard, Limits
from nesy.reasoning.evaluation.plan import make_plan
from nesy.reasoning.evaluation.recorder import Recorder
from nesy.reasoning.evaluation.relation import distinct_rows
from nesy.reasoning.evaluation.rules import Normalizer
from nesy.reasoning.evaluation.sources import RecordingSources
from nesy.reasoning.evaluation.state import Sample, State


def ground(
    program: CoreProgram,
    samples: Sequence[Sample] = ({},),
    queries: Sequence[Query] | None = None,
    limits: Limits | None = None,
) -> DerivationGraph:
    """Everything that the program derives for its queries, evidence and constraints, in any world.

    All samples are run in one evaluation. Each gives the facts of the program's `#input` predicates;
    what does not depend on them is shared. `queries` replaces the program's own queries.

    Raises: LimitError, FunctionError, DataError.
    """
    if not samples:
        raise DataError("no sample to ground: give at least one, which may be empty")
    asked = tuple(program.queries if queries is None else queries)
    atoms = [question.atom for question in (*asked, *program.evidence)]
    compiled = demanded(compile_program(program), [(atom.signature, _given(atom)) for atom in atoms])
    guard = Guard(limits or Limits())
    recorder = Recorder()
    state = State.create(compiled, guard, len(samples), recorder)
    state.load(samples)
    _seed(atoms, state)
    record_facts(state, recorder)
    for group in compiled.groups:
        record_group(group, state, recorder)
    record_group(compiled.constraints, state, recorder)

    roots = Roots()
    for query in asked:
        roots.answers += _answers(query, state, recorder)
    for evidence in program.evidence:
        _observe(evidence, state, recorder, roots)
    _constrain(state, recorder, roots)
    return lay_out(program, state, recorder, roots)


def _given(atom: Atom) -> frozenset[int]:
    return frozenset(place for place, term in enumerate(atom.arguments) if isinstance(term, Constant))


def _seed(atoms: Sequence[Atom], state: State) -> None:
    """Put the constants that predicates are asked for into their demand relations."""
    space = state.space
    for atom in atoms:
        bound = state.compiled.demand.get(atom.signature)
        if bound is not None:
            values = [term.value for term in atom.arguments if isinstance(term, Constant)]
            given = dict(zip(sorted(_given(atom)), values, strict=True))
            ids = [space.interner.intern(given[place]) for place in sorted(bound)]
            space.admit(np.array(ids, dtype=np.int64))
            relation = state.relation(demand_of(atom.signature, bound))
            size = space.num_samples if relation.sampled else 1
            columns = [np.full(size, identity, dtype=np.int64) for identity in ids]
            relation.advance(relation.pack([np.arange(size), *columns] if relation.sampled else columns, size))


def _answers(query: Query, state: State, recorder: Recorder) -> list[Asked]:
    """The possible answers of a query, by sample, then in the standard order of their atoms."""
    found = _matches(query.atom, state, recorder)
    shared = query.atom.signature not in state.compiled.sampled
    answers: list[Asked] = []
    for sample in range(state.space.num_samples):
        mine = found.get(-1 if shared else sample, [])
        answers += [(query, atom, sample, 2 * node + query.negated) for atom, node in mine]
        if not mine and not _has_variables(query.atom):
            answers.append((query, query.atom, sample, None))
    return answers


def _observe(evidence: Evidence, state: State, recorder: Recorder, roots: Roots) -> None:
    found = _matches(evidence.atom, state, recorder)
    shared = evidence.atom.signature not in state.compiled.sampled
    for sample in [-1] if shared else range(state.space.num_samples):
        place = f" in sample {sample}" if state.space.num_samples > 1 and not shared else ""
        mine = found.get(sample, [])
        if evidence.holds and not mine:
            roots.impossible.append(f"evidence `{evidence.atom}` holds in no world{place}")
        for atom, node in mine:
            certain = bool(state.is_certain(atom.signature, np.array([node - recorder.base_of[atom.signature]]))[0])
            if certain and not evidence.holds:
                roots.impossible.append(f"evidence `not {atom}`: it holds in every world{place}")
            roots.evidence.append(2 * node + (not evidence.holds))


def _constrain(state: State, recorder: Recorder, roots: Roots) -> None:
    """The heads of constraints must not hold."""
    for form, _ in state.compiled.constraints.rules:
        signature = form.heads[0].signature
        base = recorder.base_of[signature]
        size = len(state.relation(signature))
        nodes = np.arange(base, base + size)
        violated = state.is_certain(signature, np.arange(size))
        if violated.any() and form.rule.choice is None:
            place = f" ({form.rule.span.place})" if form.rule.span else ""
            text = f": `{form.rule.span.text}`" if form.rule.span else ""
            roots.impossible.append(f"a constraint is violated in every world{place}{text}")
        roots.constraint += nodes.tolist()


def _matches(atom: Atom, state: State, recorder: Recorder) -> dict[int, list[tuple[Atom, int]]]:
    """The possible instances of an atom with their nodes, by sample, in the standard order."""
    signature = atom.signature
    run = state.relation(signature).settle()
    if signature not in recorder.base_of or not len(run):
        return {}
    rule = Rule(-1, (atom,), (Literal(atom),))
    form = Normalizer(state.space.interner, state.compiled.sampled).rule(rule)
    state.space.admit(np.array([state.space.interner.bound]))
    state.guard.enter(rule)
    plan = make_plan(form.body, frozenset(), frozenset(), lambda _: len(run))
    row = sorted_unique(run_plan(plan, Table(1), RecordingSources(state)).rows.get(0, EMPTY))
    columns = run.packing.unpack(run.keys[row])
    if signature in state.compiled.sampled:
        samples, columns = columns[0].tolist(), columns[1:]
    else:
        samples = [-1] * len(row)
    found: dict[int, list[tuple[Atom, int]]] = {}
    base = recorder.base_of[signature]
    order = _standard_order(columns, len(row), state)
    # Samples have many atoms in common: each is made once.
    distinct, which = distinct_rows(columns, (state.space.bits,) * len(columns), len(row))
    values = rows_of_values(distinct, int(which.max()) + 1 if len(which) else 0, state)
    atoms = [ground_atom(signature.name, row_values) for row_values in values]
    places, numbers = row.tolist(), which.tolist()
    for i in order.tolist():
        found.setdefault(samples[i], []).append((atoms[numbers[i]], base + places[i]))
    return found


def _standard_order(columns: list[Index], size: int, state: State) -> Index:
    """The permutation that puts rows in the standard order of terms; each distinct value is compared once."""
    ranks: list[Index] = []
    for column in columns:
        ids, inverse = unique_inverse(column)
        values = state.space.interner.values(ids.tolist())
        rank = np.empty(len(ids), dtype=np.int64)
        rank[sorted(range(len(ids)), key=lambda i: OrderKey(values[i]))] = np.arange(len(ids))
        ranks.append(rank[inverse])
    return np.lexsort(ranks[::-1]) if ranks else np.arange(size)


def _has_variables(atom: Atom) -> bool:
    return not all(isinstance(argument, Constant) for argument in atom.arguments)
