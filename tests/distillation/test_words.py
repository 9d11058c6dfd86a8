"""A teacher asked about single words and parts of texts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from nesy.distillation import distill
from nesy.distillation.words import Facts, align, fact_kl
from nesy.errors import TaskError
from nesy.learning import load_task
from nesy.learning.sources import open_data
from nesy.learning.training import build_model
from nesy.model import Model
from nesy.perception import WordEncoder

Make = Callable[..., Path]
SEVERAL = ["good", "lovely", "fresh", "bad", "awful", "stale", "food", "room", "soup", "film"]


def untrained(mood: Path) -> Model:
    task = load_task(mood)
    return build_model(task, open_data(task), 0).eval()


def test_words_that_are_alike_to_the_teacher_start_alike(mood: Path) -> None:
    encoder = untrained(mood).encoder
    assert isinstance(encoder, WordEncoder)
    kinds = torch.tensor([0, 0, 0, 1, 1, 1, 2, 2, 2, 2])
    features = torch.nn.functional.one_hot(kinds).float() + 0.05 * torch.randn(10, 3, generator=torch.manual_seed(0))
    share = align(encoder, SEVERAL, features)
    assert share > 0.9
    vectors = torch.nn.functional.normalize(encoder.spell(SEVERAL)().detach(), dim=1)
    alike = vectors @ vectors.T
    same = kinds[:, None] == kinds[None]
    assert float(alike[same].min()) > float(alike[~same].max())
    assert encoder.word_weights.grad is None


def test_facts_are_compared_below_the_rules_and_nowhere_else(mood: Path) -> None:
    model = untrained(mood)
    assert isinstance(model.encoder, WordEncoder)
    weights = model.encoder.word_weights
    payloads = [{"text": word} for word in SEVERAL]
    said = torch.log_softmax(torch.randn(10, 2, generator=torch.manual_seed(1)), dim=1)
    facts = Facts("leans", payloads, said)
    every = torch.arange(10)
    first = fact_kl(model, facts, every, 2.0)
    first.backward()
    assert float(first.detach()) > 0
    assert weights.grad is not None and bool(weights.grad.any())
    optimizer = torch.optim.Adam(model.encoder.parameters(), lr=0.05)
    for _ in range(150):
        optimizer.zero_grad()
        loss = fact_kl(model, facts, every, 2.0)
        loss.backward()
        optimizer.step()
    assert float(loss.detach()) < 0.01
    for word, row in zip(SEVERAL, said, strict=True):
        answer = {str(one["P"]): one.p for one in model.ask(word)}  # the rule asks the first word alone
        assert answer["positive"] == pytest.approx(float(row[0].exp()), abs=0.1)


def test_a_task_may_ask_the_teacher_for_facts_features_and_spans(
    make_teacher: Make, mood: Path, tmp_path: Path
) -> None:
    ask = 'facts = "leans"\nfacts_weight = 3.0\nfeatures = true\nspans = 20\ntemperature = 1.0\nweight = 0.0\n'
    text = (mood / "task.toml").read_text()
    (mood / "task.toml").write_text(text[: text.index("temperature = 1.0")] + ask)
    teacher = make_teacher()  # random: it disagrees with the labels
    run = distill(mood, teacher, tmp_path / "run", epochs=6, device="cpu", progress=False)
    (mood / "task.toml").write_text(text[: text.index("temperature = 1.0")] + "weight = 0.0\n")
    plain = distill(mood, teacher, tmp_path / "plain", epochs=6, device="cpu", progress=False)
    assert run.extra["teacher"]["kl"] < plain.extra["teacher"]["kl"]


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        ('facts = "lean"', "names `lean`, which is no neural predicate with values; did you mean `leans`\\?"),
        ('facts = "big"', "names `big`, which is no neural predicate with values"),
        (
            'facts = "kind"',
            r"the values of `kind` \(thing, other\) are not what the teacher answers \(negative, positive",
        ),
    ],
)
def test_facts_that_the_teacher_cannot_be_asked_for_are_refused(
    make_teacher: Make, mood: Path, tmp_path: Path, edit: str, message: str
) -> None:
    with (mood / "task.toml").open("a") as task:
        task.write(edit + "\n")
    with (mood / "program.nesy").open("a") as program:
        program.write("#neural kind(T) -> {thing, other} :- token(T, _).\n#neural big(T) :- token(T, _).\n")
    with pytest.raises(TaskError, match=message):
        distill(mood, make_teacher(), tmp_path / "run", device="cpu", progress=False)


def test_an_encoder_without_words_has_no_facts_to_compare(make_teacher: Make, mood: Path, tmp_path: Path) -> None:
    (mood / "program.nesy").write_text(
        "#input row(index).\n#neural old(X) -> {positive, negative} :- row(X).\n"
        "label(P) :- old(_, P).\n#query label(P).\n"
    )
    text = (mood / "task.toml").read_text().replace('kind = "text"\nvocabulary = 300\ndim = 8', 'kind = "table"')
    (mood / "task.toml").write_text(text + "features = true\n")
    for name in ("train", "test"):
        (mood / f"{name}.jsonl").write_text('{"age": 3, "text": "good", "label": "positive"}\n' * 20)
    (mood / "task.toml").write_text(
        (mood / "task.toml").read_text().replace('input = ["text"]', 'input = ["age", "text"]')
    )
    with pytest.raises(TaskError, match="encoder of kind `table` has none"):
        distill(mood, make_teacher(), tmp_path / "run", device="cpu", progress=False)
