"""Exact probability and gradients against peers, on the same programs in the same run.

    python benchmarks/engine_probability.py [--quick] [--limit 60] [--only NAME,...] [--out FILE]

Every row asserts its value first (against a peer or a formula), then times: CPU seconds of this process, one
thread, the median of 5 (spread in brackets). Peers run if they are installed, each in a process of its own that is
stopped at the limit: ProbLog (SDD), and PySDD by a fixpoint over a right-linear vtree in a good order.
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import resource
import statistics
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402
import torch  # noqa: E402

from nesy.language import parse_program  # noqa: E402
from nesy.reasoning import Budget, DerivationGraph, Reading, exact, ground  # noqa: E402

BATCH = 64


def clock() -> float:
    """CPU seconds of this process."""
    return time.process_time()


def median(work: Callable[[], object], repeats: int = 5) -> tuple[float, float, float]:
    """Median, least and most CPU seconds of some runs."""
    work()
    times: list[float] = []
    for _ in range(repeats):
        start = clock()
        work()
        times.append(clock() - start)
    return statistics.median(times), min(times), max(times)


# -- programs ------------------------------------------------------------------------------------


def grid_edges(n: int) -> list[tuple[int, int]]:
    right = [(r * n + c, r * n + c + 1) for r in range(n) for c in range(n - 1)]
    down = [(r * n + c, (r + 1) * n + c) for r in range(n - 1) for c in range(n)]
    return sorted(right + down)


def undirected(n: int) -> str:
    facts = "".join(f"0.5::edge({a},{b}).\n" for a, b in grid_edges(n))
    return f"{facts}link(X,Y) :- edge(X,Y).\nlink(X,Y) :- edge(Y,X).\n" + _reach("link", n)


def directed(n: int) -> str:
    return "".join(f"0.5::edge({a},{b}).\n" for a, b in grid_edges(n)) + _reach("edge", n)


def _reach(link: str, n: int) -> str:
    return f"path(X,Y) :- {link}(X,Y).\npath(X,Y) :- {link}(X,Z), path(Z,Y).\nquery(path(0,{n * n - 1})).\n"


def smokers(n: int) -> str:
    draw = random.Random(5)
    friends = sorted({(x, y) for x in range(n) for y in draw.sample([k for k in range(n) if k != x], 2)})
    people = "".join(f"0.3::stress({x}).\n0.4::ill({x}).\nquery(asthma({x})).\n" for x in range(n))
    ties = "".join(f"0.2::influences({y},{x}).\nfriend({x},{y}).\n" for x, y in friends)
    rules = "smokes(X) :- stress(X).\nsmokes(X) :- friend(X,Y), influences(Y,X), smokes(Y).\n"
    return people + ties + rules + "asthma(X) :- smokes(X), ill(X).\n"


def addition(n: int) -> str:
    places = "".join(f"place({i}). written({i}). " for i in range(n)) + f"written({n})."
    return f"""{places}
side(left). side(right).
#neural digit(S, I) -> 0..9 :- side(S), place(I).
#neural shown(I) -> 0..9 :- written(I).
carry(0, 0).
carry(J, C) :- carry(I, K), digit(left, I, X), digit(right, I, Y), shown(I, Z),
    S = X + Y + K, Z = S mod 10, C = S // 10, J = I + 1.
right :- carry({n}, C), shown({n}, C).
#query right.
"""


def total(n: int) -> str:
    places = " ".join(f"place({i})." for i in range(n))
    return f"""{places}
