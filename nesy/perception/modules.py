"""Plain torch modules as an encoder, one for each neural predicate: for loops of one's own, from Python.

A payload holds tensors: a field `image` of the shape [n, ...] (or a list of n tensors) gives the facts `image(0)` ..
`image(n - 1)` of an `#input image(index)`, and a key `i` of a neural predicate is its i-th part; a key of no columns is
the whole field. Other `#input` predicates have their rows in the field of their name. A module takes the parts stacked,
[K, ...], and gives a score for each outcome, [K, V].

Python code is not saved: a model of plain modules is no run folder; one of an encoder with a name is (`registry`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NoReturn, final

import torch
from torch import Tensor, nn

from nesy.errors import DataError, RunError, TaskError, near_name
from nesy.language.core import Signature
from nesy.language.values import Value, format_value
from nesy.perception.encoder import Encoder, Facts, Interface, Keys, Payload, Sighting
from nesy.perception.payloads import check_samples, field_of, rows_of

_NO_CODE: Final = "a model of plain torch modules is Python code, which a run folder does not hold: make it an Encoder"


@final
class Modules(Encoder):
    """See the module's text."""

    def __init__(self, modules: nn.Module | Mapping[str, nn.Module], interface: Interface):
        super().__init__()
        self.interface = interface
        names = list(interface.neural)
        if isinstance(modules, nn.ModuleDict):
            modules = dict(modules.items())
        if isinstance(modules, nn.Module):
            if len(names) != 1:
                raise TaskError(
                    f"one module stands for one neural predicate, and the program has {len(names)}: give a mapping "
                    'such as {"digit": module}'
                )
            modules = {names[0]: modules}
        for name in modules:
            if name not in names:
                near = near_name(name, names)
                raise TaskError(
                    f"no neural predicate is called `{name}`" + (f": did you mean `{near}`?" if near else "")
                )
        for name in names:
            if name not in modules:
                raise TaskError(f"the neural predicate `{name}` has no module")
        self.modules_of = nn.ModuleDict(dict(modules))

    @classmethod
    def build(
        cls, options: Mapping[str, Any], interface: Interface, payloads: Sequence[Payload], seed: int
    ) -> NoReturn:
        raise TaskError(_NO_CODE)

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> NoReturn:
        raise RunError(_NO_CODE)

    def config(self) -> NoReturn:
        raise RunError(_NO_CODE)

    def facts(self, payload: Payload) -> Facts:
        found: dict[Signature, list[tuple[Value, ...]]] = {}
        for signature in self.interface.inputs:
            parts = payload.get(signature.name, ())
            if _is_tensors(parts) and signature.arity == 1:
                found[signature] = [(i,) for i in range(len(parts))]
            else:
                found |= rows_of(payload, [signature])
        return found

    def forward(self, payloads: Sequence[Payload], requests: Mapping[str, Keys]) -> dict[str, Tensor]:
        scores = {}
        for name, keys in requests.items():
            check_samples(name, keys)
            parts = [
                _part(payloads[sample], name, key) for sample, key in zip(keys.sample.tolist(), keys.key, strict=True)
            ]
            score = self.modules_of[name](torch.stack(parts).to(self.device))
            width = self.interface.num_scores[name]
            if score.shape == (len(keys),) and width == 1:
                score = score[:, None]
            if score.shape != (len(keys), width):
                raise TaskError(
                    f"the module of `{name}` gave scores of the shape {list(score.shape)}, where {len(keys)} keys of "
                    f"{width} outcomes need {[len(keys), width]}"
                )
            scores[name] = score
        return scores

    def sighting(self, payload: Payload, predicate: str, key: tuple[Value, ...]) -> Sighting:
        inside = ",".join(map(format_value, key))
        return Sighting(f"{_field(payload, predicate)}{f'[{inside}]' if key else ''}")

    def payload_of(self, typed: str) -> Payload:
        raise DataError("plain torch modules read tensors, which cannot be typed: ask with a payload")

    @property
    def device(self) -> torch.device:
        return next((parameter.device for parameter in self.parameters()), torch.device("cpu"))


def _is_tensors(value: object) -> bool:
    return isinstance(value, Tensor) or (
        isinstance(value, list | tuple) and bool(value) and all(isinstance(part, Tensor) for part in value)
    )


def _field(payload: Payload, predicate: str) -> str:
    """Which field a predicate's module reads: the one of its name, or the only one that holds tensors."""
    if predicate in payload:
        return predicate
    fields = [name for name, value in payload.items() if _is_tensors(value)]
    if len(fields) == 1:
        return fields[0]
    have = ", ".join(f"`{name}`" for name in fields) or "none"
    raise DataError(
        f"the module of `{predicate}` reads the field of its name, or the only one of tensors; the input has {have}"
    )


def _part(payload: Payload, predicate: str, key: tuple[Value, ...]) -> Tensor:
    name = _field(payload, predicate)
    value = field_of(payload, name)
    match key:
        case () if isinstance(value, Tensor):
            return value
        case (int(i),) if _is_tensors(value) and 0 <= i < len(value):
            return value[i]
    inside = ",".join(map(format_value, key))
    raise DataError(f"`{predicate}({inside})` asks for a part of the field `{name}` that is not there")
