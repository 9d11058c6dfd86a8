"""Every example in docs/readings.md gives what stands below it."""

from __future__ import annotations

import doctest
from pathlib import Path


def test_the_examples_give_what_stands_below_them() -> None:
    page = Path(__file__).parents[2] / "docs" / "readings.md"
    found = doctest.testfile(str(page), module_relative=False, encoding="utf-8")
    assert found.attempted > 20 and found.failed == 0
