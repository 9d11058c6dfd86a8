"""An encoder looking at one input: all that an explanation asks of the two."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from nesy.language.values import Value
from nesy.perception.encoder import Encoder, Payload, Sighting
from nesy.perception.influence import Influence


@final
@dataclass(frozen=True, eq=False)
class View:
    """What the encoder saw for the keys of its neural predicates; None for other predicates."""

    encoder: Encoder
    payload: Payload
    predicates: frozenset[str]

    def saw(self, predicate: str, key: tuple[Value, ...]) -> Sighting | None:
        """What it looked at."""
        return self.encoder.sighting(self.payload, predicate, key) if predicate in self.predicates else None

    def influence(self, predicate: str, key: tuple[Value, ...], outcome: int) -> Influence | None:
        """Which parts of the input moved the score of an outcome."""
        return self.encoder.influence(self.payload, predicate, key, outcome) if predicate in self.predicates else None

    def crop(self, predicate: str, key: tuple[Value, ...]) -> NDArray[np.float32] | None:
        """The picture it looked at, grey levels from 0 to 1. Shapes: -> [H, W]"""
        return self.encoder.crop(self.payload, predicate, key) if predicate in self.predicates else None
