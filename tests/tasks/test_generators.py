"""The generators of the shipped tasks: what their rows promise."""

import json
import re

import numpy as np
import pytest

from nesy.errors import DataError, TaskError
from nesy.learning.generators import digits, monli, monotonicity, negation
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


@pytest.mark.parametrize("split", ["train", "test"])
def test_the_second_sentence_follows_as_its_words_and_negations_say(split):
    for row in monotonicity.rows(split, 3, 0, train=300, test=300):
        (old, new, is_wider), (_, _, is_narrower) = row["concepts"]["wider"]
        turned = int(row["kind"].removeprefix("turned "))
        negations = re.findall(r"\b(not|no|never|without|nobody|lie|false|wrong)\b", row["sentence1"].lower())
        assert len(negations) >= turned
        assert row["gold_label"] == ("entailment" if (is_wider if turned % 2 else is_narrower) == "yes" else "neutral")
        pattern = rf"\ban? {old}\b|\b{old}\b"
        assert re.sub(pattern, "_", row["sentence1"]) == re.sub(rf"\ban? {new}\b|\b{new}\b", "_", row["sentence2"])


def test_test_sentences_have_words_and_frames_of_their_own():
    def words(split):
        rows = monotonicity.rows(split, 0, 0, train=3000, test=6000)
        return {word for row in rows for word in row["concepts"]["wider"][0][:2]}

    assert words("train") < words("test")
    assert len(words("test") - words("train")) >= 30


def monli_row(frame, old, new, label):
    return {
        "sentence1": frame.format(old), "sentence2": frame.format(new), "gold_label": label,
        "sentence1_lex": old, "sentence2_lex": new,
    }  # fmt: skip


@pytest.fixture
def monli_folder(tmp_path):
    frames = [("He is not near a {}.", "tree", ("cedar", "oak")), ("She sees not one {}.", "dog", ("poodle", "pug")),
              ("I do not own a {}.", "tree", ("pine",)), ("We do not eat {}.", "fruit", ("plums",))]  # fmt: skip
    negated = [monli_row(frame, wide, one, "entailment") for frame, wide, narrow in frames for one in narrow]
    plain = [
        monli_row("There is a {}.", "poodle", "dog", "entailment"),
        monli_row("A {}.", "cat", "animal", "entailment"),
    ]
    for name, rows in (("pmonli", plain), ("nmonli_train", negated)):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


def test_a_fold_of_monli_shares_no_frame_and_no_pair_of_words_with_its_training_rows(monli_folder):
    tested = []
    for fold in range(3):
        read = monli.read(monli_folder, fold, 3)
        pairs = {name: {frozenset(row["concepts"]["wider"][0][:2]) for row in read[name]} for name in read}
        assert not pairs["train"] & pairs["test"]
        tested += [row["sentence1"] for row in read["test"]]
    lines = (monli_folder / "nmonli_train.jsonl").read_text().splitlines()
    assert sorted(tested) == sorted(json.loads(line)["sentence1"] for line in lines)
    largest = {row["sentence1"] for row in monli.read(monli_folder, 0, 3)["test"]}
    assert {"He is not near a tree.", "I do not own a tree."} <= largest  # frames that share a wider word stay together


@pytest.mark.parametrize(("hold_out", "tested"), [("variants", 7), ("negation", 6)])
def test_words_may_be_known_from_sentences_without_negation(monli_folder, hold_out, tested):
    header = "sentence1,sentence2,gold_label,sentence1_lex,sentence2_lex,"
    header += "sentence1_edited,sentence2_edited,gold_label_edited\n"
    row = "He is not near a tree.,He is not near a oak.,entailment,tree,oak,"
    row += "He is near a tree.,He is near a oak.,neutral\n"
    (monli_folder / "no_negation.csv").write_text(header + row)
    read = monli.read(monli_folder, 0, 4, hold_out)
    assert [len(read["test"]), len(read["train"])] == [tested, 9 - tested]
    assert not any(" not " in row["sentence1"] for row in read["train"])
    assert ("He is near a tree." in {row["sentence1"] for row in read["test"]}) == (hold_out == "variants")
    with pytest.raises(
        TaskError, match=r"the option `hold_out` .* must be one of frames, variants, negation, not 'word'"
    ):
        monotonicity.rows("train", 0, 0, path=str(monli_folder), hold_out="word")


def test_sentences_of_its_own_lack_the_pairs_of_words_of_the_test(monli_folder):
    plums = monli_row("He will not plant {}.", "flowers", "daisies", "entailment")
    (monli_folder / "nmonli_test.jsonl").write_text(json.dumps(plums) + "\n")
    own = monotonicity.rows("train", 0, 0, path=str(monli_folder), own=3000)[8:]
    assert 2900 < len(own) < 3000
    pairs = {frozenset(row["concepts"]["wider"][0][:2]) for row in own}
    assert frozenset(("flowers", "daisies")) not in pairs and frozenset(("flowers", "irises")) in pairs


def test_a_file_called_test_is_the_test(monli_folder):
    rows = [monli_row("There is not a {}.", "tree", "elm", "entailment")]
    (monli_folder / "nmonli_test.jsonl").write_text(json.dumps(rows[0]) + "\n")
    read = monli.read(monli_folder, 0, 4)
    assert [row["sentence2"] for row in read["test"]] == ["There is not a elm."]
    assert len(read["train"]) == 8


def test_edited_sentences_take_the_place_of_the_originals_and_replaced_syllables_are_mended(tmp_path):
    header = "sentence1,sentence2,gold_label,sentence1_lex,sentence2_lex,group_index,"
    header += "sentence1_edited,sentence2_edited,gold_label_edited\n"
    row = "He has not a hat.,He has not a fez.,entailment,hat,fez,7,"
    row += "It is not so that he has not a hat.,It is not so tfez he has not a fez.,neutral\n"
    (tmp_path / "two_scoped.csv").write_text(header + row)
    (found,) = monli.read(tmp_path, 0, 1)["test"]
    assert found["sentence2"] == "It is not so that he has not a fez."
    assert (found["gold_label"], found["kind"], found["group"]) == ("neutral", "two_scoped", "7")
    assert found["concepts"] == {"wider": [["hat", "fez", "yes"], ["fez", "hat", "no"]]}


def test_a_folder_without_such_files_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"no .jsonl or .csv files with sentence1, sentence2 and gold_label"):
        monli.read(tmp_path, 0, 4)
    (tmp_path / "rows.jsonl").write_text('{"text": "good"}\n')
    with pytest.raises(DataError, match="the row lacks the columns sentence1, sentence2, gold_label or sentence1_lex"):
        monli.read(tmp_path, 0, 4)
    with pytest.raises(TaskError, match="the option `fold` of the generator `monotonicity` must be from 0 to 3, not 4"):
        monotonicity.rows("train", 0, 0, path=str(tmp_path), fold=4)
