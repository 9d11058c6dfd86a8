"""The speed of hypervectors against torch-hd in the same run.

    python -m benchmarks.hdc [--turns 7] [--out FILE.json]

Needs torch-hd. Each result is checked against torch-hd's (or the plain definition) before it is timed; a check that
fails stops the run. Times are CPU seconds of this process on one thread. Both sides, and the limit where a row has one
(the bare kernel without which no result exists), take turns block by block, so that a busy machine slows all of them:
a row has the median of each with its smallest and largest block, and the median of the turns' ratios.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
from torch import Tensor

from benchmarks import measuring
from nesy.hdc import BSC, FHRR, HRR, MAP, VSA, Level
from nesy.hdc.fixed_point import THREE_PRODUCTS, TWO_PRODUCTS, fixed_point_cosines, float_cosines

D = 10_000
BLOCK = 0.1  # CPU seconds of calls to a block: well above the clock's tick of 4 ms
ROOT = Path(__file__).parent.parent


def blocks(function: Callable[[], object], seconds: float) -> float:
    """CPU seconds of one call, over a block of calls."""
    count, start = 0, time.process_time()
    while (spent := time.process_time() - start) < seconds or count == 0:
        function()
        count += 1
    return spent / count


def compare(
    name: str,
    ours: Callable[[], object],
    theirs: Callable[[], object],
    repeats: int,
    parts: float = 1,
    limit: Callable[[], object] | None = None,
) -> dict:
    """Turns of a block each: medians and ranges. `theirs` does one of so many equal parts of the work."""
    sides = {"ours": ours, "theirs": theirs} | ({"limit": limit} if limit is not None else {})
    for function in sides.values():
        function()
    turns = [{side: blocks(function, BLOCK) for side, function in sides.items()} for _ in range(repeats)]
    row: dict = {"work": name}
    for side in sides:
        times = [turn[side] * (parts if side == "theirs" else 1) * 1e3 for turn in turns]
        row |= {f"{side}_ms": statistics.median(times), f"{side}_range_ms": [min(times), max(times)]}
    ratios = [turn["theirs"] * parts / turn["ours"] for turn in turns]
    row |= {"times_faster": statistics.median(ratios), "times_faster_range": [min(ratios), max(ratios)]}
    if limit is not None:
        row["of_limit"] = statistics.median(turn["ours"] / turn["limit"] for turn in turns)
    if parts > 1:
        row["theirs_measured"] = f"1/{parts:.4g} of the work, times {parts:.4g}"
    print(json.dumps({key: _short(value) for key, value in row.items()}, ensure_ascii=False), flush=True)
    return row


def _short(value):
    if isinstance(value, float):
        return float(f"{value:.4g}")
    return [_short(v) for v in value] if isinstance(value, list) else value


def equal(a: Tensor, b: Tensor, tolerance: float = 0.0) -> None:
    """Stop the run unless both results are the same."""
    worst = (a - b).abs().max().item() if tolerance else 0.0
    same = worst <= tolerance if tolerance else torch.equal(a, b)
    if not same:
        raise SystemExit(f"results differ (by up to {worst:g})")


def plain(a: Tensor) -> Tensor:
    return a.as_subclass(Tensor)


def speed(repeats: int) -> list[dict]:
    """Every row of the table."""
    sequences = torch.tensor(np.random.default_rng(0).integers(0, 27, size=(256, 64)))
    rows = []
    for model in (MAP(D), BSC(D), HRR(D), FHRR(D)):
        rows += speed_of(model, sequences, repeats)
    rows.append(records(repeats))
    return rows


def theirs_of(model: VSA, a: Tensor) -> Tensor:
    """The same hypervectors as torch-hd keeps them."""
    import torchhd

    if isinstance(model, BSC):
        return (model.unpack(a) < 0).as_subclass(torchhd.BSCTensor)
    if isinstance(model, MAP):
        return a.float().as_subclass(torchhd.MAPTensor)
    return a.as_subclass(torchhd.HRRTensor if isinstance(model, HRR) else torchhd.FHRRTensor)


def as_theirs(model: VSA, a: Tensor) -> Tensor:
    return plain(theirs_of(model, a))


def speed_of(model: VSA, sequences: Tensor, repeats: int) -> list[dict]:
    """One model's rows."""
    import torchhd

    name, rows = model.name, []
    a, b, items = model.random(1000), model.random(1000), model.random(27)
    ta, tb, titems = (theirs_of(model, x) for x in (a, b, items))
    close = {"MAP": 0.0, "BSC": 0.0, "HRR": 1e-5, "FHRR": 1e-5}[name]

    equal(as_theirs(model, model.bind(a, b)), plain(torchhd.bind(ta, tb)), close)
    bare = (lambda: torch.bitwise_xor(a, b, out=spare)) if name == "BSC" else (lambda: torch.mul(a, b, out=spare))
    spare = torch.empty_like(a)
    rows.append(
        compare(
            f"bind 1,000 pairs, {name}", lambda: model.bind(a, b), lambda: torchhd.bind(ta, tb), repeats,
            limit=None if name == "HRR" else bare,
        )
    )  # fmt: skip

    if name == "BSC":  # an even number ties, which torch-hd breaks at random: compare the rest
        ones = plain(ta).sum(0)
        clear = ones * 2 != 1000
        equal((model.unpack(model.bundle(a)) < 0)[clear], plain(torchhd.multiset(ta))[clear])
        bundled = lambda: model.bundle(a)  # noqa: E731
    else:
        equal(model.superpose(a).to(ta.dtype), plain(torchhd.multiset(ta)), 1e-4 if close else 0.0)
        bundled = lambda: model.superpose(a)  # noqa: E731
    rows.append(compare(f"bundle (multiset) of 1,000, {name}", bundled, lambda: torchhd.multiset(ta), repeats))

    rows.append(compare(f"permute 1,000, {name}", lambda: model.permute(a), lambda: torchhd.permute(ta), repeats))

    # Runs of three, an eighth of the sequences at a time as torch-hd materialises [batch, length, D].
    def trigrams_of(part: Tensor) -> Tensor:
        return torchhd.ngrams(titems[part], n=3)

    few = sequences[:4]
    if name == "BSC":
        ours, others = model.unpack(model.bundle_runs(items, few, 3)) < 0, plain(trigrams_of(few))
        clear = model.superpose_runs(items, few, 3) != 0
        equal(ours[clear], others[clear])
    elif name == "HRR":
        # torch-hd rotates, which commutes with convolution; the same sums with our permutation instead
        x = items[few]
        bound = torchhd.bind(
            torchhd.bind(theirs_of(model, model.permute(x[:, :-2], 2)), theirs_of(model, model.permute(x[:, 1:-1]))),
            theirs_of(model, x[:, 2:]),
        )
        equal(model.superpose_runs(items, few, 3), plain(torchhd.multiset(bound)), 1e-3)
    else:
        equal(model.superpose_runs(items, few, 3).to(ta.dtype), plain(trigrams_of(few)), 1e-3 if close else 0.0)
    encode = model.bundle_runs if name == "BSC" else model.superpose_runs
    slow = max(1, repeats // 2)
    rows.append(
        compare(
            f"trigrams of 256 sequences of 64, {name}",
            lambda: encode(items, sequences, 3),
            lambda: trigrams_of(sequences[:32]),
            slow,
            8,
            packed_limit(sequences) if name in ("MAP", "BSC") else None,
        )
    )

    similarity = plain(torchhd.cosine_similarity(ta, tb))
    if name != "BSC":  # torch-hd's cosine of bits is of 0 and 1; Hamming below is the comparison that is the same
        equal(model.similarity(a, b), similarity, 7e-5 if name == "FHRR" else 1e-6)  # what `cosines` promises of 2 D
    x, y = (model.unpack(v) if isinstance(model, BSC) else v for v in (a, b))
    if x.is_complex():
        x, y = torch.view_as_real(x).flatten(-2), torch.view_as_real(y).flatten(-2)
    product = (lambda: torch._int_mm(x, y.T)) if x.dtype is torch.int8 else (lambda: x @ y.T)
    rows.append(
        compare(
            f"similarity 1,000 × 1,000, {name} (torch-hd: cosine)", lambda: model.similarity(a, b),
            lambda: torchhd.cosine_similarity(ta, tb), repeats, limit=product,
        )
    )  # fmt: skip
    if name == "BSC":
        theirs = plain(torchhd.hamming_similarity(ta[:100], tb)).to(torch.float32)
        equal(D - model.hamming(a[:100], b), theirs, 0.5)
        rows.append(
            compare(
                "similarity 100 × 1,000, BSC (torch-hd: Hamming)", lambda: model.similarity(a[:100], b),
                lambda: torchhd.hamming_similarity(ta[:10], tb), slow, 10,
            )
        )  # fmt: skip
    return rows


def packed_limit(sequences: Tensor) -> Callable[[], object]:
    """The earlier measured limit: rows of a table of all trigrams, unpacked and counted as bytes."""
    width = 160
    items = np.random.default_rng(1).integers(0, 2**63, size=(27, width), dtype=np.uint64)
    table = np.roll(items, 2, 1)[:, None, None] ^ np.roll(items, 1, 1)[None, :, None] ^ items[None, None]
    index = sequences.numpy()

    def encode():
        ones = np.empty((len(index), width * 64), dtype=bool)
        for i, s in enumerate(index):
            runs = table[s[:-2], s[1:-1], s[2:]]
            ones[i] = np.unpackbits(runs.view(np.uint8), axis=1).sum(0, dtype=np.uint8) > 31
        return np.packbits(ones, axis=1)

    return encode


def records(repeats: int) -> dict:
    """8×8 images as records: place bound with grey level, bundled, one hypervector an image."""
    import torchhd
    from sklearn.datasets import load_digits

    pixels = torch.tensor(load_digits().data, dtype=torch.float32)  # 0 .. 16
    model = MAP(D)
    places, greys = model.random(64), Level(model, 0.0, 16.0, 17)

    def ours() -> Tensor:
        table = model.bind(places[:, None], greys.vectors).flatten(0, 1)
        return model.bundle_rows(table, greys.index(pixels) + 17 * torch.arange(64))

    keys = places.float().as_subclass(torchhd.MAPTensor)
    levels = torchhd.embeddings.Level(17, D, low=0, high=16)
    levels.weight.data = greys.vectors.float().as_subclass(torchhd.MAPTensor)

    def theirs_of(part: Tensor) -> Tensor:
        return torchhd.normalize(torchhd.multiset(torchhd.bind(keys, levels(part))))

    with torch.no_grad():
        few = pixels[:64]
        sums = model.superpose_rows(
            model.bind(places[:, None], greys.vectors).flatten(0, 1), greys.index(few) + 17 * torch.arange(64)
        )
        # torch-hd makes +1 of nothing but positive sums; ours breaks ties: compare the rest
        equal(ours()[:64][sums != 0].float(), plain(theirs_of(few))[sums != 0])
        part = pixels[:64]
        return compare(
            "records of 1,797 8×8 images, MAP", ours, lambda: theirs_of(part), max(1, repeats // 2), len(pixels) / 64
        )


def fixed_point_errors(repeats: int) -> list[dict]:
    """Cosines of phases in each fixed-point form against float64, between strangers and of each with itself."""
    a, b = (torch.view_as_real(FHRR(D, seed).random(1000)).flatten(-2) for seed in (0, 1))
    strangers, itself = (float_cosines(a.double(), side.double()) for side in (b, a))
    rows = []
    for form in (TWO_PRODUCTS, THREE_PRODUCTS):
        cosines = partial(fixed_point_cosines, a, form=form)
        errors, own = cosines(b) - strangers, (cosines(a) - itself).diagonal()
        rows.append(
            {
                "int8_products": form.num_products,
                "rms_error": errors.square().mean().sqrt().item(), "largest_error": errors.abs().max().item(),
                "rms_error_itself": own.square().mean().sqrt().item(), "largest_error_itself": own.abs().max().item(),
                "ms": statistics.median(blocks(partial(cosines, b), BLOCK) for _ in range(repeats)) * 1e3,
            }
        )  # fmt: skip
        print(json.dumps({key: _short(value) for key, value in rows[-1].items()}), flush=True)
    return rows


# What a row must reach, times torch-hd; "limit" is the bare kernel.
AIMS = {
    "bind 1,000 pairs, MAP": "10 ×", "bind 1,000 pairs, BSC": "8 ×", "bind 1,000 pairs, HRR": "1 ×",
    "bind 1,000 pairs, FHRR": "1 ×", "bundle (multiset) of 1,000, MAP": "1 ×",
    "bundle (multiset) of 1,000, BSC": "8 ×", "trigrams of 256 sequences of 64, MAP": "20 ×",
    "trigrams of 256 sequences of 64, BSC": "25 ×, 2 × limit", "trigrams of 256 sequences of 64, HRR": "8 ×",
    "trigrams of 256 sequences of 64, FHRR": "8 ×",
    "similarity 1,000 × 1,000, MAP (torch-hd: cosine)": "10 ×, 1.5 × limit",
    "similarity 1,000 × 1,000, BSC (torch-hd: cosine)": "10 ×, 1.5 × limit",
    "similarity 1,000 × 1,000, FHRR (torch-hd: cosine)": "3 ×", "records of 1,797 8×8 images, MAP": "20 ×",
}  # fmt: skip


def markdown(rows: list[dict]) -> str:
    """The table of the results page."""

    def number(value: float) -> str:
        return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"

    def cell(median: float, ends: list[float], unit: str = "") -> str:
        return f"{number(median)}{unit} ({number(ends[0])}–{number(ends[1])})"

    lines = []
    for row in rows:
        limit = f"{number(row['limit_ms'])}, {row['of_limit']:.2f} ×" if "limit_ms" in row else ""
        ours, theirs = (cell(row[f"{side}_ms"], row[f"{side}_range_ms"]) for side in ("ours", "theirs"))
        faster = cell(row["times_faster"], row["times_faster_range"], " ×")
        lines.append([row["work"], ours, theirs, faster, limit, AIMS.get(row["work"], "")])
    return measuring.table(["work", "here, ms", "torch-hd, ms", "faster", "limit, ms; here", "aim"], lines)


def machine() -> dict:
    model = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if "model name" in line), "")
    load = os.getloadavg()[0] if sys.platform != "win32" else 0.0
    return {
        "cpu": model, "cores": os.cpu_count(), "threads": torch.get_num_threads(), "load": round(load, 1),
        "python": platform.python_version(), "torch": torch.__version__, "numpy": np.__version__,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=7, help="blocks of each side of a row")
    parser.add_argument("--out", type=Path, help="write all rows as JSON")
    options = parser.parse_args()
    torch.set_num_threads(1)
    found: dict = {"machine": machine()}
    print(json.dumps(found["machine"]))
    with torch.no_grad():
        found["speed"] = speed(options.turns)
        found["fixed_point"] = fixed_point_errors(options.turns)
    found["machine_after"] = machine()
    if options.out:
        options.out.write_text(json.dumps(found, indent=1) + "\n")
    print(markdown(found["speed"]))


if __name__ == "__main__":
    main()
