"""Can the hard constraints of a program hold together?

Some world must satisfy them all: choices are free, and so are input facts. Where the program has inputs, what
the data will be is not known; a world is looked for among small databases in which each input predicate has a
row. A world that is found proves that the constraints can hold; that none is found is a proof only for those
databases, and the verdict says so in `scope`.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal as OneOf

from nesy.language.core import Constant, CoreProgram, Evidence, Rule, Signature, Variable
from nesy.language.functions import FunctionError
from nesy.language.values import key
from nesy.solver.completion import Completion
from nesy.solver.cores import smallest_core
from nesy.solver.domains import constraint_text, databases
from nesy.solver.engine import DEFAULT_TIMEOUT, Session
from nesy.solver.instances import (
    Fact,
    Instances,
    body_signatures,
    depends_on,
    facts_of,
    instantiate,
)
from nesy.solver.matching import TooLargeError
from nesy.solver.script import Script, conjunction, disjunction, negation
from nesy.source import Span

MAX_DATABASE = 3  # new values per column; small databases find nearly all conflicts, large ones cost much


@dataclass(frozen=True)
class Demand:
    """Something a world has to satisfy: a hard constraint or a piece of evidence, as it was written."""

    text: str
    span: Span | None
    kind: OneOf["constraint", "evidence"] = "constraint"

    def __str__(self) -> str:
        return f"{self.span.place}: {self.text}" if self.span else self.text


@dataclass(frozen=True)
class Consistency:
    """`consistent`, or `conflict` with a smallest set of demands that no world meets, or `unknown`."""

    verdict: OneOf["consistent", "conflict", "unknown"]
    num_constraints: int
    seconds: float
    conflict: tuple[Demand, ...] = ()
    scope: str = ""  # which databases a conflict was proved for; empty: there are no inputs, so for all
    reason: str = ""
    notes: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        return self.verdict == "consistent"

    def __str__(self) -> str:
        match self.verdict:
            case "consistent":
                if self.num_constraints == 1:
                    return "the hard constraint can hold"
                return f"the {self.num_constraints} hard constraints can hold together"
            case "unknown":
                return f"whether the hard constraints can hold together is unknown: {self.reason}"
            case "conflict":
                scope = f" ({self.scope})" if self.scope else ""
                lines = [f"  {demand}" for demand in self.conflict]
                many = "these cannot hold together" if len(lines) > 1 else "this can never hold"
                return "\n".join([f"{many}{scope}:", *lines])


def check_constraints(program: CoreProgram, timeout: float = DEFAULT_TIMEOUT) -> Consistency:
    """Prove that some world satisfies all hard constraints and evidence, or name the smallest set that none does."""
    start = time.perf_counter()
    hard = [rule for rule in program.constraints if rule.choice is None]
    if not hard and not program.evidence:
        return Consistency("consistent", 0, time.perf_counter() - start)
    inputs = [predicate.signature for predicate in program.inputs]
    sizes = range(1, MAX_DATABASE + 1) if inputs else range(1)
    found: Consistency | None = None
    for size in sizes:
        left = timeout - (time.perf_counter() - start)
        scope = ""
        if inputs:
            plural = "s" if size > 1 else ""
            scope = f"over databases of {size} unnamed value{plural} per column in which every input has a row"
        consistency = _check_size(program, hard, inputs, size, True, scope, left, start)
        if consistency.verdict == "unknown" and found is None and inputs:
            # The values that the program names may be too many to combine: a world without them is a world as well.
            unnamed = _check_size(program, hard, inputs, size, False, scope, left, start)
            consistency = unnamed if unnamed.holds else consistency
        if consistency.verdict == "unknown" and found is not None:
            break  # the smaller databases have told more
        found = consistency
        if found.verdict != "conflict":
            break
    assert found is not None
    return found


def _check_size(
    program: CoreProgram,
    hard: Sequence[Rule],
    inputs: Sequence[Signature],
    size: int,
    named: bool,
    scope: str,
    timeout: float,
    start: float,
) -> Consistency:
    """The verdict over databases of so many new values in each column, with those that the program names or without."""
    try:
        free = databases(program, inputs, size, named)
        return _check(program, hard, inputs, free, scope, timeout, start)
    except (TooLargeError, FunctionError) as error:
        return Consistency("unknown", len(hard), time.perf_counter() - start, reason=str(error))


def _check(
    program: CoreProgram,
    hard: Sequence[Rule],
    inputs: Sequence[Signature],
    free: Sequence[Fact],
    scope: str,
    timeout: float,
    start: float,
) -> Consistency:
    wanted = [s for rule in hard for s in body_signatures(rule.body)] + [e.atom.signature for e in program.evidence]
    relevant = depends_on(program, wanted) | set(wanted)
    instances = instantiate(
        program,
        facts_of(program, {}, relevant),
        relevant=relevant,
        free=free,
        constraints=hard,
        strict=not inputs,
        timeout=timeout,
    )
    script = Script()
    completion = Completion(instances, script)
    demands = demand(completion, hard, program.evidence)
    for signature in inputs:
        if signature in relevant:
            rows = [a for a in (*instances.open, *instances.given) if instances.atoms[a].signature == signature]
            script.assert_(disjunction(completion.atom(a) for a in sorted(rows)))
    core = smallest_core(Session(script, timeout), list(demands))
    notes = tuple(dict.fromkeys(instances.undefined))
    seconds = time.perf_counter() - start
    match core.verdict:
        case "sat":
            return Consistency("consistent", len(hard), seconds, notes=notes)
        case "unknown":
            return Consistency("unknown", len(hard), seconds, reason=core.reason, notes=notes)
        case "unsat":
            conflict = tuple(demand for symbol, demand in demands.items() if symbol in core.members)
            return Consistency("conflict", len(hard), seconds, conflict, scope, notes=notes)


def demand(completion: Completion, constraints: Sequence[Rule], evidence: Sequence[Evidence]) -> dict[str, Demand]:
    """A symbol for each constraint and piece of evidence, which says that the world satisfies it."""
    demands: dict[str, Demand] = {}
    for rule in constraints:
        fires = [completion.fires(instance) for instance in completion.instances.constraints if instance.rule is rule]
        symbol = completion.script.declare(f"constraint {rule.id}")
        completion.script.assert_(f"(= {symbol} {conjunction(negation(f) for f in fires)})")
        demands[symbol] = Demand(constraint_text(rule), rule.span)
    for number, observed in enumerate(evidence):
        symbol = completion.script.declare(f"evidence {number}")
        completion.script.assert_(f"(= {symbol} {_observed(completion, observed)})")
        demands[symbol] = Demand(_evidence_text(observed), observed.span, "evidence")
    return demands


def _observed(completion: Completion, evidence: Evidence) -> str:
    """Evidence as a formula: each ground instance that is possible, or the atom itself, holds or does not."""
    instances: Instances = completion.instances
    if any(not isinstance(argument, Constant) for argument in evidence.atom.arguments):
        atoms = [n for n, atom in enumerate(instances.atoms) if _fits(evidence, n, instances)]
    else:
        found = instances.find(evidence.atom)
        if found is None:
            return "false" if evidence.holds else "true"
        atoms = [found]
    completion.define(atoms)
    return conjunction(completion.literal(2 * atom + (not evidence.holds)) for atom in atoms)


def _fits(evidence: Evidence, number: int, instances: Instances) -> bool:
    atom = instances.atoms[number]
    if atom.signature != evidence.atom.signature:
        return False
    bound: dict[str, tuple[type, object]] = {}
    for pattern, argument in zip(evidence.atom.arguments, atom.arguments, strict=True):
        assert isinstance(argument, Constant)
        value = key(argument.value)
        match pattern:
            case Variable(name):
                if bound.setdefault(name, value) != value:
                    return False
            case Constant(constant):
                if key(constant) != value:
                    return False
            case _:
                raise TooLargeError("evidence with a structure that holds variables")
    return True


def _evidence_text(evidence: Evidence) -> str:
    return f"evidence({evidence.atom})" if evidence.holds else f"evidence(not {evidence.atom})"
