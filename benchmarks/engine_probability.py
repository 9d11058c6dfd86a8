"""Exact probability and gradients against peers, on the same programs in the same run.

    python -m benchmarks.engine_probability [--quick] [--only NAME,...] [--limit 20] [--repeats 5] [--no-growth]

Every figure's answers are asserted: those of two rows of the batch against the same work done by hand, one direction
of the gradient against a finite difference, and every peer's answers. CPU seconds are measured, each run in a process
of its own with one thread: the median of 5 with the spread (fewer where a cell has taken the limit already). Peers
that are not installed are left out; one that takes longer than the limit is stopped, and not run at larger sizes.
"""

from __future__ import annotations

import argparse
import importlib.util
import platform
import statistics
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402
import torch  # noqa: E402

from benchmarks import probability_peers as peers  # noqa: E402
from benchmarks import probability_works as works  # noqa: E402
from benchmarks.measuring import Spread, apart, blocks, clock, exponent, peak_memory, repeated, seconds, table  # noqa: E402
from benchmarks.probability_works import ByHand, Chance  # noqa: E402
from nesy.language import parse_program  # noqa: E402
from nesy.reasoning import Budget, DerivationGraph, Reading, exact, ground  # noqa: E402

BATCH = 64
OWN_LIMIT = 240.0  # CPU seconds after which our own run is stopped and shown as such
STEPS = 5  # later batches in each run

Leaves = Callable[[DerivationGraph, int, int], np.ndarray]


@dataclass(frozen=True)
class Peer:
    """Runs in a process of its own: (size, chances of each row of the batch) -> answers and "seconds"."""

    title: str
    needs: str  # the package
    run: Callable[[int, list[Chance]], dict[str, Any]]
    most: int = 10**9  # no larger sizes, as its way of working makes them hopeless


@dataclass(frozen=True)
class Work:
    """One table. `doubling` are four sizes for growth, each twice the last."""

    title: str
    sizes: Sequence[int]
    doubling: Sequence[int]
    source: Callable[[int], str]
    by_hand: ByHand
    promise: str
    dialect: str = "problog"
    leaves: Leaves | None = None  # [B, L]; by default what is written, and around it
    peers: Sequence[Peer] = ()
    batch: int = BATCH
    budget: Budget = field(default_factory=lambda: Budget(time=OWN_LIMIT))
    tolerance: float = 1e-9  # of the answers by hand: more where they are simulated
    most_by_hand: int = 10**9
    unit: str = "size"


# -- one run of our own ---------------------------------------------------------------------------


def own(work: Work, size: int) -> dict[str, Any]:
    """Ground, analyse, the first batch and some later ones; asserts what comes out."""
    torch.set_num_threads(1)
    program = parse_program(work.source(size), dialect=work.dialect)
    memory = peak_memory()
    start = clock()
    graph = ground(program)
    grounded = clock()
    reading = exact(graph, work.budget)
    analysed = clock()
    chances = (work.leaves or around)(graph, size, work.batch)
    leaf = torch.from_numpy(chances).requires_grad_(True)

    def step() -> torch.Tensor:
        leaf.grad = None
        p = reading(leaf).p
        _weigh(p).sum().backward()
        return p

    before = clock()
    step()
    first = clock() - before
    later = blocks(step, STEPS if first < 1 else 1)
    names = [str(graph.atom_of(number)) for number in range(graph.num_leaves)]
    answer = reading(torch.from_numpy(chances[[0, -1]]))
    assert leaf.grad is not None
    return {
        "ground": grounded - start,
        "analyse": analysed - grounded,
        "first": first,
        "later": later,
        "memory": peak_memory() - memory,
        "edges": reading.circuit.num_edges,
        "method": reading.method,
        "width": float((answer.upper - answer.lower).max()),
        "queries": [str(query.atom) for query in graph.query],
        "lower": answer.lower.numpy(),
        "upper": answer.upper.numpy(),
        "chances": [dict(zip(names, row.tolist(), strict=True)) for row in chances],
        "slope": _slope(reading, graph, chances, leaf.grad[0].numpy()),
    }


