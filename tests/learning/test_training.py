"""Training: it learns through the rules, the same way each time, and survives being killed."""

from __future__ import annotations

import csv
import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from nesy.errors import DataError, RunError, TaskError
from nesy.learning import training
from nesy.learning.evaluation import evaluate
from nesy.learning.progress import PlainLines
from nesy.learning.training import train

Edit = Callable[[Path, str, str], None]


def weights(run: Path) -> bytes:
    return (run / "model.safetensors").read_bytes()


def test_training_learns_what_only_sentence_labels_tell(mood: Path, tmp_path: Path) -> None:
    run = train(mood, tmp_path / "run", progress=False)
    assert run.test is not None
    assert run.test.accuracy == 1.0
    assert run.test.concepts["leans"].atoms == 30
    # What each word says was never told; the rule's probability, which started at 0.4, decides between two readings
    # of the data, and the encoder follows the one that training chose.
    turned = run.extra["rules"]["turns"] > 0.5
    assert run.test.concepts["leans"].accuracy == (0.0 if turned else 1.0)
    assert set(run.test.slices) == {"short=true", "short=false"}
    assert sum(figures.rows for figures in run.test.slices.values()) == 30


def first_loss(run: Path) -> float:
    with (run / "log.csv").open() as file:
        return float(next(csv.DictReader(file))["loss"])


def test_facts_that_are_left_out_say_nothing_of_the_answer(mood: Path, tmp_path: Path, edit: Edit) -> None:
    edit(mood / "task.toml", "epochs = 6", "epochs = 1\nfact_dropout = { leans = 1.0 }")
    run = train(mood, tmp_path / "run", progress=False)
    assert first_loss(run.folder) == pytest.approx(math.log(2))  # both values are as likely, whatever is learned
    edit(mood / "task.toml", "epochs = 1", "epochs = 6\nconcept_weight = 1.0")
    told = train(mood, tmp_path / "told", progress=False)
    assert told.test is not None
    assert told.test.concepts["leans"].accuracy == 1.0  # what rows say of the facts themselves is learned all the same


def test_dropout_of_what_is_no_neural_predicate_is_a_mistake(mood: Path, tmp_path: Path, edit: Edit) -> None:
    edit(mood / "task.toml", "epochs = 6", "epochs = 6\nfact_dropout = { lean = 0.5 }")
    with pytest.raises(TaskError) as error:
        train(mood, tmp_path / "run", progress=False)
    assert str(error.value) == (
        "`fact_dropout` of [training] names `lean`, which is no neural predicate: did you mean `leans`?"
    )


def test_a_predicate_of_the_rules_can_slice_the_rows(mood: Path, tmp_path: Path, edit: Edit) -> None:
    edit(
        mood / "program.nesy",
        "#query",
        "label(neutral) :- third(T), leans(T, positive).\nthird(2) :- token(2, _).\n#query",
    )
    edit(mood / "task.toml", 'slices = ["short"]', 'slices = ["short", "third"]')
    run = train(mood, tmp_path / "run", epochs=1, progress=False)
    assert run.test is not None
    assert run.test.slices["third=false"] == run.test.slices["short=true"]


def test_the_run_folder_holds_all_that_eval_needs_and_eval_gives_the_same_figures(mood: Path, tmp_path: Path) -> None:
    run = train(mood, tmp_path / "run", epochs=2, progress=False)
    assert {path.name for path in run.folder.iterdir() if path.is_file()} == {
        "README.md", "confidence.json", "config.json", "log.csv", "manifest.json", "metrics.json", "model.safetensors",
        "task.json",
    }  # fmt: skip
    saved = json.loads((run.folder / "metrics.json").read_text())
    again = evaluate(run.folder, "test", device="cpu").to_dict()
    for document in (saved["test"], again):
        document.pop("answers_per_second")
    assert saved["test"] == again
    with (run.folder / "log.csv").open() as file:
        log = list(csv.DictReader(file))
    assert [line["epoch"] for line in log] == ["1", "2"]
    assert json.loads(json.dumps(run.to_dict(), allow_nan=False))["seed"] == 0


def test_a_seed_gives_the_same_run_and_another_seed_another(mood: Path, tmp_path: Path) -> None:
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        train(mood, tmp_path / name, seed=seed, epochs=2, progress=False)
    assert weights(tmp_path / "a") == weights(tmp_path / "b")
    assert weights(tmp_path / "a") != weights(tmp_path / "c")


def test_the_rules_of_the_best_epoch_are_kept_not_those_of_the_last(mood: Path, tmp_path: Path, edit: Edit) -> None:
    # A step size that ruins the model after it has learned: the log must show it, the run must not.
    edit(mood / "task.toml", "[training]", '[training]\nschedule = "constant"\nclip = 0.0')
    run = train(mood, tmp_path / "run", epochs=5, progress=False)
    with (run.folder / "log.csv").open() as file:
        metric = [float(line["dev_metric"]) for line in csv.DictReader(file)]
    assert run.dev.accuracy == pytest.approx(max(metric), abs=1e-5)
    assert metric[run.best_epoch - 1] == max(metric)


