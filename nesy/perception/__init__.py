"""Encoders: an input's payload -> facts for the rules, and scores for the neural predicates."""

from nesy.perception.encoder import Encoder, Facts, Interface, Keys, Payload, Sighting, WordEncoder
from nesy.perception.influence import Influence, Part
from nesy.perception.modules import Modules
from nesy.perception.registry import encoder_class, encoder_kind, encoder_names
from nesy.perception.view import View

__all__ = [
    "Encoder",
    "Facts",
    "Influence",
    "Interface",
    "Keys",
    "Modules",
    "Part",
    "Payload",
    "Sighting",
    "View",
    "WordEncoder",
    "encoder_class",
    "encoder_kind",
    "encoder_names",
]
