"""One rule on its way from syntax tree to core: its variables, and what had to be moved out of atoms."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from nesy.diagnostics import Diagnostic
from nesy.language import ast, core
from nesy.language.functions import FUNCTIONS, Function
from nesy.source import Span


class Refused(Exception):
    """A statement that cannot be reduced to core."""

    def __init__(self, diagnostic: Diagnostic):
        self.diagnostic = diagnostic


@dataclass(frozen=True)
class Interval:
    """An interval that the program has: its integers, or None where its ends have variables."""

    integers: range | None
    span: Span


@dataclass
class Scope:
    """The variables of one rule.

    `choice_key` collects, in order of appearance, the variables that a choice of this rule depends on:
    all but those that are computed from others and those inside negation and aggregates.
    """

    used: set[str]  # all names of the statement
    shared: set[str]  # the names that occur outside of aggregates' elements
    bound_by_body: set[str] = field(default_factory=set[str])  # names in positive literals, and results of aggregates
    moved: list[core.BodyLiteral] = field(default_factory=list[core.BodyLiteral])
    intervals: dict[core.Signature, Interval] = field(default_factory=dict[core.Signature, Interval])
    locals: set[str] = field(default_factory=set[str])
    renamed: dict[str, str] = field(default_factory=dict[str, str])
    choice_key: dict[str, None] = field(default_factory=dict[str, None])
    counts_for_choice: bool = True
    functions: Mapping[tuple[str, int], Function] = field(default_factory=lambda: FUNCTIONS)
    _next: int = 1

    def fresh(self) -> core.Variable:
        """A variable that the rule does not have yet."""
        while (name := f"_{self._next}") in self.used:
            self._next += 1
        self.used.add(name)
        return core.Variable(name)

    def variable(self, name: str) -> core.Variable:
        """The variable of a name as written; each `_` is a new one."""
        if name == "_":
            variable = self.fresh()
        else:
            variable = core.Variable(self.renamed.get(name, name))
        if self.counts_for_choice:
            self.choice_key[variable.name] = None
        return variable

    def take_moved(self) -> list[core.BodyLiteral]:
        """What was moved out of terms since the last call."""
        moved, self.moved = self.moved, []
        return moved


def walk(node: object) -> Iterator[ast.Term | ast.Body]:
    """All terms and conditions in a syntax tree, from left to right."""
    todo: list[Any] = [node]
    while todo:
        item = todo.pop()
        kind = item.__class__
        if kind is tuple:
            todo.extend(item[::-1])
            continue
        if kind in _LEAVES:
            yield item
            continue
        children = _CHILDREN.get(kind)
        if children is None:
            continue
        if kind is not ast.Head and kind is not ast.Element:
            yield item
        todo.extend(children(item))


# The children of each kind of node, last one first.
_LEAVES = frozenset((ast.Variable, ast.Number, ast.String))
_CHILDREN: Mapping[type, Callable[[Any], tuple[Any, ...]]] = MappingProxyType(
    {
        ast.Call: lambda node: node.arguments[::-1],
        ast.Operation: lambda node: node.arguments[::-1],
        ast.Interval: lambda node: (node.high, node.low),
        ast.ListTerm: lambda node: (node.tail, *node.items[::-1]),
        ast.Comparison: lambda node: node.terms[::-1],
        ast.Conjunction: lambda node: node.parts[::-1],
        ast.Disjunction: lambda node: node.parts[::-1],
        ast.Negation: lambda node: (node.body,),
        ast.Group: lambda node: (node.body,),
        ast.Aggregate: lambda node: node.elements[::-1],
        ast.Element: lambda node: (node.conditions, node.terms),
        ast.Head: lambda node: (node.atom, node.probability),
    }
)

_NESTING = frozenset((ast.Disjunction, ast.Group, ast.Aggregate))


def variables(node: object) -> Iterator[ast.Variable]:
    """All occurrences of variables in a syntax tree, from left to right."""
    # Not by `walk`: checking a file asks this several times of every statement, and a generator each is half its time.
    found: list[ast.Variable] = []
    todo: list[Any] = [node]
    while todo:
        item = todo.pop()
        kind = item.__class__
        if kind is ast.Variable:
            found.append(item)
        elif kind is tuple:
            todo.extend(item[::-1])
        else:
            children = _CHILDREN.get(kind)
            if children is not None:
                todo.extend(children(item))
    return iter(found)


@dataclass(frozen=True)
class Survey:
    """What a look through a statement finds: its variables from left to right, and whether its parts are nested."""

    counts: Counter[str]
    is_flat: bool  # no alternatives, groups, aggregates: conditions, their negations, and a conjunction of these


def survey(node: object) -> Survey:
    """Look through a statement once, for all that lowering wants to know of it."""
    names: list[str] = []
    seen: set[type] = set()
    todo: list[Any] = [node]
    while todo:
        item = todo.pop()
        kind = item.__class__
        if kind is ast.Variable:
            names.append(item.name)
        elif kind is tuple:
            todo.extend(item[::-1])
        else:
            children = _CHILDREN.get(kind)
            if children is not None:
                seen.add(kind)
                todo.extend(children(item))
    return Survey(Counter(names), seen.isdisjoint(_NESTING))
