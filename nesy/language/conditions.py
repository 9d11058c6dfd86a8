"""The conditions of one statement: their scope, and the auxiliary predicates that they need."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from nesy.language import ast, core
from nesy.language.body import BodyLowering, alternatives
from nesy.language.catalogue import report
from nesy.language.draft import Auxiliary, Draft
from nesy.language.functions import Function
from nesy.language.scan import Dialect
from nesy.language.scope import Refused, Scope, variables, walk
from nesy.source import Span

# Conditions of the conjunctions that all bodies with `;` of a program stand for: 256 a rule add up in a large file.
MAX_ALL_ALTERNATIVES = 200_000


@dataclass(frozen=True)
class Conditions:
    """Lowers conditions into a draft; `defined` are the predicates that have a rule or a fact."""

    draft: Draft
    defined: set[tuple[str, int]]
    functions: Mapping[tuple[str, int], Function]
    dialect: Dialect

    def scope(
        self, whole: object, conditions: Sequence[ast.Body], outside: Counter[str], is_flat: bool = False
    ) -> Scope:
        """The scope of one rule; `outside` counts the variables of the whole statement."""
        parts = () if is_flat else conditions
        aggregates = [item for condition in parts for item in walk(condition) if isinstance(item, ast.Aggregate)]
        if not aggregates:
            names = set(outside)
            return Scope(names, names, set(), intervals=self.draft.intervals, functions=self.functions)
        inside = Counter(variable.name for aggregate in aggregates for variable in variables(aggregate))
        here = Counter(variable.name for variable in variables(whole))
        shared = {name for name, count in here.items() if count > inside[name]}
        positive = [condition for condition in conditions if isinstance(condition, ast.Call | ast.Operation)]
        bound = {variable.name for variable in variables(tuple(positive))}
        return Scope(set(outside), shared, bound, intervals=self.draft.intervals, functions=self.functions)

    def lower(self, conditions: Sequence[ast.Body], scope: Scope, outside: Counter[str]) -> list[core.BodyLiteral]:
        """The core literals of a conjunction; `outside` counts the variables of the whole statement."""
        return BodyLowering(
            scope, self.dialect, self._define, self.alternatives, self.defined, outside, self.draft.tests
        ).literals(conditions)

    def alternatives(self, conditions: Sequence[ast.Body], outside: Counter[str]) -> list[tuple[ast.Body, ...]]:
        """The conjunctions that conditions with `;` stand for; those of a program have so many conditions and no more.

        Raises: Refused.
        """
        result = alternatives(conditions, outside)
        if len(result) > 1:
            size = sum(map(len, result))
            if self.draft.num_alternatives + size > MAX_ALL_ALTERNATIVES:
                instead = f"without `;` the bodies of this program have more than {MAX_ALL_ALTERNATIVES:,} conditions"
                raise Refused(report("N110", conditions[0].span, what="one more alternative", instead=instead))
            self.draft.num_alternatives += size
        return result

    def joined(
        self,
        bodies: Sequence[tuple[ast.Body, ...]],
        body: ast.Body | None,
        outside: Counter[str],
        span: Span,
    ) -> tuple[ast.Body, ...]:
        """One condition for several bodies, so that a choice is made once for each assignment of their variables.

        Where a body does not have a variable of the others, `_` stands for it.
        """
        assert body is not None
        # Each value of a `_` is a way of its own for the body to hold, so it is part of the assignment too.
        taken = set(outside)
        bodies = [tuple(_named(condition, taken) for condition in conditions) for conditions in bodies]
        names = list(dict.fromkeys(v.name for conditions in bodies for v in variables(conditions) if v.name != "_"))
        padded: list[tuple[ast.Body, ...]] = []
        for conditions in bodies:
            present = {variable.name for variable in variables(conditions)}
            missing = [name for name in names if name not in present]
            blank = ast.Call("_", (), span, span)
            extra = [ast.Comparison((ast.Variable(name, span), blank), ("=",), span) for name in missing]
            padded.append((*conditions, *extra))
        text = " ".join(body.span.text.split())
        formal = tuple(core.Variable(name) for name in names)
        atom = self._define(f"({text})", formal, padded, body.span)
        self.defined.add((atom.predicate, len(names)))
        arguments = tuple(ast.Variable(name, body.span) for name in names)
        return (ast.Call(atom.predicate, arguments, body.span, body.span),)

    def _define(
        self,
        text: str,
        formal: tuple[core.Variable, ...],
        bodies: Sequence[tuple[ast.Body, ...]],
        span: Span,
    ) -> core.Atom:
        """An auxiliary predicate that holds of the formal arguments when one of the bodies does."""
        meaning = Auxiliary(text, formal, tuple(bodies))
        known = self.draft.auxiliary.get(meaning)
        if known is not None:
            return known
        self.draft.auxiliary_texts[text] += 1
        number = self.draft.auxiliary_texts[text]
        head = core.Atom(text if number == 1 else f"{text} {number}", formal, span)
        self.draft.auxiliary[meaning] = head
        for conditions in bodies:
            outside = Counter(variable.name for variable in variables(conditions))
            outside.update(variable.name for variable in formal)
            scope = self.scope(conditions, conditions, outside)
            scope.shared.update(variable.name for variable in formal)
            literals = self.lower(conditions, scope, outside)
            statement = ast.Rule((), _together(conditions, span), span)
            self.draft.add_rule((head,), literals, None, statement, span)
        return head


def _named(term: ast.Body, taken: set[str]) -> ast.Body:
    """A positive condition with a name for each `_`; others are left, for `_` means "any" in them."""
    match term:
        case ast.Call() | ast.Operation() | ast.ListTerm() | ast.Variable():
            return _named_term(term, taken)
        case _:
            return term


def _named_term(term: ast.Term, taken: set[str]) -> ast.Term:
    match term:
        case ast.Variable("_", span):
            number = 1
            while (name := f"_Any{number}") in taken:
                number += 1
            taken.add(name)
            return ast.Variable(name, span)
        case ast.Call(arguments=arguments) | ast.Operation(arguments=arguments):
            return replace(term, arguments=tuple(_named_term(argument, taken) for argument in arguments))
        case ast.ListTerm(items, tail):
            named = tuple(_named_term(item, taken) for item in items)
            return replace(term, items=named, tail=None if tail is None else _named_term(tail, taken))
        case _:
            return term


def _together(conditions: tuple[ast.Body, ...], span: Span) -> ast.Body | None:
    return ast.Conjunction(conditions, span) if conditions else None
