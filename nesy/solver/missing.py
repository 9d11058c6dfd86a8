"""Why an answer did not come out: the rules that could have given it, and the fewest facts that would.

Abduction by MaxSMT: every row that a base predicate (an input, or one with facts only, certain or not) could have over
the values at hand may be added, every fact may be taken out, and as few as possible of both are wanted, so that some
world has the answer and meets the hard constraints and the evidence. Rows that nothing of this could use are left out
beforehand.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from nesy.language.core import Aggregate, Atom, Constant, CoreProgram, Literal, Rule, Signature
from nesy.language.functions import FunctionError
from nesy.language.values import key
from nesy.reasoning.readings.findings import WhyNot
from nesy.solver.attempts import attempts
from nesy.solver.candidates import body_atoms, candidates
from nesy.solver.completion import Completion
from nesy.solver.constraints import Demand, demand
from nesy.solver.cores import smallest_core
from nesy.solver.domains import column_sorts
from nesy.solver.engine import DEFAULT_TIMEOUT, Session, minimise
from nesy.solver.instances import Fact, Instances, Rows, body_signatures, depends_on, facts_of, instantiate
from nesy.solver.matching import TooLargeError
from nesy.solver.script import Script, conjunction, negation

_CHANGE = 1_000  # the cost of a change; one unit more with a value that occurs nowhere, so that is a last resort


def why_not(program: CoreProgram, atom: Atom, facts: Rows | None = None, timeout: float = DEFAULT_TIMEOUT) -> WhyNot:
    """Why a ground atom holds in no world, and the fewest facts to add or take out so that it can.

    Choices are left open: `chosen` are the outcomes that have to come out then. Facts range over the values at hand and
    one new one for each column; where an aggregate counts them, over as many as its rule's numbers ask for, at most 8.
    `never`: no such facts would do.
    """
    start = time.perf_counter()
    hard = [rule for rule in program.constraints if rule.choice is None]
    bodies = (signature for rule in hard for signature in body_signatures(rule.body))
    relevant = depends_on(program, [atom.signature, *(one.atom.signature for one in program.evidence), *bodies])
    found = WhyNot("unknown", str(atom))
    try:
        given = list(facts_of(program, facts or {}, relevant))
        world = instantiate(program, given, relevant=relevant, timeout=timeout)
        found = replace(found, attempts=tuple(attempts(program, atom, world)))
        instances = _possible(program, atom, hard, given, relevant, timeout)
    except (TooLargeError, FunctionError) as error:
        return replace(found, seconds=time.perf_counter() - start, reason=str(error))
    goal = instances.find(atom)
    if goal is None:
        reason = "no facts over these values would do" if found.attempts else "no rule derives it, whatever the facts"
        return replace(found, verdict="never", seconds=time.perf_counter() - start, reason=reason)
    task = _Task(program, atom, instances, goal, hard, given)
    found = task.solve(found, max(0.001, timeout - (time.perf_counter() - start)))
    return replace(found, seconds=time.perf_counter() - start)


@dataclass(frozen=True)
class _Task:
    """What is asked: that a goal among instances holds in a world that meets what the program demands."""

    program: CoreProgram
    atom: Atom
    instances: Instances
    goal: int
    constraints: Sequence[Rule]
    given: Sequence[Fact]

    def solve(self, found: WhyNot, timeout: float) -> WhyNot:
        """Add the fewest changes, or that there are none, to what has been found."""
        completion, demands = self._write()
        script = completion.script
        for symbol in (completion.atom(self.goal), *demands):
            script.assert_(symbol)
        held = self._held()
        named = self._named()
        for number, symbol in self._facts(completion):
            if number in held:
                script.prefer(symbol, _CHANGE)
            else:
                arguments = self.instances.atoms[number].arguments
                is_named = all(not isinstance(a, Constant) or key(a.value) in named for a in arguments)
                script.prefer(negation(symbol), _CHANGE if is_named else _CHANGE + 1)
        outcome = minimise(script, timeout)
        found = replace(found, excluded_by=self._excluding(held, timeout))
        match outcome.verdict:
            case "unknown":
                return replace(found, reason=outcome.reason)
            case "unsat":
                return replace(found, verdict="never", reason="no facts over these values would do")
        changed = [n for n, symbol in self._facts(completion) if (symbol in outcome.true) != (n in held)]
        return replace(
            found,
            verdict="found",
            missing=tuple(str(self.instances.atoms[n]) for n in changed if n not in held),
            in_the_way=tuple(str(self.instances.atoms[n]) for n in changed if n in held),
            chosen=self._needed(outcome.true, timeout),
        )

    def _write(self) -> tuple[Completion, dict[str, Demand]]:
        """The goal and all demands as formulas of a new script; nothing is asserted of them."""
        completion = Completion(self.instances, Script())
        completion.define([self.goal])
        return completion, demand(completion, self.constraints, self.program.evidence)

    def _facts(self, completion: Completion) -> list[tuple[int, str]]:
        """The atoms that are free to hold or not, and their symbols."""
        symbols = completion.atom_symbol
        return [(number, symbols[number]) for number in sorted(self.instances.open) if number in symbols]

    def _held(self) -> set[int]:
        """Which of the free atoms are facts now."""
        now = {(signature, tuple(map(key, row))) for signature, row in self.given}
        return {
            number
            for number in self.instances.open
            for fact in [self.instances.atoms[number]]
            if (fact.signature, tuple(key(a.value) for a in fact.arguments if isinstance(a, Constant))) in now
        }

    def _named(self) -> set[tuple[type, object]]:
        """The values that the facts, the question and the rules name."""
        values = {key(value) for _, row in self.given for value in row}
        values |= {key(a.value) for a in self.atom.arguments if isinstance(a, Constant)}
        return values | {key(value) for sort in column_sorts(self.program).values() for value in sort.constants}

    def _excluding(self, held: Collection[int], timeout: float) -> tuple[str, ...]:
        """A smallest set of constraints and evidence that excludes the goal, where the rules give it from the facts."""
        completion, demands = self._write()
        completion.script.assert_(completion.atom(self.goal))
        for number, symbol in self._facts(completion):
            completion.script.assert_(symbol if number in held else negation(symbol))
        core = smallest_core(Session(completion.script, timeout), list(demands))
        return tuple(str(demands[member]) for member in core.members)

    def _needed(self, true: frozenset[str], timeout: float) -> tuple[str, ...]:
        """The outcomes that the goal and the demands need, with the facts as they are in the model."""
        completion, demands = self._write()
        script = completion.script
        script.assert_(negation(conjunction([completion.atom(self.goal), *demands])))
        for _, symbol in self._facts(completion):
            script.assert_(symbol if symbol in true else negation(symbol))
        texts = _outcome_texts(self.instances)
        assumptions: dict[str, str] = {}
        for (choice, index), symbol in completion.outcome_symbol.items():
            literal = symbol if symbol in true else negation(symbol)
            if self.instances.choices[choice].state[index] is None:
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


def _possible(
    program: CoreProgram,
    atom: Atom,
    constraints: Sequence[Rule],
    given: Sequence[Fact],
    relevant: set[Signature],
    timeout: float,
) -> Instances:
    """All rule instances over the facts that there are and those that could be of use, each free to hold or not."""
    base = _base_predicates(program, relevant)
    goals = [atom, *(observed.atom for observed in program.evidence), *_denied(program, constraints)]
    rows = candidates(program, goals, base, given)
    fixed = [fact for fact in given if fact[0] not in base]
    return instantiate(
        program, fixed, free=rows, relevant=relevant, constraints=constraints, strict=False, timeout=timeout
    )


def _base_predicates(program: CoreProgram, relevant: Iterable[Signature]) -> set[Signature]:
    derived = {head.signature for rule in program.rules if rule.body for head in rule.heads}
    inputs = {predicate.signature for predicate in program.inputs}
    return {s for s in relevant if s in inputs or s not in derived}


def _denied(program: CoreProgram, constraints: Iterable[Rule]) -> Iterator[Atom]:
    """The atoms of constraints that one more fact could satisfy: no fact helps where nothing is negated or counted."""
    for constraint in constraints:
        below = depends_on(program, body_signatures(constraint.body))
        rules = [rule for rule in program.rules if any(head.signature in below for head in rule.heads)]
        if any(
            isinstance(part, Aggregate) or (isinstance(part, Literal) and part.negated)
            for rule in (constraint, *rules)
            for part in rule.body
        ):
            yield from body_atoms(constraint.body)
