"""Soufflé's declarations: types, and the relations with their columns."""

from __future__ import annotations

from dataclasses import dataclass, field

from benchmarks.conformance.words import Unsupported, Word

_DROPPED_QUALIFIERS = frozenset(
    (
        "inline",
        "no_inline",
        "magic",
        "no_magic",
        "brie",
        "btree",
        "btree_delete",
        "overridable",
        "printsize",
        "output",
        "input",
    )
)


@dataclass
class Program:
    types: dict[str, str] = field(
        default_factory=lambda: {"number": "number", "symbol": "symbol", "float": "float", "unsigned": "unsigned"}
    )
    columns: dict[str, tuple[str, ...]] = field(default_factory=dict)
    inputs: dict[str, dict[str, str]] = field(default_factory=dict)
    rules: list[str] = field(default_factory=list)


def read_type(words: list[Word], program: Program) -> None:
    texts = [word.text for word in words]
    if len(texts) < 3:
        if len(texts) == 1:
            program.types[texts[0]] = "symbol"
            return
        raise Unsupported(".type")
    name, mark, rest = texts[0], texts[1], texts[2:]
    if "[" in rest:
        program.types[name] = "record"
    elif "{" in rest:
        program.types[name] = "branch"
    else:
        program.types[name] = rest[0] if mark in ("<:", "=") else "symbol"


def base(kind: str, program: Program) -> str:
    seen: set[str] = set()
    while kind in program.types and program.types[kind] != kind and kind not in seen:
        seen.add(kind)
        kind = program.types[kind]
    return kind


def read_declaration(words: list[Word], program: Program) -> None:
    names: list[str] = []
    index = 0
    while words[index].text != "(":
        if words[index].kind == "name":
            names.append(words[index].text)
        index += 1
    columns: list[str] = []
    while words[index].text != ")":
        if words[index].text == ":":
            columns.append(words[index + 1].text)
        index += 1
    for word in words[index + 1 :]:
        if word.text not in _DROPPED_QUALIFIERS and word.kind == "name":
            raise Unsupported(f"relations that are {word.text}")
        if word.text == "choice":
            raise Unsupported("choice-domain")
    for name in names:
        program.columns[name] = tuple(columns)
