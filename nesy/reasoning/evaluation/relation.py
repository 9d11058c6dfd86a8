"""Relations: sets of rows of ids, each row packed into one int64 key, kept as a few sorted runs.

A run is sorted, free of duplicates and never changes; what is derived in a round becomes a run, and runs
of like size are merged, so that n rounds that add one row each cost n log n. Indexes belong to a run
and are built when a join first asks for them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nesy.reasoning.evaluation.interning import Interner
from nesy.reasoning.evaluation.kernels import (
    EMPTY,
    Index,
    Mask,
    csr,
    difference,
    find,
    merge,
    sorted_unique,
    unique_inverse,
)

KEY_BITS = 62  # of an int64: the sign stays free, and so does one bit for sums
WIDE_BITS = 31  # ids and codes in rows too wide for one key
Columns = Sequence[Index | int]


class Space:
    """What all relations of one evaluation share: the ids, and how many bits one takes in a key."""

    def __init__(self, interner: Interner, num_samples: int = 1):
        self.interner = interner
        self.num_samples = num_samples
        self.sample_bits = max(1, (num_samples - 1).bit_length())
        self.bits = max(4, interner.bound.bit_length())

    def admit(self, *columns: Index) -> None:
        """Make room for the ids of new columns; relations repack themselves when they notice."""
        largest = max((int(column.max()) for column in columns if len(column)), default=0)
        needed = largest.bit_length()
        if needed > self.bits:
            self.bits = needed + 1  # one to spare: counters grow, and each repacking touches every row

    def widths(self, arity: int, sampled: bool) -> tuple[int, ...]:
        return (self.sample_bits,) * sampled + (self.bits,) * (arity - sampled)


class Codes:
    """Dense codes for keys, in the order of their arrival: packs rows that are too wide for one key."""

    def __init__(self) -> None:
        self._sorted: Index = EMPTY
        self._code: Index = EMPTY
        self._keys: Index = EMPTY  # by code

    def add(self, keys: Index) -> Index:
        new = difference(sorted_unique(keys.copy()), self._sorted)
        if len(new):
            place = np.searchsorted(self._sorted, new)
            codes = np.arange(len(self._keys), len(self._keys) + len(new))
            self._sorted = np.insert(self._sorted, place, new)
            self._code = np.insert(self._code, place, codes)
            self._keys = np.concatenate([self._keys, new])
        return self._code[np.searchsorted(self._sorted, keys)]

    def look(self, keys: Index) -> Index:
        """The codes, -1 where a key has none."""
        place, found = find(self._sorted, keys)
        return np.where(found, self._code[place] if len(self._code) else -1, -1)

    def keys(self, codes: Index) -> Index:
        return self._keys[codes]


class Packing:
    """How rows become keys: bit fields side by side, or codes of codes where the fields do not fit."""

    def __init__(self, widths: tuple[int, ...]):
        self.widths = widths
        self.bits = sum(widths)
        self.is_direct = self.bits <= KEY_BITS
        self._codes = () if self.is_direct else tuple(Codes() for _ in widths[2:])

    def pack(self, columns: Columns, size: int, insert: bool = True) -> Index:
        """The keys of rows; without `insert`, -1 for a row that a wide packing has never seen."""
        if not columns:
            return np.zeros(size, dtype=np.int64)
        if self.is_direct:
            key: Index | int = columns[0]
            for column, width in zip(columns[1:], self.widths[1:], strict=True):
                key = (key << width) | column
            return np.full(size, key, dtype=np.int64) if isinstance(key, int) else key
        key = np.broadcast_to(np.asarray(columns[0]), size).astype(np.int64)
        missing = np.zeros(size, dtype=np.bool_)
        for column, codes in zip(columns[1:], (*self._codes, None), strict=True):
            key = (key << WIDE_BITS) | column
            if codes is not None:
                key = codes.add(key) if insert else codes.look(key)
                missing |= key < 0
        return np.where(missing, -1, key)

    def repack(self, other: Packing, keys: Index) -> Index:
        """Keys of another packing as keys of this one."""
        return keys if other is self else self.pack(other.unpack(keys), len(keys))

    def unpack(self, keys: Index) -> list[Index]:
        """The columns of rows."""
        columns: list[Index] = []
        if self.is_direct:
            for width in reversed(self.widths[1:]):
                columns.append(keys & ((1 << width) - 1))
                keys = keys >> width
        else:
            for codes in (None, *reversed(self._codes)):
                if codes is not None:
                    keys = codes.keys(keys)
                columns.append(keys & ((1 << WIDE_BITS) - 1))
                keys = keys >> WIDE_BITS
        if self.widths:
            columns.append(keys)
        columns.reverse()
        return columns


class JoinIndex:
    """Rows of a run by the values of some columns: sorted join keys, and the row each belongs to."""

    def __init__(self, packing: Packing, keys: Index, order: Index | None):
        self.packing = packing
        self.keys = keys
        self.order = order  # None: the run's own order
        # Pointers by key pay where keys are dense; else a binary search for each probe.
        dense = packing.is_direct and (1 << packing.bits) <= 8 * len(keys) + 64
        self._ptr = csr(keys, 1 << packing.bits) if dense else None

    @property
    def num_bytes(self) -> int:
        """What the index takes besides the run's own rows."""
        order = 0 if self.order is None else self.order.nbytes + self.keys.nbytes
        return order + (0 if self._ptr is None else self._ptr.nbytes)

    def ranges(self, columns: Columns, size: int) -> tuple[Index, Index]:
        """For each probe row, where its matches start and how many there are."""
        probes = self.packing.pack(columns, size, insert=False)
        if self._ptr is not None:
            start = self._ptr[probes]
            return start, self._ptr[probes + 1] - start
        start = np.searchsorted(self.keys, probes)
        return start, np.searchsorted(self.keys, probes, side="right") - start


