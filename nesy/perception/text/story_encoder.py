"""Stories about people: who is named near whom for the rules, and hypervectors of pairs for the neural predicates.

What the rules see of a story, and what a key of a neural predicate means, is said in `story_reader`.

The encoder sees the words around the two names (`surroundings`): each run of up to `run` words is a hypervector, the
words' own vectors permuted by their place in the run and bound; it is bound with the role in which it stands, and all
of them over the nearest meetings of a pair are bundled; of one name, what stands around its mentions. A readout per
neural predicate gives the scores.

A word's vector is learned from the byte pieces that spell it. With `words`, what a pretrained transformer knows of the
word (`pretrained_words`) is added, so that a sentence in new words is read as one in words alike.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final, final
from weakref import WeakKeyDictionary

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from nesy.errors import DataError, RunError, TaskError
from nesy.hdc import MAP
from nesy.language.core import Signature
from nesy.language.values import Value
from nesy.perception.encoder import Encoder, Facts, Interface, Keys, Payload, Sighting
from nesy.perception.influence import Influence, Members, influence
from nesy.perception.options import read_options, within
from nesy.perception.payloads import check_samples, text_of
from nesy.perception.pretrained import Finder
from nesy.perception.readout import ReadoutName, make_readouts
from nesy.perception.text.layout import MOST_PIECES
from nesy.perception.text.pretrained_words import PretrainedWords
from nesy.perception.text.story import Story
from nesy.perception.text.story_reader import Reading, StoryReader, check_interface, not_in_story
from nesy.perception.text.surroundings import ALONE, FIRST, OTHER, ROLES, SECOND, Member, around_one, around_pair, part
from nesy.perception.text.tokenizer import Pieces

_MARKS: Final = (FIRST, SECOND, OTHER)
_NO_WORD: Final = 0  # in the place of a word behind the end of a run
_HINT: Final = 0.3  # scale of a word's vector at the start: where the soft sign of a bundle still learns


@dataclass(frozen=True)
class StoryOptions:
    """The `[encoder]` table of kind `story`."""

    field: str = "text"
    vocabulary: int = dataclasses.field(default=4000, metadata=within(256, 1_000_000))
    dim: int = dataclasses.field(default=256, metadata=within(1, 65_536))
    between: int = dataclasses.field(default=1, metadata=within(0, 16))
    context: int = dataclasses.field(default=8, metadata=within(0, 64))
    run: int = dataclasses.field(default=2, metadata=within(1, 4))
    words: str = ""  # a pretrained transformer whose words are added: a folder, a hub id, or `minilm`
    words_width: int = dataclasses.field(default=96, metadata=within(1, 65_536))
    readout: ReadoutName = "linear"
    hidden: int = dataclasses.field(default=64, metadata=within(1, 65_536))
    dropout: float = dataclasses.field(default=0.0, metadata=within(0.0, 0.95))
    word_dropout: float = dataclasses.field(default=0.0, metadata=within(0.0, 0.95))
    name_dropout: float = dataclasses.field(default=0.0, metadata=within(0.0, 1.0))  # of a name itself
    longest: int = dataclasses.field(default=512, metadata=within(1, 100_000))


@dataclass(frozen=True, eq=False)
class _Bundle:
    """The members for one key: the number of each run of words, and its role and length as one number. Shapes: [M]"""

    run: NDArray[np.int64]
    role: NDArray[np.int64]


@final
class StoryEncoder(Encoder):
    """See the module's text."""

    places: Tensor  # [MOST_PIECES, D]

    def __init__(
        self,
        options: StoryOptions,
        pieces: Pieces,
        num_scores: Mapping[str, int],
        inputs: Sequence[Signature],
        seed: int,
        pretrained: PretrainedWords | None = None,
    ):
        super().__init__()
        self.options, self.pieces, self.seed = options, pieces, seed
        self.num_scores = dict(num_scores)
        self.inputs = tuple(inputs)
        self.model = MAP(options.dim, seed=seed, dtype=torch.float32)
        self.piece_vectors = nn.Parameter(_HINT * self.model.latent(len(pieces)))
        self.mark_vectors = nn.Parameter(_HINT * self.model.latent(len(_MARKS)))
        self.register_buffer("places", self.model.random(MOST_PIECES))
        self.roles = nn.Parameter(self.model.random(options.run * ROLES))
        self.readouts = make_readouts(options.readout, options.dim, self.num_scores, options.hidden, seed)
        self.pretrained = pretrained
        self.reader = StoryReader(options.field, options.between, options.longest, inputs)
        self._bundles: WeakKeyDictionary[Reading, dict[tuple[Value, ...], _Bundle]] = WeakKeyDictionary()
        self._runs = _Runs(options.run)
        self._spelling: dict[str, list[int]] = {}  # the pieces of each word met so far

    @classmethod
    def build(
        cls, options: Mapping[str, Any], interface: Interface, payloads: Sequence[Payload], seed: int
    ) -> StoryEncoder:
        chosen = read_options(StoryOptions, options, "story")
        check_interface(interface, "story")
        stories = [Story.parse(text_of(payload, chosen.field)) for payload in payloads]
        words = (word for story in stories for word in (*story.words, *map(str.lower, story.names)) if word)
        pieces = Pieces.train(words, chosen.vocabulary)
        pretrained = None
        if chosen.words:
            folder = Finder("transformer", TaskError).folder(chosen.words)
            pretrained = PretrainedWords.from_folder(folder, chosen.words_width, chosen.dim, seed)
        return cls(chosen, pieces, interface.num_scores, interface.inputs, seed, pretrained)

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> StoryEncoder:
        try:
            options = read_options(StoryOptions, config["options"], "story")
            inputs = [Signature(str(name), int(arity)) for name, arity in config["inputs"]]
            num_scores = {str(name): int(width) for name, width in config["num_scores"].items()}
            seed, pieces = int(config["seed"]), Pieces.from_json(config["pieces"])
            pretrained = None
            if options.words:
                pretrained = PretrainedWords.from_config(config["words"], options.words_width, options.dim, seed)
            return cls(options, pieces, num_scores, inputs, seed, pretrained)
        except (KeyError, TypeError, ValueError, AttributeError, TaskError) as error:
            raise RunError(f"the configuration of the story encoder is damaged: {error}") from None

    def config(self) -> dict[str, Any]:
        return {
            "kind": "story",
            "options": asdict(self.options),
            "inputs": [list(signature) for signature in self.inputs],
            "num_scores": self.num_scores,
            "seed": self.seed,
            "pieces": self.pieces.to_json(),
            "words": None if self.pretrained is None else self.pretrained.config(),
        }

    def facts(self, payload: Payload) -> Facts:
        return self.reader.facts(payload)

    def forward(self, payloads: Sequence[Payload], requests: Mapping[str, Keys]) -> dict[str, Tensor]:
        readings = [self.reader.read(payload) for payload in payloads]
        scores = {}
        for name, keys in requests.items():
            check_samples(name, keys)
            bundles = [
                self._bundle(readings[sample], name, key)
                for sample, key in zip(keys.sample.tolist(), keys.key, strict=True)
            ]
            scores[name] = self.readouts[name](self._hypervectors(bundles))
        return scores

    def sighting(self, payload: Payload, predicate: str, key: tuple[Value, ...]) -> Sighting:
        return self.reader.sighting(payload, predicate, key)

    def influence(self, payload: Payload, predicate: str, key: tuple[Value, ...], outcome: int) -> Influence | None:
        reading = self.reader.read(payload)
        members = self._members(reading, predicate, key)
        with torch.no_grad():
            vectors = self._vectors(self._numbered(members))
        parts = [part(reading.text, member) for member in members]
        hypervector = torch.tanh(vectors.sum(0))
        return influence(Members(parts, vectors, hypervector), self.readouts[predicate], outcome)

    def payload_of(self, typed: str) -> Payload:
        return {self.options.field: typed}

    # -- members and their vectors --

    def _members(self, reading: Reading, predicate: str, key: tuple[Value, ...]) -> list[Member]:
        context, run = self.options.context, self.options.run
        match key:
            case (str(first), str(second)) if (first, second) in reading.meetings:
                pair = (first, second)
                return around_pair(reading.story, reading.meetings[pair].places, pair, context, run)
            case (str(name),) if name in reading.story.names:
                return around_one(reading.story, name, context, run)
            case _:
                raise DataError(not_in_story(predicate, key))

    def _bundle(self, reading: Reading, predicate: str, key: tuple[Value, ...]) -> _Bundle:
        bundles = self._bundles.setdefault(reading, {})
        found = bundles.get(key)
        if found is None:
            found = bundles[key] = self._numbered(self._members(reading, predicate, key))
        return found

    def _numbered(self, members: Sequence[Member]) -> _Bundle:
        """Members by number."""
        run = [self._runs.of(member.words) for member in members]
        role = [(len(member.words) - 1) * ROLES + member.role for member in members]
        return _Bundle(np.array(run, dtype=np.int64), np.array(role, dtype=np.int64))

    def _hypervectors(self, bundles: Sequence[_Bundle]) -> Tensor:
        """The soft sign of each bundle: what shares a role is summed before it is bound. Shapes: -> [K, D]"""
        num_roles = len(self.roles)
        owner = np.repeat(np.arange(len(bundles)), [len(bundle.run) for bundle in bundles])
        bag = owner * num_roles + np.concatenate([bundle.role for bundle in bundles])
        known, place = _distinct(np.concatenate([bundle.run for bundle in bundles]))
        order = np.argsort(bag, kind="stable")
        filled, first = np.unique(bag[order], return_index=True)
        device = self.device
        weight = self._kept(np.concatenate([bundle.role for bundle in bundles])[order]) if self.training else None
        sums = nn.functional.embedding_bag(
            torch.from_numpy(place[order]).to(device),
            self._run_vectors(known),
            torch.from_numpy(first).to(device),
            mode="sum",
            per_sample_weights=weight,
        )
        # Not `self.roles[...]`, whose gradient threads add up in any order.
        roles = self.roles.index_select(0, torch.from_numpy(filled % num_roles).to(device))
        bound = self.model.bind(sums, roles)
        key = torch.from_numpy(filled // num_roles).to(device)
        vectors = torch.tanh(bound.new_zeros(len(bundles), self.model.dim).index_add(0, key, bound))
        return nn.functional.dropout(vectors, self.options.dropout, self.training)

    def _kept(self, role: NDArray[np.int64]) -> Tensor | None:
        """1 for the members that dropout leaves, 0 for the others. Shapes: role [M] -> [M]"""
        words, names = self.options.word_dropout, self.options.name_dropout
        if not words and not names:
            return None
        drop = torch.from_numpy(np.where(role == ALONE[2], max(names, words), words)).to(self.roles)
        return (torch.rand(len(role), device=self.device) >= drop).to(self.roles.dtype)

    def _vectors(self, members: _Bundle) -> Tensor:
        """Each member by itself. Shapes: -> [M, D]"""
        return self.model.bind(self._run_vectors(members.run), self.roles[torch.from_numpy(members.role)])

    def _run_vectors(self, numbers: NDArray[np.int64]) -> Tensor:
        """Runs of words by number: their words permuted by their place and bound. Shapes: [U] -> [U, D]"""
        runs = self._runs.words_of(numbers)
        known, place_of = _distinct(runs.reshape(-1))
        row = torch.from_numpy(place_of.reshape(runs.shape)).to(self.device)
        spelled = self._spelled([self._runs.words[number] for number in known.tolist()])
        found = spelled.index_select(0, row[:, 0])
        for place in range(1, self.options.run):
            here = torch.from_numpy(np.flatnonzero(runs[:, place] != _NO_WORD)).to(self.device)
            permuted = self.model.permute(spelled, place).index_select(0, row[here, place])
            found = found.index_copy(0, here, self.model.bind(found.index_select(0, here), permuted) / _HINT)
        return found

    def _spelled(self, words: Sequence[str]) -> Tensor:
        """The vectors of words: each piece bound with its place in the word, bundled, and what is known of the word.

        Shapes: -> [len(words), D]
        """
        vectors = self.piece_vectors.new_zeros(len(words), self.model.dim)
        marks = [(row, _MARKS.index(word)) for row, word in enumerate(words) if word in _MARKS]
        pieces = [
            (row, piece, place)
            for row, word in enumerate(words)
            if word not in _MARKS
            for place, piece in enumerate(self._spell(word))
        ]
        if marks:
            row, mark = torch.tensor(marks, device=self.device).T
            vectors = vectors.index_add(0, row, self.mark_vectors[mark])
        if pieces:
            row, piece, place = torch.tensor(pieces, device=self.device).T
            bound = self.model.bind(self.piece_vectors.index_select(0, piece), self.places[place])
            vectors = vectors.index_add(0, row, bound)
        if self.pretrained is not None:
            rows = [row for row, word in enumerate(words) if word not in _MARKS]
            known = _HINT * self.pretrained([words[row] for row in rows])
            vectors = vectors.index_add(0, torch.tensor(rows, dtype=torch.int64, device=self.device), known)
        return vectors

    def _spell(self, word: str) -> list[int]:
        pieces = self._spelling.get(word)
        if pieces is None:
            pieces = self._spelling[word] = self.pieces.encode(word)[:MOST_PIECES]
        return pieces


@dataclass
class _Runs:
    """Runs of up to `longest` words met so far, and the number of each and of each word; number 0 is no word."""

    longest: int
    items: list[tuple[int, ...]] = field(default_factory=list)  # by number: the run's words, then 0 up to `longest`
    number: dict[tuple[str, ...], int] = field(default_factory=dict)
    words: list[str] = field(default_factory=lambda: [""])
    number_of_word: dict[str, int] = field(default_factory=dict)

    def of(self, run: tuple[str, ...]) -> int:
        found = self.number.get(run)
        if found is None:
            found = self.number[run] = len(self.items)
            self.items.append((*map(self._word, run), *[_NO_WORD] * (self.longest - len(run))))
        return found

    def words_of(self, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        """The words of some runs by number. Shapes: [U] -> [U, longest]"""
        items = [self.items[number] for number in numbers.tolist()]
        return np.array(items, dtype=np.int64).reshape(-1, self.longest)

    def _word(self, word: str) -> int:
        found = self.number_of_word.get(word)
        if found is None:
            found = self.number_of_word[word] = len(self.words)
            self.words.append(word)
        return found


def _distinct(numbers: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Different numbers in the order in which they first stand here, and the place of each among them.

    Numbers are given to runs as they are met. In their own order, sums of floats would depend on what was met before,
    and a training that was resumed would differ from one that was not.

    Shapes: [N] -> [U], [N]
    """
    known, first, place = np.unique(numbers, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    return known[order], rank[place]
