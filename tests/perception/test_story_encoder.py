"""The story encoder: who is near whom, what stands around a pair, and what moves its score."""

import json

import numpy as np
import pytest
import torch

from nesy.errors import DataError, RunError, TaskError
from nesy.language.core import Neural, Signature
from nesy.perception import Interface, Keys, encoder_class
from nesy.perception.text.story import Story
from nesy.perception.text.story_encoder import StoryEncoder

NEAR, ENTITY, ASKED = Signature("near", 3), Signature("entity", 2), Signature("asked", 2)
KIN = Neural("kin", ("X", "Y"), ("unstated", "parent", "child"))
GENDER = Neural("gender", ("X",), ("male", "female"))
TALE = "[Ann] and her son [Bob] sing. [Cy], a friend, hums. What is [Bob] to [Ann]?"


def build(seed=0, inputs=(NEAR, ENTITY, ASKED), **options) -> StoryEncoder:
    interface = Interface({"kin": KIN, "gender": GENDER}, tuple(inputs))
    payloads = [{"text": TALE}, {"text": "her son his daughter was glad of the day with a small dog"}]
    settings = {"kind": "story", "vocabulary": 400, "dim": 64, **options}
    return encoder_class("story").build(settings, interface, payloads, seed).eval()


def score(encoder, text, *key):
    name = "kin" if len(key) == 2 else "gender"
    return encoder([{"text": text}], {name: Keys(np.zeros(1, dtype=np.int64), [key])})[name][0]


def test_the_rules_see_who_is_named_how_near_whom_and_what_is_asked():
    facts = build().facts({"text": TALE})
    assert facts[ENTITY] == [(0, "Ann"), (1, "Bob"), (2, "Cy")]
    assert facts[NEAR] == [("Ann", "Bob", 0), ("Ann", "Cy", 2), ("Bob", "Cy", 1)]  # others and ends of sentences
    assert facts[ASKED] == [("Bob", "Ann")]


def test_how_many_may_stand_between_is_an_option():
    assert build(between=0).facts({"text": TALE})[NEAR] == [("Ann", "Bob", 0), ("Bob", "Cy", 1)]


def test_a_pair_is_as_near_as_at_its_nearest_meeting():
    text = "[Ann] met [Bob] and [Cy]. [Cy] waved to [Ann]. What is [Cy] to [Ann]?"
    assert ("Ann", "Cy", 0) in build().facts({"text": text})[NEAR]


def test_the_question_is_no_part_of_the_story():
    encoder = build()
    other = TALE.replace("What is [Bob] to [Ann]?", "What is [Ann] to [Cy]?")
    torch.testing.assert_close(score(encoder, TALE, "Ann", "Bob"), score(encoder, other, "Ann", "Bob"))


def test_what_is_said_of_a_pair_does_not_depend_on_their_names():
    encoder = build()
    renamed = TALE.replace("Ann", "Zoë Smith").replace("Bob", "Q").replace("Cy", "Ann")
    torch.testing.assert_close(score(encoder, TALE, "Ann", "Bob"), score(encoder, renamed, "Zoë Smith", "Q"))


def test_the_name_counts_for_what_is_said_of_one():
    encoder = build()
    assert not torch.allclose(score(encoder, TALE, "Bob"), score(encoder, TALE.replace("Bob", "Eve"), "Eve"))


def test_a_name_that_is_dropped_says_nothing_in_training_and_counts_again_afterwards():
    encoder = build(name_dropout=1.0).train()
    torch.testing.assert_close(score(encoder, TALE, "Bob"), score(encoder, TALE.replace("Bob", "Eve"), "Eve"))
    encoder.eval()
    assert not torch.allclose(score(encoder, TALE, "Bob"), score(encoder, TALE.replace("Bob", "Eve"), "Eve"))


@pytest.mark.parametrize(
    "other",
    [
        "[Ann] and son her [Bob] sing.",  # the order of words, seen by runs of two
        "[Ann] sing and her son [Bob].",  # between, not behind
        "and her son [Ann] [Bob] sing.",  # before, not between
        "[Ann] and her son [Bob] sing. [Bob] and [Ann].",  # a second meeting, as near
        "[Ann] and her [Cy] son [Bob] sing.",  # somebody else between them
    ],
)
def test_where_a_word_stands_matters(other):
    encoder, text = build(), "[Ann] and her son [Bob] sing."
    assert not torch.allclose(score(encoder, text, "Ann", "Bob"), score(encoder, other, "Ann", "Bob"), atol=1e-4)


def test_of_the_meetings_of_two_only_the_nearest_count():
    encoder, text = build(), "[Ann] and her son [Bob] sing."
    far = text + " [Cy] hums. [Ann] and [Cy] dance."
    torch.testing.assert_close(score(encoder, text, "Ann", "Bob"), score(encoder, far, "Ann", "Bob"))


def test_words_of_another_sentence_are_not_seen_beside_two():
    encoder, text = build(), "[Ann] and her son [Bob] sing."
    other = "A daughter was glad. " + text + " A dog was glad."
    torch.testing.assert_close(score(encoder, text, "Ann", "Bob"), score(encoder, other, "Ann", "Bob"))


