"""MoNLI and ScoNe: pairs of sentences that differ in one word, of which one is wider than the other.

MoNLI has them without negation and under one; ScoNe edits each of MoNLI's negated sentences in six ways, with none to
two negations that the word is in the scope of or not.

Where a file, or the folder it is in, is called test or dev, its rows are the test or dev rows. Else the test is cut
out: a fold of the negated sentences, such that no test sentence's frame (the sentence less the word), and no wider word
of its frame, is a training sentence's; pairs of words of the test are taken out of the training rows without negation,
too. Or all of these sentences are the test (`HELD_OUT`), and words are known from sentences without negation.

Source: Geiger, Richardson, Potts, "Neural Natural Language Inference Models Partially Embed Theories of Lexical
Entailment and Negation", 2020; She et al., "ScoNe: Benchmarking Negation Reasoning in Language Models With
Fine-Tuning and In-Context Learning", 2023.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import networkx as nx

from nesy.errors import DataError
from nesy.learning.data import Located
from nesy.learning.files import kind_of, read_records
from nesy.perception.text.words import split_words

_COLUMNS = (  # ScoNe's edited sentence before MoNLI's original, which stands beside it
    ("sentence1_edited", "sentence2_edited", "gold_label_edited"),
    ("sentence1", "sentence2", "gold_label"),
)
HELD_OUT = {
    "frames": "a fold, which shares no frame and no pair of words with the training rows",
    "variants": "all of MoNLI's negated sentences and of ScoNe's variants of them",
    "negation": "all sentences with a negation",
}  # what the test is cut out as
_WITHOUT = "no_negation"  # ScoNe's variant that has none
_PLACES = (".", "train", "test", "monli", "scone", "scone/train", "scone/test")


@dataclass(frozen=True)
class _Pair:
    """A row, with what tells which fold it belongs to."""

    row: dict[str, Any]
    frame: str  # MoNLI's sentence less the word, from which all variants are made; empty for one without negation
    wider: str
    narrower: str


def read(path: Path, fold: int, folds: int, hold_out: str = "frames") -> Mapping[str, list[dict[str, Any]]]:
    """The rows of each split; `hold_out` is one of `HELD_OUT`.

    Raises: DataError where there are none, or a row lacks a column.
    """
    found: dict[str, list[_Pair]] = {"train": [], "dev": [], "test": []}
    for file in _files(path):
        words = {file.parent.name, *re.split(r"[^a-z]+", file.name.lower())}
        split = next((name for name in ("test", "dev") if name in words), "train")
        found[split] += [_pair(located, file) for located in read_records(file)]
    if not any(found.values()):
        raise DataError(f"{path}: no .jsonl or .csv files with sentence1, sentence2 and gold_label in this folder")
    if not found["test"]:
        found["train"], found["test"] = _cut(found["train"], fold, folds, hold_out)
    return {split: [pair.row for pair in pairs] for split, pairs in found.items()}


def _files(path: Path) -> list[Path]:
    """Data files of a folder, or of the folders of both sets in it."""
    if path.is_file():
        return [path]
    inside = {file for place in _PLACES for file in (path / place).glob("*") if file.is_file()}
    return sorted(file for file in inside if file.name.endswith((".jsonl", ".csv")) and kind_of(file))


def _pair(located: Located, file: Path) -> _Pair:
    record, origin = located.record, located.origin
    columns = next((names for names in _COLUMNS if all(name in record for name in names)), None)
    lexical = [str(record.get(name, "")) for name in ("sentence1_lex", "sentence2_lex")]
    if columns is None or not all(lexical):
        raise DataError(f"{origin}: the row lacks the columns sentence1, sentence2, gold_label or sentence1_lex")
    texts = [_mended(str(record[name]), lexical) for name in columns[:2]]
    return _of(record, texts, lexical, str(record[columns[2]]), file.name.split(".")[0])


def _of(record: Mapping[str, Any], texts: Sequence[str], lexical: Sequence[str], label: str, kind: str) -> _Pair:
    first, second = (" ".join(split_words(word).words) for word in lexical)
    original = str(record.get("sentence1", texts[0]))
    is_negated = re.search(r"\bnot\b", original) is not None
    is_narrower = (str(record.get("gold_label", label)) == "entailment") != is_negated
    relation = "narrower" if is_narrower else "wider"
    row = {
        "sentence1": texts[0],
        "sentence2": texts[1],
        "gold_label": label,
        "kind": kind,
        "concepts": which_is_wider(first, second, relation),
    }
    if record.get("group_index") not in (None, ""):
        row["group"] = record["group_index"]
    wider, narrower = (second, first) if is_narrower else (first, second)
    frame = re.sub(rf"\b{re.escape(lexical[0])}\b", "_", original, flags=re.IGNORECASE).replace(" an _", " a _")
    return _Pair(row, frame if is_negated else "", wider, narrower)


def which_is_wider(old: str, new: str, relation: str) -> dict[str, list[list[Any]]]:
    """Which of two words is wider, as concepts: `relation` is what the old one is to the new."""
    answers = ["yes" if relation == one else "no" for one in ("wider", "narrower")]
    return {"wider": [[old, new, answers[0]], [new, old, answers[1]]]}


def _mended(text: str, lexical: Iterable[str]) -> str:
    """In some of ScoNe's sentences the word was replaced inside others, too: "hat" in "that", "man" in "woman"."""
    for word in lexical:
        text = re.sub(rf"\bt{re.escape(word)}\b", "that", text)
        text = re.sub(rf"\bwo{re.escape(word)}\b", "woman", text)
    return text


def _cut(pairs: Sequence[_Pair], fold: int, folds: int, hold_out: str) -> tuple[list[_Pair], list[_Pair]]:
    """Training and test rows."""
    if hold_out == "frames":
        return _fold(pairs, fold, folds)
    tested = [bool(pair.frame) and (hold_out == "variants" or pair.row["kind"] != _WITHOUT) for pair in pairs]
    train, test = ([pair for pair, is_in in zip(pairs, tested, strict=True) if is_in == which] for which in (0, 1))
    return train, test


def _fold(pairs: Sequence[_Pair], fold: int, folds: int) -> tuple[list[_Pair], list[_Pair]]:
    """Training and test rows: sentences that share a frame, or frames that share a wider word, stay together."""
    graph = nx.Graph()
    graph.add_edges_from((("frame", pair.frame), ("word", pair.wider)) for pair in pairs if pair.frame)
    size: dict[str, int] = {}
    for pair in pairs:
        size[pair.frame] = size.get(pair.frame, 0) + 1
    parts = [sorted(name for kind, name in part if kind == "frame") for part in nx.connected_components(graph)]
    parts.sort(key=lambda frames: (-sum(size[frame] for frame in frames), frames))
    shares, place = [0] * folds, dict[str, int]()
    for frames in parts:
        smallest = shares.index(min(shares))
        shares[smallest] += sum(size[frame] for frame in frames)
        place |= dict.fromkeys(frames, smallest)
    test = [pair for pair in pairs if pair.frame and place[pair.frame] == fold]
    known = {(pair.wider, pair.narrower) for pair in test}
    train = [
        pair
        for pair in pairs
        if (not pair.frame or place[pair.frame] != fold) and (pair.wider, pair.narrower) not in known
    ]
    return train, test
