"""Scallop's dialect of Datalog to rule files of nesy: the syntax only.

A variable is any name that is neither applied nor a constant. Aggregates are grouped by the variables of the head, so
one becomes a predicate of its tuples and an aggregate over it (see `scallop_rules`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import pairwise

from benchmarks.conformance.words import (
    CLOSE,
    OPEN,
    Reader,
    Translation,
    Unsupported,
    Word,
    applied,
    declared,
    quoted,
    split,
    words_of,
)
from nesy.language.values import format_value

TOKEN = re.compile(
    r'''\s+|//[^\n]*|/\*.*?\*/|(?P<string>"""(?:[^\\]|\\.)*?(?<!\\)"""|"(?:[^"\\]|\\.)*")
    |(?P<float>[0-9]+\.[0-9]+(?:[eE][+-]?[0-9]+)?)|(?P<number>[0-9]+)|(?P<function>\$[a-z_0-9]+)
    |(?P<time>[td]"[^"]*")|(?P<name>[A-Za-z_][A-Za-z0-9_]*)
    |(?P<mark>:-|:=|::|=>|==|!=|<=|>=|/\\|\\/|[-+*/%=<>(),.~{}:;|\[\]@!])''',
    re.VERBOSE | re.DOTALL,
)
_STARTS = frozenset(("rel", "type", "const", "query", "import"))
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "0": "\0"}


@dataclass
class Program:
    """What was read so far: rules, the number of columns of each relation, constants, and the atoms asked for."""

    has_floats: bool
    rules: list[str] = field(default_factory=list[str])
    arities: dict[str, int] = field(default_factory=dict[str, int])
    constants: dict[str, str] = field(default_factory=dict[str, str])
    constructors: set[str] = field(default_factory=set[str])
    asked: list[str] = field(default_factory=list[str])
    defined: set[str] = field(default_factory=set[str])


def translate(text: str) -> Translation:
    """The rule file that says what a Scallop program says; atoms asked for are relations named `query 0` and so on.

    Raises: Unsupported.
    """
    from benchmarks.conformance.scallop_rules import read_query, read_rule

    words = _without_demands(words_of(text, TOKEN))
    tags = {id(word) for word, after in pairwise(words) if after.text == "::"}
    program = Program(any(word.kind == "float" and id(word) not in tags for word in words))
    statements = _statements(words)
    for statement in statements:  # constants and constructors may be used before they are declared
        if statement[0].text in ("type", "const"):
            (_type if statement[0].text == "type" else _constants)(Reader(statement), program)
    for statement in statements:
        match statement[0].text:
            case "rel":
                read_rule(statement[1:], program)
            case "query":
                read_query(statement[1:], program)
            case "type" | "const":
                pass
            case other:
                raise Unsupported(other)
    foreign = sorted(program.arities.keys() - program.defined)
    if foreign:
        raise Unsupported(f"relation {foreign[0]} of the library")
    columns = {name: ("",) * arity for name, arity in program.arities.items()}
    return Translation("\n".join([*declared(columns), *program.rules]) + "\n", columns, tuple(program.asked))


def _statements(words: list[Word]) -> list[list[Word]]:
    statements: list[list[Word]] = []
    depth = 0
    for word in words:
        if word.kind == "mark":
            depth += (word.text in OPEN) - (word.text in CLOSE)
        if depth == 0 and word.kind == "name" and word.text in _STARTS:
            statements.append([])
        if word.text == "@" and word.kind == "mark":
            raise Unsupported("attributes of relations")
        if not statements:
            raise Unsupported(f"`{word.text}` outside of a statement")
        statements[-1].append(word)
    return statements


def _without_demands(words: list[Word]) -> list[Word]:
    """The words without `@demand("bf")`, which says how to run a relation and not what it is."""
    result: list[Word] = []
    index = 0
    while index < len(words):
        if [word.text for word in words[index : index + 3]] == ["@", "demand", "("]:
            index += 5
        else:
            result.append(words[index])
            index += 1
    return result


def _type(reader: Reader, program: Program) -> None:
    reader.take("type")
    name = reader.take().text
    if reader.peek() == "(":
        columns = split(reader.words[reader.index + 1 : -1], ",")
        if any(word.text in ("bound", "free") for column in columns for word in column):
            raise Unsupported("relations that run when asked")
        program.arities.setdefault(name, len(columns) if columns != [[]] else 0)
        program.defined.add(name)
        return
    if not reader.took("="):
        raise Unsupported("this kind of type")
    next_value = 0
    for alternative in split(reader.words[reader.index :], "|"):
        constructor = alternative[0].text
        if len(alternative) > 1 and alternative[1].text == "(":
            program.constructors.add(constructor)
            continue
        if len(alternative) == 3:
            next_value = int(alternative[2].text)
        program.constants[constructor] = str(next_value)
        next_value += 1


def _constants(reader: Reader, program: Program) -> None:
    from benchmarks.conformance.scallop_rules import Rule

    for part in split(reader.words[1:], ","):
        place = next(i for i, word in enumerate(part) if word.text == "=")
        program.constants[part[0].text] = Rule(part[place + 1 :], program).term()


def unquoted(text: str) -> str:
    """What a string of Scallop's says.

    >>> unquoted('"a"'), unquoted(chr(34) * 3 + 'b' + chr(34) * 3)
    ('a', 'b')
    """
    inside = text[3:-3] if text.startswith('"""') else text[1:-1]
    return re.sub(r"\\(.)", lambda match: _ESCAPES.get(match[1], match[1]), inside, flags=re.DOTALL)


def string(text: str) -> str:
    """A string of Scallop's as one of nesy's."""
    return format_value(unquoted(text))


def relation(name: str, terms: list[str]) -> str:
    """An atom of a relation of the program."""
    return applied(quoted(name), terms)
