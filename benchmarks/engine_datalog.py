"""Datalog evaluation beside its peers, its growth, and updates against running anew.

    python -m benchmarks.engine_datalog [--quick] [--only WORK,...] [--repeats 5] [--limit 40] [--no-growth]

Needs `clingo` and `duckdb` for the peers. Every run is a fresh process with one thread, which first runs the work at
a tiny size, so that no engine's start-up is counted. A figure is CPU seconds (user and system) from facts in Python
lists to a counted result, the median of five runs with the spread (fewer once they took the limit together). A
count that differs from the known one stops the benchmark.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.measuring import Spread, exponent, peak_memory, table  # noqa: E402

RESULTS = Path(__file__).parent / "results" / "datalog.md"
Facts = dict[str, list[tuple[int, int]]]
# Soufflé's compiled programs with one thread, on a machine of this kind, without 18 to 25 s of compiling; it cannot be
# installed from a package, so what it once took stands here.
SOUFFLE = {"random": 1.33, "chain": 1.43, "grid": 0.66, "same generation": 0.07, "andersen": 0.31, "cspa": 4.6}

RULES = {
    "tc": "tc(X,Y) :- edge(X,Y). tc(X,Z) :- tc(X,Y), edge(Y,Z).",
    "sg": "sg(X,Y) :- par(P,X), par(P,Y), X != Y. sg(X,Y) :- par(A,X), sg(A,B), par(B,Y).",
    "andersen": """pt(Y,X) :- addr(Y,X).  pt(Y,X) :- assign(Y,Z), pt(Z,X).
        pt(Y,W) :- load(Y,X), pt(X,Z), pt(Z,W).  pt(Z,W) :- store(Y,X), pt(Y,Z), pt(X,W).""",
    "cspa": """vf(Y,X) :- assign(Y,X).  vf(X,X) :- assign(X,_).  vf(X,X) :- assign(_,X).
        ma(X,X) :- assign(_,X).  ma(X,X) :- assign(X,_).
        vf(X,Y) :- vf(X,Z), vf(Z,Y).  vf(X,Y) :- assign(X,Z), ma(Z,Y).
        ma(X,W) :- deref(Y,X), va(Y,Z), deref(Z,W).
        va(X,Y) :- vf(Z,X), vf(Z,Y).  va(X,Y) :- vf(Z,X), ma(Z,W), vf(W,Y).""",
}


def random_pairs(rng: random.Random, n: int, count: int) -> list[tuple[int, int]]:
    return sorted({(rng.randrange(n), rng.randrange(n)) for _ in range(count)})


def work(name: str, size: int) -> tuple[str, str, Facts]:
    """The rules, the predicate to count, and the facts of a work at a size."""
    rng = random.Random(7)
    match name:
        case "random":
            return "tc", "tc", {"edge": random_pairs(rng, size, 5 * size)}
        case "chain":
            return "tc", "tc", {"edge": [(i, i + 1) for i in range(size)]}
        case "grid":
            right = [(i * size + j, i * size + j + 1) for i in range(size) for j in range(size - 1)]
            down = [(i * size + j, (i + 1) * size + j) for i in range(size - 1) for j in range(size)]
            return "tc", "tc", {"edge": right + down}
        case "same generation":
            return "sg", "sg", {"par": [(i // 2, i) for i in range(2, 2 ** (size + 1))]}
        case "andersen":
            counts = {"addr": size // 2, "assign": size, "load": size // 6, "store": size // 6}
            return "andersen", "pt", {p: random_pairs(rng, size, count) for p, count in counts.items()}
        case "cspa":
            counts = {"assign": size // 2, "deref": size}
            return "cspa", "va", {p: random_pairs(rng, size, count) for p, count in counts.items()}
    raise ValueError(name)


# Work, its size, the number of tuples that every engine must find, and four sizes for growth.
WORKS: list[tuple[str, int, int, tuple[int, ...]]] = [
    ("random", 1000, 982_082, (250, 500, 1000, 2000)),
    ("chain", 2000, 2_001_000, (500, 1000, 2000, 4000)),
    ("grid", 40, 670_800, (10, 20, 40, 80)),
    ("same generation", 9, 348_502, (7, 8, 9, 10)),
    ("andersen", 600, 74_755, (150, 300, 600, 1200)),
    ("cspa", 300, 52_787, (75, 150, 300, 600)),
]


# -- engines: rules and facts in, a count out --------------------------------------------------------------


def run_nesy(rules: str, output: str, facts: Facts) -> int:
    from nesy.language import parse_program
    from nesy.language.core import Signature
    from nesy.reasoning import evaluate

    inputs = "".join(f"#input {name}(x, y).\n" for name in facts)
    program = parse_program(inputs + RULES[rules])
    relations = evaluate(program, {Signature(name, 2): rows for name, rows in facts.items()})
    return len(relations[Signature(output, 2)])


def run_clingo(rules: str, output: str, facts: Facts) -> int:
    import clingo

    control = clingo.Control(["--warn=none"])
    text = "".join(f"{name}({a},{b})." for name, rows in facts.items() for a, b in rows)
    control.add("base", [], text + RULES[rules])
    control.ground([("base", [])])
    return sum(1 for _ in control.symbolic_atoms.by_signature(output, 2))


def run_duckdb(rules: str, output: str, facts: Facts) -> int | None:
    import duckdb
    import numpy as np

    steps = {
        "tc": "with recursive r(x, y) as (select x, y from edge union"
        " select r.x, edge.y from r join edge on r.y = edge.x) select count(*) from r",
        "sg": "with recursive r(x, y) as (select a.y, b.y from par a join par b on a.x = b.x where a.y <> b.y union"
        " select a.y, b.y from r join par a on a.x = r.x join par b on b.x = r.y) select count(*) from r",
    }
    if rules not in steps:
        return None  # mutual and non-linear recursion has no recursive query
    connection = duckdb.connect()
    connection.execute("set threads = 1")
    for name, rows in facts.items():
        array = np.array(rows, dtype=np.int32)
        columns = {"x": np.ascontiguousarray(array[:, 0]), "y": np.ascontiguousarray(array[:, 1])}
        connection.register("given", columns)
        connection.execute(f"create table {name} as select x, y from given")
    row = connection.execute(steps[rules]).fetchone()
    assert row is not None
    return int(row[0])


ENGINES = {"nesy": run_nesy, "DuckDB": run_duckdb, "clingo": run_clingo}


def child(engine: str, name: str, size: int) -> None:
    """Run one engine once in this process, and print what it took."""
    rules, output, facts = work(name, size)
    run = ENGINES[engine]
    run(*work(name, 3))
    before, memory = time.process_time(), peak_memory()
    count = run(rules, output, facts)
    seconds = time.process_time() - before
    print(json.dumps({"count": count, "seconds": seconds, "mib": peak_memory() - memory}))


def measure(engine: str, name: str, size: int, repeats: int, limit: float) -> list[dict[str, float]]:
    """Some runs, each in a process of its own; none where the engine has no form of the work."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    runs: list[dict[str, float]] = []
    start = time.monotonic()
    while len(runs) < repeats and (not runs or time.monotonic() - start < limit):
        command = [sys.executable, __file__, "--child", engine, name, str(size)]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
        if done.returncode:
            raise SystemExit(f"{engine} on {name} {size}:\n{done.stderr}")
        result = json.loads(done.stdout.splitlines()[-1])
        if result["count"] is None:
            return []
        runs.append(result)
    return runs


