"""Each message has a wrong program that gives it and a correction that does not, and a page that shows both."""

from __future__ import annotations

from pathlib import Path

import pytest

from nesy.language.catalogue import CATALOGUE, Entry
from nesy.tools.catalogue_page import check_example, page

ENTRIES = [pytest.param(entry, id=code) for code, entry in CATALOGUE.items()]


@pytest.mark.parametrize("entry", ENTRIES)
def test_the_wrong_program_gives_the_diagnostic(entry: Entry):
    assert entry.code in [d.code for d in check_example(entry, entry.wrong).diagnostics]


@pytest.mark.parametrize("entry", ENTRIES)
def test_the_correction_gives_no_error_and_not_this_diagnostic(entry: Entry):
    checked = check_example(entry, entry.right)
    assert checked.checked.program is not None, [d.render() for d in checked.diagnostics]
    assert entry.code not in [d.code for d in checked.diagnostics]


def test_the_page_of_diagnostics_is_up_to_date():
    path = Path(__file__).parents[2] / "docs" / "diagnostics.md"
    assert path.read_text(encoding="utf-8") == page(), "run: python -m nesy.tools.catalogue_page > docs/diagnostics.md"
