"""Distillation: a teacher's answer distribution, brought together with the one that comes out of the rules."""

from nesy.distillation.lesson import distill
from nesy.distillation.teacher import Teacher

__all__ = ["Teacher", "distill"]
