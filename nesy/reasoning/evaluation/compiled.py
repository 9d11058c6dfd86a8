"""A core program made ready to run, once: ids for its constants, facts as columns, rules in normal form."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from nesy.language.core import Choice, Coded, Constant, CoreProgram, Fixed, Learnable, Rule, Signature, Term
from nesy.language.values import Value
from nesy.reasoning.evaluation.interning import Interner
from nesy.reasoning.evaluation.kernels import Index
from nesy.reasoning.evaluation.plan import Plan, make_plan
from nesy.reasoning.evaluation.rules import (
    TABLE,
    BodyAtom,
    HeadForm,
    Normalizer,
    Operand,
    RuleForm,
    body_signatures,
    variables,
)

# How far probabilities that should sum to 1 may miss it: they are written in decimal.
TOLERANCE = 1e-9
# Plans kept per program: a plan depends on the sizes of relations only by powers of four, so few are ever made.
MAX_PLANS = 4096


@dataclass(frozen=True, eq=False)
class Group:
    """Rules that are run together: those with a head among some predicates that depend on each other."""

    predicates: frozenset[Signature]
    rules: tuple[tuple[RuleForm, tuple[int, ...]], ...]  # with the heads that belong here
    is_recursive: bool


@dataclass(frozen=True, eq=False)
class CompiledProgram:
    """See the module's text. `interner` must not grow any more: evaluations add to a child of it."""

    program: CoreProgram
    interner: Interner
    facts: dict[Signature, list[Index]]
    hidden: frozenset[Signature]  # relations of the evaluation's own, which are no atoms
    sampled: frozenset[Signature]
    groups: tuple[Group, ...]
    constraints: Group
    # For predicates of which only some rows are derived: the arguments that are given, see `demand`.
    demand: dict[Signature, frozenset[int]] = field(default_factory=dict[Signature, "frozenset[int]"])
    cut_down: dict[object, CompiledProgram] = field(default_factory=dict[object, "CompiledProgram"])
    _plans: dict[object, Plan] = field(default_factory=dict[object, Plan])

    def cut(
        self,
        groups: tuple[Group, ...],
        demand: dict[Signature, frozenset[int]],
        hidden: frozenset[Signature],
        sampled: frozenset[Signature],
    ) -> CompiledProgram:
        """The same program with other rules, which use some more hidden relations."""
        return CompiledProgram(
            self.program, self.interner, self.facts, hidden, sampled, groups, self.constraints, demand
        )

    def plan(
        self,
        form: RuleForm,
        needed: frozenset[str],
        size: Callable[[BodyAtom], int],
        first: BodyAtom | None = None,
    ) -> Plan:
        """The plan of a rule's body for relations of about these sizes."""
        buckets = tuple(size(item).bit_length() >> 1 for item in form.body if isinstance(item, BodyAtom))
        # The form itself, not its id(): queries' forms come and go, and an id is given again.
        key = (form, needed, first.position if first else None, buckets)
        plan = self._plans.get(key)
        if plan is None:
            if len(self._plans) >= MAX_PLANS:
                self._plans.clear()
            plan = self._plans[key] = make_plan(form.body, frozenset(), needed, size, first)
        return plan


@lru_cache(maxsize=32)
def compile_program(program: CoreProgram) -> CompiledProgram:
    """The program ready to run; remembered for the last few programs."""
    interner = Interner()
    rows: dict[Signature, list[Sequence[Value]]] = {}
    for fact in program.facts:
        values = [argument.value for argument in fact.arguments if isinstance(argument, Constant)]
        rows.setdefault(fact.signature, []).append(values)
    facts = {signature: interner.intern_rows(r, signature.arity) for signature, r in rows.items()}
    for table in program.tables:
        columns = [_column(interner, column) for column in table.columns]
        known = facts.get(table.signature)
        facts[table.signature] = (
            columns if known is None else [np.concatenate(p) for p in zip(known, columns, strict=True)]
        )

    sampled = _sampled(program)
    normalizer = Normalizer(interner, sampled)
    hidden: set[Signature] = set()
    alone, bulks = _split(program.rules, sampled)
    forms = [normalizer.rule(rule) for rule in alone]
    for place, rules_alike in enumerate(bulks):
        form, table, columns = _bulk(rules_alike, place, interner)
        forms.append(form)
        facts[table] = columns
        hidden.add(table)
    constraint_forms = [normalizer.rule(rule) for rule in program.constraints]

    component_of = {s: i for i, component in enumerate(program.components) for s in component.predicates}
    members: list[list[tuple[RuleForm, tuple[int, ...]]]] = [[] for _ in program.components]
    for form in forms:
        by_component: dict[int, list[int]] = {}
        for outcome, head in enumerate(form.heads):
            by_component.setdefault(component_of[head.signature], []).append(outcome)
        for component, outcomes in by_component.items():
            members[component].append((form, tuple(outcomes)))
    groups = tuple(
        Group(frozenset(component.predicates), tuple(rules), component.is_recursive)
        for component, rules in zip(program.components, members, strict=True)
        if rules
    )
    constraint_heads = frozenset(head.signature for form in constraint_forms for head in form.heads)
    constraints = Group(constraint_heads, tuple((form, (0,)) for form in constraint_forms), False)
    return CompiledProgram(program, interner, facts, frozenset(hidden), sampled, groups, constraints)


