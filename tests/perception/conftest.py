"""A pretrained transformer made on the spot: tiny, of random weights, in real files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch


@pytest.fixture(scope="session")
def tiny_bert(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Sequence[str], int], Path]:
    """Writes a BERT of 16 numbers a token and two layers that knows some word pieces and reads so many tokens."""

    def make(pieces: Sequence[str], longest: int) -> Path:
        from tokenizers import Tokenizer, normalizers, pre_tokenizers, processors
        from tokenizers.models import WordPiece
        from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

        place = tmp_path_factory.mktemp("transformer")
        tokens = Tokenizer(WordPiece({piece: i for i, piece in enumerate(pieces)}, unk_token="[UNK]"))
        tokens.normalizer = normalizers.BertNormalizer()
        tokens.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        tokens.post_processor = processors.TemplateProcessing(
            single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
        )
        PreTrainedTokenizerFast(tokenizer_object=tokens, pad_token="[PAD]", unk_token="[UNK]").save_pretrained(place)
        torch.manual_seed(3)
        config = BertConfig(
            vocab_size=len(pieces), hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32,
            max_position_embeddings=longest,
        )  # fmt: skip
        BertModel(config).save_pretrained(place)
        return place

    return make
