"""The peers of `engine_probability`: each computes the same answers from the same program or the same inputs."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import torch

from benchmarks.measuring import blocks, clock
from benchmarks.probability_works import Chance, friends, grid_edges


def written_out(source: str, chance: Chance) -> str:
    """A program whose neural choices are annotated disjunctions with the given probabilities, in ProbLog's syntax.

    What has no chance is left out, and what is certain is a fact.
    """
    facts: list[str] = []
    for name in re.findall(r"#neural (\w+)", source):
        groups: dict[str, list[str]] = {}
        for atom, p in chance.items():
            if atom.startswith(f"{name}(") and p == 1:
                facts.append(f"{atom}.\n")
            elif atom.startswith(f"{name}(") and p:
                groups.setdefault(atom.rpartition(",")[0], []).append(f"{p * (1 - 1e-9):.15f}::{atom}")
        facts += [f"{'; '.join(group)}.\n" for group in groups.values()]
    text = re.sub(r"#neural.*\n", "", source)
    text = re.sub(r"#query (.*)\.\n", r"query(\1).\n", text)
    return "".join(facts) + re.sub(r"(\w) = ([^,.]*(?:mod|//|\+)[^,.]*)", r"\1 is \2", text)


def problog(source: str) -> dict[str, float]:
    """Seconds and answers of ProbLog's grounding, SDD compilation and evaluation."""
    from problog import get_evaluatable
    from problog.program import PrologString

    sys.setrecursionlimit(1_000_000)
    start = clock()
    answers = get_evaluatable("sdd").create_from(PrologString(source)).evaluate()
    seconds = clock() - start
    return {"seconds": seconds, **{str(atom): float(p) for atom, p in answers.items()}}


