"""`nesy run --epsilon`: an interval that is narrow enough, printed as one, and with the truth in it."""

from __future__ import annotations

import json
import random
from pathlib import Path

from benchmarks.probability_works import smokers


def tangle(size: int) -> str:
    """Rules that no frontier helps with: each node holds by itself, or by two others and a link."""
    draw = random.Random(0)
    text = "".join(f"0.05::own({i}). 0.3::link({i}).\non({i}) :- own({i}).\n" for i in range(size))
    for i in range(size):
        for _ in range(2):
            a, b = draw.sample([j for j in range(size) if j != i], 2)
            text += f"on({i}) :- link({i}), on({a}), on({b}).\n"
    return text + "query(on(0)).\n"


def test_an_epsilon_stops_at_an_interval_of_that_width(cli, tmp_path: Path) -> None:
    file = tmp_path / "tangle.pl"
    file.write_text(tangle(40))
    wide = json.loads(cli("run", file, "--json", "--epsilon", "0.02", "--seconds", "6").out)["answers"][0]
    assert wide["method"] == "bounds"
    assert 0 < wide["upper"] - wide["lower"] <= 0.02
    assert wide["lower"] <= wide["probability"] <= wide["upper"]
    assert 0.05 <= wide["upper"] and wide["lower"] <= 0.06  # own(0) alone, and little more
    shown = cli("run", file, "--epsilon", "0.02", "--seconds", "6").out
    assert shown.startswith("on(0)") and " in [" in shown and shown.rstrip().endswith("bounds")


def test_what_is_exact_at_once_stays_exact(cli, tmp_path: Path) -> None:
    file = tmp_path / "smokers.pl"
    file.write_text(smokers(5))
    answers = json.loads(cli("run", file, "--json", "--epsilon", "0.1").out)["answers"]
    assert all(a["lower"] == a["probability"] == a["upper"] and a["method"].startswith("exact") for a in answers)
