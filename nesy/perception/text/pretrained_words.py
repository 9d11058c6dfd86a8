"""What a pretrained transformer knows of single words, as a table: no layer of it is run.

The vectors that a transformer reads its tokens as are projected to the directions in which they differ most and kept; a
word is the mean over its tokens. One learned map makes hypervectors of these. So a word that training has never shown
stands where words alike to it stand: what is learned is the map, and it is the same for all words.

Source: Tulkens, van Dongen, "Model2Vec: Fast State-of-the-Art Static Embeddings", 2024, for a transformer's words as a
table reduced by principal components.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self, final

import torch
from torch import Tensor, nn
from torch.nn import functional

from nesy.errors import TaskError
from nesy.perception.transformer.backbone import Backbone, plain_tokenizer


@final
class PretrainedWords(nn.Module):
    """The table, and the learned map from it to hypervectors."""

    table: Tensor  # [tokens, width], fixed

    def __init__(self, tokenizer: str, num_tokens: int, width: int, dim: int, seed: int):
        super().__init__()
        self.tokenizer_text = tokenizer
        self.tokenizer = plain_tokenizer(tokenizer, num_tokens)
        self.register_buffer("table", torch.zeros(num_tokens, width))
        random = torch.Generator().manual_seed(seed)
        self.lift = nn.Parameter(torch.randn(width, dim, generator=random) / width**0.5)
        self._tokens: dict[str, list[int]] = {}  # of each word met so far

    @classmethod
    def from_folder(cls, folder: Path, width: int, dim: int, seed: int) -> Self:
        """The words of a transformer's folder.

        Raises: TaskError, one line, for whatever is wrong with the folder, or where its vectors are narrower.
        """
        backbone = Backbone.from_folder(folder, lora_rank=0)
        vectors = backbone.model.get_input_embeddings().weight.detach()
        if width > vectors.shape[1]:
            raise TaskError(
                f"{folder}: `words_width` = {width} in [encoder], and the transformer's words have {vectors.shape[1]} "
                "numbers"
            )
        made = cls(backbone.tokenizer_text, len(vectors), width, dim, seed)
        made.table.copy_(principal(vectors, width))
        return made

    @classmethod
    def from_config(cls, config: Mapping[str, Any], width: int, dim: int, seed: int) -> Self:
        """What `config` describes; the table comes with the weights."""
        return cls(str(config["tokenizer"]), int(config["tokens"]), width, dim, seed)

    def config(self) -> dict[str, Any]:
        """Everything but the table and the map, as JSON data."""
        return {"tokenizer": self.tokenizer_text, "tokens": len(self.table)}

    def forward(self, words: Sequence[str]) -> Tensor:
        """Words as hypervectors; zeros for a word without tokens.

        Shapes: -> [len(words), D]
        Gradient: into the map.
        """
        tokens = [self._of(word) for word in words]
        flat = torch.tensor([token for of_word in tokens for token in of_word], dtype=torch.int64)
        first = torch.tensor([0, *map(len, tokens)]).cumsum(0)[:-1]
        device = self.table.device
        return functional.embedding_bag(flat.to(device), self.table, first.to(device), mode="mean") @ self.lift

    def _of(self, word: str) -> list[int]:
        tokens = self._tokens.get(word)
        if tokens is None:
            tokens = self._tokens[word] = self.tokenizer.encode(word, add_special_tokens=False).ids
        return tokens


def principal(features: Tensor, width: int) -> Tensor:
    """The directions in which features differ most, as numbers of mean square 1.

    Shapes: features [N, W] -> [N, width]; where W < width the rest is 0
    """
    centred = features.double() - features.double().mean(dim=0)
    _, directions = torch.linalg.eigh(centred.T @ centred)
    found = centred @ directions.flip(1)[:, :width]
    scale = found.square().mean().sqrt().clamp(min=1e-12)
    return functional.pad((found / scale).float(), (0, width - found.shape[1]))
