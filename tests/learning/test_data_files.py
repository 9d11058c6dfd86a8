"""Data files are untrusted: whatever is wrong with one is said with its file and line."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nesy.errors import DataError
from nesy.learning.data import Located, Row, make_rows
from nesy.learning.files import read_records
from nesy.learning.importers import import_rows, import_unlabelled
from nesy.learning.schema import DataTable

SENTIMENT = DataTable(train="x", input=("text",), answer="label", labels={"0": "negative", "1": "positive"})


def failure(call, *args) -> str:
    with pytest.raises(DataError) as caught:
        call(*args)
    return str(caught.value)


def written(tmp_path: Path, name: str, content: str | bytes) -> Path:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.jsonl", '{"text": "x"}\n{"text": \n', "a.jsonl:2: broken JSON at column 10: Expecting value"),
        ("a.jsonl", "\n[1]\n", 'a.jsonl:2: expected a JSON object such as {"text": "..."}, found [1]'),
        ("a.jsonl", '{"a": NaN}', "a.jsonl:1: broken JSON: NaN is not a JSON number"),
        ("a.jsonl", '{"a": ' + "[" * 100_000, "a.jsonl:1: broken JSON: it is nested too deeply"),
        ("a.jsonl", "", "a.jsonl: the file is empty"),
        ("a.jsonl", b"a\0b", "a.jsonl: this is a binary file, not a .jsonl file"),
        ("a.jsonl", b"{}\n\xff\n", "a.jsonl:2: this line is not UTF-8 text"),
        ("a.csv", "a,b\n1,2\n1\n", "a.csv:3: expected 2 fields (a, b), found 1"),
        ("a.csv", "a,a\n1,2\n", "a.csv:1: two columns are called `a`"),
        ("a.csv", 'a,b\n"1,2\n', "broken CSV"),
        ("a.csv.gz", b"not gzip", "a.csv.gz: cannot be read"),
        ("a.csv.gz", gzip.compress(b"a,b\n1,2\n" * 50, mtime=0)[:-20], "a.csv.gz: cannot be read"),
        ("a.parquet", "x", "must end in .jsonl, .csv, .tsv, .txt"),
    ],
)
def test_a_broken_file_is_said_to_be_broken_where_it_is(tmp_path: Path, name: str, content: str, words: str) -> None:
    assert words in failure(read_records, written(tmp_path, name, content)).replace(str(tmp_path) + "/", "")


def test_a_file_that_is_not_there_suggests_its_neighbour(tmp_path: Path) -> None:
    written(tmp_path, "train.jsonl", "{}")
    assert "did you mean `train.jsonl`?" in failure(read_records, tmp_path / "trian.jsonl")


text = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=12)


@given(st.lists(st.fixed_dictionaries({"text": text, "label": text}), min_size=1, max_size=5))
def test_csv_and_jsonl_read_back_what_was_written(rows: list[dict[str, str]]) -> None:
    import csv
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        table, lines = Path(folder) / "a.csv", Path(folder) / "a.jsonl"
        with table.open("w", newline="") as file:
            writer = csv.DictWriter(file, ["text", "label"], quoting=csv.QUOTE_ALL)
            writer.writeheader()
            writer.writerows(rows)
        lines.write_text("".join(json.dumps(row) + "\n" for row in rows))
        assert [dict(located.record) for located in read_records(table)] == rows
        assert [dict(located.record) for located in read_records(lines)] == rows


def rows_of(*records: dict, data: DataTable = SENTIMENT) -> list[Row]:
    return make_rows([Located(record, f"f:{i}") for i, record in enumerate(records, 1)], data)


def test_a_row_holds_what_the_encoder_reads_and_the_answer_in_the_rules_words() -> None:
    (row,) = rows_of({"text": "not good", "label": 0, "negated": True})
    assert dict(row.payload) == {"text": "not good"}
    assert row.answer == "negative"
    assert row.columns["negated"] is True


def test_an_explicit_null_is_an_answer_that_is_not_known() -> None:
    assert rows_of({"text": "a", "label": None})[0].answer is None


@pytest.mark.parametrize(
    ("record", "words"),
    [
        ({"txt": "a", "label": 1}, "f:1: the field `text` is missing; did you mean `txt`?"),
        ({"text": "a"}, "f:1: the field `label` is missing; the row has `text`"),
        ({"text": "a", "label": [1]}, "f:1: field `label`: expected text or a number, found [1]"),
        ({"text": "a", "label": "2"}, 'f:1: field `label`: expected one of `0`, `1`, found "2"'),
        ({"text": None, "label": 1}, "f:1: field `text`: expected a value, found null"),
        ({"text": "a", "label": 1, "concepts": 3}, "f:1: field `concepts`: expected a table such as"),
    ],
)
def test_a_bad_row_is_named_with_its_field_and_what_was_expected(record: dict, words: str) -> None:
    assert words in failure(rows_of, record)


def test_many_bad_rows_are_counted_and_the_first_few_shown() -> None:
    lines = failure(rows_of, *[{"text": "a"}] * 9).splitlines()
    assert len(lines) == 6
    assert lines[-1] == "... and 4 more rows like these"


def test_a_folder_without_test_rows_reports_on_dev_and_chooses_on_a_share_of_train(tmp_path: Path) -> None:
    written(tmp_path, "x_train.tsv", "a good one\t1\na bad one\t0\nfine\t1\n")
    written(tmp_path, "x_dev.tsv", "so so\t0\n")
    found = import_rows(tmp_path, SENTIMENT)
    assert [row.answer for row in found["train"]] == ["positive", "negative", "positive"]
    assert [(row.payload["text"], row.answer) for row in found["test"]] == [("so so", "negative")]
    assert "dev" not in found


def test_labels_may_stand_in_the_first_column(tmp_path: Path) -> None:
    path = written(tmp_path, "train.csv", "1,good\n0,bad\n1,fine\n0,poor\n")
    found = import_rows(path, SENTIMENT)
    rows = sorted([*found["train"], *found["test"]], key=lambda row: row.origin)
    assert [(row.payload["text"], row.answer) for row in rows][:2] == [("good", "positive"), ("bad", "negative")]


def test_two_files_for_one_split_are_not_guessed_between(tmp_path: Path) -> None:
    written(tmp_path, "a_train.tsv", "x\t1\n")
    written(tmp_path, "b_train.tsv", "x\t1\n")
    assert "both `a_train.tsv` and `b_train.tsv` look like train rows" in failure(import_rows, tmp_path, SENTIMENT)


def test_unlabelled_text_is_one_input_a_line(tmp_path: Path) -> None:
    path = written(tmp_path, "more.txt", "one\n\ntwo\n")
    rows = import_unlabelled(path, SENTIMENT)
    assert [(row.payload["text"], row.answer, row.origin[-2:]) for row in rows] == [
        ("one", None, ":1"),
        ("two", None, ":3"),
    ]
