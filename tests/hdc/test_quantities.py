"""Numbers as hypervectors: similarity falls with distance as each scale says, and decoding gives the number back."""

from __future__ import annotations

import pytest
import torch

from nesy.hdc import (
    BSC,
    FHRR,
    HRR,
    MAP,
    SBC,
    Circular,
    FractionalPower,
    HypervectorError,
    Level,
    RandomProjection,
    Thermometer,
    fixed_point,
)  # fmt: skip
from nesy.hdc.fixed_point import THREE_PRODUCTS, TWO_PRODUCTS
from tests.hdc.models import MAKERS


@pytest.mark.parametrize("name", MAKERS)
def test_level_similarity_falls_linearly_to_that_of_unrelated_hypervectors(name) -> None:
    model = MAKERS[name](4225, 1)
    scale = Level(model, -1.0, 1.0, 11)
    similarity = model.similarity(scale.vectors[0], scale.vectors)
    unrelated = 1 / model.block_size if model.name == "SBC" else 0.0
    expected = torch.linspace(1, unrelated, 11)
    assert (similarity - expected).abs().max() < 0.08
    assert torch.allclose(scale.decode(scale(torch.tensor([-1.0, -0.19, 1.0]))), torch.tensor([-1.0, -0.2, 1.0]))


@pytest.mark.parametrize("name", MAKERS)
def test_circular_similarity_falls_with_the_distance_on_the_circle(name) -> None:
    model = MAKERS[name](4225, 2)
    hours = Circular(model, 0.0, 24.0, 24)
    similarity = model.similarity(hours(torch.tensor(23.0)), hours(torch.arange(24.0)))
    distance = (torch.arange(24) - 23).remainder(24)
    unrelated = 1 / model.block_size if model.name == "SBC" else 0.0
    expected = 1 - (1 - unrelated) * torch.minimum(distance, 24 - distance) / 12
    assert (similarity - expected).abs().max() < 0.08
    assert torch.equal(hours(torch.tensor(24.0)), hours(torch.tensor(0.0)))
    assert hours.decode(hours(torch.tensor([5.2, -1.0]))).tolist() == [5.0, 23.0]


@pytest.mark.parametrize("name", ["MAP int8", "BSC", "FHRR"])
def test_thermometer_similarity_falls_to_minus_one(name) -> None:
    model = MAKERS[name](4225, 3)
    scale = Thermometer(model, 0.0, 10.0, 11)
    expected = torch.linspace(1, -1, 11)
    assert torch.allclose(model.similarity(scale.vectors[0], scale.vectors), expected, atol=0.001)


def test_a_thermometer_needs_two_opposite_values() -> None:
    with pytest.raises(HypervectorError, match=r"a thermometer needs MAP, BSC or FHRR, not HRR\(dim=64"):
        Thermometer(HRR(64), 0.0, 1.0, 3)


@pytest.mark.parametrize("name", ["MAP int8", "BSC"])
def test_sign_projections_keep_angles(name) -> None:
    model = MAKERS[name](10_000, 4)
    project = RandomProjection(model, 2)
    angles = torch.linspace(0, torch.pi, 7)
    vectors = project(torch.stack([angles.cos(), angles.sin()], -1))
    assert torch.allclose(model.similarity(vectors[0], vectors), 1 - 2 * angles / torch.pi, atol=0.04)


def test_angle_projections_are_a_gaussian_kernel() -> None:
    model = FHRR(10_000, 5)
    project = RandomProjection(model, 3, bandwidth=2.0)
    points = torch.randn(6, 3, generator=torch.Generator().manual_seed(0))
    expected = (-(torch.cdist(points, points) ** 2) / (2 * 2.0**2)).exp()
    assert torch.allclose(model.similarity(project(points), project(points)), expected, atol=0.04)


@pytest.mark.parametrize("model", [FHRR(2_000, 6), HRR(2_001, 6, unitary=True)], ids=lambda m: m.name)
def test_binding_fractional_powers_adds_numbers(model) -> None:
    number = FractionalPower(model, bandwidth=3.0)
    x, y = torch.tensor([1.25, -4.0]), torch.tensor([0.5, 2.0])
    assert (model.pair_similarity(model.bind(number(x), number(y)), number(x + y)) > 0.999).all()
    steps = torch.tensor([0.0, 1.0, 1.5, 3.0])  # sin(πx/3) / (πx/3): uniform angles make a sinc
    assert torch.allclose(model.similarity(number(steps[0]), number(steps)), torch.sinc(steps / 3), atol=0.08)
    grid = torch.linspace(-5, 5, 41)
    assert number.decode(number(torch.tensor([1.1])), grid).item() == 1.0


@pytest.mark.parametrize("form", [TWO_PRODUCTS, THREE_PRODUCTS])
def test_many_fractional_powers_are_decoded_among_candidates_closer_than_fixed_point_can_tell(
    form, monkeypatch
) -> None:
    monkeypatch.setattr(fixed_point, "form_of_processor", lambda: form)
    number = FractionalPower(FHRR(2048, 1))
    candidates = torch.arange(500) * 0.001
    assert torch.equal(number.decode(number(candidates[40:460]), candidates), candidates[40:460])
    with pytest.raises(HypervectorError, match="needs a last axis of 2048"):
        number.decode(torch.ones(2, 8, dtype=torch.complex64), candidates)


@pytest.mark.parametrize("kind", [Level, Circular])
def test_interpolation_meets_the_levels_and_mixes_between_them(kind) -> None:
    high = 4.0 if kind is Level else 5.0
    scale = kind(MAP(400, 7, torch.float32), 0.0, high, 5)
    levels = torch.arange(4.0)
    assert torch.equal(scale.interpolate(levels), scale(levels))
    between = scale.interpolate(torch.tensor(1.25))
    assert torch.allclose(between, 0.75 * scale.interpolate(levels[1]) + 0.25 * scale.interpolate(levels[2]))
    with pytest.raises(HypervectorError, match="cannot interpolate: use a model of a float dtype"):
        kind(SBC(16), 0.0, 1.0, 3).interpolate(torch.tensor(0.5))


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan"), float("inf")])
def test_a_level_outside_its_range_is_refused_with_the_range(value) -> None:
    scale = Level(BSC(128), 0.0, 1.0, 5)
    with pytest.raises(HypervectorError, match=rf"{value:g} is outside the scale 0\.\.1"):
        scale(torch.tensor([0.5, value]))
