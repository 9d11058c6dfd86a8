"""Goal-directed ProbLog programs, made safe.

Prolog runs rules from a goal, so a rule such as `excess([], Limit) :- Limit < 0.` is fine there: the goal gives
`Limit`. Here rules run from facts. This pass finds which arguments a predicate must be asked with, and adds a
predicate of what is asked, `asked excess(++)`, that guards its rules (magic sets):

    asked excess(++)([skis], 2)       from the query
    excess([], Limit) :- asked excess(++)([], Limit), Limit < 0.
    asked excess(++)(R, L) :- asked excess(++)([I | R], Limit), weight(I, W), L = Limit - W.

World by world the answers are those of the program without guards: what is not asked is not needed. A predicate may
be asked in several ways, `append(L1, L2, [a, b])` as well as `append([a], [b], L)`: each way has its own guard.
Source: Bancilhon, Maier, Sagiv, Ullman, "Magic sets and other strange ways to implement logic programs", 1986.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from heapq import heappop, heappush
from itertools import combinations
from typing import TypeAlias

from nesy.diagnostics import Diagnostic
from nesy.language import core
from nesy.language.catalogue import report
from nesy.language.checks.safety import binds
from nesy.language.core import term_variables
from nesy.language.draft import Draft

# Arguments that a rule is tried with at once; each more doubles the ways to choose.
MAX_PLACES = 6
# Ways in which one predicate is asked; each is a copy of its rules.
MAX_WAYS = 8

# The ways in which a predicate can be asked: the argument places that are given. It needs nothing if it has none.
_Ways: TypeAlias = Mapping[core.Signature, tuple[tuple[int, ...], ...]]


@dataclass
class _Ordered:
    """A body in an order in which it can be run, and the variables that each literal binds there."""

    literals: list[core.BodyLiteral]
    newly_bound: list[frozenset[str]]
    asked: list[tuple[int, ...] | None]  # the way in which each literal is asked
    bound: set[str]
    stuck: list[core.BodyLiteral]


def direct_by_goals(draft: Draft, given: dict[core.Signature, tuple[int, ...]], infer: bool) -> list[Diagnostic]:
    """Guard the rules that only run when asked; gives a diagnostic for each query that leaves an argument open.

    `given` predicates need these of their arguments; with `infer`, others are found that need some.
    """
    ways: _Ways = {signature: (places,) for signature, places in given.items()}
    if infer:
        ways = _required(draft, ways)
    if not ways:
        return []
    diagnostics: list[Diagnostic] = []
    rules: list[core.Rule] = []
    derived = {head.signature for rule in draft.rules for head in rule.heads}
    for rule in draft.rules:
        guards = _guards(rule, ways)
        if not guards and not _asks(rule, ways):
            rules.append(rule)
            continue
        for number, (places, guard) in enumerate(guards or [((), None)]):
            ordered = _order(rule, ways, draft.tests, places)
            diagnostics += _unasked(ordered, ways, draft.intervals)
            body = (*((guard,) if guard else ()), *ordered.literals, *ordered.stuck)
            rules.append(replace(rule, body=body) if number == 0 else _copy(rule, body, draft))
            rules += _demands(rule, guard, ordered, draft, derived)
    for constraint in draft.constraints:
        ordered = _order(constraint, ways, draft.tests, ())
        diagnostics += _unasked(ordered, ways, draft.intervals)
        rules += _demands(constraint, None, ordered, draft, derived)
    draft.rules = rules
    for asked in (*draft.queries, *draft.evidence):
        if asked.atom.signature not in ways:
            continue
        constant = {place for place, value in enumerate(asked.atom.arguments) if isinstance(value, core.Constant)}
        way = _best_way(ways[asked.atom.signature], constant)
        if way is not None:
            draft.facts.append(_asked(asked.atom, way))
        elif asked.span is not None:
            open_place = next(place for place in ways[asked.atom.signature][0] if place not in constant)
            name = asked.atom.predicate
            diagnostics.append(report("N212", asked.span, name=name, place=open_place + 1))
    for signature, masks in ways.items():
        for places in masks:
            asked_signature = core.Signature(asked_name(signature, places), len(places))
            draft.declared.setdefault(asked_signature, core.Predicate(asked_signature))
    return diagnostics


def _unasked(ordered: _Ordered, ways: _Ways, intervals: Container[core.Signature]) -> Iterator[Diagnostic]:
    """A diagnostic for each literal of a rule that is asked without what it needs."""
    for literal in ordered.stuck:
        if isinstance(literal, core.Literal) and literal.span is not None:
            for place in ways.get(literal.atom.signature, ((),))[0]:
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


def given_places(signature: core.Signature, predicates: Iterator[core.Signature]) -> list[tuple[int, ...]]:
    """The ways in which a predicate can be asked, read from the predicates of a program."""
    start = f"asked {signature.name}("
    return [
        tuple(place for place, mark in enumerate(other.name[len(start) : -1]) if mark == "+")
        for other in predicates
        if other.name.startswith(start) and len(other.name) == len(start) + signature.arity + 1
    ]


# -- which arguments must be given -----------------------------------------------------------------------


def _required(draft: Draft, ways: _Ways) -> _Ways:
    """The ways in which predicates must be asked; empty if no rule needs any argument."""
    rules_of: dict[core.Signature, list[core.Rule]] = {}
    for rule in draft.rules:
        for head in rule.heads:
            rules_of.setdefault(head.signature, []).append(rule)
    known = _Trial({}, dict(ways))
    agenda = _Agenda(draft.rules)
    for rule in agenda:
        head = next(iter(rule.heads))
        places = known.get(head.signature, ((),))[0]
        if len(rule.heads) == 1 and _open_variables(rule, _order(rule, known, draft.tests, places)):
            found = _with_fewest_places(rule, places, known, rules_of, draft.tests)
            if found is not None:
                known = agenda.adopt(found)
    return _more_ways(draft, known, rules_of)


class _Trial(ChainMap[core.Signature, tuple[tuple[int, ...], ...]]):
    """Ways with a few changed: those in the first of two maps; the second is common to all trials."""

    def having(self, signature: core.Signature, ways: tuple[tuple[int, ...], ...]) -> _Trial:
        """The same with one predicate asked in other ways."""
        return _Trial({**self.maps[0], signature: ways}, self.maps[1])


class _Agenda:
    """Rules in the order of the file, round after round; after the first, only those whose calls are asked otherwise.

    Whether a rule can run depends on the ways of what it calls, and on those that the rules of these call in turn.
    """

    def __init__(self, rules: Sequence[core.Rule]):
        self.rules = rules
        self.users: dict[core.Signature, list[int]] = {}
        self.own: dict[core.Signature, list[int]] = {}
        for number, rule in enumerate(rules):
            for signature in {part.atom.signature for part in rule.body if isinstance(part, core.Literal)}:
                self.users.setdefault(signature, []).append(number)
            for signature in {head.signature for head in rule.heads}:
                self.own.setdefault(signature, []).append(number)
        self.queue = [(0, number) for number in range(len(rules))]
        self.queued = set(range(len(rules)))
        self.now = (0, 0)

    def __iter__(self) -> Iterator[core.Rule]:
        while self.queue:
            self.now = heappop(self.queue)
            self.queued.discard(self.now[1])
            yield self.rules[self.now[1]]

    def adopt(self, trial: _Trial) -> _Trial:
        """Make a trial's changes known, and look again at all that may depend on them."""
        changes, common = trial.maps
        for signature in changes:
            callers = self.users.get(signature, [])
            above = {head.signature for number in callers for head in self.rules[number].heads}
            for dependents in (self.own.get(signature, []), callers, *(self.users.get(head, []) for head in above)):
                for number in dependents:
                    if number not in self.queued:
                        self.queued.add(number)
                        heappush(self.queue, (self.now[0] + (number <= self.now[1]), number))
        common.update(changes)
        return _Trial({}, common)


