"""Nemo's dialect of Datalog to rule files of nesy: the syntax only.

Plain names are constants and variables have a `?`. An aggregate stands in a head, grouped by its other terms, over
the different tuples of its arguments; here it becomes a predicate of these tuples and an aggregate over it.
"""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

from benchmarks.conformance.words import (
    Reader,
    Translation,
    Unsupported,
    Word,
    applied,
    declared,
    quoted,
    split,
    statement_end,
    words_of,
)
from nesy.language.values import Symbol, Value, format_value

_TOKEN = re.compile(
    r"""\s+|%[^\n]*|(?P<iri><[A-Za-z][^<>\s"{}|^`\\]*>)|(?P<string>"(?:[^"\\\n]|\\.)*")
    |(?P<float>[0-9]+\.[0-9]+(?:[eE][+-]?[0-9]+)?|[0-9]+[eE][+-]?[0-9]+)|(?P<number>[0-9]+)
    |(?P<variable>\?[A-Za-z][A-Za-z0-9_]*)|(?P<existential>![A-Za-z][A-Za-z0-9_]*)|(?P<parameter>\$[A-Za-z][A-Za-z0-9_]*)
    |(?P<directive>@[a-z]+)|(?P<aggregate>\#[A-Za-z]+)|(?P<name>[A-Za-z][A-Za-z0-9_]*)
    |(?P<mark>:-|<=|>=|!=|\^\^|[-+*/=<>(),.~{}:_])""",
    re.VERBOSE,
)
_AGGREGATES = {"count": "count", "sum": "sum", "min": "min", "max": "max"}
_FUNCTIONS = {"MAX": "max", "MIN": "min", "STRLEN": "length", "UCASE": "upper", "LCASE": "lower", "ABS": "abs"}
_COMPARISONS = frozenset(("=", "!=", "<", "<=", ">", ">="))
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_%-]*\Z")


def translate(text: str, folder: Path) -> Translation:
    """The rule file that says what a Nemo program says; its tables are looked for in the folder.

    Raises: Unsupported.
    """
    words = words_of(text, _TOKEN)
    program = _Program(folder, any(word.kind == "float" for word in words))
    index = 0
    while index < len(words):
        end = statement_end(words, index)
        program.statement(words[index:end])
        index = end + 1
    columns = {name: ("",) * arity for name, arity in program.arities.items()}
    return Translation("\n".join([*declared(columns), *program.rules]) + "\n", columns)


class _Program:
    """The rules that were read so far."""

    def __init__(self, folder: Path, has_floats: bool):
        self.folder = folder
        self.has_floats = has_floats
        self.rules: list[str] = []
        self.arities: dict[str, int] = {}
        self.parameters: dict[str, str] = {}

    def statement(self, words: list[Word]) -> None:
        reader = _Rule(words, self)
        match words[0].text:
            case "@import":
                self._import(reader)
            case "@parameter":
                reader.take()
                name = reader.take().text
                reader.take("=")
                self.parameters[name] = f"({reader.term()})"
            case "@export" | "@prefix" | "@output":
                pass
            case text if text.startswith("@"):
                raise Unsupported(text)
            case _:
                self._rule(words)

    def _import(self, reader: _Rule) -> None:
        reader.take()
        name = reader.take().text
        reader.take(":-")
        if reader.take().text != "csv":
            raise Unsupported("tables of other formats")
        options = [word.text for word in reader.words[reader.index :]]
        if options[1:3] != ["resource", "="] or len(options) != 5:
            raise Unsupported("tables with options")
        path = self.folder / options[3].strip('"')
        if not path.is_file():
            raise Unsupported("input file of this name in the data set")
        for row in csv.reader(io.StringIO(path.read_text(encoding="utf-8"))):
            self.arities[name] = len(row)
            self.rules.append(f"{applied(quoted(name), [_cell(cell) for cell in row])}.")

    def _rule(self, words: list[Word]) -> None:
        place = next((i for i, word in enumerate(words) if word.text == ":-"), len(words))
        heads, body = split(words[:place], ","), words[place + 1 :]
        parts = split(body, ",") if body else []
        positive = {w.text for part in parts if part[0].text != "~" for w in part if w.kind == "variable"}
        conditions: list[str] = []
        for part in parts:
            shown = _Rule(part, self).condition()
            # A variable that is only in a negated atom stands for any value.
            if part[0].text == "~" and any(w.kind == "variable" and w.text not in positive for w in part):
                shown = f"not ({shown.removeprefix('not ')}, true)"
            conditions.append(shown)
        for head in heads:
            self._head(_Rule(head, self), conditions)

    def _head(self, head: _Rule, conditions: list[str]) -> None:
        name = head.take().text
        head.take("(")
        terms: list[str] = []
        while head.peek() != ")":
            terms.append(head.term())
            if head.peek() != ")":
                head.take(",")
        self.arities.setdefault(name, len(terms))
        body = f" :- {', '.join(conditions)}" if conditions else ""
        if not head.aggregates:
            self.rules.append(f"{applied(quoted(name), terms)}{body}.")
            return
        if len(head.aggregates) > 1:
            raise Unsupported("several aggregates in a head")
        ((result, function, weights),) = head.aggregates
        # The group: the values of the other terms, and what stands beside the aggregate in its own term.
        groups = {f"G{i}": term for i, term in enumerate(terms) if result not in term}
        shared = [name for term in terms if result in term for name in re.findall(r"\bV\w+", term)]
        beside = dict.fromkeys(shared)
        own = {f"W{i}": weight for i, weight in enumerate(weights)}
        tuples = f"'tuples of {name} {len(self.rules)}'"
        named = [f"{variable} = {term}" for variable, term in (*groups.items(), *own.items())]
        self.rules.append(f"{applied(tuples, [*groups, *beside, *own])} :- {', '.join([*conditions, *named])}.")
        shown = [next((g for g, t in groups.items() if t == term), term) for term in terms]
        known = applied(tuples, [*groups, *beside, *["_"] * len(own)])
        every = applied(tuples, [*groups, *beside, *own])
        total = f"{result} = #{function}{{ {', '.join(own)} : {every} }}"
        self.rules.append(f"{applied(quoted(name), shown)} :- {known}, {total}.")


