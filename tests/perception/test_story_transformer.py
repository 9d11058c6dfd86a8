"""Stories read by a transformer: which passages of two people it reads, and what it makes of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from nesy.errors import DataError, TaskError
from nesy.language.core import Neural, Signature
from nesy.language.values import Value
from nesy.perception import Interface, Keys, encoder_class
from nesy.perception.text.story import Story
from nesy.perception.text.story_reader import Reading
from nesy.perception.transformer.passages import of_one, of_pair
from nesy.perception.transformer.story_encoder import StoryTransformerEncoder

NEAR, ENTITY, ASKED = Signature("near", 3), Signature("entity", 2), Signature("asked", 2)
KIN = Neural("kin", ("X", "Y"), ("unstated", "parent", "child"))
GENDER = Neural("gender", ("X",), ("male", "female"))
TALE = "[Ann] and her son [Bob] sing. [Cy], a friend, hums. What is [Bob] to [Ann]?"
WORDS = "and her son sing a friend hums daughter his alex sam pat kim ann bob cy . ,".split()


@pytest.fixture(scope="module")
def folder(tiny_bert: Callable[[Sequence[str], int], Path]) -> Path:
    return tiny_bert(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS], 24)


def build(folder: Path, **options: object) -> StoryTransformerEncoder:
    interface = Interface({"kin": KIN, "gender": GENDER}, (NEAR, ENTITY, ASKED))
    settings = {"kind": "story-transformer", "model": str(folder), "hidden": 8, **options}
    made = encoder_class("story-transformer").build(settings, interface, [{"text": TALE}], 0).eval()
    assert isinstance(made, StoryTransformerEncoder)
    return made


def score(encoder: StoryTransformerEncoder, text: str, *key: Value) -> torch.Tensor:
    name = "kin" if len(key) == 2 else "gender"
    return encoder([{"text": text}], {name: Keys(np.zeros(1, dtype=np.int64), [key])})[name][0]


def read(text: str) -> Reading:
    story = Story.parse(text)
    return Reading(text, story, story.meetings(1))


def test_a_pair_is_read_in_the_sentences_where_they_meet_under_stand_in_names() -> None:
    (passage,) = of_pair(read("[Ann] hums. It is late. [Bob] and [Dee] see [Ann]! [Cy] hums."), ("Ann", "Bob"))
    assert passage.text == "sam and pat see alex!"
    first, second, between, everything = passage.parts
    assert [passage.text[start:end] for start, end in first + second] == ["alex", "sam"]
    assert (between, everything) == (((0, 20),), ((0, 21),))


def test_a_meeting_across_sentences_is_read_in_all_of_them() -> None:
    (passage,) = of_pair(read("It is late. [Ann] has a son. His name is [Bob]. All is well."), ("Ann", "Bob"))
    assert passage.text == "alex has a son. His name is sam."


def test_one_person_is_read_in_each_sentence_that_names_them_under_their_own_name() -> None:
    passages = of_one(read("[Ann] sings. [Cy] hums to [Ann]. [Cy] sings."), "Ann")
    assert [passage.text for passage in passages] == ["ann sings.", "pat hums to ann."]


@pytest.mark.parametrize("lora_rank", [0, 2])
def test_a_pair_depends_on_the_order_of_the_two_and_not_on_their_names(folder: Path, lora_rank: int) -> None:
    encoder = build(folder, lora_rank=lora_rank)
    renamed = TALE.replace("Ann", "Zoë Smith").replace("Bob", "Q")
    plain = score(encoder, TALE, "Ann", "Bob")
    torch.testing.assert_close(plain, score(encoder, renamed, "Zoë Smith", "Q"))
    turned = score(encoder, "[Bob] and her son [Ann] sing. What is [Bob] to [Ann]?", "Bob", "Ann")
    torch.testing.assert_close(plain, turned)
    other_way = "[Bob] and her son [Ann] sing. [Ann] and [Bob] hum. What is [Bob] to [Ann]?"
    assert not torch.allclose(plain, score(encoder, other_way, "Bob", "Ann"))


@pytest.mark.parametrize("lora_rank", [0, 2])
def test_scores_do_not_depend_on_what_else_is_in_the_batch(folder: Path, lora_rank: int) -> None:
    encoder = build(folder, lora_rank=lora_rank)
    other = "[Cy], a friend of his daughter [Bob], sings and hums a hum. What is [Bob] to [Cy]?"
    keys = Keys(np.array([0, 0, 1]), [("Ann", "Bob"), ("Bob", "Cy"), ("Cy", "Bob")])
    together = encoder([{"text": TALE}, {"text": other}], {"kin": keys})["kin"]
    alone = torch.stack([score(encoder, TALE, "Ann", "Bob"), score(encoder, TALE, "Bob", "Cy")])
    torch.testing.assert_close(together, torch.cat([alone, score(encoder, other, "Cy", "Bob")[None]]))


def test_features_are_means_of_the_transformers_vectors_over_the_parts(folder: Path) -> None:
    from transformers import AutoModel, AutoTokenizer

    encoder = build(folder)
    tokens = AutoTokenizer.from_pretrained(folder)("alex and her son sam sing.", return_tensors="pt")
    with torch.no_grad():
        hidden = AutoModel.from_pretrained(folder).eval()(**tokens).last_hidden_state[0]
        parts = [hidden[1], hidden[5], hidden[1:6].mean(0), hidden[1:8].mean(0)]
        expected = encoder.readouts["kin"](encoder.scale(torch.cat(parts)))
    torch.testing.assert_close(score(encoder, TALE, "Ann", "Bob"), expected)


def test_the_first_layers_alone_are_those_of_the_whole(folder: Path) -> None:
    whole, cut = build(folder).backbone, build(folder, layers=1).backbone
    own, kept = dict(whole.model.named_parameters()), dict(cut.model.named_parameters())
    assert {name for name in own if name not in kept} == {name for name in own if "layer.1." in name}
    assert all(torch.equal(own[name], parameter) for name, parameter in kept.items())
    with pytest.raises(TaskError, match=r"`layers` = 3 in \[encoder\], and the transformer has 2 layers to cut"):
        build(folder, layers=3)


def test_it_comes_back_from_its_configuration(folder: Path) -> None:
    encoder = build(folder, lora_rank=2, layers=1)
    again = encoder_class("story-transformer").from_config(json.loads(json.dumps(encoder.config())))
    again.load_state_dict(encoder.state_dict())
    torch.testing.assert_close(score(again.eval(), TALE, "Ann", "Bob"), score(encoder, TALE, "Ann", "Bob"))


def test_people_who_do_not_meet_are_refused(folder: Path) -> None:
    with pytest.raises(DataError, match=r"`kin\(\"Bob\",\"Ann\"\)` asks the story encoder about something"):
        score(build(folder), TALE, "Bob", "Ann")
