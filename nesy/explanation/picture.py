"""A story as a PNG, where the renderer is installed."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from nesy.errors import MissingExtraError
from nesy.explanation.story import Story
from nesy.explanation.svg import to_svg


def to_png(story: Story, zoom: int = 2) -> bytes:
    """The story's picture in pixels, `zoom` for each unit of the SVG.

    Raises: MissingExtraError without the renderer (resvg-py).
    """
    try:
        renderer: Any = import_module("resvg_py")
    except ImportError:
        raise MissingExtraError("a PNG picture", "picture") from None
    return bytes(renderer.svg_to_bytes(svg_string=to_svg(story), zoom=zoom))
