"""Further inputs that are made of a task's texts."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nesy.distillation.further import spans, splices, variants


def texts(longest: int) -> st.SearchStrategy[list[list[str]]]:
    """A few texts of few different words."""
    return st.lists(st.lists(st.sampled_from("abcde"), min_size=1, max_size=longest), max_size=5)


@given(texts(20), st.integers(0, 30), st.integers())
def test_spans_are_different_runs_of_words_shorter_than_their_texts(some, count, seed):
    found = spans(some, count, seed)
    assert len(found) == len(set(found)) <= count
    for span in found:
        words = span.split()
        assert 2 <= len(words) <= 12
        assert any(f" {span} " in f" {' '.join(text)} " and len(words) < len(text) for text in some)
    assert found == spans(some, count, seed)


@given(texts(20), st.integers(0, 30), st.integers())
def test_variants_are_new_texts_of_the_same_words_and_no_longer_ones(some, count, seed):
    found = variants(some, count, seed)
    assert len(found) == len(set(found)) <= count
    assert not set(found) & {" ".join(text) for text in some}
    longest = max(map(len, some), default=0)
    for variant in found:
        assert set(variant.split()) <= {word for text in some for word in text}
        assert 1 <= len(variant.split()) <= longest
    assert found == variants(some, count, seed)


def test_most_words_of_a_variant_are_those_of_its_text():
    texts = [[f"w{i}-{j}" for j in range(20)] for i in range(50)]
    kept = 0
    for number, variant in enumerate(variants(texts, 50, 0)):
        kept += sum(word in texts[number] for word in variant.split())
    assert 0.7 < kept / 1000 < 0.8  # a tenth is left out, and three twentieths are replaced


@given(texts(9), st.integers(0, 30), st.integers())
def test_splices_are_new_texts_that_begin_as_one_and_end_as_another(some, count, seed):
    found = splices(some, count, seed)
    assert len(found) == len(set(found)) <= count
    assert not set(found) & {" ".join(text) for text in some}
    possible = {
        " ".join(first[:cut] + last[start:])
        for first in some
        for last in some
        for cut in range(1, len(first))
        for start in range(1, len(last))
        if cut + len(last) - start <= max(len(first), len(last))
    }
    assert set(found) <= possible
    assert found == splices(some, count, seed)


def test_both_texts_of_a_splice_are_cut_at_the_same_share_of_their_words():
    texts = [[f"{i}-{j}" for j in range(10 + 10 * i)] for i in range(3)]
    shares = []
    for splice in splices(texts, 200, 0):
        owners = [int(word[0]) for word in splice.split()]
        first, last = owners[0], owners[-1]
        if first != last:
            shares.append(owners.count(first) / len(texts[first]))
            assert abs(shares[-1] + owners.count(last) / len(texts[last]) - 1) <= 0.1
    assert min(shares) <= 0.1 and max(shares) >= 0.9


def test_texts_of_one_word_cannot_be_spliced():
    assert splices([["good"], ["bad"]], 5, 0) == []