class Run:
    """Sorted distinct rows of one relation."""

    def __init__(self, packing: Packing, keys: Index):
        self.packing = packing
        self.keys = keys
        self._columns: list[Index] | None = None
        self._indexes: dict[tuple[int, ...], JoinIndex] = {}

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def num_bytes(self) -> int:
        """What the rows and what was derived from them to find them take."""
        columns = sum(column.nbytes for column in self._columns or ())
        return self.keys.nbytes + columns + sum(index.num_bytes for index in self._indexes.values())

    @property
    def columns(self) -> list[Index]:
        if self._columns is None:
            self._columns = self.packing.unpack(self.keys)
        return self._columns

    def index(self, bound: tuple[int, ...]) -> JoinIndex:
        """The index on columns given in ascending order."""
        known = self._indexes.get(bound)
        if known is None:
            known = self._indexes[bound] = self._build(bound)
        return known

    def _build(self, bound: tuple[int, ...]) -> JoinIndex:
        packing = self.packing
        if len(bound) == len(packing.widths):
            return JoinIndex(packing, self.keys, None)
        part = Packing(tuple(packing.widths[column] for column in bound))
        if packing.is_direct and bound == tuple(range(len(bound))):
            return JoinIndex(part, self.keys >> (packing.bits - part.bits), None)
        keys = part.pack([self.columns[column] for column in bound], len(self))
        order = np.argsort(keys, kind="stable")
        return JoinIndex(part, keys[order], order)


class Relation:
    """A growing set of rows: `old` runs, and the `delta` that the last round added."""

    def __init__(self, space: Space, arity: int, sampled: bool):
        self.space = space
        self.arity = arity  # with the sample column, where there is one
        self.sampled = sampled
        self._packing = Packing(space.widths(arity, sampled))
        self._old: list[Run] = []
        self._delta: Run | None = None

    @property
    def packing(self) -> Packing:
        self._refresh()
        return self._packing

    def _refresh(self) -> None:
        """Repack after ids have outgrown their bits. A wider field keeps the order of rows, so nothing is sorted."""
        widths = self.space.widths(self.arity, self.sampled)
        if widths == self._packing.widths or not (self._packing.is_direct or not self._runs()):
            return
        before, self._packing = self._packing, Packing(widths)

        def repack(run: Run) -> Run:
            keys = self._packing.pack(before.unpack(run.keys), len(run))
            return Run(self._packing, keys if self._packing.is_direct else np.sort(keys))

        self._old = [repack(run) for run in self._old]
        self._delta = repack(self._delta) if self._delta is not None else None

    def _runs(self) -> list[Run]:
        return self._old if self._delta is None else [*self._old, self._delta]

    @property
    def old(self) -> list[Run]:
        self._refresh()
        return self._old

    @property
    def delta(self) -> list[Run]:
        self._refresh()
        return [] if self._delta is None else [self._delta]

    @property
    def full(self) -> list[Run]:
        self._refresh()
        return self._runs()

    def __len__(self) -> int:
        return sum(len(run) for run in self._runs())

    @property
    def num_bytes(self) -> int:
        """What all rows and their indexes take."""
        return sum(run.num_bytes for run in self._runs())

    def pack(self, columns: Columns, size: int) -> Index:
        return self.packing.pack(columns, size)

    def advance(self, keys: Index) -> int:
        """End a round: the delta joins the old rows, and those of the keys that are new become the delta.

        The keys need be neither sorted nor distinct. Returns how many were new.
        """
        self._refresh()
        if self._delta is not None:
            self._old.append(self._delta)
            self._delta = None
            while len(self._old) > 1 and len(self._old[-2]) < 2 * len(self._old[-1]):
                second, first = self._old.pop(), self._old.pop()
                self._old.append(Run(self._packing, merge(first.keys, second.keys)))
        new = sorted_unique(keys)
        for run in self._old:
            new = difference(new, run.keys)
        if len(new):
            self._delta = Run(self._packing, new)
        return len(new)

    def replace(self, keys: Index) -> None:
        """Put all rows in place of those so far: sorted keys of at least the old rows."""
        self._old, self._delta = [Run(self.packing, keys)], None

    def settle(self) -> Run:
        """All rows as one run; the relation is complete."""
        self._refresh()
        runs = self._runs()
        if len(runs) != 1:
            keys = EMPTY
            for run in sorted(runs, key=len):
                keys = merge(keys, run.keys)
            self._old = [Run(self._packing, keys)]
        else:
            self._old = runs
        self._delta = None
        return self._old[0]

    def contains(self, columns: Columns, size: int) -> Mask:
        """Which rows are in the relation."""
        probes = self.packing.pack(columns, size, insert=False)
        result = np.zeros(size, dtype=np.bool_)
        for run in self._runs():
            result |= find(run.keys, probes)[1]
        return result


def distinct_rows(columns: Columns, widths: tuple[int, ...], size: int) -> tuple[list[Index], Index]:
    """Distinct rows as columns, and for each given row its place among them."""
    packing = Packing(widths)
    distinct, inverse = unique_inverse(packing.pack(columns, size))
    return packing.unpack(distinct), inverse
