"""Packed bits: every kernel against plain arithmetic, at widths on both sides of a word, and on every device's path."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nesy.hdc import BSC, MAP, kernels
from nesy.hdc import packed as bits

DIMS = st.sampled_from([1, 2, 63, 64, 65, 100, 127, 128, 129, 1000])


@given(dim=DIMS, seed=st.integers(0, 1000))
def test_packing_and_unpacking_agree_on_the_cpu_and_by_shifts(dim, seed) -> None:
    flags = torch.rand(3, dim, generator=torch.Generator().manual_seed(seed)) < 0.5
    words = bits.pack(flags)
    assert torch.equal(words, bits.pack_by_shifts(flags))
    assert torch.equal(bits.unpack(words, dim), flags.to(torch.uint8))
    assert torch.equal(bits.unpack_by_shifts(words, dim), flags.to(torch.uint8))
    assert bits.tail_is_clear(words, dim)


@given(seed=st.integers(0, 1000))
def test_bit_counts_agree_on_the_cpu_and_by_shifts(seed) -> None:
    words = BSC(640, seed).random(4)
    assert torch.equal(bits.popcount(words), bits.popcount_by_shifts(words))
    assert torch.equal(bits.popcount(words).sum(-1), bits.unpack(words, 640).sum(-1))
    assert bits.popcount_by_shifts(torch.tensor([-1, 0, 1, -(2**63), 2**63 - 1])).tolist() == [64, 0, 1, 1, 63]


@given(dim=DIMS, shift=st.integers(-300, 300), seed=st.integers(0, 100))
def test_rotating_words_is_rolling_dimensions(dim, shift, seed) -> None:
    binary = BSC(dim, seed)
    words = binary.random(2)
    assert torch.equal(binary.unpack(binary.permute(words, shift)), torch.roll(binary.unpack(words), shift, -1))


@given(rows=st.integers(1, 40), dim=DIMS, seed=st.integers(0, 100))
def test_counting_by_carries_is_counting(rows, dim, seed) -> None:
    words = BSC(dim, seed).random(rows, 2)
    ones = bits.unpack(words, dim).sum(0, dtype=torch.int32)
    planes = bits.count_planes(words.clone())
    assert torch.equal(bits.counts_of(planes, dim), ones)
    more = bits.unpack(bits.majority(planes, rows, dim), dim).bool()
    assert torch.equal(more[ones * 2 != rows], ones[ones * 2 != rows] * 2 > rows)


@given(count=st.integers(1, 12), dim=DIMS, seed=st.integers(0, 100))
def test_bsc_is_map_in_bits(count, dim, seed) -> None:
    """Packing changes no result: bundles (ties too), products, permutations and similarities are the same."""
    binary, bipolar = BSC(dim, seed), MAP(dim, seed)
    words = binary.random(2, count)
    signs = binary.unpack(words)
    assert torch.equal(binary.pack(signs), words)
    assert torch.equal(binary.unpack(binary.bundle(words)), bipolar.bundle(signs))
    assert torch.equal(binary.superpose(words), bipolar.superpose(signs))
    assert torch.equal(binary.unpack(binary.bind(words[0], words[1])), bipolar.bind(signs[0], signs[1]))
    assert torch.allclose(binary.similarity(words, words[0]), bipolar.similarity(signs, signs[0]), atol=1e-6)
    weights = torch.linspace(-1, 2, count)
    summed = binary.superpose(words, weights=weights)
    assert torch.allclose(summed, bipolar.superpose(signs, weights=weights), atol=1e-5)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("rows", [0, 1, 63, 64, 65, 200])
def test_hamming_distances_are_exact_in_every_block_and_thread(rows, threads, monkeypatch) -> None:
    monkeypatch.setattr(kernels, "_BLOCK", 40)
    binary = BSC(1000, 3)
    a, b = binary.random(rows), binary.random(90)
    plain = (binary.unpack(a)[:, None] != binary.unpack(b)[None]).sum(-1)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        assert torch.equal(binary.hamming(a, b), plain.to(torch.float32))
        assert torch.equal(binary.hamming(b, a), plain.T.to(torch.float32))
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("dim", [100, 128, 1000])
@pytest.mark.parametrize("rows", [63, 64, 130])
def test_similarities_of_many_signs_are_their_scaled_products(dim, rows) -> None:
    """From 64 rows on each side they are counted in bits."""
    model = MAP(dim, 5)
    a, b = model.random(rows), model.random(2, 40)
    plain = torch.einsum("ad,xbd->axb", a.double(), b.double()) / dim
    assert torch.allclose(model.similarity(a, b), plain.float(), atol=1e-6)


def test_a_majority_of_a_thousand_is_exact() -> None:
    binary = BSC(200, 4)
    words = binary.random(1001)
    assert torch.equal(
        binary.unpack(binary.bundle(words)), binary.unpack(words, torch.int32).sum(0).sign().to(torch.int8)
    )


def test_sums_of_more_than_127_signs_do_not_overflow() -> None:
    model = MAP(64, 1)
    same = model.random().expand(1000, 64)
    assert torch.equal(model.superpose(same), 1000 * same[0].to(torch.int32))
    assert torch.equal(model.superpose_rows(same[:1], torch.zeros(1, 1000, dtype=torch.int64))[0], 1000 * same[0].int())
