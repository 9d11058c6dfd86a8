"""Batches: which rows learn together, and everything about a batch that does not depend on weights.

Running the rules is the expensive part, and it depends on which rows share a batch. So where rows differ in structure
(sentences), batches have a fixed membership: rows of like length together, the partition decided by the seed once,
only the order of the batches shuffled; each is prepared once and kept. Where rows share a few structures (pairs of
pictures, formulas of four lengths), a batch is of one structure, there is one graph for each, and the rows are
shuffled freely in each epoch.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import takewhile
from operator import itemgetter
from typing import Any, Final

import torch
from torch import Tensor

from nesy.errors import DataError, near_name
from nesy.language.core import Atom, Constant
from nesy.language.values import Compound, Symbol, Value, format_value
from nesy.learning.data import Answer, Row
from nesy.learning.seeding import permutation
from nesy.model import Batch, Model

_UNDERIVED: Final = -2  # a known answer that the rules cannot derive for its row
_WORTH_A_BATCH = 8  # rows of one structure on average, from which they are measured in batches of their own


@dataclass(frozen=True, eq=False)
class Concept:
    """Known truths of one neural predicate within a batch.

    Shapes: request [M] positions among the batch's requested keys, truth [M] the index of the true value (or 0 / 1)
    """

    predicate: str
    request: Tensor
    truth: Tensor


@dataclass(frozen=True, eq=False)
class Statements:
    """Instances of the query that rows say to hold or not to hold.

    Shapes: row [M] places in the batch; column [M] among the batch's answers, -1 for one that the rules cannot derive
    for this row; truth [M] 1 or 0
    """

    row: Tensor
    column: Tensor
    truth: Tensor

    def __len__(self) -> int:
        return len(self.row)

    def chance(self, p: Tensor) -> Tensor:
        """The probability of each, 0 for what cannot be. Shapes: p [B, A] -> [M]"""
        row, column = self.row.to(p.device), self.column.to(p.device)
        padded = torch.cat([p, p.new_zeros(len(p), 1)], dim=1)  # where column is -1
        return padded[row, column]


@dataclass(frozen=True, eq=False)
class Prepared:
    """Rows of a batch, ready for any number of forward passes.

    Every row is asked every query: the batch has I = B * Q items, those of a row beside each other.

    Shapes: index [B] numbers of the rows among those of their split; target [I] columns among the batch's answers,
    -1 where the answer is not known, -2 where it is known but the rules cannot derive it for this row; among [Q, A]
    which answers are of which query, None where there is but one
    """

    rows: tuple[Row, ...]
    index: Tensor
    batch: Batch
    target: Tensor
    concepts: tuple[Concept, ...]
    statements: Statements
    column: Mapping[str, int]  # of each answer of the batch, by its text
    among: Tensor | None

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def items(self) -> Tensor:
        """The numbers of the items among those of the split. Shapes: [I]"""
        each = len(self.target) // len(self.rows)
        return (self.index[:, None] * each + torch.arange(each)).flatten()

    def of_items(self, p: Tensor) -> Tensor:
        """The probabilities of the answers that each item can have, 0 for those of other queries.

        Shapes: p [B, A] -> [I, A]
        """
        return p if self.among is None else (p[:, None, :] * self.among.to(p)).flatten(0, 1)


@dataclass
class AnswerNames:
    """Answers by what data rows call them: the atom's own text, or the value of a query's one variable."""

    queries: tuple[Atom, ...]
    atoms: dict[str, Atom] = field(default_factory=dict)
    by_name: dict[tuple[int, str], str] = field(default_factory=dict)  # number of the query, name

    @classmethod
    def of(cls, model: Model) -> AnswerNames:
        """Those of a model's queries, none of which is known yet."""
        return cls(tuple(query.atom for query in model.queries))

    def number_of(self, atom: Atom) -> int:
        """Which query an answer belongs to: each is of a predicate of its own."""
        return next(i for i, query in enumerate(self.queries) if query.signature == atom.signature)

    def extend(self, atoms: Sequence[Atom]) -> None:
        """Make the answers of a batch known."""
        for atom in atoms:
            text = str(atom)
            if text in self.atoms:
                continue
            self.atoms[text] = atom
            number = self.number_of(atom)
            for name in names_of(self.queries[number], atom):
                self.by_name.setdefault((number, name), text)

    def text_of(self, answer: Answer, query: int | None = None) -> str | None:
        """The answer atom that is meant by an answer to a query, or to any; None where no row so far could give it."""
        name = str(answer).strip()
        for number in range(len(self.queries)) if query is None else (query,):
            text = self.by_name.get((number, name))
            if text is not None:
                return text
        return None

    def short(self, text: str) -> str:
        """What people call an answer: the value where there is one query and it has one variable."""
        return names_of(self.queries[0], self.atoms[text])[0] if len(self.queries) == 1 else text

    def explain_unknown(self, answer: Answer, origin: str, query: int | None = None) -> str:
        """The message for an answer that no row's rules can derive."""
        asked = self.queries if query is None else self.queries[query : query + 1]
        of_asked = [atom for atom in self.atoms.values() if any(atom.signature == one.signature for one in asked)]
        known = sorted({names_of(self.queries[self.number_of(atom)], atom)[0] for atom in of_asked})
        near = near_name(str(answer), known)
        some = ", ".join(known[:12]) + (", ..." if len(known) > 12 else "")
        hint = f"; did you mean `{near}`?" if near else ""
        what = " or ".join(f"`{one}`" for one in asked)
        return f"{origin}: `{answer}` is not an answer that {what} can have: {some or 'it has none'}{hint}"