#neural digit(I) -> 0..9 :- place(I).
total(S) :- S = #sum{{ D,I : digit(I, D) }}.
#query total(S).
"""


def count(n: int) -> str:
    return (
        "".join(f"0.5::on({i}).\n" for i in range(n)) + "how_many(N) :- N = #count{ I : on(I) }.\n#query how_many(N).\n"
    )


def markov(t: int) -> str:
    """Two states, three symbols, a random walk of observations as evidence; the last state is asked."""
    draw = random.Random(7)
    seen = [draw.choice("abc") for _ in range(t)]
    text = ["0.6::state(0,up); 0.4::state(0,down).\n"]
    for i in range(t):
        text.append(f"0.5::shows({i},up,a); 0.3::shows({i},up,b); 0.2::shows({i},up,c).\n")
        text.append(f"0.1::shows({i},down,a); 0.3::shows({i},down,b); 0.6::shows({i},down,c).\n")
        text.append(
            f"0.8::moves({i},up,up); 0.2::moves({i},up,down).\n0.3::moves({i},down,up); 0.7::moves({i},down,down).\n"
        )
        text.append(f"seen({i}) :- state({i},S), shows({i},S,{seen[i]}).\nevidence(seen({i})).\n")
    text.append("state(J,R) :- state(I,S), moves(I,S,R), J is I+1.\n")
    return "".join(text) + f"query(state({t},up)).\n"


def noisy_or(n: int) -> str:
    """Each effect has three of the ten causes before it."""
    draw = random.Random(3)
    text = [f"0.1::cause({i}).\non({i}) :- cause({i}).\n" for i in range(n)]
    for i in range(1, n):
        for j in draw.sample(range(max(0, i - 5), i), min(2, i)):
            text.append(f"0.4::spreads({j},{i}).\non({i}) :- on({j}), spreads({j},{i}).\n")
    return "".join(text) + f"query(on({n - 1})).\n"


# -- measuring -----------------------------------------------------------------------------------


@dataclass
class Result:
    ground: float
    analyse: float
    batch: tuple[float, float, float]
    value: float
    edges: int
    method: str
    width: float = 0.0
    peers: dict[str, str] = field(default_factory=dict)


def read(
    source: str, dialect: str, leaf_of: Callable[[DerivationGraph], torch.Tensor] | None, budget: Budget, batch: int
) -> Result:
    program = parse_program(source, dialect=dialect)
    start = clock()
    graph = ground(program)
    grounded = clock()
    reading = exact(graph, budget)
    analysed = clock()
    leaf = leaf_of(graph) if leaf_of else torch.tensor(graph.choices.probability).expand(batch, -1).clone()
    leaf.requires_grad_(True)

    def step() -> float:
        leaf.grad = None
        answer = reading(leaf)
        answer.p.sum().backward()
        return float(answer.p[0].sum().detach())

    answer = reading(leaf.detach()[:1])
    return Result(
        grounded - start,
        analysed - grounded,
        median(step),
        float(answer.p.sum()),
        _edges(reading),
        reading.method,
        float((answer.upper - answer.lower).max()),
    )


def _edges(reading: Reading) -> int:
    return reading.circuit.num_edges


def problog(source: str) -> float:
    """The sum of all answers by ProbLog's SDDs."""
    from problog import get_evaluatable
    from problog.program import PrologString

    sys.setrecursionlimit(1_000_000)
    return float(sum(get_evaluatable("sdd").create_from(PrologString(source)).evaluate().values()))


