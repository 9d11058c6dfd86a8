"""Text or file to core program: read, lower, check, order. The face of the language."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeAlias

from nesy.diagnostics import Diagnostic, by_position
from nesy.errors import NesyError, ProgramError, QueryError
from nesy.language import ast, core
from nesy.language.catalogue import report
from nesy.language.checks.collisions import check_collisions
from nesy.language.checks.encoders import check_encoders
from nesy.language.checks.kinds import check_kinds
from nesy.language.checks.limit import limited
from nesy.language.checks.names import (
    check_heads,
    check_names,
    known_predicates,
    unknown,
    used_atoms,
    with_alias,
)
from nesy.language.checks.openness import add_open, check_open
from nesy.language.checks.safety import check_safety
from nesy.language.checks.strata import components
from nesy.language.checks.style import check_style
from nesy.language.checks.types import check_types
from nesy.language.collection import collection_paused
from nesy.language.demand import direct_by_goals, given_places
from nesy.language.draft import Draft, Kept
from nesy.language.files import Reading, defined_by, dialect_of, read_file, read_program
from nesy.language.functions import FUNCTIONS, Function
from nesy.language.intervals import interval_tables, required_ends
from nesy.language.lower import Lowering
from nesy.language.parse import MAX_ERRORS, parser
from nesy.language.python_functions import PythonFunction, by_name
from nesy.language.queries import query_for_each
from nesy.language.rules import lower_query
from nesy.language.scan import Dialect
from nesy.language.scope import Refused
from nesy.language.tables import TYPES, read_table
from nesy.language.values import Value
from nesy.source import Source

_ENOUGH = MAX_ERRORS + 1  # of one kind of mistake: one more than is shown

Functions: TypeAlias = Iterable[PythonFunction | Callable[..., Any]]


@dataclass(frozen=True)
class Checked:
    """The outcome of checking: a program if there is no error, and everything there is to say."""

    program: core.CoreProgram | None
    diagnostics: tuple[Diagnostic, ...]

    @property
    def errors(self) -> tuple[Diagnostic, ...]:
        return tuple(d for d in self.diagnostics if d.severity == "error")

    @property
    def warnings(self) -> tuple[Diagnostic, ...]:
        return tuple(d for d in self.diagnostics if d.severity == "warning")

    @property
    def summary(self) -> str:
        """One line: what the program has, or how many mistakes."""
        if self.program is None:
            return _plural(len(self.errors), "error")
        program = self.program
        own = [p for p in program.predicates.values() if " " not in p.signature.name]
        parts = [
            _plural(len(own), "relation"),
            _plural(len(program.rules), "rule"),
            _plural(len(program.facts), "fact"),
        ]
        if program.constraints:
            parts.append(_plural(len(program.constraints), "constraint"))
        if program.neural:
            parts.append(_plural(len(program.neural), "neural predicate"))
        return ", ".join(parts)


def check_text(
    text: str,
    name: str = "<text>",
    dialect: Dialect = "nesy",
    folder: Path | None = None,
    functions: Functions = (),
) -> Checked:
    """Check a program given as text; `folder` is where its includes are looked for first.

    Raises: FunctionTypeError, for Python functions that rules cannot call.
    """
    known = by_name(functions)
    with collection_paused():
        return check_reading(read_program(Source(name, text), dialect, folder, functions=known), known)


def check_program(path: str | Path, dialect: Dialect | None = None, functions: Functions = ()) -> Checked:
    """Check a rule file and all that it includes.

    Raises: NesyError, if the file itself cannot be read; FunctionTypeError.
    """
    known = by_name(functions)
    file = Path(path)
    source = read_file(file, str(path))
    with collection_paused():
        return check_reading(read_program(source, dialect or dialect_of(file), file.parent, file, known), known)


def parse_program(
    text: str,
    name: str = "<text>",
    dialect: Dialect = "nesy",
    folder: Path | None = None,
    functions: Functions = (),
) -> core.CoreProgram:
    """The core program of a text; its rules may call the Python functions.

    Raises: ProgramError, with all diagnostics.

    >>> len(parse_program("edge(a, b). path(X, Y) :- edge(X, Y).").rules)
    1
    """
    return _program(check_text(text, name, dialect, folder, functions))


def load_program(path: str | Path, dialect: Dialect | None = None, functions: Functions = ()) -> core.CoreProgram:
    """The core program of a file; a `.pl` file is read as ProbLog, any other as nesy.

    Raises: ProgramError, with all diagnostics; NesyError, if the file cannot be read.
    """
    return _program(check_program(path, dialect, functions))


def parse_query(text: str, program: core.CoreProgram) -> core.Query:
    """A query about a program: an atom, maybe with variables, maybe under `not`; the full stop is optional.

    Raises: ProgramError, with a caret in the query's text.

    >>> program = parse_program("edge(a, b).")
    >>> str(parse_query("edge(a, X)", program).atom)
    'edge(a,X)'
    """
    stripped = text.rstrip()
    source = Source("<query>", stripped if stripped.endswith(".") else f"{stripped}.")
    parsed = parser().parse_condition(source)
    if isinstance(parsed, Diagnostic):
        raise ProgramError([parsed])
    try:
        query = lower_query(parsed, "nesy", program.functions)
    except Refused as refused:
        raise ProgramError([refused.diagnostic]) from None
    atom = query.atom
    if atom.signature not in program.predicates:
        by_name: dict[str, list[core.Signature]] = {}
        for signature in program.predicates:
            by_name.setdefault(signature.name, []).append(signature)
        assert atom.span is not None
        raise ProgramError([unknown(atom.signature, atom.span, by_name, with_alias(by_name), program.predicates)])
    _check_goal(query, program)
    return query


def _is_ground(terms: Sequence[core.Term]) -> bool:
    return all(isinstance(term, core.Constant) for term in terms)


def _check_goal(query: core.Query, program: core.CoreProgram) -> None:
    """Raises: QueryError, if the query's predicate runs only when asked and this was not asked in the file."""
    ways = given_places(query.atom.signature, iter(program.predicates))
    if not ways or query.span is None:
        return
    for known in program.queries:
        for places in ways if known.atom.signature == query.atom.signature else ():
            given = [query.atom.arguments[place] for place in places]
            if given == [known.atom.arguments[place] for place in places] and _is_ground(given):
                return
    name = query.atom.predicate
    raise QueryError(
        f"`{query.atom}` was not asked in the program, whose rules of `{name}` run only for the goals that it states: "
        f"add `query({query.atom}).` to the file"
    )


