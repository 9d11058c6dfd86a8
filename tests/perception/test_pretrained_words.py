"""What a transformer knows of words, as a table for the story encoder: against arithmetic that shares no code."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from nesy.errors import RunError, TaskError
from nesy.language.core import Neural, Signature
from nesy.perception import Interface, Keys, encoder_class
from nesy.perception.text.pretrained_words import PretrainedWords, principal
from nesy.perception.text.story_encoder import StoryEncoder

TALE = "[Ann] and her son [Bob] sing. What is [Bob] to [Ann]?"
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *"and her son boy ##s sing daughter his".split()]
KIN = Neural("kin", ("X", "Y"), ("unstated", "parent", "child"))


@pytest.fixture(scope="module")
def folder(tiny_bert: Callable[[Sequence[str], int], Path]) -> Path:
    return tiny_bert(WORDS, 8)


def rows_of(folder: Path) -> np.ndarray:
    """The transformer's own vectors, read from its file."""
    from safetensors.numpy import load_file

    return load_file(folder / "model.safetensors")["embeddings.word_embeddings.weight"]


def build(folder: Path | None, **options: object) -> StoryEncoder:
    settings = {"kind": "story", "vocabulary": 256, "dim": 32, **options}
    if folder is not None:
        settings |= {"words": str(folder), "words_width": 6}
    interface = Interface({"kin": KIN}, (Signature("near", 3), Signature("asked", 2)))
    made = encoder_class("story").build(settings, interface, [{"text": TALE}], 0).eval()
    assert isinstance(made, StoryEncoder)
    return made


def score(encoder: StoryEncoder, text: str) -> torch.Tensor:
    return encoder([{"text": text}], {"kin": Keys(np.zeros(1, dtype=np.int64), [("Ann", "Bob")])})["kin"][0]


def test_distances_between_words_are_those_of_the_transformer(folder: Path) -> None:
    # All 16 directions but for one scale: nothing is lost, so distances stay as they were.
    table = PretrainedWords.from_folder(folder, 16, 32, seed=0).table.numpy()
    own = rows_of(folder)
    ratio = [np.linalg.norm(table[i] - table[j]) / np.linalg.norm(own[i] - own[j]) for i in range(4) for j in range(i)]
    assert np.ptp(ratio) < 1e-4 * ratio[0]
    assert np.isclose((table**2).mean(), 1)


def test_principal_directions_keep_what_differs_most() -> None:
    draw = np.random.default_rng(0)
    wide = torch.tensor(
        draw.normal(size=(200, 3)) @ np.diag([5.0, 2.0, 0.1]) @ np.linalg.qr(draw.normal(size=(3, 3)))[0]
    )
    found = principal(wide + 7, 2)
    assert found.shape == (200, 2)
    torch.testing.assert_close(found.mean(0), torch.zeros(2), atol=1e-4, rtol=0)
    assert float(found.square().mean()) == pytest.approx(1, rel=1e-4)
    assert float(found[:, 0].std() / found[:, 1].std()) == pytest.approx(2.5, rel=0.2)
    padded = principal(wide, 5)
    assert not bool(padded[:, 3:].any())  # there are three directions only


def test_a_word_is_the_mean_of_its_tokens_lifted(folder: Path) -> None:
    words = PretrainedWords.from_folder(folder, 6, 32, seed=0)
    row = {token: i for i, token in enumerate(WORDS)}
    table, lift = words.table.numpy(), words.lift.detach().numpy()
    found = words(["son", "boys", ""]).detach().numpy()
    np.testing.assert_allclose(found[0], table[row["son"]] @ lift, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found[1], (table[row["boy"]] + table[row["##s"]]) / 2 @ lift, rtol=1e-4, atol=1e-5)
    assert not found[2].any()


def test_words_that_are_alike_to_the_transformer_are_read_alike(folder: Path) -> None:
    encoder = build(folder)
    assert encoder.pretrained is not None
    row = {token: i for i, token in enumerate(WORDS)}
    with torch.no_grad():
        encoder.piece_vectors.zero_()  # as for words whose pieces training has never moved
        encoder.pretrained.table[row["boy"]] = encoder.pretrained.table[row["son"]]
    torch.testing.assert_close(score(encoder, TALE), score(encoder, TALE.replace("son", "boy")))
    assert not torch.allclose(score(encoder, TALE), score(encoder, TALE.replace("son", "daughter")))


def test_the_map_is_learned_and_the_table_is_not(folder: Path) -> None:
    encoder = build(folder).train()
    score(encoder, TALE)[1].backward()
    learned = {name for name, weights in encoder.named_parameters() if weights.grad is not None}
    assert "pretrained.lift" in learned and "piece_vectors" in learned
    assert "pretrained.table" not in dict(encoder.named_parameters())


def test_config_and_weights_bring_the_words_back_without_the_folder(folder: Path) -> None:
    encoder = build(folder)
    again = StoryEncoder.from_config(json.loads(json.dumps(encoder.config()))).eval()
    again.load_state_dict(encoder.state_dict())
    torch.testing.assert_close(score(again, TALE), score(encoder, TALE))


def test_what_is_wrong_is_told_in_one_line(folder: Path) -> None:
    with pytest.raises(TaskError, match=r"`words_width` = 17 in \[encoder\], and the transformer"):
        PretrainedWords.from_folder(folder, 17, 32, seed=0)
    with pytest.raises(TaskError, match="there is no such folder"):
        build(None, words="./nowhere")
    with pytest.raises(RunError, match="the configuration of the story encoder is damaged"):
        StoryEncoder.from_config({**build(folder).config(), "words": None})
    words = build(folder).config()["words"]
    for change, reason in (
        ({"tokenizer": "{"}, "its tokenizer cannot be read: EOF while parsing"),
        ({"tokens": 3}, "the tokenizer does not belong to the model: it has more tokens"),
    ):
        with pytest.raises(RunError, match=f"the configuration of the story encoder is damaged: {reason}"):
            StoryEncoder.from_config({**build(folder).config(), "words": {**words, **change}})
