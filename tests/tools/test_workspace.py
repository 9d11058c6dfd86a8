"""What an editor learns of a rule file."""

from __future__ import annotations

import time

from nesy.tools.workspace import Document

TEXT = """% who has a child
#pred parent(person, person).
parent(ann, bob).
% all above
ancestor(X, Y) :- parent(X, Y).
ancestor(X, Z) :- parent(X, Y), ancestor(Y, Z), not parent(Z, _).
query(ancestor(ann, W)).
"""


def at(text: str, number: int = 1) -> int:
    """The offset of the n-th occurrence of a text."""
    place = -1
    for _ in range(number):
        place = TEXT.index(text, place + 1)
    return place


def test_a_definition_is_its_declaration_and_its_facts_and_rules():
    spans = Document(TEXT).definitions(at("parent(X, Y)") + 2)
    assert [span.line for span in spans] == [2, 3]


def test_references_are_all_places_of_the_predicate_and_arity():
    spans = Document(TEXT).references(at("ancestor"))
    assert [(span.line, span.text) for span in spans] == [
        (5, "ancestor"),
        (6, "ancestor"),
        (6, "ancestor"),
        (7, "ancestor"),
    ]


def test_a_variable_is_renamed_within_its_rule_only():
    offset = at("Z) :- parent")
    spans = Document(TEXT).rename(offset, "Who")
    assert isinstance(spans, list) and [span.line for span in spans] == [6, 6, 6]
    assert Document(TEXT).rename(offset, "Y") == "`Y` is another variable of this rule"
    assert Document(TEXT).rename(offset, "who") == "`who` is not a variable: it starts with a capital letter"


def test_a_predicate_is_not_renamed_to_one_that_is_there():
    assert Document(TEXT).rename(at("parent(ann"), "ancestor") == "`ancestor/2` is there already"


def test_hover_shows_the_declaration_and_the_comment_above():
    text = Document(TEXT).hover(at("parent(X, Y)"))
    assert text is not None
    assert (
        "#pred parent(person, person)." in text and "who has a child" in text and "`parent/2` · 1 rule or fact" in text
    )


def test_completion_offers_predicates_variables_and_directives():
    names = [name for name, _ in Document(TEXT + "anc").completions(len(TEXT) + 3)]
    assert names == ["ancestor"]
    assert "#include" in [name for name, _ in Document("#in").completions(3)]


def test_definitions_in_included_files_are_found_there(tmp_path):
    (tmp_path / "lib.nesy").write_text("edge(a, b).\n")
    text = '#include "lib".\npath(X, Y) :- edge(X, Y).\n'
    (span,) = Document(text, tmp_path / "main.nesy").definitions(text.index("edge"))
    assert span.source.name.endswith("lib.nesy") and span.line == 1


def test_a_text_with_mistakes_still_answers():
    document = Document(TEXT + "broken(X :- q.\n")
    assert [span.line for span in document.definitions(at("ancestor", 4))] == [5, 6]
    assert [d.code for d in document.diagnostics] == ["N102"]


def test_an_edit_of_a_large_file_is_checked_at_once():
    text = (
        "".join(f"p{i}(X, Y) :- p{i + 1}(X, Z), e(Z, Y), Z < {i}.\n" for i in range(1000)) + "e(1, 2). p1000(1, 2).\n"
    )
    Document(text).diagnostics  # noqa: B018  the parser's tables are made on first use
    start = time.process_time()
    assert Document(text + "q(X) :- e(X, _).\n").diagnostics == ()
    assert time.process_time() - start < 1.0  # about 0.1 s on an idle machine
