"""The models that tests run over: each class, in each form that changes what holds of it."""

from __future__ import annotations

import torch

from nesy.hdc import BSC, FHRR, HRR, MAP, SBC, VSA, VTB

MAKERS = {
    "MAP int8": lambda dim, seed: MAP(dim, seed),
    "MAP float32": lambda dim, seed: MAP(dim, seed, torch.float32),
    "BSC": lambda dim, seed: BSC(dim, seed),
    "HRR": lambda dim, seed: HRR(dim, seed),
    "HRR unitary": lambda dim, seed: HRR(dim, seed, unitary=True),
    "FHRR": lambda dim, seed: FHRR(dim, seed),
    "SBC": lambda dim, seed: SBC(dim, seed, block_size=64),
    "SBC full byte": lambda dim, seed: SBC(dim, seed),
    "SBC of 5": lambda dim, seed: SBC(dim, seed, torch.int16, block_size=5),
    "VTB": lambda dim, seed: VTB(dim, seed),
}


def close(model: VSA, a: torch.Tensor, b: torch.Tensor) -> bool:
    """Equal; where the model rounds, up to rounding in all but one number of a thousand.

    (A phase near nothing, from two that cancel, is all rounding.)
    """
    if a.shape != b.shape:
        return False
    if a.dtype.is_floating_point or a.dtype.is_complex:
        size = 1 if model.name in ("MAP", "FHRR") else model.dim**-0.5
        return bool(((a - b).abs() < 1e-3 * size).to(torch.float32).mean() > 0.999)
    return torch.equal(a, b)
