"""`nesy check`: what the language finds in a rule file, and whether Z3 can satisfy its constraints together."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from nesy import solver
from nesy.diagnostics import Diagnostic, by_position
from nesy.errors import ProgramError, QueryError, near_name
from nesy.language import Checked, ast, check_program, load_program, parse, parse_program, parse_query
from nesy.language.collection import collection_paused
from nesy.language.core import Atom, BodyLiteral, CoreProgram, Literal, Signature
from nesy.language.files import dialect_of, read_file
from nesy.language.pretty import format_text
from nesy.run_folder import write_text
from nesy.solver import Consistency, Property, check_constraints, static_warnings

_CLAIM = "<property>"  # the name of its text in messages


@dataclass(frozen=True)
class Report:
    """All there is to say of a rule file; `consistency` is None where it has errors, `proved` are Z3's warnings."""

    checked: Checked
    consistency: Consistency | None
    proved: tuple[Diagnostic, ...] = ()

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        return tuple(by_position([*self.checked.diagnostics, *self.proved]))

    @property
    def is_ok(self) -> bool:
        """No errors, and no proof that the constraints clash: one over small databases only is a warning."""
        found = self.consistency
        return found is not None and (found.verdict != "conflict" or bool(found.scope))

    @cached_property
    def summary(self) -> str:
        """The last line, or lines, of `nesy check`."""
        if self.consistency is None:
            return f"failed: {self.checked.summary}"
        if not self.is_ok:
            return f"failed: {self.consistency}"
        said = [self.checked.summary]
        if self.consistency.num_constraints or self.consistency.verdict == "unknown":
            said.append(str(self.consistency))
        state = "ok" if self.consistency.verdict != "conflict" else "warning"
        return f"{state}: {'; '.join(said)}"

    def to_dict(self) -> dict[str, Any]:
        """The report as `nesy check --json` prints it."""
        found = self.consistency
        return {
            "ok": self.is_ok,
            "summary": self.summary,
            "diagnostics": [diagnostic.to_dict() for diagnostic in self.diagnostics],
            "constraints": None
            if found is None
            else {
                "verdict": found.verdict,
                "conflict": [str(demand) for demand in found.conflict],
                "scope": found.scope,
                "reason": found.reason,
                "seconds": found.seconds,
            },
        }


def check(path: str | Path) -> Report:
    """Check a rule file, and prove with Z3 that its hard constraints can be satisfied together.

    Raises: NesyError if the file cannot be read; mistakes in it are in the report.
    """
    with collection_paused():
        checked = check_program(path)
        if checked.program is None:
            return Report(checked, None)
        consistency = check_constraints(checked.program)
        return Report(checked, consistency, tuple(static_warnings(checked.program, consistency)))


def prove(
    path: str | Path,
    *,
    never: str | None = None,
    always: str | None = None,
    equivalent: tuple[str, str] | None = None,
    size: int = 3,
    timeout: float = 60.0,
) -> Property:
    """Prove a property of a rule file over all databases with at most `size` values, or refute it by the smallest.

    One of: a condition that never holds, an atom or the body of a rule (`parent(X,Y), parent(Y,X)`); an atom that
    always holds, or does so under a condition (`ancestor(X,Y) :- parent(X,Y)`); two predicates, by name, that
    always hold of the same rows.

    Raises: ProgramError; QueryError for a property that does not fit the program.
    """
    if sum(claim is not None for claim in (never, always, equivalent)) != 1:
        raise QueryError("state one property: --never CONDITION, --always CLAIM, or --equivalent NAME NAME")
    if equivalent is not None:
        program = load_program(path)
        try:
            first, second = (_signature(program, name) for name in equivalent)
            return solver.equivalent(program, first, second, size, timeout)
        except ValueError as error:
            raise QueryError(str(error)) from None
    claim = never if never is not None else always
    assert claim is not None
    program, head, body = _claim(Path(path), claim, is_never=never is not None)
    if head is None:
        return solver.never(program, body, size, timeout)
    try:
        return solver.always(program, head, size, timeout, when=body)
    except ValueError as error:
        raise QueryError(str(error)) from None


def _claim(path: Path, text: str, *, is_never: bool) -> tuple[CoreProgram, Atom | None, Sequence[BodyLiteral]]:
    """A program, the atom that a claim says holds (None: nothing does), and the condition under which.

    The claim is checked as a constraint in a text that includes the program, so that its mistakes are told as any.
    """
    program = load_program(path)  # its own mistakes first
    stripped = text.strip().removesuffix(".").strip()
    if not stripped:
        raise QueryError("the property is empty: state a condition, such as --never 'p(X), q(X)'")
    claim = parse(f":- {stripped}." if is_never else f"{stripped}.", _CLAIM)
    match claim.file.statements:
        case (ast.Constraint(weight=None),) if is_never:
            denied = stripped
        case (ast.Rule(heads=(ast.Head(probability=None, atom=atom),), body=None),) if not is_never:
            return program, parse_query(atom.span.text, program).atom, ()
        case (ast.Rule(heads=(ast.Head(probability=None, atom=atom),), body=_),) if not is_never:
            denied = f"{stripped[atom.span.end :].lstrip().removeprefix(':-').strip()}, not {atom.span.text}"
        case _:
            if claim.diagnostics:
                raise ProgramError(claim.diagnostics)
            what = "a condition: atoms and comparisons" if is_never else "an atom, or `atom :- condition`"
            raise QueryError(f"`{text}` is not {what}")
    included = f"#include {json.dumps(path.name, ensure_ascii=False)}."
    program = parse_program(f"{included}\n:- {denied}.", _CLAIM, folder=path.parent)
    stated = next(rule for rule in program.constraints if rule.span is not None and rule.span.source.name == _CLAIM)
    program = replace(program, constraints=tuple(rule for rule in program.constraints if rule is not stated))
    if is_never:
        return program, None, stated.body
    *condition, last = stated.body
    assert isinstance(last, Literal)
    return program, last.atom, condition


def format_file(path: str | Path, *, write: bool = True) -> bool:
    """Bring a rule file into the canonical layout; whether that changes it.

    Raises: ProgramError for a file that cannot be parsed: it is left as it is.
    """
    file = Path(path)
    source = read_file(file, str(path))
    formatted = format_text(source.text, source.name, dialect_of(file))
    if formatted != source.text and write:
        write_text(file, formatted)
    return formatted != source.text


def _signature(program: CoreProgram, text: str) -> Signature:
    """The predicate of a name, or of `name/arity` where several have the name."""
    name, _, arity = text.partition("/")
    found = [s for s in program.predicates if s.name == name and arity in ("", str(s.arity))]
    if len(found) == 1:
        return found[0]
    if found:
        raise QueryError(f"`{name}` is several predicates: name one of {', '.join(map(str, found))}")
    near = near_name(name, {s.name for s in program.predicates})
    raise QueryError(f"`{text}` is not a predicate of the program" + (f"; did you mean `{near}`?" if near else ""))
