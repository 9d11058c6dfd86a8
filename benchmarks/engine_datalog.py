"""Datalog evaluation beside its peers: `python benchmarks/engine_datalog.py`.

Needs `clingo` and `duckdb` for the peers. Every run is a fresh process with one thread, which first runs the work at
a tiny size, so that no engine's start-up is counted. A figure is CPU seconds (user and system) from facts in Python
lists to a counted result, the median of five runs with the spread. A count that differs from the known one stops
the benchmark. Results go to `benchmarks/results/datalog.md`.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import random
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

RESULTS = Path(__file__).parent / "results" / "datalog.md"
Facts = dict[str, list[tuple[int, int]]]
SLOW = 20.0  # seconds: an engine that needs more is run three times

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
    before, memory = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    count = run(rules, output, facts)
    seconds = time.process_time() - before
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory
    print(json.dumps({"count": count, "seconds": seconds, "mib": peak / 1024}))


def measure(engine: str, name: str, size: int, repeats: int, expected: int | None) -> dict[str, float] | None:
    """Median and spread of some runs, each in a process of its own."""
    root = Path(__file__).parent.parent
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(root)}
    runs: list[dict[str, float]] = []
    for _ in range(repeats):
        command = [sys.executable, __file__, "--child", engine, name, str(size)]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
        if done.returncode:
            raise SystemExit(f"{engine} on {name} {size}:\n{done.stderr}")
        result = json.loads(done.stdout.splitlines()[-1])
        if result["count"] is None:
            return None
        if expected is not None and result["count"] != expected:
            raise SystemExit(f"{engine} on {name} {size}: {result['count']} tuples, expected {expected}")
        runs.append(result)
        if len(runs) == 3 and runs[0]["seconds"] > SLOW:
            break
    seconds = sorted(run["seconds"] for run in runs)
    return {
        "count": runs[0]["count"],
        "seconds": statistics.median(seconds),
        "low": seconds[0],
        "high": seconds[-1],
        "mib": statistics.median(run["mib"] for run in runs),
    }


def table(rows: list[list[str]]) -> str:
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([lines[0], "|" + "---|" * len(rows[0]), *lines[1:]])


def compare(repeats: int) -> str:
    rows = [["work", "tuples", *ENGINES, "DuckDB / nesy", "clingo / nesy"]]
    for name, size, expected, _ in WORKS:
        found = {engine: measure(engine, name, size, repeats, expected) for engine in ENGINES}
        cells = [f"{f['seconds']:.3f} ({f['low']:.3f} to {f['high']:.3f})" if f else "no form" for f in found.values()]
        own = found["nesy"]
        assert own is not None
        ratios = [f"{f['seconds'] / own['seconds']:.1f}" if f else "" for f in (found["DuckDB"], found["clingo"])]
        rows.append([f"{name} {size}", f"{expected:,}", *cells, *ratios])
        print(" | ".join(rows[-1]), flush=True)
    return table(rows)


def growth() -> str:
    """Time and memory at four sizes, and the exponent of time in the number of tuples."""
    rows = [["work", "sizes", "tuples", "nesy: seconds", "nesy: MiB", "exponent", "clingo: seconds", "exponent"]]
    for name, _, _, sizes in WORKS:
        own = [measure("nesy", name, size, 1, None) for size in sizes]
        peer = [measure("clingo", name, size, 1, None) for size in sizes[:3]]
        counts = [int(f["count"]) for f in own if f]
        assert counts[:3] == [int(f["count"]) for f in peer if f]
        rows.append(
            [
                name,
                ", ".join(map(str, sizes)),
                ", ".join(f"{count:,}" for count in counts).replace(",", " ").replace("  ", ", "),
                ", ".join(f"{f['seconds']:.3f}" for f in own if f),
                ", ".join(f"{f['mib']:.0f}" for f in own if f),
                f"{exponent(counts, [f['seconds'] for f in own if f]):.2f}",
                ", ".join(f"{f['seconds']:.2f}" for f in peer if f),
                f"{exponent(counts[:3], [f['seconds'] for f in peer if f]):.2f}",
            ]
        )
        print(" | ".join(rows[-1]), flush=True)
    return table(rows)


def exponent(counts: list[int], seconds: list[float]) -> float:
    """The slope of log time over log tuples, by least squares."""
    x = [math.log(count) for count in counts]
    y = [math.log(max(second, 1e-4)) for second in seconds]
    mean_x, mean_y = statistics.mean(x), statistics.mean(y)
    slope = sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True))
    return slope / sum((a - mean_x) ** 2 for a in x)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--no-growth", action="store_true")
    parser.add_argument("--child", nargs=3, metavar=("ENGINE", "WORK", "SIZE"))
    arguments = parser.parse_args()
    if arguments.child:
        engine, name, size = arguments.child
        child(engine, name, int(size))
        return
    text = f"""# Datalog

Plain rules, full closures, one thread. CPU seconds from facts in Python lists to a counted result, without start-up:
median of {arguments.repeats} runs (three where one takes over {SLOW:.0f} s), each in its own process, with the
smallest and the largest. Counts are asserted. Reproduce
with `python benchmarks/engine_datalog.py` (needs `clingo` and `duckdb`).
Python {platform.python_version()}, {platform.machine()}.

{compare(arguments.repeats)}
"""
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(text)
    if not arguments.no_growth:
        text += f"""
## Growth

Four sizes, each about twice the last (a level more for same generation); one run each. The exponent is the slope of
log seconds over log tuples.

{growth()}
"""
        RESULTS.write_text(text)


if __name__ == "__main__":
    main()
