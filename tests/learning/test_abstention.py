"""Abstaining: what is counted on dev rows, and what a run says of it."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from nesy.cli.main import app
from nesy.errors import DataError, RunError
from nesy.learning import evaluate, expected_error, train
from nesy.learning.abstention import CONFIDENCE_FILE, Confidence

ROWS = st.lists(st.tuples(st.floats(0.5, 1.0), st.booleans()), max_size=40)


def confidence_of(rows: list[tuple[float, bool]]) -> Confidence:
    p = np.array([[chance, 1 - chance] for chance, _ in rows]).reshape(len(rows), 2)
    return Confidence.of(p, np.array([0 if right else 1 for _, right in rows], dtype=np.int64))


@given(ROWS, st.floats(0, 1))
def test_counts_are_those_of_a_loop_over_the_rows(rows, threshold):
    found = confidence_of(rows).at(threshold)
    kept = [right or chance == 0.5 for chance, right in rows if chance >= threshold]
    if all(chance != 0.5 for chance, _ in rows):  # at one half either answer is the best
        assert (found.answered, found.wrong) == (len(kept), kept.count(False))
    assert found.rows == len(rows)


@given(ROWS)
def test_the_curve_ends_with_all_rows_and_never_covers_less(rows):
    curve = confidence_of(rows).curve()
    assert bool(curve) == bool(rows)
    if curve:
        assert curve[-1].coverage == 1
        assert [point.coverage for point in curve] == sorted(point.coverage for point in curve)


def test_the_bound_holds_on_average_over_new_rows():
    draw = np.random.default_rng(0)
    errors, bounds = [], []
    for _ in range(400):
        chance = draw.uniform(0.5, 1, 31)
        right = draw.random(31) < chance - 0.1  # surer than right
        found = confidence_of(list(zip(chance[:30], right[:30], strict=True))).at(0.7)
        if chance[30] >= 0.7:
            errors.append(not right[30])
            bounds.append(found.error)
    assert np.mean(errors) <= np.mean(bounds)
    assert np.mean(bounds) < np.mean(errors) + 0.1  # and it says something


def test_nothing_counted_promises_nothing():
    assert confidence_of([]).at(0.5).error == 1
    assert confidence_of([(0.6, True)]).at(0.9).error == 1


def test_a_run_knows_its_dev_answers_and_abstains(mood: Path, tmp_path: Path) -> None:
    run = train(mood, tmp_path / "run", progress=False)
    dev = evaluate(run.folder, "dev")
    assert dev.confidence is not None
    expected = expected_error(run.folder, 0.5)
    assert (expected.rows, expected.wrong) == (len(dev.confidence.chance), int((~dev.confidence.right).sum()))
    asked = CliRunner().invoke(app, ["ask", str(run.folder), "good soup", "--abstain-below", "0.5"])
    assert asked.exit_code == 0
    assert "answers at least 50% sure: 12 of 12 dev rows, 0 wrong; expect at most 7.7% wrong" in asked.stdout
    assert "label(positive)" in asked.stdout
    silent = CliRunner().invoke(app, ["ask", str(run.folder), "good soup", "--abstain-below", "1"])
    assert silent.exit_code == 0
    first, second = silent.stdout.splitlines()
    assert first.startswith("no answer: the best one is ") and first.endswith(" sure, less than 100%")
    assert second == "answers at least 100% sure: 0 of 12 dev rows, 0 wrong; expect at most 100.0% wrong"
    told = json.loads(
        CliRunner().invoke(app, ["ask", str(run.folder), "good soup", "--abstain-below", "1", "--json"]).stdout
    )
    assert told["abstains"] is True and told["expected"]["answered"] == 0


def test_thresholds_and_runs_that_make_no_sense_are_refused(mood: Path, tmp_path: Path) -> None:
    run = train(mood, tmp_path / "run", epochs=1, progress=False)
    words = "an answer's chance is from 0 to 1, so there is nothing to abstain from below 7"
    with pytest.raises(DataError, match=words):
        expected_error(run.folder, 7)
    with pytest.raises(DataError, match="below nan"):
        expected_error(run.folder, float("nan"))
    (run.folder / CONFIDENCE_FILE).write_text("{}")
    with pytest.raises(RunError, match="not what training writes there"):
        expected_error(run.folder, 0.5)
    (run.folder / CONFIDENCE_FILE).unlink()
    with pytest.raises(RunError, match="does not know how sure its dev answers were: train it again"):
        expected_error(run.folder, 0.5)
