"""Processes that train one model together: each has its share of every batch, and their gradients are summed.

Everything here is written for any number of processes; a process on its own is a group of one, for which nothing is
sent and nothing is computed otherwise. Who starts the processes and connects them (`torch.distributed`, any backend)
is not of interest here: `distributed` does it by Ray.

What one process computes of a loss is its rows' part of the mean over all rows, so the sum of all gradients is the
gradient of the whole batch. `DistributedDataParallel` would want each process to use every weight in every step; here
a share may lack what one neural predicate or one rule's probability needs.

Objects other than tensors go between the processes of one training pickled, as `torch.distributed` sends them; nothing
that is pickled is ever read from a file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, distributed, nn

T = TypeVar("T")


class ProcessLost(Exception):
    """Another process of the group does not answer any more."""


@dataclass(frozen=True)
class Group:
    """This process's place among those that train together."""

    rank: int = 0
    size: int = 1

    @classmethod
    def current(cls) -> Group:
        """The group that this process was connected with, or that of itself alone."""
        if not distributed.is_available() or not distributed.is_initialized():
            return cls()
        return cls(distributed.get_rank(), distributed.get_world_size())

    @property
    def is_first(self) -> bool:
        """Whether this is the process that measures dev and writes files."""
        return self.rank == 0

    @property
    def is_alone(self) -> bool:
        return self.size == 1

    def share(self, members: Sequence[T]) -> Sequence[T]:
        """This process's part of a batch.

        A batch with fewer members than there are processes is everyone's: sums and numbers of rows then all count as
        often as there are processes, and means are what they are.
        """
        return members if self.is_alone or len(members) < self.size else members[self.rank :: self.size]

    def gather(self, value: T) -> list[T]:
        """The values of all processes, in their order, for each of them."""
        if self.is_alone:
            return [value]
        found: list[T | None] = [None] * self.size
        with _talking():
            distributed.all_gather_object(found, value)
        return found  # pyright: ignore[reportReturnType]

    def from_first(self, value: T | None) -> T:
        """The value of the first process, for all of them; what the others give is not looked at."""
        found = [value]
        if not self.is_alone:
            with _talking():
                distributed.broadcast_object_list(found, src=0)
        return found[0]  # pyright: ignore[reportReturnType]

    def sum(self, values: Tensor) -> Tensor:
        """The sum over all processes, the same bits in each."""
        if not self.is_alone:
            values = values.clone()
            with _talking():
                distributed.all_reduce(values)
        return values

    def sum_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Give each weight the sum of its gradients; one that no process has a gradient for keeps none."""
        if self.is_alone:
            return
        wanted = [p for p in parameters if p.requires_grad]
        has = torch.tensor([float(p.grad is not None) for p in wanted], device=wanted[0].device)
        parts = [torch.zeros_like(p) if p.grad is None else p.grad for p in wanted]
        total = self.sum(torch.cat([has, *(part.flatten() for part in parts)]))
        pieces = total[len(wanted) :].split([p.numel() for p in wanted])
        for p, piece, count in zip(wanted, pieces, total[: len(wanted)].tolist(), strict=True):
            p.grad = piece.view_as(p).to(p.dtype) if count else None


@contextmanager
def _talking() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:  # all that the backends raise
        raise ProcessLost(str(error)) from error


ALONE = Group()
