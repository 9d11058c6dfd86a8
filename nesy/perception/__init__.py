"""Encoders: an input's payload -> facts for the rules, and scores for the neural predicates."""

from nesy.perception.encoder import Encoder, Facts, Interface, Keys, Payload, Sighting
from nesy.perception.registry import encoder_class, encoder_kind, encoder_names

__all__ = [
    "Encoder",
    "Facts",
    "Interface",
    "Keys",
    "Payload",
    "Sighting",
    "encoder_class",
    "encoder_kind",
    "encoder_names",
]
