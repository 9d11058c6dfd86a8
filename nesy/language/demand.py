"""Goal-directed ProbLog programs, made safe.

Prolog runs rules from a goal, so a rule such as `excess([], Limit) :- Limit < 0.` is fine there: the goal gives
`Limit`. Here rules run from facts. This pass finds which arguments a predicate must be asked with, and adds a
predicate of what is asked, `asked excess(++)`, that guards its rules (magic sets):

    asked excess(++)([skis], 2)       from the query
    excess([], Limit) :- asked excess(++)([], Limit), Limit < 0.
    asked excess(++)(R, L) :- asked excess(++)([I | R], Limit), weight(I, W), L = Limit - W.

World by world the answers are those of the program without guards: what is not asked is not needed.
Source: Bancilhon, Maier, Sagiv, Ullman, "Magic sets and other strange ways to implement logic programs", 1986.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

from nesy.diagnostics import Diagnostic
from nesy.language import core
from nesy.language.catalogue import report
from nesy.language.checks.safety import binds
from nesy.language.lower import Draft
from nesy.language.scope import term_variables

# Arguments that a rule is tried with at once; each more doubles the ways to choose.
MAX_PLACES = 6


@dataclass
class _Ordered:
    """A body in an order in which it can be run, and the variables that each literal binds there."""

    literals: list[core.BodyLiteral]
    newly_bound: list[frozenset[str]]
    bound: set[str]
    stuck: list[core.BodyLiteral]


def direct_by_goals(draft: Draft, given: dict[core.Signature, tuple[int, ...]], infer: bool) -> list[Diagnostic]:
    """Guard the rules that only run when asked; gives a diagnostic for each query that leaves an argument open.

    `given` predicates need these of their arguments; with `infer`, others are found that need some.
    """
    required = _required(draft, given) if infer else given
    if not required:
        return []
    diagnostics: list[Diagnostic] = []
    rules: list[core.Rule] = []
    for rule in draft.rules:
        guard = _guard(rule, required)
        ordered = _order(rule, required, draft.tests)
        if guard is None and not _asks(rule, required):
            rules.append(rule)
            continue
        diagnostics += _unasked(ordered, required, draft.intervals)
        body = [*([guard] if guard else []), *ordered.literals, *ordered.stuck]
        rules.append(replace(rule, body=tuple(body)))
        rules += _demands(rule, guard, ordered, required, draft)
    for constraint in draft.constraints:
        ordered = _order(constraint, required, draft.tests)
        diagnostics += _unasked(ordered, required, draft.intervals)
        rules += _demands(constraint, None, ordered, required, draft)
    draft.rules = rules
    for asked in (*draft.queries, *draft.evidence):
        places = required.get(asked.atom.signature)
        if places is None:
            continue
        values = [asked.atom.arguments[place] for place in places]
        if all(isinstance(value, core.Constant) for value in values):
            draft.facts.append(_asked(asked.atom, places))
        elif asked.span is not None:
            open_place = next(
                place for place, value in zip(places, values, strict=True) if not isinstance(value, core.Constant)
            )
            name = asked.atom.predicate
            diagnostics.append(report("N212", asked.span, name=name, place=open_place + 1))
    for signature, places in required.items():
        name = asked_name(signature, places)
        asked_signature = core.Signature(name, len(places))
        draft.declared.setdefault(asked_signature, core.Predicate(asked_signature))
    return diagnostics


def _unasked(
    ordered: _Ordered, required: dict[core.Signature, tuple[int, ...]], intervals: Container[core.Signature]
) -> Iterator[Diagnostic]:
    """A diagnostic for each literal of a rule that is asked without what it needs."""
    for literal in ordered.stuck:
        if isinstance(literal, core.Literal) and literal.span is not None:
            for place in required.get(literal.atom.signature, ()):
                names = [name for name in term_variables((literal.atom.arguments[place],)) if name not in ordered.bound]
                if names and literal.atom.signature in intervals:
                    yield report("N211", literal.span, name=names[0])
                    break
                if names:
                    yield report("N212", literal.span, name=literal.atom.predicate, place=place + 1)
                    break


def asked_name(signature: core.Signature, places: Sequence[int]) -> str:
    """The name of the predicate of what is asked: `+` for a given argument, `_` for an open one."""
    mask = "".join("+" if place in places else "_" for place in range(signature.arity))
    return f"asked {signature.name}({mask})"


def given_places(signature: core.Signature, predicates: Iterator[core.Signature]) -> tuple[int, ...] | None:
    """The arguments that a predicate must be asked with, read from the predicates of a program."""
    start = f"asked {signature.name}("
    for other in predicates:
        if other.name.startswith(start) and len(other.name) == len(start) + signature.arity + 1:
            return tuple(place for place, mark in enumerate(other.name[len(start) : -1]) if mark == "+")
    return None


# -- which arguments must be given -----------------------------------------------------------------------


def _required(draft: Draft, given: dict[core.Signature, tuple[int, ...]]) -> dict[core.Signature, tuple[int, ...]]:
    """The argument places that each predicate must be asked with; empty if no rule needs any."""
    required = dict(given)
    changed = True
    while changed:
        changed = False
        for rule in draft.rules:
            if not _open_variables(rule, _order(rule, required, draft.tests)) or len(rule.heads) > 1:
                continue
            more = _fewest_places(rule, required, draft.tests)
            if more is not None:
                signature = next(iter(rule.heads)).signature
                required[signature] = tuple(sorted({*required.get(signature, ()), *more}))
                changed = True
    return required


def _fewest_places(
    rule: core.Rule, required: dict[core.Signature, tuple[int, ...]], tests: dict[int, core.Comparison]
) -> tuple[int, ...] | None:
    """The fewest further arguments of the head with which the rule can run, if there are any."""
    (head,) = rule.heads
    old = required.get(head.signature, ())
    places = [i for i, argument in enumerate(head.arguments) if i not in old and any(term_variables((argument,)))]
    for size in range(1, min(len(places), MAX_PLACES) + 1):
        for more in combinations(places, size):
            trial = {**required, head.signature: (*old, *more)}
            if not _open_variables(rule, _order(rule, trial, tests)):
                return more
    return None


def _open_variables(rule: core.Rule, ordered: _Ordered) -> set[str]:
    """The variables that keep a rule from running: unbound ones of its head, probability and stuck literals."""
    open_variables: set[str] = set()
    for head in rule.heads:
        open_variables.update(term_variables(head.arguments))
    if rule.choice is not None:
        for weight in rule.choice.weights:
            open_variables.update(
                term_variables((weight.probability,) if isinstance(weight, core.Fixed) else weight.index)
            )
    for literal in ordered.stuck:
        open_variables.update(_variables(literal))
    return open_variables - ordered.bound


def _order(
    rule: core.Rule, required: dict[core.Signature, tuple[int, ...]], tests: dict[int, core.Comparison]
) -> _Ordered:
    bound: set[str] = set()
    for head in rule.heads if len(rule.heads) == 1 else ():
        bound.update(term_variables([head.arguments[place] for place in required.get(head.signature, ())]))
    result = _Ordered([], [], bound, list(rule.body))
    while result.stuck:
        ready = [literal for literal in result.stuck if _is_ready(literal, bound, required, tests)]
        if not ready:
            break
        literal = min(ready, key=lambda item: _cost(item, required))
        result.stuck = [other for other in result.stuck if other is not literal]
        before = set(bound)
        _bind(literal, bound)
        result.literals.append(literal)
        result.newly_bound.append(frozenset(bound - before))
    return result


def _cost(literal: core.BodyLiteral, required: dict[core.Signature, tuple[int, ...]]) -> int:
    match literal:
        case core.Comparison():
            return 0
        case core.Literal(atom, False):
            return 2 if atom.signature in required else 1
        case core.Literal():
            return 3
        case core.Aggregate():
            return 4


def _is_ready(
    literal: core.BodyLiteral,
    bound: set[str],
    required: dict[core.Signature, tuple[int, ...]],
    tests: dict[int, core.Comparison],
) -> bool:
    match literal:
        case core.Literal(atom, False):
            given = [atom.arguments[place] for place in required.get(atom.signature, ())]
            return all(name in bound for name in term_variables(given))
        case core.Comparison("=") if id(literal) not in tests:
            return binds(literal, set(bound))
        case core.Aggregate(group=group):
            return all(variable.name in bound for variable in group)
        case _:
            return all(name in bound for name in _variables(literal))


def _bind(literal: core.BodyLiteral, bound: set[str]) -> None:
    match literal:
        case core.Literal(atom, False):
            bound.update(term_variables(atom.arguments))
        case core.Comparison("=") | core.Aggregate():
            binds(literal, bound)
        case _:
            pass


def _variables(literal: core.BodyLiteral) -> Iterator[str]:
    match literal:
        case core.Literal(atom):
            yield from term_variables(atom.arguments)
        case core.Comparison(_, left, right):
            yield from term_variables((left, right))
        case core.Aggregate(result=result, group=group):
            yield from (variable.name for variable in (result, *group))


# -- guards and demands ----------------------------------------------------------------------------------


def _asks(rule: core.Rule, required: dict[core.Signature, tuple[int, ...]]) -> bool:
    return any(isinstance(literal, core.Literal) and literal.atom.signature in required for literal in rule.body)


def _asked(atom: core.Atom, places: Sequence[int]) -> core.Atom:
    arguments = tuple(atom.arguments[place] for place in places)
    return core.Atom(asked_name(atom.signature, places), arguments, atom.span)


def _guard(rule: core.Rule, required: dict[core.Signature, tuple[int, ...]]) -> core.Literal | None:
    heads = list(rule.heads)
    places = required.get(heads[0].signature) if len(heads) == 1 else None
    return None if places is None else core.Literal(_asked(heads[0], places))


def _demands(
    rule: core.Rule,
    guard: core.Literal | None,
    ordered: _Ordered,
    required: dict[core.Signature, tuple[int, ...]],
    draft: Draft,
) -> Iterator[core.Rule]:
    """What a rule asks for: one rule for each of its literals that must be asked."""
    derived = {head.signature for other in draft.rules for head in other.heads}
    given = set(term_variables(guard.atom.arguments)) if guard else set[str]()
    for index, literal in enumerate(ordered.literals):
        if not isinstance(literal, core.Literal) or literal.atom.signature not in required:
            continue
        head = _asked(literal.atom, required[literal.atom.signature])
        body = _prefix(ordered, index, set(term_variables(head.arguments)) - given, given, derived)
        identity = draft.next_id
        draft.next_id += 1
        draft.statement_of[identity] = draft.statement_of[rule.id]
        if not guard and not body and all(isinstance(term, core.Constant) for term in head.arguments):
            draft.facts.append(head)
            continue
        yield core.Rule(identity, (head,), (*((guard,) if guard else ()), *body), None, literal.span)


def _prefix(
    ordered: _Ordered, index: int, needed: set[str], given: set[str], derived: set[core.Signature]
) -> list[core.BodyLiteral]:
    """The literals before one that bind what it is asked with, those over plain facts, and the tests between them.

    The rest is left out: asking for too much is sound, and asks through as few other predicates as possible.
    """
    chosen: set[int] = set()
    for place in range(index - 1, -1, -1):
        literal = ordered.literals[place]
        is_fact = isinstance(literal, core.Literal) and not literal.negated and literal.atom.signature not in derived
        if ordered.newly_bound[place] & needed or is_fact:
            chosen.add(place)
            needed |= set(_variables(literal)) - ordered.newly_bound[place] - given
    covered = given | {name for place in chosen for name in _variables(ordered.literals[place])}
    for place in range(index):
        literal = ordered.literals[place]
        if isinstance(literal, core.Comparison) and covered.issuperset(_variables(literal)):
            chosen.add(place)
    return [ordered.literals[place] for place in sorted(chosen)]
