"""Sums over indexed rows and runs of neighbours: the fast kernels against the plain definition."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nesy.hdc import MAP, HypervectorError, multiset, ngrams, rows
from tests.hdc.models import MAKERS, close


@pytest.mark.parametrize("name", MAKERS)
@given(seed=st.integers(0, 1000), n=st.integers(1, 5), size=st.sampled_from([1, 3, 200]), length=st.integers(5, 9))
@settings(max_examples=8)
def test_ngrams_by_index_are_ngrams_of_the_gathered_hypervectors(name, seed, n, size, length) -> None:
    model = MAKERS[name](144, seed)
    items = model.random(size)
    index = torch.randint(0, size, (2, 3, length), generator=torch.Generator().manual_seed(seed))
    assert close(model, model.bundle_runs(items, index, n), ngrams(model, items[index], n))
    assert close(model, model.bundle_rows(items, index), multiset(model, items[index]))


@pytest.mark.parametrize("name", MAKERS)
def test_missing_symbols_are_left_out(name) -> None:
    model = MAKERS[name](144, 1)
    items = model.random(5)
    index = torch.tensor([[0, 1, 2, -1, 3, 4, 0], [-1, -1, 2, 3, 4, -1, -1], [0, 1, 2, 3, 4, 0, 1]])
    runs = model.bundle_runs(items, index, 3)
    first = torch.stack([_run(model, items[index[0, :3]]), _run(model, items[index[0, 4:]])])
    assert close(model, runs[1], ngrams(model, items[index[1, 2:5]], 3))
    assert close(model, runs[2], ngrams(model, items[index[2]], 3))
    assert close(model, runs[0], model.bundle(first))
    assert close(model, model.bundle_rows(items, index)[1], model.bundle(items[2:5]))


@pytest.mark.parametrize("name", MAKERS)
def test_a_sequence_without_a_run_is_refused(name) -> None:
    model = MAKERS[name](144, 1)
    items = model.random(5)
    with pytest.raises(HypervectorError, match="sequence 1 has no run of 3 symbols: an empty bundle has no hyperv"):
        model.bundle_runs(items, torch.tensor([[0, 1, 2], [0, -1, 2]]), 3)
    with pytest.raises(HypervectorError, match="sequence 0 has no symbol: an empty bundle has no hypervector"):
        model.bundle_rows(items, torch.tensor([[-1, -1]]))
    with pytest.raises(HypervectorError, match=r"index 0\.\.5 does not fit the 5 items"):
        model.bundle_rows(items, torch.tensor([[0, 5]]))
    with pytest.raises(HypervectorError, match="a sequence of 2 has no runs of 3"):
        model.bundle_runs(items, torch.tensor([[0, 1]]), 3)


@pytest.mark.parametrize("name", ["MAP float32", "HRR", "FHRR", "VTB"])
def test_ngrams_by_index_have_the_gradient_of_the_plain_definition(name) -> None:
    model = MAKERS[name](144, 1)
    index = torch.randint(0, 4, (3, 8), generator=torch.Generator().manual_seed(0))
    gradients = []
    for encode in (
        lambda items: model.superpose_runs(items, index, 3),
        lambda items: torch.stack(
            [model.superpose(torch.stack([_run(model, items[row[t : t + 3]]) for t in range(6)])) for row in index]
        ),
    ):
        torch.manual_seed(0)
        latent = MAKERS[name](144, 5).latent(4).requires_grad_()
        sums = encode(model.realize(latent))
        (sums.abs() ** 2).sum().backward()
        gradients.append(latent.grad)
    assert torch.allclose(gradients[0], gradients[1], atol=1e-3 * gradients[0].abs().max())
    assert gradients[0].abs().max() > 0


@pytest.mark.parametrize("name", MAKERS)
def test_ngrams_see_the_order_of_their_members(name) -> None:
    model = MAKERS[name](4225, 3)
    a, b, c = model.random(3)
    forwards, backwards = (ngrams(model, torch.stack(run), 3) for run in ([a, b, c], [c, b, a]))
    assert model.similarity(forwards, backwards) < 0.3


def _run(model, vectors):
    return model.bind(model.bind(model.permute(vectors[0], 2), model.permute(vectors[1])), vectors[2])


def test_long_batches_cross_the_kernels_chunks() -> None:
    model = MAP(6400, 2)
    items = model.random(30)
    index = torch.randint(0, 30, (70, 64), generator=torch.Generator().manual_seed(1))
    some = [0, 41, 69]
    assert torch.equal(model.bundle_runs(items, index, 3)[some], ngrams(model, items[index[some]], 3))


@pytest.mark.parametrize("name", ["HRR", "FHRR"])
def test_grouped_runs_cross_their_parts_of_sequences_and_columns(name, monkeypatch) -> None:
    monkeypatch.setattr(rows, "GROUPS", 12)
    monkeypatch.setattr(rows, "GROUP_COLUMNS", 50)
    model = MAKERS[name](144, 2)
    items = model.random(4)
    index = torch.randint(-1, 4, (9, 12), generator=torch.Generator().manual_seed(1))
    index[4] = -1
    index[:, :3] = index[:, :3].clamp(min=0)
    plain = torch.stack([model.bundle(_runs(model, items, row)) for row in index])
    assert close(model, model.bundle_runs(items, index, 3), plain)


def _runs(model, items, row):
    known = [row[t : t + 3] for t in range(len(row) - 2) if (row[t : t + 3] >= 0).all()]
    return torch.stack([_run(model, items[run]) for run in known])
