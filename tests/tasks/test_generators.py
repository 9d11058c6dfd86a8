"""The generators of the shipped tasks: what their rows promise."""

import numpy as np
import pytest

from nesy.errors import DataError, TaskError
from nesy.learning.generators import digits, negation
from nesy.perception.image.sources import digits as all_digits
from nesy.perception.text.words import split_words


def test_digit_rows_hold_the_sum_and_the_digits_of_their_pictures():
    pixels, labels = all_digits()
    for split in ("train", "dev", "test"):
        for row in digits.rows(split, 0, 0):
            numbers = [int(picture.name.removeprefix("digits:")) for picture in row["images"]]
            assert row["sum"] == labels[numbers].sum()
            assert row["concepts"]["digit"] == [[place, labels[n]] for place, n in enumerate(numbers)]
            assert all(np.array_equal(p.pixels, pixels[n]) for p, n in zip(row["images"], numbers, strict=True))


def names(rows):
    return [picture.name for row in rows for picture in row["images"]]


def test_no_picture_is_in_two_splits_or_twice_in_one():
    parts = [names(digits.rows(split, 0, 0)) for split in ("train", "dev", "test")]
    everything = [name for part in parts for name in part]
    assert len(set(everything)) == len(everything)
    assert [len(part) for part in parts] == [1200, 96, 500]


def test_training_pairs_change_with_seed_and_epoch_and_test_pairs_never():
    first = names(digits.rows("train", 0, 0))
    assert first == names(digits.rows("train", 0, 0))
    assert first != names(digits.rows("train", 0, 1))
    assert first != names(digits.rows("train", 1, 0))
    assert sorted(first) == sorted(names(digits.rows("train", 5, 7)))
    assert names(digits.rows("test", 0, 0)) == names(digits.rows("test", 3, 9))


def test_groups_of_another_size_can_be_asked_for():
    assert {len(row["images"]) for row in digits.rows("train", 0, 0, count=3)} == {3}
    with pytest.raises(TaskError, match="the option `count` of the generator `digits` must be from 1 to 8, not 0"):
        digits.rows("train", 0, 0, count=0)


def label_by_hand(row):
    """What the sentence says by its concepts and negations: right for sentences of one clause."""
    ((_, says),) = row["concepts"]["leans"]
    flipped = {"positive": "negative", "negative": "positive"}[says]
    return flipped if row["negations"] else says


@pytest.mark.parametrize("split", ["train", "dev", "test"])
def test_the_label_of_a_sentence_follows_from_its_words_and_negations(split):
    rows = negation.rows(split, 3, 0)
    singles = [row for row in rows if len(row["concepts"]["leans"]) == 1]
    assert len(singles) > len(rows) / 2
    assert all(row["label"] == label_by_hand(row) for row in singles)
    for row in rows:
        words = split_words(row["text"]).words
        assert row["text"][0].isupper() and row["text"].endswith(".")
        assert all(0 <= index < len(words) for index, _ in row["concepts"]["leans"])


def ways_seen(rows):
    """Each opinion word with whether its sentence of one clause is negated."""
    singles = [row for row in rows if len(row["concepts"]["leans"]) == 1]
    return {(split_words(r["text"]).words[r["concepts"]["leans"][0][0]], r["negations"] > 0) for r in singles}


def test_the_test_asks_for_combinations_that_training_never_has():
    trained = set().union(*(ways_seen(negation.rows("train", seed, 0)) for seed in range(4)))
    trained |= ways_seen(negation.rows("dev", 0, 0))
    test = negation.rows("test", 0, 0)
    new = ways_seen(row for row in test if row["composition"] == "new")
    assert new and new.isdisjoint(trained)
    # ... but no opinion word that training never has
    assert {word for word, _ in ways_seen(test)} <= {word for word, _ in trained}


def test_frames_and_things_of_the_test_are_not_in_training():
    trained = {word for row in negation.rows("train", 0, 0) for word in split_words(row["text"]).words}
    test = {word for row in negation.rows("test", 0, 0) for word in split_words(row["text"]).words}
    assert {"kitchen", "novel", "seemed", "everybody", "summer"} <= test - trained


def test_a_pair_is_a_sentence_and_the_same_with_a_negation():
    pairs = {}
    for row in negation.rows("test", 0, 0):
        if "pair" in row:
            pairs.setdefault(row["pair"], []).append(row)
    assert len(pairs) > 100
    for plain, negated in pairs.values():
        assert (plain["negations"], negated["negations"]) == (0, 1)
        assert plain["label"] != negated["label"]
        word = [split_words(r["text"]).words[r["concepts"]["leans"][0][0]] for r in (plain, negated)]
        assert word[0] == word[1]


def test_the_same_seed_gives_the_same_sentences():
    assert negation.rows("train", 1, 2) == negation.rows("train", 1, 2)
    assert negation.rows("train", 1, 2) != negation.rows("train", 1, 3)
    assert len(negation.rows("test", 0, 0, test=101)) == 101
    with pytest.raises(TaskError, match="the option `train` of the generator `negation` must be from 1"):
        negation.rows("train", 0, 0, train=0)


def idx(array):
    header = bytes([0, 0, 8, array.ndim]) + b"".join(size.to_bytes(4, "big") for size in array.shape)
    return header + array.astype(np.uint8).tobytes()


def test_digits_of_another_set_come_from_a_folder_of_idx_files(tmp_path):
    pixels = np.arange(70 * 6).reshape(70, 2, 3) % 256
    labels = np.arange(70) % 10
    (tmp_path / "images.idx3-ubyte").write_bytes(idx(pixels))
    (tmp_path / "labels.idx1-ubyte").write_bytes(idx(labels))
    sizes = {split: len(digits.rows(split, 0, 0, path=str(tmp_path))) for split in ("train", "dev", "test")}
    assert sizes == {"train": 25, "dev": 5, "test": 5}
    last = digits.rows("test", 0, 0, path=str(tmp_path))[-1]
    assert [picture.name for picture in last["images"]] == [f"{tmp_path / 'images.idx3-ubyte'}:{n}" for n in (68, 69)]
    assert last["sum"] == 8 + 9
    np.testing.assert_allclose(last["images"][1].pixels * 255, pixels[69], rtol=1e-5)


def test_a_folder_without_the_two_idx_files_is_refused(tmp_path):
    with pytest.raises(DataError) as error:
        digits.rows("train", 0, 0, path=str(tmp_path))
    expected = "expected one .idx3-ubyte file of pictures and one .idx1-ubyte of labels, found none"
    assert str(error.value) == f"{tmp_path}: {expected}"
    (tmp_path / "images.idx3-ubyte").write_bytes(idx(np.zeros((3, 2, 2))))
    (tmp_path / "labels.idx1-ubyte").write_bytes(idx(np.array([1, 2, 77])))
    with pytest.raises(DataError, match="expected a digit for each of the 3 pictures"):
        digits.rows("train", 0, 0, path=str(tmp_path))
