"""Encoders by name."""

import pytest

from nesy.errors import TaskError
from nesy.perception import Encoder, encoder_class, encoder_kind, encoder_names
from nesy.perception.text.encoder import TextEncoder


def test_every_name_gives_an_encoder_class():
    assert {"image", "text"} <= set(encoder_names())
    for name in encoder_names():
        assert issubclass(encoder_class(name), Encoder)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("imgae", "unknown encoder kind `imgae`: did you mean `image`?"),
        ("xyz", f"unknown encoder kind `xyz`: there are {', '.join(encoder_names())}"),
    ],
)
def test_an_unknown_kind_is_refused(kind, message):
    with pytest.raises(TaskError) as error:
        encoder_class(kind)
    assert str(error.value) == message


def test_an_encoder_knows_its_name():
    assert encoder_kind(TextEncoder.__new__(TextEncoder)) == "text"
