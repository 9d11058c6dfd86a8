"""Tables of facts: `#facts edge from "edges.csv".`

Read by Arrow, column by column, never through the parser. CSV and TSV cells are what they would be in a
program's text: `12` an integer, `1.5` a decimal, anything else a symbol (or a string, where `#pred` declares
the column so). A predicate without columns takes a CSV file without a header; with columns, as in
`#facts edge(from, to) from "edges.csv".`, the file has a header and these columns are taken by name.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nesy.errors import DataError, MissingExtraError, near_name
from nesy.language.core import Coded, Signature, Table
from nesy.language.functions import INT_MAX, INT_MIN
from nesy.language.values import Symbol, Value
from nesy.source import Span

# A larger file (bytes) would not fit the memory of a usual machine as columns of ids.
MAX_BYTES = 4_000_000_000
TYPES = ("int", "float", "string", "symbol")
SUFFIXES = (".csv", ".tsv", ".facts", ".jsonl", ".parquet")

_INTEGER = re.compile(r"-?[0-9]+\Z")
_DECIMAL = re.compile(r"-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?\Z")


@dataclass(frozen=True)
class Request:
    """A table to read: `columns` are names in the file (None: all columns, and no header in a CSV file).

    `kinds` are the declared types of the columns, "" where none is declared.
    """

    predicate: str
    path: Path
    shown: str
    columns: tuple[str, ...] | None
    kinds: tuple[str, ...] | None
    span: Span | None = None


def read_table(request: Request) -> Table:
    """The rows of a file as facts.

    Raises: DataError, naming file, row and column; MissingExtraError without pyarrow.
    """
    suffix = request.path.suffix.lower()
    if suffix not in SUFFIXES:
        raise DataError(f"{request.shown}: cannot read `{suffix or 'no suffix'}`: tables are {', '.join(SUFFIXES)}")
    try:
        size = request.path.stat().st_size
    except OSError as error:
        raise DataError(f"{request.shown}: {error.strerror or 'cannot be read'}") from None
    if not request.path.is_file():
        raise DataError(f"{request.shown}: this is not a file")
    if size > MAX_BYTES:
        raise DataError(f"{request.shown}: {size:,} bytes are more than the {MAX_BYTES:,} of a table")
    if size == 0:
        raise DataError(f"{request.shown}: the file is empty")
    arrow = _read_arrow(request, suffix)
    if request.kinds is not None and len(request.kinds) != arrow.num_columns:
        raise DataError(
            f"{request.shown}: {arrow.num_columns} columns, but `{request.predicate}` has {len(request.kinds)}"
        )
    is_text = suffix in (".csv", ".tsv", ".facts")
    first_row = 1 + (is_text and _has_header(request))
    columns = [
        _column(request, arrow.column(i), arrow.column_names[i], i, is_text, first_row)
        for i in range(arrow.num_columns)
    ]
    signature = Signature(request.predicate, arrow.num_columns)
    return Table(signature, tuple(columns), arrow.num_rows, request.span)


# -- files to Arrow ------------------------------------------------------------------------------------


def _read_arrow(request: Request, suffix: str) -> Any:
    try:
        import pyarrow as pa
        from pyarrow import csv, parquet
        from pyarrow import json as arrow_json
    except ImportError:
        raise MissingExtraError("#facts", "data") from None
    try:
        if suffix == ".parquet":
            with parquet.ParquetFile(request.path) as file:  # a chunk for each row group, where read_table cuts them up
                table = file.read()
        elif suffix == ".jsonl":
            table = arrow_json.read_json(request.path)
        else:
            table = _read_csv(request, csv, pa, "," if suffix == ".csv" else "\t")
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, UnicodeDecodeError) as error:
        if suffix == ".jsonl":
            _explain_json(request)
        raise DataError(f"{request.shown}: {_first_line(error)}") from None
    except OSError as error:
        raise DataError(f"{request.shown}: {error.strerror or _first_line(error)}") from None
    if request.columns is None:
        return table
    for name in request.columns:
        if name not in table.column_names:
            near = near_name(name, table.column_names)
            hint = (
                f"; did you mean `{near}`?" if near else f"; it has {', '.join(f'`{n}`' for n in table.column_names)}"
            )
            raise DataError(f"{request.shown}: there is no column `{name}`{hint}")
    return table.select(list(request.columns))


def _read_csv(request: Request, csv: Any, pa: Any, delimiter: str) -> Any:
    bad: list[Any] = []

    def refuse(row: Any) -> str:
        bad.append(row)
        return "error"

    has_header = _has_header(request)
    with request.path.open("rb") as file:
        first = file.readline().decode("utf-8", errors="replace").rstrip("\r\n")
    width = len(next(iter(_split(first, delimiter)), [])) or 1
    read = csv.ReadOptions(autogenerate_column_names=not has_header, use_threads=False)
    parse = csv.ParseOptions(delimiter=delimiter, invalid_row_handler=refuse)
    names = [f"f{i}" for i in range(width)]
    header = next(iter(_split(first, delimiter)), []) if has_header else names
    types = {name: pa.string() for name in header}
    convert = csv.ConvertOptions(column_types=types, strings_can_be_null=False, quoted_strings_can_be_null=False)
    try:
        return csv.read_csv(request.path, read, parse, convert)
    except pa.ArrowInvalid:
        if not bad:
            raise
        row = bad[0]
        where = f"row {row.number}" if row.number is not None else "a row"
        raise DataError(f"{request.shown}, {where}: {row.actual_columns} columns, not {row.expected_columns}") from None


def _has_header(request: Request) -> bool:
    return request.columns is not None


def _split(line: str, delimiter: str) -> list[list[str]]:
    import csv as python_csv

    return list(python_csv.reader([line], delimiter=delimiter))


def _explain_json(request: Request) -> None:
    """Find the line that Arrow could not read.

    Raises: DataError.
    """
    kinds: dict[str, type] = {}
    with request.path.open(encoding="utf-8", errors="replace") as lines:
        for number, line in enumerate(lines, 1):
            where = f"{request.shown}, row {number}"
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise DataError(f"{where}: broken JSON: {_first_line(error)}") from None
            if not isinstance(row, dict):
                raise DataError(f'{where}: a row is an object, as in {{"from": "a", "to": "b"}}')
            for name, value in row.items():
                kind = float if isinstance(value, int) and not isinstance(value, bool) else type(value)
                if value is not None and kinds.setdefault(name, kind) is not kind:
                    raise DataError(
                        f"{where}, column `{name}`: {json.dumps(value)[:60]} is of another type than the rows above"
                    )


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]


# -- columns to values ---------------------------------------------------------------------------------


def _column(
    request: Request, chunked: Any, name: str, index: int, is_text: bool, first_row: int
) -> NDArray[np.int64] | Coded:
    import pyarrow as pa

    where = f"column `{name}`" if request.columns is not None or not is_text else f"column {index + 1}"
    kind = request.kinds[index] if request.kinds is not None else ""

    def fail(row: int, problem: str) -> DataError:
        return DataError(f"{request.shown}, row {row + first_row}, {where}: {problem}")

    # A single chunk stays where it lies; integers are then never copied.
    array = chunked.chunk(0) if chunked.num_chunks == 1 else chunked.combine_chunks()
    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays(array.chunks)
    if array.null_count:
        missing = array.is_null().to_numpy(zero_copy_only=False)
        raise fail(int(np.argmax(missing)), "the value is missing")
    if kind in ("", "int") and (is_text or pa.types.is_integer(array.type)):
        try:
            return array.cast(pa.int64()).to_numpy()
        except pa.ArrowInvalid:
            pass  # not all integers, or beyond 64 bits: seen below, cell by cell
    if pa.types.is_dictionary(array.type):
        array = array.cast(array.type.value_type)
    coded = array.dictionary_encode()
    codes = coded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    convert = _text_value if is_text else _typed_value
    values: list[Value] = []
    for code, raw in enumerate(coded.dictionary.to_pylist()):
        value = convert(raw, kind)
        if isinstance(value, _Problem):
            raise fail(int(np.argmax(codes == code)), value.text)
        values.append(value)
    if values and all(type(value) is int for value in values):
        return np.array(values, dtype=np.int64)[codes]
    return Coded(codes, tuple(values))


@dataclass(frozen=True)
class _Problem:
    text: str


def _text_value(raw: str, kind: str) -> Value | _Problem:
    """A cell as it would be in a program's text, or as its declared type."""
    if kind == "string":
        return raw
    if kind == "symbol":
        return Symbol(raw) if raw else _Problem("the cell is empty")
    cell = raw.strip()
    if not cell:
        return _Problem("the cell is empty")
    if _INTEGER.match(cell) and kind != "float":
        # Python refuses to read numbers of more than some thousand digits.
        if len(cell) > 20 or not INT_MIN <= int(cell) <= INT_MAX:
            return _Problem(f"{cell[:30]} is beyond 64-bit integers")
        return int(cell)
    if _DECIMAL.match(cell) and kind != "int":
        number = float(cell)
        return number if math.isfinite(number) else _Problem(f"{cell[:30]} is not a finite number")
    if kind in ("int", "float"):
        return _Problem(f"`{cell[:60]}` is not {'an integer' if kind == 'int' else 'a number'}")
    return Symbol(cell)


def _typed_value(raw: object, kind: str) -> Value | _Problem:
    """A value of a typed file (JSONL, Parquet)."""
    match raw:
        case bool():
            value: Value = Symbol("true" if raw else "false")
        case int():
            if not INT_MIN <= raw <= INT_MAX:
                return _Problem(f"{raw} is beyond 64-bit integers")
            value = float(raw) if kind == "float" else raw
        case float():
            if not math.isfinite(raw):
                return _Problem(f"{raw} is not a finite number")
            value = raw
        case str():
            value = raw if kind == "string" else Symbol(raw)
        case _:
            return _Problem(f"{str(raw)[:60]} is neither a number nor a text")
    wanted: dict[str, Callable[[Value], bool]] = {
        "int": lambda v: isinstance(v, int),
        "float": lambda v: isinstance(v, float),
        "string": lambda v: isinstance(v, str),
        "symbol": lambda v: isinstance(v, Symbol),
    }
    if kind in wanted and not wanted[kind](value):
        return _Problem(f"`{raw}` is not of type `{kind}`")
    return value
