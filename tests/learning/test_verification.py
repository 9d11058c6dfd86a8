"""`nesy verify RUN`: every answer of a split, checked by Z3."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import nesy
from nesy.answer import Answer
from nesy.learning import Run
from nesy.solver import Certificate


@pytest.fixture
def run(mood: Path, tmp_path: Path) -> Run:
    return nesy.train(mood, tmp_path / "run", epochs=1, progress=False)


def test_every_answer_of_a_trained_run_is_checked(run: Run) -> None:
    found = nesy.verify(run.folder, "test", progress=False)
    assert (found.checked, found.failed, found.unknown, found.impossible) == (30, 0, 0, 0)
    assert found.is_ok
    assert str(found).startswith("test: 30 checked, 0 failed, 0 unknown; median ")


def test_each_certificate_can_be_written_for_another_solver(run: Run, tmp_path: Path) -> None:
    found = nesy.verify(run.folder, "test", smt2=tmp_path / "scripts", progress=False)
    written = sorted((tmp_path / "scripts").iterdir())
    assert len(written) == found.checked == 30
    assert written[0].name == "00000.smt2"
    assert "(check-sat)" in written[0].read_text()


@pytest.mark.parametrize(("verdict", "left"), [("failed", ["failed-00000.smt2"]), ("unknown", [])])
def test_an_answer_that_is_not_confirmed_is_listed_and_a_failed_one_leaves_its_script(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verdict: str, left: list[str]
) -> None:
    certify = Answer.certify
    calls: list[int] = []

    def certified(answer: Answer) -> Certificate | None:
        found = certify(answer)
        calls.append(1)
        return replace(found, verdict=verdict, reason="says so") if found and len(calls) == 1 else found

    monkeypatch.setattr(Answer, "certify", certified)
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    found = nesy.verify(run.folder, "test", progress=False)
    assert not found.is_ok
    assert getattr(found, verdict) == 1
    assert str(found.listed[0]).startswith(f"{verdict}: ")
    assert "says so" in str(found.listed[0])
    assert [path.name for path in folder.iterdir()] == left
