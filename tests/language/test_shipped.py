"""Every rule file that is shipped passes `nesy check` by itself, without a warning."""

from __future__ import annotations

from pathlib import Path

import pytest

from nesy.checking import check
from nesy.language import check_text

ROOT = Path(__file__).parents[2]
FILES = sorted(
    path for folder in ("rules", "tasks") for suffix in ("nesy", "pl") for path in (ROOT / folder).rglob(f"*.{suffix}")
)


def test_there_are_files_to_check():
    assert len(FILES) >= 6


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_shipped_rule_file_has_nothing_to_say_about(path: Path):
    report = check(path)
    assert [d.render() for d in report.diagnostics] == [] and report.is_ok
    assert report.summary.startswith("ok: ")


def codes(text: str) -> list[str]:
    return [d.code for d in check_text(text).diagnostics]


def test_a_neural_predicate_has_to_look_at_an_input():
    assert codes("p(1).\n#neural n(X) :- p(X).") == ["N711"]
    assert codes("#neural n.") == ["N711"]
    assert codes("#input i(x).\np(1).\nq(X) :- p(X).\n#neural n(X) :- q(X), not r(X).\nr(2).") == ["N711"]


def test_it_may_look_at_it_through_rules_or_through_what_a_library_leaves_open():
    assert codes("#input i(x).\nq(X) :- i(X), X > 1.\n#neural n(X) :- q(X).") == []
    assert codes("#input i(x).\nq(N) :- N = #count{ X : i(X) }.\n#neural n(X) :- q(X).") == []
    assert codes("#pred i(x).\n#neural n(X) :- i(X).") == []
