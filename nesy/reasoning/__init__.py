"""Reasoning: rules are run once into a derivation graph, and the graph is read in many ways.

    evaluation      rules over possible facts -> DerivationGraph (or, where nothing is random, relations)
    compilation     the part of a graph that a question needs, made so that sums over it are exact
    readings        exact probability, proofs, worlds, samples, degrees of truth

Names are loaded when first used: the readings need torch, and checking a rule file does not.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nesy.reasoning.compilation.budget import Budget as Budget
    from nesy.reasoning.compilation.structures import Structures as Structures
    from nesy.reasoning.derivation import DerivationGraph as DerivationGraph
    from nesy.reasoning.evaluation import (
        Limits as Limits,
    )
    from nesy.reasoning.evaluation import (
        Relations as Relations,
    )
    from nesy.reasoning.evaluation import (
        evaluate as evaluate,
    )
    from nesy.reasoning.evaluation import (
        ground as ground,
    )
    from nesy.reasoning.evaluation.incremental import Incremental as Incremental
    from nesy.reasoning.readings.entropy import Entropies as Entropies
    from nesy.reasoning.readings.entropy import Entropy as Entropy
    from nesy.reasoning.readings.entropy import entropy as entropy
    from nesy.reasoning.readings.evidence import Observing as Observing
    from nesy.reasoning.readings.evidence import observing as observing
    from nesy.reasoning.readings.exact import Reading as Reading
    from nesy.reasoning.readings.exact import exact as exact
    from nesy.reasoning.readings.godel import godel as godel
    from nesy.reasoning.readings.kbest import best_proofs as best_proofs
    from nesy.reasoning.readings.known import KnownSamples as KnownSamples
    from nesy.reasoning.readings.probabilities import Probabilities as Probabilities
    from nesy.reasoning.readings.probabilities import widened as widened
    from nesy.reasoning.readings.proof import Proof as Proof
    from nesy.reasoning.readings.sampling import Samples as Samples
    from nesy.reasoning.readings.sampling import sample as sample
    from nesy.reasoning.readings.viterbi import viterbi as viterbi
    from nesy.reasoning.readings.worlds import World as World
    from nesy.reasoning.readings.worlds import best_worlds as best_worlds
    from nesy.reasoning.readings.worlds import world_probability as world_probability

_PLACES = {
    "Budget": "compilation.budget",
    "DerivationGraph": "derivation",
    "Entropies": "readings.entropy",
    "Entropy": "readings.entropy",
    "Incremental": "evaluation.incremental",
    "KnownSamples": "readings.known",
    "Limits": "evaluation",
    "Observing": "readings.evidence",
    "Probabilities": "readings.probabilities",
    "Proof": "readings.proof",
    "Reading": "readings.exact",
    "Relations": "evaluation",
    "Samples": "readings.sampling",
    "Structures": "compilation.structures",
    "World": "readings.worlds",
    "best_proofs": "readings.kbest",
    "best_worlds": "readings.worlds",
    "entropy": "readings.entropy",
    "evaluate": "evaluation",
    "exact": "readings.exact",
    "godel": "readings.godel",
    "ground": "evaluation",
    "observing": "readings.evidence",
    "sample": "readings.sampling",
    "viterbi": "readings.viterbi",
    "widened": "readings.probabilities",
    "world_probability": "readings.worlds",
}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module 'nesy.reasoning' has no attribute {name!r}")
    return getattr(import_module(f"nesy.reasoning.{_PLACES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_PLACES})
