"""What moved the encoder, as a section and as a tinted picture."""

import struct
import zlib

import numpy as np

from nesy.explanation import influence_section, to_raster
from nesy.perception import Influence, Part


def read(png: bytes) -> np.ndarray:
    """The pixels of an RGB picture whose lines are not filtered."""
    width, height, *kind = struct.unpack(">IIBBBBB", png[16:29])
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    assert kind == [8, 2, 0, 0, 0]
    (length,) = struct.unpack(">I", png[33:37])
    assert png[37:41] == b"IDAT"
    lines = np.frombuffer(zlib.decompress(png[41 : 41 + length]), np.uint8).reshape(height, 1 + 3 * width)
    assert not lines[:, 0].any()
    return lines[:, 1:].reshape(height, width, 3).astype(int)


def test_the_strongest_parts_are_told_and_the_rest_is_summed_up():
    shares = {"a": 3, "b": -2, "c": 0.5, "d": 1, "e": -0.25}
    parts = tuple((Part(text, i, i + 1), value) for i, (text, value) in enumerate(shares.items()))
    section = influence_section([("leans(4,positive)", "negative", Influence(parts, 0.125, 2.375, 1))])
    assert section.lines == (
        "leans(4,positive)  +2.4 over negative: “a” +3.0, “b” -2.0, “d” +1.0, “c” +0.5, the rest -0.1",
    )
    assert [part["share"] for part in section.data[0]["parts"]] == [3, -2, 0.5, 1, -0.25]
    assert section.data[0]["offset"] == 0.125


def test_a_part_of_a_picture_is_a_range_of_pixels():
    found = Influence(((Part("digits:1", box=(0, 4, 4, 8)), 1.5),), 0.0, 1.5)
    assert influence_section([("digit(0,3)", None, found)]).lines == (
        "digit(0,3)  +1.5: rows 0-3, columns 4-7 +1.5, the rest +0.0",
    )


def test_a_picture_is_ink_on_paper():
    pixels = np.array([[0.0, 1.0], [0.5, 0.25]], dtype=np.float32)
    drawn = read(to_raster(pixels))
    assert drawn.shape == (112, 112, 3), "small pictures are drawn large"
    corners = drawn[::111, ::111, 0]
    np.testing.assert_allclose(corners, [[255, 0], [128, 191]], atol=1)


def test_what_spoke_for_the_outcome_is_orange_and_what_spoke_against_it_blue():
    found = Influence(((Part("p", box=(0, 0, 1, 1)), 2.0), (Part("p", box=(0, 1, 1, 2)), -1.0)), 0.0, 1.0)
    drawn = read(to_raster(np.zeros((1, 2), dtype=np.float32), found))
    red, _, blue = drawn[0, 0]
    assert red > blue
    red, _, blue = drawn[0, -1]
    assert blue > red
    assert abs(drawn[0, 0] - 255).max() > abs(drawn[0, -1] - 255).max(), "the stronger part is tinted more"
