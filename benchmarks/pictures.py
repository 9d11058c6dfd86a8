"""Sums of MNIST's digits, and handwritten formulas: what `tasks/mnist` and `tasks/formula` reach from answers alone."""

from __future__ import annotations

import time
from pathlib import Path

import nesy
from nesy.learning import load_task

ROOT = Path(__file__).parent.parent
EPOCHS = {2: 16, 3: 20, 4: 28}  # groups of more pictures are fewer, so this many give about as many steps
FORMULA_EPOCHS = 16  # of MNIST's 5,000 digits; the task's own 40 are of 1,200

Figures = dict[str, float]


def mnist(seed: int, folder: Path, data: Path) -> dict[str, Figures]:
    """Sums of 2, 3 and 4 pictures; `data` holds an IDX file of pictures and one of labels."""
    found: dict[str, Figures] = {}
    for count, epochs in EPOCHS.items():
        task = load_task(ROOT / "tasks" / "mnist").with_options("data", options={"count": count})
        started = time.process_time()
        run = nesy.train(task, folder / f"mnist-{count}-{seed}", seed=seed, data=data, epochs=epochs, progress=False)
        assert run.test is not None
        found[f"sums of {count}"] = {
            "sums %": 100 * run.test.accuracy,
            "digits %": 100 * run.test.concepts["digit"].accuracy,
            "dev sums %": 100 * run.dev.accuracy,
            "training CPU s": time.process_time() - started,
        }
    return found


def formulas(seed: int, folder: Path, data: Path | None) -> dict[str, Figures]:
    """Formulas of 1 to 7 marks; `data` holds MNIST's digits and the operators, None stands for the task's own."""
    started = time.process_time()
    task, out = ROOT / "tasks" / "formula", folder / f"formula-{seed}"
    epochs = FORMULA_EPOCHS if data is not None else None
    run = nesy.train(task, out, seed=seed, data=data, epochs=epochs, progress=False)
    assert run.test is not None
    by_length = {f"{name} %": 100 * figures.accuracy for name, figures in run.test.slices.items()}
    return {
        "values given": {
            "all %": 100 * run.test.accuracy,
            **by_length,
            "marks %": 100 * run.test.concepts["mark"].accuracy,
            "dev all %": 100 * run.dev.accuracy,
            "training CPU s": time.process_time() - started,
        }
    }