def names_of(query: Atom, atom: Atom) -> list[str]:
    """What an answer may be called, the shortest first.

    >>> from nesy.language.core import Variable
    >>> names_of(Atom("label", (Variable("L"),)), Atom("label", (Constant(Symbol("positive")),)))
    ['positive', 'label(positive)']
    """
    values = [
        have.value
        for want, have in zip(query.arguments, atom.arguments, strict=True)
        if not isinstance(want, Constant) and isinstance(have, Constant)
    ]
    names = [_plain(values[0])] if len(values) == 1 else []
    return list(dict.fromkeys([*names, *(format_value(value) for value in values if len(values) == 1), str(atom)]))


def _plain(value: Value) -> str:
    match value:
        case Symbol(name):
            return name
        case str():
            return value
        case Compound():
            return format_value(value)
        case _:
            return repr(value)


def prepare(
    model: Model, rows: Sequence[Row], index: Sequence[int], names: AnswerNames, *, learn: bool = False
) -> Prepared:
    """Run the rules for some rows.

    Raises: DataError that names the row, for a payload that the encoder cannot read or an answer that cannot be.
    """
    try:
        batch = model.prepare([row.payload for row in rows], learn=learn)
    except DataError as error:
        raise DataError(_blame(model, rows, error)) from None
    names.extend(batch.answers)
    column = {str(atom): i for i, atom in enumerate(batch.answers)}
    return Prepared(
        tuple(rows),
        torch.tensor(list(index)),
        batch,
        _target(rows, column, names),
        _concepts(model, rows, batch),
        _statements(rows, batch, column, names),
        column,
        _among(batch, names),
    )


def refill(template: Prepared, rows: Sequence[Row], index: Sequence[int], names: AnswerNames) -> Prepared:
    """A batch like the template for as many other rows of the same possible facts: nothing is run again.

    Their concepts are left out: training has no use for them unless it learns from them.
    """
    batch = replace(template.batch, payloads=tuple(row.payload for row in rows))
    column = template.column
    target, statements = _target(rows, column, names), _statements(rows, batch, column, names)
    return Prepared(tuple(rows), torch.tensor(list(index)), batch, target, (), statements, column, template.among)


def _target(rows: Sequence[Row], column: Mapping[str, int], names: AnswerNames) -> Tensor:
    target = []
    for row in rows:
        for number in range(len(names.queries)):
            answer = row.answers[number] if number < len(row.answers) else None
            text = names.text_of(answer, number) if answer is not None else None
            target.append(-1 if answer is None else _UNDERIVED if text is None else column.get(text, _UNDERIVED))
    return torch.tensor(target)


def _among(batch: Batch, names: AnswerNames) -> Tensor | None:
    if len(names.queries) == 1:
        return None
    among = torch.zeros(len(names.queries), len(batch.answers), dtype=torch.bool)
    for column, atom in enumerate(batch.answers):
        among[names.number_of(atom), column] = True
    return among


def _statements(rows: Sequence[Row], batch: Batch, column: Mapping[str, int], names: AnswerNames) -> Statements:
    past = len(batch.graph.query)
    found = []
    for place, row in enumerate(rows):
        for atom, truth in row.statements.items():
            own = column.get(names.text_of(atom) or "", -1)
            can_hold = own >= 0 and int(batch.column[place, own]) < past
            found.append((place, own if can_hold else -1, int(truth)))
    table = torch.tensor(found, dtype=torch.int64).reshape(-1, 3)
    return Statements(table[:, 0], table[:, 1], table[:, 2])


def check_row(row: Row, names: AnswerNames) -> None:
    """Make sure that what a row says is something that some row can have.

    Raises: DataError that names the row.
    """
    for number, answer in enumerate(row.answers):
        if answer is not None and names.text_of(answer, number) is None:
            raise DataError(names.explain_unknown(answer, row.origin, number))
    for said in row.statements:
        if names.text_of(said) is None:
            raise DataError(names.explain_unknown(said, row.origin))


def check_answers(prepared: Sequence[Prepared], names: AnswerNames) -> None:
    """Make sure that every answer is one that some row can have: else the data and the rules do not speak of the same.

    Raises: DataError that names the first row.
    """
    doubtful = [one for one in prepared if len(one.statements) or bool((one.target == _UNDERIVED).any())]
    rows = [placed for one in doubtful for placed in zip(one.index.tolist(), one.rows, strict=True)]
    for _, row in sorted(rows, key=itemgetter(0)):
        check_row(row, names)


