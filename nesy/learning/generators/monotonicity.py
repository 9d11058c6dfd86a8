"""Pairs of sentences that differ in one word, written for this project: does the second follow from the first?

A word is replaced by a wider or a narrower one ("a cedar" for "a tree", "cedars" for "anything"), or by one of another
kind, under none to two negations, of which some do not reach it. The label follows from the frame (`_Frame.turns`: how
often the direction is turned where the word stands) and from which word is wider; neither is told, except in
`concepts`, for measuring only.

The test has frames of its own, and a third of the narrower words appears in no training sentence. `path` names a
folder with MoNLI's or ScoNe's files (see `monli`) instead; sentences of the project's own then join the training rows,
as many as `own` says, less those with a pair of words of the test.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from nesy.errors import TaskError
from nesy.learning.generators import monli
from nesy.learning.generators.monli import which_is_wider

_NARROWER: Mapping[str, Sequence[str]] = {
    "animal": ("dog", "cat", "rabbit", "goat", "donkey", "hamster", "fox", "badger", "otter"),
    "bird": ("sparrow", "crow", "robin", "swan", "eagle", "heron", "owl", "finch", "gull"),
    "vehicle": ("car", "truck", "tractor", "van", "scooter", "bus", "jeep", "taxi", "tram"),
    "tool": ("hammer", "saw", "wrench", "drill", "chisel", "shovel", "rake", "pliers", "axe"),
    "vegetable": ("carrot", "onion", "turnip", "leek", "cabbage", "radish", "beet", "potato", "pumpkin"),
    "garment": ("coat", "scarf", "sweater", "jacket", "skirt", "glove", "vest", "cloak", "blouse"),
    "drink": ("coffee", "tea", "juice", "lemonade", "milk", "cider", "cocoa", "beer", "wine"),
    "flower": ("rose", "tulip", "daisy", "lily", "poppy", "violet", "orchid", "iris", "peony"),
    "furniture": ("chair", "table", "sofa", "desk", "wardrobe", "shelf", "stool", "bench", "bed"),
    "building": ("church", "castle", "school", "barn", "hospital", "theatre", "museum", "tower", "mill"),
    "insect": ("beetle", "moth", "wasp", "ant", "cricket", "bee", "mosquito", "fly", "locust"),
    "toy": ("doll", "kite", "puzzle", "marble", "robot", "puppet", "yoyo", "rattle", "balloon"),
}  # fmt: skip
_PEOPLE = ("girl", "boy", "farmer", "teacher", "neighbour", "tourist", "painter", "nurse", "driver", "guest")
_TEST_PEOPLE = ("child", "student", "baker", "visitor", "lawyer")
_QUALITIES = ("new", "heavy", "cheap", "clean", "large", "pretty", "useful", "fresh")
_ADJECTIVES = ("tall", "tired", "rich", "happy", "hungry", "busy", "shy", "asleep", "angry", "old", "alone", "famous")
_VERBS = (
    "likes", "sees", "wants", "finds", "buys", "has", "draws", "needs", "owns", "carries", "holds", "sells", "moves",
    "hides", "loves", "watches", "brings", "takes", "keeps", "gets", "plays", "knows",
)  # fmt: skip
_BARE = (
    "like",
    "see",
    "want",
    "find",
    "buy",
    "draw",
    "need",
    "carry",
    "hold",
    "sell",
    "move",
    "hide",
    "watch",
    "bring",
)


@dataclass(frozen=True)
class _Frame:
    text: str  # {x} is the word
    turns: int  # how many negations reach the word


_FRAMES: Mapping[str, Sequence[_Frame]] = {
    "train": (
        _Frame("the {person} {verb} the {x}", 0),
        _Frame("a {person} {verb} a {x} in the garden", 0),
        _Frame("there {is} a {x} behind the house", 0),
        _Frame("the {person} does not {bare} a {x}", 1),
        _Frame("the {person} did not {bare} any {x} in the garden", 1),
        _Frame("no {person} {verb} a {x}", 1),
        _Frame("there {is} not a {x} behind the house", 1),
        _Frame("the {person} never {verb} a {x}", 1),
        _Frame("the {person} left without a {x}", 1),
        _Frame("it is not true that the {person} {verb} a {x}", 1),
        _Frame("it is a lie that there {is} a {x} behind the house", 1),
        _Frame("it is not the case that the {person} does not {bare} a {x}", 2),
        _Frame("the claim that the {person} did not {bare} a {x} is false", 2),
        _Frame("there is no way that the {person} never {verb} a {x}", 2),
        _Frame("the {person} who is not {adjective} {verb} a {x}", 0),
        _Frame("a {person} that was not {adjective} {verb} the {x} in the garden", 0),
        _Frame("{people} who are not {adjective} {bare} a {x}", 0),
        _Frame("the {person} who does not sleep {verb} a {x}", 0),
        _Frame("the {person} who is not {adjective} does not {bare} a {x}", 1),
        _Frame("the {person} who does not {bare} a {x} is {adjective}", 1),
        _Frame("the {person} is not {adjective}, and {verb} a {x}", 0),
        _Frame("the {person} {verb} a {x} but is not {adjective}", 0),
        _Frame("the {person} is not {adjective} when there {is} a {x} in the garden", 0),
        _Frame("the {person} does not {bare} a {x}, but is not {adjective}", 1),
        _Frame("{people} that are not {adjective} have a {x} in the garden", 0),
        _Frame("a {person} who does not often sleep {verb} a {x}, but not the house", 0),
        _Frame("the {person} who did not wake up quickly carrying a {x}", 0),
        _Frame("the {person} who does not let a {x} in is {adjective}", 1),
        _Frame("the {person} {verb} a not very {quality} {x}", 0),
        _Frame("there {is} a {x} behind a not very {quality} house", 0),
        _Frame("it is not surprising that the {person} {verb} a {x}", 0),
        _Frame("it is not a pity that the {person} never {verb} a {x}", 1),
        _Frame("the {person} did not decide not to {bare} a {x}", 2),
        _Frame("it is a lie that there {is} not a {x} behind the house", 2),
    ),
    "test": (
        _Frame("yesterday the {person} {verb} a {x}", 0),
        _Frame("my {person} does not {bare} the {x} next door", 1),
        _Frame("nobody in the village {verb} a {x}", 1),
        _Frame("it is false that the {person} {verb} a {x}", 1),
        _Frame("it is not correct that the {person} never {verb} a {x}", 2),
        _Frame("to say that the {person} did not {bare} a {x} is wrong", 2),
        _Frame("my {person} who is not {adjective} today {verb} a {x}", 0),
        _Frame("{people} that are not very {adjective} {bare} the {x}", 0),
        _Frame("the {person} was not {adjective} because there {was} a {x} in the kitchen", 0),
        _Frame("the {person} who is never {adjective} did not {bare} a {x}", 1),
        _Frame("the {person} {verb} a {x} that is not new and not small", 0),
        _Frame("{people} who are never {adjective} own a {x}", 0),
        _Frame("my {person} {verb} the not quite {quality} {x}", 0),
        _Frame("it is not strange that the {person} {verb} a {x}", 0),
        _Frame("the {person} did not promise never to {bare} a {x}", 2),
    ),
}
_Thing = TypeVar("_Thing")
_ONE = " a {x}"  # what a plural may stand for

_SEEDS = {"train": 0, "dev": 1, "test": 2}
_APART = 0.15  # share of pairs of words of which neither is wider
_MANY = 0.5  # share of plurals, where the frame may have one
_PRONOUNS = 0.2  # share of pairs of things and an indefinite pronoun, of plurals
_ALIVE = ("animal", "bird", "insect")  # "something" is no word for these
_PLURALS = {"furniture": "furniture", "shelf": "shelves", "pliers": "pliers"}


def rows(
    split: str,
    seed: int,
    epoch: int,
    *,
    train: int = 3000,
    dev: int = 300,
    test: int = 600,
    path: str = "",
    fold: int = 0,
    folds: int = 4,
    own: int = 3000,
    hold_out: str = "frames",
) -> list[dict[str, Any]]:
    """So many pairs of sentences of a split, or those of the files."""
    if hold_out not in monli.HELD_OUT:
        kinds = ", ".join(monli.HELD_OUT)
        raise TaskError(
            f"the option `hold_out` of the generator `monotonicity` must be one of {kinds}, not {hold_out!r}"
        )
    if not path:
        return _own(split, seed, epoch, _checked(split, {"train": train, "dev": dev, "test": test}[split], 1))
    if not 0 <= fold < folds:
        raise TaskError(f"the option `fold` of the generator `monotonicity` must be from 0 to {folds - 1}, not {fold}")
    found = _read(path, fold, folds, hold_out)
    if split != "train":
        return found[split]
    tested = {frozenset(_pair_of(row)) for row in found["test"]}
    written = _own(split, seed, epoch, _checked("own", own, 0))
    return [*found[split], *(row for row in written if frozenset(_pair_of(row)) not in tested)]


@cache
def _read(path: str, fold: int, folds: int, hold_out: str) -> Mapping[str, list[dict[str, Any]]]:
    return monli.read(Path(path), fold, folds, hold_out)


def _pair_of(row: Mapping[str, Any]) -> list[str]:
    return row["concepts"]["wider"][0][:2]


def _checked(option: str, count: int, least: int) -> int:
    if not least <= count <= 1_000_000:
        raise TaskError(
            f"the option `{option}` of the generator `monotonicity` must be from {least} to 1,000,000, not {count}"
        )
    return count


def _own(split: str, seed: int, epoch: int, count: int) -> list[dict[str, Any]]:
    random = np.random.default_rng((seed, epoch, _SEEDS[split]))
    return [_row(random, "test" if split == "test" else "train") for _ in range(count)]


def _row(random: np.random.Generator, split: str) -> dict[str, Any]:
    frame = _one(random, _FRAMES[split])
    is_many = _ONE in frame.text and random.random() < _MANY
    if is_many and "there" not in frame.text and random.random() < _PRONOUNS:
        old, new, relation = _things(random, split, "anything" if frame.turns else "something")
    else:
        old, new, relation = _words(random, split)
        old, new = (_plural(old), _plural(new)) if is_many else (old, new)
    text = frame.text.replace(_ONE, " {x}") if is_many else frame.text
    person = _one(random, _PEOPLE if split == "train" else (*_PEOPLE, *_TEST_PEOPLE))
    parts = {
        "person": person,
        "people": f"{person}s" if person != "child" else "children",
        "adjective": _one(random, _ADJECTIVES),
        "quality": _one(random, _QUALITIES),
        "is": "are" if is_many else "is",
        "was": "were" if is_many else "was",
        "verb": _one(random, _VERBS),
        "bare": _one(random, _BARE),
    }
    follows = relation == ("wider" if frame.turns % 2 else "narrower")
    return {
        "sentence1": _sentence(text, old, parts),
        "sentence2": _sentence(text, new, parts),
        "gold_label": "entailment" if follows else "neutral",
        "kind": f"turned {frame.turns}",
        "concepts": which_is_wider(old, new, relation),
    }


def _words(random: np.random.Generator, split: str) -> tuple[str, str, str]:
    """A word, another, and how the first is related to it."""
    kind = _one(random, [*_NARROWER])
    known = _known(kind, split)
    if random.random() < _APART:
        first, second = (int(place) for place in random.choice(len(known), 2, replace=False))
        return known[first], known[second], "apart"
    return _in_order(random, _one(random, known), kind)


def _things(random: np.random.Generator, split: str, pronoun: str) -> tuple[str, str, str]:
    """Things and the pronoun for any of them, which is wider."""
    kind = _one(random, [kind for kind in _NARROWER if kind not in _ALIVE])
    return _in_order(random, _plural(_one(random, [kind, *_known(kind, split)])), pronoun)


def _in_order(random: np.random.Generator, narrower: str, wider: str) -> tuple[str, str, str]:
    return (narrower, wider, "narrower") if random.integers(2) else (wider, narrower, "wider")


def _known(kind: str, split: str) -> Sequence[str]:
    """The narrower words that a split may use."""
    return [word for i, word in enumerate(_NARROWER[kind]) if split == "test" or i % 3]


def _plural(word: str) -> str:
    if word in _PLURALS:
        return _PLURALS[word]
    if word.endswith("y") and word[-2] not in "aeo":
        return f"{word[:-1]}ies"
    return f"{word}es" if word.endswith(("s", "x", "ch", "sh")) else f"{word}s"


def _sentence(frame: str, word: str, parts: Mapping[str, str]) -> str:
    article = "an" if word[0] in "aeio" else "a"
    text = frame.replace(_ONE, f" {article} {{x}}").format(x=word, **parts)
    return f"{text[0].upper()}{text[1:]}."


def _one(random: np.random.Generator, things: Sequence[_Thing]) -> _Thing:
    return things[int(random.integers(len(things)))]
