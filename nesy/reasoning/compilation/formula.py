"""What some literals depend on, as gates: the form that exact methods compile from.

A formula is a list of gates, each above the gates it uses. There is one kind of connective, the conjunction of
any number of literals; a disjunction is a negated conjunction of negations. Equal conjunctions are one gate; what
is certain, impossible, contradictory or a mere alias is gone. So problems that are alike have equal
formulas, whatever sample they come from, and are compiled once.

Two gates hold state of their own: a `Total` (an aggregate over its elements) and a `Loop` (atoms that depend on
each other in a circle); `Value` and `Port` are what others see of them.

Source: structural hashing as in And-Inverter Graphs (Kuehlmann et al., IEEE TCAD 2002); components by Tarjan 1972.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

from nesy.reasoning.derivation import DerivationGraph

TRUE, FALSE = 0, 1  # literals of gate 0, which always holds


@dataclass(frozen=True, slots=True)
class Always:
    """Gate 0."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """Outcome `outcome` of branch `branch` comes out."""

    branch: int
    outcome: int


@dataclass(frozen=True, slots=True)
class And:
    """All literals hold."""

    inputs: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Total:
    """An aggregate: literal `inputs[i]` adds weight `weights[i]`."""

    function: str
    inputs: tuple[int, ...]
    weights: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Value:
    """The total of gate `total` is `value`."""

    total: int
    value: float


@dataclass(frozen=True, slots=True)
class Loop:
    """Atoms 0 .. size-1 that depend on each other: arc i says that `heads[i]` holds if literal `inputs[i]` does
    and all atoms of `tails[i]` do. Least fixpoint."""

    size: int
    inputs: tuple[int, ...]
    heads: tuple[int, ...]
    tails: tuple[tuple[int, ...], ...]

    @property
    def is_linear(self) -> bool:
        """Whether no arc needs two atoms of the loop."""
        return all(len(tail) <= 1 for tail in self.tails)


@dataclass(frozen=True, slots=True)
class Port:
    """Atom `atom` of the loop at gate `loop` holds."""

    loop: int
    atom: int


Gate: TypeAlias = Always | Leaf | And | Total | Value | Loop | Port


@dataclass(frozen=True, slots=True)
class Shape:
    """A formula without the names of its choices: all that compiling looks at."""

    gates: tuple[Gate, ...]
    num_outcomes: tuple[int, ...]  # of each branch, those that matter
    is_exhaustive: tuple[bool, ...]  # of each branch: one of these always comes out
    natural: tuple[int, ...]  # branches in the order of the graph's choices
    targets: tuple[int, ...]
    conditions: tuple[int, ...]


@dataclass(frozen=True)
class Formula:
    """A shape, the graph's choice and leaves of each branch, and which literals are atoms of one predicate.

    `kin` only says where it is worth looking for literals that exclude each other.
    """

    shape: Shape
    choice: tuple[int, ...]
    leaf: tuple[tuple[int, ...], ...]
    kin: tuple[tuple[int, ...], ...] = ()


class FormulaMaker:
    """Makes formulas of one graph. Keeps the graph's arrays as lists: single items are read often."""

    def __init__(self, graph: DerivationGraph):
        self.graph = graph
        self.num_leaves = graph.num_leaves
        self.ptr: list[int] = graph.derivations_ptr.tolist()
        self.body_ptr: list[int] = graph.body_ptr.tolist()
        self.body: list[int] = graph.body.tolist()
        self.of_leaf: list[int] = graph.choices.of_leaf.tolist()
        self.choice_size: list[int] = (graph.choices.ptr[1:] - graph.choices.ptr[:-1]).tolist()
        self.has_rest: list[bool] = graph.choices.has_rest.tolist()
        self._rule: list[int] = graph.rule.tolist()
        self._head_of = {rule.id: rule.heads[0].predicate for rule in graph.program.rules if len(rule.heads) == 1}
        self.aggregate_of: dict[int, int] = {}
        self.value_of: dict[int, float] = {}
        self.elements: list[list[int]] = []
        for number, aggregate in enumerate(graph.aggregates):
            self.elements.append(aggregate.element.tolist())
            self.value_of.update(zip(aggregate.result.tolist(), aggregate.value.tolist(), strict=True))
            self.aggregate_of.update(dict.fromkeys(aggregate.result.tolist(), number))

    def below(self, node: int) -> list[int]:
        """The nodes of the bodies of a node's derivations."""
        start, stop = self.body_ptr[self.ptr[node]], self.body_ptr[self.ptr[node + 1]]
        return [literal >> 1 for literal in self.body[start:stop]]

    def bodies(self, node: int) -> Iterator[list[int]]:
        """The bodies of a node's derivations."""
        for d in range(self.ptr[node], self.ptr[node + 1]):
            yield self.body[self.body_ptr[d] : self.body_ptr[d + 1]]

    def predicate(self, node: int) -> str | None:
        """The predicate of a node that rules derive."""
        start, stop = self.ptr[node], self.ptr[node + 1]
        return self._head_of.get(self._rule[start]) if start < stop else None

    def make(self, targets: Sequence[int], conditions: Sequence[int]) -> Formula:
        """The formula of some literals of the graph."""
        return _Making(self).run(targets, conditions)


