"""Entailment under negation on MoNLI and ScoNe: tasks/monotonicity, tested on frames and words it was not trained on.

    python -m benchmarks.monotonicity [--data FOLDER] [--seeds 0] [--folds 4]

The files that can be had are all called training files, so the test is a fold of them: no frame of a test sentence,
and no wider word of that frame, is in a negated training sentence or one of ScoNe's variants, and no pair of words of
the test is in any training row. All folds together test every such row once. MoNLI's rows without negation are trained
on, as in its paper, and 3,000 sentences of the project's own.

Results go to `benchmarks/results/monotonicity.json` and `.md`. Runs are kept in --runs: what is there is not trained
again.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch

import nesy
from nesy.learning.task import Task, load_task

ROOT = Path(__file__).parent.parent
RESULTS = Path(__file__).parent / "results"
TASK = ROOT / "tasks" / "monotonicity"

_KINDS = (
    "no_negation", "one_scoped", "one_not_scoped", "two_scoped", "two_not_scoped", "one_scoped_one_not_scoped",
)  # fmt: skip


def main() -> None:
    """Train what is not there yet and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--folds", type=int, default=4)
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--runs", type=Path, default=ROOT / "runs" / "monotonicity")
    options = parser.parse_args()
    torch.set_num_threads(1)
    results = {}
    for seed in options.seeds:
        for fold in range(options.folds):
            place = options.runs / f"seed{seed}-fold{fold}"
            results[f"{seed}/{fold}"] = figures(place, seed, fold, options.folds, options.data)
            print(seed, fold, json.dumps(results[f"{seed}/{fold}"]), flush=True)
    options.results.mkdir(parents=True, exist_ok=True)
    (options.results / "monotonicity.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    (options.results / "monotonicity.md").write_text(page(results, options), encoding="utf-8")
    print(page(results, options))


def figures(place: Path, seed: int, fold: int, folds: int, data: Path) -> dict[str, Any]:
    """Rows and rows right of each kind, of one fold."""
    if not (place / "metrics.json").exists():
        nesy.train(folded(load_task(TASK), fold, folds), place, seed=seed, data=data)
    document = json.loads((place / "metrics.json").read_text())["test"]
    slices = {name.removeprefix("kind="): each for name, each in document["slices"].items()}
    found = {name: [each["rows"], round(each["rows"] * each["accuracy"])] for name, each in slices.items()}
    wider = document["concepts"]["wider"]
    return {**found, "wider": [wider["atoms"], round(wider["atoms"] * wider["accuracy"])]}


def folded(task: Task, fold: int, folds: int) -> Task:
    """The task with a fold of the files as its test."""
    return task.with_options("data", options={**task.data.options, "fold": fold, "folds": folds})


def page(results: Mapping[str, Mapping[str, Sequence[int]]], options: argparse.Namespace) -> str:
    """Rows of all folds together; mean over seeds."""
    seeds = sorted({key.split("/")[0] for key in results})
    lines = [
        "# Entailment under negation: MoNLI and ScoNe",
        "",
        f"`python -m benchmarks.monotonicity --seeds {' '.join(seeds)} --folds {options.folds}`: all folds together, "
        "mean over seeds (smallest to largest).",
        "",
        "| rows | number | right % | worst fold % |",
        "|---|---|---|---|",
    ]
    for kind in ("nmonli_train", *_KINDS, "wider"):
        folds = {seed: [each[kind] for key, each in results.items() if key.startswith(f"{seed}/")] for seed in seeds}
        rights = [100 * sum(right for _, right in each) / sum(rows for rows, _ in each) for each in folds.values()]
        worst = min(100 * right / rows for each in folds.values() for rows, right in each)
        number = sum(rows for rows, _ in folds[seeds[0]])
        spread = f" ({min(rights):.1f} to {max(rights):.1f})" if len(seeds) > 1 else ""
        title = {"nmonli_train": "MoNLI, negated", "wider": "which word is wider"}.get(kind, kind.replace("_", " "))
        lines.append(f"| {title} | {number:,} | {statistics.mean(rights):.1f}{spread} | {worst:.1f} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
