"""Reading rule files, and the files that they include.

The search path of `#include` is the including file's folder, then the shipped `rules/`.
"""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from nesy import resources
from nesy.diagnostics import Diagnostic, Label
from nesy.errors import NesyError, near_name
from nesy.language import ast
from nesy.language.catalogue import report
from nesy.language.core import RuleFile
from nesy.language.parse import parser
from nesy.language.scan import Dialect
from nesy.source import Source, Span

# A rule file is for rules: larger than this (bytes) it is a table, which `#facts` loads.
MAX_BYTES = 16_000_000
SUFFIXES = (".nesy", ".pl")


class UnreadableError(NesyError):
    """A rule file cannot be read; the text says why."""


@dataclass(frozen=True)
class Unit:
    """A statement, the dialect of the file that it stands in, and the folder that its paths start from."""

    statement: ast.Statement
    dialect: Dialect
    folder: Path | None


@dataclass
class Reading:
    """All statements of a program, included files in place of their `#include`. `dialect` is the main file's."""

    dialect: Dialect
    units: list[Unit] = field(default_factory=list[Unit])
    files: list[ast.File] = field(default_factory=list[ast.File])
    sources: list[RuleFile] = field(default_factory=list[RuleFile])
    diagnostics: list[Diagnostic] = field(default_factory=list[Diagnostic])
    broken: set[str] = field(default_factory=set[str])  # names in statements that could not be read
    done: dict[Path, Span | None] = field(default_factory=dict[Path, Span | None])


def read_file(path: Path, shown: str | None = None) -> Source:
    """The source of a rule file.

    Raises: UnreadableError, for what is missing, not a file, too large, binary or not UTF-8.
    """
    name = shown or str(path)
    try:
        if path.is_dir():
            raise UnreadableError(f"cannot read `{name}`: it is a folder, not a rule file")
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise UnreadableError(
                f"cannot read `{name}`: {size:,} bytes are more than the {MAX_BYTES:,} of a rule file; "
                f'keep tables beside it and load them by `#facts p from "p.csv".`'
            )
        data = path.read_bytes()
    except FileNotFoundError:
        raise UnreadableError(f"cannot read `{name}`: there is no such file{_near_file(path)}") from None
    except PermissionError:
        raise UnreadableError(f"cannot read `{name}`: permission denied") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise UnreadableError(f"cannot read `{name}`: {reason}") from None
    if b"\0" in data:
        raise UnreadableError(f"cannot read `{name}`: it is a binary file, not a rule file")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise UnreadableError(f"cannot read `{name}`: line {line} is not UTF-8 text") from None
    if not text.strip():
        raise UnreadableError(f"cannot read `{name}`: it is empty")
    return Source(name, text)


def dialect_of(path: Path) -> Dialect:
    """The dialect that a file's name says."""
    return "problog" if path.suffix == ".pl" else "nesy"


def read_program(source: Source, dialect: Dialect, folder: Path | None, path: Path | None = None) -> Reading:
    """A source with all that it includes. `folder` is where its includes are looked for first."""
    reading = Reading(dialect)
    if path is not None:
        reading.done[path.resolve()] = None
    name = path.name if path is not None else "program.nesy"
    _read(source, dialect, folder, reading, [path.resolve()] if path is not None else [], name)
    return reading


def _read(source: Source, dialect: Dialect, folder: Path | None, reading: Reading, inside: list[Path], at: str) -> None:
    parsed = parser().parse(source, dialect)
    reading.files.append(parsed.file)
    reading.sources.append(RuleFile(at, source))
    reading.diagnostics += parsed.diagnostics
    reading.broken |= parsed.broken
    for statement in parsed.file.statements:
        match statement:
            case ast.Include():
                _include(statement, folder, reading, inside, posixpath.dirname(at))
            case ast.Constraint(ast.Call("consult", (ast.Call(name, ()) | ast.String(name) as file,)), None, span) if (
                dialect == "problog"
            ):
                included = ast.Include(name, None, span, file.span)
                _include(included, folder, reading, inside, posixpath.dirname(at))
            case ast.Constraint(
                ast.Call("use_module", (ast.Call("library", (ast.Call("lists", ()) as file,)),)), None, span
            ) if dialect == "problog":
                _include(ast.Include("lists.pl", None, span, file.span), None, reading, inside, posixpath.dirname(at))
            case _:
                reading.units.append(Unit(statement, dialect, folder))


def _include(statement: ast.Include, folder: Path | None, reading: Reading, inside: list[Path], at: str) -> None:
    span = statement.name_span
    if statement.alias is not None:
        instead = "predicates of included files keep their names; a collision of two libraries is reported"
        what = f"`as {statement.alias}`"
        reading.diagnostics.append(report("N110", statement.span, what=what, instead=instead))
        return
    places = [place for place in (folder, resources_folder()) if place is not None]
    path = _find(statement.name, places)
    if path is None:
        names = {file.stem for place in places for suffix in SUFFIXES for file in place.glob(f"*{suffix}")}
        near = near_name(statement.name, names)
        own = [f"`{_shown(folder)}`"] if folder is not None else []
        looked = "looked in " + " and ".join([*own, "the rules that nesy ships"])
        instead = f"did you mean `{near}`?" if near else ""
        reading.diagnostics.append(report("N501", span, name=statement.name, looked=looked, instead=instead))
        return
    resolved = path.resolve()
    if resolved in inside:
        chain = " -> ".join(f"`{part.name}`" for part in (*inside[inside.index(resolved) :], resolved))
        note = f"the circle is {chain}"
        reading.diagnostics.append(report("N502", span, note=note, name=path.name))
        return
    if resolved in reading.done:
        first = reading.done[resolved]
        if first is not None and first.source is span.source:
            others = (Label(first, "included here first"),)
            reading.diagnostics.append(report("N503", span, others=others, name=statement.name))
        return
    reading.done[resolved] = span
    try:
        source = read_file(path, _shown(path))
    except UnreadableError as error:
        problem = str(error).partition(": ")[2]
        reading.diagnostics.append(report("N508", span, name=statement.name, problem=problem))
        return
    written = statement.name if statement.name.endswith(SUFFIXES) else f"{statement.name}{path.suffix}"
    place = posixpath.normpath(posixpath.join(at, written))
    _read(source, dialect_of(path), path.parent, reading, [*inside, resolved], place)


def resources_folder() -> Path | None:
    """The shipped rule libraries, if they are installed."""
    try:
        return resources.rules()
    except FileNotFoundError:
        return None


def _find(name: str, places: Sequence[Path]) -> Path | None:
    if "\0" in name:
        return None
    names = [name] if name.endswith(SUFFIXES) else [f"{name}{suffix}" for suffix in SUFFIXES]
    for place in places:
        for candidate in names:
            path = place / candidate
            if path.is_file():
                return path
    return None


def _shown(path: Path) -> str:
    """A path as a person would write it: relative to where they are, where that is shorter."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def _near_file(path: Path) -> str:
    if not path.parent.is_dir():
        return ""
    names = [file.name for file in path.parent.iterdir() if file.suffix in SUFFIXES]
    near = near_name(path.name, names)
    return f" (did you mean `{path.parent / near}`?)" if near else ""
