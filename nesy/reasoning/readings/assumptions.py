"""Sets of leaf literals: whether they can hold together, and with what probability."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from torch import Tensor

from nesy.reasoning.derivation import ChoiceTable


def joint_probability(choices: ChoiceTable, leaf: Sequence[float], assumed: Iterable[int]) -> float:
    """The chance that all leaf literals hold; 0 where they contradict each other.

    Leaves of one choice exclude each other; so two positive ones never hold together, and several negated
    ones leave the chance of the others.
    """
    parts = factors(choices, assumed)
    if parts is None:
        return 0.0
    taken, refused = parts
    chance = 1.0
    for node in taken:
        chance *= leaf[node]
    for nodes in refused:
        chance *= max(0.0, 1.0 - sum(leaf[node] for node in nodes))
    return chance


def joint(choices: ChoiceTable, leaf: Tensor, assumed: Iterable[int]) -> Tensor:
    """The same on tensors, with its gradient.

    Shapes: leaf [*B, L] -> [*B]
    """
    parts = factors(choices, assumed)
    if parts is None:
        return leaf.new_zeros(leaf.shape[:-1])
    taken, refused = parts
    chance = leaf[..., taken].prod(-1)
    for nodes in refused:
        chance = chance * (1 - leaf[..., nodes].sum(-1)).clamp_min(0)
    return chance


def factors(choices: ChoiceTable, assumed: Iterable[int]) -> tuple[list[int], list[list[int]]] | None:
    """What the chance is a product of: leaves that hold, and for other choices the leaves that do not.

    None where the literals contradict each other.
    """
    taken: dict[int, int] = {}
    refused: dict[int, list[int]] = {}
    of_leaf = choices.of_leaf
    for literal in dict.fromkeys(assumed):
        node, choice = literal >> 1, int(of_leaf[literal >> 1])
        if literal & 1:
            refused.setdefault(choice, []).append(node)
        elif taken.setdefault(choice, node) != node:
            return None
    if any(node in refused.get(choice, ()) for choice, node in taken.items()):
        return None
    others = {choice: nodes for choice, nodes in refused.items() if choice not in taken}
    for choice, nodes in others.items():
        if len(nodes) == choices.ptr[choice + 1] - choices.ptr[choice] and not choices.has_rest[choice]:
            return None
    return list(taken.values()), list(others.values())
