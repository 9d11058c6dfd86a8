"""How sure an encoder's scores are taken to be: one temperature for each neural predicate.

A network trained to be right is seldom as right as it is sure. Dividing the scores of a predicate by one number keeps
their order and changes how sure they are; fitted through the rules on rows that nothing was trained on, it makes the
answers' probabilities honest.
"""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor, nn

from nesy.language.core import CoreProgram


@final
class Temperatures(nn.Module):
    """The temperatures of a program's neural predicates: 1 until they are fitted, and never touched by training.

    Source: Guo, Pleiss, Sun, Weinberger, "On Calibration of Modern Neural Networks", ICML 2017, section 4.2; here one
    for each neural predicate, below the rules, since an answer is not the output of one softmax.
    """

    log: Tensor  # [P] natural logarithms: 0 leaves scores alone

    def __init__(self, program: CoreProgram):
        super().__init__()
        self._place = {name: place for place, name in enumerate(sorted(program.neural))}
        self.register_buffer("log", torch.zeros(len(self._place)))

    def soften(self, name: str, scores: Tensor) -> Tensor:
        """The scores of a predicate over its temperature. Shapes: [K, V] -> [K, V]"""
        return scores * torch.exp(-self.log[self._place[name]]).to(scores.dtype)

    def table(self) -> dict[str, float]:
        """Each temperature by its predicate's name."""
        return {name: float(self.log[place].exp()) for name, place in self._place.items()}
