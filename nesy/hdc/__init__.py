"""Hypervectors: the models, codebooks and encoders of hyperdimensional computing, over plain tensors.

Start with a model (`MAP`, `BSC`, `HRR`, `FHRR`, `SBC`, `VTB`) and draw a `Codebook`. Encode structures with `multiset`,
`sequence`, `bind_sequence`, `ngrams`, `record`, `Tree`, `graph` and `automaton`, numbers with `Level`, `Circular`,
`Thermometer`, `FractionalPower` and `RandomProjection`. Classify with `CentroidClassifier`, `OnlineClassifier` and
`LearnedClassifier`. Take them apart with `unbind`, `Codebook.nearest`, `Resonator` and `shares`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nesy.hdc.binary import BSC
from nesy.hdc.bipolar import MAP, straight_through
from nesy.hdc.codebook import CoarseCleanup, Codebook, Nearest
from nesy.hdc.features import FeatureEncoder
from nesy.hdc.fhrr import FHRR
from nesy.hdc.hrr import HRR
from nesy.hdc.model import VSA, HypervectorError, Law
from nesy.hdc.quantities import Circular, FractionalPower, Level, RandomProjection, Scale, Thermometer
from nesy.hdc.relations import Tree, automaton, graph, has_edge, next_state, predecessors, successors
from nesy.hdc.resonator import Factors, Resonator
from nesy.hdc.shares import Shares, shares
from nesy.hdc.sparse import SBC
from nesy.hdc.structures import bind_sequence, multiset, ngrams, record, record_value, sequence, sequence_item
from nesy.hdc.vtb import VTB

if TYPE_CHECKING:
    from nesy.hdc.classify import CentroidClassifier, LearnedClassifier, OnlineClassifier

_ESTIMATORS = ("CentroidClassifier", "LearnedClassifier", "OnlineClassifier")


def __getattr__(name: str) -> Any:
    """The estimators, imported when asked for: scikit-learn takes as long to import as all the rest."""
    if name in _ESTIMATORS:
        from nesy.hdc import classify

        return getattr(classify, name)
    raise AttributeError(f"module 'nesy.hdc' has no attribute {name!r}")


__all__ = [
    "BSC",
    "FHRR",
    "HRR",
    "MAP",
    "SBC",
    "VSA",
    "VTB",
    "CentroidClassifier",
    "Circular",
    "CoarseCleanup",
    "Codebook",
    "Factors",
    "FeatureEncoder",
    "FractionalPower",
    "HypervectorError",
    "Law",
    "LearnedClassifier",
    "Level",
    "Nearest",
    "OnlineClassifier",
    "RandomProjection",
    "Resonator",
    "Scale",
    "Shares",
    "Thermometer",
    "Tree",
    "automaton",
    "bind_sequence",
    "graph",
    "has_edge",
    "multiset",
    "next_state",
    "ngrams",
    "predecessors",
    "record",
    "record_value",
    "sequence",
    "sequence_item",
    "shares",
    "straight_through",
    "successors",
]
