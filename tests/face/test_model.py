"""Rules and an encoder as one module: batches, gradients, run folders."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import nesy
from nesy import Model, Program
from nesy.errors import QueryError, RunError
from nesy.language.core import Signature
from nesy.perception import Encoder, Facts, Interface, Keys, Payload, Sighting, encoder_class

WORDS = """
#input word(index, text).
#neural leans(I) -> {good, bad} :- word(I, _).
t(0.9)::negates("not").
turned(I) :- word(J, W), negates(W), I = J + 1, word(I, _).
label(P) :- leans(0, P), not turned(0).
says(I, P) :- leans(I, P), not turned(I).
says(I, good) :- leans(I, bad), turned(I).
says(I, bad) :- leans(I, good), turned(I).
mood(P) :- says(_, P).
:- mood(good), mood(bad).
#query mood(P).
"""


class Table(Encoder):
    """Scores looked up by word: the smallest encoder there is."""

    def __init__(self, words: Sequence[str]):
        super().__init__()
        self.words = list(words)
        self.scores = nn.Parameter(torch.randn(len(words), 2, generator=torch.Generator().manual_seed(0)))

    @classmethod
    def build(cls, options: Mapping[str, Any], interface: Interface, payloads: Sequence[Payload], seed: int) -> Table:
        raise AssertionError

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Table:
        raise AssertionError

    def config(self) -> dict[str, Any]:
        return {}

    def facts(self, payload: Payload) -> Facts:
        return {Signature("word", 2): list(enumerate(payload["text"].split()))}

    def forward(self, payloads: Sequence[Payload], requests: Mapping[str, Keys]) -> dict[str, Tensor]:
        rows = [
            self.words.index(payloads[sample]["text"].split()[key[0]])
            for sample, key in zip(requests["leans"].sample.tolist(), requests["leans"].key, strict=True)
        ]
        return {"leans": self.scores[rows]}

    def sighting(self, payload: Payload, predicate: str, key: tuple[Any, ...]) -> Sighting:
        return Sighting(payload["text"].split()[key[0]])

    def payload_of(self, typed: str) -> Payload:
        return {"text": typed}


@pytest.fixture
def model() -> Model:
    return Model(Program.from_text(WORDS), Table(["a", "b", "not"]))


def by_hand(model: Model, text: str) -> dict[str, float]:
    """The answer's distribution by enumerating the worlds of a sentence."""
    words = text.split()
    share = torch.softmax(model.encoder.scores.detach(), 1).double()
    negates = float(model.parameters_of_rules().detach()[0])
    mass = {"good": 0.0, "bad": 0.0}
    for world in range(2 ** len(words)):
        for negated in (True, False):
            chance = negates if negated else 1 - negates
            said = set()
            for i, word in enumerate(words):
                lean = (world >> i) & 1
                chance *= float(share[model.encoder.words.index(word), lean])
                turned = negated and i > 0 and words[i - 1] == "not"
                said.add(lean ^ turned)
            if len(said) == 1:
                mass["bad" if said.pop() else "good"] += chance
    total = sum(mass.values())
    return {f"mood({name})": value / total for name, value in mass.items()}


def test_sentences_of_one_structure_are_one_graph_and_a_tensor_batch(model: Model) -> None:
    batch = model.prepare([{"text": "a"}, {"text": "a"}])
    assert batch.is_shared and model(batch).p.shape == (2, 2)


@pytest.mark.parametrize("texts", [["a not b"], ["a not b"] * 3, ["a", "not b", "b a not a"], ["not not a", "b"]])
def test_a_batch_gives_each_payload_the_answer_it_has_alone(model: Model, texts: list[str]) -> None:
    out = model(model.prepare([{"text": text} for text in texts]))
    for row, text in zip(out.p.tolist(), texts, strict=True):
        found = dict(zip(map(str, out.answers), row, strict=True))
        assert found == pytest.approx(by_hand(model, text), abs=1e-6)


def test_the_loss_reaches_the_encoder_and_the_rule_file(model: Model) -> None:
    batch = model.prepare([{"text": "not a"}, {"text": "a b"}], learn=True)
    targets = ["mood(bad)", "mood(good)"]

    def loss() -> float:
        return float(model(batch).nll(targets).detach())

    model.double()
    model(batch).nll(targets).backward()
    for parameter in (model.encoder.scores, model.parameters_of_rules.logits):
        assert parameter.grad is not None
        for index in range(parameter.numel()):
            flat, step = parameter.data.view(-1), 1e-5
            flat[index] += step
            above = loss()
            flat[index] -= 2 * step
            below = loss()
            flat[index] += step
            assert float(parameter.grad.view(-1)[index]) == pytest.approx((above - below) / (2 * step), abs=1e-6)


def test_an_answer_that_cannot_hold_has_a_finite_loss(model: Model) -> None:
    loss = model(model.prepare([{"text": "a"}])).nll(["mood(ugly)"])
    assert math.isfinite(float(loss.detach()))


def test_ask_explains_with_what_the_encoder_saw(model: Model) -> None:
    explanation = model.ask("a").explain()
    assert "saw a" in str(explanation)
    assert explanation.certificate is not None and explanation.certificate.verdict == "checked"


def test_a_model_needs_one_query() -> None:
    text = WORDS.replace("#query mood(P).", "#query mood(P). #query label(P).")
    with pytest.raises(QueryError, match=r"a model answers one query, and the program states 2: name it"):
        Model(Program.from_text(text), Table(["a"]))


