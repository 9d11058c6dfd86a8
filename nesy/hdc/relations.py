"""Trees, graphs and automata as single hypervectors, and what they were built from back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import final

import torch
from torch import Tensor

from nesy.hdc.codebook import Codebook
from nesy.hdc.model import VSA, HypervectorError, Law

Path = tuple[int, ...]


@final
class Tree:
    """Labelled trees: the label at each path from the root, bound with a hypervector of the path.

    A path is a tuple of child numbers; () is the root. Its hypervector binds one role a step, permuted by the depth,
    so that (0, 1) is not (1, 0).

    >>> from nesy.hdc import MAP
    >>> words = Codebook.random(MAP(dim=10_000), ["S", "NP", "VP", "sees"])
    >>> tree = Tree(words, branches=2)
    >>> encoded = tree.encode({(): "S", (0,): "NP", (1,): "VP", (1, 0): "sees"})
    >>> tree.decode(encoded, [(1, 0), (0,)])
    ['sees', 'NP']
    """

    def __init__(self, labels: Codebook, branches: int = 2):
        if branches < 1:
            raise HypervectorError(f"a tree needs at least 1 branch, not {branches}")
        self.labels, self.branches = labels, branches
        self.roles = labels.model.random(branches)
        self.root = labels.model.random()

    def path(self, path: Path) -> Tensor:
        """The hypervector of a path. Shapes: -> [D]"""
        model = self.labels.model
        role = self.root
        for depth, child in enumerate(path):
            if not 0 <= child < self.branches:
                raise HypervectorError(f"child {child} of the path {path} is outside 0..{self.branches - 1}")
            role = model.bind(role, model.permute(self.roles[child], depth + 1))
        return role

    def encode(self, tree: Mapping[Path, str]) -> Tensor:
        """Shapes: -> [D]"""
        if not tree:
            raise HypervectorError("an empty tree has no hypervector")
        model = self.labels.model
        paths = torch.stack([self.path(path) for path in tree])
        return model.bundle(model.bind(self.labels.encode(tree.values()), paths))

    def at(self, encoded: Tensor, path: Path) -> Tensor:
        """What stands at a path, noisy. Shapes: [*B, D] -> [*B, D]"""
        return self.labels.model.unbind(encoded, self.path(path))

    def decode(self, encoded: Tensor, paths: Sequence[Path]) -> list[str]:
        """The label most like what stands at each path."""
        return [self.labels.nearest(self.at(encoded, path)).name for path in paths]


def graph(model: VSA, nodes: Tensor, edges: Tensor, directed: bool = True, weights: Tensor | None = None) -> Tensor:
    """A graph: the bundle of its edges, each its target (permuted, where directed) bound with its source.

    Shapes: nodes [N, D], edges int64 [E, 2] (source, target), weights [E] -> [D]
    Source: Gayler and Levy, "A Distributed Basis for Analogical Mapping", 2009.
    """
    if edges.ndim != 2 or edges.shape[1] != 2 or edges.dtype is not torch.int64:
        raise HypervectorError(f"edges are int64 of shape [E, 2], got {edges.dtype} {list(edges.shape)}")
    sources, targets = (_rows(nodes, "nodes", ends) for ends in edges.unbind(1))
    return model.bundle(model.bind(_marked(model, targets, directed), sources), weights=weights)


def successors(model: VSA, encoded: Tensor, node: Tensor, directed: bool = True) -> Tensor:
    """The bundle of a node's targets (neighbours, where undirected), noisy. Shapes: [D], [*B, D] -> [*B, D]"""
    ends = model.unbind(encoded.expand_as(node), node)
    return model.permute(ends, -1) if directed else ends


def predecessors(model: VSA, encoded: Tensor, node: Tensor) -> Tensor:
    """The bundle of the sources of a node's incoming directed edges, noisy. Shapes: [D], [*B, D] -> [*B, D]"""
    if Law.COMMUTATIVE not in model.laws:
        raise HypervectorError(f"{model!r} undoes the right factor alone: ask for successors")
    return model.unbind(encoded.expand_as(node), model.permute(node))


def has_edge(model: VSA, encoded: Tensor, source: Tensor, target: Tensor, directed: bool = True) -> Tensor:
    """The similarity of a graph with one edge: about zero where it is not there. Shapes: [D], [D], [D] -> []"""
    return model.similarity(model.bind(_marked(model, target, directed), source), encoded)


def automaton(model: VSA, states: Tensor, symbols: Tensor, transitions: Tensor) -> Tensor:
    """A finite automaton: the bundle of its transitions, each the next state permuted, bound with symbol and state.

    Shapes: states [S, D], symbols [A, D], transitions int64 [T, 3] (state, symbol, next state) -> [D]
    Source: Osipov, Kleyko, Legalov, "Associative Synthesis of Finite State Automata Model of a Controlled Object
    with Hyperdimensional Computing", IECON 2017.
    """
    if transitions.ndim != 2 or transitions.shape[1] != 3 or transitions.dtype is not torch.int64:
        raise HypervectorError(
            f"transitions are int64 of shape [T, 3], got {transitions.dtype} {list(transitions.shape)}"
        )
    state, symbol, following = transitions.unbind(1)
    sources, targets = _rows(states, "states", state), _rows(states, "states", following)
    return model.bundle(model.bind(model.bind(model.permute(targets), _rows(symbols, "symbols", symbol)), sources))


def next_state(model: VSA, encoded: Tensor, state: Tensor, symbol: Tensor) -> Tensor:
    """Where an automaton goes, noisy: clean it up among the states. Shapes: [D], [*B, D], [*B, D] -> [*B, D]"""
    return model.permute(model.unbind(model.unbind(encoded.expand_as(state), state), symbol), -1)


def _rows(vectors: Tensor, what: str, index: Tensor) -> Tensor:
    """Shapes: [V, D], int64 [E] -> [E, D]. Raises: HypervectorError for a number that is no row"""
    outside = index[(index < 0) | (index >= len(vectors))]
    if len(outside):
        raise HypervectorError(f"there are {len(vectors)} {what}, none has the number {int(outside[0])}")
    return vectors[index]


def _marked(model: VSA, targets: Tensor, directed: bool) -> Tensor:
    return model.permute(targets) if directed else targets
