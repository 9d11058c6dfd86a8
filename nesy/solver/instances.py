"""The rules of a core program, instantiated: the solver's own grounder.

A certificate must not rest on what it certifies, so this shares nothing with the evaluation that builds the
derivation graph but the program itself and the meaning of the functions. It is written to be obviously right
and quick on the small part of a program that one answer needs.

Every instance that could fire under some outcome of the choices is kept, and it is left to Z3 what fires. Only
the values that an aggregate may take are worked out here, from what is known of the outcomes; that they are all
is then one more thing for Z3 to prove.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from nesy.language.core import (
    Aggregate,
    Atom,
    Choice,
    Constant,
    CoreProgram,
    Fixed,
    Literal,
    Rule,
    Signature,
)
from nesy.language.values import Value, key
from nesy.solver.engine import DEFAULT_TIMEOUT
from nesy.solver.matching import Matcher, Row, TooLargeError

Identity = tuple[tuple[type, object], ...]
Outcome = tuple[int, tuple[Value, ...], int]  # core choice id, values of its key, which outcome
Fact = tuple[Signature, tuple[Value, ...]]
Rows = Mapping[Signature, Iterable[Sequence[Value]]]

MAX_INSTANCES = 50_000  # a person reads proofs of a few hundred; beyond this Z3 would not answer in time
MAX_TABLE_ROWS = 100_000  # of one table: each becomes an atom
MAX_AGGREGATE_VALUES = 20_000


@dataclass(slots=True)
class Instance:
    """One rule with values for its variables. Literals are `2 * atom + negated`."""

    rule: Rule
    heads: tuple[int, ...]
    body: tuple[int, ...]
    aggregates: tuple[tuple[int, int], ...]  # (group, index of the value)
    choice: int | None


@dataclass(slots=True)
class Group:
    """One aggregate for one assignment of its group variables."""

    function: str
    conditions: list[tuple[Fraction, list[tuple[int, ...]]]]  # per term tuple: weight, bodies (literals)
    values: list[Fraction]  # what the function may be, ascending
    bound: list[Value]  # the same as values of the language


@dataclass(slots=True)
class ChoiceInstance:
    """One random choice for one assignment of its key variables."""

    choice: Choice
    key: tuple[Value, ...]
    exhaustive: bool
    state: list[bool | None]  # per outcome: known to hold, known not to hold, or open


@dataclass
class Instances:
    """The result: atoms are numbered, and every instance that could fire is there."""

    atoms: list[Atom] = field(default_factory=list)
    numbers: dict[tuple[Signature, Identity], int] = field(default_factory=dict)
    given: set[int] = field(default_factory=set)  # facts of the program and of the input
    open: set[int] = field(default_factory=set)  # atoms that may hold or not, whatever the rules say
    rules: list[Instance] = field(default_factory=list)
    constraints: list[Instance] = field(default_factory=list)
    groups: list[Group] = field(default_factory=list)
    choices: list[ChoiceInstance] = field(default_factory=list)
    recursive: set[Signature] = field(default_factory=set)  # predicates that may depend on themselves
    undefined: list[str] = field(default_factory=list)  # calls without a result, in instances that were left out

    def find(self, atom: Atom) -> int | None:
        """The number of an atom that could hold; floats in it may differ by rounding in the last places."""
        values = [a.value for a in atom.arguments if isinstance(a, Constant)]
        exact = self.numbers.get((atom.signature, tuple(map(key, values))))
        if exact is not None or not any(isinstance(value, float) for value in values):
            return exact
        for (signature, _), number in self.numbers.items():
            others = [a.value for a in self.atoms[number].arguments if isinstance(a, Constant)]
            if signature == atom.signature and all(map(_is_near, values, others)):
                return number
        return None


def instantiate(
    program: CoreProgram,
    facts: Iterable[Fact],
    *,
    known: Callable[[Outcome], bool | None] = lambda outcome: None,
    relevant: Collection[Signature] | None = None,
    free: Iterable[Fact] = (),
    constraints: Sequence[Rule] = (),
    strict: bool = True,
    timeout: float = DEFAULT_TIMEOUT,
) -> Instances:
    """Run the rules of the relevant predicates over the facts (all of them: nothing is taken from the program).

    `known` says of an outcome whether it holds, does not hold, or is open (None). `free` are atoms that may hold
    or not. With `strict`, a function without a result raises; otherwise that instance is left out and noted.

    Raises: TooLargeError, FunctionError.
    """
    run = _Run(known, strict, time.monotonic() + timeout)
    for signature, row in facts:
        if relevant is None or signature in relevant:
            run.give(signature, row)
    for signature, row in free:
        run.free(signature, row)
    run.evaluate(program, relevant)
    for rule in constraints:
        run.fire(rule, run.result.constraints)
    run.result.undefined.extend(run.matcher.undefined)
    return run.result


def facts_of(program: CoreProgram, sample: Rows, relevant: Collection[Signature] | None = None) -> Iterator[Fact]:
    """What is certain of the relevant predicates: the facts of the program, its tables and the facts of the sample.

    Raises: TooLargeError, for a table that is too large to be handed to Z3.
    """
    for signature, row in stated(program):
        if relevant is None or signature in relevant:
            yield signature, row
    for table in program.tables:
        if relevant is not None and table.signature not in relevant:
            continue
        if table.num_rows > MAX_TABLE_ROWS:
            raise TooLargeError(f"`{table.signature}` has {table.num_rows:,} rows, more than {MAX_TABLE_ROWS:,}")
        for row in table.rows():
            yield table.signature, row
    for signature, rows in sample.items():
        if relevant is None or signature in relevant:
            for row in rows:
                yield signature, tuple(row)


def stated(program: CoreProgram) -> Iterator[Fact]:
    """The facts that the program's text states."""
    for atom in program.facts:
        yield atom.signature, tuple(a.value for a in atom.arguments if isinstance(a, Constant))


