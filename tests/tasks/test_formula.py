"""The task of formulas: its rows, and its rules against fractions by recursion over the last operator."""

import json
from fractions import Fraction
from itertools import product

import numpy as np
import pytest
import torch

import nesy
from nesy.errors import DataError, TaskError
from nesy.language.core import Signature
from nesy.learning.generators import formula
from nesy.perception import Encoder
from nesy.perception.image.operators import operator_picture
from nesy.perception.image.sources import find_pictures

SIGNS = ("plus", "minus", "times", "over")
VALUES = (*range(10), *SIGNS)


def value_of(marks):
    """The last `plus` or `minus` applies last, then the last `times` or `over`; None where 0 divides."""
    for weakest in (("plus", "minus"), ("times", "over")):
        places = [i for i, mark in enumerate(marks) if mark in weakest]
        if places:
            left, sign, right = marks[: places[-1]], marks[places[-1]], marks[places[-1] + 1 :]
            a, b = value_of(left), value_of(right)
            if a is None or b is None or (sign == "over" and b == 0):
                return None
            return {"plus": a + b, "minus": a - b, "times": a * b, "over": a / b if b else None}[sign]
    return Fraction(int(marks[0]))


def test_the_value_of_each_row_is_that_of_its_marks():
    for split in ("train", "dev", "test"):
        rows = formula.rows(split, 0, 0)
        assert {row["length"] for row in rows} == {1, 3, 5, 7}
        for row in rows:
            marks = [mark for _, mark in row["concepts"]["mark"]]
            assert len(marks) == len(row["images"]) == row["length"]
            assert Fraction(row["value"]) == value_of(marks)
            assert isinstance(row["value"], int) == (value_of(marks).denominator == 1)


def names(rows):
    return [p.name for row in rows for p in row["images"][::2]]


def test_each_digit_is_in_one_formula_and_in_one_split():
    parts = [names(formula.rows(split, 0, 0)) for split in ("train", "dev", "test")]
    everything = [name for part in parts for name in part]
    assert len(set(everything)) == len(everything)
    assert [len(part) for part in parts] == [1200, 90, 500]


def test_training_formulas_change_with_seed_and_epoch_and_test_formulas_never():
    first = formula.rows("train", 0, 0)
    assert names(first) == names(formula.rows("train", 0, 0))
    assert names(first) != names(formula.rows("train", 0, 1))
    assert names(first) != names(formula.rows("train", 1, 0))
    again = formula.rows("test", 0, 0)
    for row, same in zip(formula.rows("test", 0, 0), again, strict=True):
        assert row["value"] == same["value"]
        assert all(np.array_equal(a.pixels, b.pixels) for a, b in zip(row["images"], same["images"], strict=True))
    assert {row["length"] for row in formula.rows("train", 0, 0, longest=3)} == {1, 3}
    with pytest.raises(TaskError, match="the option `longest` of the generator `formula` must be 1, 3, 5 or 7, not 4"):
        formula.rows("train", 0, 0, longest=4)


def test_drawn_operators_are_told_apart_by_their_nearest_mean():
    drawn = {sign: np.stack([operator_picture(sign, n).pixels for n in range(200)]) for sign in SIGNS}
    means = np.stack([pictures[:100].mean(0) for pictures in drawn.values()])
    for number, pictures in enumerate(drawn.values()):
        assert pictures.min() >= 0 and pictures.max() <= 1
        distance = ((pictures[100:, None] - means[None]) ** 2).sum((2, 3))
        assert (distance.argmin(1) == number).mean() > 0.85
        assert pictures[100:].std(0).max() > 0.1  # no two alike


def test_each_picture_of_a_row_can_be_asked_for_by_its_name():
    row = formula.rows("test", 0, 0)[-1]
    found = find_pictures(" ".join(picture.name for picture in row["images"]))
    assert all(np.array_equal(a.pixels, b.pixels) for a, b in zip(found, row["images"], strict=True))


def idx(array):
    header = bytes([0, 0, 8, array.ndim]) + b"".join(size.to_bytes(4, "big") for size in array.shape)
    return header + array.astype(np.uint8).tobytes()


