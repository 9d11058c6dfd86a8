"""An explanation as plain data: what every picture, page and terminal tree is drawn from.

Proofs are trees over the nodes of a derivation graph. Here they become *steps* with their text, their rule and
what was seen; a sub-proof that is used twice is one step that is referred to twice. Nothing in here knows how
it will look.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, Self
from typing import Literal as OneOf

from nesy.language.core import Rule
from nesy.language.values import Value
from nesy.perception import Sighting

Kind = OneOf["chosen", "fact", "derived", "absent", "aggregate", "condition"]


class Saw(Protocol):
    """What was seen in the input for a choice: its predicate's name and the values of its key."""

    def __call__(self, name: str, key: tuple[Value, ...], /) -> Sighting | None: ...


@dataclass(frozen=True)
class RuleNote:
    """The rule of a step: `place` is `file:line`, `text` the rule as it was written."""

    place: str
    text: str

    @classmethod
    def of(cls, rule: Rule | None) -> Self | None:
        """The note of a rule; None for one that the language made."""
        if rule is None or rule.span is None:
            return None
        return cls(rule.span.place, " ".join(rule.span.text.split()))


@dataclass(frozen=True)
class Counted:
    """One element of an aggregate: its weight, and the step that says why it holds or does not."""

    weight: float | int
    step: int
    holds: bool


@dataclass(frozen=True)
class Step:
    """One line of a proof.

    `probability` is the chance that all that this step rests on holds; 1 for a certain fact. `children` are the steps
    it follows from; `note` is a few words where the kind alone does not say it.
    """

    id: int
    kind: Kind
    text: str
    holds: bool
    probability: float
    rule: RuleNote | None = None
    sighting: Sighting | None = None
    children: tuple[int, ...] = ()
    counted: tuple[Counted, ...] = ()
    note: str = ""

    @property
    def shown(self) -> str:
        """The literal as the language writes it."""
        return self.text if self.holds else f"not {self.text}"


@dataclass(frozen=True)
class Reason:
    """One proof: its first step, its probability, and its share of the answer's."""

    root: int
    probability: float
    share: float | None


@dataclass(frozen=True)
class Blame:
    """What one leaf does for the answer: the slope, and what the answer would be without it."""

    text: str
    probability: float
    gradient: float
    without: float
    loss: float  # how much of the answer the leaf carries; negative where it speaks against the answer
    sighting: Sighting | None = None


@dataclass(frozen=True)
class Section:
    """A further finding, as a title and lines of text: why not, what would change it, a certificate, a conflict.

    A line that starts with a space belongs to the line before.
    """

    title: str
    lines: tuple[str, ...]
    kind: OneOf["certificate", "change", "why_not", "conflict", "influence", "other"] = "other"
    good: bool | None = None
    data: Any = None  # what the JSON says


@dataclass(frozen=True)
class Story:
    """All that is said about one answer."""

    answer: str
    probability: float
    steps: tuple[Step, ...]
    reasons: tuple[Reason, ...]
    method: str = ""
    text: str | None = None  # the input, where it is a text: sightings point into it
    pictures: Mapping[str, bytes] = field(default_factory=dict)  # PNG of what was seen, by its name
    blame: tuple[Blame, ...] = ()
    sections: tuple[Section, ...] = ()
    verdict: str = ""  # true, false or unknown, where that is the answer and not a probability

    @property
    def uses(self) -> dict[int, int]:
        """How often each step is referred to."""
        found: dict[int, int] = {}
        for root in [reason.root for reason in self.reasons] + [c for step in self.steps for c in step.children]:
            found[root] = found.get(root, 0) + 1
        return found

    @property
    def told(self) -> frozenset[int]:
        """The steps that the proofs rest on; what an aggregate did not count is left out."""
        todo = [reason.root for reason in self.reasons]
        seen: set[int] = set()
        while todo:
            number = todo.pop()
            if number not in seen:
                seen.add(number)
                step = self.steps[number]
                todo.extend([c.step for c in step.counted if c.holds] if step.kind == "aggregate" else step.children)
        return frozenset(seen)

    @property
    def sightings(self) -> tuple[Sighting, ...]:
        """What the proofs rest on in the input, each once, in reading order."""
        told = self.told
        seen = {step.sighting for step in self.steps if step.sighting is not None and step.id in told}
        return tuple(sorted(seen, key=lambda s: (s.start is None, s.start or 0, s.text)))