def parse_value(text: str) -> Value:
    """The value that `format_value` wrote.

    Raises: ProgramError; ValueError for a term with variables.

    >>> parse_value('f(1,"b")')
    Compound(functor='f', arguments=(1, 'b'))
    """
    parsed = parser().parse_condition(Source("<value>", f"value({text})."))
    if isinstance(parsed, Diagnostic):
        raise ProgramError([parsed])
    match lower_query(parsed, "nesy").atom.arguments:
        case (core.Constant(value),):
            return value
        case _:
            raise ValueError(f"`{text}` is not one ground value")


def _program(checked: Checked) -> core.CoreProgram:
    if checked.program is None:
        raise ProgramError(checked.errors)
    return checked.program


def check_reading(
    reading: Reading, functions: Mapping[tuple[str, int], Function] = FUNCTIONS, kept: Kept | None = None
) -> Checked:
    """Check what was read already: tools read once and ask more than this.

    `kept` is what earlier checks found of statements that are still there, always with the same functions.
    """
    lowering = Lowering(_defined(reading), functions, kept)
    for unit in reading.units:
        if isinstance(unit.statement, ast.TypeDeclaration) and len(lowering.draft.diagnostics) <= MAX_ERRORS:
            lowering.collect_type(unit.statement)
    draft = lowering.draft
    for unit in reading.units:
        lowering.add(unit.statement, unit.dialect, unit.folder)
        if len(draft.diagnostics) > MAX_ERRORS:
            return Checked(None, tuple(limited(by_position([*reading.diagnostics, *draft.diagnostics]))))
    safe, shapes = (kept.safe, kept.shapes) if kept is not None else (set[int](), {})
    draft.diagnostics += query_for_each(draft)
    required = required_ends(draft)
    if required or reading.dialect == "problog":
        draft.diagnostics += direct_by_goals(draft, required, infer=reading.dialect == "problog")
        safe, shapes = set[int](), {}  # rules have other bodies now
    known = known_predicates(draft)
    tables = (*_read_tables(draft, known), *interval_tables(draft))
    for table in tables:
        known.setdefault(table.signature, core.Predicate(table.signature, table.span))
    if any(d.severity == "error" for d in (*reading.diagnostics, *draft.diagnostics)):
        # What could not be read may define a predicate: do not call it unknown on top.
        _keep_defined(lowering, known)
        for atom in used_atoms(draft):
            if atom.predicate in reading.broken:
                known.setdefault(atom.signature, core.Predicate(atom.signature))
    if draft.unknown_fails:
        for atom in used_atoms(draft):
            known.setdefault(atom.signature, core.Predicate(atom.signature, atom.span))
    add_open(draft, known)
    _separate_strong_negation(draft, known)
    ordered, cycles = components(draft, known)
    found = [
        check_heads(draft),
        check_collisions(draft, reading.includes),
        check_names(draft, known),
        check_open(draft, known, reading.broken),
        check_safety(draft, safe),
        check_types(draft),
        cycles,
    ]
    errors = [diagnostic for each in found for diagnostic in islice(each, _ENOUGH)]
    diagnostics = limited(by_position([*reading.diagnostics, *draft.diagnostics, *errors]))
    if kept is not None:
        kept.take(draft, lowering.used)
    if any(d.severity == "error" for d in diagnostics):
        return Checked(None, tuple(diagnostics))
    main = reading.sources[0].source
    found = [check_style(draft, known, main, shapes), check_encoders(draft, known), check_kinds(draft, known, tables)]
    warnings = [diagnostic for each in found for diagnostic in islice(each, _ENOUGH)]
    diagnostics = limited(by_position([*diagnostics, *warnings]))
    program = core.CoreProgram(
        facts=tuple(draft.facts),
        rules=tuple(draft.rules),
        constraints=tuple(draft.constraints),
        queries=tuple(draft.queries),
        evidence=tuple(draft.evidence),
        predicates=MappingProxyType(known),
        components=ordered,
        neural=MappingProxyType(draft.neural),
        files=tuple(reading.sources),
        tables=tables,
        open=frozenset(draft.open),
        functions=functions,
    )
    return Checked(program, tuple(diagnostics))


