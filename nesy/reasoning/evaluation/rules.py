"""Rules in the form they are run in: variables, ids and calls, with the sample column made explicit.

Structures in atoms have become `=` comparisons with a fresh variable: one place takes terms apart and builds
them. Predicates that depend on `#input` carry a leading column, the sample, bound by the variable `$sample`.
"""

from __future__ import annotations

from collections.abc import Iterator, Set
from dataclasses import dataclass, replace
from typing import Literal as OneOf
from typing import TypeAlias

from nesy.language.core import (
    Aggregate,
    Atom,
    BodyLiteral,
    Choice,
    Comparison,
    Constant,
    Element,
    Expr,
    Expression,
    Fixed,
    Literal,
    Rule,
    Signature,
    Structure,
    Variable,
)
from nesy.language.functions import Comparator
from nesy.reasoning.evaluation.interning import Interner

SAMPLE = "$sample"
# Positions of atoms that are no literals of their rule: what they match is not recorded.
GUARD, TABLE = -1, -2

Operand: TypeAlias = "str | int | Call | Build"  # a variable, an id, something to compute
Simple: TypeAlias = "str | int"


@dataclass(frozen=True, slots=True)
class Call:
    """A function of `nesy.language.functions`."""

    function: str
    operands: tuple[Operand, ...]


@dataclass(frozen=True, slots=True)
class Build:
    """A structure with variables inside."""

    functor: str
    operands: tuple[Operand, ...]


@dataclass(frozen=True, slots=True)
class BodyAtom:
    """A literal: `terms` match the relation's columns, the sample column first where there is one."""

    position: int
    signature: Signature
    terms: tuple[Simple, ...]
    negated: bool


@dataclass(frozen=True, slots=True)
class Test:
    """A comparison."""

    operator: Comparator
    left: Operand
    right: Operand


@dataclass(frozen=True, slots=True)
class ElementForm:
    terms: tuple[Operand, ...]
    body: tuple[BodyItem, ...]


@dataclass(frozen=True, slots=True)
class AggregateForm:
    """`result = #function{elements}` for each assignment of `group`."""

    position: int
    function: OneOf["count", "sum", "min", "max", "avg"]
    result: str
    group: tuple[str, ...]
    elements: tuple[ElementForm, ...]


BodyItem: TypeAlias = BodyAtom | Test | AggregateForm


@dataclass(frozen=True, slots=True)
class HeadForm:
    signature: Signature
    terms: tuple[Operand, ...]


@dataclass(frozen=True, eq=False)
class RuleForm:
    """A rule ready to be planned."""

    rule: Rule
    heads: tuple[HeadForm, ...]
    body: tuple[BodyItem, ...]
    sampled: bool
    choice_key: tuple[str, ...]  # with the sample, where the choice is made for each
    weights: tuple[Operand | None, ...]  # fixed probabilities; None where they are learned or neural
    bulk: tuple[Rule, ...] = ()  # the rules that this one stands for, by the number in its first column
    is_silent: bool = False  # made for the evaluation's own use: its instances are no derivations

    def with_body(self, body: tuple[BodyItem, ...]) -> RuleForm:
        return replace(self, body=body)


class Normalizer:
    """Turns core rules into the form they are run in; constants get their ids."""

    def __init__(self, interner: Interner, sampled: Set[Signature]):
        self._interner = interner
        self._sampled = sampled
        self._fresh = 0
        self._position = 0

    def rule(self, rule: Rule) -> RuleForm:
        self._fresh = self._position = 0
        sampled = any(signature in self._sampled for signature in body_signatures(rule.body))
        body = self._body(rule.body, sampled)
        heads = tuple(self._head(head) for head in rule.heads)
        needs_sample = any(head.signature in self._sampled for head in heads)
        choice = rule.choice
        key = tuple(variable.name for variable in choice.key) if choice else ()
        return RuleForm(
            rule,
            heads,
            tuple(body),
            sampled or needs_sample,
            (SAMPLE, *key) if sampled else key,
            tuple(self._weight(choice)) if choice else (),
        )

    def _weight(self, choice: Choice) -> Iterator[Operand | None]:
        for weight in choice.weights:
            yield self.operand(weight.probability) if isinstance(weight, Fixed) else None

    def _head(self, atom: Atom) -> HeadForm:
        terms = tuple(self.operand(argument) for argument in atom.arguments)
        signature = atom.signature
        return HeadForm(signature, (SAMPLE, *terms) if signature in self._sampled else terms)

    def _body(self, literals: tuple[BodyLiteral, ...], sampled: bool) -> list[BodyItem]:
        items: list[BodyItem] = []
        for literal in literals:
            match literal:
                case Literal():
                    items += self._literal(literal)
                case Comparison():
                    items.append(Test(literal.operator, self.operand(literal.left), self.operand(literal.right)))
                case Aggregate():
                    position, self._position = self._position, self._position + 1
                    group = tuple(variable.name for variable in literal.group)
                    elements = tuple(self._element(element, sampled) for element in literal.elements)
                    if any(item_is_sampled(item) for element in elements for item in element.body):
                        group = (SAMPLE, *group)
                    items.append(AggregateForm(position, literal.function, literal.result.name, group, elements))
        return items

    def _element(self, element: Element, sampled: bool) -> ElementForm:
        body = self._body(element.body, sampled)
        return ElementForm(tuple(self.operand(term) for term in element.terms), tuple(body))

    def _literal(self, literal: Literal) -> Iterator[BodyItem]:
        position, self._position = self._position, self._position + 1
        terms: list[Simple] = []
        tests: list[Test] = []
        for argument in literal.atom.arguments:
            operand = self.operand(argument)
            if isinstance(operand, str | int):
                terms.append(operand)
            else:
                name = f"${self._fresh}"
                self._fresh += 1
                terms.append(name)
                tests.append(Test("=", name, operand))
        signature = literal.atom.signature
        if signature in self._sampled:
            terms.insert(0, SAMPLE)
        yield BodyAtom(position, signature, tuple(terms), literal.negated)
        yield from tests

    def operand(self, term: Expr) -> Operand:
        match term:
            case Variable(name):
                return name
            case Constant(value):
                return self._interner.intern(value)
            case Structure(functor, arguments):
                return Build(functor, tuple(self.operand(argument) for argument in arguments))
            case Expression(function, arguments):
                return Call(function, tuple(self.operand(argument) for argument in arguments))


def item_is_sampled(item: BodyItem) -> bool:
    return isinstance(item, BodyAtom) and SAMPLE in item.terms


def body_signatures(body: tuple[BodyLiteral, ...]) -> Iterator[Signature]:
    """The predicates that a body asks, also inside aggregates."""
    for literal in body:
        match literal:
            case Literal():
                yield literal.atom.signature
            case Aggregate():
                for element in literal.elements:
                    yield from body_signatures(element.body)
            case Comparison():
                pass


def variables(operand: Operand) -> Iterator[str]:
    """The variables of an operand."""
    match operand:
        case str():
            yield operand
        case int():
            pass
        case Call(_, operands) | Build(_, operands):
            for inner in operands:
                yield from variables(inner)


def has_call(operand: Operand) -> bool:
    match operand:
        case Call():
            return True
        case Build(_, operands):
            return any(has_call(inner) for inner in operands)
        case _:
            return False


def item_variables(item: BodyItem) -> set[str]:
    """The variables of a body item that the rest of the rule can see."""
    match item:
        case BodyAtom(terms=terms):
            return {term for term in terms if isinstance(term, str)}
        case Test(left=left, right=right):
            return {*variables(left), *variables(right)}
        case AggregateForm(result=result, group=group):
            return {result, *group}
