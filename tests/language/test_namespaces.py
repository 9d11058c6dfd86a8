"""Files included under an alias: their names are apart from all others, and everything else about them is the same."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nesy
from nesy.language import check_program, check_text, load_program, parse
from nesy.language.core import Signature
from nesy.language.pretty import format_text
from nesy.tools.workspace import Document

LIBRARY = """#type sex = {male, female}.
#pred born(person, sex).
parent(ann, bob).  0.5::parent(bob, cy).
born(ann, female).
grand(X, Z) :- parent(X, Y), parent(Y, Z), not banned(_), #count{ C : parent(X, C) } > 0.
banned(X) :- parent(X, X), starts_with("a", "a"), true.
-grand(X, X) :- parent(X, _).
:- grand(X, X).
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "lib.nesy").write_text(LIBRARY)
    return tmp_path


def answers(text: str, folder: Path) -> dict[str, float]:
    path = folder / "main.nesy"
    path.write_text(text)
    return {str(row.atom): row.p for row in nesy.load(path).query() if row.p > 0}


def test_every_predicate_of_the_file_gets_the_alias_before_its_name(folder: Path):
    checked = check_text('#include "lib" as kin.', folder=folder)
    assert checked.program is not None, [d.render() for d in checked.diagnostics]
    names = {s.name for s in checked.program.predicates if " " not in s.name}
    assert names == {"kin.born", "kin.parent", "kin.grand", "kin.banned", "-kin.grand"}
    assert "kin.grand(ann,cy)" in {str(row.atom) for row in nesy.Program(checked.program).query("kin.grand(X, Y)")}


def test_constants_are_shared_and_predicates_are_not(folder: Path):
    text = '#include "lib" as kin.\nparent(cy, dan).\nold(X) :- kin.grand(X, Y), parent(Y, _).\n#query old(X).\n'
    assert answers(text, folder) == {"old(ann)": 0.5}


def test_the_same_file_under_two_aliases_is_there_twice(folder: Path):
    text = '#include "lib" as a.\n#include "lib" as b.\nb.parent(ann, eve).\n'
    text += "#query a.parent(ann, X).\n#query b.parent(ann, X).\n"
    assert answers(text, folder) == {"a.parent(ann,bob)": 1, "b.parent(ann,bob)": 1, "b.parent(ann,eve)": 1}


def test_an_alias_inside_an_included_file_is_behind_its_own(folder: Path):
    (folder / "mid.nesy").write_text('#include "lib" as kin.\np(X) :- kin.parent(X, _).\n')
    text = '#include "mid" as m.\n#query m.p(X).\n#query m.kin.grand(X, Y).\n'
    assert answers(text, folder) == {"m.kin.grand(ann,cy)": 0.5, "m.p(ann)": 1, "m.p(bob)": 0.5}


def test_what_a_file_includes_without_an_alias_is_in_its_namespace(folder: Path):
    (folder / "mid.nesy").write_text('#include "lib".\np(X) :- parent(X, _).\n')
    program = check_text('#include "mid" as m.', folder=folder).program
    assert program is not None and Signature("m.parent", 2) in program.predicates


def test_a_problog_file_can_have_an_alias(folder: Path):
    (folder / "coins.pl").write_text(
        "0.5::heads(1). 0.5::heads(2).\nboth :- forall(coin(X), heads(X)). coin(1). coin(2).\n"
    )
    assert answers('#include "coins.pl" as c.\n#query c.both.\n', folder) == {"c.both": 0.25}


def test_types_of_the_file_have_the_alias_too(folder: Path):
    text = '#include "lib" as kin.\n#type sex = {m, f}.\n#pred a(sex, kin.sex).\na(m, male).\nkin.born(bob, m).\n'
    (error,) = check_text(text, folder=folder).errors
    assert (error.code, error.message) == ("N510", "`m` is not of type `kin.sex`") and error.span.line == 5


def test_mistakes_in_the_file_are_shown_there_and_once(folder: Path):
    (folder / "bad.nesy").write_text("p(X) :- q(X).\n#type t = {a}.\n#pred r(t).\nr(b).\n")
    errors = check_text('#include "bad" as one.\n', folder=folder).errors
    assert [(d.code, Path(d.span.source.name).name, d.span.line) for d in errors] == [
        ("N201", "bad.nesy", 1),
        ("N510", "bad.nesy", 4),
    ]
    assert "`one.q/1`" in errors[0].message
    (folder / "broken.nesy").write_text("p(a. q(b).\n")
    text = '#include "broken" as one.\n#include "broken" as two.\nr :- one.q(b).'
    assert [d.code for d in check_text(text, folder=folder).errors] == ["N102"]


def test_a_name_without_its_alias_is_found_behind_it(folder: Path):
    (error,) = check_text('#include "lib" as kin.\np(X) :- parent(X, _).', folder=folder).errors
    assert error.hints == ("did you mean `kin.parent`?",)


def test_an_alias_that_is_not_there_is_told_in_both_its_meanings(folder: Path):
    (error,) = [d for d in check_text("rain.wet.\n").errors if d.code == "N513"]
    assert error.hints == (
        'include the file under it: `#include "rain" as rain.`; or, if a statement ends here, put a blank behind its '
        "full stop",
    )
    near = check_text('#include "lib" as kin.\np(X) :- kim.parent(X, _).', folder=folder).errors
    assert ("N513", ("did you mean `kin`?",)) in [(d.code, d.hints) for d in near]


