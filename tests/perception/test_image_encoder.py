"""The image encoder: facts, scores, sightings, and what a run folder needs."""

import json

import numpy as np
import pytest
import torch

from nesy.errors import DataError, RunError, TaskError
from nesy.language.core import Neural, Signature
from nesy.perception import Interface, Keys, Sighting, encoder_class
from nesy.perception.image.encoder import ImageEncoder
from nesy.perception.image.features import RecordFeatures
from nesy.perception.image.picture import Picture

IMAGE = Signature("image", 1)
DIGIT = Neural("digit", ("I",), tuple(range(10)))
RANDOM = np.random.default_rng(0)


def picture(name="p", height=8, width=8):
    return Picture(name, RANDOM.random((height, width), dtype=np.float32))


PAYLOADS = [{"images": [picture("a"), picture("b")]}, {"images": [picture("c")]}]


def build(seed=0, inputs=(IMAGE,), payloads=PAYLOADS, **options) -> ImageEncoder:
    interface = Interface({"digit": DIGIT}, tuple(inputs))
    return encoder_class("image").build({"kind": "image", "dim": 64, **options}, interface, payloads, seed).eval()


def ask(encoder, payloads, *keys):
    samples = np.array([sample for sample, _ in keys], dtype=np.int64)
    return encoder(payloads, {"digit": Keys(samples, [key for _, key in keys])})["digit"]


KINDS = [{"features": "convolution"}, {"features": "record"}, {"readout": "mlp"}, {"readout": "cosine"}]


def test_each_picture_is_a_fact():
    encoder = build()
    assert encoder.facts(PAYLOADS[0]) == {IMAGE: [(0,), (1,)]}
    assert encoder.facts(PAYLOADS[1]) == {IMAGE: [(0,)]}


@pytest.mark.parametrize("options", KINDS)
def test_scores_of_a_picture_do_not_depend_on_the_rest_of_the_batch(options):
    encoder = build(**options)
    together = ask(encoder, PAYLOADS, (1, (0,)), (0, (1,)), (0, (0,)))
    assert together.shape == (3, 10)
    torch.testing.assert_close(together[:1], ask(encoder, PAYLOADS[1:], (0, (0,))))
    assert not torch.allclose(together[1], together[2])


@pytest.mark.parametrize("options", KINDS)
def test_config_and_weights_bring_an_encoder_back(options):
    encoder = build(seed=3, **options)
    with torch.no_grad():
        for parameter in encoder.parameters():
            parameter.add_(0.1)
    again = encoder_class("image").from_config(json.loads(json.dumps(encoder.config())))
    again.load_state_dict(encoder.state_dict())
    assert torch.equal(ask(encoder, PAYLOADS, (0, (1,))), ask(again.eval(), PAYLOADS, (0, (1,))))


@pytest.mark.parametrize("options", KINDS)
def test_a_few_steps_of_training_tell_two_pictures_apart(options):
    encoder = build(**options)
    optimizer = torch.optim.Adam(encoder.parameters(), lr=1e-2)
    truth = torch.tensor([3, 7])
    for _ in range(60):
        loss = torch.nn.functional.cross_entropy(ask(encoder, PAYLOADS, (0, (0,)), (0, (1,))), truth)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert ask(encoder, PAYLOADS, (0, (0,)), (0, (1,))).argmax(1).tolist() == [3, 7]


def test_pictures_may_be_rows_of_numbers_named_or_not():
    pixels = np.round(PAYLOADS[0]["images"][0].pixels * 16)
    encoder = build(white=16.0)
    whole = ask(encoder, [{"images": [Picture("x", (pixels / 16).astype(np.float32))]}], (0, (0,)))
    for written in ([pixels.tolist()], pixels.tolist(), [{"name": "x", "pixels": pixels.tolist()}], pixels, [pixels]):
        torch.testing.assert_close(ask(encoder, [{"images": written}], (0, (0,))), whole)


def test_pictures_of_any_size_are_read_the_same_size_throughout():
    payloads = [{"images": [picture(height=28, width=27)]}]
    encoder = build(payloads=payloads)
    assert ask(encoder, payloads, (0, (0,))).shape == (1, 10)
    with pytest.raises(DataError) as error:
        ask(encoder, PAYLOADS, (0, (0,)))
    assert str(error.value) == "a: the picture is 8 x 8 pixels, the encoder reads 28 x 27"


