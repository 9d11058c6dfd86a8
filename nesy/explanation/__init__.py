"""Explanations: one story per answer, drawn as a terminal tree, JSON, or a picture.

tell                                  proofs over a derivation graph -> Story
to_text, to_console, to_dict          a story for the terminal, and as data
to_svg, to_png, to_html, to_dot, to_markdown      a story as a picture, a page, a graph file, a note
to_part, STYLE, SCRIPT                a story as a part of a larger page
blame                                 which leaves an answer rests on
tilt                                  which decisions, taken otherwise, make another answer the most probable
change_section, repair_section, why_not_section   what the solver found out, as sections of a story
Sighting, Saw                         what an encoder saw in the input, told by the caller
"""

from nesy.explanation.blame import blame
from nesy.explanation.data import to_dict
from nesy.explanation.dot import to_dot
from nesy.explanation.findings import change_section, influence_section, repair_section, why_not_section
from nesy.explanation.html import SCRIPT, STYLE, to_html, to_part
from nesy.explanation.markdown import to_markdown
from nesy.explanation.picture import to_png
from nesy.explanation.raster import to_raster
from nesy.explanation.story import Blame, Reason, RuleNote, Saw, Section, Sighting, Step, Story
from nesy.explanation.svg import to_svg
from nesy.explanation.tell import tell
from nesy.explanation.terminal import render, to_console, to_text
from nesy.explanation.tilt import tilt

__all__ = [
    "SCRIPT",
    "STYLE",
    "Blame",
    "Reason",
    "RuleNote",
    "Saw",
    "Section",
    "Sighting",
    "Step",
    "Story",
    "blame",
    "change_section",
    "influence_section",
    "render",
    "repair_section",
    "tell",
    "tilt",
    "to_console",
    "to_dict",
    "to_dot",
    "to_html",
    "to_markdown",
    "to_part",
    "to_png",
    "to_raster",
    "to_svg",
    "to_text",
    "why_not_section",
]
