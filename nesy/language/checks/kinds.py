"""Kinds that do not fit: a rule that asks for a value of one kind where only others come from.

Warnings: the kinds are inferred (see `nesy.language.kinds`), and facts of other kinds may still be given from outside.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from nesy.diagnostics import Diagnostic, Label
from nesy.language import core
from nesy.language.catalogue import report
from nesy.language.checks.types import Type, column_types
from nesy.language.draft import Draft
from nesy.language.kinds import ANY, FLOAT, INT, NUMBER, STRING, TERM, TEXT, Kinds, Operand, describe, infer, kind_of
from nesy.language.values import format_value, predicate_name
from nesy.source import Span


def check_kinds(
    draft: Draft, known: Mapping[core.Signature, core.Predicate], tables: Sequence[core.Table]
) -> Iterator[Diagnostic]:
    """A warning for each place where no value can be of the kind that is asked for."""
    typed = {
        (signature, index): _mask(kind)
        for signature, kinds in column_types(draft).items()
        for index, kind in enumerate(kinds)
        if kind is not None and known[signature].kind != "neural"
    }
    kinds = infer(draft.facts, draft.rules, tables, known, _given(draft, known, tables), typed)
    seen: set[tuple[int, int, str]] = set()
    for rule in (*draft.rules, *draft.constraints):
        if rule.heads[0].signature in draft.intervals:
            continue  # its own rules, which nobody wrote
        if _is_plain(rule, kinds, typed):
            continue
        for diagnostic in _Rule(rule, kinds, known, typed).check():
            place = (id(diagnostic.span.source), diagnostic.span.start, diagnostic.code)
            if place not in seen:  # a body with `;` is several rules
                seen.add(place)
                yield diagnostic
    for asked in (*draft.queries, *draft.evidence):
        yield from _constants(asked.atom, kinds)
    yield from _mixed(draft)


def _is_plain(rule: core.Rule, kinds: Kinds, typed: Mapping[tuple[core.Signature, int], int]) -> bool:
    """Whether a glance shows that nothing is to be said of a rule; so it is of most."""
    masks = kinds.followed.get(rule.id)
    if masks is None or 0 in masks.values() or (typed and any(head.arguments for head in rule.heads)):
        return False
    for literal in rule.body:
        match literal:
            case core.Literal():
                for term in literal.atom.arguments:
                    if isinstance(term, core.Constant):
                        return False
            case core.Comparison():
                both = NUMBER if literal.operator not in ("=", "!=") else ANY
                left, right = literal.left, literal.right
                if isinstance(left, core.Expression) or isinstance(right, core.Expression):
                    return False
                if not (kinds.of(left, masks) & kinds.of(right, masks) & both):
                    return False
            case _:
                pass
    return True


def _mask(kind: Type) -> int:
    of_type = {int: INT, float: FLOAT, str: STRING}
    mask = 0
    for each in kind.kinds:
        mask |= of_type.get(each, TERM)
    return mask


def _given(
    draft: Draft, known: Mapping[core.Signature, core.Predicate], tables: Iterable[core.Table]
) -> dict[core.Signature, tuple[int, ...]]:
    """What may hold anything: inputs, what is open, and what nothing in the program defines."""
    defined = {fact.signature for fact in draft.facts}
    defined.update(head.signature for rule in draft.rules for head in rule.heads)
    defined.update(table.signature for table in tables)
    return {
        signature: (ANY,) * signature.arity
        for signature, predicate in known.items()
        if predicate.kind == "input" or signature in draft.open or signature not in defined
    }


@dataclass(frozen=True)
class _Place:
    """A place of a variable or an expression: the kinds there, and how to show it."""

    mask: int
    span: Span
    origin: Span | None = None

    def label(self) -> Label:
        return Label(self.span, f"{describe(self.mask)} here")


@dataclass
class _Rule:
    """The kinds inside one rule."""

    rule: core.Rule
    kinds: Kinds
    known: Mapping[core.Signature, core.Predicate]
    typed: Mapping[tuple[core.Signature, int], int]

    def check(self) -> Iterator[Diagnostic]:
        body = self.rule.body
        if _is_empty(body, self.kinds):
            return  # something else is wrong, or facts are still to come
        for literal in body:
            if isinstance(literal, core.Literal):
                yield from _constants(literal.atom, self.kinds)
        masks = self.kinds.followed.get(self.rule.id) or self.kinds.of_body(body)
        wrong = list(self._operands(masks))
        yield from wrong
        if wrong:
            return
        if 0 in masks.values():
            yield from self._conflicts(masks)
            return
        for literal in body:
            if isinstance(literal, core.Comparison):
                yield from self._comparison(literal, masks)
        for head in self.rule.heads:
            yield from self._head(head, masks)

    def _conflicts(self, masks: Mapping[str, int]) -> Iterator[Diagnostic]:
        for name, mask in masks.items():
            if mask:
                continue
            pair = _apart([place for place in self._places(name) if place.mask])
            if pair is not None:
                first, second = pair
                others = [first.label(), *_origins(pair)]
                yield report("N706", second.span, second.label().text, others=others, name=_shown(name))
                return

    def _places(self, name: str) -> Iterator[_Place]:
        """The places that say of what kind a variable is."""
        masks = self.kinds.of_body([x for x in self.rule.body if not isinstance(x, core.Comparison)])
        for literal in self.rule.body:
            match literal:
                case core.Literal(atom, False) if atom.span is not None:
                    columns = self.kinds.columns.get(atom.signature)
                    for index, term in enumerate(atom.arguments):
                        if isinstance(term, core.Variable) and term.name == name and columns is not None:
                            yield _Place(columns[index], atom.span, self._origin(atom.signature, index, columns[index]))
                case core.Comparison("=", left, right, span) if span is not None:
                    for one, other in ((left, right), (right, left)):
                        if isinstance(one, core.Variable) and one.name == name:
                            yield _Place(self.kinds.of(other, masks), span)
                case core.Aggregate(result=result, span=span) if result.name == name and span is not None:
                    yield _Place(self.kinds.of_body([literal], masks)[name], span)
                case _:
                    pass

    def _origin(self, signature: core.Signature, index: int, mask: int) -> Span | None:
        if (signature, index) in self.typed:
            return self.known[signature].span
        kind = next((kind for kind in (INT, FLOAT, STRING, TERM) if mask & kind), 0)
        return self.kinds.origin.get((signature, index, kind))

    def _operands(self, masks: Mapping[str, int]) -> Iterator[Diagnostic]:
        for comparison in self.rule.body:
            if not isinstance(comparison, core.Comparison):
                continue
            for side in (comparison.left, comparison.right):
                for operand in self.kinds.operands(side, masks):
                    span = operand.span or comparison.span
                    if span is not None:
                        yield self._operand(operand, span)
                        break

    def _operand(self, operand: Operand, span: Span) -> Diagnostic:
        others: list[Label] = []
        found = f"this is {describe(operand.found)}"
        if isinstance(operand.term, core.Variable):
            found = f"`{_shown(operand.term.name)}` is {describe(operand.found)}"
            for place in self._places(operand.term.name):
                if not place.mask & operand.wanted:
                    others = [place.label(), *_origins((place,))]
                    break
        wanted = {NUMBER: "numbers", INT: "integers", TEXT: "texts"}[operand.wanted]
        return report("N708", span, others=others, function=operand.function, wanted=wanted, found=found)

    def _comparison(self, comparison: core.Comparison, masks: Mapping[str, int]) -> Iterator[Diagnostic]:
        span = comparison.span
        left, right = self.kinds.of(comparison.left, masks), self.kinds.of(comparison.right, masks)
        if span is None or not left or not right:
            return
        is_identity = comparison.operator in ("=", "!=")
        if left & right or (not is_identity and left & NUMBER and right & NUMBER):
            return
        always = {"=": "never equal", "!=": "always different"}.get(
            comparison.operator, "compared by the standard order of terms, not by value"
        )
        hint = None
        if is_identity and (left | right) == NUMBER:
            hint = "1 and 1.0 are different values: write both the same way, or compare with `<=` and `>=`"
        sides = f"{describe(left)} and {describe(right)}"
        yield report("N709", span, sides=sides, always=always, hint=hint or "")

    def _head(self, head: core.Atom, masks: Mapping[str, int]) -> Iterator[Diagnostic]:
        for index, term in enumerate(head.arguments):
            wanted = self.typed.get((head.signature, index))
            if wanted is None or isinstance(term, core.Constant) or head.span is None:
                continue
            found = self.kinds.of(term, masks)
            if found and not found & wanted:
                declared = self.known[head.signature].span
                others = [Label(declared, "declared here")] if declared is not None else []
                if isinstance(term, core.Variable):
                    others += [place.label() for place in self._places(term.name)][:1]
                shown = f"`{_shown(core.format_term(term))}`"
                yield report(
                    "N707",
                    head.span,
                    others=others,
                    found=shown,
                    kind=describe(found),
                    name=predicate_name(head.predicate),
                    held=describe(wanted),
                )


def _constants(atom: core.Atom, kinds: Kinds) -> Iterator[Diagnostic]:
    columns = kinds.columns.get(atom.signature)
    if columns is None or atom.span is None or 0 in columns:
        return
    for index, term in enumerate(atom.arguments):
        if isinstance(term, core.Constant) and not columns[index] & kind_of(term.value):
            kind = next(kind for kind in (INT, FLOAT, STRING, TERM) if columns[index] & kind)
            origin = kinds.origin.get((atom.signature, index, kind))
            others = [Label(origin, f"{describe(kind)} here")] if origin is not None else []
            yield report(
                "N707",
                atom.span,
                others=others,
                found=f"`{format_value(term.value)}`",
                kind=describe(kind_of(term.value)),
                name=predicate_name(atom.predicate),
                held=describe(columns[index]),
            )


def _mixed(draft: Draft) -> Iterator[Diagnostic]:
    """Facts of one predicate that hold a number in one place and a text in another."""
    first: dict[tuple[core.Signature, int], tuple[int, Span]] = {}
    told: set[tuple[core.Signature, int]] = set()
    for fact in draft.facts:
        if fact.span is None or fact.signature in draft.declared or " " in fact.predicate:
            continue
        for index, term in enumerate(fact.arguments):
            if not isinstance(term, core.Constant):
                continue
            kind = kind_of(term.value)
            earlier, place = first.setdefault((fact.signature, index), (kind, fact.span))
            if earlier != kind and (earlier | kind) & NUMBER not in (0, earlier | kind):
                if (fact.signature, index) not in told:
                    told.add((fact.signature, index))
                    others = (Label(place, f"{describe(earlier)} here"),)
                    name = str(fact.signature)
                    yield report(
                        "N710", fact.span, f"{describe(kind)} here", others=others, name=name, number=index + 1
                    )


def _is_empty(body: Iterable[core.BodyLiteral], kinds: Kinds) -> bool:
    for literal in body:
        if isinstance(literal, core.Literal) and not literal.negated:
            if 0 in kinds.columns.get(literal.atom.signature, ()):
                return True
    return False


def _apart(places: Sequence[_Place]) -> tuple[_Place, _Place] | None:
    """Two places with no kind in common; the first and the last, where it takes more than two."""
    for index, second in enumerate(places):
        for first in places[:index]:
            if not first.mask & second.mask:
                return first, second
    return (places[0], places[-1]) if len(places) > 2 else None


def _origins(places: Iterable[_Place]) -> list[Label]:
    return [Label(place.origin, f"{describe(place.mask)} from here") for place in places if place.origin is not None]


def _shown(name: str) -> str:
    return "_" if name.startswith("_") and name[1:].isdigit() else name
