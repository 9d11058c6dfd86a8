"""Many questions at once: the same answers as one by one, in order, whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from nesy.cli.main import app
from nesy.errors import DataError
from nesy.learning import asking
from nesy.learning.asking import ask_all
from nesy.learning.training import train
from nesy.model import Model

TEXTS = ["good soup", "bad room food", "awful", "good soup food", "lovely"]


@pytest.fixture
def run(trained: Path) -> Path:
    return trained


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    file = tmp_path / "questions.jsonl"
    file.write_text("".join(json.dumps({"text": text, "other": 1}) + "\n" for text in TEXTS))
    return file


def read(file: Path) -> list[dict]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_each_line_says_what_asking_alone_says(run: Path, questions: Path, tmp_path: Path) -> None:
    asked = ask_all(run, questions, tmp_path / "answers.jsonl", progress=False)
    model = Model.from_pretrained(run)
    lines = read(tmp_path / "answers.jsonl")
    assert asked.questions == len(lines) == len(TEXTS)
    for number, (text, line) in enumerate(zip(TEXTS, lines, strict=True), 1):
        alone = model.ask(text)
        assert line["origin"] == f"{questions}:{number}"
        assert f"label({line['answer']})" == alone.best.text
        assert line["probability"] == pytest.approx(alone.best.p, abs=1e-6)
        assert [row["query"] for row in line["answers"]] == [row.text for row in alone]
        assert [row["method"] for row in line["answers"]] == [row.method for row in alone]


def test_the_order_and_the_answers_do_not_depend_on_the_size_of_batches(
    run: Path, questions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask_all(run, questions, tmp_path / "whole.jsonl", progress=False)
    monkeypatch.setattr(asking, "_BATCH", 2)
    monkeypatch.setattr(asking, "_PART", 3)
    ask_all(run, questions, tmp_path / "parts.jsonl", progress=False)
    for one, other in zip(read(tmp_path / "whole.jsonl"), read(tmp_path / "parts.jsonl"), strict=True):
        assert one["origin"] == other["origin"]
        assert one["probability"] == pytest.approx(other["probability"], abs=1e-6)


def test_lines_of_text_are_questions_and_proofs_come_when_asked_for(run: Path, tmp_path: Path) -> None:
    (tmp_path / "questions.txt").write_text("good soup\n\nbad room\n")
    ask_all(run, tmp_path / "questions.txt", tmp_path / "answers.jsonl", explain=True, progress=False)
    lines = read(tmp_path / "answers.jsonl")
    assert [line["origin"][-1] for line in lines] == ["1", "3"]
    assert all("checked by Z3" in json.dumps(line["explanation"]) for line in lines)


def test_answers_that_are_not_sure_enough_are_marked(run: Path, questions: Path, tmp_path: Path) -> None:
    asked = ask_all(run, questions, tmp_path / "answers.jsonl", abstain_below=1.0, progress=False)
    assert asked.abstained == len(TEXTS) and all(line["abstains"] for line in read(tmp_path / "answers.jsonl"))
    assert asked.expected is not None and asked.expected.threshold == 1.0
    assert ask_all(run, questions, tmp_path / "answers.jsonl", abstain_below=0.0, progress=False).abstained == 0


def test_a_question_without_any_possible_answer_does_not_spoil_the_others(
    mood: Path, tmp_path: Path, edit: Callable[[Path, str, str], None], questions: Path
) -> None:
    edit(mood / "program.nesy", "#query", ':- token(0, "awful").\n#query')
    for name in ("train", "test"):
        rows = [line for line in (mood / f"{name}.jsonl").read_text().splitlines() if "awful" not in line]
        (mood / f"{name}.jsonl").write_text("\n".join(rows))
    folder = train(mood, tmp_path / "strict", epochs=1, progress=False).folder
    asked = ask_all(folder, questions, tmp_path / "answers.jsonl", progress=False)
    lines = read(tmp_path / "answers.jsonl")
    assert asked.impossible == 1
    assert [line["answer"] is None for line in lines] == [False, False, True, False, False]
    assert "token(0" in lines[2]["impossible"]


def test_a_bad_line_is_named_and_nothing_is_written(run: Path, tmp_path: Path) -> None:
    file = tmp_path / "questions.jsonl"
    file.write_text('{"text": "good"}\n{"txet": "bad"}\n')
    with pytest.raises(DataError, match=r"questions\.jsonl:2: the field `text` is missing; the row has `txet`"):
        ask_all(run, file, tmp_path / "answers.jsonl", progress=False)
    file.write_text('{"text": "good"}\n{"text": 7}\n')
    with pytest.raises(DataError, match=r"questions\.jsonl:2: "):
        ask_all(run, file, tmp_path / "answers.jsonl", progress=False)
    with pytest.raises(DataError, match="there is no folder"):
        ask_all(run, file, tmp_path / "nowhere" / "answers.jsonl", progress=False)
    assert not list(tmp_path.glob("*answers*"))


def test_the_command_line_takes_one_input_or_a_file(run: Path, questions: Path, tmp_path: Path) -> None:
    to_screen = CliRunner().invoke(app, ["ask", str(run), "--input", str(questions)])
    assert [json.loads(line)["origin"] for line in to_screen.stdout.splitlines()] == [
        f"{questions}:{n}" for n in range(1, 6)
    ]
    out = tmp_path / "answers.jsonl"
    to_file = CliRunner().invoke(app, ["ask", str(run), "--input", str(questions), "--out", str(out)])
    assert to_file.stdout == f"5 questions: {out}\n"
    assert CliRunner().invoke(app, ["ask", str(run)]).exit_code == 2
    assert CliRunner().invoke(app, ["ask", str(run), "good", "--input", str(questions)]).exit_code == 2
