"""Hypervectors: the models, codebooks and encoders of hyperdimensional computing, over plain tensors.

Start with a model (`MAP`, `HRR`, `FHRR`), draw a `Codebook`, and encode structures with
`multiset`, `sequence`, `ngrams` and `record`, numbers with `Level`, `Circular` and `FractionalPower`.
"""

from nesy.hdc.binary import BSC
from nesy.hdc.bipolar import MAP, straight_through
from nesy.hdc.codebook import Codebook, Nearest
from nesy.hdc.fhrr import FHRR
from nesy.hdc.hrr import HRR
from nesy.hdc.model import VSA, HypervectorError, Law
from nesy.hdc.quantities import Circular, FractionalPower, Level, Scale
from nesy.hdc.structures import multiset, ngrams, record, record_value, sequence, sequence_item

__all__ = [
    "BSC",
    "FHRR",
    "HRR",
    "MAP",
    "VSA",
    "Circular",
    "Codebook",
    "FractionalPower",
    "HypervectorError",
    "Law",
    "Level",
    "Nearest",
    "Scale",
    "multiset",
    "ngrams",
    "record",
    "record_value",
    "sequence",
    "sequence_item",
    "straight_through",
]
