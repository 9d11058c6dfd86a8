"""The command line is a Python call each: nothing but what `import nesy` offers."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys

import nesy
from nesy.cli import main


def test_the_commands_call_only_what_the_package_offers() -> None:
    """A submodule that an earlier import happened to load is no part of the package for a fresh process."""
    used = {
        node.attr
        for node in ast.walk(ast.parse(inspect.getsource(main)))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "nesy"
    }
    assert {"load", "train", "expected_error"} <= used
    assert used <= set(nesy.__all__)


def test_every_name_that_is_offered_is_there_in_a_fresh_process() -> None:
    code = "import nesy; [getattr(nesy, name) for name in nesy.__all__]"
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)
