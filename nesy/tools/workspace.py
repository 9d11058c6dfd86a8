"""What an editor asks about a rule file: where a name is defined and used, what it means, what could stand here.

Pure functions over the syntax tree; `lsp` speaks the protocol. Positions are character offsets into the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from nesy.diagnostics import Diagnostic
from nesy.language import ast
from nesy.language.build import aliases_of
from nesy.language.collection import collection_paused
from nesy.language.draft import Kept
from nesy.language.files import Reading, dialect_of, read_program
from nesy.language.functions import FUNCTIONS
from nesy.language.live import LiveText
from nesy.language.program import check_reading
from nesy.language.scan import Dialect
from nesy.language.scope import variables
from nesy.source import Source, Span

_DIRECTIVES = ("#include", "#type", "#pred", "#input", "#neural", "#open", "#facts", "#query", "#evidence")
_AGGREGATES = ("#count", "#sum", "#min", "#max", "#avg")
_WORD = re.compile(r"(?:#|(?:[a-z]\w*\.)+)?\w*\Z")


@dataclass(frozen=True)
class Occurrence:
    """A place where a predicate's name stands; a definition is a head, a fact or a declaration."""

    name: str
    arity: int
    span: Span
    is_definition: bool
    statement: ast.Statement


@dataclass(frozen=True)
class Document:
    """A rule file as it is in the editor; `path` is where it is saved, if it is."""

    text: str
    path: Path | None = None
    _live: LiveText | None = field(default=None, compare=False, repr=False)
    _kept: Kept = field(default_factory=Kept, compare=False, repr=False)

    def edited(self, text: str) -> Document:
        """The document with another text, which keeps the statements that stay; this one is void from then on."""
        return Document(text, self.path, self._live, self._kept)

    def __post_init__(self) -> None:
        if self._live is None:
            object.__setattr__(self, "_live", LiveText(self.dialect))

    @cached_property
    def dialect(self) -> Dialect:
        return dialect_of(self.path) if self.path is not None else "nesy"

    @cached_property
    def reading(self) -> Reading:
        """The statements of the document and of all that it includes."""
        source = Source(str(self.path) if self.path else "<text>", self.text)
        folder = self.path.parent if self.path else None
        assert self._live is not None
        with collection_paused():
            return read_program(source, self.dialect, folder, self.path, parsed=self._live.parse(source))

    @cached_property
    def main(self) -> Source:
        return self.reading.sources[0].source

    @cached_property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """All that the checker says of the document, and of what it includes."""
        with collection_paused():
            return check_reading(self.reading, kept=self._kept).diagnostics

    @cached_property
    def occurrences(self) -> tuple[Occurrence, ...]:
        """Every predicate name in the document and in what it includes."""
        return tuple(found for unit in self.reading.units for found in occurrences_of(unit.statement))

    def at(self, offset: int) -> Occurrence | ast.Variable | None:
        """What stands at a position of the document: a predicate's name, or a variable."""
        for occurrence in self.occurrences:
            if occurrence.span.source is self.main and occurrence.span.start <= offset <= occurrence.span.end:
                return occurrence
        statement = self.statement_at(offset)
        if statement is not None:
            for variable in variables(_parts(statement)):
                if variable.span.start <= offset <= variable.span.end and variable.name != "_":
                    return variable
        return None

    def statement_at(self, offset: int) -> ast.Statement | None:
        """The statement of the document that covers a position."""
        for statement in self.reading.files[0].statements:
            if statement.span.start <= offset <= statement.span.end:
                return statement
        return None

    def definitions(self, offset: int) -> list[Span]:
        """Where the predicate at a position is defined, its declaration first; the file that an `#include` names."""
        for span, source in self._included:
            if span.start <= offset <= span.end:
                return [Span(source, 0, 0)]
        found = self.at(offset)
        if not isinstance(found, Occurrence):
            return []
        places = [o for o in self._same(found) if o.is_definition]
        places.sort(key=lambda o: not isinstance(o.statement, ast.Declaration | ast.NeuralDeclaration))
        return [occurrence.span for occurrence in places]

    def references(self, offset: int) -> list[Span]:
        """Every place of the predicate, or of the variable within its rule, at a position."""
        match self.at(offset):
            case Occurrence() as found:
                return [occurrence.span for occurrence in self._same(found)]
            case ast.Variable(name):
                statement = self.statement_at(offset)
                assert statement is not None
                return [v.span for v in variables(_parts(statement)) if v.name == name]
            case None:
                return []

    def rename(self, offset: int, new: str) -> list[Span] | str:
        """The places to write a new name at, or why it cannot be."""
        found = self.at(offset)
        match found:
            case Occurrence():
                if not re.fullmatch(r"(?!(?:not|is|mod|xor)\Z)[a-z][A-Za-z0-9_]*", new):
                    return f"`{new}` is not a predicate's name: it starts with a small letter"
                taken = {(o.name, o.arity) for o in self.occurrences}
                if (aliases_of(found.name) + new, found.arity) in taken:
                    return f"`{new}/{found.arity}` is there already"
                return [occurrence.span for occurrence in self._same(found)]
            case ast.Variable():
                if not re.fullmatch(r"[A-Z_][A-Za-z0-9_]*", new):
                    return f"`{new}` is not a variable: it starts with a capital letter"
                statement = self.statement_at(offset)
                if any(variable.name == new for variable in variables(_parts(statement))):
                    return f"`{new}` is another variable of this rule"
                return self.references(offset)
            case None:
                return "there is no predicate or variable here"

    def hover(self, offset: int) -> str | None:
        """What a predicate is, in Markdown: its declaration or first rule, and the comment above it."""
        found = self.at(offset)
        if not isinstance(found, Occurrence):
            return None
        definitions = [o for o in self._same(found) if o.is_definition]
        if not definitions:
            return f"`{found.name}/{found.arity}` is not defined"
        definitions.sort(key=lambda o: not isinstance(o.statement, ast.Declaration | ast.NeuralDeclaration))
        first = definitions[0]
        count = sum(not isinstance(o.statement, ast.Declaration) for o in definitions)
        parts = [f"```nesy\n{first.statement.span.text}\n```"]
        comment = comment_above(first.statement.span)
        if comment:
            parts.append(comment)
        rules = "1 rule or fact" if count == 1 else f"{count} rules and facts"
        parts.append(f"`{found.name}/{found.arity}` · {rules} · {first.span.place}")
        return "\n\n".join(parts)

    def completions(self, offset: int) -> list[tuple[str, str]]:
        """Names that could stand at a position, each with what it is."""
        start = self.text[self.word_start(offset) : offset]
        offers: dict[str, str] = {}
        if start.startswith("#") or not start:
            offers |= dict.fromkeys(_DIRECTIVES, "directive") | dict.fromkeys(_AGGREGATES, "aggregate")
        for occurrence in self.occurrences:
            if occurrence.is_definition:
                offers.setdefault(occurrence.name, f"predicate /{occurrence.arity}")
        statement = self.statement_at(offset)
        if statement is not None:
            offers |= {variable.name: "variable" for variable in variables(_parts(statement)) if variable.name != "_"}
        offers |= {name: f.doc for (name, _), f in FUNCTIONS.items() if name[0].isalpha() and name not in offers}
        return sorted((name, what) for name, what in offers.items() if name.startswith(start) and name != start)

    def word_start(self, offset: int) -> int:
        """Where the word that ends at a position starts, with its `#` or its aliases."""
        match = _WORD.search(self.text, self.text.rfind("\n", 0, offset) + 1, offset)
        return match.start() if match else offset

    @cached_property
    def _included(self) -> list[tuple[Span, Source]]:
        """The name in each `#include` of the document, and what it took in."""
        reading = self.reading
        places = [(span, path) for (path, _), span in reading.done.items() if span is not None]
        return [(s, reading.read[path][0]) for s, path in places if s.source is self.main and path in reading.read]

    def _same(self, found: Occurrence) -> list[Occurrence]:
        return [o for o in self.occurrences if (o.name, o.arity) == (found.name, found.arity)]


