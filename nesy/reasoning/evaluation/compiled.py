"""A core program made ready to run, once: ids for its constants, facts as columns, rules in normal form."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from nesy.language.core import Coded, Constant, CoreProgram, Rule, Signature
from nesy.language.values import Value
from nesy.reasoning.evaluation.interning import Interner
from nesy.reasoning.evaluation.kernels import Index
from nesy.reasoning.evaluation.plan import Plan, make_plan
from nesy.reasoning.evaluation.rules import (
    BodyAtom,
    Normalizer,
    Operand,
    RuleForm,
    body_signatures,
    variables,
)

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
    sampled: frozenset[Signature]
    groups: tuple[Group, ...]
    constraints: Group
    arities: dict[Signature, int]  # with the sample column
    _plans: dict[object, Plan] = field(default_factory=dict[object, Plan])

    def plan(
        self,
        form: RuleForm,
        needed: frozenset[str],
        size: Callable[[BodyAtom], int],
        first: BodyAtom | None = None,
    ) -> Plan:
        """The plan of a rule's body for relations of about these sizes."""
        buckets = tuple(size(item).bit_length() >> 1 for item in form.body if isinstance(item, BodyAtom))
        key = (form.rule.id, id(form), needed, first.position if first else -1, buckets)
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
    forms = [normalizer.rule(rule) for rule in program.rules]
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

    signatures = {*program.predicates, *facts, *component_of, *constraint_heads}
    for rule in (*program.rules, *program.constraints):
        signatures |= {*body_signatures(rule.body), *(head.signature for head in rule.heads)}
    arities = {signature: signature.arity + (signature in sampled) for signature in signatures}
    return CompiledProgram(program, interner, facts, sampled, groups, constraints, arities)


def _column(interner: Interner, column: Index | Coded) -> Index:
    """The ids of a table's column; each different value is looked up once."""
    if not isinstance(column, Coded):
        distinct, codes = np.unique(column, return_inverse=True)
        column = Coded(codes.reshape(-1), tuple(distinct.tolist()))
    return np.array([interner.intern(value) for value in column.values], dtype=np.int64)[column.codes]


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
