"""Timing for the benchmarks: each run in a process of its own, medians with their spread, exponents of growth."""

from __future__ import annotations

import multiprocessing
import resource
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

MOST_WAITING = 4  # seconds of wall clock waited for one second of CPU, as other processes may use the cores
BLOCK = 0.04  # seconds: ten ticks of the clock


@dataclass(frozen=True)
class Spread:
    """The median of some runs, with the least and the most."""

    median: float
    low: float
    high: float
    runs: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        return cls(statistics.median(values), min(values), max(values), len(values))

    def __str__(self) -> str:
        if self.runs == 1:
            return seconds(self.median)
        return f"{seconds(self.median)} ({seconds(self.low)} to {seconds(self.high)})"


def seconds(value: float) -> str:
    """Seconds with about three digits.

    >>> seconds(12.3456), seconds(0.0123)
    ('12.3', '0.0123')
    """
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"


def clock() -> float:
    """CPU seconds of this process."""
    return time.process_time()


def blocks(work: Callable[[], object], number: int) -> list[float]:
    """CPU seconds of one run, measured a few times: each over a block of runs, as the clock ticks at milliseconds."""
    found: list[float] = []
    for _ in range(number):
        start, runs = clock(), 0
        while not runs or clock() - start < BLOCK:
            work()
            runs += 1
        found.append((clock() - start) / runs)
    return found


def peak_memory() -> float:
    """The most memory that this process has used, in MiB."""
    try:  # what the system counts since the program was started; getrusage counts what its parent had, too
        status = Path("/proc/self/status").read_text()
        return next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM:"))
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def apart(work: Callable[..., Any], arguments: tuple[Any, ...], limit: float) -> Any | None:
    """What a function returns when run in a process of its own; None where it is stopped after `limit` CPU seconds.

    Raises: RuntimeError with the other process's error.
    """
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(target=_run, args=(theirs, work, arguments, limit))
    process.start()
    theirs.close()
    try:
        found = ours.recv() if ours.poll(MOST_WAITING * limit) else None
    except EOFError:
        found = None
    process.kill()
    process.join()
    if found is not None and found[0] == "error":
        raise RuntimeError(found[1])
    return None if found is None else found[1]


def _run(pipe: Any, work: Callable[..., Any], arguments: tuple[Any, ...], limit: float) -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (int(limit) + 1, int(limit) + 2))
    try:
        pipe.send(("value", work(*arguments)))
    except Exception as error:
        pipe.send(("error", f"{work.__name__}: {type(error).__name__}: {error}"))


def repeated(run: Callable[[], Any | None], most: int, limit: float) -> list[Any]:
    """The results of up to `most` runs: fewer once they took `limit` seconds together, none if one was stopped."""
    found: list[Any] = []
    start = time.monotonic()
    while len(found) < most and (not found or time.monotonic() - start < limit):
        one = run()
        if one is None:
            break
        found.append(one)
    return found


def exponent(sizes: Sequence[float], values: Sequence[float]) -> float:
    """The slope of log value over log size, by least squares.

    >>> round(exponent([1, 2, 4], [3, 12, 48]), 6)
    2.0
    """
    return float(np.polyfit(np.log(sizes), np.log(np.maximum(values, 1e-4)), 1)[0])


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)