def depends_on(program: CoreProgram, goals: Iterable[Signature]) -> set[Signature]:
    """The predicates that the goals depend on, themselves included."""
    uses: dict[Signature, set[Signature]] = {}
    for rule in program.rules:
        for head in rule.heads:
            uses.setdefault(head.signature, set()).update(body_signatures(rule.body))
    todo = list(goals)
    seen = set(todo)
    while todo:
        for used in uses.get(todo.pop(), ()):
            if used not in seen:
                seen.add(used)
                todo.append(used)
    return seen


def body_signatures(body: Iterable[object]) -> Iterator[Signature]:
    """The predicates a body mentions, those inside aggregates too."""
    for part in body:
        if isinstance(part, Literal):
            yield part.atom.signature
        elif isinstance(part, Aggregate):
            for element in part.elements:
                yield from body_signatures(element.body)


class _Run:
    """One instantiation. Atoms known to hold, or known not to, are told apart component by component."""

    def __init__(self, known: Callable[[Outcome], bool | None], strict: bool, deadline: float):
        self.known = known
        self.result = Instances()
        self.matcher = Matcher(self.result.atoms, self.result.numbers, self.result.given, self, strict, deadline)
        self.holds: set[int] = self.result.given.copy()
        self.fails: set[int] = set()
        self.group_number: dict[tuple[int, int, Row], int] = {}
        self.choice_number: dict[tuple[int, Row], int] = {}
        self.seen: set[tuple[int, Row]] = set()
        self.num_settled = 0

    def give(self, signature: Signature, row: tuple[Value, ...]) -> None:
        atom = self.matcher.atom(signature, tuple(map(self.matcher.intern, row)))
        self.result.given.add(atom)
        self.holds.add(atom)

    def free(self, signature: Signature, row: tuple[Value, ...]) -> None:
        atom = self.matcher.atom(signature, tuple(map(self.matcher.intern, row)))
        if atom not in self.result.given:
            self.result.open.add(atom)

    def evaluate(self, program: CoreProgram, relevant: Collection[Signature] | None) -> None:
        of_head: dict[Signature, list[Rule]] = {}
        for rule in program.rules:
            for signature in dict.fromkeys(head.signature for head in rule.heads):
                of_head.setdefault(signature, []).append(rule)
        done: set[int] = set()
        for component in program.components:
            members = [s for s in component.predicates if relevant is None or s in relevant]
            rules = [r for r in dict.fromkeys(r.id for s in members for r in of_head.get(s, ())) if r not in done]
            done.update(rules)
            by_id = {r.id: r for s in members for r in of_head.get(s, ())}
            own = [by_id[r] for r in rules]
            for rule in own:
                self.fire(rule, self.result.rules)
            if component.is_recursive:
                self.result.recursive.update(members)
                self._close(own, members)
            self._settle()
        self.num_settled = len(self.result.rules)

    def fire(self, rule: Rule, into: list[Instance]) -> None:
        """Add all instances of a rule over the relations as they are now."""
        self.matcher.run(rule, lambda env, body, groups: self._add(rule, into, env, body, groups))

    def _close(self, rules: Sequence[Rule], members: Sequence[Signature]) -> None:
        """Recursion: fire rules with each new atom of the component until nothing is new."""
        done: dict[Signature, int] = {}
        changed = True
        while changed:
            changed = False
            for signature in members:
                start, end = done.get(signature, 0), self.matcher.size(signature)
                done[signature] = end
                if end == start:
                    continue
                changed = True
                for rule in rules:
                    for place, part in enumerate(rule.body):
                        if isinstance(part, Literal) and not part.negated and part.atom.signature == signature:
                            self.matcher.run(
                                rule,
                                lambda env, body, groups, rule=rule: self._add(
                                    rule, self.result.rules, env, body, groups
                                ),
                                (place, start, end),
                            )

    def _add(
        self, rule: Rule, into: list[Instance], env: Row, body: Sequence[int], groups: Sequence[tuple[int, int]]
    ) -> None:
        """One instance has been found; `env` are the values of the rule's variables in a fixed order."""
        identity = (rule.id, env)
        if identity in self.seen:
            return
        self.seen.add(identity)
        if len(self.seen) > MAX_INSTANCES:
            raise TooLargeError(f"more than {MAX_INSTANCES} rule instances")
        choice = self._choice(rule, env) if rule.choice is not None else None
        heads = tuple(self.matcher.heads(rule, env))
        into.append(Instance(rule, heads, tuple(dict.fromkeys(body)), tuple(groups), choice))

    # -- what is known -------------------------------------------------------------------------------------

    def _settle(self) -> None:
        """Which new atoms hold, and which fail, given what is known of the outcomes."""
        new = self.result.rules[self.num_settled :]
        self.num_settled = len(self.result.rules)
        self.holds |= self._least(new, lambda i, k: self._is_sure(i, k), self.holds)
        reached = self._least(new, lambda i, k: self._may_fire(i, k), None)
        heads = {head for instance in new for head in instance.heads}
        self.fails |= heads - reached - self.result.given - self.result.open

    def _least(
        self, instances: Sequence[Instance], may: Callable[[Instance, int], bool], below: set[int] | None
    ) -> set[int]:
        """The atoms reached by instances that pass the test, from positive body atoms that are reached.

        An atom from outside counts as reached if it is in `below`, or, without one, unless it is known to fail.
        """
        own = {head for instance in instances for head in instance.heads}
        waiting: dict[int, list[tuple[Instance, list[int]]]] = {}
        ready: list[tuple[Instance, list[int]]] = []
        reached: set[int] = set()
        for instance in instances:
            positive = [literal >> 1 for literal in instance.body if not literal & 1]
            outside = [a for a in positive if a not in own or a in self.result.given or a in self.result.open]
            if any(a not in below if below is not None else a in self.fails for a in outside):
                continue
            inside = {a for a in positive if a in own} - set(outside)
            entry = (instance, [len(inside)])
            for atom in inside:
                waiting.setdefault(atom, []).append(entry)
            if not inside:
                ready.append(entry)
        while ready:
            instance, _ = ready.pop()
            for index, head in enumerate(instance.heads):
                if head in reached or not may(instance, index):
                    continue
                reached.add(head)
                for entry in waiting.get(head, ()):
                    entry[1][0] -= 1
                    if entry[1][0] == 0:
                        ready.append(entry)
        return reached

    def _is_sure(self, instance: Instance, index: int) -> bool:
        return (
            all(literal >> 1 in self.fails for literal in instance.body if literal & 1)
            and all(len(self.result.groups[group].values) == 1 for group, _ in instance.aggregates)
            and (instance.choice is None or self.result.choices[instance.choice].state[index] is True)
        )

    def _may_fire(self, instance: Instance, index: int) -> bool:
        return all(literal >> 1 not in self.holds for literal in instance.body if literal & 1) and (
            instance.choice is None or self.result.choices[instance.choice].state[index] is not False
        )

    def _choice(self, rule: Rule, env: Row) -> int:
        choice = rule.choice
        assert choice is not None
        row = self.matcher.key_of(rule, env)
        number = self.choice_number.get((choice.id, row))
        if number is not None:
            return number
        values = tuple(self.matcher.values[v] for v in row)
        weights = [
            self.matcher.weight(rule, env, w.probability) if isinstance(w, Fixed) else None for w in choice.weights
        ]
        fixed = [w for w in weights if w is not None]
        exhaustive = choice.exhaustive or (bool(fixed) and len(fixed) == len(rule.heads) and sum(fixed) >= 1 - 1e-9)
        state: list[bool | None] = []
        for index in range(len(rule.heads)):
            weight = weights[index] if weights else None
            told = self.known((choice.id, values, index))
            state.append(told if told is not None else False if weight is not None and weight <= 0 else None)
        if True in state:
            state = [s is True for s in state]
        elif exhaustive and state.count(None) == 1:
            state[state.index(None)] = True
        number = self.choice_number[choice.id, row] = len(self.result.choices)
        self.result.choices.append(ChoiceInstance(choice, values, exhaustive, state))
        return number

    # -- aggregates: called by the matcher ------------------------------------------------------------------

    def group(self, rule: Rule, place: int, part: Aggregate, row: Row) -> int:
        """The number of an aggregate's group; its elements are found when it is first asked for."""
        number = self.group_number.get((rule.id, place, row))
        if number is None:
            group = self._group(part, row)
            number = self.group_number[rule.id, place, row] = len(self.result.groups)
            self.result.groups.append(group)
        return number

    def bound(self, group: int) -> Sequence[Value]:
        return self.result.groups[group].bound

    def _group(self, part: Aggregate, row: Row) -> Group:
        found: dict[Row, list[tuple[int, ...]]] = {}
        for terms, body in self.matcher.elements(part, row):
            found.setdefault(terms, []).append(body)
        conditions: list[tuple[Fraction, list[tuple[int, ...]]]] = []
        states: list[bool | None] = []
        whole = part.function != "avg"
        for terms, bodies in found.items():
            weight = Fraction(1)
            if part.function != "count":
                value = self.matcher.values[terms[0]]
                if not isinstance(value, int | float):
                    raise TooLargeError(f"#{part.function} over something that is no number")
                weight, whole = Fraction(value), whole and isinstance(value, int)
            conditions.append((weight, bodies))
            states.append(self._state(bodies))
        values = _possible_values(part.function, [w for w, _ in conditions], states)
        return Group(part.function, conditions, values, [int(v) if whole else float(v) for v in values])

    def _state(self, bodies: Sequence[tuple[int, ...]]) -> bool | None:
        """Whether one of the bodies holds, none can, or it is open."""
        states = [[self._literal_state(literal) for literal in body] for body in bodies]
        if any(all(state is True for state in body) for body in states):
            return True
        return False if all(False in body for body in states) else None

    def _literal_state(self, literal: int) -> bool | None:
        atom, negated = literal >> 1, bool(literal & 1)
        return not negated if atom in self.holds else negated if atom in self.fails else None


