"""`nesy new`: a commented task folder that trains at once."""

from __future__ import annotations

import json
import re
from pathlib import Path

from nesy.errors import TaskError

_TASK = """\
# A task: rules, an encoder, rows. Every key is described in docs/tasks.md.
[task]
description = "Which team a message is for."
query = "team(T)"               # each row's answer is one value of T

[encoder]
kind = "text"                   # reads the column `text`
dim = 32
vocabulary = 500

[data]
train = "data/train.jsonl"      # one JSON object a line: {{"text": "...", "team": "..."}}
test = "data/test.jsonl"
input = ["text"]
answer = "team"

[training]
epochs = 15
batch_size = 16
learning_rate = 2e-2

[evaluation]
slices = ["urgent"]             # figures of their own for each value of this column
"""

_PROGRAM = """\
% What the encoder sees: the words of a message, and what each of them is about.
#input token(index, word).
#neural about(T) -> {{billing, delivery, nothing}} :- token(T, _).

% What follows from it. Change these rules: training needs nothing else.
mentions(P) :- about(_, P), P != nothing.
team(billing) :- mentions(billing), not mentions(delivery).
team(delivery) :- mentions(delivery).
team(desk) :- not mentions(billing), not mentions(delivery).

#query team(T).
"""

_README = """\
# {name}

Which team a message is for, learned from whole messages: no one says which word is about what.

    nesy train {place}
    nesy eval runs/{name}
    nesy ask runs/{name} "Please send the invoice again."
"""

_BILLING = ("invoice", "refund", "payment", "charge", "receipt")
_DELIVERY = ("parcel", "courier", "shipment", "package")
_OTHER = ("password", "catalogue", "opening hours", "newsletter")
_FRAMES = ("where is the {}", "i have a question about my {}", "please help me with the {}", "the {} is wrong today")
_BOTH = ("the {} for my {} never came", "i want the {} for the lost {}")


def new_task(folder: str | Path) -> Path:
    """Write a task folder to start from.

    Raises: TaskError if there is something at that place, or its last part is not a plain name.
    """
    place = Path(folder)
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]*", place.name):
        raise TaskError(f"`{place.name}` is not a name for a task: letters, digits, `-` and `_`, a letter first")
    if place.exists():
        raise TaskError(f"{place}: there is something at this place already")
    (place / "data").mkdir(parents=True)
    (place / "task.toml").write_text(_TASK.format(), encoding="utf-8")
    (place / "program.nesy").write_text(_PROGRAM.format(), encoding="utf-8")
    (place / "README.md").write_text(_README.format(name=place.name, place=place), encoding="utf-8")
    rows = _rows()
    for name, part in (("train", [r for i, r in enumerate(rows) if i % 5]), ("test", rows[::5])):
        text = "".join(json.dumps(row) + "\n" for row in part)
        (place / "data" / f"{name}.jsonl").write_text(text, encoding="utf-8")
    return place


def _rows() -> list[dict[str, object]]:
    """Messages about one thing or two, every other one urgent."""
    made = [
        (frame.format(word), team)
        for word, team in [
            (w, t) for ws, t in ((_BILLING, "billing"), (_DELIVERY, "delivery"), (_OTHER, "desk")) for w in ws
        ]
        for frame in _FRAMES
    ]
    made += [(frame.format(a, b), "delivery") for frame in _BOTH for a in _BILLING for b in _DELIVERY]
    return [
        {"text": text + (" , urgent" if i % 2 else ""), "team": team, "urgent": bool(i % 2)}
        for i, (text, team) in enumerate(made)
    ]
