"""Recursion over small, dense binary relations: sets of pairs as rows of bits.

A rule whose body is a path, as in `p(X,Z) :- a(X,Y), b(Y,Z).` with columns either way round, is a product of
Boolean matrices. On bit rows a product is an `or` of rows: 64 pairs a word, no sorting, no duplicates. Where
a group of rules has this form and its relations are dense enough, its fixpoint runs here. Rules that only
append a fixed relation at one end (`p(X,Z) :- p(X,Y), e(Y,Z).`) need no rounds at all: they multiply with
the closure of that relation, which one pass over its strongly connected components gives.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nesy.language.components import strongly_connected
from nesy.language.core import Signature
from nesy.reasoning.evaluation.kernels import Index, csr
from nesy.reasoning.evaluation.limits import Guard
from nesy.reasoning.evaluation.rules import SAMPLE, BodyAtom, HeadForm, RuleForm

Bits = NDArray[np.uint64]  # [n, words]

# Words gathered at once by a product: 64 MiB.
CHUNK = 1 << 23


@dataclass(frozen=True, slots=True)
class Link:
    """A literal of a path: pairs of a relation, from its first column to its second or the other way round."""

    signature: Signature
    reverse: bool


@dataclass(frozen=True, eq=False)
class Path:
    """A rule `head(X,Y) :- path from X to Y`."""

    form: RuleForm
    head: Signature
    links: tuple[Link, ...]


def as_path(form: RuleForm, head: HeadForm) -> Path | None:
    """The rule as a path, if it is one; a sample column, the same all over the rule, does not count."""
    ends = _pair(head.terms)
    if ends is None or ends[0] == ends[1] or form.rule.choice is not None:
        return None
    links: list[Link] = []
    todo: list[tuple[BodyAtom, tuple[str, str]]] = []
    for item in form.body:
        pair = _pair(item.terms) if isinstance(item, BodyAtom) and not item.negated else None
        if pair is None or pair[0] == pair[1]:
            return None
        assert isinstance(item, BodyAtom)
        todo.append((item, pair))
    place = ends[0]
    passed = {place}
    while todo:
        here = [entry for entry in todo if place in entry[1]]
        if len(here) != 1 or place == ends[1]:
            return None
        atom, pair = here[0]
        todo.remove(here[0])
        reverse = pair[1] == place
        place = pair[0] if reverse else pair[1]
        if place in passed:
            return None
        passed.add(place)
        links.append(Link(atom.signature, reverse))
    return Path(form, head.signature, tuple(links)) if place == ends[1] else None


def _pair(terms: Sequence[object]) -> tuple[str, str] | None:
    pair = terms[1:] if terms and terms[0] == SAMPLE else terms
    if len(pair) != 2 or not isinstance(pair[0], str) or not isinstance(pair[1], str):
        return None
    return pair[0], pair[1]


# -- sets of pairs -------------------------------------------------------------------------------------


class Pairs:
    """A set of pairs of numbers below n, as bits and as a list; each is made from the other when needed."""

    def __init__(self, n: int, bits: Bits | None = None, edges: tuple[Index, Index] | None = None):
        self.n = n
        self._bits = bits
        self._edges = edges
        self._turned: Pairs | None = None

    @property
    def bits(self) -> Bits:
        if self._bits is None:
            first, second = self.edges
            flat = np.zeros(self.n * num_words(self.n) * 64, dtype=np.bool_)
            flat[first * (num_words(self.n) * 64) + second] = True
            self._bits = np.packbits(flat, bitorder="little").view(np.uint64).reshape(self.n, -1)
        return self._bits

    @property
    def edges(self) -> tuple[Index, Index]:
        """The pairs in ascending order."""
        if self._edges is None:
            self._edges = bits_to_pairs(self.bits)
        return self._edges

    @property
    def turned(self) -> Pairs:
        """The pairs the other way round."""
        if self._turned is None:
            first, second = self.edges
            order = np.argsort(second * self.n + first)
            self._turned = Pairs(self.n, edges=(second[order], first[order]))
        return self._turned


def num_words(n: int) -> int:
    return (n + 63) // 64


def count_bits(bits: Bits) -> int:
    return int(np.bitwise_count(bits).sum())


def bits_to_pairs(bits: Bits) -> tuple[Index, Index]:
    """The places of set bits, by row: only words that are not zero are looked into."""
    words = bits.shape[1]
    flat = bits.reshape(-1)
    full = np.flatnonzero(flat)
    inside = np.unpackbits(flat[full].view(np.uint8).reshape(len(full), 8), axis=1, bitorder="little")
    place = np.flatnonzero(inside)
    word = full[place >> 6]
    return word // words, (word % words) * 64 + (place & 63)


def product(left: tuple[Index, Index], right: Bits) -> Bits:
    """Pairs (i, j) with some k: (i, k) in left, (k, j) in right. `left` is sorted.

    Cost: words of a row of `right` for each pair of `left` that meets a row with anything in it.
    """
    words = right.shape[1]
    result = np.zeros_like(right)
    useful = np.any(right, axis=1)[left[1]]
    row, key = (left[0], left[1]) if useful.all() else (left[0][useful], left[1][useful])
    if not len(row):
        return result
    begin = np.flatnonzero(np.diff(row, prepend=-1))
    step = max(1, CHUNK // words)
    if len(row) <= step:
        result[row[begin]] = np.bitwise_or.reduceat(right[key], begin, axis=0)
        return result
    # In pieces that end with a row, so that memory stays bounded (a row has at most n pairs).
    ends = np.append(begin[1:], len(row))
    first = 0
    while first < len(begin):
        last = int(np.searchsorted(ends, begin[first] + step, side="right"))
        last = max(last, first + 1)
        low, high = int(begin[first]), int(ends[last - 1])
        result[row[begin[first:last]]] = np.bitwise_or.reduceat(right[key[low:high]], begin[first:last] - low, axis=0)
        first = last
    return result


def closure(pairs: Pairs) -> Bits:
    """All pairs joined by a path of one step or more.

    One pass over the strongly connected components in reverse topological order: what a component reaches is
    what its successors are and reach. Cost: words of a row for each edge between components.
    """
    n = pairs.n
    first, second = pairs.edges
    graph: dict[int, list[int]] = {node: [] for node in range(n)}
    for source, target in zip(first.tolist(), second.tolist(), strict=True):
        graph[source].append(target)
    component = np.empty(n, dtype=np.int64)
    members: list[list[int]] = []
    for number, nodes in enumerate(strongly_connected(graph)):  # successors come first
        component[nodes] = number
        members.append(nodes)
    # One row per component: what is reached from it, with what it is itself added for those before it.
    reach = np.zeros((len(members), num_words(n)), dtype=np.uint64)
    with_self = np.zeros_like(reach)
    node = np.arange(n)
    np.bitwise_or.at(with_self, (component, node >> 6), np.uint64(1) << (node & 63).astype(np.uint64))
    source, target = component[first], component[second]
    order = np.argsort(source * len(members) + target)
    source, target = source[order], target[order]
    new = (np.diff(source, prepend=-1) != 0) | (np.diff(target, prepend=-1) != 0)
    source, target = source[new], target[new]
    ptr = csr(source, len(members)).tolist()
    for number in range(len(members)):
        low, high = ptr[number], ptr[number + 1]
        if low < high:
            # An edge inside the component adds the component itself.
            row = np.bitwise_or.reduce(with_self[target[low:high]], axis=0)
            reach[number] = row
            with_self[number] |= row
    return reach[component]


def is_dense_enough(n: int, rows: int) -> bool:
    """Whether bit rows pay: a matrix of n x n bits against this many rows to begin with."""
    return n * n // 64 <= 64 * rows + 4096


# -- the fixpoint --------------------------------------------------------------------------------------


def path_fixpoint(
    paths: Sequence[Path], pairs: dict[Signature, Pairs], growing: frozenset[Signature], guard: Guard
) -> None:
    """Close the growing relations of `pairs` under the rules.

    Raises: LimitError.
    """
    n = next(iter(pairs.values())).n
    appended = _appended(paths, growing)
    if appended is not None:
        signature, fixed, at_end = appended
        # p = p0 E*: with pairs turned round, a relation put before is one put behind.
        steps = np.zeros((n, num_words(n)), dtype=np.uint64)
        for link in fixed:
            source = pairs[link.signature]
            steps |= (source if link.reverse != at_end else source.turned).bits
        start = pairs[signature] if at_end else pairs[signature].turned
        reached = closure(Pairs(n, bits=steps))
        total = start.bits | product(start.edges, reached)
        guard.added(paths[0].form.rule, count_bits(total & ~start.bits))
        pairs[signature] = Pairs(n, bits=total) if at_end else Pairs(n, bits=total).turned
        return
    delta = {signature: pairs[signature] for signature in growing}
    while delta:
        produced: dict[Signature, Bits] = {}
        for path in paths:
            guard.enter(path.form.rule)
            for place, link in enumerate(path.links):
                if link.signature in delta:
                    found = _multiply(path, place, delta[link.signature], pairs)
                    known = produced.get(path.head)
                    produced[path.head] = found if known is None else known | found
        delta = {}
        for signature, found in produced.items():
            full = pairs[signature].bits
            new = found & ~full
            if new.any():
                guard.added(next(path.form.rule for path in paths if path.head == signature), count_bits(new))
                delta[signature] = Pairs(n, bits=new)
                pairs[signature] = Pairs(n, bits=full | new)


def _appended(paths: Sequence[Path], growing: frozenset[Signature]) -> tuple[Signature, list[Link], bool] | None:
    """The one growing relation and the fixed ones that rules put behind it (or before it), if that is all they do."""
    if len(growing) != 1 or any(len(path.links) != 2 for path in paths):
        return None
    (signature,) = growing
    for at_end in (True, False):
        own, other = (0, 1) if at_end else (1, 0)
        if all(
            path.links[own] == Link(signature, False) and path.links[other].signature not in growing for path in paths
        ):
            return signature, [path.links[other] for path in paths], at_end
    return None


def _multiply(path: Path, place: int, delta: Pairs, pairs: dict[Signature, Pairs]) -> Bits:
    """The pairs that a path gives when one of its links has only its newest pairs."""

    def of(link: Link) -> Pairs:
        return pairs[link.signature].turned if link.reverse else pairs[link.signature]

    current = delta.turned if path.links[place].reverse else delta
    for link in path.links[place + 1 :]:
        current = Pairs(delta.n, bits=product(current.edges, of(link).bits))
    result = current.bits
    for link in reversed(path.links[:place]):
        result = product(of(link).edges, result)
    return result
