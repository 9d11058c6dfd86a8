"""A loop on the frontier: which of its unfinished atoms follow from which, and how much of that can still matter.

An atom holds if a chain of arcs leads to it from what always holds. Of the arcs that were decided a state keeps the
transitive closure on the unfinished atoms. Much of that says nothing new: where every way on from `b` to what is
looked at from outside leads over an atom that follows from `a`, it does not matter whether `b` follows from `a`, too.
So it is made to follow, and states that differed in such things only are the same. In sparse graphs one of ten or
fifty is left.

Source: domination in flow graphs (Prosser, "Applications of Boolean matrices to the analysis of flow diagrams", 1959;
Lengauer and Tarjan, TOPLAS 1979), here by sets of atoms, and over each state's own arcs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from nesy.reasoning.compilation.formula import Loop

ALWAYS = -1  # in an atom's place: what always holds
_FREE = -2
_MOST_SLOTS = 62  # bits of a word


class TooWide(Exception):
    """A loop has more unfinished atoms at once than a word has bits; nothing of that size compiles anyway."""


@dataclass(frozen=True, slots=True)
class Prospect:
    """What the arcs after some step may connect, on the atoms that arcs before it touched. Never less than there is."""

    incoming: frozenset[int]  # atoms with arcs into them
    outgoing: frozenset[int]
    links: dict[int, set[int]]  # where an atom may lead, over untouched atoms only
    exits: set[int]  # atoms that may so lead to one that is looked at from outside


class LoopPlan:
    """When the arcs of a loop are decided, and what is to come after each of these steps."""

    def __init__(self, loop: Loop, times: Sequence[int], ports: Iterable[int]):
        """`times[i]` is when arc i is decided; `ports` are the atoms that are looked at from outside."""
        self.loop = loop
        self.times = times
        self.ports = frozenset(ports)
        self.after = dict(self._prospects())

    def _prospects(self) -> Iterator[tuple[int, Prospect]]:
        """Backwards, so that atoms only ever become untouched. These are in groups, as arcs between them join them, and
        in a group each may lead to each (union-find)."""
        loop, times = self.loop, self.times
        first: dict[int, int] = {}
        arcs_at: dict[int, list[tuple[int, int]]] = {}
        for head, tail, time in zip(loop.heads, loop.tails, times, strict=True):
            arcs_at.setdefault(time, []).append((tail[0] if tail else ALWAYS, head))
            for atom in (head, *tail):
                first[atom] = min(first.get(atom, time), time)
        groups = _Groups()
        out: dict[int, list[int]] = {}
        into: dict[int, list[int]] = {}
        for time, step in pairwise(sorted(arcs_at, reverse=True)):
            for tail, head in arcs_at[time]:
                into.setdefault(head, []).append(tail)
                if tail != ALWAYS:
                    out.setdefault(tail, []).append(head)
            for atom in {atom for arc in arcs_at[time] for atom in arc if atom != ALWAYS and first[atom] == time}:
                groups.add(atom, atom in self.ports, [*out.get(atom, ()), *into.get(atom, ())])
            yield step, self._prospect(groups, out, into)

    def _prospect(self, groups: _Groups, out: dict[int, list[int]], into: dict[int, list[int]]) -> Prospect:
        incoming = frozenset(atom for atom in into if atom not in groups)
        outgoing = frozenset(atom for atom in out if atom not in groups)
        leaves: dict[int, set[int]] = {}  # of each group, where it may lead
        for atom in incoming:
            for tail in into[atom]:
                if tail in groups:
                    leaves.setdefault(groups.find(tail), set()).add(atom)
        links: dict[int, set[int]] = {}
        exits: set[int] = set()
        for atom in outgoing:
            mine = links[atom] = set()
            for head in out[atom]:
                if head not in groups:
                    mine.add(head)
                    continue
                group = groups.find(head)
                mine |= leaves.get(group, set())
                if group in groups.with_port:
                    exits.add(atom)
        return Prospect(incoming, outgoing, links, exits)


class _Groups:
    """Untouched atoms, those together that arcs join."""

    def __init__(self) -> None:
        self.above: dict[int, int] = {}
        self.with_port: set[int] = set()  # roots of groups in which an atom is looked at from outside

    def __contains__(self, atom: int) -> bool:
        return atom in self.above

    def find(self, atom: int) -> int:
        above = self.above
        while above[atom] != atom:
            above[atom] = atom = above[above[atom]]
        return atom

    def add(self, atom: int, is_port: bool, neighbours: Iterable[int]) -> None:
        self.above[atom] = atom
        for other in neighbours:
            if other in self.above and (root := self.find(other)) != atom:
                self.above[root] = atom
                is_port |= root in self.with_port
        if is_port:
            self.with_port.add(atom)


@dataclass(slots=True)
class LoopState:
    """The closure in each of S states. Each unfinished atom has a slot; slot 0 is what always holds.

    Bit j of `follows[i, s]`: in state s, if the atom of slot i holds then so does that of slot j; reflexive and
    transitive. A free slot follows from nothing.
    """

    atoms: list[int]  # of each slot; ALWAYS in slot 0, _FREE in a free one
    follows: NDArray[np.int64]  # [slots, S]

    @classmethod
    def start(cls, size: int) -> LoopState:
        """Nothing is known yet."""
        return cls([ALWAYS], np.ones((1, size), np.int64))

    def holds(self, atom: int) -> NDArray[np.bool_]:
        """[S] whether an atom holds."""
        if atom not in self.atoms:
            return np.zeros(self.follows.shape[1], bool)
        return (self.follows[0] >> self.atoms.index(atom) & 1).astype(bool)

    def columns(self) -> list[tuple[NDArray[np.int64], int]]:
        """What tells states apart, with its width in bits."""
        width = len(self.atoms) - 1
        return [(self.follows[i] >> 1, width) for i, atom in enumerate(self.atoms) if atom != _FREE]

    def connect(self, tail: int, head: int, guard: NDArray[np.bool_]) -> None:
        """An arc, in the states in which its guard holds."""
        source, target = self._slot(tail), self._slot(head)
        # Whatever makes the tail hold makes hold whatever follows from the head.
        holds_tail = self.follows >> source & 1
        self.follows |= -holds_tail & (self.follows[target] * guard)

    def _slot(self, atom: int) -> int:
        """The slot of an atom; a new one if nothing is known of it yet."""
        if atom in self.atoms:
            return self.atoms.index(atom)
        if _FREE not in self.atoms:
            if len(self.atoms) == _MOST_SLOTS:
                raise TooWide
            self.atoms.append(_FREE)
            self.follows = np.concatenate([self.follows, np.zeros((1, self.follows.shape[1]), np.int64)])
        slot = self.atoms.index(_FREE)
        self.atoms[slot] = atom
        self.follows[slot] = 1 << slot
        return slot

    def leave(self, plan: LoopPlan, step: int) -> None:
        """Forget atoms that no arc will touch again, and what cannot matter about the others."""
        to_come = plan.after[step]
        useful = to_come.incoming | to_come.outgoing | plan.ports
        for slot, atom in enumerate(self.atoms):
            if atom >= 0 and atom not in useful:
                self.atoms[slot] = _FREE
        slots = [slot for slot, atom in enumerate(self.atoms) if atom != _FREE]
        kept = sum(1 << slot for slot in slots)
        own = np.asarray([[1 << slot] for slot in slots])
        rows = self.follows[slots] & kept
        rows |= rows[0]  # what holds anyway follows from everything
        # What cannot come to hold any more: no arc leads to it, and it follows from nothing that can.
        sources = [i for i, slot in enumerate(slots) if slot == 0 or self.atoms[slot] in to_come.incoming]
        possible = np.bitwise_or.reduce(rows[sources], axis=0)
        is_possible = (possible & own) != 0
        rows = np.where(is_possible, possible & ~self._open(rows, slots, possible, plan, to_come), own)
        rows |= np.where(is_possible, rows[0], 0)
        self.follows[:] = 0
        self.follows[slots] = rows | own

    def _open(
        self, rows: NDArray[np.int64], slots: list[int], possible: NDArray[np.int64], plan: LoopPlan, to_come: Prospect
    ) -> NDArray[np.int64]:
        """[slots, S] from which atoms there may be a way on that avoids all that follows from the row's atom."""
        place = {self.atoms[slot]: slot for slot in slots}
        others = ~rows & possible
        exits = sum(1 << slot for atom, slot in place.items() if atom in plan.ports or atom in to_come.exits)
        found = exits & others
        leads = [
            (slot, rows[i] | sum(1 << place[atom] for atom in to_come.links.get(self.atoms[slot], ())))
            for i, slot in enumerate(slots)
            if slot
        ]
        while True:
            before = found.copy()
            for slot, reach in leads:
                found |= ((found & reach) != 0).astype(np.int64) << slot & others
            if np.array_equal(before, found):
                return found
