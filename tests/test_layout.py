"""The house stays the house: a module imports only from rows above its own, or from its own folder."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "nesy"

# Row of each folder or top-level module; lower rows may not import higher ones, nor a neighbour in their own row.
ROWS = {
    "source": 0,
    "diagnostics": 0,
    "errors": 0,
    "resources": 0,
    "language": 1,
    "hdc": 1,
    "reasoning": 2,
    "perception": 2,
    "solver": 3,
    "explanation": 3,
    "program": 4,
    "model": 4,
    "answer": 4,
    "truth": 4,
    "run_folder": 4,
    "leaves": 4,
    "temperatures": 4,
    "checking": 4,
    "device": 4,
    "hub": 4,
    "learning": 5,
    "distillation": 6,
    "tools": 7,
    "cli": 8,
    "web": 8,
}
THE_OUTSIDE = 7  # from this row on, modules use nesy as a user does
SAME_ROW_ALLOWED = {0, 4}  # the face and the ground are each one room with several files

OUTSIDE = {
    "source": set(),
    "diagnostics": set(),
    "errors": set(),
    "resources": set(),
    "language": {"lark", "numpy", "pyarrow"},
    "hdc": {"torch", "numpy", "numkong", "sklearn", "safetensors", "scipy"},
    "reasoning": {"torch", "numpy", "scipy"},
    "perception": {
        "torch",
        "numpy",
        "tiktoken",
        "tokenizers",
        "transformers",
        "huggingface_hub",
        "peft",
        "sklearn",
        "PIL",
    },
    "solver": {"z3", "numpy", "torch"},
    "explanation": {"networkx", "rich", "numpy", "torch"},
}


def imports_of(path: Path) -> set[tuple[str, str]]:
    """(root, second part) of every import of a file, those under TYPE_CHECKING too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {tuple((alias.name + "..").split(".")[:2]) for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            if node.module == "nesy":
                found |= {("nesy", alias.name) for alias in node.names}
            else:
                found.add(tuple((node.module + "..").split(".")[:2]))
    return found


FILES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_imports_only_from_rows_above_its_own(path: Path) -> None:
    room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if room == "__main__":
        room = "cli"
    assert room in ROWS, f"{room} has no row: say in docs/architecture.md where it belongs"
    for root, second in imports_of(path):
        if root == "nesy" and second == "":
            assert ROWS[room] >= THE_OUTSIDE, f"{path.name} imports the whole package, whose rooms it is one of"
        elif root == "nesy" and second != room:
            assert second in ROWS, f"{path.name} imports nesy.{second}, which has no row"
            is_above = ROWS[second] < ROWS[room]
            is_one_room = ROWS[second] == ROWS[room] and ROWS[room] in SAME_ROW_ALLOWED
            assert is_above or is_one_room, f"{room} (row {ROWS[room]}) imports nesy.{second} (row {ROWS[second]})"
        elif root != "nesy" and room in OUTSIDE and root not in sys.stdlib_module_names:
            assert root in OUTSIDE[room], f"{room} may not import {root}"


def test_every_row_is_named_in_the_architecture_page() -> None:
    page = (PACKAGE.parent / "docs" / "architecture.md").read_text()
    for path in PACKAGE.iterdir():
        if path.is_dir() and (path / "__init__.py").exists():
            assert f"nesy/{path.name}/" in page, f"docs/architecture.md does not name nesy/{path.name}/"
