"""In which order to decide a formula's branches: the order decides the size of the diagram.

Everything that has been touched by a decided branch and waits for another one has to be remembered; the
best order keeps the most that has to be remembered at once small. Candidates are the order of the graph, the order
in which the formula meets its branches, breadth first, and a greedy one; a count of what each has to
remember picks among them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from itertools import accumulate
from math import inf, log2
from random import Random

from nesy.reasoning.compilation.formula import And, Leaf, Loop, Port, Shape, Total, Value

_HARD = 10.5  # cost from which a search for a better order pays: a few milliseconds for each restart
_RESTARTS = 60
_FAR = 4  # how much such a search may gain; seen: 2
_LATE = 2.5  # last instead of first: seen on random graphs, two to six times the states
_SMALL = 7  # bits to remember at once that need no better order: about 2^7 states a level


def choose_order(shape: Shape, enough: float = inf) -> tuple[tuple[int, ...], float]:
    """The branches in a good order, and the logarithm (base 2) of about how many states it leads to.

    `enough` is the most that is of use: where the first orders are far above it, no more are tried.
    """
    best = tuple(shape.natural)
    width = _width(shape, best)
    links: list[list[int]] = []
    for candidate in (_first_met, _breadth_first, _greedy):
        if max(width) <= _SMALL:
            break
        links = links or _links(shape)
        forward = candidate(links, len(shape.num_outcomes))
        for order in (forward, forward[::-1]):
            other = _width(shape, order)
            if _cost(other) < _cost(width):
                best, width = order, other
    if not any(isinstance(gate, Loop) for gate in shape.gates) or not _HARD < _cost(width) < enough + _FAR:
        return best, _cost(width)
    random = Random(0)
    asked = _asked(shape)
    size = _cost(width) + _lateness(asked, best)
    for _ in range(_RESTARTS):
        forward = _greedy(links, len(shape.num_outcomes), random)
        for order in (forward, forward[::-1]):
            other = _cost(_width(shape, order)) + _lateness(asked, order)
            if other < size:
                best, size = order, other
    return best, size - _lateness(asked, best)


def _asked(shape: Shape) -> list[int]:
    """The branches that guard arcs into atoms of loops that are looked at from outside."""
    used = {literal >> 1 for literal in (*shape.targets, *shape.conditions)}
    for gate in shape.gates:
        if isinstance(gate, And | Total | Loop):
            used |= {literal >> 1 for literal in gate.inputs}
    ports = {(gate.loop, gate.atom) for gate in (shape.gates[i] for i in used) if isinstance(gate, Port)}
    found: dict[int, None] = {}
    for number, gate in enumerate(shape.gates):
        if isinstance(gate, Loop):
            for literal, head in zip(gate.inputs, gate.heads, strict=True):
                guard = shape.gates[literal >> 1]
                if (number, head) in ports and isinstance(guard, Leaf):
                    found[guard.branch] = None
    return list(found)


def _lateness(asked: Sequence[int], order: Sequence[int]) -> float:
    """What it costs that a loop's questions come late: once an order has met them, more of the rest is seen not to
    matter (`closure`)."""
    if not asked:
        return 0.0
    rank = {branch: step for step, branch in enumerate(order)}
    return _LATE * sum(rank[branch] for branch in asked) / (len(asked) * len(order))


def _cost(width: Sequence[float]) -> float:
    """The logarithm of a diagram's size, if each thing to remember were a factor of two."""
    top = max(width)
    return top + log2(sum(2.0 ** (w - top) for w in width))


