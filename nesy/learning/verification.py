"""`nesy verify RUN`: is every answer of a split entailed by the rules and what its proof assumes?"""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from nesy import run_folder
from nesy.answer import Answer
from nesy.errors import InconsistentError
from nesy.learning.data import Row
from nesy.learning.evaluation import open_run
from nesy.learning.progress import reporter
from nesy.model import Model

_MOST_LISTED = 20  # answers that failed or stayed unknown; the count says how many there are


@dataclass(frozen=True)
class Unchecked:
    """An answer that was not confirmed: where its row is, and what Z3 said."""

    origin: str
    answer: str
    verdict: str
    reason: str
    script: str | None = None  # the file with which to reproduce it

    def __str__(self) -> str:
        at = f"  {self.script}" if self.script else ""
        return f"{self.verdict}: {self.origin}: {self.answer}: {self.reason}{at}"


@dataclass(frozen=True)
class Verification:
    """How many answers of a split were confirmed by Z3; a failed one is a bug in nesy.

    Units: seconds per answer, the certificate alone.
    """

    split: str
    checked: int
    failed: int
    unknown: int
    impossible: int  # rows for which constraints and evidence leave no answer
    median_seconds: float
    longest_seconds: float
    listed: tuple[Unchecked, ...]

    @property
    def is_ok(self) -> bool:
        """Nothing failed and nothing stayed unknown."""
        return not self.failed and not self.unknown

    def to_dict(self) -> dict[str, Any]:
        """The verification as JSON data."""
        return {
            "split": self.split,
            "checked": self.checked,
            "failed": self.failed,
            "unknown": self.unknown,
            "impossible": self.impossible,
            "median_seconds": self.median_seconds,
            "longest_seconds": self.longest_seconds,
            "listed": [vars(one) for one in self.listed],
        }

    def __str__(self) -> str:
        counts = f"{self.checked:,} checked, {self.failed:,} failed, {self.unknown:,} unknown"
        impossible = f", {self.impossible:,} without any answer" if self.impossible else ""
        times = f"median {self.median_seconds * 1e3:.0f} ms, longest {self.longest_seconds * 1e3:.0f} ms an answer"
        return "\n".join([f"{self.split}: {counts}{impossible}; {times}", *map(str, self.listed)])


def verify(
    run: str | Path,
    split: str = "test",
    *,
    device: str = "auto",
    data: str | Path | None = None,
    smt2: str | Path | None = None,
    progress: bool = True,
) -> Verification:
    """Check the best answer of every row of a split, to each query, by Z3: from the rules and its proof's leaves alone.

    With `smt2`, the script of each certificate is written into that folder, for another solver to check; without, only
    that of a failed one, into the folder one is in.

    Raises: RunError, DataError, TaskError.
    """
    model, source, _ = open_run(run, device=device, data=data)
    rows = source.splits.of(split)
    scripts = Path(smt2) if smt2 is not None else None
    if scripts is not None:
        scripts.mkdir(parents=True, exist_ok=True)
    verdicts: dict[str, int] = {"checked": 0, "failed": 0, "unknown": 0, "impossible": 0}
    seconds: list[float] = []
    listed: list[Unchecked] = []
    with reporter(progress) as report:
        report.stage("checking", len(rows))
        for number, row in enumerate(rows):
            for verdict, cost, unchecked in _check(model, row, f"{number:05}", scripts):
                verdicts[verdict] += 1
                seconds += cost
                listed += unchecked
            report.step(1)
    return Verification(
        split,
        **verdicts,
        median_seconds=statistics.median(seconds) if seconds else 0.0,
        longest_seconds=max(seconds, default=0.0),
        listed=tuple(listed[:_MOST_LISTED]),
    )


_Checked: TypeAlias = tuple[str, list[float], list[Unchecked]]


def _check(model: Model, row: Row, name: str, scripts: Path | None) -> Iterator[_Checked]:
    """The verdict on a row's best answer to each query, what it cost, and an entry if it was not confirmed."""
    try:
        parts = model.ask(row.payload).parts
    except InconsistentError:
        yield "impossible", [], []
        return
    for number, answer in enumerate(parts):
        yield _certified(answer, row, name if len(parts) == 1 else f"{name}-{number}", scripts)


def _certified(answer: Answer, row: Row, name: str, scripts: Path | None) -> _Checked:
    certificate = answer.certify()
    if certificate is None:
        return "unknown", [], [Unchecked(row.origin, answer.best.text, "unknown", "no proof was found")]
    script = None
    if scripts is not None or certificate.verdict == "failed":  # a failed one always leaves what reproduces it
        script = (scripts or Path()) / f"{'' if scripts else 'failed-'}{name}.smt2"
        run_folder.write_text(script, certificate.smt2)
    if certificate.verdict == "checked":
        return "checked", [certificate.seconds], []
    found = Unchecked(row.origin, certificate.answer, certificate.verdict, certificate.reason, script and str(script))
    return certificate.verdict, [certificate.seconds], [found]
