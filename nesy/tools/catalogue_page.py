"""The page of diagnostics, made from the catalogue: `python -m nesy.tools.catalogue_page > docs/diagnostics.md`."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from nesy.checking import Report, check
from nesy.language.catalogue import CATALOGUE, Entry

_INTRODUCTION = """# Diagnostics

Every message of the rule language has a code. This page shows, for each, a program that is wrong in this way,
what is printed for it, and the program put right. It is generated from the catalogue in
`nesy/language/catalogue.py` by `python -m nesy.tools.catalogue_page > docs/diagnostics.md`; the tests run every
program on it.
"""
# Longer programs (those about size limits) are cut in the page.
_MAX_WIDTH = 110


def check_example(entry: Entry, text: str) -> Report:
    """What the checker says of one of an entry's programs, in a folder with the entry's files."""
    with tempfile.TemporaryDirectory() as folder:
        for name, content in entry.files.items():
            (Path(folder) / name).write_text(content, encoding="utf-8")
        path = Path(folder) / ("wrong.pl" if entry.dialect == "problog" else "wrong.nesy")
        path.write_text(text + "\n", encoding="utf-8")
        return check(path)


def page() -> str:
    """The whole page, in Markdown."""
    return "\n".join([_INTRODUCTION, *(_section(entry) for entry in CATALOGUE.values())])


def _section(entry: Entry) -> str:
    checked = check_example(entry, entry.wrong)
    shown = next(d for d in checked.diagnostics if d.code == entry.code).render()
    folder = str(Path(checked.diagnostics[0].span.source.name).parent)
    shown = "\n".join(_cut(line.replace(folder + "/", "")) for line in shown.splitlines())
    shown = shown.replace(f"`{folder}`", "this folder")
    parts = [f"## {entry.code}: {entry.title}\n"]
    parts += [_fenced(f"% {name}\n{content}") for name, content in entry.files.items() if "\0" not in content]
    parts += [_fenced(entry.wrong), _fenced(shown, "text"), "Put right:\n", _fenced(entry.right)]
    return "\n".join(parts)


def _fenced(text: str, kind: str = "prolog") -> str:
    return f"```{kind}\n" + "\n".join(_cut(line) for line in text.splitlines()) + "\n```\n"


def _cut(line: str) -> str:
    return line if len(line) <= _MAX_WIDTH else f"{line[: _MAX_WIDTH - 3]}..."


if __name__ == "__main__":
    sys.stdout.write(page())
