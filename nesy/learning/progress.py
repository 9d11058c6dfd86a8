"""What a person sees while training runs: a bar on a terminal, plain lines elsewhere. Both go to standard error."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

_SECONDS_BETWEEN_LINES = 5.0  # of plain output, so that a log stays readable


@dataclass(frozen=True)
class EpochRecord:
    """One line of the training log."""

    epoch: int  # 1, 2, ...
    loss: float
    dev_metric: float
    dev_accuracy: float
    dev_log_loss: float
    learning_rate: float
    seconds: float
    answers_per_second: float


class Reporter(Protocol):
    """Told what happens; may not change it."""

    def note(self, text: str) -> None:
        """Something worth a line."""
        ...

    def stage(self, name: str, total: int) -> None:
        """A new stage of so many steps begins."""
        ...

    def step(self, rows: int, loss: float | None = None) -> None:
        """One step of the stage, over so many rows, is done."""
        ...

    def epoch(self, record: EpochRecord, metric: str, is_best: bool) -> None:
        """An epoch is done."""
        ...


class Silent:
    """Says nothing."""

    def note(self, text: str) -> None: ...

    def stage(self, name: str, total: int) -> None: ...

    def step(self, rows: int, loss: float | None = None) -> None: ...

    def epoch(self, record: EpochRecord, metric: str, is_best: bool) -> None: ...


class PlainLines:
    """One line an epoch, and one every few seconds within a long stage: for logs and pipes."""

    def __init__(self, console: Console):
        self._console = console
        self._name, self._total, self._done, self._rows = "", 0, 0, 0
        self._started = self._last = time.monotonic()

    def note(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def stage(self, name: str, total: int) -> None:
        self._name, self._total, self._done, self._rows = name, total, 0, 0
        self._started = self._last = time.monotonic()

    def step(self, rows: int, loss: float | None = None) -> None:
        self._done += 1
        self._rows += rows
        now = time.monotonic()
        if now - self._last >= _SECONDS_BETWEEN_LINES:
            self._last = now
            rate = self._rows / (now - self._started)
            left = (now - self._started) / self._done * (self._total - self._done)
            at = f"  loss {loss:.4f}" if loss is not None else ""
            self.note(f"{self._name}: {self._done}/{self._total}{at}  {rate:,.0f} rows/s  {left:.0f} s left")

    def epoch(self, record: EpochRecord, metric: str, is_best: bool) -> None:
        self.note(_line(record, metric, is_best))


class Bar:
    """A progress bar that stays at the bottom of the terminal, with one line above it for each epoch."""

    def __init__(self, progress: Progress):
        self._progress = progress
        self._task: TaskID | None = None
        self._rows, self._started = 0, time.monotonic()
        self._dev = ""

    def note(self, text: str) -> None:
        self._progress.console.print(text, markup=False, highlight=False)

    def stage(self, name: str, total: int) -> None:
        if self._task is not None:
            self._progress.remove_task(self._task)
        self._task = self._progress.add_task(name, total=total, status="")
        self._rows, self._started = 0, time.monotonic()

    def step(self, rows: int, loss: float | None = None) -> None:
        assert self._task is not None
        self._rows += rows
        rate = self._rows / max(1e-9, time.monotonic() - self._started)
        at = f"loss {loss:.4f}  " if loss is not None else ""
        self._progress.update(self._task, advance=1, status=f"{at}{self._dev}{rate:,.0f} rows/s")

    def epoch(self, record: EpochRecord, metric: str, is_best: bool) -> None:
        self._dev = f"dev {metric} {record.dev_metric:.4f}  "
        self.note(_line(record, metric, is_best))


def _line(record: EpochRecord, metric: str, is_best: bool) -> str:
    mark = "  *" if is_best else ""
    return (
        f"epoch {record.epoch:>3}  loss {record.loss:.4f}  dev {metric} {record.dev_metric:.4f}"
        f"  {record.answers_per_second:,.0f} answers/s  {record.seconds:.1f} s{mark}"
    )


@contextmanager
def reporter(show: bool = True) -> Iterator[Reporter]:
    """The reporter that suits where standard error goes."""
    console = Console(stderr=True)
    if not show:
        yield Silent()
    elif not console.is_terminal:
        yield PlainLines(console)
    else:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[status]}"),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=console, transient=True) as progress:
            yield Bar(progress)
