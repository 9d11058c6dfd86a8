"""The shipped tasks: what they reach, beside what bounds them from above and from below.

    python -m benchmarks.tasks [digits] [sentences] [sst] [mnist] [formula] [own-formula] [diabetes]
                               [kinship] [kinship-minilm] [kinship-teacher] [kinship-names] [kinship-rules]
                               [kinship-more] [kinship-words] [kinship-words-taught] [kinship-compositions]
                               [own-kinship]
                               [--seeds 0 1 2] [--data ../shared/data] [--out benchmarks/results] [--runs FOLDER]

`digits`     the sum of two digits from sums alone; beside it the same encoder trained on the digits themselves (the
             ceiling), and the CPU time of a training epoch against the same loop with the sum written by hand.
`sentences`  the negation task on its own sentences, with its rules and with the same encoder without them.
`sst`        the same on SST-2 (`DATA/sst`): trained on its training sentences,
             measured on its dev sentences, and on the task's own minimal pairs, whose words it has to know from SST.
`mnist`      sums of 2, 3 and 4 of MNIST's digits (`DATA/mnist_10k`), trained on sums alone (`benchmarks/pictures.py`).
`formula`    handwritten formulas of those and `DATA/mdas_operators`, trained on values alone.
`own-formula`  the same of scikit-learn's digits and operators that are drawn.
`diabetes`     a table with few training rows, with and without rules (`benchmarks/few_rows.py`); also drawn as
             `few_rows.svg`.
`kinship`    CLUTRR's stories (`DATA/clutrr/amt_k23`), trained on chains of two and three relations from answers alone
             (`benchmarks/kinship.py`); `kinship-minilm` with MiniLM as the encoder and the training stories' relations
             given; `kinship-teacher` with MiniLM from answers alone, and a student that it teaches;
             `kinship-names` with names dropped in training; `kinship-rules` what the rules make of relations that are
             all read rightly; `kinship-words` with what MiniLM knows of single words, with relations given and from
             answers alone, and `kinship-words-taught` with MiniLM as the teacher, too; `kinship-more` with relations
             given in training, and `kinship-compositions` with compositions learned as well
             (`benchmarks/compositions.py`); `own-kinship` the same of the task's own stories.

Every figure is of rows that nothing was chosen by. Seconds of training are CPU seconds of this process on one thread,
everything included: data, rules, every epoch, measuring.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch

import nesy
from benchmarks.compositions import compositions, own_stories
from benchmarks.few_rows import curve_svg, few_rows
from benchmarks.kinship import (
    answers_alone,
    names_dropped,
    relations_read,
    relations_too,
    rules_alone,
    taught,
    words_taught,
    words_too,
)
from benchmarks.pictures import formulas, mnist
from nesy.learning import load_task
from nesy.learning.generators import digits as digits_rows
from nesy.learning.generators import negation as negation_rows
from nesy.learning.sources import open_data
from nesy.perception import Encoder, Interface, Keys, encoder_class
from nesy.perception.text.words import split_words

ROOT = Path(__file__).parent.parent
WITHOUT_RULES = """\
% The same encoder, and no negation: every word says what it leans to.
#input token(index, word).
#neural leans(T) -> {positive, negative} :- token(T, _).
label(P) :- leans(_, P).
:- label(positive), label(negative).
#query label(P).
"""

SST_EPOCHS = 6  # of 195 steps each; the task's own 16 epochs have 38

_FOLDERS = {
    "sst": ["sst"],
    "mnist": ["mnist_10k"],
    "formula": ["mnist_10k", "mdas_operators"],
    "kinship": ["clutrr/amt_k23"],
    "kinship-minilm": ["clutrr/amt_k23"],
    "kinship-teacher": ["clutrr/amt_k23", "clutrr/amt_k234", "clutrr/amt_robust/clean"],
    "kinship-names": ["clutrr/amt_k23"],
    "kinship-rules": ["clutrr/amt_k23"],
    "kinship-more": ["clutrr/amt_k23"],
    "kinship-words": ["clutrr/amt_k23"],
    "kinship-words-taught": ["clutrr/amt_k23", "clutrr/amt_k234", "clutrr/amt_robust/clean"],
    "kinship-compositions": ["clutrr/amt_k23"],
}  # of data that they need

Figures = dict[str, float]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("parts", nargs="*", help="all of them if none is named")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data", help="a folder of data sets")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results")
    parser.add_argument("--runs", type=Path, help="where trained runs are kept, for other parts to use")
    arguments = parser.parse_args()
    data: Path = arguments.data
    torch.set_num_threads(1)
    parts: dict[str, Callable[[int, Path], dict[str, Figures] | Iterator[tuple[str, Figures]]]] = {
        "digits": digits,
        "sentences": lambda seed, folder: sentences(seed, folder, None),
        "sst": lambda seed, folder: sentences(seed, folder, data / "sst"),
        "mnist": lambda seed, folder: mnist(seed, folder, data / "mnist_10k"),
        "formula": lambda seed, folder: formulas(seed, folder, data),
        "own-formula": lambda seed, folder: formulas(seed, folder, None),
        "diabetes": few_rows,
        "kinship": lambda seed, folder: answers_alone(seed, folder, data / "clutrr" / "amt_k23"),
        "kinship-minilm": lambda seed, folder: relations_read(seed, folder, data / "clutrr" / "amt_k23"),
        "kinship-teacher": lambda seed, folder: taught(seed, folder, data / "clutrr"),
        "kinship-rules": lambda seed, folder: rules_alone(seed, folder, data / "clutrr" / "amt_k23"),
        "kinship-names": lambda seed, folder: names_dropped(seed, folder, data / "clutrr" / "amt_k23"),
        "kinship-more": lambda seed, folder: relations_too(seed, folder, data / "clutrr" / "amt_k23"),
        "kinship-words": lambda seed, folder: words_too(seed, folder, data / "clutrr" / "amt_k23"),
        "kinship-words-taught": lambda seed, folder: words_taught(seed, folder, data / "clutrr"),
        "kinship-compositions": lambda seed, folder: compositions(seed, folder, data / "clutrr" / "amt_k23"),
        "own-kinship": own_stories,
    }
    unknown = set(arguments.parts) - set(parts)
    if unknown:
        parser.error(f"unknown part {', '.join(sorted(unknown))}: there are {', '.join(parts)}")
    path = arguments.out / "tasks.json"
    results: dict[str, Any] = json.loads(path.read_text())["parts"] if path.exists() else {}
    arguments.out.mkdir(parents=True, exist_ok=True)
    machine = f"{platform.machine()}, one thread, Python {platform.python_version()}, torch {torch.__version__}"
    for part in arguments.parts or parts:
        missing = [folder for name in _FOLDERS.get(part, ()) if not (folder := data / name).is_dir()]
        if missing:
            print(f"{part}: left out, there is no folder {missing[0]}", file=sys.stderr)
            continue
        results[part] = {}
        for seed in arguments.seeds:
            with tempfile.TemporaryDirectory() as scratch:
                folder = arguments.runs / str(seed) if arguments.runs else Path(scratch)
                folder.mkdir(parents=True, exist_ok=True)
                found = parts[part](seed, folder)
                for system, figures in found.items() if isinstance(found, dict) else found:
                    results[part].setdefault(system, {})[str(seed)] = figures
                    print(part, seed, system, json.dumps(figures), flush=True)
                    path.write_text(json.dumps({"machine": machine, "parts": results}, indent=1) + "\n")
                    (arguments.out / "tasks.md").write_text(table(machine, results))
            if part == "diabetes":
                (arguments.out / "few_rows.svg").write_text(curve_svg(results[part]))


# -- digits --------------------------------------------------------------------------------------


def digits(seed: int, folder: Path) -> dict[str, Figures]:
    started = time.process_time()
    run = nesy.train(ROOT / "tasks" / "digits", folder / f"digits-{seed}", seed=seed, progress=False)
    seconds = time.process_time() - started
    assert run.test is not None
    rules: Figures = {
        "sums %": 100 * run.test.accuracy,
        "digits %": 100 * run.test.concepts["digit"].accuracy,
        "training CPU s": seconds,
        **({"epoch / by hand": epoch_ratio(seed)} if seed == 0 else {}),
    }
    return {"rules, sums given": rules, "ceiling: digits given": supervised(seed)}


def _digit_encoder(seed: int) -> tuple[Encoder, nesy.Program]:
    task = load_task(ROOT / "tasks" / "digits")
    program = nesy.load(task.program)
    payloads = [{"images": row["images"]} for row in digits_rows.rows("train", seed, 0)]
    made = encoder_class("image").build(task.encoder, Interface.of(program.core), payloads, seed)
    return made, program


def _keys(count: int) -> Keys:
    """Both pictures of each of so many pairs."""
    return Keys(np.repeat(np.arange(count), 2), [(0,), (1,)] * count)


def _batches(rows: Sequence[Mapping[str, Any]], size: int = 32) -> Iterable[Sequence[Mapping[str, Any]]]:
    return (rows[start : start + size] for start in range(0, len(rows), size))


def supervised(seed: int) -> Figures:
    """The same encoder, optimizer and epochs, trained on what each picture shows."""
    training = load_task(ROOT / "tasks" / "digits").training
    torch.manual_seed(seed)
    encoder, _ = _digit_encoder(seed)
    optimizer = torch.optim.AdamW(encoder.parameters(), lr=training.learning_rate)
    steps = training.epochs * len(list(_batches(digits_rows.rows("train", seed, 0))))
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    started = time.process_time()
    for epoch in range(training.epochs):
        encoder.train()
        for batch in _batches(digits_rows.rows("train", seed, epoch)):
            truth = torch.tensor([[digit for _, digit in row["concepts"]["digit"]] for row in batch])
            scores = encoder(batch, {"digit": _keys(len(batch))})["digit"]
            loss = torch.nn.functional.cross_entropy(scores, truth.flatten())
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(encoder.parameters(), training.clip)
            optimizer.step()
            schedule.step()
    seconds = time.process_time() - started
    encoder.eval()
    test = digits_rows.rows("test", 0, 0)
    with torch.no_grad():
        found = encoder(test, {"digit": _keys(len(test))})["digit"].argmax(1).reshape(-1, 2)
    truth = torch.tensor([[digit for _, digit in row["concepts"]["digit"]] for row in test])
    sums = found.sum(1) == truth.sum(1)
    return {
        "sums %": 100 * float(sums.float().mean()),
        "digits %": 100 * float((found == truth).float().mean()),
        "training CPU s": seconds,
    }


def epoch_ratio(seed: int, repeats: int = 7) -> float:
    """CPU time of a training epoch through the rules over that of the same loop with the sum written by hand."""
    encoder, program = _digit_encoder(seed)
    model = nesy.Model(program, encoder)
    optimizer = torch.optim.AdamW(encoder.parameters(), lr=1e-3)
    total = torch.arange(10)[:, None] + torch.arange(10)[None]

    def by_rules(batch: Sequence[Mapping[str, Any]], truth: list[int]) -> torch.Tensor:
        prepared = model.prepare(batch)
        return model(prepared).nll([f"sum({number})" for number in truth])

    def by_hand(batch: Sequence[Mapping[str, Any]], truth: list[int]) -> torch.Tensor:
        p = torch.softmax(encoder(batch, {"digit": _keys(len(batch))})["digit"], 1).view(-1, 2, 10)
        joint = p[:, 0, :, None] * p[:, 1, None, :]
        sums = p.new_zeros(len(batch), 19).index_add(1, total.flatten(), joint.flatten(1))
        return -sums.gather(1, torch.tensor(truth)[:, None]).clamp(min=1e-12).log().mean()

    def seconds(loss_of: Callable[[Sequence[Mapping[str, Any]], list[int]], torch.Tensor], epoch: int) -> float:
        started = time.process_time()
        for batch in _batches(digits_rows.rows("train", seed, epoch)):
            optimizer.zero_grad()
            loss_of([{"images": row["images"]} for row in batch], [row["sum"] for row in batch]).backward()
            optimizer.step()
        return time.process_time() - started

    seconds(by_rules, 0), seconds(by_hand, 0)
    pairs = [(seconds(by_rules, epoch), seconds(by_hand, epoch)) for epoch in range(repeats)]
    return statistics.median(rules for rules, _ in pairs) / statistics.median(hand for _, hand in pairs)


# -- sentences -----------------------------------------------------------------------------------


def sentences(seed: int, folder: Path, data: Path | None) -> dict[str, Figures]:
    name = "own" if data is None else data.name
    without = folder / "without"
    if not without.exists():
        without.mkdir()
        (without / "program.nesy").write_text(WITHOUT_RULES)
        (without / "task.toml").write_text((ROOT / "tasks" / "negation" / "task.toml").read_text())
    found: dict[str, Figures] = {}
    for system, task in (("rules", ROOT / "tasks" / "negation"), ("no rules", without)):
        started = time.process_time()
        out = folder / f"{name}-{task.name}-{seed}"
        epochs = SST_EPOCHS if data is not None else None
        run = nesy.train(task, out, seed=seed, data=data, epochs=epochs, progress=False)
        found[system] = measure(run.model, data, time.process_time() - started)
    return found


def measure(model: nesy.Model, data: Path | None, seconds: float) -> Figures:
    task = load_task(ROOT / "tasks" / "negation")
    own = negation_rows.rows("test", 0, 0)
    pairs: dict[int, list[bool]] = {}
    right = correct(model, [row["text"] for row in own], [row["label"] for row in own])
    for row, is_right in zip(own, right, strict=True):
        if "pair" in row:
            pairs.setdefault(row["pair"], []).append(is_right)
    both = 100 * statistics.mean(all(pair) for pair in pairs.values())
    if data is None:
        negated = [row["negations"] > 0 for row in own]
        new = [is_right for row, is_right in zip(own, right, strict=True) if row["composition"] == "new"]
        extra = {"new combinations %": 100 * statistics.mean(new)}
    else:
        rows = open_data(task, data).splits.test
        texts = [str(row.payload["text"]) for row in rows]
        right = correct(model, texts, [str(row.answer) for row in rows])
        lexicon = negating_words()
        negated = [not lexicon.isdisjoint(split_words(text).words) for text in texts]
        extra = {}
    inside = [is_right for is_right, is_negated in zip(right, negated, strict=True) if is_negated]
    outside = [is_right for is_right, is_negated in zip(right, negated, strict=True) if not is_negated]
    return {
        "all %": 100 * statistics.mean(right),
        "negated %": 100 * statistics.mean(inside),
        "plain %": 100 * statistics.mean(outside),
        **extra,
        "both of a pair %": both,
        "training CPU s": seconds,
    }


def correct(model: nesy.Model, texts: Sequence[str], labels: Sequence[str]) -> list[bool]:
    """Whether the most probable answer to each text is its label."""
    right: list[bool] = []
    for start in range(0, len(texts), 64):
        batch = model.prepare([{"text": text} for text in texts[start : start + 64]])
        with torch.no_grad():
            out = model(batch)
        best = [str(out.answers[column]) for column in out.p.argmax(1).tolist()]
        right += [found == f"label({label})" for found, label in zip(best, labels[start : start + 64], strict=True)]
    return right


def negating_words() -> set[str]:
    """The lexicon of rules/negation.nesy."""
    core = nesy.load(ROOT / "tasks" / "negation" / "program.nesy").core
    heads = (head for rule in core.rules for head in rule.heads if head.predicate == "negates")
    return {argument.value for head in heads for argument in head.arguments}  # type: ignore[union-attr]


# -- the table -----------------------------------------------------------------------------------


def table(machine: str, results: Mapping[str, Mapping[str, Mapping[str, Mapping[str, float]]]]) -> str:
    """All results as Markdown: the mean over seeds, and the smallest and largest."""
    lines = ["# Tasks", "", "`python -m benchmarks.tasks`: mean over seeds (smallest to largest).", "", machine, ""]
    for part, systems in results.items():
        columns = list(dict.fromkeys(name for by_seed in systems.values() for row in by_seed.values() for name in row))
        seeds = sorted({seed for by_seed in systems.values() for seed in by_seed}, key=int)
        lines += [f"## {part} (seeds {', '.join(seeds)})", "", "| | " + " | ".join(columns) + " |"]
        lines.append("|---|" + "---|" * len(columns))
        for system, by_seed in systems.items():
            cells = [_cell([row[name] for row in by_seed.values() if name in row], name) for name in columns]
            lines.append(f"| {system} | " + " | ".join(cells) + " |")
        lines.append("")
    return "\n".join(lines)


def _cell(values: Sequence[float], name: str) -> str:
    if not values:
        return ""
    digits = 2 if "/" in name else 1
    mean = f"{statistics.mean(values):.{digits}f}"
    return mean if len(values) == 1 else f"{mean} ({min(values):.{digits}f} to {max(values):.{digits}f})"


if __name__ == "__main__":
    main()
