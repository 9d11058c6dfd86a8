"""A mistake in a rule file, and how it is shown.

Pure data and a renderer; the catalogue of codes belongs to the language. Modelled on what compilers
with good manners print: code, message, excerpt with a caret, further places, notes, hints.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from nesy.source import Span

Severity = Literal["error", "warning"]

# Characters of a line that a message shows; of a longer one, what is around the place.
MAX_WIDTH = 200


@dataclass(frozen=True)
class Label:
    """A place, and a few words on why it matters."""

    span: Span
    text: str = ""


@dataclass(frozen=True)
class Diagnostic:
    """One mistake: `labels[0]` is its place, the others are places that explain it."""

    code: str
    message: str
    labels: tuple[Label, ...]
    notes: tuple[str, ...] = ()
    hints: tuple[str, ...] = ()
    severity: Severity = "error"

    @property
    def span(self) -> Span:
        return self.labels[0].span

    def render(self) -> str:
        """The diagnostic as plain text, with an excerpt and carets for each place."""
        first = self.span
        gutter = max(len(str(label.span.line)) for label in self.labels)
        pad = " " * gutter
        lines = [f"{self.severity}[{self.code}]: {self.message}", f"{pad}--> {first}", f"{pad} |"]
        previous = first.source
        for label in self.labels:
            if label.span.source is not previous:
                lines += [f"{pad} |", f"{pad}::: {label.span}"]
                previous = label.span.source
            lines += _excerpt(label, gutter)
        lines += [f"{pad} = note: {note}" for note in self.notes]
        lines += [f"{pad} = hint: {hint}" for hint in self.hints]
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """The diagnostic as data: the shape of `nesy check --json`."""
        end_line, end_column = self.span.end_position
        return {
            "severity": self.severity,
            "code": self.code,
            "message": self.message,
            "file": self.span.source.name,
            "line": self.span.line,
            "column": self.span.column,
            "end_line": end_line,
            "end_column": end_column,
            "labels": [
                {
                    "file": label.span.source.name,
                    "line": label.span.line,
                    "column": label.span.column,
                    "text": label.text,
                }
                for label in self.labels
            ],
            "notes": list(self.notes),
            "hints": list(self.hints),
        }


def _excerpt(label: Label, gutter: int) -> list[str]:
    span = label.span
    line = span.source.line(span.line)
    column = span.column
    end_line, end_column = span.end_position
    width = max(1, (end_column if end_line == span.line else len(line) + 1) - column)
    text, before = _window(line, column - 1, width)
    width = min(width, max(1, len(text) - before))
    # Tabs are kept in the margin so that the caret stands under the character on any tab width.
    margin = "".join(char if char == "\t" else " " for char in text[:before])
    return [
        f"{span.line:>{gutter}} | {text}",
        f"{' ' * gutter} | {margin}{'^' * width} {label.text}".rstrip(),
    ]


def _window(line: str, start: int, width: int) -> tuple[str, int]:
    """The part of a line to show, and where in it a place stands: of a very long line, what is around the place."""
    if len(line) <= MAX_WIDTH:
        return line, start
    first = max(0, start - MAX_WIDTH // 4)
    last = min(len(line), first + MAX_WIDTH)
    before, behind = "..." if first else "", "..." if last < len(line) else ""
    return f"{before}{line[first:last]}{behind}", start - first + len(before)


def by_position(diagnostics: Sequence[Diagnostic]) -> list[Diagnostic]:
    """Diagnostics in the order a reader meets them: by file as first seen, then by offset."""
    order: dict[int, int] = {}
    for diagnostic in diagnostics:
        order.setdefault(id(diagnostic.span.source), len(order))
    return sorted(diagnostics, key=lambda d: (order[id(d.span.source)], d.span.start, d.code))
