"""Texts: words for the rules, and a hypervector of each word for the neural predicates.

The rules see words, `token(Index, Word)`. The encoder sees the byte pieces that a word is made of: each
piece has a learned vector, bound with its place in the word; their bundle is the word. With `rank` above 0 these
vectors are narrow, and one learned map lifts a word to a hypervector: a large vocabulary then costs few weights. With
`context`, the words around join the bundle, each bound with its distance; with `whole`, the whole text does, bound
with a key of its own (distances and key start as random hypervectors and are learned). A readout per neural predicate
gives the scores.

What a key of a neural predicate means: `p(T)` with a number is word T of the text; `p(W)` with a text is the
word W wherever it stands, without context; `p(V, W)` with two texts is the pair of these words, each bound with a
random hypervector for its role; `p` without a key is the whole text.

With `against`, an input has two texts (`fields`): keys are about the first, and pairs are of words of both.
"""

from __future__ import annotations

import dataclasses
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, final

import numpy as np
import torch
from torch import Tensor, nn

from nesy.errors import DataError, RunError, TaskError
from nesy.hdc import MAP
from nesy.language.core import Signature
from nesy.language.values import Value
from nesy.perception.encoder import Facts, Interface, Keys, Payload, Sighting, WordEncoder
from nesy.perception.influence import Influence, Members, influence
from nesy.perception.options import read_options, within
from nesy.perception.readout import ReadoutName, make_readouts
from nesy.perception.text.fields import TextFields, pair_sighting
from nesy.perception.text.layout import MOST_PIECES, Index, Layout, Reading, not_in_text
from nesy.perception.text.neighbours import bundle_neighbours
from nesy.perception.text.tokenizer import Pieces
from nesy.perception.text.words import Words, split_words

_MOST_CACHED: Final = 100_000  # texts
_HINT: Final = 0.3  # scale at the start: where tanh still learns, and neighbours are a hint beside the word itself


@dataclass(frozen=True)
class TextOptions:
    """The `[encoder]` table of kind `text`."""

    field: str = "text"
    against: str = ""  # the field of a second text
    lowercase: bool = True
    vocabulary: int = dataclasses.field(default=4000, metadata=within(256, 1_000_000))
    dim: int = dataclasses.field(default=64, metadata=within(1, 65_536))
    rank: int = dataclasses.field(default=0, metadata=within(0, 65_536))  # 0: pieces are as wide as hypervectors
    context: int = dataclasses.field(default=0, metadata=within(0, 16))
    whole: bool = False
    readout: ReadoutName = "linear"
    hidden: int = dataclasses.field(default=64, metadata=within(1, 65_536))
    dropout: float = dataclasses.field(default=0.0, metadata=within(0.0, 0.95))
    word_dropout: float = dataclasses.field(default=0.0, metadata=within(0.0, 0.95))
    longest: int = dataclasses.field(default=512, metadata=within(1, 100_000))

    @property
    def fields(self) -> TextFields:
        """The texts of an input."""
        return TextFields(self.field, self.against, self.lowercase, self.longest)


