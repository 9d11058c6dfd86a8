"""Checks of single rules by Z3: a rule that can never fire, a rule that another makes redundant.

Candidates come from cheap indexes; Z3 is only asked about comparisons, and only until the time is up.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence

from nesy.diagnostics import Diagnostic, Label
from nesy.language.catalogue import report
from nesy.language.core import (
    Aggregate,
    Atom,
    BodyLiteral,
    Comparison,
    Constant,
    CoreProgram,
    Expr,
    Expression,
    Literal,
    Rule,
    Signature,
    Structure,
    Term,
    Variable,
    term_variables,
)
from nesy.language.kinds import INT, Kinds, of_program
from nesy.language.values import key
from nesy.solver.comparisons import Comparisons

# Pairs of rules that are compared at most; beyond, a file is generated, and nobody reads its warnings.
_MAX_PAIRS = 200_000
_MAX_STEPS = 2_000  # of one search for a substitution


def check_rules(program: CoreProgram, seconds: float = 1.0) -> Iterator[Diagnostic]:
    """A warning for each rule or constraint whose comparisons contradict, and each rule that adds nothing."""
    comparisons = Comparisons(seconds)
    kinds = _Lazy(program)
    never: set[int] = set()
    for rule in (*program.rules, *program.constraints):
        if _may_contradict(rule.body) and comparisons.contradictory(rule.body, kinds.integers(rule)):
            never.add(rule.id)
            parts = [part for part in rule.body if isinstance(part, Comparison) and part.span is not None]
            spans = [part.span for part in _needed(parts, rule, comparisons, kinds) if part.span is not None]
            if spans:
                is_constraint = rule.heads[0].predicate.startswith(":-")
                what = "constraint is never violated" if is_constraint else "rule never fires"
                others = [Label(span, "with this") for span in spans[:-1]]
                yield report("N801", spans[-1], others=others, what=what)
    yield from _redundant(program, comparisons, kinds, never)


class _Lazy:
    """The kinds of a program, inferred when a comparison is asked about for the first time."""

    def __init__(self, program: CoreProgram):
        self._program = program
        self._kinds: Kinds | None = None

    def integers(self, rule: Rule) -> frozenset[str]:
        """The variables of a rule that hold nothing but integers."""
        if self._kinds is None:
            self._kinds = of_program(self._program)
        return frozenset(name for name, mask in self._kinds.of_body(rule.body).items() if mask == INT)


def _may_contradict(body: Sequence[BodyLiteral]) -> bool:
    """Two comparisons, a count that is compared, or one with a variable on both sides."""
    counts = sum(isinstance(part, Comparison) for part in body)
    if counts > 1:
        return True
    if counts == 1:
        comparison = next(part for part in body if isinstance(part, Comparison))
        shared = set(term_variables((comparison.left,))) & set(term_variables((comparison.right,)))
        return bool(shared) or any(isinstance(part, Aggregate) for part in body)
    return False


def _needed(parts: list[Comparison], rule: Rule, comparisons: Comparisons, kinds: _Lazy) -> list[Comparison]:
    """The comparisons without those that the contradiction does not need."""
    rest = [part for part in rule.body if isinstance(part, Aggregate)]
    kept = list(parts)
    for part in parts:
        fewer = [other for other in kept if other is not part]
        if comparisons.contradictory([*fewer, *rest], kinds.integers(rule)):
            kept = fewer
    return kept


# -- redundancy: one rule subsumes another -----------------------------------------------------------------


def _redundant(program: CoreProgram, comparisons: Comparisons, kinds: _Lazy, never: set[int]) -> Iterator[Diagnostic]:
    by_head: dict[Signature, list[Rule]] = {}
    for rule in program.rules:
        if (
            rule.choice is None
            and " " not in rule.heads[0].predicate
            and rule.span is not None
            and rule.id not in never
        ):
            by_head.setdefault(rule.heads[0].signature, []).append(rule)
    pairs = 0
    told: set[tuple[int, int]] = set()
    for rules in by_head.values():
        asked = [_predicates(rule) for rule in rules]
        general = _General(asked)
        for index, rule in enumerate(rules):
            assert rule.span is not None
            place = (id(rule.span.source), rule.span.start)
            if Literal(rule.heads[0]) in rule.body and place not in told:
                told.add(place)
                yield report("N802", rule.span, why="what it derives is one of its own conditions")
                continue
            for number in general.candidates(index):
                other = rules[number]
                pairs += 1
                if pairs > _MAX_PAIRS or comparisons.is_late:
                    return
                if number == index or not asked[number] <= asked[index]:
                    continue
                assert other.span is not None
                same_place = other.span.source is rule.span.source and other.span.start == rule.span.start
                if same_place or place in told or (id(other.span.source), other.span.start) in told:
                    continue
                if subsumes(other, rule, comparisons, kinds.integers):
                    told.add(place)
                    others = (Label(other.span, "by this one"),)
                    yield report("N802", rule.span, others=others, why="whatever it derives is derived anyway")


_Asked = frozenset[tuple[Signature, bool]]


class _General:
    """Which rules may be more general than another: those whose rarest condition is one of its own."""

    def __init__(self, asked: Sequence[_Asked]):
        self._asked = asked
        count = Counter(predicate for conditions in asked for predicate in conditions)
        self._by_rarest: dict[tuple[Signature, bool] | None, list[int]] = {}
        for number, conditions in enumerate(asked):
            rarest = min(conditions, key=lambda predicate: (count[predicate], predicate), default=None)
            self._by_rarest.setdefault(rarest, []).append(number)

    def candidates(self, index: int) -> list[int]:
        """The numbers of the rules, in their order."""
        buckets = (self._by_rarest.get(predicate, ()) for predicate in (None, *self._asked[index]))
        return sorted(number for bucket in buckets for number in bucket)


def _predicates(rule: Rule) -> _Asked:
    return frozenset((part.atom.signature, part.negated) for part in rule.body if isinstance(part, Literal))


def subsumes(
    general: Rule, special: Rule, comparisons: Comparisons, integers: Callable[[Rule], frozenset[str]]
) -> bool:
    """Whether the general rule derives all that the special one does: by a substitution of its variables, under
    which its conditions are among the special rule's, or are comparisons that these entail.

    Source: Plotkin, "A note on inductive generalization", 1970, for subsumption of clauses.
    """
    if any(isinstance(part, Aggregate) for part in general.body):
        return False
    binding: dict[str, Term] = {}
    if not _match(general.heads[0], special.heads[0], binding):
        return False
    literals = [part for part in general.body if isinstance(part, Literal)]
    tests = [part for part in general.body if isinstance(part, Comparison)]
    targets = [part for part in special.body if isinstance(part, Literal)]
    steps = 0

    def search(index: int, binding: Mapping[str, Term]) -> bool:
        nonlocal steps
        steps += 1
        if steps > _MAX_STEPS:
            return False
        if index == len(literals):
            return _tests_hold(tests, binding, special, comparisons, integers)
        literal = literals[index]
        for target in targets:
            if target.negated == literal.negated and target.atom.signature == literal.atom.signature:
                extended = dict(binding)
                if _match(literal.atom, target.atom, extended) and search(index + 1, extended):
                    return True
        return False

    return search(0, binding)


def _tests_hold(
    tests: Sequence[Comparison],
    binding: Mapping[str, Term],
    special: Rule,
    comparisons: Comparisons,
    integers: Callable[[Rule], frozenset[str]],
) -> bool:
    if not tests:
        return True
    wanted: list[Comparison] = []
    own = {(part.operator, part.left, part.right) for part in special.body if isinstance(part, Comparison)}
    for test in tests:
        left, right = _substitute(test.left, binding), _substitute(test.right, binding)
        if left is None or right is None:
            return False  # a variable that only this comparison binds
        if (test.operator, left, right) not in own:
            wanted.append(Comparison(test.operator, left, right))
    return not wanted or comparisons.entailed(wanted, special.body, integers(special))


def _match(pattern: Atom, target: Atom, binding: dict[str, Term]) -> bool:
    return all(_match_term(a, b, binding) for a, b in zip(pattern.arguments, target.arguments, strict=True))


def _match_term(pattern: Term, target: Term, binding: dict[str, Term]) -> bool:
    match pattern:
        case Variable(name):
            return binding.setdefault(name, target) == target
        case Constant(value):
            return isinstance(target, Constant) and key(value) == key(target.value)
        case Structure(functor, arguments):
            return (
                isinstance(target, Structure)
                and target.functor == functor
                and len(target.arguments) == len(arguments)
                and all(_match_term(a, b, binding) for a, b in zip(arguments, target.arguments, strict=True))
            )


def _substitute(term: Expr, binding: Mapping[str, Term]) -> Expr | None:
    match term:
        case Variable(name):
            return binding.get(name)
        case Constant():
            return term
        case Structure() | Expression():
            if any(name not in binding for name in term_variables((term,))):
                return None
            inner = tuple(_substitute(argument, binding) for argument in term.arguments)
            if isinstance(term, Expression):
                return Expression(term.function, inner)  # type: ignore[arg-type]
            return Structure(term.functor, inner)  # type: ignore[arg-type]


def variable_names(body: Sequence[BodyLiteral]) -> set[str]:
    """The variables of the literals and comparisons of a body."""
    names: set[str] = set()
    for part in body:
        match part:
            case Literal(atom):
                names.update(term_variables(atom.arguments))
            case Comparison():
                names.update(term_variables((part.left, part.right)))
            case Aggregate():
                names.add(part.result.name)
    return names
