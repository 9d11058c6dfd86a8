"""How much of a training step is logic: grounding, exact probability, and the way back through it.

    python benchmarks/training_step.py [--batches 8] [--epochs 3] [--only digits,negation,stories] [--out FILE]

Each work is trained for some epochs with batches of 64. A step's time is split into three: preparing the batch (facts,
grounding, analysis), logic (from the encoder's scores to the loss, and back to the scores), and the rest (the
encoder both ways, the optimizer). Two ways to batch:

`kept`       rows stay together, so a batch is prepared in the first epoch only, as `nesy train` does
`drawn anew` every epoch draws other batches, and each is prepared again; structures are known after the first epoch

    digits      the task's own convolution; all pairs have one structure
    negation    the task's own encoder and sentences; many structures
    stories     who is the last person to the first, over 2 to 4 sentences that each tell one of 20 relations; a
                transformer of 2 layers, width 128, reads 20 words of each

CPU seconds of this process, one thread; the median over the steps of the last epoch.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from torch import Tensor, nn

import nesy
from nesy.language.core import Signature
from nesy.learning import load_task
from nesy.learning.generators import digits as digits_rows
from nesy.learning.generators import negation as negation_rows
from nesy.model import Batch
from nesy.perception import Encoder, Facts, Interface, Keys, Payload, Sighting, encoder_class

ROOT = Path(__file__).resolve().parents[1]
BATCH = 64
WORDS, WIDTH = 20, 128  # of a story's sentence; of the transformer

KINDS = {
    "child": ("son", "daughter"),
    "parent": ("father", "mother"),
    "spouse": ("husband", "wife"),
    "sibling": ("brother", "sister"),
    "grandchild": ("grandson", "granddaughter"),
    "grandparent": ("grandfather", "grandmother"),
    "nephew": ("nephew", "niece"),
    "uncle": ("uncle", "aunt"),
    "child_in_law": ("son_in_law", "daughter_in_law"),
    "parent_in_law": ("father_in_law", "mother_in_law"),
}
COMPOSE = """
child child grandchild, child spouse child_in_law, child sibling child, child uncle sibling, child grandparent parent,
parent child sibling, parent parent grandparent, parent sibling uncle, spouse parent parent_in_law,
spouse grandchild grandchild, spouse child child, sibling sibling sibling, sibling grandparent grandparent,
sibling child nephew, sibling parent parent, grandchild sibling grandchild
"""
TABLE = {(a, b): c for a, b, c in (entry.split() for entry in COMPOSE.split(","))}
TOLD = [name for pair in KINDS.values() for name in pair]
NAMES = [(kind, sex, name) for kind, pair in KINDS.items() for sex, name in zip("mf", pair, strict=True)]
STORIES = f"""
#input sentence(index).
#input last(index).
#neural told(I) -> {{{", ".join(TOLD)}}} :- sentence(I).
{" ".join(f"name({kind}, {sex}, {name})." for kind, sex, name in NAMES)}
{" ".join(f"compose({a}, {b}, {c})." for (a, b), c in TABLE.items())}
kin(0, K) :- told(0, R), name(K, _, R).
kin(J, K) :- kin(I, A), J = I + 1, told(J, R), name(B, _, R), compose(A, B, K).
relation(R) :- last(I), kin(I, K), told(I, T), name(_, S, T), name(K, S, R).
#query relation(R).
"""


class Apart(Encoder):
    """Another encoder, whose backward pass is held back: what comes out are leaves, and `back` goes on from them."""

    def __init__(self, inner: Encoder):
        super().__init__()
        self.inner = inner
        self.seconds = 0.0
        self._held: list[tuple[Tensor, Tensor]] = []

    def forward(self, payloads: Sequence[Payload], requests: Mapping[str, Keys]) -> dict[str, Tensor]:
        start = time.process_time()
        scores = self.inner(payloads, requests)
        apart = {name: score.detach().requires_grad_(True) for name, score in scores.items()}
        self._held = [(scores[name], apart[name]) for name in scores]
        self.seconds = time.process_time() - start
        return apart

    def back(self) -> None:
        known = [(score, leaf.grad) for score, leaf in self._held if leaf.grad is not None]
        torch.autograd.backward([score for score, _ in known], [gradient for _, gradient in known])

    def facts(self, payload: Payload) -> Facts:
        return self.inner.facts(payload)

    @classmethod
    def build(cls, options: Mapping[str, Any], interface: Interface, payloads: Sequence[Payload], seed: int) -> Encoder:
        raise NotImplementedError

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Encoder:
        raise NotImplementedError

    def config(self) -> dict[str, Any]:
        raise NotImplementedError

    def sighting(self, payload: Payload, predicate: str, key: tuple[Any, ...]) -> Sighting:
        raise NotImplementedError

    def payload_of(self, typed: str) -> Payload:
        raise NotImplementedError


class Reader(Apart):
    """A small transformer over the words of each sentence of a story."""

    def __init__(self) -> None:
        Encoder.__init__(self)
        self.embedding = nn.Embedding(1_000, WIDTH)
        self.place = nn.Parameter(0.02 * torch.randn(WORDS, WIDTH))
        layer = nn.TransformerEncoderLayer(WIDTH, 4, 4 * WIDTH, 0.1, batch_first=True)
        self.layers = nn.TransformerEncoder(layer, 2)
        self.head = nn.Linear(WIDTH, len(TOLD))

    def forward(self, payloads: Sequence[Payload], requests: Mapping[str, Keys]) -> dict[str, Tensor]:
        keys = requests["told"]
        words = [payloads[s]["words"][place] for s, (place,) in zip(keys.sample.tolist(), keys.key, strict=True)]
        hidden = self.layers(self.embedding(torch.tensor(words)) + self.place)
        return {"told": self.head(hidden.mean(1))}

    def facts(self, payload: Payload) -> Facts:
        count = len(payload["words"])
        return {Signature("sentence", 1): [(i,) for i in range(count)], Signature("last", 1): [(count - 1,)]}


@dataclass(frozen=True)
class Row:
    payload: Payload
    answer: str


@dataclass(frozen=True)
class Step:
    """CPU seconds of one step."""

    prepare: float
    logic: float
    rest: float

    @property
    def total(self) -> float:
        return self.prepare + self.logic + self.rest

    @property
    def share(self) -> float:
        return (self.prepare + self.logic) / self.total


def digits() -> tuple[nesy.Program, Encoder, list[Row]]:
    task = load_task(ROOT / "tasks" / "digits")
    program = nesy.load(task.program)
    rows = digits_rows.rows("train", 0, 0)
    payloads = [{"images": row["images"]} for row in rows]
    encoder = encoder_class("image").build(task.encoder, Interface.of(program.core), payloads, 0)
    answers = [f"sum({row['sum']})" for row in rows]
    return program, encoder, [Row(payload, answer) for payload, answer in zip(payloads, answers, strict=True)]


def negation() -> tuple[nesy.Program, Encoder, list[Row]]:
    task = load_task(ROOT / "tasks" / "negation")
    program = nesy.load(task.program)
    rows = negation_rows.rows("train", 0, 0)
    payloads = [{"text": row["text"]} for row in rows]
    encoder = encoder_class("text").build(task.encoder, Interface.of(program.core), payloads, 0)
    answers = [f"label({row['label']})" for row in rows]
    return program, encoder, [Row(payload, answer) for payload, answer in zip(payloads, answers, strict=True)]


def stories() -> tuple[nesy.Program, Encoder, list[Row]]:
    """Words are drawn at random, but for one that says the relation."""
    draw = random.Random(5)
    rows: list[Row] = []
    while len(rows) < 16 * BATCH:
        length = draw.randint(2, 4)
        kinds = [draw.choice(list(KINDS))]
        kind = kinds[0]
        while len(kinds) < length and (ways := [b for a, b in TABLE if a == kind]):
            kinds.append(draw.choice(ways))
            kind = TABLE[kind, kinds[-1]]
        if len(kinds) == length:
            sexes = [draw.randrange(2) for _ in kinds]
            told = [TOLD.index(KINDS[one][sex]) for one, sex in zip(kinds, sexes, strict=True)]
            words = [[relation, *(draw.randrange(20, 1_000) for _ in range(WORDS - 1))] for relation in told]
            rows.append(Row({"words": words}, f"relation({KINDS[kind][sexes[-1]]})"))
    return nesy.Program.from_text(STORIES), Reader(), rows


WORKS: dict[str, Callable[[], tuple[nesy.Program, Encoder, list[Row]]]] = {
    "digits": digits,
    "negation": negation,
    "stories": stories,
}


def epochs(work: str, kept: bool, num_batches: int, num_epochs: int) -> tuple[list[list[Step]], nesy.Model]:
    """The steps of each epoch."""
    torch.manual_seed(0)
    program, inner, rows = WORKS[work]()
    encoder = Apart(inner)
    model = nesy.Model(program, encoder).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    order = list(range(min(len(rows), num_batches * BATCH)))
    prepared: dict[tuple[int, ...], tuple[Batch, Tensor]] = {}
    found: list[list[Step]] = []
    for epoch in range(num_epochs):
        if not kept or not epoch:
            random.Random(epoch).shuffle(order)
        steps: list[Step] = []
        for start in range(0, len(order) - BATCH + 1, BATCH):
            members = tuple(order[start : start + BATCH])
            began = time.process_time()
            known = prepared.get(members) if kept else None
            if known is None:
                batch = model.prepare([rows[i].payload for i in members], learn=True)
                known = prepared[members] = batch, targets(batch, [rows[i].answer for i in members])
            batch, target = known
            ready = time.process_time()
            optimizer.zero_grad()
            model(batch).nll(target).backward()
            read = time.process_time()
            encoder.back()
            optimizer.step()
            end = time.process_time()
            logic = read - ready - encoder.seconds
            steps.append(Step(ready - began, logic, end - read + encoder.seconds))
        found.append(steps)
    return found, model


def targets(batch: Batch, answers: Sequence[str]) -> Tensor:
    """The column of each payload's answer."""
    column = {str(atom): number for number, atom in enumerate(batch.answers)}
    return torch.tensor([column[answer] for answer in answers])


