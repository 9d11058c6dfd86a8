"""Where each key of a TOML text stands, so that a mistake in task.toml gets a caret.

The standard library's parser gives values without positions. This scanner finds positions without
values: it assumes a text that the parser has accepted, and only has to recognise table headers, keys
at the start of a line, and values that run over several lines.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from nesy.source import Source, Span

_HEADER = re.compile(r"\s*\[\[?\s*([^\[\]#]+?)\s*\]\]?\s*(?:#.*)?$")
_KEY = re.compile(r"\s*((?:[A-Za-z0-9_-]+|\"[^\"]*\"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|\"[^\"]*\"|'[^']*'))*)\s*=")
_PART = re.compile(r"[A-Za-z0-9_-]+|\"[^\"]*\"|'[^']*'")
# Strings are matched first so that a quote or `#` inside one opens nothing.
_TOKEN = re.compile(r'"""|\'\'\'|"(?:\\.|[^"\\])*"|\'[^\']*\'|#.*|[\[\]{}]')

Path = tuple[str, ...]


@dataclass(frozen=True)
class Places:
    """Spans of the table headers and keys of one TOML text, by their dotted path."""

    source: Source
    spans: dict[Path, Span]

    def of(self, path: Path) -> Span:
        """The key's place; the nearest enclosing table's where the key itself is not written."""
        while path and path not in self.spans:
            path = path[:-1]
        if path:
            return self.spans[path]
        end = len(self.source.line(1))
        return Span(self.source, 0, end)


def find_places(source: Source) -> Places:
    """Scan a text that is valid TOML.

    >>> places = find_places(Source("task.toml", '[data]\\ntrain = "a.csv"\\n'))
    >>> str(places.of(("data", "train")))
    'task.toml:2:1'
    """
    spans: dict[Path, Span] = {}
    table: Path = ()
    depth = 0
    quote = ""
    offset = 0
    for line in source.text.splitlines(keepends=True):
        if not depth and not quote:
            if header := _HEADER.match(line):
                table = _parts(header[1])
                spans.setdefault(table, Span(source, offset + header.start(1), offset + header.end(1)))
            elif key := _KEY.match(line):
                path = table + _parts(key[1])
                spans.setdefault(path, Span(source, offset + key.start(1), offset + key.end(1)))
                depth, quote = _state(line[key.end() :], 0, "")
        else:
            depth, quote = _state(line, depth, quote)
        offset += len(line)
    return Places(source, spans)


def _parts(dotted: str) -> Path:
    return tuple(part.strip("\"'") for part in _PART.findall(dotted))


def _state(text: str, depth: int, quote: str) -> tuple[int, str]:
    """Open brackets, and the open multi-line quote, after a stretch of a value."""
    position = 0
    while position < len(text):
        if quote:
            end = text.find(quote, position)
            if end < 0:
                return depth, quote
            position, quote = end + 3, ""
            continue
        token = _TOKEN.search(text, position)
        if token is None:
            break
        position = token.end()
        if token[0] in ('"""', "'''"):
            quote = token[0]
        elif token[0] in "[{":
            depth += 1
        elif token[0] in "]}":
            depth -= 1
    return depth, quote