def occurrences_of(statement: ast.Statement) -> Iterator[Occurrence]:
    """The predicate names of one statement."""
    match statement:
        case ast.Rule(heads, body):
            for head in heads:
                yield from _atom(head.atom, statement, True)
            yield from _conditions(body, statement)
        case ast.Constraint(body):
            yield from _conditions(body, statement)
        case ast.NeuralDeclaration(atom, domain, body):
            yield from _atom(atom, statement, True, more=domain is not None)
            yield from _conditions(body, statement)
        case ast.Declaration(_, atoms):
            for atom in atoms:
                yield from _atom(atom, statement, True)
        case ast.Ask(_, condition):
            yield from _conditions(condition, statement)
        case ast.OpenDeclaration(predicates):
            for opened in predicates:
                yield Occurrence(opened.name.removeprefix("-"), opened.arity, opened.name_span, False, statement)
        case _:
            pass


def _atom(term: ast.Body, statement: ast.Statement, is_definition: bool, more: bool = False) -> Iterator[Occurrence]:
    match term:
        case ast.Call("query" | "evidence", (asked, *_)) if is_definition:
            yield from _conditions(asked, statement)
        case ast.Call(name, arguments, _, name_span):
            yield Occurrence(name, len(arguments) + more, name_span, is_definition, statement)
        case ast.Operation("-", (ast.Call(name, arguments, _, name_span),)):
            yield Occurrence(name, len(arguments), name_span, is_definition, statement)
        case _:
            pass


def _conditions(body: ast.Body | None, statement: ast.Statement) -> Iterator[Occurrence]:
    match body:
        case ast.Conjunction(parts) | ast.Disjunction(parts):
            for part in parts:
                yield from _conditions(part, statement)
        case ast.Negation(inner) | ast.Group(inner):
            yield from _conditions(inner, statement)
        case ast.Comparison(terms):
            for term in terms:
                if isinstance(term, ast.Aggregate):
                    for element in term.elements:
                        for condition in element.conditions:
                            yield from _conditions(condition, statement)
        case None:
            pass
        case _:
            yield from _atom(body, statement, False)


def _parts(statement: ast.Statement | None) -> tuple[object, ...]:
    match statement:
        case ast.Rule(heads, body):
            return (heads, body)
        case ast.Constraint(body, weight):
            return (body, weight)
        case ast.NeuralDeclaration(atom, _, body):
            return (atom, body)
        case ast.Ask(_, condition):
            return (condition,)
        case _:
            return ()


def comment_above(span: Span) -> str:
    """The comment lines directly above a statement, without their marks."""
    lines: list[str] = []
    number = span.line - 1
    while number >= 1 and (line := span.source.line(number).strip()).startswith("%"):
        lines.insert(0, line.lstrip("%* ").removesuffix("*%").rstrip())
        number -= 1
    return "\n".join(lines)
