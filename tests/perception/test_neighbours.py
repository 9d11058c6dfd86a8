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


def everywhere(rows: torch.Tensor) -> torch.Tensor:
    return torch.arange(rows.shape[-2])


def test_each_row_is_bundled_with_those_around_it_and_nothing_beyond_the_ends():
    for length in (1, 2, 5, 9):
        rows, distances = numbers(3, length, 4, seed=length), numbers(5, 4, seed=0)
        torch.testing.assert_close(bundle_neighbours(rows, distances, everywhere(rows)), one_by_one(rows, distances))


def test_only_the_places_that_are_asked_for_come_back():
    rows, distances, place = numbers(9, 4, seed=6), numbers(5, 4, seed=7), torch.tensor([0, 1, 4, 7, 8])
    torch.testing.assert_close(bundle_neighbours(rows, distances, place), one_by_one(rows, distances)[place])


def test_narrow_rows_count_as_their_products_with_the_lift():
    rows, distances, lift = numbers(2, 9, 3, seed=8), numbers(5, 4, seed=9), numbers(3, 4, seed=10)
    found = bundle_neighbours(rows, distances, everywhere(rows), lift)
    torch.testing.assert_close(found, one_by_one(rows @ lift, distances))


def test_rows_of_different_blocks_are_neighbours_too():
    rows, distances = numbers(700, 512, seed=1), numbers(7, 512, seed=2)  # 358,400 numbers: three blocks
    place = everywhere(rows)[::2]
    torch.testing.assert_close(bundle_neighbours(rows, distances, place), one_by_one(rows, distances)[place])


def test_gradients_are_those_of_the_definition_across_blocks():
    leaves = [numbers(300, 512, seed=3), numbers(3, 512, seed=4)]
    narrow = [numbers(2, 300, 8, seed=11), numbers(3, 512, seed=4), numbers(8, 512, seed=12)]
    place = torch.arange(0, 300, 3)
    weight = numbers(100, 512, seed=5)
    for rows, distances, *lift in (leaves, narrow):
        inputs = [each.requires_grad_() for each in (rows, distances, *lift)]
        found = torch.autograd.grad((bundle_neighbours(rows, distances, place, *lift) * weight).sum(), inputs)
        wide = rows @ lift[0] if lift else rows
        expected = torch.autograd.grad((one_by_one(wide, distances)[..., place, :] * weight).sum(), inputs)
        for one, other in zip(found, expected, strict=True):
            torch.testing.assert_close(one, other)
