"""Which readout is worth it: cosine, linear, MLP and KAN on the same encoders, tasks and seeds.

    python -m benchmarks.readouts [digits] [negation] [table] [--seeds 0 1 2] [--out benchmarks/results]

`digits`    tasks/digits: the sum of two pictures, from sums alone
`negation`  tasks/negation on its own sentences
`table`     scikit-learn's breast cancer table, 30 columns of numbers: 369 rows to train on, 100 dev, 100 test, drawn
            anew by each seed

Everything but `[encoder] readout` is as in the task's task.toml, which was tuned for `linear`; nothing was tuned for
the others. Accuracy is that of the answers on test rows; parameters are the encoder's; seconds are CPU seconds of this
process on one thread, everything included. Figures of other tasks and seeds in readouts.json are kept.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
from sklearn.datasets import load_breast_cancer

import nesy
from benchmarks.measuring import Spread, table
from nesy.learning import load_task

ROOT = Path(__file__).parent.parent
READOUTS = ("linear", "cosine", "mlp", "kan-gaussian", "kan-spline")
PROGRAM = """\
#input row(index).
#neural tumour(R) -> {malignant, benign} :- row(R).
diagnosis(K) :- tumour(_, K).
#query diagnosis(K).
"""
TASK = """\
[task]
program = "program.nesy"
query = "diagnosis(K)"

[encoder]
kind = "table"

[data]
train = "train.jsonl"
dev = "dev.jsonl"
test = "test.jsonl"
answer = "diagnosis"

[training]
epochs = 30
batch_size = 32
learning_rate = 5e-3
"""


def table_task(folder: Path, seed: int) -> Path:
    """The table as a task folder, its rows split by the seed."""
    data = load_breast_cancer()
    names = [name.replace(" ", "_") for name in data.feature_names]
    kinds = [str(data.target_names[target]) for target in data.target]
    order = np.random.default_rng(seed).permutation(len(kinds))
    made = folder / f"table-{seed}"
    made.mkdir()
    (made / "program.nesy").write_text(PROGRAM)
    (made / "task.toml").write_text(TASK)
    for split, rows in (("train", order[:369]), ("dev", order[369:469]), ("test", order[469:])):
        records = [dict(zip(names, data.data[i].tolist(), strict=True)) | {"diagnosis": kinds[i]} for i in rows]
        (made / f"{split}.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    return made


def measure(part: str, readout: str, seed: int, folder: Path) -> dict[str, float]:
    source = table_task(folder, seed) if part == "table" else ROOT / "tasks" / part
    task = load_task(source).with_options("encoder", readout=readout)
    start = time.process_time()
    run = nesy.train(task, folder / f"{part}-{readout}-{seed}", seed=seed, progress=False)
    seconds = time.process_time() - start
    assert run.test is not None
    parameters = sum(weights.numel() for weights in run.model.encoder.parameters())
    return {"accuracy %": 100 * run.test.accuracy, "parameters": parameters, "training CPU s": seconds}


def page(machine: str, results: Mapping[str, Mapping[str, Mapping[str, Mapping[str, float]]]]) -> str:
    lines = [
        "# Readouts",
        "",
        "`python -m benchmarks.readouts`: mean over seeds (smallest to largest).",
        "",
        machine,
        "",
    ]
    for part, readouts in results.items():
        seeds = sorted({seed for runs in readouts.values() for seed in runs}, key=int)
        rows = []
        for readout, runs in readouts.items():
            accuracy = [runs[seed]["accuracy %"] for seed in runs]
            mean = f"{sum(accuracy) / len(accuracy):.1f} ({min(accuracy):.1f} to {max(accuracy):.1f})"
            first = next(iter(runs.values()))
            spent = Spread.of([runs[seed]["training CPU s"] for seed in runs])
            rows.append([readout, mean, f"{first['parameters']:,.0f}", str(spent)])
        head = ["readout", "accuracy %", "parameters", "training CPU s, median"]
        lines += [f"## {part} (seeds {', '.join(seeds)})", "", table(head, rows), ""]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = ["table", "digits", "negation"]
    parser.add_argument("parts", nargs="*", default=names)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results")
    options = parser.parse_args()
    if unknown := set(options.parts) - set(names):
        parser.error(f"unknown part {', '.join(sorted(unknown))}: there are {', '.join(names)}")
    torch.set_num_threads(1)
    path = options.out / "readouts.json"
    results: dict[str, Any] = json.loads(path.read_text())["parts"] if path.exists() else {}
    machine = f"{platform.machine()}, one thread, Python {platform.python_version()}, torch {torch.__version__}"
    for part in options.parts:
        for seed in options.seeds:
            for readout in READOUTS:
                with tempfile.TemporaryDirectory() as folder:
                    figures = measure(part, readout, seed, Path(folder))
                results.setdefault(part, {}).setdefault(readout, {})[str(seed)] = figures
                print(part, seed, readout, json.dumps(figures), flush=True)
                path.write_text(json.dumps({"machine": machine, "parts": results}, indent=1) + "\n")
                (options.out / "readouts.md").write_text(page(machine, results))


if __name__ == "__main__":
    main()
