"""The documentation page runs as it stands, and names what exists."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import pytest

import nesy.hdc

PAGE = Path(__file__).parents[2] / "docs" / "hdc.md"


def test_every_example_of_the_page_prints_what_it_says() -> None:
    result = doctest.testfile(str(PAGE), module_relative=False)
    assert result.attempted > 60 and result.failed == 0


def test_the_page_has_ten_examples() -> None:
    assert re.findall(r"^## (\d+) ·", PAGE.read_text(), re.MULTILINE) == [str(i) for i in range(1, 11)]


def test_every_public_name_the_page_uses_exists_and_is_in_the_api() -> None:
    used = set(re.findall(r"\bhdc\.([A-Za-z_]+)\b", PAGE.read_text())) - {"md", "model", "svg"}
    pictures = {name for name in used if name.startswith("hdc_")}
    assert used - pictures <= set(nesy.hdc.__all__)
    for name in nesy.hdc.__all__:
        assert getattr(nesy.hdc, name).__doc__, f"{name} has no docstring"


def test_the_table_names_every_public_name_of_torch_hd() -> None:
    torchhd = pytest.importorskip("torchhd")
    table = PAGE.read_text().split("## Coming from torch-hd")[1]
    named = set(re.findall(r"\w+", " ".join(row.split("|")[1] for row in table.splitlines() if row.startswith("| `"))))
    folders = (torchhd.structures, torchhd.embeddings, torchhd.memory, torchhd.models, torchhd.classifiers)
    public = set(torchhd.__all__).union(*(folder.__all__ for folder in folders))
    rest = {"functional", "structures", "embeddings", "memory", "models", "classifiers", "tensors", "utils", "types"}
    assert public - rest - {"__version__"} - named == set()
