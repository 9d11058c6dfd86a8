"""Plain torch modules in an encoder's place."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from nesy import Model, Program
from nesy.errors import DataError, RunError, TaskError

SUM = """
#input image(index).
#neural digit(I) -> 0..9 :- image(I).
sum(S) :- S = #sum{ D, I : digit(I, D) }.
#query sum(S).
"""
WEATHER = """
#input station(index).
#input near(index, index).
#neural wet(I) :- station(I).
#neural season -> {summer, winter}.
slippery(I) :- wet(I), season(winter).
slippery(I) :- near(I, J), wet(J), wet(I).
#query slippery(I).
"""


def convolved(p: Tensor) -> Tensor:
    """The distribution of the sum of two digits. Shapes: p [2, 10] -> [19]"""
    return torch.stack([sum(p[0, a] * p[1, s - a] for a in range(10) if 0 <= s - a < 10) for s in range(19)])


@pytest.mark.parametrize("shape", ["tensor", "list"])
def test_a_module_learns_through_the_rules(shape: str) -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Flatten(), nn.Linear(12, 10))
    model = Model(Program.from_text(SUM), module)
    pictures = torch.randn(3, 2, 3, 4)
    payloads = [{"image": pair if shape == "tensor" else list(pair)} for pair in pictures]
    out = model(model.prepare(payloads))
    expected = torch.stack([convolved(module(pair).softmax(1)) for pair in pictures])
    columns = [str(atom) for atom in out.answers]
    torch.testing.assert_close(out.p.float(), expected[:, [int(text[4:-1]) for text in columns]])
    loss = out.nll(["sum(3)", "sum(9)", "sum(18)"])
    loss.backward()
    by_hand = -torch.stack([expected[i, s] for i, s in enumerate((3, 9, 18))]).log().mean()
    (gradient,) = torch.autograd.grad(by_hand, module[1].weight)
    torch.testing.assert_close(module[1].weight.grad, gradient, rtol=1e-4, atol=1e-6)
    assert "sum" in str(model.ask(payloads[0]).explain())


def test_a_module_for_each_predicate_and_fields_of_their_names() -> None:
    wet, season = nn.Linear(4, 1), nn.Linear(2, 2)
    model = Model(Program.from_text(WEATHER), {"wet": nn.Sequential(wet, nn.Flatten(0)), "season": season})
    payload = {"station": torch.randn(2, 4), "season": torch.randn(2), "near": [(0, 1)]}
    with pytest.raises(DataError, match="reads the field of its name, or the only one of tensors; the input has"):
        model(model.prepare([payload]))
    payload["wet"] = payload["station"]
    out = model(model.prepare([payload]))
    first, second = torch.sigmoid(wet(payload["wet"])).flatten().tolist()
    winter = season(payload["season"]).softmax(0)[1].item()
    found = dict(zip(map(str, out.answers), out.p[0].tolist(), strict=True))
    assert found["slippery(1)"] == pytest.approx(second * winter, rel=1e-5)
    assert found["slippery(0)"] == pytest.approx(first * (1 - (1 - winter) * (1 - second)), rel=1e-5)


def test_modules_that_do_not_fit_the_program_are_refused(tmp_path: Path) -> None:
    weather, digits = Program.from_text(WEATHER), Program.from_text(SUM)
    with pytest.raises(TaskError, match="one module stands for one neural predicate, and the program has 2"):
        Model(weather, nn.Linear(1, 1))
    with pytest.raises(TaskError, match="the neural predicate `season` has no module"):
        Model(weather, {"wet": nn.Linear(4, 1)})
    with pytest.raises(TaskError, match="no neural predicate is called `digits`: did you mean `digit`"):
        Model(digits, nn.ModuleDict({"digits": nn.Linear(4, 10)}))
    model = Model(digits, {"digit": nn.Linear(4, 7)})
    with pytest.raises(
        TaskError, match=r"gave scores of the shape \[2, 7\], where 2 keys of 10 outcomes need \[2, 10\]"
    ):
        model(model.prepare([{"image": torch.zeros(2, 4)}]))
    with pytest.raises(
        RunError, match="a model of plain torch modules is Python code, which a run folder does not hold"
    ):
        model.save(tmp_path / "run")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(DataError, match="cannot be typed: ask with a payload"):
        model.ask("digits:1 digits:2")
