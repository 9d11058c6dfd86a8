"""A story whose people (or places, or things) are marked by brackets: `[Ann] and her son [Bob] ...`.

Its words are those of `split_words`, with a mark in place of each name, so that what is said of two people does not
depend on what they are called. Two names with nothing between them are of two sentences, the first without its full
stop: it is put there. A question at the end, `What is [Bob] to [Ann]?`, is no part of the story: the names in it are
what is asked.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

from nesy.errors import DataError
from nesy.perception.text.words import split_words

STOPS = (".", "!", "?")  # words that end a sentence

_MARKED = re.compile(r"\[([^\[\]]*)\]")
_QUESTION = re.compile(r"[^.!?]*\?\s*\Z")


@dataclass(frozen=True)
class Mention:
    """Where someone is named: the place among the story's words, and the characters, brackets included."""

    name: str
    place: int
    start: int
    end: int


@dataclass(frozen=True)
class Meetings:
    """Where two are named nearest to each other: so many others and ends of sentences stand between them."""

    distance: int
    places: tuple[tuple[Mention, Mention], ...]


@dataclass(frozen=True, eq=False)
class Story:
    """The words of a story in order, and who is named where; a name's own word is the empty text."""

    words: tuple[str, ...]
    spans: tuple[tuple[int, int], ...]  # characters of each word
    mentions: tuple[Mention, ...]
    asked: tuple[str, ...]  # the names in the question, in order

    @classmethod
    def parse(cls, text: str, lowercase: bool = True) -> Story:
        """Read a text with marked names.

        >>> story = Story.parse("[Ann] and her son [Bob] sing. What is [Bob] to [Ann]?")
        >>> story.words, [mention.place for mention in story.mentions], story.asked
        (('', 'and', 'her', 'son', '', 'sing', '.'), [0, 4], ('Bob', 'Ann'))

        Raises: DataError for a bracket without its other, or a name that is empty.
        """
        question = _QUESTION.search(text)
        told = text[: question.start()] if question and "[" in question.group() else text
        words: list[str] = []
        spans: list[tuple[int, int]] = []
        mentions: list[Mention] = []

        def plain(start: int, end: int) -> None:
            if (bracket := re.search(r"[\[\]]", told[start:end])) is not None:
                at = start + bracket.start()
                raise DataError(
                    f"a `{told[at]}` without its other in a story: ...{told[max(0, at - 20) : at + 20]!r}..."
                )
            found = split_words(told[start:end], lowercase)
            words.extend(found.words)
            spans.extend((start + first, start + last) for first, last in found.spans)

        end = 0
        for mark in _MARKED.finditer(told):
            plain(end, mark.start())
            if mentions and mentions[-1].place == len(words) - 1:
                words.append(STOPS[0])
                spans.append((mark.start(), mark.start()))
            end = mark.end()
            mentions.append(Mention(_name(mark), len(words), mark.start(), end))
            words.append("")
            spans.append((mark.start(), end))
        plain(end, len(told))
        asked = tuple(_name(mark) for mark in _MARKED.finditer(text, len(told)))
        return cls(tuple(words), tuple(spans), tuple(mentions), asked)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Everybody, in the order of the first mention."""
        return tuple(dict.fromkeys(mention.name for mention in self.mentions))

    def meetings(self, most_between: int) -> dict[tuple[str, str], Meetings]:
        """Where two are named with at most so many others between them, by pair.

        A pair is in the order of its first meeting; a mention meets the nearest of each other person only. Of a pair's
        meetings only the nearest count: what stands between two who meet across sentences is often about others.
        """
        found: dict[tuple[str, str], dict[int, list[tuple[Mention, Mention]]]] = {}
        for i, first in enumerate(self.mentions):
            between: list[str] = []
            for second in self.mentions[i + 1 :]:
                if second.name == first.name or len(between) > most_between:
                    break
                if second.name in between:
                    continue
                ends = sum(word in STOPS for word in self.words[first.place : second.place])
                pair = (first.name, second.name)
                turned = (second.name, first.name)
                by_distance = found.setdefault(turned if turned in found else pair, {})
                by_distance.setdefault(len(between) + ends, []).append((first, second))
                between.append(second.name)
        return {pair: Meetings(min(by), tuple(by[min(by)])) for pair, by in found.items()}


def _name(mark: re.Match[str]) -> str:
    name = mark.group(1).strip()
    if not name:
        raise DataError("a story marks a name that is empty: `[]`")
    return name
