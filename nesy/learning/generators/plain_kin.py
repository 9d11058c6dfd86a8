"""What sentences plainly say of two people, to find where a story's labels say otherwise.

CLUTRR's sentences were written by people for relations they were given, and the names were put in later; where the two
names of a sentence were swapped, its label contradicts it: `[Ann] went to dinner with her daughter [Eve]`, with Eve
labelled as Ann's mother. Only a noun right before the second name is looked at, and only where whose relative it is
can hardly be mistaken: what is found is nearly always a contradiction, and others are not found.

- `[A] ... his NOUN, [B]` (her, their, has), A the first word of the sentence, and nobody named or called a relative
  between;
- `[A]'s NOUN, [B]`.

Two words may stand before the noun, and the comma may be missing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

_NOUNS: Final[Mapping[str, str]] = {
    "father": "parent", "mother": "parent", "dad": "parent", "mom": "parent", "parent": "parent",
    "son": "child", "daughter": "child", "child": "child", "children": "child", "kid": "child", "kids": "child",
    "sons": "child", "daughters": "child", "brother": "sibling", "sister": "sibling", "brothers": "sibling",
    "sisters": "sibling", "husband": "spouse", "wife": "spouse", "grandfather": "grandparent",
    "grandmother": "grandparent", "grandpa": "grandparent", "grandma": "grandparent", "grandson": "grandchild",
    "granddaughter": "grandchild", "grandsons": "grandchild", "granddaughters": "grandchild", "uncle": "uncle",
    "aunt": "uncle", "nephew": "nephew", "niece": "nephew",
}  # fmt: skip
_NOUN: Final = "|".join(sorted(_NOUNS, key=len, reverse=True))
_SENTENCE: Final = re.compile(r"(?<=[.!?])\s+")
_A: Final = r"\[(?P<a>[^\]]+)\]"
_NOUN_B: Final = rf"(?:(?!grand\b|(?:{_NOUN})\b)\w+ ){{0,2}}(?P<noun>{_NOUN}),? \[(?P<b>[^\]]+)\](?! ?'s)"
_POSSESSIVE: Final = re.compile(rf"{_A}(?P<between>[^\[\]]*?) (?:his|her|their|has) {_NOUN_B}")
_GENITIVE: Final = re.compile(rf"{_A} ?'s {_NOUN_B}")
_ANY_NOUN: Final = re.compile(rf"\b(?:{_NOUN})\b", re.IGNORECASE)


def plain_kin(story: str) -> Iterator[tuple[str, str, str]]:
    """(A, B, kind): a sentence plainly says that B is A's parent, child, sibling, ...

    >>> list(plain_kin("[Ann] and her son [Bob] sing. [Bob]'s wife, [Cy], hums. [Bob] met [Ann] and her dad [Dan]."))
    [('Ann', 'Bob', 'child'), ('Bob', 'Cy', 'spouse')]
    """
    for sentence in _SENTENCE.split(story):
        found = list(_GENITIVE.finditer(sentence))
        if (one := _POSSESSIVE.match(sentence)) and not _ANY_NOUN.search(one["between"]):
            found.append(one)
        for match in found:
            yield match["a"], match["b"], _NOUNS[match["noun"]]


def contradicted(story: str, labels: Mapping[tuple[str, str], str]) -> list[tuple[str, str, str]]:
    """What a story plainly says of two people of whom its labels say something else."""
    return [(a, b, kind) for a, b, kind in plain_kin(story) if labels.get((a, b), kind) != kind]
