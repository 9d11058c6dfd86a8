"""A decision diagram over random choices: what compiling makes, what circuits and best worlds are read from."""

from __future__ import annotations

from dataclasses import dataclass

from nesy.reasoning.derivation import Index


@dataclass(frozen=True, eq=False)
class Diagram:
    """States, and edges between them, each for one outcome of one branch of a `Shape`.

    State 0 is where nothing is decided; edges are sorted so that all edges into a state come before those out of it.
    Outcome -1 of a branch is "none of those that matter". In a `final` state all conditions hold and everything is
    decided; dead ends are left out. `holds[t]` are states in which target t holds, such
    that every path that makes it hold passes through exactly one of them. `unknown` are states that a budget left
    unexpanded.
    """

    num_states: int
    source: Index  # [E]
    target: Index  # [E]
    branch: Index  # [E]
    outcome: Index  # [E]
    final: Index
    holds: tuple[Index, ...]
    unknown: Index
