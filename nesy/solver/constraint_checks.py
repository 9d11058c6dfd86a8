"""Checks of hard constraints by Z3: one that the rules can never violate, and a set that cannot hold together."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import replace

from nesy.diagnostics import Diagnostic, Label
from nesy.language.catalogue import report
from nesy.language.core import Comparison, CoreProgram, Literal, Rule, Signature
from nesy.language.functions import FunctionError
from nesy.solver.completion import Completion
from nesy.solver.constraints import Consistency, Demand
from nesy.solver.domains import databases
from nesy.solver.engine import minimise
from nesy.solver.instances import body_signatures, depends_on, facts_of, instantiate
from nesy.solver.matching import TooLargeError
from nesy.solver.properties import never
from nesy.solver.rule_checks import variable_names
from nesy.solver.script import Script, disjunction, negation

# Larger programs are not asked: the questions cost more than their answers are worth.
_MAX_RULES, _MAX_CONSTRAINTS = 300, 20
# Values of a database: enough for a constraint over three things that differ.
_MIN_SIZE, _MAX_SIZE = 3, 4
# Atoms of an example world that a message shows.
_MAX_SHOWN = 8


def check_constraint_set(program: CoreProgram, consistency: Consistency, seconds: float = 2.0) -> Iterator[Diagnostic]:
    """A warning for each constraint that is never violated, and for constraints that no world satisfies."""
    if consistency.verdict == "conflict":
        yield from _clash(program, consistency, seconds)
    else:
        yield from _never_violated(program, seconds)


def _never_violated(program: CoreProgram, seconds: float) -> Iterator[Diagnostic]:
    main = program.files[0].source if program.files else None
    hard = [
        rule
        for rule in program.constraints
        # A library's constraint is there for the facts of others.
        if rule.choice is None and rule.span is not None and rule.span.source is main and not _is_strong_negation(rule)
    ]
    if len(hard) > _MAX_CONSTRAINTS or len(program.rules) > _MAX_RULES:
        return
    deadline = time.monotonic() + seconds
    # Where no inputs are declared, facts are data, and probable facts are facts.
    rules = program.rules if program.inputs else tuple(rule for rule in program.rules if rule.body)
    free = replace(program, constraints=(), rules=rules)
    for rule in hard:
        left = deadline - time.monotonic()
        if left <= 0:
            return
        below = depends_on(program, body_signatures(rule.body))
        used = [rule, *(other for other in program.rules if any(head.signature in below for head in other.heads))]
        if rule.span is None or not all(_is_plain(other) for other in used):
            continue  # numbers and counts may need larger databases than can be tried
        size = min(_MAX_SIZE, max(_MIN_SIZE, len(variable_names(rule.body))))
        found = never(free, rule.body, size, left)
        if found.verdict == "holds" and not found.notes:
            yield report("N803", rule.span, size=size)


def _is_plain(rule: Rule) -> bool:
    return all(
        isinstance(part, Literal) or (isinstance(part, Comparison) and part.operator in ("=", "!="))
        for part in rule.body
    )


def _is_strong_negation(rule: Rule) -> bool:
    match rule.body:
        case (Literal(first, False), Literal(second, False)):
            return second.predicate == f"-{first.predicate}"
        case _:
            return False


# -- constraints that no world satisfies -------------------------------------------------------------------


def _clash(program: CoreProgram, consistency: Consistency, seconds: float) -> Iterator[Diagnostic]:
    demands = [demand for demand in consistency.conflict if demand.span is not None]
    if not demands:
        return
    last = demands[-1].span
    assert last is not None
    others = [Label(demand.span, "and this") for demand in demands[:-1] if demand.span is not None]
    what = "these constraints together" if others else "this constraint"
    world: list[str] | None = None
    if len(demands) > 1:
        worlds = (_example(program, consistency, size, seconds) for size in ((1, 2) if program.inputs else (1,)))
        world = next((found for found in worlds if found is not None), None)
    note = consistency.scope and f"proved {consistency.scope}"
    notes = [note] if note else []
    if world is not None:
        shown = ", ".join(world[:_MAX_SHOWN]) + (", ..." if len(world) > _MAX_SHOWN else "")
        kept = "the first holds" if len(demands) == 2 else "all others hold"
        notes.append(f"in the smallest world where {kept} and the last does not: {shown or 'nothing is true'}")
    diagnostic = report("N804", last, others=others, what=what)
    yield replace(diagnostic, notes=(*diagnostic.notes, *notes))


def _example(program: CoreProgram, consistency: Consistency, size: int, seconds: float) -> list[str] | None:
    """A smallest world, over inputs of a size, in which all demands of a conflict but the last one hold."""
    rules = [_rule_of(demand, program) for demand in consistency.conflict]
    if any(rule is None for rule in rules):
        return None
    hard = [rule for rule in rules if rule is not None]
    inputs = [predicate.signature for predicate in program.inputs]
    wanted = [signature for rule in hard for signature in body_signatures(rule.body)]
    relevant = depends_on(program, wanted) | set(wanted)
    try:
        free = databases(program, inputs, size) if inputs else []
        instances = instantiate(
            program,
            facts_of(program, {}, relevant),
            relevant=relevant,
            free=free,
            constraints=hard,
            strict=False,
            timeout=seconds,
        )
    except (TooLargeError, FunctionError):
        return None
    script = Script()
    completion = Completion(instances, script)
    for rule in hard:
        fires = [completion.fires(instance) for instance in instances.constraints if instance.rule is rule]
        if rule is hard[-1]:
            script.assert_(disjunction(fires))
        else:
            for fired in fires:
                script.assert_(negation(fired))
    _input_rows(inputs, relevant, completion, script)
    for symbol in completion.atom_symbol.values():
        script.prefer(negation(symbol), 1)
    outcome = minimise(script, seconds)
    if outcome.verdict != "sat":
        return None
    return sorted(str(instances.atoms[a]) for a, symbol in completion.atom_symbol.items() if symbol in outcome.true)


def _input_rows(inputs: Iterable[Signature], relevant: set[Signature], completion: Completion, script: Script) -> None:
    instances = completion.instances
    for signature in inputs:
        if signature in relevant:
            rows = [a for a in (*instances.open, *instances.given) if instances.atoms[a].signature == signature]
            script.assert_(disjunction(completion.atom(a) for a in sorted(rows)))


def _rule_of(demand: Demand, program: CoreProgram) -> Rule | None:
    return next(
        (rule for rule in program.constraints if demand.kind == "constraint" and rule.span == demand.span), None
    )
