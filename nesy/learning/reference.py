"""The tables of `docs/tasks.md`, made from the schema: the reference cannot say what the reader does not do."""

from __future__ import annotations

import sys
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import Any, get_type_hints

from nesy.learning.schema import TABLES
from nesy.learning.task import bounds, expectation, show


def key_reference() -> str:
    """One Markdown table for each table of task.toml.

    >>> "| `epochs` | a whole number | 20 |" in key_reference()
    True
    """
    return "\n\n".join(_table(name, schema) for name, schema in TABLES.items())


def _table(name: str, schema: type) -> str:
    lines = [f"### [{name}]", "", _sentence(schema), "", "| key | is | default | means |", "|---|---|---|---|"]
    hints = get_type_hints(schema)
    for spec in fields(schema):
        kind = expectation(hints[spec.name])
        lines.append(f"| `{spec.name}` | {kind} | {_default(spec)} | {_meaning(spec)} |")
    return "\n".join(lines)


def _sentence(schema: type) -> str:
    return (schema.__doc__ or "").strip().splitlines()[0]


def _default(spec: Field[Any]) -> str:
    if spec.default is not MISSING:
        return "" if spec.default in ("", ()) else show(spec.default)
    return "" if spec.default_factory is not MISSING else "must be given"


def _meaning(spec: Field[Any]) -> str:
    limits = bounds(spec)
    return spec.metadata["doc"] + (f" {limits.capitalize()}." if limits else "")


def rewrite(page: str) -> str:
    """The page with its reference made anew: everything from the first table on."""
    return page[: page.index("### [task]")] + key_reference() + "\n"


if __name__ == "__main__":
    path = Path(sys.argv[1])
    path.write_text(rewrite(path.read_text(encoding="utf-8")), encoding="utf-8")
