"""Knowledge graphs: a subject, a relation and an object a line, apart by tabs.

Columns: `subject`, `relation`, `object`. As facts of a rule file such a file is read without any import:
`#facts edge from "train.tsv".`

Source: Bordes et al., "Translating Embeddings for Modeling Multi-relational Data", NeurIPS 2013, for the files that
WN18, FB15k and their like have come in since.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from nesy.errors import DataError
from nesy.learning.files import read_text
from nesy.learning.formats import Record
from nesy.learning.formats.splits import files_by_split


def read(path: Path) -> dict[str, list[Record]]:
    """The triples of each split."""
    found = files_by_split(path, [".tsv", "facts.txt", "train.txt", "valid.txt", "dev.txt", "test.txt"])
    return {split: [record for file in files for record in _triples(file)] for split, files in found.items()}


def _triples(file: Path) -> Iterator[Record]:
    for number, line in enumerate(read_text(file).split("\n"), 1):
        if not line.strip():
            continue
        cells = [cell.strip() for cell in (line.split("\t") if "\t" in line else line.split())]
        if len(cells) != 3 or not all(cells):
            raise DataError(f"{file}:{number}: expected subject, relation and object, found {len(cells)} fields")
        yield dict(zip(("subject", "relation", "object"), cells, strict=True))
