"""bAbI's stories: numbered sentences, and questions about what was told so far.

Columns: `story`, the sentences before the question; `question`; `answer`; `supports`, the places in the story (from 0)
of the sentences that the answer follows from; `task`, the file's name without its split.

Source: Weston et al., "Towards AI-Complete Question Answering: A Set of Prerequisite Toy Tasks", ICLR 2016.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from nesy.errors import DataError
from nesy.learning.files import read_text
from nesy.learning.formats import Record
from nesy.learning.formats.splits import files_by_split

_LINE = re.compile(r"(\d+) (.+)")


def read(path: Path) -> dict[str, list[Record]]:
    """The questions of each split."""
    found = files_by_split(path, ["_train.txt", "_test.txt", "_valid.txt"] if path.is_dir() else [".txt"])
    return {split: [record for file in files for record in _questions(file)] for split, files in found.items()}


def _questions(file: Path) -> Iterator[Record]:
    task = re.sub(r"_(train|test|valid)\.txt(\.gz)?$", "", file.name)
    story: list[str] = []
    place: dict[int, int] = {}  # of a line's number: questions are numbered too
    for number, line in enumerate(read_text(file).split("\n"), 1):
        if not line.strip():
            continue
        match = _LINE.fullmatch(line.strip())
        if match is None:
            raise DataError(f"{file}:{number}: expected a number and a sentence, found {line[:40]!r}")
        at, text = int(match[1]), match[2]
        if at == 1:
            story, place = [], {}
        question, *rest = (part.strip() for part in text.split("\t"))
        if not rest:
            place[at] = len(story)
            story.append(question)
            continue
        supports = rest[1].split() if len(rest) > 1 else []
        if not all(one.isdecimal() and int(one) in place for one in supports):
            raise DataError(f"{file}:{number}: a question rests on sentences of its story, not on {rest[1]!r}")
        yield {
            "story": list(story),
            "question": question,
            "answer": rest[0],
            "supports": [place[int(one)] for one in supports],
            "task": task,
        }
