"""How a teacher's answers enter the loss: each objective a small named function with its paper.

All of them compare with the distribution *that comes out of the rules*, so their gradient goes through the rules to
the encoder.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from nesy.learning.metrics import SMALLEST
from nesy.model import Distribution


def tempered_kl(p: Tensor, teacher: Tensor, temperature: float, weight: Tensor | None = None) -> Tensor:
    """Divergence of the student's softened answers from the teacher's, times the squared temperature.

    Shapes: p [B, A] the rules' probabilities, teacher [B, A] log-probabilities, weight [B] -> []
    Units: nats, scaled by temperature squared so that gradients keep their size.
    Gradient: into p, and zero where an answer's probability is below the smallest that is told from 0.
    Source: Hinton, Vinyals, Dean, "Distilling the Knowledge in a Neural Network", 2015, section 2; with the rules'
    answer distribution in the student's place.
    """
    student_log = functional.log_softmax(p.clamp(min=SMALLEST).log() / temperature, dim=1)
    teacher_log = functional.log_softmax(teacher / temperature, dim=1)
    divergence = (teacher_log.exp() * (teacher_log - student_log)).sum(dim=1)
    if weight is not None:
        divergence = divergence * weight
    return divergence.mean() * temperature**2


def trust(teacher: Tensor, target: Tensor) -> Tensor:
    """How far the teacher is believed on each row: the chance it gives to the known answer, 1 where none is known.

    Shapes: teacher [B, A] log-probabilities, target [B], negative where the answer is not known -> [B]
    Source: after Wen, Lai, Qian, "Preparing Lessons: Improve Knowledge Distillation with Better Supervision", 2021,
    where a teacher that is wrong on a row is not followed there.
    """
    of_target = teacher.exp().gather(1, target.clamp(min=0)[:, None]).squeeze(1)
    return torch.where(target >= 0, of_target, torch.ones_like(of_target))


def aligned(out: Distribution, answers: Sequence[str]) -> Tensor:
    """The rules' probabilities in the order of other answers; 0 for one that no row of the batch can have.

    Shapes: -> [B, len(answers)]
    """
    place = {str(atom): column for column, atom in enumerate(out.answers)}
    padded = torch.cat([out.p, out.p.new_zeros(len(out.p), 1)], dim=1)
    return padded[:, torch.tensor([place.get(answer, len(place)) for answer in answers], device=out.p.device)]
