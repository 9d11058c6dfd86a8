"""Texts read by a pretrained transformer: its vector of each word, and a readout per neural predicate.

The rules see the same words as with the text encoder, `token(Index, Word)`, and the same edits where two texts are
compared (`against`); a word's vector is the mean of the last layer over the tokens that the word is made of. A pair of
words, `wider(V, W)`, is the difference of their vectors and their product, each word read as a text of its own: which
of the two comes first, and how alike they are. The transformer is frozen, and what it makes of a text is kept; or it
learns by low-rank updates (`lora_rank`, extra `lora`). With `text_dim`, the hypervectors of the text encoder look at
the same words, and the scores of both are added: what the pretrained model knows and what the task teaches.

A run holds the whole transformer, configuration, vocabulary and weights: it needs neither the folder nor the hub again.

Source: Conneau et al., "Supervised Learning of Universal Sentence Representations from Natural Language Inference
Data", EMNLP 2017, for comparing two vectors by difference and product.
"""

from __future__ import annotations

import dataclasses
from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, final

import torch
from torch import Tensor, nn

from nesy.errors import DataError, RunError, TaskError
from nesy.language.core import Signature
from nesy.language.values import Value
from nesy.perception.encoder import Encoder, Facts, Interface, Keys, Payload, Sighting
from nesy.perception.options import read_options, within
from nesy.perception.payloads import check_samples
from nesy.perception.pretrained import Finder
from nesy.perception.readout import ReadoutName, make_readouts
from nesy.perception.text.encoder import TextEncoder
from nesy.perception.text.fields import TextFields, pair_sighting
from nesy.perception.text.layout import not_in_text
from nesy.perception.text.words import Words
from nesy.perception.transformer.backbone import Backbone, Tokens

_MOST_CACHED: Final = 20_000  # texts whose vectors are kept while the transformer is frozen


@dataclass(frozen=True)
class TransformerOptions:
    """The `[encoder]` table of kind `transformer`."""

    model: str  # a folder, a hub id, or `minilm`
    field: str = "text"
    against: str = ""  # the field of a second text
    lowercase: bool = True  # of the words that the rules see; the transformer reads the text as it is
    lora_rank: int = dataclasses.field(default=0, metadata=within(0, 1024))
    text_dim: int = dataclasses.field(default=0, metadata=within(0, 65_536))
    text_vocabulary: int = dataclasses.field(default=4000, metadata=within(256, 1_000_000))
    readout: ReadoutName = "linear"
    hidden: int = dataclasses.field(default=64, metadata=within(1, 65_536))
    dropout: float = dataclasses.field(default=0.0, metadata=within(0.0, 0.95))
    longest: int = dataclasses.field(default=512, metadata=within(1, 100_000))

    @property
    def fields(self) -> TextFields:
        """The texts of an input."""
        return TextFields(self.field, self.against, self.lowercase, self.longest)


@dataclass(frozen=True)
class _Read:
    """A text, its words, and its tokens."""

    text: str
    words: Words
    tokens: Tokens


