"""Every mistake gets an error that says what was given and what is wanted."""

from __future__ import annotations

import math

import pytest
import torch

from nesy.errors import NesyError
from nesy.hdc import (
    BSC,
    FHRR,
    HRR,
    MAP,
    SBC,
    VTB,
    CoarseCleanup,
    Codebook,
    FractionalPower,
    HypervectorError,
    Level,
    Nearest,
    RandomProjection,
    Tree,
    automaton,
    graph,
    multiset,
    ngrams,
    record,
    sequence,
    shares,
)  # fmt: skip
from tests.hdc.models import MAKERS

MAP8, WORDS = MAP(64), BSC(100)


def refused(message: str):
    return pytest.raises(HypervectorError, match=rf"^{message}$")


def test_a_hypervector_error_is_a_nesy_error_and_a_value_error() -> None:
    assert issubclass(HypervectorError, NesyError) and issubclass(HypervectorError, ValueError)


@pytest.mark.parametrize(
    ("mistake", "message"),
    [
        (lambda: MAP8.bind(MAP8.random(), HRR(64).random()),
         r"MAP\(dim=64, seed=0, dtype=torch\.int8\) got a tensor of "
         "float32: hypervectors of another model or dtype do not mix"),
        (lambda: WORDS.bind(WORDS.random(), MAP8.random()),
         r"BSC\(dim=100, seed=0, dtype=torch\.int64\) got a tensor of "
         "int8: hypervectors of another model or dtype do not mix"),
        (lambda: FHRR(64).similarity(FHRR(64).random(), FHRR(64, dtype=torch.complex128).random()),
         r"FHRR\(dim=64, seed=0, dtype=torch\.complex64\) got a tensor of complex128: hypervectors of another model or "
         "dtype do not mix"),
        (lambda: MAP8.bind(MAP8.random(), MAP(65).random()),
         r"MAP\(dim=64, seed=0, dtype=torch\.int8\) needs a last axis of 64, got the shape \[65\]"),
        (lambda: WORDS.similarity(WORDS.random(), BSC(129).random()),
         r"BSC\(dim=100, seed=0, dtype=torch\.int64\) needs a last axis of 2, got the shape \[3\]"),
        (lambda: MAP8.bundle(MAP8.random(0)), "an empty bundle has no hypervector: give at least one"),
        (lambda: MAP8.bundle(MAP8.random()), r"axis -2 of the shape \[64\] is not a batch axis"),
        (lambda: MAP8.bundle(MAP8.random(3), dim=-1), r"axis -1 of the shape \[3, 64\] is not a batch axis"),
        (lambda: MAP8.bundle(MAP8.random(3), weights=torch.ones(4)),
         r"weights of shape \[4\] do not fit vectors of shape \[3, 64\]"),
        (lambda: WORDS.bundle(WORDS.random(2, 3), weights=torch.tensor([[0.0, 1, 0], [0, 0, 0]])),
         "an empty bundle has no hypervector: all its weights are 0"),
        (lambda: MAP8.bundle(MAP8.random(2), weights=torch.tensor([1.0, math.nan])), "weights must be finite"),
        (lambda: MAP(64, dtype=torch.int64), "MAP has no dtype int64; it offers int8, float32, float64, bfloat16"),
        (lambda: BSC(64, dtype=torch.bool), "BSC has no dtype bool; it offers int64"),
        (lambda: HRR(0), "HRR needs a whole dimension of at least 1, not 0"),
        (lambda: FHRR(64.5), r"FHRR needs a whole dimension of at least 1, not 64\.5"),
        (lambda: Codebook.of(HRR(2), ["a"], torch.tensor([[1.0, math.nan]])),
         r"HRR\(dim=2, seed=0, dtype=torch\.float32\) got a hypervector with numbers that are not finite"),
        (lambda: WORDS.select(torch.ones(3, dtype=torch.bool), WORDS.random(), WORDS.random()),
         r"BSC\(dim=100, seed=0, dtype=torch\.int64\) needs a mask of 100 dimensions, got the shape \[3\]"),
        (lambda: MAP(64, dtype=torch.float32).soft_bundle(torch.ones(2, 64), 0.0),
         "a temperature must be positive, not 0"),
        (lambda: Codebook.random(MAP8, 3).cleanup(MAP8.random(), temperature=-1.0),
         "a temperature must be positive, not -1"),
        (lambda: VTB(10_001), "VTB needs a square dimension like 10000 or 10201, not 10001"),
        (lambda: SBC(64, block_size=257), r"the block size must be in 2\.\.256 for uint8, not 257"),
        (lambda: SBC(64).latent(), "SBC has no real numbers behind its hypervectors to learn"),
        (lambda: MAP8.soft_bundle(MAP8.random(2), 1.0), "soft_bundle needs a MAP of a float dtype, not int8"),
        (lambda: HRR(64).power(HRR(64).random(2), torch.ones(2)),
         r"power needs one base hypervector, got the shape \[2, 64\]"),
        (lambda: WORDS.pack(torch.ones(99)),
         r"BSC\(dim=100, seed=0, dtype=torch\.int64\) packs a last axis of 100, got the shape \[99\]"),
        (lambda: Codebook.of(WORDS, ["a"], torch.full((1, 2), -1)), r"BSC\(dim=100, seed=0, dtype=torch\.int64\): bits "
         "past dimension 100 are set; the last word is padded with zeros"),
        (lambda: WORDS.hamming(WORDS.random(2), torch.full((1, 2), -1)), r"BSC\(dim=100, seed=0, dtype=torch\.int64\): "
         "bits past dimension 100 are set; the last word is padded with zeros"),
        (lambda: Codebook.of(MAP8, ["a"], torch.zeros(1, 64, dtype=torch.int8)),
         r"MAP\(dim=64, seed=0, dtype=torch\.int8\) got a hypervector with the number 0: they are of 1 and -1"),
        (lambda: MAP8.similarity(MAP8.random(64), MAP8.random(64) * 3),
         r"MAP\(dim=64, seed=0, dtype=torch\.int8\) got a hypervector with the number -?3: they are of 1 and -1"),
        (lambda: Codebook.of(SBC(2, block_size=8), ["a"], torch.tensor([[1, 8]], dtype=torch.uint8)),
         r"SBC\(dim=2, seed=0, dtype=torch\.uint8, block_size=8\) got numbers 1\.\.8: they are in 0\.\.7"),
        (lambda: SBC(2).negative(SBC(2).random()), r"SBC\(dim=2, seed=0, dtype=torch\.uint8, block_size=256\) has no "
         "hypervector that cancels another: give it no weight"),
        (lambda: WORDS.bundle_rows(WORDS.random(3), torch.tensor([[0], [-1]])),
         "sequence 1 has no symbol: an empty bundle has no hypervector"),
        (lambda: sequence(MAP8, MAP8.random(0)),
         r"a sequence is \[\*B, L, D\] with at least one member, not \[0, 64\]"),
        (lambda: Level(MAP8, 0.0, 1.0, 3)(torch.tensor([0.5, 1.5])), r"1\.5 is outside the scale 0\.\.1"),
        (lambda: Codebook.random(MAP8, []), "a codebook needs at least one name"),
        (lambda: Codebook.random(MAP8, ["a", "b", "a"]), "`a` is twice in the codebook"),
        (lambda: Codebook.of(MAP8, ["a"], MAP8.random(2)), r"1 names do not fit vectors of shape \[2, 64\]"),
        (lambda: Codebook.random(MAP8, ["north", "south"])["nroth"],
         "`nroth` is not in the codebook; did you mean `north`\\?"),
        (lambda: Codebook.random(MAP8, ["north", "south"])["up"],
         "`up` is not in the codebook; it has 2 names, `north` the first"),
        (lambda: Codebook.random(MAP8, 3).nearest(MAP8.random(), k=4),
         r"k must be in 1\.\.3, the size of the codebook, not 4"),
        (lambda: CoarseCleanup(Codebook.random(WORDS, 3), dims=70, candidates=2),
         r"dims must be in 1\.\.100 and a multiple of 64, not 70"),
        (lambda: Nearest(torch.zeros(2, 1), torch.zeros(2, 1), ("a",)).name,
         r"`name` is for a single query, these are \[2\]"),
        (lambda: Level(MAP8, 1.0, 1.0, 3), "a scale from 1 to 1 is empty: low must be less than high"),
        (lambda: Level(MAP8, 0.0, math.inf, 3), r"a scale needs finite ends, not 0\.\.inf"),
        (lambda: Level(MAP8, 0.0, 1.0, 1), "a scale needs at least 2 levels, not 1"),
        (lambda: FractionalPower(HRR(64)), r"FractionalPower needs FHRR or HRR\(unitary=True\)"),
        (lambda: FractionalPower(MAP8), r"FractionalPower needs FHRR or HRR\(unitary=True\)"),
        (lambda: FractionalPower(FHRR(64)).decode(FHRR(64).random(), torch.zeros(0)),
         r"candidates are one or more numbers \[V\], got the shape \[0\]"),
        (lambda: RandomProjection(MAP8, 2)(torch.tensor([1.0, math.nan])), "a projection needs finite values"),
        (lambda: FractionalPower(FHRR(64), bandwidth=0.0), "the bandwidth must be positive, not 0"),
        (lambda: RandomProjection(MAP8, 3)(torch.ones(2)), r"the projection takes 3 features, got the shape \[2\]"),
        (lambda: RandomProjection(SBC(8), 3)(torch.ones(3)),
         r"SBC\(dim=8, seed=0, dtype=torch\.uint8, block_size=256\) has no random projection"),
        (lambda: record(MAP8, MAP8.random(2), MAP8.random(3)), "2 keys do not fit 3 values"),
        (lambda: ngrams(MAP8, MAP8.random(2), 3), "a sequence of 2 has no runs of 3"),
        (lambda: graph(MAP8, MAP8.random(2), torch.zeros(3, 3, dtype=torch.int64)),
         r"edges are int64 of shape \[E, 2\], got torch\.int64 \[3, 3\]"),
        (lambda: graph(MAP8, MAP8.random(2), torch.tensor([[0, -1]])), "there are 2 nodes, none has the number -1"),
        (lambda: automaton(MAP8, MAP8.random(2), MAP8.random(3), torch.tensor([[0, 3, 1]])),
         "there are 3 symbols, none has the number 3"),
        (lambda: automaton(MAP8, MAP8.random(2), MAP8.random(3), torch.tensor([[0, 2, 2]])),
         "there are 2 states, none has the number 2"),
        (lambda: automaton(MAP8, MAP8.random(2), MAP8.random(2), torch.zeros(3)),
         r"transitions are int64 of shape \[T, 3\], got torch\.float32 \[3\]"),
        (lambda: Tree(Codebook.random(MAP8, 2)).encode({}), "an empty tree has no hypervector"),
        (lambda: shares(MAP8, MAP8.random(3), MAP8.random(2)),
         r"shares are of members \[L, D\] in one query \[D\], not \[3, 64\]"),
    ],
)  # fmt: skip
def test_a_mistake_is_named(mistake, message) -> None:
    with refused(message):
        mistake()


