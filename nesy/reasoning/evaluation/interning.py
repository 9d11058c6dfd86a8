"""Values as int64 ids, so that relations are arrays and equality is equality of numbers.

A small integer v is its own id, without any table: `2 * zigzag(v)`, where zigzag is 0, -1, 1, -2, ... -> 0, 1,
2, 3, .... Everything else gets an odd id by a table. A compound is interned by the ids of its arguments,
so a long list costs one entry for each of its cells, and taking it apart is a look-up.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from nesy.errors import LimitError
from nesy.language.values import Compound, Symbol, Value
from nesy.reasoning.evaluation.kernels import Index, Mask

# Integers from -SMALL to SMALL-1 have ids without a table: 22 bits, so that two columns fit a key with room to spare.
SMALL = 1 << 20


class DepthError(LimitError):
    """A structure is nested more deeply than the limit."""


class Parts(NamedTuple):
    """A compound by ids."""

    functor: str
    arguments: tuple[int, ...]


class Interner:
    """Gives values ids and back. A child sees its parent's entries and adds its own (the parent must not grow then)."""

    def __init__(self, parent: Interner | None = None, max_depth: int = 400):
        self._parent = parent
        self._start: int = len(parent) if parent else 0
        self._entries: list[Value | Parts] = []
        self._ids: dict[tuple[type, object] | Parts, int] = {}
        self._depths: list[int] = []
        self._max_depth = max_depth
        self._numbers = np.empty(0, dtype=np.float64)
        self._largest: int = (
            parent._largest if parent is not None else 0
        )  # id of an integer that was asked for by itself

    def __len__(self) -> int:
        return self._start + len(self._entries)

    @property
    def bound(self) -> int:
        """All ids given one by one are below this: those of the table, and of integers in the program's text."""
        return max(2 * len(self), self._largest) + 1

    def intern(self, value: Value) -> int:
        """The id of a value.

        Raises: DepthError for a compound that is nested too deeply.
        """
        if isinstance(value, int) and -SMALL <= value < SMALL:
            identity = 4 * value if value >= 0 else -4 * value - 2
            self._largest = max(self._largest, identity)
            return identity
        if isinstance(value, Symbol):  # by its name: hashing a word is quicker than hashing a dataclass
            return self._entry((Symbol, value.name), value, 0)
        if isinstance(value, Compound):
            return self._intern_compound(value)
        return self._entry((type(value), value), value, 0)

    def _intern_compound(self, value: Compound) -> int:
        # With a stack of its own, as a list may be nested more deeply than Python's stack.
        done: list[int] = []
        todo: list[Value | tuple[str, int]] = [value]
        while todo:
            item = todo.pop()
            if isinstance(item, tuple):
                functor, arity = item
                arguments = tuple(done[len(done) - arity :])
                del done[len(done) - arity :]
                done.append(self.compound(functor, arguments))
            elif isinstance(item, Compound):
                todo.append((item.functor, len(item.arguments)))
                todo.extend(reversed(item.arguments))
            else:
                done.append(self.intern(item))
        return done[0]

    def compound(self, functor: str, arguments: tuple[int, ...]) -> int:
        """The id of a compound of values that have ids.

        Raises: DepthError where it is nested more deeply than allowed.
        """
        depth = 1 + max((self._depth(argument) for argument in arguments), default=0)
        if depth > self._max_depth:
            raise DepthError(
                f"a structure `{functor}/{len(arguments)}` is nested more than {self._max_depth} deep"
                f"; raise the limit with Limits(depth={2 * self._max_depth})"
            )
        parts = Parts(functor, arguments)
        return self._entry(parts, parts, depth)

    def _entry(self, key: tuple[type, object] | Parts, entry: Value | Parts, depth: int) -> int:
        table: Interner | None = self
        while table is not None:
            known = table._ids.get(key)
            if known is not None:
                return known
            table = table._parent
        identity = 2 * len(self) + 1
        self._ids[key] = identity
        self._entries.append(entry)
        self._depths.append(depth)
        return identity

    def lookup(self, identity: int) -> Value | Parts:
        """What an id stands for; a compound as the ids of its parts."""
        if not identity & 1:
            half = identity >> 1
            return (half >> 1) ^ -(half & 1)
        place = identity >> 1
        table = self
        while place < table._start:
            assert table._parent is not None
            table = table._parent
        return table._entries[place - table._start]

    def _depth(self, identity: int) -> int:
        if not identity & 1:
            return 0
        place = identity >> 1
        table = self
        while place < table._start:
            assert table._parent is not None
            table = table._parent
        return table._depths[place - table._start]

    def value(self, identity: int) -> Value:
        """The value of an id."""
        entry = self.lookup(identity)
        if not isinstance(entry, Parts):
            return entry
        done: list[Value] = []
        todo: list[int | Parts] = [identity]
        closing: list[bool] = [False]
        while todo:
            item, close = todo.pop(), closing.pop()
            if close:
                assert isinstance(item, Parts)
                arity = len(item.arguments)
                arguments = tuple(done[len(done) - arity :])
                del done[len(done) - arity :]
                done.append(Compound(item.functor, arguments))
                continue
            assert isinstance(item, int)
            found = self.lookup(item)
            if isinstance(found, Parts):
                todo.append(found)
                closing.append(True)
                todo.extend(reversed(found.arguments))
                closing.extend([False] * len(found.arguments))
            else:
                done.append(found)
        return done[0]

    def values(self, ids: Iterable[int]) -> tuple[Value, ...]:
        return tuple(self.value(int(identity)) for identity in ids)

    def intern_rows(self, rows: Sequence[Sequence[Value]], arity: int) -> list[Index]:
        """Columns of ids of rows of values."""
        return [self.intern_column([row[place] for row in rows]) for place in range(arity)]

    def intern_column(self, values: Sequence[Value]) -> Index:
        """The ids of a column; a column of small integers without a look per value, of text with one per word."""
        types = set(map(type, values))
        if types == {str}:
            known = {value: self._entry((str, value), value, 0) for value in dict.fromkeys(values)}
            return np.fromiter(map(known.__getitem__, values), dtype=np.int64, count=len(values))
        if types == {int}:
            try:
                array = np.array(values, dtype=np.int64)
            except OverflowError:
                array = None
            if array is not None and is_small(array).all():
                return encode_small(array)
        return np.fromiter((self.intern(value) for value in values), dtype=np.int64, count=len(values))

    def intern_integers(self, integers: Index) -> Index:
        """The ids of integers given as an array."""
        small = is_small(integers)
        if small.all():
            return encode_small(integers)
        ids = encode_small(integers)
        big, inverse = np.unique(integers[~small], return_inverse=True)
        ids[~small] = np.array([self.intern(int(value)) for value in big], dtype=np.int64)[inverse.reshape(-1)]
        return ids

    def intern_symbols(self, names: Sequence[str]) -> Index:
        """The ids of bare words."""
        return np.fromiter((self.intern(Symbol(name)) for name in names), dtype=np.int64, count=len(names))


def is_small(integers: Index) -> Mask:
    """Which integers have an id without a table."""
    return (integers >= -SMALL) & (integers < SMALL)


def encode_small(integers: Index) -> Index:
    """The ids of small integers (what comes out for others is no id)."""
    return 2 * ((integers << 1) ^ (integers >> 63))


def decode_small(ids: Index) -> Index:
    """The integers of even ids (what comes out for odd ids is no value)."""
    half = ids >> 1
    return (half >> 1) ^ -(half & 1)
