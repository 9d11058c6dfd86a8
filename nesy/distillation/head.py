"""A head for a sentence encoder, trained on a task's labelled rows: how a pretrained model without one teaches.

The encoder is frozen: its embeddings are computed once and cached, so that the head costs seconds. A row that the
head was trained on would be answered with false confidence, and a student would learn that; so each labelled row is
answered by a head that has not seen it (cross-fitting), and only other rows by a head trained on all.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from nesy.learning.seeding import number, permutation

FOLDS = 5
_DECAY = 1e-4  # of AdamW: embeddings have length 1, so the head's weights must be free to grow


@dataclass(frozen=True, eq=False)
class Head:
    """A trained linear layer on embeddings of length 1."""

    layer: nn.Linear

    @torch.no_grad()
    def __call__(self, features: Tensor) -> Tensor:
        """Scores. Shapes: [N, width] -> [N, answers]"""
        return self.layer(features)


def train_head(
    features: Tensor, target: Tensor, num_answers: int, epochs: int, learning_rate: float, seed: int
) -> Head:
    """Fit a linear layer by cross-entropy.

    Shapes: features [N, width], target [N] with values in 0..num_answers-1
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(number(seed, "head"))
        layer = nn.Linear(features.shape[1], num_answers)
        optimizer = torch.optim.AdamW(layer.parameters(), lr=learning_rate, weight_decay=_DECAY)
        for epoch in range(epochs):
            for rows in torch.tensor(permutation(len(target), seed, "head rows", epoch)).split(64):
                optimizer.zero_grad(set_to_none=True)
                nn.functional.cross_entropy(layer(features[rows]), target[rows]).backward()
                optimizer.step()
    return Head(layer.eval())


def cross_fitted(
    features: Tensor, target: Tensor, num_answers: int, epochs: int, learning_rate: float, seed: int
) -> tuple[Tensor, Head]:
    """Scores of the labelled rows by heads that have not seen them, and a head trained on all of them.

    Shapes: features [N, width], target [N] -> [N, num_answers]
    """
    folds = min(FOLDS, len(target))
    scores = torch.zeros(len(target), num_answers)
    place = torch.tensor(permutation(len(target), seed, "head folds")) % max(folds, 1)
    for fold in range(folds if folds > 1 else 0):
        inside = place == fold
        head = train_head(features[~inside], target[~inside], num_answers, epochs, learning_rate, seed)
        scores[inside] = head(features[inside])
    return scores, train_head(features, target, num_answers, epochs, learning_rate, seed)
