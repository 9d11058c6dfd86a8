"""Stories about families: each sentence says what two people are to each other, and two others are asked about.

Without `path` the stories are written here: a family of three generations is drawn, a chain of people through it, and
a sentence for each link, in any order. Training has chains of two and three links, the test of two to five, with
people and sentences of its own. What two people are to each other is read off the family, not composed. `path` names a
folder of CLUTRR's files (`clutrr`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nesy.errors import DataError, TaskError
from nesy.learning.generators import clutrr
from nesy.learning.generators.clutrr import INVERSE, WORDS

_SEEDS = {"train": 0, "dev": 1, "test": 2}
_NAMES = {
    "train": {
        "male": "Adam Boris Carl Dario Emil Felix Georg Hugo Ivan Jonas Karim Leon".split(),
        "female": "Alma Berta Clara Dora Edda Frida Greta Hanna Ilse Judith Karla Lena".split(),
    },
    "test": {
        "male": "Marek Nils Oskar Pavel Quirin Ruben Simon Theo".split(),
        "female": "Mira Nora Olga Paula Rosa Selma Tilda Ursula".split(),
    },
}
# Y is the WORD of X; each sentence stands for either sex of both. `{his}` is X's.
_SENTENCES = {
    "train": (
        "[{X}] and {his} {word} [{Y}] went for a walk.",
        "[{Y}] is the {word} of [{X}].",
        "[{X}]'s {word} [{Y}] came to visit.",
        "[{X}] bought a present for {his} {word}, [{Y}].",
        "[{Y}] cooked for [{X}], for whom a {word} could not do more.",
        "[{X}] wrote a letter to {his} {word}. The answer came from [{Y}] in a week.",
        "[{X}] has a {word} who is called [{Y}].",
        "[{Y}] was proud to be [{X}]'s {word}.",
    ),
    "test": (
        "[{X}] and {his} {word}, [{Y}], like to swim.",
        "[{X}] met {his} {word} [{Y}] at the station.",
        "[{Y}], the {word} of [{X}], sings well.",
        "Nobody knows [{X}] as well as [{X}]'s {word} [{Y}].",
    ),
}


def rows(
    split: str,
    seed: int,
    epoch: int,
    *,
    train: int = 1500,
    dev: int = 300,
    test: int = 500,
    path: str = "",
    held_out: float = 0.05,
    repeats: int = 0,
) -> list[dict[str, Any]]:
    """So many stories of a split, or those of CLUTRR's files in the folder `path` (`held_out`, `repeats`: `clutrr`)."""
    if not 0 < held_out <= 0.5:
        raise TaskError(f"the option `held_out` of the generator `kinship` must be above 0 and at most 0.5: {held_out}")
    if repeats < 0:
        raise TaskError(f"the option `repeats` of the generator `kinship` must be 0 or more: {repeats}")
    if path:
        if not Path(path).is_dir():
            raise DataError(f"{path}: expected a folder with CLUTRR's files")
        return clutrr.rows(split, Path(path), held_out, repeats)
    count = {"train": train, "dev": dev, "test": test}[split]
    if not 0 < count <= 1_000_000:
        raise TaskError(f"the option `{split}` of the generator `kinship` must be from 1 to 1,000,000, not {count}")
    random = np.random.default_rng((seed, epoch, _SEEDS[split]))
    made: list[dict[str, Any]] = []
    while len(made) < count:
        steps = int(random.integers(2, 6 if split == "test" else 4))
        chain = _chain(random, _Family.draw(random), steps)
        if chain is not None:
            made.append(_story(random, chain, "test" if split == "test" else "train"))
    return made


