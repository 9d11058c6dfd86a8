"""Samples that a program has been run over, kept: a batch that meets them again runs no rule.

What a sample derives depends on its own facts and on the program. So each sample is grounded and analysed when it is
met for the first time, all that are new in a batch together, and any batch of known ones is put side by side.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

from nesy.language.core import CoreProgram, Query, Signature
from nesy.language.values import Value
from nesy.reasoning.compilation.budget import Budget
from nesy.reasoning.compilation.pieces import Piece, cut
from nesy.reasoning.compilation.places import gather
from nesy.reasoning.compilation.structures import Structures, Template
from nesy.reasoning.evaluation.ground import ground
from nesy.reasoning.evaluation.limits import Limits
from nesy.reasoning.readings.exact import Reading, analysed, exact, joined

_MOST = 2_000_000  # nodes and literals of the samples kept: a sentence of twenty words has 280, in some 20 kB


@dataclass(slots=True)
class _Kept:
    piece: Piece
    template: Template
    used: int  # when it was asked for last, in batches


class KnownSamples:
    """The samples of one program and its queries; those that were not asked for longest are dropped beyond `most`.

    Units: `most` in nodes and literals of derivations.
    """

    def __init__(self, program: CoreProgram, queries: Sequence[Query], structures: Structures, most: int = _MOST):
        self.program = program
        self.queries = tuple(queries)
        self.structures = structures
        self.most = most
        self._kept: dict[Hashable, _Kept] = {}
        self._batches = 0
        self._size = 0

    def __len__(self) -> int:
        return len(self._kept)

    def read(
        self, samples: Sequence[Mapping[Signature, Sequence[Sequence[Value]]]], keys: Sequence[Hashable]
    ) -> Reading:
        """The samples side by side, for exact probabilities; equal keys say that the facts are equal.

        Raises: InconsistentError where grounding already found the evidence to be impossible; LimitError.
        """
        known = list(map(self._kept.get, keys))  # one look for each: hashing the facts of a sample takes microseconds
        new = {key: sample for key, sample, kept in zip(keys, samples, known, strict=True) if kept is None}
        self.structures.repeat(len(keys) - len(new))
        if new:
            graph = ground(self.program, list(new.values()), queries=self.queries, limits=Limits())
            if graph.impossible:  # the message is to number the samples as they were given
                return exact(ground(self.program, samples, queries=self.queries, limits=Limits()))
            pieces, templates = analysed(self.program, cut(graph), Budget(), self.structures)
            for key, piece, template in zip(new, pieces, templates, strict=True):
                self._kept[key] = _Kept(piece, template, 0)
                self._size += piece.size
        found = [self._kept[key] if kept is None else kept for key, kept in zip(keys, known, strict=True)]
        self._batches += 1
        for kept in found:
            kept.used = self._batches
        if self._size > self.most:
            self._drop()
        pieces = [kept.piece for kept in found]
        graph, places = gather(self.program, pieces)
        return joined(graph, places, pieces, [kept.template for kept in found])

    def _drop(self) -> None:
        """Make room for an eighth more."""
        for key in sorted(self._kept, key=lambda key: self._kept[key].used):
            if 8 * self._size <= 7 * self.most:
                break
            self._size -= self._kept.pop(key).piece.size
