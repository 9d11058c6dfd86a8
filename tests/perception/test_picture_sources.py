"""Pictures by name, and IDX files."""

import gzip
import struct

import numpy as np
import pytest

from nesy.errors import DataError
from nesy.perception.image.sources import digits, find_pictures, idx_pictures

PIXELS = np.random.default_rng(0).integers(0, 256, (3, 4, 5), dtype=np.uint8)
IDX = b"\x00\x00\x08\x03" + struct.pack(">3I", 3, 4, 5) + PIXELS.tobytes()


def test_an_idx_file_is_read_packed_or_not(tmp_path):
    for name, content in [("a.idx", IDX), ("a.idx.gz", gzip.compress(IDX, mtime=0))]:
        (tmp_path / name).write_bytes(content)
        np.testing.assert_allclose(idx_pictures(tmp_path / name) * 255, PIXELS, rtol=1e-6)
        (found,) = find_pictures(f"{tmp_path / name}:2")
        np.testing.assert_allclose(found.pixels * 255, PIXELS[2], rtol=1e-6)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not an IDX file of bytes"),
        (b"\x89PNG1234", "not an IDX file of bytes"),
        (IDX[:6], "the IDX file is cut off in its header"),
        (IDX[:-1], "the IDX header says 3 x 4 x 5, the file holds 59 bytes"),
        (IDX + b"x", "the IDX header says 3 x 4 x 5, the file holds 61 bytes"),
        (gzip.compress(IDX, mtime=0)[:-9], "the gzip file is cut off"),
        (b"\x1f\x8bxxxxxxxxxxxx", "the gzip file is damaged"),
        (b"\x00\x00\x08\x01" + struct.pack(">I", 2) + b"ab", "an IDX file of pictures has 3 axes, this has 1"),
    ],
)
def test_a_damaged_idx_file_is_refused(tmp_path, content, message):
    path = tmp_path / "x.idx"
    path.write_bytes(content)
    with pytest.raises(DataError) as error:
        idx_pictures(path)
    assert str(error.value) == f"{path}: {message}"


def test_the_digits_are_those_of_scikit_learn():
    pixels, labels = digits()
    assert pixels.shape == (1797, 8, 8)
    assert pixels.min() == 0 and pixels.max() == 1
    assert labels[:10].tolist() == list(range(10))


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("", "name a picture, such as digits:12"),
        ("digits", "`digits` names no picture: write SOURCE:NUMBER, such as digits:12 or FILE.idx3-ubyte.gz:12"),
        ("digits:1797", "digits has 1,797 pictures, from 0: there is no number 1797"),
        ("nowhere.idx:1", "nowhere.idx: cannot be read: No such file or directory"),
    ],
)
def test_a_name_without_a_picture_is_refused(typed, message):
    with pytest.raises(DataError) as error:
        find_pictures(typed)
    assert str(error.value) == message