def _width(shape: Shape, order: Sequence[int]) -> list[float]:
    """About how many bits are to be remembered after each branch of an order.

    What conjunctions and aggregates have seen can be remembered by a bit for each that is unfinished, or by
    what they have read: the outcome of a branch, the value of a lower gate. The smaller count of the two is
    taken. Each unfinished atom of a loop counts as one more.
    """
    steps = len(order) + 1
    rank = {branch: step for step, branch in enumerate(order)}
    done = [-1] * len(shape.gates)
    read_until: dict[int, int] = {}  # branches as -1 - branch, gates as they are: when they are needed last
    unfinished, read, atoms = [0.0] * steps, [0.0] * steps, [0.0] * steps

    def hold(change: list[float], start: int, stop: int, bits: float) -> None:
        if 0 <= start < stop:
            change[start] += bits
            change[stop] -= bits

    for number, gate in enumerate(shape.gates):
        match gate:
            case Leaf(branch, _):
                done[number] = rank[branch]
            case And(inputs) | Total(_, inputs, _):
                times = [done[i >> 1] for i in inputs]
                known = [time for time in times if time >= 0]
                done[number] = last = max(known, default=-1)
                if known:
                    hold(unfinished, min(known), last, 1.0)
                for i, time in zip(inputs, times, strict=True):
                    below = shape.gates[i >> 1]
                    item = -1 - below.branch if isinstance(below, Leaf) else i >> 1
                    if time < last:
                        read_until[item] = max(read_until.get(item, -1), last)
            case Loop(size, inputs, heads, tails):
                at: list[list[int]] = [[] for _ in range(size)]
                for literal, head, tail in zip(inputs, heads, tails, strict=True):
                    for atom in (head, *tail):
                        at[atom].append(done[literal >> 1])
                done[number] = max((done[i >> 1] for i in inputs), default=-1)
                for times in at:
                    known = [time for time in times if time >= 0]
                    hold(atoms, min(known, default=-1), max(known, default=-1), 1.0)
            case Value(below, _) | Port(below, _):
                done[number] = done[below]
            case _:
                pass
    for item, stop in read_until.items():
        if item < 0:
            hold(read, rank[-1 - item], stop, log2(1 + shape.num_outcomes[-1 - item]))
        else:
            hold(read, done[item], stop, 1.0)
    counts = (accumulate(change) for change in (unfinished, read, atoms))
    return [min(u, r) + a for u, r, a in zip(*counts, strict=True)]


def _links(shape: Shape) -> list[list[int]]:
    """Sets of branches that bear on one thing to remember: the inputs of a gate and of its neighbours; the guards of
    the arcs at an atom of a loop."""
    gates = shape.gates
    near: list[set[int]] = [{gate.branch} if isinstance(gate, Leaf) else set() for gate in gates]
    around: list[set[int]] = [set() for _ in gates]
    links: dict[tuple[int, ...], None] = {}
    for number, gate in enumerate(gates):
        match gate:
            case And(inputs) | Total(_, inputs, _):
                for i in inputs:
                    below = gates[i >> 1]
                    if isinstance(below, Leaf):
                        near[number].add(below.branch)
                for i in inputs:
                    if not isinstance(gates[i >> 1], Leaf):
                        around[number] |= near[i >> 1]
                        around[i >> 1] |= near[number]
            case Loop(size, inputs, heads, tails):
                at: list[set[int]] = [set() for _ in range(size)]
                for literal, head, tail in zip(inputs, heads, tails, strict=True):
                    for atom in (head, *tail):
                        at[atom] |= near[literal >> 1]
                links.update(dict.fromkeys(tuple(sorted(link)) for link in at))
            case _:
                pass
    links.update(dict.fromkeys(tuple(sorted(a | b)) for a, b in zip(near, around, strict=True)))
    return [list(link) for link in links if len(link) > 1]


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


def _greedy(links: list[list[int]], num_branches: int, random: Random | None = None) -> tuple[int, ...]:
    """Always the branch that leaves the fewest links open; of equals, the one whose links have waited longest.

    With `random`, another start and another choice among equals, which sometimes ends better.
    """
    of_branch = _neighbours(links, num_branches)
    missing = [len(link) for link in links]
    opened = [-1] * len(links)
    undecided = set(range(num_branches))
    reachable: set[int] = set()
    order: list[int] = []
    tie = list(range(num_branches))
    if random is not None:
        random.shuffle(tie)

    def change(branch: int) -> tuple[int, int, int]:
        delta, oldest = 0, num_branches
        for number in of_branch[branch]:
            if opened[number] < 0:
                delta += 1
            else:
                oldest = min(oldest, opened[number])
            if missing[number] == 1:
                delta -= 1
        return delta, oldest, tie[branch]

    changes = [change(branch) for branch in range(num_branches)]
    while undecided:
        branch = min(reachable or undecided, key=changes.__getitem__)
        undecided.discard(branch)
        reachable.discard(branch)
        touched: set[int] = set()
        for number in of_branch[branch]:
            missing[number] -= 1
            if opened[number] < 0:
                opened[number] = len(order)
                reachable.update(other for other in links[number] if other in undecided)
            elif missing[number] != 1:
                continue  # nothing that `change` looks at has changed
            touched.update(links[number])
        for other in touched & undecided:
            changes[other] = change(other)
        order.append(branch)
    return tuple(order)