class _Rule(Reader):
    """A reader of one atom or condition."""

    def __init__(self, words: list[Word], program: _Program):
        super().__init__(words)
        self.program = program
        self.aggregates: list[tuple[str, str, list[str]]] = []

    def condition(self) -> str:
        if self.took("~"):
            return f"not {self.condition()}"
        if self.kind() == "name" and self.peek(1) == "(" and self.peek() not in _FUNCTIONS and not self._is_compared():
            if self.peek().isupper() and self.peek() in ("OR", "AND", "NOT", "EQUALITY", "NUMGREATER", "REGEX"):
                raise Unsupported("conditions as functions")
            name = self.take().text
            self.take("(")
            terms = self._terms()
            self.program.arities.setdefault(name, len(terms))
            shown = applied(quoted(name), terms)
        else:
            left = self.term()
            operator = self.take().text
            if operator not in _COMPARISONS:
                raise Unsupported(f"`{operator}` in a condition")
            shown = f"{left} {operator} {self.term()}"
        if not self.is_done:
            raise Unsupported(f"`{self.peek()}` in a condition")
        return shown

    def _is_compared(self) -> bool:
        depth = 0
        for word in self.words[self.index :]:
            depth += (word.text == "(") - (word.text == ")") if word.kind == "mark" else 0
            if depth == 0 and word.kind == "mark" and word.text in _COMPARISONS:
                return True
        return False

    def _terms(self) -> list[str]:
        terms: list[str] = []
        while self.peek() != ")":
            terms.append(self.term())
            if self.peek() != ")":
                self.take(",")
        self.take(")")
        return terms

    def term(self, level: int = 0) -> str:
        levels = (("+", "-"), ("*", "/"))
        if level == len(levels):
            return self._primary()
        left = self.term(level + 1)
        while self.peek() in levels[level] and self.kind() == "mark":
            operator = self.take().text
            right = self.term(level + 1)
            if operator == "/" and self.program.has_floats:
                raise Unsupported("division where there are floats: integers divide towards zero there")
            left = f"truncate({left} / {right})" if operator == "/" else f"({left} {operator} {right})"
        return left

    def _primary(self) -> str:
        word = self.take()
        match word.kind, word.text:
            case "variable", text:
                return f"V{text[1:]}"
            case "existential", _:
                raise Unsupported("existential variables in heads")
            case "string", _ if self.peek() == "^^":
                raise Unsupported("literals with a datatype")
            case "string", _ if self.kind() == "directive":
                raise Unsupported("literals with a language")
            case (("string" | "number"), text):
                return text
            case "float", text:
                return repr(float(text))
            case "iri", text:
                return quoted(text[1:-1])
            case "parameter", text:
                return self.program.parameters[text]
            case "mark", "_":
                return "_"
            case "mark", "-":
                return f"-{self._primary()}"
            case "mark", "(":
                inner = self.term()
                self.take(")")
                return f"({inner})"
            case "aggregate", text:
                function = _AGGREGATES.get(text[1:].lower())
                if function is None:
                    raise Unsupported(f"{text} as an aggregate")
                self.take("(")
                result = f"R{len(self.aggregates)}"
                self.aggregates.append((result, function, list(dict.fromkeys(self._terms()))))
                return result
            case "name", text if self.peek() == "(":
                if text not in _FUNCTIONS:
                    raise Unsupported(f"the function {text}")
                self.take("(")
                return applied(_FUNCTIONS[text], self._terms())
            case "name", text:
                return quoted(text)
            case _, text:
                raise Unsupported(f"`{text}` in a term")


def _cell(cell: str) -> str:
    if re.fullmatch(r"-?[0-9]+", cell):
        return cell
    if re.fullmatch(r"-?[0-9]+\.[0-9]+(?:[eE][+-]?[0-9]+)?", cell):
        raise Unsupported("decimals in tables")
    if cell.startswith("<") and cell.endswith(">"):
        return quoted(cell[1:-1])
    if cell.startswith('"') and cell.endswith('"') and len(cell) > 1:
        return format_value(cell[1:-1])
    return quoted(cell) if _NAME.match(cell) else format_value(cell)


def show(value: Value) -> str:
    """A value as Nemo writes it to a CSV file."""
    match value:
        case str():
            return f'"{value}"'
        case Symbol(name):
            return name
        case _:
            return str(value)
