"""A trained run as the teacher: its answers, and its facts given what is known of the answer."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch

import nesy
from nesy.distillation.run_teacher import fact_divergence, facts_given_answers
from nesy.errors import TeacherError
from nesy.learning.batches import AnswerNames, prepare
from nesy.learning.data import Row
from nesy.perception import Encoder, Interface, encoder_class

TWO_COINS = """\
#input token(index, word).
#neural leans(T) -> {a, b, c} :- token(T, _).
#neural heavy(T) :- token(T, _).
t(0.3)::odd.
same :- leans(0, X), leans(1, X), not heavy(0).
same :- heavy(1), odd, leans(0, a).
answer(yes) :- same.
answer(no) :- not same.
:- heavy(0), heavy(1).
#query answer(A).
"""


def model_of(program: str) -> nesy.Model:
    read = nesy.Program.from_text(program)
    options = {"kind": "text", "vocabulary": 300, "dim": 16}
    payloads = [{"text": "good soup"}, {"text": "bad film"}]
    encoder: Encoder = encoder_class("text").build(options, Interface.of(read.core), payloads, 0)
    return nesy.Model(read, encoder).eval()


@pytest.mark.parametrize("answer", ["yes", "no", None])
def test_facts_given_the_answer_are_those_of_enumerated_worlds(answer: str | None) -> None:
    """Worlds are enumerated from the scores alone: the oracle shares no code with the derivation graph."""
    model = model_of(TWO_COINS)
    model.temperatures.log.copy_(torch.tensor([0.4, -0.3]))
    with torch.no_grad():
        for parameter in model.encoder.readouts.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)))
    rows = [Row({"text": "good soup"}, answer, {}, {"text": "good soup"}, "row 1")]
    prepared = prepare(model, rows, [0], AnswerNames.of(model))
    _, facts = facts_given_answers(model, prepared)

    with torch.no_grad():
        scores = model.scores(prepared.batch)
    leans = torch.softmax(model.temperatures.soften("leans", scores["leans"]), 1).double().numpy()
    heavy = torch.sigmoid(model.temperatures.soften("heavy", scores["heavy"]))[:, 0].double().numpy()
    at = {name: {key[0]: i for i, key in enumerate(keys.key)} for name, keys in prepared.batch.requests.items()}
    expected = {"leans": np.zeros((2, 3)), "heavy": np.zeros((2, 2))}
    for x, y, h0, h1, odd in itertools.product(range(3), range(3), *[range(2)] * 3):
        same = (x == y and not h0) or (h1 and odd and x == 0)
        if (h0 and h1 and answer is not None) or (answer is not None and same != (answer == "yes")):
            continue
        p = leans[at["leans"][0], x] * leans[at["leans"][1], y] * (0.3 if odd else 0.7)
        for place, value in ((0, h0), (1, h1)):
            p *= heavy[at["heavy"][place]] if value else 1 - heavy[at["heavy"][place]]
        expected["leans"][at["leans"][0], x] += p
        expected["leans"][at["leans"][1], y] += p
        expected["heavy"][at["heavy"][0], h0] += p
        expected["heavy"][at["heavy"][1], h1] += p
    for name, table in expected.items():
        np.testing.assert_allclose(facts[name].numpy(), table / table.sum(1, keepdims=True), atol=2e-6)


def test_the_divergence_of_facts_is_zero_where_both_say_the_same() -> None:
    scores = torch.tensor([[2.0, 0.0, -1.0], [0.0, 0.0, 5.0]])
    torch.testing.assert_close(fact_divergence(scores, scores.softmax(1)), torch.tensor(0.0))
    sure = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    torch.testing.assert_close(
        fact_divergence(scores, sure), torch.nn.functional.cross_entropy(scores, torch.tensor([0, 2]))
    )
    yes = torch.tensor([[1.2], [-0.4]])
    torch.testing.assert_close(
        fact_divergence(yes, torch.tensor([[0.0, 1.0], [1.0, 0.0]])),
        torch.nn.functional.binary_cross_entropy_with_logits(yes, torch.tensor([[1.0], [0.0]])),
    )


def test_a_student_learns_from_a_run_what_its_own_rows_do_not_say(mood: Path, tmp_path: Path) -> None:
    teacher = nesy.train(mood, tmp_path / "teacher", progress=False)
    assert teacher.test is not None and teacher.test.accuracy > 0.9
    lines = (mood / "train.jsonl").read_text().splitlines()
    (tmp_path / "more.jsonl").write_text("\n".join(lines[4:]))
    few = mood.with_name("few")
    mood.rename(few)
    (few / "train.jsonl").write_text("\n".join(lines[:4]))
    student = nesy.distill(
        few, tmp_path / "teacher", tmp_path / "student", weight=1.0, unlabelled=tmp_path / "more.jsonl",
        epochs=12, progress=False,
    )  # fmt: skip
    assert [column["name"] for column in student.extra["students"]] == ["student", "no teacher"]
    with_teacher, without = (column["accuracy"] for column in student.extra["students"])
    assert student.extra["teacher"]["name"] == str(tmp_path / "teacher")
    assert student.extra["teacher"]["accuracy"] == pytest.approx(teacher.test.accuracy, abs=1e-6)
    assert with_teacher > 0.9 > without


def test_a_run_that_answers_another_query_is_refused(mood: Path, tmp_path: Path) -> None:
    nesy.train(mood, tmp_path / "teacher", epochs=1, progress=False)
    (mood / "program.nesy").write_text(
        "#input token(index, word).\n#neural leans(T) -> {positive, negative} :- token(T, _).\n"
        "mood(P) :- leans(0, P).\n#query mood(P).\n"
    )
    (mood / "task.toml").write_text((mood / "task.toml").read_text().replace("label(P)", "mood(P)"))
    with pytest.raises(TeacherError, match=r"teacher: this run answers `label\(P\)`, and the task asks `mood\(P\)`"):
        nesy.distill(mood, tmp_path / "teacher", tmp_path / "student", progress=False)
    with pytest.raises(TeacherError, match=r"teacher: a trained run teaches as it is: leave out --head and --lora"):
        nesy.distill(mood, tmp_path / "teacher", tmp_path / "student", lora=True, progress=False)
