"""Stories about people, read by a pretrained transformer: `kin(X, Y)` from the sentences in which the two meet.

The rules see what they see with the encoder kind `story` (`text/story_reader`). For each key the transformer reads its
passages (`passages`); the means of its last layer over the first person, the second, what is between, and everything
stand side by side, and a readout per neural predicate gives the scores. The transformer may be cut after some
layers: who is whose relative is a matter of words and syntax, and half of a sentence encoder's layers do. It is
frozen, and what it makes of a passage is kept; or it learns by low-rank updates (`lora_rank`, extra `lora`).

Source: Baldini Soares et al., "Matching the Blanks: Distributional Similarity for Relation Learning", ACL 2019, for
entity states as a relation's features, and for hiding the entities' names.
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
from nesy.perception.payloads import check_samples
from nesy.perception.pretrained import Finder
from nesy.perception.readout import ReadoutName, make_readouts
from nesy.perception.text.story_reader import Reading, StoryReader, check_interface, not_in_story
from nesy.perception.transformer.backbone import Backbone, Tokens
from nesy.perception.transformer.passages import NUM_PARTS, Passage, of_one, of_pair

_MOST_CACHED: Final = 100_000  # passages
_CHUNK: Final = 32  # passages of like length that the transformer reads together


@dataclass(frozen=True)
class StoryTransformerOptions:
    """The `[encoder]` table of kind `story-transformer`."""

    model: str  # a folder, a hub id, or `minilm`
    field: str = "text"
    between: int = dataclasses.field(default=1, metadata=within(0, 16))
    layers: int = dataclasses.field(default=0, metadata=within(0, 1024))  # the first so many; 0 is all
    lora_rank: int = dataclasses.field(default=0, metadata=within(0, 1024))
    readout: ReadoutName = "mlp"
    hidden: int = dataclasses.field(default=256, metadata=within(1, 65_536))
    dropout: float = dataclasses.field(default=0.0, metadata=within(0.0, 0.95))
    longest: int = dataclasses.field(default=512, metadata=within(1, 100_000))


@dataclass(frozen=True, eq=False)
class _Read:
    """A passage as the transformer reads it. Shapes: part [NUM_PARTS, T], a mean over tokens in each row"""

    tokens: Tokens
    part: Tensor


@final
class StoryTransformerEncoder(Encoder):
    """See the module's text."""

    def __init__(
        self,
        options: StoryTransformerOptions,
        backbone: Backbone,
        num_scores: Mapping[str, int],
        inputs: Sequence[Signature],
        seed: int,
    ):
        super().__init__()
        self.options, self.backbone, self.seed = options, backbone, seed
        self.num_scores, self.inputs = dict(num_scores), tuple(inputs)
        self.reader = StoryReader(options.field, options.between, options.longest, inputs)
        width = NUM_PARTS * backbone.width
        self.scale = nn.LayerNorm(width)
        self.readouts = make_readouts(options.readout, width, self.num_scores, options.hidden, seed)
        self._reads: OrderedDict[Passage, _Read] = OrderedDict()
        self._vectors: OrderedDict[Passage, Tensor] = OrderedDict()  # while the transformer is frozen

    @classmethod
    def build(
        cls, options: Mapping[str, Any], interface: Interface, payloads: Sequence[Payload], seed: int
    ) -> StoryTransformerEncoder:
        chosen = read_options(StoryTransformerOptions, options, "story-transformer")
        check_interface(interface, "story-transformer")
        folder = Finder("transformer", TaskError).folder(chosen.model)
        backbone = Backbone.from_folder(folder, chosen.lora_rank, chosen.layers)
        return cls(chosen, backbone, interface.num_scores, interface.inputs, seed)

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> StoryTransformerEncoder:
        try:
            options = read_options(StoryTransformerOptions, config["options"], "story-transformer")
            backbone = Backbone(config["transformer"], config["tokenizer"], options.lora_rank)
            inputs = [Signature(str(name), int(arity)) for name, arity in config["inputs"]]
            num_scores = {str(name): int(width) for name, width in config["num_scores"].items()}
            return cls(options, backbone, num_scores, inputs, int(config["seed"]))
        except (KeyError, TypeError, ValueError, AttributeError, TaskError) as error:
            raise RunError(f"the configuration of the story-transformer encoder is damaged: {error}") from None

    def config(self) -> dict[str, Any]:
        return {
            "kind": "story-transformer",
            "options": asdict(self.options),
            "inputs": [list(signature) for signature in self.inputs],
            "num_scores": self.num_scores,
            "seed": self.seed,
            "transformer": self.backbone.description,
            "tokenizer": self.backbone.tokenizer_text,
        }

    def facts(self, payload: Payload) -> Facts:
        return self.reader.facts(payload)

    def forward(self, payloads: Sequence[Payload], requests: Mapping[str, Keys]) -> dict[str, Tensor]:
        readings = [self.reader.read(payload) for payload in payloads]
        passages: dict[str, list[list[Passage]]] = {}
        for name, keys in requests.items():
            check_samples(name, keys)
            passages[name] = [
                _passages(readings[sample], name, key)
                for sample, key in zip(keys.sample.tolist(), keys.key, strict=True)
            ]
        number: dict[Passage, int] = {}
        for of_keys in passages.values():
            for of_key in of_keys:
                for passage in of_key:
                    number.setdefault(passage, len(number))
        vectors = self._read_all(list(number))
        scores = {}
        for name, of_keys in passages.items():
            rows = torch.tensor([number[passage] for of_key in of_keys for passage in of_key], device=self.device)
            first = torch.tensor([0, *(len(of_key) for of_key in of_keys[:-1])], device=self.device).cumsum(0)
            means = nn.functional.embedding_bag(rows, vectors, first, mode="mean")
            features = nn.functional.dropout(self.scale(means), self.options.dropout, self.training)
            scores[name] = self.readouts[name](features)
        return scores

    def sighting(self, payload: Payload, predicate: str, key: tuple[Value, ...]) -> Sighting:
        return self.reader.sighting(payload, predicate, key)

    def payload_of(self, typed: str) -> Payload:
        return {self.options.field: typed}

    def _read_all(self, passages: Sequence[Passage]) -> Tensor:
        """The vectors of different passages. Shapes: -> [N, NUM_PARTS * width]

        A frozen transformer reads each passage by itself and once: what comes out then does not depend on the batch,
        so that a resumed training goes on bit for bit.
        """
        if not self.options.lora_rank:
            return torch.stack([self._kept(passage) for passage in passages])
        reads = [self._tokens(passage) for passage in passages]
        order = sorted(range(len(reads)), key=lambda i: len(reads[i].tokens.id))
        found: list[Tensor] = []
        for start in range(0, len(order), _CHUNK):
            chunk = [reads[i] for i in order[start : start + _CHUNK]]
            hidden = self.backbone([read.tokens for read in chunk])
            found += [
                (read.part.to(vectors.device) @ vectors).flatten() for read, vectors in zip(chunk, hidden, strict=True)
            ]
        place = torch.empty(len(order), dtype=torch.int64, device=self.device)
        place[torch.tensor(order, device=self.device)] = torch.arange(len(order), device=self.device)
        return torch.stack(found)[place]

    @torch.no_grad()
    def _kept(self, passage: Passage) -> Tensor:
        found = self._vectors.get(passage)
        if found is not None and found.device == self.device:
            self._vectors.move_to_end(passage)
            return found
        read = self._tokens(passage)
        (vectors,) = self.backbone([read.tokens])
        found = self._vectors[passage] = (read.part.to(vectors.device) @ vectors).flatten()
        if len(self._vectors) > _MOST_CACHED:
            self._vectors.popitem(last=False)
        return found

    def _tokens(self, passage: Passage) -> _Read:
        found = self._reads.get(passage)
        if found is not None:
            self._reads.move_to_end(passage)
            return found
        tokens = self.backbone.read(passage.text)
        real = tokens.end > tokens.start
        rows = []
        for spans in passage.parts:
            inside = torch.zeros_like(real)
            for start, end in spans:
                inside |= real & (tokens.start < end) & (tokens.end > start)
            rows.append(inside.float() / max(1, int(inside.sum())))
        found = self._reads[passage] = _Read(tokens, torch.stack(rows))
        if len(self._reads) > _MOST_CACHED:
            self._reads.popitem(last=False)
        return found


def _passages(reading: Reading, predicate: str, key: tuple[Value, ...]) -> list[Passage]:
    match key:
        case (str(first), str(second)) if (first, second) in reading.meetings:
            return of_pair(reading, (first, second))
        case (str(name),) if name in reading.story.names:
            return of_one(reading, name)
        case _:
            raise DataError(not_in_story(predicate, key))
