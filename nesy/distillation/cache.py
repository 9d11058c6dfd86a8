"""What a teacher said, kept on disk by content: the teacher's own digest and the input's text.

A cache is a folder of shards, each a safetensors file of keys and outputs, written atomically as soon as it is full.
So an interrupted computation loses at most one shard; seeds, folds and tasks share what is there; and another teacher
or another reading of the input (a length limit) has another digest, so nothing stale is ever found. A shard that
cannot be read is set aside with a note, and its inputs are computed again.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from nesy.learning.progress import Reporter

_SHARD = 1024  # inputs per file: some seconds of work on one core

Compute = Callable[[Sequence[str]], Tensor]  # texts -> [n, width]


def default_root() -> Path:
    """Where caches go: `$NESY_CACHE`, or the user's cache folder."""
    named = os.environ.get("NESY_CACHE")
    if named:
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "nesy"


@dataclass(frozen=True)
class OutputCache:
    """The outputs of one teacher under one reading of its inputs."""

    folder: Path
    width: int

    @classmethod
    def of(cls, root: Path, *, identity: str, kind: str, width: int) -> OutputCache:
        """The cache of a teacher; `kind` says what is kept and how inputs are read."""
        name = hashlib.sha256(f"{identity}\0{kind}\0{width}".encode()).hexdigest()[:32]
        return cls(root / "teachers" / name, width)

    def outputs(self, texts: Sequence[str], compute: Compute, batch_size: int, reporter: Reporter) -> Tensor:
        """The outputs of all texts, from the cache where they are there.

        Shapes: -> [N, width] float32
        """
        known = self._load(reporter)
        missing = [text for text in dict.fromkeys(texts) if key_of(text) not in known]
        # Like lengths together: a batch is as long as its longest input.
        missing.sort(key=len)
        if missing:
            reporter.stage("asking the teacher", -(-len(missing) // batch_size))
        pending: dict[bytes, Tensor] = {}
        for start in range(0, len(missing), batch_size):
            part = missing[start : start + batch_size]
            for text, row in zip(part, compute(part).float().cpu(), strict=True):
                pending[key_of(text)] = row
            reporter.step(len(part))
            if len(pending) >= _SHARD or start + batch_size >= len(missing):
                self._write(pending)
                known |= pending
                pending = {}
        if not texts:
            return torch.zeros(0, self.width)
        return torch.stack([known[key_of(text)] for text in texts])

    def _write(self, rows: dict[bytes, Tensor]) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        keys = torch.tensor([list(key) for key in rows], dtype=torch.uint8)
        tensors = {"key": keys, "output": torch.stack(list(rows.values())).contiguous()}
        name = hashlib.sha256(b"".join(sorted(rows))).hexdigest()[:24]
        scratch = self.folder / f".{name}.{os.getpid()}"
        save_file(tensors, scratch)
        os.replace(scratch, self.folder / f"{name}.safetensors")

    def _load(self, reporter: Reporter) -> dict[bytes, Tensor]:
        known: dict[bytes, Tensor] = {}
        for path in sorted(self.folder.glob("*.safetensors")):
            try:
                tensors = load_file(path)
                keys, output = tensors["key"], tensors["output"]
                if keys.ndim != 2 or output.shape != (len(keys), self.width) or not bool(output.isfinite().all()):
                    raise KeyError("shape")
            except (OSError, SafetensorError, KeyError):
                os.replace(path, path.with_suffix(".broken"))
                reporter.note(f"the teacher's cache {path} was cut off: set aside, its inputs are computed again")
                continue
            known |= {bytes(key): row for key, row in zip(keys.tolist(), output, strict=True)}
        return known


def key_of(text: str) -> bytes:
    """The key of an input."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
