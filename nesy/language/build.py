"""Parse tree to syntax tree: one function for each rule of the grammar.

`parse` calls them bottom up, with the words and nodes of the rule's right-hand side.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, TypeAlias

from nesy.diagnostics import Diagnostic
from nesy.language import ast
from nesy.language.catalogue import report
from nesy.language.functions import INT_MAX
from nesy.language.scan import Word
from nesy.source import Section, Source, Span

_ESCAPE = re.compile(r"\\(.)|''", re.DOTALL)
_ALIASES = re.compile(r"(?:[a-z]\w*\.)+")
_ESCAPED = MappingProxyType({"n": "\n", "t": "\t", "r": "\r"})


class SyntaxProblem(Exception):
    """A statement that the grammar lets through and that is wrong nevertheless."""

    def __init__(self, diagnostic: Diagnostic):
        self.diagnostic = diagnostic


class Builder:
    """Makes the nodes of one source."""

    def __init__(self, source: Source | Section):
        self._source = source
        self.qualified: list[Word] = []  # names with an alias

    def span(self, first: Any, last: Any) -> Span:
        """From the first child to the last."""
        start = first.start if isinstance(first, Word) else first.span.first
        end = last.end if isinstance(last, Word) else last.span.behind
        return Span(self._source, start, end)

    # -- terms -------------------------------------------------------------------------------

    def variable(self, word: Word) -> ast.Variable:
        return ast.Variable(word.text, Span(self._source, word.start, word.end))

    def symbol(self, word: Word) -> ast.Call:
        span = Span(self._source, word.start, word.end)
        if word.type == "QUALIFIED":
            return ast.Call(name_of(word), (), span, self._name_span(word), True)
        return ast.Call(name_of(word), (), span, span)

    def call(self, name: Word, _open: Word, terms: list[ast.Term], close: Word) -> ast.Call:
        span = Span(self._source, name.start, close.end)
        is_qualified = name.type == "QUALIFIED"
        return ast.Call(name_of(name), tuple(terms), span, self._name_span(name), is_qualified)

    def _name_span(self, word: Word) -> Span:
        """The name without an alias before it."""
        start = word.start
        if word.type == "QUALIFIED":
            self.qualified.append(word)
            start += len(aliases_of(word.text))
        return Span(self._source, start, word.end)

    def empty_call(self, name: Word, _open: Word, close: Word) -> ast.Call:
        return self.call(name, _open, [], close)

    def integer(self, word: Word) -> ast.Number:
        span = Span(self._source, word.start, word.end)
        # 20 digits are more than 64 bits can hold; Python itself refuses to read very long numbers.
        if len(word.text) > 20 + word.text.count("0") or int(word.text) > INT_MAX + 1:
            raise SyntaxProblem(report("N111", span, found=_shorten(word.text)))
        return ast.Number(int(word.text), span)

    def decimal(self, word: Word) -> ast.Number:
        span = Span(self._source, word.start, word.end)
        value = float(word.text)
        if math.isinf(value):
            raise SyntaxProblem(report("N111", span, found=_shorten(word.text)))
        return ast.Number(value, span)

    def string(self, word: Word) -> ast.String:
        return ast.String(unquote(word.text), Span(self._source, word.start, word.end))

    def empty_list(self, first: Word, last: Word) -> ast.ListTerm:
        return ast.ListTerm((), None, self.span(first, last))

    def list(self, first: Word, terms: list[ast.Term], last: Word) -> ast.ListTerm:
        return ast.ListTerm(tuple(terms), None, self.span(first, last))

    def list_with_tail(
        self, first: Word, terms: list[ast.Term], _bar: Word, tail: ast.Term, last: Word
    ) -> ast.ListTerm:
        return ast.ListTerm(tuple(terms), tail, self.span(first, last))

    def group(self, first: Word, body: ast.Body, last: Word) -> ast.Body:
        match body:
            case ast.Negation() | ast.Comparison() | ast.Conjunction() | ast.Disjunction():
                return ast.Group(body, self.span(first, last))
            case _:
                return body

    def binary(self, left: ast.Term, operator: Word, right: ast.Term) -> ast.Operation:
        name = "**" if operator.text == "^" else operator.text
        return ast.Operation(name, (left, right), self.span(left, right))

    def unary(self, operator: Word, term: ast.Term) -> ast.Term:
        span = self.span(operator, term)
        if operator.text == "-" and isinstance(term, ast.Number) and operator.end == term.span.first:
            return ast.Number(-term.value, span)
        return ast.Operation(operator.text, (term,), span)

    def terms(self, *children: Any) -> list[ast.Term]:
        return list(children[::2])

    def interval(self, low: ast.Term, _range: Word, high: ast.Term) -> ast.Interval:
        return ast.Interval(low, high, self.span(low, high))

    # -- bodies ------------------------------------------------------------------------------

    def aggregate(self, name: Word, _open: Word, elements: list[ast.Element], close: Word) -> ast.Aggregate:
        return ast.Aggregate(name.text[1:], tuple(elements), self.span(name, close))

    def empty_aggregate(self, name: Word, _open: Word, close: Word) -> ast.Aggregate:
        return ast.Aggregate(name.text[1:], (), self.span(name, close))

    def collected(self, function: Word, less: Word, variable: Word, greater: Word) -> ast.Aggregate:
        if (less.text, greater.text) != ("<", ">"):
            found = f"`{less.text}`"
            raise SyntaxProblem(report("N102", self.span(less, less), expected="`,` or `)`", found=found))
        element = ast.Element((self.variable(variable),), (), self.span(variable, variable))
        return ast.Aggregate(name_of(function), (element,), self.span(function, greater))

    def elements(self, *children: Any) -> list[ast.Element]:
        return list(children[::2])

    def element(self, terms: list[ast.Term], _colon: Word | None, conditions: list[ast.Body] | None) -> ast.Element:
        last = conditions[-1] if conditions else terms[-1]
        return ast.Element(tuple(terms), tuple(conditions or ()), self.span(terms[0], last))

    def conditions(self, *children: Any) -> list[ast.Body]:
        return list(children[::2])

    def conjunction(self, *children: Any) -> ast.Conjunction:
        return ast.Conjunction(tuple(children[::2]), self.span(children[0], children[-1]))

    def disjunction(self, *children: Any) -> ast.Disjunction:
        return ast.Disjunction(tuple(children[::2]), self.span(children[0], children[-1]))

    def negation(self, word: Word, body: ast.Body) -> ast.Negation:
        return ast.Negation(body, self.span(word, body))

    def comparator(self, word: Word) -> Word:
        return word

    def comparison(self, *children: Any) -> ast.Comparison:
        operators = tuple(word.text for word in children[1::2])
        return ast.Comparison(tuple(children[::2]), operators, self.span(children[0], children[-1]))

    # -- statements --------------------------------------------------------------------------

    def head(self, first: ast.Term, mark: Word | None, second: ast.Term | None) -> ast.Head:
        if second is None:
            return ast.Head(None, first, first.span)
        return ast.Head(first, second, self.span(first, second))

    def heads(self, *children: Any) -> tuple[ast.Head, ...]:
        return tuple(children[::2])

    def fact(self, heads: tuple[ast.Head, ...], end: Word) -> ast.Rule:
        return ast.Rule(heads, None, self.span(heads[0], end))

    def rule(self, heads: tuple[ast.Head, ...], _if: Word, body: ast.Body, end: Word) -> ast.Rule:
        return ast.Rule(heads, body, self.span(heads[0], end))

    def constraint(self, first: Word, body: ast.Body, end: Word) -> ast.Constraint:
        return ast.Constraint(body, None, self.span(first, end))

    def soft_constraint(
        self, first: Word, body: ast.Body, _end: Word, _open: Word, weight: ast.Term, last: Word
    ) -> ast.Constraint:
        return ast.Constraint(body, weight, self.span(first, last))

    def include(self, first: Word, name: Word, as_: Word | None, alias: Word | None, end: Word) -> ast.Include:
        if as_ is not None and as_.text != "as":
            raise SyntaxProblem(report("N102", self.span(as_, as_), expected="`.` or `as`", found=f"`{as_.text}`"))
        text = unquote(name.text) if name.type == "STRING" else name_of(name)
        if alias is not None and alias.text[0] == "'":
            instead = "an alias is a small letter, then letters, digits and `_`"
            raise SyntaxProblem(report("N110", self.span(alias, alias), what="a quoted text", instead=instead))
        return ast.Include(text, None if alias is None else alias.text, self.span(first, end), self.span(name, name))

    def types(self, first: Word, name: Word, _equal: Word, domain: ast.Domain, end: Word) -> ast.TypeDeclaration:
        return ast.TypeDeclaration(name_of(name), domain, self.span(first, end), self.span(name, name))

    def domain(self, *children: Any) -> ast.Domain:
        match children:
            case (Word(), list() as terms, Word()):
                return ast.ValueSet(tuple(terms), self.span(children[0], children[2]))
            case (low, Word(), high):
                return ast.Range(low, high, self.span(low, high))
            case (word,):
                self._name_span(word)
                return ast.TypeName(name_of(word), self.span(word, word), word.type == "QUALIFIED")
            case _:
                raise AssertionError(children)

    def declare(self, first: Word, terms: list[ast.Term], end: Word) -> ast.Declaration:
        return ast.Declaration("pred", tuple(terms), self.span(first, end))

    def input(self, first: Word, terms: list[ast.Term], end: Word) -> ast.Declaration:
        return ast.Declaration("input", tuple(terms), self.span(first, end))

    def neural(
        self,
        first: Word,
        atom: ast.Term,
        _arrow: Word | None,
        domain: ast.Domain | None,
        _if: Word | None,
        body: ast.Body | None,
        end: Word,
    ) -> ast.NeuralDeclaration:
        return ast.NeuralDeclaration(atom, domain, body, self.span(first, end))

    def open(self, first: Word, *rest: Any) -> ast.OpenDeclaration:
        return ast.OpenDeclaration(tuple(rest[:-1:2]), self.span(first, rest[-1]))

    def signature(self, minus: Word | None, name: Word, _slash: Word, arity: Word) -> ast.PredicateName:
        number = self.integer(arity)
        assert isinstance(number.value, int)
        written = name_of(name) if minus is None else f"-{name_of(name)}"
        span, is_qualified = self.span(minus or name, arity), name.type == "QUALIFIED"
        return ast.PredicateName(written, number.value, span, self._name_span(name), is_qualified)

    def facts(self, first: Word, predicate: ast.Term, from_: Word, path: Word, end: Word) -> ast.FactsFile:
        if from_.text != "from":
            raise SyntaxProblem(report("N102", self.span(from_, from_), expected="`from`", found=f"`{from_.text}`"))
        return ast.FactsFile(predicate, unquote(path.text), self.span(first, end), self.span(path, path))

    def query(self, first: Word, condition: ast.Body, end: Word) -> ast.Ask:
        return ast.Ask("query", condition, self.span(first, end))

    def evidence(self, first: Word, condition: ast.Body, end: Word) -> ast.Ask:
        return ast.Ask("evidence", condition, self.span(first, end))


Make: TypeAlias = Callable[..., Any]

MAKERS: Mapping[str, Make] = MappingProxyType(
    {name: make for name, make in vars(Builder).items() if not name.startswith("_") and name != "span"}
)


def name_of(word: Word) -> str:
    """The name that a word writes, without its quotes."""
    text = word.text
    if text[-1] == "'":
        quote = text.index("'")
        return text[:quote] + unquote(text[quote:])
    return text


def aliases_of(name: str) -> str:
    """The aliases before a qualified name, with their dots.

    >>> aliases_of("kin.graph.edge")
    'kin.graph.'
    """
    found = _ALIASES.match(name)
    return found[0] if found else ""


def unquote(text: str) -> str:
    """What a quoted text says.

    >>> unquote(r"'it''s'"), unquote(r'"a\\"b"')
    ("it's", 'a"b')
    """
    inside = text[1:-1]
    if "\\" not in inside and "''" not in inside:
        return inside
    if text[0] == '"':
        return re.sub(r"\\(.)", lambda m: _ESCAPED.get(m[1], m[1]), inside, flags=re.DOTALL)
    return _ESCAPE.sub(lambda m: "'" if m[1] is None else _ESCAPED.get(m[1], m[1]), inside)


def _shorten(text: str) -> str:
    return f"`{text}`" if len(text) <= 30 else f"`{text[:12]}...` of {len(text)} digits"
