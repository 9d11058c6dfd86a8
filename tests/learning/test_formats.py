"""Public formats: what is written is what the files say, and what is not of the format is refused with its line."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from nesy.cli.main import app
from nesy.errors import DataError
from nesy.learning import formats
from nesy.learning.formats import import_data


@pytest.fixture
def imported(tmp_path: Path) -> Callable[..., dict[str, list[dict[str, Any]]]]:
    """Write files, import the folder they are in, and give the records of each split."""

    def make(name: str, files: Mapping[str, str | bytes]) -> dict[str, list[dict[str, Any]]]:
        source = tmp_path / "source"
        source.mkdir()
        for file, content in files.items():
            data = content.encode() if isinstance(content, str) else content
            (source / file).write_bytes(gzip.compress(data) if file.endswith(".gz") else data)
        import_data(name, source, tmp_path / "out")
        return {
            file.stem: [json.loads(line) for line in file.read_text().splitlines()]
            for file in (tmp_path / "out").iterdir()
        }

    return make


Imported = Callable[..., dict[str, list[dict[str, Any]]]]


def test_babi(imported: Imported) -> None:
    text = (
        "1 Mary went in.\n2 Where is Mary? \tin\t1\n3 John left.\n4 Where is John?\tout\t3\n"
        "1 Ann sat.\n2 Did Ann sit?\tyes\t1\n"
    )
    rows = imported("babi", {"qa1_one_train.txt": text, "README.md": "not a story"})["train"]
    assert rows == [
        {"story": ["Mary went in."], "question": "Where is Mary?", "answer": "in", "supports": [0], "task": "qa1_one"},
        {"story": ["Mary went in.", "John left."], "question": "Where is John?", "answer": "out", "supports": [1],
         "task": "qa1_one"},
        {"story": ["Ann sat."], "question": "Did Ann sit?", "answer": "yes", "supports": [0], "task": "qa1_one"},
    ]  # fmt: skip


def test_clutrr(imported: Imported) -> None:
    head = ",story,query,target,task_name,story_edges,edge_types,genders\n"
    row = (
        "0,\"[Ann] and [Bo] met [Cy], her son.\",\"('Bo', 'Cy')\",neice,task_1.2,"
        '"[(1, 0), (0, 2), (1, 2)]","[\'mother-in-law\', \'son\']","Ann:female,Bo:female,Cy:male"\n'
    )
    rows = imported("clutrr", {"x_test_k2.csv": head + row, "x_test_k3.csv": head + row, "x_train.csv.gz": head + row})
    assert {split: len(records) for split, records in rows.items()} == {"train": 1, "test": 2}
    assert rows["train"][0] == {
        "text": "[Ann] and [Bo] met [Cy], her son.", "head": "Bo", "tail": "Cy", "relation": "niece",
        "people": {"Ann": "female", "Bo": "female", "Cy": "male"},
        "links": [["Bo", "Ann", "mother_in_law"], ["Ann", "Cy", "son"]], "steps": 2, "kind": 1,
    }  # fmt: skip


def test_conll_with_numbered_words_and_scopes(imported: Imported) -> None:
    text = (
        "d\t0\t0\tHe\t_\td\n".replace("\td\n", "\t_\n")
        + "d\t0\t1\tnever\tnever\t_\nd\t0\t2\tsits\t_\tsits\n\nd\t1\t0\tYes\t***\n"
    )
    rows = imported("conll", {"a_train.txt": text})["train"]
    assert rows[0]["words"] == ["He", "never", "sits"]
    assert rows[0]["columns"] == [["_", "never", "_"], ["_", "_", "sits"]]
    assert rows[0]["spans"] == [[0, 1, 2, ""], [1, 2, 3, ""]]
    assert rows[1]["words"] == ["Yes"] and rows[1]["spans"] == []


def test_conll_with_tags(imported: Imported) -> None:
    rows = imported("conll", {"dev.conll": "# a comment\nAnn B-per\nLee I-per\nBo B-per\nran O\n\n1 O\n"})["dev"]
    assert rows[0]["words"] == ["Ann", "Lee", "Bo", "ran"]
    assert rows[0]["spans"] == [[0, 0, 2, "per"], [0, 2, 3, "per"]]
    assert rows[1]["words"] == ["1"]


def idx(array: np.ndarray) -> bytes:
    sizes = b"".join(size.to_bytes(4) for size in array.shape)
    return bytes([0, 0, 8, array.ndim]) + sizes + array.astype(np.uint8).tobytes()


def test_idx(imported: Imported) -> None:
    pictures = np.arange(2 * 3 * 2).reshape(2, 3, 2)
    rows = imported(
        "idx",
        {"t10k-images-idx3-ubyte.gz": idx(pictures), "t10k-labels-idx1-ubyte": idx(np.array([7, 9]))},
    )["test"]
    assert [row["label"] for row in rows] == [7, 9]
    assert rows[1]["images"] == [{"name": "t10k:1", "pixels": [[6, 7], [8, 9], [10, 11]]}]


def test_sst(imported: Imported) -> None:
    rows = imported(
        "sst",
        {
            "train.txt": "(3 (2 The) (4 (2 good) (2 -LRB-)))\n",
            "dev.tsv": "sentence\tlabel\nfine film\t1\n0\tbad film\n",
            "test.txt": "4 just great\n",
        },
    )
    assert rows["train"] == [
        {
            "text": "The good (",
            "label": 3,
            "phrases": [["The", 2], ["good", 2], ["(", 2], ["good (", 4], ["The good (", 3]],
        }
    ]
    assert rows["dev"] == [{"text": "fine film", "label": 1}, {"text": "bad film", "label": 0}]
    assert rows["test"] == [{"text": "just great", "label": 4}]


def test_triples(imported: Imported) -> None:
    rows = imported("triples", {"train.tsv": "new york\tin\tusa\n", "valid.txt": "a r b\n", "LICENSE.txt": "free"})
    assert rows == {
        "train": [{"subject": "new york", "relation": "in", "object": "usa"}],
        "dev": [{"subject": "a", "relation": "r", "object": "b"}],
    }


@pytest.mark.parametrize(
    ("name", "file", "content", "words"),
    [
        ("babi", "a_train.txt", "1 Mary went.\nWhere?\n", r"a_train\.txt:2: expected a number and a sentence"),
        ("babi", "a_train.txt", "1 Mary went.\n2 Who?\tMary\t9\n", r":2: a question rests on sentences of its story"),
        ("clutrr", "train.csv", "a,b\n1,2\n", r"train\.csv:2: this is not CLUTRR: the column `story` is missing"),
        ("conll", "train.conll", "a B-x\nb\n", r"train\.conll:2: this word has 1 columns, the first .* has 2"),
        ("idx", "train-images-idx3-ubyte", idx(np.zeros(9))[:-7], r"says that it holds 9 bytes, and holds 2"),
        ("idx", "train-images-idx3-ubyte", b"PNG.", r"not an IDX file: it does not begin with two zero bytes"),
        ("idx", "train-images-idx3-ubyte", idx(np.zeros((1, 2, 2))), r"1 pictures, and there is no file of labels"),
        ("sst", "train.txt", "a film without a label\n", r"train\.txt:1: expected a sentence and a label from 0 to 4"),
        ("sst", "train.txt", "(3 (2 The)\n", r"train\.txt:1: the tree's brackets do not match"),
        ("triples", "train.tsv", "a\tb\n", r"train\.tsv:1: expected subject, relation and object, found 2 fields"),
        ("triples", "notes.md", "a", r"source: no \.tsv, .* file in it"),
        ("tripels", "train.tsv", "a\tb\tc\n", r"there is no format `tripels`: did you mean `triples`\?"),
    ],
)  # fmt: skip
def test_what_is_not_of_the_format_is_refused_and_nothing_written(
    imported: Imported, tmp_path: Path, name: str, file: str, content: str | bytes, words: str
) -> None:
    with pytest.raises(DataError, match=words):
        imported(name, {file: content})
    assert not (tmp_path / "out").exists()


def test_nothing_that_is_there_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "train.tsv").write_text("a\tb\tc\n")
    said = CliRunner().invoke(app, ["import", "triples", str(tmp_path / "train.tsv"), str(tmp_path / "out")])
    assert said.stdout == f"{tmp_path / 'out' / 'train.jsonl'}: 1 rows\n"
    with pytest.raises(DataError, match=r"train\.jsonl: is there already, and is not overwritten"):
        import_data("triples", tmp_path / "train.tsv", tmp_path / "out")
    with pytest.raises(DataError, match="there is no such file or folder"):
        import_data("triples", tmp_path / "none", tmp_path / "out")


def lines(path: Path) -> Mapping[str, Iterable[Mapping[str, Any]]]:
    return {"train": [{"line": line} for line in path.read_text().splitlines()]}


def test_a_package_adds_a_format_by_an_entry_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Point(EntryPoint):
        def load(self) -> Any:
            return lines

    def points(*, group: str, name: str | None = None) -> list[EntryPoint]:
        assert group == "nesy.formats"
        return [Point("lines", "package:lines", group)] if name in (None, "lines") else []

    monkeypatch.setattr(formats, "entry_points", points)
    (tmp_path / "a.txt").write_text("one\ntwo\n")
    assert import_data("lines", tmp_path / "a.txt", tmp_path / "out").rows == {"train": 2}
    with pytest.raises(DataError, match="did you mean `lines`"):
        import_data("line", tmp_path / "a.txt", tmp_path / "other")
