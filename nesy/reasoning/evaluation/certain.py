"""Which rows of a group hold in every world, and which of their derivations to keep."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nesy.reasoning.evaluation.kernels import EMPTY, Index, Mask, csr, expand, sorted_unique
from nesy.reasoning.evaluation.recorder import Block


def certain_rows(
    blocks: Sequence[Block], maybe: Sequence[Mask], start: int, size: int, is_recursive: bool
) -> tuple[Mask, list[Mask]]:
    """Which nodes start .. start+size-1 are certain, and per block which derivations to keep.

    `maybe` says of a derivation that all its literals outside of the group hold in every world. Kept are the
    derivations of uncertain nodes, and for a certain node those that are certain and well-founded: each literal
    was certain in an earlier round than the node.
    """
    if not is_recursive or not size:
        certain = np.zeros(size, dtype=np.bool_)
        for block, mask in zip(blocks, maybe, strict=True):
            certain[block.head[mask] - start] = True
        return certain, [mask | ~certain[block.head - start] for block, mask in zip(blocks, maybe, strict=True)]
    rank = _ranks(blocks, maybe, start, size)
    certain = rank >= 0
    keep: list[Mask] = []
    for block, mask in zip(blocks, maybe, strict=True):
        head = rank[block.head - start]
        founded = mask.copy()
        for column in block.body.T:
            inside = (column >= 2 * start) & (column < 2 * (start + size))
            body = rank[np.where(inside, (column >> 1) - start, 0)]
            founded &= ~inside | ((body >= 0) & (body < head))
        keep.append(np.where(head >= 0, founded, True))
    return certain, keep


def _ranks(blocks: Sequence[Block], maybe: Sequence[Mask], start: int, size: int) -> Index:
    """The round in which each node becomes certain, -1 for never: counting down what each derivation waits for."""
    heads: list[Index] = []
    waits_node: list[Index] = []
    waits_edge: list[Index] = []
    count = 0
    for block, mask in zip(blocks, maybe, strict=True):
        chosen = block.select(mask)
        edges = np.arange(count, count + len(chosen.head))
        count += len(edges)
        heads.append(chosen.head - start)
        for column in chosen.body.T:
            inside = (column >= 2 * start) & (column < 2 * (start + size))
            waits_node.append((column[inside] >> 1) - start)
            waits_edge.append(edges[inside])
    head = np.concatenate(heads) if heads else EMPTY
    node = np.concatenate(waits_node) if waits_node else EMPTY
    edge = np.concatenate(waits_edge) if waits_edge else EMPTY
    waiting = np.bincount(edge, minlength=count)
    order = np.argsort(node, kind="stable")
    edge = edge[order]
    ptr = csr(node[order], size)
    rank = np.full(size, -1, dtype=np.int64)
    frontier = sorted_unique(head[waiting == 0])
    number = 0
    while len(frontier):
        rank[frontier] = number
        number += 1
        begin = ptr[frontier]
        length = ptr[frontier + 1] - begin
        _, place = expand(begin, length, int(length.sum()))
        served, times = np.unique(edge[place], return_counts=True)
        waiting[served] -= times
        ready = sorted_unique(head[served[waiting[served] == 0]])
        frontier = ready[rank[ready] < 0]
    return rank
