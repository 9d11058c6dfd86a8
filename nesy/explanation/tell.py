"""From proofs over a derivation graph to a story."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from nesy.explanation.story import Counted, Reason, RuleNote, Saw, Sighting, Story
from nesy.explanation.story import Step as Line
from nesy.language.core import Atom, Rule, format_term
from nesy.reasoning.derivation import DerivationGraph
from nesy.reasoning.readings.proof import Absent, Aggregated, Assumed, Derived, Proof, Step

_FACT, _CONDITION = -1, -2  # rules of derivations that are a certain fact, or an aggregate element's condition


def tell(
    graph: DerivationGraph,
    proofs: Sequence[Proof],
    leaf: NDArray[np.float64],
    *,
    answer: str | None = None,
    probability: float | None = None,
    method: str = "",
    saw: Saw | None = None,
    text: str | None = None,
    pictures: Mapping[str, bytes] | None = None,
    shares: Sequence[float | None] | None = None,
) -> Story:
    """The story of an answer: its proofs, each step once, with what was seen at the leaves.

    `shares` say how much of the answer rests on each proof; they can be left out where no evidence and no constraint
    bears on it.

    Shapes: leaf [L], the probability of each leaf.
    """
    teller = _Teller(graph, leaf, saw)
    reasons = []
    if shares is None:
        known = bool(probability) and not len(graph.evidence) and not len(graph.constraint)
        shares = [proof.probability / probability if known and probability else None for proof in proofs]
    for proof, share in zip(proofs, shares, strict=True):
        reasons.append(Reason(teller.line(proof.root), proof.probability, share))
    if answer is None:
        answer = _literal_text(graph, proofs[0].literal) if proofs else ""
    total = probability if probability is not None else (proofs[0].probability if proofs else 0.0)
    return Story(answer, total, tuple(teller.lines), tuple(reasons), method, text, pictures or {})


@dataclass
class _Teller:
    graph: DerivationGraph
    leaf: NDArray[np.float64]
    saw: Saw | None
    lines: list[Line] = field(default_factory=list)
    known: dict[int, int] = field(default_factory=dict)  # id of a step (the proofs outlive this) -> its line
    same: dict[tuple[object, ...], int] = field(default_factory=dict)  # equal steps are one line
    alike: dict[tuple[Line, frozenset[int]], int] = field(default_factory=dict)
    rest: list[frozenset[int]] = field(default_factory=list)  # leaf literals that each line rests on

    def __post_init__(self) -> None:
        self.rules = {rule.id: rule for rule in (*self.graph.program.rules, *self.graph.program.constraints)}

    def line(self, step: Step) -> int:
        """The number of the step's line, written now if it is new. Children are always written before."""
        todo = [step]
        while todo:
            current = todo[-1]
            missing = [child for child in current.children if id(child) not in self.known]
            if missing and id(current) not in self.known:
                todo.extend(missing)
                continue
            todo.pop()
            if id(current) not in self.known:
                self._write(current)
        return self.known[id(step)]

    def _write(self, step: Step) -> None:
        children = tuple(self.known[id(child)] for child in step.children)
        by = step.derivation if isinstance(step, Derived) else step.aggregate if isinstance(step, Aggregated) else -1
        identity = (type(step), step.literal, by, children)
        number = self.same.get(identity)
        if number is None:
            own = [step.literal] if isinstance(step, Assumed) else []
            rest = frozenset(own).union(*(self.rest[child] for child in children))
            line = self._line(len(self.lines), step, children, self.probability(rest))
            # Two steps that would read the same (an outcome, and the atom it selects) are one line.
            number = self.alike.setdefault((replace(line, id=-1), rest), line.id)
            if number == line.id:
                self.lines.append(line)
                self.rest.append(rest)
            self.same[identity] = number
        self.known[id(step)] = number

    def _line(self, number: int, step: Step, children: tuple[int, ...], probability: float) -> Line:
        match step:
            case Assumed(literal):
                return self._assumed(number, literal, probability)
            case Derived():
                return self._derived(number, step, children, probability)
            case Absent():
                return self._absent(number, step, children, probability)
            case Aggregated():
                return self._aggregated(number, step, children, probability)

    def probability(self, literals: Iterable[int]) -> float:
        """The chance that all the leaf literals hold: choices are independent, outcomes of one exclude each other."""
        graph = self.graph
        chosen: dict[int, float] = {}
        barred: dict[int, float] = {}
        for literal in literals:
            leaf = literal >> 1
            choice = int(graph.choices.of_leaf[leaf])
            if literal & 1:
                barred[choice] = barred.get(choice, 0.0) + float(self.leaf[leaf])
            else:
                chosen[choice] = float(self.leaf[leaf])
        result = 1.0
        for choice in chosen.keys() | barred.keys():
            result *= chosen[choice] if choice in chosen else max(0.0, 1.0 - barred[choice])
        return result

    # -- the kinds of steps --------------------------------------------------------------------------------

    def _assumed(self, number: int, literal: int, probability: float) -> Line:
        leaf = literal >> 1
        choice = int(self.graph.choices.of_leaf[leaf])
        rule = self._rule_of_choice(int(self.graph.choices.choice[choice]))
        sighting = self._sighting(rule, choice)
        text = str(self.graph.atom_of(leaf))
        return Line(number, "chosen", text, not literal & 1, probability, RuleNote.of(rule), sighting)

    def _derived(self, number: int, step: Derived, children: tuple[int, ...], probability: float) -> Line:
        rule_id = int(self.graph.rule[step.derivation])
        text = str(self.graph.atom_of(step.node))
        if rule_id == _FACT:
            return Line(number, "fact", text, True, 1.0)
        if rule_id == _CONDITION:
            return self._condition(number, step, children, probability)
        chosen = [self.lines[c] for c in children if self.lines[c].kind == "chosen" and self.lines[c].text == text]
        note = RuleNote.of(self.rules.get(rule_id))
        if chosen:  # the atom and the outcome that selects it are one line to a reader
            others = tuple(c for c in children if c != chosen[0].id)
            if chosen[0].sighting is not None:  # what was seen says more than the input fact that led to it
                others = tuple(c for c in others if self.lines[c].kind != "fact")
            return replace(chosen[0], id=number, rule=note, probability=probability, children=others)
        return Line(number, "derived", text, True, probability, note, children=children)

    def _condition(self, number: int, step: Derived, children: tuple[int, ...], probability: float) -> Line:
        """An element of an aggregate that holds; facts say nothing where something else decided it."""
        telling = tuple(c for c in children if self.lines[c].kind != "fact")
        if len(telling) == 1:
            return replace(self.lines[telling[0]], id=number)
        text = self._element(step.node)
        return Line(number, "condition", text, True, probability, children=telling or children)

    def _element(self, node: int) -> str:
        terms = ",".join(format_term(argument) for argument in self.graph.atom_of(node).arguments)
        return f"element {terms}"

    def _absent(self, number: int, step: Absent, children: tuple[int, ...], probability: float) -> Line:
        text = str(self.graph.atom_of(step.node))
        children = tuple(dict.fromkeys(children))
        if len(children) == 1:
            only = self.lines[children[0]]
            if only.kind == "chosen" and only.text == text and not only.holds:
                return replace(only, id=number)
        first, last = self.graph.derivations_ptr[step.node : step.node + 2]
        if first < last and int(self.graph.rule[first]) == _CONDITION:
            if len(children) == 1:  # an element fails as its one reason does, and has no name of its own
                return replace(self.lines[children[0]], id=number)
            return Line(number, "absent", self._element(step.node), False, probability, children=children)
        ways = int(last - first)
        note = "no rule derives it" if ways == 0 else f"none of {ways} ways to derive it holds" if ways > 1 else ""
        rules = {int(r) for r in self.graph.rule[first:last]}
        rule = RuleNote.of(self.rules.get(rules.pop())) if len(rules) == 1 else None
        return Line(number, "absent", text, False, probability, rule, children=children, note=note)

    def _aggregated(self, number: int, step: Aggregated, children: tuple[int, ...], probability: float) -> Line:
        aggregate = self.graph.aggregates[step.aggregate]
        index = int(np.flatnonzero(aggregate.result == step.node)[0])
        value = aggregate.value[index].item()
        counted = []
        for child, line, weight in zip(step.children, children, aggregate.weight, strict=True):
            counted.append(Counted(weight.item(), line, not child.literal & 1))
        held = [c for c in counted if c.holds]
        text = f"#{aggregate.function} = {_number(value)}"
        note = f"{len(held)} of {len(counted)} elements hold"
        children = tuple(dict.fromkeys(children))
        return Line(number, "aggregate", text, True, probability, children=children, counted=tuple(counted), note=note)

    # -- rules and what was seen ---------------------------------------------------------------------------

    def _rule_of_choice(self, choice: int) -> Rule | None:
        for rule in self.rules.values():
            if rule.choice is not None and rule.choice.id == choice:
                return rule
        return None

    def _sighting(self, rule: Rule | None, choice: int) -> Sighting | None:
        if self.saw is None or rule is None or rule.choice is None:
            return None
        name = rule.choice.neural or rule.heads[0].predicate
        return self.saw(name, self.graph.choices.key[choice])


def _literal_text(graph: DerivationGraph, literal: int) -> str:
    atom: Atom = graph.atom_of(literal >> 1)
    return f"not {atom}" if literal & 1 else str(atom)


def _number(value: float | int) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
