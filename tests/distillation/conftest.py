"""A teacher made on the spot: real files of a tiny random transformer and its tokenizer, and a task for it."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

WORDS = {"positive": ["good", "lovely", "fresh"], "negative": ["bad", "awful", "stale"]}
THINGS = ["food", "room", "soup", "film"]

PROGRAM = """\
#input token(index, word).
#neural leans(T) -> {positive, negative} :- token(T, _).
label(P) :- leans(0, P).
#query label(P).
"""

TASK = """\
[task]
query = "label(P)"

[encoder]
kind = "text"
vocabulary = 300
dim = 8

[data]
train = "train.jsonl"
test = "test.jsonl"
input = ["text"]
answer = "label"

[training]
epochs = 6
batch_size = 16
learning_rate = 5e-2

[distillation]
temperature = 1.0
weight = 0.5
"""


@pytest.fixture
def mood(tmp_path: Path) -> Path:
    """A task folder: the first word decides."""
    folder = tmp_path / "mood"
    folder.mkdir()
    (folder / "task.toml").write_text(TASK)
    (folder / "program.nesy").write_text(PROGRAM)
    for name, count, seed in (("train", 80, 1), ("test", 30, 2)):
        draw = random.Random(seed)
        lines = []
        for _ in range(count):
            label = draw.choice(list(WORDS))
            lines.append(json.dumps({"text": f"{draw.choice(WORDS[label])} {draw.choice(THINGS)}", "label": label}))
        (folder / f"{name}.jsonl").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture
def make_teacher(tmp_path: Path) -> Callable[..., Path]:
    """Write a tiny BERT; its classifier leans by the first letters of words it was built with, or not at all."""

    def make(
        name: str = "teacher", *, labels: tuple[str, ...] | None = ("NEGATIVE", "POSITIVE"), **config: Any
    ) -> Path:
        from tokenizers import Tokenizer
        from tokenizers.models import WordLevel
        from tokenizers.pre_tokenizers import Whitespace
        from transformers import BertConfig, BertForSequenceClassification, BertModel, PreTrainedTokenizerFast

        vocabulary = ["[PAD]", "[UNK]", "[CLS]", *THINGS, *WORDS["positive"], *WORDS["negative"]]
        tokens = Tokenizer(WordLevel({word: i for i, word in enumerate(vocabulary)}, unk_token="[UNK]"))
        tokens.pre_tokenizer = Whitespace()
        folder = tmp_path / name
        tokenizer = PreTrainedTokenizerFast(
            tokenizer_object=tokens, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", model_max_length=16
        )
        torch.manual_seed(0)
        settings = {
            "vocab_size": len(vocabulary), "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
            "intermediate_size": 16, "max_position_embeddings": 16, "initializer_range": 0.5,
        }  # fmt: skip
        bert = BertConfig(**{**settings, **config})
        if labels is None:
            model = BertModel(bert)
        else:
            bert.num_labels = len(labels)
            bert.id2label = dict(enumerate(labels))
            bert.label2id = {label: i for i, label in enumerate(labels)}
            model = BertForSequenceClassification(bert)
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        return folder

    return make


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No test may reach a network or the user's own caches."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("NESY_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def make_language_model(tmp_path: Path) -> Callable[..., Path]:
    """Write a tiny causal language model that foretells at random, but always the same."""

    def make(name: str = "speaker", *, limit: int = 32) -> Path:
        from tokenizers import Tokenizer
        from tokenizers.models import WordLevel
        from tokenizers.pre_tokenizers import Whitespace
        from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

        said = ["Text", ":", "Answer", "positive", "negative", "very", "N", "/", "A", "[", "]", "MASK"]
        vocabulary = ["[END]", "[UNK]", *THINGS, *WORDS["positive"], *WORDS["negative"], *said]
        tokens = Tokenizer(WordLevel({word: i for i, word in enumerate(vocabulary)}, unk_token="[UNK]"))
        tokens.pre_tokenizer = Whitespace()
        tokenizer = PreTrainedTokenizerFast(
            tokenizer_object=tokens, eos_token="[END]", unk_token="[UNK]", model_max_length=limit
        )
        torch.manual_seed(0)
        config = LlamaConfig(
            vocab_size=len(vocabulary), hidden_size=16, intermediate_size=16, num_hidden_layers=1,
            num_attention_heads=2, num_key_value_heads=1, max_position_embeddings=64, initializer_range=0.5,
        )  # fmt: skip
        folder = tmp_path / name
        LlamaForCausalLM(config).save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        return folder

    return make
