"""Which parts of an input moved an encoder's score: an exact decomposition, no estimate.

A hypervector is a bundle: a sum of members (pieces of a word, pixels of a picture, cells of a row), squashed. In
each dimension every member has its part of the sum, so it has the same part of the squashed number; a readout that is
linear in the hypervector turns these parts into parts of the score. They add up to the score, less its offset.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from nesy.perception.readout import CosineReadout


@dataclass(frozen=True)
class Part:
    """A part of the input: `text` says which; characters `start <= offset < end` of a text, or a box of a picture.

    A box is (top, left, bottom, right) in pixels, the last two excluded.
    """

    text: str
    start: int | None = None
    end: int | None = None
    box: tuple[int, int, int, int] | None = None


@dataclass(frozen=True, eq=False)
class Members:
    """What the hypervector of one key is made of: each of its numbers is squashed from the sum of the vectors'.

    Shapes: vectors [M, D], hypervector [D]
    """

    parts: Sequence[Part]
    vectors: Tensor
    hypervector: Tensor


@dataclass(frozen=True)
class Influence:
    """What moved one neural atom. Units: log-odds

    `parts` are the parts of the input and what each adds to the odds of the outcome (against its strongest rival, where
    there are several); `offset` is what no part can claim. All together are `total`.
    """

    parts: tuple[tuple[Part, float], ...]
    offset: float
    total: float
    rival: int | None = None  # the outcome it is measured against


@torch.no_grad()
def influence(members: Members, readout: nn.Module, outcome: int) -> Influence | None:
    """The parts' shares in one outcome's score; None for a readout that is not linear in the hypervector."""
    total, squashed = members.vectors.sum(0), members.hypervector
    form = _linear_form(readout, squashed)
    if form is None:
        return None
    weight, bias = form
    rival = None
    if len(weight) > 1:
        scores = weight @ squashed + bias
        scores[outcome] = -torch.inf
        rival = int(scores.argmax())
        weight, bias = weight[outcome] - weight[rival], bias[outcome] - bias[rival]
    else:
        weight, bias = weight[0], bias[0]
    # Where members cancel, a smooth squash has the slope 1, and a sign that came out anyway is nobody's.
    cancelled = (squashed == 0).to(total)
    ratio = torch.where(total == 0, cancelled, squashed / torch.where(total == 0, 1.0, total))
    shares = members.vectors @ (ratio * weight)
    margin = float(weight @ squashed + bias)
    merged: dict[Part, float] = {}
    for part, share in zip(members.parts, shares.tolist(), strict=True):
        merged[part] = merged.get(part, 0.0) + share
    return Influence(tuple(merged.items()), margin - sum(merged.values()), margin, rival)


def _linear_form(readout: nn.Module, hypervector: Tensor) -> tuple[Tensor, Tensor] | None:
    """Weights and offsets with which the readout gives its scores at this hypervector. Shapes: -> [V, D], [V]"""
    match readout:
        case nn.Linear():
            return readout.weight, readout.bias
        case CosineReadout():
            length = torch.linalg.vector_norm(hypervector)
            prototypes = nn.functional.normalize(readout.prototypes, dim=-1)
            weight = readout.sharpness_log.exp() * prototypes / torch.where(length > 0, length, torch.inf)
            return weight, weight.new_zeros(len(weight))
        case _:
            return None
