"""Three-valued answers: what follows when some predicates are not closed.

A predicate is closed by default: what the rules do not derive does not hold. An *open* predicate may also hold
where no rule derives it, so a query about it is true where it holds in every world that the rules allow, false
where it holds in none, and unknown otherwise, with one world for either case. `-p` of an open `p` is its opposite:
just one of the two holds.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Literal as OneOf

from nesy.language.core import Atom, Constant, CoreProgram, Rule, Signature, Structure, Term, Variable
from nesy.language.functions import FunctionError
from nesy.language.values import Compound, Value, key
from nesy.solver.completion import Completion
from nesy.solver.domains import MAX_ROWS, Sort, column_sorts
from nesy.solver.engine import DEFAULT_TIMEOUT, Outcome, Session
from nesy.solver.inferences import Inference, infer
from nesy.solver.instances import Fact, Instances, Rows, body_signatures, facts_of, instantiate
from nesy.solver.matching import TooLargeError
from nesy.solver.script import Script, negation


@dataclass(frozen=True)
class Entailment:
    """Whether a query follows. `holding` and `failing` are atoms of an example world each, where there is one.

    `impossible`: no world satisfies the rules, facts and constraints that bear on the query, so everything would
    follow. `proof` says step by step why the query is true or false, the last step is the query; it is empty where
    only an analysis of cases shows it: then `smt2` is what there is to check.
    """

    verdict: OneOf["true", "false", "unknown", "impossible", "undecided"]
    query: str
    seconds: float
    holding: tuple[str, ...] = ()
    failing: tuple[str, ...] = ()
    reason: str = ""  # why it is undecided: time, or size
    smt2: str = ""  # of the proof, for another solver: unsatisfiable where the verdict is true or false
    proof: tuple[Inference, ...] = ()
    atom: Atom | None = None


def entails(
    program: CoreProgram,
    atom: Atom,
    facts: Rows | None = None,
    open_predicates: Collection[Signature] = (),
    timeout: float = DEFAULT_TIMEOUT,
) -> Entailment:
    """Whether a ground atom holds in all worlds, in none, or in some, by two calls of Z3.

    Hard constraints hold in every world; choices are open, too.
    """
    return entailments(program, atom, facts, open_predicates, timeout)[0]


def entailments(
    program: CoreProgram,
    pattern: Atom,
    facts: Rows | None = None,
    open_predicates: Collection[Signature] = (),
    timeout: float = DEFAULT_TIMEOUT,
) -> list[Entailment]:
    """`entails` for each ground atom that fits the pattern and could hold; the time limit is for all together.

    What cannot hold is false, and left out where the pattern has variables.
    """
    start = time.perf_counter()
    opened = with_opposites(program, open_predicates)
    hard = [rule for rule in program.constraints if rule.choice is None]
    try:
        instances, goals = _instantiate(program, pattern, facts or {}, opened, hard, timeout)
    except (TooLargeError, FunctionError) as error:
        return [Entailment("undecided", str(pattern), time.perf_counter() - start, reason=str(error), atom=pattern)]
    script = Script()
    completion = Completion(instances, script)
    completion.define([*goals, *sorted(instances.open)])
    for instance in instances.constraints:
        script.assert_(negation(completion.fires(instance)))
    opposites = _opposites(instances, opened)
    for negative, positive in opposites:
        completion.define([negative, positive])
        script.assert_(f"(= {completion.atom(negative)} {negation(completion.atom(positive))})")
    wanted = [completion.atom(goal) for goal in goals]
    session = Session(script, max(0.001, timeout - (time.perf_counter() - start)))
    found = []
    for goal, symbol in zip(goals, wanted, strict=True):
        without, with_it = session.check([negation(symbol)]), session.check([symbol])
        verdict, reason = _verdict(without, with_it)
        worlds = [
            tuple(sorted(str(instances.atoms[a]) for a, s in completion.atom_symbol.items() if s in outcome.true))
            for outcome in (with_it, without)
        ]
        smt2, proof = "", ()
        if verdict in ("true", "false"):
            smt2 = script.standalone(claim=negation(symbol) if verdict == "true" else symbol)
            proof = infer(instances, opposites, 2 * goal + (verdict == "false"))
        atom, seconds = instances.atoms[goal], time.perf_counter() - start
        found.append(Entailment(verdict, str(atom), seconds, worlds[0], worlds[1], reason, smt2, proof, atom))
    return found


def with_opposites(program: CoreProgram, predicates: Collection[Signature]) -> set[Signature]:
    """The predicates and, where the program has them, their strong negations."""
    found = set(predicates)
    for name, arity in predicates:
        opposite = Signature(name[1:] if name.startswith("-") else f"-{name}", arity)
        if opposite in program.predicates:
            found.add(opposite)
    return found


def _verdict(
    without: Outcome, with_it: Outcome
) -> tuple[OneOf["true", "false", "unknown", "impossible", "undecided"], str]:
    match without.verdict, with_it.verdict:
        case ("unsat", "unsat"):
            return "impossible", ""
        case ("unsat", "sat"):
            return "true", ""
        case ("sat", "unsat"):
            return "false", ""
        case ("sat", "sat"):
            return "unknown", ""
        case _:
            return "undecided", without.reason or with_it.reason


def _instantiate(
    program: CoreProgram,
    pattern: Atom,
    facts: Rows,
    opened: Collection[Signature],
    hard: Sequence[Rule],
    timeout: float,
) -> tuple[Instances, list[int]]:
    """The instances that bear on a pattern, and which atoms of them fit it."""
    relevant = _connected(program, pattern.signature, hard)
    given = list(facts_of(program, facts, relevant))
    is_ground = all(isinstance(argument, Constant) for argument in pattern.arguments)
    goal: list[Fact] = []
    if is_ground:
        goal = [(pattern.signature, tuple(a.value for a in pattern.arguments if isinstance(a, Constant)))]
    sorts = column_sorts(program, [*given, *goal])
    free: list[Fact] = []
    for signature in sorted(opened):
        columns: list[Sequence[Value]] = [
            sorts.get((signature, c), Sort((), False)).constants for c in range(signature.arity)
        ]
        if prod(map(len, columns)) > MAX_ROWS:
            raise TooLargeError(f"`{signature}` could have more than {MAX_ROWS} rows")
        if signature in relevant:
            free.extend((signature, row) for row in product(*columns))
    if pattern.signature in opened:
        free += goal
    used = [rule for rule in hard if any(s in relevant for s in body_signatures(rule.body))]
    instances = instantiate(program, given, relevant=relevant, free=free, constraints=used, timeout=timeout)
    if not is_ground:
        return instances, [number for number, atom in enumerate(instances.atoms) if _fits(pattern, atom)]
    found = instances.find(pattern)
    if found is None:  # closed, and no rule could derive it
        instances.atoms.append(pattern)
        found = len(instances.atoms) - 1
    return instances, [found]


def _fits(pattern: Atom, atom: Atom) -> bool:
    bound: dict[str, tuple[type, object]] = {}
    return pattern.signature == atom.signature and all(
        isinstance(argument, Constant) and _matches(term, argument.value, bound)
        for term, argument in zip(pattern.arguments, atom.arguments, strict=True)
    )


def _matches(term: Term, value: Value, bound: dict[str, tuple[type, object]]) -> bool:
    match term, value:
        case Variable(name), _:
            return bound.setdefault(name, key(value)) == key(value)
        case Constant(constant), _:
            return key(constant) == key(value)
        case Structure(functor, inner), Compound(other, arguments):
            same = functor == other and len(inner) == len(arguments)
            return same and all(_matches(t, v, bound) for t, v in zip(inner, arguments, strict=True))
        case _:
            return False


def _connected(program: CoreProgram, goal: Signature, hard: Sequence[Rule]) -> set[Signature]:
    """The predicates that could bear on the goal: through rules in both directions, and through constraints."""
    groups = [
        {*body_signatures(rule.body), *(() if rule in hard else (head.signature for head in rule.heads))}
        for rule in (*program.rules, *hard)
    ]
    seen = {goal}
    changed = True
    while changed:
        changed = False
        for group in groups:
            if group & seen and not group <= seen:
                seen |= group
                changed = True
    return seen


def _opposites(instances: Instances, opened: Collection[Signature]) -> list[tuple[int, int]]:
    """`-p` and p for each row of an open predicate: just one of the two holds."""
    pairs = []
    for number, atom in enumerate(instances.atoms):
        name, arity = atom.signature
        if name.startswith("-") and Signature(name, arity) in opened:
            row = tuple(key(a.value) for a in atom.arguments if isinstance(a, Constant))
            positive = instances.numbers.get((Signature(name[1:], arity), row))
            if positive is not None:
                pairs.append((number, positive))
    return pairs
