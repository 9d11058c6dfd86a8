"""The card of a run says what it is, how good it is and how to use it, and the run loads no more than it holds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from nesy import run_folder
from nesy.cli.main import app
from nesy.errors import RunError
from nesy.learning.training import train
from nesy.model import Model


def test_the_card_has_use_figures_rules_and_settings(mood: Path, tmp_path: Path) -> None:
    run = train(mood, tmp_path / "run", epochs=2, progress=False)
    card = (run.folder / "README.md").read_text()
    assert card.startswith("---\nlibrary_name: nesy\n")
    assert run.test is not None
    assert f"| all | 30 | {run.test.accuracy:.2%} |" in card
    assert f"| short=true | {run.test.slices['short=true'].rows} |" in card
    assert (mood / "program.nesy").read_text().strip() in card
    assert "nesy.Model.from_pretrained(" in card and "| seed | 0 |" in card and "the best of them" in card
    assert f"{run.extra['parameters']:,} parameters" in card


def test_a_program_that_the_manifest_does_not_name_is_refused(mood: Path, tmp_path: Path) -> None:
    run = train(mood, tmp_path / "run", epochs=1, progress=False)
    (tmp_path / "elsewhere.nesy").write_text("#query label(P). label(a).")
    config = json.loads((run.folder / "config.json").read_text())
    run_folder.update_json(run.folder, "config.json", config | {"program": "../elsewhere.nesy"})
    with pytest.raises(
        RunError, match=r"its parts do not fit together \(`\.\./elsewhere\.nesy` is not one of its files"
    ):
        Model.from_pretrained(run.folder)


def test_pushing_what_is_no_run_or_to_no_repository_is_one_line(tmp_path: Path) -> None:
    said = CliRunner().invoke(app, ["push", str(tmp_path / "none"), "ann/mood"])
    assert isinstance(said.exception, RunError) and "no such run folder" in str(said.exception)
