"""Where the shipped grammars and rule libraries are: in the checkout, or inside the installed package."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).parent


def _find(name: str) -> Path:
    for place in (_PACKAGE / "_resources" / name, _PACKAGE.parent / name):
        if place.is_dir():
            return place
    raise FileNotFoundError(f"nesy is installed without its {name!r} folder: reinstall it")


def grammars() -> Path:
    """The folder of Lark grammars."""
    return _find("grammars")


def rules() -> Path:
    """The folder of shipped rule libraries, the last place where `#include` looks."""
    return _find("rules")
