"""Why an answer did not come out: the rules that could have given it, and the fewest facts that would.

Abduction by MaxSMT: every row that a base predicate (an input, or one with facts only, certain or not) could have over
the values at hand may be added, every fact may be taken out, and as few as possible of both are wanted. Rows that
no derivation of the answer could use are left out beforehand.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import product
from math import prod

from nesy.language.core import (
    Aggregate,
    Atom,
    BodyLiteral,
    Comparison,
    Constant,
    CoreProgram,
    Literal,
    Rule,
    Signature,
    Structure,
    Term,
    Variable,
    ground_atom,
)
from nesy.language.functions import FunctionError
from nesy.language.values import Value, key
from nesy.reasoning.readings.findings import Attempt, WhyNot
from nesy.solver.completion import Completion
from nesy.solver.cores import smallest_core
from nesy.solver.domains import MAX_ROWS, Sort, column_sorts, sort_values
from nesy.solver.engine import DEFAULT_TIMEOUT, Session, minimise
from nesy.solver.instances import Fact, Instances, Rows, depends_on, facts_of, instantiate
from nesy.solver.matching import TooLargeError
from nesy.solver.script import Script, negation

Pattern = tuple[Value | None, ...]  # None where any value may stand

_CHANGE = 1_000  # the cost of a change; one unit more with a value that occurs nowhere, so that is a last resort
_MOST_NEW = 8  # values of a column that occur nowhere yet
MAX_TRIES = 20_000  # bindings looked at for one rule's best attempt


def why_not(program: CoreProgram, atom: Atom, facts: Rows | None = None, timeout: float = DEFAULT_TIMEOUT) -> WhyNot:
    """Why a ground atom holds in no world, and the fewest facts to add or take out so that it can.

    Choices are left open: `chosen` are the outcomes that have to come out then. Constraints and evidence are not
    looked at. Facts range over the values at hand and one new one for each column; where an aggregate counts them, over
    as many as its rule's numbers ask for, at most 8. `never`: no such facts would do.
    """
    start = time.perf_counter()
    sample = facts or {}
    attempts: tuple[Attempt, ...] = ()
    try:
        relevant = depends_on(program, [atom.signature])
        base = _base_predicates(program, relevant)
        given = [fact for fact in facts_of(program, sample) if fact[0] in relevant]
        world = instantiate(program, given, relevant=relevant, timeout=timeout)
        attempts = tuple(_attempts(program, atom, world))
        rows = _candidates(program, atom, base, given)
        fixed = [fact for fact in given if fact[0] not in base]
        instances = instantiate(program, fixed, free=rows, relevant=relevant, strict=False, timeout=timeout)
    except (TooLargeError, FunctionError) as error:
        return WhyNot("unknown", str(atom), attempts, seconds=time.perf_counter() - start, reason=str(error))
    goal = instances.find(atom)
    if goal is None:
        reason = "no rule derives it, whatever the facts" if not attempts else "no facts over these values would do"
        return WhyNot("never", str(atom), attempts, seconds=time.perf_counter() - start, reason=reason)
    script = Script()
    completion = Completion(instances, script)
    completion.define([goal])
    script.assert_(completion.atom(goal))
    present = {(signature, tuple(map(key, row))) for signature, row in given}
    named = _values_at_hand(program, atom, given)
    missing, in_the_way = [], []
    for number in sorted(instances.open):
        if number not in completion.atom_symbol:
            continue
        fact = instances.atoms[number]
        symbol = completion.atom_symbol[number]
        if (fact.signature, tuple(key(a.value) for a in fact.arguments if isinstance(a, Constant))) in present:
            script.prefer(symbol, _CHANGE)
            in_the_way.append((symbol, number))
        else:
            is_named = all(not isinstance(a, Constant) or key(a.value) in named for a in fact.arguments)
            script.prefer(negation(symbol), _CHANGE if is_named else _CHANGE + 1)
            missing.append((symbol, number))
    outcome = minimise(script, max(0.001, timeout - (time.perf_counter() - start)))
    if outcome.verdict != "sat":
        verdict = "never" if outcome.verdict == "unsat" else "unknown"
        reason = "no facts over these values would do" if verdict == "never" else outcome.reason
        return WhyNot(verdict, str(atom), attempts, seconds=time.perf_counter() - start, reason=reason)
    added = tuple(str(instances.atoms[n]) for symbol, n in missing if symbol in outcome.true)
    removed = tuple(str(instances.atoms[n]) for symbol, n in in_the_way if symbol not in outcome.true)
    chosen = _needed(completion, goal, outcome.true, timeout)
    return WhyNot("found", str(atom), attempts, added, removed, chosen, time.perf_counter() - start)


def _num_new(program: CoreProgram, relevant: Collection[Signature]) -> int:
    """How many new values a column gets: `N >= 3` over a count asks for three."""
    wanted = 1
    for rule in program.rules:
        if any(head.signature in relevant for head in rule.heads) and any(isinstance(p, Aggregate) for p in rule.body):
            sides = [side for part in rule.body if isinstance(part, Comparison) for side in (part.left, part.right)]
            numbers = [side.value for side in sides if isinstance(side, Constant) and isinstance(side.value, int)]
            wanted = max(wanted, 2, *(min(_MOST_NEW, number + 1) for number in numbers))
    return wanted


def _values_at_hand(program: CoreProgram, atom: Atom, given: Sequence[Fact]) -> set[tuple[type, object]]:
    values = {key(value) for _, row in given for value in row}
    values |= {key(a.value) for a in atom.arguments if isinstance(a, Constant)}
    return values | {key(value) for sort in column_sorts(program).values() for value in sort.constants}


def _base_predicates(program: CoreProgram, relevant: Iterable[Signature]) -> set[Signature]:
    derived = {head.signature for rule in program.rules if rule.body for head in rule.heads}
    inputs = {predicate.signature for predicate in program.inputs}
    return {s for s in relevant if s in inputs or s not in derived}


# -- which rows could be of use ----------------------------------------------------------------------------


def _candidates(program: CoreProgram, atom: Atom, base: set[Signature], given: Sequence[Fact]) -> list[Fact]:
    """The rows of base predicates that a derivation of the atom, or what it denies, could use."""
    goal: Fact = (atom.signature, tuple(a.value for a in atom.arguments if isinstance(a, Constant)))
    sorts = column_sorts(program, [*given, goal])
    num_new = _num_new(program, depends_on(program, [atom.signature]))
    random = {  # probabilistic facts are there already, as outcomes that may come out
        (head.signature, tuple(key(a.value) for a in head.arguments if isinstance(a, Constant)))
        for rule in program.rules
        if not rule.body
        for head in rule.heads
    }
    rows: dict[tuple[Signature, tuple[tuple[type, object], ...]], Fact] = {}
    for signature, pattern in _needed_patterns(program, atom):
        if signature not in base:
            continue
        columns: list[Sequence[Value]] = [
            [value] if value is not None else sort_values(sorts.get((signature, c), Sort((), False)), num_new)
            for c, value in enumerate(pattern)
        ]
        if prod(map(len, columns)) > MAX_ROWS:
            raise TooLargeError(f"`{signature}` could have more than {MAX_ROWS} further rows")
        for row in product(*columns):
            if (signature, tuple(map(key, row))) not in random:
                rows[signature, tuple(map(key, row))] = (signature, row)
    for signature, row in given:
        if signature in base:
            rows[signature, tuple(map(key, row))] = (signature, row)
    return list(rows.values())


def _needed_patterns(program: CoreProgram, atom: Atom) -> Iterator[tuple[Signature, Pattern]]:
    """Which atoms the goal can depend on: constants are passed on from heads to bodies."""
    first = (atom.signature, tuple(a.value for a in atom.arguments if isinstance(a, Constant)))
    seen = {_identity(*first)}
    todo: list[tuple[Signature, Pattern]] = [first]
    while todo:
        signature, pattern = todo.pop()
        yield signature, pattern
        for rule in program.rules:
            for head in rule.heads:
                bound = _unify(head, pattern) if head.signature == signature else None
                if bound is None:
                    continue
                for other in _body_atoms(rule.body):
                    needed = (other.signature, tuple(_instance(a, bound) for a in other.arguments))
                    if _identity(*needed) not in seen:
                        seen.add(_identity(*needed))
                        todo.append(needed)


def _body_atoms(body: Iterable[BodyLiteral]) -> Iterator[Atom]:
    for part in body:
        match part:
            case Literal(atom):
                yield atom
            case Aggregate():
                for element in part.elements:
                    yield from _body_atoms(element.body)
            case Comparison():
                continue


def _unify(head: Atom, pattern: Pattern) -> dict[str, Value] | None:
    bound: dict[str, Value] = {}
    for term, value in zip(head.arguments, pattern, strict=True):
        if value is None:
            continue
        match term:
            case Variable(name):
                if key(bound.setdefault(name, value)) != key(value):
                    return None
            case Constant(constant):
                if key(constant) != key(value):
                    return None
            case Structure():
                continue  # its variables stay open: more rows than needed, never fewer
    return bound


def _instance(term: Term, bound: Mapping[str, Value]) -> Value | None:
    match term:
        case Variable(name):
            return bound.get(name)
        case Constant(value):
            return value
        case Structure():
            return None


def _identity(signature: Signature, pattern: Pattern) -> tuple[object, ...]:
    return signature, tuple(None if value is None else key(value) for value in pattern)


# -- what has to come out, and how far rules got ----------------------------------------------------------------


def _needed(completion: Completion, goal: int, true: frozenset[str], timeout: float) -> tuple[str, ...]:
    """The outcomes that the goal needs, with the facts as they are in the model."""
    instances, script = completion.instances, Script()
    again = Completion(instances, script)
    again.define([goal])
    script.assert_(negation(again.atom(goal)))
    for number in instances.open:
        if number in again.atom_symbol:
            symbol = again.atom_symbol[number]
            script.assert_(symbol if symbol in true else negation(symbol))
    texts = _outcome_texts(instances)
    assumptions: dict[str, str] = {}
    for (choice, index), symbol in again.outcome_symbol.items():
        literal = symbol if symbol in true else negation(symbol)
        if instances.choices[choice].state[index] is None:
            text = texts.get((choice, index), symbol)
            assumptions[literal] = text if symbol in true else f"not {text}"
    core = smallest_core(Session(script, timeout), list(assumptions))
    return tuple(assumptions[member] for member in core.members)


def _outcome_texts(instances: Instances) -> dict[tuple[int, int], str]:
    return {
        (instance.choice, index): str(instances.atoms[head])
        for instance in instances.rules
        if instance.choice is not None
        for index, head in enumerate(instance.heads)
    }


def _attempts(program: CoreProgram, atom: Atom, world: Instances) -> Iterator[Attempt]:
    """For each rule whose head fits, the values with which most of its body could hold."""
    rows: dict[Signature, list[Atom]] = {}
    for possible in world.atoms:
        rows.setdefault(possible.signature, []).append(possible)
    values = tuple(a.value for a in atom.arguments if isinstance(a, Constant))
    for rule in program.rules:
        for head in rule.heads:
            bound = _unify(head, values) if head.signature == atom.signature else None
            if bound is not None:
                met, unmet = _best_attempt(rule, bound, rows, world)
                place = rule.span.place if rule.span else ""
                text = " ".join(rule.span.text.split()) if rule.span else str(head)
                yield Attempt(place, text, tuple(met), tuple(unmet))


def _best_attempt(
    rule: Rule, bound: dict[str, Value], rows: Mapping[Signature, Sequence[Atom]], world: Instances
) -> tuple[list[str], list[str]]:
    literals = [part for part in rule.body if isinstance(part, Literal)]
    literals.sort(key=lambda literal: literal.negated)  # positive ones bind what negated ones need
    best: tuple[int, list[str], list[str]] = (-1, [], [])
    tries = 0

    def search(index: int, env: dict[str, Value], met: list[Literal], unmet: list[Literal]) -> None:
        nonlocal best, tries
        tries += 1
        if tries > MAX_TRIES or len(literals) - len(unmet) <= best[0]:
            return
        if index == len(literals):
            best = (len(met), [_text(one, env) for one in met], [_text(one, env) for one in unmet])
            return
        literal = literals[index]
        if literal.negated:
            terms = [_instance(a, env) for a in literal.atom.arguments]
            known = [value for value in terms if value is not None]
            found = world.find(ground_atom(literal.atom.predicate, tuple(known))) if len(known) == len(terms) else None
            if found is None or found not in world.given:
                search(index + 1, env, [*met, literal], unmet)
        else:
            for row in rows.get(literal.atom.signature, ()):
                extended = _match(literal.atom, row, env)
                if extended is not None:
                    search(index + 1, extended, [*met, literal], unmet)
        search(index + 1, env, met, [*unmet, literal])

    search(0, bound, [], [])
    return best[1], best[2]


def _match(pattern: Atom, row: Atom, env: dict[str, Value]) -> dict[str, Value] | None:
    extended = dict(env)
    for term, argument in zip(pattern.arguments, row.arguments, strict=True):
        assert isinstance(argument, Constant)
        match term:
            case Variable(name):
                if key(extended.setdefault(name, argument.value)) != key(argument.value):
                    return None
            case Constant(value):
                if key(value) != key(argument.value):
                    return None
            case Structure():
                return None
    return extended


def _text(literal: Literal, env: Mapping[str, Value]) -> str:
    terms: list[Term] = [
        Constant(env[a.name]) if isinstance(a, Variable) and a.name in env else a for a in literal.atom.arguments
    ]
    shown = Atom(literal.atom.predicate, tuple(_unnamed(term) for term in terms))
    return f"not {shown}" if literal.negated else str(shown)


def _unnamed(term: Term) -> Term:
    return Variable("_") if isinstance(term, Variable) and term.name.startswith("_") else term
