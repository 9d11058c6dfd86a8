"""Where boxes go: layers from left to right, so that every arrow points right and texts can be read.

Each box stands in the layer of its longest path from the root. Within a layer the order comes from the order in
which a reader meets the boxes, improved by barycentres; then boxes are moved towards the middle of what they
point to.

Source: Sugiyama, Tagawa, Toda, "Methods for visual understanding of hierarchical system structures", 1981.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import networkx as nx

from nesy.explanation.outline import Outline

_SWEEPS = 8  # after a few, barycentres of such small graphs no longer move
_SETTLING = 12


@dataclass(frozen=True)
class Place:
    """A box's left upper corner and size, in pixels."""

    x: float
    y: float
    width: float
    height: float

    @property
    def middle(self) -> float:
        return self.y + self.height / 2


@dataclass(frozen=True)
class Layout:
    """The place of each box, and how much room all of them take."""

    places: tuple[Place, ...]
    width: float
    height: float


def lay_out(drawing: Outline, sizes: Sequence[tuple[float, float]], gap_x: float = 56, gap_y: float = 14) -> Layout:
    """Places for boxes of given sizes (width, height)."""
    graph: nx.DiGraph[int] = nx.DiGraph()
    graph.add_nodes_from(range(len(drawing.boxes)))
    graph.add_edges_from((arrow.source, arrow.target) for arrow in drawing.arrows)
    layer: dict[int, int] = {}
    for node in nx.topological_sort(graph):
        layer[node] = max((layer[parent] + 1 for parent in graph.predecessors(node)), default=0)
    layers: list[list[int]] = [[] for _ in range(max(layer.values(), default=0) + 1)]
    for node in _reading_order(graph):
        layers[layer[node]].append(node)
    below = {node: list(graph.successors(node)) for node in graph}
    above = {node: list(graph.predecessors(node)) for node in graph}
    # Arrows that skip layers pull on the order as if they were short: such graphs are small enough for that.
    for _ in range(_SWEEPS):
        for index in range(1, len(layers)):
            _sort(layers, index, above)
    middle = _settle(layers, sizes, above, below, gap_y)
    x, places = 0.0, [Place(0, 0, 0, 0)] * len(drawing.boxes)
    for nodes in layers:
        for node in nodes:
            width, height = sizes[node]
            places[node] = Place(x, middle[node] - height / 2, width, height)
        x += max(sizes[node][0] for node in nodes) + gap_x
    top = min((place.y for place in places), default=0)
    places = [Place(p.x, p.y - top, p.width, p.height) for p in places]
    bottom = max((place.y + place.height for place in places), default=0)
    return Layout(tuple(places), max(0.0, x - gap_x), bottom)


def _reading_order(graph: nx.DiGraph[int]) -> list[int]:
    """Depth first, children in the order of their arrows."""
    order: dict[int, None] = {}
    for root in [node for node in graph if graph.in_degree(node) == 0]:
        todo = [root]
        while todo:
            node = todo.pop()
            if node not in order:
                order[node] = None
                todo.extend(reversed(list(graph.successors(node))))
    return list(order)


def _sort(layers: Sequence[list[int]], index: int, above: Mapping[int, Sequence[int]]) -> None:
    rank = {node: number / len(nodes) for nodes in layers for number, node in enumerate(nodes)}
    before = {node: number for number, node in enumerate(layers[index])}
    weight = {node: sum(rank[p] for p in above[node]) / max(1, len(above[node])) for node in layers[index]}
    layers[index].sort(key=lambda node: (weight[node], before[node]))


def _settle(
    layers: Sequence[Sequence[int]],
    sizes: Sequence[tuple[float, float]],
    above: Mapping[int, Sequence[int]],
    below: Mapping[int, Sequence[int]],
    gap: float,
) -> dict[int, float]:
    """The middle of each box: near the middle of its neighbours, in order, without overlap."""
    middle: dict[int, float] = {}
    for nodes in layers:
        y = 0.0
        for node in nodes:
            middle[node] = y + sizes[node][1] / 2
            y += sizes[node][1] + gap
    for round_ in range(_SETTLING):
        forward = round_ % 2 == 1
        neighbours = above if forward else below
        for nodes in layers if forward else reversed(layers):
            wanted = {
                node: _mean([middle[n] for n in neighbours[node]]) if neighbours[node] else middle[node]
                for node in nodes
            }
            _spread(nodes, wanted, sizes, gap, middle)
    for nodes in reversed(layers):  # the last word is the conclusion's: it stands in the middle of its reasons
        wanted = {node: _mean([middle[n] for n in below[node]]) if below[node] else middle[node] for node in nodes}
        _spread(nodes, wanted, sizes, gap, middle)
    return middle


def _spread(
    nodes: Sequence[int],
    wanted: Mapping[int, float],
    sizes: Sequence[tuple[float, float]],
    gap: float,
    middle: dict[int, float],
) -> None:
    """The places nearest to the wanted ones (least squares) that keep order and distance.

    Boxes that would overlap form a block that stands at the mean of what its members want (pool adjacent violators).
    """
    blocks: list[tuple[list[int], float, float]] = []  # nodes, sum of wanted starts, length
    for node in nodes:
        height = sizes[node][1] + gap
        block = ([node], wanted[node] - height / 2, height)
        while blocks and _start(blocks[-1]) + blocks[-1][2] > _start(block):
            previous = blocks.pop()
            shifted = block[1] - len(block[0]) * previous[2]
            block = (previous[0] + block[0], previous[1] + shifted, previous[2] + block[2])
        blocks.append(block)
    for members, total, length in blocks:
        y = _start((members, total, length))
        for node in members:
            middle[node] = y + (sizes[node][1] + gap) / 2
            y += sizes[node][1] + gap


def _start(block: tuple[list[int], float, float]) -> float:
    return block[1] / len(block[0])


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
