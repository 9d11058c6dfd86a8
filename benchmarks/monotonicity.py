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
from collections.abc import Mapping
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from torch.nn import functional

import nesy
from nesy.learning.batches import AnswerNames
from nesy.learning.evaluation import open_run
from nesy.learning.task import Task, load_task
from nesy.learning.training import prepare_all

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
    told = told_the_words(place, data)
    return {**found, "wider": [wider["atoms"], round(wider["atoms"] * wider["accuracy"])], "told": told}


@torch.no_grad()
def told_the_words(place: Path, data: Path) -> dict[str, list[int]]:
    """Rows and rows right of each kind if the encoder's word on which word is wider is replaced by the truth."""
    model, source, task = open_run(place, device="cpu", data=data)
    names = AnswerNames.of(model)
    found: dict[str, list[int]] = {}
    for prepared in prepare_all(model, source.splits.test, names, task):
        scores = model.scores(prepared.batch)
        for concept in prepared.concepts:
            scores[concept.predicate][concept.request] = 100.0 * functional.one_hot(concept.truth, 2).float()
        chosen = model.distribution(prepared.batch, scores).p.argmax(dim=1)
        for row, right in zip(prepared.rows, (chosen == prepared.target).tolist(), strict=True):
            counts = found.setdefault(str(row.columns["kind"]), [0, 0])
            counts[0] += 1
            counts[1] += right
    return found


def folded(task: Task, fold: int, folds: int) -> Task:
    """The task with a fold of the files as its test."""
    return task.with_options("data", options={**task.data.options, "fold": fold, "folds": folds})


def page(results: Mapping[str, Mapping[str, Any]], options: argparse.Namespace) -> str:
    """Rows of all folds together; mean over seeds."""
    seeds = sorted({key.split("/")[0] for key in results})
    lines = [
        "# Entailment under negation: MoNLI and ScoNe",
        "",
        f"`python -m benchmarks.monotonicity --seeds {' '.join(seeds)} --folds {options.folds}`: all folds together, "
        "mean over seeds. The last column",
        "is of the same runs, told which of the two words is wider: what is left are mistakes of scope, and of labels.",
        "",
        "| rows | number | right % | worst fold % | told the words % |",
        "|---|---|---|---|---|",
    ]
    for kind in ("nmonli_train", *_KINDS, "wider"):
        folds = {seed: [each[kind] for key, each in results.items() if key.startswith(f"{seed}/")] for seed in seeds}
        shares = [100 * sum(right for _, right in each) / sum(rows for rows, _ in each) for each in folds.values()]
        worst = min(100 * right / rows for each in folds.values() for rows, right in each)
        told = [each["told"][kind] for each in results.values() if kind in each["told"]]
        given = f"{100 * sum(right for _, right in told) / sum(rows for rows, _ in told):.1f}" if told else ""
        number = sum(rows for rows, _ in folds[seeds[0]])
        title = {"nmonli_train": "MoNLI, negated", "wider": "is one word wider than the other"}.get(kind, "")
        title = title or f"ScoNe, {kind.replace('_', ' ')}"
        lines.append(f"| {title} | {number:,} | {statistics.mean(shares):.1f} | {worst:.1f} | {given} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
