"""Cross-validation and the folder that `nesy new` writes."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from torch import Tensor

from nesy.errors import DataError, TaskError
from nesy.learning.checkpoint import StateFile
from nesy.learning.crossvalidation import Score, crossval, stratified
from nesy.learning.data import Row
from nesy.learning.scaffold import new_task
from nesy.learning.training import train


def test_every_row_is_tested_once_and_finished_runs_are_not_run_again(mood: Path, tmp_path: Path) -> None:
    found = crossval(mood, tmp_path / "cv", folds=2, epochs=1, progress=False)
    assert sum(run["test"]["rows"] for run in found.runs) == 120
    assert found.scores["accuracy"] == Score.of([run["test"]["accuracy"] for run in found.runs])
    stamps = {path: path.stat().st_mtime_ns for path in (tmp_path / "cv").glob("*/model.safetensors")}
    again = crossval(mood, tmp_path / "cv", folds=2, epochs=1, progress=False)
    assert again.to_dict() == json.loads(json.dumps(found.to_dict()))
    assert {path: path.stat().st_mtime_ns for path in stamps} == stamps


def test_a_fold_that_was_interrupted_goes_on_where_it_was(
    mood: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = crossval(mood, tmp_path / "whole", folds=2, epochs=3, progress=False)
    written: list[int] = []
    write = StateFile.write

    def write_and_stop(self: StateFile, tensors: Mapping[str, Tensor], about: Mapping[str, Any]) -> None:
        write(self, tensors, about)
        written.append(len(about["records"]))
        if len(written) == 5:  # the second epoch of the second fold
            raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(StateFile, "write", write_and_stop)
        crossval(mood, tmp_path / "cv", folds=2, epochs=3, progress=False)
    assert written == [1, 2, 3, 1, 2]
    again = crossval(mood, tmp_path / "cv", folds=2, epochs=3, progress=False)
    assert again.scores == whole.scores
    for fold in ("fold1-seed0", "fold2-seed0"):
        weights = [(tmp_path / name / fold / "model.safetensors").read_bytes() for name in ("whole", "cv")]
        assert weights[0] == weights[1]


def test_folds_have_like_shares_of_every_answer() -> None:
    rows = [Row({}, "rare" if i < 7 else "common", {}, {}, "") for i in range(50)]
    fold_of = stratified(rows, 5)
    for answer, share in (("rare", 7 / 5), ("common", 43 / 5)):
        counts = Counter(fold for row, fold in zip(rows, fold_of, strict=True) if row.answer == answer)
        assert all(abs(counts[fold] - share) < 1 for fold in range(5))


def test_more_folds_than_rows_are_refused(mood: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="120 rows can be cut into 2 to 60 folds, not 100"):
        crossval(mood, tmp_path / "cv", folds=100, progress=False)


def test_a_new_task_trains_at_once(tmp_path: Path) -> None:
    folder = new_task(tmp_path / "letters")
    run = train(folder, tmp_path / "run", progress=False)
    assert run.test is not None
    assert run.test.accuracy > 0.9
    assert set(run.test.slices) == {"urgent=true", "urgent=false"}


def test_a_new_task_overwrites_nothing(tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    with pytest.raises(TaskError, match="there is something at this place already"):
        new_task(tmp_path / "here")
    with pytest.raises(TaskError, match="`9 lives` is not a name for a task"):
        new_task(tmp_path / "9 lives")
