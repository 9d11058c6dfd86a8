"""`--device auto|cpu|cuda`: the one place where a device is chosen."""

from __future__ import annotations

import torch

from nesy.errors import NesyError


def choose_device(name: str = "auto") -> torch.device:
    """The device of a name; `auto` takes a GPU where torch sees one.

    Raises: NesyError for an unknown name, or for a GPU that is not there.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise NesyError(f"unknown device `{name}`: it is auto, cpu, cuda, or cuda:N") from None
    if device.type == "cuda" and not torch.cuda.is_available():
        raise NesyError(f"device `{name}`: torch sees no GPU here; use --device cpu (or auto)")
    if device.type not in ("cpu", "cuda"):
        raise NesyError(f"unknown device `{name}`: it is auto, cpu, cuda, or cuda:N")
    return device