def test_who_is_named_first_at_a_meeting_matters():
    encoder = build()
    first = "[Ann] [Bob] met. [Ann] and her son [Bob] sing."
    turned = "[Ann] [Bob] met. [Bob] and her son [Ann] sing."
    assert not torch.allclose(score(encoder, first, "Ann", "Bob"), score(encoder, turned, "Ann", "Bob"), atol=1e-4)


def test_a_story_scores_the_same_in_any_batch():
    encoder = build()
    other = "[Eve]'s daughter [Flo] came. What is [Flo] to [Eve]?"
    keys = Keys(np.array([1, 0]), [("Eve", "Flo"), ("Ann", "Cy")])
    together = encoder([{"text": TALE}, {"text": other}], {"kin": keys})["kin"]
    torch.testing.assert_close(together[0], score(encoder, other, "Eve", "Flo"))
    torch.testing.assert_close(together[1], score(encoder, TALE, "Ann", "Cy"))


@pytest.mark.parametrize("key", [("Ann", "Bob"), ("Bob",)])
def test_the_parts_of_the_text_and_an_offset_add_up_to_the_score(key):
    encoder = build(seed=2)
    name = "kin" if len(key) == 2 else "gender"
    found = encoder.influence({"text": TALE}, name, key, 1)
    scores = score(encoder, TALE, *key)
    rival = torch.cat([scores[:1], scores[2:]]).max()
    assert sum(share for _, share in found.parts) + found.offset == pytest.approx((scores[1] - rival).item(), abs=1e-4)
    assert all(TALE[part.start : part.end] == part.text for part, _ in found.parts)
    assert "her son" in {part.text for part, _ in found.parts}


def test_what_it_looked_at_is_where_two_are_nearest():
    encoder = build()
    assert encoder.sighting({"text": TALE}, "kin", ("Ann", "Bob")).text == "[Ann] and her son [Bob]"
    assert encoder.sighting({"text": TALE}, "gender", ("Cy",)).text == "[Cy]"


def test_config_and_weights_bring_an_encoder_back():
    encoder = build(seed=3, run=3, readout="mlp", hidden=8)
    with torch.no_grad():
        for parameter in encoder.parameters():
            parameter.add_(0.1)
    again = encoder_class("story").from_config(json.loads(json.dumps(encoder.config())))
    again.load_state_dict(encoder.state_dict())
    torch.testing.assert_close(score(again.eval(), TALE, "Ann", "Bob"), score(encoder, TALE, "Ann", "Bob"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[Ann] and [Bob] sing.", "needs a question with two marked names at its end"),
        ("[Ann] and [Bob]. What is [Bob]?", "this one has 1"),
        ("[Ann] and [Bob]. What is [Cy] to [Ann]?", "the question names [Cy], whom the story does not"),
        ("[Ann and [Bob]. What is [Bob] to [Ann]?", "a `[` without its other"),
        ("Ann] and [Bob]. What is [Bob] to [Ann]?", "a `]` without its other"),
        ("[] and [Bob]. What is [Bob] to [Ann]?", "marks a name that is empty"),
        ("[Ann] " + "and " * 600 + "[Bob]. What is [Bob] to [Ann]?", "more than the 512"),
        (3, "field `text`: expected a text, found 3"),
    ],
)
def test_a_story_that_cannot_be_read_is_refused_in_one_line(text, message):
    with pytest.raises(DataError, match=r"\A[^\n]*\Z") as raised:
        build().facts({"text": text})
    assert message in str(raised.value)


@pytest.mark.parametrize("key", [("Ann", "Eve"), ("Bob", "Ann"), ("Eve",), (1,), ()])
def test_a_key_that_is_not_in_the_story_is_refused(key):
    with pytest.raises(DataError, match="not in the story"):
        build().forward([{"text": TALE}], {"kin": Keys(np.zeros(1, dtype=np.int64), [key])})


def test_a_program_that_does_not_declare_near_is_refused():
    with pytest.raises(TaskError, match=r"add `#input near\(name, name, distance\)\.`"):
        build(inputs=(ENTITY,))


def test_a_damaged_configuration_is_refused():
    with pytest.raises(RunError, match="the configuration of the story encoder is damaged"):
        encoder_class("story").from_config({"options": {}})


def test_marks_are_words_of_their_own_and_punctuation_is_kept():
    story = Story.parse("[Ann]'s mother, [Eve Li], isn't here!")
    assert story.words == ("", "'s", "mother", ",", "", ",", "is", "n't", "here", "!")
    assert story.names == ("Ann", "Eve Li")
    assert story.asked == ()


def test_two_names_side_by_side_are_of_two_sentences():
    text = "[Ann] has a son called [Bob] [Cy] hums. What is [Bob] to [Ann]?"
    assert ("Bob", "Cy", 1) in build().facts({"text": text})[NEAR]
    assert build().sighting({"text": text}, "kin", ("Bob", "Cy")).text == "[Bob] [Cy]"