def test_a_sighting_is_the_name_of_the_picture():
    encoder = build()
    assert encoder.sighting(PAYLOADS[0], "digit", (1,)) == Sighting("b")
    assert encoder.sighting({"images": [[[0.5] * 8] * 8]}, "digit", (0,)) == Sighting("images[0]")


def test_in_a_record_a_small_change_of_a_picture_is_a_small_change_of_its_hypervector():
    features = RecordFeatures((8, 8), 4096, 16, seed=0)
    base = np.full((8, 8), 0.5, dtype=np.float32)
    lighter, moved = base + 0.0667, base.copy()
    moved[0] = 1.0
    other = RANDOM.integers(0, 2, (8, 8)).astype(np.float32)
    vectors = features(torch.from_numpy(np.stack([base, lighter, moved, other])))
    near, local, far = features.model.similarity(vectors[0], vectors[1:]).tolist()
    assert near > far + 0.2
    assert local > far + 0.2


def test_a_record_agrees_with_binding_and_bundling_by_hand():
    features = RecordFeatures((2, 3), 256, 4, seed=1)
    pixels = torch.tensor([[[0.0, 1.0, 0.34], [0.66, 0.0, 1.0]]])
    table = features.table.reshape(6, 4, 256)
    by_hand = sum(table[place, level] for place, level in enumerate([0, 3, 1, 2, 0, 3]))
    agreed = features(pixels)[0][by_hand != 0]
    assert torch.equal(agreed, by_hand.sign()[by_hand != 0])


def test_a_typed_question_names_pictures():
    found = build().payload_of("digits:12 digits:700")["images"]
    assert [p.name for p in found] == ["digits:12", "digits:700"]
    assert found[0].shape == (8, 8)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        ([[["a"]]], "images[0]: a picture is rows of numbers, all of the same length"),
        ([[[1.0], [1.0, 0.5]]], "images[0]: a picture is rows of numbers, all of the same length"),
        ([np.array([0.5])], "images[0]: a picture has rows and columns, this has the shape 1"),
        ([[[2.0]]], "images[0]: pixels must be from 0 to 1 (option `white` of [encoder]), found 2 to 2"),
        ([[[float("nan")]]], "images[0]: pixels must be from 0 to 1 (option `white` of [encoder]), found nan to nan"),
        ("digits:1", "images[0]: expected a picture (rows of numbers), found 'digits:1'"),
        ([{"pixels": [[0.1]], "nam": "x"}], 'images[0]: expected {"name": text, "pixels": rows of numbers}, found '),
    ],
)
def test_what_is_not_a_picture_is_refused(images, message):
    with pytest.raises(DataError) as error:
        build().facts({"images": images})
    assert str(error.value).startswith(message)


def test_a_key_without_a_picture_is_refused():
    with pytest.raises(DataError) as error:
        ask(build(), PAYLOADS, (1, (1,)))
    assert str(error.value) == (
        "`digit(1)` asks the image encoder about something that is not there: a key is the number of a picture, "
        "and the input has 1, from 0"
    )


def test_wrong_programs_and_options_are_refused():
    with pytest.raises(TaskError, match="the image encoder supplies image/1, which the program does not declare"):
        build(inputs=())
    with pytest.raises(TaskError, match=r"option `channels` of \[encoder\] must be a list, each a whole number"):
        build(channels="16")
    with pytest.raises(TaskError, match="must name 1 to 4,096 channels for each stage"):
        build(channels=[])
    with pytest.raises(DataError, match="the training rows have no pictures"):
        build(payloads=[{"images": []}])


def test_a_damaged_configuration_is_refused():
    config = build().config()
    del config["shape"]
    with pytest.raises(RunError, match="the configuration of the image encoder is damaged"):
        ImageEncoder.from_config(config)


def test_pictures_are_jittered_in_training_and_only_there():
    encoder = build(turn=15, shift=0.1, stretch=0.1)
    still = ask(encoder, PAYLOADS, (0, (0,)))
    assert torch.equal(still, ask(encoder, PAYLOADS, (0, (0,))))
    encoder.train()
    assert not torch.allclose(ask(encoder, PAYLOADS, (0, (0,))), ask(encoder, PAYLOADS, (0, (0,))))
    plain = build().train()
    assert torch.equal(ask(plain, PAYLOADS, (0, (0,))), ask(plain, PAYLOADS, (0, (0,))))
