"""Work in parts, on several processes or machines by Ray: same results, same order, a killed worker's part again.

A worker is made once in each process (`make` loads the model there) and then given parts. A process that dies is
started anew and its part is retried; an error that a part itself raises is raised here, unchanged.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeAlias, TypeVar

import torch

from nesy.errors import MissingExtraError, NesyError

_RETRIES = 3  # of one part, and restarts of one worker: what kills more often is not bad luck
_WAITING = 2  # parts given to a worker at a time, so that it never waits for the next one

PartT = TypeVar("PartT")
ResultT = TypeVar("ResultT")
Worker: TypeAlias = Callable[[PartT], ResultT]


def map_in_order(make: Callable[[], Worker[PartT, ResultT]], parts: Iterable[PartT], workers: int) -> Iterator[ResultT]:
    """The results of all parts, in their order.

    With `RAY_ADDRESS` set, the workers are those of that cluster; else they are processes of this machine, which end
    with the iteration. No usage statistics are sent unless `RAY_USAGE_STATS_ENABLED=1` asks for it.

    Raises: MissingExtraError without Ray; NesyError for a part whose worker was killed again and again.
    """
    try:
        import ray  # pyright: ignore[reportMissingImports]
    except ImportError:
        raise MissingExtraError("more than one worker", "distributed") from None
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    is_cluster = "RAY_ADDRESS" in os.environ
    ray.init(
        num_cpus=None if is_cluster else workers,
        include_dashboard=None if is_cluster else False,
        log_to_driver=False,
        logging_level="ERROR",
    )
    try:
        actor: Any = ray.remote(num_cpus=1, max_restarts=_RETRIES, max_task_retries=_RETRIES)(_Process)
        processes = [actor.remote(make) for _ in range(workers)]
        waiting: deque[Any] = deque()
        for number, part in enumerate(parts):
            if len(waiting) == _WAITING * workers:
                yield _result(ray, waiting.popleft())
            waiting.append(processes[number % workers].work.remote(part))
        while waiting:
            yield _result(ray, waiting.popleft())
    finally:
        ray.shutdown()


def _result(ray: Any, promise: Any) -> Any:
    try:
        return ray.get(promise)
    except ray.exceptions.RayTaskError as error:
        raise error.cause if isinstance(error.cause, NesyError) else error from None
    except ray.exceptions.RayActorError as error:
        reason = str(error).strip().splitlines()[0]
        raise NesyError(f"a worker was lost {_RETRIES + 1} times over one part: {reason[:200]}") from None


class _Process:
    """One process: its worker is made when it starts, and again when it is started anew."""

    def __init__(self, make: Callable[[], Worker[Any, Any]]):
        torch.set_num_threads(1)  # a worker is one core, and so the results are those of any other worker
        self._worker = make()

    def work(self, part: Any) -> Any:
        """The result of one part."""
        return self._worker(part)
