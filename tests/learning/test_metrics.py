"""Figures worked out by hand, and laws that hold of all of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nesy.learning.metrics import Metrics, calibration_error, confusion, figures, group_figures, macro_f1, reliability

# Three rows over two answers: right with 0.9, wrong with 0.6, and one whose answer cannot be derived.
P = np.array([[0.9, 0.1], [0.4, 0.6], [0.5, 0.5]])
TARGET = np.array([0, 0, -2])


def test_figures_agree_with_a_calculation_by_hand() -> None:
    f = figures(P, TARGET, bins=10)
    assert f.rows == 3
    assert f.accuracy == pytest.approx(1 / 3)
    assert f.log_loss == pytest.approx(-(np.log(0.9) + np.log(0.4) + np.log(1e-12)) / 3)
    assert f.brier == pytest.approx((0.02 + 0.72 + 1.5) / 3)
    # bins: 0.9 right, 0.6 wrong, 0.5 wrong
    assert f.ece == pytest.approx((0.1 + 0.6 + 0.5) / 3)


def test_macro_f1_and_confusion_agree_with_a_calculation_by_hand() -> None:
    predicted, target = np.array([0, 0, 1, 1, 1]), np.array([0, 1, 1, 1, 0])
    # answer 0: 1 hit of 2 given and 2 true -> 0.5; answer 1: 2 hits of 3 given and 3 true -> 2/3
    assert macro_f1(predicted, target) == pytest.approx((0.5 + 2 / 3) / 2)
    assert confusion(predicted, target, ["no", "yes"]) == {"no": {"no": 1, "yes": 1}, "yes": {"no": 1, "yes": 2}}


distributions = st.integers(1, 40).flatmap(
    lambda n: st.tuples(
        st.lists(st.floats(0, 1), min_size=n, max_size=n),
        st.lists(st.integers(0, 1), min_size=n, max_size=n),
        st.integers(2, 20),
    )
)


@given(distributions)
def test_calibration_error_is_what_the_reliability_diagram_shows(case: tuple[list[float], list[int], int]) -> None:
    ps, target, bins = case
    p = np.stack([np.array(ps), 1 - np.array(ps)], axis=1)
    diagram = reliability(p, np.array(target), bins)
    assert sum(b.rows for b in diagram) == len(ps)
    assert all(b.low <= b.confidence + 1e-12 and b.confidence <= b.high + 1e-12 for b in diagram)
    assert 0 <= calibration_error(p, np.array(target), bins) <= 1


def test_a_calibrated_answerer_has_no_calibration_error() -> None:
    p = np.tile([0.75, 0.25], (8, 1))
    assert calibration_error(p, np.array([0, 0, 0, 1] * 2), bins=15) == pytest.approx(0)


def test_a_group_is_right_only_if_all_its_rows_are() -> None:
    found = group_figures(np.array([True, True, True, False, False, True]), [1, 1, 2, 2, -1, 3])
    assert found is not None
    assert (found.groups, found.all_right) == (2, 0.5)


def test_figures_print_as_a_table_with_or_without_slices() -> None:
    f = figures(P, TARGET, bins=10)
    assert str(Metrics("test", f, 0.5, answers_per_second=1234.5)).splitlines() == [
        "test            rows  accuracy  log-loss     ece",
        "all                3    33.33%    9.5509  0.4000",
        "macro-F1 0.5000, Brier 0.7467, 1,234 answers/s",
    ]
    sliced = str(Metrics("test", f, 0.5, slices={"negated=true": f}, underivable=1)).splitlines()
    assert sliced[2] == "negated=true       3    33.33%    9.5509  0.4000"
    assert sliced[-1] == "1 rows have an answer that the rules cannot derive from their input"
