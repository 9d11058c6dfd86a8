"""Types: a constant, and two columns that share a variable, fit what `#pred`, `#input` and `#type` declare.

A column's declaration is a type if it names one: `int`, `float`, `string`, `symbol`, or a `#type` of the program.
Any other word is only the column's name. The value of a neural predicate is of the type behind its `->`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from nesy.diagnostics import Diagnostic, Label
from nesy.errors import near_name
from nesy.language import ast, core
from nesy.language.catalogue import report
from nesy.language.checks.names import atoms_of
from nesy.language.declarations import domain_values
from nesy.language.draft import Draft
from nesy.language.scope import Refused
from nesy.language.values import Symbol, Value, format_value, key
from nesy.source import Span

# Values of a listed type that a message shows.
_MAX_SHOWN = 6


@dataclass(frozen=True)
class Type:
    name: str
    kinds: frozenset[type]
    values: frozenset[object] | None = None  # keys of the values, where they are listed
    symbols: tuple[str, ...] = ()  # names among them

    def holds(self, value: Value) -> bool:
        if type(value) not in self.kinds:
            return False
        return self.values is None or key(value) in self.values

    def meets(self, other: Type) -> bool:
        """Whether some value may be of both types."""
        if self.values is not None and other.values is not None:
            return bool(self.values & other.values)
        return bool(self.kinds & other.kinds)


_PRIMITIVE = {
    "int": Type("int", frozenset((int,))),
    "float": Type("float", frozenset((float,))),
    "string": Type("string", frozenset((str,))),
    "symbol": Type("symbol", frozenset((Symbol,))),
}


def check_types(draft: Draft) -> Iterator[Diagnostic]:
    """A diagnostic for each constant that its column's type rules out, and each variable between two such columns."""
    columns = column_types(draft)
    if not columns:
        return
    for fact in draft.facts:
        yield from _constants(fact, columns, draft)
    for rule in (*draft.rules, *draft.constraints):
        seen: dict[str, tuple[Type, Span]] = {}
        atoms = [*rule.heads, *(literal.atom for literal in atoms_of(rule.body))]
        if rule.choice is not None and rule.choice.neural is not None:
            atoms = atoms[len(rule.heads) :]
        for atom in atoms:
            yield from _constants(atom, columns, draft)
            yield from _variables(atom, columns, seen)
    for asked in (*draft.queries, *draft.evidence):
        yield from _constants(asked.atom, columns, draft)


def column_types(draft: Draft) -> dict[core.Signature, tuple[Type | None, ...]]:
    """The types of the columns of each predicate that declares one at least."""
    types: dict[str, Type] = dict(_PRIMITIVE)
    for name, declaration in draft.types.items():
        known = _declared(name, declaration, draft.types)
        if known is not None:
            types[name] = known
    found: dict[core.Signature, tuple[Type | None, ...]] = {}
    for signature, predicate in draft.declared.items():
        if predicate.kind != "neural":
            declared = tuple(types.get(column) for column in predicate.columns)
            if any(declared):
                found[signature] = declared
    for name, neural in draft.neural.items():
        if neural.values is not None:
            listed = _of_values(_listed(neural.values), neural.values)
            found[core.Signature(name, len(neural.key) + 1)] = (*(None for _ in neural.key), listed)
    return found


def _listed(values: Sequence[Value]) -> str:
    """Values as a declaration writes them: `0..9`, `{red, green}`."""
    first, last = values[0], values[-1]
    if isinstance(first, int) and isinstance(last, int) and list(values) == list(range(first, last + 1)):
        return f"{first}..{last}"
    shown = [format_value(value) for value in values[:_MAX_SHOWN]]
    return f"{{{', '.join([*shown, *(['...'] if len(values) > _MAX_SHOWN else [])])}}}"


def _declared(name: str, declaration: ast.TypeDeclaration, types: Mapping[str, ast.TypeDeclaration]) -> Type | None:
    if isinstance(declaration.domain, ast.TypeName) and declaration.domain.name in _PRIMITIVE:
        base = _PRIMITIVE[declaration.domain.name]
        return Type(name, base.kinds)
    try:
        values = domain_values(declaration.domain, types)
    except Refused:
        return None  # reported where the type is declared
    return _of_values(name, values)


def _of_values(name: str, values: Sequence[Value]) -> Type:
    symbols = tuple(format_value(value) for value in values if isinstance(value, Symbol))
    return Type(name, frozenset(type(value) for value in values), frozenset(key(value) for value in values), symbols)


def _constants(
    atom: core.Atom, columns: Mapping[core.Signature, tuple[Type | None, ...]], draft: Draft
) -> Iterator[Diagnostic]:
    declared = columns.get(atom.signature)
    if declared is None or atom.span is None:
        return
    for term, kind in zip(atom.arguments, declared, strict=True):
        if kind is not None and isinstance(term, core.Constant) and not kind.holds(term.value):
            predicate = draft.declared[atom.signature]
            others = (Label(predicate.span, "declared here"),) if predicate.span is not None else ()
            shown = f"`{format_value(term.value)}`"
            near = near_name(format_value(term.value), kind.symbols)
            instead = f"did you mean `{near}`?" if near else ""
            yield report("N510", atom.span, others=others, found=shown, type=kind.name, instead=instead)


def _variables(
    atom: core.Atom,
    columns: Mapping[core.Signature, tuple[Type | None, ...]],
    seen: dict[str, tuple[Type, Span]],
) -> Iterator[Diagnostic]:
    declared = columns.get(atom.signature)
    if declared is None or atom.span is None:
        return
    for term, kind in zip(atom.arguments, declared, strict=True):
        if kind is None or not isinstance(term, core.Variable):
            continue
        earlier, place = seen.setdefault(term.name, (kind, atom.span))
        if not earlier.meets(kind):
            others = (Label(place, f"and `{earlier.name}` here"),)
            yield report("N511", atom.span, f"`{kind.name}` here", others=others, name=term.name)
