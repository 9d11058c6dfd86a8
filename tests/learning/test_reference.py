"""docs/tasks.md is made from the schema, and says so."""

from __future__ import annotations

from pathlib import Path

from nesy.learning.reference import key_reference

PAGE = Path(__file__).parents[2] / "docs" / "tasks.md"


def test_the_page_ends_with_the_reference_that_the_schema_gives() -> None:
    page = PAGE.read_text(encoding="utf-8")
    written = page[page.index("### [task]") :].strip()
    assert written == key_reference(), "run: python -m nesy.learning.reference docs/tasks.md"
