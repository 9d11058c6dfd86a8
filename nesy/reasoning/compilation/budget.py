"""How much an answer may cost."""

from __future__ import annotations

import time
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Budget:
    """Limits that protect a laptop; what cannot be had within them becomes an interval, never a guess.

    Units: `time` in seconds of wall clock for the whole analysis; `nodes` in states of one compiled
    diagram (a state costs about 200 bytes while compiling); `epsilon` is the width of
    an interval that is good enough (0: exact wherever the budget allows).
    """

    time: float = 60.0
    nodes: int = 2_000_000
    epsilon: float = 0.0

    def start(self) -> Clock:
        """The clock that runs from now on."""
        return Clock(self)


@dataclass(frozen=True)
class Clock:
    """A budget of which some has been used."""

    budget: Budget
    started: float = field(default_factory=time.monotonic)

    @property
    def left(self) -> float:
        """Seconds that are left."""
        return self.budget.time - (time.monotonic() - self.started)

    @property
    def is_over(self) -> bool:
        return self.left <= 0