def _with_fewest_places(
    rule: core.Rule,
    old: tuple[int, ...],
    ways: _Trial,
    rules_of: Mapping[core.Signature, list[core.Rule]],
    tests: Mapping[int, core.Comparison],
) -> _Trial | None:
    """The ways with the fewest further arguments of the head with which the rule can run, if there are any.

    A call that cannot be asked in the ways that are known gets a new one rather than that the head asks for more.
    """
    (head,) = rule.heads
    others = [i for i, argument in enumerate(head.arguments) if i not in old and any(term_variables((argument,)))]
    for size in range(min(len(others), MAX_PLACES) + 1):
        for more in combinations(others, size):
            places = tuple(sorted((*old, *more)))
            rest = ways.get(head.signature, ())[1:]
            trial = ways.having(head.signature, (places, *rest)) if places else ways
            trial = _with_further_ways(rule, places, trial, rules_of, tests)
            if not _open_variables(rule, _order(rule, trial, tests, places)):
                return trial
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


def _order(rule: core.Rule, ways: _Ways, tests: Mapping[int, core.Comparison], places: Sequence[int]) -> _Ordered:
    """The rule's body in order, if it is asked with the arguments at these places."""
    bound: set[str] = set()
    for head in rule.heads if len(rule.heads) == 1 else ():
        bound.update(term_variables([head.arguments[place] for place in places]))
    result = _Ordered([], [], [], bound, list(rule.body))
    while result.stuck:
        ready = [literal for literal in result.stuck if _is_ready(literal, bound, ways, tests)]
        if not ready:
            break
        literal = min(ready, key=lambda item: _cost(item, ways))
        result.stuck = [other for other in result.stuck if other is not literal]
        before = set(bound)
        result.asked.append(_way_to_ask(literal, bound, ways))
        _bind(literal, bound)
        result.literals.append(literal)
        result.newly_bound.append(frozenset(bound - before))
    return result


