"""Kinds: which kinds of values each column can hold, found by following values from facts through rules.

A kind is an integer, a float, a string, or a term (a name or a structure; a list is one, and `[]` is a name). A set of
kinds is a bit mask. Columns of what is declared `#input`, open, or defined by nothing are of any kind, unless a type
says more. The masks only grow while rules are followed, so each rule is looked at a few times.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from nesy.language import core
from nesy.language.functions import FUNCTIONS, Registered
from nesy.language.values import Symbol, Value
from nesy.source import Span

INT, FLOAT, STRING, TERM = 1, 2, 4, 8
NUMBER, TEXT, ANY = INT | FLOAT, STRING | TERM, INT | FLOAT | STRING | TERM
NAMES: Mapping[int, str] = MappingProxyType({INT: "an int", FLOAT: "a float", STRING: "a string", TERM: "a symbol"})

_OF_TYPE: Mapping[type, int] = MappingProxyType({int: INT, float: FLOAT, str: STRING, Symbol: TERM})

# What a function gives: a mask, or "numbers" for an integer from integers, or "first" for what its argument is.
_RESULT: Mapping[str, int | str] = MappingProxyType(
    {
        **dict.fromkeys(("+", "-", "*", "//", "mod", "**", "min", "max", "abs"), "numbers"),
        **dict.fromkeys(("/", "sqrt", "exp", "log", "sin", "cos", "float"), FLOAT),
        **dict.fromkeys(("integer", "truncate", "round", "floor", "ceiling", "sign", "length", "gcd"), INT),
        **dict.fromkeys(("/\\", "\\/", "xor", "starts_with", "ends_with", "contains"), INT),
        **dict.fromkeys(("concat", "lower", "upper", "substring"), "first"),
        "number": NUMBER,
        "string": STRING,
        "symbol": TERM,
    }
)
_WANTED: Mapping[str, int] = MappingProxyType({"number": NUMBER, "integer": INT, "text": TEXT, "value": ANY})


def kind_of(value: Value) -> int:
    """The kind of a value."""
    return _OF_TYPE.get(type(value), TERM)


def describe(mask: int) -> str:
    """The kinds of a mask in words.

    >>> describe(INT | STRING)
    'an int or a string'
    """
    return " or ".join(NAMES[kind] for kind in NAMES if mask & kind)


@dataclass(frozen=True)
class Operand:
    """An argument of a function that is never of the kind that the function takes."""

    function: str
    wanted: int
    found: int
    term: core.Expr
    span: Span | None


@dataclass
class Kinds:
    """The masks of all columns, and where each kind of a column comes from."""

    columns: dict[core.Signature, list[int]] = field(default_factory=dict[core.Signature, list[int]])
    origin: dict[tuple[core.Signature, int, int], Span] = field(
        default_factory=dict[tuple[core.Signature, int, int], Span]
    )
    fixed: dict[tuple[core.Signature, int], int] = field(default_factory=dict[tuple[core.Signature, int], int])
    # By the rule's id: what `of_body` says of each rule that was followed; no others can have rows.
    followed: dict[int, dict[str, int]] = field(default_factory=dict[int, dict[str, int]])

    def add(self, signature: core.Signature, index: int, mask: int, span: Span | None) -> bool:
        """Let a column hold more kinds; tells whether that is new."""
        masks = self.columns[signature]
        new = mask & ~masks[index]
        if not new or (signature, index) in self.fixed:
            return False
        masks[index] |= new
        if span is not None:
            for kind in NAMES:
                if new & kind:
                    self.origin.setdefault((signature, index, kind), span)
        return True

    def of_body(self, body: Iterable[core.BodyLiteral], given: Mapping[str, int] | None = None) -> dict[str, int]:
        """The kinds that each variable of a body can have; 0 where no value fits all of its places."""
        masks = dict(given or {})
        equalities: list[core.Comparison] = []
        for literal in body:
            match literal:
                case core.Literal():
                    if literal.negated:
                        continue
                    arguments = literal.atom.arguments
                    columns = self.columns.get(literal.atom.signature) or (ANY,) * len(arguments)
                    for term, column in zip(arguments, columns, strict=True):
                        if term.__class__ is core.Variable:
                            name = term.name  # type: ignore[union-attr]
                            masks[name] = masks.get(name, ANY) & column
                case core.Comparison():
                    if literal.operator == "=":
                        equalities.append(literal)
                case core.Aggregate():
                    masks[literal.result.name] = masks.get(literal.result.name, ANY) & self._aggregate(literal, masks)
                case _:
                    pass
        # Twice, so that `X = Y, Y = 1` reaches X in either order.
        for comparison in (*equalities, *equalities):
            left, right = self.of(comparison.left, masks), self.of(comparison.right, masks)
            for side in (comparison.left, comparison.right):
                if isinstance(side, core.Variable):
                    masks[side.name] = left & right
        return masks

    def of(self, term: core.Expr, masks: Mapping[str, int]) -> int:
        """The kinds that a term or an expression can have."""
        match term:
            case core.Variable(name):
                return masks.get(name, ANY)
            case core.Constant(value):
                return kind_of(value)
            case core.Structure():
                return TERM
            case core.Expression(function, arguments):
                if isinstance(function, Registered):
                    return {"int": INT, "float": FLOAT, "text": TEXT, "": ANY}[function.entry.result]
                match _RESULT.get(function, ANY):
                    case int() as mask:
                        return mask
                    case "first":
                        return self.of(arguments[0], masks) & TEXT
                    case _:
                        found = [self.of(argument, masks) & NUMBER for argument in arguments]
                        both = INT if all(mask & INT for mask in found) else 0
                        # A negative exponent makes a float of integers.
                        some = FLOAT if function == "**" or any(mask & FLOAT for mask in found) else 0
                        return both | some

    def operands(self, expression: core.Expr, masks: Mapping[str, int]) -> Iterator[Operand]:
        """The arguments inside an expression that never fit their function."""
        if isinstance(expression, core.Expression):
            name = expression.function
            function = name.entry if isinstance(name, Registered) else FUNCTIONS.get((name, len(expression.arguments)))
            kinds = function.kinds if function is not None else ("value",) * len(expression.arguments)
            for kind, argument in zip(kinds, expression.arguments, strict=True):
                found = self.of(argument, masks)
                if found and not found & _WANTED[kind]:
                    yield Operand(expression.function, _WANTED[kind], found, argument, expression.span)
                yield from self.operands(argument, masks)

    def _aggregate(self, aggregate: core.Aggregate, outer: Mapping[str, int]) -> int:
        if aggregate.function == "count":
            return INT
        weights = 0
        for element in aggregate.elements:
            inner = self.of_body(element.body, {v.name: outer.get(v.name, ANY) for v in aggregate.group})
            weights |= self.of(element.terms[0], inner)
        match aggregate.function:
            case "sum":
                return (weights & NUMBER) | INT  # over nothing, a sum is the integer 0
            case "avg":
                return NUMBER
            case _:
                return weights


def infer(
    facts: Iterable[core.Atom],
    rules: Iterable[core.Rule],
    tables: Iterable[core.Table],
    known: Mapping[core.Signature, core.Predicate],
    given: Mapping[core.Signature, tuple[int, ...]],
    declared: Mapping[tuple[core.Signature, int], int],
) -> Kinds:
    """Follow values from facts, tables and `given` columns through the rules.

    `given` are the columns of what does not only come from facts and rules; those with a `declared` type hold that.
    """
    kinds = Kinds()
    for signature in known:
        kinds.columns[signature] = [0] * signature.arity
    for signature, masks in given.items():
        for index, mask in enumerate(masks):
            kinds.add(signature, index, mask, known[signature].span)
    for (signature, index), mask in declared.items():
        kinds.columns[signature][index] = 0
        kinds.add(signature, index, mask, known[signature].span)
    kinds.fixed.update(declared)
    for fact in facts:
        masks = kinds.columns[fact.signature]
        for index, term in enumerate(fact.arguments):
            kind = _OF_TYPE.get(type(term.value), TERM) if isinstance(term, core.Constant) else TERM
            if not masks[index] & kind:
                kinds.add(fact.signature, index, kind, fact.span)
    for table in tables:
        for index, column in enumerate(table.columns):
            held = {kind_of(value) for value in column.values} if isinstance(column, core.Coded) else {INT}
            for kind in held if table.num_rows else ():
                kinds.add(table.signature, index, kind, table.span)
    _follow(kinds, list(rules))
    return kinds


def of_program(program: core.CoreProgram) -> Kinds:
    """The kinds of a checked program's columns; inputs and what nothing defines may hold anything."""
    defined = {fact.signature for fact in program.facts}
    defined.update(head.signature for rule in program.rules for head in rule.heads)
    defined.update(table.signature for table in program.tables)
    given = {
        signature: (ANY,) * signature.arity
        for signature, predicate in program.predicates.items()
        if predicate.kind == "input" or signature in program.open or signature not in defined
    }
    return infer(program.facts, program.rules, program.tables, program.predicates, given, {})


