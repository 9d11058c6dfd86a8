"""Properties of rules over all small databases: proved, or refuted by the smallest counterexample.

Every predicate that no rule concludes is data: over databases with at most `size` values besides those that the
program names, each of its rows may be there or not. Where the program declares inputs, only these are data, and
its own facts stand. Choices are open and hard constraints hold. Z3 looks for the database with fewest rows that
breaks the property; that there is none is a proof for every database of that size.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal as OneOf

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
    format_term,
    term_variables,
)
from nesy.language.functions import FunctionError
from nesy.language.values import key
from nesy.solver.completion import Completion
from nesy.solver.domains import databases
from nesy.solver.engine import DEFAULT_TIMEOUT, minimise
from nesy.solver.instances import Instance, Instances, body_signatures, depends_on, facts_of, instantiate
from nesy.solver.matching import TooLargeError, may_bind
from nesy.solver.script import Script, disjunction, negation


@dataclass(frozen=True)
class Property:
    """`holds` over all databases of the size, or `broken` by the smallest one, or `unknown`.

    `database` are the counterexample's rows, `chosen` the outcomes that come out in it, `fired` the rules that
    give the atoms in question there: place and conclusion.
    """

    verdict: OneOf["holds", "broken", "unknown"]
    claim: str
    size: int
    seconds: float
    database: tuple[str, ...] = ()
    chosen: tuple[str, ...] = ()
    fired: tuple[str, ...] = ()
    reason: str = ""
    notes: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        return self.verdict == "holds"

    def __str__(self) -> str:
        plural = "s" if self.size != 1 else ""
        match self.verdict:
            case "holds":
                return f"{self.claim}: holds over all databases of at most {self.size} value{plural}"
            case "unknown":
                return f"{self.claim}: unknown: {self.reason}"
            case "broken":
                facts = " ".join(f"{row}." for row in self.database) or "the empty database"
                lines = [f"{self.claim}: broken by {facts}"]
                lines += [f"  chosen: {', '.join(self.chosen)}"] if self.chosen else []
                return "\n".join([*lines, *(f"  {fired}" for fired in self.fired)])


def never(
    program: CoreProgram, condition: Atom | Sequence[BodyLiteral], size: int, timeout: float = DEFAULT_TIMEOUT
) -> Property:
    """No values make the condition hold: an atom, or the body of a rule."""
    body = (Literal(condition),) if isinstance(condition, Atom) else tuple(condition)
    return _verify_condition(program, f"never {_text(body)}", body, size, timeout)


def always(
    program: CoreProgram,
    atom: Atom,
    size: int,
    timeout: float = DEFAULT_TIMEOUT,
    *,
    when: Sequence[BodyLiteral] = (),
) -> Property:
    """The atom holds, for all values with which the condition `when` does.

    Raises: ValueError for variables of the atom that `when` does not bind: they range over nothing.
    """
    bound = {name for part in when for name in may_bind(part)}
    loose = [name for name in dict.fromkeys(term_variables(atom.arguments)) if name not in bound]
    if loose:
        raise ValueError(
            f"`always {atom}`: over which values? Say what {' and '.join(loose)} may be: "
            f"`{atom} :- ...`, with a condition that holds for them"
        )
    claim = f"always {atom}" + (f" :- {_text(when)}" if when else "")
    return _verify_condition(program, claim, (*when, Literal(atom, negated=True)), size, timeout)


def equivalent(
    program: CoreProgram, first: Signature, second: Signature, size: int, timeout: float = DEFAULT_TIMEOUT
) -> Property:
    """Two predicates always hold of the same rows.

    Raises: ValueError where they have different numbers of columns.
    """
    if first.arity != second.arity:
        raise ValueError(f"{first} and {second} have different numbers of columns")

    def differ(world: _World) -> str:
        rows: dict[tuple[object, ...], dict[Signature, int]] = {}
        for number, atom in enumerate(world.instances.atoms):
            if atom.signature in (first, second):
                values = tuple(key(a.value) for a in atom.arguments if isinstance(a, Constant))
                rows.setdefault(values, {})[atom.signature] = number
        return disjunction(
            f"(not (= {world.atom_or_false(pair.get(first))} {world.atom_or_false(pair.get(second))}))"
            for pair in rows.values()
        )

    return _verify(program, f"{first} and {second} are equivalent", [first, second], size, timeout, differ)


@dataclass(frozen=True)
class _World:
    instances: Instances
    completion: Completion

    def atom(self, number: int) -> str:
        self.completion.define([number])
        return self.completion.atom(number)

    def atom_or_false(self, number: int | None) -> str:
        return "false" if number is None else self.atom(number)


def _text(body: Sequence[BodyLiteral]) -> str:
    """A condition as it was written where its places are known, else in the language's syntax."""
    spans = [part.span for part in body if part.span is not None]
    if len(spans) == len(body) > 1 and len({span.source for span in spans}) == 1:
        return spans[0].source.text[min(span.start for span in spans) : max(span.end for span in spans)]
    return ", ".join(map(_part_text, body))


