"""What a teacher says about single words: features for the encoder's words to start from, and facts to agree on.

A word by itself is the smallest text there is, so a teacher of texts can be asked about it. Its feature says what the
word is like, and its answer says what the word says: the intermediate facts that rules put together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from nesy.model import Model
from nesy.perception import Keys, Payload, WordEncoder
from nesy.perception.text.pretrained_words import principal

_STEPS = 150  # of Adam on a convex problem
_RATE = 0.1
_SCALE = 0.3  # of a vector's numbers: where a squashed bundle of several still learns
_WORDS_A_STEP = 64  # facts compared beside each batch of rows


def align(encoder: WordEncoder, words: Sequence[str], features: Tensor) -> float:
    """Start the encoder's vectors from the teacher's features, so that words alike to one are alike to the other.

    Fits the vectors of pieces so that what they make of each word is the projection of its feature; gives the share of
    the features' variance that they now explain.

    Shapes: features [N, W]
    Source: Romero et al., "FitNets: Hints for Thin Deep Nets", ICLR 2015, for hints before training; features of single
    words projected by their principal components, after Tulkens, van Dongen, "Model2Vec", 2024.
    """
    vectors, weights = encoder.spell(words), encoder.word_weights
    with torch.no_grad():
        width = vectors().shape[1]
        weights.zero_()
    target = _SCALE * principal(features, width).to(encoder.device)
    optimizer = torch.optim.Adam([weights], lr=_RATE)
    loss = target.new_zeros(())
    for step in range(_STEPS):
        for group in optimizer.param_groups:
            group["lr"] = _RATE * _SCALE * (1 - step / _STEPS)
        loss = (vectors() - target).square().mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
    weights.grad = None
    return 1 - float(loss.detach()) / float(target.var(correction=0))


@dataclass(frozen=True, eq=False)
class Facts:
    """What the teacher says about each word, as values of a neural predicate.

    Shapes: said [N, V] log-probabilities
    """

    predicate: str
    payloads: Sequence[Payload]  # of one word each
    said: Tensor

    def draw(self) -> Tensor:
        """Numbers of the words that are compared in a step, from the stream that also draws dropout."""
        return torch.randint(len(self.payloads), (min(_WORDS_A_STEP, len(self.payloads)),))


def fact_kl(model: Model, facts: Facts, chosen: Tensor, temperature: float) -> Tensor:
    """Divergence of a neural predicate from the teacher on single words: no rule lies between them.

    Shapes: chosen [K] -> []
    Units: nats, scaled by temperature squared.
    Source: Hinton, Vinyals, Dean, 2015 (as `tempered_kl`), on the facts below the rules; asking a teacher for the
    concepts between input and answer is after Koh et al., "Concept Bottleneck Models", ICML 2020.
    """
    payloads = [facts.payloads[i] for i in chosen.tolist()]
    keys = Keys(np.arange(len(payloads), dtype=np.int64), [(0,)] * len(payloads))
    scores = model.encoder(payloads, {facts.predicate: keys})[facts.predicate]
    teacher_log = functional.log_softmax(facts.said[chosen].to(scores) / temperature, dim=1)
    student_log = functional.log_softmax(scores / temperature, dim=1)
    divergence = (teacher_log.exp() * (teacher_log - student_log)).sum(dim=1)
    return divergence.mean() * temperature**2
