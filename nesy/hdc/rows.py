"""Sums over rows chosen by index, without a [batch, length, D] tensor of what is summed.

Two shapes of work: the sum of rows of a table (bags of symbols, records), and the sum of bound runs of neighbours
(n-grams). An index of -1 stands for no symbol; what would use it is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from nesy.hdc.kernels import integer_products
from nesy.hdc.packed import count_planes

# Words gathered at a time: 2 MiB, so that counting stays in a core's second-level cache.
CHUNK_WORDS = 1 << 18
# A table of all pairs of symbols pays while it stays in that cache too.
PAIR_WORDS = 1 << 18
# Columns handled at a time where rows are complex or float: their tables then stay in cache.
COLUMNS = 128
# Groups of runs, and their columns, handled at a time: half a megabyte of complex numbers.
GROUPS, GROUP_COLUMNS = 1600, 40


def row_sums(table: Tensor, index: Tensor) -> Tensor:
    """Shapes: int8 bipolar or 0/1 table [T, D], index int64 [B, L] -> int32 [B, D]

    Cost: one int8 matrix product of counts [B, T] with the table.
    """
    counts = torch.zeros(len(index), len(table) + 1, dtype=torch.int16, device=index.device)
    counts.scatter_add_(1, index + 1, torch.ones((), dtype=torch.int16, device=index.device).expand_as(index))
    counts = counts[:, 1:]
    total = None
    while True:  # int8 holds counts up to 127; what is above goes into further products
        part = counts.clamp(max=127)
        product = integer_products(part.to(torch.int8), table)
        total = product if total is None else total + product
        counts = counts - part
        if not counts.any():
            return total


def packed_row_planes(tables: Sequence[Tensor], indices: Sequence[Tensor]) -> list[Tensor]:
    """Bit counts, as planes, of the exclusive or of one row from each table, over the places of each sequence.

    Shapes: tables of int64 [T, W], indices of int64 [B, R], R >= 1 (-1 leaves a place out) -> planes of [B, W]
    """
    missing = torch.stack([index < 0 for index in indices]).any(0)
    keep = None if not missing.any() else -(~missing).to(torch.int64)
    places, width = indices[0].shape[1], tables[0].shape[1]
    step = max(1, CHUNK_WORDS // (places * width))
    spare = torch.empty(2, places * step, width, dtype=torch.int64, device=tables[0].device)
    parts = []
    for start in range(0, len(indices[0]), step):
        here = [index[start : start + step].T.reshape(-1).clamp_min(0) for index in indices]
        rows, other = spare[0, : len(here[0])], spare[1, : len(here[0])]
        torch.index_select(tables[0], 0, here[0], out=rows)
        for table, index in zip(tables[1:], here[1:], strict=True):
            torch.index_select(table, 0, index, out=other)
            torch.bitwise_xor(rows, other, out=rows)
        if keep is not None:
            rows &= keep[start : start + step].T.reshape(-1, 1)
        parts.append(count_planes(rows.view(places, -1, width)))
    longest = max(len(planes) for planes in parts)
    return [torch.cat([planes[k] for planes in parts]) for k in range(longest)]


def packed_run_planes(tables: Sequence[Tensor], index: Tensor) -> list[Tensor]:
    """Bit counts of all runs of n neighbours, each the exclusive or of table j's row for its member j.

    Shapes: n tables of int64 [V, W], index int64 [B, L] -> planes of [B, W]
    """
    size, width = tables[0].shape
    members = run_members(index, len(tables))
    if size * size * width > PAIR_WORDS:
        return packed_row_planes(tables, members)
    paired, pair_index = [], []
    for j in range(0, len(tables) - 1, 2):
        paired.append((tables[j][:, None] ^ tables[j + 1][None]).flatten(0, 1))
        either = (members[j] < 0) | (members[j + 1] < 0)
        pair_index.append(torch.where(either, -1, members[j] * size + members[j + 1]))
    if len(tables) % 2:
        paired.append(tables[-1])
        pair_index.append(members[-1])
    return packed_row_planes(paired, pair_index)


def run_members(index: Tensor, n: int) -> list[Tensor]:
    """The symbols at place j of every run of n, for each j. Shapes: [B, L] -> n of [B, L - n + 1]"""
    runs = index.shape[1] - n + 1
    return [index[:, j : j + runs] for j in range(n)]


def num_runs(index: Tensor, n: int) -> Tensor:
    """How many runs of n known symbols each sequence has. Shapes: [B, L] -> int64 [B]"""
    known = torch.stack([member >= 0 for member in run_members(index, n)])
    return known.all(0).sum(1)


def grouped_run_sums(tables: Sequence[Tensor], index: Tensor) -> Tensor:
    """Sums over all runs of the product of table j's row for member j, for models that bind dimension by dimension.

    Binding distributes over the sum, so the runs of a sequence that end in the same symbol share one product: sum
    their beginnings (each distinct one is bound once), then bind.
    Shapes: n tables [V, H], real or complex; index int64 [B, L] -> [B, H]
    Gradient: to the tables.
    """
    if len(tables) == 1:
        return bag_sums(tables[0], index)
    first_members, parts = _group_runs(index, len(tables), len(tables[0]))
    columns = []
    for start in range(0, tables[0].shape[1], GROUP_COLUMNS):
        block = [table[:, start : start + GROUP_COLUMNS].contiguous() for table in tables]
        bound = block[0][first_members[0]]
        for table, member in zip(block[1:-1], first_members[1:], strict=True):
            bound = bound * table[member]
        sums = []
        for part in parts:
            ended = _bags(bound, part.beginnings, part.groups) * block[-1][part.ends]
            sums.append(_bags(ended, torch.arange(len(ended), device=index.device), part.sequences))
        columns.append(torch.cat(sums))
    return torch.cat(columns, dim=1)


@dataclass(frozen=True, eq=False)
class _Part:
    """The runs of some sequences, in groups of those that share sequence and last symbol."""

    beginnings: Tensor  # int64 [R]: the distinct beginning of each run, group by group
    groups: Tensor  # int64 [G]: where each group starts among the runs
    ends: Tensor  # int64 [G]: the last symbol of its runs
    sequences: Tensor  # int64 [S]: where each sequence starts among the groups


def _group_runs(index: Tensor, n: int, size: int) -> tuple[list[Tensor], list[_Part]]:
    """The members of each distinct beginning (n - 1 of [U]), and all runs, a cacheful of groups at a time."""
    members = run_members(index, n)
    known = torch.stack([member >= 0 for member in members]).all(0)
    sequence = torch.arange(len(index), device=index.device)[:, None].expand_as(known)[known]
    symbols = [member[known] for member in members]
    beginning = symbols[0]
    for symbol in symbols[1:-1]:  # numbered afresh at each step: V**(n - 1) may not fit a word
        _, beginning = torch.unique(beginning * size + symbol, return_inverse=True)
    _, beginning = torch.unique(beginning, return_inverse=True)
    example = torch.empty(int(beginning.max()) + 1 if len(beginning) else 0, dtype=torch.int64, device=index.device)
    example[beginning] = torch.arange(len(beginning), device=index.device)
    group, order = torch.sort(sequence * size + symbols[-1], stable=True)
    groups, lengths = torch.unique_consecutive(group, return_counts=True)
    beginnings, ends = beginning[order], groups % size
    run_at = torch.nn.functional.pad(lengths.cumsum(0), (1, 0))  # the first run of each group, and the end
    group_at = _offsets(groups // size, len(index) + 1)  # the first group of each sequence, and the end
    parts = []
    step = max(1, GROUPS * len(index) // max(1, len(groups)))
    for start in range(0, len(index), step):
        stop = min(start + step, len(index))
        first, last = int(group_at[start]), int(group_at[stop])
        runs = slice(int(run_at[first]), int(run_at[last]))
        offsets = run_at[first:last] - runs.start
        parts.append(_Part(beginnings[runs], offsets, ends[first:last], group_at[start:stop] - first))
    return [symbol[example] for symbol in symbols[:-1]], parts


def bag_sums(table: Tensor, index: Tensor) -> Tensor:
    """Sums of table rows, real or complex, with a gradient. Shapes: [T, H], int64 [B, L] (-1 left out) -> [B, H]"""
    known = index >= 0
    sequence = torch.arange(len(index), device=index.device)[:, None].expand_as(known)[known]
    chosen, offsets = index[known], _offsets(sequence, len(index))
    columns = [
        _bags(table[:, start : start + COLUMNS].contiguous(), chosen, offsets)
        for start in range(0, table.shape[1], COLUMNS)
    ]
    return torch.cat(columns, dim=1)


def _bags(table: Tensor, index: Tensor, offsets: Tensor) -> Tensor:
    """`embedding_bag` sums, of complex numbers too."""
    if table.is_complex():
        pairs = torch.view_as_real(table).flatten(-2)
        return torch.view_as_complex(_bags(pairs, index, offsets).unflatten(-1, (-1, 2)))
    return torch.nn.functional.embedding_bag(index, table, offsets, mode="sum")


def _offsets(sorted_bag: Tensor, num_bags: int) -> Tensor:
    """Where each bag begins among items sorted by bag. Shapes: int64 [N] -> int64 [num_bags]"""
    return torch.searchsorted(sorted_bag, torch.arange(num_bags, device=sorted_bag.device))
