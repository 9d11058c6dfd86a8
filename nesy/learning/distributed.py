"""Work on several processes or machines by Ray: same results, same order, whatever a killed worker did done again.

`map_in_order` is for work in parts. A worker is made once in each process (`make` loads the model there) and then given
parts. A process that dies is started anew and its part is retried; an error that a part itself raises is raised here,
unchanged. `run_together` is for processes that talk to each other (`torch.distributed`, see `group`).
"""

from __future__ import annotations

import os
import shutil
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import torch

from nesy.errors import MissingExtraError, NesyError
from nesy.learning.group import Group, ProcessLost
from nesy.learning.progress import EpochRecord, Reporter, Silent

_RETRIES = 3  # of one part, and restarts of one worker: what kills more often is not bad luck
_PATIENCE = 24 * 3600  # seconds that one process waits for another: this is for slow ones, a lost one shows at once
_SECONDS_BETWEEN_NEWS = 0.2
_MOST_PER_PROCESSOR = 8  # processes of this machine: more would only wait for each other, and each takes memory
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
    with _started(workers) as ray:
        actor: Any = ray.remote(num_cpus=1, max_restarts=_RETRIES, max_task_retries=_RETRIES)(_Process)
        processes = [actor.remote(make) for _ in range(workers)]
        waiting: deque[Any] = deque()
        for number, part in enumerate(parts):
            if len(waiting) == _WAITING * workers:
                yield _result(ray, waiting.popleft())
            waiting.append(processes[number % workers].work.remote(part))
        while waiting:
            yield _result(ray, waiting.popleft())


def run_together(
    work: Callable[[bool, Reporter], ResultT], workers: int, scratch: Path, report: Reporter, *, on_gpu: bool
) -> ResultT:
    """What the first of so many processes makes of `work`, while all run it as one group (`Group.current`).

    When one is killed the others are ended, and all are started anew and told so by the first argument; what they keep
    and go on from is theirs to decide. What the first tells its reporter is told to `report`. `scratch` is a folder
    for Ray's own files; on a cluster it has to be one that each machine can reach.

    Raises: MissingExtraError without Ray; NesyError of any process as it is, or for processes killed again and again.
    """
    with _started(workers) as ray, _folder(scratch):
        from ray.train import (  # pyright: ignore[reportMissingImports]
            FailureConfig,
            LoggingConfig,
            RunConfig,
            ScalingConfig,
            WorkerGroupError,
        )
        from ray.train.torch import TorchConfig, TorchTrainer  # pyright: ignore[reportMissingImports]

        inbox: Any = ray.remote(num_cpus=0)(_Inbox).remote()
        home = os.getcwd()

        def member(is_again: bool) -> ResultT:
            os.chdir(home)  # Ray starts its workers elsewhere, and paths may be relative
            torch.set_num_threads(1)
            return work(is_again, _Relay(inbox) if Group.current().is_first else Silent())

        reason = ""
        for attempt in range(_RETRIES + 1):
            if attempt:
                report.note(f"a worker was lost: all {workers} start again")
            trainer = TorchTrainer(
                partial(member, attempt > 0),
                torch_config=TorchConfig(timeout_s=_PATIENCE),
                scaling_config=ScalingConfig(num_workers=workers, use_gpu=on_gpu),
                run_config=RunConfig(
                    storage_path=str(scratch.resolve()),
                    # Ray would retry what a user has to mend, too; so whether to try again is decided here.
                    failure_config=FailureConfig(max_failures=0),
                    logging_config=LoggingConfig(log_level="ERROR"),
                ),
            )
            try:
                return _waiting(ray, trainer.fit, inbox, report).return_value
            except WorkerGroupError as error:
                reason = _loss(error, error.worker_failures.values())
        raise NesyError(f"a worker was lost {_RETRIES + 1} times: {reason[:200]}")


def _loss(error: Exception, causes: Iterable[Exception]) -> str:
    """How a process was lost, if that is all that happened; anything else is raised as it is."""
    reason = str(error)
    for cause in causes:
        if isinstance(cause, NesyError):
            raise cause from None
        if not isinstance(cause, ProcessLost) and type(cause).__module__.partition(".")[0] != "ray":
            raise cause from error  # a bug, which is to show itself
        reason = str(cause)
    return reason.strip().splitlines()[0]


def _waiting(ray: Any, fit: Callable[[], ResultT], inbox: Any, report: Reporter) -> ResultT:
    """Wait for a training in a thread of its own, and meanwhile pass on what its first process tells."""
    # Not in the main thread, where Ray would take Ctrl-C for itself.
    with ThreadPoolExecutor(1) as pool:
        result = pool.submit(fit)
        try:
            while not result.done():
                wait([result], timeout=_SECONDS_BETWEEN_NEWS)
                _pass_on(ray, inbox, report)
            _pass_on(ray, inbox, report)
        except BaseException:
            ray.shutdown()  # ends the processes, and so the thread that waits for them
            raise
        return result.result()


def _pass_on(ray: Any, inbox: Any, report: Reporter) -> None:
    for name, words in ray.get(inbox.take.remote()):
        getattr(report, name)(*words)


@contextmanager
def _started(workers: int) -> Iterator[Any]:
    """Ray, connected to the cluster of `RAY_ADDRESS`, or started here with room for so many workers."""
    is_cluster = "RAY_ADDRESS" in os.environ
    if not is_cluster:  # which may grow
        _check_number(workers)
    try:
        import ray  # pyright: ignore[reportMissingImports]
    except ImportError:
        raise MissingExtraError("more than one worker", "distributed") from None
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    ray.init(
        num_cpus=None if is_cluster else workers,
        include_dashboard=None if is_cluster else False,
        log_to_driver=False,
        logging_level="ERROR",
    )
    try:
        yield ray
    finally:
        ray.shutdown()


def _check_number(workers: int) -> None:
    """Refuse more processes than this machine can hold. Raises: NesyError"""
    most = _MOST_PER_PROCESSOR * (os.cpu_count() or 1)
    if workers > most:
        raise NesyError(f"{workers:,} workers are more than this machine has room for: ask for at most {most:,}")


@contextmanager
def _folder(path: Path) -> Iterator[None]:
    """A folder that is there for a while."""
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    try:
        yield
    finally:
        shutil.rmtree(path, ignore_errors=True)


class _Inbox:
    """Keeps what is told until it is taken."""

    def __init__(self) -> None:
        self._told: list[tuple[str, tuple[Any, ...]]] = []

    def tell(self, name: str, words: tuple[Any, ...]) -> None:
        self._told.append((name, words))

    def take(self) -> list[tuple[str, tuple[Any, ...]]]:
        told, self._told = self._told, []
        return told


class _Relay:
    """A reporter in another process: what it is told goes to an inbox."""

    def __init__(self, inbox: Any):
        self._tell = inbox.tell.remote

    def note(self, text: str) -> None:
        self._tell("note", (text,))

    def stage(self, name: str, total: int) -> None:
        self._tell("stage", (name, total))

    def step(self, rows: int, loss: float | None = None) -> None:
        self._tell("step", (rows, loss))

    def epoch(self, record: EpochRecord, metric: str, is_best: bool) -> None:
        self._tell("epoch", (record, metric, is_best))


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