def _part_text(part: BodyLiteral) -> str:
    match part:
        case Literal(atom, negated):
            return f"not {atom}" if negated else str(atom)
        case Comparison(operator, left, right):
            return f"{format_term(left)} {operator} {format_term(right)}"
        case Aggregate(function, result):
            return f"{result.name} = #{function}{{...}}"


def _verify_condition(
    program: CoreProgram, claim: str, body: tuple[BodyLiteral, ...], size: int, timeout: float
) -> Property:
    """That no instance of the body holds."""
    rule = Rule(-1, (Atom(":- claim", ()),), body)

    def violated(world: _World) -> str:
        return disjunction(world.completion.fires(i) for i in world.instances.constraints if i.rule is rule)

    return _verify(program, claim, [*body_signatures(body)], size, timeout, violated, rule)


def _verify(
    program: CoreProgram,
    claim: str,
    goals: Sequence[Signature],
    size: int,
    timeout: float,
    broken: Callable[[_World], str],
    claimed: Rule | None = None,
) -> Property:
    start = time.perf_counter()
    hard = [rule for rule in program.constraints if rule.choice is None]
    rules = hard if claimed is None else [*hard, claimed]
    try:
        data = _data(program)
        # The claim's constants are values that rows may hold.
        claimed_of = program if claimed is None else replace(program, constraints=(*program.constraints, claimed))
        free = databases(claimed_of, sorted(data), size)
        given = facts_of(program, {}, program.predicates.keys() - data)
        instances = instantiate(program, given, free=free, constraints=rules, strict=False, timeout=timeout)
    except (TooLargeError, FunctionError) as error:
        return Property("unknown", claim, size, time.perf_counter() - start, reason=str(error))
    script = Script()
    completion = Completion(instances, script)
    formula = broken(_World(instances, completion))
    for instance in instances.constraints:
        if instance.rule is not claimed:
            script.assert_(negation(completion.fires(instance)))
    script.assert_(formula)
    rows = {number: completion.atom_symbol[number] for number in sorted(instances.open & set(completion.atom_symbol))}
    for symbol in rows.values():
        script.prefer(negation(symbol), 1)
    outcome = minimise(script, max(0.001, timeout - (time.perf_counter() - start)))
    notes = tuple(dict.fromkeys(instances.undefined))
    seconds = time.perf_counter() - start
    match outcome.verdict:
        case "unsat":
            return Property("holds", claim, size, seconds, notes=notes)
        case "unknown":
            return Property("unknown", claim, size, seconds, reason=outcome.reason, notes=notes)
        case "sat":
            database = tuple(str(instances.atoms[n]) for n, symbol in rows.items() if symbol in outcome.true)
            chosen, fired = _story(instances, completion, outcome.true, depends_on(program, goals))
            return Property("broken", claim, size, seconds, database, chosen, fired, notes=notes)


def _data(program: CoreProgram) -> set[Signature]:
    inputs = {predicate.signature for predicate in program.inputs}
    if inputs:
        return inputs
    concluded = {head.signature for rule in program.rules for head in rule.heads}
    return {s for s in program.predicates if s not in concluded and " " not in s.name and not s.name.startswith(":-")}


def _story(
    instances: Instances, completion: Completion, true: frozenset[str], relevant: set[Signature]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The outcomes that came out, and the rules that fired, in a world."""
    chosen: dict[str, None] = {}
    fired: dict[str, None] = {}
    for instance in instances.rules:
        if not _holds(instance, completion, true):
            continue
        for index, head in enumerate(instance.heads):
            atom = instances.atoms[head]
            if instance.choice is not None:
                if completion.outcome_symbol.get((instance.choice, index), "") not in true:
                    continue
                chosen[str(atom)] = None
            if atom.signature in relevant and completion.atom_symbol.get(head, "") in true:
                place = instance.rule.span.place if instance.rule.span else "rule"
                fired[f"{place}: {atom}"] = None
    return tuple(chosen), tuple(fired)


def _holds(instance: Instance, completion: Completion, true: frozenset[str]) -> bool:
    symbols: Mapping[int, str] = completion.atom_symbol
    literals = all((symbols.get(literal >> 1, "") in true) != bool(literal & 1) for literal in instance.body)
    values = (completion.value_symbols.get(group, [""] * (index + 1))[index] for group, index in instance.aggregates)
    return literals and all(value in true for value in values)
