"""A pretrained transformer as an encoder, on one that is made here: tiny, of random weights, in real files."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from nesy.errors import DataError, RunError, TaskError
from nesy.learning.training import train
from nesy.model import Model
from nesy.perception import Interface, Keys
from nesy.perception.transformer.encoder import TransformerEncoder
from nesy.program import Program

PROGRAM = """\
#input token(index, word).
#neural leans(T) -> {positive, negative} :- token(T, _).
#neural kind(W) -> {a, b, c} :- token(_, W).
#neural tone -> {calm, loud} :- token(_, _).
label(P) :- leans(0, P).
#query label(P).
"""
PIECES = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "un",
    "##good",
    "##fun",
    "good",
    "bad",
    "food",
    "room",
    "soup",
    ".",
    "the",
]


@pytest.fixture(scope="session")
def folder(tiny_bert: Callable[[Sequence[str], int], Path]) -> Path:
    """A BERT of 16 numbers a token that reads at most 12 tokens."""
    return tiny_bert(PIECES, 12)


def encoder(folder: Path, **options: object) -> TransformerEncoder:
    texts = [{"text": "the food good"}, {"text": "bad soup."}]
    return TransformerEncoder.build(
        {"model": str(folder), **options}, Interface.of(Program.from_text(PROGRAM).core), texts, 0
    )


def by_transformers(folder: Path, text: str, pieces: Sequence[int]) -> torch.Tensor:
    """The mean of the last layer over some tokens, as transformers itself gives it."""
    from transformers import AutoModel, AutoTokenizer

    tokens = AutoTokenizer.from_pretrained(folder)(text, return_tensors="pt")
    with torch.no_grad():
        hidden = AutoModel.from_pretrained(folder).eval()(**tokens).last_hidden_state[0]
    return hidden[list(pieces)].mean(dim=0)


def test_a_word_is_the_mean_of_its_tokens_in_the_text(folder: Path) -> None:
    made = encoder(folder).eval()
    text = {"text": "The ungood food."}  # [CLS] the un ##good food . [SEP]
    keys = {
        "leans": Keys(np.array([0, 0]), [(1,), (3,)]),
        "kind": Keys(np.array([0]), [("ungood",)]),
        "tone": Keys(np.array([0]), [()]),
    }
    with torch.no_grad():
        scores = made([text], keys)
    expected = {
        "leans": [by_transformers(folder, text["text"], [2, 3]), by_transformers(folder, text["text"], [5])],
        "kind": [by_transformers(folder, "ungood", [1, 2])],
        "tone": [by_transformers(folder, text["text"], [1, 2, 3, 4, 5])],
    }
    for name, vectors in expected.items():
        with torch.no_grad():
            assert torch.allclose(scores[name], made.readouts[name](made.scale(torch.stack(vectors))), atol=1e-5)


COMPARED = """\
#input token(index, word).
#input edit(index, word, word).
#neural wider(V, W) -> {yes, no} :- edit(_, W, V).
#neural leans(T) -> {positive, negative} :- token(T, _).
follows(A) :- edit(_, V, W), wider(W, V, A).
#query follows(A).
"""
TWO = {"text": "the soup.", "other": "the bad food."}


def comparing(folder: Path, **options: object) -> TransformerEncoder:
    interface = Interface.of(Program.from_text(COMPARED).core)
    return TransformerEncoder.build({"model": str(folder), "against": "other", **options}, interface, [TWO], 0)


def test_of_two_texts_the_rules_see_words_and_edits_and_keys_are_about_the_first(folder: Path) -> None:
    made = comparing(folder).eval()
    facts = {signature.name: rows for signature, rows in made.facts(TWO).items()}
    assert facts == {"token": [(0, "the"), (1, "soup"), (2, ".")], "edit": [(1, "soup", "bad food")]}
    assert made.payload_of("the soup. => the bad food.") == TWO
    with torch.no_grad():
        leans = made([TWO], {"leans": Keys(np.array([0]), [(1,)])})["leans"]
        expected = by_transformers(folder, TWO["text"], [2])
        assert torch.allclose(leans[0], made.readouts["leans"](made.scale(expected)), atol=1e-5)
    assert made.sighting(TWO, "wider", ("soup", "bad food")).text == "soup => bad food"
    assert made.sighting(TWO, "leans", (1,)).text == "soup"
    with pytest.raises(TaskError, match=r"the option `against` of \[encoder\] names a second text"):
        comparing(folder, against="")


def test_a_pair_of_words_is_the_difference_and_the_product_of_each_read_alone(folder: Path) -> None:
    made = comparing(folder).eval()
    pairs = [("soup", "bad food"), ("bad food", "soup"), ("soup", "soup")]
    with torch.no_grad():
        scores = made([TWO], {"wider": Keys(np.array([0, 0, 0]), pairs)})["wider"]
        soup, food = (made.scale(by_transformers(folder, *of)) for of in (("soup", [1]), ("bad food", [1, 2])))
        rows = [torch.cat([v - w, v * w]) for v, w in ((soup, food), (food, soup), (soup, soup))]
        assert torch.allclose(scores, made.readouts["wider"](torch.stack(rows)), atol=1e-5)
    assert not torch.allclose(scores[0], scores[1])


def test_hypervectors_beside_it_see_both_texts(folder: Path) -> None:
    made = comparing(folder, text_dim=8).eval()
    keys = {"wider": Keys(np.array([0]), [("soup", "bad food")])}
    assert made.beside is not None
    both = made([TWO], keys)["wider"]
    beside, made.beside = made.beside([TWO], keys)["wider"], None
    assert torch.allclose(both, made([TWO], keys)["wider"] + beside)


@pytest.mark.parametrize("lora_rank", [0, 2])
def test_scores_do_not_depend_on_what_else_is_in_the_batch(folder: Path, lora_rank: int) -> None:
    made = encoder(folder, lora_rank=lora_rank).eval()
    texts = [{"text": "good"}, {"text": "the bad food the bad soup ."}]
    together = made(texts, {"leans": Keys(np.array([0, 1]), [(0,), (1,)])})["leans"]
    for i, key in enumerate([(0,), (1,)]):
        alone = made([texts[i]], {"leans": Keys(np.array([0]), [key])})["leans"]
        assert torch.allclose(together[i], alone[0], atol=1e-5)


def test_hypervectors_beside_it_add_their_scores(folder: Path) -> None:
    made = encoder(folder, text_dim=8).eval()
    payloads, keys = [{"text": "bad soup"}], {"leans": Keys(np.array([0]), [(0,)])}
    assert made.beside is not None
    both = made(payloads, keys)["leans"]
    beside, made.beside = made.beside(payloads, keys)["leans"], None
    assert torch.allclose(both, made(payloads, keys)["leans"] + beside)


def test_low_rank_updates_start_at_the_pretrained_model_and_only_they_learn(folder: Path) -> None:
    frozen, lora = encoder(folder).eval(), encoder(folder, lora_rank=2).eval()
    payloads, keys = [{"text": "the bad soup"}], {"leans": Keys(np.array([0]), [(1,)])}
    assert torch.allclose(frozen(payloads, keys)["leans"], lora(payloads, keys)["leans"], atol=1e-5)
    assert not any(p.requires_grad for p in frozen.backbone.parameters())
    learn = [name for name, p in lora.backbone.named_parameters() if p.requires_grad]
    assert learn and all("lora_" in name for name in learn)
    lora.train()(payloads, keys)["leans"].sum().backward()
    assert any(p.grad is not None and bool(p.grad.any()) for p in lora.backbone.parameters())


TASK = """\
[task]
query = "label(P)"
[encoder]
kind = "transformer"
model = "{folder}"
{more}
[data]
train = "train.jsonl"
input = ["text"]
answer = "label"
[training]
epochs = 8
learning_rate = 3e-2
"""


def task(place: Path, folder: Path, more: str = "") -> Path:
    place.mkdir()
    (place / "task.toml").write_text(TASK.format(folder=folder, more=more))
    (place / "program.nesy").write_text(PROGRAM)
    draw = random.Random(0)
    rows = [
        {"text": f"{'good' if label == 'positive' else 'bad'} {draw.choice(['food', 'room', 'soup'])}", "label": label}
        for label in ["positive", "negative"] * 20
    ]
    (place / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return place


@pytest.mark.parametrize("more", ["", "lora_rank = 2\ntext_dim = 4"])
def test_a_run_holds_all_of_it(folder: Path, tmp_path: Path, more: str) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    run = train(task(tmp_path / "mood", copy, more), tmp_path / "run", progress=False)
    assert run.dev.accuracy == 1.0
    before = run.model.ask("good soup")
    shutil.rmtree(copy)
    again = Model.from_pretrained(run.folder).ask("good soup")
    assert again.best.text == "label(positive)"
    assert [row.p for row in again] == [row.p for row in before]


def test_a_run_that_compares_two_texts_is_read_again(folder: Path, tmp_path: Path) -> None:
    place = task(tmp_path / "wider", folder, 'against = "other"')
    (place / "program.nesy").write_text(COMPARED)
    text = (place / "task.toml").read_text().replace("label(P)", "follows(A)").replace('["text"]', '["text", "other"]')
    (place / "task.toml").write_text(text.replace("epochs = 8", "epochs = 12"))
    draw = random.Random(0)
    rows = []
    for label in ["yes", "no"] * 20:
        narrow = f"{draw.choice(['good', 'bad'])} {draw.choice(['soup', 'room'])}"
        old, new = (narrow, "food") if label == "yes" else ("food", narrow)
        rows.append({"text": f"the {old}.", "other": f"the {new}.", "label": label})
    (place / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    run = train(place, tmp_path / "run", progress=False)
    assert run.dev.accuracy == 1.0
    answer = Model.from_pretrained(run.folder).ask("the good soup. => the food.")
    assert answer.best.text == "follows(yes)"
    assert "saw food => good soup" in str(answer.explain())


def test_training_is_the_same_each_time(folder: Path, tmp_path: Path) -> None:
    place = task(tmp_path / "mood", folder)
    for name in ("one", "two"):
        train(place, tmp_path / name, epochs=2, progress=False)
    one, two = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("one", "two"))
    assert one == two


def test_what_cannot_be_read_is_one_line(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(TaskError, match=r"needs the option `model`"):
        TransformerEncoder.build({}, Interface.of(Program.from_text(PROGRAM).core), [], 0)
    with pytest.raises(TaskError, match=r"/nowhere: there is no such folder"):
        encoder(Path("/nowhere"))
    slow = tmp_path / "slow"
    shutil.copytree(folder, slow)
    (slow / "tokenizer.json").rename(slow / "vocab.txt")
    with pytest.raises(TaskError, match=r"slow: the folder has no tokenizer\.json"):
        encoder(slow)
    broken = tmp_path / "broken"
    shutil.copytree(folder, broken)
    (broken / "model.safetensors").write_bytes(b"not tensors")
    with pytest.raises(TaskError, match=r"broken: this transformer cannot be read: ") as caught:
        encoder(broken)
    assert "\n" not in str(caught.value)
    made = encoder(folder)
    with pytest.raises(RunError, match=r"is damaged: its tokenizer cannot be read: "):
        TransformerEncoder.from_config({**made.config(), "tokenizer": "{}"})
    with pytest.raises(DataError, match=r"a text has 14 tokens and the transformer reads 12: 'good good"):
        made.facts({"text": "good " * 12})
    with pytest.raises(DataError, match=r"`leans\(9\)` asks the text encoder about something that is not in the text"):
        made([{"text": "good"}], {"leans": Keys(np.array([0]), [(9,)])})