def text_model(program: Program) -> Model:
    payloads = [{"text": "a good day"}, {"text": "not a bad day"}]
    encoder = encoder_class("text").build({}, Interface.of(program.core), payloads, 0)
    return Model(program, encoder)


def test_ask_says_which_parts_of_the_input_moved_the_encoder() -> None:
    declared = "#input token(index, word). #neural leans(T) -> {good, bad} :- token(T, _)."
    model = text_model(Program.from_text(f"{declared} mood(P) :- leans(_, P). #query mood(P).")).eval()
    answer = model.ask("a good day")
    (section,) = [section for section in answer.explain().story.sections if section.kind == "influence"]
    leaf = section.data[0]
    index = int(leaf["leaf"].split("(")[1].split(",")[0])
    start, end = [(0, 1), (2, 6), (7, 10)][index]
    assert all(start <= part["start"] < part["end"] <= end for part in leaf["parts"])
    assert sum(part["share"] for part in leaf["parts"]) + leaf["offset"] == pytest.approx(leaf["total"], abs=1e-5)
    probability = next(step.probability for step in answer.explain().story.steps if step.text == leaf["leaf"])
    assert leaf["total"] == pytest.approx(math.log(probability / (1 - probability)), abs=1e-4)


def test_a_saved_model_answers_the_same_without_the_files_it_came_from(tmp_path: Path) -> None:
    task = tmp_path / "deep" / "task"
    task.mkdir(parents=True)
    (tmp_path / "shared.nesy").write_text("opposite(good, bad). opposite(bad, good).\n")
    rules = '#include "../../shared".\n#input token(index, word).\n#neural leans(T) -> {good, bad} :- token(T, _).\n'
    (task / "program.nesy").write_text(
        rules + "mood(Q) :- leans(_, P), opposite(P, Q).\n:- mood(good), mood(bad).\n#query mood(P).\n"
    )
    model = text_model(Program.load(task / "program.nesy"))
    expected = [row.p for row in model.eval().ask("not a good day")]
    model.save(tmp_path / "run", {"accuracy": 0.5}, {"note.txt": "hello"})
    for path in (task / "program.nesy", tmp_path / "shared.nesy"):
        path.unlink()
    again = Model.from_pretrained(tmp_path / "run")
    assert [row.p for row in again.ask("not a good day")] == expected
    assert (tmp_path / "run" / "note.txt").read_text() == "hello"


def test_a_run_whose_parts_do_not_fit_is_refused(tmp_path: Path) -> None:
    declared = "#input token(index, word). #neural leans(T) -> {good, bad} :- token(T, _)."
    program = Program.from_text(f"{declared} mood(P) :- leans(_, P). #query mood(P).")
    text_model(program).save(tmp_path / "run")
    from nesy import run_folder

    run_folder.update_json(tmp_path / "run", "config.json", {"query": "mood(P)"})
    with pytest.raises(RunError, match=r"its parts do not fit together \('program'\): train it again"):
        Model.from_pretrained(tmp_path / "run")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no GPU here")
def test_a_gpu_gives_the_answers_and_gradients_of_the_cpu(model: Model) -> None:
    payloads = [{"text": "a not b"}, {"text": "b"}]
    targets = ["mood(bad)", "mood(good)"]
    gradients = []
    for device in ("cpu", "cuda"):
        model.to(device).zero_grad()
        out = model(model.prepare(payloads, learn=True))
        out.nll(targets).backward()
        assert out.p.device.type == device and model.encoder.scores.grad is not None
        gradients.append((out.p.detach().cpu(), model.encoder.scores.grad.cpu()))
    for cpu, cuda in zip(*gradients, strict=True):
        torch.testing.assert_close(cuda, cpu, atol=1e-5, rtol=1e-4)


def test_a_model_whose_rules_call_python_is_not_saved(tmp_path: Path) -> None:
    @nesy.function
    def shifted(x: int) -> int:
        return x + 1

    program = Program.from_text(WORDS + "later(Y) :- word(X, _), Y = shifted(X).", functions=[shifted])
    model = Model(program, Table(["a", "b", "not"]))
    with pytest.raises(RunError, match=r"not Python code, and these rules may call `shifted/1`: compute it before"):
        model.save(tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_neural_predicate_of_a_file_under_an_alias_trains_and_is_saved(tmp_path: Path) -> None:
    (tmp_path / "tone.nesy").write_text(
        "#pred token(index, word).\n#neural leans(I) -> {good, bad} :- token(I, _).\nmood(P) :- leans(0, P).\n"
    )
    rules = '#include "tone" as kin.\n#input token(index, word).\nkin.token(I, W) :- token(I, W).\n'
    (tmp_path / "main.nesy").write_text(f"{rules}mood(P) :- kin.mood(P).\n#query mood(P).\n")
    program, payloads = Program.load(tmp_path / "main.nesy"), [{"text": "fine"}, {"text": "dire"}]
    assert list(program.core.neural) == ["kin.leans"]
    model = Model(program, encoder_class("text").build({}, Interface.of(program.core), payloads, 0))
    out = model(model.prepare(payloads))
    out.p.log().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.encoder.readouts.parameters())
    model.save(tmp_path / "run")
    again = Model.from_pretrained(tmp_path / "run", device="cpu")
    assert torch.equal(again(again.prepare(payloads)).p, out.p)
