"""The reasoning engine against its peers in one run: rules without randomness, exact probability, growth of both.

    python -m benchmarks.engine [--quick] [--repeats 5] [--limit 12] [--no-growth]

Writes `results/datalog.md` and `results/probability.md` (not with --quick). Each part runs alone, too:
`python -m benchmarks.engine_datalog`, `python -m benchmarks.engine_probability`.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import engine_datalog, engine_probability


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small sizes, one run each, no growth; nothing is written")
    parser.add_argument("--repeats", type=int, default=5, help="runs of each figure")
    parser.add_argument("--limit", type=float, default=12, help="seconds a figure's runs may take together")
    parser.add_argument("--no-growth", action="store_true")
    arguments = parser.parse_args()
    options = ["--repeats", str(arguments.repeats), "--limit", str(arguments.limit)]
    options += ["--quick"] * arguments.quick + ["--no-growth"] * arguments.no_growth
    for part in (engine_datalog, engine_probability):
        start = time.monotonic()
        part.main(options)
        print(f"# {part.__name__}: {time.monotonic() - start:.0f} s", flush=True)


if __name__ == "__main__":
    main()
