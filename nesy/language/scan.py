"""Text to words, and words to statements.

The words are the terminals of `grammars/rules.lark`; they are matched by one regular expression, and
the text is cut at each full stop, so that a statement with a mistake leaves the others alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

from lark.lexer import TerminalDef

Dialect: TypeAlias = Literal["nesy", "problog"]

# Words of one statement: a longer one is a table that belongs in a file. Its further words are not kept.
MAX_WORDS = 20_000

# Tried first because most words of a program are one of these.
_COMMON = ("QUALIFIED", "NAME", "VARIABLE", "LPAR", "RPAR", "COMMA")


# What matters in a statement that is too long: where it ends, and the weight of a soft constraint behind it.
_KEPT = frozenset(("END", "COMMENT", "LSQB", "RSQB"))


class Word(NamedTuple):
    """A terminal of the grammar and where it stands."""

    type: str
    text: str
    start: int
    end: int


@dataclass(frozen=True)
class Scanned:
    """The words of each statement, and the comments between them.

    `unclosed` words (`UNKNOWN`, `OPEN_STRING`, `OPEN_COMMENT`) are what the language has no word for.
    """

    statements: list[list[Word]]
    comments: list[Word]


class Scanner:
    """The regular expressions made of a grammar's terminals."""

    def __init__(self, terminals: Iterable[TerminalDef]):
        named = {terminal.name: terminal.pattern.to_regexp() for terminal in terminals}
        rest = sorted(named.keys() - set(_COMMON), key=lambda name: (-len(named[name]), name))
        words = "|".join(f"(?P<{name}>{named[name]})" for name in (*_COMMON, *rest))
        # ProbLog has no names with a dot: there, `a.b.` are two facts.
        plain = words.removeprefix(f"(?P<QUALIFIED>{named['QUALIFIED']})|")
        scoped = "(?P<NAME>[a-z][A-Za-z0-9_]*:[a-z][A-Za-z0-9_]*|"
        unknown = r"(?P<OPEN_STRING>[\"'][^\n]*)|(?P<UNKNOWN>\\\+|#\w*|[^\w\s]|\w+)"
        # Without the second part, the first would look for its end again from each `/*`.
        line = r"(?P<COMMENT>%[^\n]*|/\*(?s:.*?)\*/)|(?P<OPEN_COMMENT>/\*(?s:.*))"
        block = r"(?P<COMMENT>%\*(?s:.*?)\*%|%(?!\*)[^\n]*)|(?P<OPEN_COMMENT>%\*(?s:.*))"
        self._of = {
            "nesy": re.compile(rf"\s+|{words}|{block}|{unknown}"),
            # A scope is part of the name: `scope1:p(X)` is an atom of the predicate `scope1:p`.
            "problog": re.compile(rf"\s+|{line}|{plain.replace('(?P<NAME>', scoped, 1)}|{unknown}"),
            "query": re.compile(rf"\s+|{words.replace('(?P<NAME>', scoped, 1)}|{block}|{unknown}"),
        }

    def scan(self, text: str, dialect: Dialect | Literal["query"]) -> Scanned:
        """The text cut into statements. The last one may lack its full stop."""
        comments: list[Word] = []
        return Scanned(list(self.statements(text, dialect, comments)), comments)

    def statements(
        self, text: str, dialect: Dialect | Literal["query"], comments: list[Word], start_at: int = 0
    ) -> Iterator[list[Word]]:
        """The statements from an offset on; the comments met on the way join `comments`.

        The offset is 0 or the end of a statement that `is_closed`.
        """
        current: list[Word] = []
        new = tuple.__new__
        depth = -1  # of brackets in the weight of a soft constraint, which stands behind the full stop
        for match in self._of[dialect].finditer(text, start_at):
            kind = match.lastgroup
            if kind is None:
                continue
            if depth < 0 and kind not in _KEPT:  # so it is with most words
                if len(current) <= MAX_WORDS:
                    start, end = match.span()
                    current.append(new(Word, (kind, match[0], start, end)))  # twice as fast as `Word(...)`
                continue
            if len(current) > MAX_WORDS and kind not in _KEPT:
                continue
            word = Word(kind, match[0], *match.span())
            if kind == "COMMENT":
                comments.append(word)
                continue
            if depth == 0 and kind != "LSQB":
                yield current  # a soft constraint without its weight
                current, depth = [], -1
            current.append(word)
            if depth >= 0:
                depth += (kind == "LSQB") - (kind == "RSQB")
                if depth == 0 or kind == "END":
                    yield current
                    current, depth = [], -1
            elif kind == "END" and current[0].type == "SOFT":
                depth = 0
            elif kind == "END":
                yield current
                current = []
        if current:
            yield current


def is_closed(words: list[Word], text: str) -> bool:
    """Whether a statement is cut off here, whatever comes behind it: white space follows its full stop."""
    end = words[-1].end
    return words[-1].type == "END" and words[0].type != "SOFT" and end < len(text) and text[end].isspace()


def is_start_of_line(text: str, offset: int) -> bool:
    """Whether only white space stands before the offset on its line."""
    return not text[text.rfind("\n", 0, offset) + 1 : offset].strip()
