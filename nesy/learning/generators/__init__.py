"""Generators of rows, by name.

A generator is a function

    rows(split: "train" | "dev" | "test", seed: int, epoch: int, *, OPTION: TYPE = DEFAULT, ...) -> list[dict]

that gives records like those of a data file: the columns that the encoder reads, the answer, and `concepts` where
the truth of neural predicates is known, as `{"digit": [[0, 7], [1, 2]]}`. The same arguments give the same rows.
`dev` and `test` rows are asked for with seed 0 and epoch 0 whatever the training seed is; `train` rows with the
training seed, and anew in each epoch where task.toml says `redraw = true`. Its keyword-only parameters are the
options of `[data.options]`, checked against their annotations (int, float, str, bool). One that has an option
`path` takes the place that `--data PATH` names.

A package of the user's own adds one by an entry point in the group `nesy.generators`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import entry_points
from types import MappingProxyType
from typing import Any, get_type_hints

from nesy.errors import TaskError, near_name
from nesy.learning.data import Located

BUILT_IN: Mapping[str, str] = MappingProxyType(
    {
        "diabetes": "nesy.learning.generators.diabetes:rows",
        "digits": "nesy.learning.generators.digits:rows",
        "formula": "nesy.learning.generators.formula:rows",
        "kinship": "nesy.learning.generators.kinship:rows",
        "monotonicity": "nesy.learning.generators.monotonicity:rows",
        "negation": "nesy.learning.generators.negation:rows",
    }
)

_NOUNS = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}


@dataclass(frozen=True)
class Generator:
    """A generator with its options checked."""

    name: str
    function: Callable[..., list[dict[str, Any]]]
    options: Mapping[str, Any]

    def records(self, split: str, seed: int = 0, epoch: int = 0) -> list[Located]:
        """The records of a split."""
        made = self.function(split, seed, epoch, **self.options)
        return [Located(record, f"generator {self.name}, {split} row {i}") for i, record in enumerate(made, 1)]

    @property
    def takes_path(self) -> bool:
        """Whether it reads a data set from a place of the user's choice."""
        return "path" in _options_of(self.function)

    def with_path(self, path: str) -> Generator:
        """The same generator, reading from another place."""
        return Generator(self.name, self.function, MappingProxyType({**self.options, "path": path}))


def find_generator(name: str, options: Mapping[str, Any]) -> Generator:
    """A generator by its name in task.toml.

    Raises: TaskError for an unknown name or option, or an option of the wrong type.
    """
    installed = {point.name: point for point in entry_points(group="nesy.generators")}
    if name in BUILT_IN:
        module, _, attribute = BUILT_IN[name].partition(":")
        function = getattr(import_module(module), attribute)
    elif name in installed:
        function = installed[name].load()
    else:
        known = sorted({*BUILT_IN, *installed})
        near = near_name(name, known)
        hint = f"did you mean `{near}`?" if near else f"there are {', '.join(known)}"
        raise TaskError(f"there is no generator `{name}`: {hint}")
    known_options = _options_of(function)
    for option, value in options.items():
        if option not in known_options:
            near = near_name(option, known_options)
            hint = f"did you mean `{near}`?" if near else f"its options are {', '.join(known_options) or 'none'}"
            raise TaskError(f"the generator `{name}` has no option `{option}`: {hint}")
        if not _fits(known_options[option], value):
            noun = _NOUNS.get(known_options[option], "something else")
            raise TaskError(f"the option `{option}` of the generator `{name}` must be {noun}, not {value!r}")
    return Generator(name, function, MappingProxyType(dict(options)))


def _options_of(function: Callable[..., Any]) -> dict[str, type]:
    hints = get_type_hints(function)
    parameters = inspect.signature(function).parameters.values()
    return {p.name: hints.get(p.name, object) for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY}


def _fits(expected: type, value: object) -> bool:
    if expected is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if expected is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, expected)
