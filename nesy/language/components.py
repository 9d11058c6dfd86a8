"""Strongly connected components: what depends on itself through others, lower things first.

Predicates, ground atoms and nodes of a derivation graph are ordered by it. A graph is a mapping from a node to what
it leads to; a node that only others lead to need not be a key.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TypeVar

Node = TypeVar("Node")


def strongly_connected(below: Mapping[Node, Iterable[Node]]) -> Iterator[list[Node]]:
    """The strongly connected components of a graph, each after all that it leads to.

    Source: Tarjan, "Depth-first search and linear graph algorithms", 1972; without recursion.

    >>> list(strongly_connected({"a": ["b"], "b": ["c", "b"], "c": ["b"]}))
    [['c', 'b'], ['a']]
    """
    number: dict[Node, int] = {}  # in the order in which they are met
    lowest: dict[Node, int] = {}  # the first of those that it leads back to
    done: set[Node] = set()
    pending: list[Node] = []
    for start in below:
        if start in number:
            continue
        number[start] = lowest[start] = len(number)
        pending.append(start)
        path = [(start, iter(below[start]))]
        while path:
            here, rest = path[-1]
            for other in rest:
                if other not in number:
                    number[other] = lowest[other] = len(number)
                    pending.append(other)
                    path.append((other, iter(below.get(other, ()))))
                    break
                if other not in done and number[other] < lowest[here]:
                    lowest[here] = number[other]
            else:
                path.pop()
                if path and lowest[here] < lowest[path[-1][0]]:
                    lowest[path[-1][0]] = lowest[here]
                if lowest[here] == number[here]:
                    members: list[Node] = []
                    while not members or members[-1] != here:
                        members.append(pending.pop())
                    done.update(members)
                    yield members


def is_recursive(members: list[Node], below: Mapping[Node, Iterable[Node]]) -> bool:
    """Whether the members of a component depend on themselves: one that does not is a component of its own."""
    return len(members) > 1 or members[0] in below.get(members[0], ())
