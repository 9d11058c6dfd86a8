"""Functions written in Python, callable in rules.

    @nesy.function
    def distance(x: float, y: float) -> float:
        "How far apart two numbers are."
        return abs(x - y)

    program = nesy.load("near.nesy", functions=[distance])

A rule file never imports code: who loads it hands the functions over, each named by its Python name. A function is
pure: it is called once for each combination of arguments, and its results are kept, so to rules and to proofs it is a
table of values. Its annotations are its type: `int`, `float` (any number), `str` (a name or a string), `Symbol`, `bool`
(only as a result: it can stand as a condition), and `Value` for anything.
"""

from __future__ import annotations

import inspect
import math
import re
import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

from nesy.errors import NesyError
from nesy.language.functions import FUNCTIONS, Function, FunctionError, Kind, Registered
from nesy.language.values import Compound, Symbol, Value, key

_KINDS: Mapping[Any, Kind] = MappingProxyType(
    {int: "integer", float: "number", str: "text", Symbol: "text", Value: "value"}
)
_RESULTS: Mapping[Any, Literal["", "int", "float", "text"]] = MappingProxyType(
    {int: "int", bool: "int", float: "float", str: "text", Symbol: "text"}
)
_NAME = re.compile(r"(?!(?:not|is|mod|xor|t|query|evidence)\Z)[a-z][A-Za-z0-9_]*\Z")
_INTEGERS = range(-(2**63), 2**63)
# Results kept for one function; beyond, it is called again.
_MAX_KEPT = 1_000_000


class FunctionTypeError(NesyError):
    """A Python function cannot be called in rules; the text says what to annotate or to rename."""


@dataclass(frozen=True)
class PythonFunction:
    """A Python function that rules can call; in Python it stays callable."""

    python: Callable[..., Any]
    entry: Function

    def __call__(self, *arguments: Any) -> Any:
        return self.python(*arguments)


def function(python: Callable[..., Any]) -> PythonFunction:
    """Make a typed, pure Python function callable in rules (as a decorator).

    A result `str` is a symbol, as Python text is everywhere, and `nesy.String` a string; `True` is 1, `False` 0.

    Raises: FunctionTypeError, for what is not annotated or has a type that rules do not know.

    >>> from nesy.language import parse_program
    >>> @function
    ... def double(x: int) -> int:
    ...     return 2 * x
    >>> len(parse_program("p(1). q(Y) :- p(X), Y = double(X).", functions=[double]).rules)
    1
    """
    name = getattr(python, "__name__", "?")
    if not _NAME.match(name):
        raise FunctionTypeError(f"`{name}` cannot name a function in rules: it starts with a small letter")
    try:
        signature, hints = inspect.signature(python), typing.get_type_hints(python)
    except (TypeError, ValueError, NameError) as error:
        raise FunctionTypeError(f"`{name}`: its annotations cannot be read: {error}") from None
    kinds: list[Kind] = []
    wants: list[Any] = []
    for parameter in signature.parameters.values():
        if parameter.kind not in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD):
            raise FunctionTypeError(f"`{name}`: `{parameter}` has to be a plain parameter")
        kinds.append(_kind(name, f"parameter `{parameter.name}`", hints.get(parameter.name), _KINDS))
        wants.append(hints[parameter.name])
    if not kinds:
        raise FunctionTypeError(f"`{name}` has no parameters: write its value in the rules")
    if (name, len(kinds)) in FUNCTIONS:
        raise FunctionTypeError(f"`{name}` of {len(kinds)} arguments is part of the language: give it another name")
    result = hints.get("return")
    _kind(name, "its result", result, {**_KINDS, bool: "integer"})
    table = _Table(name, python, tuple(wants), result)
    doc = (inspect.getdoc(python) or "A Python function.").splitlines()[0]
    return PythonFunction(
        python, Function(name, tuple(kinds), table.look_up, doc, _RESULTS.get(result, ""), result is bool)
    )


def by_name(functions: Iterable[Callable[..., Any]]) -> Mapping[tuple[str, int], Function]:
    """The functions of the language, and these.

    Raises: FunctionTypeError, for two of one name and number of arguments, and what `function` refuses.
    """
    known = dict(FUNCTIONS)
    for each in functions:
        entry = (each if isinstance(each, PythonFunction) else function(each)).entry
        if (entry.name, entry.arity) in known:
            raise FunctionTypeError(f"two functions are called `{entry.name}` and take {entry.arity} arguments")
        known[Registered.of(entry), entry.arity] = entry
    return MappingProxyType(known)


def _kind(name: str, what: str, hint: Any, kinds: Mapping[Any, Kind]) -> Kind:
    for known, kind in kinds.items():
        if hint == known:
            return kind
    found = "has no type" if hint is None else f"has type `{getattr(hint, '__name__', hint)}`"
    raise FunctionTypeError(
        f"`{name}`: {what} {found}: annotate it as int, float, str, Symbol, bool (a result) or Value"
    )


class _Table:
    """What a function gave for each combination of arguments that rules asked for."""

    def __init__(self, name: str, python: Callable[..., Any], wants: tuple[Any, ...], result: Any):
        self._name, self._python, self._wants, self._result = name, python, wants, result
        self._kept: dict[tuple[object, ...], Value] = {}

    def look_up(self, *values: Value) -> Value:
        known = tuple(key(value) for value in values)
        if known in self._kept:
            return self._kept[known]
        try:
            found = self._python(*map(_given, values, self._wants))
        except Exception as error:
            raise FunctionError(f"{type(error).__name__} in Python: {error}") from error
        value = self._taken(found)
        if len(self._kept) < _MAX_KEPT:
            self._kept[known] = value
        return value

    def _taken(self, found: Any) -> Value:
        """The value of a result, which has to be of the annotated type."""
        match found:
            case bool() if self._result is bool:
                return int(found)
            case bool():
                pass
            case int() if found in _INTEGERS and self._result in (int, Value):
                return found
            case int() | float() if self._result is float and math.isfinite(found):
                return float(found)
            case float() if self._result == Value and math.isfinite(found):
                return found
            case str() if self._result in (str, Value):
                return Symbol(found) if type(found) is str else str(found)
            case Symbol() if self._result in (str, Symbol, Value):
                return found
            case Compound() if self._result == Value:
                return found
            case _:
                pass
        wanted = getattr(self._result, "__name__", "Value")
        raise FunctionError(f"it gave {found!r}, and its result is annotated `{wanted}`")


def _given(value: Value, want: Any) -> Any:
    """A value as Python's function wants it."""
    if want is str and isinstance(value, Symbol):
        return value.name
    if want is Symbol and isinstance(value, str):
        return Symbol(value)
    return float(value) if want is float and isinstance(value, int) else value
