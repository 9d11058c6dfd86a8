"""What stands around one or two people of a story, as members of a bundle.

A member is a run of up to n neighbouring words and the role in which it stands: before, between or behind the two
mentions of a meeting, and whether the meeting names the pair in its own order. Names are marks: the first of the pair,
the second, or somebody else. So what is said of two people does not depend on their names, while who is named first
does count, and on which side of the two a word stands.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nesy.perception.influence import Part
from nesy.perception.text.story import STOPS, Mention, Story

# Marks in the place of names; no word of a text has a bracket in it.
FIRST, SECOND, OTHER = "[first]", "[second]", "[other]"
NUM_ROLES = 6  # before, between, behind; for a meeting in the pair's own order, and in the other
ALONE = (6, 7, 8)  # before and behind a single mention, and the name itself
ROLES = 9


@dataclass(frozen=True)
class Member:
    """A run of words in a role, and the characters of the story that it stands on."""

    words: tuple[str, ...]
    role: int
    start: int
    end: int


def around_pair(
    story: Story, meetings: Sequence[tuple[Mention, Mention]], pair: tuple[str, str], context: int, longest_run: int
) -> list[Member]:
    """The members for a pair, over its nearest meetings: all words between, up to `context` before and behind.

    Words before and behind are those of the same sentence: what the next one says is of others, and an encoder that
    sees it learns to answer for a whole story at once instead of composing.
    """
    found: list[Member] = []
    for first, second in meetings:
        role = 0 if (first.name, second.name) == pair else 3
        marks = _marks(story, {pair[0]: FIRST, pair[1]: SECOND})
        sides = (
            _before(story, first.place, context),
            range(first.place, second.place + 1),
            _behind(story, second.place, context),
        )
        for side, places in enumerate(sides):
            found += _runs(story, marks, places, role + side, longest_run)
    return found


def around_one(story: Story, name: str, context: int, longest_run: int) -> list[Member]:
    """The members for one person: the words before and behind each mention, and the words of the name."""
    before, behind, own = ALONE
    marks = _marks(story, {name: FIRST})
    found: list[Member] = []
    for mention in story.mentions:
        if mention.name != name:
            continue
        place = mention.place
        found += _runs(story, marks, _before(story, place, context), before, longest_run)
        found += _runs(story, marks, _behind(story, place, context), behind, longest_run)
        found.append(Member((name.lower(),), own, mention.start, mention.end))
    return found


def part(story_text: str, member: Member) -> Part:
    """The part of the text that a member is."""
    return Part(story_text[member.start : member.end], member.start, member.end)


def _before(story: Story, place: int, most: int) -> range:
    """A word, and up to so many places before it within its sentence."""
    start = place
    while start > max(0, place - most) and story.words[start - 1] not in STOPS:
        start -= 1
    return range(start, place + 1)


def _behind(story: Story, place: int, most: int) -> range:
    """A word, and up to so many places behind it within its sentence."""
    stop = place + 1
    while stop < min(len(story.words), place + 1 + most) and story.words[stop] not in STOPS:
        stop += 1
    return range(place, stop)


def _marks(story: Story, mark_of: dict[str, str]) -> list[str]:
    """The words with a mark for each name."""
    words = list(story.words)
    for mention in story.mentions:
        words[mention.place] = mark_of.get(mention.name, OTHER)
    return words


def _runs(story: Story, words: Sequence[str], places: range, role: int, longest: int) -> list[Member]:
    return [
        Member(tuple(words[place : place + length]), role, story.spans[place][0], story.spans[place + length - 1][1])
        for length in range(1, longest + 1)
        for place in range(places.start, places.stop - length + 1)
    ]