def test_an_alias_stands_for_one_file_and_not_before_constants(folder: Path):
    (folder / "other.nesy").write_text("q(a).\n")
    assert [d.code for d in check_text('#include "lib" as k. #include "other" as k.', folder=folder).errors] == ["N505"]
    (error,) = check_text('#include "other" as k.\np(k.a).', folder=folder).errors
    assert error.message == "an alias cannot stand here" and error.hints[0].endswith("write `a`")


# -- collisions -----------------------------------------------------------------------------------------


@pytest.fixture
def libraries(tmp_path: Path) -> Path:
    (tmp_path / "a.nesy").write_text("head(ann).\n")
    (tmp_path / "b.nesy").write_text("head(X) :- boss(X).\nboss(bob).\n")
    (tmp_path / "c.nesy").write_text('#include "a".\nhead(cy).\n')
    return tmp_path


def test_two_files_that_do_not_know_of_each_other_may_not_define_one_predicate(libraries: Path):
    (error,) = check_text('#include "a".\n#include "b".\n', folder=libraries).errors
    assert error.code == "N514" and [Path(label.span.source.name).name for label in error.labels] == [
        "b.nesy",
        "a.nesy",
    ]
    assert error.hints == (
        'include one of them under an alias, as in `#include "b" as b.`; or, if both are meant, declare '
        "`#pred head(_).` in the file that includes them",
    )


@pytest.mark.parametrize(
    "text",
    [
        '#include "a".\n#include "b" as b.\n',
        '#pred head(_).\n#include "a".\n#include "b".\n',
        '#include "c".\n',
        '#include "a".\n#include "c".\n',
        '#include "c".\n#include "a".\n',
        '#include "a".\nhead(dan).\n',
    ],
)
def test_it_is_meant_where_one_knows_of_the_other_or_a_file_above_declares_it(libraries: Path, text: str):
    assert [d.code for d in check_text(text, folder=libraries).diagnostics] in ([], ["N503"])


def test_a_declaration_in_one_of_the_two_does_not_speak_for_the_other(libraries: Path):
    (libraries / "a.nesy").write_text("#pred head(person).\nhead(ann).\n")
    assert [d.code for d in check_text('#include "a".\n#include "b".\n', folder=libraries).errors] == ["N514"]


# -- tools ----------------------------------------------------------------------------------------------

ALIASES = st.lists(
    st.from_regex(r"[a-z][a-z0-9_]{0,3}", fullmatch=True).filter(lambda n: n not in ("is", "not", "mod", "xor")),
    min_size=1,
    max_size=2,
)


@settings(max_examples=30, deadline=None)
@given(ALIASES, st.text(min_size=1, max_size=4))
def test_names_with_aliases_are_printed_as_they_are_read(aliases: list[str], name: str):
    quoted = name.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n").replace("\r", "\\r")
    text = f"{'.'.join(aliases)}.'{quoted}'(X) :- {'.'.join(aliases)}.p, -{aliases[0]}.q(X).\n#open {aliases[0]}.r/1.\n"
    once = format_text(text)
    assert parse(once).file.statements == parse(text).file.statements
    assert format_text(once) == once


def test_the_formatter_keeps_aliases_and_quoted_dots_apart():
    text = "#include \"lib\" as kin.\nkin.p(X) :- 'kin.q'(X), not kin.r(X).\n#type t = kin.sex.\n"
    assert format_text(text) == text


def test_an_editor_goes_to_the_file_and_the_definition_in_it(folder: Path):
    text = '#include "lib" as kin.\nold(X) :- kin.grand(X, _).\n'
    document = Document(text, folder / "main.nesy")
    places = document.definitions(text.index("grand") + 1)
    assert [(Path(span.source.name).name, span.text) for span in places] == [("lib.nesy", "grand")] * 2
    (file,) = document.definitions(text.index("lib"))
    assert Path(file.source.name).name == "lib.nesy" and file.start == 0


def test_a_renamed_predicate_keeps_its_alias(folder: Path):
    text = '#include "lib" as kin.\nold(X) :- kin.born(X, _).\n'
    spans = Document(text, folder / "main.nesy").rename(text.index("born"), "birth")
    assert isinstance(spans, list) and {span.text for span in spans} == {"born"} and len(spans) == 3
    taken = Document(text, folder / "main.nesy").rename(text.index("born"), "grand")
    assert taken == "`grand/2` is there already"


def test_completion_knows_what_an_alias_gives(folder: Path):
    text = '#include "lib" as kin.\nold(X) :- kin.pa'
    offers = Document(text, folder / "main.nesy").completions(len(text))
    assert offers == [("kin.parent", "predicate /2")]


def test_a_run_keeps_a_file_that_has_two_aliases_once(folder: Path):
    (folder / "main.nesy").write_text('#include "lib" as a.\n#include "lib" as b.\n')
    assert [file.place for file in load_program(folder / "main.nesy").files] == ["main.nesy", "lib.nesy"]
    assert check_program(folder / "main.nesy").diagnostics == ()
