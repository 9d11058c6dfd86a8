"""A transformer that reads texts: the last layer's vector of each of its tokens, and where they stand in the text.

It is described by plain data (its configuration and its tokenizer's, both JSON), so that a run folder holds all of it;
its weights are those of the encoder it is part of. No code of a model's own is ever run.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn

from nesy.errors import DataError, MissingExtraError, TaskError

_NO_LIMIT = 1_000_000  # tokens, where a model does not say how many it reads


@dataclass(frozen=True)
class Tokens:
    """A text as the transformer reads it.

    Shapes: id [T], start and end [T] characters of the text; both 0 for a token that stands for none of it
    """

    id: Tensor
    start: Tensor
    end: Tensor


def plain_tokenizer(text: str, num_tokens: int) -> Tokenizer:
    """A tokenizer from its own JSON text, which neither fills up nor cuts, for a table of so many tokens' vectors.

    Raises: ValueError for a text that is no tokenizer's, or a tokenizer with further tokens.
    """
    try:
        tokenizer = Tokenizer.from_str(text)
    except Exception as error:  # the library has no error of its own
        raise ValueError(f"its tokenizer cannot be read: {error}") from None
    if max(tokenizer.get_vocab().values(), default=-1) >= num_tokens:
        raise ValueError("the tokenizer does not belong to the model: it has more tokens")
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


@final
class Backbone(nn.Module):
    """A transformer, frozen or with low-rank updates of its own (LoRA).

    Source: Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models", ICLR 2022.
    """

    def __init__(self, config: Mapping[str, Any], tokenizer: str, lora_rank: int):
        super().__init__()
        self.description, self.tokenizer_text, self.lora_rank = dict(config), tokenizer, lora_rank
        model = _model(config)
        self.tokenizer = plain_tokenizer(tokenizer, int(model.get_input_embeddings().num_embeddings))
        self.width = int(model.config.hidden_size)
        self.limit = int(getattr(model.config, "max_position_embeddings", _NO_LIMIT))
        self.model = (_with_lora(model, lora_rank) if lora_rank else model.requires_grad_(False)).eval()

    @classmethod
    def from_folder(cls, folder: Path, lora_rank: int, layers: int = 0) -> Backbone:
        """The transformer of a folder, with its weights, or its first so many layers.

        Raises: TaskError, one line, for whatever is wrong with the folder, or where it has fewer layers;
        MissingExtraError for LoRA without peft.
        """
        if not (folder / "tokenizer.json").is_file():
            raise TaskError(f"{folder}: the folder has no tokenizer.json: save it again with a fast tokenizer")
        try:
            pretrained = _load(folder)
            config = json.loads(pretrained.config.to_json_string(use_diff=False))
            if layers:
                config = _cut(config, layers, folder)
            backbone = cls(config, (folder / "tokenizer.json").read_text(encoding="utf-8"), lora_rank)
        except (MissingExtraError, TaskError):
            raise
        except Exception as error:  # whatever a damaged folder makes of three libraries: it is the folder that is wrong
            reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise TaskError(f"{folder}: this transformer cannot be read: {reason[:300]}") from None
        own = backbone.model.get_base_model() if lora_rank else backbone.model
        _copy(pretrained.state_dict(), own)
        return backbone

    def train(self, mode: bool = True) -> Backbone:
        """A frozen transformer never drops out."""
        super().train(mode and bool(self.lora_rank))
        return self

    def read(self, text: str) -> Tokens:
        """The tokens of a text.

        Raises: DataError for a text that is longer than the transformer reads.
        """
        found = self.tokenizer.encode(text)
        if len(found.ids) > self.limit:
            raise DataError(
                f"a text has {len(found.ids):,} tokens and the transformer reads {self.limit:,}: {text[:40]!r}..."
            )
        offsets = torch.tensor(found.offsets, dtype=torch.int64).reshape(-1, 2)
        return Tokens(torch.tensor(found.ids, dtype=torch.int64), offsets[:, 0], offsets[:, 1])

    def forward(self, texts: Sequence[Tokens]) -> list[Tensor]:
        """The last layer's vectors of each text's tokens. Shapes: each [T, width]"""
        device = next(self.model.parameters()).device
        lengths = [len(tokens.id) for tokens in texts]
        ids = nn.utils.rnn.pad_sequence([tokens.id for tokens in texts], batch_first=True).to(device)
        mask = (torch.arange(ids.shape[1])[None] < torch.tensor(lengths)[:, None]).to(device)
        hidden = self.model(input_ids=ids, attention_mask=mask.long()).last_hidden_state
        return [vectors[:length] for vectors, length in zip(hidden, lengths, strict=True)]


def _cut(config: Mapping[str, Any], layers: int, folder: Path) -> dict[str, Any]:
    """The configuration of a transformer's first layers."""
    has = config.get("num_hidden_layers")
    if not isinstance(has, int) or layers > has:
        raise TaskError(f"{folder}: `layers` = {layers} in [encoder], and the transformer has {has} layers to cut")
    return {**config, "num_hidden_layers": layers}


def _model(config: Mapping[str, Any]) -> Any:
    """A transformer of random weights; the global stream of random numbers is left as it was."""
    from transformers import AutoConfig, AutoModel

    kept = {name: value for name, value in config.items() if name not in ("auto_map", "_name_or_path", "model_type")}
    with torch.random.fork_rng(devices=[]):
        return AutoModel.from_config(AutoConfig.for_model(str(config["model_type"]), **kept), trust_remote_code=False)


def _load(folder: Path) -> Any:
    from transformers import AutoModel
    from transformers.utils import logging

    level = logging.get_verbosity()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        return AutoModel.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False, use_safetensors=True, dtype=torch.float32
        )
    finally:
        logging.set_verbosity(level)
        logging.enable_progress_bar()


def _with_lora(model: Any, rank: int) -> Any:
    try:
        from peft import LoraConfig, TaskType, get_peft_model
    except ImportError:
        raise MissingExtraError("a transformer with LoRA", "lora") from None
    with warnings.catch_warnings():
        # peft asks transformers for a name that transformers has deprecated: no business of the user's.
        warnings.simplefilter("ignore", FutureWarning)
        return get_peft_model(
            model,
            LoraConfig(task_type=TaskType.FEATURE_EXTRACTION, r=rank, lora_alpha=2 * rank, target_modules="all-linear"),
        )


def _copy(state: Mapping[str, Tensor], model: Any) -> None:
    """Pretrained weights into a model whose linear layers LoRA may have wrapped."""
    with torch.no_grad():
        for name, target in [*model.named_parameters(), *model.named_buffers()]:
            plain = name.replace(".base_layer.", ".")
            if plain in state:
                target.copy_(state[plain])
