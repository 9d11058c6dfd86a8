"""The core program: what the language hands to every later stage.

Surface syntax (`ast`) is for people and tools; here every construct has been checked and reduced to
few shapes. What holds of a core program:

* every rule is safe, stratified, and its variables are named apart from each other (`_` has become
  `_1`, `_2`, ...); arguments of atoms are variables, constants or structures, never expressions: an
  expression in a head or a body atom has been moved to an `=` comparison;
* randomness is in `Choice`s only: a probabilistic fact or rule, an annotated disjunction and a neural
  predicate are all a rule with a choice; everything else is deterministic;
* a soft constraint is a hard one with one more random condition (see `Rule.choice` of constraints);
* strong negation `-p(X)` is the predicate `-p` and a constraint that keeps it apart from `p`;
* a predicate whose name has a blank is made by the language, for a part of a body (`some p(+,_)`, `(a(X), b(X))`)
  or for what a ProbLog goal asks (`asked p(+)`); its rules have the span of that part;
* `facts` are ground and certain, and so are the rows of `tables`; all else is in `rules`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal as OneOf
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from nesy.language.functions import FUNCTIONS, Function
from nesy.language.values import NIL, Value, format_value, inside_functor, key, predicate_name
from nesy.source import Source, Span, node


class Signature(NamedTuple):
    """A predicate is its name and its number of columns."""

    name: str
    arity: int

    def __str__(self) -> str:
        return f"{predicate_name(self.name)}/{self.arity}"


# -- terms ---------------------------------------------------------------------------------------


@node
class Variable:
    name: str


@node
class Constant:
    value: Value


@node
class Structure:
    """A compound term with at least one variable inside; lists use functor `.`."""

    functor: str
    arguments: tuple[Term, ...]


@node
class Expression:
    """Something to be evaluated: an operator or function of `nesy.language.functions`."""

    function: str
    arguments: tuple[Expr, ...]
    span: Span | None = field(default=None, compare=False)


Term: TypeAlias = Variable | Constant | Structure
Expr: TypeAlias = Variable | Constant | Structure | Expression


# -- body ----------------------------------------------------------------------------------------


@node
class Atom:
    """A predicate applied to terms."""

    predicate: str
    arguments: tuple[Term, ...]
    span: Span | None = field(default=None, compare=False, repr=False)
    _signature: Signature | None = field(default=None, init=False, compare=False, repr=False)

    @property
    def signature(self) -> Signature:
        known = self._signature
        if known is None:  # made on first use, for every check asks for it
            known = Signature(self.predicate, len(self.arguments))
            object.__setattr__(self, "_signature", known)
        return known

    def __str__(self) -> str:
        inside = ",".join(format_term(argument) for argument in self.arguments)
        name = predicate_name(self.predicate)
        return f"{name}({inside})" if inside else name


@node
class Literal:
    """An atom, or its negation as failure."""

    atom: Atom
    negated: bool = False

    @property
    def span(self) -> Span | None:
        return self.atom.span


@node
class Comparison:
    """`=` also binds: a variable that is not bound yet, or the variables inside a structure."""

    operator: OneOf["=", "!=", "<", "<=", ">", ">="]
    left: Expr
    right: Expr
    span: Span | None = field(default=None, compare=False, repr=False)


@node
class Element:
    """One `terms : conditions` of an aggregate; the first term is the weight."""

    terms: tuple[Term, ...]
    body: tuple[Literal | Comparison, ...]


@node
class Aggregate:
    """`result = #function{ elements }` per assignment of the `group` variables.

    The elements form a set of term tuples (ASP-Core-2): a tuple counts once, however many ways its
    conditions hold. `group` are the variables shared with the rest of the rule, bound there. Over no
    tuples, `sum` and `count` are 0, and `min`, `max` and `avg` have no result.
    """

    function: OneOf["count", "sum", "min", "max", "avg"]
    result: Variable
    group: tuple[Variable, ...]
    elements: tuple[Element, ...]
    span: Span | None = field(default=None, compare=False, repr=False)


BodyLiteral: TypeAlias = Literal | Comparison | Aggregate


# -- randomness ----------------------------------------------------------------------------------


@node
class Fixed:
    """A probability written in the rule: a constant, or an expression over the rule's variables."""

    probability: Expr


@node
class Learnable:
    """`t(0.3)` starts at 0.3, `t(_)` anywhere; one parameter for each value of `index` (often none)."""

    initial: float | None
    index: tuple[Term, ...] = ()


@node
class Choice:
    """A random choice, made independently for each assignment of its `key` variables.

    With `neural` set, an encoder gives the distribution and `weights` is empty. Otherwise
    `weights[k]` is the probability of `heads[k]` of its rule. What is left over of 1 is the chance
    that none of the heads is chosen; with `exhaustive`, nothing is left over.
    """

    id: int
    key: tuple[Variable, ...]
    weights: tuple[Fixed | Learnable, ...] = ()
    neural: str | None = None
    exhaustive: bool = False


@node
class Rule:
    """If the body holds, then the head; with a choice, the head whose outcome was chosen.

    Without a choice there is exactly one head. With one, `heads[k]` belongs to outcome k. A rule with
    an empty body and a choice is a probabilistic fact. In a constraint the single head is an atom of
    a predicate `:- N` that must be false; a soft constraint has a choice of one outcome whose
    probability is 1 - exp(-w), so worlds that violate it are exp(-w) as likely.
    """

    id: int
    heads: tuple[Atom, ...]
    body: tuple[BodyLiteral, ...]
    choice: Choice | None = None
    span: Span | None = field(default=None, compare=False, repr=False)


