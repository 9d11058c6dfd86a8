"""Exact probabilities of a derivation graph's queries, with gradients; bounds where a budget ends before.

The graph is analysed once, part by part (`scopes`), into one circuit (`circuit`). Reading it for a
batch of leaf probabilities is then one pass over that circuit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal as OneOf

import numpy as np
import torch
from torch import Tensor

from nesy.errors import InconsistentError
from nesy.reasoning.derivation import DerivationGraph
from nesy.reasoning.readings.budget import Budget, Clock
from nesy.reasoning.readings.circuit import ONE, ZERO, Circuit, CircuitBuilder, InputRows
from nesy.reasoning.readings.conditioning import Conditioning, Diagram, priors
from nesy.reasoning.readings.probabilities import Probabilities
from nesy.reasoning.readings.problem import Problem, Reach, extract
from nesy.reasoning.readings.scopes import Part, split

Method = OneOf["exact", "exact (compiled)", "bounds", "sampled"]


@dataclass(frozen=True)
class Rows:
    """Where a query's masses are in the circuit: conditions hold and it does, or does not, or is unknown."""

    yes: int
    no: int
    unknown: int


@dataclass(frozen=True, eq=False)
class Reading:
    """Leaf probabilities in, answer probabilities out; made by `exact`.

    Shapes: leaf [*B, L] float32 or float64 -> each of `Probabilities` [*B, Q], same type and device
    Gradient: of `p`, `lower`, `upper` and `evidence` in `leaf`: those of rational functions, finite at 0 and 1.
    Cost: linear in `circuit.num_edges` for each row of the batch.
    """

    graph: DerivationGraph
    inputs: InputRows
    circuit: Circuit  # roots: yes, no, unknown of each query; then the condition groups' (holds, unknown)
    methods: tuple[Method, ...]  # of each query
    conditional: Tensor  # [Q] whether any condition bears on the query
    group_of: dict[int, tuple[int, ...]]  # scope -> its condition groups
    scope: tuple[int, ...]  # of each query
    conditions: tuple[tuple[int, ...], ...]  # literals of each condition group

    @property
    def method(self) -> Method:
        """The weakest method any query was answered with."""
        order: tuple[Method, ...] = ("exact", "exact (compiled)", "bounds", "sampled")
        return max(self.methods, key=order.index, default="exact")

    def __call__(self, leaf: Tensor, where_impossible: OneOf["raise", "nan"] = "raise") -> Probabilities:
        """The probability of each query.

        Raises: InconsistentError where no possible world meets a query's conditions (unless "nan" is asked for).
        """
        if leaf.shape[-1:] != (self.graph.num_leaves,):
            raise ValueError(f"leaf probabilities have shape {tuple(leaf.shape)}, not [*B, {self.graph.num_leaves}]")
        batch = leaf.shape[:-1]
        wide = leaf if leaf.device.type == "mps" else leaf.double()
        values = self.inputs.values(wide.reshape(batch.numel(), self.graph.num_leaves).T)
        roots = self.circuit.to(leaf.device)(values)
        num_queries = len(self.methods)
        yes, no, unknown = roots[: 3 * num_queries].unflatten(0, (3, num_queries))
        groups = roots[3 * num_queries :].unflatten(0, (2, len(self.conditions)))
        self._check(groups[0] + groups[1], where_impossible)
        # Without conditions the masses add up to 1 already, and a division would only add rounding.
        total = torch.where(self.conditional[:, None].to(leaf.device), yes + no + unknown, torch.ones_like(yes))
        lower = yes / total
        upper = (yes + unknown) / total
        evidence = torch.ones_like(yes)
        if self.conditions:
            evidence = torch.stack([groups[0][list(self.group_of[scope])].prod(0) for scope in self.scope])

        def shaped(answer: Tensor) -> Tensor:
            return answer.T.reshape(*batch, num_queries).to(leaf.dtype)

        exact = all(method != "bounds" for method in self.methods)
        p = lower if exact else (lower + upper) / 2
        return Probabilities(shaped(p), shaped(lower), shaped(upper), shaped(evidence))

    def _check(self, chance: Tensor, where_impossible: OneOf["raise", "nan"]) -> None:
        if where_impossible == "nan" or not len(chance):
            return
        if self.graph.impossible:
            raise InconsistentError("no possible world agrees with " + "; ".join(self.graph.impossible))
        for group, literals in enumerate(self.conditions):
            if bool((chance[group] <= 0).any()):
                names = "; ".join(_condition_text(self.graph, literal) for literal in literals)
                raise InconsistentError(f"no possible world agrees with {names}")


def exact(graph: DerivationGraph, budget: Budget | None = None) -> Reading:
    """Analyse a graph for exact probabilities of its queries.

    Raises: InconsistentError where grounding already found the evidence to be impossible.
    """
    if graph.impossible:
        raise InconsistentError("no possible world agrees with " + "; ".join(graph.impossible))
    return _Analysis(graph, (budget or Budget()).start()).run()


