"""Several workers: the same answers in the same order, the same training, whatever dies on the way.

Runs where Ray is installed; `test_together.py` has what two processes learn without it.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from nesy.errors import DataError, MissingExtraError, NesyError
from nesy.learning import asking, distributed, training
from nesy.learning.asking import ask_all
from nesy.learning.group import Group
from nesy.learning.progress import Reporter, Silent
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


def test_more_workers_than_a_machine_has_room_for_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    with pytest.raises(NesyError) as error:
        list(distributed.map_in_order(squares, range(3), workers=100_000))
    assert str(error.value) == "100,000 workers are more than this machine has room for: ask for at most 16"


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


@pytest.mark.usefixtures("needs_ray")
@pytest.mark.parametrize("victim", [0, 1])
def test_a_training_whose_worker_is_killed_is_the_same_training(
    mood: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, victim: int
) -> None:
    killed = tmp_path / "killed"
    run_together = distributed.run_together

    def murderous(work: Callable[[bool, Reporter], object], *rest: Any, **more: Any) -> object:
        def dies(is_again: bool, report: Reporter) -> object:
            optimise = importlib.import_module("nesy.learning.optimise")
            learn, seen = optimise._pass, []

            def pass_(*arguments: Any) -> object:
                seen.append(learn(*arguments))
                if len(seen) == 3 and not is_again and Group.current().rank == victim:
                    killed.write_text(str(os.getpid()))
                    os.kill(os.getpid(), signal.SIGKILL)
                return seen[-1]

            optimise._pass = pass_
            return work(is_again, report)

        return run_together(dies, *rest, **more)

    train(mood, tmp_path / "whole", epochs=4, workers=2, device="cpu", progress=False)
    monkeypatch.setattr(training, "run_together", murderous)
    train(mood, tmp_path / "run", epochs=4, workers=2, device="cpu", progress=False)
    assert killed.exists()
    whole, resumed = (tmp_path / name / "model.safetensors" for name in ("whole", "run"))
    assert whole.read_bytes() == resumed.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["killed", "mood", "run", "whole"]


@pytest.mark.usefixtures("needs_ray")
def test_a_mistake_in_the_data_ends_a_training_at_once_with_its_own_words(mood: Path, tmp_path: Path) -> None:
    rows = (mood / "train.jsonl").read_text()
    (mood / "train.jsonl").write_text(rows.replace('"label": "positive"', '"label": "positve"', 1))
    with pytest.raises(DataError, match=r"train\.jsonl:\d+: `positve` is not an answer that `label\(P\)` can have"):
        train(mood, tmp_path / "run", workers=2, device="cpu", progress=False)
    assert [path.name for path in tmp_path.iterdir()] == ["mood"]


@pytest.mark.usefixtures("needs_ray")
def test_a_bug_shows_itself_and_is_not_tried_again(tmp_path: Path) -> None:
    def work(is_again: bool, report: Reporter) -> None:
        (tmp_path / f"{Group.current().rank}-{is_again}").touch()
        if Group.current().rank == 1:
            raise ZeroDivisionError("one by none")
        Group.current().gather(0)

    with pytest.raises(ZeroDivisionError, match="one by none"):
        distributed.run_together(work, 2, tmp_path / "scratch", Silent(), on_gpu=False)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0-False", "1-False"]


@pytest.mark.usefixtures("needs_ray")
def test_what_the_first_worker_reports_is_seen(mood: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    train(mood, tmp_path / "run", epochs=2, workers=2, device="cpu")
    assert [line.split()[1] for line in capfd.readouterr().err.splitlines() if line.startswith("epoch")] == ["1", "2"]


def test_without_ray_the_extra_is_named(mood: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.setitem(sys.modules, "ray.train", None)
    with pytest.raises(MissingExtraError, match=r"more than one worker needs .* pip install 'nesy\[distributed\]'"):
        next(distributed.map_in_order(squares, [1], workers=2))
    with pytest.raises(MissingExtraError, match=r"more than one worker needs .* pip install 'nesy\[distributed\]'"):
        train(mood, tmp_path / "run", workers=2, progress=False)
    assert [path.name for path in tmp_path.iterdir()] == ["mood"]
