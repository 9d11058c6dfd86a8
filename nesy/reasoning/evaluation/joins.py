"""Running a plan: a table of variable assignments, extended and filtered column by column."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol, assert_never

import numpy as np

from nesy.reasoning.evaluation import expressions
from nesy.reasoning.evaluation.kernels import EMPTY, Index, Mask, expand, find
from nesy.reasoning.evaluation.limits import Guard
from nesy.reasoning.evaluation.plan import Assign, Filter, Fold, Join, Negate, Plan, Samples, Take
from nesy.reasoning.evaluation.relation import Run, Space
from nesy.reasoning.evaluation.rules import SAMPLE, BodyAtom, Operand


@dataclass
class Table:
    """Assignments of variables, one per row; `rows` says for recorded literals which row of the relation matched."""

    size: int
    columns: dict[str, Index] = field(default_factory=dict[str, Index])
    rows: dict[int, Index] = field(default_factory=dict[int, Index])

    def select(self, chosen: Index | Mask, keep: frozenset[str] | None = None) -> Table:
        """The chosen rows, with only the variables to keep."""
        columns = {name: column[chosen] for name, column in self.columns.items() if keep is None or name in keep}
        rows = {position: row[chosen] for position, row in self.rows.items()}
        size = int(np.count_nonzero(chosen)) if chosen.dtype == np.bool_ else len(chosen)
        return Table(size, columns, rows)

    def column(self, operand: Operand, space: Space) -> Index:
        """The ids of an operand, one per row."""
        ids = expressions.evaluate(operand, self.columns, self.size, space)
        return np.full(self.size, ids, dtype=np.int64) if isinstance(ids, int) else ids


class Sources(Protocol):
    """Where the steps of a plan read from; the ways to run a rule differ in nothing else."""

    @property
    def space(self) -> Space: ...

    @property
    def guard(self) -> Guard: ...

    def runs(self, atom: BodyAtom) -> Sequence[Run]:
        """The rows that a positive literal joins with."""
        ...

    def records(self, atom: BodyAtom) -> bool:
        """Whether the matching rows of a literal are to be kept in the table (its relation has one run)."""
        ...

    def negate(self, atom: BodyAtom, table: Table) -> Table:
        """The rows of a table for which a negated literal may hold."""
        ...

    def fold(self, step: Fold, table: Table) -> Table:
        """The rows of a table with each result that their aggregate may have."""
        ...


def run_plan(plan: Plan, table: Table, sources: Sources) -> Table:
    """The assignments that a body has, starting from those of a table."""
    space = sources.space
    for step in plan:
        if table.size == 0:
            return Table(0)
        match step:
            case Join():
                table = _join(step, table, sources)
            case Negate(atom):
                table = sources.negate(atom, table)
            case Filter(test):
                left = expressions.evaluate(test.left, table.columns, table.size, space)
                right = expressions.evaluate(test.right, table.columns, table.size, space)
                mask = expressions.holds(test.operator, left, right, table.size, space)
                if not mask.all():
                    table = table.select(mask)
            case Assign(variable, operand):
                ids = table.column(operand, space)
                table = Table(table.size, {**table.columns, variable: ids}, table.rows)
            case Take(value, pattern):
                table = _take(value, pattern.functor, pattern.operands, table, space)
            case Fold():
                table = sources.fold(step, table)
            case Samples():
                count = space.num_samples
                wide = table.select(np.repeat(np.arange(table.size), count))
                wide.columns[SAMPLE] = np.tile(np.arange(count), table.size)
                table = wide
            case _:
                assert_never(step)
    return table


def _join(step: Join, table: Table, sources: Sources) -> Table:
    records = sources.records(step.atom)
    parts: list[Table] = []
    for run in sources.runs(step.atom):
        if len(run):
            part = _join_run(step, table, run, records, sources.guard)
            if part.size:
                parts.append(part)
    if len(parts) == 1:
        return parts[0]
    if not parts:
        return Table(0)
    return Table(
        sum(part.size for part in parts),
        {name: np.concatenate([part.columns[name] for part in parts]) for name in parts[0].columns},
        {position: np.concatenate([part.rows[position] for part in parts]) for position in parts[0].rows},
    )


def _join_run(step: Join, table: Table, run: Run, records: bool, guard: Guard) -> Table:
    kept = len(table.columns) if step.keep is None else len(step.keep)
    width = 2 + kept + len(step.free) + len(table.rows) + records
    source, row = match(run, step.bound, _probes(step, table), table.size, lambda rows: guard.expect(rows, width))
    if step.same:
        columns = run.columns
        equal = np.ones(len(row), dtype=np.bool_)
        for first, second in step.same:
            equal &= columns[first][row] == columns[second][row]
        row = row[equal]
        source = source[equal] if source is not None else None
    if source is None:  # each row of the table matched nothing or everything: a table of one row
        source = np.zeros(len(row), dtype=np.int64)
    joined = table.select(source, step.keep)
    for column, name in step.free:
        joined.columns[name] = run.columns[column][row]
    if records:
        joined.rows[step.atom.position] = row
    return joined


def _probes(step: Join, table: Table) -> list[Index | int]:
    return [probe if isinstance(probe, int) else table.columns[probe] for probe in step.probes]


def match(
    run: Run, bound: tuple[int, ...], probes: Sequence[Index | int], size: int, expect: Callable[[int], None]
) -> tuple[Index | None, Index]:
    """All pairs of a probe row and a row of the run that agree on the bound columns.

    Gives the probe rows (None for all zeros) and the run's rows.
    """
    if not bound or all(isinstance(probe, int) for probe in probes):
        if not bound:
            row = np.arange(len(run))
        else:
            index = run.index(bound)
            start, count = index.ranges(probes, 1)
            row = np.arange(int(start[0]), int(start[0] + count[0]))
            row = row if index.order is None else index.order[row]
        if size == 1:
            return None, row
        expect(size * len(row))
        return np.repeat(np.arange(size), len(row)), np.tile(row, size)
    if len(bound) == len(run.packing.widths):
        place, found = find(run.keys, run.packing.pack(probes, size, insert=False))
        source = np.flatnonzero(found)
        return source, place[source]
    index = run.index(bound)
    start, count = index.ranges(probes, size)
    total = int(count.sum())
    expect(total)
    if total == 0:
        return EMPTY, EMPTY
    source, row = expand(start, count, total)
    return source, row if index.order is None else index.order[row]


def _take(value: Operand, functor: str, operands: tuple[Operand, ...], table: Table, space: Space) -> Table:
    ids = expressions.evaluate(value, table.columns, table.size, space)
    mask, arguments = expressions.take_apart(ids, functor, len(operands), table.size, space)
    table = table.select(mask)
    for operand, column in zip(operands, arguments, strict=True):
        match operand:
            case str() if operand not in table.columns:
                table.columns[operand] = column
            case _ if _is_known(operand, table):
                equal = np.equal(expressions.evaluate(operand, table.columns, table.size, space), column)
                if not equal.all():
                    table = table.select(np.broadcast_to(equal, table.size))
                    return _take_rest(value, functor, operands, table, space)
            case _:
                # A structure with new variables inside: take it apart in turn.
                name = f"$in{len(table.columns)}"
                table.columns[name] = column
                assert not isinstance(operand, str | int)
                inner = _take(name, _functor(operand), operand.operands, table, space)
                if inner.size != table.size:
                    return _take_rest(value, functor, operands, inner, space)
                table = inner
    return table


def _take_rest(value: Operand, functor: str, operands: tuple[Operand, ...], table: Table, space: Space) -> Table:
    """Start again on the rows that are left: what is known by now is tested, the rest is bound."""
    return _take(value, functor, operands, table, space) if table.size else Table(0)


def _functor(operand: Operand) -> str:
    match operand:
        case expressions.Build(functor, _):
            return functor
        case _:
            raise AssertionError("a call inside a pattern has variables that nothing binds")


def _is_known(operand: Operand, table: Table) -> bool:
    match operand:
        case int():
            return True
        case str():
            return operand in table.columns
        case _:
            return all(_is_known(inner, table) for inner in operand.operands)
