"""Reading rule files, and the files that they include.

The search path of `#include` is the including file's folder, then the shipped `rules/`.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from nesy import resources
from nesy.diagnostics import Diagnostic, Label
from nesy.errors import NesyError, near_name
from nesy.language import ast
from nesy.language.catalogue import report
from nesy.language.core import RuleFile
from nesy.language.functions import FUNCTIONS, Function
from nesy.language.namespaces import Namespace, check_aliases
from nesy.language.parse import MAX_ERRORS, Parsed, parser
from nesy.language.scan import Dialect
from nesy.source import Source, Span

# A rule file is for rules: larger than this (bytes) it is a table, which `#facts` loads.
MAX_BYTES = 16_000_000
SUFFIXES = (".nesy", ".pl")


class UnreadableError(NesyError):
    """A rule file cannot be read; the text says why."""


@dataclass(frozen=True)
class Unit:
    """A statement, the dialect of the file that it stands in, and the folder that its paths start from.

    `prefix` is what the file's alias put before its names, `kin.` in `#include "kinship" as kin.`
    """

    statement: ast.Statement
    dialect: Dialect
    folder: Path | None
    prefix: str = ""


@dataclass
class Reading:
    """All statements of a program, included files in place of their `#include`. `dialect` is the main file's.

    A file included under two aliases is there twice, with other names, and read once.
    """

    dialect: Dialect
    units: list[Unit] = field(default_factory=list[Unit])
    files: list[ast.File] = field(default_factory=list[ast.File])
    sources: list[RuleFile] = field(default_factory=list[RuleFile])
    diagnostics: list[Diagnostic] = field(default_factory=list[Diagnostic])
    broken: set[str] = field(default_factory=set[str])  # names in statements that could not be read
    # By file and prefix: where it was included first, None for the main file.
    done: dict[tuple[Path, str], Span | None] = field(default_factory=dict[tuple[Path, str], Span | None])
    read: dict[Path, tuple[Source, Parsed]] = field(default_factory=dict[Path, tuple[Source, Parsed]])
    includes: list[tuple[Source, Source]] = field(default_factory=list[tuple[Source, Source]])  # who includes whom


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


def read_program(
    source: Source,
    dialect: Dialect,
    folder: Path | None,
    path: Path | None = None,
    functions: Mapping[tuple[str, int], Function] = FUNCTIONS,
    parsed: Parsed | None = None,
) -> Reading:
    """A source, parsed already or not, with all that it includes, which are looked for in `folder` first."""
    reading = Reading(dialect)
    inside = (path.resolve(),) if path is not None else ()
    if inside:
        reading.done[inside[0], ""] = None
    name = path.name if path is not None else "program.nesy"
    parsed = parsed or parser().parse(source, dialect)
    _read(source, parsed, dialect, _Place(folder, name, inside, ""), reading)
    _rename(reading, functions)
    return reading


@dataclass(frozen=True)
class _Place:
    """Where a file stands: its folder, its place beside the main file, the files that it is inside of, its prefix."""

    folder: Path | None
    at: str
    inside: tuple[Path, ...]
    prefix: str


def _read(source: Source, parsed: Parsed, dialect: Dialect, place: _Place, reading: Reading) -> None:
    if source not in (file.source for file in reading.sources):
        reading.files.append(parsed.file)
        reading.sources.append(RuleFile(place.at, source))
        reading.diagnostics += parsed.diagnostics
        aliases = {s.alias for s in parsed.file.statements if isinstance(s, ast.Include) and s.alias is not None}
        reading.diagnostics += check_aliases(parsed.qualified, aliases, source)
        reading.diagnostics += _repeated_aliases(parsed.file)
    reading.broken |= {place.prefix + name for name in parsed.broken}
    for statement in parsed.file.statements:
        match statement:
            case ast.Include() if len(reading.diagnostics) > MAX_ERRORS:
                pass  # each looks through folders: so many mistakes are enough
            case ast.Include():
                _include(statement, place, reading)
            case ast.Constraint(ast.Call("consult", (ast.Call(name, ()) | ast.String(name) as file,)), None, span) if (
                dialect == "problog"
            ):
                _include(ast.Include(name, None, span, file.span), place, reading)
            case ast.Constraint(
                ast.Call("use_module", (ast.Call("library", (ast.Call("lists", ()) as file,)),)), None, span
            ) if dialect == "problog":
                _include(ast.Include("lists.pl", None, span, file.span), replace(place, folder=None), reading)
            case _:
                reading.units.append(Unit(statement, dialect, place.folder, place.prefix))


def _include(statement: ast.Include, place: _Place, reading: Reading) -> None:
    span = statement.name_span
    prefix = place.prefix if statement.alias is None else f"{place.prefix}{statement.alias}."
    places = [folder for folder in (place.folder, resources_folder()) if folder is not None]
    path = _find(statement.name, places)
    if path is None:
        names = {file.stem for folder in places for suffix in SUFFIXES for file in folder.glob(f"*{suffix}")}
        near = near_name(statement.name, names)
        own = [f"`{_shown(place.folder)}`"] if place.folder is not None else []
        looked = "looked in " + " and ".join([*own, "the rules that nesy ships"])
        instead = f"did you mean `{near}`?" if near else ""
        reading.diagnostics.append(report("N501", span, name=statement.name, looked=looked, instead=instead))
        return
    resolved = path.resolve()
    if resolved in place.inside:
        circle = (*place.inside[place.inside.index(resolved) :], resolved)
        chain = " -> ".join(f"`{part.name}`" for part in circle)
        note = f"the circle is {chain}"
        reading.diagnostics.append(report("N502", span, note=note, name=path.name))
        return
    if resolved in reading.read:
        reading.includes.append((span.source, reading.read[resolved][0]))
    if (resolved, prefix) in reading.done:
        first = reading.done[resolved, prefix]
        if first is not None and first.source is span.source:
            others = (Label(first, "included here first"),)
            reading.diagnostics.append(report("N503", span, others=others, name=statement.name))
        return
    reading.done[resolved, prefix] = span
    dialect = dialect_of(path)
    if resolved not in reading.read:
        try:
            source = read_file(path, _shown(path))
        except UnreadableError as error:
            problem = str(error).partition(": ")[2]
            reading.diagnostics.append(report("N508", span, name=statement.name, problem=problem))
            return
        reading.includes.append((span.source, source))
        reading.read[resolved] = source, parser().parse(source, dialect)
    source, parsed = reading.read[resolved]
    written = statement.name if statement.name.endswith(SUFFIXES) else f"{statement.name}{path.suffix}"
    at = posixpath.normpath(posixpath.join(posixpath.dirname(place.at), written))
    _read(source, parsed, dialect, _Place(path.parent, at, (*place.inside, resolved), prefix), reading)


def _repeated_aliases(file: ast.File) -> Iterator[Diagnostic]:
    first: dict[str, ast.Include] = {}
    for statement in file.statements:
        if isinstance(statement, ast.Include) and statement.alias is not None:
            earlier = first.setdefault(statement.alias, statement)
            if earlier.name != statement.name:
                others = (Label(earlier.span, "declared here first"),)
                yield report("N505", statement.span, others=others, name=statement.alias)


def _rename(reading: Reading, functions: Mapping[tuple[str, int], Function]) -> None:
    """Give the statements of files with an alias its names."""
    if not any(unit.prefix for unit in reading.units):
        return
    defined: dict[str, set[tuple[str, int]]] = {}
    types: dict[str, set[str]] = {}
    for unit in reading.units:
        defined.setdefault(unit.prefix, set()).update(defined_by(unit.statement))
        if isinstance(unit.statement, ast.TypeDeclaration):
            types.setdefault(unit.prefix, set()).add(unit.statement.name)
    for index, unit in enumerate(reading.units):
        if unit.prefix:
            known = types.get(unit.prefix, set[str]())
            namespace = Namespace(unit.prefix, unit.dialect, defined[unit.prefix], known, functions)
            reading.units[index] = replace(unit, statement=namespace.statement(unit.statement))


def defined_by(statement: ast.Statement) -> Iterator[tuple[str, int]]:
    """Name and number of arguments of what a rule or a fact defines."""
    if isinstance(statement, ast.Rule):
        for head in statement.heads:
            match head.atom:
                case ast.Call(name, arguments):
                    yield name, len(arguments)
                case ast.Operation("-", (ast.Call(name, arguments),)):
                    yield f"-{name}", len(arguments)
                case _:
                    pass


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
            try:
                if path.is_file():
                    return path
            except OSError:  # a name that no file can have: too long, say
                return None
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
