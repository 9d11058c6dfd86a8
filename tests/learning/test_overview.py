"""`nesy data TASK`: what was read, in numbers and examples."""

from __future__ import annotations

import json
from pathlib import Path

from nesy.learning import overview


def test_every_split_is_told_in_numbers_and_examples(mood: Path) -> None:
    found = overview(mood, examples=1)
    names = [split.name for split in found.splits]
    assert names == ["train", "dev", "test"]
    train, dev, test = found.splits
    assert train.rows + dev.rows == 120
    assert test.rows == 30
    rows = [json.loads(line) for line in (mood / "test.jsonl").read_text().splitlines()]
    positive = sum(row["label"] == "positive" for row in rows)
    assert dict(test.answers) == {"positive": positive, "negative": 30 - positive}
    assert dict(test.concepts) == {"leans": 30}
    (text,) = test.columns
    lengths = sorted(len(row["text"].split()) for row in rows)
    assert (text.kind, text.least, text.greatest) == ("words", lengths[0], lengths[-1])
    assert test.examples[0]["input"] == {"text": rows[0]["text"]}
    assert test.examples[0]["origin"].endswith("test.jsonl:1")
    known = {json.loads(line)["text"] for line in (mood / "train.jsonl").read_text().splitlines()}
    assert found.repeated["test"] <= sum(row["text"] in known for row in rows)
    json.dumps(found.to_dict())


def test_inputs_that_training_has_too_are_counted(mood: Path) -> None:
    (mood / "test.jsonl").write_text((mood / "train.jsonl").read_text())
    found = overview(mood)
    assert found.repeated["test"] > 0
    assert f"warning: {found.repeated['test']} inputs of test are training inputs, too" in str(found)


def test_a_column_of_texts_that_are_all_numbers_is_one_of_numbers(mood: Path) -> None:
    for name in ("train", "test"):
        rows = [json.loads(line) for line in (mood / f"{name}.jsonl").read_text().splitlines()]
        texts = [{**row, "age": str(i), "post": f"{i:05}" if i else "none"} for i, row in enumerate(rows)]
        (mood / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in texts))
    task = (mood / "task.toml").read_text()
    (mood / "task.toml").write_text(task.replace('input = ["text"]', 'input = ["text", "age", "post"]'))
    test = overview(mood).splits[-1]
    assert [str(column) for column in test.columns[1:]] == [
        "age: number, 0 to 29 (median 14.5)",
        "post: words, 1 to 1 (median 1)",
    ]


def test_rows_without_an_answer_are_counted(mood: Path) -> None:
    rows = [json.loads(line) for line in (mood / "test.jsonl").read_text().splitlines()]
    for row in rows[:4]:
        row["label"] = None
    (mood / "test.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    text = str(overview(mood).splits[-1])
    assert "test: 30 rows" in text
    assert "without an answer: 4" in text
