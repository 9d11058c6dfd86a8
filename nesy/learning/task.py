"""A task folder: task.toml, read and checked in full, with a caret for every mistake.

All mistakes of a file are reported together, in order. A key that is not known is an error, never ignored: a
misspelt `epoch` must not train with the default.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, fields, replace
from pathlib import Path
from types import MappingProxyType, UnionType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from nesy.diagnostics import Diagnostic, Label, by_position
from nesy.errors import TaskError, near_name
from nesy.learning.places import Places, find_places
from nesy.learning.schema import (
    TABLES,
    DataTable,
    DistillationTable,
    EvaluationTable,
    Options,
    TaskTable,
    TrainingTable,
)
from nesy.source import Source

_PREDICATE = re.compile(r"\s*(?:not\s+)?([\w.]+)")  # of a query
_LARGEST_TOML = 1 << 20  # bytes; a task.toml is written by hand, a larger file is something else


@dataclass(frozen=True)
class Task:
    """A task folder whose task.toml is in order."""

    folder: Path
    task: TaskTable
    encoder: Options  # `kind` and the options of that kind, which the encoder checks itself
    data: DataTable
    training: TrainingTable
    evaluation: EvaluationTable
    distillation: DistillationTable

    @property
    def name(self) -> str:
        return self.folder.resolve().name

    @property
    def program(self) -> Path:
        return self.folder / self.task.program

    @property
    def queries(self) -> tuple[str, ...]:
        """What is asked: one query, or several."""
        return (self.task.query,) if isinstance(self.task.query, str) else self.task.query

    def document(self) -> dict[str, Any]:
        """All tables with their values, as JSON data; `restore_task` reads it back."""
        tables = {name: _plain(values_of(getattr(self, name))) for name in TABLES}
        return {**tables, "encoder": _plain(self.encoder)}

    def with_options(self, table: str, **changes: Any) -> Task:
        """The same task with some keys of a table changed, those that are not None, checked like the file's own."""
        document = self.document()
        document[table] |= {name: value for name, value in changes.items() if value is not None}
        return restore_task(document, self.folder, "options", check_files=True)


def load_task(folder: str | Path) -> Task:
    """Read a task folder.

    Raises: TaskError with every mistake of its task.toml.
    """
    folder = Path(folder)
    if folder.name == "task.toml" and folder.is_file():
        folder = folder.parent
    path = folder / "task.toml"
    if not folder.is_dir():
        raise TaskError(_no_folder(folder))
    if not path.is_file():
        raise TaskError(f"{folder}: no task.toml in this folder, so it is not a task")
    source = _read(path)
    try:
        document = tomllib.loads(source.text)
    except tomllib.TOMLDecodeError as error:
        raise TaskError(_syntax_error(source, str(error))) from None
    reader = _Reader(folder, find_places(source))
    task = reader.task(document)
    if reader.mistakes:
        raise TaskError("\n\n".join(mistake.render() for mistake in by_position(reader.mistakes)))
    return task


def restore_task(document: Mapping[str, Any], folder: str | Path, origin: str, *, check_files: bool) -> Task:
    """A task from what `Task.document` gave, checked again: a run folder may come from anywhere.

    Raises: TaskError with every mistake.
    """
    reader = _Reader(Path(folder), Places(Source(origin, ""), {}), check_files)
    task = reader.task(document)
    if reader.mistakes:
        raise TaskError("\n".join(f"{origin}: {mistake.message}" for mistake in reader.mistakes))
    return task


def _no_folder(folder: Path) -> str:
    parent = folder.parent
    siblings = [p.name for p in parent.iterdir() if (p / "task.toml").is_file()] if parent.is_dir() else []
    near = near_name(folder.name, siblings)
    hint = f": did you mean `{parent / near}`?" if near else ""
    return f"{folder}: there is no such task folder{hint}"


def _read(path: Path) -> Source:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise TaskError(f"{path}: cannot be read: {error.strerror}") from None
    if len(raw) > _LARGEST_TOML:
        raise TaskError(f"{path}: {len(raw):,} bytes is more than a task.toml may have ({_LARGEST_TOML:,})")
    try:
        return Source(str(path), raw.decode())
    except UnicodeDecodeError as error:
        raise TaskError(f"{path}: byte {error.start} is not UTF-8 text") from None


def _syntax_error(source: Source, message: str) -> str:
    """The parser's message with a caret where it says where."""
    found = re.search(r"\(at line (\d+), column (\d+)\)", message)
    text = re.sub(r"\s*\(at .*\)$", "", message)
    text = text[:1].lower() + text[1:]
    line, column = (int(found[1]), int(found[2])) if found else (len(source.line_starts), 1)
    place = f"{source.name}:{line}:{column}"
    pad = " " * len(str(line))
    return (
        f"error[T106]: not a TOML file: {text}\n{pad}--> {place}\n{pad} |\n{line} | {source.line(line)}\n"
        f"{pad} | {' ' * (column - 1)}^"
    )


