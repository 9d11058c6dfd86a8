"""Demand: derive only what the queries ask for.

First, rules that no query, evidence or constraint reaches are left out. Second, where a predicate is only ever
asked with some arguments bound by constants of the queries, its rules get a guard: a relation of the values
it is asked for, `?p`, which rules of its own derive from the demands on what asks it ("magic sets"; Bancilhon
et al., "Magic sets and other strange ways to implement logic programs", PODS 1986). A predicate has one demand
relation, for the arguments that are bound wherever it is asked, so that no instance of a rule is made twice.

What is negated, aggregated, or a head among several is derived in full, and so is all below it: so demands
never run through a negation, and the program stays stratified.
"""

from __future__ import annotations

from collections.abc import Iterable

from nesy.language.components import is_recursive, strongly_connected
from nesy.language.core import Signature
from nesy.reasoning.evaluation.compiled import CompiledProgram, Group
from nesy.reasoning.evaluation.plan import Assign, Filter, Join, Step, Take, make_plan
from nesy.reasoning.evaluation.rules import (
    GUARD,
    SAMPLE,
    TABLE,
    AggregateForm,
    BodyAtom,
    BodyItem,
    HeadForm,
    RuleForm,
    Test,
    item_variables,
    variables,
)

# Which arguments (counted without the sample) are bound, per predicate; none: all its rows are wanted.
Bound = frozenset[int]
FREE: Bound = frozenset()


def demanded(compiled: CompiledProgram, asked: Iterable[tuple[Signature, Bound]]) -> CompiledProgram:
    """The program cut down to what is asked: predicates, with the arguments that will be given.

    In the result, `demand` says for which predicates the given values must be put into which relation.
    """
    wanted = frozenset(asked)
    known = compiled.cut_down.get(wanted)
    if known is None:
        if len(compiled.cut_down) >= 64:  # patterns of queries, not their constants: few in practice
            compiled.cut_down.clear()
        known = compiled.cut_down[wanted] = _Demand(compiled, wanted).program()
    return known


class _Demand:
    def __init__(self, compiled: CompiledProgram, asked: frozenset[tuple[Signature, Bound]]):
        self._compiled = compiled
        self._rules: dict[Signature, list[tuple[RuleForm, int]]] = {}
        several: set[Signature] = set()
        for group in compiled.groups:
            for form, heads in group.rules:
                for head in heads:
                    self._rules.setdefault(form.heads[head].signature, []).append((form, head))
                if len(form.heads) > 1 or (form.rule.choice is not None and form.rule.choice.neural is not None):
                    several.update(head.signature for head in form.heads)
        # Arguments that a guard can test: in no head are they computed or built.
        self._testable = {signature: self._simple(signature) for signature in self._rules}
        for signature, rules in self._rules.items():
            # Facts are there anyway: to ask only for some would put a join in place of a look.
            only_facts = all(all(_is_table(item) for item in form.body) for form, _ in rules)
            if only_facts or signature in several:
                self._testable[signature] = FREE
        self._bound: dict[Signature, Bound] = {}
        self._todo: list[Signature] = []
        for signature, bound in asked:
            self._ask(signature, bound)
        for form, _ in compiled.constraints.rules:
            self._ask_in_full(form.body)
        while self._todo:
            signature = self._todo.pop()
            for form, head in self._rules.get(signature, ()):
                self._visit(form, head, self._bound[signature])

    def _simple(self, signature: Signature) -> Bound:
        sampled = signature in self._compiled.sampled
        heads = [form.heads[head].terms[sampled:] for form, head in self._rules[signature]]
        places = range(signature.arity)
        return frozenset(place for place in places if all(isinstance(terms[place], str | int) for terms in heads))

    def _ask(self, signature: Signature, bound: Bound) -> None:
        bound = bound & self._testable.get(signature, FREE)
        before = self._bound.get(signature)
        now = bound if before is None else before & bound
        if now != before:
            self._bound[signature] = now
            self._todo.append(signature)

    def _ask_in_full(self, items: Iterable[BodyItem]) -> None:
        for item in items:
            match item:
                case BodyAtom(signature=signature):
                    self._ask(signature, FREE)
                case AggregateForm(elements=elements):
                    for element in elements:
                        self._ask_in_full(element.body)
                case Test():
                    pass

    def _visit(self, form: RuleForm, head: int, bound: Bound) -> None:
        if not bound:
            self._ask_in_full(form.body)
            return
        for item in form.body:
            if isinstance(item, AggregateForm) or (isinstance(item, BodyAtom) and item.negated):
                self._ask_in_full((item,))
        guard = self._guard(form, head, bound)
        known = item_variables(guard)
        for step in self._steps(form, known):
            if isinstance(step, Join):
                self._ask(step.atom.signature, _bound_arguments(step.atom, known))
            known |= _binds(step)

    def _guard(self, form: RuleForm, head: int, bound: Bound) -> BodyAtom:
        """The literal that lets a rule run for demanded heads only."""
        signature, terms = form.heads[head].signature, form.heads[head].terms
        sampled = signature in self._compiled.sampled
        chosen = [terms[place + sampled] for place in sorted(bound)]
        simple = tuple(term for term in chosen if isinstance(term, str | int))
        return BodyAtom(GUARD, demand_of(signature, bound), (SAMPLE, *simple) if sampled else simple, False)

    def _steps(self, form: RuleForm, known: set[str]) -> list[Step]:
        """An order of the body in which bindings are passed on from the demand; sizes are not known here.

        What an aggregate gives is not known yet, nor is what follows from it: to ask for more is never wrong.
        """
        known = set(known)
        steps: list[Step] = []
        for step in make_plan(form.body, known, frozenset(known), lambda _: 1000):
            if isinstance(step, Join | Filter | Assign | Take) and _needs(step) <= known:
                steps.append(step)
                known |= _binds(step)
        return steps

    def program(self) -> CompiledProgram:
        compiled = self._compiled
        forms: list[tuple[RuleForm, int]] = []
        demand: dict[Signature, Bound] = {}
        for signature, bound in self._bound.items():
            for form, head in self._rules.get(signature, ()):
                if not bound:
                    forms.append((form, head))
                    continue
                demand[signature] = bound
                guard = self._guard(form, head, bound)
                forms.append((form.with_body((guard, *form.body)), head))
                forms += [(rule, 0) for rule in self._demand_rules(form, guard)]
        hidden = {signature: demand_of(signature, bound) for signature, bound in demand.items()}
        sampled = frozenset(own for signature, own in hidden.items() if signature in compiled.sampled)
        return compiled.cut(
            _groups(forms), demand, compiled.hidden | frozenset(hidden.values()), compiled.sampled | sampled
        )

    def _demand_rules(self, form: RuleForm, guard: BodyAtom) -> Iterable[RuleForm]:
        """What a guarded rule demands of its literals."""
        known = item_variables(guard)
        body: list[BodyItem] = [guard]
        for step in self._steps(form, set(known)):
            if isinstance(step, Join):
                signature = step.atom.signature
                bound = self._bound[signature]
                if bound:
                    sampled = signature in self._compiled.sampled
                    terms = tuple(step.atom.terms[column + sampled] for column in sorted(bound))
                    head = HeadForm(demand_of(signature, bound), (SAMPLE, *terms) if sampled else terms)
                    yield RuleForm(form.rule, (head,), tuple(body), form.sampled, (), (), is_silent=True)
                body.append(step.atom)
            elif isinstance(step, Filter):
                body.append(step.test)
            else:
                body.append(_test(step))
            known |= _binds(step)


