"""Rows of a table: cells for the rules, and one hypervector of the row for the neural predicates.

The rules see `row(0)` and, where the program declares it, `cell(Column, Value)` for every column. The encoder binds
each column's hypervector with that of its value (numbers by level, so that near numbers are alike) and bundles
them. A key of a neural predicate is the row, `looks(R) :- row(R)`, or nothing.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, final

import torch
from torch import Tensor, nn

from nesy.errors import DataError, RunError, TaskError
from nesy.hdc import MAP, Level
from nesy.language.core import Signature
from nesy.language.values import Value, format_value
from nesy.perception.encoder import Encoder, Facts, Interface, Keys, Payload, Sighting
from nesy.perception.influence import Influence, Members, Part, influence
from nesy.perception.options import read_options, within
from nesy.perception.payloads import check_samples, field_of, rows_of
from nesy.perception.readout import ReadoutName, make_readouts
from nesy.perception.table.columns import (
    Column,
    NumberColumn,
    TypedRow,
    column_from_json,
    column_to_json,
    learn_columns,
    number_in,
)

_ROW: Final = Signature("row", 1)
_CELL: Final = Signature("cell", 2)


@dataclass(frozen=True)
class TableOptions:
    """The `[encoder]` table of kind `table`."""

    columns: tuple[str, ...] = ()
    words: tuple[str, ...] = ()  # columns whose texts are no numbers, though they may look so
    levels: int = dataclasses.field(default=32, metadata=within(2, 4096))
    dim: int = dataclasses.field(default=256, metadata=within(1, 65_536))
    readout: ReadoutName = "linear"
    hidden: int = dataclasses.field(default=64, metadata=within(1, 65_536))
    dropout: float = dataclasses.field(default=0.0, metadata=within(0.0, 0.95))


@final
class TableEncoder(Encoder):
    """See the module's text."""

    keys: Tensor  # [C, D] a hypervector for each column
    words: Tensor  # [all words + 1, D] of the columns of words, one behind the other; the last row is empty

    def __init__(
        self,
        options: TableOptions,
        columns: Sequence[Column],
        num_scores: Mapping[str, int],
        inputs: Sequence[Signature],
        seed: int,
    ):
        super().__init__()
        self.options, self.columns, self.seed = options, tuple(columns), seed
        self.num_scores = dict(num_scores)
        self.inputs = tuple(inputs)
        self.model = MAP(options.dim, seed=seed, dtype=torch.float32)
        self.scale = Level(self.model, 0.0, 1.0, options.levels)
        self._numbers = [i for i, column in enumerate(self.columns) if isinstance(column, NumberColumn)]
        self._texts = [i for i, column in enumerate(self.columns) if not isinstance(column, NumberColumn)]
        sizes = [0 if isinstance(column, NumberColumn) else len(column.words) for column in self.columns]
        self._first_word = [sum(sizes[:i]) for i in range(len(sizes))]
        self.register_buffer("keys", self.model.random(len(self.columns)))
        words = self.model.random(sum(sizes))
        self.register_buffer("words", torch.cat([words, torch.zeros(1, options.dim)]))
        self.readouts = make_readouts(options.readout, options.dim, self.num_scores, options.hidden, seed)

    @classmethod
    def build(
        cls, options: Mapping[str, Any], interface: Interface, payloads: Sequence[Payload], seed: int
    ) -> TableEncoder:
        chosen = read_options(TableOptions, options, "table")
        if _ROW not in interface.inputs:
            known = ", ".join(map(str, interface.inputs)) or "none"
            raise TaskError(
                f"the table encoder supplies {_ROW} and {_CELL}, and the program does not declare {_ROW} (its inputs: "
                f"{known}): add `#input row(index).`"
            )
        columns = learn_columns(payloads, chosen.columns, chosen.words)
        return cls(chosen, columns, interface.num_scores, interface.inputs, seed)

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> TableEncoder:
        try:
            options = read_options(TableOptions, config["options"], "table")
            columns = [column_from_json(column) for column in config["columns"]]
            inputs = [Signature(str(name), int(arity)) for name, arity in config["inputs"]]
            num_scores = {str(name): int(width) for name, width in config["num_scores"].items()}
            return cls(options, columns, num_scores, inputs, int(config["seed"]))
        except (KeyError, TypeError, ValueError, AttributeError, TaskError) as error:
            raise RunError(f"the configuration of the table encoder is damaged: {error}") from None

    def config(self) -> dict[str, Any]:
        options = asdict(self.options)
        return {
            "kind": "table",
            "options": {**options, "columns": list(self.options.columns), "words": list(self.options.words)},
            "columns": [column_to_json(column) for column in self.columns],
            "inputs": [list(signature) for signature in self.inputs],
            "num_scores": self.num_scores,
            "seed": self.seed,
        }

    def facts(self, payload: Payload) -> Facts:
        found: dict[Signature, list[tuple[Value, ...]]] = {_ROW: [(0,)]}
        if _CELL in self.inputs:
            found[_CELL] = [(c.name, c.value(field_of(payload, c.name))) for c in self.columns]
        return {**rows_of(payload, (s for s in self.inputs if s not in (_ROW, _CELL))), **found}

    def forward(self, payloads: Sequence[Payload], requests: Mapping[str, Keys]) -> dict[str, Tensor]:
        vectors = self._hypervectors(payloads)
        scores = {}
        for name, keys in requests.items():
            check_samples(name, keys)
            for key in keys.key:
                if key not in ((), (0,)):
                    raise DataError(_no_such_row(name, key))
            rows = torch.from_numpy(keys.sample).to(vectors.device)
            scores[name] = self.readouts[name](vectors.index_select(0, rows))
        return scores

    def sighting(self, payload: Payload, predicate: str, key: tuple[Value, ...]) -> Sighting:
        if key not in ((), (0,)):
            raise DataError(_no_such_row(predicate, key))
        cells = (f"{column.name}={field_of(payload, column.name)}" for column in self.columns)
        return Sighting(", ".join(cells))

    def influence(self, payload: Payload, predicate: str, key: tuple[Value, ...], outcome: int) -> Influence | None:
        if key not in ((), (0,)):
            raise DataError(_no_such_row(predicate, key))
        (cells,) = self._cells([payload]) / math.sqrt(len(self.columns))
        order = [self.columns[i] for i in (*self._numbers, *self._texts)]
        parts = [Part(f"{column.name}={field_of(payload, column.name)}") for column in order]
        return influence(Members(parts, cells, torch.tanh(cells.sum(0))), self.readouts[predicate], outcome)

    def payload_of(self, typed: str) -> Payload:
        words = {column.name for column in self.columns if not isinstance(column, NumberColumn)}
        typed_row = TypedRow.parse(typed).values
        return {name: text if name in words else _cell(text) for name, text in typed_row.items()}

    def _hypervectors(self, payloads: Sequence[Payload]) -> Tensor:
        """One hypervector for each row. Shapes: -> [B, D]"""
        sums = self.model.superpose(self._cells(payloads))
        vectors = torch.tanh(sums / math.sqrt(len(self.columns)))
        return nn.functional.dropout(vectors, self.options.dropout, self.training)

    def _cells(self, payloads: Sequence[Payload]) -> Tensor:
        """Each cell bound with its column, first the numbers, then the words. Shapes: -> [B, C, D]"""
        places = [[column.place(field_of(payload, column.name)) for column in self.columns] for payload in payloads]
        table = torch.tensor(places, dtype=torch.float64)
        parts = []
        if self._numbers:
            levels = self.scale.interpolate(table[:, self._numbers].to(self.keys))
            parts.append(self.model.bind(self.keys[self._numbers], levels))
        if self._texts:
            place = table[:, self._texts].to(torch.int64)
            first = torch.tensor([self._first_word[i] for i in self._texts])
            row = torch.where(place >= 0, first + place, len(self.words) - 1)
            parts.append(self.model.bind(self.keys[self._texts], self.words[row.to(self.keys.device)]))
        return torch.cat(parts, dim=1)


def _cell(text: str) -> int | float | str:
    number = number_in(text)
    return text if number is None else number


def _no_such_row(predicate: str, key: tuple[Value, ...]) -> str:
    inside = ",".join(map(format_value, key))
    return f"`{predicate}({inside})` asks the table encoder about something that is not there: the only row is 0"
