"""Sum-product where a formula allows it as it stands: no compiling, linear in its gates.

A conjunction whose inputs depend on different branches is a product (it is decomposable). A disjunction is a sum if
its inputs exclude each other (it is deterministic); one of independent inputs becomes so by going through them in
order: the first holds, or it does not and the second does, and so on. Where a gate that is needed is neither, there is
no plan, and the formula has to be compiled.

Source: Darwiche, Marquis, "A knowledge compilation map", JAIR 2002, for the two properties.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from nesy.reasoning.compilation.circuit import ONE, ZERO, CircuitBuilder
from nesy.reasoning.compilation.families import Allowed, Families
from nesy.reasoning.compilation.formula import Always, And, Formula, Leaf, Shape
from nesy.reasoning.derivation import Index

_MOST_BITS = 1 << 29  # supports are sets of branches as bits: beyond this they cost more than compiling
_MOST_PAIRS = 64  # inputs of a disjunction that are compared pair by pair


@dataclass(frozen=True)
class Plan:
    """Which literals are needed, and whether each needed gate is decomposable."""

    needed: tuple[int, ...]  # ascending, so that a literal stands behind those it needs
    is_decomposable: Mapping[int, bool]  # gate -> its inputs depend on different branches


def plan(formula: Formula) -> Plan | None:
    """How to read the targets off without compiling, or None where some gate needs more."""
    shape = formula.shape
    if shape.conditions or not shape.targets or len(shape.gates) * len(shape.num_outcomes) > _MOST_BITS:
        return None
    if not all(isinstance(gate, Always | Leaf | And) for gate in shape.gates):
        return None
    support = _supports(shape)
    allowed: dict[int, Allowed] = {}
    known: Families | None = None
    needed = set(shape.targets)
    is_decomposable: dict[int, bool] = {}
    for number in range(len(shape.gates) - 1, -1, -1):
        gate = shape.gates[number]
        wanted = [literal for literal in (2 * number, 2 * number + 1) if literal in needed]
        if not wanted or not isinstance(gate, And):
            continue
        parts = [support[literal >> 1] for literal in gate.inputs]
        together = 0
        for part in parts:
            together |= part
        is_decomposable[number] = sum(part.bit_count() for part in parts) == together.bit_count()
        if is_decomposable[number]:
            needed.update(gate.inputs)
            if 2 * number + 1 in needed:
                needed.update(literal ^ 1 for literal in gate.inputs)
        elif 2 * number in needed:
            return None
        else:
            # Families cost most where they are found, so only when they are needed; then they are a look.
            is_known = known is not None and 2 * number + 1 in known
            if not is_known and not _exclude([literal ^ 1 for literal in gate.inputs], shape, allowed):
                known = known or families(formula, support, allowed)
                if 2 * number + 1 not in known:
                    return None
            needed.update(literal ^ 1 for literal in gate.inputs)
    return Plan(tuple(sorted(needed)), is_decomposable)


def emit(shape: Shape, found: Plan, weights: Index, builder: CircuitBuilder) -> list[int]:
    """The row of each target.

    Shapes: weights [branches, outcomes + 1], the row of each outcome's probability; the last is that of no outcome
    """
    row: dict[int, int] = {0: ONE, 1: ZERO}
    edges: tuple[list[int], list[int], list[int]] = ([], [], [])  # out, left, right: added at once, which costs less

    def total(left: Sequence[int], right: Sequence[int]) -> int:
        out = builder.rows(1)
        for places, more in zip(edges, ([out] * len(left), left, right), strict=True):
            places.extend(more)
        return out

    for literal in found.needed:
        gate = shape.gates[literal >> 1]
        match gate:
            case Leaf(branch, outcome) if not literal & 1:
                row[literal] = int(weights[branch, outcome])
            case Leaf(branch, outcome):
                size = shape.num_outcomes[branch]
                others = [int(weights[branch, o]) for o in range(size) if o != outcome] + [int(weights[branch, -1])]
                row[literal] = others[0] if len(others) == 1 else total(others, [ONE] * len(others))
            case And(inputs) if not found.is_decomposable[literal >> 1]:
                row[literal] = total([row[i ^ 1] for i in inputs], [ONE] * len(inputs))
            case And(inputs):
                before = [ONE]  # the chance that all inputs so far hold
                for i in inputs[:-1] if literal & 1 else inputs:
                    before.append(row[i] if before[-1] == ONE else total([before[-1]], [row[i]]))
                row[literal] = before[-1] if not literal & 1 else total(before, [row[i ^ 1] for i in inputs])
            case _:
                pass
    builder.add(*(np.array(places, dtype=np.int64) for places in edges))
    return [row[target] for target in shape.targets]


def families(
    formula: Formula, support: Sequence[int] | None = None, allowed: dict[int, Allowed] | None = None
) -> Families:
    """The families of a formula; what is known of it already need not be found again."""
    restricted: dict[int, Allowed] = {} if allowed is None else allowed
    branches = _supports(formula.shape) if support is None else support
    found = Families(formula.shape, branches, lambda literal: _allowed(literal, formula.shape, restricted))
    found.find(formula.kin)
    return found


def _supports(shape: Shape) -> list[int]:
    """The branches that each gate depends on, as bits."""
    support: list[int] = []
    for gate in shape.gates:
        bits = 0
        match gate:
            case Leaf(branch, _):
                bits = 1 << branch
            case And(inputs):
                for literal in inputs:
                    bits |= support[literal >> 1]
            case _:
                pass
        support.append(bits)
    return support


def _exclude(literals: Sequence[int], shape: Shape, known: dict[int, Allowed]) -> bool:
    """Whether no two of the literals can hold together, as far as single branches tell."""
    allowed = [_allowed(literal, shape, known) for literal in literals]
    for branch in _common(allowed):
        seen = 0
        for one in allowed:
            if seen & one[branch]:
                break
            seen |= one[branch]
        else:
            return True
    if len(allowed) > _MOST_PAIRS:
        return False
    return all(
        any(not first[branch] & second[branch] for branch in first.keys() & second.keys())
        for number, first in enumerate(allowed)
        for second in allowed[:number]
    )


def _common(ways: Sequence[Allowed]) -> list[int]:
    """The branches that all of some literals restrict."""
    found = list(min(ways, key=len))
    for way in ways:
        if not found:
            break
        found = [branch for branch in found if branch in way]
    return found


def _allowed(literal: int, shape: Shape, known: dict[int, Allowed]) -> Allowed:
    """The outcomes of each branch with which a literal can hold; branches that do not restrict it are left out."""
    stack = [literal]
    while stack:
        current = stack[-1]
        gate = shape.gates[current >> 1]
        parts = [i ^ (current & 1) for i in gate.inputs] if isinstance(gate, And) else []
        missing = [part for part in parts if part not in known]
        if missing and current not in known:
            stack.extend(missing)
            continue
        stack.pop()
        if current not in known:
            known[current] = _restricted(current, parts, shape, known)
    return known[literal]


def _restricted(literal: int, parts: Sequence[int], shape: Shape, known: Mapping[int, Allowed]) -> Allowed:
    match shape.gates[literal >> 1]:
        case Leaf(branch, outcome):
            every = (2 << shape.num_outcomes[branch]) - 1  # one bit more: that none of the outcomes comes out
            return {branch: every ^ (1 << outcome) if literal & 1 else 1 << outcome}
        case And() if not literal & 1:
            found: dict[int, int] = {}
            for part in parts:
                for branch, outcomes in known[part].items():
                    found[branch] = found.get(branch, -1) & outcomes
            return found
        case And():
            ways = [known[part] for part in parts]
            either: dict[int, int] = {}
            for branch in _common(ways):
                outcomes = 0
                for way in ways:
                    outcomes |= way[branch]
                either[branch] = outcomes
            return either
        case _:
            return {}
