"""The language server, asked the way an editor asks it."""

from __future__ import annotations

import pytest

from nesy.source import Source
from nesy.tools.lsp import make_server, offset_of, position_of

types = pytest.importorskip("lsprotocol.types")
pytest.importorskip("pygls")


class Editor:
    """Opens one document in a server and keeps what the server publishes."""

    def __init__(self, text: str, uri: str = "untitled:rules.nesy"):
        from pygls.workspace import Workspace

        self.server = make_server()
        self.uri = uri
        self.published: list = []
        self.server.protocol._workspace = Workspace(None)
        self.server.text_document_publish_diagnostics = self.published.append
        item = types.TextDocumentItem(uri, "nesy", 1, text)
        self.server.workspace.put_text_document(item)
        self.call("textDocument/didOpen", types.DidOpenTextDocumentParams(item))

    def call(self, name: str, params):
        return self.server.protocol.fm.features[name](params)

    def ask(self, name: str, line: int, character: int, kind, **more):
        document = types.TextDocumentIdentifier(self.uri)
        return self.call(name, kind(text_document=document, position=types.Position(line, character), **more))


def test_diagnostics_are_published_as_the_text_is_opened():
    editor = Editor("p(X) :- q(X).\nr(a).\n")
    (diagnostic,) = editor.published[-1].diagnostics
    assert (diagnostic.code, diagnostic.range.start.line, diagnostic.range.start.character) == ("N201", 0, 8)


def test_hover_definition_references_and_rename_answer():
    editor = Editor("% the edges\nedge(a, b).\npath(X, Y) :- edge(X, Y).\n")
    hover = editor.ask("textDocument/hover", 2, 15, types.HoverParams)
    assert "the edges" in hover.contents.value
    (definition,) = editor.ask("textDocument/definition", 2, 15, types.DefinitionParams)
    assert definition.range.start.line == 1
    context = types.ReferenceContext(include_declaration=True)
    assert len(editor.ask("textDocument/references", 2, 15, types.ReferenceParams, context=context)) == 2
    edit = editor.ask("textDocument/rename", 2, 15, types.RenameParams, new_name="arc")
    assert [change.new_text for change in edit.changes[editor.uri]] == ["arc", "arc"]


def test_formatting_replaces_the_whole_text():
    editor = Editor("p( a ).\n")
    options = types.FormattingOptions(tab_size=4, insert_spaces=True)
    document = types.TextDocumentIdentifier(editor.uri)
    (edit,) = editor.call("textDocument/formatting", types.DocumentFormattingParams(document, options))
    assert edit.new_text == "p(a).\n"


def test_positions_count_utf16_units():
    source = Source("<text>", "p('𝄞𝄞', X).\n")
    offset = source.text.index("X")
    assert position_of(source, offset) == (0, 10)
    assert offset_of(source, 0, 10) == offset
