"""Operators, functions and comparisons: their one meaning.

The parser takes names and arities from here, checks take kinds, rule evaluation takes the meaning
(a vectorised kernel must agree with it), documentation takes the sentences.

Arithmetic is ProbLog's: `/` always gives a float, `//` and `mod` round towards minus infinity, `**` of
integers is an integer unless the exponent is negative, `round` takes halves to the even neighbour. Integers
are 64 bits wide. What has no result (a division by zero, an overflow, a wrong kind of argument) is a
`FunctionError`, never a silent failure of the rule.

`=` is identity, as in Prolog, ProbLog and ASP, so that it means the same whether it binds, joins or tests:
`1 = 1.0` does not hold. `!=` is its complement. The other comparisons follow the standard order of terms:
numbers by value, then symbols, then strings, then compounds by number of arguments, functor, arguments.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

from nesy.errors import NesyError
from nesy.language.values import CONS, NIL, Compound, Symbol, Value, format_value, key

Kind: TypeAlias = Literal["number", "integer", "text", "value"]
Comparator: TypeAlias = Literal["=", "!=", "<", "<=", ">", ">="]

INT_MIN, INT_MAX = -(2**63), 2**63 - 1
# A text longer than this (characters) is an error: a recursive concat would otherwise fill the memory.
MAX_TEXT = 1_000_000


class FunctionError(NesyError):
    """A function has no result for its arguments; the text names the call."""


class _NoResult(Exception):
    """Raised by a meaning, with the reason."""


@dataclass(frozen=True, slots=True)
class Function:
    """An entry of the table: what may be called, on what, and what it means."""

    name: str
    kinds: tuple[Kind, ...]
    meaning: Callable[..., Value]
    doc: str
    result: Literal["", "int", "float", "text"] = ""  # what a registered function gives, where it says so
    is_test: bool = False  # gives 1 or 0: the language lets it stand as a condition of its own

    @property
    def arity(self) -> int:
        return len(self.kinds)


class Registered(str):
    """The name of a function that came with the program (see `python_functions`), and the function itself.

    Expressions name their function; this name can be evaluated without any table beside it.
    """

    __slots__ = ("entry",)
    entry: Function

    @classmethod
    def of(cls, entry: Function) -> Registered:
        name = cls(entry.name)
        name.entry = entry
        return name


# -- what the entries mean -----------------------------------------------------------------------------


def _text(value: Value) -> str:
    return value.name if isinstance(value, Symbol) else str(value)


def _like(first: Value, text: str) -> Value:
    """A text of the same kind as the first argument: lower('Word') stays a symbol."""
    return Symbol(text) if isinstance(first, Symbol) else text


def _power(base: int | float, exponent: int | float) -> int | float:
    if isinstance(base, int) and isinstance(exponent, int) and exponent > 0 and abs(base) > 1 and exponent > 64:
        raise OverflowError  # before the big number is built
    result = base**exponent
    if isinstance(result, complex):
        raise _NoResult("a negative number has no real power with this exponent")
    return result


def _length(value: Value) -> int:
    if isinstance(value, str | Symbol) and value != NIL:
        return len(_text(value))
    length = 0
    while isinstance(value, Compound) and value.functor == CONS and len(value.arguments) == 2:
        value, length = value.arguments[1], length + 1
    if value != NIL:
        raise _NoResult("expected a text or a list")
    return length


def _substring(text: Value, start: int, length: int) -> Value:
    if start < 0 or length < 0 or start + length > len(_text(text)):
        raise _NoResult("start and length reach outside the text")
    return _like(text, _text(text)[start : start + length])


def _number(value: Value) -> Value:
    if isinstance(value, int | float):
        return value
    if not isinstance(value, str | Symbol):
        raise _NoResult("expected a number or a text")
    text = _text(value)
    if "_" in text:  # Python reads 1_000, the rule language does not
        raise _NoResult("the text is not a number")
    for read in (int, float):
        try:
            return read(text)
        except ValueError:
            continue
    raise _NoResult("the text is not a number")


def _string(value: Value) -> str:
    return _text(value) if isinstance(value, str | Symbol) else format_value(value)


def _entries() -> list[Function]:
    two: tuple[Kind, ...] = ("number", "number")
    whole: tuple[Kind, ...] = ("integer", "integer")
    texts: tuple[Kind, ...] = ("text", "text")
    return [
        Function("+", two, lambda a, b: a + b, "Sum."),
        Function("-", two, lambda a, b: a - b, "Difference."),
        Function("*", two, lambda a, b: a * b, "Product."),
        Function("/", two, lambda a, b: a / b, "Quotient, always a float."),
        Function("//", two, lambda a, b: a // b, "Quotient rounded towards minus infinity."),
        Function("mod", two, lambda a, b: a % b, "Remainder of `//`; it has the sign of the divisor."),
        Function("**", two, _power, "Power; an integer for integers, unless the exponent is negative."),
        Function("min", two, lambda a, b: b if b < a else a, "The smaller of two numbers."),
        Function("max", two, lambda a, b: b if b > a else a, "The larger of two numbers."),
        Function("gcd", whole, math.gcd, "The greatest common divisor, never negative; gcd(0, 0) is 0."),
        Function("-", ("number",), lambda a: -a, "Negation."),
        Function("+", ("number",), lambda a: a, "The number itself."),
        Function("abs", ("number",), lambda a: abs(a), "Absolute value."),
        Function("sign", ("number",), lambda a: (a > 0) - (a < 0), "-1, 0 or 1."),
        Function("sqrt", ("number",), math.sqrt, "Square root, a float."),
        Function("exp", ("number",), math.exp, "Exponential function."),
        Function("log", ("number",), math.log, "Natural logarithm."),
        Function("sin", ("number",), math.sin, "Sine of an angle in radians."),
        Function("cos", ("number",), math.cos, "Cosine of an angle in radians."),
        Function("float", ("number",), float, "The number as a float."),
        Function("integer", ("number",), int, "The number without its fraction, an integer."),
        Function("truncate", ("number",), lambda a: math.trunc(a), "The number without its fraction, an integer."),
        Function("round", ("number",), lambda a: round(a), "The nearest integer; halves go to the even neighbour."),
        Function("floor", ("number",), math.floor, "The largest integer not above."),
        Function("ceiling", ("number",), math.ceil, "The smallest integer not below."),
        Function("/\\", whole, lambda a, b: a & b, "Bitwise and."),
        Function("\\/", whole, lambda a, b: a | b, "Bitwise or."),
        Function("xor", whole, lambda a, b: a ^ b, "Bitwise exclusive or."),
        Function("length", ("value",), _length, "Number of characters of a text, or of items of a list."),
        Function("concat", texts, lambda a, b: _like(a, _text(a) + _text(b)), "Two texts joined."),
        Function("lower", ("text",), lambda a: _like(a, _text(a).lower()), "The text in lower case."),
        Function("upper", ("text",), lambda a: _like(a, _text(a).upper()), "The text in upper case."),
        Function(
            "substring",
            ("text", "integer", "integer"),
            _substring,
            "The text from a start (counted from 0) for a number of characters.",
        ),
        Function(
            "starts_with",
            texts,
            lambda a, b: int(_text(a).startswith(_text(b))),
            "1 if the first text starts with the second, else 0.",
            is_test=True,
        ),
        Function(
            "ends_with",
            texts,
            lambda a, b: int(_text(a).endswith(_text(b))),
            "1 if the first text ends with the second, else 0.",
            is_test=True,
        ),
        Function(
            "contains",
            texts,
            lambda a, b: int(_text(b) in _text(a)),
            "1 if the first text contains the second, else 0.",
            is_test=True,
        ),
        Function("number", ("value",), _number, "The number that a text writes."),
        Function("string", ("value",), _string, "The value as a string, in the language's syntax."),
        Function("symbol", ("text",), lambda a: Symbol(_text(a)), "The text as a symbol."),
    ]


FUNCTIONS: Mapping[tuple[str, int], Function] = MappingProxyType({(f.name, f.arity): f for f in _entries()})
COMPARATORS: tuple[Comparator, ...] = ("=", "!=", "<", "<=", ">", ">=")


def arities(name: str) -> tuple[int, ...]:
    """The numbers of arguments a function can be called with; empty if there is none of that name.

    >>> arities("-"), arities("sine")
    ((1, 2), ())
    """
    return tuple(sorted(arity for known, arity in FUNCTIONS if known == name))


def evaluate(name: str, values: Sequence[Value]) -> Value:
    """The value of a function applied to values.

    Raises: FunctionError, naming the call, where it has no result; KeyError where there is no such function.

    >>> evaluate("//", (7, 2)), evaluate("/", (6, 2)), evaluate("concat", ("un", "kind"))
    (3, 3.0, 'unkind')
    """
    function = name.entry if isinstance(name, Registered) else FUNCTIONS[name, len(values)]
    for kind, value in zip(function.kinds, values, strict=True):
        if not _is_kind(kind, value):
            article = "an" if kind == "integer" else "a"
            raise FunctionError(f"{format_call(name, values)}: `{format_value(value)}` is not {article} {kind}")
    try:
        result = function.meaning(*values)
    except FunctionError as error:
        raise FunctionError(f"{format_call(name, values)}: {error}") from error.__cause__
    except ZeroDivisionError:
        raise FunctionError(f"{format_call(name, values)}: division by zero") from None
    except OverflowError:
        raise FunctionError(f"{format_call(name, values)}: the result is too large") from None
    except _NoResult as error:
        raise FunctionError(f"{format_call(name, values)}: {error}") from None
    except ValueError:  # from Python's math, whose text says only "math domain error"
        raise FunctionError(f"{format_call(name, values)}: no real result") from None
    match result:
        case int() if not INT_MIN <= result <= INT_MAX:
            raise FunctionError(f"{format_call(name, values)}: the result is beyond 64-bit integers")
        case float():
            if not math.isfinite(result):
                raise FunctionError(f"{format_call(name, values)}: the result is not a finite number")
            return result + 0.0  # -0.0 becomes 0.0: they would be two constants that look equal
        case str() | Symbol() if len(_text(result)) > MAX_TEXT:
            raise FunctionError(f"{name}: the result has more than {MAX_TEXT} characters")
        case _:
            return result


def _is_kind(kind: Kind, value: Value) -> bool:
    match kind:
        case "number":
            return isinstance(value, int | float)
        case "integer":
            return isinstance(value, int)
        case "text":
            return isinstance(value, str | Symbol)
        case "value":
            return True


def format_call(name: str, values: Sequence[Value]) -> str:
    """A call as it would be written, in backticks.

    >>> format_call("//", (7, 0)), format_call("length", ("ab",))
    ('`7 // 0`', '`length("ab")`')
    """
    inside = [format_value(value) for value in values]
    if name[0].isalpha() and name not in ("mod", "xor"):
        return f"`{name}({', '.join(inside)})`"
    return f"`{f' {name} '.join(inside)}`" if len(inside) == 2 else f"`{name}{inside[0]}`"


# -- comparison ----------------------------------------------------------------------------------------


def compare(operator: Comparator, left: Value, right: Value) -> bool:
    """Whether a comparison of two values holds; see the module's text for `=` and the order.

    >>> compare("<", 2, 10), compare("<", Symbol("b"), "a"), compare("=", 1, 1.0), compare("<=", 1, 1.0)
    (True, True, False, True)
    """
    match operator:
        case "=":
            return key(left) == key(right)
        case "!=":
            return key(left) != key(right)
        case "<":
            return order(left, right) < 0
        case "<=":
            return order(left, right) <= 0
        case ">":
            return order(left, right) > 0
        case ">=":
            return order(left, right) >= 0


def order(left: Value, right: Value) -> int:
    """-1, 0 or 1: the standard order of terms; 0 also for the same number as an int and as a float."""
    pairs: list[tuple[Value, Value]] = [(left, right)]
    while pairs:
        a, b = pairs.pop()
        if isinstance(a, Compound) and isinstance(b, Compound):
            first: tuple[int, Any] = (len(a.arguments), a.functor)
            second: tuple[int, Any] = (len(b.arguments), b.functor)
            if first == second:
                pairs.extend(reversed(list(zip(a.arguments, b.arguments, strict=True))))
                continue
        else:
            first, second = _flat_key(a), _flat_key(b)
        if first != second:
            return -1 if first < second else 1
    return 0


def _flat_key(value: Value) -> tuple[int, Any]:
    match value:
        case int() | float():
            return 0, value
        case Symbol(name):
            return 1, name
        case str():
            return 2, value
        case Compound():
            return 3, 0  # compared with a compound it is never reached, with others the rank decides


class OrderKey:
    """A sort key by the standard order; an int and a float of the same value are ordered by type.

    >>> sorted([Symbol("b"), "a", 3, 1.5, 3.0], key=OrderKey)
    [1.5, 3.0, 3, Symbol(name='b'), 'a']
    """

    __slots__ = ("value",)

    def __init__(self, value: Value):
        self.value = value

    def __lt__(self, other: OrderKey) -> bool:
        first = order(self.value, other.value)
        if first == 0 and key(self.value) != key(other.value):
            return repr(key(self.value)) < repr(key(other.value))
        return first < 0