@final
class TextEncoder(WordEncoder):
    """See the module's text."""

    places: Tensor  # [MOST_PIECES, rank]
    roles: Tensor | None  # [2, D] of the words of a pair

    def __init__(
        self,
        options: TextOptions,
        pieces: Pieces,
        num_scores: Mapping[str, int],
        inputs: Sequence[Signature],
        seed: int,
        has_pairs: bool = False,
    ):
        super().__init__()
        self.options, self.pieces, self.seed = options, pieces, seed
        self.fields = options.fields
        self.num_scores = dict(num_scores)
        self.inputs = tuple(inputs)
        self.further = self.fields.further(inputs)
        self.model = MAP(options.dim, seed=seed, dtype=torch.float32)
        self.narrow = MAP(options.rank, seed=seed, dtype=torch.float32) if options.rank else self.model
        self.piece_vectors = nn.Parameter(_HINT * self.narrow.latent(len(pieces)))
        self.register_buffer("places", self.narrow.random(MOST_PIECES))
        self.lift = nn.Parameter(self.model.latent(options.rank) / options.rank**0.5) if options.rank else None
        distances = _HINT * self.model.random(2 * options.context + 1)
        distances[options.context] = self.model.identity()  # the word itself
        self.distances = nn.Parameter(distances) if options.context else None
        self.key = nn.Parameter(_HINT * self.model.random()) if options.whole else None
        self.readouts = make_readouts(options.readout, options.dim, self.num_scores, options.hidden, seed)
        self.register_buffer("roles", self.model.random(2) if has_pairs else None)
        self._readings: OrderedDict[str, Reading] = OrderedDict()

    @classmethod
    def build(
        cls, options: Mapping[str, Any], interface: Interface, payloads: Sequence[Payload], seed: int
    ) -> TextEncoder:
        chosen = read_options(TextOptions, options, "text")
        chosen.fields.check("text", interface.inputs)
        texts = (text for payload in payloads for text in chosen.fields.texts(payload))
        words = (word for text in texts for word in split_words(text, chosen.lowercase).words)
        pieces = Pieces.train(words, chosen.vocabulary)
        has_pairs = any(len(neural.key) == 2 for neural in interface.neural.values())
        return cls(chosen, pieces, interface.num_scores, interface.inputs, seed, has_pairs)

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> TextEncoder:
        try:
            options = read_options(TextOptions, config["options"], "text")
            inputs = [Signature(str(name), int(arity)) for name, arity in config["inputs"]]
            num_scores = {str(name): int(width) for name, width in config["num_scores"].items()}
            pieces, has_pairs = Pieces.from_json(config["pieces"]), bool(config.get("pairs", False))
            return cls(options, pieces, num_scores, inputs, int(config["seed"]), has_pairs)
        except (KeyError, TypeError, ValueError, AttributeError, TaskError) as error:
            raise RunError(f"the configuration of the text encoder is damaged: {error}") from None

    def config(self) -> dict[str, Any]:
        return {
            "kind": "text",
            "options": asdict(self.options),
            "inputs": [list(signature) for signature in self.inputs],
            "num_scores": self.num_scores,
            "seed": self.seed,
            "pairs": self.roles is not None,
            "pieces": self.pieces.to_json(),
        }

    def facts(self, payload: Payload) -> Facts:
        return self.fields.facts(payload, self.further, lambda text: self._read(text).words)

    def forward(self, payloads: Sequence[Payload], requests: Mapping[str, Keys]) -> dict[str, Tensor]:
        layout = Layout.of([self._first(payload) for payload in payloads], requests, self.pieces)
        bundles = self._bundles(layout, self._bound(layout))
        soft_sign = torch.tanh if torch.is_grad_enabled() else torch.tanh_  # in place where nothing is differentiated
        vectors = [soft_sign(some) for some in bundles]
        return {name: self.readouts[name](_chosen(vectors, rows)) for name, rows in layout.rows.items()}

    def sighting(self, payload: Payload, predicate: str, key: tuple[Value, ...]) -> Sighting:
        text, *_ = self.fields.texts(payload)
        words = self._read(text).words
        match key:
            case ():
                return Sighting(text, 0, len(text))
            case (int(index),) if 0 <= index < len(words):
                start, end = words.spans[index]
            case (str(word),) if word in words.words:
                start, end = words.spans[words.words.index(word)]
            case (str(old), str(new)) if self.options.against:
                return pair_sighting(old, new)
            case _:
                raise DataError(not_in_text(predicate, key))
        return Sighting(text[start:end], start, end)

    def payload_of(self, typed: str) -> Payload:
        return self.fields.payload_of(typed)

    def words(self, payload: Payload) -> Sequence[str]:
        return self._first(payload).words.words

    def spell(self, words: Sequence[str]) -> Callable[[], Tensor]:
        readings = [Reading.of(Words((word,), ((0, len(word)),)), self.pieces) for word in words]
        layout = Layout.of(readings, {}, self.pieces)
        word = torch.from_numpy(layout.word).to(self.device)

        def vectors() -> Tensor:
            bound = self._bound(layout)
            return bound.new_zeros(len(words), self.narrow.dim).index_add(0, word, bound)

        return vectors

    @property
    def word_weights(self) -> nn.Parameter:
        return self.piece_vectors

    def influence(self, payload: Payload, predicate: str, key: tuple[Value, ...], outcome: int) -> Influence | None:
        reading = self._first(payload)
        keys = {predicate: Keys(np.zeros(1, dtype=np.int64), [key])}
        layout = Layout.of([reading], keys, self.pieces)
        bound = self._bound(layout)
        each = torch.diag_embed(bound.new_ones(len(bound)))[:, :, None] * bound  # one piece at a time
        (row,) = layout.rows[predicate].tolist()
        with torch.no_grad():
            vectors = torch.cat(self._bundles(layout, each), dim=-2)[:, row]
        matter = vectors.any(-1)
        parts = layout.parts([reading], self.pieces)
        chosen = [part for part, matters in zip(parts, matter.tolist(), strict=True) if matters]
        hypervector = torch.tanh(vectors.sum(0))
        return influence(Members(chosen, vectors[matter], hypervector), self.readouts[predicate], outcome)

    def _bound(self, layout: Layout) -> Tensor:
        """Each piece's vector bound with its place in the word. Shapes: -> [P, rank]"""
        piece, place = (torch.from_numpy(a).to(self.device) for a in (layout.piece, layout.place))
        return self.narrow.bind(self.piece_vectors.index_select(0, piece), self.places[place])

    def _bundles(self, layout: Layout, bound: Tensor) -> list[Tensor]:
        """Sums of bound pieces for each row of the layout, linear in them: words, then what stands behind them if a key
        means that. Shapes: [*B, P, rank] -> [*B, W + 1, D], [*B, further rows, D]
        """
        device, batch = self.device, bound.shape[:-2]
        word = torch.from_numpy(layout.word).to(device)
        words = bound.new_zeros(*batch, layout.num_words + 1, self.narrow.dim).index_add(-2, word, bound)
        if self.training and self.options.word_dropout:
            words = words * (torch.rand(words.shape[-2], 1, device=device) >= self.options.word_dropout)
        words = nn.functional.dropout(words, self.options.dropout, self.training)
        bundles = (
            self._lifted(words) if self.distances is None else self._with_neighbours(layout, words, self.distances)
        )
        if self.key is None and not layout.has_further_rows:
            return [bundles]
        text = torch.from_numpy(layout.text).to(device)
        sizes = torch.bincount(text, minlength=layout.num_texts).clamp(min=1).to(words.dtype)
        if self.key is not None:
            whole = self.model.bind(self._lifted(_sums(words, text, sizes)), self.key)
            whole = torch.cat([whole, torch.zeros_like(whole[..., :1, :])], dim=-2)  # the empty row's
            bundles += whole.index_select(-2, torch.cat([text, text.new_tensor([layout.num_texts])]))
        if not layout.has_further_rows:
            return [bundles]
        return [bundles, torch.cat([_sums(bundles, text, sizes), self._pairs(layout, bundles)], dim=-2)]

    def _pairs(self, layout: Layout, bundles: Tensor) -> Tensor:
        """Each pair of words as one bundle. Shapes: [*B, W + 1, D] -> [*B, N, D]"""
        if self.roles is None:
            return bundles[..., :0, :]
        pairs = torch.from_numpy(layout.pairs).to(self.device)
        members = bundles.index_select(-2, pairs.flatten()).unflatten(-2, pairs.shape)
        return self.model.superpose(self.model.bind(members, self.roles))

    def _with_neighbours(self, layout: Layout, words: Tensor, distances: Tensor) -> Tensor:
        """Each word and those around it, bound with their distances. Shapes: [*B, W + 1, rank] -> [*B, W + 1, D]"""
        place = torch.from_numpy(layout.apart(self.options.context)).to(words.device)
        spread = words.new_zeros(*words.shape[:-2], int(place[-1]) + 1, words.shape[-1]).index_copy(-2, place, words)
        return bundle_neighbours(spread, distances, place, self.lift)

    def _lifted(self, words: Tensor) -> Tensor:
        """Words as hypervectors. Shapes: [*B, rank] -> [*B, D]"""
        return words if self.lift is None else words @ self.lift

    def _first(self, payload: Payload) -> Reading:
        """The text that the keys of neural predicates are about."""
        return self._read(self.fields.texts(payload)[0])

    def _read(self, text: str) -> Reading:
        found = self._readings.get(text)
        if found is not None:
            self._readings.move_to_end(text)
            return found
        reading = self._readings[text] = Reading.of(self.fields.words(text), self.pieces)
        if len(self._readings) > _MOST_CACHED:
            self._readings.popitem(last=False)
        return reading


def _chosen(parts: Sequence[Tensor], rows: Index) -> Tensor:
    """Some rows of parts that stand behind each other; what need not be copied is not. Shapes: [N, D], [K] -> [K, D]"""
    start = 0
    for part in parts:
        inside = rows - start
        if len(rows) and inside.min() >= 0 and inside.max() < len(part):
            if (np.diff(rows) == 1).all():
                return part.narrow(0, int(inside[0]), len(rows))
            return part.index_select(0, torch.from_numpy(inside).to(part.device))
        start += len(part)
    return torch.cat(list(parts)).index_select(0, torch.from_numpy(rows).to(parts[0].device))


def _sums(words: Tensor, text: Tensor, sizes: Tensor) -> Tensor:
    """The bundle of each text, as large as that of one word. Shapes: [*B, W + 1, D] -> [*B, T, D]"""
    sums = words.new_zeros(*words.shape[:-2], len(sizes), words.shape[-1]).index_add(-2, text, words[..., :-1, :])
    return sums / sizes.sqrt()[:, None]
