"""Independent parts of one sample, each analysed once for all samples that have one like it.

A sentence of twenty words is rarely like another, but its words are: each leans some way on its own, and so does what a
"not" reaches. What the questions look at first (the answers and the constraints: the *top*) is mostly a disjunction
over such parts. Without the top the rest of a graph falls into *factors*, groups of choices that have nothing to do
with each other. All that the top sees of a factor is which of a few *functions* hold in it: function (r, B) says that
some rule instance for node r of the top, beside the literals B of the top, has its body in the factor. A factor is
analysed for the chance of each set of functions; two factors together have the union of their sets; so one combines
them two by two (a convolution whose sum is the union), and the top is a small problem with one choice, the
set that comes out.

Cost: linear in the piece; a combination takes a product for each pair of possible sets.

Source: for parts that can be looked at alone, Dutuit, Rauzy, "A linear-time algorithm to find modules of fault trees",
IEEE Trans. Reliability 1996; for convolution over independent causes, Zhang, Poole, "Exploiting causal
independence in Bayesian network inference", JAIR 1996.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import numpy as np

from nesy.language.core import Atom, CoreProgram, Query
from nesy.reasoning.compilation.circuit import ONE, ZERO, CircuitBuilder, InputRows, Wiring
from nesy.reasoning.compilation.pieces import Piece, signature_of
from nesy.reasoning.compilation.structures import Method, Template
from nesy.reasoning.derivation import ChoiceTable, DerivationGraph, GroundQuery, Index

_FEWEST = 4  # choices of a piece from which it pays
_MOST_FUNCTIONS = 6  # that the top may look at
_MOST_SETS = 16  # of functions that may come out of a factor or a combination: pairs of them are multiplied
_MOST_LEVELS = 3  # below the questions that may belong to the top

Derivation: TypeAlias = tuple[int, tuple[int, ...], int]  # head, literals, rule
Analyse: TypeAlias = "Callable[[Problem], Template]"
_ASKED = Query(Atom("?set", ()))  # what the queries of a factor are called: nobody sees them


@dataclass(frozen=True)
class Problem:
    """A small graph with questions, not of any program's rules alone: a factor, or the top."""

    choice_size: tuple[int, ...]
    has_rest: tuple[bool, ...]
    num_nodes: int
    derivations: tuple[Derivation, ...]  # by head, ascending
    asked: tuple[int | None, ...]  # literals
    evidence: tuple[int, ...] = ()
    constraint: tuple[int, ...] = ()

    @property
    def signature(self) -> bytes:
        """As of a piece."""
        return signature_of(
            self.num_nodes,
            self._choice_ptr,
            np.array(self.has_rest, dtype=np.int64),
            *self._edges,
            self.asked,
            np.array(self.evidence, dtype=np.int64),
            np.array(self.constraint, dtype=np.int64),
        )

    @property
    def _choice_ptr(self) -> Index:
        return np.cumsum([0, *self.choice_size], dtype=np.int64)

    @property
    def _edges(self) -> tuple[Index, Index, Index]:
        """Heads, pointers into the bodies, and the bodies."""
        head = np.array([head for head, _, _ in self.derivations], dtype=np.int64)
        ptr = np.cumsum([0, *(len(body) for _, body, _ in self.derivations)], dtype=np.int64)
        return head, ptr, np.array([b for _, body, _ in self.derivations for b in body], dtype=np.int64)

    def graph(self, program: CoreProgram) -> DerivationGraph:
        """The problem as a graph of one sample."""
        ptr, count = self._choice_ptr, len(self.choice_size)
        head, body_ptr, body = self._edges
        table = ChoiceTable(
            ptr=ptr,
            has_rest=np.array(self.has_rest, dtype=np.bool_),
            choice=np.zeros(count, dtype=np.int64),
            sample=np.zeros(count, dtype=np.int64),
            key=((),) * count,
            outcome=np.arange(ptr[-1]) - np.repeat(ptr[:-1], np.diff(ptr)),
            probability=np.full(int(ptr[-1]), np.nan),
        )
        return DerivationGraph(
            program=program,
            num_samples=1,
            choices=table,
            num_nodes=self.num_nodes,
            sample=np.zeros(self.num_nodes, dtype=np.int64),
            head=head,
            body_ptr=body_ptr,
            body=body,
            rule=np.array([rule for _, _, rule in self.derivations], dtype=np.int64),
            aggregates=(),
            query=tuple(GroundQuery(_ASKED, _ASKED.atom, 0, literal) for literal in self.asked),
            evidence=np.array(self.evidence, dtype=np.int64),
            constraint=np.array(self.constraint, dtype=np.int64),
            atom_of=lambda node: _ASKED.atom,
        )


