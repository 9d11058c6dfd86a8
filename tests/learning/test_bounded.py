"""Rows that are too entangled for exact probabilities: training, measuring and the model itself say so."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from nesy.errors import DataError
from nesy.learning import fitting
from nesy.learning.evaluation import evaluate
from nesy.learning.fitting import fit
from nesy.learning.training import train
from nesy.model import Model
from nesy.reasoning import Budget, exact
from nesy.reasoning.readings import known

Edit = Callable[[Path, str, str], None]

# Six that follow from one another in more than one way decide whether sentences of three words are turned around.
NETWORK = """\
at(0..5).
0.1::first(I) :- at(I).   0.5::both(I) :- at(I).   0.5::one(I) :- at(I).
holds(I) :- first(I).
holds(I) :- at(I), both(I), holds((I + 3) mod 6), holds((I + 2) mod 6).
holds(I) :- at(I), one(I), holds((I + 4) mod 6).
turns :- token(2, _), holds(0).
"""


@pytest.fixture
def entangled(mood: Path, edit: Edit) -> Path:
    edit(mood / "program.nesy", "t(0.4)::turns.\n", NETWORK)
    return mood


@pytest.fixture
def little(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Leaves analysis next to nothing, from when it is called."""

    def poor() -> Budget:
        return Budget(nodes=20)

    def leave() -> None:
        monkeypatch.setattr("nesy.model.Budget", poor)
        monkeypatch.setattr(known, "Budget", poor)

    return leave


def test_an_interval_holds_the_exact_probability_and_the_others_stay_exact(
    entangled: Path, tmp_path: Path, little: Callable[[], None]
) -> None:
    whole = train(entangled, tmp_path / "run", epochs=1, device="cpu", progress=False).model
    payloads = [{"text": "good food"}, {"text": "bad soup food"}]
    truth = whole(whole.prepare(payloads))
    assert not whole.prepare(payloads).is_bounded.any() and not truth.slack.any()
    little()
    for asked in (payloads, payloads[1:]):  # side by side, and of one structure
        model = Model.from_pretrained(tmp_path / "run", device="cpu")
        batch = model.prepare(asked)
        assert batch.is_bounded.tolist() == [False, True][-len(asked) :]
        with torch.no_grad():
            out = model(batch)
        p = torch.stack([truth.of([str(atom)] * 2) for atom in out.answers], dim=1)[-len(asked) :]
        assert bool(((out.p - p).abs() <= out.slack + 1e-6).all())
        assert bool((out.slack[batch.is_bounded] > 0.01).all()) and not out.slack[~batch.is_bounded].any()


def test_training_and_measuring_say_of_how_many_rows_only_intervals_are_known(
    entangled: Path, tmp_path: Path, little: Callable[[], None], capsys: pytest.CaptureFixture[str]
) -> None:
    little()
    run = train(entangled, tmp_path / "run", epochs=1, device="cpu")
    long = [
        sum(
            len(json.loads(line)["text"].split()) == 3
            for line in (entangled / f"{name}.jsonl").read_text().splitlines()
        )
        for name in ("train", "test")
    ]
    said = capsys.readouterr().err
    assert "rows are too entangled for exact probabilities: they are learned by the middle of an interval" in said
    assert run.test is not None and run.test.bounded is not None and run.dev is not None
    assert run.test.bounded.rows == long[1]
    in_dev = run.dev.bounded.rows if run.dev.bounded else 0
    assert f"{long[0] - in_dev:,} of " in said
    line = (
        f"{long[1]} rows are too entangled for exact probabilities: theirs are within {run.test.bounded.slack:.3f}, "
        "and the middle is measured"
    )
    again = evaluate(run.folder, device="cpu", html=tmp_path / "page.html")
    assert str(again).splitlines()[-1] == line
    assert again.to_dict()["bounded"] == run.test.to_dict()["bounded"] == {
        "rows": long[1], "slack": round(run.test.bounded.slack, 6),
    }  # fmt: skip
    assert line in (tmp_path / "page.html").read_text() and line in (run.folder / "README.md").read_text()


def test_fit_refuses_what_it_cannot_learn_from_exactly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network = NETWORK.replace("0.5::one(I)", "t(0.5)::one(I)").replace("turns :- token(2, _)", "seen :- at(_)")
    (tmp_path / "p.nesy").write_text(network + "#query seen.\n")
    (tmp_path / "e.nesy").write_text("evidence(seen).\n---\nevidence(seen, false).\n")
    learned = fit(tmp_path / "p.nesy", tmp_path / "e.nesy", iterations=2)
    assert 0 < learned.learned[0].probability < 1
    monkeypatch.setattr(fitting, "exact", lambda graph: exact(graph, Budget(nodes=20)))
    with pytest.raises(DataError) as caught:
        fit(tmp_path / "p.nesy", tmp_path / "e.nesy")
    assert str(caught.value) == (
        f"{tmp_path / 'e.nesy'}: seen is too entangled under these rules for its exact probability, which learning "
        "needs: observe fewer atoms together, or write rules with fewer ways to the same atom"
    )
