"""Ground values: what a column of a relation holds.

A value is an `int`, a `float`, a `str` (a quoted string), a `Symbol` (a bare lower-case word), or a
`Compound` of values. Lists are compounds: `Compound(".", (head, tail))` ending in `Symbol("[]")`.
Two values are the same only if their types are: 1 and 1.0 are different constants (use `key` where
a dictionary would confuse them).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TypeAlias

# The words that the grammar reserves are names only in quotes: 'not'.
_BARE = re.compile(r"(?!(?:not|is|mod|xor)\Z)[a-z][A-Za-z0-9_]*\Z")

_ALIASES = re.compile(r"(?:(?!(?:not|is|mod|xor)\b)[a-z][A-Za-z0-9_]*\.)+")


@dataclass(frozen=True, slots=True, order=True)
class Symbol:
    """A constant without inner structure: `red`, `ann`, `'two words'`."""

    name: str

    def __str__(self) -> str:
        return format_value(self)


@dataclass(frozen=True, slots=True)
class Compound:
    """A functor applied to values: `f(1, g(a))`."""

    functor: str
    arguments: tuple[Value, ...]

    def __str__(self) -> str:
        return format_value(self)


Value: TypeAlias = int | float | str | Symbol | Compound
NIL = Symbol("[]")
CONS = "."


def make_list(items: list[Value], tail: Value = NIL) -> Value:
    """The list value of the items."""
    for item in reversed(items):
        tail = Compound(CONS, (item, tail))
    return tail


def key(value: Value) -> tuple[type, object]:
    """A dictionary key that tells 1 from 1.0 and a string from a symbol, at every depth."""
    if isinstance(value, Compound):
        return Compound, (value.functor, *(key(argument) for argument in value.arguments))
    return type(value), value


def format_value(value: Value) -> str:
    """The value in the language's own syntax: parsing it gives the value back.

    >>> format_value(Compound("f", (Symbol("a"), "b", -1, make_list([1, Symbol("x")]))))
    'f(a,"b",-1,[1,x])'
    """
    match value:
        case Symbol(name):
            return name if name == "[]" or _BARE.match(name) else _quote(name, "'")
        case str():
            return _quote(value, '"')
        case Compound(functor, (_, _)) if functor == CONS:
            items: list[str] = []
            while isinstance(value, Compound) and value.functor == CONS and len(value.arguments) == 2:
                items.append(format_value(value.arguments[0]))
                value = value.arguments[1]
            tail = "" if value == NIL else f"|{format_value(value)}"
            return f"[{','.join(items)}{tail}]"
        case Compound(functor, arguments):
            inside = ",".join(format_value(argument) for argument in arguments)
            return f"{inside_functor(functor)}({inside})"
        case _:
            return repr(value)


def inside_functor(name: str) -> str:
    """A functor or predicate name, quoted where it must be (a leading `-` is strong negation)."""
    if name.startswith("-") and len(name) > 1:
        return "-" + inside_functor(name[1:])
    return name if _BARE.match(name) else _quote(name, "'")


def is_scoped(name: str) -> bool:
    """Whether a name is that of a predicate in a scope, as `scope1:profit` in ProbLog."""
    scope, colon, own = name.partition(":")
    return bool(colon and _BARE.match(scope) and _BARE.match(own))


def predicate_name(name: str) -> str:
    """A predicate's name as a rule writes it: like a functor's, but for the alias of an included file.

    A scope of ProbLog's is part of a name too, and queries read it.

    >>> predicate_name("kin.parent"), predicate_name("-kin.two words"), predicate_name("a b"), predicate_name("s1:p")
    ('kin.parent', "-kin.'two words'", "'a b'", 's1:p')
    """
    if is_scoped(name):
        return name
    if name.startswith("-") and len(name) > 1:
        return "-" + predicate_name(name[1:])
    aliases = _ALIASES.match(name)
    if aliases is None:
        return inside_functor(name)
    last = name[aliases.end() :]
    return aliases[0] + (last if _BARE.match(last) else _quote(last, "'"))


def _quote(text: str, mark: str) -> str:
    escaped = text.replace("\\", "\\\\").replace(mark, "\\" + mark)
    return mark + escaped.replace("\n", "\\n").replace("\t", "\\t").replace("\r", "\\r") + mark