@dataclass
class _OpenLoop:
    """A loop that is not a gate yet: what follows from one atom of it at a time still becomes an atom of it."""

    atom: dict[int, int]  # of each node of the graph
    arcs: dict[tuple[int, int, tuple[int, ...]], None]  # guard, head, tail
    size: int

    @property
    def is_linear(self) -> bool:
        return all(len(tail) <= 1 for _, _, tail in self.arcs)


_OPEN = -1  # in a literal's place: the node is an atom of a loop that is not a gate yet


class _Making:
    def __init__(self, maker: FormulaMaker):
        self.maker = maker
        self.gates: list[Gate] = [Always()]
        self.known: dict[Gate, int] = {}
        self.literal: dict[int, int] = {}  # node of the graph -> literal of the formula
        self.branch: dict[int, int] = {}  # choice of the graph -> branch
        self.choices: list[int] = []  # of each branch
        self.leaves: list[list[int]] = []
        self.totals: dict[int, int] = {}  # aggregate of the graph -> literal of its gate
        self.loop: dict[int, _OpenLoop] = {}  # the loop that a node is an atom of

    def run(self, targets: Sequence[int], conditions: Sequence[int]) -> Formula:
        for literal in (*targets, *conditions):
            self._visit(literal >> 1)
        asked = tuple(self._literal(t) for t in targets)
        must_hold = self._conditions([self._literal(c) for c in conditions])
        shape = Shape(
            gates=tuple(self.gates),
            num_outcomes=tuple(len(leaves) for leaves in self.leaves),
            is_exhaustive=tuple(self._is_all(choice, len(self.leaves[b])) for choice, b in self.branch.items()),
            natural=tuple(b for _, b in sorted(self.branch.items())),
            targets=asked,
            conditions=must_hold,
        )
        return Formula(shape, tuple(self.branch), tuple(tuple(leaves) for leaves in self.leaves), self._kin())

    def _kin(self) -> tuple[tuple[int, ...], ...]:
        found: dict[str, dict[int, None]] = {}
        for node, literal in self.literal.items():
            predicate = self.maker.predicate(node)
            if literal > FALSE and predicate is not None:
                found.setdefault(predicate, {})[literal] = None
        return tuple(map(tuple, found.values()))

    def _is_all(self, choice: int, num_outcomes: int) -> bool:
        return not self.maker.has_rest[choice] and num_outcomes == self.maker.choice_size[choice]

    def _conditions(self, literals: list[int]) -> tuple[int, ...]:
        """A conjunction that must hold is each of its parts that must hold."""
        parts: dict[int, None] = {}
        stack = literals[::-1]
        while stack:
            literal = stack.pop()
            gate = self.gates[literal >> 1]
            if isinstance(gate, And) and not literal & 1:
                stack.extend(reversed(gate.inputs))
            elif literal != TRUE:
                parts[literal] = None
        return tuple(parts)

    def _visit(self, root: int) -> None:
        """Tarjan's algorithm without recursion: a component is made when all below it has been."""
        literal, below = self.literal, self._below
        if root in literal:
            return
        index: dict[int, int] = {root: 0}
        low: dict[int, int] = {root: 0}
        path = [root]
        work = [(root, iter(below(root) if root >= self.maker.num_leaves else ()))]
        while work:
            node, children = work[-1]
            for child in children:
                if child in literal:
                    continue
                if child < self.maker.num_leaves:
                    literal[child] = self._leaf(child)
                elif child not in index:
                    index[child] = low[child] = len(index)
                    path.append(child)
                    work.append((child, iter(below(child))))
                    break
                elif index[child] < low[node]:
                    low[node] = index[child]
            else:
                work.pop()
                if work:
                    parent = work[-1][0]
                    low[parent] = min(low[parent], low[node])
                if low[node] == index[node]:
                    members: list[int] = []
                    while True:
                        members.append(path.pop())
                        if members[-1] == node:
                            break
                    self._component(members[::-1])

    def _below(self, node: int) -> list[int]:
        """What has to be made before a node."""
        number = self.maker.aggregate_of.get(node)
        elements = self.maker.elements[number] if number is not None and number not in self.totals else []
        return self.maker.below(node) + elements

    def _component(self, members: list[int]) -> None:
        (node, *others) = members
        if node < self.maker.num_leaves:
            self.literal[node] = self._leaf(node)
        elif not others and node in self.maker.aggregate_of:
            self.literal[node] = self._value(node)
        elif others or any(2 * node in body for body in self.maker.bodies(node)):
            self._loop(members)
        elif not self._joins(node):
            self.literal[node] = self._disjunction(node)

    def _literal(self, literal: int) -> int:
        """The formula's literal for one of the graph."""
        node = literal >> 1
        if self.literal[node] == _OPEN:
            self._close(self.loop[node])
        return self.literal[node] ^ (literal & 1)

    def _disjunction(self, node: int) -> int:
        """One of a node's derivations holds."""
        refused: list[int] = []
        for body in self.maker.bodies(node):
            parts = [self._literal(b) for b in body]
            way = parts[0] if len(parts) == 1 else self._and(parts)
            if way == TRUE:
                return TRUE
            refused.append(way ^ 1)
        return refused[0] ^ 1 if len(refused) == 1 else self._and(refused) ^ 1

    def _gate(self, gate: Gate) -> int:
        """The positive literal of a gate, the same for equal gates."""
        number = self.known.get(gate)
        if number is None:
            number = self.known[gate] = len(self.gates)
            self.gates.append(gate)
        return 2 * number

    def _leaf(self, node: int) -> int:
        choice = self.maker.of_leaf[node]
        branch = self.branch.setdefault(choice, len(self.branch))
        if branch == len(self.leaves):
            self.leaves.append([])
            self.choices.append(choice)
        if node not in self.leaves[branch]:
            self.leaves[branch].append(node)
        if self.maker.choice_size[choice] == 1 and not self.maker.has_rest[choice]:
            return TRUE
        return self._gate(Leaf(branch, self.leaves[branch].index(node)))

    def _and(self, literals: list[int]) -> int:
        inputs = sorted(set(literals))
        if inputs and inputs[0] == TRUE:
            inputs = inputs[1:]
        # Sorted and distinct, so FALSE would be the first, and a literal stands before its negation.
        if (inputs and inputs[0] == FALSE) or any(a ^ 1 == b for a, b in pairwise(inputs)):
            return FALSE
        if len(inputs) > 1:
            found = self._outcomes(inputs)
            if found is None:
                return FALSE
            inputs = found
        if not inputs:
            return TRUE
        return inputs[0] if len(inputs) == 1 else self._gate(And(tuple(inputs)))

    def _outcomes(self, inputs: list[int]) -> list[int] | None:
        """Use that outcomes of a branch exclude each other; None if that makes the conjunction impossible."""
        chosen: dict[int, int] = {}
        refused: dict[int, int] = {}
        for literal in inputs:
            gate = self.gates[literal >> 1]
            if isinstance(gate, Leaf):
                if literal & 1:
                    refused[gate.branch] = refused.get(gate.branch, 0) + 1
                elif chosen.setdefault(gate.branch, literal) != literal:
                    return None
        if refused:
            if any(self._is_all(self.choices[branch], count) for branch, count in refused.items()):
                return None
            if chosen:
                inputs = [literal for literal in inputs if not self._is_implied(literal, chosen)]
        return inputs

    def _is_implied(self, literal: int, chosen: dict[int, int]) -> bool:
        gate = self.gates[literal >> 1]
        return bool(literal & 1) and isinstance(gate, Leaf) and gate.branch in chosen

    def _value(self, node: int) -> int:
        maker = self.maker
        number = maker.aggregate_of[node]
        if number not in self.totals:
            aggregate = maker.graph.aggregates[number]
            inputs = tuple(self._literal(2 * element) for element in maker.elements[number])
            self.totals[number] = self._gate(Total(aggregate.function, inputs, tuple(aggregate.weight.tolist())))
        return self._gate(Value(self.totals[number] >> 1, maker.value_of[node]))

    def _loop(self, members: list[int]) -> None:
        atom = {node: i for i, node in enumerate(members)}
        arcs: dict[tuple[int, int, tuple[int, ...]], None] = {}
        for node in members:
            for body in self.maker.bodies(node):
                tail = tuple(sorted({atom[b >> 1] for b in body if b >> 1 in atom}))
                guard = self._and([self._literal(b) for b in body if b >> 1 not in atom])
                if guard != FALSE and atom[node] not in tail:
                    arcs[guard, atom[node], tail] = None
        loop = _OpenLoop(atom, arcs, len(members))
        self.loop.update(dict.fromkeys(members, loop))
        self.literal.update(dict.fromkeys(members, _OPEN))

    def _joins(self, node: int) -> bool:
        """Make a node an atom of the loop that it follows from, if each of its derivations needs one atom at most."""
        if not self.loop:
            return False
        loops: dict[int, _OpenLoop] = {}
        arcs: dict[tuple[int, tuple[int, ...]], None] = {}  # guard, tail
        for body in self.maker.bodies(node):
            inside = [b for b in body if self.literal[b >> 1] == _OPEN]
            loops.update((id(self.loop[b >> 1]), self.loop[b >> 1]) for b in inside)
            if len(inside) > 1 or any(b & 1 for b in inside) or len(loops) > 1:
                return False
            guard = self._and([self._literal(b) for b in body if b not in inside])
            if guard == TRUE and not inside:
                return False
            if guard != FALSE:
                arcs[guard, tuple(self.loop[b >> 1].atom[b >> 1] for b in inside)] = None
        if not any(tail for _, tail in arcs):
            return False
        (loop,) = loops.values()
        if not loop.is_linear:
            return False
        ((guard, tail), *others) = arcs
        if guard == TRUE and not others:
            loop.atom[node] = tail[0]
        else:
            loop.atom[node] = loop.size
            loop.arcs.update(dict.fromkeys((guard, loop.size, tail) for guard, tail in arcs))
            loop.size += 1
        self.loop[node] = loop
        self.literal[node] = _OPEN
        return True

    def _close(self, loop: _OpenLoop) -> None:
        """Make a loop a gate, and what others may see of it."""
        heads, tails = tuple(head for _, head, _ in loop.arcs), tuple(tail for _, _, tail in loop.arcs)
        gate = self._gate(Loop(loop.size, tuple(guard for guard, _, _ in loop.arcs), heads, tails)) >> 1
        for node, atom in loop.atom.items():
            self.literal[node] = self._gate(Port(gate, atom))
