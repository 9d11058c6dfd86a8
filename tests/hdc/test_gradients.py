"""Gradients reach what is learned: they are finite everywhere and equal finite differences where there is no sign."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from nesy.hdc import FHRR, HRR, MAP, Codebook, FractionalPower, Level, ngrams, record, sequence

DOUBLE = [HRR(32, dtype=torch.float64), HRR(32, dtype=torch.float64, unitary=True), FHRR(32, dtype=torch.complex128)]


@pytest.mark.parametrize("model", DOUBLE, ids=repr)
@pytest.mark.parametrize("encode", [sequence, ngrams, lambda m, v: record(m, v.flip(0), v)])
def test_gradients_of_structures_equal_finite_differences(model, encode) -> None:
    target = model.random()

    def score(latent: Tensor) -> Tensor:
        return model.similarity(encode(model, model.realize(latent)), target)

    assert torch.autograd.gradcheck(score, model.latent(4).requires_grad_())


@pytest.mark.parametrize("model", DOUBLE, ids=repr)
def test_gradients_of_a_zero_superposition_are_zero_and_never_nan(model) -> None:
    zero = torch.zeros(model.dim, dtype=model.dtype, requires_grad=True)
    model.similarity(model.normalize(zero), model.random()).backward()
    assert zero.grad is not None and not zero.grad.any()


def test_straight_through_bundles_are_signs_forwards_and_sums_backwards() -> None:
    model = MAP(64, dtype=torch.float64)
    latent = model.latent(4).requires_grad_()
    bundle = model.bundle(model.realize(latent))
    assert set(bundle.unique().tolist()) == {-1.0, 1.0}
    direction = torch.randn(64, dtype=torch.float64)
    (bundle @ direction).backward()
    assert torch.equal(latent.grad, direction.expand(4, 64))


def test_soft_bundles_have_their_true_gradient() -> None:
    model = MAP(16, dtype=torch.float64)
    vectors = model.latent(3).requires_grad_()
    assert torch.autograd.gradcheck(lambda v: model.soft_bundle(v, temperature=1.5), vectors)


@pytest.mark.parametrize("model", [MAP(512, dtype=torch.float32), HRR(512), FHRR(512)], ids=repr)
def test_a_learned_codebook_learns_to_tell_two_bags_apart(model) -> None:
    torch.manual_seed(0)
    book = Codebook.learned(model, ["a", "b", "c"])
    target = model.random()
    optimizer = torch.optim.Adam(book.parameters(), lr=0.05)
    for _ in range(60):
        here, there = (model.similarity(model.bundle(book.encode(names)), target) for names in (["a", "c"], ["b", "c"]))
        loss = there - here
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert (here - there).item() > 0.5


def test_numbers_have_gradients_by_interpolation_and_by_fractional_power() -> None:
    level = Level(MAP(64, dtype=torch.float64), 0.0, 1.0, 5)
    inside = torch.tensor([0.1, 0.6, 0.9], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(level.interpolate, inside)
    number = FractionalPower(FHRR(16, dtype=torch.complex128), learned=True)
    assert torch.autograd.gradcheck(lambda x, _: torch.view_as_real(number(x)), (inside, number.latent))


def test_soft_cleanup_has_gradients_to_the_query() -> None:
    book = Codebook.random(HRR(16, dtype=torch.float64), 5)
    query = book.model.random().requires_grad_()
    assert torch.autograd.gradcheck(lambda q: book.cleanup(q, temperature=0.3), query)
