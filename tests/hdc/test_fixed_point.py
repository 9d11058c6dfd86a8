"""Cosines by int8 products: as exact as they say on every kind of row, and floats wherever they would not be."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from nesy.hdc import FHRR, HRR, Codebook, fixed_point
from nesy.hdc.fixed_point import THREE_PRODUCTS, TWO_PRODUCTS, Form, cosines, fixed_point_cosines, float_cosines
from nesy.hdc.kernels import integer_products

FORMS = pytest.mark.parametrize("form", [TWO_PRODUCTS, THREE_PRODUCTS], ids=["two products", "three products"])
COLUMNS = 16384


def of_angles(angles: Tensor) -> Tensor:
    return torch.stack([angles.cos(), angles.sin()], -1).flatten(-2)


def random_angles(rows: int, columns: int = COLUMNS) -> Tensor:
    return torch.rand(rows, columns // 2, generator=torch.Generator().manual_seed(0)) * (2 * math.pi)


ROWS = {
    "random phases": of_angles(random_angles(24)),
    "four phases": of_angles(random_angles(24).div(math.pi / 2).floor().mul(math.pi / 2) + 0.3),
    "the same phase everywhere": of_angles(torch.linspace(0, 3, 24)[:, None].expand(-1, COLUMNS // 2)),
    "powers of one phase": of_angles(torch.linspace(0, 2, 24)[:, None] * random_angles(1)),
    "signs": of_angles(random_angles(24)).sign(),
    "large and small": of_angles(random_angles(24)) * torch.logspace(-28, 37, 24)[:, None],
}


@FORMS
@pytest.mark.parametrize("kind", ROWS)
def test_every_cosine_is_within_its_bound_also_of_a_row_with_itself(form: Form, kind: str) -> None:
    rows = ROWS[kind]
    found = fixed_point_cosines(rows, rows, form)
    assert found is not None
    exact = rows.double() / rows.double().norm(dim=-1, keepdim=True)
    assert (found - exact @ exact.T).abs().max() < 0.01 / math.sqrt(COLUMNS)


@FORMS
def test_the_digits_of_a_row_are_the_row_rounded_up_or_down(form: Form) -> None:
    rows = ROWS["large and small"]
    laid_out = fixed_point._laid_out(rows, form, seed=0)
    assert laid_out is not None
    x, rest, unit = laid_out
    n = x.int() * (form.base if form.num_products == 3 else form.base - 1) + rest
    steps = rows.double() / rows.double().abs().amax(-1, keepdim=True) * form.largest
    assert torch.allclose(unit.double() * steps.norm(dim=-1, keepdim=True), torch.ones(24, 1).double(), rtol=1e-5)
    assert (n - steps).abs().max() < 1.01
    assert (n - steps).mean().abs() < 0.01
    assert n.abs().max() <= form.largest + 1


@FORMS
def test_zero_rows_are_like_nothing(form: Form) -> None:
    rows = ROWS["random phases"].clone()
    rows[3] = 0
    found = fixed_point_cosines(rows, rows, form)
    assert found is not None
    assert found[3].eq(0).all() and found[:, 3].eq(0).all()


@FORMS
@pytest.mark.parametrize("number", [100.0, math.nan, math.inf, -math.inf, 3e38])
def test_rows_that_fixed_point_numbers_do_not_hold_are_multiplied_as_floats(
    form: Form, number: float, monkeypatch
) -> None:
    monkeypatch.setattr(fixed_point, "form_of_processor", lambda: form)
    rows = of_angles(random_angles(400, 4096))
    others = rows.clone()
    others[200, 17] = number
    assert fixed_point_cosines(rows, others, form) is None
    assert fixed_point_cosines(others, rows, form) is None
    assert torch.equal(cosines(rows, others).nan_to_num(9), float_cosines(rows, others).nan_to_num(9))


@FORMS
def test_rows_of_the_smallest_floats_are_multiplied_as_floats(form: Form) -> None:
    rows = ROWS["random phases"]
    assert fixed_point_cosines(rows, rows * 1e-39, form) is None


def test_gaussian_numbers_are_flat_enough_for_three_products_but_not_for_two() -> None:
    rows = HRR(COLUMNS, 0).random(8)
    assert fixed_point_cosines(rows, rows, TWO_PRODUCTS) is None
    found = fixed_point_cosines(rows, rows, THREE_PRODUCTS)
    assert found is not None
    assert (found - float_cosines(rows.double(), rows.double())).abs().max() < 0.01 / math.sqrt(COLUMNS)


@FORMS
def test_many_long_rows_are_compared_in_fixed_point_and_all_others_as_floats(form: Form, monkeypatch) -> None:
    monkeypatch.setattr(fixed_point, "form_of_processor", lambda: form)
    rows = of_angles(random_angles(401, 4096))
    found = fixed_point_cosines(rows, rows, form)
    assert found is not None and torch.equal(cosines(rows, rows), found)
    floats = float_cosines(rows, rows)
    assert not torch.equal(found, floats)
    assert torch.equal(cosines(rows[:100], rows), float_cosines(rows[:100], rows))
    assert torch.equal(cosines(rows[:, :4000], rows[:, :4000]), float_cosines(rows[:, :4000], rows[:, :4000]))
    assert cosines(rows.double(), rows.double()).dtype is torch.float64
    model = FHRR(2048)
    hypervectors = torch.view_as_complex(rows.unflatten(-1, (-1, 2)))
    assert torch.equal(model.similarity(hypervectors, hypervectors), found)
    monkeypatch.setattr(fixed_point, "form_of_processor", lambda: None)
    assert torch.equal(cosines(rows, rows), floats)


@FORMS
def test_gradients_are_those_of_the_plain_product(form: Form, monkeypatch) -> None:
    monkeypatch.setattr(fixed_point, "form_of_processor", lambda: form)
    rows = of_angles(random_angles(400, 4096))
    a, b = rows.clone().requires_grad_(), rows.flip(0).requires_grad_()
    weights = torch.rand(400, 400, generator=torch.Generator().manual_seed(1))
    found = torch.autograd.grad((cosines(a, b) * weights).sum(), [a, b])
    x, y = (torch.nn.functional.normalize(side.double(), dim=-1) for side in (a, b))
    exact = torch.autograd.grad((x @ y.T * weights).sum(), [a, b])
    assert all(torch.allclose(one, other, atol=1e-5) for one, other in zip(found, exact, strict=True))


@pytest.mark.parametrize(
    "has_amx, has_vnni, has_library, form",
    [
        (True, True, True, THREE_PRODUCTS),
        (False, True, True, TWO_PRODUCTS),
        (False, False, True, None),
        (True, True, False, None),
    ],
)
def test_the_form_is_that_of_the_processor(has_amx, has_vnni, has_library, form, monkeypatch) -> None:
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: has_amx)
    monkeypatch.setattr(torch.cpu, "_is_vnni_supported", lambda: has_vnni)
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: has_library)
    assert fixed_point.form_of_processor.__wrapped__() is form


def test_two_threads_find_what_one_finds() -> None:
    rows = of_angles(random_angles(150, 4096))
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        one = fixed_point_cosines(rows, rows, TWO_PRODUCTS)
        torch.set_num_threads(2)
        two = fixed_point_cosines(rows, rows, TWO_PRODUCTS)
    finally:
        torch.set_num_threads(before)
    assert one is not None and two is not None and torch.equal(one, two)


@FORMS
def test_the_largest_digits_do_not_overflow_the_longest_sum(form: Form) -> None:
    digits = torch.full((2, 1 << 17), 127, dtype=torch.int8)
    assert integer_products(digits, digits.T).eq(127 * 127 << 17).all()
    ones = torch.ones(2, 1 << 17)
    found = fixed_point_cosines(ones, ones, form)
    assert found is not None and (found - 1).abs().max() < 0.01 / math.sqrt(1 << 17)


@FORMS
def test_codebooks_and_cleanups_tell_apart_what_fixed_point_cannot(form: Form, monkeypatch) -> None:
    monkeypatch.setattr(fixed_point, "form_of_processor", lambda: form)
    vsa = FHRR(2048, 1)
    close = vsa.power(vsa.random(1)[0], torch.arange(500) * 0.001)  # neighbours are 1.6e-6 from alike
    book = Codebook.of(vsa, 500, close)
    assert torch.equal(book.nearest(close[40:460]).index[:, 0], torch.arange(40, 460))
    assert torch.equal(book.cleanup(close[40:460]), close[40:460])
    assert torch.equal(vsa.cleanup(close[40:460], close), close[40:460])
