"""CLUTRR's files as rows: stories with marked names, two people, and what the one is to the other.

A folder holds one CSV file with `train` in its name and one for each length of chain with `test` in it (each also
`.gz`). Training and test stories are made of different sentences; so that dev is as hard as the test, sentences are
held out, not stories: a training story with a sentence that is held out is a dev story.

Columns: `text`, the story and the question; `relation`; and for measuring only `steps` (how many relations the answer
takes) and, as `concepts`, the relations that the story was written from and the sex of the one asked about.

Source: Sinha et al., "CLUTRR: A Diagnostic Benchmark for Inductive Reasoning from Text", EMNLP 2019.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from zlib import crc32

from nesy.errors import DataError
from nesy.learning.data import Located
from nesy.learning.files import read_records

# What a word says: the kind of relative, and the sex.
WORDS: Mapping[str, tuple[str, str]] = {
    "father": ("parent", "male"), "mother": ("parent", "female"), "son": ("child", "male"),
    "daughter": ("child", "female"), "brother": ("sibling", "male"), "sister": ("sibling", "female"),
    "husband": ("spouse", "male"), "wife": ("spouse", "female"), "grandfather": ("grandparent", "male"),
    "grandmother": ("grandparent", "female"), "grandson": ("grandchild", "male"),
    "granddaughter": ("grandchild", "female"), "uncle": ("uncle", "male"), "aunt": ("uncle", "female"),
    "nephew": ("nephew", "male"), "niece": ("nephew", "female"), "father_in_law": ("parent_in_law", "male"),
    "mother_in_law": ("parent_in_law", "female"), "son_in_law": ("child_in_law", "male"),
    "daughter_in_law": ("child_in_law", "female"),
}  # fmt: skip
INVERSE: Mapping[str, str] = {
    "parent": "child", "child": "parent", "sibling": "sibling", "spouse": "spouse", "grandparent": "grandchild",
    "grandchild": "grandparent", "uncle": "nephew", "nephew": "uncle",
}  # fmt: skip

_MISSPELT = {"neice": "niece"}  # in some of the published rows
_SENTENCE = re.compile(r"(?<=[.!?])\s+")
_QUOTED = re.compile(r"'([^']*)'")
_PAIR = re.compile(r"\((\d+), *(\d+)\)")
_COMMON = 40  # characters: a shorter sentence ("Her name is [..].") is no paraphrase of its own
_COLUMNS = ("story", "query", "target", "story_edges", "edge_types", "genders")


def rows(split: str, path: Path, held_out: float) -> list[dict[str, Any]]:
    """The rows of a split; `held_out` is the share of training sentences that are kept for dev."""
    files = sorted(file for file in path.iterdir() if file.name.removesuffix(".gz").endswith(".csv"))
    kind = "test" if split == "test" else "train"
    chosen = [file for file in files if kind in re.split(r"[^a-z]+", file.name.lower())]
    if not chosen:
        raise DataError(f"{path}: no .csv file in this folder has `{kind}` in its name")
    records = [located for file in chosen for located in read_records(file)]
    if split == "test":
        return [_row(located) for located in records]
    wanted = split == "dev"
    return [_row(located) for located in records if _is_held_out(_text(located, "story"), held_out) == wanted]


def _is_held_out(story: str, share: float) -> bool:
    """Whether a story has a sentence that is held out: decided by the sentence alone, without its names."""
    patterns = (re.sub(r"\[[^\]]*\]", "[]", sentence) for sentence in _SENTENCE.split(story.strip()))
    return any(crc32(p.encode()) % 10_000 < share * 10_000 for p in patterns if len(p) >= _COMMON)


def _row(located: Located) -> dict[str, Any]:
    text = {column: _text(located, column) for column in _COLUMNS}
    asked = _QUOTED.findall(text["query"])
    if len(asked) != 2:
        raise DataError(f"{located.origin}: field `query`: expected two names in quotes, found {text['query']!r:.60}")
    story = text["story"].strip()
    stop = "" if story.endswith((".", "!", "?")) else "."
    relation = _word(text["target"], located)
    steps = _QUOTED.findall(text["edge_types"])
    return {
        "text": f"{story}{stop} What is [{asked[1]}] to [{asked[0]}]?",
        "relation": relation,
        "steps": len(steps),
        "concepts": {
            "kin": list(_known(text, steps, located)),
            "gender": [[asked[1], WORDS[relation][1]]],
        },
    }


def _known(text: Mapping[str, str], steps: list[str], located: Located) -> Iterator[list[str]]:
    """What the story was written from, each way round."""
    names = [entry.partition(":")[0].strip() for entry in text["genders"].split(",")]
    edges = [(int(a), int(b)) for a, b in _PAIR.findall(text["story_edges"])]
    if len(edges) != len(steps) or any(max(edge) >= len(names) for edge in edges):
        raise DataError(f"{located.origin}: fields `story_edges`, `edge_types` and `genders` do not fit together")
    for (a, b), word in zip(edges, steps, strict=True):
        kind = WORDS[_word(word, located)][0]
        if kind not in INVERSE:
            continue
        yield [names[a], names[b], kind]
        yield [names[b], names[a], INVERSE[kind]]


def _word(written: str, located: Located) -> str:
    word = _MISSPELT.get(written.strip(), written.strip()).replace("-", "_")
    if word not in WORDS:
        raise DataError(f"{located.origin}: `{written}` is not a word for a relative that is known here")
    return word


def _text(located: Located, column: str) -> str:
    value = located.record.get(column)
    if not isinstance(value, str):
        raise DataError(f"{located.origin}: the field `{column}` is missing; CLUTRR's files have {', '.join(_COLUMNS)}")
    return value