@dataclass(frozen=True, eq=False)
class Factor:
    """Choices that hang together, asked for each set of the functions they have a part in.

    Query k of the problem is that of the functions f those come out for which bit f of k is set.
    """

    problem: Problem
    choice: Sequence[int]  # of the piece
    leaf: Sequence[int]
    function: Sequence[int]  # of all that the top looks at

    def sets(self, rows: Sequence[int]) -> dict[int, int]:
        """The row of each set of all functions that may come out, given those of the problem's queries."""
        moved: dict[int, int] = {}
        for number, row in enumerate(rows):
            if row != ZERO:
                moved[sum(1 << f for bit, f in enumerate(self.function) if number >> bit & 1)] = row
        return moved


@dataclass(frozen=True, eq=False)
class Factoring:
    """A piece as a top over independent factors."""

    piece: Piece
    factors: Sequence[Factor]
    functions: Sequence[tuple[int, tuple[int, ...]]]  # node of the top, literals of the top beside
    top: Sequence[int]  # nodes of the piece, ascending
    inside: Sequence[Derivation]  # of the top, with all literals in it

    def problem(self, sets: Sequence[int]) -> Problem:
        """The top, with one choice of the set of functions that comes out."""
        count = len(sets)
        made: list[Derivation] = []
        for f in range(len(self.functions)):
            made += [(count + f, (2 * i,), -1) for i, members in enumerate(sets) if members >> f & 1]
        first = count + len(self.functions)
        number = {node: first + i for i, node in enumerate(self.top)}

        def moved(literal: int) -> int:
            return 2 * number[literal >> 1] + (literal & 1)

        own = [(number[head], tuple(map(moved, body)), rule) for head, body, rule in self.inside]
        for f, (node, beside) in enumerate(self.functions):
            own.append((number[node], (*map(moved, beside), 2 * (count + f)), -1))
        own.sort(key=lambda derivation: derivation[0])
        piece = self.piece
        return Problem(
            choice_size=(count,),
            has_rest=(False,),
            num_nodes=first + len(self.top),
            derivations=(*made, *own),
            asked=tuple(None if literal is None else moved(literal) for literal in piece.literal),
            evidence=tuple(moved(literal) for literal in piece.evidence.tolist()),
            constraint=tuple(number[node] for node in piece.constraint.tolist()),
        )


def factored(piece: Piece, analyse: Analyse) -> Template | None:
    """The template of a piece put together from those of its factors and its top; None where it has no factors, or
    where one of them could not be analysed exactly."""
    found = factoring(piece)
    if found is None:
        return None
    inputs = InputRows(piece.graph().choices)
    building = _Building(CircuitBuilder(inputs.num_rows))
    methods: set[Method] = set()
    parts: list[dict[int, int]] = []
    for factor in found.factors:
        template = analyse(factor.problem)
        if template.method == "bounds" or template.lifted:
            return None
        methods.update(template.methods)
        leaf, choice = (np.array(places, dtype=np.int64) for places in (factor.leaf, factor.choice))
        rows = np.concatenate([[ZERO, ONE], inputs.leaf(0) + leaf, inputs.other(0) + leaf, inputs.rest(0) + choice])
        roots = building.embed(template.wiring, rows)
        parts.append(factor.sets(roots[: len(factor.problem.asked)].tolist()))
    while len(parts) > 1:
        if max(map(len, parts)) > _MOST_SETS:
            return None
        pairs = [building.combine(one, other) for one, other in zip(parts[0::2], parts[1::2], strict=False)]
        parts = pairs + parts[len(parts) - len(parts) % 2 :]
    (distribution,) = parts
    if not 0 < len(distribution) <= _MOST_SETS:
        return None
    sets = sorted(distribution)
    problem = found.problem(sets)
    template = analyse(problem)
    if template.method == "bounds" or template.lifted:
        return None
    methods.update(template.methods)
    chances = [distribution[members] for members in sets]
    others = [building.total([(row, ONE) for row in chances if row != chance]) for chance in chances]
    roots = building.embed(template.wiring, np.array([ZERO, ONE, *chances, *others, ZERO]))
    first = len(sets) + len(found.functions)

    def whole(literal: int) -> int:
        return 2 * found.top[(literal >> 1) - first] + (literal & 1)

    method: Method = "exact (compiled)" if "exact (compiled)" in methods else "exact"
    return replace(
        template,
        wiring=building.wiring(roots),
        methods=tuple(method for _ in template.methods),
        groups=tuple(tuple(map(whole, group)) for group in template.groups),
    )


