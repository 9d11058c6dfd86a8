"""Texts read by a pretrained transformer: its vector of each word, and a readout per neural predicate.

The rules see the same words as with the text encoder, `token(Index, Word)`; a word's vector is the mean of the last
layer over the tokens that the word is made of. The transformer is frozen, and what it makes of a text is kept; or it
learns by low-rank updates (`lora_rank`, extra `lora`). With `text_dim`, the hypervectors of the text encoder look at
the same words, and the scores of both are added: what the pretrained model knows and what the task teaches.

A run holds the whole transformer, configuration, vocabulary and weights: it needs neither the folder nor the hub again.
"""

from __future__ import annotations

import dataclasses
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, final

import torch
from torch import Tensor, nn

from nesy.errors import DataError, RunError, TaskError
from nesy.language.core import Signature
from nesy.language.values import Value
from nesy.perception.encoder import Encoder, Facts, Interface, Keys, Payload, Sighting
from nesy.perception.options import read_options, within
from nesy.perception.payloads import check_samples, field_of, rows_of
from nesy.perception.pretrained import Finder
from nesy.perception.readout import ReadoutName, make_readouts
from nesy.perception.text.encoder import TextEncoder
from nesy.perception.text.layout import not_in_text
from nesy.perception.text.words import Words, split_words
from nesy.perception.transformer.backbone import Backbone, Tokens

_TOKEN: Final = Signature("token", 2)
_MOST_CACHED: Final = 20_000  # texts whose vectors are kept while the transformer is frozen


@dataclass(frozen=True)
class TransformerOptions:
    """The `[encoder]` table of kind `transformer`."""

    model: str  # a folder, a hub id, or `minilm`
    field: str = "text"
    lowercase: bool = True  # of the words that the rules see; the transformer reads the text as it is
    lora_rank: int = dataclasses.field(default=0, metadata=within(0, 1024))
    text_dim: int = dataclasses.field(default=0, metadata=within(0, 65_536))
    text_vocabulary: int = dataclasses.field(default=4000, metadata=within(256, 1_000_000))
    readout: ReadoutName = "linear"
    hidden: int = dataclasses.field(default=64, metadata=within(1, 65_536))
    dropout: float = dataclasses.field(default=0.0, metadata=within(0.0, 0.95))
    longest: int = dataclasses.field(default=512, metadata=within(1, 100_000))


@dataclass(frozen=True)
class _Read:
    """A text, its words, and its tokens."""

    text: str
    words: Words
    tokens: Tokens


