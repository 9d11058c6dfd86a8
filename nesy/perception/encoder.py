"""What every encoder offers: the facts of an input, and scores for the program's neural predicates.

An input's *payload* is what one data row (or one question) holds: `{"text": "not good"}`, or
`{"images": [picture, picture]}`. An encoder reads it twice. `facts` is cheap and symbolic: the rows of the
program's `#input` relations, from which the rules say which neural atoms may hold. `forward` is torch: one
score for each outcome of each neural atom that the rules asked for. The model and the training loop know
nothing else of encoders.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from nesy.language.core import CoreProgram, Neural, Signature
from nesy.language.values import Value
from nesy.perception.influence import Influence

Payload: TypeAlias = Mapping[str, Any]
Facts: TypeAlias = Mapping[Signature, list[tuple[Value, ...]]]


@dataclass(frozen=True, eq=False)
class Keys:
    """Ground keys of one neural predicate, over a batch: key i belongs to payload `sample[i]`."""

    sample: NDArray[np.int64]  # [K]
    key: Sequence[tuple[Value, ...]]  # [K]

    def __len__(self) -> int:
        return len(self.key)

    @cached_property
    def numbers(self) -> NDArray[np.int64] | None:
        """[K] the keys, where each is one integer that fits."""
        if set(map(len, self.key)) != {1}:
            return None
        values: list[Any] = [value for (value,) in self.key]
        if set(map(type, values)) != {int}:
            return None
        try:
            return np.array(values, dtype=np.int64)
        except OverflowError:
            return None


@dataclass(frozen=True)
class Sighting:
    """What the encoder looked at for one key, for explanations.

    In a text, characters `start <= offset < end`, and `text` is what stands there; of a picture, `text` is its
    name and there are no offsets.
    """

    text: str
    start: int | None = None
    end: int | None = None


@dataclass(frozen=True)
class Interface:
    """What a program asks of an encoder: its neural predicates, and the relations a data row supplies."""

    neural: Mapping[str, Neural]
    inputs: tuple[Signature, ...]

    @classmethod
    def of(cls, program: CoreProgram) -> Self:
        """The interface that a program declares."""
        return cls(program.neural, tuple(predicate.signature for predicate in program.inputs))

    @property
    def num_scores(self) -> dict[str, int]:
        """How many scores each neural predicate has per key: one per value, or 1 for a yes/no predicate."""
        return {name: neural.num_scores for name, neural in self.neural.items()}


class Encoder(nn.Module, ABC):
    """The base of all encoders; every concrete one is final."""

    @classmethod
    @abstractmethod
    def build(cls, options: Mapping[str, Any], interface: Interface, payloads: Sequence[Payload], seed: int) -> Encoder:
        """A new encoder for a program, from the `[encoder]` table of a task and its training payloads.

        Raises: TaskError for an unknown or ill-typed option or a program it cannot serve; DataError for a payload
        that it cannot read.
        """

    @classmethod
    @abstractmethod
    def from_config(cls, config: Mapping[str, Any]) -> Encoder:
        """The encoder that `config` describes; its weights come with `load_state_dict`."""

    @abstractmethod
    def config(self) -> dict[str, Any]:
        """Everything but the weights that `from_config` needs, as JSON data."""

    @abstractmethod
    def facts(self, payload: Payload) -> Facts:
        """The rows of the program's `#input` relations for one payload."""

    @abstractmethod
    def forward(self, payloads: Sequence[Payload], requests: Mapping[str, Keys]) -> dict[str, Tensor]:
        """Scores (logits) of the requested keys.

        Shapes: for each predicate of K keys -> [K, V], V as in `Interface.num_scores`; on the module's device.
        """

    @abstractmethod
    def sighting(self, payload: Payload, predicate: str, key: tuple[Value, ...]) -> Sighting:
        """What it looks at for one key."""

    def influence(self, payload: Payload, predicate: str, key: tuple[Value, ...], outcome: int) -> Influence | None:
        """Which parts of the input moved the score of one outcome; None where that is no sum of parts."""
        return None

    def crop(self, payload: Payload, predicate: str, key: tuple[Value, ...]) -> NDArray[np.float32] | None:
        """The picture it looks at for one key, grey levels from 0 to 1; None for an encoder of something else.

        Shapes: -> [H, W]
        """
        return None

    @abstractmethod
    def payload_of(self, typed: str) -> Payload:
        """What a person typed as a question, as a payload."""

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.parameters()).device


class WordEncoder(Encoder, ABC):
    """An encoder of texts that has a vector for each word, before anything around it is looked at."""

    @abstractmethod
    def words(self, payload: Payload) -> Sequence[str]:
        """The words of a text, in order."""

    @abstractmethod
    def spell(self, words: Sequence[str]) -> Callable[[], Tensor]:
        """A function that gives the words' vectors as the weights are when it is called.

        Shapes: -> [N, width]
        Gradient: into `word_weights`.
        """

    @property
    @abstractmethod
    def word_weights(self) -> nn.Parameter:
        """What the words' vectors are made of."""