class Bench:
    """Runs engines on works; what was measured once is not measured again."""

    def __init__(self, repeats: int, limit: float):
        self.repeats = repeats
        self.limit = limit
        self.known: dict[tuple[str, str, int], list[dict[str, float]]] = {}

    def runs(self, engine: str, name: str, size: int, repeats: int) -> list[dict[str, float]]:
        key = engine, name, size
        if key not in self.known:
            self.known[key] = measure(engine, name, size, repeats, self.limit)
        return self.known[key]

    def compare(self, names: Sequence[str]) -> str:
        rows: list[list[str]] = []
        for name, size, expected, _ in WORKS:
            if name not in names:
                continue
            seconds: dict[str, float] = {}
            cells: list[str] = []
            for engine in ENGINES:
                runs = self.runs(engine, name, size, self.repeats)
                if any(run["count"] != expected for run in runs):
                    raise SystemExit(f"{engine} on {name} {size}: {runs[0]['count']} tuples, expected {expected}")
                spread = Spread.of([run["seconds"] for run in runs]) if runs else None
                cells.append(f"{spread}" if spread else "no form")
                if spread:
                    seconds[engine] = spread.median
            own = seconds["nesy"]
            ratios = [f"{seconds[e] / own:.1f}" if e in seconds else "" for e in ("DuckDB", "clingo")]
            souffle = SOUFFLE[name]
            rows.append([f"{name} {size}", f"{expected:,}", *cells, *ratios, f"{souffle}", f"{souffle / own:.1f}"])
            print(" | ".join(rows[-1]), flush=True)
        ratio_heads = ["DuckDB / nesy", "clingo / nesy", "Soufflé compiled, recorded", "Soufflé / nesy"]
        return table(["work", "tuples", *ENGINES, *ratio_heads], rows)

    def growth(self, names: Sequence[str]) -> str:
        """Time and memory at four sizes, and the exponent of time in the number of tuples."""
        rows: list[list[str]] = []
        for name, _, _, sizes in WORKS:
            if name not in names:
                continue
            own = [self.runs("nesy", name, size, 1)[0] for size in sizes]
            peer = [self.runs("clingo", name, size, 1)[0] for size in sizes[:3]]
            counts = [int(run["count"]) for run in own]
            assert counts[:3] == [int(run["count"]) for run in peer]
            own_seconds, peer_seconds = ([run["seconds"] for run in runs] for runs in (own, peer))
            row = [name, ", ".join(map(str, sizes)), "; ".join(f"{count:,}" for count in counts)]
            row += [_list(own_seconds, 3), f"{exponent(counts, own_seconds):.2f}", _list([r["mib"] for r in own], 0)]
            row += [_list(peer_seconds, 2), f"{exponent(counts[:3], peer_seconds):.2f}"]
            row.append(_list([r["mib"] for r in peer], 0))
            rows.append(row)
            print(" | ".join(row), flush=True)
        head = ["work", "sizes", "tuples", "nesy: seconds", "exponent", "MiB", "clingo: seconds", "exponent", "MiB"]
        return table(head, rows)


