"""The syntax tree: what was written, with spans; nothing is checked.

Tools (the formatter, the language server) and `lower` read it. Every node knows its span; two nodes
are equal if they say the same, wherever they stand. It stays public, for programs that write rules.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from nesy.source import Span, node

# -- terms ---------------------------------------------------------------------------------------


@node
class Variable:
    """A variable; `_` is one too, each occurrence a different one."""

    name: str
    span: Span = field(compare=False, repr=False)


@node
class Number:
    value: int | float
    span: Span = field(compare=False, repr=False)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Number) and type(self.value) is type(other.value) and self.value == other.value

    def __hash__(self) -> int:
        return hash(self.value)


@node
class String:
    value: str
    span: Span = field(compare=False, repr=False)


@node
class Call:
    """A name, maybe applied to terms: a symbol, a compound term, a function call or an atom, by its place.

    `is_qualified` where it is written with the alias of an included file: `kin.parent(X, Y)`, whose name is
    `kin.parent`; the span of the name is that of `parent` alone.
    """

    name: str
    arguments: tuple[Term, ...]
    span: Span = field(compare=False, repr=False)
    name_span: Span = field(compare=False, repr=False)
    is_qualified: bool = False


@node
class ListTerm:
    items: tuple[Term, ...]
    tail: Term | None
    span: Span = field(compare=False, repr=False)


@node
class Operation:
    """An arithmetic operator between two terms, or before one. `-p(X)` as an atom is strong negation."""

    operator: str
    arguments: tuple[Term, ...]
    span: Span = field(compare=False, repr=False)


@node
class Element:
    """`terms : conditions` inside an aggregate."""

    terms: tuple[Term, ...]
    conditions: tuple[Body, ...]
    span: Span = field(compare=False, repr=False)


@node
class Aggregate:
    """`#sum{ ... }`, standing on a side of a comparison."""

    function: str
    elements: tuple[Element, ...]
    span: Span = field(compare=False, repr=False)


@node
class Group:
    """Parentheses around something that is not a plain term."""

    body: Body
    span: Span = field(compare=False, repr=False)


@node
class Interval:
    """`low..high` in place of a value: each integer between the ends, both included."""

    low: Term
    high: Term
    span: Span = field(compare=False, repr=False)


Term: TypeAlias = Variable | Number | String | Call | ListTerm | Operation | Aggregate | Group | Interval


# -- bodies --------------------------------------------------------------------------------------


@node
class Negation:
    body: Body
    span: Span = field(compare=False, repr=False)


@node
class Comparison:
    """`terms[0] operators[0] terms[1] operators[1] terms[2] ...`, as written."""

    terms: tuple[Term, ...]
    operators: tuple[str, ...]
    span: Span = field(compare=False, repr=False)


@node
class Conjunction:
    parts: tuple[Body, ...]
    span: Span = field(compare=False, repr=False)


@node
class Disjunction:
    parts: tuple[Body, ...]
    span: Span = field(compare=False, repr=False)


Body: TypeAlias = Term | Negation | Comparison | Conjunction | Disjunction


# -- statements ----------------------------------------------------------------------------------


@node
class Head:
    probability: Term | None
    atom: Term
    span: Span = field(compare=False, repr=False)


@node
class Rule:
    """`heads :- body.`; a fact where `body` is None."""

    heads: tuple[Head, ...]
    body: Body | None
    span: Span = field(compare=False, repr=False)


@node
class Constraint:
    body: Body
    weight: Term | None
    span: Span = field(compare=False, repr=False)


@node
class Include:
    name: str
    alias: str | None
    span: Span = field(compare=False, repr=False)
    name_span: Span = field(compare=False, repr=False)


@node
class ValueSet:
    """`{a, b, c}`"""

    values: tuple[Term, ...]
    span: Span = field(compare=False, repr=False)


@node
class Range:
    """`low..high`, both ends included."""

    low: Term
    high: Term
    span: Span = field(compare=False, repr=False)


@node
class TypeName:
    name: str
    span: Span = field(compare=False, repr=False)
    is_qualified: bool = False


Domain: TypeAlias = ValueSet | Range | TypeName


@node
class TypeDeclaration:
    name: str
    domain: Domain
    span: Span = field(compare=False, repr=False)
    name_span: Span = field(compare=False, repr=False)


@node
class Declaration:
    """`#pred p(person).` or `#input token(index, word).`"""

    keyword: str
    atoms: tuple[Term, ...]
    span: Span = field(compare=False, repr=False)


@node
class NeuralDeclaration:
    atom: Term
    domain: Domain | None
    body: Body | None
    span: Span = field(compare=False, repr=False)


@node
class PredicateName:
    """`p/1`: a predicate by its name and its number of arguments."""

    name: str  # with its `-`, where it has one
    arity: int
    span: Span = field(compare=False, repr=False)
    name_span: Span = field(compare=False, repr=False)
    is_qualified: bool = False


@node
class OpenDeclaration:
    """`#open p/1, q/2.`"""

    predicates: tuple[PredicateName, ...]
    span: Span = field(compare=False, repr=False)


@node
class FactsFile:
    predicate: Term
    path: str
    span: Span = field(compare=False, repr=False)
    path_span: Span = field(compare=False, repr=False)


@node
class Ask:
    """`#query` or `#evidence`."""

    keyword: str
    condition: Body
    span: Span = field(compare=False, repr=False)


Statement: TypeAlias = (
    Rule | Constraint | Include | TypeDeclaration | Declaration | NeuralDeclaration | OpenDeclaration | FactsFile | Ask
)


@node
class Comment:
    """A comment with its marks, for the formatter and for doc texts."""

    text: str
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True)
class File:
    """The statements and comments of one source, in order."""

    statements: tuple[Statement, ...]
    comments: tuple[Comment, ...] = field(default=(), compare=False)
