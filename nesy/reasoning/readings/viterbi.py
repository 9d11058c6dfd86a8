"""The probability of each query's most probable proof, with a gradient in the leaves that the proof rests on."""

from __future__ import annotations

import torch
from torch import Tensor

from nesy.reasoning.derivation import DerivationGraph
from nesy.reasoning.readings.assumptions import joint
from nesy.reasoning.readings.kbest import best_proofs


def viterbi(graph: DerivationGraph, leaf: Tensor) -> Tensor:
    """The probability that the most probable proof of each query holds: at most the query's, and 0 without a proof.

    Evidence and constraints are not looked at.

    Shapes: leaf [*B, L] -> [*B, Q]
    Gradient: that of the best proof's probability; where two proofs are equally good, that of one of them.
    Cost: one search for proofs for each row of the batch and each query.
    Raises: LimitError where a query depends on too much through aggregates or negated recursion.

    Example:
        >>> from nesy.language import parse_program
        >>> from nesy.reasoning import ground
        >>> graph = ground(parse_program("0.3::a. 0.4::b. p :- a. p :- b. #query p."))
        >>> leaf = torch.tensor([0.3, 0.4], requires_grad=True)
        >>> found = viterbi(graph, leaf); found.sum().backward()
        >>> [round(p, 2) for p in found.tolist()], leaf.grad.tolist()
        ([0.4], [0.0, 1.0])
    """
    rows = leaf.reshape(-1, graph.num_leaves)
    found: list[Tensor] = []
    for row in rows:
        known = row.detach()
        for query in graph.query:
            proofs = best_proofs(graph, known, query.literal, 1) if query.literal is not None else []
            found.append(joint(graph.choices, row, proofs[0].assumed) if proofs else row.new_zeros(()))
    shape = (*leaf.shape[:-1], len(graph.query))
    return torch.stack(found).reshape(shape) if found else leaf.new_zeros(shape)