def _is_near(left: Value, right: Value) -> bool:
    if isinstance(left, float) and isinstance(right, float):
        return math.isclose(left, right, rel_tol=1e-9, abs_tol=1e-12)
    return key(left) == key(right)


def _possible_values(function: str, weights: Sequence[Fraction], states: Sequence[bool | None]) -> list[Fraction]:
    """The values an aggregate may take when the elements that are open come and go."""
    sure = [w for w, state in zip(weights, states, strict=True) if state is True]
    free = [w for w, state in zip(weights, states, strict=True) if state is None]
    match function:
        case "sum" | "count":
            sums = {sum(sure, Fraction(0))}
            for weight in free:
                sums |= {value + weight for value in sums}
                _limit(len(sums))
            return sorted(sums)
        case "min" | "max":
            sign = 1 if function == "min" else -1
            floor = min((sign * w for w in sure), default=None)
            return sorted({w for w in sure + free if floor is None or sign * w <= floor})
        case "avg":
            pairs = {(sum(sure, Fraction(0)), len(sure))}
            for weight in free:
                pairs |= {(value + weight, count + 1) for value, count in pairs}
                _limit(len(pairs))
            return sorted({value / count for value, count in pairs if count})
        case _:
            raise AssertionError(f"unknown aggregate {function}")


def _limit(size: int) -> None:
    if size > MAX_AGGREGATE_VALUES:
        raise TooLargeError(f"an aggregate that may take more than {MAX_AGGREGATE_VALUES} values")
