"""Samples that a program has been run over, kept: a batch that meets them again runs no rule.

What a sample derives depends on its own facts and on the program. So each sample is grounded and analysed when it is
met for the first time, all that are new in a batch together, and any batch of known ones is put side by side.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Mapping, Sequence

from nesy.language.core import CoreProgram, Query, Signature
from nesy.language.values import Value
from nesy.reasoning.compilation.budget import Budget
from nesy.reasoning.compilation.pieces import Piece, cut
from nesy.reasoning.compilation.places import gather
from nesy.reasoning.compilation.structures import Structures, Template
from nesy.reasoning.evaluation.ground import ground
from nesy.reasoning.evaluation.limits import Limits
from nesy.reasoning.readings.exact import Reading, exact, joined, templates_of

_MOST = 8_192  # samples: a sentence of twenty words takes some 20 kB


class KnownSamples:
    """The samples of one program and its queries, the least recently used ones dropped beyond `most`."""

    def __init__(self, program: CoreProgram, queries: Sequence[Query], structures: Structures, most: int = _MOST):
        self.program = program
        self.queries = tuple(queries)
        self.structures = structures
        self.most = most
        self._kept: OrderedDict[Hashable, tuple[Piece, Template]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def read(
        self, samples: Sequence[Mapping[Signature, Sequence[Sequence[Value]]]], keys: Sequence[Hashable]
    ) -> Reading:
        """The samples side by side, for exact probabilities; equal keys say that the facts are equal.

        Raises: InconsistentError where grounding already found the evidence to be impossible; LimitError.
        """
        new = {key: sample for key, sample in zip(keys, samples, strict=True) if key not in self._kept}
        self.structures.repeat(len(keys) - len(new))
        if new:
            graph = ground(self.program, list(new.values()), queries=self.queries, limits=Limits())
            if graph.impossible:  # the message is to number the samples as they were given
                return exact(ground(self.program, samples, queries=self.queries, limits=Limits()))
            pieces = cut(graph)
            templates = templates_of(self.program, pieces, Budget(), self.structures)
            self._kept.update(zip(new, zip(pieces, templates, strict=True), strict=True))
        known: list[tuple[Piece, Template]] = []
        for key in keys:
            known.append(self._kept[key])
            self._kept.move_to_end(key)
        while len(self._kept) > self.most:
            self._kept.popitem(last=False)
        pieces = [piece for piece, _ in known]
        graph, places = gather(self.program, pieces)
        return joined(graph, places, pieces, [template for _, template in known])
