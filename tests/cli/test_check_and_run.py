"""`nesy check` and `nesy run`: what they print, and how they fail."""

from __future__ import annotations

import json
from pathlib import Path

import pytest


def test_check_says_ok_and_counts(cli) -> None:
    result = cli("check", "rules/family.nesy")
    assert result.code == 0
    assert result.out.startswith("ok: ")
    assert result.err == ""


def test_run_prints_each_answer_with_its_probability_and_method(cli) -> None:
    result = cli("run", "rules/family.nesy")
    assert result.code == 0
    atom, probability, method = result.out.splitlines()[0].split(maxsplit=2)
    assert (atom, probability) == ("grandparent(ann,cy)", "0.804") and method.startswith("exact")


def test_json_of_run_has_one_entry_per_ground_query_atom(cli, tmp_path: Path) -> None:
    file = tmp_path / "graph.pl"
    rules = "path(X,Y) :- edge(X,Y).\npath(X,Y) :- edge(X,Z), path(Z,Y).\n"
    file.write_text(f"0.5::edge(1,2).\n0.5::edge(2,5).\n{rules}query(path(1,5)).\n")
    result = cli("run", file, "--json")
    assert result.code == 0
    assert json.loads(result.out)["answers"] == [
        {"query": "path(1,5)", "probability": 0.25, "method": "exact", "lower": 0.25, "upper": 0.25}
    ]


def test_a_query_on_the_command_line_replaces_those_of_the_file(cli) -> None:
    result = cli("run", "rules/family.nesy", "--query", "ancestor(bob, cy)", "--json")
    assert [(a["query"], a["probability"]) for a in json.loads(result.out)["answers"]] == [("ancestor(bob,cy)", 0.8)]


def test_a_query_about_an_unknown_predicate_names_the_nearest(cli) -> None:
    result = cli("run", "rules/family.nesy", "--query", "grandparnt(ann, X)")
    assert result.code == 1
    assert "grandparent" in result.err and result.out == ""


def test_all_mistakes_of_a_file_are_reported_in_order(cli, tmp_path: Path) -> None:
    file = tmp_path / "bad.nesy"
    file.write_text("p(X) :- q(Y).\nq(1).\nr(X) :- qq(X).\ns(X) :- q(X), not s(X).\n#query p(1).\n")
    result = cli("check", file)
    assert result.code == 1
    lines = [int(line.split(":")[-2]) for line in result.err.splitlines() if "--> " in line]
    assert lines == sorted(lines) and len(lines) >= 3


def test_check_as_json_gives_the_mistakes_as_data(cli, tmp_path: Path) -> None:
    file = tmp_path / "bad.nesy"
    file.write_text("p(X) :- q(Y).\nq(1).\n#query p(1).\n")
    result = cli("check", file, "--json")
    assert result.code == 1
    first = json.loads(result.out)["diagnostics"][0]
    assert (first["file"], first["line"], first["column"], first["severity"]) == (str(file), 1, 3, "error")
    assert first["code"] and first["message"]


def test_constraints_that_cannot_hold_together_are_named(cli, tmp_path: Path) -> None:
    file = tmp_path / "clash.nesy"
    file.write_text("0.5::a.\n0.5::b.\n:- a.\n:- not a.\n:- b.\n#query b.\n")
    result = cli("check", file)
    assert result.code == 1
    assert ":3:" in result.err and ":4:" in result.err and ":5:" not in result.err


@pytest.mark.parametrize(
    ("content", "word"),
    [(b"", "empty"), (b"\x00\x01\x02\xff\xfe", "binary"), (None, "no such file")],
    ids=["empty", "binary", "missing"],
)
def test_an_unreadable_rule_file_gets_one_clear_line(cli, tmp_path: Path, content: bytes | None, word: str) -> None:
    file = tmp_path / "file.nesy"
    if content is not None:
        file.write_bytes(content)
    for verb in ("check", "run"):
        result = cli(verb, file)
        assert result.code == 1
        assert word in result.err.lower() and "file.nesy" in result.err


def test_impossible_evidence_is_explained_and_never_a_nan(cli, tmp_path: Path) -> None:
    file = tmp_path / "impossible.nesy"
    file.write_text("0.5::a.\nb :- a.\nevidence(a, false).\nevidence(b, true).\n#query a.\n")
    result = cli("run", file)
    assert result.code == 1
    assert "nan" not in result.err and ("evidence" in result.err)


def test_a_program_without_a_query_says_how_to_give_one(cli, tmp_path: Path) -> None:
    file = tmp_path / "mute.nesy"
    file.write_text("0.5::a.\n")
    result = cli("run", file)
    assert result.code == 1
    assert "--query" in result.err


def test_neural_predicates_need_a_run(cli, tmp_path: Path) -> None:
    file = tmp_path / "neural.nesy"
    file.write_text("#input image(x).\n#neural digit(I) -> 0..9 :- image(I).\n#query digit(I, D).\n")
    result = cli("run", file)
    assert result.code == 1
    assert "`digit`" in result.err and "nesy train" in result.err


@pytest.mark.parametrize("arguments", [(), ("chek",), ("check",), ("run", "a", "--nonsense")])
def test_usage_errors_exit_with_2(cli, arguments: tuple[str, ...]) -> None:
    assert cli(*arguments).code == 2
