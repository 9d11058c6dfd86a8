"""Sets of leaf literals: whether they can hold together, and with what probability."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from nesy.reasoning.derivation import ChoiceTable


def joint_probability(choices: ChoiceTable, leaf: Sequence[float], assumed: Iterable[int]) -> float:
    """The chance that all leaf literals hold; 0 where they contradict each other.

    Leaves of one choice exclude each other; so two positive ones never hold together, and several negated
    ones leave the chance of the others.
    """
    taken: dict[int, int] = {}
    refused: dict[int, set[int]] = {}
    of_leaf = choices.of_leaf
    for literal in assumed:
        node, choice = literal >> 1, int(of_leaf[literal >> 1])
        if literal & 1:
            refused.setdefault(choice, set()).add(node)
        elif taken.setdefault(choice, node) != node:
            return 0.0
    chance = 1.0
    for choice, node in taken.items():
        if node in refused.get(choice, ()):
            return 0.0
        chance *= leaf[node]
    for choice, nodes in refused.items():
        if choice not in taken:
            if len(nodes) == choices.ptr[choice + 1] - choices.ptr[choice] and not choices.has_rest[choice]:
                return 0.0
            chance *= max(0.0, 1.0 - sum(leaf[node] for node in nodes))
    return chance