def _slope(reading: Reading, graph: DerivationGraph, chances: np.ndarray, gradient: np.ndarray) -> tuple[float, float]:
    """The derivative of the first row's answers in a random direction: by differences, and by the gradient.

    The direction moves probability between the outcomes of a choice, where nothing is left over of it.
    """
    table = graph.choices
    inside = (chances[0] > 0.01) & (chances[0] < 0.99)
    room = np.where(inside, np.minimum(chances[0], 1 - chances[0]), 0.0)
    direction = room * np.random.default_rng(2).normal(size=len(room))
    for first, end in zip(table.ptr[:-1][~table.has_rest], table.ptr[1:][~table.has_rest], strict=True):
        if room[first:end].any():
            direction[first:end] -= direction[first:end].sum() * room[first:end] / room[first:end].sum()
    step = 1e-5
    ends = torch.from_numpy(np.stack([chances[0] + step * direction, chances[0] - step * direction]))
    up, down = (_weigh(reading(ends).p)).tolist()
    return (up - down) / (2 * step), float(gradient @ direction)


def _weigh(p: torch.Tensor) -> torch.Tensor:
    """One number of all answers of each row, which does not stay the same when probability moves between them."""
    return p @ torch.linspace(0.5, 1.5, p.shape[-1], dtype=p.dtype)


def check(work: Work, size: int, found: dict[str, Any]) -> None:
    """Assert the answers of the first and the last row, and the slope.

    Raises: AssertionError, with what differs.
    """
    measured, computed = found["slope"]
    assert abs(measured - computed) <= 1e-4 * max(1.0, abs(measured)) + found["width"] * 1e4, (
        work.title,
        size,
        found["slope"],
    )
    if size > work.most_by_hand:
        return
    for row, place in ((0, 0), (-1, 1)):
        truth = work.by_hand(size, found["chances"][row])
        answers = dict(
            zip(found["queries"], zip(found["lower"][place], found["upper"][place], strict=True), strict=True)
        )
        for name, p in truth.items():
            low, high = answers.get(name, (0.0, 0.0))
            slack = work.tolerance * max(1.0, abs(p)) if work.tolerance > 1e-6 else work.tolerance
            assert low - slack <= p <= high + slack, (work.title, size, name, (low, high), p)
        assert all(name in truth for name in answers), (work.title, size)


# -- leaves ---------------------------------------------------------------------------------------


def around(graph: DerivationGraph, size: int, batch: int) -> np.ndarray:
    """What the program says, and for further rows of the batch distributions near it."""
    table = graph.choices
    draw = np.random.default_rng(size)
    tilt = table.probability * np.exp(draw.normal(scale=0.3, size=(batch, table.num_leaves)))
    tilt[0] = table.probability
    written = np.zeros(table.num_choices)
    np.add.at(written, table.of_leaf, table.probability)
    whole = np.zeros((batch, table.num_choices))
    np.add.at(whole.T, table.of_leaf, tilt.T)
    whole += np.where(table.has_rest, 1 - written, 0.0)
    return tilt / whole[:, table.of_leaf]


def distributions(graph: DerivationGraph, size: int, batch: int) -> np.ndarray:
    """Random distributions over the outcomes of each choice."""
    draw = np.random.default_rng(size)
    found = draw.gamma(1.0, size=(batch, graph.num_leaves)) + 0.05
    for first, end in zip(graph.choices.ptr[:-1], graph.choices.ptr[1:], strict=True):
        found[:, first:end] /= found[:, first:end].sum(1, keepdims=True)
    return found


def sums(graph: DerivationGraph, n: int, batch: int) -> np.ndarray:
    """Random digits, and the digits of sums drawn from them as certain outcomes."""
    found = distributions(graph, n, batch)
    draw = np.random.default_rng(3)
    column = {str(graph.atom_of(leaf)): leaf for leaf in range(graph.num_leaves)}
    carry = np.zeros(batch, np.int64)
    for i in range(n + 1):
        total = carry
        if i < n:
            for side in ("left", "right"):
                p = found[:, [column[f"digit({side},{i},{d})"] for d in range(10)]]
                total = total + (draw.random((batch, 1)) > p.cumsum(1)).sum(1).clip(max=9)
        for d in range(10):
            found[:, column[f"shown({i},{d})"]] = total % 10 == d
        carry = total // 10
    return found


def proposals(graph: DerivationGraph, k: int, batch: int) -> np.ndarray:
    """Each sentence of a story gives its true relation 0.9 and the 20 others the rest."""
    column = {str(graph.atom_of(leaf)): leaf for leaf in range(graph.num_leaves)}
    found = np.full((batch, graph.num_leaves), 0.1 / 20)
    for row, story in enumerate(works.stories(k, batch)):
        for i, told in enumerate(story):
            found[row, column[f"told({i},{told})"]] = 0.9
    return found


