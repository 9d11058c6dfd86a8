"""What the translators share: words, a reader of them, and what a translator says of that which it cannot say.

A translator knows the syntax of one other language and writes what a program says as a rule file of nesy. It has no
semantics: names and text go in, names and text come out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

OPEN, CLOSE = frozenset("([{"), frozenset(")]}")


class Unsupported(Exception):
    """Something the translator or the language has no counterpart for."""


@dataclass(frozen=True)
class Word:
    """A word of the other language: the name of its group in the regular expression, and its text."""

    kind: str
    text: str


@dataclass(frozen=True)
class Translation:
    """A rule file, and the columns of its relations: their types, or their number where there are no types."""

    text: str
    columns: Mapping[str, tuple[str, ...]]
    inputs: tuple[str, ...] = ()


def words_of(text: str, token: re.Pattern[str]) -> list[Word]:
    """The words of a text; what matches without a group (space, comments) is left out.

    Raises: Unsupported, for a character that starts no word.
    """
    words: list[Word] = []
    position = 0
    while position < len(text):
        match = token.match(text, position)
        if match is None:
            raise Unsupported(f"character {text[position]!r}")
        if match.lastgroup is not None:
            words.append(Word(match.lastgroup, match[match.lastgroup]))
        position = match.end()
    return words


def split(words: list[Word], mark: str) -> list[list[Word]]:
    """The words between marks that stand outside of all brackets."""
    parts: list[list[Word]] = [[]]
    depth = 0
    for word in words:
        depth += (word.text in OPEN) - (word.text in CLOSE) if word.kind == "mark" else 0
        if word.text == mark and depth == 0 and word.kind == "mark":
            parts.append([])
        else:
            parts[-1].append(word)
    return parts


def statement_end(words: list[Word], start: int, mark: str = ".") -> int:
    """Where the statement that starts here has its full stop.

    Raises: Unsupported.
    """
    depth = 0
    for index in range(start, len(words)):
        text = words[index].text if words[index].kind == "mark" else ""
        depth += (text in OPEN) - (text in CLOSE)
        if text == mark and depth == 0:
            return index
    raise Unsupported("a statement without its full stop")


class Reader:
    """A reader of words, from left to right."""

    def __init__(self, words: list[Word]):
        self.words = words
        self.index = 0

    @property
    def is_done(self) -> bool:
        return self.index >= len(self.words)

    def peek(self, ahead: int = 0) -> str:
        """The text of a word ahead, "" behind the last one."""
        place = self.index + ahead
        return self.words[place].text if place < len(self.words) else ""

    def kind(self, ahead: int = 0) -> str:
        """The kind of a word ahead, "" behind the last one."""
        place = self.index + ahead
        return self.words[place].kind if place < len(self.words) else ""

    def take(self, expected: str | None = None) -> Word:
        """The next word.

        Raises: Unsupported, if it is another than expected.
        """
        if self.is_done or (expected is not None and self.peek() != expected):
            raise Unsupported(f"`{self.peek()}` where `{expected or 'a word'}` was expected")
        self.index += 1
        return self.words[self.index - 1]

    def took(self, text: str) -> bool:
        """Take the next word if it is this mark or name."""
        if self.peek() == text and self.kind() != "string":
            self.index += 1
            return True
        return False


def quoted(name: str) -> str:
    """A name of another language as a name of nesy's."""
    return "'" + name.replace("\\", "\\\\").replace("'", "\\'") + "'"


def applied(name: str, terms: list[str]) -> str:
    """An atom or a structure."""
    return name + (f"({', '.join(terms)})" if terms else "")


def declared(columns: Mapping[str, tuple[str, ...]]) -> list[str]:
    """A `#pred` for each relation: one that no rule derives is empty, and no mistake."""
    return [f"#pred {applied(quoted(name), ['_'] * len(types))}." for name, types in columns.items()]
