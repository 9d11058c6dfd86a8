"""The Stanford Sentiment Treebank: sentences with a label, in three forms that go around.

`sentence<TAB>label` or `label<TAB>sentence` (SST-2), `label sentence` (SST-5), and trees, `(3 (2 The) (4 good))`, of
which each phrase has a label. Columns: `text`, `label`, and of a tree `phrases`, `[text, label]` of all its parts.

Source: Socher et al., "Recursive Deep Models for Semantic Compositionality Over a Sentiment Treebank", EMNLP 2013.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nesy.errors import DataError
from nesy.learning.files import read_text
from nesy.learning.formats import Record
from nesy.learning.formats.splits import files_by_split

_TOKEN = re.compile(r"\(\s*(\d)|\)|[^\s()]+")


def read(path: Path) -> dict[str, list[Record]]:
    """The sentences of each split; a folder holds one data set, since labels of two mean different things."""
    found = files_by_split(path, [".tsv", ".txt"])
    if several := next((files for files in found.values() if len(files) > 1), None):
        raise DataError(f"{path}: both `{several[0].name}` and `{several[1].name}` look like one split: name one file")
    return {split: [record for file in files for record in _sentences(file)] for split, files in found.items()}


def _sentences(file: Path) -> Iterator[Record]:
    for number, line in enumerate(read_text(file).split("\n"), 1):
        text, origin = line.strip(), f"{file}:{number}"
        if not text or (number == 1 and text.lower().split() in (["sentence", "label"], ["label", "sentence"])):
            continue
        if text.startswith("("):
            yield _tree(text, origin)
            continue
        first, _, last = text.partition("\t") if "\t" in text else text.partition(" ")
        if _is_label(first) and not _is_label(last):
            yield {"text": last.strip(), "label": int(first)}
        elif "\t" in text and _is_label(last):
            yield {"text": first.strip(), "label": int(last)}
        else:
            raise DataError(f"{origin}: expected a sentence and a label from 0 to 4, found {text[:60]!r}")


def _is_label(text: str) -> bool:
    return text.strip() in ("0", "1", "2", "3", "4")


def _tree(text: str, origin: str) -> Record:
    """A sentence and all its phrases, inner ones before those they are part of."""
    phrases: list[list[Any]] = []
    open_: list[tuple[int, list[str]]] = []
    for match in _TOKEN.finditer(text):
        if match[1] is not None:
            open_.append((int(match[1]), []))
        elif not open_:
            raise DataError(f"{origin}: the tree's brackets do not match")
        elif match[0] == ")":
            label, words = open_.pop()
            phrases.append([" ".join(words), label])
            if open_:
                open_[-1][1].extend(words)
        else:
            open_[-1][1].append(match[0].replace("-LRB-", "(").replace("-RRB-", ")"))
    if open_ or not phrases:
        raise DataError(f"{origin}: the tree's brackets do not match")
    return {"text": phrases[-1][0], "label": phrases[-1][1], "phrases": phrases}
