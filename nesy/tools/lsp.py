"""The language server: `workspace` over the Language Server Protocol, by pygls.

Needs the optional package pygls; `serve` runs it on standard input and output.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

from nesy.diagnostics import Diagnostic
from nesy.errors import MissingExtraError, NesyError, ProgramError
from nesy.language.pretty import format_text
from nesy.source import Source, Span
from nesy.tools.workspace import Document


def serve() -> None:
    """Run the server until the editor closes it.

    Raises: MissingExtraError.
    """
    make_server().start_io()


def make_server() -> Any:
    """The server with all that it can do; `serve` runs it, tests talk to it.

    Raises: MissingExtraError.
    """
    try:
        from lsprotocol import types
        from pygls.lsp.server import LanguageServer
    except ImportError:
        raise MissingExtraError("the language server", "lsp") from None

    server = LanguageServer("nesy", "1")
    documents: dict[str, Document] = {}

    def document(uri: str) -> Document:
        text = server.workspace.get_text_document(uri).source
        known = documents.get(uri)
        if known is None:
            known = documents[uri] = Document(text, path_of(uri))
        elif known.text != text:
            known = documents[uri] = known.edited(text)
        return known

    def publish(uri: str) -> None:
        doc = document(uri)
        try:
            found = doc.diagnostics
        except NesyError as error:  # an included file went away between two steps
            found = ()
            server.window_log_message(types.LogMessageParams(types.MessageType.Warning, str(error)))
        mine = [d for d in found if d.span.source is doc.main]
        server.text_document_publish_diagnostics(
            types.PublishDiagnosticsParams(uri, [_diagnostic(types, diagnostic, uri) for diagnostic in mine])
        )

    def place(span: Span, uri: str) -> Any:
        own = span.source is document(uri).main
        return types.Location(uri if own else Path(span.source.name).resolve().as_uri(), _range(types, span))

    @server.feature(types.TEXT_DOCUMENT_DID_OPEN)
    def did_open(params: Any) -> None:
        publish(params.text_document.uri)

    @server.feature(types.TEXT_DOCUMENT_DID_CHANGE)
    def did_change(params: Any) -> None:
        publish(params.text_document.uri)

    @server.feature(types.TEXT_DOCUMENT_DID_CLOSE)
    def did_close(params: Any) -> None:
        documents.pop(params.text_document.uri, None)

    @server.feature(types.TEXT_DOCUMENT_HOVER)
    def hover(params: Any) -> Any:
        doc = document(params.text_document.uri)
        text = doc.hover(offset_of(doc.main, params.position.line, params.position.character))
        return types.Hover(types.MarkupContent(types.MarkupKind.Markdown, text)) if text else None

    @server.feature(types.TEXT_DOCUMENT_DEFINITION)
    def definition(params: Any) -> Any:
        uri = params.text_document.uri
        doc = document(uri)
        offset = offset_of(doc.main, params.position.line, params.position.character)
        return [place(span, uri) for span in doc.definitions(offset)]

    @server.feature(types.TEXT_DOCUMENT_REFERENCES)
    def references(params: Any) -> Any:
        uri = params.text_document.uri
        doc = document(uri)
        offset = offset_of(doc.main, params.position.line, params.position.character)
        return [place(span, uri) for span in doc.references(offset)]

    @server.feature(types.TEXT_DOCUMENT_RENAME)
    def rename(params: Any) -> Any:
        uri = params.text_document.uri
        doc = document(uri)
        spans = doc.rename(offset_of(doc.main, params.position.line, params.position.character), params.new_name)
        if isinstance(spans, str):
            server.window_show_message(types.ShowMessageParams(types.MessageType.Error, spans))
            return None
        changes: dict[str, list[Any]] = {}
        for span in spans:
            location = place(span, uri)
            changes.setdefault(location.uri, []).append(types.TextEdit(location.range, params.new_name))
        return types.WorkspaceEdit(changes=changes)

    @server.feature(types.TEXT_DOCUMENT_COMPLETION, types.CompletionOptions(trigger_characters=["#", "."]))
    def completion(params: Any) -> Any:
        doc = document(params.text_document.uri)
        offset = offset_of(doc.main, params.position.line, params.position.character)
        # An editor's own idea of a word may end at a `#` or a `.` that is part of ours.
        word = _range(types, Span(doc.main, doc.word_start(offset), offset))
        return [
            types.CompletionItem(label=name, detail=what, text_edit=types.TextEdit(word, name))
            for name, what in doc.completions(offset)
        ]

    @server.feature(types.TEXT_DOCUMENT_FORMATTING)
    def formatting(params: Any) -> Any:
        doc = document(params.text_document.uri)
        try:
            text = format_text(doc.text, dialect=doc.dialect)
        except ProgramError:
            return None  # what is wrong is marked in the text already
        return [types.TextEdit(_range(types, Span(doc.main, 0, len(doc.text))), text)]

    return server


def path_of(uri: str) -> Path | None:
    """The file of a document; None for one that is not saved."""
    parsed = urlparse(uri)
    return Path(unquote(parsed.path)) if parsed.scheme == "file" else None


# -- positions: the protocol counts UTF-16 units in a line ---------------------------------------------


def offset_of(source: Source, line: int, character: int) -> int:
    """The character offset of a position of the protocol."""
    starts = source.line_starts
    if line >= len(starts):
        return len(source.text)
    text = source.line(line + 1)
    column = units = 0
    while column < len(text) and units < character:
        units += 2 if ord(text[column]) > 0xFFFF else 1
        column += 1
    return starts[line] + column


def position_of(source: Source, offset: int) -> tuple[int, int]:
    """Line and character, as the protocol counts them, of an offset."""
    line, column = source.position(offset)
    before = source.line(line)[: column - 1]
    return line - 1, sum(2 if ord(char) > 0xFFFF else 1 for char in before)


def _range(types: Any, span: Span) -> Any:
    start, end = position_of(span.source, span.start), position_of(span.source, span.end)
    return types.Range(types.Position(*start), types.Position(*end))


def _diagnostic(types: Any, diagnostic: Diagnostic, uri: str) -> Any:
    more = [f"note: {note}" for note in diagnostic.notes] + [f"hint: {hint}" for hint in diagnostic.hints]
    related = [
        types.DiagnosticRelatedInformation(
            types.Location(
                uri if label.span.source is diagnostic.span.source else Path(label.span.source.name).resolve().as_uri(),
                _range(types, label.span),
            ),
            label.text or "see here",
        )
        for label in diagnostic.labels[1:]
    ]
    is_error = diagnostic.severity == "error"
    return types.Diagnostic(
        range=_range(types, diagnostic.span),
        message="\n".join([diagnostic.message, *more]),
        severity=types.DiagnosticSeverity.Error if is_error else types.DiagnosticSeverity.Warning,
        code=diagnostic.code,
        source="nesy",
        related_information=related or None,
    )


__all__ = ["make_server", "offset_of", "path_of", "position_of", "serve"]
