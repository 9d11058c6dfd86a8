"""`nesy verify`, `nesy fmt`, `nesy fit`, `nesy new`: the other verbs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest


def test_a_property_that_the_rules_force_is_proved(cli) -> None:
    result = cli("verify", "rules/kinship.nesy", "--never", "grandparent(X, X)", "--size", 2)
    assert (result.code, result.out) == (
        0,
        "never grandparent(X,X): holds over all databases of at most 2 values\n",
    )


def test_a_property_that_does_not_hold_is_refuted_by_the_smallest_database(cli, tmp_path: Path) -> None:
    file = tmp_path / "loose.nesy"
    file.write_text("#pred parent(a, b).\ngrandparent(X, Z) :- parent(X, Y), parent(Y, Z).\n")
    result = cli("verify", file, "--never", "grandparent(X, X)", "--json")
    assert result.code == 1
    found = json.loads(result.out)
    assert found["verdict"] == "broken" and len(found["database"]) == 1


def test_a_property_names_predicates_that_exist(cli) -> None:
    result = cli("verify", "rules/kinship.nesy", "--equivalent", "sibling", "cousn")
    assert (result.code, result.err) == (
        1,
        "error: `cousn` is not a predicate of the program; did you mean `cousin`?\n",
    )


def test_one_property_at_a_time(cli) -> None:
    result = cli("verify", "rules/kinship.nesy", "--never", "aunt(X, X)", "--always", "aunt(a, b)")
    assert result.code == 1
    assert result.err == "error: state one property: --never CONDITION, --always CLAIM, or --equivalent NAME NAME\n"


def test_shipped_rules_are_in_canonical_layout(cli) -> None:
    files = [*Path("rules").glob("*.nesy"), *Path("tasks").rglob("*.nesy")]
    assert cli("fmt", "--check", *files).out == ""


def test_formatting_changes_a_file_once(cli, tmp_path: Path) -> None:
    file = tmp_path / "messy.nesy"
    file.write_text("p(X):-q(X),not r(X). % why\nq(1).r(2).\n")
    assert cli("fmt", "--check", file).code == 1
    assert file.read_text().startswith("p(X):-")
    assert cli("fmt", file).out == f"formatted: {file}\n"
    assert "p(X) :- q(X), not r(X)." in file.read_text() and "% why" in file.read_text()
    assert cli("fmt", file).out == ""


def test_a_file_with_mistakes_is_not_formatted(cli, tmp_path: Path) -> None:
    file = tmp_path / "broken.nesy"
    file.write_text("p(X :- q(X).\n")
    assert cli("fmt", file).code == 1
    assert file.read_text() == "p(X :- q(X).\n"


def test_fit_learns_a_probability_by_counting(cli, tmp_path: Path) -> None:
    (tmp_path / "coin.nesy").write_text("t(_)::heads.\n")
    (tmp_path / "coin.ev").write_text("---\n".join(["evidence(heads, true).\n"] * 3 + ["evidence(heads, false).\n"]))
    result = cli("fit", tmp_path / "coin.nesy", tmp_path / "coin.ev", "--json")
    assert result.code == 0
    assert json.loads(result.out)["learned"][0]["probability"] == pytest.approx(0.75, abs=1e-4)


@pytest.mark.parametrize("kind", ["json", "dot", "svg", "html", "md"])
def test_an_explanation_can_be_drawn(cli, kind: str) -> None:
    result = cli("run", "rules/family.nesy", "--query", "aunt(eve, cy)", "--format", kind)
    assert result.code == 0
    start = {"json": "{", "dot": "digraph", "svg": "<svg", "html": "<!doctype html>", "md": "##"}[kind]
    assert result.out.lower().startswith(start) and "aunt(eve,cy)" in result.out.replace("&#x27;", "'")


def test_an_unknown_format_is_refused_with_the_known_ones(cli) -> None:
    result = cli("run", "rules/family.nesy", "--format", "pdf")
    assert (result.code, result.err) == (
        1,
        "error: unknown format `pdf`: it is json, dot, svg, png, html, md\n",
    )


def test_why_not_names_what_is_missing(cli) -> None:
    result = cli("run", "rules/family.nesy", "--query", "uncle(bob, cy)", "--why-not", "uncle(bob, cy)")
    assert result.code == 0
    assert "why not uncle(bob,cy)" in result.out and "rules/kinship.nesy" in result.out
