"""Expressions, comparisons and structures over columns of ids.

Integer arithmetic and the order of integers run as array operations. Everything else goes through the one
meaning in `nesy.language.functions`, once for each distinct combination of arguments.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nesy.language import functions
from nesy.language.functions import Comparator
from nesy.language.values import Value
from nesy.reasoning.evaluation.interning import Parts, decode_small
from nesy.reasoning.evaluation.kernels import Index, Mask
from nesy.reasoning.evaluation.relation import Packing, Space
from nesy.reasoning.evaluation.rules import Build, Call, Operand

Column = Index | int
Columns = dict[str, Index]

# Exact on small integers: a product has at most 42 bits.
_ARRAY: dict[tuple[str, int], Callable[..., Any]] = {
    ("+", 2): operator.add,
    ("-", 2): operator.sub,
    ("*", 2): operator.mul,
    ("//", 2): operator.floordiv,
    ("mod", 2): operator.mod,
    ("min", 2): np.minimum,
    ("max", 2): np.maximum,
    ("gcd", 2): np.gcd,
    ("-", 1): operator.neg,
    ("+", 1): operator.pos,
    ("abs", 1): operator.abs,
    ("sign", 1): np.sign,
}
_ORDER: dict[Comparator, Callable[[Index, Index], Mask]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def evaluate(operand: Operand, columns: Columns, size: int, space: Space) -> Column:
    """The ids of an operand for each row; one id where it is the same for all.

    Raises: FunctionError where a function has no result.
    """
    match operand:
        case int():
            return operand
        case str():
            return columns[operand]
        case Call(function, operands):
            arguments = [evaluate(inner, columns, size, space) for inner in operands]
            return _call(function, arguments, size, space)
        case Build(functor, operands):
            arguments = [evaluate(inner, columns, size, space) for inner in operands]
            return _per_row(arguments, size, space, lambda *ids: space.interner.compound(functor, ids))


def _call(function: str, arguments: list[Column], size: int, space: Space) -> Column:
    kernel = _ARRAY.get((function, len(arguments)))
    if kernel is not None and all(_is_small(argument) for argument in arguments):
        numbers = [_decode(argument) for argument in arguments]
        if function not in ("//", "mod") or np.all(numbers[1] != 0):
            result = space.interner.intern_integers(np.atleast_1d(kernel(*numbers)))
            space.admit(result)
            return result if len(result) == size else np.broadcast_to(result, size)
    interner = space.interner

    def meaning(*ids: int) -> int:
        return interner.intern(functions.evaluate(function, interner.values(ids)))

    return _per_row(arguments, size, space, meaning)


def _per_row(arguments: Sequence[Column], size: int, space: Space, meaning: Callable[..., int]) -> Index:
    """A function of ids, called once for each distinct row of arguments."""
    distinct, inverse = _distinct(arguments, size, space)
    count = len(distinct[0]) if distinct else 1
    rows = zip(*(column.tolist() for column in distinct), strict=True) if distinct else [()]
    results = np.fromiter((meaning(*row) for row in rows), dtype=np.int64, count=count)
    space.admit(results)
    return results[inverse]


def _distinct(arguments: Sequence[Column], size: int, space: Space) -> tuple[list[Index], Index]:
    packing = Packing((space.bits,) * len(arguments))
    distinct, inverse = np.unique(packing.pack(arguments, size), return_inverse=True)
    return packing.unpack(distinct), inverse.reshape(-1)


def _is_small(column: Column) -> bool:
    return not column & 1 if isinstance(column, int) else not np.any(column & 1)


def _decode(column: Column) -> Index:
    return decode_small(np.asarray(column, dtype=np.int64))


def holds(comparator: Comparator, left: Column, right: Column, size: int, space: Space) -> Mask:
    """For which rows a comparison holds."""
    if comparator == "=":
        return np.broadcast_to(np.equal(left, right), size)
    if comparator == "!=":
        return np.broadcast_to(np.not_equal(left, right), size)
    if _is_small(left) and _is_small(right):
        return np.broadcast_to(_ORDER[comparator](_decode(left), _decode(right)), size)
    distinct, inverse = _distinct((left, right), size, space)
    value = space.interner.value
    verdict = [
        functions.compare(comparator, value(a), value(b))
        for a, b in zip(distinct[0].tolist(), distinct[1].tolist(), strict=True)
    ]
    return np.array(verdict, dtype=np.bool_)[inverse]


def take_apart(ids: Column, functor: str, arity: int, size: int, space: Space) -> tuple[Mask, list[Index]]:
    """Which rows hold a compound of this functor and arity, and for those rows their arguments."""
    column = np.broadcast_to(np.asarray(ids, dtype=np.int64), size)
    distinct, inverse = np.unique(column, return_inverse=True)
    fits = np.zeros(len(distinct), dtype=np.bool_)
    arguments = np.zeros((arity, len(distinct)), dtype=np.int64)
    for place, identity in enumerate(distinct.tolist()):
        entry = space.interner.lookup(identity)
        if isinstance(entry, Parts) and entry.functor == functor and len(entry.arguments) == arity:
            fits[place] = True
            arguments[:, place] = entry.arguments
    inverse = inverse.reshape(-1)
    mask = fits[inverse]
    return mask, list(arguments[:, inverse[mask]])


def numbers_of(ids: Index, space: Space) -> NDArray[Any] | None:
    """The numbers that ids stand for: int64 if all are integers, else float64; None if one is no number."""
    if _is_small(ids):
        return decode_small(ids)
    distinct, inverse = np.unique(ids, return_inverse=True)
    values: list[Value] = [space.interner.value(identity) for identity in distinct.tolist()]
    if not all(isinstance(value, int | float) for value in values):
        return None
    exact = all(isinstance(value, int) for value in values)
    return np.array(values, dtype=np.int64 if exact else np.float64)[inverse.reshape(-1)]