@dataclass(frozen=True)
class _Family:
    """People by number: their sex, their parents (-1 for who married in), and their spouse (-1 for none)."""

    sex: tuple[str, ...]
    parents: tuple[tuple[int, int], ...]
    spouse: tuple[int, ...]

    @classmethod
    def draw(cls, random: np.random.Generator) -> _Family:
        """A couple, their children with spouses, and two grandchildren or more by each: nobody is the only one."""
        sex: list[str] = ["male", "female"]
        parents: list[tuple[int, int]] = [(-1, -1), (-1, -1)]
        spouse = [1, 0]

        def born(of: tuple[int, int]) -> int:
            sex.append(("male", "female")[random.integers(2)])
            parents.append(of)
            spouse.append(-1)
            return len(sex) - 1

        for _ in range(4):
            child, partner = born((0, 1)), born((-1, -1))
            sex[partner] = "female" if sex[child] == "male" else "male"
            spouse[child], spouse[partner] = partner, child
            for _ in range(random.integers(2, 5)):
                born((child, partner))
        return cls(tuple(sex), tuple(parents), tuple(spouse))

    def kind(self, x: int, y: int) -> str | None:
        """What y is to x, if there is a word for it."""
        up = self._above(x, 1)
        if y in up:
            return "parent"
        if x in self._above(y, 1):
            return "child"
        if self.spouse[x] == y:
            return "spouse"
        if up & self._above(y, 1):
            return "sibling"
        if y in self._above(x, 2):
            return "grandparent"
        if x in self._above(y, 2):
            return "grandchild"
        if self._above(y, 1) & self._above(x, 2):
            return "uncle"
        if self._above(x, 1) & self._above(y, 2):
            return "nephew"
        if self.spouse[x] >= 0 and y in self._above(self.spouse[x], 1):
            return "parent_in_law"
        if self.spouse[y] >= 0 and x in self._above(self.spouse[y], 1):
            return "child_in_law"
        return None

    def _above(self, person: int, generations: int) -> set[int]:
        found = {person}
        for _ in range(generations):
            found = {parent for one in found for parent in self.parents[one] if parent >= 0}
        return found


@dataclass(frozen=True)
class _Chain:
    family: _Family
    people: tuple[int, ...]
    kinds: tuple[str, ...]  # of each person to the one before
    answer: str


def _chain(random: np.random.Generator, family: _Family, steps: int) -> _Chain | None:
    """A walk through a family whose links say what its ends are to each other; None where the draw does not."""
    people = [int(random.integers(len(family.sex)))]
    kinds: list[str] = []
    for _ in range(steps):
        here = people[-1]
        known = [(y, kind) for y in range(len(family.sex)) if y not in people and (kind := family.kind(here, y))]
        known = [(y, kind) for y, kind in known if kind in INVERSE]
        if not known:
            return None
        person, kind = known[random.integers(len(known))]
        people.append(person)
        kinds.append(kind)
    answer = family.kind(people[0], people[-1])
    if answer is None or not _determines(family, people[0], kinds, answer):
        return None
    return _Chain(family, tuple(people), tuple(kinds), answer)


_RISES = {"parent", "grandparent", "uncle"}
_FALLS = {"child", "grandchild", "nephew"}


def _determines(family: _Family, first: int, kinds: Sequence[str], answer: str) -> bool:
    """Whether all whom the same links lead to in this family are the same to the first.

    A chain that rises after it has fallen may end on the side of one's spouse, and is never one.
    """
    reached = {first}
    for number, kind in enumerate(kinds):
        if kind in _RISES and any(before in _FALLS for before in kinds[:number]):
            return False
        reached = {y for x in reached for y in range(len(family.sex)) if family.kind(x, y) == kind} - {first}
    return {family.kind(first, person) for person in reached} == {answer}


def _story(random: np.random.Generator, chain: _Chain, split: str) -> dict[str, Any]:
    family = chain.family
    names = {}
    for sex, known in _NAMES[split].items():
        own = [person for person in chain.people if family.sex[person] == sex]
        if len(own) > len(known):
            raise ValueError("more people than names")
        names |= dict(zip(own, (known[i] for i in random.permutation(len(known))), strict=False))
    sentences, concepts = [], []
    for x, y, kind in zip(chain.people, chain.people[1:], chain.kinds, strict=False):
        concepts += [[names[x], names[y], kind], [names[y], names[x], INVERSE[kind]]]
        if random.integers(2):
            x, y, kind = y, x, INVERSE[kind]
        frame = _SENTENCES[split][random.integers(len(_SENTENCES[split]))]
        his = "his" if family.sex[x] == "male" else "her"
        sentences.append(frame.format(X=names[x], Y=names[y], word=_word(kind, family.sex[y]), his=his))
    order = random.permutation(len(sentences))
    first, last = chain.people[0], chain.people[-1]
    text = " ".join(sentences[i] for i in order)
    return {
        "text": f"{text} What is [{names[last]}] to [{names[first]}]?",
        "relation": _word(chain.answer, family.sex[last]),
        "steps": len(chain.kinds),
        "concepts": {"kin": concepts, "gender": [[names[last], family.sex[last]]]},
    }


def _word(kind: str, sex: str) -> str:
    return next(word for word, meaning in WORDS.items() if meaning == (kind, sex))