def _column(interner: Interner, column: Index | Coded) -> Index:
    """The ids of a table's column; each different value is looked up once."""
    if not isinstance(column, Coded):
        return interner.intern_integers(column)
    return np.array([interner.intern(value) for value in column.values], dtype=np.int64)[column.codes]


def _split(rules: Sequence[Rule], sampled: frozenset[Signature]) -> tuple[list[Rule], list[list[Rule]]]:
    """Rules to run one by one, and probabilistic facts: those of one shape are run together, as a table."""
    alone: list[Rule] = []
    alike: dict[object, list[Rule]] = {}
    for rule in rules:
        choice = rule.choice
        simple = choice is not None and not rule.body and not choice.key and choice.neural is None
        ground = all(isinstance(term, Constant) for head in rule.heads for term in head.arguments)
        if choice is None or not simple or not ground or any(head.signature in sampled for head in rule.heads):
            alone.append(rule)
            continue
        fixed = tuple(isinstance(w, Fixed) and isinstance(w.probability, Constant) for w in choice.weights)
        plain = all(f or (isinstance(w, Learnable) and not w.index) for f, w in zip(fixed, choice.weights, strict=True))
        if not plain:
            alone.append(rule)
            continue
        shape = (tuple(head.signature for head in rule.heads), fixed, is_exhaustive(choice))
        alike.setdefault(shape, []).append(rule)
    return alone, list(alike.values())


def _bulk(rules: list[Rule], place: int, interner: Interner) -> tuple[RuleForm, Signature, list[Index]]:
    """Probabilistic facts of one shape as one rule over a table: their number, the heads' values, the probabilities."""
    first = rules[0]
    choice = first.choice
    assert choice is not None
    columns: list[list[Value]] = [list(range(len(rules)))]
    names = ["I"]
    heads: list[HeadForm] = []
    for outcome, head in enumerate(first.heads):
        terms = [f"A{outcome}_{column}" for column in range(len(head.arguments))]
        for column in range(len(terms)):
            columns.append([_constant(rule.heads[outcome].arguments[column]) for rule in rules])
        names += terms
        heads.append(HeadForm(head.signature, tuple(terms)))
    weights: list[str | None] = []
    for outcome, weight in enumerate(choice.weights):
        if isinstance(weight, Fixed):
            columns.append([_probability(rule, outcome) for rule in rules])
            weights.append(f"W{outcome}")
            names.append(f"W{outcome}")
        else:
            weights.append(None)
    signature = Signature(f"?facts {place}", len(names))
    body = (BodyAtom(TABLE, signature, tuple(names), False),)
    form = RuleForm(first, tuple(heads), body, False, ("I",), tuple(weights), bulk=tuple(rules))
    return form, signature, [interner.intern_column(column) for column in columns]


def _constant(term: Term) -> Value:
    assert isinstance(term, Constant)
    return term.value


def _probability(rule: Rule, outcome: int) -> Value:
    assert rule.choice is not None
    weight = rule.choice.weights[outcome]
    assert isinstance(weight, Fixed) and isinstance(weight.probability, Constant)
    return weight.probability.value


def is_exhaustive(choice: Choice) -> bool:
    """Whether one of the outcomes is chosen in every world: declared so, or by probabilities that sum to 1."""
    if choice.exhaustive or not choice.weights:
        return choice.exhaustive
    total = 0.0
    for weight in choice.weights:
        if not isinstance(weight, Fixed) or not isinstance(weight.probability, Constant):
            return False
        value = weight.probability.value
        total += value if isinstance(value, int | float) else 0.0
    return total >= 1 - TOLERANCE


def _sampled(program: CoreProgram) -> frozenset[Signature]:
    """The predicates that depend on `#input` facts: their rows carry the sample they belong to."""
    sampled = {signature for signature, predicate in program.predicates.items() if predicate.kind == "input"}
    rules: list[Rule] = [*program.rules, *program.constraints]
    growing = bool(sampled)
    while growing:
        growing = False
        for rule in rules:
            heads = {head.signature for head in rule.heads}
            if not heads <= sampled and any(s in sampled for s in body_signatures(rule.body)):
                sampled |= heads
                growing = True
    return frozenset(sampled)


def operand_variables(operands: Sequence[Operand | None]) -> frozenset[str]:
    return frozenset(name for operand in operands if operand is not None for name in variables(operand))
