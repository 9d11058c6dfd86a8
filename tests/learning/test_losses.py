"""Losses against sums over all worlds, written out by hand."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any, final

import pytest
import torch
from torch import Tensor

from nesy.errors import DataError, TaskError
from nesy.language.core import Signature
from nesy.learning.batches import AnswerNames, prepare
from nesy.learning.data import Row
from nesy.learning.losses import concept_loss, constraint_loss, statement_loss
from nesy.learning.measure import statement_figures
from nesy.learning.training import train
from nesy.model import Model
from nesy.perception import Encoder, Facts, Keys, Payload, Sighting
from nesy.program import Program


@final
class Sure(Encoder):
    """A yes/no predicate of each of a payload's items, whose log-odds are the encoder's weights."""

    def __init__(self, odds: Sequence[float]) -> None:
        super().__init__()
        self.odds = torch.nn.Parameter(torch.tensor(odds, dtype=torch.float64))

    @classmethod
    def build(cls, options: Mapping[str, Any], interface: Any, payloads: Sequence[Payload], seed: int) -> Sure:
        raise NotImplementedError

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Sure:
        raise NotImplementedError

    def config(self) -> dict[str, Any]:
        return {}

    def facts(self, payload: Payload) -> Facts:
        return {Signature("item", 1): [(i,) for i in payload["items"]]}

    def forward(self, payloads: Sequence[Payload], requests: Mapping[str, Keys]) -> dict[str, Tensor]:
        return {name: self.odds[[int(str(key[0])) for key in keys.key]][:, None] for name, keys in requests.items()}

    def sighting(self, payload: Payload, predicate: str, key: tuple[Any, ...]) -> Sighting:
        return Sighting("")

    def payload_of(self, typed: str) -> Payload:
        return {"items": [int(word) for word in typed.split()]}


PROGRAM = """\
#input item(index).
#neural on(I) :- item(I).
lit :- on(_).
:- on(I), on(J), I < J.
#query lit.
"""
ODDS = (0.3, -1.0, 2.0)


def at_most_one(items: Sequence[int]) -> float:
    """The chance that at most one of the items is on, over all worlds."""
    total = 0.0
    for world in product((False, True), repeat=len(items)):
        chance = math.prod(
            1 / (1 + math.exp(-ODDS[i])) if on else 1 / (1 + math.exp(ODDS[i]))
            for i, on in zip(items, world, strict=True)
        )
        total += chance if sum(world) <= 1 else 0.0
    return total


@pytest.mark.parametrize("batch", [[(0, 1), (0, 1)], [(0, 1), (0, 1, 2)], [(1,), (0, 2)]])
def test_the_loss_of_constraints_is_the_surprise_at_meeting_them(batch: list[tuple[int, ...]]) -> None:
    model = Model(Program.from_text(PROGRAM), Sure(ODDS))
    out = model(model.prepare([{"items": list(items)} for items in batch]))
    assert out.evidence.tolist() == pytest.approx([at_most_one(items) for items in batch])
    loss = constraint_loss(out).mean()
    assert loss.item() == pytest.approx(-sum(math.log(at_most_one(items)) for items in batch) / len(batch))


def test_an_encoder_that_is_nearly_sure_of_too_much_still_leaves_a_world() -> None:
    sure = 20.0  # in single precision a probability of 1, whose complement would be 0
    model = Model(Program.from_text(PROGRAM), Sure((sure, sure)).float())
    out = model(model.prepare([{"items": [0, 1]}]))
    not_on = 1 / (1 + math.exp(sure))
    assert out.evidence.tolist() == pytest.approx([2 * not_on - not_on**2], rel=1e-6)
    assert out.p.tolist() == [[pytest.approx(1 - not_on / (2 - not_on), rel=1e-6)]]


def test_the_loss_of_known_atoms_is_of_the_scores_that_the_answers_came_from() -> None:
    encoder = Sure(ODDS)
    model = Model(Program.from_text(PROGRAM), encoder)
    known = {"on": ((0, True), (2, False))}
    row = Row({"items": [0, 1, 2]}, None, known, {}, "row 1")
    prepared = prepare(model, [row], [0], AnswerNames.of(model), learn=True)
    out = model(prepared.batch)
    with torch.no_grad():
        encoder.odds.zero_()  # a second reading would say otherwise
    (of_atoms,) = concept_loss(model, out, prepared)
    assert of_atoms.tolist() == pytest.approx([math.log1p(math.exp(-ODDS[0])), math.log1p(math.exp(ODDS[2]))])


def test_its_gradient_goes_into_the_encoder() -> None:
    encoder = Sure(ODDS)
    model = Model(Program.from_text(PROGRAM), encoder)
    batch = model.prepare([{"items": [0, 1, 2]}])

    def loss(odds: Tensor) -> Tensor:
        return -torch.func.functional_call(model, {"encoder.odds": odds}, (batch,)).evidence.log().mean()

    assert torch.autograd.gradcheck(loss, (encoder.odds.detach().requires_grad_(),))


def test_without_constraints_there_is_nothing_to_be_surprised_at() -> None:
    model = Model(Program.from_text(PROGRAM.replace(":- on(I), on(J), I < J.", "")), Sure(ODDS))
    assert constraint_loss(model(model.prepare([{"items": [0, 1]}]))).mean().item() == 0.0


def test_inputs_without_answers_teach_the_constraints(
    mood: Path, tmp_path: Path, edit: Callable[[Path, str, str], None]
) -> None:
    """A sentence leans one way: with the constraint's weight, unlabelled sentences are met more often."""
    edit(mood / "program.nesy", "#query", ":- leans(I, P), leans(J, Q), I < J, P != Q.\n#query")
    unlabelled = tmp_path / "more.txt"
    unlabelled.write_text("good bad awful food\nfresh stale lovely soup\nlovely awful room\n" * 10)
    with pytest.raises(TaskError, match="teach the rules' constraints alone: give `constraint_weight`"):
        train(mood, tmp_path / "none", unlabelled=unlabelled, progress=False)
    met = {}
    for weight in ("0.0", "1.0"):
        old = f"constraint_weight = {'0.0' if weight == '1.0' else weight}"
        if weight == "0.0":
            edit(mood / "task.toml", "[training]", "[training]\nconstraint_weight = 0.0")
            run = train(mood, tmp_path / weight, progress=False)
        else:
            edit(mood / "task.toml", old, "constraint_weight = 1.0")
            run = train(mood, tmp_path / weight, unlabelled=unlabelled, progress=False)
        model = run.model
        texts = [{"text": text} for text in unlabelled.read_text().splitlines()[:3]]
        with torch.no_grad():
            met[weight] = constraint_loss(model(model.prepare(texts))).mean().item()
    assert met["1.0"] < 0.5 * met["0.0"]