def test_pictures_of_other_sets_come_from_a_folder_of_two(tmp_path):
    classes = ["subtraction_minus", "other", "addition_plus", "multiplication_cross", "division_obelus"]
    (tmp_path / "d").mkdir()
    (tmp_path / "o").mkdir()
    (tmp_path / "d" / "images.idx3-ubyte").write_bytes(idx(np.arange(140 * 6).reshape(140, 2, 3) % 256))
    (tmp_path / "d" / "labels.idx1-ubyte").write_bytes(idx(np.arange(140) % 10))
    (tmp_path / "o" / "classes.json").write_text(json.dumps(classes))
    for part, first in (("train", 0), ("val", 100)):
        # The first pixel of an operator's picture is its class and part.
        label = np.arange(50) % 5
        (tmp_path / "o" / f"{part}_images.idx3-ubyte.gz").write_bytes(
            idx((label + first)[:, None, None] * np.ones((1, 2, 3)))
        )
        (tmp_path / "o" / f"{part}_labels.idx1-ubyte.gz").write_bytes(idx(label))
    seen = set()
    for split, first in (("train", 0), ("dev", 0), ("test", 100)):
        for row in formula.rows(split, 0, 0, path=str(tmp_path), digits="d", operators="o"):
            for (_, mark), picture in list(zip(row["concepts"]["mark"], row["images"], strict=True))[1::2]:
                name = classes[round(picture.pixels[0, 0] * 255) - first]
                assert {"plus": "addition_plus", "minus": "subtraction_minus", "times": "multiplication_cross",
                        "over": "division_obelus"}[mark] == name  # fmt: skip
                seen.add((split, picture.name))
    assert not {name for split, name in seen if split == "train"} & {name for split, name in seen if split == "dev"}
    (tmp_path / "o" / "classes.json").write_text(json.dumps(classes[:2]))
    with pytest.raises(DataError, match="the operators addition_plus, multiplication_cross, division_obelus are mi"):
        formula._read_operators.cache_clear()
        formula.rows("train", 0, 0, path=str(tmp_path), digits="d", operators="o")


class Fixed(Encoder):
    """Gives the scores that an input holds: [pictures, 14]."""

    def __init__(self):
        super().__init__()
        self.nothing = torch.nn.Parameter(torch.zeros(1))

    build = from_config = config = sighting = payload_of = None

    def facts(self, payload):
        return {Signature("image", 1): [(i,) for i in range(len(payload["scores"]))]}

    def forward(self, payloads, requests):
        return {"mark": torch.stack([payloads[0]["scores"][key[0]] for key in requests["mark"].key])}


Fixed.__abstractmethods__ = frozenset()


@pytest.fixture(scope="module")
def model():
    """One for all tests: it keeps the graph of each length."""
    return nesy.Model(nesy.load("tasks/formula/program.nesy"), Fixed())


def answers(model, scores):
    batch = model.prepare([{"scores": scores}])
    with torch.no_grad():
        out = model(batch)
    found = {Fraction(atom.arguments[0].value): float(p) for atom, p in zip(out.answers, out.p[0], strict=True)}
    return batch.reading.method, {value: p for value, p in found.items() if p > 1e-9}


@pytest.mark.parametrize("length", [1, 3, 5])
def test_values_have_the_chances_of_all_readings_of_their_pictures(model, length):
    scores = torch.randn(length, 14, dtype=torch.float64, generator=torch.Generator().manual_seed(length))
    # Each picture may be one of a few marks only, so that all readings can be counted.
    kept = torch.topk(scores, 7, dim=1).indices
    scores = torch.full_like(scores, -1e9).scatter(1, kept, scores.gather(1, kept))
    p = torch.softmax(scores, 1).numpy()
    expected = {}
    for outcomes in product(*(row.tolist() for row in kept)):
        marks = [VALUES[outcome] for outcome in outcomes]
        if all((mark in SIGNS) == bool(place % 2) for place, mark in enumerate(marks)):
            value = value_of(marks)
            if value is not None:
                weight = np.prod([p[place, outcome] for place, outcome in enumerate(outcomes)])
                expected[value] = expected.get(value, 0) + weight
    method, found = answers(model, scores)
    assert found == pytest.approx(expected)
    assert method == "exact"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("7", "7"),
        ("2 plus 3 times 4", "14"),
        ("9 minus 4 minus 3", "2"),
        ("8 over 4 over 2", "1"),
        ("1 over 3 plus 1 over 6", "1/2"),
        ("2 minus 5 times 3 over 6", "-1/2"),
        ("0 over 5 times 3 minus 0", "0"),
        ("6 times 7 plus 8 times 9", "114"),
        ("9 over 4 times 2 over 3", "3/2"),
    ],
)
def test_what_is_surely_read_has_one_value(model, text, value):
    marks = [int(word) if word.isdigit() else word for word in text.split()]
    scores = torch.full((len(marks), 14), -1e9, dtype=torch.float64)
    for place, mark in enumerate(marks):
        scores[place, VALUES.index(mark)] = 0
    assert answers(model, scores)[1] == pytest.approx({Fraction(value): 1.0})


def test_a_division_by_zero_has_no_value(model):
    scores = torch.full((3, 14), -1e9, dtype=torch.float64)
    for place, mark in enumerate([5, "over", 0]):
        scores[place, VALUES.index(mark)] = 0
    assert answers(model, scores)[1] == {}