@pytest.mark.parametrize("name", MAKERS)
def test_every_operation_refuses_another_width(name) -> None:
    model, other = MAKERS[name](256, 0), MAKERS[name](400, 0)
    a, b = model.random(2), other.random(2)
    for operation in (
        lambda: model.bind(a, b), lambda: model.unbind(a, b), lambda: model.inverse(b), lambda: model.bundle(b),
        lambda: model.superpose(b), lambda: model.permute(b), lambda: model.similarity(a, b),
        lambda: model.pair_similarity(a, b), lambda: model.normalize(b), lambda: model.bind_all(b),
        lambda: model.superpose_rows(b, torch.zeros(1, 1, dtype=torch.int64)),
    ):  # fmt: skip
        with pytest.raises(HypervectorError):
            operation()


@pytest.mark.parametrize("name", MAKERS)
def test_every_structure_refuses_to_be_empty(name) -> None:
    model = MAKERS[name](256, 0)
    none = model.random(0)
    for structure in (
        lambda: model.bundle(none), lambda: model.superpose(none), lambda: model.bind_all(none),
        lambda: multiset(model, none), lambda: multiset(model, none, weights=torch.zeros(0)),
        lambda: record(model, none, none),
        lambda: graph(model, model.random(2), torch.zeros(0, 2, dtype=torch.int64)),
        lambda: automaton(model, model.random(2), model.random(2), torch.zeros(0, 3, dtype=torch.int64)),
    ):  # fmt: skip
        with refused("an empty bundle has no hypervector: give at least one"):
            structure()
    with refused("a cleanup needs at least one item"):
        model.cleanup(model.random(), none)
    assert model.bind(none, none).shape == model.inverse(none).shape == none.shape
