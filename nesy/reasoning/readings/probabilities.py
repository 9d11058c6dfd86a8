"""What a reading answers with, and how masses become conditional probabilities."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


def widened(numbers: Tensor) -> Tensor:
    """In double precision, where the device has it: in single, 1 - p of a leaf that is nearly sure would be 0."""
    return numbers if numbers.device.type == "mps" else numbers.to(torch.float64)


@dataclass(frozen=True, eq=False)
class Probabilities:
    """The probability of each query of a graph, given the evidence and that no constraint is violated.

    Shapes: all [*B, Q], in the order of the graph's queries.
    Gradient: `p` carries one where the leaf probabilities do; so do the bounds.
    """

    p: Tensor
    lower: Tensor
    upper: Tensor
    evidence: Tensor  # the chance that the query's evidence holds and no constraint is violated
    log_p: Tensor  # of `lower`: right where p is too small for its type; where p is 0, a large negative number or -inf