def test_training_stops_early_when_dev_gets_no_better(mood: Path, tmp_path: Path, edit: Edit) -> None:
    edit(mood / "task.toml", "[training]", "[training]\npatience = 2")
    run = train(mood, tmp_path / "run", epochs=200, progress=False)
    assert run.epochs < 200
    assert run.best_epoch <= run.epochs


SCRIPT = """
import sys
from nesy.learning.progress import PlainLines
from nesy.learning.training import train
train(sys.argv[1], sys.argv[2], epochs=24, progress=False)
"""


@pytest.mark.slow
def test_a_training_that_is_killed_resumes_bit_for_bit(mood: Path, tmp_path: Path, edit: Edit) -> None:
    # 24 epochs are planned; the process is killed after some of them, whatever it is doing then.
    state = tmp_path / ".run.training"
    process = subprocess.Popen([sys.executable, "-c", SCRIPT, str(mood), str(tmp_path / "run")])
    until = time.monotonic() + 120
    while not state.exists() and time.monotonic() < until and process.poll() is None:
        time.sleep(0.02)
    time.sleep(0.2)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert state.exists()
    assert not (tmp_path / "run").exists()

    edit(mood / "task.toml", "[training]", "[training]\npatience = 8")
    with pytest.raises(RunError, match="belongs to a training with another task"):
        train(mood, tmp_path / "run", epochs=24, resume=True, progress=False)
    edit(mood / "task.toml", "[training]\npatience = 8", "[training]")
    resumed = train(mood, tmp_path / "run", epochs=24, resume=True, progress=False)
    whole = train(mood, tmp_path / "whole", epochs=24, progress=False)
    assert resumed.epochs == whole.epochs == 24
    assert weights(tmp_path / "run") == weights(tmp_path / "whole")
    assert not state.exists()


def test_who_interrupts_a_training_is_told_how_to_go_on(
    mood: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(PlainLines, "epoch", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train(mood, tmp_path / "run")
    assert "interrupted" not in capsys.readouterr().err  # not one epoch is whole
    monkeypatch.undo()
    monkeypatch.setattr(training, "calibrate", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train(mood, tmp_path / "run", epochs=2)
    assert "interrupted: with --resume it goes on after the last epoch that is whole" in capsys.readouterr().err
    monkeypatch.undo()
    train(mood, tmp_path / "run", epochs=2, resume=True, progress=False)


def test_resuming_what_was_never_begun_is_an_error(mood: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="there is no interrupted training of this run to resume"):
        train(mood, tmp_path / "run", resume=True, progress=False)


def test_a_folder_of_something_else_is_refused_before_training(mood: Path, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "letter.txt").write_text("dear")
    with pytest.raises(RunError, match="exists and is not a nesy run, so it is not overwritten"):
        train(mood, precious, progress=False)
    assert [path.name for path in precious.iterdir()] == ["letter.txt"]


@pytest.mark.parametrize(
    ("old", "new", "error", "words"),
    [
        ('"label": "positive"', '"label": "positve"', DataError, "did you mean `positive`?"),
        ('"text": "', '"txt": "', DataError, "the field `text` is missing; did you mean `txt`?"),
        ('"leans": ', '"leens": ', DataError, "which is no neural predicate; did you mean `leans`?"),
        ('"leans": [[0, "positive"]]', '"leans": [[0, "neutral"]]', DataError, "expected one of positive, negative"),
        ('"text": "', '"text": 3, "x": "', DataError, "train.jsonl:"),
    ],
)
def test_bad_rows_stop_the_training_and_leave_nothing_behind(
    mood: Path, tmp_path: Path, edit: Edit, old: str, new: str, error: type[Exception], words: str
) -> None:
    edit(mood / "train.jsonl", old, new)
    with pytest.raises(error) as caught:
        train(mood, tmp_path / "out" / "run", progress=False)
    assert words in str(caught.value)
    assert "train.jsonl:" in str(caught.value)
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").iterdir())


def test_an_unknown_encoder_or_option_is_a_task_error(mood: Path, tmp_path: Path, edit: Edit) -> None:
    edit(mood / "task.toml", "dim = 8", "dims = 8")
    with pytest.raises(TaskError, match="dim"):
        train(mood, tmp_path / "run", progress=False)


def test_eval_without_the_task_folder_says_what_is_missing(mood: Path, tmp_path: Path) -> None:
    train(mood, tmp_path / "run", epochs=1, progress=False)
    mood.rename(tmp_path / "moved")
    with pytest.raises(TaskError, match="the task folder it was trained from is gone"):
        evaluate(tmp_path / "run", device="cpu")
    metrics = evaluate(tmp_path / "run", "test", device="cpu", data=tmp_path / "moved")
    assert metrics.overall.rows == 30


def test_a_split_that_is_not_there_is_named_with_those_that_are(mood: Path, tmp_path: Path) -> None:
    train(mood, tmp_path / "run", epochs=1, progress=False)
    with pytest.raises(DataError, match="there is no split `tests`: it is train, dev or test; did you mean `test`"):
        evaluate(tmp_path / "run", "tests", device="cpu")
