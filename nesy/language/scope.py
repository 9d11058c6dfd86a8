"""One rule on its way from syntax tree to core: its variables, and what had to be moved out of atoms."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from nesy.diagnostics import Diagnostic
from nesy.language import ast, core


class Refused(Exception):
    """A statement that cannot be reduced to core."""

    def __init__(self, diagnostic: Diagnostic):
        self.diagnostic = diagnostic


@dataclass
class Scope:
    """The variables of one rule.

    `choice_key` collects, in order of appearance, the variables that a choice of this rule depends on:
    all but those that are computed from others and those inside negation and aggregates.
    """

    used: set[str]  # all names of the statement
    shared: set[str]  # the names that occur outside of aggregates' elements
    bound_by_body: set[str] = field(default_factory=set)  # names in positive literals, and results of aggregates
    moved: list[core.Comparison | core.Aggregate] = field(default_factory=list)
    locals: set[str] = field(default_factory=set)
    renamed: dict[str, str] = field(default_factory=dict)
    choice_key: dict[str, None] = field(default_factory=dict)
    counts_for_choice: bool = True
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

    def take_moved(self) -> list[core.Comparison | core.Aggregate]:
        """What was moved out of terms since the last call."""
        moved, self.moved = self.moved, []
        return moved


def walk(node: object) -> Iterator[ast.Term | ast.Body]:
    """All terms and conditions in a syntax tree, from left to right."""
    todo: list[object] = [node]
    while todo:
        item = todo.pop()
        match item:
            case tuple():
                todo.extend(reversed(item))
                continue
            case ast.Call(arguments=parts) | ast.Operation(arguments=parts):
                todo.extend(reversed(parts))
            case ast.ListTerm(items, tail):
                todo.append(tail)
                todo.extend(reversed(items))
            case ast.Comparison(terms=parts) | ast.Conjunction(parts=parts) | ast.Disjunction(parts=parts):
                todo.extend(reversed(parts))
            case ast.Negation(body=inner) | ast.Group(body=inner):
                todo.append(inner)
            case ast.Aggregate(elements=elements):
                todo.extend(reversed(elements))
            case ast.Element(terms, conditions):
                todo += [conditions, terms]
                continue
            case ast.Head(probability, atom):
                todo += [atom, probability]
                continue
            case ast.Variable() | ast.Number() | ast.String():
                pass
            case _:
                continue
        yield item


def variables(node: object) -> Iterator[ast.Variable]:
    """All occurrences of variables in a syntax tree, from left to right."""
    for item in walk(node):
        if isinstance(item, ast.Variable):
            yield item


def term_variables(terms: Iterable[core.Expr]) -> Iterator[str]:
    """The names of the variables in core terms and expressions, from left to right."""
    for term in terms:
        match term:
            case core.Variable(name):
                yield name
            case core.Structure(arguments=arguments) | core.Expression(arguments=arguments):
                yield from term_variables(arguments)
            case core.Constant():
                pass