class _Analysis:
    """Builds a reading's circuit, part by part."""

    def __init__(self, graph: DerivationGraph, clock: Clock):
        self.graph = graph
        self.clock = clock
        self.reach = Reach(graph)
        self.inputs = InputRows(graph.choices)
        self.builder = CircuitBuilder(self.inputs.num_rows)

    def run(self) -> Reading:
        graph = self.graph
        parts = split(graph)
        rows = [Rows(ZERO, ONE, ZERO) for _ in graph.query]
        methods: list[Method] = ["exact" for _ in graph.query]
        conditional = np.zeros(len(graph.query), dtype=bool)
        for part in parts.parts:
            method, found = self._part(part)
            for query, row in zip(part.queries, found, strict=True):
                rows[query] = row
                methods[query] = method
                conditional[query] = bool(part.conditions)
        group_of: dict[int, tuple[int, ...]] = {}
        conditions: list[tuple[int, ...]] = []
        chance: list[Rows] = []
        known: dict[tuple[int, ...], int] = {}
        for scope, groups in parts.conditions.items():
            for literals in groups:
                if literals not in known:
                    known[literals] = len(conditions)
                    conditions.append(literals)
                    _, (found_rows,) = self._diagram((), literals)
                    chance.append(found_rows)
            group_of[scope] = tuple(known[literals] for literals in groups)
        circuit = self.builder.build(
            [
                *(r.yes for r in rows),
                *(r.no for r in rows),
                *(r.unknown for r in rows),
                *(r.yes for r in chance),
                *(r.unknown for r in chance),
            ]
        )
        return Reading(
            graph,
            self.inputs,
            circuit,
            tuple(methods),
            torch.from_numpy(conditional),
            group_of,
            tuple(parts.scope_of_query.tolist()),
            tuple(conditions),
        )

    def _part(self, part: Part) -> tuple[Method, list[Rows]]:
        literals = [self.graph.query[q].literal for q in part.queries]
        known = [literal for literal in literals if literal is not None]
        return self._diagram(known, part.conditions)

    def _diagram(self, targets: list[int] | tuple[int, ...], conditions: tuple[int, ...]) -> tuple[Method, list[Rows]]:
        """The masses of each target (or of the conditions alone, without targets)."""
        problem = extract(self.graph, targets, conditions, self.reach)
        diagram = Conditioning(problem, priors(self.graph, problem)).build(self.clock)
        method: Method = "bounds" if diagram.open_states else "exact (compiled)"
        return method, self._emit(problem, diagram)

    def _emit(self, problem: Problem, diagram: Diagram) -> list[Rows]:
        """The diagram's masses as rows: the mass of a state is the sum over its incoming edges."""
        builder = self.builder
        other = [ZERO if b.is_exhaustive else self._other(b.choice, list(b.leaf)) for b in problem.branches]
        state = np.arange(diagram.num_states) + builder.rows(diagram.num_states)
        one = np.asarray([ONE])
        builder.add(state[:1], one, one)
        weight = np.asarray(
            [self.inputs.leaf(o) if o >= 0 else other[c] for c, o in zip(diagram.choice, diagram.outcome, strict=True)],
            dtype=np.int64,
        )
        source, target = np.asarray(diagram.source, np.int64), np.asarray(diagram.target, np.int64)
        builder.add(state[target], state[source], weight)
        ends = np.asarray(list(diagram.end), np.int64)
        bits = list(diagram.end.values())
        unknown = self._sum(state[np.asarray(diagram.open_states, np.int64)])
        if not problem.targets:
            return [Rows(self._sum(state[ends]), ZERO, unknown)]
        found: list[Rows] = []
        for bit in range(len(problem.targets)):
            holds = np.asarray([b >> bit & 1 for b in bits], dtype=bool)
            found.append(Rows(self._sum(state[ends[holds]]), self._sum(state[ends[~holds]]), unknown))
        return found

    def _sum(self, rows: np.ndarray) -> int:
        if not len(rows):
            return ZERO
        total = self.builder.rows(1)
        self.builder.add(np.full(len(rows), total), rows, np.full(len(rows), ONE))
        return total

    def _other(self, choice: int, leaves: list[int]) -> int:
        """The row of the chance that none of the leaves comes out of the choice."""
        choices = self.graph.choices
        if len(leaves) == 1:
            return self.inputs.other(leaves[0])
        missing = sorted(set(range(int(choices.ptr[choice]), int(choices.ptr[choice + 1]))) - set(leaves))
        rows = [self.inputs.leaf(leaf) for leaf in missing]
        if choices.has_rest[choice]:
            rows.append(self.inputs.rest(choice))
        return self._sum(np.asarray(rows, np.int64))


def _condition_text(graph: DerivationGraph, literal: int) -> str:
    """An evidence literal or a constraint, as a person wrote it."""
    node = literal >> 1
    if literal & 1 and node in graph.constraint:
        derivations = range(int(graph.derivations_ptr[node]), int(graph.derivations_ptr[node + 1]))
        ids = {int(graph.rule[d]) for d in derivations}
        places = sorted(rule.span.place for rule in graph.program.constraints if rule.id in ids and rule.span)
        return "the constraint at " + ", ".join(places) if places else "a constraint"
    return f"evidence {'not ' if literal & 1 else ''}{graph.atom_of(node)}"
