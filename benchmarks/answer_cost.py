"""What an answer of the sentiment student costs, part by part, beside its teacher's forward pass; CPU seconds.

    python -m benchmarks.answer_cost [--sst FOLDER]

The student is untrained: what it costs does not depend on weights. The structures of its rules are known from a first
pass over the same rows, which is shown apart. The teacher embeds the same sentences in batches of 32 of like length.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch

from benchmarks.distillation import sst_rows
from nesy.distillation import Teacher
from nesy.learning.batches import AnswerNames
from nesy.learning.measure import answer_all
from nesy.learning.sources import open_data
from nesy.learning.task import load_task
from nesy.learning.training import build_model, prepare_all

ROOT = Path(__file__).parent.parent
ROUNDS = 4  # the best counts
T = TypeVar("T")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sst", type=Path, default=ROOT.parent / "shared" / "data" / "sst")
    options = parser.parse_args()
    torch.set_num_threads(1)
    task = load_task(ROOT / "tasks" / "sentiment")
    with tempfile.TemporaryDirectory() as folder:
        source = open_data(task, sst_rows(options.sst, Path(folder)))
    model, rows = build_model(task, source, 0), source.splits.test
    rounds = []
    for _ in range(1 + ROUNDS):
        names = AnswerNames.of(model)
        reading, prepared = timed(lambda names=names: prepare_all(model, rows, names, task))
        answering, _ = timed(lambda names=names, prepared=prepared: answer_all(model, prepared, names))
        rounds.append((reading, answering))
    first, best = rounds[0], min(rounds[1:], key=sum)
    teacher = Teacher.from_pretrained("minilm", device="cpu")
    texts = sorted((str(row.payload["text"]) for row in rows[:256]), key=len)
    batches = [texts[start : start + 32] for start in range(0, len(texts), 32)]
    teaching, _ = timed(lambda: [teacher.backbone.features(batch) for batch in batches])
    student, theirs = len(rows) / sum(best), len(texts) / teaching
    print(f"first pass        {1000 * sum(first) / len(rows):.3f} ms a row")
    print(f"facts and rules   {1000 * best[0] / len(rows):.3f} ms")
    print(f"encoder and exact {1000 * best[1] / len(rows):.3f} ms")
    print(f"student           {student:,.0f} rows a second")
    print(f"teacher           {theirs:,.0f} rows a second ({teacher.backbone.precision})")
    print(f"ratio             {student / theirs:.1f}")


def timed(work: Callable[[], T]) -> tuple[float, T]:
    """CPU seconds of one call, and what it gave."""
    started = time.process_time()
    found = work()
    return time.process_time() - started, found


if __name__ == "__main__":
    main()
