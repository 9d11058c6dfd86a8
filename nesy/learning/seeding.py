"""Randomness that depends on a seed and a purpose alone, never on what was drawn before.

Every use draws from a stream of its own, named by (seed, purpose, epoch). So a resumed run needs no saved state of a
generator, and a new use of randomness changes none of the others.
"""

from __future__ import annotations

import hashlib

import torch


def stream(seed: int, purpose: str, epoch: int = 0) -> torch.Generator:
    """A generator on the CPU for one purpose."""
    return torch.Generator().manual_seed(number(seed, purpose, epoch))


def number(seed: int, purpose: str, epoch: int = 0) -> int:
    """A 63-bit seed for one purpose.

    >>> number(0, "batches") == number(0, "batches") != number(1, "batches")
    True
    """
    digest = hashlib.blake2b(f"{seed}/{purpose}/{epoch}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def permutation(length: int, seed: int, purpose: str, epoch: int = 0) -> list[int]:
    """The numbers 0 .. length-1 in random order."""
    return torch.randperm(length, generator=stream(seed, purpose, epoch)).tolist()
