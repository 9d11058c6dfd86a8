"""A reader for the controlled English of PrOntoQA and ProofWriter: sentences to rules, without learning anything.

The language of both sets was generated from templates, so it can be read exactly:

    Max is (not) a yumpus.                       The cat (does not) eat(s) the squirrel.
    Every yumpus is (not) a dumpus.              (All) red, cold things are (not) round.
    If something is quiet and it sees the cow then it does not like Bob.

Nouns and adjectives become predicates of one column, verbs of two; `not` is strong negation. A sentence of another
form is an error that quotes it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_SOMEONE = {"someone", "something", "it", "they", "people", "things"}
_BE = {"is", "are"}
_DO = {"does", "do"}


class UnreadableError(ValueError):
    """A sentence that is not of the controlled language."""


@dataclass(frozen=True)
class Claim:
    """`predicate(arguments)`, or its opposite; an argument is a name, or X for anyone."""

    predicate: str
    arguments: tuple[str, ...]
    denied: bool = False

    def __str__(self) -> str:
        return f"{'-' if self.denied else ''}{self.predicate}({', '.join(self.arguments)})"

    @property
    def opposite(self) -> Claim:
        return Claim(self.predicate, self.arguments, not self.denied)


@dataclass(frozen=True)
class Sentence:
    """A fact (no conditions) or a rule."""

    claim: Claim
    conditions: tuple[Claim, ...] = ()
    text: str = ""

    def __str__(self) -> str:
        body = f" :- {', '.join(map(str, self.conditions))}" if self.conditions else ""
        return f"{self.claim}{body}."


def read(text: str) -> list[Sentence]:
    """The sentences of a text."""
    return [read_sentence(part) for part in re.findall(r"[^.]+\.", text)]


def read_sentence(text: str) -> Sentence:
    """One sentence.

    >>> str(read_sentence("If someone sees the cat and they are not green then they see the cow."))
    'see(X, cow) :- see(X, cat), -green(X).'
    >>> str(read_sentence("Jompuses are not shy."))
    '-shy(X) :- jompus(X).'
    """
    words = text.strip().rstrip(".").replace(",", " ,").replace("bald eagle", "bald_eagle").split()
    if words[0] == "If":
        cut = words.index("then")
        conditions = [_claim(part, text) for part in _split(words[1:cut])]
        return Sentence(_claim(words[cut + 1 :], text), tuple(conditions), text.strip())
    general = _general(words, text)
    if general is not None:
        return general
    return Sentence(_claim(words, text), (), text.strip())


def _general(words: list[str], text: str) -> Sentence | None:
    """`Every N is ...`, `All red, cold things are ...`, `Ns are ...`."""
    place = next((index for index, word in enumerate(words) if word in _BE), -1)
    subject = words[:place]
    if place < 0:
        return None
    if subject and subject[0] in ("Each", "Every", "All"):
        subject = subject[1:]
    elif words[place] == "is" or subject[0] in ("The", "the"):
        return None
    kinds = [word.lower() for word in subject if word != ","]
    if kinds[-1] in _SOMEONE:
        kinds = kinds[:-1]
    conditions = tuple(Claim(_singular(kind), ("X",)) for kind in kinds)
    return Sentence(_claim(["X", *words[place:]], text), conditions, text.strip())


def _split(words: list[str]) -> Iterator[list[str]]:
    """Conditions are joined by `and`; one that starts with `are`/`is` or a bare adjective keeps the subject before."""
    part: list[str] = []
    subject: list[str] = []
    for word in [*words, "and"]:
        if word != "and":
            part.append(word)
            continue
        verb = next((i for i, w in enumerate(part) if w in _BE | _DO or _is_verb(w, i)), 0)
        if (verb == 0 or part[0] == "not") and subject:
            part = [*subject, *(part if part and part[0] in _BE | _DO else ["is", *part])]
        else:
            subject = part[:verb]
        yield part
        part = []


def _is_verb(word: str, place: int) -> bool:
    return place > 0 and word not in _SOMEONE and word[0].islower() and word not in ("the", "a", "an", "not")


def _claim(words: list[str], text: str) -> Claim:
    """`S is (not) (a) K` or `S (does not) VERB O`."""
    words = [word for word in words if word not in ("the", "The", ",")]
    subject = "X" if words[0].lower() in _SOMEONE or words[0] == "X" else words[0].lower()
    rest = words[1:]
    if rest and rest[0] in _BE:
        denied = len(rest) > 1 and rest[1] == "not"
        kind = [word for word in rest[1 + denied :] if word not in ("a", "an")]
        if len(kind) == 1:
            return Claim(_singular(kind[0]), (subject,), denied)
    elif len(rest) == 4 and rest[0] in _DO and rest[1] == "not":
        return Claim(rest[2], (subject, _object(rest[3])), True)
    elif len(rest) == 2:
        return Claim(rest[0].removesuffix("s") if subject != "X" else _base(rest[0]), (subject, _object(rest[1])))
    raise UnreadableError(text.strip())


def _object(word: str) -> str:
    return "X" if word.lower() in _SOMEONE else word.lower()


def _base(verb: str) -> str:
    return verb[:-1] if verb.endswith("s") else verb


def _singular(noun: str) -> str:
    """Plurals of the invented nouns end in -uses."""
    return noun.lower().removesuffix("es") if noun.endswith("uses") else noun.lower()