# -- the works ------------------------------------------------------------------------------------


def by_problog(source: Callable[[int], str], title: str = "ProbLog", most: int = 10**9) -> Peer:
    return Peer(title, "problog", lambda n, chances: peers.problog(peers.written_out(source(n), chances[0])), most)


def strip(kind: Callable[..., str]) -> Callable[[int], str]:
    return lambda length: kind(4, length)


PROBLOG_ROW = "ProbLog, one row of the batch"
WORKS: dict[str, Work] = {
    "addition": Work(
        "Two N-digit numbers added with carries",
        (1, 2, 4, 8, 15, 100),
        (12, 25, 50, 100),
        works.addition,
        works.addition_by_hand,
        "N = 15: first batch under 2 s, later ones within 2 x of the recurrence by hand; N = 100 under 1 s a batch",
        dialect="nesy",
        leaves=sums,
        peers=(
            Peer("by hand in torch, a batch", "torch", lambda n, chances: peers.torch_addition(chances, n, STEPS)),
            Peer("KLay, a batch", "klay", lambda n, chances: peers.klay_addition(chances, n, STEPS), 15),
            by_problog(works.addition, PROBLOG_ROW, 8),
        ),
        unit="N",
    ),
    "sum": Work(
        "The sum of N ten-way digits",
        (2, 10, 100, 1000),
        (125, 250, 500, 1000),
        works.total,
        works.total_by_hand,
        "N = 1,000 under 1 s a batch, gradients included",
        dialect="nesy",
        leaves=distributions,
        peers=(by_problog(works.total_in_steps, PROBLOG_ROW, 100),),
        unit="N",
    ),
    "count": Work(
        "The count of N facts",
        (2, 10, 100, 1000),
        (125, 250, 500, 1000),
        works.count,
        works.count_by_hand,
        "N = 1,000 under 1 s a batch, gradients included",
        dialect="nesy",
        peers=(by_problog(works.count_in_steps, PROBLOG_ROW, 100),),
        unit="N",
    ),
    "undirected": Work(
        "Two-terminal reliability of an undirected n x n grid",
        (3, 4, 5, 6, 7, 8),
        (),
        works.undirected,
        works.undirected_by_hand,
        "n = 8 under 10 s with gradients; n = 5: a batch under 50 ms",
        peers=(
            by_problog(works.undirected),
            Peer("PySDD", "pysdd", lambda n, _: peers.pysdd_reach(n, n, True)),
        ),
        unit="n",
    ),
    "directed": Work(
        "The same on directed grids",
        (3, 4, 6, 8, 10),
        (),
        works.directed,
        works.directed_by_hand,
        "n = 10 under 2 s",
        peers=(
            by_problog(works.directed),
            Peer("PySDD", "pysdd", lambda n, _: peers.pysdd_reach(n, n, False)),
        ),
        unit="n",
    ),
    "strip": Work(
        "Undirected grids four nodes wide",
        (),
        (4, 8, 16, 32),
        strip(works.undirected),
        lambda n, chance: works.undirected_by_hand(4, chance, n),
        "",
        peers=(Peer("PySDD", "pysdd", lambda n, _: peers.pysdd_reach(4, n, True)),),
        unit="length",
    ),
    "smokers": Work(
        "Smokers and friends: n people with 2 friends each, all asked for",
        (5, 10, 20, 30),
        (4, 8, 16, 32),
        works.smokers,
        works.smokers_simulated,
        "exact at 30 under 20 s",
        peers=(by_problog(works.smokers), Peer("PySDD", "pysdd", lambda n, _: peers.pysdd_smokers(n))),
        batch=1,
        tolerance=6e-3,  # over five standard errors of the simulation
        unit="n",
    ),
    "bounds": Work(
        "Smokers as intervals of at most 0.01",
        (60,),
        (),
        works.smokers,
        works.smokers_simulated,
        "at 60 an interval narrower than 0.01 under 30 s",
        batch=1,
        budget=Budget(time=OWN_LIMIT, epsilon=0.009),
        tolerance=6e-3,
        unit="n",
    ),
    "markov": Work(
        "A hidden Markov model of T steps, every symbol observed",
        (10, 100, 1000),
        (125, 250, 500, 1000),
        works.markov,
        works.markov_by_hand,
        "linear in T",
        peers=(by_problog(works.markov),),
        unit="T",
    ),
    "noisy": Work(
        "A noisy-or network of n nodes",
        (25, 50, 100, 200),
        (25, 50, 100, 200),
        works.noisy_or,
        works.noisy_or_by_hand,
        "",
        peers=(by_problog(works.noisy_or),),
        unit="n",
    ),
    "kinship": Work(
        "Kinship stories of k sentences, the true relation proposed at 0.9",
        (2, 4, 6, 8, 10),
        (4, 8, 16, 32),
        works.kinship,
        works.kinship_by_hand,
        "k = 10: a batch of 64 under 0.2 s after the first; linear in k",
        dialect="nesy",
        leaves=proposals,
        peers=(by_problog(works.kinship, PROBLOG_ROW),),
        unit="k",
    ),
}
QUICK = {
    "addition": 4,
    "sum": 100,
    "count": 100,
    "undirected": 5,
    "directed": 6,
    "smokers": 10,
    "markov": 100,
    "noisy": 50,
    "kinship": 4,
}