def factoring(piece: Piece) -> Factoring | None:
    """The factors of a piece under the least top that leaves more than one, or None."""
    if len(piece.aggregates) or len(piece.choice) < _FEWEST:
        return None
    cut = _Cut(piece)
    top = cut.roots()
    best: Factoring | None = None
    for _ in range(_MOST_LEVELS):
        if top is None:
            break
        found = cut.under(top)
        if found is not None and (best is None or _largest(found) < _largest(best)):
            best = found
        if best is not None and 2 * _largest(best) <= len(piece.choice):
            break
        top = cut.deeper(top)
    return best


def _largest(found: Factoring) -> int:
    return max(len(factor.choice) for factor in found.factors)


class _Cut:
    """Tries where to draw the line between top and factors."""

    def __init__(self, piece: Piece):
        self.piece = piece
        self.num_leaves = len(piece.leaf)
        ptr, body = piece.body_ptr.tolist(), piece.body.tolist()
        rule = piece.rule.tolist()
        self.derivations: list[Derivation] = [
            (head, tuple(body[ptr[i] : ptr[i + 1]]), rule[i]) for i, head in enumerate(piece.head.tolist())
        ]
        self.users: dict[int, set[int]] = {}
        for head, literals, _ in self.derivations:
            for literal in literals:
                self.users.setdefault(literal >> 1, set()).add(head)
        self.choice_ptr: list[int] = piece.choice_ptr.tolist()
        self.has_rest: list[bool] = piece.has_rest.tolist()

    def roots(self) -> frozenset[int] | None:
        """What is asked, if nothing else depends on it."""
        piece = self.piece
        asked = [literal >> 1 for literal in piece.literal if literal is not None]
        found = frozenset([*asked, *(piece.evidence >> 1).tolist(), *piece.constraint.tolist()])
        is_free = all(node >= self.num_leaves and self.users.get(node, found) <= found for node in found)
        return found if found and is_free else None

    def deeper(self, top: frozenset[int]) -> frozenset[int] | None:
        """The top with what only the top looks at."""
        more = [node for node, users in self.users.items() if node >= self.num_leaves and users <= top]
        return None if top.issuperset(more) else top.union(more)

    def under(self, top: frozenset[int]) -> Factoring | None:
        """The factors under a top; None if there is one only, or if the top looks at too much of them."""
        functions: dict[tuple[int, tuple[int, ...]], int] = {}
        inside: list[Derivation] = []
        ways: list[tuple[int, tuple[int, ...]]] = []  # function, literals of a factor
        sets = _Sets(self.piece.num_nodes)
        for first, stop in zip(self.choice_ptr[:-1], self.choice_ptr[1:], strict=True):
            sets.join(range(first, stop))
        for head, body, rule in self.derivations:
            if head not in top:
                sets.join([head, *(literal >> 1 for literal in body)])
                continue
            below = tuple(literal for literal in body if literal >> 1 not in top)
            if not below:
                inside.append((head, body, rule))
                continue
            beside = tuple(sorted(literal for literal in body if literal >> 1 in top))
            number = functions.setdefault((head, beside), len(functions))
            if number == _MOST_FUNCTIONS:
                return None
            sets.join([literal >> 1 for literal in below])
            ways.append((number, below))
        drafts: dict[int, _Draft] = {}
        for number, below in ways:
            draft = drafts.setdefault(sets.find(below[0] >> 1), _Draft())
            draft.ways.setdefault(number, []).append(below)
        if len(drafts) < 2:
            return None
        for choice, first in enumerate(self.choice_ptr[:-1]):
            if (draft := drafts.get(sets.find(first))) is not None:
                draft.choice.append(choice)
        for derivation in self.derivations:
            if derivation[0] not in top and (draft := drafts.get(sets.find(derivation[0]))) is not None:
                draft.derivations.append(derivation)
        factors = [self._factor(draft) for draft in drafts.values()]
        if any(1 << len(factor.function) > _MOST_SETS for factor in factors):
            return None
        return Factoring(self.piece, factors, list(functions), sorted(top), inside)

    def _factor(self, draft: _Draft) -> Factor:
        """The problem of a factor: its own nodes, then its functions, then the sets of those."""
        leaf = [node for c in draft.choice for node in range(self.choice_ptr[c], self.choice_ptr[c + 1])]
        inner = {head for head, _, _ in draft.derivations}
        for body in (*(body for _, body, _ in draft.derivations), *(b for way in draft.ways.values() for b in way)):
            inner.update(literal >> 1 for literal in body)
        number = {node: i for i, node in enumerate([*leaf, *sorted(inner.difference(leaf))])}

        def moved(body: Sequence[int]) -> tuple[int, ...]:
            return tuple(2 * number[literal >> 1] + (literal & 1) for literal in body)

        derivations = [(number[head], moved(body), rule) for head, body, rule in draft.derivations]
        function = sorted(draft.ways)
        first = len(number)
        for place, f in enumerate(function):
            derivations += [(first + place, moved(body), -1) for body in draft.ways[f]]
        sets = first + len(function)
        for k in range(1 << len(function)):
            members = tuple(2 * (first + place) + (not k >> place & 1) for place in range(len(function)))
            derivations.append((sets + k, members, -1))
        problem = Problem(
            choice_size=tuple(self.choice_ptr[c + 1] - self.choice_ptr[c] for c in draft.choice),
            has_rest=tuple(self.has_rest[c] for c in draft.choice),
            num_nodes=sets + (1 << len(function)),
            derivations=tuple(derivations),
            asked=tuple(2 * (sets + k) for k in range(1 << len(function))),
        )
        return Factor(problem, draft.choice, leaf, function)