@dataclass
class _Reader:
    """Turns parsed tables into the schema's classes and collects mistakes on the way."""

    folder: Path
    places: Places
    check_files: bool = True

    def __post_init__(self) -> None:
        self.mistakes: list[Diagnostic] = []

    def task(self, document: Mapping[str, Any]) -> Task:
        known = [*TABLES, "encoder"]
        for name in document:
            if name not in known:
                self._unknown((name,), name, known, "the tables of a task.toml are")
        tables: dict[str, Any] = {}
        for name, schema in TABLES.items():
            tables[name] = self._table(name, schema, document.get(name, {}))
        encoder = document.get("encoder")
        if not isinstance(encoder, dict):
            self._mistake("T102", ("encoder",), "the table [encoder] is missing", 'say which encoder: kind = "text"')
            encoder = {}
        elif not isinstance(encoder.get("kind"), str):
            self._mistake("T102", ("encoder",), "the key `kind` of [encoder] is missing", 'say which: kind = "text"')
        self._data_source(tables["data"], document.get("data", {}))
        tables["data"] = self._answers(tables["task"].query, tables["data"])
        return Task(folder=self.folder, encoder=MappingProxyType(dict(encoder)), **tables)

    def _data_source(self, data: DataTable, written: object) -> None:
        """Rows come from files or from a generator, not from both nor from neither."""
        files = [name for name in ("train", "dev", "test") if getattr(data, name)]
        if data.generator and files:
            self._mistake(
                "T107", ("data", files[0]), f"[data] names both a generator and `{files[0]}`", "keep one of the two"
            )
        elif not data.generator and "train" not in files and not (isinstance(written, dict) and "train" in written):
            self._mistake(
                "T102", ("data",), "[data] has no rows to train on", 'add train = "data/train.jsonl" or a generator'
            )
        elif data.beside and data.redraw:
            self._mistake(
                "T107", ("data", "beside"), "`beside` keeps the generator's rows and `redraw` changes them", "keep one"
            )
        elif not data.generator and (data.redraw or data.beside or data.options):
            name = "redraw" if data.redraw else "beside" if data.beside else "options"
            self._mistake("T107", ("data", name), f"`{name}` is for a generator, and [data] names none", "take it out")

    def _answers(self, query: str | tuple[str, ...], data: DataTable) -> DataTable:
        """The table of data with a column for the answer to each of several queries."""
        if isinstance(query, str):
            if data.answers:
                self._mistake(
                    "T107",
                    ("data", "answers"),
                    "`answers` is for several queries, and [task] names one",
                    "say `answer`",
                )
            return data
        names = [found[1] if (found := _PREDICATE.match(text)) else text for text in query]
        if not names or len(set(names)) < len(names):
            self._mistake(
                "T104", ("task", "query"), "`query` must be one query, or several of a predicate of its own each"
            )
        for name in data.answers:
            if name not in names:
                self._unknown(("data", "answers", name), name, names, "the queries are of")
        return replace(data, answers=MappingProxyType({name: data.answers.get(name, name) for name in names}))

    def _table(self, name: str, schema: type, written: object) -> Any:
        if not isinstance(written, dict):
            self._mistake("T103", (name,), f"`{name}` must be a table", f"write [{name}]")
            written = {}
        known = {field.name: field for field in fields(schema)}
        for key in written:
            if key not in known:
                self._unknown((name, key), key, known, f"the keys of [{name}] are")
        hints = get_type_hints(schema)
        values: dict[str, Any] = {}
        for key, spec in known.items():
            if key in written:
                ok, value = self._value((name, key), hints[key], spec, written[key])
                values[key] = value if ok else _placeholder(spec)
            elif spec.default is MISSING and spec.default_factory is MISSING:
                self._mistake("T102", (name,), f"the key `{key}` of [{name}] is missing", note=spec.metadata["doc"])
                values[key] = ""
            elif spec.metadata["is_path"] and spec.default:
                self._inside((name, key), str(spec.default))
        return schema(**values)

    def _value(self, path: tuple[str, str], hint: Any, spec: Field[Any], value: object) -> tuple[bool, Any]:
        """Whether the value fits the key, and the value in the key's own type."""
        if hint is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        expected = expectation(hint)
        if get_origin(hint) is Literal:
            options = get_args(hint)
            if value not in options:
                near = near_name(value, options) if isinstance(value, str) else None
                hint_text = f"did you mean `{near}`?" if near else ""
                self._mistake("T104", path, f"`{path[1]}` must be {expected}, not {show(value)}", hint_text)
                return False, None
            return True, value
        if not _fits(hint, value):
            self._mistake("T103", path, f"`{path[1]}` must be {expected}, not {show(value)}")
            return False, None
        if isinstance(value, list):
            value = tuple(value)
        if isinstance(value, dict):
            if hint == Mapping[str, float]:
                if not all([self._in_bounds((*path, name), spec, item) for name, item in value.items()]):
                    return False, None
                value = {name: float(item) for name, item in value.items()}
            value = MappingProxyType(dict(value))
        if isinstance(value, int | float) and not isinstance(value, bool):
            return self._in_bounds(path, spec, value), value
        if spec.metadata["is_path"] and value:
            return self._inside(path, str(value)), value
        return True, value

    def _in_bounds(self, path: tuple[str, ...], spec: Field[Any], value: float) -> bool:
        low, high, above = (spec.metadata[name] for name in ("low", "high", "above"))
        if (
            value == value
            and (low is None or value >= low)
            and (high is None or value <= high)
            and (above is None or value > above)
        ):
            return True
        self._mistake("T104", path, f"`{'.'.join(path[1:])}` must be {bounds(spec)}, not {show(value)}")
        return False

    def _inside(self, path: tuple[str, str], value: str) -> bool:
        """A task folder is passed around: what it names must be in it, and be there."""
        folder = self.folder.resolve()
        target = (folder / value).resolve()
        if not target.is_relative_to(folder):
            self._mistake(
                "T105",
                path,
                f"`{path[1]}` leaves the task folder: {show(value)}",
                "put the file into the folder, or name other data on the command line with --data",
            )
            return False
        if self.check_files and not target.is_file():
            names = [str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()] if len(value) < 200 else []
            near = near_name(value, names)
            self._mistake(
                "T105",
                path,
                f"`{path[1]}` names a file that is not there: {show(value)}",
                f"did you mean `{near}`?" if near else "",
            )
            return False
        return True

    def _unknown(self, path: tuple[str, ...], name: str, known: Any, what: str) -> None:
        near = near_name(name, known)
        kind = "key" if len(path) > 1 else "table"
        hint = f"did you mean `{near}`?" if near else f"{what} {', '.join(known)}"
        self._mistake("T101", path, f"unknown {kind} `{name}`", hint)

    def _mistake(self, code: str, path: tuple[str, ...], message: str, hint: str = "", note: str = "") -> None:
        label = Label(self.places.of(path))
        notes, hints = (note,) if note else (), (hint,) if hint else ()
        self.mistakes.append(Diagnostic(code, message, (label,), notes, hints))


