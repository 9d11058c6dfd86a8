"""A task small enough to be trained in a second: the first word of a sentence decides, unless rules turn it around."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from nesy.learning.training import train

PROGRAM = """\
#input token(index, word).
#neural leans(T) -> {positive, negative} :- token(T, _).
t(0.4)::turns.
label(P) :- leans(0, P), not turns.
label(negative) :- leans(0, positive), turns.
label(positive) :- leans(0, negative), turns.
#query label(P).
"""

TASK = """\
[task]
query = "label(P)"

[encoder]
kind = "text"
vocabulary = 300
dim = 8

[data]
train = "train.jsonl"
test = "test.jsonl"
input = ["text"]
answer = "label"

[training]
epochs = 6
batch_size = 16
learning_rate = 5e-2
rule_learning_rate = 5e-2

[evaluation]
slices = ["short"]
"""

WORDS = {"positive": ["good", "lovely", "fresh"], "negative": ["bad", "awful", "stale"]}


def rows(count: int, seed: int) -> list[dict[str, object]]:
    """Sentences of two or three words; the truth of what the first word says is known as a concept."""
    draw = random.Random(seed)
    made = []
    for _ in range(count):
        label = draw.choice(["positive", "negative"])
        rest = draw.choices(["food", "room", "soup"], k=draw.randint(1, 2))
        text = " ".join([draw.choice(WORDS[label]), *rest])
        made.append({"text": text, "label": label, "short": len(rest) == 1, "concepts": {"leans": [[0, label]]}})
    return made


def write_mood(folder: Path) -> Path:
    """Write the task folder."""
    folder.mkdir()
    (folder / "task.toml").write_text(TASK)
    (folder / "program.nesy").write_text(PROGRAM)
    for name, count, seed in (("train", 120, 1), ("test", 30, 2)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows(count, seed)))
    return folder


@pytest.fixture
def mood(tmp_path: Path) -> Path:
    """The task folder."""
    return write_mood(tmp_path / "mood")


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the task after one epoch, for tests that only read it."""
    place = tmp_path_factory.mktemp("trained")
    return train(write_mood(place / "mood"), place / "run", epochs=1, progress=False).folder


@pytest.fixture(scope="session")
def half_trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run after one epoch at a tiny step size: some of its answers are wrong, and its test rows have brackets."""
    place = tmp_path_factory.mktemp("half-trained")
    task = write_mood(place / "mood")
    for file, old, new in (("task.toml", "rate = 5e-2", "rate = 1e-6"), ("test.jsonl", '"good', '"<b>good</b>')):
        (task / file).write_text((task / file).read_text().replace(old, new, 1 if file == "task.toml" else -1))
    return train(task, place / "run", epochs=1, progress=False).folder


@pytest.fixture
def edit() -> Callable[[Path, str, str], None]:
    """Replace words in a file, which must be there."""

    def replace(path: Path, old: str, new: str) -> None:
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))

    return replace
