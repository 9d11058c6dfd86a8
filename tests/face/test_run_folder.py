"""A run folder is written whole or not at all, and read only if it is what was written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nesy import run_folder
from nesy.errors import RunError


def write(folder: Path, text: str = "hello") -> None:
    with run_folder.writing(folder) as scratch:
        (scratch / "rules").mkdir()
        (scratch / "rules" / "program.nesy").write_text(text)
        run_folder.write_json(scratch / "config.json", {"a": 1})


def test_a_written_run_passes_the_check(tmp_path: Path) -> None:
    write(tmp_path / "run")
    run_folder.check(tmp_path / "run")
    assert run_folder.read_json(tmp_path / "run", "config.json") == {"a": 1}
    assert sorted(p.name for p in tmp_path.iterdir()) == ["run"]


def test_a_failure_while_writing_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), run_folder.writing(tmp_path / "run") as scratch:
        (scratch / "half").write_text("x")
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


def test_a_failure_while_writing_again_keeps_the_old_run(tmp_path: Path) -> None:
    write(tmp_path / "run", "old")
    with pytest.raises(ZeroDivisionError), run_folder.writing(tmp_path / "run"):
        raise ZeroDivisionError
    run_folder.check(tmp_path / "run")
    assert (tmp_path / "run" / "rules" / "program.nesy").read_text() == "old"


def test_writing_again_replaces_the_old_run(tmp_path: Path) -> None:
    write(tmp_path / "run", "old")
    write(tmp_path / "run", "new")
    assert (tmp_path / "run" / "rules" / "program.nesy").read_text() == "new"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["run"]


def test_a_folder_that_is_no_run_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("years of work")
    with pytest.raises(RunError) as caught:
        write(tmp_path / "thesis")
    assert str(caught.value) == (
        f"{tmp_path}/thesis: exists and is not a nesy run, so it is not overwritten: choose another --out"
    )
    assert (tmp_path / "thesis" / "chapter.txt").read_text() == "years of work"


def test_a_missing_folder_is_named_with_the_command_that_makes_one(tmp_path: Path) -> None:
    with pytest.raises(RunError) as caught:
        run_folder.check(tmp_path / "none")
    assert str(caught.value) == (
        f"{tmp_path}/none: no such run folder (train one with `nesy train TASK --out {tmp_path}/none`)"
    )


def test_an_incomplete_run_names_the_file_that_is_missing(tmp_path: Path) -> None:
    write(tmp_path / "run")
    (tmp_path / "run" / "config.json").unlink()
    with pytest.raises(RunError) as caught:
        run_folder.check(tmp_path / "run")
    assert str(caught.value) == f"{tmp_path}/run: incomplete: `config.json` is missing"


def test_a_changed_file_is_named(tmp_path: Path) -> None:
    write(tmp_path / "run")
    (tmp_path / "run" / "config.json").write_text("{}")
    with pytest.raises(RunError) as caught:
        run_folder.check(tmp_path / "run")
    assert str(caught.value) == f"{tmp_path}/run/config.json: not the file that training wrote (its SHA-256 differs)"


def test_a_run_of_a_newer_version_says_so(tmp_path: Path) -> None:
    write(tmp_path / "run")
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    (tmp_path / "run" / "manifest.json").write_text(json.dumps(manifest | {"version": 99}))
    with pytest.raises(RunError) as caught:
        run_folder.check(tmp_path / "run")
    assert str(caught.value) == (
        f"{tmp_path}/run: written by a newer nesy (run format 99, this one reads up to 1): upgrade nesy"
    )


@pytest.mark.parametrize("content", ["", "[]", "{", "{}", '{"format": "other"}', "\x00\xff"])
def test_a_foreign_manifest_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(RunError, match="not the manifest of a nesy run"):
        run_folder.check(tmp_path)


def test_a_manifest_cannot_point_outside_its_folder(tmp_path: Path) -> None:
    write(tmp_path / "run")
    path = tmp_path / "run" / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["files"]["../secret"] = "0"
    path.write_text(json.dumps(manifest))
    (tmp_path / "secret").write_text("x")
    with pytest.raises(RunError, match=r"`\.\./secret` lies outside the run folder"):
        run_folder.check(tmp_path / "run")


def test_one_file_of_a_run_can_be_replaced(tmp_path: Path) -> None:
    write(tmp_path / "run")
    run_folder.update_json(tmp_path / "run", "config.json", {"a": 2})
    run_folder.check(tmp_path / "run")
    assert run_folder.read_json(tmp_path / "run", "config.json") == {"a": 2}
    assert not [p for p in (tmp_path / "run").iterdir() if p.name.startswith(".")]
