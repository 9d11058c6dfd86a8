"""The algebra: every law a model declares holds of random hypervectors, every other law has a counterexample."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nesy.hdc import VSA, HypervectorError, Law
from tests.hdc.models import MAKERS, close


def holds(law: Law, model: VSA) -> bool:
    """Whether the law holds of hypervectors drawn from the model (never of zeros)."""
    a, b, c, d = model.random(4)
    stack = torch.stack
    match law:
        case Law.COMMUTATIVE:
            return close(model, model.bind(a, b), model.bind(b, a))
        case Law.ASSOCIATIVE:
            return close(model, model.bind(a, model.bind(b, c)), model.bind(model.bind(a, b), c))
        case Law.LEFT_IDENTITY:
            return close(model, model.bind(model.identity(), a), a)
        case Law.RIGHT_IDENTITY:
            return close(model, model.bind(a, model.identity()), a)
        case Law.EXACT_UNBIND:
            return close(model, model.unbind(model.bind(a, b), b), a)
        case Law.SELF_INVERSE:
            return close(model, model.inverse(a), a)
        case Law.SUM_DISTRIBUTIVE:
            try:
                left = model.bind(model.superpose(stack([a, b])), c)
            except HypervectorError:  # the model's sums are no hypervectors
                return False
            return close(model, left, model.superpose(stack([model.bind(a, c), model.bind(b, c)])))
        case Law.ODD_BUNDLE_DISTRIBUTIVE:
            each = stack([model.bind(a, d), model.bind(b, d), model.bind(c, d)])
            return close(model, model.bind(model.bundle(stack([a, b, c])), d), model.bundle(each))
        case Law.EVEN_BUNDLE_DISTRIBUTIVE:
            each = stack([model.bind(a, c), model.bind(b, c)])
            return close(model, model.bind(model.bundle(stack([a, b])), c), model.bundle(each))
        case Law.PERMUTE_BIND:
            return close(model, model.permute(model.bind(a, b)), model.bind(model.permute(a), model.permute(b)))
        case Law.PERMUTE_BUNDLE:
            both = stack([a, b])
            return close(model, model.permute(model.bundle(both)), model.bundle(model.permute(both)))
        case Law.SIMILARITY_KEPT:
            kept = model.similarity(model.bind(a, c), model.bind(b, c))
            return torch.allclose(kept, model.similarity(a, b), atol=1e-5)


@pytest.mark.parametrize("law", Law, ids=lambda law: law.name)
@pytest.mark.parametrize("name", MAKERS)
def test_a_declared_law_holds_and_an_undeclared_one_has_a_counterexample(name, law) -> None:
    declared = law in MAKERS[name](256, 0).laws
    # 65 * 65 and 31 * 31: dimensions that are no multiple of a word, square for VTB
    verdicts = [holds(law, MAKERS[name](dim, seed)) for dim in (256, 961, 4225) for seed in range(3)]
    assert all(verdicts) if declared else not any(verdicts)


@pytest.mark.parametrize("name", MAKERS)
@given(seed=st.integers(0, 2**32), shift=st.integers(-3000, 3000))
@settings(max_examples=15)
def test_permuting_is_undone_by_the_opposite_shift_and_shifts_add(name, seed, shift) -> None:
    model = MAKERS[name](961, seed)
    a = model.random(3)
    assert torch.equal(model.permute(model.permute(a, shift), -shift), a)
    assert torch.equal(model.permute(model.permute(a, shift), 7), model.permute(a, shift + 7))


@pytest.mark.parametrize("name", MAKERS)
def test_permuting_moves_a_hypervector_away_from_itself(name) -> None:
    model = MAKERS[name](2500, 1)
    a = model.random()
    assert model.similarity(model.permute(a), a) < model.similarity(a, a) * 0.3


@pytest.mark.parametrize("name", MAKERS)
def test_random_hypervectors_are_nearly_orthogonal(name) -> None:
    """The mean of D independent numbers within ±1: |similarity - its mean| > t has probability below 2 exp(-D t² / 2)
    (Hoeffding); for cosines of normal numbers the same bound is loose. 4,950 pairs, overall probability below 1e-6."""
    model = MAKERS[name](4225, 3)
    vectors = model.random(100)
    mean = 1 / model.block_size if model.name == "SBC" else 0.0
    pairs = model.similarity(vectors, vectors)[*torch.triu_indices(100, 100, 1)]
    bound = (2 * torch.tensor(2 * 4950 / 1e-6).log() / model.dim).sqrt()
    assert (pairs - mean).abs().max() < bound
    assert pairs.std() > 0.2 * (1 / model.dim) ** 0.5 * (mean**0.5 if mean else 1)  # and not all the same


@pytest.mark.parametrize("name", MAKERS)
def test_binding_is_unlike_its_factors_and_bundling_is_like_its_members(name) -> None:
    model = MAKERS[name](4225, 5)
    a, b, c = model.random(3)
    pair = model.bind(a, b)
    assert model.similarity(pair, torch.stack([a, b])).abs().max() < 0.3
    bundle = model.bundle(torch.stack([a, b, c]))
    assert model.similarity(bundle, torch.stack([a, b, c])).min() > 0.3
    assert model.similarity(bundle, model.random()).abs() < 0.3


@pytest.mark.parametrize("name", MAKERS)
def test_unbinding_recovers_the_other_factor_above_chance(name) -> None:
    model = MAKERS[name](4225, 6)
    a, b = model.random(20), model.random(20)
    recovered = model.unbind(model.bind(a, b), b)
    similarity = model.similarity(recovered, a)
    assert torch.equal(similarity.argmax(-1), torch.arange(20))
    # the involution of normal numbers gives back 1/√2 of the length
    assert similarity.diagonal().min() > (0.999 if Law.EXACT_UNBIND in model.laws else 0.65)


@pytest.mark.parametrize("name", MAKERS)
@given(seed=st.integers(0, 1000), count=st.integers(1, 9))
@settings(max_examples=10)
def test_a_bundle_does_not_depend_on_the_order_of_its_members(name, seed, count) -> None:
    model = MAKERS[name](256, seed)
    members = model.random(count)
    shuffled = members[torch.randperm(count, generator=torch.Generator().manual_seed(seed))]
    assert close(model, model.bundle(members), model.bundle(shuffled))


@pytest.mark.parametrize("name", MAKERS)
def test_bundles_of_unrelated_pairs_are_unrelated(name) -> None:
    """A tie rule that favours one value would show here: a quarter or half of all dimensions are ties."""
    model = MAKERS[name](4225, 7)
    bundles = model.bundle(model.random(30, 2))
    mean = 1 / model.block_size if model.name == "SBC" else 0.0
    pairs = model.similarity(bundles, bundles)[*torch.triu_indices(30, 30, 1)]
    assert (pairs.mean() - mean).abs() < 0.006


@pytest.mark.parametrize("name", MAKERS)
def test_the_same_seed_draws_the_same_hypervectors_and_another_one_does_not(name) -> None:
    draw = [MAKERS[name](961, seed).random(2) for seed in (3, 3, 4)]
    assert torch.equal(draw[0], draw[1])
    assert not torch.equal(draw[0], draw[2])
    assert not torch.equal(draw[0][0], draw[0][1])


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("weighted", [False, True])
def test_operations_on_a_batch_are_those_on_each_row(name, weighted) -> None:
    model = MAKERS[name](256, 2)
    a, b = model.random(2, 3, 5), model.random(2, 3, 5)
    weights = torch.tensor([1.0, 0.5, 2.0, 0.0, 1.0]) if weighted else None
    for batched, alone in (
        (model.bind(a, b), lambda i, j: model.bind(a[i, j], b[i, j])),
        (model.bundle(a, weights=weights), lambda i, j: model.bundle(a[i, j], weights=weights)),
        (model.bind_all(a), lambda i, j: model.bind_all(a[i, j])),
        (model.permute(a, 3), lambda i, j: model.permute(a[i, j], 3)),
        (model.pair_similarity(a, b), lambda i, j: model.similarity(a[i, j], b[i, j]).diagonal()),
    ):
        for i in range(2):
            for j in range(3):
                assert torch.allclose(batched[i, j], alone(i, j), atol=1e-5)
    assert torch.allclose(model.similarity(a, b)[1, 2, :, 0, 1], model.similarity(a[1, 2], b[0, 1]), atol=1e-5)
    assert close(model, model.bundle(a, dim=0), model.bundle(a.transpose(0, 2), dim=2).transpose(0, 1))


@pytest.mark.parametrize("name", [name for name in MAKERS if not name.startswith("SBC")])
def test_a_negative_cancels_in_a_bundle_and_is_the_opposite(name) -> None:
    model = MAKERS[name](961, 9)
    a, b, c = model.random(3)
    assert model.similarity(model.negative(a), a) == pytest.approx(-1, abs=1e-5)
    without = model.superpose(torch.stack([a, b, c, model.negative(a)]))
    assert torch.allclose(without, model.superpose(torch.stack([b, c])), atol=1e-5)


@pytest.mark.parametrize("name", MAKERS)
def test_cleanup_returns_the_item_itself(name) -> None:
    model = MAKERS[name](2500, 8)
    items = model.random(40)
    noisy = model.bundle(torch.stack([items[7], items[7], items[9]]))
    assert torch.equal(model.cleanup(noisy, items), items[7])
