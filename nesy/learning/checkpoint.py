"""The state of an unfinished training: one file beside the run folder, replaced atomically after each epoch.

It holds tensors and JSON text (safetensors), never code. Everything random depends on (seed, purpose, epoch) alone,
so weights, the optimiser's moments and the epoch's number are all that is needed to go on bit for bit.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from nesy.errors import RunError

_FORMAT = "nesy-training-1"


@dataclass(frozen=True)
class StateFile:
    """Where the state of a training goes, and which training it is."""

    path: Path
    fingerprint: str

    @classmethod
    def beside(cls, run: Path, fingerprint: str) -> StateFile:
        """The state file of a run folder."""
        return cls(run.parent / f".{run.name}.training", fingerprint)

    def write(self, tensors: Mapping[str, Tensor], about: Mapping[str, Any]) -> None:
        """Replace the state; whoever reads sees the old one or the new one whole."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        scratch = self.path.with_name(self.path.name + ".new")
        text = json.dumps({"fingerprint": self.fingerprint, **about})
        plain = {name: tensor.detach().to("cpu", copy=True).contiguous() for name, tensor in tensors.items()}
        save_file(plain, scratch, metadata={"format": _FORMAT, "about": text})
        with scratch.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(scratch, self.path)

    def read(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """The state as it was written.

        Raises: RunError if it is broken, or belongs to a training with another seed, task or data.
        """
        try:
            with safe_open(self.path, framework="pt") as file:
                metadata = file.metadata() or {}
                tensors = {name: file.get_tensor(name) for name in file.keys()}
        except (OSError, SafetensorError) as error:
            raise RunError(f"{self.path}: not the state of a training: {error}") from None
        if metadata.get("format") != _FORMAT:
            raise RunError(f"{self.path}: not the state of a training that this nesy can go on with")
        about = json.loads(metadata["about"])
        if about.get("fingerprint") != self.fingerprint:
            raise RunError(
                f"{self.path}: belongs to a training with another task, rules, data, seed or option: "
                "start again without --resume, or choose another --out"
            )
        return tensors, about

    def exists(self) -> bool:
        return self.path.is_file()

    def is_mine(self) -> bool:
        """Whether there is a whole state, and it belongs to this very training."""
        try:
            self.read()
        except RunError:
            return False
        return True

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)


def pack(model: nn.Module, optimizer: torch.optim.Optimizer, best: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """All tensors of a training under names."""
    tensors = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    tensors |= {f"best.{name}": tensor for name, tensor in best.items()}
    for number, parameter in enumerate(_parameters(optimizer)):
        for name, value in optimizer.state.get(parameter, {}).items():
            tensors[f"optimizer.{number}.{name}"] = value if isinstance(value, Tensor) else torch.tensor(value)
    return tensors


def unpack(tensors: Mapping[str, Tensor], model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Put the tensors back to where `pack` took them from, and give the best weights.

    Raises: RunError where they do not fit.
    """
    try:
        model.load_state_dict(_under(tensors, "model."))
    except RuntimeError as error:
        raise RunError(f"the state does not fit the model: {error}") from None
    for number, parameter in enumerate(_parameters(optimizer)):
        state = _under(tensors, f"optimizer.{number}.")
        if state:
            # The step count stays where the optimiser keeps it: on the CPU.
            optimizer.state[parameter] = {
                name: value if name == "step" else value.to(parameter.device) for name, value in state.items()
            }
    return _under(tensors, "best.")


def _parameters(optimizer: torch.optim.Optimizer) -> list[Tensor]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]


def _under(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
