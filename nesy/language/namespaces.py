"""Files included under an alias: `#include "kinship" as kin.` makes its predicates and types `kin.parent` and so on.

A statement of such a file is rewritten as if its author had written the alias everywhere; constants, structures and
functions stay as they are, so that two files can speak of the same things. Spans stay in the file.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field, replace

from nesy.diagnostics import Diagnostic
from nesy.errors import near_name
from nesy.language import ast
from nesy.language.catalogue import report
from nesy.language.functions import FUNCTIONS, Function
from nesy.language.prolog import is_builtin
from nesy.language.scan import Dialect, Word
from nesy.source import Source, Span

# What these say is not about a predicate of the file.
_TRUTHS = frozenset(("true", "fail", "false"))
_ASKED = frozenset(("query", "evidence"))


@dataclass(frozen=True)
class Namespace:
    """What a file included under an alias adds to its names; `prefix` ends in a dot, and is empty without an alias.

    `defined` and `types` are what the files of this namespace define, under their names as written there.
    """

    prefix: str
    dialect: Dialect
    defined: Set[tuple[str, int]]
    types: Set[str]
    functions: Mapping[tuple[str, int], Function] = field(default_factory=lambda: FUNCTIONS)

    def statement(self, statement: ast.Statement) -> ast.Statement:
        """The statement with the namespace's names."""
        match statement:
            case ast.Rule(heads, body):
                renamed = tuple(replace(head, atom=self._head(head.atom)) for head in heads)
                return replace(statement, heads=renamed, body=self._maybe(body))
            case ast.Constraint(body):
                return replace(statement, body=self._condition(body))
            case ast.TypeDeclaration(name, domain):
                return replace(statement, name=self.prefix + name, domain=self._domain(domain))
            case ast.Declaration(_, atoms):
                return replace(statement, atoms=tuple(self._declared(atom) for atom in atoms))
            case ast.NeuralDeclaration(atom, domain, body):
                domain = None if domain is None else self._domain(domain)
                return replace(statement, atom=self._atom(atom), domain=domain, body=self._maybe(body))
            case ast.OpenDeclaration(predicates):
                return replace(statement, predicates=tuple(self._name(name) for name in predicates))
            case ast.FactsFile(predicate):
                return replace(statement, predicate=self._atom(predicate))
            case ast.Ask(_, condition):
                return replace(statement, condition=self._condition(condition))
            case ast.Include():
                return statement

    def _head(self, atom: ast.Term) -> ast.Term:
        match atom:
            case ast.Call(name, (asked, *rest)) if name in _ASKED and len(rest) <= 1:
                return replace(atom, arguments=(self._condition(asked), *rest))
            case _:
                return self._atom(atom)

    def _atom(self, atom: ast.Term) -> ast.Term:
        match atom:
            case ast.Call(name):
                return replace(atom, name=self.prefix + name, is_qualified=False)
            case ast.Operation("-", (ast.Call() as call,)):
                return replace(atom, arguments=(self._atom(call),))
            case _:
                return atom  # refused when it is lowered

    def _maybe(self, body: ast.Body | None) -> ast.Body | None:
        return None if body is None else self._condition(body)

    def _condition(self, body: ast.Body) -> ast.Body:
        match body:
            case ast.Negation(inner) | ast.Group(inner):
                return replace(body, body=self._condition(inner))
            case ast.Conjunction(parts) | ast.Disjunction(parts):
                return replace(body, parts=tuple(self._condition(part) for part in parts))
            case ast.Comparison(terms):
                return replace(body, terms=tuple(self._side(term) for term in terms))
            case ast.Call("forall", (condition, claim)) if self._is_builtin(body):
                return replace(body, arguments=(self._condition(condition), self._condition(claim)))
            case ast.Call() if self._is_builtin(body):
                return body
            case ast.Aggregate():
                return self._side(body)
            case _:
                return self._atom(body)

    def _side(self, term: ast.Term) -> ast.Term:
        """A side of a comparison: only an aggregate has atoms in it."""
        if not isinstance(term, ast.Aggregate):
            return term
        elements = tuple(
            replace(element, conditions=tuple(self._condition(condition) for condition in element.conditions))
            for element in term.elements
        )
        return replace(term, elements=elements)

    def _is_builtin(self, call: ast.Call) -> bool:
        signature = (call.name, len(call.arguments))
        if call.is_qualified:
            return False
        if call.name in _TRUTHS and not call.arguments:
            return True
        if self.dialect == "problog":
            return signature not in self.defined and is_builtin(*signature)
        function = self.functions.get(signature)
        return function is not None and function.is_test

    def _declared(self, atom: ast.Term) -> ast.Term:
        """A declaration's columns are types of this namespace where they name one."""
        renamed = self._atom(atom)
        match renamed:
            case ast.Call(arguments=columns):
                return replace(renamed, arguments=tuple(self._column(column) for column in columns))
            case ast.Operation("-", (ast.Call(arguments=columns) as call,)):
                call = replace(call, arguments=tuple(self._column(column) for column in columns))
                return replace(renamed, arguments=(call,))
            case _:
                return renamed

    def _column(self, column: ast.Term) -> ast.Term:
        match column:
            case ast.Call(name, (), is_qualified=is_qualified) if is_qualified or name in self.types:
                return self._atom(column)
            case _:
                return column

    def _domain(self, domain: ast.Domain) -> ast.Domain:
        match domain:
            case ast.TypeName(name) if name not in ("int", "float", "string", "symbol"):
                return replace(domain, name=self.prefix + name, is_qualified=False)
            case _:
                return domain

    def _name(self, name: ast.PredicateName) -> ast.PredicateName:
        sign, bare = ("-", name.name[1:]) if name.name.startswith("-") else ("", name.name)
        return replace(name, name=f"{sign}{self.prefix}{bare}", is_qualified=False)


def check_aliases(qualified: Iterable[Word], aliases: Set[str], source: Source) -> Iterable[Diagnostic]:
    """A diagnostic for each name whose alias no `#include` of its file gives."""
    for word in qualified:
        alias = word.text.partition(".")[0]
        if alias not in aliases:
            near = near_name(alias, aliases)
            instead = (
                f"did you mean `{near}`?"
                if near
                else f'include the file under it: `#include "{alias}" as {alias}.`; '
                "or, if a statement ends here, put a blank behind its full stop"
            )
            yield report("N513", Span(source, word.start, word.end), alias=alias, instead=instead)
