"""Reasoning shortcuts: other meanings of a neural predicate's values that give the same answers.

Training through rules sees answers only. If some exchange of the values of a neural predicate (of 0 and 1, say)
leaves the answers of every labelling as they are, an encoder can learn the exchanged values and be right every time.
Z3 looks for such an exchange over small inputs: it is found there, and larger inputs may tell the values apart.

Source: Marconato, Teso, Vergari, Passerini, "Not all neuro-symbolic concepts are created equal", NeurIPS 2023.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

from nesy.diagnostics import Diagnostic
from nesy.errors import NesyError
from nesy.language.catalogue import report
from nesy.language.core import (
    Atom,
    Component,
    CoreProgram,
    Neural,
    Predicate,
    Query,
    Rule,
    Signature,
    ground_atom,
)
from nesy.language.values import Value, format_value
from nesy.reasoning import Limits, ground
from nesy.solver.domains import Sort, column_sorts, sort_values
from nesy.solver.engine import solve
from nesy.solver.instances import depends_on
from nesy.solver.script import Script, at_most_one, conjunction, disjunction

# Rows of an input that are tried, and labellings of one input.
_MAX_ROWS, _MAX_LABELLINGS, _MAX_RULES = 3, 300, 500
_BROKEN = Signature("broken", 0)  # no program can ask for it: the query is made here


@dataclass(frozen=True)
class _Slot:
    """One ground key of a neural predicate: what is labelled."""

    neural: Neural
    key: tuple[Value, ...]

    @property
    def values(self) -> tuple[Value | None, ...]:
        """What it can be; of a yes/no predicate, 1 and None."""
        return (1, None) if self.neural.values is None else self.neural.values

    def row(self, value: Value | None) -> tuple[Value, ...] | None:
        if self.neural.values is None:
            return None if value is None else self.key
        assert value is not None
        return (*self.key, value)

    def text(self, value: Value | None) -> str:
        row = self.row(value)
        shown = str(ground_atom(self.neural.name, self.key if row is None else row))
        return f"not {shown}" if row is None else shown


_Labelling = tuple[Value | None, ...]
Exchange = Mapping[tuple[str, Value | None], Value | None]


@dataclass(frozen=True)
class _Case:
    """One small input: its slots, and the answers of each labelling that no constraint forbids."""

    slots: tuple[_Slot, ...]
    answers: Mapping[_Labelling, frozenset[str]]


def check_shortcuts(program: CoreProgram, seconds: float = 2.0) -> Iterator[Diagnostic]:
    """A warning where values of neural predicates can be exchanged without changing any answer."""
    relevant, cases, exchange = _found(program, seconds)
    if not exchange:
        return
    for neural in relevant:
        changed = [(v, w) for (name, v), w in exchange.items() if name == neural.name and v != w]
        example = _example(neural, exchange, cases) if changed else None
        if example is None or neural.span is None:
            continue
        case, before, after = example
        told = ", ".join(f"{_show(v)} as {_show(w)}" for v, w in changed)
        answers = ", ".join(f"`{answer}`" for answer in sorted(case.answers[before])) or "no answer"
        one, other = (
            ", ".join(slot.text(value) for slot, value in zip(case.slots, labels, strict=True))
            for labels in (before, after)
        )
        yield report("N805", neural.span, name=neural.name, exchange=told, one=one, other=other, answers=answers)


def find_exchange(program: CoreProgram, seconds: float = 2.0) -> Exchange:
    """For each (neural predicate, value) the value that can be learned in its place; empty where none was found.

    Of a yes/no predicate the values are 1 and None.
    """
    return _found(program, seconds)[2]


def _found(program: CoreProgram, seconds: float) -> tuple[list[Neural], list[_Case], Exchange]:
    """The predicates that matter for answers, the small inputs that were tried, and an exchange if there is one."""
    if not program.neural or not program.queries or len(program.rules) > _MAX_RULES:
        return [], [], {}
    deadline = time.monotonic() + seconds
    try:
        cases = list(_cases(program, deadline))
    except NesyError:  # too large, or an arithmetic error of some small input: nothing is proved
        return [], [], {}
    relevant = [neural for neural in program.neural.values() if any(_matters(neural, case) for case in cases)]
    if not relevant:
        return [], cases, {}
    return relevant, cases, _exchange(relevant, cases, max(0.1, deadline - time.monotonic())) or {}


def _show(value: Value | None) -> str:
    return "no" if value is None else format_value(value)


# -- the answers of all labellings of small inputs ----------------------------------------------------------


def _cases(program: CoreProgram, deadline: float) -> Iterator[_Case]:
    neural_rules = [rule for rule in program.rules if rule.choice is not None and rule.choice.neural is not None]
    asked = _asking(neural_rules)
    random = {head.signature for rule in program.rules if rule.choice is not None for head in rule.heads}
    if depends_on(program, [rule.heads[0].signature for rule in neural_rules]) & random - {
        head.signature for rule in neural_rules for head in rule.heads
    }:
        return  # what is labelled depends on chance
    certain = [rule for rule in program.rules if rule.choice is None]
    keys = _made(program, [*certain, *asked.values()], [Query(rule.heads[0]) for rule in asked.values()], ())
    inputs = {predicate.signature for predicate in program.inputs}
    # Chance that is not an encoder's is settled twice: everything possible happens, or nothing does.
    possible = [replace(rule, choice=None) for rule in program.rules if _is_single(rule)]
    broken = [replace(rule, heads=(Atom(*_BROKEN[:1], ()),)) for rule in program.constraints if rule.choice is None]
    queries = [*program.queries, *([Query(Atom(_BROKEN.name, ()))] if broken else [])]
    settled = [[*certain, *possible, *broken]] + ([[*certain, *broken]] if possible else [])
    neural = tuple(head.signature for rule in neural_rules for head in rule.heads[:1])
    for count in range(1, _MAX_ROWS + 1):
        rows = {signature: _rows(program, signature, count) for signature in inputs}
        graph = ground(keys, (rows,), limits=_limits(deadline))
        slots: list[_Slot] = []
        for answer in graph.query:
            if answer.literal is not None:
                values = tuple(argument.value for argument in answer.atom.arguments)  # type: ignore[union-attr]
                slots.append(_Slot(program.neural[answer.atom.predicate.removeprefix("asked ")], values))
        slots = list(dict.fromkeys(slots))
        total = 1
        for slot in slots:
            total *= len(slot.values)
        if not slots or total > _MAX_LABELLINGS:
            continue
        labellings = list(product(*(slot.values for slot in slots)))
        samples = [_labelled(rows, slots, labelling) for labelling in labellings]
        for rules in settled:
            run = _made(program, rules, queries, neural)
            found: list[set[str]] = [set() for _ in labellings]
            for answer in ground(run, samples, limits=_limits(deadline)).query:
                if answer.literal is not None:
                    for number in range(len(labellings)) if answer.sample < 0 else (answer.sample,):
                        found[number].add(str(answer.atom))
            answers = {
                labelling: frozenset(texts)
                for labelling, texts in zip(labellings, found, strict=True)
                if _BROKEN.name not in texts
            }
            yield _Case(tuple(slots), answers)


def _limits(deadline: float) -> Limits:
    return Limits(seconds=max(0.05, deadline - time.monotonic()), tuples=1_000_000, instances=1_000_000)


def _asking(rules: Sequence[Rule]) -> dict[str, Rule]:
    """For each neural predicate a rule that derives its keys."""
    found: dict[str, Rule] = {}
    for rule in rules:
        assert rule.choice is not None and rule.choice.neural is not None
        name = rule.choice.neural
        found[name] = replace(rule, heads=(Atom(f"asked {name}", rule.choice.key),), choice=None)
    return found


def _is_single(rule: Rule) -> bool:
    return rule.choice is not None and rule.choice.neural is None and len(rule.heads) == 1


def _made(
    program: CoreProgram, rules: Sequence[Rule], queries: Sequence[Query], neural: Sequence[Signature]
) -> CoreProgram:
    """The program with other rules; what an encoder gave comes as input."""
    predicates = dict(program.predicates)
    for signature in neural:
        predicates[signature] = Predicate(signature, None, "input")
    new = [rule.heads[0].signature for rule in rules if rule.heads[0].signature not in predicates]
    for signature in dict.fromkeys(new):
        predicates[signature] = Predicate(signature)
    components = (*program.components, *(Component((signature,), False) for signature in dict.fromkeys(new)))
    numbered = tuple(replace(rule, id=number) for number, rule in enumerate(rules))
    return replace(
        program,
        rules=numbered,
        constraints=(),
        evidence=(),
        queries=tuple(queries),
        predicates=predicates,
        components=components,
        neural={},
    )


def _rows(program: CoreProgram, signature: Signature, count: int) -> list[tuple[Value, ...]]:
    """The first rows of an input: the n-th value of each column together."""
    sorts = column_sorts(program)
    columns = [sort_values(sorts.get((signature, c), Sort((), False)), count) for c in range(signature.arity)]
    ordered = [sorted(values, key=lambda value: (not isinstance(value, int), str(value))) for values in columns]
    return [tuple(values[number] for values in ordered) for number in range(count)] if columns else [()]


def _labelled(
    rows: Mapping[Signature, list[tuple[Value, ...]]], slots: Sequence[_Slot], labelling: _Labelling
) -> dict[Signature, list[tuple[Value, ...]]]:
    sample = {signature: list(given) for signature, given in rows.items()}
    for slot, value in zip(slots, labelling, strict=True):
        row = slot.row(value)
        signature = Signature(slot.neural.name, len(slot.key) + (slot.neural.values is not None))
        sample.setdefault(signature, [])
        if row is not None:
            sample[signature].append(row)
    return sample


# -- the exchange ----------------------------------------------------------------------------------------


def _matters(neural: Neural, case: _Case) -> bool:
    """Whether another value of one of its slots can change the answers."""
    places = [index for index, slot in enumerate(case.slots) if slot.neural.name == neural.name]
    return any(_bears(case, labelling, index) for labelling in case.answers for index in places)


def _bears(case: _Case, labelling: _Labelling, index: int) -> bool:
    """Whether another value of one slot changes the answers of a labelling."""
    answers = case.answers[labelling]
    others = ((*labelling[:index], value, *labelling[index + 1 :]) for value in case.slots[index].values)
    return any(case.answers.get(other, answers) != answers for other in others)


def _exchange(
    neurals: Sequence[Neural], cases: Sequence[_Case], seconds: float
) -> dict[tuple[str, Value | None], Value | None] | None:
    """For each value the one that can be learned in its place, the fewest of them changed; None if there is none.

    A value that no answer hangs on stays as it is: the inputs were too small to say anything of it.
    """
    telling = {
        (slot.neural.name, labelling[index])
        for case in cases
        for labelling, answers in case.answers.items()
        if answers
        for index, slot in enumerate(case.slots)
        if _bears(case, labelling, index)
    }
    script = Script()
    symbols: dict[tuple[str, Value | None, Value | None], str] = {}
    kept: list[str] = []
    for neural in neurals:
        values = _Slot(neural, ()).values
        for value in values:
            for other in values:
                symbols[neural.name, value, other] = script.declare(f"{neural.name}: {_show(value)} as {_show(other)}")
            ways = [symbols[neural.name, value, other] for other in values]
            script.assert_(disjunction(ways))
            script.assert_(at_most_one(ways))
            same_value = symbols[neural.name, value, value]
            kept.append(same_value)
            if (neural.name, value) not in telling:
                script.assert_(same_value)
    names = {neural.name for neural in neurals}
    for case in cases:
        same: dict[frozenset[str], list[_Labelling]] = {}
        for labelling, answers in case.answers.items():
            same.setdefault(answers, []).append(labelling)
        for labelling, answers in case.answers.items():
            ways = [way for other in same[answers] if (way := _way(case, labelling, other, names, symbols))]
            script.assert_(disjunction(ways))
    deadline = time.monotonic() + seconds
    script.assert_(disjunction(f"(not {symbol})" for symbol in kept))
    found: dict[tuple[str, Value | None], Value | None] | None = None
    while True:  # each round keeps more values as they are, until no more can be
        outcome = solve(script, max(0.01, deadline - time.monotonic()))
        if outcome.verdict != "sat":
            return found
        found = {(name, value): other for (name, value, other), symbol in symbols.items() if symbol in outcome.true}
        fixed = [symbol for symbol in kept if symbol in outcome.true]
        script.assert_(conjunction(fixed))
        script.assert_(disjunction(symbol for symbol in kept if symbol not in outcome.true))


def _way(
    case: _Case,
    labelling: _Labelling,
    other: _Labelling,
    names: set[str],
    symbols: Mapping[tuple[str, Value | None, Value | None], str],
) -> str | None:
    """The exchanges that turn one labelling into another."""
    needed: dict[tuple[str, Value | None], Value | None] = {}
    for slot, value, changed in zip(case.slots, labelling, other, strict=True):
        name = slot.neural.name
        if name not in names:
            if value != changed:
                return None
        elif needed.setdefault((name, value), changed) != changed:
            return None
    return conjunction(symbols[name, value, changed] for (name, value), changed in needed.items())


def _example(
    neural: Neural, exchange: Mapping[tuple[str, Value | None], Value | None], cases: Sequence[_Case]
) -> tuple[_Case, _Labelling, _Labelling] | None:
    """A labelling that the exchange changes, one with an answer if there is one."""
    found: tuple[_Case, _Labelling, _Labelling] | None = None
    for case in cases:
        for labelling in case.answers:
            changed = tuple(
                exchange.get((slot.neural.name, value), value)
                for slot, value in zip(case.slots, labelling, strict=True)
            )
            mine = any(
                a != b and slot.neural.name == neural.name
                for slot, a, b in zip(case.slots, labelling, changed, strict=True)
            )
            if mine:
                if case.answers[labelling]:
                    return case, labelling, changed
                found = found or (case, labelling, changed)
    return found
