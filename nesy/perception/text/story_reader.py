"""Stories of payloads, each read once: what the rules see of a story, and where a neural predicate's key stands in it.

The rules see `entity(Index, Name)`; `near(Name, Name, Distance)` for each two who are named with at most `between`
others between them, in the order of their first meeting, and how many others and ends of sentences stand between them
where they are nearest; and `asked(Name, Name)`, the names in a question at the end. A program declares by `#input` what
it uses.

A key of a neural predicate is a pair of names of `near`, or one name.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from nesy.errors import DataError, TaskError
from nesy.language.core import Signature
from nesy.language.values import Value, format_value
from nesy.perception.encoder import Facts, Interface, Payload, Sighting
from nesy.perception.payloads import rows_of, text_of
from nesy.perception.text.story import Meetings, Story

_ENTITY: Final = Signature("entity", 2)
_NEAR: Final = Signature("near", 3)
_ASKED: Final = Signature("asked", 2)
_OWN: Final = (_ENTITY, _NEAR, _ASKED)
_MOST_CACHED: Final = 100_000  # texts


def check_interface(interface: Interface, encoder: str) -> None:
    """Whether a program wants what a story has.

    Raises: TaskError.
    """
    if _NEAR not in interface.inputs:
        known = ", ".join(map(str, interface.inputs)) or "none"
        raise TaskError(
            f"the {encoder} encoder supplies {_NEAR}, which the program does not declare (its inputs: {known}): "
            "add `#input near(name, name, distance).`"
        )


@dataclass(frozen=True, eq=False)
class Reading:
    """A story that was read, and who meets whom in it."""

    text: str
    story: Story
    meetings: Mapping[tuple[str, str], Meetings]


class StoryReader:
    """Reads stories in a field of payloads, and keeps them."""

    def __init__(self, field: str, between: int, longest: int, inputs: Sequence[Signature]):
        self.field, self.between, self.longest = field, between, longest
        self.inputs = tuple(inputs)
        self._readings: OrderedDict[str, Reading] = OrderedDict()

    def read(self, payload: Payload) -> Reading:
        """The story of a payload.

        Raises: DataError for a payload without one, or one that is longer than `longest` words.
        """
        text = text_of(payload, self.field)
        found = self._readings.get(text)
        if found is not None:
            self._readings.move_to_end(text)
            return found
        story = Story.parse(text)
        if len(story.words) > self.longest:
            raise DataError(
                f"a story has {len(story.words):,} words, more than the {self.longest:,} that the option "
                f"`longest` of [encoder] allows: {text[:40]!r}..."
            )
        found = self._readings[text] = Reading(text, story, story.meetings(self.between))
        if len(self._readings) > _MOST_CACHED:
            self._readings.popitem(last=False)
        return found

    def facts(self, payload: Payload) -> Facts:
        """The rows of the program's `#input` relations.

        Raises: DataError for a story without a question where the program has `asked`.
        """
        reading = self.read(payload)
        story = reading.story
        found: dict[Signature, list[tuple[Value, ...]]] = {
            _NEAR: [(*pair, meetings.distance) for pair, meetings in reading.meetings.items()]
        }
        if _ENTITY in self.inputs:
            found[_ENTITY] = list(enumerate(story.names))
        if _ASKED in self.inputs:
            if len(story.asked) != 2:
                raise DataError(
                    "a story needs a question with two marked names at its end, such as `What is [Bob] to [Ann]?`"
                    f"; this one has {len(story.asked) or 'none'}: ...{reading.text[-60:]!r}"
                )
            for name in story.asked:
                if name not in story.names:
                    raise DataError(f"the question names [{name}], whom the story does not: it has {_listed(story)}")
            found[_ASKED] = [story.asked]
        return {**rows_of(payload, (s for s in self.inputs if s not in _OWN)), **found}

    def sighting(self, payload: Payload, predicate: str, key: tuple[Value, ...]) -> Sighting:
        """The shortest place where a key's names stand.

        Raises: DataError for a key that is not in the story.
        """
        reading = self.read(payload)
        match key:
            case (str(first), str(second)) if (first, second) in reading.meetings:
                spans = [(one.start, other.end) for one, other in reading.meetings[first, second].places]
            case (str(name),) if name in reading.story.names:
                spans = [(mention.start, mention.end) for mention in reading.story.mentions if mention.name == name]
            case _:
                raise DataError(not_in_story(predicate, key))
        start, end = min(spans, key=lambda span: span[1] - span[0])
        return Sighting(reading.text[start:end], start, end)


def not_in_story(predicate: str, key: tuple[Value, ...]) -> str:
    """The message for a key that a story does not have."""
    inside = ",".join(map(format_value, key))
    return (
        f"`{predicate}({inside})` asks the story encoder about something that is not in the story: "
        "a key is a name, or two names of `near` in its order"
    )


def _listed(story: Story) -> str:
    return ", ".join(f"[{name}]" for name in story.names) or "no marked name"
