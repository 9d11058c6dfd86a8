"""Words, as the rules see them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nesy.perception.text.words import split_words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Not good.", ("not", "good", ".")),
        ("It isn't bad", ("it", "is", "n't", "bad")),
        ("it is n't bad", ("it", "is", "n't", "bad")),
        ("we won’t, can't", ("we", "wo", "n't", ",", "ca", "n't")),
        ("the film 's end", ("the", "film", "'s", "end")),
        ("Bartleby's", ("bartleby", "'s")),
        ("k-19_b", ("k", "-", "19", "_", "b")),
        ("", ()),
    ],
)
def test_a_text_is_split_into_words(text, words):
    assert split_words(text).words == words


@given(st.text())
def test_spans_lie_in_order_and_cover_all_but_white_space(text):
    found = split_words(text, lowercase=False)
    ends = [0, *(end for _, end in found.spans)]
    gaps = [text[before:start] for before, (start, _) in zip(ends, found.spans, strict=False)] + [text[ends[-1] :]]
    assert all(gap == "" or gap.isspace() for gap in gaps)
    assert [text[a:b].replace("’", "'") for a, b in found.spans] == list(found.words)


def test_upper_case_can_be_kept():
    assert split_words("Not Good", lowercase=False).words == ("Not", "Good")
