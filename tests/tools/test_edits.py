"""An edited document says what a new one with the same text says."""

from __future__ import annotations

import time

from hypothesis import example, given, settings
from hypothesis import strategies as st

from nesy.language import ast, parse
from nesy.language.live import LiveText
from nesy.source import Source
from nesy.tools.workspace import Document

STATEMENTS = [
    "parent(ann, bob).",
    "% who is whose\nparent(bob, 'c d').",
    'name(ann, "Ann. B").',
    "ancestor(X, Y) :- parent(X, Y).",
    "ancestor(X, Z) :- parent(X, Y), ancestor(Y, Z), not parent(Z, _).",
    "p(X, N) :- parent(X, _), N = #count{ Y : parent(X, Y) }, N > 0.",
    "q(X) :- (parent(X, _) ; parent(_, X)), X != ann.",
    "0.3::rain; 0.7::sun.",
    "t(0.5)::wet(X) :- parent(X, _), rain.",
    ":- ancestor(X, X).",
    ":~ rain, wet(ann). [2]",
    ":~ sun.",
    "r(1..3).",
    "s(X) :- r(N), X = 1..N.",
    "u(X) :- r(X), not (q(X), r(X)).",
    "#type colour = {red, green}.",
    "#pred paints(person, colour).",
    "paints(ann, blue).",
    "#input image(index).",
    "#neural shade(I) -> {red, green} :- image(I).",
    "#open guilty/1.",
    "query(ancestor(ann, X)).",
    "#evidence not rain.",
    "-q(X) :- r(X).",
    "v(X) :- unknown(X).",
    "w(X) :- not r(X).",
    "x(X) :- r(Y).",
    "y(X :- r(X).",
    "%* over\nlines *% z(a).",
    "win(X) :- parent(X, Y), not win(Y).",
    "a.b(c).",
]
PIECES = [
    *STATEMENTS, ".", " ", "\n", "\n\n", "'", '"', "%", "%*", "*%", "[", "]", "[1]", ":~", ":-", "b", "_", "X", "1",
    ",", "(", ")", "..", " not ", "𝄞",
]  # fmt: skip
edits = st.tuples(st.floats(0, 1), st.integers(0, 12), st.sampled_from(PIECES) | st.just(""))


def edit(text: str, change: tuple[float, int, str]) -> str:
    """The text with a few characters replaced at a place."""
    place, deleted, inserted = change
    at = round(place * len(text))
    return text[:at] + inserted + text[at + deleted :]


def said(document: Document) -> list[dict]:
    return [diagnostic.to_dict() for diagnostic in document.diagnostics]


def trees(parsed) -> list[object]:
    """Everything that a reading holds, with the places of it."""
    file = parsed.file
    places = [(span.start, span.end) for node in (*file.statements, *file.comments) for span in spans(node)]
    errors = [diagnostic.to_dict() for diagnostic in parsed.diagnostics]
    return [file, places, errors, parsed.broken, parsed.qualified]


def spans(node):
    """The spans of a node and of all that is inside it."""
    if isinstance(node, tuple):
        for item in node:
            yield from spans(item)
    elif type(node).__module__ == ast.__name__:
        for name in node.__slots__:
            value = getattr(node, name)
            if name in ("span", "name_span", "path_span"):
                yield value
            else:
                yield from spans(value)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(STATEMENTS), max_size=8), st.lists(edits, min_size=1, max_size=5))
@example([":~ sun.", "parent(ann, bob)."], [(0.3, 0, " [1]")])
@example(["a.b(c).", "b."], [(0.75, 1, "")])
def test_reading_an_edited_text_gives_what_reading_it_anew_gives(statements, changes):
    text, live = "\n".join(statements), LiveText("nesy")
    live.parse(Source("<text>", text))
    for change in changes:
        text = edit(text, change)
        assert trees(live.parse(Source("<text>", text))) == trees(parse(text))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from(STATEMENTS), max_size=8), st.lists(edits, min_size=1, max_size=5))
def test_an_edited_document_is_told_what_a_new_one_is(statements, changes):
    document = Document("\n".join(statements))
    for change in changes:
        document = document.edited(edit(document.text, change))
        fresh = Document(document.text)
        assert said(document) == said(fresh)
        assert [(o.name, o.span.start) for o in document.occurrences] == [
            (o.name, o.span.start) for o in fresh.occurrences
        ]


def test_an_edit_of_one_statement_keeps_the_trees_of_the_others():
    live = LiveText("nesy")
    before = live.parse(Source("<text>", "a(1).\nb(2).\nc(3).\n")).file.statements
    after = live.parse(Source("<text>", "a(1).\nbb(22).\nc(3).\n")).file.statements
    assert (after[0] is before[0], after[1] is before[1], after[2] is before[2]) == (True, False, True)
    assert (after[2].span.line, after[2].span.text) == (3, "c(3).")


def test_statements_of_the_same_text_are_told_apart_as_they_move():
    document = Document("p(X) :- q(X).\np(X) :- q(X).\nq(1).\n")
    assert [d.span.line for d in document.diagnostics] == [2]
    document = document.edited("r(1).\n" + document.text)
    assert [(d.code, d.span.line) for d in document.diagnostics] == [("N703", 3)]


def test_an_included_file_is_read_again_after_an_edit(tmp_path):
    library = tmp_path / "lib.nesy"
    library.write_text("edge(a, b).\n")
    document = Document('#include "lib".\npath(X, Y) :- edge(X, Y).\n', tmp_path / "main.nesy")
    assert document.diagnostics == ()
    library.write_text("arc(a, b).\n")
    assert [d.code for d in document.edited(document.text + "% more\n").diagnostics] == ["N201"]


def test_an_edit_of_a_thousand_rules_costs_a_fraction_of_a_check():
    text = (
        "".join(f"p{i}(X, Y) :- p{i + 1}(X, Z), e(Z, Y), Z < {i}.\n" for i in range(1000)) + "e(1, 2). p1000(1, 2).\n"
    )
    document = Document(text)
    start = time.process_time()
    assert document.diagnostics == ()
    whole = time.process_time() - start
    times = []
    for number in range(3):
        start = time.process_time()
        document = document.edited(document.text + f"q{number}(X) :- e(X, _).\n")
        assert document.diagnostics == ()
        times.append(time.process_time() - start)
    assert min(times) < whole / 2  # about a fifth
