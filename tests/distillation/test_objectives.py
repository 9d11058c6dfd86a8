"""Objectives agree with the definition written out, and their gradients with finite differences."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nesy.distillation.objectives import tempered_kl, trust

shares = st.lists(st.floats(0.01, 1.0), min_size=3, max_size=3)
pairs = st.tuples(shares, shares, st.floats(0.5, 5.0))


def softened(p: list[float], temperature: float) -> list[float]:
    raised = [x ** (1 / temperature) for x in p]
    return [x / sum(raised) for x in raised]


@given(pairs)
def test_the_divergence_is_the_definition_written_out(case: tuple[list[float], list[float], float]) -> None:
    student, teacher, temperature = case
    q, t = softened(student, temperature), softened(teacher, temperature)
    expected = temperature**2 * sum(a * math.log(a / b) for a, b in zip(t, q, strict=True))
    found = tempered_kl(torch.tensor([student]).double(), torch.tensor([teacher]).double().log(), temperature)
    assert float(found) == pytest.approx(expected, abs=1e-6)


@given(shares, st.floats(0.5, 5.0))
def test_it_is_zero_where_the_student_says_what_the_teacher_says(p: list[float], temperature: float) -> None:
    same = torch.tensor([p]).double()
    assert float(tempered_kl(same, same.log(), temperature)) == pytest.approx(0, abs=1e-9)


def test_its_gradient_agrees_with_finite_differences() -> None:
    p = torch.tensor([[0.2, 0.5, 0.1], [0.9, 0.05, 0.05]], dtype=torch.float64, requires_grad=True)
    teacher = torch.tensor([[0.3, 0.3, 0.4], [0.1, 0.1, 0.8]], dtype=torch.float64).log()
    weight = torch.tensor([1.0, 0.25], dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda x: tempered_kl(x, teacher, 2.0, weight), (p,))


def test_an_impossible_answer_gives_no_nan() -> None:
    p = torch.tensor([[0.0, 1.0]], requires_grad=True)
    loss = tempered_kl(p, torch.tensor([[0.5, 0.5]]).log(), 2.0)
    loss.backward()
    assert torch.isfinite(loss)
    assert p.grad is not None and bool(p.grad.isfinite().all())


def test_trust_is_the_teachers_chance_of_the_known_answer_and_full_where_none_is_known() -> None:
    teacher = torch.tensor([[0.3, 0.7], [0.3, 0.7], [0.3, 0.7]]).log()
    assert trust(teacher, torch.tensor([0, 1, -1])).tolist() == pytest.approx([0.3, 0.7, 1.0])
