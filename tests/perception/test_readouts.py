"""Readouts, and the functions inside KAN layers."""

import numpy as np
import pytest
import torch
from scipy.interpolate import BSpline

from nesy.perception.kan import GaussianKan, SplineKan
from nesy.perception.readout import make_readouts

NAMES = ["linear", "cosine", "mlp", "kan-spline", "kan-gaussian"]


@pytest.mark.parametrize("name", NAMES)
def test_a_readout_gives_the_scores_of_each_predicate_and_a_seed_its_start(name):
    x = torch.randn(5, 16, generator=torch.Generator().manual_seed(0)).tanh()
    first, again, other = (make_readouts(name, 16, {"a": 3, "b": 1}, 8, seed) for seed in (1, 1, 2))
    assert first["a"](x).shape == (5, 3)
    assert first["b"](x).shape == (5, 1)
    assert torch.equal(first["a"](x), again["a"](x))
    assert not torch.allclose(first["a"](x), other["a"](x))


@pytest.mark.parametrize("name", NAMES)
def test_making_a_readout_leaves_the_global_random_numbers_alone(name):
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    make_readouts(name, 16, {"a": 3}, 8, seed=5)
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("name", NAMES)
def test_gradients_of_readouts_agree_with_finite_differences(name):
    readout = make_readouts(name, 6, {"a": 2}, 4, seed=0)["a"].double()
    if name == "cosine":
        readout.model = type(readout.model)(6, dtype=torch.float64)
    x = torch.linspace(-0.93, 0.94, 18, dtype=torch.float64).reshape(3, 6).requires_grad_()
    assert torch.autograd.gradcheck(readout, x)


def test_a_cosine_readout_scores_its_own_prototype_highest():
    readout = make_readouts("cosine", 64, {"a": 5}, 8, seed=0)["a"]
    scores = readout(readout.prototypes)
    assert scores.argmax(1).tolist() == [0, 1, 2, 3, 4]
    torch.testing.assert_close(scores.diagonal(), torch.full((5,), 8.0))


def test_spline_bumps_are_those_of_scipy():
    layer = SplineKan(1, 1, intervals=5)
    x = np.linspace(-0.999, 0.999, 201)
    expected = BSpline.design_matrix(x, layer.knots.double().numpy(), 3).toarray()
    found = layer.basis(torch.from_numpy(x)[:, None])[:, 0]
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("intervals", [1, 4, 7])
def test_spline_bumps_sum_to_one_inside_the_grid_and_vanish_far_outside(intervals):
    layer = SplineKan(1, 1, intervals)
    inside = torch.linspace(-1, 0.9999, 99).reshape(-1, 1)
    torch.testing.assert_close(layer.basis(inside).sum(-1), torch.ones(99, 1), atol=1e-5, rtol=0)
    outside = torch.tensor([[-1 - 8.0 / intervals], [1 + 8.0 / intervals]])
    assert layer.basis(outside).abs().max() == 0


def test_gaussian_bumps_peak_at_their_centres():
    layer = GaussianKan(1, 1, 6)
    basis = layer.basis(layer.centres[:, None])[:, 0]
    assert basis.argmax(1).tolist() == list(range(6))
    torch.testing.assert_close(basis.diagonal(), torch.ones(6))


@pytest.mark.parametrize("kind", [SplineKan, GaussianKan])
def test_a_kan_layer_fits_what_no_linear_layer_can(kind):
    torch.manual_seed(0)
    layer = kind(2, 1)
    x = torch.rand(400, 2) * 2 - 1
    y = torch.sin(3 * x[:, :1]) * 1.5 + (x[:, 1:].abs() - 0.5)
    optimizer = torch.optim.Adam(layer.parameters(), lr=0.05)
    for _ in range(300):
        loss = ((layer(x) - y) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.01
    flat = torch.linalg.lstsq(torch.cat([x, torch.ones(400, 1)], 1), y).solution
    assert ((torch.cat([x, torch.ones(400, 1)], 1) @ flat - y) ** 2).mean() > 0.05


def test_predicates_with_an_alias_or_the_name_of_a_method_have_readouts_of_their_own():
    names = ["kin.digit", "kin%2Edigit", "keys", "keys%", "forward", "digit", "training"]
    made = make_readouts("linear", 4, dict.fromkeys(names, 2), 8, seed=0)
    assert len({id(made[name]) for name in names}) == len(made) == len(names)
    made.load_state_dict(make_readouts("linear", 4, dict.fromkeys(names, 2), 8, seed=1).state_dict())
    assert "digit.weight" in made.state_dict()
