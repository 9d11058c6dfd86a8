"""The words of a text: what the rules see, each with the characters it stands on."""

from __future__ import annotations

import re
from dataclasses import dataclass

# A contracted "not" is a word of its own ("is" + "n't"), as in the Penn Treebank, so that one rule covers it with
# and without an apostrophe's space; then 's and its like, runs of letters and digits, single signs.
_WORD = re.compile(r"[^\W_]+?(?=n['’]t\b)|n['’]t\b|['’][^\W\d_]+|[^\W_]+|[^\s\w]|_")


@dataclass(frozen=True)
class Words:
    """The words of one text in order."""

    words: tuple[str, ...]
    spans: tuple[tuple[int, int], ...]  # characters start <= offset < end in the text

    def __len__(self) -> int:
        return len(self.words)


def split_words(text: str, lowercase: bool = True) -> Words:
    """Split a text into words; the apostrophe of a contraction becomes the plain one.

    >>> split_words("It isn't GOOD, really.").words
    ('it', 'is', "n't", 'good', ',', 'really', '.')
    """
    found = list(_WORD.finditer(text))
    words = (match.group().replace("’", "'") for match in found)
    return Words(tuple(w.lower() if lowercase else w for w in words), tuple(match.span() for match in found))
