"""Source texts and the spans that point into them.

A `Span` owns its `Source`, so anything that carries a span can print its own place at any time: no
table of files has to be passed around, and a program given as a string has carets too.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar, TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def node(cls: type[T]) -> type[T]:
    """A dataclass whose fields are set once, by `__init__`: the type checker holds that, and not the running program.

    A program has a hundred of these a rule, and a frozen dataclass takes four times as long to make.
    """
    return dataclass(slots=True, unsafe_hash="__hash__" not in vars(cls))(cls)


@dataclass(frozen=True, eq=False)
class Source:
    """A text with a name: a path as the user wrote it, or `<text>` for a string."""

    name: str
    text: str = field(repr=False)
    offset: ClassVar[int] = 0

    @property
    def source(self) -> Source:
        """Itself: spans count from a source, or from a section of one."""
        return self

    @cached_property
    def line_starts(self) -> list[int]:
        """Offset of the first character of each line."""
        return [0, *(index + 1 for index, char in enumerate(self.text) if char == "\n")]

    def line(self, number: int) -> str:
        """The text of a line (1-based), without its newline."""
        starts = self.line_starts
        end = starts[number] if number < len(starts) else len(self.text)
        return self.text[starts[number - 1] : end].rstrip("\r\n")

    def position(self, offset: int) -> tuple[int, int]:
        """Line and column, both 1-based, of a character offset."""
        line = bisect_right(self.line_starts, offset)
        return line, offset - self.line_starts[line - 1] + 1


@dataclass(eq=False, slots=True)
class Section:
    """A part of a text that is being edited. When text before it changes it moves, and the spans in it move along."""

    source: Source
    offset: int = 0  # how far it moved since its spans were made


@node
class Span:
    """The characters `start <= offset < end` of a source."""

    base: Source | Section
    first: int
    behind: int

    @property
    def source(self) -> Source:
        return self.base.source

    @property
    def start(self) -> int:
        return self.base.offset + self.first

    @property
    def end(self) -> int:
        return self.base.offset + self.behind

    @property
    def line(self) -> int:
        return self.source.position(self.start)[0]

    @property
    def column(self) -> int:
        return self.source.position(self.start)[1]

    @property
    def end_position(self) -> tuple[int, int]:
        """Line and column, 1-based, of the first character behind the span."""
        return self.source.position(self.end)

    @property
    def text(self) -> str:
        return self.source.text[self.start : self.end]

    def __str__(self) -> str:
        return f"{self.source.name}:{self.line}:{self.column}"

    @property
    def place(self) -> str:
        """`file:line`, the short form that proofs print."""
        return f"{self.source.name}:{self.line}"

    def to(self, other: Span) -> Span:
        """The smallest span that covers both."""
        base = self.base
        if base is other.base:
            return Span(base, min(self.first, other.first), max(self.behind, other.behind))
        return Span(self.source, min(self.start, other.start), max(self.end, other.end))
