"""Encoders by name: those of nesy, and those that an installed package offers.

A package adds one under the entry point group `nesy.encoders`; its name is what `[encoder] kind` in a task
says. Nothing of it is imported before a task asks for that name.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import entry_points
from typing import Final

from nesy.errors import TaskError, near_name
from nesy.perception.encoder import Encoder

GROUP: Final = "nesy.encoders"
BUILT_IN: Final = {
    "image": "nesy.perception.image.encoder:ImageEncoder",
    "story": "nesy.perception.text.story_encoder:StoryEncoder",
    "story-transformer": "nesy.perception.transformer.story_encoder:StoryTransformerEncoder",
    "table": "nesy.perception.table.encoder:TableEncoder",
    "text": "nesy.perception.text.encoder:TextEncoder",
    "transformer": "nesy.perception.transformer.encoder:TransformerEncoder",
}


def encoder_names() -> list[str]:
    """All names that `encoder_class` knows."""
    return sorted({*BUILT_IN, *(point.name for point in entry_points(group=GROUP))})


def encoder_class(kind: str) -> type[Encoder]:
    """The encoder class of a name.

    Raises: TaskError for a name that nothing offers, or one whose package does not hold an encoder.
    """
    if kind in BUILT_IN:
        module, name = BUILT_IN[kind].split(":")
        return getattr(import_module(module), name)
    for point in entry_points(group=GROUP, name=kind):
        found = point.load()
        if isinstance(found, type) and issubclass(found, Encoder):
            return found
        raise TaskError(
            f"the package that offers encoder `{kind}` gives `{point.value}`, which is not an Encoder class"
        )
    known = encoder_names()
    near = near_name(kind, known)
    hint = f"did you mean `{near}`?" if near else f"there are {', '.join(known)}"
    raise TaskError(f"unknown encoder kind `{kind}`: {hint}")


def encoder_kind(encoder: Encoder) -> str:
    """The name under which `encoder_class` gives the class of an encoder.

    Raises: TaskError for an encoder that has no name: a run folder could not be loaded again.
    """
    place = f"{type(encoder).__module__}:{type(encoder).__qualname__}"
    for name, built_in in BUILT_IN.items():
        if built_in == place:
            return name
    for point in entry_points(group=GROUP):
        if point.value == place:
            return point.name
    raise TaskError(f"{type(encoder).__name__} has no name: offer it under the entry point group `{GROUP}`")
