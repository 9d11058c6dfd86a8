"""Certificates: Z3 confirms, from the rules, that the leaves of a proof entail its answer.

The derivation graph is what is being checked, so it is not used: the rules of the core program are instantiated
anew by `instances`, the leaves of the proof are the premises, and Z3 must find no world in which the premises
hold and the answer does not. Three claims are proved at once: that the answer follows; that each aggregate
involved takes one of the values that were considered; and (a second call) that the premises can hold at all, so
that nothing follows merely from a contradiction.

A proof without negation and aggregates is checked from the facts it uses. Otherwise what is absent matters, so
all facts of the predicates involved take part, and these are completed.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal as OneOf

from nesy.language.core import Aggregate, Atom, Constant, CoreProgram, Literal, Signature
from nesy.language.functions import FunctionError
from nesy.language.values import key
from nesy.reasoning.derivation import DerivationGraph
from nesy.reasoning.readings.proof import Derived, Proof
from nesy.solver.completion import Completion
from nesy.solver.engine import DEFAULT_TIMEOUT, Session
from nesy.solver.instances import (
    Fact,
    Instances,
    Outcome,
    Rows,
    depends_on,
    facts_of,
    instantiate,
    stated,
)
from nesy.solver.matching import TooLargeError
from nesy.solver.script import Script, conjunction, negation

_CERTAIN = -1  # the rule of a derivation that is a certain fact


@dataclass(frozen=True)
class Certificate:
    """The verdict on one proof, and the script that gives it.

    `failed` means that Z3 found a world in which the premises hold and the answer does not (`world` are the
    atoms that hold in it), or that the premises contradict each other: a mistake in nesy. `smt2` is `unsat` for any
    SMT-LIB 2 solver where the verdict is `checked`.
    """

    verdict: OneOf["checked", "failed", "unknown"]
    answer: str
    premises: tuple[str, ...]
    seconds: float
    num_assertions: int
    reason: str = ""
    world: tuple[str, ...] = ()
    smt2: str = ""

    @property
    def holds(self) -> bool:
        return self.verdict == "checked"

    def __str__(self) -> str:
        cost = f"{self.num_assertions} assertions, {self.seconds * 1000:.0f} ms"
        reason = f": {self.reason}" if self.reason else ""
        return f"{self.verdict} by Z3 ({cost}){reason}"


@dataclass(frozen=True)
class Claim:
    """What is to be certified: in each world with these outcomes, the answer holds (or does not)."""

    answer: Atom
    negated: bool
    outcomes: Mapping[Outcome, bool]
    used: frozenset[tuple[Signature, tuple[object, ...]]]  # the certain facts that the proof uses


def claim_of(graph: DerivationGraph, proof: Proof) -> Claim:
    """The claim that a proof makes, in terms of the program alone."""
    choices = graph.choices
    outcomes: dict[Outcome, bool] = {}
    for literal in proof.assumed:
        leaf = literal >> 1
        choice = int(choices.of_leaf[leaf])
        outcomes[int(choices.choice[choice]), choices.key[choice], int(choices.outcome[leaf])] = not literal & 1
    used = {
        _identity(graph.atom_of(step.node))
        for step in proof.steps()
        if isinstance(step, Derived) and int(graph.rule[step.derivation]) == _CERTAIN
    }
    return Claim(graph.atom_of(proof.literal >> 1), bool(proof.literal & 1), outcomes, frozenset(used))


def certify(
    graph: DerivationGraph, proof: Proof, facts: Rows | None = None, timeout: float = DEFAULT_TIMEOUT
) -> Certificate:
    """Check one proof found in a graph; `facts` are the sample's input facts, as they were given to grounding.

    Cost: milliseconds; a time limit, and `unknown`, where the answer depends on very much.
    """
    return Certifier(graph.program).certify(claim_of(graph, proof), facts or {}, timeout)


@dataclass(frozen=True, eq=False)
class Certifier:
    """Certifies many claims of one program; what depends on the program alone is worked out once."""

    program: CoreProgram

    def certify(self, claim: Claim, facts: Rows, timeout: float = DEFAULT_TIMEOUT) -> Certificate:
        """Check one claim."""
        start = time.perf_counter()
        answer = ("not " if claim.negated else "") + str(claim.answer)
        script = Script()

        def certificate(verdict: OneOf["checked", "failed", "unknown"], reason: str = "", world: Iterable[str] = ()):
            seconds = time.perf_counter() - start
            return Certificate(
                verdict, answer, premises, seconds, script.num_assertions, reason, tuple(world), script.standalone()
            )

        premises: tuple[str, ...] = ()
        if _contradiction(claim.outcomes):
            return certificate("failed", "the premises contradict each other")
        try:
            instances = self._instances(claim, facts, timeout)
        except (TooLargeError, FunctionError) as error:
            return certificate("unknown", str(error))
        completion = Completion(instances, script)
        premises = tuple(_premises(instances, claim))
        goal = _goal(completion, claim)
        symbol = script.declare("the answer does not follow")
        script.assert_(f"(= {symbol} {negation(goal)})")
        session = Session(script, timeout)
        outcome = session.check([symbol])
        if outcome.verdict == "unsat":
            consistent = session.check(with_model=False)
            script.assert_(symbol)
            match consistent.verdict:
                case "sat":
                    return certificate("checked")
                case "unsat":
                    return certificate("failed", "the premises contradict each other")
                case "unknown":
                    return certificate("unknown", consistent.reason)
        script.assert_(symbol)
        if outcome.verdict == "unknown":
            return certificate("unknown", outcome.reason)
        world = sorted(str(instances.atoms[a]) for a, s in completion.atom_symbol.items() if s in outcome.true)
        return certificate("failed", "Z3 found a world with the premises and without the answer", world)

    @cached_property
    def _facts(self) -> list[tuple[tuple[Signature, tuple[object, ...]], Fact]]:
        return [((s, tuple(map(key, row))), (s, row)) for s, row in stated(self.program)]

    def _used_rows(self, claim: Claim) -> list[Fact]:
        """The rows of tables that the proof uses, each looked up in its table."""
        tables = {table.signature: table for table in self.program.tables}
        found: list[Fact] = []
        for signature, identity in claim.used:
            row = tuple(value for _, value in identity)  # type: ignore[misc]
            if signature in tables and tables[signature].holds(row):
                found.append((signature, row))
        return found

    def _instances(self, claim: Claim, facts: Rows, timeout: float) -> Instances:
        relevant = depends_on(self.program, [claim.answer.signature])
        given: Iterable[Fact]
        if self._is_positive(relevant) and not claim.negated:
            rows = ((s, tuple(row)) for s, found in facts.items() if s in relevant for row in found)
            given = [fact for identity, fact in self._facts if identity in claim.used]
            given += self._used_rows(claim)
            given += [fact for fact in rows if (fact[0], tuple(map(key, fact[1]))) in claim.used]
        else:
            given = facts_of(self.program, facts, relevant)
        identities = {(i, tuple(map(key, k)), o): holds for (i, k, o), holds in claim.outcomes.items()}

        def known(outcome: Outcome) -> bool | None:
            choice, values, index = outcome
            return identities.get((choice, tuple(map(key, values)), index))

        return instantiate(self.program, given, known=known, relevant=relevant, timeout=timeout)

    def _is_positive(self, relevant: set[Signature]) -> bool:
        return not any(
            isinstance(part, Aggregate) or (isinstance(part, Literal) and part.negated)
            for rule in self.program.rules
            if any(head.signature in relevant for head in rule.heads)
            for part in rule.body
        )


def _goal(completion: Completion, claim: Claim) -> str:
    atom = completion.instances.find(claim.answer)
    if atom is None:
        goal = "true" if claim.negated else "false"
    else:
        goal = completion.force(2 * atom + claim.negated)
    return conjunction([goal, *completion.coverage])


def _contradiction(outcomes: Mapping[Outcome, bool]) -> bool:
    chosen: set[tuple[int, tuple[tuple[type, object], ...]]] = set()
    for (choice, values, _), holds in outcomes.items():
        identity = (choice, tuple(map(key, values)))
        if holds and identity in chosen:
            return True
        if holds:
            chosen.add(identity)
    return False


def _premises(instances: Instances, claim: Claim) -> Iterable[str]:
    heads: dict[tuple[int, tuple[tuple[type, object], ...], int], str] = {}
    for instance in instances.rules:
        if instance.choice is not None:
            choice = instances.choices[instance.choice]
            for index, head in enumerate(instance.heads):
                if head >= 0:
                    heads[choice.choice.id, tuple(map(key, choice.key)), index] = str(instances.atoms[head])
    for (choice_id, values, index), holds in sorted(claim.outcomes.items(), key=str):
        name = heads.get((choice_id, tuple(map(key, values)), index), f"choice {choice_id} outcome {index}")
        yield name if holds else f"not {name}"


def _identity(atom: Atom) -> tuple[Signature, tuple[object, ...]]:
    return atom.signature, tuple(key(a.value) for a in atom.arguments if isinstance(a, Constant))


__all__ = ["Certificate", "Certifier", "Claim", "certify", "claim_of"]
