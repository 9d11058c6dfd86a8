"""Several workers: the same answers in the same order, whatever dies on the way. Runs where Ray is installed."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nesy.errors import DataError, MissingExtraError, NesyError
from nesy.learning import asking, distributed
from nesy.learning.asking import ask_all
from nesy.learning.training import train


@pytest.fixture
def needs_ray(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    pytest.importorskip("ray", reason="needs the extra `distributed`")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    yield


pytestmark = pytest.mark.filterwarnings(
    "ignore::FutureWarning", "ignore::ResourceWarning", "ignore::DeprecationWarning"
)


def squares() -> Callable[[int], int]:
    return lambda part: part * part


@pytest.mark.usefixtures("needs_ray")
def test_results_come_in_order_though_a_worker_is_killed_on_the_way(tmp_path: Path) -> None:
    killed = tmp_path / "killed"

    def make() -> Callable[[int], tuple[int, int]]:
        def work(part: int) -> tuple[int, int]:
            if part == 3 and not killed.exists():
                killed.write_text(str(os.getpid()))
                os.kill(os.getpid(), signal.SIGKILL)
            return part * part, os.getpid()

        return work

    results = list(distributed.map_in_order(make, range(9), workers=2))
    assert [square for square, _ in results] == [i * i for i in range(9)]
    assert killed.read_text() not in {str(process) for _, process in results[3:]}
    assert len({process for _, process in results}) >= 2


@pytest.mark.usefixtures("needs_ray")
def test_an_error_of_a_part_is_raised_as_it_is_and_a_part_that_always_kills_ends_in_one() -> None:
    def make() -> Callable[[str], None]:
        def work(part: str) -> None:
            if part == "bad":
                raise DataError("row 7: not a number")
            os.kill(os.getpid(), signal.SIGKILL)

        return work

    with pytest.raises(DataError, match=r"^row 7: not a number$"):
        list(distributed.map_in_order(make, ["bad"], workers=1))
    with pytest.raises(NesyError, match=r"a worker was lost 4 times over one part"):
        list(distributed.map_in_order(make, ["deadly"], workers=1))


@pytest.mark.usefixtures("needs_ray")
def test_two_workers_give_the_lines_of_one(mood: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = train(mood, tmp_path / "run", epochs=1, progress=False).folder
    words = ["good", "bad", "awful", "lovely"]
    questions = tmp_path / "questions.jsonl"
    texts = [f"{words[i % 4]} {'food ' * (i % 3)}" for i in range(25)]
    questions.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    monkeypatch.setattr(asking, "_PART", 4)
    ask_all(run, questions, tmp_path / "one.jsonl", abstain_below=0.7, device="cpu", progress=False)
    ask_all(run, questions, tmp_path / "two.jsonl", abstain_below=0.7, device="cpu", workers=2, progress=False)
    assert (tmp_path / "one.jsonl").read_bytes() == (tmp_path / "two.jsonl").read_bytes()


def test_without_ray_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtraError, match=r"more than one worker needs .* pip install 'nesy\[distributed\]'"):
        next(distributed.map_in_order(squares, [1], workers=2))
