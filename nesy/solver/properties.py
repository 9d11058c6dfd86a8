"""Properties of rules over all small databases: proved, or refuted by the smallest counterexample.

Every predicate that no rule concludes is data: over databases with at most `size` values besides those that the
program names, each of its rows may be there or not. Where the program declares inputs, only these are data, and
its own facts stand. Choices are open and hard constraints hold. Z3 looks for the database with fewest rows that
breaks the property; that there is none is a proof for every database of that size.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal as OneOf

from nesy.language.core import Atom, Constant, CoreProgram, Signature, Structure, Variable
from nesy.language.functions import FunctionError
from nesy.language.values import key
from nesy.solver.completion import Completion
from nesy.solver.domains import databases
from nesy.solver.engine import DEFAULT_TIMEOUT, minimise
from nesy.solver.instances import Fact, Instance, Instances, depends_on, facts_of, instantiate
from nesy.solver.matching import TooLargeError
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


def never(program: CoreProgram, atom: Atom, size: int, timeout: float = DEFAULT_TIMEOUT) -> Property:
    """No instance of the atom ever holds."""
    return _verify(program, f"never {atom}", [atom.signature], size, timeout, lambda w: _some(w, atom))


def always(program: CoreProgram, atom: Atom, size: int, timeout: float = DEFAULT_TIMEOUT) -> Property:
    """A ground atom always holds.

    Raises: ValueError for an atom with variables: say what they range over by a rule, and ask `never`.
    """
    if any(not isinstance(argument, Constant) for argument in atom.arguments):
        raise ValueError(
            f"`always {atom}` has variables: write a rule such as `wrong :- ..., not {atom}.` and ask `never wrong`"
        )

    def absent(world: _World) -> str:
        found = world.instances.find(atom)
        return "true" if found is None else negation(world.atom(found))

    return _verify(program, f"always {atom}", [atom.signature], size, timeout, absent)


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


def _some(world: _World, pattern: Atom) -> str:
    return disjunction(world.atom(number) for number, atom in enumerate(world.instances.atoms) if _fits(pattern, atom))


def _fits(pattern: Atom, atom: Atom) -> bool:
    if pattern.signature != atom.signature:
        return False
    bound: dict[str, tuple[type, object]] = {}
    for term, argument in zip(pattern.arguments, atom.arguments, strict=True):
        assert isinstance(argument, Constant)
        value = key(argument.value)
        match term:
            case Variable(name):
                if bound.setdefault(name, value) != value:
                    return False
            case Constant(constant):
                if key(constant) != value:
                    return False
            case Structure():
                raise ValueError(f"`{pattern}` has a structure with variables inside")
    return True


def _verify(
    program: CoreProgram,
    claim: str,
    goals: Sequence[Signature],
    size: int,
    timeout: float,
    broken: Callable[[_World], str],
) -> Property:
    start = time.perf_counter()
    hard = [rule for rule in program.constraints if rule.choice is None]
    try:
        data = _data(program)
        free = databases(program, sorted(data), size)
        given: Iterable[Fact] = (fact for fact in facts_of(program, {}) if fact[0] not in data)
        instances = instantiate(program, given, free=free, constraints=hard, strict=False, timeout=timeout)
    except (TooLargeError, FunctionError) as error:
        return Property("unknown", claim, size, time.perf_counter() - start, reason=str(error))
    script = Script()
    completion = Completion(instances, script)
    formula = broken(_World(instances, completion))
    for instance in instances.constraints:
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
