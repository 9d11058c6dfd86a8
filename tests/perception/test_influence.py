"""What moved a score: the parts of an input add up to it, whatever the encoder."""

import numpy as np
import pytest
import torch

from nesy.language.core import Neural, Signature
from nesy.language.values import Symbol
from nesy.perception import Encoder, Influence, Interface, Keys, encoder_class
from nesy.perception.image.picture import Picture

RANDOM = np.random.default_rng(1)
PICTURES = {"images": [Picture(name, RANDOM.random((8, 6), dtype=np.float32)) for name in ("a", "b")]}
TEXT = {"text": "The unlikely food was not good, honestly."}
ROW = {"age": 10, "size": 1.5, "colour": "red"}
THREE = (Symbol("x"), Symbol("y"), Symbol("z"))
CASES = [
    ("text", TEXT, (5,), {}), ("text", TEXT, (5,), {"context": 2}), ("text", TEXT, (), {"context": 1}),
    ("text", TEXT, ("food",), {}), ("text", TEXT, (1,), {"readout": "cosine"}),
    ("image", PICTURES, (1,), {}), ("image", PICTURES, (0,), {"features": "record"}),
    ("image", PICTURES, (0,), {"readout": "cosine"}),
    ("table", ROW, (0,), {}), ("table", ROW, (), {"readout": "cosine"}),
]  # fmt: skip
INPUTS = {"text": Signature("token", 2), "image": Signature("image", 1), "table": Signature("row", 1)}


def build(kind: str, payload, values, **options) -> Encoder:
    interface = Interface({"looks": Neural("looks", ("I",), values)}, (INPUTS[kind],))
    payloads = [payload, {**payload, "age": 50, "size": 0.5, "colour": "blue"}]
    settings = {"kind": kind, "dim": 64, **({"vocabulary": 280} if kind == "text" else {}), **options}
    return encoder_class(kind).build(settings, interface, payloads, 0).eval()


def asked(encoder: Encoder, payload, key, outcome: int) -> tuple[torch.Tensor, Influence]:
    scores = encoder([payload], {"looks": Keys(np.zeros(1, np.int64), [key])})["looks"][0].detach()
    found = encoder.influence(payload, "looks", key, outcome)
    assert found is not None
    return scores, found


@pytest.mark.parametrize(("kind", "payload", "key", "options"), CASES)
def test_the_parts_and_the_offset_of_the_readout_are_the_score_against_its_rival(kind, payload, key, options):
    encoder = build(kind, payload, THREE, **options)
    scores, found = asked(encoder, payload, key, 1)
    rival = 0 if scores[0] > scores[2] else 2
    assert found.rival == rival
    assert found.total == pytest.approx(float(scores[1] - scores[rival]), abs=1e-5)
    assert sum(value for _, value in found.parts) + found.offset == pytest.approx(found.total, abs=1e-5)
    if options.get("features") != "record":  # where pixels cancel the sign is nobody's
        bias = getattr(encoder.readouts["looks"], "bias", torch.zeros(3))
        assert found.offset == pytest.approx(float((bias[1] - bias[rival]).detach()), abs=1e-4)
    assert len({part for part, _ in found.parts}) == len(found.parts)


def test_a_predicate_that_holds_or_not_is_measured_alone():
    encoder = build("text", TEXT, None)
    scores, found = asked(encoder, TEXT, (1,), 0)
    assert found.rival is None
    assert found.total == pytest.approx(float(scores[0]), abs=1e-5)


def test_parts_of_a_text_are_pieces_at_their_place():
    encoder = build("text", TEXT, THREE)
    _, found = asked(encoder, TEXT, (1,), 0)
    assert "".join(part.text for part, _ in found.parts) == "unlikely"
    assert all(TEXT["text"][part.start : part.end] == part.text for part, _ in found.parts)
    _, found = asked(build("text", TEXT, THREE, context=1), TEXT, (1,), 0)
    neighbours = {TEXT["text"][part.start : part.end].lower() for part, _ in found.parts}
    assert neighbours == {"the", "unlikely", "food"}


def test_parts_of_a_picture_tile_it():
    for features, size in (("record", 1), ("convolution", 4)):
        encoder = build("image", PICTURES, THREE, features=features)
        _, found = asked(encoder, PICTURES, (0,), 2)
        covered = np.zeros((8, 6), int)
        for part, _ in found.parts:
            top, left, bottom, right = part.box
            assert bottom - top <= size
            covered[top:bottom, left:right] += 1
        assert (covered == 1).all()


def test_parts_of_a_row_are_its_cells():
    _, found = asked(build("table", ROW, THREE), ROW, (0,), 0)
    assert sorted(part.text for part, _ in found.parts) == ["age=10", "colour=red", "size=1.5"]


def test_a_readout_that_is_not_linear_has_no_exact_parts():
    assert build("text", TEXT, THREE, readout="mlp").influence(TEXT, "looks", (1,), 0) is None
