"""The literals of a body, as node numbers, for each row of a table that has recorded its matches."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nesy.reasoning.evaluation.joins import Table
from nesy.reasoning.evaluation.kernels import Index, Mask
from nesy.reasoning.evaluation.rules import AggregateForm, BodyAtom, BodyItem
from nesy.reasoning.evaluation.state import State


def body_literals(items: Sequence[BodyItem], table: Table, state: State) -> tuple[Index, Mask]:
    """The literals of each assignment's body, in the order written, and whether they all hold in every world."""
    base_of = state.recorder.base_of if state.recorder else {}
    certain = np.ones(table.size, dtype=np.bool_)
    literals: list[Index] = []
    for item in items:
        match item:
            case BodyAtom(position, signature, _, negated) if position >= 0:
                row = table.rows[position]
                known = state.is_certain(signature, row)
                certain &= (row < 0) if negated else known
                literals.append(np.where(row < 0, -1, 2 * (base_of.get(signature, 0) + row) + negated))
            case AggregateForm(position):
                node = table.rows[position]
                certain &= node < 0
                literals.append(np.where(node < 0, -1, 2 * node))
            case _:
                pass
    body = np.column_stack(literals) if literals else np.empty((table.size, 0), dtype=np.int64)
    return body, certain
