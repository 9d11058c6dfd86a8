"""Byte pieces: what tiktoken runs is what tokenizers learned."""

import json
import random

from hypothesis import given, settings
from hypothesis import strategies as st

from nesy.perception.text.tokenizer import Pieces, byte_of_sign, untrained

SYLLABLES = ["ba", "ne", "sy", "rö", "lo", "gic", "al", "ly", "not", "ed"]


def corpus(seed: int, count: int = 400) -> list[str]:
    draw = random.Random(seed)
    return [
        " ".join("".join(draw.choices(SYLLABLES, k=draw.randint(1, 4))) for _ in range(draw.randint(1, 8)))
        + draw.choice([".", "!", " 42", " 日本"])
        for _ in range(count)
    ]


TEXTS = corpus(0)
PIECES = Pieces.train(TEXTS, 500)


def trained_by_tokenizers():
    from tokenizers import pre_tokenizers, trainers

    tokenizer = untrained()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=500, min_frequency=2, show_progress=False, initial_alphabet=alphabet)
    tokenizer.train_from_iterator(TEXTS, trainer)
    return tokenizer


TOKENIZER = trained_by_tokenizers()
SIGNS = byte_of_sign()


def by_tokenizers(text: str) -> list[bytes]:
    return [bytes(SIGNS[sign] for sign in token) for token in TOKENIZER.encode(text).tokens]


def by_tiktoken(text: str) -> list[bytes]:
    return [PIECES.bytes_of(piece) for piece in PIECES.encode(text)]


@settings(max_examples=60, deadline=None)
@given(st.one_of(st.sampled_from(corpus(1)), st.text(), st.lists(st.sampled_from(SYLLABLES)).map("".join)))
def test_both_libraries_cut_a_text_into_the_same_byte_strings(text):
    assert by_tiktoken(text) == by_tokenizers(text)
    assert b"".join(by_tiktoken(text)) == text.encode()


def test_merges_were_learned_and_used():
    assert len(PIECES) > 300
    assert len(by_tiktoken("logically")) < len("logically") / 2


def test_single_bytes_are_the_first_256_pieces():
    assert [PIECES.bytes_of(i) for i in range(256)] == [bytes([i]) for i in range(256)]
    assert sorted(SIGNS.values()) == list(range(256))


def test_a_vocabulary_survives_json():
    again = Pieces.from_json(json.loads(json.dumps(PIECES.to_json())))
    assert again == PIECES
    assert again.encode("logically not") == PIECES.encode("logically not")


def test_without_training_text_the_pieces_are_bytes():
    assert Pieces.train([], 300).encode("né") == list("né".encode())
