"""What rules are worth when rows are few: `tasks/diabetes` with and without its rules, by the number of rows."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

import nesy
from nesy.learning import load_task
from nesy.learning.batches import AnswerNames
from nesy.learning.measure import measure
from nesy.learning.sources import open_data
from nesy.learning.training import build_model, prepare_all

TASK = Path(__file__).parent.parent / "tasks" / "diabetes"
SIZES = (10, 20, 50, 100, 220)


def few_rows(seed: int, folder: Path) -> dict[str, dict[str, float]]:
    """Test accuracy of the task and of the same encoder without rules, for each number of rows.

    Both see the same rows, of which both keep the same fifth to choose their best epoch by.
    """
    found: dict[str, dict[str, float]] = {"rules": {}, "no rules": {}}
    for size in SIZES:
        task = load_task(TASK).with_options("data", options={"train": size})
        arms = {"rules": task, "no rules": task.with_options("task", program="plain.nesy")}
        for name, arm in arms.items():
            run = nesy.train(arm, folder / f"{name}-{size}-{seed}", seed=seed, progress=False)
            assert run.test is not None
            found[name][f"{size} rows %"] = 100 * run.test.accuracy
    return {**found, "rules alone, no training": {"10 rows %": 100 * rules_alone()}}


def rules_alone() -> float:
    """Test accuracy of the rules with their first probabilities, and an encoder that knows nothing."""
    task = load_task(TASK)
    source = open_data(task)
    model = build_model(task, source, seed=0)
    with torch.no_grad():
        for weights in model.encoder.parameters():
            weights.zero_()
    names = AnswerNames.of(model)
    prepared = prepare_all(model, source.splits.test, names, task)
    return measure(model, prepared, names, "test", task.evaluation).accuracy


_WIDTH, _HEIGHT, _LEFT, _TOP = 560, 320, 52, 20
_PLOT_WIDTH, _PLOT_HEIGHT = 380, 250
_COLOURS = ("#1f6f8b", "#c8553d", "#777777", "#8a6bb1")


def curve_svg(systems: Mapping[str, Mapping[str, Mapping[str, float]]], sizes: Sequence[int] = SIZES) -> str:
    """The learning curve as SVG: a line for each system through the means, a bar over the seeds.

    A system with a single figure is a level line.
    """
    values = [value for by_seed in systems.values() for row in by_seed.values() for value in row.values()]
    low = 5 * (min(values) // 5)

    def x(size: int) -> float:
        return _LEFT + _PLOT_WIDTH * sizes.index(size) / (len(sizes) - 1)

    def y(value: float) -> float:
        return _TOP + _PLOT_HEIGHT * (100 - value) / (100 - low)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif" '
        'font-size="12">',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>',
    ]
    for level in range(int(low), 101, 5):
        parts.append(f'<path d="M{_LEFT} {y(level):.1f}h{_PLOT_WIDTH}" stroke="#dddddd"/>')
        parts.append(f'<text x="{_LEFT - 8}" y="{y(level) + 4:.1f}" text-anchor="end">{level} %</text>')
    for size in sizes:
        parts.append(f'<text x="{x(size):.1f}" y="{_TOP + _PLOT_HEIGHT + 18}" text-anchor="middle">{size}</text>')
    middle = _LEFT + _PLOT_WIDTH / 2
    parts.append(f'<text x="{middle}" y="{_HEIGHT - 12}" text-anchor="middle">training rows</text>')
    for number, (colour, (name, by_seed)) in enumerate(zip(_COLOURS, systems.items(), strict=False)):
        points = [(size, _column(by_seed, size)) for size in sizes if _column(by_seed, size)]
        if len(points) == 1:
            level = y(statistics.mean(points[0][1]))
            parts.append(f'<path d="M{_LEFT} {level:.1f}h{_PLOT_WIDTH}" stroke="{colour}" stroke-dasharray="5 4"/>')
        else:
            line = " ".join(f"{x(size):.1f},{y(statistics.mean(column)):.1f}" for size, column in points)
            parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
            for size, column in points:
                bar = f"M{x(size):.1f} {y(min(column)):.1f}V{y(max(column)):.1f}"
                parts.append(f'<path d="{bar}" stroke="{colour}" stroke-opacity="0.5"/>')
        top = _TOP + 14 + 20 * number
        parts.append(f'<text x="{_LEFT + _PLOT_WIDTH + 12}" y="{top}" fill="{colour}">{name.partition(",")[0]}</text>')
    return "\n".join([*parts, "</svg>", ""])


def _column(by_seed: Mapping[str, Mapping[str, float]], size: int) -> Sequence[float]:
    return [row[f"{size} rows %"] for row in by_seed.values() if f"{size} rows %" in row]
