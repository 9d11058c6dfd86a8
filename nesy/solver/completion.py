"""Rule instances as formulas: what makes an atom hold, and, where it matters, that nothing else does.

A goal is *forced* by the instances that derive it: `body -> head`. Where an atom occurs negated, or in an
aggregate, it also has to be *refuted*: it holds only if one of its instances fires (Clark's completion). Only the
direction that the goal needs is written, so a proof without negation is checked from the rules alone.

Completion says too little of positive recursion (`p :- q. q :- p.` would let both hold), so an atom in a loop
that has to be refuted also needs a rank: some instance that fires has its recursive body atoms at lower rank.

Source: Clark, "Negation as failure", 1978; Janhunen, "Representing normal programs with clauses", ECAI 2004
(ranks as numbers).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property

from nesy.language.components import is_recursive, strongly_connected
from nesy.language.values import format_value
from nesy.solver.instances import ChoiceInstance, Group, Instance, Instances
from nesy.solver.script import (
    TRUE,
    Script,
    at_most_one,
    conjunction,
    disjunction,
    negation,
    number,
    total,
)


@dataclass
class Completion:
    """Writes the formulas of the atoms that are asked for, and of all that these depend on, into a script."""

    instances: Instances
    script: Script
    atom_symbol: dict[int, str] = field(default_factory=dict)
    outcome_symbol: dict[tuple[int, int], str] = field(default_factory=dict)
    value_symbols: dict[int, list[str]] = field(default_factory=dict)
    coverage: list[str] = field(default_factory=list)  # claims about what aggregates can be: to be proved, too
    _forced: set[int] = field(default_factory=set)
    _refuted: set[int] = field(default_factory=set)
    _groups: set[int] = field(default_factory=set)
    _ranks: dict[int, str] = field(default_factory=dict)
    _todo: list[tuple[int, bool]] = field(default_factory=list)

    # -- what callers say ----------------------------------------------------------------------------------

    def force(self, literal: int) -> str:
        """The literal's formula, with all that is needed to prove that it holds."""
        self._need(literal >> 1, refute=bool(literal & 1))
        self._drain()
        return self.literal(literal)

    def define(self, atoms: Iterable[int]) -> None:
        """Both directions of the atoms and of all they depend on: then a model is a world."""
        for atom in atoms:
            self._need(atom, refute=False)
            self._need(atom, refute=True)
        self._drain()

    def fires(self, instance: Instance, outcome: int = 0) -> str:
        """The formula that says that an instance fires; its parts are needed in both directions."""
        self._need_body(instance, refute=False)
        self._need_body(instance, refute=True)
        self._drain()
        return self._body(instance, outcome)

    def literal(self, literal: int) -> str:
        symbol = self.atom(literal >> 1)
        return negation(symbol) if literal & 1 else symbol

    def atom(self, atom: int) -> str:
        symbol = self.atom_symbol.get(atom)
        if symbol is None:
            symbol = self.atom_symbol[atom] = self.script.declare(str(self.instances.atoms[atom]))
            if atom in self.instances.given:
                self.script.assert_(symbol)
        return symbol

    def outcome(self, choice: int, index: int) -> str:
        """The symbol of one outcome of a choice; the choice's own law is asserted once."""
        if (choice, index) not in self.outcome_symbol:
            self._declare_choice(choice)
        return self.outcome_symbol[choice, index]

    # -- what an atom needs ----------------------------------------------------------------------------------

    @cached_property
    def _of_head(self) -> Mapping[int, list[tuple[Instance, int]]]:
        found: dict[int, list[tuple[Instance, int]]] = {}
        for instance in self.instances.rules:
            for index, head in enumerate(instance.heads):
                found.setdefault(head, []).append((instance, index))
        return found

    @cached_property
    def _loop_of(self) -> Mapping[int, int]:
        """Atom -> number of its loop, for atoms that depend positively on themselves."""
        below: dict[int, set[int]] = {}
        for instance in self.instances.rules:
            if any(head.signature in self.instances.recursive for head in instance.rule.heads):
                for head in instance.heads:
                    positive = (literal >> 1 for literal in instance.body if not literal & 1)
                    below.setdefault(head, set()).update(positive)
        loops: dict[int, int] = {}
        for index, component in enumerate(strongly_connected(below)):
            if is_recursive(component, below):
                loops.update(dict.fromkeys(component, index))
        return loops

    def _need(self, atom: int, refute: bool) -> None:
        seen = self._refuted if refute else self._forced
        if atom not in seen:
            seen.add(atom)
            self._todo.append((atom, refute))

    def _need_body(self, instance: Instance, refute: bool) -> None:
        for literal in instance.body:
            self._need(literal >> 1, refute != bool(literal & 1))
        for number_, _ in instance.aggregates:
            if number_ not in self._groups:
                self._groups.add(number_)
                for _, bodies in self.instances.groups[number_].conditions:
                    for literal in (literal for body in bodies for literal in body):
                        self._need(literal >> 1, False)
                        self._need(literal >> 1, True)

    def _drain(self) -> None:
        """Find all that the new needs need, then write each atom once, in the directions that are new."""
        directions: dict[int, list[bool]] = {}
        while self._todo:
            atom, refute = self._todo.pop()
            directions.setdefault(atom, []).append(refute)
            if self._is_ruled(atom, refute):
                for instance, _ in self._of_head.get(atom, ()):
                    self._need_body(instance, refute)
        for atom, needs in directions.items():
            symbol = self.atom(atom)
            needs = [refute for refute in needs if self._is_ruled(atom, refute)]
            if needs:
                self._write(atom, symbol, force=False in needs, refute=True in needs)

    def _is_ruled(self, atom: int, refute: bool) -> bool:
        """Whether the rules have a say: not where the atom holds anyway, or may hold anyway."""
        return atom not in self.instances.given and not (refute and atom in self.instances.open)

    def _write(self, atom: int, symbol: str, force: bool, refute: bool) -> None:
        instances = self._of_head.get(atom, ())
        if force and (not refute or atom in self._loop_of):
            for instance, index in instances:
                body = self._body(instance, index)
                self.script.assert_(symbol if body == TRUE else f"(=> {body} {symbol})")
        if refute:
            in_loop = atom in self._loop_of
            bodies = disjunction(
                self._body(instance, index, atom if in_loop else None) for instance, index in instances
            )
            self.script.assert_(f"({'=' if force and not in_loop else '=>'} {symbol} {bodies})")

    def _body(self, instance: Instance, index: int, below: int | None = None) -> str:
        """A body as a formula; `below` asks that its atoms in the same loop have a lower rank than that atom."""
        parts = [self.literal(literal) for literal in instance.body]
        if instance.choice is not None:
            parts.append(self.outcome(instance.choice, index))
        for group, value in instance.aggregates:
            parts.append(self._value(group, value))
        if below is not None:
            for literal in instance.body:
                if not literal & 1 and self._loop_of.get(literal >> 1) == self._loop_of[below]:
                    parts.append(f"(< {self._rank(literal >> 1)} {self._rank(below)})")
        return conjunction(parts)

    def _rank(self, atom: int) -> str:
        if atom not in self._ranks:
            self._ranks[atom] = self.script.declare(f"rank {self.instances.atoms[atom]}", "Int")
        return self._ranks[atom]

    # -- choices ------------------------------------------------------------------------------------------------

    def _declare_choice(self, number_: int) -> None:
        choice = self.instances.choices[number_]
        symbols: list[str] = []
        for index in range(len(choice.state)):
            symbol = self.script.declare(self._outcome_name(choice, index))
            self.outcome_symbol[number_, index] = symbol
            symbols.append(symbol)
            state = choice.state[index]
            if state is not None:
                self.script.assert_(symbol if state else negation(symbol))
        if len(symbols) > 1:
            self.script.assert_(at_most_one(symbols))
        if choice.exhaustive:
            self.script.assert_(disjunction(symbols))

    def _outcome_name(self, choice: ChoiceInstance, index: int) -> str:
        key = ",".join(map(format_value, choice.key))
        name = choice.choice.neural
        return f"{name}[{key}] is outcome {index}" if name else f"choice {choice.choice.id}[{key}] is outcome {index}"

    # -- aggregates ------------------------------------------------------------------------------------------------

    def _value(self, group_number: int, index: int) -> str:
        if group_number not in self.value_symbols:
            self._declare_group(group_number)
        return self.value_symbols[group_number][index]

    def _declare_group(self, group_number: int) -> None:
        group = self.instances.groups[group_number]
        holds: list[str] = []
        for _, bodies in group.conditions:
            holds.append(disjunction(conjunction(map(self.literal, body)) for body in bodies))
        weights = [weight for weight, _ in group.conditions]
        symbols = [
            self.script.declare(f"#{group.function} {group_number} = {format_value(value)}") for value in group.bound
        ]
        self.value_symbols[group_number] = symbols
        for symbol, formula in zip(symbols, self._meanings(group_number, group, holds, weights), strict=True):
            self.script.assert_(f"(= {symbol} {formula})")
        none = negation(disjunction(holds))
        empty = [none] if group.function in ("min", "max", "avg") else []
        self.coverage.append(disjunction([*symbols, *empty]))

    def _meanings(self, number_: int, group: Group, holds: list[str], weights: list[Fraction]) -> list[str]:
        match group.function:
            case "sum" | "count":
                whole = all(w.denominator == 1 for w in weights)
                sort = "Int" if whole else "Real"
                sum_ = self.script.declare(f"#{group.function} {number_}", sort)
                terms = [f"(ite {h} {number(w, sort)} {number(0, sort)})" for h, w in zip(holds, weights, strict=True)]
                self.script.assert_(f"(= {sum_} {total(terms, sort)})")
                return [f"(= {sum_} {number(value, sort)})" for value in group.values]
            case "avg":
                return [
                    conjunction(
                        [
                            disjunction(holds),
                            "(= "
                            + total(
                                [
                                    f"(ite {h} {number(w - value, 'Real')} 0.0)"
                                    for h, w in zip(holds, weights, strict=True)
                                ],
                                "Real",
                            )
                            + " 0.0)",
                        ]
                    )
                    for value in group.values
                ]
            case _:
                sign = 1 if group.function == "min" else -1
                return [
                    conjunction(
                        [
                            disjunction(h for h, w in zip(holds, weights, strict=True) if w == value),
                            *(negation(h) for h, w in zip(holds, weights, strict=True) if sign * w < sign * value),
                        ]
                    )
                    for value in group.values
                ]
