"""A causal language model asked about SST-2's dev sentences by a template, with and without calibration.

    python -m benchmarks.causal_teacher [--teacher smollm2] [--rows 872]

Nothing is trained and no label is seen, so the dev file's sentences are all test sentences; the template was written
once and not chosen by its figure. Results go to `benchmarks/results/causal_teacher.md`.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch

from benchmarks.distillation import NEGATIONS
from nesy.distillation import Teacher
from nesy.learning.files import read_records

ROOT = Path(__file__).parent.parent
TEMPLATE = "Review: {input}\nSentiment:"
WORDS = ("negative", "positive")  # SST's 0 and 1
BATCH = 16


def main() -> None:
    """Ask, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--teacher", default="smollm2")
    parser.add_argument("--sst", type=Path, default=ROOT.parent / "shared" / "data" / "sst")
    parser.add_argument("--rows", type=int, default=872, help="so many sentences from the start of the file")
    parser.add_argument("--results", type=Path, default=Path(__file__).parent / "results")
    options = parser.parse_args()
    torch.set_num_threads(1)
    records = read_records(options.sst / "sst2_dev.tsv", header=False, columns=("text", "label"))[: options.rows]
    texts = [located.record["text"] for located in records]
    target = torch.tensor([int(located.record["label"]) for located in records])
    negated = torch.tensor([NEGATIONS.search(text.lower()) is not None for text in texts])
    teacher = Teacher.from_pretrained(options.teacher, device="cpu").asked(TEMPLATE, WORDS)
    assert teacher.question is not None
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    plain = torch.zeros(len(texts), len(WORDS))
    started = time.process_time()
    for start in range(0, len(order), BATCH):
        rows = order[start : start + BATCH]
        plain[rows] = teacher.question.log_likelihood([texts[i] for i in rows])
    seconds = time.process_time() - started
    calibrated = plain - teacher.question.prior
    lines = [
        "# A causal language model as a teacher, zero-shot",
        "",
        f"`python -m benchmarks.causal_teacher --teacher {options.teacher} --rows {len(texts)}`: sentences from the",
        f"start of SST-2's dev file, {int(negated.sum())} of them with a negation word.",
        f"{teacher.num_parameters:,} parameters, "
        f"{len(texts) / seconds:.1f} sentences a CPU second. Template: `{json.dumps(TEMPLATE)}`.",
        "",
        "| | all % | negated % | says positive % |",
        "|---|---|---|---|",
    ]
    for name, scores in (("as it is", plain), ("calibrated (Zhao et al. 2021)", calibrated)):
        right = scores.argmax(dim=1) == target
        share = (scores.argmax(dim=1) == 1).float().mean()
        cells = [f"{100 * float(one):.1f}" for one in (right.float().mean(), right[negated].float().mean(), share)]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    text = "\n".join(lines) + "\n"
    (options.results / "causal_teacher.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
