"""In which order to decide a formula's branches: the order decides the size of the diagram.

Everything that has been touched by a decided branch and waits for another one has to be remembered; the
best order keeps the most that has to be remembered at once small. Candidates are the order of the graph, the order
in which the formula meets its branches, breadth first, and a greedy one; a count of what each has to
remember picks among them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from nesy.reasoning.readings.formula import And, Leaf, Loop, Port, Shape, Total, Value

_SMALL = 6  # things to remember at once that need no better order: 2^6 states a level at most


def choose_order(shape: Shape) -> tuple[int, ...]:
    """The branches in a good order."""
    links = _links(shape)
    best = tuple(shape.natural)
    width = _width(links, best)
    for candidate in (_first_met, _breadth_first, _greedy):
        if max(width) <= _SMALL:
            break
        order = candidate(links, len(shape.num_outcomes))
        other = _width(links, order)
        if _cost(other) < _cost(width):
            best, width = order, other
    return best


def _cost(width: Sequence[int]) -> float:
    """About the logarithm of a diagram's size, where each thing to remember is a factor of two."""
    top = max(width)
    return top + sum(2.0 ** (w - top) for w in width) / (1.0 + len(width))


def _links(shape: Shape) -> list[list[int]]:
    """Sets of branches that something waits for together: those below a gate, those at one atom of a loop."""
    cone: list[frozenset[int]] = []
    links: dict[frozenset[int], None] = {}
    for gate in shape.gates:
        match gate:
            case Leaf(branch, _):
                cone.append(frozenset([branch]))
                continue
            case And(inputs) | Total(_, inputs, _):
                here = frozenset().union(*(cone[i >> 1] for i in inputs))
                links[here] = None
            case Loop(size, inputs, heads, tails):
                at: list[set[int]] = [set() for _ in range(size)]
                for literal, head, tail in zip(inputs, heads, tails, strict=True):
                    for atom in (head, *tail):
                        at[atom] |= cone[literal >> 1]
                links.update(dict.fromkeys(map(frozenset, at)))
                here = frozenset().union(*at)
            case Value(below, _) | Port(below, _):
                here = cone[below]
            case _:
                here = frozenset()
        cone.append(here)
    return [sorted(link) for link in links if len(link) > 1]


def _width(links: list[list[int]], order: Sequence[int]) -> list[int]:
    """How many links are open after each branch of an order."""
    rank = {branch: i for i, branch in enumerate(order)}
    change = [0] * (len(order) + 1)
    for link in links:
        ranks = [rank[branch] for branch in link]
        change[min(ranks)] += 1
        change[max(ranks)] -= 1
    width: list[int] = []
    total = 0
    for delta in change:
        total += delta
        width.append(total)
    return width


def _first_met(links: list[list[int]], num_branches: int) -> tuple[int, ...]:
    return tuple(range(num_branches))


def _neighbours(links: list[list[int]], num_branches: int) -> list[list[int]]:
    """The links of each branch."""
    found: list[list[int]] = [[] for _ in range(num_branches)]
    for number, link in enumerate(links):
        for branch in link:
            found[branch].append(number)
    return found


def _breadth_first(links: list[list[int]], num_branches: int) -> tuple[int, ...]:
    """Waves from the branch that is met last, which is often at one end of the structure."""
    of_branch = _neighbours(links, num_branches)
    seen = [False] * num_branches
    order: list[int] = []
    for start in reversed(range(num_branches)):
        if seen[start]:
            continue
        seen[start] = True
        queue = deque([start])
        while queue:
            branch = queue.popleft()
            order.append(branch)
            for number in sorted(of_branch[branch], key=lambda n: len(links[n])):
                for other in links[number]:
                    if not seen[other]:
                        seen[other] = True
                        queue.append(other)
    return tuple(order)


def _greedy(links: list[list[int]], num_branches: int) -> tuple[int, ...]:
    """Always the branch that leaves the fewest links open; of equals, the one whose links have waited longest."""
    of_branch = _neighbours(links, num_branches)
    missing = [len(link) for link in links]
    opened = [-1] * len(links)
    undecided = set(range(num_branches))
    reachable: set[int] = set()
    order: list[int] = []

    def change(branch: int) -> tuple[int, int, int]:
        delta, oldest = 0, num_branches
        for number in of_branch[branch]:
            if opened[number] < 0:
                delta += 1
            else:
                oldest = min(oldest, opened[number])
            if missing[number] == 1:
                delta -= 1
        return delta, oldest, branch

    while undecided:
        branch = min(reachable or undecided, key=change)
        undecided.discard(branch)
        reachable.discard(branch)
        for number in of_branch[branch]:
            if opened[number] < 0:
                opened[number] = len(order)
                reachable.update(other for other in links[number] if other in undecided)
            missing[number] -= 1
        order.append(branch)
    return tuple(order)
