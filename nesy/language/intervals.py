"""Intervals: `X = 1..5` holds for each integer from 1 to 5, both included; `p(1..5)` says the same of an argument.

With constant ends an interval is a table of its integers. With variables, `X = 1..N`, it is a predicate of its
ends and the value, whose rules run for the ends that are asked for (see `demand`) and halve the interval:

    in(L, H, X) :- asked(L, H), L = H, X = L.
    in(L, H, X) :- asked(L, H), L < H, M = L + (H - L) // 2, in(L, M, X).
    in(L, H, X) :- asked(L, H), L < H, M = L + (H - L) // 2 + 1, in(M, H, X).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from nesy.language import ast, core
from nesy.language.catalogue import report
from nesy.language.scope import Interval, Refused, Scope
from nesy.source import Span

if TYPE_CHECKING:
    from nesy.language.draft import Draft

# Integers of one interval with constant ends: 80 MB as a column.
MAX_INTEGERS = 10_000_000

# Different intervals of one program: those with variables have rules of their own.
MAX_INTERVALS = 2_000

_ENDS = (0, 1)


def interval_literal(value: core.Term, low: core.Expr, high: core.Expr, span: Span, scope: Scope) -> core.Literal:
    """The literal that says that a value lies in an interval.

    Raises: Refused, for constant ends that are no integers.
    """
    if len(scope.intervals) >= MAX_INTERVALS:
        problem = f"this program has more than {MAX_INTERVALS:,} different intervals"
        raise Refused(report("N506", span, problem=problem, instead="keep such tables in a file"))
    for end in (low, high):
        if isinstance(end, core.Structure) or (isinstance(end, core.Constant) and not isinstance(end.value, int)):
            instead = "as in `1..5`, or `1..N` where `N` is bound"
            raise Refused(report("N506", span, problem="the ends of an interval are integers", instead=instead))
    if isinstance(low, core.Constant) and isinstance(high, core.Constant):
        first, last = low.value, high.value
        assert isinstance(first, int) and isinstance(last, int)
        if last - first >= MAX_INTEGERS:
            problem = f"this interval has more than {MAX_INTEGERS} integers"
            raise Refused(report("N506", span, problem=problem, instead="keep large tables in a file"))
        signature = core.Signature(f"in {first}..{last}", 1)
        scope.intervals.setdefault(signature, Interval(range(first, last + 1), span))
        return core.Literal(core.Atom(signature.name, (value,), span))
    ends: list[core.Term] = []
    for end in (low, high):
        if isinstance(end, core.Expression):
            variable = scope.fresh()
            scope.moved.append(core.Comparison("=", variable, end, span))
            end = variable
        ends.append(end)
    text = " ".join(span.text.split())
    name = f"in {text}"
    if core.Signature(name, 3) in scope.intervals:  # one for each place, so that no two depend on each other
        name = f"in {text} {len(scope.intervals) + 1}"
    scope.intervals[core.Signature(name, 3)] = Interval(None, span)
    return core.Literal(core.Atom(name, (*ends, value), span))


def refuse_open_intervals(literals: Iterable[core.BodyLiteral], scope: Scope) -> None:
    """Intervals with variables run when asked, and an aggregate's conditions do not ask.

    Raises: Refused.
    """
    for literal in literals:
        if isinstance(literal, core.Literal) and literal.span is not None:
            interval = scope.intervals.get(literal.atom.signature)
            if interval is not None and interval.integers is None:
                instead = "define the values by a rule of their own, and use its predicate here"
                what = "an interval with variables inside an aggregate"
                raise Refused(report("N110", literal.span, what=what, instead=instead))


def required_ends(draft: Draft) -> dict[core.Signature, tuple[int, ...]]:
    """What the rules of intervals must be asked with, and their rules added to the draft."""
    required: dict[core.Signature, tuple[int, ...]] = {}
    for signature, interval in draft.intervals.items():
        if interval.integers is None:
            required[signature] = _ENDS
            _add_rules(signature, interval.span, draft)
    return required


def _add_rules(signature: core.Signature, span: Span, draft: Draft) -> None:
    low, high, value, middle = (core.Variable(name) for name in ("Low", "High", "X", "Middle"))

    def compute(function: str, *arguments: core.Expr) -> core.Expression:
        return core.Expression(function, arguments, span)

    def add(arguments: tuple[core.Term, ...], *body: core.BodyLiteral) -> None:
        statement = ast.Rule((), None, span)
        draft.statement_of[draft.next_id] = statement
        draft.rules.append(core.Rule(draft.next_id, (core.Atom(signature.name, arguments, span),), body, None, span))
        draft.next_id += 1

    # Bitwise operators take integers alone: ends that are no integers are an error, not an empty interval.
    whole = core.Comparison("=", core.Variable("Whole"), compute("/\\", low, high), span)
    half = compute("//", compute("-", high, low), core.Constant(2))
    add((low, high, low), whole, core.Comparison("=", low, high, span))
    for first, last, ends in ((low, middle, 0), (middle, high, 1)):
        cut = compute("+", compute("+", low, half), core.Constant(ends))
        add(
            (low, high, value),
            core.Comparison("<", low, high, span),
            core.Comparison("=", middle, cut, span),
            core.Literal(core.Atom(signature.name, (first, last, value), span)),
        )


def interval_tables(draft: Draft) -> list[core.Table]:
    """The tables of the intervals with constant ends; too many integers in all are reported."""
    tables: list[core.Table] = []
    total = 0
    for signature, interval in draft.intervals.items():
        integers = interval.integers
        if integers is None:
            continue
        total += len(integers)
        if total > MAX_INTEGERS:
            problem = f"the intervals of this program have more than {MAX_INTEGERS:,} integers"
            draft.diagnostics.append(report("N506", interval.span, problem=problem, instead="write their ends closer"))
            break
        column = np.arange(integers.start, integers.stop, dtype=np.int64)
        tables.append(core.Table(signature, (column,), len(integers), interval.span))
    return tables