def values_of(table: Any) -> dict[str, Any]:
    """The keys of a table and their values."""
    return {spec.name: getattr(table, spec.name) for spec in fields(table)}


def _plain(value: Any) -> Any:
    """A value as JSON and TOML have it."""
    match value:
        case Mapping():
            return {name: _plain(item) for name, item in value.items()}
        case tuple() | list():
            return [_plain(item) for item in value]
        case _:
            return value


def _placeholder(spec: Field[Any]) -> Any:
    """What stands in for a value that was refused, until the mistakes are raised."""
    if spec.default is not MISSING:
        return spec.default
    return spec.default_factory() if spec.default_factory is not MISSING else ""


def _fits(hint: Any, value: object) -> bool:
    if get_origin(hint) is UnionType:
        return any(_fits(part, value) for part in get_args(hint))
    if hint in (bool, str):
        return isinstance(value, hint)
    if hint in (int, float):
        return isinstance(value, hint) and not isinstance(value, bool)
    if get_origin(hint) is tuple:
        return isinstance(value, list) and all(isinstance(item, str) for item in value)
    if not isinstance(value, dict):
        return False
    item_hint = get_args(hint)[1]
    if item_hint is float:
        return all(isinstance(item, int | float) and not isinstance(item, bool) for item in value.values())
    return item_hint is Any or all(isinstance(item, str) for item in value.values())


def expectation(hint: Any) -> str:
    """A type in the words of the reference."""
    if get_origin(hint) is Literal:
        *most, last = (f'"{option}"' for option in get_args(hint))
        return f"{', '.join(most)} or {last}" if most else last
    if get_origin(hint) is UnionType:
        return " or ".join(map(expectation, get_args(hint)))
    if get_origin(hint) is tuple:
        return "a list of texts"
    if get_args(hint)[1:] == (Any,):
        return "a table"
    if get_args(hint)[1:] == (float,):
        return "a table of numbers"
    return {str: "text", int: "a whole number", float: "a number", bool: "true or false"}.get(hint, "a table of texts")


def bounds(spec: Field[Any]) -> str:
    """The bounds of a number in words; empty where it has none."""
    low, high, above = (spec.metadata[name] for name in ("low", "high", "above"))
    parts = [f"at least {low:g}"] if low is not None else []
    parts += [f"above {above:g}"] if above is not None else []
    parts += [f"at most {high:g}"] if high is not None else []
    return " and ".join(parts)


def show(value: object) -> str:
    """A value as a person would recognise it, cut where it is long."""
    text = f'"{value}"' if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else str(value)
    return text if len(text) <= 60 else text[:57] + "..."
