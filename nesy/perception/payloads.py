"""Reading a payload's fields, with errors that name the field."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from nesy.errors import DataError, TaskError, near_name
from nesy.language.core import Signature
from nesy.language.values import Value
from nesy.perception.encoder import Keys, Payload


def field_of(payload: Payload, name: str) -> Any:
    """A field that must be there. Raises: DataError with the nearest name"""
    if name in payload:
        return payload[name]
    near = near_name(name, payload)
    known = ", ".join(f"`{key}`" for key in payload) or "none"
    hint = f"did you mean `{near}`?" if near else f"its fields are {known}"
    raise DataError(f"the encoder reads the field `{name}`, which the input does not have: {hint}")


def text_of(payload: Payload, name: str) -> str:
    """A field that must hold a text. Raises: DataError"""
    text = field_of(payload, name)
    if not isinstance(text, str):
        raise DataError(f"field `{name}`: expected a text, found {text!r:.60}")
    return text


def rows_of(payload: Payload, signatures: Iterable[Signature]) -> dict[Signature, list[tuple[Value, ...]]]:
    """Facts that an input brings along itself: a field named as an `#input` predicate holds its rows.

    A row is a list of numbers and texts, or a single one for a predicate of one column. A predicate without a
    field has no rows. Raises: DataError
    """
    return {signature: _rows(payload.get(signature.name, ()), signature) for signature in signatures}


def _rows(written: object, signature: Signature) -> list[tuple[Value, ...]]:
    if not isinstance(written, list | tuple):
        raise DataError(f"field `{signature.name}`: expected a list of rows of {signature}, found {written!r:.60}")
    rows: list[tuple[Value, ...]] = []
    for row in written:
        values: Sequence[Any] = row if isinstance(row, list | tuple) else (row,)
        if len(values) != signature.arity:
            raise DataError(f"field `{signature.name}`: {signature} needs {signature.arity} values, found {row!r:.60}")
        for value in values:
            if isinstance(value, bool) or not isinstance(value, int | float | str):
                raise DataError(f"field `{signature.name}`: expected numbers and texts, found {value!r:.60}")
        rows.append(tuple(values))
    return rows


def check_samples(predicate: str, keys: Keys) -> None:
    """Refuse keys that belong to no input. Raises: TaskError"""
    if len(keys) and int(keys.sample.min()) < 0:
        raise TaskError(
            f"the neural predicate `{predicate}` does not depend on the input: all inputs would share one draw. "
            "Give its declaration a condition over an `#input` predicate"
        )
