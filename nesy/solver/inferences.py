"""Why a literal follows, step by step, where predicates may be open.

Proofs of the derivation graph (`nesy.reasoning`) rest on rules read forwards and on the absence of derivations. Where
a predicate is open, a literal may also follow backwards (what a rule concludes does not hold, so its last open
condition does not either), from a constraint, or because `p` and `-p` are opposites. Each of these is one way to
learn a literal from known ones, and they are run until the goal is known: unit propagation, with unfounded sets for
what could only support itself. It does not analyse cases; what needs that has no proof here.

Source: Gebser, Kaufmann, Schaub, "Conflict-driven answer set solving: From theory to practice", Artificial
Intelligence 187, 2012, for unit propagation over completion and unfounded sets.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal as OneOf

from nesy.language.core import Rule
from nesy.solver.instances import Instance, Instances

How = OneOf["fact", "rule", "denied", "last way", "no way", "constraint", "opposite"]


@dataclass(frozen=True)
class Inference:
    """A literal, and the earlier steps it follows from, by number.

    `how`: a `fact`; the conclusion of a `rule`; `denied`, since the rule's conclusion does not hold and the rest of its
    body does; by the `last way` that is left to derive something that holds; not derived, as there is `no way` left;
    forbidden by a `constraint`; the `opposite` of `-p`.
    """

    text: str
    holds: bool
    how: How
    premises: tuple[int, ...]
    rule: Rule | None = None


def infer(instances: Instances, opposites: Sequence[tuple[int, int]], goal: int) -> tuple[Inference, ...]:
    """The steps to a literal (2 * atom + negated), itself the last; nothing where propagation does not reach it."""
    known = _Propagation(instances, opposites)
    known.run(goal)
    if goal not in known.reasons:
        return ()
    numbers: dict[int, int] = {}
    steps: list[Inference] = []
    todo = [goal]
    while todo:
        literal = todo[-1]
        how, rule, premises = known.reasons[literal]
        missing = [premise for premise in premises if premise not in numbers]
        if literal in numbers or not missing:
            todo.pop()
            if literal not in numbers:
                numbers[literal] = len(steps)
                text = str(instances.atoms[literal >> 1])
                steps.append(Inference(text, not literal & 1, how, tuple(numbers[p] for p in premises), rule))
        else:
            todo.extend(missing)
    return tuple(steps)


class _Propagation:
    """What is known, with a reason for each literal: how, by which rule, from which literals."""

    def __init__(self, instances: Instances, opposites: Sequence[tuple[int, int]]):
        self.instances = instances
        self.opposites = opposites
        self.reasons: dict[int, tuple[How, Rule | None, tuple[int, ...]]] = {}
        self.of_head: dict[int, list[Instance]] = {}
        for instance in instances.rules:
            for head in instance.heads:
                self.of_head.setdefault(head, []).append(instance)
        self.closed = [
            number
            for number in range(len(instances.atoms))
            if number not in instances.given and number not in instances.open
        ]
        for number in instances.given:
            self.reasons[2 * number] = ("fact", None, ())

    def run(self, goal: int) -> None:
        """Learn round by round, so that short proofs come first, until the goal is known or nothing is new."""
        while goal not in self.reasons:
            new: dict[int, tuple[How, Rule | None, tuple[int, ...]]] = {}
            for literal, how, rule, premises in (*self._clauses(), *self._supports()):
                if literal not in self.reasons:
                    new.setdefault(literal, (how, rule, premises))
            if not new:
                new = {literal: ("no way", None, premises) for literal, premises in self._unfounded()}
            if not new:
                return
            self.reasons.update(new)

    def _clauses(self) -> Iterator[tuple[int, How, Rule | None, tuple[int, ...]]]:
        """What follows from rules, constraints and opposites: the last literal that is left of a clause."""
        for instance in self.instances.rules:
            if instance.choice is None and not instance.aggregates:
                head = 2 * instance.heads[0]
                yield from self._last(instance, (*(literal ^ 1 for literal in instance.body), head), "rule", "denied")
        for instance in self.instances.constraints:
            if instance.choice is None and not instance.aggregates:
                clause = tuple(literal ^ 1 for literal in instance.body)
                yield from self._last(instance, clause, "constraint", "constraint")
        for negative, positive in self.opposites:  # that not both hold is a constraint of the program
            for one, other in ((negative, positive), (positive, negative)):
                if 2 * one + 1 in self.reasons:
                    yield 2 * other, "opposite", None, (2 * one + 1,)

    def _last(
        self, instance: Instance, clause: Sequence[int], forwards: How, backwards: How
    ) -> Iterator[tuple[int, How, Rule | None, tuple[int, ...]]]:
        left = [literal for literal in clause if literal ^ 1 not in self.reasons]
        if len(left) == 1:
            how = forwards if left[0] == clause[-1] else backwards
            yield left[0], how, instance.rule, tuple(literal ^ 1 for literal in clause if literal != left[0])

    def _supports(self) -> Iterator[tuple[int, How, Rule | None, tuple[int, ...]]]:
        """A closed atom does not hold once each way to derive it fails; if it holds, its last way does."""
        for atom in self.closed:
            ways = self.of_head.get(atom, [])
            failed = [self._failed(instance) for instance in ways]
            left = [instance for instance, reason in zip(ways, failed, strict=True) if reason is None]
            reasons = tuple(dict.fromkeys(reason for reason in failed if reason is not None))
            if not left:
                yield 2 * atom + 1, "no way", None, reasons
            elif len(left) == 1 and 2 * atom in self.reasons:
                for literal in left[0].body:
                    yield literal, "last way", left[0].rule, (2 * atom, *reasons)

    def _failed(self, instance: Instance) -> int | None:
        """The negation of a part of the body that is known not to hold."""
        return next((literal ^ 1 for literal in instance.body if literal ^ 1 in self.reasons), None)

    def _unfounded(self) -> Iterator[tuple[int, tuple[int, ...]]]:
        """Closed atoms that only each other could support."""
        closed = set(self.closed)
        founded = {number for number in range(len(self.instances.atoms)) if number not in closed}
        alive = [(i, self._failed(i)) for i in self.instances.rules]
        changed = True
        while changed:
            changed = False
            for instance, failed in alive:
                if failed is None and any(head not in founded for head in instance.heads):
                    if all(literal & 1 or literal >> 1 in founded for literal in instance.body):
                        founded.update(instance.heads)
                        changed = True
        for atom in self.closed:
            if atom not in founded and 2 * atom + 1 not in self.reasons:
                yield 2 * atom + 1, tuple(dict.fromkeys(self._around(atom, founded)))

    def _around(self, atom: int, founded: set[int]) -> Iterable[int]:
        """Why the ways out of the circle around an atom fail."""
        seen, todo = {atom}, [atom]
        while todo:
            for instance in self.of_head.get(todo.pop(), ()):
                failed = self._failed(instance)
                if failed is not None:
                    yield failed
                    continue
                for literal in instance.body:
                    if not literal & 1 and literal >> 1 not in founded and literal >> 1 not in seen:
                        seen.add(literal >> 1)
                        todo.append(literal >> 1)
