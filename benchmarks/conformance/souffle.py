"""Soufflé's dialect of Datalog to rule files of nesy: the syntax only.

A variable is any name that is not called, so names are told apart by what follows them. Numbers divide
towards zero in Soufflé and towards minus infinity here, so `/` and `%` become expressions that agree. Records
and branches of algebraic types become compound terms. What has no counterpart raises `Unsupported`, with its name.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from nesy.language.values import Compound, Symbol, Value, format_value

_TOKEN = re.compile(
    r"""\s+|//[^\n]*|/\*.*?\*/|(?P<string>"(?:[^"\\\n]|\\.)*")|(?P<float>\d+\.\d+)
    |(?P<number>0x[0-9a-fA-F]+|0b[01]+|\d+)u?|(?P<directive>\.[a-z]+\b(?=[\s(]))|(?P<name>[?A-Za-z_$][A-Za-z0-9_?]*)
    |(?P<mark>:-|<=|>=|!=|<:|->|[-+*/%^!=<>(),.:;{}\[\]|@&])""",
    re.VERBOSE | re.DOTALL,
)
_FUNCTORS = {
    "cat": "concat",
    "strlen": "length",
    "substr": "substring",
    "min": "min",
    "max": "max",
    "to_number": "number",
    "to_string": "string",
    "abs": "abs",
}
_WORDS = {"band": "/\\", "bor": "\\/", "bxor": "xor"}
_AFTER_A_TERM = frozenset(
    ("=", "!=", "<", "<=", ">", ">=", "+", "-", "*", "/", "%", "^", *_WORDS, "land", "lor", "lxor")
)
_AGGREGATES = frozenset(("count", "sum", "min", "max", "mean"))
_UNSUPPORTED_WORDS = frozenset(
    (
        "bnot",
        "land",
        "lor",
        "lxor",
        "lnot",
        "bshl",
        "bshr",
        "bshru",
        "range",
        "ord",
        "as",
        "itof",
        "ftoi",
        "utof",
        "autoinc",
        "nil",
    )
) - {"nil"}
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


_PRIMITIVE = ("number", "symbol", "float", "unsigned")


class Unsupported(Exception):
    """Something the translator or the language has no counterpart for."""


@dataclass(frozen=True)
class Translation:
    """A rule file, and the types of the columns of its relations."""

    text: str
    columns: Mapping[str, tuple[str, ...]]
    inputs: tuple[str, ...]


@dataclass(frozen=True)
class _Word:
    kind: str
    text: str


@dataclass
class _Program:
    types: dict[str, str] = field(
        default_factory=lambda: {"number": "number", "symbol": "symbol", "float": "float", "unsigned": "unsigned"}
    )
    columns: dict[str, tuple[str, ...]] = field(default_factory=dict)
    inputs: dict[str, dict[str, str]] = field(default_factory=dict)
    rules: list[str] = field(default_factory=list)


def translate(text: str, facts: Path) -> Translation:
    """The rule file that says what a Soufflé program says; `facts` is the folder of its input tables.

    Raises: Unsupported.
    """
    words = _words(text)
    program = _Program()
    clauses: list[list[_Word]] = []
    index = 0
    while index < len(words):
        word = words[index]
        if word.kind == "directive":
            index = _directive(words, index, program)
        else:
            end = _statement_end(words, index)
            clauses.append(words[index:end])
            index = end + 1
    for clause in clauses:  # after all declarations: a relation may be used before it is declared
        program.rules += _rule(clause, program)
    lines: list[str] = []
    for name, columns in program.columns.items():
        blanks = f"({', '.join('_' for _ in columns)})" if columns else ""
        lines.append(f"#pred {_atom_name(name)}{blanks}.")
    for name, options in program.inputs.items():
        lines += _facts(name, options, facts, program)
    return Translation("\n".join([*lines, *program.rules]) + "\n", program.columns, tuple(program.inputs))


def _words(text: str) -> list[_Word]:
    words: list[_Word] = []
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise Unsupported(f"character {text[position]!r}")
        if match.lastgroup is not None:
            words.append(_Word(match.lastgroup, match[match.lastgroup]))
        position = match.end()
    return words


def _statement_end(words: list[_Word], start: int) -> int:
    depth = 0
    for index in range(start, len(words)):
        text = words[index].text if words[index].kind == "mark" else ""
        depth += (text in ("(", "{", "[")) - (text in (")", "}", "]"))
        if text == "." and depth == 0:
            return index
    raise Unsupported("a statement without its full stop")


# -- directives ----------------------------------------------------------------------------------------


def _directive(words: list[_Word], index: int, program: _Program) -> int:
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
            _type(body, program)
        case ".decl":
            _declaration(body, program)
        case ".input":
            _input(body, program)
        case ".output" | ".printsize" | ".pragma" | ".plan":
            pass
        case _:
            raise Unsupported(name)
    return end


def _starts_rule(words: list[_Word], index: int, start: int) -> bool:
    """Whether a rule or fact begins here: `name(`, after what closes a declaration."""
    if index <= start + 1 or words[index].kind != "name" or words[index - 1].text in (",", "<:", "=", "|", ":"):
        return False
    if index + 1 >= len(words) or words[index + 1].text != "(":
        return False
    if words[start].text in (".input", ".output", ".printsize") and index == start + 1:
        return False
    return True


def _type(words: list[_Word], program: _Program) -> None:
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


def _base(kind: str, program: _Program) -> str:
    seen: set[str] = set()
    while kind in program.types and program.types[kind] != kind and kind not in seen:
        seen.add(kind)
        kind = program.types[kind]
    return kind


def _declaration(words: list[_Word], program: _Program) -> None:
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


def _input(words: list[_Word], program: _Program) -> None:
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


def _facts(name: str, options: Mapping[str, str], folder: Path, program: _Program) -> list[str]:
    unknown = set(options) - {"IO", "filename", "delimiter", "headers", "name", "operation", "rfc4180"}
    if unknown or options.get("IO", "file") != "file":
        raise Unsupported(f".input with {', '.join(sorted(unknown)) or options['IO']}")
    if name not in program.columns:
        raise Unsupported("an undeclared input")
    path = folder / options.get("filename", f"{name}.facts")
    delimiter = options.get("delimiter", "\t").encode().decode("unicode_escape")
    if not path.is_file():
        raise Unsupported("an input file that is not there")
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
        values = [_cell(cell, _base(kind, program)) for cell, kind in zip(cells, program.columns[name], strict=True)]
        inside = f"({', '.join(values)})" if values else ""
        facts.append(f"{_atom_name(name)}{inside}.")
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


# -- rules ---------------------------------------------------------------------------------------------


def _rule(words: list[_Word], program: _Program) -> list[str]:
    texts = [word.text for word in words]
    depth = 0
    for index, text in enumerate(texts):
        depth += (text in "([{") - (text in ")]}")
        if text == ":-" and depth == 0:
            heads, body = words[:index], words[index + 1 :]
            break
        if text == "<=" and depth == 0 and texts[index - 1] == ")" and ":-" in texts[index:]:
            raise Unsupported("subsumption")
    else:
        heads, body = words, []
    result: list[str] = []
    shown = f" :- {_Rule(body, program).body()}" if body else ""
    for head in _split(heads, ","):
        rule = _Rule(head, program)
        atom = rule.atom()
        if rule.index < len(head):
            raise Unsupported(head[rule.index].text)
        result.append(f"{atom}{shown}.")
    return result


def _split(words: list[_Word], mark: str) -> list[list[_Word]]:
    parts: list[list[_Word]] = [[]]
    depth = 0
    for word in words:
        depth += (word.text in "([{") - (word.text in ")]}") if word.kind == "mark" else 0
        if word.text == mark and depth == 0 and word.kind == "mark":
            parts.append([])
        else:
            parts[-1].append(word)
    return parts


class _Rule:
    """A reader of one rule's words."""

    def __init__(self, words: list[_Word], program: _Program):
        self.words = words
        self.index = 0
        self.program = program

    def peek(self, ahead: int = 0) -> str:
        place = self.index + ahead
        return self.words[place].text if place < len(self.words) else ""

    def take(self, expected: str | None = None) -> _Word:
        if self.index >= len(self.words) or (expected is not None and self.peek() != expected):
            raise Unsupported(f"`{self.peek()}` where `{expected}` was expected")
        self.index += 1
        return self.words[self.index - 1]

    def body(self) -> str:
        shown = self.disjunction()
        if self.index < len(self.words):
            raise Unsupported(f"`{self.peek()}` in a body")
        return shown

    def disjunction(self) -> str:
        parts = [self.conjunction()]
        while self.peek() == ";":
            self.take()
            parts.append(self.conjunction())
        return "; ".join(parts)

    def conjunction(self) -> str:
        parts = [self.condition()]
        while self.peek() == ",":
            self.take()
            parts.append(self.condition())
        return ", ".join(parts)

    def condition(self) -> str:
        if self.peek() == "!":
            self.take()
            return f"not {self.condition()}"
        if self.peek() == "(" and not self._is_arithmetic_group():
            self.take()
            inner = self.disjunction()
            self.take(")")
            return f"({inner})"
        if self.peek() in ("true", "false") and self.peek(1) != "(":
            return self.take().text
        if self.words[self.index].kind == "name" and self.peek(1) == "(" and self.peek() in ("contains", "match"):
            return self._constraint()
        is_call = self.words[self.index].kind == "name" and self.peek(1) == "("
        if is_call and self.peek() in self.program.columns:
            return self.atom()
        if self.words[self.index].kind == "name" and self.peek(1) == ".":
            raise Unsupported("components")
        left = self.term()
        if self.peek() not in ("=", "!=", "<", "<=", ">", ">="):
            raise Unsupported(f"`{self.peek()}` in a condition")
        operator = self.take().text
        return f"{left} {operator} {self.term()}"

    def _constraint(self) -> str:
        name = self.take().text
        if name == "match":
            raise Unsupported("match")
        self.take("(")
        inner = self.term()
        self.take(",")
        outer = self.term()
        self.take(")")
        return f"contains({outer}, {inner})"

    def _is_arithmetic_group(self) -> bool:
        """Whether the parenthesis that opens here belongs to a term: a comparison or operator follows it."""
        depth = 0
        for place in range(self.index, len(self.words)):
            text = self.words[place].text if self.words[place].kind == "mark" else ""
            depth += (text == "(") - (text == ")")
            if depth == 0:
                following = self.words[place + 1].text if place + 1 < len(self.words) else ""
                return following in _AFTER_A_TERM
        raise Unsupported("an open parenthesis")

    def atom(self) -> str:
        name = self.take().text
        if self.peek() == ".":
            raise Unsupported("components")
        self.take("(")
        terms: list[str] = []
        while self.peek() != ")":
            terms.append(self.term())
            if self.peek() != ")":
                self.take(",")
        self.take(")")
        return _atom_name(name) + (f"({', '.join(terms)})" if terms else "")

    # -- terms -------------------------------------------------------------------------------

    def term(self, level: int = 0) -> str:
        levels = (("lor",), ("lxor",), ("land",), ("bor",), ("bxor",), ("band",), ("+", "-"), ("*", "/", "%"))
        if level == len(levels):
            return self.unary()
        left = self.term(level + 1)
        while self.peek() in levels[level]:
            operator = self.take().text
            right = self.term(level + 1)
            match operator:
                case "/":
                    left = f"truncate({left} / {right})"
                case "%":
                    left = f"({left} - {right} * truncate({left} / {right}))"
                case "land":
                    left = f"abs(sign({left}) * sign({right}))"
                case "lor":
                    left = f"sign(abs({left}) + abs({right}))"
                case "lxor":
                    left = f"abs(abs(sign({left})) - abs(sign({right})))"
                case _:
                    left = f"({left} {_WORDS.get(operator, operator)} {right})"
        return left

    def unary(self) -> str:
        if self.peek() == "-":
            self.take()
            return f"-{self.unary()}"
        if self.peek() in ("bnot", "lnot"):
            return f"(-1 - {self.unary()})" if self.take().text == "bnot" else f"(1 - abs(sign({self.unary()})))"
        base = self.primary()
        if self.peek() == "^":
            self.take()
            return f"({base} ** {self.unary()})"
        return base

    def primary(self) -> str:
        word = self.take()
        match word.kind, word.text:
            case "string", text:
                return text
            case "number", text:
                return str(int(text, 0))
            case "float", text:
                return text
            case "mark", "(":
                inner = self.term()
                self.take(")")
                return inner if inner.startswith("(") else f"({inner})"
            case "mark", "[":
                return f"'record'({', '.join(self._terms(']'))})"
            case "name", "nil" if self.peek() != "(":
                return "nil"
            case "name", "_":
                return "_"
            case "name", text if text.startswith("$"):
                inside = self._terms(")") if self.peek() == "(" and self.take() else []
                return f"'{text}'({', '.join(inside)})" if inside else f"'{text}'"
            case "name", text if text in _AGGREGATES and self.peek() != "(":
                return self._aggregate(text)
            case "name", text if self.peek() == "(":
                if text not in _FUNCTORS or text in _UNSUPPORTED_WORDS:
                    raise Unsupported(f"functor {text}")
                self.take()
                inside = self._terms(")")
                return self._nested(_FUNCTORS[text], inside)
            case "name", text if text in _UNSUPPORTED_WORDS:
                raise Unsupported(f"functor {text}")
            case "name", text:
                return _variable(text)
            case _, text:
                raise Unsupported(f"`{text}` in a term")

    def _nested(self, function: str, inside: list[str]) -> str:
        """`cat(a, b, c)` of any number of arguments by the function of two."""
        if function in ("concat", "min", "max"):
            shown = inside[0]
            for other in inside[1:]:
                shown = f"{function}({shown}, {other})"
            return shown
        return f"{function}({', '.join(inside)})"

    def _terms(self, close: str) -> list[str]:
        terms: list[str] = []
        while self.peek() != close:
            terms.append(self.term())
            if self.peek() != close:
                self.take(",")
        self.take(close)
        return terms

    def _aggregate(self, function: str) -> str:
        weight = None if self.peek() == ":" else self.term()
        self.take(":")
        if self.peek() == "{":
            self.take()
            start = self.index
            inner = self.disjunction()
            end = self.index
            self.take("}")
        else:
            start = self.index
            inner = self.atom()
            end = self.index
        names = dict.fromkeys(
            _variable(word.text)
            for place, word in enumerate(self.words[start:end], start)
            if word.kind == "name" and word.text != "_" and not self._is_call(place)
        )
        if ";" in inner:
            raise Unsupported("a disjunction in an aggregate")
        # Soufflé adds over all assignments, so every variable is part of the tuple; each `_` is one too.
        parts = re.split(r"(?<![A-Za-z0-9_\"'])_(?![A-Za-z0-9_])", inner)
        fresh = [f"Any{self.index}x{number}" for number in range(len(parts) - 1)]
        names.update(dict.fromkeys(fresh))
        inner = parts[0] + "".join(name + part for name, part in zip(fresh, parts[1:], strict=True))
        keyword = {"mean": "avg"}.get(function, function)
        terms = [*([weight] if weight is not None else []), *names]
        return f"#{keyword}{{ {', '.join(terms) or '1'} : {inner} }}"

    def _is_call(self, place: int) -> bool:
        return place + 1 < len(self.words) and self.words[place + 1].text == "("


def _variable(name: str) -> str:
    return "V" + name.replace("?", "_q")


def _atom_name(name: str) -> str:
    return "'" + name + "'"


# -- results -------------------------------------------------------------------------------------------


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
