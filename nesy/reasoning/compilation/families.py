"""Families: literals of which at most one holds in each world, since they are the values of one thing.

The states of an automaton after k steps, the values of a part of a formula, the digit a picture shows: no single branch
tells two of them apart, but an induction does. The ways in which the members of a group hold are taken apart into their
inputs. If the inputs at each place belong to one family (or are outcomes of one branch), then two ways with different
inputs exclude each other; so if each combination of inputs leads to one member only, the members exclude each other,
and so do the ways of each.

A group is a guess (the atoms of one predicate that depend on the same branches), and what it says is proved.

Cost: linear in the ways and their inputs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import TypeAlias

from nesy.reasoning.compilation.formula import And, Leaf, Shape

Allowed: TypeAlias = Mapping[int, int]  # branch -> the outcomes (as bits) that a literal leaves possible

_MOST_LAYOUTS = 64  # of the ways of one group, compared pair by pair
_MOST_DRAWN = 256  # the same where places are compared, which costs less


@dataclass
class Families:
    """The families of a shape. `support` are the branches of each gate as bits, `allowed` those of a literal."""

    shape: Shape
    support: Sequence[int]
    allowed: Callable[[int], Allowed]
    _of: dict[int, set[int]] = field(default_factory=dict[int, set[int]])  # literal -> the families it is in
    _count: int = 0

    def find(self, groups: Iterable[Sequence[int]]) -> None:
        """Prove what can be proved of groups of literals that may exclude each other."""
        parts: dict[tuple[int, int], dict[int, None]] = {}
        for number, group in enumerate(groups):
            for literal in group:
                parts.setdefault((number, self.support[literal >> 1]), {})[literal] = None
        # Inputs depend on fewer branches than what they are inputs of, so small supports come first. Where a way is
        # another literal as it stands, its family may only be found in the next round.
        waiting = [tuple(part) for _, part in sorted(parts.items(), key=lambda item: item[0][1].bit_count())]
        while waiting:
            failed = [members for members in waiting if not self._admit(members)]
            waiting = failed if len(failed) < len(waiting) else []

    def _admit(self, members: Sequence[int]) -> bool:
        if not self._excludes(members):
            return False
        for literal in members:
            self._of.setdefault(literal, set()).add(self._count)
        self._count += 1
        return True

    def __contains__(self, literal: int) -> bool:
        """Whether a literal is in a family: then the ways in which it holds exclude each other."""
        return literal in self._of

    def members(self) -> Mapping[int, frozenset[int]]:
        """The literals that are in families, and the numbers of those."""
        return {literal: frozenset(numbers) for literal, numbers in self._of.items()}

    def _excludes(self, members: Sequence[int]) -> bool:
        member_of: dict[tuple[int, ...], int] = {}
        layouts: dict[tuple[int, ...], list[tuple[int, ...]]] = {}  # supports of the inputs -> inputs of such ways
        way_of: dict[tuple[int, ...], int] = {}
        for member in members:
            for way in self._ways(member):
                inputs = self._inputs(way)
                layout = tuple(self.support[literal >> 1] for literal in inputs)
                if sum(bits.bit_count() for bits in layout) != self.support[way >> 1].bit_count():
                    return False  # not decomposable: what the inputs share may be more than they show
                if member_of.setdefault(inputs, member) != member:
                    return False
                way_of[inputs] = way
                layouts.setdefault(layout, []).append(inputs)
        return all(map(self._differ, layouts.values())) and (
            self._layouts_exclude([[way_of[inputs] for inputs in ways] for ways in layouts.values()])
            or self._layouts_differ(layouts)
        )

    def _differ(self, ways: Sequence[tuple[int, ...]]) -> bool:
        """Whether different inputs mean that ways of one layout exclude each other.

        They do if one family has the inputs at each place. What outcomes of one branch tell apart need not be alike
        elsewhere: then the ways with the same outcome are looked at by themselves.
        """
        columns = [set(column) for column in zip(*ways, strict=True)]
        if all(map(self._is_one_family, columns)):
            return True
        for place, column in enumerate(columns):
            if len(column) > 1 and self._are_outcomes(column):
                alike: dict[int, list[tuple[int, ...]]] = {}
                for inputs in ways:
                    alike.setdefault(inputs[place], []).append(inputs)
                if all(map(self._differ, alike.values())):
                    return True
        return False

    def _layouts_differ(self, layouts: Mapping[tuple[int, ...], Sequence[tuple[int, ...]]]) -> bool:
        """Whether ways of any two layouts have different inputs of one family at some place that both have.

        So a third input may be a choice that depends on the first two: how a state goes on, drawn for each state.
        """
        if len(layouts) > _MOST_DRAWN:
            return False
        inputs_at = [
            {bits: set(column) for bits, column in zip(layout, zip(*ways, strict=True), strict=True)}
            for layout, ways in layouts.items()
        ]
        return self._told_apart(inputs_at) or all(
            any(
                not one[bits] & two[bits] and self._is_one_family(one[bits] | two[bits])
                for bits in one.keys() & two.keys()
            )
            for one, two in combinations(inputs_at, 2)
        )

    def _told_apart(self, inputs_at: Sequence[Mapping[int, set[int]]]) -> bool:
        """The same where one place after the other tells them apart, and not some places for some and others for
        others: linear in the layouts, which pairs are not."""
        if len(inputs_at) < 2:
            return True
        for bits in inputs_at[0]:
            alike: dict[int, list[Mapping[int, set[int]]]] = {}  # by the first of the inputs at this place
            every: set[int] = set()
            for one in inputs_at:
                inputs = one.get(bits)
                if inputs is None:
                    break
                first = min(inputs)
                if first not in alike and not every.isdisjoint(inputs):
                    break
                if first in alike and inputs != alike[first][0][bits]:
                    break
                every |= inputs
                alike.setdefault(first, []).append(one)
            else:
                if len(alike) > 1 and self._is_one_family(every) and all(map(self._told_apart, alike.values())):
                    return True
        return False

    def _ways(self, literal: int) -> Sequence[int]:
        """The ways in which a literal holds; one of a known family stands for itself, here as among the inputs."""
        gate = self.shape.gates[literal >> 1]
        if literal in self._of or not isinstance(gate, And) or not literal & 1:
            return [literal]
        return [way ^ 1 for way in gate.inputs]

    def _inputs(self, way: int) -> tuple[int, ...]:
        """The inputs of a way, in the order of what they depend on."""
        gate = self.shape.gates[way >> 1]
        if way in self._of or not isinstance(gate, And) or way & 1:
            return (way,)
        return tuple(sorted(gate.inputs, key=lambda literal: self.support[literal >> 1]))

    def _is_one_family(self, literals: set[int]) -> bool:
        if len(literals) == 1 or self._are_outcomes(literals):
            return True
        known = [self._of.get(literal, frozenset[int]()) for literal in literals]
        return bool(frozenset.intersection(*map(frozenset, known)))

    def _are_outcomes(self, literals: set[int]) -> bool:
        """Whether all are outcomes of one branch."""
        gates = [self.shape.gates[literal >> 1] for literal in literals]
        branches = {gate.branch if isinstance(gate, Leaf) else None for gate in gates}
        return len(branches) == 1 and None not in branches and not any(literal & 1 for literal in literals)

    def _layouts_exclude(self, layouts: Sequence[Sequence[int]]) -> bool:
        """Whether ways of different layouts exclude each other, as single branches tell."""
        if len(layouts) == 1:
            return True
        if len(layouts) > _MOST_LAYOUTS:
            return False
        either: list[dict[int, int]] = []
        for ways in layouts:
            first, *others = map(self.allowed, ways)
            outcomes = dict(first)
            for other in others:
                outcomes = {b: bits | other[b] for b, bits in outcomes.items() if b in other}
            either.append(outcomes)
        return all(
            any(not one[branch] & two[branch] for branch in one.keys() & two.keys())
            for one, two in combinations(either, 2)
        )