def _blame(model: Model, rows: Sequence[Row], error: DataError) -> str:
    """The message with the place of the row that caused it."""
    for row in rows:
        try:
            model.encoder.facts(row.payload)
        except DataError as found:
            return f"{row.origin}: {found}"
    return f"{rows[0].origin} and the {len(rows) - 1} rows that share its batch: {error}"


def _concepts(model: Model, rows: Sequence[Row], batch: Batch) -> tuple[Concept, ...]:
    """Match the truths that rows give to the keys that the rules asked the encoder for."""
    if not any(row.concepts for row in rows):
        return ()
    for row in rows:
        for predicate in row.concepts:
            if predicate not in model.core.neural:
                near = near_name(predicate, model.core.neural)
                hint = f"; did you mean `{near}`?" if near else ""
                raise DataError(f"{row.origin}: concepts of `{predicate}`, which is no neural predicate{hint}")
    found = []
    for predicate, keys in batch.requests.items():
        values = model.core.neural[predicate].values
        truth_of: list[Mapping[tuple[str, ...], int]] = [
            {
                tuple(map(_name, atom[:-1])): _truth(atom[-1], values, predicate, row)
                for atom in row.concepts.get(predicate, ())
            }
            for row in rows
        ]
        request, truth = [], []
        for position, (sample, key) in enumerate(zip(keys.sample.tolist(), keys.key, strict=True)):
            known = truth_of[sample].get(tuple(_plain(value) for value in key))
            if known is not None:
                request.append(position)
                truth.append(known)
        if request:
            found.append(Concept(predicate, torch.tensor(request), torch.tensor(truth)))
    return tuple(found)


def _name(value: Any) -> str:
    return value if isinstance(value, str) else repr(value)


def _truth(value: Any, values: Sequence[Value] | None, predicate: str, row: Row) -> int:
    if values is None:
        if isinstance(value, bool):
            return int(value)
        raise DataError(f"{row.origin}: concept `{predicate}` is yes or no: expected true or false, found {value!r}")
    names = [_plain(known) for known in values]
    if _name(value) in names:
        return names.index(_name(value))
    raise DataError(f"{row.origin}: concept `{predicate}`: expected one of {', '.join(names)}, found {value!r}")


def structures(model: Model, rows: Sequence[Row]) -> list[int]:
    """The structure of each row, numbered as they come: rows with the same possible facts share one graph.

    Raises: DataError that names the row.
    """
    return list(_numbered(model, rows))


def _numbered(model: Model, rows: Sequence[Row]) -> Iterator[int]:
    number: dict[Hashable, int] = {}
    for row in rows:
        try:
            structure = model.structure(row.payload)
        except DataError as error:
            raise DataError(f"{row.origin}: {error}") from None
        yield number.setdefault(structure, len(number))


def _few_structures(model: Model, rows: Sequence[Row], size: int) -> list[int] | None:
    """The structure of each row; None as soon as they are seen not to be few."""
    most = max(1, len(rows) // size)
    found = list(takewhile(lambda structure: structure < most, _numbered(model, rows)))
    return found if len(found) == len(rows) else None


def are_few(structure: Sequence[int], size: int) -> bool:
    """Whether so few structures share the rows that batches of one structure each can be full."""
    return len(set(structure)) <= max(1, len(structure) // size)


def _alike(order: Sequence[int], structure: Sequence[int], size: int) -> list[list[int]]:
    """Batches of one structure each; within it the rows keep their order."""
    groups: dict[int, list[int]] = {}
    for i in order:
        groups.setdefault(structure[i], []).append(i)
    return [group[start : start + size] for group in groups.values() for start in range(0, len(group), size)]


def partition(rows: Sequence[Row], size: int, seed: int, column: str) -> list[list[int]]:
    """Numbers of the rows that share a batch: like lengths together, ties and neighbours mixed by the seed."""
    order = permutation(len(rows), seed, "partition")
    order.sort(key=lambda i: _length(rows[i], column))
    return [order[start : start + size] for start in range(0, len(order), size)]


def shuffled(structure: Sequence[int], size: int, seed: int, epoch: int) -> list[list[int]]:
    """Numbers of the rows of each batch of an epoch, where any rows of one structure may share a batch."""
    return _alike(permutation(len(structure), seed, "rows", epoch), structure, size)


def in_order(model: Model, rows: Sequence[Row], size: int, column: str) -> list[list[int]]:
    """Batches for measuring: of one structure where they are few, else like lengths together; nothing random."""
    structure = _few_structures(model, rows, _WORTH_A_BATCH)
    if structure is not None:
        return _alike(range(len(rows)), structure, size)
    order = sorted(range(len(rows)), key=lambda i: _length(rows[i], column))
    return [order[start : start + size] for start in range(0, len(order), size)]


def _length(row: Row, column: str) -> int:
    value = row.payload.get(column)
    return value.count(" ") if isinstance(value, str) else 0
