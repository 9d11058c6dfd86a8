"""Columns of small numbers packed into words, and the distinct rows of such words: how states are told apart."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from nesy.reasoning.derivation import Index

_BITS = 63  # of a word: its sign is left alone


def packed(columns: Iterable[tuple[NDArray[np.generic], int]], size: int) -> list[Index]:
    """The columns (each with the bits that its numbers need) side by side in as few words as that takes.

    Shapes: each column [size] -> each word [size]
    """
    words: list[Index] = []
    used = _BITS
    for column, width in columns:
        if used + width > _BITS:
            words.append(np.zeros(size, np.int64))
            used = 0
        words[-1] <<= width
        words[-1] |= column.astype(np.int64)
        used += width
    return words


def distinct(words: Sequence[Index], size: int) -> tuple[Index, Index]:
    """Where each distinct row of some words stands first in sorted order, and which of those each row is.

    np.unique on rows, but with the faster sort that need not be stable.
    """
    key = words[0] if words else np.zeros(size, np.int64)
    for word in words[1:]:
        _, ranks = _ranked(key)
        values, other = _ranked(word)
        key = ranks * len(values) + other
    return _ranked(key)


def _ranked(key: Index) -> tuple[Index, Index]:
    order = np.argsort(key)
    ordered = key[order]
    is_new = np.concatenate([np.ones(min(1, len(key)), bool), ordered[1:] != ordered[:-1]])
    number = np.empty(len(key), np.int64)
    number[order] = np.cumsum(is_new) - 1
    return order[is_new], number