def row(*cells: object) -> str:
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batches", type=int, default=8)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--only", default=",".join(WORKS))
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results" / "training_step.md")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    lines = [
        "# The share of logic in a training step",
        "",
        f"Batches of {BATCH}, one thread, CPU ms; `python benchmarks/training_step.py`. Logic is from scores to loss",
        "and back to scores; the first epoch's extra cost is what preparing its batches took beyond a later epoch's.",
        "",
        row(
            "work",
            "batches",
            "prepare",
            "logic",
            "encoder and optimizer",
            "share of logic",
            "first epoch's extra s",
            "known structures, first epoch",
            "later",
        ),
        row(*["---"] * 9),
    ]
    for work in arguments.only.split(","):
        for kept in (True, False):
            found, model = epochs(work, kept, arguments.batches, arguments.epochs)
            last = found[-1]
            middle = [statistics.median(getattr(step, part) for step in last) for part in ("prepare", "logic", "rest")]
            share = statistics.median(step.share for step in last)
            extra = sum(step.prepare for step in found[0]) - sum(step.prepare for step in last)
            counts = model.structures.counts
            asked = len(found[0]) * BATCH
            later = counts.hits + counts.misses - asked
            first = "one for all" if counts.hits + counts.misses <= 1 else f"{100 * (1 - counts.misses / asked):.0f}%"
            lines.append(
                row(
                    work,
                    "kept" if kept else "drawn anew",
                    *(f"{1000 * part:.1f}" for part in middle),
                    f"{100 * share:.0f}%",
                    f"{extra:.2f}",
                    first,
                    "-" if later <= 0 else "100%" if counts.misses <= asked else "?",
                )
            )
            print(lines[-1], flush=True)
    arguments.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
