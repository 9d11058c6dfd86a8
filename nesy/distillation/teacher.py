"""Teachers: pretrained transformers that say how likely each answer is for a text.

A teacher is a folder of files (see `resolve`). One with a sequence classification head answers as it is; a causal
language model is asked which answer word follows a template (`question`); a sentence encoder needs a head trained on
the task's labelled rows first (`head`), frozen or with LoRA (`lora`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nesy.device import choose_device
from nesy.distillation.backbone import Backbone, Reading
from nesy.distillation.question import PLACE, Question
from nesy.distillation.resolve import identity_of, read_config, teacher_folder
from nesy.errors import TeacherError
from nesy.learning.progress import Reporter


@dataclass(frozen=True, eq=False)
class Teacher:
    """A pretrained transformer, found and read."""

    name: str
    folder: Path
    backbone: Backbone
    labels: tuple[str, ...]  # of the classification head, or the words of the question; else empty
    is_causal: bool = False  # a language model, which foretells the next token
    question: Question | None = None

    @classmethod
    def from_pretrained(
        cls,
        name: str | Path,
        *,
        device: str = "auto",
        reading: Reading | None = None,
        reporter: Reporter | None = None,
    ) -> Teacher:
        """A teacher from a local folder, a known package's name, or a hub id.

        Raises: TeacherError, one line, for everything that can be wrong with it.
        """
        folder = teacher_folder(name, reporter)
        config = read_config(folder)
        made = [str(name) for name in config.get("architectures") or ()]
        is_classifier = any(name.endswith("ForSequenceClassification") for name in made)
        is_causal = any(name.endswith(("ForCausalLM", "LMHeadModel")) for name in made)
        backbone = _load(folder, is_classifier, is_causal, choose_device(device), reading or Reading())
        labels: tuple[str, ...] = ()
        if is_classifier:
            names = backbone.model.config.id2label
            labels = tuple(str(names[i]) for i in range(backbone.model.config.num_labels))
        return cls(str(name), folder, backbone, labels, is_causal)

    def asked(self, template: str, words: Sequence[str]) -> Teacher:
        """A language model with a question: its labels are then the words.

        Raises: TeacherError for a template without a place for the input.
        """
        return replace(self, labels=tuple(words), question=Question(self.backbone, template, tuple(words)))

    def logits(self, texts: Sequence[str]) -> Tensor:
        """Scores of the labels.

        Shapes: -> [n, labels]
        """
        return self.question(texts) if self.question is not None else self.backbone.logits(texts)

    def count_cut(self, texts: Sequence[str]) -> int:
        """How many of these texts are longer than it reads, also where its answers come from a cache."""
        if not self.backbone.reading.truncate:
            return 0
        known = list(dict.fromkeys(texts))
        if self.question is None:
            return sum(length > self.backbone.limit for length in self.backbone.lengths(known))
        whole = [self.question.template.replace(PLACE, text) for text in known]
        return sum(length > self.question.room for length in self.backbone.lengths(whole))

    @property
    def kind(self) -> str:
        """What its scores are, apart from the files it is made of."""
        return self.question.kind if self.question is not None else "logits"

    @property
    def is_classifier(self) -> bool:
        """Whether it can answer without a head being trained."""
        return bool(self.labels)

    @property
    def identity(self) -> str:
        """A digest of everything that decides what it says."""
        return identity_of(self.folder)

    @property
    def num_bytes(self) -> int:
        """What the weights take on disk."""
        return sum(path.stat().st_size for path in self.folder.glob("*.safetensors"))

    @property
    def num_parameters(self) -> int:
        return sum(p.numel() for p in self.backbone.model.parameters())


def _load(folder: Path, is_classifier: bool, is_causal: bool, device: torch.device, reading: Reading) -> Backbone:
    from transformers import AutoModel, AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer
    from transformers.utils import logging

    kind = AutoModelForSequenceClassification if is_classifier else AutoModelForCausalLM if is_causal else AutoModel
    level = logging.get_verbosity()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        loaded: Any = kind.from_pretrained(
            folder,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            output_loading_info=True,
            dtype=torch.float32,
        )
        model, info = loaded
    except Exception as error:  # whatever a damaged folder makes of three libraries: it is the folder that is wrong
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise TeacherError(f"{folder}: transformers cannot load this model: {reason[:300]}") from None
    finally:
        logging.set_verbosity(level)
        logging.enable_progress_bar()
    missing = [name for name in info["missing_keys"] if "pooler" not in name and "position_ids" not in name]
    if missing:
        raise TeacherError(
            f"{folder}: the weights are incomplete: {len(missing)} are missing, such as {sorted(missing)[0]}"
        )
    vocabulary = model.get_input_embeddings().num_embeddings
    if len(tokenizer) > vocabulary:
        raise TeacherError(
            f"{folder}: the tokenizer does not belong to the model: "
            f"it has {len(tokenizer):,} tokens, the model {vocabulary:,}"
        )
    if tokenizer.pad_token is None:  # language models are trained without; what stands there is masked
        tokenizer.pad_token = tokenizer.eos_token
    return Backbone(folder, model.to(device).eval().requires_grad_(False), tokenizer, device, reading)


@dataclass(frozen=True)
class LabelMap:
    """Which of the query's answers each label of a teacher stands for."""

    answers: tuple[str, ...]
    column: tuple[int, ...]  # of each label

    def apply(self, logits: Tensor) -> Tensor:
        """Log-probabilities of the answers; labels that stand for one answer are added up.

        Shapes: logits [N, labels] -> [N, answers]
        """
        p = torch.softmax(logits.double(), dim=1)
        total = p.new_zeros(len(p), len(self.answers)).index_add_(1, torch.tensor(self.column), p)
        return total.clamp(min=1e-12).log()


