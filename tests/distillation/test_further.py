"""Further inputs that are made of a task's texts."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nesy.distillation.further import spans, splices, variants


@given(
    st.lists(st.lists(st.sampled_from("abcde"), min_size=1, max_size=20), max_size=6), st.integers(0, 30), st.integers()
)
def test_spans_are_different_runs_of_words_shorter_than_their_texts(texts, count, seed):
    found = spans(texts, count, seed)
    assert len(found) == len(set(found)) <= count
    for span in found:
        words = span.split()
        assert 2 <= len(words) <= 12
        assert any(f" {span} " in f" {' '.join(text)} " and len(words) < len(text) for text in texts)
    assert found == spans(texts, count, seed)


@given(
    st.lists(st.lists(st.sampled_from("abcde"), min_size=1, max_size=20), max_size=6), st.integers(0, 30), st.integers()
)
def test_variants_are_new_texts_of_the_same_words_and_no_longer_ones(texts, count, seed):
    found = variants(texts, count, seed)
    assert len(found) == len(set(found)) <= count
    assert not set(found) & {" ".join(text) for text in texts}
    longest = max(map(len, texts), default=0)
    for variant in found:
        assert set(variant.split()) <= {word for text in texts for word in text}
        assert 1 <= len(variant.split()) <= longest
    assert found == variants(texts, count, seed)


def test_most_words_of_a_variant_are_those_of_its_text():
    texts = [[f"w{i}-{j}" for j in range(20)] for i in range(50)]
    kept = 0
    for number, variant in enumerate(variants(texts, 50, 0)):
        kept += sum(word in texts[number] for word in variant.split())
    assert 0.7 < kept / 1000 < 0.8  # a tenth is left out, and three twentieths are replaced


@given(
    st.lists(st.lists(st.sampled_from("abcde"), min_size=1, max_size=9), max_size=4), st.integers(0, 30), st.integers()
)
def test_splices_are_new_texts_that_begin_as_one_and_end_as_another(texts, count, seed):
    found = splices(texts, count, seed)
    assert len(found) == len(set(found)) <= count
    assert not set(found) & {" ".join(text) for text in texts}
    possible = {
        " ".join(first[:cut] + last[start:])
        for first in texts
        for last in texts
        for cut in range(1, len(first))
        for start in range(1, len(last))
        if cut + len(last) - start <= max(len(first), len(last))
    }
    assert set(found) <= possible
    assert found == splices(texts, count, seed)


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
