"""Explanations: one story per answer, drawn as a terminal tree, JSON, or a picture.

tell                                  proofs over a derivation graph -> Story
to_text, to_console, to_dict          a story for the terminal, and as data
Sighting, Saw                         what an encoder saw in the input, told by the caller
"""

from nesy.explanation.data import to_dict
from nesy.explanation.story import Blame, Saw, Section, Sighting, Step, Story
from nesy.explanation.tell import tell
from nesy.explanation.terminal import render, to_console, to_text

__all__ = ["Blame", "Saw", "Section", "Sighting", "Step", "Story", "render", "tell", "to_console", "to_dict", "to_text"]
