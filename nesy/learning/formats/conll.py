"""CoNLL's columns: a word a line, its annotations beside it, an empty line after each sentence.

Columns: `words`; `columns`, for each column behind the words its values, one a word; `spans`, `[column, start, end,
label]` of every stretch that a column marks, words `start <= i < end`: stretches of B-, I- and O tags, or, in a column
where `_` means nothing, words in a row that it says something of (as the scopes of negation in *SEM 2012). Lines that
begin with `#` are comments. The words stand behind the column that numbers them, in the first column where none does.

Source: Tjong Kim Sang, Buchholz, "Introduction to the CoNLL-2000 Shared Task: Chunking"; Morante, Blanco, "*SEM 2012
Shared Task: Resolving the Scope and Focus of Negation".
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from nesy.errors import DataError
from nesy.learning.files import read_text
from nesy.learning.formats import Record
from nesy.learning.formats.splits import files_by_split

_SUFFIXES = [".conll", ".conllu", ".txt", ".bio", ".iob", ".iob2", ".tsv"]


def read(path: Path) -> dict[str, list[Record]]:
    """The sentences of each split."""
    found = files_by_split(path, _SUFFIXES)
    return {split: [record for file in files for record in _records(file)] for split, files in found.items()}


def _records(file: Path) -> Iterator[Record]:
    sentences = list(_sentences(file))
    at = _word_column(sentences)
    for rows in sentences:
        columns = [list(column) for column in zip(*rows, strict=True)]
        if at >= len(columns):
            raise DataError(f"{file}: some sentences have no column of words behind that of their numbers")
        spans = [[i, *span] for i, column in enumerate(columns[at + 1 :]) for span in _spans(column)]
        yield {"words": columns[at], "columns": columns[at + 1 :], "spans": spans}


def _sentences(file: Path) -> Iterator[list[list[str]]]:
    rows: list[list[str]] = []
    lines = [line.removesuffix("\r") for line in read_text(file).split("\n")]
    is_tabbed = any("\t" in line for line in lines)
    for number, line in enumerate([*lines, ""], 1):
        if line.startswith("#") and not (is_tabbed and "\t" in line):
            continue
        if line.strip():
            cells = [cell.strip() for cell in (line.split("\t") if is_tabbed else line.split())]
            if rows and len(cells) != len(rows[0]):
                raise DataError(
                    f"{file}:{number}: this word has {len(cells)} columns, the first of its sentence has {len(rows[0])}"
                )
            rows.append(cells)
        elif rows:
            yield rows
            rows = []


def _word_column(sentences: Sequence[Sequence[Sequence[str]]]) -> int:
    """The column behind the one that numbers the words of every sentence, from 0 or from 1; the first if none does."""
    narrowest = min((len(rows[0]) for rows in sentences), default=0)
    for column in range(narrowest - 1):
        if all(
            [row[column] for row in rows] in ([str(i + first) for i in range(len(rows))] for first in (0, 1))
            for rows in sentences
        ):
            return column + 1
    return 0


def _spans(column: Sequence[str]) -> list[tuple[int, int, str]]:
    """The stretches that a column marks.

    >>> _spans(["B-per", "I-per", "O", "B-loc"]), _spans(["_", "who", "was", "_"])
    ([(0, 2, 'per'), (3, 4, 'loc')], [(1, 3, '')])
    """
    if all(cell == "O" or cell[:2] in ("B-", "I-") for cell in column):
        labels = ["" if cell == "O" else cell[2:] for cell in column]
        begins = [cell.startswith("B-") for cell in column]
        marked = [cell != "O" for cell in column]
    elif "_" in column:
        labels = ["" for _ in column]
        begins = [False for _ in column]
        marked = [cell != "_" for cell in column]
    else:
        return []
    found: list[tuple[int, int, str]] = []
    start = -1
    for i in range(len(column) + 1):
        inside = i < len(column) and marked[i]
        if start >= 0 and (not inside or begins[i] or labels[i] != labels[start]):
            found.append((start, i, labels[start]))
            start = -1
        if inside and start < 0:
            start = i
    return found