# -- statements ------------------------------------------------------------------------------------------------


def test_the_loss_of_statements_is_that_of_each_for_itself() -> None:
    model = Model(Program.from_text(PROGRAM.replace(":- on(I), on(J), I < J.", "").replace("lit", "lit(I)")
                                    .replace("on(_)", "on(I)")), Sure(ODDS))  # fmt: skip
    names = AnswerNames.of(model)
    rows = [
        Row({"items": [0, 1]}, None, {}, {}, "a", {"lit(0)": True, "lit(1)": False}),
        Row({"items": [2]}, None, {}, {}, "b", {"2": False, "lit(0)": True}),  # item 0 is not there: nothing to learn
    ]
    prepared = prepare(model, rows, [0, 1], names)
    chance = [1 / (1 + math.exp(-odds)) for odds in ODDS]
    expected = -(math.log(chance[0]) + math.log(1 - chance[1]) + math.log(1 - chance[2])) / 3
    assert statement_loss(model(prepared.batch), prepared.statements).mean().item() == pytest.approx(expected)
    figures = statement_figures(model, [prepared])
    assert figures is not None
    right = (chance[0] > 0.5) + (chance[1] < 0.5) + (chance[2] < 0.5)  # and item 0 of the second row is not derived
    assert (figures.atoms, figures.accuracy) == (4, right / 4)
    assert figures.log_loss == pytest.approx((3 * expected - math.log(1e-12)) / 4)


def test_rows_that_only_say_what_their_answer_is_not_teach_it(mood: Path, tmp_path: Path) -> None:
    other = {"positive": "negative", "negative": "positive"}
    for name in ("train", "test"):
        rows = [json.loads(line) for line in (mood / f"{name}.jsonl").read_text().splitlines()]
        said = [{"text": row["text"], "statements": {f"label({other[row['label']]})": False}} for row in rows]
        (mood / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in said))
    run = train(mood, tmp_path / "run", progress=False)
    assert run.test is not None and run.test.statements is not None
    assert (run.test.overall.rows, run.test.statements.atoms) == (0, 30)
    assert run.test.statements.accuracy == 1.0
    assert "statements" in str(run.test)
    saved = json.loads((run.folder / "metrics.json").read_text(), parse_constant=pytest.fail)
    assert saved["test"]["statements"]["accuracy"] == 1.0 and saved["test"]["accuracy"] is None


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ('{"label(positve)": true}', "`label(positve)` is not an answer that `label(P)` can have"),
        ('{"label(positive)": 1}', 'expected a table such as {"label(negative)": false}'),
        ('["label(positive)"]', "(an atom of the query, and whether it holds)"),
    ],
)
def test_a_statement_that_cannot_be_is_refused(mood: Path, tmp_path: Path, written: str, words: str) -> None:
    lines = (mood / "train.jsonl").read_text().splitlines()
    lines[3] = lines[3].replace('"label"', f'"statements": {written}, "label"')
    (mood / "train.jsonl").write_text("\n".join(lines))
    with pytest.raises(DataError) as caught:
        train(mood, tmp_path / "run", progress=False)
    assert "train.jsonl:4: " in str(caught.value) and words in str(caught.value)