def _is_table(item: BodyItem) -> bool:
    return isinstance(item, BodyAtom) and item.position == TABLE


def demand_of(signature: Signature, bound: Bound) -> Signature:
    """The predicate that holds the values a predicate is asked for."""
    return Signature(f"?{signature.name}/{signature.arity}", len(bound))


def _bound_arguments(atom: BodyAtom, known: set[str]) -> Bound:
    """The arguments that are bound, if any of them is bound by the demand: constants alone restrict too little."""
    terms = atom.terms[atom.terms[:1] == (SAMPLE,) :]
    if not any(term in known for term in terms if isinstance(term, str)):
        return FREE
    return frozenset(place for place, term in enumerate(terms) if isinstance(term, int) or term in known)


def _needs(step: Step) -> set[str]:
    """The variables that a step tests or computes with."""
    match step:
        case Filter(test=test):
            return item_variables(test)
        case Assign(operand=operand):
            return set(variables(operand))
        case Take(value=value):
            return set(variables(value))
        case _:
            return set()


def _binds(step: Step) -> set[str]:
    match step:
        case Join(atom=atom):
            return item_variables(atom)
        case Assign() | Take():
            return item_variables(_test(step))
        case _:
            return set()


def _test(step: Step) -> Test:
    match step:
        case Assign(variable, operand):
            return Test("=", variable, operand)
        case Take(value, pattern):
            return Test("=", value, pattern)
        case _:
            raise AssertionError(step)


def _groups(forms: list[tuple[RuleForm, int]]) -> tuple[Group, ...]:
    """Rules by strongly connected component of what their heads need, lower ones first."""
    needs: dict[Signature, dict[Signature, None]] = {}
    heads: dict[Signature, dict[int, tuple[RuleForm, list[int]]]] = {}
    for form, head in forms:
        signature = form.heads[head].signature
        needs.setdefault(signature, {}).update(dict.fromkeys(_signatures(form.body)))
        heads.setdefault(signature, {}).setdefault(id(form), (form, []))[1].append(head)
    groups: list[Group] = []
    for members in strongly_connected(needs):  # what is needed comes first
        rules: dict[int, tuple[RuleForm, list[int]]] = {}
        for signature in members:
            for key, (form, places) in heads.get(signature, {}).items():
                rules.setdefault(key, (form, []))[1].extend(places)
        if rules:
            entries = tuple((form, tuple(sorted(places))) for form, places in rules.values())
            groups.append(Group(frozenset(members), entries, is_recursive(members, needs)))
    return tuple(groups)


def _signatures(items: Iterable[BodyItem]) -> Iterable[Signature]:
    for item in items:
        match item:
            case BodyAtom(signature=signature):
                yield signature
            case AggregateForm(elements=elements):
                for element in elements:
                    yield from _signatures(element.body)
            case Test():
                pass