@dataclass
class _Draft:
    """A factor while its parts are collected."""

    choice: list[int] = field(default_factory=list[int])
    derivations: list[Derivation] = field(default_factory=list[Derivation])
    ways: dict[int, list[tuple[int, ...]]] = field(default_factory=dict[int, list[tuple[int, ...]]])


class _Sets:
    """Nodes that hang together (union-find)."""

    def __init__(self, size: int):
        self._parent = list(range(size))

    def find(self, node: int) -> int:
        parent = self._parent
        while (above := parent[node]) != node:
            parent[node] = parent[above]
            node = above
        return node

    def join(self, nodes: Sequence[int]) -> None:
        """Make some nodes one set."""
        first = self.find(nodes[0])
        for node in nodes[1:]:
            self._parent[self.find(node)] = first


@dataclass
class _Building:
    """Rows of a circuit, one sum of products at a time."""

    builder: CircuitBuilder
    out: list[int] = field(default_factory=list[int])
    left: list[int] = field(default_factory=list[int])
    right: list[int] = field(default_factory=list[int])

    def embed(self, wiring: Wiring, rows: Index) -> Index:
        """The roots of a wiring whose inputs are at some rows."""
        count = int(wiring.first[-1]) - wiring.num_inputs
        if not count:
            return rows[wiring.root]
        row = np.concatenate([rows, self.builder.rows(count) + np.arange(count)])
        self.builder.add(row[wiring.out], row[wiring.left], row[wiring.right])
        return row[wiring.root]

    def combine(self, one: Mapping[int, int], other: Mapping[int, int]) -> dict[int, int]:
        """The row of each union of two independent sets."""
        products: dict[int, list[tuple[int, int]]] = {}
        for a, left in one.items():
            for b, right in other.items():
                products.setdefault(a | b, []).append((left, right))
        return {members: self.total(pairs) for members, pairs in products.items()}

    def total(self, products: Sequence[tuple[int, int]]) -> int:
        """The row of a sum of products of rows."""
        if len(products) <= 1:
            left, right = products[0] if products else (ZERO, ONE)
            if ONE in (left, right):
                return right if left == ONE else left
        row = self.builder.rows(1)
        self.out += [row] * len(products)
        self.left += [left for left, _ in products]
        self.right += [right for _, right in products]
        return row

    def wiring(self, roots: Index) -> Wiring:
        """The circuit of what the roots need."""
        if self.out:
            self.builder.add(*(np.array(rows, dtype=np.int64) for rows in (self.out, self.left, self.right)))
        return self.builder.build(roots.tolist())
