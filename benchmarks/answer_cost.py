"""What an answer of the sentiment student costs, part by part, beside its teacher's forward pass; CPU seconds.

    python -m benchmarks.answer_cost [--sst FOLDER]

The student is untrained: what it costs does not depend on weights. What counts are sentences that it has met before, in
whatever batches. Shown apart are sentences that it has not met: the first that it meets at all, which are analysed from
nothing, and the same after those of training. The teacher embeds the sentences in batches of 32 of like length.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch

from benchmarks.distillation import sst_rows
from nesy.distillation import Teacher
from nesy.learning.batches import AnswerNames
from nesy.learning.data import Row
from nesy.learning.measure import answer_all
from nesy.learning.sources import open_data
from nesy.learning.task import Task, load_task
from nesy.learning.training import build_model, prepare_all
from nesy.model import Model

ROOT = Path(__file__).parent.parent
ROUNDS = 8  # the best counts
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
    rounds = [passed(model, rows, task) for _ in range(1 + ROUNDS)]
    first, best = rounds[0], min(rounds[1:], key=sum)
    trained = build_model(task, source, 0)
    passed(trained, source.splits.train, task)
    new = passed(trained, rows, task)
    teacher = Teacher.from_pretrained("minilm", device="cpu")
    texts = sorted((str(row.payload["text"]) for row in rows[:256]), key=len)
    batches = [texts[start : start + 32] for start in range(0, len(texts), 32)]
    teaching, _ = timed(lambda: [teacher.backbone.features(batch) for batch in batches])
    student, theirs = len(rows) / sum(best), len(texts) / teaching
    print(f"first sentences   {1000 * sum(first) / len(rows):.3f} ms a row")
    print(f"new sentences     {1000 * sum(new) / len(rows):.3f} ms, after those of training")
    print(f"facts and rules   {1000 * best[0] / len(rows):.3f} ms")
    print(f"encoder and exact {1000 * best[1] / len(rows):.3f} ms")
    print(f"student           {student:,.0f} rows a second")
    print(f"teacher           {theirs:,.0f} rows a second ({teacher.backbone.precision})")
    print(f"ratio             {student / theirs:.1f}")


def passed(model: Model, rows: Sequence[Row], task: Task) -> tuple[float, float]:
    """CPU seconds of running the rules over rows and of answering them."""
    names = AnswerNames.of(model)
    reading, prepared = timed(lambda: prepare_all(model, rows, names, task))
    answering, _ = timed(lambda: answer_all(model, prepared, names))
    return reading, answering


def timed(work: Callable[[], T]) -> tuple[float, T]:
    """CPU seconds of one call, and what it gave."""
    started = time.process_time()
    found = work()
    return time.process_time() - started, found


if __name__ == "__main__":
    main()
