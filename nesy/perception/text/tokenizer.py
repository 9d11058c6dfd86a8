"""Byte-level BPE: merges are learned by `tokenizers` and run by `tiktoken`, which is several times faster.

Both use one pattern to split text and give the same pieces, byte for byte (a test holds this). Ranks 0..255
are the single bytes, then the merges follow in the order in which they were learned.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Self

import tiktoken
from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers

# Letters with an optional space before them, digits likewise, other signs likewise, and white space.
PATTERN: Final = r" ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+"
_NUM_BYTES: Final = 256


@dataclass(frozen=True)
class Pieces:
    """A trained vocabulary of byte pieces: piece i is `learned[i - 256]`, or the single byte i below 256."""

    learned: tuple[bytes, ...]

    @classmethod
    def train(cls, texts: Iterable[str], size: int, min_frequency: int = 2) -> Self:
        """Learn merges from texts until the vocabulary has `size` pieces, or no pair is frequent enough."""
        trainer = trainers.BpeTrainer(
            vocab_size=max(size, _NUM_BYTES),
            min_frequency=min_frequency,
            show_progress=False,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        )
        tokenizer = untrained()
        tokenizer.train_from_iterator(texts, trainer)
        to_byte = byte_of_sign()
        learned: list[bytes] = []
        known = {bytes([byte]) for byte in range(_NUM_BYTES)}
        for left, right in merges_of(tokenizer):
            piece = bytes(to_byte[sign] for sign in left + right)
            if piece not in known:  # two merges may spell the same piece: the first is its rank
                known.add(piece)
                learned.append(piece)
        return cls(tuple(learned))

    @classmethod
    def from_json(cls, data: Sequence[str]) -> Self:
        """The vocabulary written by `to_json`."""
        return cls(tuple(bytes.fromhex(piece) for piece in data))

    def to_json(self) -> list[str]:
        """The learned pieces in order, as hexadecimal."""
        return [piece.hex() for piece in self.learned]

    def __len__(self) -> int:
        return _NUM_BYTES + len(self.learned)

    @cached_property
    def encoding(self) -> tiktoken.Encoding:
        """The vocabulary as tiktoken runs it."""
        ranks = {bytes([byte]): byte for byte in range(_NUM_BYTES)}
        ranks |= {piece: _NUM_BYTES + i for i, piece in enumerate(self.learned)}
        return tiktoken.Encoding("nesy", pat_str=PATTERN, mergeable_ranks=ranks, special_tokens={})

    def encode(self, text: str) -> list[int]:
        """The pieces of a text."""
        return self.encoding.encode_ordinary(text)

    def bytes_of(self, piece: int) -> bytes:
        """What a piece spells."""
        return bytes([piece]) if piece < _NUM_BYTES else self.learned[piece - _NUM_BYTES]


def untrained() -> Tokenizer:
    """The trainer's own tokenizer, splitting by the same pattern."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(  # type: ignore[assignment]
        [
            pre_tokenizers.Split(Regex(PATTERN), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    return tokenizer


def merges_of(tokenizer: Tokenizer) -> list[tuple[str, str]]:
    """The merges that a tokenizer learned, in order, in the byte-level alphabet."""
    merges = json.loads(tokenizer.to_str())["model"]["merges"]
    return [(left, right) for left, right in (m.split(" ") if isinstance(m, str) else m for m in merges)]


def byte_of_sign() -> dict[str, int]:
    """The byte-level alphabet: each byte has a printable sign; bytes without one of their own take 256, 257, ..."""
    printable = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(_NUM_BYTES) if byte not in set(printable)]
    return {chr(byte): byte for byte in printable} | {chr(_NUM_BYTES + i): byte for i, byte in enumerate(others)}
