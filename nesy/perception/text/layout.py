"""How the words of a batch of texts lie in one tensor, and which row a key of a neural predicate means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from nesy.errors import DataError
from nesy.language.values import Value, format_value
from nesy.perception.encoder import Keys
from nesy.perception.influence import Part
from nesy.perception.payloads import check_samples
from nesy.perception.text.tokenizer import Pieces
from nesy.perception.text.words import Words

Index = NDArray[np.int64]
MOST_PIECES = 16  # of one word; what is longer is cut: a web address, not a word


@dataclass(frozen=True, eq=False)
class Reading:
    """A text as it is fed to the encoder: its words, and the pieces they are made of."""

    words: Words
    piece: Index  # [P]
    word: Index  # [P] the word each piece belongs to
    place: Index  # [P] its place in the word

    @classmethod
    def of(cls, words: Words, pieces: Pieces) -> Self:
        """The pieces of each word."""
        made = [pieces.encode(word)[:MOST_PIECES] for word in words.words]
        sizes = np.array([len(ids) for ids in made], dtype=np.int64)
        piece = np.array([id for ids in made for id in ids], dtype=np.int64)
        word = np.repeat(np.arange(len(made)), sizes)
        place = np.arange(len(piece)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        return cls(words, piece, word, place)

    def __len__(self) -> int:
        return len(self.words)


@dataclass(frozen=True, eq=False)
class Layout:
    """Rows 0 .. W-1 are the words of all texts, row W is empty, rows W+1 .. W+T stand for whole texts, and the rows
    behind them for pairs of words.

    A word that is itself a key (`polarity(Word)`), or one of a pair, is a text of one word behind the batch's own.
    """

    starts: Index  # [T + 1] the first row of each text
    piece: Index  # [P]
    word: Index  # [P] a row
    place: Index  # [P]
    pairs: Index  # [N, 2] the rows of the words of each pair
    rows: Mapping[str, Index]  # predicate -> [K] the row of each key

    @classmethod
    def of(cls, readings: Sequence[Reading], requests: Mapping[str, Keys], pieces: Pieces) -> Self:
        """Lay out a batch. Raises: DataError for a key that is not in its text"""
        all_keys = [key for keys in requests.values() if keys.numbers is None for key in keys.key]
        named = list(dict.fromkeys(part for key in all_keys for part in key if isinstance(part, str)))
        loose = [Reading.of(Words((word,), ((0, len(word)),)), pieces) for word in named]
        texts = [*readings, *loose]
        starts = np.cumsum([0, *(len(text) for text in texts)], dtype=np.int64)
        row_of_word: dict[str, int] = dict(zip(named, starts[len(readings) :].tolist(), strict=False))
        two = dict.fromkeys(key for key in all_keys if len(key) == 2 and all(isinstance(part, str) for part in key))
        pairs = np.array([[row_of_word[str(part)] for part in key] for key in two], dtype=np.int64).reshape(-1, 2)
        row_of: dict[tuple[Value, ...], int] = {(word,): row for word, row in row_of_word.items()}
        row_of |= {key: int(starts[-1]) + len(texts) + 1 + i for i, key in enumerate(two)}
        return cls(
            starts,
            np.concatenate([text.piece for text in texts]),
            np.concatenate([text.word + start for text, start in zip(texts, starts.tolist(), strict=False)]),
            np.concatenate([text.place for text in texts]),
            pairs,
            {name: _rows(name, keys, starts, row_of, len(readings)) for name, keys in requests.items()},
        )

    @property
    def num_words(self) -> int:
        return int(self.starts[-1])

    @property
    def num_texts(self) -> int:
        return len(self.starts) - 1

    @property
    def text(self) -> Index:
        """The text each word belongs to. Shapes: -> [W]"""
        return np.repeat(np.arange(self.num_texts), np.diff(self.starts))

    @property
    def has_further_rows(self) -> bool:
        """Whether some key means a whole text or a pair of words."""
        return any(len(rows) and int(rows.max()) > self.num_words for rows in self.rows.values())

    def parts(self, readings: Sequence[Reading], pieces: Pieces) -> list[Part]:
        """The part of its text that each piece is; of a word that is itself a key, the word where it first stands."""
        words = [
            (span, word)
            for reading in readings
            for span, word in zip(reading.words.spans, reading.words.words, strict=True)
        ]
        found: list[Part] = []
        behind = 0  # characters of the word that earlier pieces have spelled
        for piece, row, place in zip(self.piece.tolist(), self.word.tolist(), self.place.tolist(), strict=True):
            text = pieces.bytes_of(piece).decode(errors="replace")
            behind = 0 if place == 0 else behind
            if row >= len(words):
                found.append(Part(text))
                continue
            (start, end), word = words[row]
            first = start + behind
            spelled = end - start == len(word) and word[behind : behind + len(text)] == text
            found.append(Part(text, first, first + len(text)) if spelled else Part(text, start, end))
            behind += len(text)
        return found

    def apart(self, context: int) -> Index:
        """Places of the words and the empty row with `context` free ones after each text: neighbours that near are
        of the same text.

        Shapes: -> [W + 1] ascending
        """
        return np.arange(self.num_words + 1) + context * np.append(self.text, self.num_texts)


def _rows(name: str, keys: Keys, starts: Index, row_of: Mapping[tuple[Value, ...], int], num_payloads: int) -> Index:
    """The row of each key."""
    check_samples(name, keys)
    num_words = int(starts[-1])
    sizes = np.diff(starts)[:num_payloads]
    numbers = keys.numbers
    if numbers is not None and bool(((numbers >= 0) & (numbers < sizes[keys.sample])).all()):
        return starts[keys.sample] + numbers
    found = np.empty(len(keys), dtype=np.int64)
    for i, (key, sample) in enumerate(zip(keys.key, keys.sample.tolist(), strict=True)):
        match key:
            case (int(token),) if 0 <= token < sizes[sample]:
                found[i] = starts[sample] + token
            case (str(),) | (str(), str()):
                found[i] = row_of[key]
            case ():
                found[i] = num_words + 1 + sample
            case _:
                raise DataError(not_in_text(name, key))
    return found


def not_in_text(predicate: str, key: tuple[Value, ...]) -> str:
    """The message about a key that the text encoder cannot place."""
    inside = ",".join(map(format_value, key))
    return (
        f"`{predicate}({inside})` asks the text encoder about something that is not in the text: "
        "a key is the number of a word, a word, two words, or nothing (the whole text)"
    )
