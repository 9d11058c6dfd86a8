"""Further inputs for the teacher to label, made of the texts that are there: parts, changes and mixtures of them.

A student learns most from whole texts in which known words meet in new company; what such a text says, nobody has to
know but the teacher.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from nesy.learning.data import Located, make_rows
from nesy.learning.seeding import stream
from nesy.learning.sources import DataSource
from nesy.learning.task import Task
from nesy.perception.text.words import split_words

_LEFT_OUT, _REPLACED = 0.1, 0.15  # shares of a variant's words


def with_further(source: DataSource, task: Task) -> DataSource:
    """The rows, with spans, variants and splices of their texts among the unlabelled ones if the task asks for them."""
    table = task.distillation
    if not table.spans and not table.variants and not table.splices:
        return source
    splits = source.splits
    rows = (*splits.train, *splits.unlabelled)
    texts = [split_words(text).words for row in rows if isinstance(text := row.columns.get(table.input), str)]
    made = {
        "span": spans(texts, table.spans, seed=0),
        "variant": variants(texts, table.variants, seed=0),
        "splice": splices(texts, table.splices, seed=0),
    }
    records = [
        Located({table.input: text}, f"{kind} {i}") for kind, found in made.items() for i, text in enumerate(found, 1)
    ]
    more = make_rows(records, task.data, labelled=False)
    return replace(source, splits=replace(splits, unlabelled=[*splits.unlabelled, *more]))


def spans(texts: Sequence[Sequence[str]], count: int, seed: int) -> list[str]:
    """Runs of 2 to 12 words cut from texts, all different: short inputs, on which a teacher says what a part says.

    Source: Tang et al., "Distilling Task-Specific Knowledge from BERT into Simple Neural Networks", 2019, section 3.2,
    for n-grams as further inputs.
    """
    long = [words for words in texts if len(words) > 2]
    found: dict[str, None] = {}
    generator = stream(seed, "spans")
    for _ in range(4 * count if long else 0):  # repeated ones are drawn again, but not for ever
        if len(found) == count:
            break
        text, length, place = torch.rand(3, generator=generator, dtype=torch.float64).tolist()
        words = long[int(text * len(long))]
        size = min(2 + int(length * 11), len(words) - 1)
        start = int(place * (len(words) - size + 1))
        found[" ".join(words[start : start + size])] = None
    return list(found)


def variants(texts: Sequence[Sequence[str]], count: int, seed: int) -> list[str]:
    """Texts in which each word is left out with a chance of 1/10, or is another one of any text with one of 3/20.

    All are different, and none is one of the texts: whole inputs of which a student has never seen the label, on which
    a teacher says what a change of words does.

    Source: after Tang et al., 2019 (as `spans`), section 3.2, where words are masked or replaced by their kind.
    """
    bag = [word for words in texts for word in words]
    known = {" ".join(words) for words in texts}
    found: dict[str, None] = {}
    generator = stream(seed, "variants")
    for number in range(4 * count if bag else 0):
        if len(found) == count:
            break
        words = texts[number % len(texts)]
        fate = torch.rand(len(words), generator=generator, dtype=torch.float64).tolist()
        other = torch.randint(len(bag), (len(words),), generator=generator).tolist()
        made = [
            bag[j] if chance < _LEFT_OUT + _REPLACED else word
            for word, chance, j in zip(words, fate, other, strict=True)
            if chance >= _LEFT_OUT
        ]
        text = " ".join(made)
        if made and text not in known:
            found[text] = None
    return list(found)


def splices(texts: Sequence[Sequence[str]], count: int, seed: int) -> list[str]:
    """The first part of one text and the last part of another, no longer than the longer of the two; all different.

    Both are cut at the same share of their words, so the parts vary and lengths stay what they are. Such a text often
    says two things at once, and the teacher says what weighs more.

    Source: crossover of texts after Luque, "Atalaya at TASS 2019: Data Augmentation and Robust Embeddings for Sentiment
    Analysis", where halves of texts with one label are joined; with a teacher they need not share it.
    """
    long = [words for words in texts if len(words) > 1]
    known = {" ".join(words) for words in texts}
    found: dict[str, None] = {}
    generator = stream(seed, "splices")
    for number in range(4 * count if len(long) > 1 else 0):  # repeated ones are drawn again, but not for ever
        if len(found) == count:
            break
        share, other = torch.rand(2, generator=generator, dtype=torch.float64).tolist()
        first, last = long[number % len(long)], long[int(other * len(long))]
        size = max(1, int(share * len(first)))
        text = " ".join([*first[:size], *last[max(1, int(share * len(last))) :]])
        if text not in known:
            found[text] = None
    return list(found)
