"""Losses on the distribution over answers that comes out of the rules. Each is one small named function.

Each gives the losses of single things, be it rows, atoms or statements; `means` makes of them the one number that is
learned by, over all processes that train together.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import torch
from torch import Tensor
from torch.nn import functional

from nesy.learning.batches import Prepared, Statements
from nesy.learning.group import Group
from nesy.learning.metrics import SMALLEST
from nesy.model import Distribution, Model

Part: TypeAlias = tuple[float, Sequence[Tensor]]  # a weight, and losses of some kinds of things, [K] each


def means(parts: Sequence[Part], group: Group) -> Tensor:
    """The sum of all parts: of each the weighted average, over its kinds of things that there are, of their means.

    A mean is over the things of all processes; each process has the share of it that its own things make.

    Shapes: -> []
    """
    every = [losses for _, kinds in parts for losses in kinds]
    counts = group.sum(torch.tensor([float(len(losses)) for losses in every], device=every[0].device)).tolist()
    total, place = every[0].new_zeros(()), 0
    for weight, kinds in parts:
        numbers = counts[place : place + len(kinds)]
        place += len(kinds)
        there = [
            losses.sum() / max(count, 1.0)
            for losses, count in zip(kinds, numbers, strict=True)
            if count or len(kinds) == 1
        ]
        if there:
            total = total + weight * torch.stack(there).mean()
    return total


def answer_loss(out: Distribution, prepared: Prepared, smoothing: float = 0.0) -> Tensor:
    """Negative log-likelihood of each known answer to each query.

    Shapes: out.p [B, A] -> [K]
    Units: nats.
    """
    target = prepared.target.to(out.p.device)
    known = target >= 0
    log = prepared.of_items(out.p)[known].clamp(min=SMALLEST).log()
    loss = -log.gather(1, target[known][:, None]).squeeze(1)
    if smoothing:
        loss = (1 - smoothing) * loss - smoothing * _evenly(log, known, prepared)
    return loss


def _evenly(log: Tensor, known: Tensor, prepared: Prepared) -> Tensor:
    """The mean over all answers that an item can have. Shapes: log [K, A], known [I] -> [K]"""
    if prepared.among is None:
        return log.mean(dim=1)
    own = prepared.among.to(log).repeat(len(prepared), 1)[known]
    return (log * own).sum(dim=1) / own.sum(dim=1)


def concept_loss(model: Model, out: Distribution, prepared: Prepared) -> list[Tensor]:
    """Negative log-likelihood of the atoms whose truth the rows give, for each neural predicate.

    It is of the scores that the answers came from: the encoder reads a batch once.

    Shapes: -> [K] each, in the order of the program's neural predicates
    """
    known = {concept.predicate: concept for concept in prepared.concepts}
    losses = []
    for name in model.core.neural:
        if name not in known:
            losses.append(torch.zeros(0, device=model.parameters_of_rules.logits.device))
            continue
        picked = out.scores[name][known[name].request]
        truth = known[name].truth.to(picked.device)
        if picked.shape[1] == 1:
            of_atom = functional.binary_cross_entropy_with_logits(
                picked[:, 0], truth.to(picked.dtype), reduction="none"
            )
        else:
            of_atom = functional.cross_entropy(picked, truth, reduction="none")
        losses.append(of_atom)
    return losses


def statement_loss(out: Distribution, statements: Statements) -> Tensor:
    """Negative log-likelihood of each atom that is said to hold or not to hold.

    Those that the rules cannot derive for their row are left out: no encoder could change them.

    Shapes: out.p [B, A] -> [K]
    Units: nats.
    """
    if not len(statements):
        return out.p.new_zeros(0)
    can = (statements.column >= 0).to(out.p.device)
    return statement_surprise(out, statements)[can]


def statement_surprise(out: Distribution, statements: Statements) -> Tensor:
    """-log of the chance that what is said of each atom is so. Shapes: -> [M]"""
    p = statements.chance(out.p)
    said = torch.where(statements.truth.to(p.device) == 1, p, 1 - p)
    return -said.clamp(min=SMALLEST).log()


def constraint_loss(out: Distribution) -> Tensor:
    """Surprise of each row at the rules' constraints: -log of the chance that what the encoder proposes meets them.

    No answer is needed for it. Where no constraint bears on an answer it is 0.

    Shapes: out.evidence [B] -> [B]
    Units: nats.
    Source: Xu, Zhang, Friedman, Liang, Van den Broeck, "A Semantic Loss Function for Deep Learning with Symbolic
    Knowledge", ICML 2018, definition 1; here of the rules' constraints, through the same graph as the answers.
    """
    return -out.evidence.clamp(min=SMALLEST).log()


def normalised(p: Tensor) -> Tensor:
    """Probabilities of answers that exclude each other, scaled to sum to 1 where the rules leave some mass over.

    Shapes: p [B, A] -> [B, A]
    """
    p = p.clamp(min=SMALLEST)
    return p / p.sum(dim=1, keepdim=True)
