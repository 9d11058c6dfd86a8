"""The task `kinship` on CLUTRR's stories: trained on chains of two and three relations, asked for two to six.

Beside the task as it is: the same with the relations of the training stories given (a ceiling), and with compositions
that are learned instead of given (`learned.nesy`), from the answers and, so that its words mean what they say, from the
relations too. Relation accuracy is that of `kin` on the relations that the test stories were written from.
"""

from __future__ import annotations

import time
from pathlib import Path

import nesy
from nesy.learning import load_task
from nesy.learning.task import Task

TASK = Path(__file__).parent.parent / "tasks" / "kinship"
LENGTHS = range(2, 7)
OWN_EPOCHS = 15  # of 16 steps each


def answers_alone(seed: int, folder: Path, data: Path | None) -> dict[str, dict[str, float]]:
    """The task as it is, and with names dropped in training, so that people who are new are judged by what is said."""
    task = load_task(TASK)
    dropped = task.with_options("encoder", name_dropout=0.5)
    return {
        "compositions given": _figures(task, seed, folder / "alone", data),
        "compositions given, names dropped": _figures(dropped, seed, folder / "dropped", data),
    }


def relations_too(seed: int, folder: Path, data: Path | None) -> dict[str, dict[str, float]]:
    """What more is known in training."""
    task = load_task(TASK).with_options("training", concept_weight=1.0)
    learned = task.with_options("task", program="learned.nesy").with_options("training", rule_learning_rate=0.05)
    return {
        "relations given in training (ceiling)": _figures(task, seed, folder / "ceiling", data),
        "compositions learned, relations given": _figures(learned, seed, folder / "learned", data),
    }


def own_stories(seed: int, folder: Path) -> dict[str, dict[str, float]]:
    """Fewer of the task's own stories, which are of two to five steps, with relations given.

    Their test has people of its own: `name_dropout` keeps the encoder from telling sexes by names alone.
    """
    task = load_task(TASK).with_options("data", options={"train": 1000, "dev": 100, "test": 200})
    task = task.with_options("training", concept_weight=1.0, epochs=OWN_EPOCHS, rule_learning_rate=0.05)
    return {
        "compositions given": _figures(task, seed, folder / "given", None),
        "compositions learned": _figures(task.with_options("task", program="learned.nesy"), seed, folder / "l", None),
        "compositions given, names dropped": _figures(
            task.with_options("encoder", name_dropout=0.5), seed, folder / "dropped", None
        ),
    }


def _figures(task: Task, seed: int, folder: Path, data: Path | None) -> dict[str, float]:
    started = time.process_time()
    run = nesy.train(task, folder, seed=seed, data=data, progress=False)
    seconds = time.process_time() - started
    assert run.test is not None
    found = {f"k = {k} %": run.test.slices.get(f"steps={k}") for k in LENGTHS}
    by_length = {name: 100 * figures.accuracy for name, figures in found.items() if figures is not None}
    kin, sex = (100 * run.test.concepts[name].accuracy for name in ("kin", "gender"))
    return {**by_length, "all %": 100 * run.test.accuracy, "relations %": kin, "sex %": sex, "CPU s": seconds}
