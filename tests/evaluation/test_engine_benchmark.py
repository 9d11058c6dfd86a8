"""The works of the engine's benchmark give, at their smallest sizes, what the same work gives done by hand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch

from benchmarks.engine_datalog import update_child
from benchmarks.engine_probability import WORKS, check, own
from benchmarks.probability_works import grid_edges, undirected_by_hand


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("name", [name for name in WORKS if name != "bounds"])
def test_answers_and_gradients_are_those_by_hand(name: str) -> None:
    work = replace(WORKS[name], batch=min(WORKS[name].batch, 3))
    size = min([*work.sizes, *work.doubling])
    found = own(work, size)
    check(work, size, found)
    assert found["width"] == 0 and found["method"].startswith("exact")
    wrong = {**found, "lower": found["lower"] + 0.02, "upper": found["upper"] + 0.02}
    with pytest.raises(AssertionError):
        check(work, size, wrong)
    measured, computed = found["slope"]
    with pytest.raises(AssertionError):
        check(work, size, {**found, "slope": (measured, computed + 0.01)})


def test_the_frontier_by_hand_is_that_of_enumeration() -> None:
    edges = grid_edges(3, 3)
    draw = np.random.default_rng(0)
    chance = {f"edge({a},{b})": float(draw.random()) for a, b in edges}
    reached = 0.0
    for bits in range(1 << len(edges)):
        held = [edge for i, edge in enumerate(edges) if bits >> i & 1]
        there = {0}
        while more := {x for a, b in held for x in (a, b) if (a in there) != (b in there)} - there:
            there |= more
        if 8 in there:
            reached += np.prod(
                [chance[f"edge({a},{b})"] if (a, b) in held else 1 - chance[f"edge({a},{b})"] for a, b in edges]
            )
    assert undirected_by_hand(3, chance)["path(0,8)"] == pytest.approx(float(reached))


def test_updates_count_as_running_anew_does(capsys: pytest.CaptureFixture[str]) -> None:
    update_child("grid", 5)  # asserts it itself, after every round of changes
    assert '"count"' in capsys.readouterr().out