def pysdd_reach(width: int, length: int, both: bool) -> dict[str, float]:
    """Reliability with p = 0.5 by a fixpoint whose tags are SDD nodes; edges in anti-diagonal order."""
    from pysdd.sdd import SddManager, Vtree

    start = clock()
    edges = sorted(grid_edges(width, length), key=lambda e: (e[0] // width + e[0] % width, e))
    manager = SddManager.from_vtree(Vtree(len(edges), list(range(1, len(edges) + 1)), "right"))
    arcs = [(a, b, i + 1) for i, (a, b) in enumerate(edges)]
    arcs += [(b, a, i) for a, b, i in arcs] if both else []
    tag: dict[Any, Any] = {0: manager.true()}
    _fixpoint(manager, tag, arcs, fixed=0)
    goal = width * length - 1
    return {f"path(0,{goal})": _count(manager, tag[goal], [0.5] * len(edges)), "seconds": clock() - start}


def pysdd_smokers(n: int) -> dict[str, float]:
    """All answers of `smokers` by the same fixpoint; variables in the order of people."""
    from pysdd.sdd import SddManager, Vtree

    start = clock()
    ties = friends(n)
    chances = [0.3] * n + [0.2] * len(ties)
    manager = SddManager.from_vtree(Vtree(len(chances), list(range(1, len(chances) + 1)), "right"))
    arcs = [("source", x, x + 1) for x in range(n)]
    arcs += [(y, x, n + 1 + i) for i, (x, y) in enumerate(ties)]
    tag: dict[Any, Any] = {"source": manager.true()}
    _fixpoint(manager, tag, arcs, fixed="source")
    answers = {f"asthma({x})": 0.4 * _count(manager, tag[x], chances) for x in range(n)}
    return {**answers, "seconds": clock() - start}


def _fixpoint(manager: Any, tag: dict[Any, Any], arcs: list[tuple[Any, Any, int]], fixed: Any) -> None:
    changed = True
    while changed:
        changed = False
        for a, b, i in arcs:
            if a in tag and b != fixed:
                new = manager.disjoin(tag.get(b, manager.false()), manager.conjoin(tag[a], manager.literal(i)))
                if b not in tag or new.id != tag[b].id:
                    tag[b], changed = new, True


def _count(manager: Any, node: Any, chances: list[float]) -> float:
    count = node.wmc(log_mode=False)
    for i, p in enumerate(chances, 1):
        count.set_literal_weight(manager.literal(i), p)
        count.set_literal_weight(manager.literal(-i), 1 - p)
    return float(count.propagate())


# -- addition: tensors in, the batch's probabilities out ------------------------------------------


def digits(chances: list[Chance], n: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Digit distributions [B, 2, n, 10] and shown digits [B, n + 1, 10] of a batch."""
    left_right = [
        [[[c[f"digit({s},{i},{d})"] for d in range(10)] for i in range(n)] for s in ("left", "right")] for c in chances
    ]
    shown = [[[c[f"shown({i},{d})"] for d in range(10)] for i in range(n + 1)] for c in chances]
    return torch.tensor(left_right, dtype=torch.float64), torch.tensor(shown, dtype=torch.float64)


def torch_addition(chances: list[Chance], n: int, repeats: int) -> dict[str, Any]:
    """The recurrence over carries written directly in torch, forward and backward: nothing else is counted."""
    x, shown = digits(chances, n)
    x.requires_grad_(True)
    z = shown.argmax(-1)
    table = torch.zeros(2, 10, 10, 2, 10, dtype=torch.float64)
    for c, a, b in product(range(2), range(10), range(10)):
        table[c, a, b, (a + b + c) // 10, (a + b + c) % 10] = 1

    def step() -> float:
        x.grad = None
        state = torch.tensor([1.0, 0.0], dtype=torch.float64).expand(len(x), 2)
        for i in range(n):
            state = torch.einsum("nc,na,nb,cabkn->nk", state, x[:, 0, i], x[:, 1, i], table[..., z[:, i]])
        p = state.gather(1, z[:, n : n + 1]).sum(1)
        p.sum().backward()
        return float(p[0].detach())

    return _timed(step, repeats)


def klay_addition(chances: list[Chance], n: int, repeats: int) -> dict[str, Any]:
    """KLay on an SDD of addition made by hand, whose inputs are all digits; forward and backward."""
    import klay
    from pysdd.sdd import SddManager, Vtree

    start = clock()
    sys.setrecursionlimit(1_000_000)
    num_variables = 30 * n + 2
    manager = SddManager.from_vtree(Vtree(num_variables, list(range(1, num_variables + 1)), "right"))

    def one_of(first: int, size: int, value: int) -> Any:
        found = manager.true()
        for v in reversed(range(size)):
            found = manager.conjoin(manager.literal(first + v if v == value else -first - v), found)
        return found

    rest = [one_of(30 * n + 1, 2, c) for c in range(2)]  # what follows is right, given the carry
    for i in reversed(range(n)):
        left, right, shown = ([one_of(30 * i + 10 * g + 1, 10, d) for d in range(10)] for g in range(3))
        before = []
        for carry in range(2):
            either = manager.false()
            for a, over in product(range(10), range(2)):
                inner = manager.false()
                for b in range(10):
                    if (a + b + carry) // 10 == over:
                        inner = manager.disjoin(inner, manager.conjoin(right[b], shown[(a + b + carry) % 10]))
                either = manager.disjoin(either, manager.conjoin(left[a], manager.conjoin(inner, rest[over])))
            before.append(either)
        rest = before
    circuit = klay.Circuit()
    circuit.add_sdd(rest[0])
    module = circuit.to_torch_module(semiring="real", compile=False).double()
    compiled = clock() - start

    x, shown_digits = digits(chances, n)
    x.requires_grad_(True)

    def step() -> float:
        x.grad = None
        columns = []
        for i in range(n):
            columns += [x[:, 0, i], x[:, 1, i], shown_digits[:, i]]
        weight = torch.cat([*columns, shown_digits[:, n, :2]], 1)
        p = module(weight, torch.ones_like(weight)).squeeze(-1)
        p.sum().backward()
        return float(p[0].detach())

    return {**_timed(step, repeats), "compile": compiled}


def _timed(step: Callable[[], float], repeats: int) -> dict[str, Any]:
    return {"right": step(), "seconds": float(np.median(blocks(step, repeats)))}
