"""task.toml: every mistake is found, placed and explained; nothing unknown is ignored."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nesy.errors import TaskError
from nesy.learning.places import find_places
from nesy.learning.schema import TABLES
from nesy.learning.task import load_task, restore_task
from nesy.source import Source

GOOD = """\
[task]
query = "label(L)"

[encoder]
kind = "text"
dimension = 512

[data]
train = "data/train.jsonl"
labels = { 0 = "negative", 1 = "positive" }

[training]
epochs = 3
"""


def folder_with(tmp_path: Path, text: str) -> Path:
    """A task folder with this task.toml, a rule file and a data file."""
    folder = tmp_path / "mood"
    (folder / "data").mkdir(parents=True)
    (folder / "task.toml").write_text(text)
    (folder / "program.nesy").write_text("a.")
    (folder / "data" / "train.jsonl").write_text("{}\n")
    return folder


def message(folder: Path) -> str:
    with pytest.raises(TaskError) as caught:
        load_task(folder)
    return str(caught.value).replace(str(folder), "mood")


def test_a_good_file_gives_its_values_and_defaults(tmp_path: Path) -> None:
    task = load_task(folder_with(tmp_path, GOOD))
    assert task.queries == ("label(L)",)
    assert task.training.epochs == 3
    assert task.training.batch_size == 64
    assert dict(task.data.labels) == {"0": "negative", "1": "positive"}
    assert dict(task.encoder) == {"kind": "text", "dimension": 512}


def test_a_misspelt_key_is_an_error_with_its_place_and_the_near_name(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, GOOD.replace("epochs", "epoch"))
    assert message(folder) == (
        "error[T101]: unknown key `epoch`\n"
        "  --> mood/task.toml:13:1\n"
        "   |\n"
        "13 | epoch = 3\n"
        "   | ^^^^^\n"
        "   = hint: did you mean `epochs`?"
    )


def test_all_mistakes_are_reported_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = GOOD.replace("label(L)", "l").replace("query", "qwery").replace("epochs = 3", 'epochs = "many"\nclip = -1')
    codes = [line[:11] for line in message(folder_with(tmp_path, text)).splitlines() if line.startswith("error")]
    assert codes == ["error[T102]", "error[T101]", "error[T103]", "error[T104]"]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("epochs = 3", "epochs = true", "`epochs` must be a whole number, not true"),
        ("epochs = 3", "epochs = 0", "`epochs` must be at least 1 and at most 100000, not 0"),
        ("epochs = 3", "learning_rate = nan", "`learning_rate` must be above 0 and at most 10, not nan"),
        ("epochs = 3", 'schedule = "cosin"', '`schedule` must be "constant", "linear" or "cosine", not "cosin"'),
        ("data/train.jsonl", "../other.jsonl", "`train` leaves the task folder"),
        ("data/train.jsonl", "/etc/hostname", "`train` leaves the task folder"),
        ("data/train.jsonl", "data/trian.jsonl", "did you mean `data/train.jsonl`?"),
        ('0 = "negative"', "0 = 1", "`labels` must be a table of texts"),
        ("epochs = 3", 'fact_dropout = { leans = "half" }', "`fact_dropout` must be a table of numbers"),
        ("epochs = 3", "fact_dropout = { leans = 2 }", "`fact_dropout.leans` must be at least 0 and at most 1, not 2"),
        ('kind = "text"', "", "the key `kind` of [encoder] is missing"),
        ("[encoder]", "[encoders]", "unknown table `encoders`"),
        ('train = "data/train.jsonl"', "", "[data] has no rows to train on"),
        ('train = "data/train.jsonl"', 'generator = "x"\ntrain = "data/train.jsonl"', "both a generator and `train`"),
        ('train = "data/train.jsonl"', 'train = "data/train.jsonl"\nbeside = true', "`beside` is for a generator"),
        (
            'train = "data/train.jsonl"',
            'generator = "x"\nbeside = true\nredraw = true',
            "`beside` keeps the generator's rows and `redraw` changes them",
        ),
        ("epochs = 3", "epochs 3", "error[T106]: not a TOML file"),
    ],
)
def test_each_mistake_has_its_words(tmp_path: Path, old: str, new: str, words: str) -> None:
    assert old in GOOD
    assert words in message(folder_with(tmp_path, GOOD.replace(old, new)))


def test_a_missing_rule_file_is_found_although_its_name_is_the_default(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, GOOD)
    (folder / "program.nesy").unlink()
    assert '`program` names a file that is not there: "program.nesy"' in message(folder)


def test_a_link_out_of_the_folder_leaves_it_too(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, GOOD)
    (tmp_path / "secret.jsonl").write_text("{}")
    (folder / "data" / "train.jsonl").unlink()
    (folder / "data" / "train.jsonl").symlink_to(tmp_path / "secret.jsonl")
    assert "leaves the task folder" in message(folder)


def test_a_folder_that_is_not_there_suggests_its_neighbour(tmp_path: Path) -> None:
    folder_with(tmp_path, GOOD)
    with pytest.raises(TaskError, match=r"there is no such task folder: did you mean `.*mood`"):
        load_task(tmp_path / "mod")


@pytest.mark.parametrize("content", [b"\x00\xff\xfe", b"\xff" * 10])
def test_a_binary_file_is_told_apart_from_a_mistake(tmp_path: Path, content: bytes) -> None:
    folder = folder_with(tmp_path, GOOD)
    (folder / "task.toml").write_bytes(content)
    with pytest.raises(TaskError):
        load_task(folder)


def test_a_task_survives_being_written_as_a_document_and_read_back(tmp_path: Path) -> None:
    task = load_task(folder_with(tmp_path, GOOD))
    assert restore_task(task.document(), task.folder, "task.json", check_files=True) == task


def test_options_from_outside_are_checked_like_the_files_own(tmp_path: Path) -> None:
    task = load_task(folder_with(tmp_path, GOOD))
    assert task.with_options("training", epochs=7, seed=None).training.epochs == 7
    with pytest.raises(TaskError, match="options: `epochs` must be at least 1"):
        task.with_options("training", epochs=0)


def test_every_key_is_documented() -> None:
    for name, table in TABLES.items():
        for spec in fields(table):
            assert spec.metadata["doc"].endswith("."), f"{name}.{spec.name}"


keys = st.text("abcdefgh_", min_size=1, max_size=6)
values = st.sampled_from(["1", '"a # ] ["', "'x'", "[\n  1, # note ]\n  2,\n]", '"""\n[fake]\nb = 1\n"""', "{ a = 1 }"])


@given(st.dictionaries(keys, st.dictionaries(keys, values, max_size=4), max_size=4))
def test_the_place_of_a_key_is_where_it_is_written(tables: dict[str, dict[str, str]]) -> None:
    lines: list[str] = []
    expected: dict[tuple[str, ...], int] = {}
    for table, entries in tables.items():
        lines.append(f"[{table}]  # comment")
        expected[(table,)] = len(lines)
        for key, value in entries.items():
            expected[(table, key)] = len(lines) + 1
            lines += f"{key} = {value}".split("\n")
    places = find_places(Source("t", "\n".join(lines)))
    assert {path: span.line for path, span in places.spans.items()} == expected
