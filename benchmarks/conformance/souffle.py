"""Soufflé's dialect of Datalog to rule files of nesy: the syntax only.

Records and branches of algebraic types become compound terms. What has no counterpart raises `Unsupported`, with
its name. The files beside this one read declarations, tables and rules.
"""

from __future__ import annotations

import re
from pathlib import Path

from benchmarks.conformance.souffle_rules import read_rule
from benchmarks.conformance.souffle_tables import facts_of, read_input
from benchmarks.conformance.souffle_types import Program, read_declaration, read_type
from benchmarks.conformance.words import Translation, Unsupported, Word, declared, statement_end, words_of

_TOKEN = re.compile(
    r"""\s+|//[^\n]*|/\*.*?\*/|(?P<string>"(?:[^"\\\n]|\\.)*")|(?P<float>\d+\.\d+)
    |(?P<number>0x[0-9a-fA-F]+|0b[01]+|\d+)u?|(?P<directive>\.[a-z]+\b(?=[\s(]))|(?P<name>[?A-Za-z_$][A-Za-z0-9_?]*)
    |(?P<mark>:-|<=|>=|!=|<:|->|[-+*/%^!=<>(),.:;{}\[\]|@&])""",
    re.VERBOSE | re.DOTALL,
)


def translate(text: str, facts: Path) -> Translation:
    """The rule file that says what a Soufflé program says; `facts` is the folder of its input tables.

    Raises: Unsupported.
    """
    words = words_of(text, _TOKEN)
    program = Program()
    clauses: list[list[Word]] = []
    index = 0
    while index < len(words):
        word = words[index]
        if word.kind == "directive":
            index = _directive(words, index, program)
        else:
            end = statement_end(words, index)
            clauses.append(words[index:end])
            index = end + 1
    for clause in clauses:  # after all declarations: a relation may be used before it is declared
        program.rules += read_rule(clause, program)
    lines = declared(program.columns)
    for name, options in program.inputs.items():
        lines += facts_of(name, options, facts, program)
    return Translation("\n".join([*lines, *program.rules]) + "\n", program.columns, tuple(program.inputs))


def _directive(words: list[Word], index: int, program: Program) -> int:
    name = words[index].text
    end = index + 1
    depth = 0
    while end < len(words):
        word = words[end]
        if depth == 0 and word.kind == "directive":
            break
        if word.kind == "mark":
            depth += (word.text in "([{") - (word.text in ")]}")
        if depth == 0 and _starts_rule(words, end, index):
            break
        end += 1
    body = words[index + 1 : end]
    match name:
        case ".type":
            read_type(body, program)
        case ".decl":
            read_declaration(body, program)
        case ".input":
            read_input(body, program)
        case ".output" | ".printsize" | ".pragma" | ".plan":
            pass
        case _:
            raise Unsupported(name)
    return end


def _starts_rule(words: list[Word], index: int, start: int) -> bool:
    """Whether a rule or fact begins here: `name(`, after what closes a declaration."""
    if index <= start + 1 or words[index].kind != "name" or words[index - 1].text in (",", "<:", "=", "|", ":"):
        return False
    if index + 1 >= len(words) or words[index + 1].text != "(":
        return False
    if words[start].text in (".input", ".output", ".printsize") and index == start + 1:
        return False
    return True
