"""A text that is being edited: only the statements that an edit touches are read again.

The text is cut into statements from left to right, so those that end before the edit stay as they are. Behind it, the
new text is cut until a statement ends where one ended before: from there on the rest is the same, only moved.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from nesy.language import ast
from nesy.language.build import Builder, SyntaxProblem
from nesy.language.parse import MAX_ERRORS, Parsed, Read, parser
from nesy.language.scan import Dialect, Word, is_closed
from nesy.source import Section, Source, Span


@dataclass(slots=True)
class _Piece:
    """The words of one statement and its tree, or None where the words are none."""

    words: list[Word]  # where they stood when they were cut; kept only without a tree
    last: int  # where they ended then
    is_closed: bool
    section: Section
    tree: ast.Statement | None
    qualified: list[Word]

    @property
    def end(self) -> int:
        return self.section.offset + self.last


class LiveText:
    """The statements of the last text that was read. A new text moves them: what older texts gave is void then."""

    def __init__(self, dialect: Dialect):
        self._dialect: Dialect = dialect
        self._text = ""
        self._pieces: list[_Piece] = []
        self._comments: list[Word] = []

    def parse(self, source: Source) -> Parsed:
        """What `parse` gives for the source; statements that were there before keep their trees."""
        text, old = source.text, self._text
        before, behind = _common(old, text)
        grown = len(text) - len(old)
        front = 0  # pieces that stay
        for index, piece in enumerate(self._pieces):
            if piece.end >= before:
                break
            if piece.is_closed:
                front = index + 1
        start = self._pieces[front - 1].end if front else 0
        ends = {piece.end + grown: n for n, piece in enumerate(self._pieces) if n >= front and piece.is_closed}
        comments: list[Word] = []
        fresh: list[_Piece] = []
        rest, resumed = len(self._pieces), len(text)
        for words in parser().scanner.statements(text, self._dialect, comments, start):
            fresh.append(self._read(words, source))
            end = fresh[-1].last
            if end in ends and end >= len(text) - behind and fresh[-1].is_closed:
                rest, resumed = ends[end] + 1, end
                break
        for piece in self._pieces[:front]:
            piece.section.source = source
        for piece in self._pieces[rest:]:
            piece.section.source = source
            piece.section.offset += grown
        moved = (_moved(word, grown) for word in self._comments if word.start + grown >= resumed)
        self._comments = [*(word for word in self._comments if word.start < start), *comments, *moved]
        self._pieces[front:rest] = fresh
        self._text = text
        return self._parsed(source)

    def _read(self, words: list[Word], source: Source) -> _Piece:
        section = Section(source)
        builder = Builder(section)
        try:
            tree = parser().statement(words, builder, source)
        except SyntaxProblem:
            tree = None
        kept = words if tree is None else []
        return _Piece(kept, words[-1].end, is_closed(words, source.text), section, tree, builder.qualified)

    def _parsed(self, source: Source) -> Parsed:
        statements: list[ast.Statement] = []
        qualified: list[Word] = []
        reads: list[Read] = []
        wrong = 0
        for piece in self._pieces:
            offset = piece.section.offset
            if piece.tree is not None:
                statements.append(piece.tree)
                qualified += [_moved(word, offset) for word in piece.qualified]
                continue
            builder = Builder(source)
            read = parser().read([_moved(word, offset) for word in piece.words], builder, source)
            statements += read.statements
            qualified += builder.qualified
            reads.append(read)
            wrong += len(read.diagnostics)
            if wrong >= MAX_ERRORS:
                return parser().parse(source, self._dialect)
        comments = tuple(ast.Comment(word.text, Span(source, word.start, word.end)) for word in self._comments)
        return Parsed(
            ast.File(tuple(statements), comments),
            tuple(diagnostic for read in reads for diagnostic in read.diagnostics),
            frozenset(name for read in reads for name in read.broken),
            tuple(qualified),
        )


def _moved(word: Word, offset: int) -> Word:
    return Word(word.type, word.text, word.start + offset, word.end + offset) if offset else word


def _common(old: str, new: str) -> tuple[int, int]:
    """The lengths of the longest start and of the longest end behind it that two texts share."""
    shorter = min(len(old), len(new))
    before = _longest(shorter, lambda length: old.startswith(new[:length]))
    behind = _longest(shorter - before, lambda length: old.endswith(new[len(new) - length :]))
    return before, behind


def _longest(limit: int, holds: Callable[[int], bool]) -> int:
    """The largest number up to a limit for which a condition holds that holds of all smaller ones."""
    low, high = 0, limit
    while low < high:
        middle = (low + high + 1) // 2
        if holds(middle):
            low = middle
        else:
            high = middle - 1
    return low
