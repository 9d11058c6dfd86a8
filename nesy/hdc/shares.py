"""Which members of a bundle make it similar to a query: exact shares that add up to the similarity."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from nesy.hdc.binary import BSC
from nesy.hdc.bipolar import MAP
from nesy.hdc.model import VSA, HypervectorError
from nesy.hdc.sparse import SBC


@dataclass(frozen=True, eq=False)
class Shares:
    """The parts of similarity(bundle(members), query): `members.sum() + ties` is `similarity`."""

    members: Tensor  # float [L]
    ties: Tensor  # float []: dimensions where the members cancel, which no member can claim
    similarity: Tensor  # float []


def shares(model: VSA, members: Tensor, query: Tensor, weights: Tensor | None = None) -> Shares:
    """Split the similarity between a bundle and a query among the bundle's members.

    In each dimension the bundle is the sum of its members, scaled (to a sign, a phase, or one length for all); each
    member's number, scaled likewise, times the query's, is its share. In a block code the members that voted for a
    block's number share it. Nothing is estimated.
    Shapes: members [L, D], query [D], weights [L]
    """
    model.check(members, query)
    if members.ndim != 2 or query.ndim != 1:
        raise HypervectorError(f"shares are of members [L, D] in one query [D], not {list(members.shape)}")
    bundle = model.bundle(members, weights=weights)
    similarity = model.similarity(bundle, query)
    if isinstance(model, SBC):
        votes = (members == bundle).to(torch.float32) * (1.0 if weights is None else weights[:, None])
        agreed = (votes / votes.sum(0)) * (bundle == query)
        parts = agreed.sum(1) / model.dim
        return Shares(parts, similarity - parts.sum(), similarity)
    if isinstance(model, BSC):
        members, query = model.unpack(members, torch.float32), model.unpack(query, torch.float32)
    elif isinstance(model, MAP) and not members.is_floating_point():
        members, query = members.to(torch.float32), query.to(torch.float32)
    scaled = members if weights is None else members * weights.to(members.dtype)[:, None]
    total = scaled.sum(0)
    # The bundle is sum / size, and its own length is `length`.
    if isinstance(model, MAP | BSC):
        size, length = total.abs(), model.dim**0.5
    elif total.is_complex():
        size = total.abs()
        length = (size > 0).sum().sqrt()
    else:
        size, length = torch.linalg.vector_norm(total).expand(total.shape), 1.0
    unit_query = query / torch.linalg.vector_norm(query)
    spread = unit_query.conj() / torch.where(size > 0, size, torch.inf) / length
    parts = (scaled * spread).sum(-1)
    parts = parts.real if parts.is_complex() else parts
    return Shares(parts, similarity - parts.sum(), similarity)
