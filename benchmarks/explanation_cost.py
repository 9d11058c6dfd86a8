"""What an explanation costs: run `python -m benchmarks.explanation_cost --run runs/negation`.

CPU milliseconds on one thread that why, blame and certificate (`Answer.explain`) add to an answer: for sentences of
`tasks/negation`'s test split with the given run, and for CLUTRR's stories of six sentences, each of whose edges is
proposed with probability 0.9. Median, 90th percentile and most, after a first answer; each answer explained three
times, the middle one counts.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import ast
import csv
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch

import nesy
from benchmarks.explanation import KINSHIP
from nesy.learning.evaluation import open_run
from nesy.program import Program

HERE = Path(__file__).parent


def milliseconds(work: Callable[[], object]) -> float:
    """The middle of three."""
    spent = []
    for _ in range(3):
        start = time.process_time()
        work()
        spent.append((time.process_time() - start) * 1e3)
    return statistics.median(spent)


def row(name: str, answers: list[Callable[[], nesy.Answer]]) -> str:
    answers[0]().explain()  # libraries are loaded
    ask, explain, verdicts = [], [], []
    for answered in answers:
        answer = answered()
        ask.append(milliseconds(answered))
        explain.append(milliseconds(answer.explain))
        said = answer.explain().certificate
        verdicts.append(said.verdict if said else "no proof")
    most = sorted(explain)
    counts = ", ".join(f"{verdicts.count(v)} {v}" for v in dict.fromkeys(verdicts))
    return (
        f"| {name} | {len(answers)} | {statistics.median(ask):.1f} | {statistics.median(explain):.1f} "
        f"| {most[int(0.9 * len(most))]:.1f} | {most[-1]:.1f} | {counts} |"
    )


def sentences(run: Path, count: int) -> list[Callable[[], nesy.Answer]]:
    model = nesy.Model.from_pretrained(run, device="cpu")
    _, source, _ = open_run(run, device="cpu", data=None)
    rows = source.splits.of("test")
    return [lambda payload=row.payload: model.ask(payload) for row in rows[:: max(1, len(rows) // count)]]


def stories(path: Path, count: int) -> list[Callable[[], nesy.Answer]]:
    program = Program.from_text(KINSHIP)
    found = []
    with path.open(newline="") as file:
        for row in list(csv.DictReader(file))[:count]:
            edges = zip(ast.literal_eval(row["story_edges"]), ast.literal_eval(row["edge_types"]), strict=True)
            facts = {"edge": {(a, kind, b): 0.9 for (a, b), kind in edges}}
            source, target = ast.literal_eval(row["query_edge"])
            query = f"relation({source}, R, {target})"
            found.append(lambda facts=facts, query=query: program.query(query, facts))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, required=True, help="a run of tasks/negation")
    parser.add_argument("--data", type=Path, default=HERE.parent.parent / "shared" / "data")
    parser.add_argument("--count", type=int, default=60)
    options = parser.parse_args()
    torch.set_num_threads(1)
    print("| answers | how many | answer, ms | + why, blame, certificate, ms | 90 % below | most | certificates |")
    print("|---|---|---|---|---|---|---|")
    print(row("sentences of tasks/negation", sentences(options.run, options.count)))
    path = options.data / "clutrr" / "amt_k23" / "test_k6.csv"
    if not path.is_file():
        sys.exit(f"no data at {path}: name its folder with --data")
    print(row("CLUTRR stories, k = 6, edges at 0.9", stories(path, options.count)))


if __name__ == "__main__":
    main()