# -- the program ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Predicate:
    """What is known of a predicate: where it first appears, what declares it, names of its columns."""

    signature: Signature
    span: Span | None = field(default=None, compare=False)
    kind: OneOf["derived", "input", "neural"] = "derived"
    columns: tuple[str, ...] = ()
    doc: str = ""


@dataclass(frozen=True)
class Neural:
    """A neural predicate: an encoder gives a distribution per ground `key`.

    `values` is None for a yes/no predicate, whose atoms are name(key); else exactly one of `values`
    holds per key, and the atoms are name(key, value).
    """

    name: str
    key: tuple[str, ...]
    values: tuple[Value, ...] | None
    span: Span | None = field(default=None, compare=False)

    @property
    def num_scores(self) -> int:
        return 1 if self.values is None else len(self.values)


@dataclass(frozen=True)
class Query:
    """An atom to answer, maybe with variables. `negated` is ProbLog's `query(\\+a)`."""

    atom: Atom
    negated: bool = False
    span: Span | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Evidence:
    """An atom observed to hold or not to hold; with variables, each of its ground instances."""

    atom: Atom
    holds: bool
    span: Span | None = field(default=None, compare=False)


@dataclass(frozen=True, eq=False)
class Coded:
    """A column with few different values: row i holds `values[codes[i]]`."""

    codes: NDArray[np.int64]  # [R]
    values: tuple[Value, ...]


@dataclass(frozen=True, eq=False)
class Table:
    """Certain facts of one predicate, column by column: what `#facts` read from a file.

    A column is an array of integers, or `Coded`. Rows may repeat.
    """

    signature: Signature
    columns: tuple[NDArray[np.int64] | Coded, ...]
    num_rows: int
    span: Span | None = None

    def rows(self) -> Iterator[tuple[Value, ...]]:
        """The rows one by one, for those who look at a few: the engine reads columns."""
        columns = [
            [column.values[code] for code in column.codes.tolist()] if isinstance(column, Coded) else column.tolist()
            for column in self.columns
        ]
        yield from zip(*columns, strict=True) if columns else [()] * self.num_rows

    def holds(self, row: tuple[Value, ...]) -> bool:
        """Whether a row is in the table."""
        found = np.ones(self.num_rows, dtype=np.bool_)
        for column, value in zip(self.columns, row, strict=True):
            if isinstance(column, Coded):
                codes = [code for code, other in enumerate(column.values) if key(other) == key(value)]
                found &= np.isin(column.codes, codes)
            elif type(value) is int:
                found &= column == value
            else:
                return False
        return bool(found.any())


@dataclass(frozen=True)
class Component:
    """Predicates that depend on each other; components come in an order in which they can be run."""

    predicates: tuple[Signature, ...]
    is_recursive: bool


@dataclass(frozen=True)
class RuleFile:
    """A text the program was read from, and where it would stand if all of them lay in one folder.

    `place` is relative to the main file's folder, spelt as the includes spell it, so that copies of all
    files at their places, wherever that is, are the same program.
    """

    place: str
    source: Source


@dataclass(frozen=True)
class CoreProgram:
    """A checked program. Identity, not value: two loads of one file are two programs."""

    facts: tuple[Atom, ...]
    rules: tuple[Rule, ...]
    constraints: tuple[Rule, ...]
    queries: tuple[Query, ...]
    evidence: tuple[Evidence, ...]
    predicates: Mapping[Signature, Predicate]
    components: tuple[Component, ...]
    neural: Mapping[str, Neural]
    files: tuple[RuleFile, ...] = ()  # the main one first
    tables: tuple[Table, ...] = ()  # more certain facts, too many to be atoms
    open: frozenset[Signature] = frozenset()  # what may hold though nothing derives it: see `nesy.solver.entails`
    functions: Mapping[tuple[str, int], Function] = field(default_factory=lambda: FUNCTIONS)

    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        return self is other

    @property
    def inputs(self) -> tuple[Predicate, ...]:
        return tuple(p for p in self.predicates.values() if p.kind == "input")


def ground_atom(predicate: str, values: tuple[Value, ...]) -> Atom:
    """The atom of a row.

    >>> str(ground_atom("edge", (1, 2)))
    'edge(1,2)'
    """
    return Atom(predicate, tuple(Constant(value) for value in values))


def term_variables(terms: Iterable[Expr]) -> Iterator[str]:
    """The names of the variables in terms and expressions, from left to right, each as often as it stands there."""
    for term in terms:
        match term:
            case Variable(name):
                yield name
            case Structure(_, arguments) | Expression(_, arguments):
                yield from term_variables(arguments)
            case Constant():
                pass


def format_term(term: Expr) -> str:
    """A term in the language's syntax."""
    match term:
        case Variable(name):
            return name
        case Constant(value):
            return format_value(value)
        case Structure(".", (head, tail)):
            items = [format_term(head)]
            while isinstance(tail, Structure) and tail.functor == "." and len(tail.arguments) == 2:
                items.append(format_term(tail.arguments[0]))
                tail = tail.arguments[1]
            end = "" if tail == Constant(NIL) else f"|{format_term(tail)}"
            return f"[{','.join(items)}{end}]"
        case Structure(functor, arguments):
            return f"{inside_functor(functor)}({','.join(map(format_term, arguments))})"
        case Expression(function, (left, right)) if not function[0].isalpha():
            return f"({format_term(left)}{function}{format_term(right)})"
        case Expression(function, arguments):
            return f"{function}({','.join(map(format_term, arguments))})"