@final
class TransformerEncoder(Encoder):
    """See the module's text."""

    def __init__(
        self,
        options: TransformerOptions,
        backbone: Backbone,
        beside: TextEncoder | None,
        num_scores: Mapping[str, int],
        inputs: Sequence[Signature],
        seed: int,
    ):
        super().__init__()
        self.options, self.seed = options, seed
        self.num_scores, self.inputs = dict(num_scores), tuple(inputs)
        self.backbone, self.beside = backbone, beside
        self.scale = nn.LayerNorm(backbone.width)
        self.readouts = make_readouts(options.readout, backbone.width, self.num_scores, options.hidden, seed)
        self._reads: OrderedDict[str, _Read] = OrderedDict()
        self._vectors: OrderedDict[str, Tensor] = OrderedDict()

    @classmethod
    def build(
        cls, options: Mapping[str, Any], interface: Interface, payloads: Sequence[Payload], seed: int
    ) -> TransformerEncoder:
        chosen = read_options(TransformerOptions, options, "transformer")
        if _TOKEN not in interface.inputs:
            known = ", ".join(map(str, interface.inputs)) or "none"
            raise TaskError(
                f"the transformer encoder supplies {_TOKEN}, which the program does not declare (its inputs: {known}): "
                "add `#input token(index, word).`"
            )
        beside = None
        if chosen.text_dim:
            beside = TextEncoder.build(_text_options(chosen), interface, payloads, seed)
        backbone = Backbone.from_folder(Finder("transformer", TaskError).folder(chosen.model), chosen.lora_rank)
        return cls(chosen, backbone, beside, interface.num_scores, interface.inputs, seed)

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> TransformerEncoder:
        try:
            options = read_options(TransformerOptions, config["options"], "transformer")
            backbone = Backbone(config["transformer"], config["tokenizer"], options.lora_rank)
            beside = TextEncoder.from_config(config["beside"]) if config["beside"] is not None else None
            inputs = [Signature(str(name), int(arity)) for name, arity in config["inputs"]]
            num_scores = {str(name): int(width) for name, width in config["num_scores"].items()}
            return cls(options, backbone, beside, num_scores, inputs, int(config["seed"]))
        except (KeyError, TypeError, ValueError, AttributeError, TaskError) as error:
            raise RunError(f"the configuration of the transformer encoder is damaged: {error}") from None

    def config(self) -> dict[str, Any]:
        return {
            "kind": "transformer",
            "options": asdict(self.options),
            "inputs": [list(signature) for signature in self.inputs],
            "num_scores": self.num_scores,
            "seed": self.seed,
            "transformer": self.backbone.description,
            "tokenizer": self.backbone.tokenizer_text,
            "beside": self.beside.config() if self.beside is not None else None,
        }

    def facts(self, payload: Payload) -> Facts:
        words = self._read(self._text_of(payload)).words.words
        own = rows_of(payload, (signature for signature in self.inputs if signature != _TOKEN))
        return {**own, _TOKEN: list(enumerate(words))}

    def forward(self, payloads: Sequence[Payload], requests: Mapping[str, Keys]) -> dict[str, Tensor]:
        places = {name: self._places(payloads, name, keys) for name, keys in requests.items()}
        wanted = list(dict.fromkeys(text for each in places.values() for text, _ in each))
        vectors = dict(zip(wanted, self._hidden([self._read(text) for text in wanted]), strict=True))
        scores = {}
        for name, each in places.items():
            rows = [self._pooled(self._read(text).tokens, vectors[text], span) for text, span in each]
            features = nn.functional.dropout(self.scale(torch.stack(rows)), self.options.dropout, self.training)
            scores[name] = self.readouts[name](features)
        if self.beside is not None:
            beside = self.beside(payloads, requests)
            scores = {name: score + beside[name] for name, score in scores.items()}
        return scores

    def sighting(self, payload: Payload, predicate: str, key: tuple[Value, ...]) -> Sighting:
        text = self._text_of(payload)
        start, end = self._span(text, predicate, key)
        return Sighting(text[start:end], start, end)

    def payload_of(self, typed: str) -> Payload:
        return {self.options.field: typed}

    def _places(self, payloads: Sequence[Payload], name: str, keys: Keys) -> list[tuple[str, tuple[int, int]]]:
        """The text and its characters that each key stands for; a word as a key is a text of its own."""
        check_samples(name, keys)
        found = []
        for sample, key in zip(keys.sample.tolist(), keys.key, strict=True):
            text = self._text_of(payloads[sample])
            start, end = self._span(text, name, key)
            match key:
                case (str(),):
                    found.append((text[start:end], (0, end - start)))
                case _:
                    found.append((text, (start, end)))
        return found

    def _span(self, text: str, predicate: str, key: tuple[Value, ...]) -> tuple[int, int]:
        words = self._read(text).words
        match key:
            case ():
                return 0, len(text)
            case (int(index),) if 0 <= index < len(words):
                return words.spans[index]
            case (str(word),) if word in words.words:
                return words.spans[words.words.index(word)]
        raise DataError(not_in_text(predicate, key))

    def _hidden(self, reads: Sequence[_Read]) -> list[Tensor]:
        """The transformer's vectors of each text's tokens. Shapes: each [T, width]

        A frozen one reads each text by itself and once: what comes out then does not depend on the batch, so that a
        resumed training goes on bit for bit.
        """
        if self.options.lora_rank:
            return self.backbone([read.tokens for read in reads])
        return [self._kept(read) for read in reads]

    @torch.no_grad()
    def _kept(self, read: _Read) -> Tensor:
        found = self._vectors.get(read.text)
        if found is not None and found.device == self.device:
            self._vectors.move_to_end(read.text)
            return found
        (vectors,) = self.backbone([read.tokens])
        self._vectors[read.text] = vectors
        if len(self._vectors) > _MOST_CACHED:
            self._vectors.popitem(last=False)
        return vectors

    @staticmethod
    def _pooled(tokens: Tokens, vectors: Tensor, span: tuple[int, int]) -> Tensor:
        """The mean over the tokens that overlap some characters; over all where none does. Shapes: [T, W] -> [W]"""
        start, end = span
        inside = (tokens.start < end) & (tokens.end > start)
        return vectors[inside.to(vectors.device)].mean(dim=0) if bool(inside.any()) else vectors.mean(dim=0)

    def _text_of(self, payload: Payload) -> str:
        text = field_of(payload, self.options.field)
        if not isinstance(text, str):
            raise DataError(f"field `{self.options.field}`: expected a text, found {text!r:.60}")
        return text

    def _read(self, text: str) -> _Read:
        found = self._reads.get(text)
        if found is not None:
            self._reads.move_to_end(text)
            return found
        words = split_words(text, self.options.lowercase)
        if len(words) > self.options.longest:
            raise DataError(
                f"a text has {len(words):,} words, more than the {self.options.longest:,} that the option `longest` "
                f"of [encoder] allows: {text[:40]!r}..."
            )
        if not len(words):
            raise DataError("the text has no words")
        read = self._reads[text] = _Read(text, words, self.backbone.read(text))
        if len(self._reads) > _MOST_CACHED:
            self._reads.popitem(last=False)
        return read


def _text_options(options: TransformerOptions) -> dict[str, Any]:
    """Those of the text encoder that looks at the same words."""
    return {
        "field": options.field,
        "lowercase": options.lowercase,
        "vocabulary": options.text_vocabulary,
        "dim": options.text_dim,
        "readout": options.readout,
        "hidden": options.hidden,
        "dropout": options.dropout,
        "longest": options.longest,
    }