def _read_tables(draft: Draft, known: dict[core.Signature, core.Predicate]) -> tuple[core.Table, ...]:
    """The tables of a draft; their predicates become known, and those that cannot be read are reported."""
    tables: list[core.Table] = []
    for request in draft.tables:
        declared = [s for s in draft.declared if s.name == request.predicate]
        kinds: tuple[str, ...] | None = None
        if len(declared) == 1:
            kinds = tuple(c if c in TYPES else "" for c in draft.declared[declared[0]].columns)
        try:
            table = read_table(replace(request, kinds=kinds))
        except NesyError as error:
            assert request.span is not None
            draft.diagnostics.append(report("N509", request.span, problem=str(error)))
            # Its arity is not known: any use of it goes unreported, for it would be this mistake again.
            for atom in used_atoms(draft):
                if atom.predicate == request.predicate:
                    known.setdefault(atom.signature, core.Predicate(atom.signature, request.span))
            continue
        tables.append(table)
    return tuple(tables)


def _defined(reading: Reading) -> set[tuple[str, int]]:
    """Name and arity of what has a rule or a fact, known before any statement is lowered."""
    defined: set[tuple[str, int]] = set()
    for unit in reading.units:
        defined.update(defined_by(unit.statement))
    return defined


def _keep_defined(lowering: Lowering, known: dict[core.Signature, core.Predicate]) -> None:
    for name, arity in lowering.defined:
        signature = core.Signature(name, arity)
        known.setdefault(signature, core.Predicate(signature))


def _separate_strong_negation(draft: Draft, known: dict[core.Signature, core.Predicate]) -> None:
    """A constraint for each predicate that has a strong negation: `p` and `-p` never together."""
    for signature in list(known):
        if not signature.name.startswith("-"):
            continue
        positive = core.Signature(signature.name[1:], signature.arity)
        if positive not in known:
            continue
        arguments = tuple(core.Variable(f"X{index + 1}") for index in range(signature.arity))
        span = known[signature].span
        body = tuple(core.Literal(core.Atom(s.name, arguments, span)) for s in (positive, signature))
        identity = draft.next_id
        draft.next_id += 1
        head = core.Atom(f":- {identity}", (), span)
        draft.constraints.append(core.Rule(identity, (head,), body, None, span))
        if span is not None:
            atoms = tuple(ast.Call(s.name, (), span, span) for s in (positive, signature))
            draft.statement_of[identity] = ast.Constraint(ast.Conjunction(atoms, span), None, span)


def _plural(count: int, word: str) -> str:
    return f"{count} {word}" if count == 1 else f"{count} {word}s"
