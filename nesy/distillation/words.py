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

from nesy.learning.seeding import stream
from nesy.model import Model
from nesy.perception import Keys, Payload, WordEncoder
from nesy.perception.text.pretrained_words import principal

_STEPS = 150  # of Adam on a convex problem
_RATE = 0.1
_SCALE = 0.3  # of a vector's numbers: where a squashed bundle of several still learns
_LEFT_OUT, _REPLACED = 0.1, 0.15  # shares of a variant's words
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


def variants(texts: Sequence[Sequence[str]], count: int, seed: int) -> list[str]:
    """Texts in which each word is left out with a chance of 1/10, or is another one of any text with one of 3/20.

    All are different, and none is one of the texts: whole inputs of which a student has never seen the label, on which
    a teacher says what a change of words does.

    Source: after Tang et al., 2019 (as `spans`), section 3.2, where words are masked or replaced by their kind.
    """
    bag = [word for words in texts for word in words]
    known = {" ".join(words) for words in texts}
    found: dict[str, None] = {}
    generator = stream(seed, "variants")
    for number in range(4 * count if bag else 0):
        if len(found) == count:
            break
        words = texts[number % len(texts)]
        fate = torch.rand(len(words), generator=generator, dtype=torch.float64).tolist()
        other = torch.randint(len(bag), (len(words),), generator=generator).tolist()
        made = [
            bag[j] if chance < _LEFT_OUT + _REPLACED else word
            for word, chance, j in zip(words, fate, other, strict=True)
            if chance >= _LEFT_OUT
        ]
        text = " ".join(made)
        if made and text not in known:
            found[text] = None
    return list(found)


def spans(texts: Sequence[Sequence[str]], count: int, seed: int) -> list[str]:
    """Runs of 2 to 12 words cut from texts, all different: short inputs, on which a teacher says what a part says.

    Source: Tang et al., "Distilling Task-Specific Knowledge from BERT into Simple Neural Networks", 2019, section 3.2,
    for n-grams as further inputs.
    """
    long = [words for words in texts if len(words) > 2]
    found: dict[str, None] = {}
    generator = stream(seed, "spans")
    for _ in range(4 * count if long else 0):  # repeated ones are drawn again, but not for ever
        if len(found) == count:
            break
        text, length, place = torch.rand(3, generator=generator, dtype=torch.float64).tolist()
        words = long[int(text * len(long))]
        size = min(2 + int(length * 11), len(words) - 1)
        start = int(place * (len(words) - size + 1))
        found[" ".join(words[start : start + size])] = None
    return list(found)