# -- tables ---------------------------------------------------------------------------------------


@dataclass
class Bench:
    """Runs works and peers; what was measured once is not measured again."""

    limit: float
    repeats: int
    cache: dict[tuple[str, int], list[dict[str, Any]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        exact(ground(parse_program("0.5::a. #query a.")))  # so that no run pays for loading the engine

    def own(self, name: str, size: int) -> list[dict[str, Any]]:
        if (name, size) not in self.cache:
            work = WORKS[name]
            runs = repeated(lambda: apart(own, (work, size), OWN_LIMIT), self.repeats, self.limit)
            if runs:
                check(work, size, runs[0])
            self.cache[name, size] = runs
        return self.cache[name, size]

    def peer(self, name: str, size: int, peer: Peer) -> list[dict[str, Any]]:
        """Its runs; empty where it was stopped."""
        key = f"{name}/{peer.title}", size
        if key not in self.cache:
            (mine, *_) = self.own(name, size)
            runs = repeated(lambda: apart(peer.run, (size, mine["chances"]), self.limit), self.repeats, self.limit)
            for run in runs[:1]:
                ours = dict(zip(mine["queries"], zip(mine["lower"][0], mine["upper"][0], strict=True), strict=True))
                for query, (low, high) in ours.items():
                    p = run.get(query, 0.0)
                    assert low - 1e-6 <= p <= high + 1e-6, (peer.title, name, size, query, (low, high), p)
            self.cache[key] = runs
        return self.cache[key]

    def compare(self, name: str, sizes: Sequence[int]) -> str:
        """One table: sizes down, what it costs across."""
        work = WORKS[name]
        installed = [peer for peer in work.peers if importlib.util.find_spec(peer.needs)]
        head = [work.unit, "ground", "analyse", "first batch", f"later batch of {work.batch}", "MiB", "edges", "method"]
        rows: list[list[object]] = []
        stopped: set[str] = set()
        for size in sizes:
            runs = self.own(name, size)
            if not runs:
                rows.append([size, f"> {OWN_LIMIT:.0f}", *[""] * 6])
                print(rows[-1], flush=True)
                continue
            last = runs[-1]
            later = Spread.of([second for run in runs for second in run["later"]])
            method = last["method"] + (f", {last['width']:.2g} wide" if last["width"] > 1e-12 else "")
            cells = [Spread.of([run[part] for run in runs]) for part in ("ground", "analyse", "first")]
            memory = statistics.median(run["memory"] for run in runs)
            row: list[object] = [size, *cells, later, f"{memory:.0f}", last["edges"], method]
            for peer in installed:
                if peer.title in stopped or size > peer.most:
                    row.append("")
                    continue
                theirs = self.peer(name, size, peer)
                row.append(Spread.of([run["seconds"] for run in theirs]) if theirs else f"> {self.limit:.0f}")
                if not theirs:
                    stopped.add(peer.title)
            rows.append(row)
            print(" | ".join(map(str, row)), flush=True)
        promise = f"Promised: {work.promise}.\n\n" if work.promise else ""
        return promise + table([*head, *(peer.title for peer in installed)], rows)

    def growth(self, names: Sequence[str]) -> str:
        """Time and memory at four sizes, and the exponents of time beside the peer's."""
        head = [
            "work",
            "sizes",
            "ground and analyse: s",
            "exponent",
            "a batch: s",
            "exponent",
            "MiB",
            "peer",
            "size: s",
            "exponent",
        ]
        rows: list[list[object]] = []
        for name in names:
            work = WORKS[name]
            if not work.doubling:
                continue
            found = [self.own(name, size) for size in work.doubling]
            sizes = [size for size, runs in zip(work.doubling, found, strict=True) if runs]
            found = [runs for runs in found if runs]
            once = [statistics.median(run["ground"] + run["analyse"] for run in runs) for runs in found]
            later = [statistics.median(second for run in runs for second in run["later"]) for runs in found]
            memory = [statistics.median(run["memory"] for run in runs) for runs in found]
            row: list[object] = [name, _list(sizes), _list(map(seconds, once)), _slope_text(sizes, once)]
            row += [_list(map(seconds, later)), _slope_text(sizes, later), _list(f"{m:.0f}" for m in memory)]
            row += self._peer_growth(name)
            rows.append(row)
            print(" | ".join(map(str, row)), flush=True)
        return table(head, rows)

    def _peer_growth(self, name: str) -> list[object]:
        """The first peer on all sizes up to the first that it does not get through."""
        work = WORKS[name]
        found = [peer for peer in work.peers if importlib.util.find_spec(peer.needs)]
        if not found:
            return ["", "", ""]
        peer = found[0]
        done: list[tuple[int, float]] = []
        stopped = ""
        for size in sorted({*work.sizes, *work.doubling}):
            if size > peer.most:
                break
            runs = self.peer(name, size, peer)
            if not runs:
                stopped = f", {size}: > {self.limit:.0f}"
                break
            done.append((size, statistics.median(run["seconds"] for run in runs)))
        text = _list(f"{size}: {seconds(second)}" for size, second in done) + stopped
        slope = _slope_text([size for size, _ in done], [second for _, second in done])
        return [peer.title, text, slope]


def _slope_text(sizes: Sequence[float], values: Sequence[float]) -> str:
    return f"{exponent(sizes, values):.2f}" if len(sizes) > 1 else ""


def _list(items: Any) -> str:
    return ", ".join(map(str, items))


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small sizes, one run each, no growth")
    parser.add_argument(
        "--limit", type=float, default=20, help="CPU seconds a peer may take, and a cell's runs together"
    )
    parser.add_argument("--repeats", type=int, default=5, help="runs of each cell")
    parser.add_argument("--only", default="", help=f"works, comma separated: {', '.join(WORKS)}")
    parser.add_argument("--no-growth", action="store_true")
    parser.add_argument(
        "--out", default="", help="where to write the page (by default results/probability.md for a whole run)"
    )
    arguments = parser.parse_args(argv)
    torch.set_num_threads(1)
    names = list(filter(None, arguments.only.split(","))) or list(WORKS)
    if unknown := set(names) - set(WORKS):
        parser.error(f"no work is called {', '.join(sorted(unknown))}: they are {', '.join(WORKS)}")
    whole = not arguments.only and not arguments.quick
    out = arguments.out or (ROOT / "benchmarks" / "results" / "probability.md" if whole else "")
    limit, repeats = (2.0, 1) if arguments.quick else (arguments.limit, arguments.repeats)
    bench = Bench(limit, repeats)
    parts = [
        "# Exact probability, against peers in the same run",
        f"""Plain rules. CPU seconds, one thread; each run in a process of its own, medians of up to {repeats} runs with
the smallest and the largest (fewer where a cell took {limit:.0f} s already). Grounding and analysis are done once;
every batch is forward and backward. Answers and gradients are asserted before anything is shown.
`> {limit:.0f}` is a peer that was stopped. Reproduce with `python -m benchmarks.engine_probability`.
Python {platform.python_version()}, torch {torch.__version__}, {platform.machine()}.""",
    ]
    for name in names:
        work = WORKS[name]
        sizes = [size for size in work.sizes if not arguments.quick or size <= QUICK.get(name, 0)]
        if sizes:
            print(f"# {name}", flush=True)
            parts += [f"## {work.title}", bench.compare(name, sizes)]
            _write(out, parts)
    if not arguments.no_growth and not arguments.quick:
        print("# growth", flush=True)
        parts += [
            "## Growth",
            "Four sizes, each twice the last. The exponent is the slope of log seconds over log size.",
            bench.growth(names),
        ]
        _write(out, parts)


def _write(out: str | Path, parts: Sequence[str]) -> None:
    if out:
        Path(out).parent.mkdir(exist_ok=True)
        Path(out).write_text("\n\n".join(parts) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
