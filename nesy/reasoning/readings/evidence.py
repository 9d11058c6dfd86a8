"""Many pieces of evidence at once: compiled together, then set for each row of a batch.

Each answer that may be observed gets a switch with two outcomes, "it was seen to hold" and "it was seen not to hold",
and a constraint that what was seen is so. What was seen is then an input like any probability: one compilation and
one pass serve a batch in which every row has evidence of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import replace as replaced
from typing import Literal as OneOf

import torch
from torch import Tensor

from nesy.errors import InconsistentError
from nesy.reasoning.compilation.budget import Budget
from nesy.reasoning.derivation import DerivationGraph
from nesy.reasoning.readings.exact import Reading, exact
from nesy.reasoning.readings.extension import Extension
from nesy.reasoning.readings.probabilities import Probabilities


@dataclass(frozen=True, eq=False)
class Observing:
    """Leaf probabilities and evidence in, answer probabilities out; made by `observing`.

    Shapes: leaf [*B, L], seen [*B, O] (the leading shapes broadcast) -> each of `Probabilities` [*B, Q]
    Units: `seen` is 1 where the answer was observed to hold, -1 where it was observed not to, 0 where nothing is known.
    Gradient: in `leaf`.
    """

    observable: tuple[int, ...]
    reading: Reading
    num_queries: int

    def __call__(self, leaf: Tensor, seen: Tensor, where_impossible: OneOf["raise", "nan"] = "raise") -> Probabilities:
        """The probability of each query given what was seen in its row, besides the graph's own evidence.

        Raises: InconsistentError where no world agrees with a row's evidence (unless "nan" is asked for).
        """
        if seen.shape[-1:] != (len(self.observable),):
            raise ValueError(f"evidence has shape {tuple(seen.shape)}, not [*B, {len(self.observable)}]")
        if bool(((seen != 0) & (seen.abs() != 1)).any()):
            raise ValueError("evidence is 1 (seen to hold), -1 (seen not to hold) or 0 (not seen)")
        switches = torch.stack([seen == 1, seen == -1], -1).flatten(-2).to(leaf)
        batch = torch.broadcast_shapes(leaf.shape[:-1], seen.shape[:-1])
        inputs = torch.cat([leaf.expand(*batch, leaf.shape[-1]), switches.expand(*batch, switches.shape[-1])], -1)
        try:
            found = self.reading(inputs, where_impossible)
        except InconsistentError:
            impossible = (self.reading(inputs, "nan").evidence <= 0).any(-1).flatten()
            row = seen.expand(*batch, seen.shape[-1]).reshape(-1, seen.shape[-1])[int(impossible.int().argmax())]
            raise InconsistentError(f"no possible world agrees with {self._text(row)}") from None
        kept = (found.p, found.lower, found.upper, found.evidence, found.log_p)
        return replaced(found, **dict(zip(_FIELDS, (t[..., : self.num_queries] for t in kept), strict=True)))

    def _text(self, seen: Tensor) -> str:
        """What was seen in one row."""
        atoms = (self.reading.graph.query[position].atom for position in self.observable)
        signed = [f"{'not ' if way < 0 else ''}{atom}" for atom, way in zip(atoms, seen.tolist(), strict=True) if way]
        return "the program's own evidence and constraints, and " + ("; ".join(signed) or "nothing") + " as seen"


_FIELDS = ("p", "lower", "upper", "evidence", "log_p")


def observing(graph: DerivationGraph, observable: Sequence[int], budget: Budget | None = None) -> Observing:
    """Analyse a graph whose queries at the positions `observable` may be observed, whatever row by row.

    The probability of a row's evidence is that of what was seen, together with the graph's own evidence.

    Raises: InconsistentError, as `exact` does.
    Example:
        >>> from nesy.language import parse_program
        >>> from nesy.reasoning import ground
        >>> text = "0.2::rain. 0.5::sprinkler. wet :- rain. wet :- sprinkler. #query rain. #query wet."
        >>> reading = observing(ground(parse_program(text)), [1])
        >>> leaf, seen = torch.tensor([0.2, 0.5]), torch.tensor([[0], [1], [-1]])
        >>> [round(p, 3) for p in reading(leaf, seen).p[:, 0].tolist()]
        [0.2, 0.333, 0.0]
    """
    extension = Extension(graph, len(observable))
    violated: list[int] = []
    for number, position in enumerate(observable):
        query = graph.query[position]
        held, failed = extension.switch(number, 0), extension.switch(number, 1)
        ways = [[held]]  # what has no derivation cannot have been seen
        if query.literal is not None:
            literal = extension.literal(query.literal)
            ways = [[held, literal ^ 1], [failed, literal]]
        violated.append(extension.node(f"not as seen: {query.atom}", query.sample, ways))
    reading = exact(extension.build([], violated), budget)
    return Observing(tuple(observable), reading, len(graph.query))
