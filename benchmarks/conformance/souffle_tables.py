"""Soufflé's input tables as facts, and values as it prints them."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path

from benchmarks.conformance.souffle_types import Program, base
from benchmarks.conformance.words import Unsupported, Word, quoted
from nesy.language.values import Compound, Symbol, Value, format_value


def read_input(words: list[Word], program: Program) -> None:
    names: list[str] = []
    options: dict[str, str] = {}
    index = 0
    while index < len(words) and words[index].text != "(":
        if words[index].kind == "name":
            names.append(words[index].text)
        index += 1
    while index + 2 < len(words):
        if words[index].kind == "name" and words[index + 1].text == "=":
            options[words[index].text] = words[index + 2].text.strip('"')
            index += 2
        index += 1
    for name in names:
        program.inputs[name] = options


def facts_of(name: str, options: Mapping[str, str], folder: Path, program: Program) -> list[str]:
    unknown = set(options) - {"IO", "filename", "delimiter", "headers", "name", "operation", "rfc4180"}
    if unknown or options.get("IO", "file") != "file":
        raise Unsupported(f".input with {', '.join(sorted(unknown)) or options['IO']}")
    if name not in program.columns:
        raise Unsupported("an undeclared input")
    path = folder / options.get("filename", f"{name}.facts")
    delimiter = options.get("delimiter", "\t").encode().decode("unicode_escape")
    if not path.is_file():
        raise Unsupported("input file of this name in the data set")
    text = path.read_text(encoding="utf-8")
    if options.get("rfc4180") == "true":
        rows = list(csv.reader(io.StringIO(text), delimiter="," if delimiter == "\t" else delimiter))
    else:
        lines = text.split("\n")
        rows = [line.split(delimiter) for line in lines[: -1 if lines[-1] == "" else None]]
    if options.get("headers") == "true":
        rows = rows[1:]
    facts: list[str] = []
    for row in rows:
        cells = row if program.columns[name] else []
        if len(cells) != len(program.columns[name]):
            raise Unsupported("an input row of another width")
        values = [_cell(cell, base(kind, program)) for cell, kind in zip(cells, program.columns[name], strict=True)]
        inside = f"({', '.join(values)})" if values else ""
        facts.append(f"{quoted(name)}{inside}.")
    return facts


def _cell(cell: str, kind: str) -> str:
    try:
        match kind:
            case "symbol":
                return format_value(cell)
            case "number" | "unsigned":
                return str(int(cell, 0))
            case "float":
                return repr(float(cell))
            case _:
                raise Unsupported(f"input columns of type {kind}")
    except ValueError:
        raise Unsupported("an input cell that is no number") from None


def show(value: Value, kind: str) -> str:
    """A value as Soufflé prints it."""
    match value:
        case float():
            return f"{value:.6g}" if kind == "float" else str(value)
        case Compound("record", arguments):
            return f"[{', '.join(show(argument, '') for argument in arguments)}]"
        case Compound(functor, arguments):
            return f"{functor}({', '.join(show(argument, '') for argument in arguments)})"
        case Symbol(name):
            return name
        case _:
            return str(value)
