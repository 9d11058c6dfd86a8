"""Teachers: pretrained transformers that say how likely each answer is for a text.

A teacher is a folder of files (see `resolve`). One with a sequence classification head answers as it is; a sentence
encoder needs a head trained on the task's labelled rows first (`head`), frozen or with LoRA (`lora`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nesy.device import choose_device
from nesy.distillation.resolve import identity_of, read_config, teacher_folder
from nesy.errors import TeacherError
from nesy.learning.progress import Reporter

# What tokenizers report when they know no limit.
_NO_LIMIT = 1_000_000


@dataclass(frozen=True)
class Reading:
    """How the teacher reads an input."""

    max_length: int = 0  # tokens; 0 is the teacher's own limit
    truncate: bool = False


@dataclass(frozen=True, eq=False)
class Backbone:
    """A transformer and its tokenizer on a device; nothing of it is ever trained in place."""

    folder: Path
    model: Any
    tokenizer: Any
    device: torch.device
    reading: Reading
    cut: set[str] = field(default_factory=set)  # inputs that were over the limit

    @property
    def limit(self) -> int:
        """The most tokens of an input."""
        own = min(
            int(getattr(self.tokenizer, "model_max_length", _NO_LIMIT)),
            int(getattr(self.model.config, "max_position_embeddings", _NO_LIMIT)),
        )
        return min(own, self.reading.max_length) if self.reading.max_length else own

    def encode(self, texts: Sequence[str]) -> Mapping[str, Tensor]:
        """Token tensors of a batch.

        Raises: TeacherError for an input over the limit, unless inputs may be cut.
        """
        limit = self.limit
        lengths = [len(ids) for ids in self.tokenizer(list(texts), truncation=False, verbose=False)["input_ids"]]
        for text, length in zip(texts, lengths, strict=True):
            if length > limit:
                if not self.reading.truncate:
                    raise TeacherError(
                        f"an input has {length:,} tokens and the teacher reads {limit:,}: {text[:60]!r}...: "
                        "shorten it, or set truncate = true in [distillation] of task.toml (cut inputs are counted)"
                    )
                self.cut.add(text)
        batch = self.tokenizer(list(texts), padding=True, truncation=True, max_length=limit, return_tensors="pt")
        return {name: tensor.to(self.device) for name, tensor in batch.items()}

    @torch.no_grad()
    def features(self, texts: Sequence[str]) -> Tensor:
        """Mean of the last layer over the tokens of each text, of length 1: a sentence embedding.

        Shapes: -> [n, width]
        """
        batch = self.encode(texts)
        with self._precision():
            hidden = self.model.base_model(**batch).last_hidden_state
        return mean_pool(hidden.float(), batch["attention_mask"])

    @torch.no_grad()
    def logits(self, texts: Sequence[str]) -> Tensor:
        """Scores of the classification head.

        Shapes: -> [n, labels]
        """
        batch = self.encode(texts)
        with self._precision():
            return self.model(**batch).logits.float()

    @property
    def precision(self) -> str:
        """The floats that matrix products are done in."""
        return "bfloat16" if has_fast_bfloat16(self.device) else "float32"

    def _precision(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=has_fast_bfloat16(self.device))


def has_fast_bfloat16(device: torch.device) -> bool:
    """Whether half-width floats are faster here: elsewhere a CPU emulates them, slowly."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return device.type == "cpu" and torch.cpu._is_amx_tile_supported()


def mean_pool(hidden: Tensor, mask: Tensor) -> Tensor:
    """The mean over real tokens, scaled to length 1.

    Shapes: hidden [n, tokens, width], mask [n, tokens] -> [n, width]
    """
    weight = mask[:, :, None].to(hidden.dtype)
    mean = (hidden * weight).sum(dim=1) / weight.sum(dim=1).clamp(min=1.0)
    return torch.nn.functional.normalize(mean, dim=1)


@dataclass(frozen=True, eq=False)
class Teacher:
    """A pretrained transformer, found and read."""

    name: str
    folder: Path
    backbone: Backbone
    labels: tuple[str, ...]  # of the classification head; empty for a sentence encoder

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
        is_classifier = any(str(a).endswith("ForSequenceClassification") for a in config.get("architectures") or ())
        backbone = _load(folder, is_classifier, choose_device(device), reading or Reading())
        labels: tuple[str, ...] = ()
        if is_classifier:
            names = backbone.model.config.id2label
            labels = tuple(str(names[i]) for i in range(backbone.model.config.num_labels))
        return cls(str(name), folder, backbone, labels)

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


def _load(folder: Path, is_classifier: bool, device: torch.device, reading: Reading) -> Backbone:
    from transformers import AutoModel, AutoModelForSequenceClassification, AutoTokenizer
    from transformers.utils import logging

    kind = AutoModelForSequenceClassification if is_classifier else AutoModel
    level = logging.get_verbosity()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        model, info = kind.from_pretrained(
            folder,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            output_loading_info=True,
            dtype=torch.float32,
        )
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
