"""Which leaves an answer rests on: the slope of its probability, and what it would be without each of them."""

from __future__ import annotations

import torch
from torch import Tensor

from nesy.explanation.story import Blame, Saw
from nesy.reasoning.derivation import DerivationGraph
from nesy.reasoning.readings.exact import Reading


def blame(reading: Reading, leaf: Tensor, query: int, saw: Saw | None = None, top: int = 8) -> tuple[Blame, ...]:
    """The `top` leaves that matter most to a query, those first without which it would lose most.

    *Without* a leaf means that its outcome does not come out, where its choice may have none. A choice that must
    have one, such as an encoder's among the values of a neural predicate, is left undecided instead: all its outcomes
    alike, and its most probable outcome stands for it. Two readings of the graph: one for the gradient, one for all
    the leaves left out, side by side.

    Shapes: leaf [L]; `query` is an index into the graph's queries
    """
    graph = reading.graph
    given = leaf.detach().double().requires_grad_(True)
    answer = reading(given).p[query]
    if not answer.requires_grad:  # no leaf has a say
        return ()
    (slope,) = torch.autograd.grad(answer, given)
    matters = torch.nonzero(
        (slope != 0) & (given.detach() > 0) & _stands_for_its_choice(graph, given.detach())
    ).flatten()
    if not len(matters):
        return ()
    with torch.no_grad():
        without = torch.stack([_without(reading, given.detach(), int(index)) for index in matters])
        left = reading(without, where_impossible="nan").p[:, query]
    found: list[Blame] = []
    total = answer.item()
    for index, other in zip(matters.tolist(), left.tolist(), strict=True):
        choice = int(graph.choices.of_leaf[index])
        name = _name(reading, choice, index)
        sighting = saw(name, graph.choices.key[choice]) if saw is not None else None
        probability = given[index].item()
        loss = total - other if other == other else total  # nan: no world is left without it
        text = str(graph.atom_of(index))
        found.append(Blame(text, probability, slope[index].item(), total - loss, loss, sighting))
    found.sort(key=lambda b: (-abs(b.loss), b.text))
    return tuple(sorted(found[:top], key=lambda b: (-b.loss, b.text)))


def _without(reading: Reading, leaf: Tensor, index: int) -> Tensor:
    choices = reading.graph.choices
    choice = int(choices.of_leaf[index])
    result = leaf.clone()
    result[index] = 0
    if not choices.has_rest[choice]:
        own = slice(int(choices.ptr[choice]), int(choices.ptr[choice + 1]))
        result[own] = 1 / (own.stop - own.start)
    return result


def _stands_for_its_choice(graph: DerivationGraph, leaf: Tensor) -> Tensor:
    """Which leaves are looked at: of a choice that must have an outcome, only the most probable.

    Shapes: leaf [L] -> [L] bool
    """
    choices = graph.choices
    of_leaf = torch.from_numpy(choices.of_leaf)
    most = torch.zeros(choices.num_choices, dtype=leaf.dtype).scatter_reduce(0, of_leaf, leaf.cpu(), "amax")
    return (torch.from_numpy(choices.has_rest)[of_leaf] | (leaf.cpu() >= most[of_leaf])).to(leaf.device)


def _name(reading: Reading, choice: int, leaf: int) -> str:
    """The neural predicate of a choice, or the predicate of the atom that the leaf selects."""
    wanted = int(reading.graph.choices.choice[choice])
    for rule in reading.graph.program.rules:
        if rule.choice is not None and rule.choice.id == wanted and rule.choice.neural:
            return rule.choice.neural
    return reading.graph.atom_of(leaf).predicate