@dataclass(frozen=True)
class _Place:
    """Characters of a text that a key, or one word of a pair, stands for."""

    text: str
    start: int
    end: int

    @classmethod
    def all_of(cls, text: str) -> _Place:
        """A text of its own."""
        return cls(text, 0, len(text))


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
        pairs: Collection[str] = (),
    ):
        super().__init__()
        self.options, self.seed, self.fields = options, seed, options.fields
        self.pairs = frozenset(pairs)  # neural predicates of two words
        self.num_scores, self.inputs = dict(num_scores), tuple(inputs)
        self.further = self.fields.further(inputs)
        self.backbone, self.beside = backbone, beside
        self.scale = nn.LayerNorm(backbone.width)
        widths = {name: backbone.width * (2 if name in self.pairs else 1) for name in self.num_scores}
        self.readouts = make_readouts(options.readout, widths, self.num_scores, options.hidden, seed)
        self._reads: OrderedDict[str, _Read] = OrderedDict()
        self._vectors: OrderedDict[str, Tensor] = OrderedDict()

    @classmethod
    def build(
        cls, options: Mapping[str, Any], interface: Interface, payloads: Sequence[Payload], seed: int
    ) -> TransformerEncoder:
        chosen = read_options(TransformerOptions, options, "transformer")
        chosen.fields.check("transformer", interface.inputs)
        beside = None
        if chosen.text_dim:
            beside = TextEncoder.build(_text_options(chosen), interface, payloads, seed)
        backbone = Backbone.from_folder(Finder("transformer", TaskError).folder(chosen.model), chosen.lora_rank)
        pairs = [name for name, neural in interface.neural.items() if len(neural.key) == 2]
        return cls(chosen, backbone, beside, interface.num_scores, interface.inputs, seed, pairs)

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> TransformerEncoder:
        try:
            options = read_options(TransformerOptions, config["options"], "transformer")
            backbone = Backbone(config["transformer"], config["tokenizer"], options.lora_rank)
            beside = TextEncoder.from_config(config["beside"]) if config["beside"] is not None else None
            inputs = [Signature(str(name), int(arity)) for name, arity in config["inputs"]]
            num_scores = {str(name): int(width) for name, width in config["num_scores"].items()}
            pairs = [str(name) for name in config.get("pairs", ())]
            return cls(options, backbone, beside, num_scores, inputs, int(config["seed"]), pairs)
        except (KeyError, TypeError, ValueError, AttributeError, TaskError) as error:
            raise RunError(f"the configuration of the transformer encoder is damaged: {error}") from None

    def config(self) -> dict[str, Any]:
        return {
            "kind": "transformer",
            "options": asdict(self.options),
            "inputs": [list(signature) for signature in self.inputs],
            "num_scores": self.num_scores,
            "seed": self.seed,
            "pairs": sorted(self.pairs),
            "transformer": self.backbone.description,
            "tokenizer": self.backbone.tokenizer_text,
            "beside": self.beside.config() if self.beside is not None else None,
        }

    def facts(self, payload: Payload) -> Facts:
        return self.fields.facts(payload, self.further, lambda text: self._read(text).words)

    def forward(self, payloads: Sequence[Payload], requests: Mapping[str, Keys]) -> dict[str, Tensor]:
        places = {name: self._places(payloads, name, keys) for name, keys in requests.items()}
        wanted = list(dict.fromkeys(place for each in places.values() for key in each for place in key))
        row_of = {place: row for row, place in enumerate(wanted)}
        vectors = self.scale(self._vectors_of(wanted))
        scores = {}
        for name, each in places.items():
            first, *second = torch.tensor([[row_of[place] for place in key] for key in each], device=self.device).T
            features = _compared(vectors[first], vectors[second[0]]) if second else vectors[first]
            scores[name] = self.readouts[name](nn.functional.dropout(features, self.options.dropout, self.training))
        if self.beside is not None:
            beside = self.beside(payloads, requests)
            scores = {name: score + beside[name] for name, score in scores.items()}
        return scores

    def sighting(self, payload: Payload, predicate: str, key: tuple[Value, ...]) -> Sighting:
        match key:
            case (str(old), str(new)) if self.options.against:
                return pair_sighting(old, new)
        place = self._place(self._first(payload), predicate, key)
        return Sighting(place.text[place.start : place.end], place.start, place.end)

    def payload_of(self, typed: str) -> Payload:
        return self.fields.payload_of(typed)

    def _places(self, payloads: Sequence[Payload], name: str, keys: Keys) -> list[tuple[_Place, ...]]:
        """What each key stands for; a word as a key, or one of a pair, is a text of its own."""
        check_samples(name, keys)
        found: list[tuple[_Place, ...]] = []
        for sample, key in zip(keys.sample.tolist(), keys.key, strict=True):
            match key:
                case (str(old), str(new)):
                    found.append((_Place.all_of(old), _Place.all_of(new)))
                case (str(),):
                    place = self._place(self._first(payloads[sample]), name, key)
                    found.append((_Place.all_of(place.text[place.start : place.end]),))
                case _:
                    found.append((self._place(self._first(payloads[sample]), name, key),))
        return found

    def _first(self, payload: Payload) -> str:
        """The text that keys are about."""
        return self.fields.texts(payload)[0]

    def _place(self, text: str, predicate: str, key: tuple[Value, ...]) -> _Place:
        words = self._read(text).words
        match key:
            case ():
                return _Place.all_of(text)
            case (int(index),) if 0 <= index < len(words):
                return _Place(text, *words.spans[index])
            case (str(word),) if word in words.words:
                return _Place(text, *words.spans[words.words.index(word)])
        raise DataError(not_in_text(predicate, key))

    def _vectors_of(self, places: Sequence[_Place]) -> Tensor:
        """The mean of the last layer over the tokens of each place. Shapes: -> [N, width]"""
        texts = list(dict.fromkeys(place.text for place in places))
        hidden = dict(zip(texts, self._hidden([self._read(text) for text in texts]), strict=True))
        return torch.stack([self._pooled(self._read(place.text).tokens, hidden[place.text], place) for place in places])

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
    def _pooled(tokens: Tokens, vectors: Tensor, place: _Place) -> Tensor:
        """The mean over the tokens that overlap some characters; over all where none does. Shapes: [T, W] -> [W]"""
        inside = (tokens.start < place.end) & (tokens.end > place.start)
        return vectors[inside.to(vectors.device)].mean(dim=0) if bool(inside.any()) else vectors.mean(dim=0)

    def _read(self, text: str) -> _Read:
        found = self._reads.get(text)
        if found is not None:
            self._reads.move_to_end(text)
            return found
        read = self._reads[text] = _Read(text, self.fields.words(text), self.backbone.read(text))
        if len(self._reads) > _MOST_CACHED:
            self._reads.popitem(last=False)
        return read


def _compared(first: Tensor, second: Tensor) -> Tensor:
    """Two words as one vector. Shapes: [N, W], [N, W] -> [N, 2 W]"""
    return torch.cat([first - second, first * second], dim=-1)


def _text_options(options: TransformerOptions) -> dict[str, Any]:
    """Those of the text encoder that looks at the same words."""
    return {
        "field": options.field,
        "against": options.against,
        "lowercase": options.lowercase,
        "vocabulary": options.text_vocabulary,
        "dim": options.text_dim,
        "readout": options.readout,
        "hidden": options.hidden,
        "dropout": options.dropout,
        "longest": options.longest,
    }
