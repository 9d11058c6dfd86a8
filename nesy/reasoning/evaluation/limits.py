"""Limits on time, size and memory, and the guard that watches them while rules run."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from nesy.errors import LimitError
from nesy.language.core import Rule
from nesy.language.functions import FunctionError
from nesy.reasoning.evaluation.interning import DepthError

_ROWS = 65_536  # added between two measurements of memory: at least half a megabyte
_STEPS = 1_024  # measurements up to a small limit, at most


@dataclass(frozen=True)
class Limits:
    """What one evaluation may use. The defaults stop a laptop from swapping; None lifts a limit.

    `tuples` counts derived rows of all relations, `instances` the rows of the largest join, `depth` how deeply
    structures may be nested, `rounds` how often a recursion may be applied, `results` how many results one
    aggregate may have, `memory` what relations, their indexes, recorded derivations and the join at hand may take.

    Units: `seconds` of wall clock, `memory` in bytes.
    """

    seconds: float | None = 120.0
    tuples: int | None = 20_000_000
    instances: int | None = 60_000_000
    rounds: int | None = 100_000
    depth: int = 400
    results: int = 100_000
    memory: int | None = 4 * 2**30  # half of a small laptop's


@dataclass
class _Growth:
    rows: int = 0
    rounds: int = 0


@dataclass
class Guard:
    """Counts what each rule adds, and stops the evaluation at a limit with an error that names the rule that grows."""

    limits: Limits
    start: float = field(default_factory=time.perf_counter)
    tuples: int = 0
    held: int = 0  # bytes, when last measured
    _unmeasured: int = 0  # rows added since then
    _growth: dict[int, tuple[Rule, _Growth]] = field(default_factory=dict[int, tuple[Rule, _Growth]])
    _rule: Rule | None = None

    def enter(self, rule: Rule) -> None:
        """The rule that is about to run; checks the time."""
        self._rule = rule
        seconds = self.limits.seconds
        if seconds is not None and time.perf_counter() - self.start > seconds:
            raise LimitError(self._report(f"the time limit of {seconds:g} s was reached", f"seconds={2 * seconds:g}"))

    def added(self, rule: Rule, rows: int) -> None:
        """A rule has added rows to its head's relation."""
        entry = self._growth.get(id(rule))
        if entry is None:
            entry = self._growth[id(rule)] = (rule, _Growth())
        entry[1].rows += rows
        entry[1].rounds += 1
        self.tuples += rows
        self._unmeasured += rows
        limit = self.limits.tuples
        if limit is not None and self.tuples > limit:
            raise LimitError(self._report(f"the limit of {limit:,} derived tuples was reached", f"tuples={2 * limit}"))

    @property
    def is_due(self) -> bool:
        """Whether so much was added that memory should be measured again."""
        limit = self.limits.memory
        return limit is not None and self._unmeasured > min(_ROWS, limit // _STEPS)

    def hold(self, held: int) -> None:
        """The evaluation holds this many bytes."""
        self.held, self._unmeasured = held, 0
        self.reserve(0)

    def reserve(self, more: int) -> None:
        """Some more bytes are about to be needed."""
        limit = self.limits.memory
        if limit is not None and self.held + more > limit:
            needed = f", with {_size(more)} about to be needed" if more else ""
            what = f"the memory limit of {_size(limit)} was reached{needed}"
            raise LimitError(self._report(what, f"memory={2 * max(limit, self.held + more)}", not more))

    def expect(self, rows: int, columns: int = 2) -> None:
        """A join is about to have this many rows, of this many columns."""
        limit = self.limits.instances
        if limit is not None and rows > limit:
            raise LimitError(
                self._report(f"a join of {rows:,} rows is over the limit of {limit:,}", f"instances={2 * rows}", False)
            )
        self.reserve(8 * rows * columns)

    def round(self, number: int) -> None:
        limit = self.limits.rounds
        if limit is not None and number > limit:
            raise LimitError(self._report(f"the limit of {limit:,} rounds was reached", f"rounds={2 * limit}"))

    def _report(self, what: str, option: str, grows: bool = True) -> str:
        seconds = max(time.perf_counter() - self.start, 1e-9)
        lines = [f"{what} after {seconds:.1f} s"]
        if grows and self._growth:
            rule, growth = max(self._growth.values(), key=lambda entry: entry[1].rows)
            lines.append(
                f"  most tuples come from {describe(rule)}: {growth.rows:,} in {growth.rounds:,} rounds"
                f" ({growth.rows / seconds:,.0f} per second)"
            )
        elif self._rule is not None:
            lines.append(f"  in {describe(self._rule)}")
        lines.append(f"  hint: does the rule reach an end? if so, raise the limit with Limits({option})")
        return "\n".join(lines)


@contextmanager
def naming(rule: Rule) -> Iterator[None]:
    """Errors from values that a rule computes say which rule it is."""
    try:
        yield
    except (FunctionError, DepthError) as error:
        raise type(error)(f"{error}\n  in {describe(rule)}") from None


def _size(num_bytes: int) -> str:
    """
    >>> [_size(n) for n in (500, 2_000_000, 4 * 2**30)]
    ['500 bytes', '1.9 MB', '4.0 GB']
    """
    for unit, name in ((2**30, "GB"), (2**20, "MB"), (2**10, "kB")):
        if num_bytes >= unit:
            return f"{num_bytes / unit:.1f} {name}"
    return f"{num_bytes} bytes"


def describe(rule: Rule) -> str:
    """A rule as an error names it: its head and its place."""
    head = " ; ".join(map(str, rule.heads))
    place = f" ({rule.span.place})" if rule.span is not None else ""
    return f"the rule for `{head}`{place}"
