"""Short English opinions, plain and negated, written for this project.

What makes the test hard is composition, not vocabulary: of the opinion words a third is never negated in
training and a third is never without a negation, and the test asks for all of them both ways, in frames and
about things that training does not have. A learner that scores words and word pairs has not seen these; one
that learns what a word says and leaves negation to rules has all it needs.

Columns: `text`, `label`; and for measuring only `negations` (how many), `composition` (whether this word was seen
this way in training), `pair` (a sentence and the same with a negation share a number), and which way
each opinion word leans on its own (`concepts`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from nesy.errors import TaskError
from nesy.perception.text.words import split_words

# Each word of a list belongs to one third: seen both ways, seen plain only, seen negated only (by position).
_ADJECTIVES = {
    "positive": (
        "good", "lovely", "friendly", "fresh", "clean", "clever", "charming", "generous", "pleasant", "tasty",
        "careful", "elegant", "honest", "helpful", "bright", "warm", "quick", "comfortable", "reliable", "cheerful",
        "tender", "graceful", "polite", "delightful", "splendid", "sturdy", "lively",
    ),
    "negative": (
        "bad", "awful", "rude", "stale", "dirty", "stupid", "boring", "stingy", "unpleasant", "bland", "careless",
        "clumsy", "dishonest", "useless", "gloomy", "cold", "slow", "cramped", "shabby", "sullen", "tough",
        "dreadful", "noisy", "miserable", "terrible", "flimsy", "dull",
    ),
}  # fmt: skip
_VERBS = {
    "positive": ("enjoy", "admire", "recommend", "love", "praise", "trust", "like", "welcome", "cherish"),
    "negative": ("regret", "despise", "avoid", "hate", "resent", "dread", "dislike", "mock", "fear"),
}
_THINGS = {
    "train": ("food", "service", "room", "garden", "film", "story", "staff", "soup", "hotel", "music", "price", "team",
              "museum", "bread", "waiter", "ending", "tour", "cabin", "actor", "beach", "book", "camera", "car",
              "chair", "comedy", "company", "documentary", "house", "lamp", "lawyer", "lecture", "mayor", "neighbour",
              "nurse", "park", "phone", "play", "poem", "road", "salad", "school", "script", "ship", "shop", "song",
              "street", "village", "wine"),
    "test": ("kitchen", "concert", "novel", "driver", "balcony", "dessert", "teacher", "exhibition", "ferry", "coffee",
             "singer", "bakery"),
}  # fmt: skip


@dataclass(frozen=True)
class _Frame:
    """One sentence with a place for a thing and an opinion word, and the same under a negation."""

    word: Literal["adjective", "verb"]
    plain: str
    negated: tuple[str, ...]


_FRAMES = {
    "train": (
        _Frame("adjective", "the {thing} was {word}", ("the {thing} was not {word}", "the {thing} wasn't {word}")),
        _Frame("adjective", "i found the {thing} {word}", ("i never found the {thing} {word}",)),
        _Frame("adjective", "it is a {word} {thing}", ("it is not a {word} {thing}", "it isn't a {word} {thing}")),
        _Frame("adjective", "their {thing} is really {word}", ("their {thing} is never really {word}",)),
        _Frame("adjective", "the {thing} looks {word} today", ("the {thing} hardly looks {word} today",)),
        _Frame("adjective", "there is a {word} {thing} here", ("there is no {word} {thing} here",)),
        _Frame("adjective", "she says the {thing} is {word}", ("she does not say the {thing} is {word}",)),
        _Frame("adjective", "i believe their {thing} is {word}", ("i don't believe their {thing} is {word}",)),
        _Frame("adjective", "somebody says that the {thing} is {word}", ("nobody says that the {thing} is {word}",)),
        _Frame("adjective", "all of this {thing} is {word}", ("none of this {thing} is {word}",)),
        _Frame("adjective", "something about the {thing} is {word}", ("nothing about the {thing} is {word}",)),
        _Frame("adjective", "the {thing} must be {word}",
               ("the {thing} cannot be {word}", "the {thing} can't be {word}")),
        _Frame("adjective", "his {thing} is often {word}",
               ("his {thing} is rarely {word}", "his {thing} is seldom {word}")),
        _Frame("adjective", "my {thing} felt quite {word}", ("my {thing} barely felt {word}",)),
        _Frame("adjective", "he came home with a {word} {thing}", ("he came home without a {word} {thing}",)),
        _Frame("adjective", "who has such a {word} {thing}", ("who hasn't such a {word} {thing}",)),
        _Frame("adjective", "it would be a rather {word} {thing}", ("it wouldn't be a rather {word} {thing}",)),
        _Frame("adjective", "those who saw the {thing} were {word}", ("those who saw the {thing} weren't {word}",)),
        _Frame("adjective", "one could say it was a {word} {thing}", ("one couldn't say it was a {word} {thing}",)),
        _Frame("adjective", "she did expect to see so {word} a {thing}",
               ("she didn't expect to see so {word} a {thing}",)),
        _Frame("adjective", "when we were there the {thing} was {word}",
               ("when we were there the {thing} was not at all {word}",)),
        _Frame("verb", "i {word} the {thing}", ("i do not {word} the {thing}", "i don't {word} the {thing}")),
        _Frame("verb", "they {word} this {thing}", ("they never {word} this {thing}",)),
        _Frame("verb", "all of us {word} his {thing}", ("none of us {word} his {thing}",)),
        _Frame("verb", "she would {word} a {thing} like this", ("she wouldn't {word} a {thing} like this",)),
        _Frame("verb", "my friends often {word} her {thing}",
               ("my friends seldom {word} her {thing}", "my friends rarely {word} her {thing}")),
        _Frame("verb", "everyone here did {word} its {thing}", ("nobody here did {word} its {thing}",)),
        _Frame("verb", "it made me {word} their {thing}", ("it didn't make me {word} their {thing}",)),
        _Frame("verb", "which of them could {word} my {thing}", ("which of them couldn't {word} my {thing}",)),
    ),
    "test": (
        _Frame("adjective", "the {thing} seemed {word} to us", ("the {thing} never seemed {word} to us",)),
        _Frame("adjective", "what a {word} {thing} this is", ("this is not what a {word} {thing} is",)),
        _Frame("adjective", "we thought it a very {word} {thing}", ("we didn't think it a very {word} {thing}",)),
        _Frame("adjective", "everybody called the {thing} {word}", ("nobody called the {thing} {word}",)),
        _Frame("adjective", "the {thing} has been {word} lately", ("the {thing} has hardly been {word} lately",)),
        _Frame("verb", "we {word} that {thing} every summer", ("we cannot {word} that {thing} every summer",)),
        _Frame("verb", "you will {word} our {thing}", ("you won't {word} our {thing}",)),
    ),
}  # fmt: skip

_JOINTS = (" and ", ", and ", "; ")
_COMPOUND = 0.3  # share of sentences with a second clause of the same opinion
_SEEDS = {"train": 0, "dev": 1, "test": 2}


def rows(
    split: str, seed: int, epoch: int, *, train: int = 1200, dev: int = 200, test: int = 600
) -> list[dict[str, Any]]:
    """So many sentences of a split; those of the test come in pairs, plain and negated.

    Dev sentences are made as training sentences are: nothing of the test's frames or things is used before it.
    """
    count = {"train": train, "dev": dev, "test": test}[split]
    if not 0 < count <= 1_000_000:
        raise TaskError(f"the option `{split}` of the generator `negation` must be from 1 to 1,000,000, not {count}")
    random = np.random.default_rng((seed, epoch, _SEEDS[split]))
    if split == "test":
        return [row for pair in range((count + 1) // 2) for row in _pair(random, pair)][:count]
    return [_row(_sentence(random, "train", bool(random.integers(2)), _draw_label(random))) for _ in range(count)]


@dataclass(frozen=True)
class _Clause:
    text: str
    word: str
    says: str  # what the word says on its own
    is_negated: bool
    is_new: bool  # whether training has no such word in such a clause


def _pair(random: np.random.Generator, number: int) -> list[dict[str, Any]]:
    """One opinion plainly, and with its clause negated; or, for a share of them, two compound sentences."""
    label = _draw_label(random)
    frame, word, thing = _draw(random, "test", label)
    rows = []
    for negated in (False, True):
        first = _clause(random, frame, word, thing, label, negated)
        opinion = _flip(label) if negated else label
        second = _more(random, "test", opinion) if number % 10 < 10 * _COMPOUND else []
        rows.append({**_row(([first, *second], opinion, random)), **({} if second else {"pair": number})})
    return rows


def _sentence(
    random: np.random.Generator, split: str, negated: bool, label: str
) -> tuple[list[_Clause], str, np.random.Generator]:
    first = _any_clause(random, split, label, negated)
    second = _more(random, split, label) if random.random() < _COMPOUND else []
    return [first, *second], label, random


def _more(random: np.random.Generator, split: str, label: str) -> list[_Clause]:
    return [_any_clause(random, split, label, bool(random.integers(2)))]


def _any_clause(random: np.random.Generator, split: str, label: str, negated: bool) -> _Clause:
    says = _flip(label) if negated else label
    while True:
        frame, word, thing = _draw(random, split, says)
        clause = _clause(random, frame, word, thing, says, negated)
        if split == "test" or not clause.is_new:
            return clause


def _draw(random: np.random.Generator, split: str, says: str) -> tuple[_Frame, str, str]:
    frames, things = _FRAMES[split], _THINGS[split]
    frame = frames[random.integers(len(frames))]
    words = (_ADJECTIVES if frame.word == "adjective" else _VERBS)[says]
    return frame, words[random.integers(len(words))], things[random.integers(len(things))]


def _clause(random: np.random.Generator, frame: _Frame, word: str, thing: str, says: str, negated: bool) -> _Clause:
    words = (_ADJECTIVES if frame.word == "adjective" else _VERBS)[says]
    third = words.index(word) % 3
    pattern = frame.negated[random.integers(len(frame.negated))] if negated else frame.plain
    text = pattern.format(thing=thing, word=word).replace(" a awful", " an awful").replace(" a un", " an un")
    text = text.replace(" a honest", " an honest").replace(" a elegant", " an elegant")
    return _Clause(text, word, says, negated, third == (1 if negated else 2))


def _row(sentence: tuple[Sequence[_Clause], str, np.random.Generator]) -> dict[str, Any]:
    clauses, label, random = sentence
    text = clauses[0].text
    for clause in clauses[1:]:
        text += _JOINTS[random.integers(len(_JOINTS))] + clause.text
    text = text[0].upper() + text[1:] + "."
    words = split_words(text).words
    return {
        "text": text,
        "label": label,
        "negations": sum(clause.is_negated for clause in clauses),
        "composition": "new" if any(clause.is_new for clause in clauses) else "seen",
        "concepts": {"leans": [[words.index(clause.word), clause.says] for clause in clauses]},
    }


def _draw_label(random: np.random.Generator) -> str:
    return ("positive", "negative")[random.integers(2)]


def _flip(label: str) -> str:
    return "negative" if label == "positive" else "positive"
