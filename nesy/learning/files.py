"""Data files: JSONL, CSV and TSV (also gzipped), and plain lines of text, into records with their line numbers.

Files are untrusted: sizes are limited, nothing is executed, and anything odd is reported with its line.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from nesy.errors import DataError, near_name
from nesy.learning.data import Located
from nesy.learning.task import show

SUFFIXES = (".jsonl", ".csv", ".tsv", ".txt")
_LARGEST_FILE = 2 << 30  # bytes unpacked: more does not fit the memory of the machines this is made for
_LONGEST_FIELD = 16 << 20  # characters of one field or JSON line


def kind_of(path: Path) -> str:
    """The format of a file, by its name without `.gz`."""
    name = path.name.removesuffix(".gz")
    suffix = Path(name).suffix.lower()
    if suffix not in SUFFIXES:
        raise DataError(
            f"{path}: the format of a data file is told by its name, which must end in {', '.join(SUFFIXES)}"
        )
    return suffix


def read_records(
    path: Path, *, header: bool = True, columns: Sequence[str] = (), text_column: str = "text"
) -> list[Located]:
    """The records of one file, in order; a plain text file has one record of `text_column` a line.

    Raises: DataError for a file that cannot be read, is empty or binary, or has a broken line.
    """
    kind = kind_of(path)
    text = read_text(path)
    if not text.strip():
        raise DataError(f"{path}: the file is empty")
    match kind:
        case ".jsonl":
            return list(_json_lines(path, text))
        case ".txt":
            lines = enumerate(text.splitlines(), 1)
            return [Located({text_column: line.strip()}, f"{path}:{number}") for number, line in lines if line.strip()]
        case _:
            return list(_table(path, text, "\t" if kind == ".tsv" else ",", header, columns))


def read_text(path: Path) -> str:
    """A file's text, unpacked if it is gzipped."""
    raw = read_bytes(path)
    if b"\0" in raw:
        raise DataError(f"{path}: this is a binary file, not a {Path(path.name.removesuffix('.gz')).suffix} file")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise DataError(f"{path}:{line}: this line is not UTF-8 text") from None


def read_bytes(path: Path) -> bytes:
    """A file's bytes, unpacked if it is gzipped."""
    try:
        with path.open("rb") as file:
            stream = gzip.GzipFile(fileobj=file) if path.name.endswith(".gz") else file
            raw = stream.read(_LARGEST_FILE + 1)
    except FileNotFoundError:
        siblings = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
        near = near_name(path.name, siblings)
        hint = f"; did you mean `{near}`?" if near else ""
        raise DataError(f"{path}: there is no such file{hint}") from None
    except (OSError, EOFError, zlib.error) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "the gzip data is broken"
        raise DataError(f"{path}: cannot be read: {reason}") from None
    if len(raw) > _LARGEST_FILE:
        raise DataError(f"{path}: more than {_LARGEST_FILE >> 30} GiB of data in one file")
    return raw


def _json_lines(path: Path, text: str) -> Iterator[Located]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        origin = f"{path}:{number}"
        if len(line) > _LONGEST_FIELD:
            raise DataError(f"{origin}: the line has {len(line):,} characters; at most {_LONGEST_FIELD:,} are read")
        try:
            record = json.loads(line, parse_constant=_refuse_constant)
        except json.JSONDecodeError as error:
            raise DataError(f"{origin}: broken JSON at column {error.colno}: {error.msg}") from None
        except (ValueError, RecursionError) as error:
            reason = str(error) if isinstance(error, ValueError) else "it is nested too deeply"
            raise DataError(f"{origin}: broken JSON: {reason}") from None
        if not isinstance(record, dict):
            raise DataError(f'{origin}: expected a JSON object such as {{"text": "..."}}, found {show(record)}')
        yield Located(record, origin)


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not a JSON number")


def _table(path: Path, text: str, delimiter: str, header: bool, columns: Sequence[str]) -> Iterator[Located]:
    # In TSV a quote is a character like any other; in CSV it quotes.
    quoting = csv.QUOTE_NONE if delimiter == "\t" else csv.QUOTE_MINIMAL
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter=delimiter, quoting=quoting, strict=quoting == csv.QUOTE_MINIMAL
    )
    names = list(columns)
    first_line = 1
    try:
        for cells in reader:
            origin = f"{path}:{first_line}"
            first_line = reader.line_num + 1
            if not cells:
                continue
            if header:
                header = False
                names = [cell.strip() for cell in cells]
                if doubled := next((name for name in names if names.count(name) > 1), None):
                    raise DataError(f"{origin}: two columns are called `{doubled}`")
                continue
            if not names:
                raise DataError(f"{path}: a file without a header needs `columns` in [data] of task.toml")
            if len(cells) != len(names):
                raise DataError(f"{origin}: expected {len(names)} fields ({', '.join(names)}), found {len(cells)}")
            yield Located(dict(zip(names, cells, strict=True)), origin)
    except csv.Error as error:
        raise DataError(f"{path}:{reader.line_num}: broken CSV: {error}") from None
