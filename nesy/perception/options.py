"""The `[encoder]` table of a task as a frozen dataclass: unknown keys, wrong types and bad values are refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, fields
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from nesy.errors import TaskError, near_name

OptionsT = TypeVar("OptionsT")

_NOUNS = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}


@dataclass(frozen=True)
class Bounds:
    """The numbers an option may be."""

    low: float
    high: float


def within(low: float, high: float) -> Mapping[str, Bounds]:
    """Metadata of an option that is a number: both ends are allowed."""
    return {"bounds": Bounds(low, high)}


def read_options(schema: type[OptionsT], written: Mapping[str, Any], kind: str) -> OptionsT:
    """The options of an encoder kind; `kind` itself is skipped.

    Raises: TaskError for a key that is unknown, missing, of a wrong type or out of bounds.
    """
    known: dict[str, Field[Any]] = {spec.name: spec for spec in fields(schema)}  # type: ignore[arg-type]
    hints = get_type_hints(schema)
    values: dict[str, Any] = {}
    for name, value in written.items():
        if name == "kind":
            continue
        if name not in known:
            near = near_name(name, known)
            hint = f"did you mean `{near}`?" if near else f"its options are {', '.join(known)}"
            raise TaskError(f"[encoder] of kind `{kind}` has no option `{name}`: {hint}")
        values[name] = _checked(name, value, hints[name], known[name])
    for name, spec in known.items():
        if name not in values and spec.default is MISSING and spec.default_factory is MISSING:
            raise TaskError(f"[encoder] of kind `{kind}` needs the option `{name}`")
    return schema(**values)


def _checked(name: str, value: object, hint: Any, spec: Field[Any]) -> object:
    if get_origin(hint) is Literal:
        options = get_args(hint)
        if value in options:
            return value
        near = near_name(value, options) if isinstance(value, str) else None
        ending = f"; did you mean `{near}`?" if near else ""
        raise TaskError(f"option `{name}` of [encoder] must be one of {', '.join(options)}, not {value!r}{ending}")
    if get_origin(hint) is tuple:
        if isinstance(value, list | tuple) and all(_is(item, get_args(hint)[0]) for item in value):
            return tuple(value)
        raise TaskError(f"option `{name}` of [encoder] must be a list, each {_NOUNS[get_args(hint)[0]]}, not {value!r}")
    if not _is(value, hint):
        raise TaskError(f"option `{name}` of [encoder] must be {_NOUNS[hint]}, not {value!r}")
    bounds = spec.metadata.get("bounds")
    if isinstance(bounds, Bounds) and isinstance(value, int | float) and not bounds.low <= value <= bounds.high:
        raise TaskError(f"option `{name}` of [encoder] must be from {bounds.low:g} to {bounds.high:g}, not {value!r}")
    return float(value) if hint is float and isinstance(value, int) else value


def _is(value: object, expected: Any) -> bool:
    if expected is bool or isinstance(value, bool):
        return expected is bool and isinstance(value, bool)
    return isinstance(value, int | float) if expected is float else isinstance(value, expected)
