"""How one text differs from another: the words of the first that the second has others for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from typing import TypeAlias

Edit: TypeAlias = tuple[int, str, str]  # at this word of the first text: these words of it, those of the second

_SAME = {"an": "a"}  # spelled by the word behind it, so no edit of its own


def edits(first: Sequence[str], second: Sequence[str]) -> list[Edit]:
    """Replacements, deletions (nothing in the second) and insertions (nothing in the first), in order.

    An insertion is at the word it stands behind, or at the first word. As many words for as many are so many edits.

    >>> edits("he has a dog .".split(), "he has an old cat .".split())
    [(3, 'dog', 'old cat')]
    >>> edits("a tall man ran".split(), "a man ran home".split())
    [(1, 'tall', ''), (3, '', 'home')]
    """
    plain = [[_SAME.get(word, word) for word in words] for words in (first, second)]
    return [
        edit
        for kind, start, end, low, high in SequenceMatcher(None, *plain, autojunk=False).get_opcodes()
        if kind != "equal"
        for edit in _split(start, first[start:end], second[low:high])
    ]


def _split(start: int, old: Sequence[str], new: Sequence[str]) -> Iterator[Edit]:
    if not old:
        yield max(start - 1, 0), "", " ".join(new)
    elif len(old) == len(new):
        yield from ((start + i, *pair) for i, pair in enumerate(zip(old, new, strict=True)))
    else:
        yield start, " ".join(old), " ".join(new)
