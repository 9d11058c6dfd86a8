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

from nesy.language.core import Atom, Constant, CoreProgram, Rule, Signature
from nesy.language.functions import FunctionError
from nesy.language.values import Value, key
from nesy.solver.completion import Completion
from nesy.solver.domains import MAX_ROWS, Sort, column_sorts
from nesy.solver.engine import DEFAULT_TIMEOUT, Outcome, Session
from nesy.solver.instances import Fact, Instances, Rows, body_signatures, facts_of, instantiate
from nesy.solver.matching import TooLargeError
from nesy.solver.script import Script, negation


@dataclass(frozen=True)
class Entailment:
    """Whether a query follows. `holding` and `failing` are atoms of an example world each, where there is one.

    `impossible`: no world satisfies rules, facts and constraints, so everything would follow.
    """

    verdict: OneOf["true", "false", "unknown", "impossible", "undecided"]
    query: str
    seconds: float
    holding: tuple[str, ...] = ()
    failing: tuple[str, ...] = ()
    reason: str = ""  # why it is undecided: time, or size
    smt2: str = ""  # of the proof, for another solver: unsatisfiable where the verdict is true or false


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
    start = time.perf_counter()
    query = str(atom)
    opened = with_opposites(program, open_predicates)
    hard = [rule for rule in program.constraints if rule.choice is None]
    try:
        instances, goal = _instantiate(program, atom, facts or {}, opened, hard, timeout)
    except (TooLargeError, FunctionError) as error:
        return Entailment("undecided", query, time.perf_counter() - start, reason=str(error))
    script = Script()
    completion = Completion(instances, script)
    completion.define([goal, *sorted(instances.open)])
    for instance in instances.constraints:
        script.assert_(negation(completion.fires(instance)))
    _oppose(instances, completion, opened)
    wanted = completion.atom(goal)
    left = max(0.001, timeout - (time.perf_counter() - start))
    session = Session(script, left)
    without, with_it = session.check([negation(wanted)]), session.check([wanted])
    seconds = time.perf_counter() - start
    verdict, reason = _verdict(without, with_it)
    if verdict in ("true", "false"):
        script.assert_(negation(wanted) if verdict == "true" else wanted)
    worlds = [
        tuple(sorted(str(instances.atoms[a]) for a, s in completion.atom_symbol.items() if s in outcome.true))
        for outcome in (with_it, without)
    ]
    return Entailment(verdict, query, seconds, worlds[0], worlds[1], reason, script.standalone())


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
    atom: Atom,
    facts: Rows,
    opened: Collection[Signature],
    hard: Sequence[Rule],
    timeout: float,
) -> tuple[Instances, int]:
    given = list(facts_of(program, facts))
    goal: Fact = (atom.signature, tuple(a.value for a in atom.arguments if isinstance(a, Constant)))
    relevant = _connected(program, atom.signature, hard)
    sorts = column_sorts(program, [*given, goal])
    free: list[Fact] = []
    for signature in sorted(opened):
        columns: list[Sequence[Value]] = [
            sorts.get((signature, c), Sort((), False)).constants for c in range(signature.arity)
        ]
        if prod(map(len, columns)) > MAX_ROWS:
            raise TooLargeError(f"`{signature}` could have more than {MAX_ROWS} rows")
        if signature in relevant:
            free.extend((signature, row) for row in product(*columns))
    if atom.signature in opened:
        free.append(goal)
    used = [rule for rule in hard if any(s in relevant for s in body_signatures(rule.body))]
    instances = instantiate(program, given, relevant=relevant, free=free, constraints=used, timeout=timeout)
    found = instances.find(atom)
    if found is None:  # closed, and no rule could derive it
        instances.atoms.append(atom)
        found = len(instances.atoms) - 1
    return instances, found


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


def _oppose(instances: Instances, completion: Completion, opened: Collection[Signature]) -> None:
    """Just one of p and -p holds, for each row of an open predicate."""
    for number, atom in enumerate(instances.atoms):
        name, arity = atom.signature
        if name.startswith("-") and Signature(name, arity) in opened:
            positive = instances.numbers.get(
                (Signature(name[1:], arity), tuple(key(a.value) for a in atom.arguments if isinstance(a, Constant)))
            )
            if positive is not None:
                completion.define([number, positive])
                completion.script.assert_(f"(= {completion.atom(number)} {negation(completion.atom(positive))})")
