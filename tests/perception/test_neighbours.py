"""Bundles of neighbours against their definition, one row at a time."""

import torch

from nesy.perception.text.neighbours import bundle_neighbours


def one_by_one(rows: torch.Tensor, distances: torch.Tensor) -> torch.Tensor:
    context = len(distances) // 2
    found = []
    for place in range(rows.shape[-2]):
        near = [d for d in range(-context, context + 1) if 0 <= place + d < rows.shape[-2]]
        found.append(sum(rows[..., place + d, :] * distances[context + d] for d in near))
    return torch.stack(found, dim=-2)


def numbers(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_each_row_is_bundled_with_those_around_it_and_nothing_beyond_the_ends():
    for length in (1, 2, 5, 9):
        rows, distances = numbers(3, length, 4, seed=length), numbers(5, 4, seed=0)
        torch.testing.assert_close(bundle_neighbours(rows, distances), one_by_one(rows, distances))


def test_rows_of_different_blocks_are_neighbours_too():
    rows, distances = numbers(700, 512, seed=1), numbers(7, 512, seed=2)  # 358,400 numbers: three blocks
    torch.testing.assert_close(bundle_neighbours(rows, distances), one_by_one(rows, distances))


def test_gradients_are_those_of_the_definition_across_blocks():
    leaves = [numbers(300, 512, seed=3).requires_grad_(), numbers(3, 512, seed=4).requires_grad_()]
    weight = numbers(300, 512, seed=5)
    found = torch.autograd.grad((bundle_neighbours(*leaves) * weight).sum(), leaves)
    expected = torch.autograd.grad((one_by_one(*leaves) * weight).sum(), leaves)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other)
