"""CLUTRR's files as rows: stories with marked names, two people, and what the one is to the other.

The files are read as the format `clutrr` reads them. Training and test stories are made of different sentences; so that
dev is as hard as the test, sentences are held out, not stories: a training story with a sentence that is held out is a
dev story.

Columns: `text`, the story and the question; `relation`; and for measuring only `steps` (how many relations the answer
takes), `agreeing_steps` (the same; null where a sentence plainly contradicts its label: `plain_kin`) and, as
`concepts`, the relations that the story was written from and the sex of the one asked about.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any
from zlib import crc32

from nesy.errors import DataError
from nesy.learning.data import Located
from nesy.learning.formats.clutrr import read_stories
from nesy.learning.generators.plain_kin import contradicted

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

_SENTENCE = re.compile(r"(?<=[.!?])\s+")
COMMON = 40  # characters: a shorter sentence ("Her name is [..].") is no paraphrase of its own


def rows(split: str, path: Path, held_out: float, repeats: int = 0) -> list[dict[str, Any]]:
    """The rows of a split; `held_out` is the share of training sentences that are kept for dev.

    With `repeats`, a training story is left out if so many before it have each of its sentences: an encoder that is
    slow need not read a sentence in every story that it was put into. 0 keeps all.
    """
    kind = "test" if split == "test" else "train"
    stories = read_stories(path).get(kind)
    if stories is None:
        raise DataError(f"{path}: no .csv file in this folder has `{kind}` in its name")
    if split == "test":
        return [_row(story) for story in stories]
    wanted = split == "dev"
    chosen = [story for story in stories if _is_held_out(story.record["text"], held_out) == wanted]
    if repeats and not wanted:
        chosen = list(_less_repeated(chosen, repeats))
    return [_row(story) for story in chosen]


def _is_held_out(story: str, share: float) -> bool:
    """Whether a story has a sentence that is held out: decided by the sentence alone, without its names."""
    return any(crc32(p.encode()) % 10_000 < share * 10_000 for p in sentences(story) if len(p) >= COMMON)


def _less_repeated(records: Iterable[Located], repeats: int) -> Iterator[Located]:
    """Those with a sentence that fewer than so many before them have."""
    times: Counter[str] = Counter()
    for located in records:
        patterns = sentences(located.record["text"])
        if any(times[pattern] < repeats for pattern in patterns):
            times.update(patterns)
            yield located


def sentences(story: str) -> list[str]:
    """The sentences of a text without their names: one of at least `COMMON` characters tells a paraphrase."""
    return [re.sub(r"\[[^\]]*\]", "[]", sentence) for sentence in _SENTENCE.split(story.strip())]


def _row(located: Located) -> dict[str, Any]:
    story = located.record
    text = story["text"].strip()
    stop = "" if text.endswith((".", "!", "?")) else "."
    known = list(_known(located))
    wrong = contradicted(text, {(head, tail): kind for head, tail, kind in known})
    return {
        "text": f"{text}{stop} What is [{story['tail']}] to [{story['head']}]?",
        "relation": story["relation"],
        "steps": story["steps"],
        "agreeing_steps": None if wrong else story["steps"],
        "concepts": {
            "kin": known,
            "gender": [[story["tail"], _meaning(story["relation"], located)[1]]],
        },
    }


def _known(located: Located) -> Iterator[list[str]]:
    """What the story was written from, each way round."""
    for head, tail, word in located.record["links"]:
        kind = _meaning(word, located)[0]
        if kind in INVERSE:
            yield [head, tail, kind]
            yield [tail, head, INVERSE[kind]]


def _meaning(word: str, located: Located) -> tuple[str, str]:
    if word not in WORDS:
        raise DataError(f"{located.origin}: `{word}` is not a word for a relative that is known here")
    return WORDS[word]