def map_labels(teacher: Teacher, answers: Mapping[str, str], given: Mapping[str, str]) -> LabelMap:
    """Match a teacher's labels with answers, given as short name -> atom text.

    A label is taken at its word (case aside) unless [distillation.labels] says what it stands for.

    Raises: TeacherError with both lists and the line to add to task.toml.
    """
    by_word = {short.casefold(): text for short, text in answers.items()}
    by_word |= {text.casefold(): text for text in answers.values()}
    column: list[int] = []
    order = tuple(answers.values())
    for label in teacher.labels:
        text = by_word.get(given.get(label, label).strip().casefold())
        if text is None:
            raise TeacherError(_unmapped(teacher, answers, given, label))
        column.append(order.index(text))
    if uncovered := [short for short, text in answers.items() if order.index(text) not in column]:
        raise TeacherError(_unmapped(teacher, answers, given, "") + f"\nno label stands for {', '.join(uncovered)}")
    return LabelMap(order, tuple(column))


def _unmapped(teacher: Teacher, answers: Mapping[str, str], given: Mapping[str, str], label: str) -> str:
    suggestion = ", ".join(
        f'{_toml_key(name)} = "{given.get(name, answer)}"'
        for name, answer in zip(teacher.labels, _cycle(list(answers), len(teacher.labels)), strict=True)
    )
    what = (
        f"the label `{label}` of the teacher is no answer of the query" if label else "labels and answers do not match"
    )
    return (
        f"{teacher.name}: {what}\n"
        f"  the teacher's labels: {', '.join(teacher.labels)}\n"
        f"  the query's answers:  {', '.join(answers)}\n"
        f"say in [distillation] of task.toml which is which, for example:\n"
        f"  labels = {{ {suggestion} }}"
    )


def _cycle(names: list[str], length: int) -> list[str]:
    return [names[i % len(names)] if names else "" for i in range(length)]


def _toml_key(name: str) -> str:
    return name if name.isascii() and name.replace("_", "").replace("-", "").isalnum() else f'"{name}"'
