"""Gödel's reading: a rule is as true as its weakest condition, an atom as its best rule, a negation as 1 minus.

A degree of truth, not a probability: it needs no independence, costs one pass over the graph and has a
gradient (in the one leaf that decides, as min and max do).
"""

from __future__ import annotations

import torch
from torch import Tensor

from nesy.reasoning.compilation.formula import And, FormulaMaker, Leaf, Loop, Port
from nesy.reasoning.derivation import DerivationGraph


def godel(graph: DerivationGraph, leaf: Tensor) -> Tensor:
    """The degree of truth of each query; evidence and constraints are not looked at.

    Shapes: leaf [*B, L] -> [*B, Q]
    Raises: ValueError where a query depends on an aggregate, which has no degrees.
    Source: least fixpoints of graded rules as in Vojtás, "Fuzzy logic programming", Fuzzy Sets and Systems 2001.
    """
    literals = [query.literal for query in graph.query]
    known = [literal for literal in literals if literal is not None]
    formula = FormulaMaker(graph).make(known, [])
    one = torch.ones_like(leaf[..., 0])
    value: list[Tensor] = []
    loops: dict[int, list[Tensor]] = {}

    def read(literal: int) -> Tensor:
        return 1 - value[literal >> 1] if literal & 1 else value[literal >> 1]

    for number, gate in enumerate(formula.shape.gates):
        here = one
        match gate:
            case Leaf(branch, outcome):
                here = leaf[..., formula.leaf[branch][outcome]]
            case And(inputs):
                here = torch.stack([read(literal) for literal in inputs]).amin(0)
            case Loop(size, inputs, heads, tails):
                held = [torch.zeros_like(one) for _ in range(size)]
                for _ in range(size):  # the best proof of an atom visits each atom once at most
                    for literal, head, tail in zip(inputs, heads, tails, strict=True):
                        way = torch.stack([read(literal), *(held[atom] for atom in tail)]).amin(0)
                        held[head] = torch.maximum(held[head], way)
                loops[number] = held
            case Port(loop, atom):
                here = loops[loop][atom]
            case _:
                if number:
                    raise ValueError("a query depends on an aggregate, which has no degree of truth")
        value.append(here)
    found = iter(formula.shape.targets)
    return torch.stack([torch.zeros_like(one) if q is None else read(next(found)) for q in literals], dim=-1)
