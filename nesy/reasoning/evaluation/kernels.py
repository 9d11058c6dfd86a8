"""The array kernels of rule evaluation: everything that touches many rows is one of these.

All arrays are int64. A set of rows is a sorted array of distinct keys; numpy's int64 sort is vectorised, so
sorting and merging beat hashing here.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Index = NDArray[np.int64]
Mask = NDArray[np.bool_]

EMPTY: Index = np.empty(0, dtype=np.int64)


def sorted_unique(keys: Index) -> Index:
    """The distinct keys in ascending order; may sort its argument in place."""
    if len(keys) < 2:
        return keys
    keys.sort()
    keep = np.empty(len(keys), dtype=np.bool_)
    keep[0] = True
    np.not_equal(keys[1:], keys[:-1], out=keep[1:])
    return keys if keep.all() else keys[keep]


def unique_inverse(keys: Index) -> tuple[Index, Index]:
    """Distinct keys in ascending order, and for each given key its place among them."""
    distinct, inverse = np.unique(keys, return_inverse=True)
    return distinct, inverse.reshape(-1).astype(np.int64, copy=False)


def find(keys: Index, probes: Index) -> tuple[Index, Mask]:
    """For each probe its place in the sorted keys, and whether it is there (the place is 0 if not)."""
    if not len(keys):
        return np.zeros(len(probes), dtype=np.int64), np.zeros(len(probes), dtype=np.bool_)
    place = np.searchsorted(keys, probes)
    place[place == len(keys)] = 0
    found = keys[place] == probes
    return place, found


def difference(new: Index, old: Index) -> Index:
    """The keys of `new` that are not in `old`; both sorted and distinct."""
    if not len(old) or not len(new) or new[-1] < old[0] or old[-1] < new[0]:
        return new
    _, found = find(old, new)
    return new[~found]


def merge(first: Index, second: Index) -> Index:
    """The union of two disjoint sorted arrays, sorted."""
    if not len(first):
        return second
    if not len(second):
        return first
    if first[-1] < second[0]:
        return np.concatenate([first, second])
    if len(second) * 16 < len(first):
        return np.insert(first, np.searchsorted(first, second), second)
    union = np.concatenate([first, second])
    union.sort(kind="stable")  # two sorted runs: merged in one pass
    return union


def expand(start: Index, count: Index, total: int) -> tuple[Index, Index]:
    """Rows of ranges laid one after the other: which range each row is from, and its position.

    Range i covers start[i] .. start[i] + count[i] - 1; `total` is the sum of `count`.
    """
    if total == 0:
        return EMPTY, EMPTY
    source = np.repeat(np.arange(len(count)), count)
    offset = start - (np.cumsum(count) - count)
    return source, np.arange(total) + offset[source]


def csr(keys: Index, size: int) -> Index:
    """[size + 1] pointers: sorted keys equal to k are at ptr[k] .. ptr[k+1]-1."""
    ptr = np.zeros(size + 1, dtype=np.int64)
    np.cumsum(np.bincount(keys, minlength=size), out=ptr[1:])
    return ptr


def first_of_each(sorted_keys: Index) -> Mask:
    """Where a new key begins in a sorted array."""
    first = np.empty(len(sorted_keys), dtype=np.bool_)
    if len(first):
        first[0] = True
        np.not_equal(sorted_keys[1:], sorted_keys[:-1], out=first[1:])
    return first


def any_by_group(flags: Mask, group: Index, num_groups: int) -> Mask:
    """Per group, whether any of its flags is set."""
    result = np.zeros(num_groups, dtype=np.bool_)
    result[group[flags]] = True
    return result


def all_by_group(flags: Mask, group: Index, num_groups: int) -> Mask:
    """Per group, whether all of its flags are set (true for an empty group)."""
    result = np.ones(num_groups, dtype=np.bool_)
    result[group[~flags]] = False
    return result