def _list(values: Sequence[float], digits: int) -> str:
    return ", ".join(f"{value:.{digits}f}" for value in values)


# -- updates -------------------------------------------------------------------------------------------------

UPDATES = {"random": 1000, "chain": 2000, "grid": 40}


def update_child(name: str, size: int) -> None:
    """Insert and withdraw edges of a closure, one at a time; the counts are those of running it anew."""
    from nesy.language import parse_program
    from nesy.language.core import Signature
    from nesy.reasoning import Incremental, evaluate

    rules, output, facts = work(name, size)
    edge, closure = Signature("edge", 2), Signature(output, 2)
    program = parse_program("#input edge(x, y).\n" + RULES[rules])
    rows = list(facts["edge"])
    rng = random.Random(3)
    nodes = sorted({node for row in rows for node in row})
    live = Incremental(program, {edge: rows})
    live.update(insert={edge: [(-1, nodes[0])]})  # the first update builds indexes
    rows.append((-1, nodes[0]))
    found: dict[str, list[float]] = {"anew": [], "insert": [], "withdraw it": [], "withdraw another": []}
    changed: dict[str, list[int]] = {key: [] for key in found}

    def timed(kind: str, insert: list[tuple[int, int]], delete: list[tuple[int, int]]) -> None:
        start = time.process_time()
        change = live.update({edge: insert}, {edge: delete})
        found[kind].append(time.process_time() - start)
        changed[kind].append(change[closure].num_added + change[closure].num_removed if closure in change else 0)

    for number in range(5):
        new = (nodes[-1] + 1 + number, rng.choice(nodes))
        timed("insert", [new], [])
        timed("withdraw it", [], [new])
        old = rng.choice(rows)
        timed("withdraw another", [], [old])
        live.update(insert={edge: [old]})
        start = time.process_time()
        anew = len(evaluate(program, {edge: rows})[closure])
        found["anew"].append(time.process_time() - start)
        assert live.count(closure) == anew, (live.count(closure), anew)
    print(json.dumps({"seconds": found, "changed": changed, "count": anew}))


