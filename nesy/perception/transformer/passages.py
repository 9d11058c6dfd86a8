"""What a transformer reads of a story for one key: passages in which short names stand for the people.

For two people it is the sentences of each nearest meeting of theirs, from the one that names the first to the one
that names the second; for one person, each sentence that names them. Two people bear the same two names in every
passage, and others names that no key is about, so that what is said does not depend on what people are called, and who
is asked about is told by the name. One person keeps their own name, which often tells a sex.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from nesy.perception.text.story import STOPS, Mention, Story
from nesy.perception.text.story_reader import Reading

FIRST: Final = "alex"  # names of either sex, each a single token of most vocabularies
SECOND: Final = "sam"
OTHERS: Final = ("pat", "kim", "lee", "robin")  # in the order of their mentions; after the last, the last again

NUM_PARTS = 4

Spans: TypeAlias = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Passage:
    """A text, and the characters of its parts: the first person, the second, all from the one to the other, all."""

    text: str
    parts: tuple[Spans, Spans, Spans, Spans]


def of_pair(reading: Reading, pair: tuple[str, str]) -> list[Passage]:
    """The passages of two people, the first of the pair under the first stand-in name.

    >>> story = Story.parse("[Ann] sings. [Bob] and his mother [Ann] hum.")
    >>> [passage.text for passage in of_pair(Reading("[Ann] sings. [Bob] and his mother [Ann] hum.", story,
    ...                                              story.meetings(1)), ("Ann", "Bob"))]
    ['sam and his mother alex hum.']
    """
    found = []
    for one, other in reading.meetings[pair].places:
        text, mentions = _renamed(reading, one.place, other.place, {pair[0]: FIRST, pair[1]: SECOND})
        first, second = (tuple(at for name, at in mentions if name == person) for person in pair)
        near = (min(first + second), max(first + second))
        found.append(Passage(text, (first, second, ((near[0][0], near[1][1]),), ((0, len(text)),))))
    return list(dict.fromkeys(found))


def of_one(reading: Reading, name: str) -> list[Passage]:
    """The passages of one person."""
    found = []
    for mention in reading.story.mentions:
        if mention.name == name:
            text, mentions = _renamed(reading, mention.place, mention.place, {name: name.lower()})
            own = tuple(at for person, at in mentions if person == name)
            found.append(Passage(text, (own, own, own, ((0, len(text)),))))
    return list(dict.fromkeys(found))


def _renamed(
    reading: Reading, first: int, last: int, names: Mapping[str, str]
) -> tuple[str, list[tuple[str, tuple[int, int]]]]:
    """The sentences from one word to another, with names for the people, and who stands where in it."""
    story = reading.story
    start, stop = _sentences(story, first, last)
    begin, end = story.spans[start][0], story.spans[stop - 1][1]
    inside = [mention for mention in story.mentions if start <= mention.place < stop]
    called = {**_others(inside, names), **names}
    text, places, at = "", [], begin
    for mention in inside:
        text += reading.text[at : mention.start]
        places.append((mention.name, (len(text), len(text) + len(called[mention.name]))))
        text += called[mention.name]
        at = mention.end
    return text + reading.text[at:end], places


def _others(mentions: Sequence[Mention], names: Mapping[str, str]) -> dict[str, str]:
    others = dict.fromkeys(mention.name for mention in mentions if mention.name not in names)
    return {name: OTHERS[min(i, len(OTHERS) - 1)] for i, name in enumerate(others)}


def _sentences(story: Story, first: int, last: int) -> tuple[int, int]:
    """The words of whole sentences around two places, the full stop included: start <= place < stop."""
    start = first
    while start > 0 and story.words[start - 1] not in STOPS:
        start -= 1
    stop = last + 1
    while stop < len(story.words) and story.words[stop - 1] not in STOPS:
        stop += 1
    return start, stop
