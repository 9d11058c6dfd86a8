"""The task `kinship` on CLUTRR's stories: trained on chains of two and three relations, asked for two to six.

Beside the task as it is: names dropped in training; a transformer as the encoder, with the relations of the training
stories given, or from answers alone, which a run of the task teaches it to use, and which teaches one; what MiniLM
knows of single words, added to those that hypervectors learn; and hypervectors with relations given. Relation accuracy
is that of `kin` on the relations that the test stories were written from.

Some labels of the test contradict their sentences (`nesy/learning/generators/plain_kin.py`). Figures are of all
stories; those called `agreeing` are of the stories without such a sentence.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

import nesy
from nesy.language.values import format_value
from nesy.learning import load_task
from nesy.learning.generators import clutrr, kinship
from nesy.learning.metrics import Metrics
from nesy.learning.task import Task
from nesy.perception import Interface, Keys, encoder_class
from nesy.run_folder import is_run

TASK = Path(__file__).parent.parent / "tasks" / "kinship"
MINILM = TASK.with_name("kinship-minilm")
WORDS = TASK.with_name("kinship-words")
TIMED = 64  # stories
SURE = 30.0  # a score
LENGTHS = range(2, 7)
ANSWERS_ALONE = {"concept_weight": 0.0, "epochs": 2, "batch_size": 32}  # of MiniLM


def answers_alone(seed: int, folder: Path, data: Path | None) -> dict[str, dict[str, float]]:
    """The task as it is."""
    return {"compositions given": figures(load_task(TASK), seed, folder / "alone", data)}


def names_dropped(seed: int, folder: Path, data: Path | None) -> dict[str, dict[str, float]]:
    """With names dropped in training, so that people who are new are judged by what is said."""
    dropped = load_task(TASK).with_options("encoder", name_dropout=0.5)
    return {"compositions given, names dropped": figures(dropped, seed, folder / "dropped", data)}


def relations_read(seed: int, folder: Path, data: Path) -> dict[str, dict[str, float]]:
    """MiniLM as the encoder, with the relations of the training stories given: `tasks/kinship-minilm` as it is."""
    return {"MiniLM as the encoder, relations given": figures(load_task(MINILM), seed, folder / "given", data)}


def rules_alone(seed: int, folder: Path, data: Path) -> dict[str, dict[str, float]]:
    """What the rules make of the relations that the test stories were written from, as if all were read as labelled;
    and how many stories have no sentence that plainly contradicts its label.
    """
    task, rows = load_task(TASK), kinship.rows("test", 0, 0, path=str(data))
    right = as_labelled(nesy.load(task.program), rows)
    agreeing = [row["agreeing_steps"] is not None for row in rows]
    return {
        "relations as labelled (ceiling of the rules)": shares(rows, right),
        "no label contradicted by its sentence": shares(rows, agreeing),
        "both": shares(rows, [a and b for a, b in zip(right, agreeing, strict=True)]),
    }


def as_labelled(program: nesy.Program, rows: Sequence[Mapping[str, Any]]) -> list[bool]:
    """Whether the rules answer each story rightly if every relation is read as it was written."""
    payloads = [{"text": row["text"]} for row in rows]
    encoder = encoder_class("story").build({"dim": 8, "vocabulary": 256}, Interface.of(program.core), payloads, 0)
    model = nesy.Model(program, encoder)
    right: list[bool] = []
    for start in range(0, len(rows), 32):
        some = rows[start : start + 32]
        batch = model.prepare(payloads[start : start + 32], learn=True)
        truth = {name: _written(model, name, keys, some) for name, keys in batch.requests.items()}
        with torch.no_grad():
            found = model.distribution(batch, truth)
        answers = [str(found.answers[column]) for column in found.p.argmax(1).tolist()]
        right += [answer == f"relation({row['relation']})" for row, answer in zip(some, answers, strict=True)]
    return right


def shares(rows: Sequence[Mapping[str, Any]], holds: Sequence[bool]) -> dict[str, float]:
    """The share of the rows that something holds of, by the length of the chain, in percent."""
    by_length = {
        f"k = {k} %": 100 * statistics.mean(flag for row, flag in zip(rows, holds, strict=True) if row["steps"] == k)
        for k in LENGTHS
    }
    return {**by_length, "all %": 100 * statistics.mean(holds)}


def _written(model: nesy.Model, predicate: str, keys: Keys, rows: Sequence[Mapping[str, Any]]) -> torch.Tensor:
    """Scores that say of each key what its story was written from, and of all others that nothing is stated."""
    values = [format_value(value) for value in model.core.neural[predicate].values or ()]
    scores = torch.zeros(len(keys), len(values))
    for place, (sample, key) in enumerate(zip(keys.sample.tolist(), keys.key, strict=True)):
        known = {tuple(atom[:-1]): atom[-1] for atom in rows[sample]["concepts"][predicate]}
        scores[place, values.index(known.get(key, values[0]))] = SURE
    return scores


def taught(seed: int, folder: Path, data: Path) -> Iterator[tuple[str, dict[str, float]]]:
    """MiniLM as the encoder, taught by a run of the task, and a run of the task that it teaches.

    No relation is ever given to any of them. The first teacher is the run of `answers_alone`, if the folder has it.
    The student is also told what MiniLM makes of stories without answers (`further_stories`), and sees each labelled
    sentence in fewer stories, so that asking MiniLM takes no longer than training.
    """
    first, transformer, student = folder / "alone", folder / "transformer", folder / "student"
    clutrr_23 = data / "amt_k23"
    if not is_run(first):
        nesy.train(TASK, first, seed=seed, data=clutrr_23, progress=False)
    alone = load_task(MINILM).with_options("training", **ANSWERS_ALONE)
    yield "MiniLM as the encoder", figures(alone, seed, transformer, clutrr_23, first)
    unlabelled = _further_file(folder, data)
    fewer = load_task(TASK).with_options("data", options={"repeats": 2})
    yield "student with teacher", figures(fewer, seed, student, clutrr_23, transformer, unlabelled)


def words_taught(seed: int, folder: Path, data: Path) -> dict[str, dict[str, float]]:
    """Hypervectors with MiniLM's words, taught by MiniLM as the encoder; relations are given to both.

    The teacher is the run of `relations_read`, if the folder has it. The student is also told what it makes of stories
    without answers.
    """
    teacher, clutrr_23 = folder / "given", data / "amt_k23"
    if not is_run(teacher):
        nesy.train(MINILM, teacher, seed=seed, data=clutrr_23, progress=False)
    unlabelled = _further_file(folder, data)
    found = figures(load_task(WORDS), seed, folder / "words-taught", clutrr_23, teacher, unlabelled)
    return {"with MiniLM's words and MiniLM as the teacher, relations given": found}


def _further_file(folder: Path, data: Path) -> Path:
    """A file of the stories without answers."""
    path = folder / "further.jsonl"
    path.write_text("\n".join(json.dumps({"text": text}) for text in further_stories(data)) + "\n")
    return path


def further_stories(data: Path) -> list[str]:
    """Training stories of other sets with a sentence that the training of `amt_k23` lacks, and none of its test."""
    patterns = clutrr.sentences
    own = {pattern for row in clutrr.rows("train", data / "amt_k23", 0.0) for pattern in patterns(row["text"])}
    test = {pattern for row in clutrr.rows("test", data / "amt_k23", 0.0) for pattern in patterns(row["text"])}
    met = {pattern for pattern in own if len(pattern) >= clutrr.COMMON}
    found = []
    for other in ("amt_k234", "amt_robust/clean"):
        for row in clutrr.rows("train", data / other, 0.0):
            said = {pattern for pattern in patterns(row["text"]) if len(pattern) >= clutrr.COMMON}
            if not said <= met and said.isdisjoint(test):
                met |= said
                found.append(row["text"])
    return found


def relations_too(seed: int, folder: Path, data: Path | None) -> dict[str, dict[str, float]]:
    """With the relations of the training stories known, too."""
    task = load_task(TASK).with_options("training", concept_weight=1.0)
    return {"relations given in training (ceiling)": figures(task, seed, folder / "ceiling", data)}


def words_too(seed: int, folder: Path, data: Path | None) -> dict[str, dict[str, float]]:
    """Hypervectors to whose words those of MiniLM are added, with relations given and from answers alone."""
    given = load_task(WORDS)
    alone = given.with_options("training", concept_weight=0.0)
    return {
        "with MiniLM's words, relations given": figures(given, seed, folder / "words-given", data),
        "with MiniLM's words, answers alone": figures(alone, seed, folder / "words", data),
    }


def figures(
    task: Task,
    seed: int,
    folder: Path,
    data: Path | None,
    teacher: Path | None = None,
    unlabelled: Path | None = None,
) -> dict[str, float]:
    started = time.process_time()
    if teacher is None:
        run = nesy.train(task, folder, seed=seed, data=data, progress=False)
    else:
        run = nesy.distill(
            task, teacher, folder, seed=seed, data=data, unlabelled=unlabelled, compare=False, progress=False
        )
    seconds = time.process_time() - started
    assert run.test is not None
    kin, sex = (100 * run.test.concepts[name].accuracy for name in ("kin", "gender"))
    return {
        **_by_length(run.test, "steps", ""),
        "all %": 100 * run.test.accuracy,
        **_by_length(run.test, "agreeing_steps", "agreeing "),
        "relations %": kin,
        "sex %": sex,
        "dev %": 100 * run.dev.accuracy,
        "parameters": run.extra["parameters"],
        "answers a CPU s": _speed(run.model, data),
        "CPU s": seconds,
    }


def _by_length(test: Metrics, column: str, prefix: str) -> dict[str, float]:
    """Accuracy by the length of the chain; of agreeing stories, which no other figure is of, over all lengths, too."""
    found = {k: figures for k in LENGTHS if (figures := test.slices.get(f"{column}={k}")) is not None}
    each = {f"{prefix}k = {k} %": 100 * figures.accuracy for k, figures in found.items()}
    rows = sum(figures.rows for figures in found.values())
    if not prefix or not rows:
        return each
    return {**each, f"{prefix}%": 100 * sum(figures.rows * figures.accuracy for figures in found.values()) / rows}


def _speed(model: nesy.Model, data: Path | None) -> float:
    """Stories of the test's first rows answered one batch after the other, everything included."""
    rows = kinship.rows("test", 0, 0, path=str(data or ""))[:TIMED]
    started = time.process_time()
    for start in range(0, len(rows), 32):
        batch = model.prepare([{"text": row["text"]} for row in rows[start : start + 32]])
        with torch.no_grad():
            model(batch)
    return len(rows) / (time.process_time() - started)
