"""Every program in docs/language.md gives the answers that stand below it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import nesy
from nesy.language import check_text, parse_program
from nesy.solver import entails

PAGE = (Path(__file__).parents[2] / "docs" / "language.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```prolog\n(.*?)```\n\n```text\n(.*?)```", PAGE, re.DOTALL)
INDENTED = re.findall(r"\n\n((?:    .+\n)+)", PAGE)


def test_the_page_has_an_answer_below_each_program():
    assert len(EXAMPLES) == PAGE.count("```prolog") == PAGE.count("```text") >= 12


@pytest.mark.parametrize(("program", "answers"), EXAMPLES)
def test_the_program_gives_the_answers_below_it(program: str, answers: str):
    core = parse_program(program)
    if core.open:
        verdicts = [entails(core, query.atom, open_predicates=core.open) for query in core.queries]
        assert [f"{verdict.query} {verdict.verdict}" for verdict in verdicts] == answers.splitlines()
        return
    expected = [(atom, float(p)) for atom, p in (line.rsplit(" ", 1) for line in answers.splitlines())]
    rows = nesy.Program.from_text(program).query().rows
    found = [(str(row.atom), row.p) for row in rows if row.p > 0]
    assert [atom for atom, _ in found] == [atom for atom, _ in expected]
    assert [p for _, p in found] == pytest.approx([p for _, p in expected], abs=1e-6)


def test_the_python_on_the_page_prints_what_it_says(capsys: pytest.CaptureFixture[str]):
    (code, shown) = re.findall(r"```python\n(.*?)```\n\nThis prints `(.*?)`", PAGE, re.DOTALL)[0]
    exec(compile(code, "docs/language.md", "exec"), {})
    assert capsys.readouterr().out.strip() == shown


@pytest.mark.parametrize("program", INDENTED)
def test_the_other_programs_have_no_errors(program: str):
    assert [d.render() for d in check_text(program).diagnostics] == []
