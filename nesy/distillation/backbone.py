"""A transformer and its tokenizer: texts in, scores or features out, in batches of like length."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nesy.errors import TeacherError

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
        for text, length in zip(texts, self.lengths(texts), strict=True):
            if length > limit:
                self.refuse_or_count(text, length, limit)
        batch = self.tokenizer(list(texts), padding=True, truncation=True, max_length=limit, return_tensors="pt")
        return {name: tensor.to(self.device) for name, tensor in batch.items()}

    def lengths(self, texts: Sequence[str]) -> list[int]:
        """How many tokens each text has, whatever the limit."""
        return [len(ids) for ids in self.tokenizer(list(texts), truncation=False, verbose=False)["input_ids"]]

    def refuse_or_count(self, text: str, length: int, limit: int) -> None:
        """Deal with an input over the limit.

        Raises: TeacherError unless inputs may be cut.
        """
        if not self.reading.truncate:
            raise TeacherError(
                f"an input has {length:,} tokens and the teacher reads {limit:,}: {text[:60]!r}...: "
                "shorten it, or set truncate = true in [distillation] of task.toml (cut inputs are counted)"
            )
        self.cut.add(text)

    @torch.no_grad()
    def features(self, texts: Sequence[str]) -> Tensor:
        """Mean of the last layer over the tokens of each text, of length 1: a sentence embedding.

        Shapes: -> [n, width]
        """
        batch = self.encode(texts)
        with self.autocast():
            hidden = self.model.base_model(**batch).last_hidden_state
        return mean_pool(hidden.float(), batch["attention_mask"])

    @torch.no_grad()
    def logits(self, texts: Sequence[str]) -> Tensor:
        """Scores of the classification head.

        Shapes: -> [n, labels]
        """
        batch = self.encode(texts)
        with self.autocast():
            return self.model(**batch).logits.float()

    @property
    def precision(self) -> str:
        """The floats that matrix products are done in."""
        return "bfloat16" if has_fast_bfloat16(self.device) else "float32"

    def autocast(self) -> torch.autocast:
        """Half-width floats for a forward pass, where they are faster."""
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