def _follow(kinds: Kinds, rules: list[core.Rule]) -> None:
    waiting_for: dict[core.Signature, list[int]] = {}
    for number, rule in enumerate(rules):
        for signature in dict.fromkeys(_asked(rule.body)):
            waiting_for.setdefault(signature, []).append(number)
    todo = deque(range(len(rules)))
    is_waiting = bytearray(b"\1" * len(rules))
    while todo:
        number = todo.popleft()
        is_waiting[number] = 0
        rule = rules[number]
        if not _has_rows(kinds, rule.body):
            continue
        masks = kinds.followed[rule.id] = kinds.of_body(rule.body)
        if 0 in masks.values():
            continue
        for head in rule.heads:
            signature = head.signature
            held = kinds.columns[signature]
            changed = False
            for index, term in enumerate(head.arguments):
                mask = masks.get(term.name, ANY) if isinstance(term, core.Variable) else kinds.of(term, masks)
                if mask & ~held[index]:
                    changed |= kinds.add(signature, index, mask, head.span or rule.span)
            if changed:
                for other in waiting_for.get(signature, ()):
                    if not is_waiting[other]:
                        is_waiting[other] = 1
                        todo.append(other)


def _has_rows(kinds: Kinds, body: Iterable[core.BodyLiteral]) -> bool:
    """Whether every predicate of the positive literals may hold of something."""
    for literal in body:
        if isinstance(literal, core.Literal) and not literal.negated:
            columns = kinds.columns.get(literal.atom.signature)
            if columns and 0 in columns:
                return False
    return True


def _asked(body: Iterable[core.BodyLiteral]) -> Iterator[core.Signature]:
    for literal in body:
        match literal:
            case core.Literal(atom, False):
                yield atom.signature
            case core.Aggregate(elements=elements):
                for element in elements:
                    yield from _asked(element.body)
            case _:
                pass
