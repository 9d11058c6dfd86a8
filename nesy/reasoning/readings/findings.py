"""What was found out about an answer beyond its proofs: shared by those who find (the solver) and those who show.

Plain data with texts ready to read. A world gives each random choice one outcome; an outcome is a leaf of the
graph, or None where none of the choice's leaves holds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal as OneOf


@dataclass(frozen=True)
class OutcomeChange:
    """One choice that is decided otherwise. Texts are literals: `polarity(3,positive)`, `not negator(2)`."""

    choice: int  # in the graph's choice table
    before: int | None  # leaf
    after: int | None
    text_before: str
    text_after: str
    probability_before: float
    probability_after: float

    def __str__(self) -> str:
        return f"{self.text_after} instead of {self.text_before}"


@dataclass(frozen=True)
class Change:
    """The smallest set of changes after which the answer is another, and of those the most probable.

    The changes are to `world`, the most probable world in which the answer holds. `found` says that the set exists
    and was confirmed by evaluating the graph anew; `never`, that no world changes the answer.
    """

    verdict: OneOf["found", "never", "unknown"]
    answer: str
    changes: tuple[OutcomeChange, ...] = ()
    instead: tuple[str, ...] = ()  # the answers of the same query that hold afterwards
    world: tuple[int, ...] = ()  # leaves that hold in the world that is changed
    odds: float = 0.0  # probability of the changed world over that of the world before
    seconds: float = 0.0
    reason: str = ""


@dataclass(frozen=True)
class Conflict:
    """Proposals that together violate a constraint, and none of them can be left out."""

    constraint: str  # as it was written
    place: str  # file:line
    proposals: tuple[str, ...]


@dataclass(frozen=True)
class Repair:
    """What is wrong with the most probable proposals, and the most probable world that is right.

    `answers` hold in that world. `consistent`: nothing was wrong; `impossible`: no world is right.
    """

    verdict: OneOf["consistent", "repaired", "impossible", "unknown"]
    conflicts: tuple[Conflict, ...] = ()
    changes: tuple[OutcomeChange, ...] = ()
    answers: tuple[str, ...] = ()
    seconds: float = 0.0
    reason: str = ""


@dataclass(frozen=True)
class Attempt:
    """A rule that could have given an answer, with the values at which it got furthest."""

    place: str
    rule: str
    met: tuple[str, ...]
    unmet: tuple[str, ...]


@dataclass(frozen=True)
class WhyNot:
    """Why an answer did not come out.

    With the facts `missing` added, those `in_the_way` taken out, and the outcomes in `chosen`, it does; no smaller set
    does it. `excluded_by` are constraints and evidence, a smallest set of them, that exclude what the rules would give.
    """

    verdict: OneOf["found", "never", "unknown"]
    answer: str
    attempts: tuple[Attempt, ...] = ()
    missing: tuple[str, ...] = ()
    in_the_way: tuple[str, ...] = ()
    chosen: tuple[str, ...] = ()  # outcomes that have to come out, of choices that are open
    excluded_by: tuple[str, ...] = ()
    seconds: float = 0.0
    reason: str = ""
