"""A story as boxes and arrows: what all pictures of it have in common.

Every step is a box, drawn once however often it is used; what an aggregate did not count is one box; several proofs
hang from a box for the answer. An arrow goes from a conclusion to what it follows from.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal as OneOf

from nesy.explanation.story import RuleNote, Sighting, Step, Story
from nesy.explanation.terminal import percent, weight

BoxKind = OneOf["answer", "chosen", "fact", "derived", "absent", "aggregate", "condition", "rest"]


@dataclass(frozen=True)
class Box:
    """One box: its literal, and whatever else there is to say about it."""

    id: int
    kind: BoxKind
    text: str
    holds: bool = True
    probability: float | None = None
    rule: RuleNote | None = None
    sighting: Sighting | None = None
    note: str = ""


@dataclass(frozen=True)
class Arrow:
    """From a conclusion to something that it follows from; `label` is the weight an element counts with."""

    source: int
    target: int
    label: str = ""


@dataclass(frozen=True)
class Outline:
    """Boxes by number, the first is the root; arrows in reading order."""

    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]


def outline(story: Story) -> Outline:
    """The boxes and arrows of a story."""
    return _Drawer(story).draw()


class _Drawer:
    def __init__(self, story: Story):
        self.story = story
        self.boxes: list[Box] = []
        self.arrows: list[Arrow] = []
        self.box_of: dict[int, int] = {}

    def draw(self) -> Outline:
        reasons = self.story.reasons
        if len(reasons) == 1:
            self._reach(reasons[0].root)
        else:
            self.boxes.append(Box(0, "answer", self.story.answer, True, self.story.probability))
            for reason in reasons:
                label = percent(reason.probability)
                self.arrows.append(Arrow(0, self._reach(reason.root), label))
        return Outline(tuple(self.boxes), tuple(self.arrows))

    def _reach(self, root: int) -> int:
        """Draw a step and all it follows from; steps may be deep, so a list of things to do serves as the stack."""
        first = self._box(root)
        todo = [root]
        while todo:
            step = self.story.steps[todo.pop()]
            new = [child for child in self._drawn(step) if child not in self.box_of]
            self._arrows(step)
            todo.extend(reversed(list(dict.fromkeys(new))))
        return first

    def _drawn(self, step: Step) -> list[int]:
        if step.kind == "aggregate":
            return [counted.step for counted in step.counted if counted.holds]
        return list(step.children)

    def _arrows(self, step: Step) -> None:
        source = self.box_of[step.id]
        if step.kind == "aggregate":
            plain = all(c.weight == 1 for c in step.counted)
            for counted in step.counted:
                if counted.holds:
                    label = "" if plain else weight(counted).strip()
                    self.arrows.append(Arrow(source, self._box(counted.step), label))
            missed = sum(not counted.holds for counted in step.counted)
            if missed:
                number = len(self.boxes)
                self.boxes.append(Box(number, "rest", f"not counted: {missed}"))
                self.arrows.append(Arrow(source, number))
            return
        for child in dict.fromkeys(step.children):
            self.arrows.append(Arrow(source, self._box(child)))

    def _box(self, step_id: int) -> int:
        number = self.box_of.get(step_id)
        if number is None:
            step = self.story.steps[step_id]
            number = self.box_of[step_id] = len(self.boxes)
            probability = None if step.kind == "fact" else step.probability
            self.boxes.append(
                Box(number, step.kind, step.text, step.holds, probability, step.rule, step.sighting, step.note)
            )
        return number