def pysdd_reach(n: int, both: bool) -> float:
    """Two-terminal reliability: a fixpoint whose tags are SDD nodes, edges in anti-diagonal order."""
    from pysdd.sdd import SddManager, Vtree

    edges = sorted(grid_edges(n), key=lambda e: (e[0] // n + e[0] % n, e))
    manager = SddManager.from_vtree(Vtree(len(edges), list(range(1, len(edges) + 1)), "right"))
    arcs = [(a, b, i + 1) for i, (a, b) in enumerate(edges)]
    arcs += [(b, a, i) for a, b, i in arcs] if both else []
    tag = {0: manager.true()}
    changed = True
    while changed:
        changed = False
        for a, b, i in arcs:
            if a in tag and b != 0:
                new = manager.disjoin(tag.get(b, manager.false()), manager.conjoin(tag[a], manager.literal(i)))
                if b not in tag or new.id != tag[b].id:
                    tag[b], changed = new, True
    count = tag[n * n - 1].wmc(log_mode=False)
    for i in range(1, len(edges) + 1):
        count.set_literal_weight(manager.literal(i), 0.5)
        count.set_literal_weight(manager.literal(-i), 0.5)
    return float(count.propagate())


def _child(pipe, work, arguments, limit) -> None:  # type: ignore[no-untyped-def]
    resource.setrlimit(resource.RLIMIT_CPU, (int(limit) + 1, int(limit) + 2))
    start = clock()
    value = work(*arguments)
    pipe.send((value, clock() - start))


def peer(work: Callable[..., float], arguments: tuple, limit: float, expected: float) -> str:  # type: ignore[type-arg]
    """CPU seconds of a peer, or that it was stopped; its value must agree."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(target=_child, args=(theirs, work, arguments, limit))
    process.start()
    theirs.close()
    try:
        found = ours.recv() if ours.poll(3 * limit) else None
    except EOFError:
        found = None
    process.kill()
    process.join()
    if found is None:
        return f"> {limit:.0f}"
    assert abs(found[0] - expected) < 1e-6, (work.__name__, found[0], expected)
    return f"{found[1]:.2f}"


def digits_leaf(n: int) -> Callable[[DerivationGraph], torch.Tensor]:
    """Random digit distributions, and the digits of a sum drawn from them as one-hot evidence."""
    draw = np.random.default_rng(3)
    chance = draw.dirichlet(np.full(10, 0.5), size=(BATCH, 2, n))

    def leaf(graph: DerivationGraph) -> torch.Tensor:
        found = torch.zeros(BATCH, graph.num_leaves, dtype=torch.float64)
        digits = np.stack([[[draw.choice(10, p=p / p.sum()) for p in side] for side in row] for row in chance])
        shown = np.zeros((BATCH, n + 1), int)
        carry = np.zeros(BATCH, int)
        for i in range(n):
            s = digits[:, 0, i] + digits[:, 1, i] + carry
            shown[:, i], carry = s % 10, s // 10
        shown[:, n] = carry
        for number in range(graph.num_leaves):
            atom = str(graph.atom_of(number))
            inside = atom[atom.index("(") + 1 : -1].split(",")
            if atom.startswith("digit("):
                found[:, number] = torch.from_numpy(
                    chance[:, int(inside[0] == "right"), int(inside[1]), int(inside[2])]
                )
            else:
                found[:, number] = torch.from_numpy((shown[:, int(inside[0])] == int(inside[1])).astype(float))
        leaf.reference = _by_hand(chance, shown)  # type: ignore[attr-defined]
        return found

    return leaf


def _by_hand(chance: np.ndarray, shown: np.ndarray) -> Callable[[], tuple[float, float]]:
    """The recurrence over carries written directly in torch: seconds of nothing else."""
    n = chance.shape[2]
    x = torch.tensor(chance, requires_grad=True)
    z = torch.from_numpy(shown)
    table = torch.zeros(2, 10, 10, 2, 10, dtype=torch.float64)
    for c in range(2):
        for a in range(10):
            for b in range(10):
                table[c, a, b, (a + b + c) // 10, (a + b + c) % 10] = 1

    def step() -> float:
        x.grad = None
        state = torch.tensor([1.0, 0.0], dtype=torch.float64).expand(BATCH, 2)
        for i in range(n):
            state = torch.einsum("nc,na,nb,cabkn->nk", state, x[:, 0, i], x[:, 1, i], table[..., z[:, i]])
        p = state.gather(1, z[:, n : n + 1]).sum(1)
        p.sum().backward()
        return float(p[0].detach())

    return lambda: (median(step)[0], step())


def row(*cells: object) -> str:
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def timing(result: Result) -> str:
    middle, low, high = result.batch
    return f"{1000 * middle:.1f} ms ({1000 * low:.1f} to {1000 * high:.1f})"


def exponent(sizes: Iterable[float], seconds: Iterable[float]) -> float:
    """The slope of log seconds over log size."""
    return float(np.polyfit(np.log(list(sizes)), np.log(np.maximum(list(seconds), 1e-6)), 1)[0])


def section(
    name: str, sizes: list[int], make: Callable[[int], str], arguments: argparse.Namespace, **options
) -> list[str]:  # type: ignore[no-untyped-def]
    """One table: sizes down, what it costs across."""
    lines = [
        "",
        f"## {name}",
        "",
        row(
            "size",
            "ground s",
            "analyse s (once)",
            f"batch of {options.get('batch', BATCH)}, forward and backward",
            "edges",
            "method",
            "interval",
            "peers, CPU s",
        ),
        row(*["---"] * 8),
    ]
    costs: list[float] = []
    stopped: set[str] = set()
    for size in sizes:
        leaf_of = options["leaf_of"](size) if "leaf_of" in options else None
        budget = options.get("budget", lambda _: Budget())(size)
        result = read(make(size), options.get("dialect", "problog"), leaf_of, budget, options.get("batch", BATCH))
        costs.append(result.ground + result.analyse)
        if "check" in options:
            options["check"](size, result)
        for title, work, given in options.get("peers", lambda _: [])(size):
            if title in stopped:
                result.peers[title] = "-"
            elif title not in stopped:
                result.peers[title] = peer(work, given, arguments.limit, result.value)
                if result.peers[title].startswith(">"):
                    stopped.add(title)
        if leaf_of is not None and hasattr(leaf_of, "reference"):
            seconds, value = leaf_of.reference()
            assert abs(value - result.value) < 1e-9 * max(1.0, value), (value, result.value)
            result.peers["by hand in torch"] = f"{1000 * seconds:.1f} ms a batch"
        width = "0" if result.width < 1e-12 else f"{result.width:.4f}"
        peers = "; ".join(f"{k} {v}" for k, v in result.peers.items())
        lines.append(
            row(
                size,
                f"{result.ground:.3f}",
                f"{result.analyse:.3f}",
                timing(result),
                result.edges,
                result.method,
                width,
                peers,
            )
        )
        print(lines[-1], flush=True)
    if len(sizes) > 2:
        lines += ["", f"Grows with exponent {exponent(sizes, costs):.2f} (ground and analyse, over sizes)."]
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small sizes only")
    parser.add_argument("--limit", type=float, default=60, help="CPU seconds a peer may take")
    parser.add_argument("--only", default="", help="names of sections, comma separated")
    parser.add_argument("--out", default=str(ROOT / "benchmarks" / "results" / "probability.md"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    only = set(filter(None, arguments.only.split(",")))

    def binomial(size: int, result: Result) -> None:
        assert abs(result.value - 1) < 1e-9

    def known(values: dict[int, float]) -> Callable[[int, Result], None]:
        def check(size: int, result: Result) -> None:
            assert size not in values or abs(result.value - values[size]) < 1e-9, (size, result.value)

        return check

    sections: dict[str, Callable[[], list[str]]] = {
        "addition": lambda: section(
            "Two N-digit numbers added with carries",
            [1, 2, 4, 8, 15, 100],
            addition,
            arguments,
            dialect="nesy",
            leaf_of=digits_leaf,
        ),
        "sum": lambda: section(
            "Sum of N ten-way digits",
            [2, 10, 100, 1000],
            total,
            arguments,
            dialect="nesy",
            leaf_of=uniform,
            check=binomial,
        ),
        "count": lambda: section(
            "Count of N facts", [2, 10, 100, 1000], count, arguments, dialect="nesy", check=binomial
        ),
        "undirected": lambda: section(
            "Two-terminal reliability, undirected n x n grid",
            [3, 4, 5, 6, 7, 8],
            undirected,
            arguments,
            check=known({6: 0.12176587129546589}),
            peers=lambda n: [("ProbLog", problog, (undirected(n),)), ("PySDD", pysdd_reach, (n, True))],
        ),
        "directed": lambda: section(
            "The same on directed grids",
            [3, 4, 6, 8, 10],
            directed,
            arguments,
            peers=lambda n: [("ProbLog", problog, (directed(n),)), ("PySDD", pysdd_reach, (n, False))],
        ),
        "smokers": lambda: section(
            "Smokers, n people with 2 friends each, all queries",
            [5, 10, 20, 30],
            smokers,
            arguments,
            batch=1,
            budget=lambda _: Budget(time=1200),
            peers=lambda n: [("ProbLog", problog, (smokers(n),))],
        ),
        "bounds": lambda: section(
            "Smokers as intervals of at most 0.01",
            [60],
            smokers,
            arguments,
            batch=1,
            budget=lambda _: Budget(time=1200, epsilon=0.009),
        ),
        "markov": lambda: section(
            "Hidden Markov model of T steps, all observed",
            [10, 30, 100, 300, 1000],
            markov,
            arguments,
            peers=lambda n: [("ProbLog", problog, (markov(n),))],
        ),
        "noisy": lambda: section(
            "Noisy-or network of n nodes",
            [25, 50, 100, 200],
            noisy_or,
            arguments,
            peers=lambda n: [("ProbLog", problog, (noisy_or(n),))],
        ),
    }
    lines = [
        "# Exact probability, against peers in the same run",
        "",
        "One thread, CPU seconds; written by `python benchmarks/engine_probability.py`.",
    ]
    for name, run in sections.items():
        if not only or name in only:
            print(f"# {name}", flush=True)
            lines += run()
            Path(arguments.out).parent.mkdir(exist_ok=True)
            Path(arguments.out).write_text("\n".join(lines) + "\n", encoding="utf-8")


def uniform(size: int) -> Callable[[DerivationGraph], torch.Tensor]:
    """Random ten-way distributions."""
    draw = np.random.default_rng(size)

    def leaf(graph: DerivationGraph) -> torch.Tensor:
        return torch.from_numpy(draw.dirichlet(np.ones(10), size=(BATCH, size)).reshape(BATCH, -1))

    return leaf


if __name__ == "__main__":
    main()
