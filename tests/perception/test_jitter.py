"""Pictures changed a little in training."""

import torch

from nesy.perception.image.jitter import Jitter


def cross(side=21):
    pixels = torch.zeros(1, side, side)
    pixels[:, side // 2, 4:-4] = 1
    pixels[:, 4:-4, side // 2] = 1
    return pixels


def centre(pixels):
    """The centre of gravity, row and column. Shapes: [B, H, W] -> [B, 2]"""
    places = torch.arange(pixels.shape[1], dtype=pixels.dtype)
    mass = pixels.sum((1, 2))
    return torch.stack([(pixels.sum(2) * places).sum(1) / mass, (pixels.sum(1) * places).sum(1) / mass], 1)


def test_without_change_pictures_stay_as_they_are():
    pixels = cross()
    assert Jitter(0, 0, 0)(pixels) is pixels


def test_a_shift_moves_pictures_evenly_and_no_further_than_it_says():
    torch.manual_seed(0)
    moved = centre(Jitter(0, 0.1, 0)(cross().expand(400, -1, -1))) - 10
    assert moved.abs().max() <= 0.1 * 21 + 1e-3
    assert moved.amax(0).min() > 1.8 and moved.amin(0).max() < -1.8
    assert moved.mean(0).abs().max() < 0.3


def test_a_turn_keeps_the_centre_and_what_is_there():
    torch.manual_seed(0)
    pixels = cross()
    turned = Jitter(20, 0, 0)(pixels.expand(100, -1, -1))
    assert torch.allclose(centre(turned), torch.tensor(10.0), atol=0.05)
    assert torch.allclose(turned.sum((1, 2)), pixels.sum(), rtol=0.05)
    assert (turned - pixels).abs().amax((1, 2)).max() > 0.5
    assert turned.min() >= 0 and turned.max() <= 1 + 1e-6


def test_a_stretch_makes_pictures_larger_and_smaller():
    torch.manual_seed(0)
    mass = Jitter(0, 0, 0.3)(cross().expand(200, -1, -1)).sum((1, 2)) / cross().sum()
    assert mass.max() > 1.3 and mass.min() < 0.7


def test_the_same_seed_draws_the_same_changes():
    drawn = []
    for _ in range(2):
        torch.manual_seed(3)
        drawn.append(Jitter(10, 0.1, 0.1)(cross().expand(5, -1, -1)))
    assert torch.equal(*drawn)
    assert not torch.equal(drawn[0][0], drawn[0][1])
