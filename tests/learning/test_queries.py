"""Several queries of one task: each row may answer some of them, and each is measured by itself."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from nesy.errors import DataError, QueryError, TaskError
from nesy.learning.asking import ask_all
from nesy.learning.batches import AnswerNames, prepare
from nesy.learning.crossvalidation import crossval
from nesy.learning.data import Row
from nesy.learning.evaluation import evaluate
from nesy.learning.losses import answer_loss
from nesy.learning.measure import answer_all
from nesy.learning.overview import overview
from nesy.learning.training import train
from nesy.learning.verification import verify
from nesy.model import Model

Edit = Callable[[Path, str, str], None]


@pytest.fixture
def both(mood: Path, edit: Edit) -> Path:
    """The sentences of `mood`, asked what they say and what about; every fourth row has one of the two answers."""
    edit(mood / "program.nesy", "t(0.4)::turns.\n", "#neural names(T) -> {food, room, soup} :- token(T, _).\n")
    edit(
        mood / "program.nesy",
        "label(P) :- leans(0, P), not turns.",
        "label(P) :- leans(0, P).\ntopic(W) :- names(1, W).",
    )
    for rule in ("label(negative) :- leans(0, positive), turns.\n", "label(positive) :- leans(0, negative), turns.\n"):
        edit(mood / "program.nesy", rule, "")
    edit(mood / "task.toml", 'query = "label(P)"', 'query = ["label(P)", "topic(W)"]')
    edit(mood / "task.toml", 'answer = "label"', '[data.answers]\ntopic = "about"')
    for name in ("train", "test"):
        rows = [json.loads(line) for line in (mood / f"{name}.jsonl").read_text().splitlines()]
        for number, row in enumerate(rows):
            row["about"] = row["text"].split()[1]
            if name == "train" and number % 4 == 0:
                row[("label", "about")[number // 4 % 2]] = None
        (mood / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return mood


def test_every_query_is_learned_and_measured_by_itself(both: Path, tmp_path: Path) -> None:
    run = train(both, tmp_path / "run", device="cpu", progress=False)
    assert run.test is not None
    assert {name: part.overall.rows for name, part in run.test.queries.items()} == {"label(P)": 30, "topic(W)": 30}
    assert {name: part.accuracy for name, part in run.test.queries.items()} == {"label(P)": 1.0, "topic(W)": 1.0}
    assert run.test.overall.rows == 60
    card = (run.folder / "README.md").read_text()
    assert "Answers `label(P)` and `topic(W)`." in card and "| topic(W) | 30 | 100.00% |" in card
    assert set(run.test.queries["topic(W)"].confusion) == {f"topic({word})" for word in ("food", "room", "soup")}
    page = tmp_path / "page.html"
    again = evaluate(run.folder, device="cpu", html=page)
    assert [line.split()[:3] for line in str(again).splitlines()[1:4]] == [
        ["all", "60", "100.00%"], ["label(P)", "30", "100.00%"], ["topic(W)", "30", "100.00%"],
    ]  # fmt: skip
    assert again.queries["topic(W)"].to_dict() == run.test.queries["topic(W)"].to_dict()
    assert "<h2>Queries</h2>" in page.read_text() and "topic(W)" in page.read_text()
    checked = verify(run.folder, device="cpu", progress=False)
    assert (checked.checked, checked.is_ok) == (60, True)


def test_an_answer_has_a_part_for_each_query(both: Path, tmp_path: Path) -> None:
    run = train(both, tmp_path / "run", device="cpu", progress=False)
    model = Model.from_pretrained(run.folder, device="cpu")
    answer = model.ask("lovely soup")
    assert [str(part.best.atom) for part in answer.parts] == ["label(positive)", "topic(soup)"]
    assert answer.surest == min(part.surest for part in answer.parts)
    questions = tmp_path / "questions.jsonl"
    questions.write_text('{"text": "awful room"}\n{"text": "fresh food food"}\n')
    out = tmp_path / "answers.jsonl"
    ask_all(run.folder, questions, out, device="cpu", abstain_below=0.0, explain=True, progress=False)
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert [line["answer"] for line in lines] == [
        {"label": "negative", "topic": "room"}, {"label": "positive", "topic": "food"},
    ]  # fmt: skip
    assert lines[0]["abstains"] == {"label": False, "topic": False}
    assert lines[0]["explanation"]["topic"]["answer"] == "topic(room)"


def test_the_loss_is_the_mean_over_all_known_answers(both: Path, tmp_path: Path) -> None:
    model = train(both, tmp_path / "run", epochs=1, device="cpu", progress=False).model
    rows = [
        Row({"text": "good food"}, "positive", {}, {}, "a", {}, ("food",)),
        Row({"text": "bad soup food"}, None, {}, {}, "b", {}, ("soup",)),
        Row({"text": "stale room"}, "negative", {}, {}, "c", {}, (None,)),
    ]
    names = AnswerNames.of(model)
    prepared = prepare(model, rows, range(3), names)
    out = model(prepared.batch)
    chance = {(i, str(atom)): out.p[i, j].item() for i in range(3) for j, atom in enumerate(out.answers)}
    known = [(0, "label(positive)"), (0, "topic(food)"), (1, "topic(soup)"), (2, "label(negative)")]
    expected = [-math.log(chance[place]) for place in known]
    assert answer_loss(out, prepared).tolist() == pytest.approx(expected, rel=1e-5)
    among = {"label": ["negative", "positive"], "topic": ["food", "room", "soup"]}
    smooth = [
        0.8 * loss - 0.2 * sum(math.log(chance[i, f"{name}({value})"]) for value in among[name]) / len(among[name])
        for loss, (i, name) in zip(expected, ((i, text.partition("(")[0]) for i, text in known), strict=True)
    ]
    assert answer_loss(out, prepared, 0.2).tolist() == pytest.approx(smooth, rel=1e-5)
    table, answers = answer_all(model, [prepared], names)
    assert answers == ["label(negative)", "label(positive)", "topic(food)", "topic(room)", "topic(soup)"]
    assert torch.from_numpy(table).sum(1).tolist() == pytest.approx([1.0] * 6)
    assert table[0, 2:].max() < 1e-9 and table[1, :2].max() < 1e-9


def test_rows_of_a_csv_file_leave_cells_empty_and_say_what_does_not_hold(
    both: Path, tmp_path: Path, edit: Edit
) -> None:
    rows = [json.loads(line) for line in (both / "train.jsonl").read_text().splitlines()]
    with (both / "train.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerows([["text", "label", "about"], *([row["text"], row["label"], row["about"]] for row in rows)])
    edit(both / "task.toml", "train.jsonl", "train.csv")
    found = overview(both)
    answers = found.splits[0].answers
    assert sum(count for name, count in answers.items() if name.startswith("label=")) < found.splits[0].rows
    assert {name.partition("=")[0] for name in answers} == {"label", "topic"}
    statement = {"text": "good room", "statements": {"topic(soup)": False, "label(positive)": True}}
    (both / "test.jsonl").write_text(json.dumps({**statement, "about": None, "label": None}) + "\n")
    run = train(both, tmp_path / "run", epochs=2, device="cpu", progress=False)
    assert run.test is not None and run.test.statements is not None
    assert (run.test.overall.rows, run.test.statements.atoms) == (0, 2)


def test_folds_have_like_shares_of_both_answers(both: Path, tmp_path: Path) -> None:
    found = crossval(both, tmp_path / "runs", folds=2, epochs=1, device="cpu", progress=False)
    assert len(found.runs) == 2 and set(found.runs[0]["test"]["queries"]) == {"label(P)", "topic(W)"}


@pytest.mark.parametrize(
    ("file", "old", "new", "error", "words"),
    [
        ("train.jsonl", '"about": "soup"', '"about": "sop"', DataError,
         "`sop` is not an answer that `topic(W)` can have: food, room, soup; did you mean `soup`?"),
        ("train.jsonl", '"label": "positive"', '"label": "food"', DataError,
         "`food` is not an answer that `label(P)` can have: negative, positive"),
        ("task.toml", 'topic = "about"', 'topic = "abut"', DataError,
         "neither this row nor any other has the field `abut`; did you mean `about`?"),
        ("task.toml", 'topic = "about"', 'topics = "about"', TaskError, "did you mean `topic`?"),
        ("task.toml", '"topic(W)"', '"label(Q)"', TaskError, "`query` must be one query, or several of a predicate"),
        ("task.toml", '["label(P)", "topic(W)"]', '"label(P)"', TaskError, "`answers` is for several queries"),
        ("task.toml", '["label(P)", "topic(W)"]', "[]", TaskError, "`query` must be one query, or several"),
        ("task.toml", '["label(P)", "topic(W)"]', "7", TaskError, "`query` must be text or a list of texts, not 7"),
    ],
)  # fmt: skip
def test_mistakes_name_the_query(
    both: Path, tmp_path: Path, edit: Edit, file: str, old: str, new: str, error: type[Exception], words: str
) -> None:
    edit(both / file, old, new)
    with pytest.raises(error) as caught:
        train(both, tmp_path / "run", device="cpu", progress=False)
    assert words in str(caught.value)


def test_a_model_of_two_queries_of_one_predicate_is_refused(both: Path, tmp_path: Path) -> None:
    model = train(both, tmp_path / "run", epochs=1, device="cpu", progress=False).model
    with pytest.raises(QueryError, match="a model answers one query, or several of a predicate of its own each"):
        Model(model.program, model.encoder, ["topic(soup)", "topic(W)"])