def _way_to_ask(literal: core.BodyLiteral, bound: set[str], ways: _Ways) -> tuple[int, ...] | None:
    """How a literal is asked when these variables are bound; None if it needs nothing, or cannot be asked."""
    if not isinstance(literal, core.Literal) or literal.atom.signature not in ways:
        return None
    return _best_way(ways[literal.atom.signature], _bound_places(literal.atom, bound))


def _bound_places(atom: core.Atom, bound: set[str]) -> set[int]:
    return {place for place, term in enumerate(atom.arguments) if bound.issuperset(term_variables((term,)))}


def _best_way(ways: Sequence[tuple[int, ...]], places: set[int]) -> tuple[int, ...] | None:
    """The way that uses most of the places that are given."""
    possible = [way for way in ways if places.issuperset(way)]
    return max(possible, key=len) if possible else None


def _cost(literal: core.BodyLiteral, ways: _Ways) -> int:
    match literal:
        case core.Comparison():
            return 0
        case core.Literal(atom, False):
            return 2 if atom.signature in ways else 1
        case core.Literal():
            return 3
        case core.Aggregate():
            return 4


def _is_ready(literal: core.BodyLiteral, bound: set[str], ways: _Ways, tests: Mapping[int, core.Comparison]) -> bool:
    match literal:
        case core.Literal(atom, False):
            return atom.signature not in ways or _way_to_ask(literal, bound, ways) is not None
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


# -- further ways to ask ---------------------------------------------------------------------------------


def _more_ways(draft: Draft, ways: _Trial, rules_of: Mapping[core.Signature, list[core.Rule]]) -> _Ways:
    """The ways with those added that constraints, and rules in their further ways, could not be run without."""
    agenda = _Agenda([*draft.rules, *draft.constraints])
    for rule in agenda:
        for places in [places for places, _ in _guards(rule, ways)] or [()]:
            trial = _with_further_ways(rule, places, ways, rules_of, draft.tests)
            if trial is not ways:
                ways = agenda.adopt(trial)
    return ways.maps[1]


def _with_further_ways(
    rule: core.Rule,
    places: tuple[int, ...],
    ways: _Trial,
    rules_of: Mapping[core.Signature, list[core.Rule]],
    tests: Mapping[int, core.Comparison],
) -> _Trial:
    """The ways with those added that the rule's own calls need, when it is asked with these arguments."""
    while (found := next(_ways_for_stuck(rule, places, ways, rules_of, tests), None)) is not None:
        ways = found
    return ways


def _ways_for_stuck(
    rule: core.Rule,
    places: tuple[int, ...],
    ways: _Trial,
    rules_of: Mapping[core.Signature, list[core.Rule]],
    tests: Mapping[int, core.Comparison],
) -> Iterator[_Trial]:
    """The ways with one more for each literal that cannot be asked in any of them, where its rules can be run so."""
    ordered = _order(rule, ways, tests, places)
    for literal in ordered.stuck:
        match literal:
            case core.Literal(atom, False) if 0 < len(known := ways.get(atom.signature, ())) < MAX_WAYS:
                way = tuple(sorted(_bound_places(atom, ordered.bound)))
                others = rules_of.get(atom.signature, [])
                # A choice must stay one rule, so what is chosen can be asked in one way only.
                if way and way not in known and all(other.choice is None for other in others):
                    trial = ways.having(atom.signature, (*known, way))
                    if all(not _open_variables(other, _order(other, trial, tests, way)) for other in others):
                        yield trial
            case _:
                pass


# -- guards and demands ----------------------------------------------------------------------------------


def _asks(rule: core.Rule, ways: _Ways) -> bool:
    return any(isinstance(literal, core.Literal) and literal.atom.signature in ways for literal in rule.body)


def _asked(atom: core.Atom, places: Sequence[int]) -> core.Atom:
    arguments = tuple(atom.arguments[place] for place in places)
    return core.Atom(asked_name(atom.signature, places), arguments, atom.span)


def _guards(rule: core.Rule, ways: _Ways) -> list[tuple[tuple[int, ...], core.Literal | None]]:
    """For each way in which the rule's head is asked, the literal that says so."""
    heads = list(rule.heads)
    masks = ways.get(heads[0].signature, ()) if len(heads) == 1 else ()
    return [(places, core.Literal(_asked(heads[0], places))) for places in masks]


def _copy(rule: core.Rule, body: tuple[core.BodyLiteral, ...], draft: Draft) -> core.Rule:
    identity = draft.next_id
    draft.next_id += 1
    draft.statement_of[identity] = draft.statement_of[rule.id]
    return replace(rule, id=identity, body=body)


def _demands(
    rule: core.Rule, guard: core.Literal | None, ordered: _Ordered, draft: Draft, derived: set[core.Signature]
) -> Iterator[core.Rule]:
    """What a rule asks for: one rule for each of its literals that must be asked."""
    given = set(term_variables(guard.atom.arguments)) if guard else set[str]()
    for index, (literal, way) in enumerate(zip(ordered.literals, ordered.asked, strict=True)):
        if not isinstance(literal, core.Literal) or way is None:
            continue
        head = _asked(literal.atom, way)
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
