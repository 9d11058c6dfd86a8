"""Temperatures make an encoder's answers as sure as they are right, through the rules."""

import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from nesy.learning import evaluate, load_task, train
from nesy.learning.batches import AnswerNames, Prepared
from nesy.learning.calibration import calibrate
from nesy.learning.measure import answer_all
from nesy.learning.sources import open_data
from nesy.learning.training import build_model, prepare_all
from nesy.model import Model

Edit = Callable[[Path, str, str], None]

RULES = """\
#input token(index, word).
#neural leans(T) -> {positive, negative} :- token(T, _).
label(positive) :- leans(0, negative).
label(negative) :- leans(0, positive).
#query label(P).
"""


def model_that_says(
    mood: Path, log_odds: float, num_right: int, num_rows: int, rules: str = RULES
) -> tuple[Model, list[Prepared]]:
    """A model that answers every row alike, and rows of which so many are answered rightly."""
    (mood / "program.nesy").write_text(rules)
    rows = [{"text": "good", "label": "negative" if i < num_right else "positive"} for i in range(num_rows)]
    (mood / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    task = load_task(mood)
    source = open_data(task)
    model = build_model(task, source, 0)
    with torch.no_grad():
        readout = model.encoder.get_submodule("readouts.leans")
        readout.get_parameter("weight").zero_()
        readout.get_parameter("bias").copy_(torch.tensor([log_odds, 0.0]))
    rows_read = [*source.splits.train, *source.splits.dev]
    return model, prepare_all(model, rows_read, AnswerNames.of(model), task)


def test_the_temperature_makes_answers_as_sure_as_they_are_right(mood: Path) -> None:
    model, dev = model_that_says(mood, log_odds=6.0, num_right=75, num_rows=100)
    assert calibrate(model, dev)
    assert model.temperatures.table() == pytest.approx({"leans": 6.0 / math.log(3)}, rel=1e-3)  # 75 of 100: odds of 3
    answer = model.ask("good")
    assert {str(row["P"]): row.p for row in answer} == pytest.approx({"negative": 0.75, "positive": 0.25}, abs=1e-3)


def test_timid_answers_become_surer(mood: Path) -> None:
    model, dev = model_that_says(mood, log_odds=0.5, num_right=90, num_rows=100)
    assert calibrate(model, dev)
    assert model.temperatures.table() == pytest.approx({"leans": 0.5 / math.log(9)}, rel=1e-3)


def test_what_is_surely_forbidden_is_decided_by_the_scores(mood: Path) -> None:
    rules = f"{RULES}#neural loud -> {{yes, no}} :- token(_, _).\n"
    rules += "allowed :- leans(0, negative).\nallowed :- loud(no).\n:- token(0, _), not allowed.\n"
    model, dev = model_that_says(mood, log_odds=150.0, num_right=6, num_rows=6, rules=rules)
    with torch.no_grad():
        readout = model.encoder.get_submodule("readouts.loud")
        readout.get_parameter("weight").zero_()
        readout.get_parameter("bias").copy_(torch.tensor([149.0, 0.0]))
    chance = 1 / (1 + math.exp(-1))  # `leans` as its scores say and `loud` not, against the other way round
    assert model.ask("good").best.p == pytest.approx(chance, rel=1e-6)
    names = AnswerNames.of(model)
    names.extend(dev[0].batch.answers)
    p, answers = answer_all(model, dev, names)
    assert dict(zip(answers, p[0], strict=True))["label(negative)"] == pytest.approx(chance, rel=1e-6)


def test_few_rows_fit_nothing(mood: Path) -> None:
    model, dev = model_that_says(mood, log_odds=6.0, num_right=20, num_rows=49)
    assert not calibrate(model, dev)
    assert model.temperatures.table() == {"leans": 1.0}


def test_answers_that_are_wrong_throughout_do_not_change_sides(mood: Path) -> None:
    model, dev = model_that_says(mood, log_odds=6.0, num_right=0, num_rows=60)
    assert calibrate(model, dev)
    assert model.temperatures.table() == pytest.approx({"leans": math.exp(3)})  # as unsure as it may become
    assert str(model.ask("good").top()).startswith("label(negative)")


def test_a_run_keeps_its_temperatures(mood: Path, edit: Edit, tmp_path: Path) -> None:
    edit(mood / "task.toml", "[training]", "[training]\nsmoothing = 0.4")  # answers that are less sure than right
    edit(mood / "task.toml", 'answer = "label"', 'answer = "label"\nholdout = 0.5')
    run = train(mood, tmp_path / "run", epochs=8, progress=False)
    saved = json.loads((run.folder / "metrics.json").read_text())["temperatures"]
    assert run.model.temperatures.table() == pytest.approx(saved)
    assert saved["leans"] < 1
    again = evaluate(run.folder, "dev")
    assert again.log_loss == pytest.approx(run.dev.log_loss)
    edit(mood / "task.toml", "[training]", "[training]\ncalibrate = false")
    plain = train(mood, tmp_path / "plain", epochs=8, progress=False)
    assert plain.model.temperatures.table() == {"leans": 1.0}
    assert plain.dev.log_loss > run.dev.log_loss
    assert plain.dev.accuracy == run.dev.accuracy