def updates(names: Sequence[str]) -> str:
    rows: list[list[str]] = []
    for name, size in UPDATES.items():
        if name not in names:
            continue
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
        command = [sys.executable, __file__, "--update-child", name, str(size)]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
        if done.returncode:
            raise SystemExit(f"updates of {name}:\n{done.stderr}")
        result = json.loads(done.stdout.splitlines()[-1])
        cells = [
            f"{Spread.of(seconds)}" + ("" if kind == "anew" else f"; {max(result['changed'][kind]):,} rows")
            for kind, seconds in result["seconds"].items()
        ]
        rows.append([f"{name} {size}", f"{result['count']:,}", *cells])
        print(" | ".join(rows[-1]), flush=True)
    return table(["closure", "tuples", "anew", "insert an edge", "withdraw it", "withdraw an old edge"], rows)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one run of each, no growth; nothing is written")
    parser.add_argument("--only", default="", help=f"works, comma separated: {', '.join(w[0] for w in WORKS)}")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--limit", type=float, default=40, help="seconds that the runs of one figure may take together")
    parser.add_argument("--no-growth", action="store_true")
    parser.add_argument("--child", nargs=3, metavar=("ENGINE", "WORK", "SIZE"), help=argparse.SUPPRESS)
    parser.add_argument("--update-child", nargs=2, metavar=("WORK", "SIZE"), help=argparse.SUPPRESS)
    arguments = parser.parse_args(argv)
    if arguments.child:
        engine, name, size = arguments.child
        child(engine, name, int(size))
        return
    if arguments.update_child:
        update_child(arguments.update_child[0], int(arguments.update_child[1]))
        return
    every = [name for name, *_ in WORKS]
    names = list(filter(None, arguments.only.split(","))) or every
    if unknown := set(names) - set(every):
        parser.error(f"no work is called {', '.join(sorted(unknown))}: they are {', '.join(every)}")
    is_whole = not arguments.only and not arguments.quick
    bench = Bench(1 if arguments.quick else arguments.repeats, arguments.limit)
    text = f"""# Datalog

Plain rules, full closures, one thread. CPU seconds from facts in Python lists to a counted result, without start-up:
medians of up to {bench.repeats} runs, each in its own process, with the smallest and the largest (fewer once they
took {bench.limit:.0f} s together). Counts are asserted. Reproduce with `python -m benchmarks.engine_datalog` (needs
`clingo` and `duckdb`). Python {platform.python_version()}, {platform.machine()}.

{bench.compare(names)}

## Updates

One edge at a time into a closure that is kept up to date (`reasoning.Incremental`), against running it anew: medians of
five, with how many rows of the closure changed.

{updates(names)}
"""
    _write(text, is_whole)
    if not arguments.no_growth and not arguments.quick:
        text += f"""
## Growth

Four sizes, each about twice the last (a level more for same generation). The exponent is the slope of log seconds over
log tuples; MiB are what the work took beyond its facts and the start of the process.

{bench.growth(names)}
"""
        _write(text, is_whole)


def _write(text: str, is_whole: bool) -> None:
    if is_whole:
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
