"""Losses on the distribution over answers that comes out of the rules. Each is one small named function."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from nesy.learning.batches import Prepared, Statements
from nesy.learning.metrics import SMALLEST
from nesy.model import Distribution, Model


def answer_loss(out: Distribution, target: Tensor, smoothing: float = 0.0) -> Tensor:
    """Mean negative log-likelihood of the rows whose answer is known; 0 where none is.

    Shapes: out.p [B, A], target [B] columns, negative where there is nothing to learn from -> []
    Units: nats.
    """
    known = target >= 0
    if not bool(known.any()):
        return out.p.sum() * 0.0
    log = out.p[known].clamp(min=SMALLEST).log()
    loss = -log.gather(1, target[known][:, None]).squeeze(1)
    if smoothing:
        loss = (1 - smoothing) * loss - smoothing * log.mean(dim=1)
    return loss.mean()


def concept_loss(model: Model, prepared: Prepared) -> Tensor:
    """Mean negative log-likelihood of the neural predicates whose truth the rows give.

    Cost: a second forward pass of the encoder.
    """
    scores = model.encoder(prepared.batch.payloads, prepared.batch.requests)
    losses = []
    for concept in prepared.concepts:
        picked = scores[concept.predicate][concept.request]
        truth = concept.truth.to(picked.device)
        if picked.shape[1] == 1:
            losses.append(functional.binary_cross_entropy_with_logits(picked[:, 0], truth.to(picked.dtype)))
        else:
            losses.append(functional.cross_entropy(picked, truth))
    return torch.stack(losses).mean()


def statement_loss(out: Distribution, statements: Statements) -> Tensor:
    """Mean negative log-likelihood of atoms that are said to hold or not to hold, each for itself.

    Those that the rules cannot derive for their row are left out: no encoder could change them.

    Shapes: out.p [B, A] -> []
    Units: nats.
    """
    can = (statements.column >= 0).to(out.p.device)
    if not bool(can.any()):
        return out.p.sum() * 0.0
    return statement_surprise(out, statements)[can].mean()


def statement_surprise(out: Distribution, statements: Statements) -> Tensor:
    """-log of the chance that what is said of each atom is so. Shapes: -> [M]"""
    p = statements.chance(out.p)
    said = torch.where(statements.truth.to(p.device) == 1, p, 1 - p)
    return -said.clamp(min=SMALLEST).log()


def constraint_loss(out: Distribution) -> Tensor:
    """Mean surprise at the rules' constraints: -log of the chance that what the encoder proposes meets them.

    No answer is needed for it. Where no constraint bears on an answer it is 0.

    Shapes: out.evidence [B] -> []
    Units: nats.
    Source: Xu, Zhang, Friedman, Liang, Van den Broeck, "A Semantic Loss Function for Deep Learning with Symbolic
    Knowledge", ICML 2018, definition 1; here of the rules' constraints, through the same graph as the answers.
    """
    return -out.evidence.clamp(min=SMALLEST).log().mean()


def normalised(p: Tensor) -> Tensor:
    """Probabilities of answers that exclude each other, scaled to sum to 1 where the rules leave some mass over.

    Shapes: p [B, A] -> [B, A]
    """
    p = p.clamp(min=SMALLEST)
    return p / p.sum(dim=1, keepdim=True)
