"""Other probabilities for an answer that is there: the graph is read again, and says what a new run would say."""

from __future__ import annotations

import pytest

from nesy import Program
from nesy.errors import InconsistentError, QueryError

TEXT = """0.2::rain. 0.5::sprinkler. 0.7::wind(low); 0.3::wind(high).
wet :- rain. wet :- sprinkler, wind(low). evidence(wet). #query rain. #query wind(W)."""


def test_other_probabilities_answer_as_a_program_with_them_does(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = Program.from_text(TEXT).query()
    there = Program.from_text(
        TEXT.replace("0.2::rain", "0.6::rain").replace("0.7::", "0.1::").replace("0.3::", "0.9::")
    )
    expected = [row.p for row in there.query()]
    monkeypatch.setattr("nesy.program.ground", None)
    again = answer.with_probabilities({"rain": 0.6, "wind(low)": 0.1, "wind(high)": 0.9})
    assert [row.p for row in again] == pytest.approx(expected)
    assert [row.p for row in answer] != pytest.approx(expected)


@pytest.mark.parametrize(
    "chances, message",
    [
        ({"wet": 0.5}, "`wet` is not an uncertain fact"),
        ({"rain": 1.5}, "the choice of `rain` do not sum to 1"),
        ({"wind(low)": 0.2}, r"the choice of `wind\(low\)` do not sum to 1"),
    ],
)
def test_probabilities_that_do_not_fit_are_refused(chances: dict[str, float], message: str) -> None:
    with pytest.raises(QueryError, match=message):
        Program.from_text(TEXT).query().with_probabilities(chances)


def test_probabilities_that_leave_no_world_are_an_error() -> None:
    with pytest.raises(InconsistentError):
        Program.from_text(TEXT).query().with_probabilities({"rain": 0.0, "sprinkler": 0.0})
