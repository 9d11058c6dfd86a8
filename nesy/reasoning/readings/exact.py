"""Exact probabilities of a derivation graph's queries, with gradients; bounds where a budget ends before.

The graph is analysed once, part by part (`scopes`): each part becomes a formula, a diagram, and rows of one
circuit. Reading it for a batch of leaf probabilities is then one pass over that circuit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from math import log
from typing import Literal as OneOf

import numpy as np
import torch
from torch import Tensor

from nesy.errors import InconsistentError
from nesy.language.core import CoreProgram
from nesy.reasoning.compilation import sumproduct
from nesy.reasoning.compilation.budget import Budget
from nesy.reasoning.compilation.canonical import Numbering
from nesy.reasoning.compilation.circuit import ONE, ZERO, Circuit, CircuitBuilder, InputRows
from nesy.reasoning.compilation.conditioning import Conditioning, priors
from nesy.reasoning.compilation.cutset import lift
from nesy.reasoning.compilation.diagram import Diagram
from nesy.reasoning.compilation.factors import Problem, factored
from nesy.reasoning.compilation.formula import Formula, FormulaMaker, Leaf, Shape
from nesy.reasoning.compilation.frontier import compile_frontier
from nesy.reasoning.compilation.lifting import Lifted
from nesy.reasoning.compilation.pieces import Piece, cut
from nesy.reasoning.compilation.places import Places
from nesy.reasoning.compilation.problem import extract
from nesy.reasoning.compilation.reduction import reduced
from nesy.reasoning.compilation.scopes import Part, split
from nesy.reasoning.compilation.structures import (
    METHODS,
    Method,
    SideBySide,
    Structures,
    Template,
    side_by_side,
    weakest,
)
from nesy.reasoning.derivation import DerivationGraph, Index
from nesy.reasoning.readings.probabilities import Probabilities, widened

_TOGETHER = 20_000  # states that queries of one part may cost together before each is compiled alone
_BOUNDS = 200_000  # states of a search for bounds: more of them narrow the interval too slowly
_CACHED = 1_024  # shapes whose diagrams are kept: those of a training set's structures


@dataclass(frozen=True)
class Rows:
    """Where masses are in the circuit: the target and the conditions hold; the conditions do; not known."""

    yes: int
    total: int
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
    circuit: Circuit  # roots: yes, total, unknown of each query; then (total, unknown) of each group of conditions
    methods: tuple[Method, ...]  # of each query
    is_conditional: Tensor  # [Q] whether the total of a query is not 1
    groups: tuple[tuple[int, ...], ...]  # literals of each group of conditions
    lifted: tuple[Lifted, ...]  # distributions that are inputs of the circuit after those of `inputs`
    groups_of: tuple[tuple[int, ...], ...]  # the groups that each query is under, even if they do not touch it

    @cached_property
    def method(self) -> Method:
        """The weakest method any query was answered with."""
        return weakest(self.methods)

    def __call__(self, leaf: Tensor, where_impossible: OneOf["raise", "nan"] = "raise") -> Probabilities:
        """The probability of each query.

        Raises: InconsistentError where no possible world meets a query's conditions (unless "nan" is asked for).
        """
        if leaf.shape[-1:] != (self.graph.num_leaves,):
            raise ValueError(f"leaf probabilities have shape {tuple(leaf.shape)}, not [*B, {self.graph.num_leaves}]")
        batch, num_queries = leaf.shape[:-1], len(self.methods)
        values = self.inputs.values(widened(leaf).reshape(batch.numel(), self.graph.num_leaves).T)
        if self.lifted:
            values = torch.cat([values, *(lifted(values) for lifted in self.lifted)])
        circuit = self.circuit.to(leaf.device)
        roots = circuit(values)
        yes, total, unknown = roots[: 3 * num_queries].unflatten(0, (3, num_queries))
        ends = roots[3 * num_queries :].unflatten(0, (2, len(self.groups)))
        # Without conditions the total is 1 already, and a division would only add rounding.
        if self._is_doubtful(yes, ends[0], values):
            roots = circuit.log(values)
            yes, total, _ = roots[: 3 * num_queries].unflatten(0, (3, num_queries))
            log_p = yes - self._where_conditional(total, 0.0)
            lower = upper = log_p.exp()
            log_known = roots[3 * num_queries :][: len(self.groups)]
            known, is_possible = log_known.exp(), log_known > -torch.inf
        else:
            if self.method == "bounds":
                total = self._where_conditional(total + unknown, 1.0)
                lower, upper = yes / total, (yes + unknown) / total
            else:
                lower = upper = yes / self._where_conditional(total, 1.0) if any(self._conditional) else yes
            log_p = lower.clamp_min(torch.finfo(lower.dtype).tiny).log()
            known, is_possible = ends[0], ends.sum(0) > 0
        if where_impossible == "raise" and self.groups:
            self._check(is_possible)
        evidence = torch.ones_like(lower)
        if self.groups:
            known = torch.cat([known, known.new_ones(1, known.shape[1])])
            evidence = known[self._group_index.to(leaf.device)]
            evidence = evidence.squeeze(1) if evidence.shape[1] == 1 else evidence.prod(1)

        def shaped(answer: Tensor) -> Tensor:
            return answer.T.reshape(*batch, num_queries).to(leaf.dtype)

        low = shaped(lower)
        if self.method != "bounds":
            return Probabilities(low, low, low, shaped(evidence), shaped(log_p))
        return Probabilities(shaped((lower + upper) / 2), low, shaped(upper), shaped(evidence), shaped(log_p))

    @cached_property
    def _group_index(self) -> Tensor:
        """[Q, most] the groups of conditions that each query is under; filled up with one past the last group."""
        most = max(map(len, self.groups_of), default=0)
        rows = [[*groups, *[len(self.groups)] * (most - len(groups))] for groups in self.groups_of]
        return torch.tensor(rows, dtype=torch.int64).reshape(len(rows), most)

    @cached_property
    def _conditional(self) -> list[bool]:
        return self.is_conditional.tolist()

    def _where_conditional(self, total: Tensor, otherwise: float) -> Tensor:
        """The totals of queries under conditions. Shapes: [Q, B] -> [Q, B]"""
        return torch.where(self.is_conditional[:, None].to(total.device), total, otherwise)

    def _is_doubtful(self, yes: Tensor, known: Tensor, values: Tensor) -> bool:
        """Whether a mass of 0 may be one that is only too small for the type: then logarithms tell."""
        if self.method == "bounds" or not len(self.circuit.layers):
            return False
        if not bool((yes.detach() == 0).any()) and not bool((known.detach() == 0).any()):
            return False
        small = torch.where(values > 0, values.detach(), 1).amin() if values.numel() else values.new_ones(())
        return bool(len(self.circuit.layers) * small.log() < log(torch.finfo(yes.dtype).tiny))

    def _check(self, is_possible: Tensor) -> None:
        if bool(is_possible.all()):
            return
        for group, literals in enumerate(self.groups):
            if not bool(is_possible[group].all()):
                names = "; ".join(_condition_text(self.graph, literal) for literal in literals)
                raise InconsistentError(f"no possible world agrees with {names}")


def exact(graph: DerivationGraph, budget: Budget | None = None, structures: Structures | None = None) -> Reading:
    """Analyse a graph for exact probabilities of its queries.

    Samples of one structure are analysed once; with `structures`, once for all graphs that use the same ones.

    Raises: InconsistentError where grounding already found the evidence to be impossible.
    """
    if graph.impossible:
        raise InconsistentError("no possible world agrees with " + "; ".join(graph.impossible))
    if graph.num_samples == 1 and structures is None:
        return _reading(graph, _Analysis(graph, budget or Budget()).run())
    return _by_sample(graph, budget or Budget(), Structures() if structures is None else structures)


def _by_sample(graph: DerivationGraph, budget: Budget, structures: Structures) -> Reading:
    """The readings of all samples side by side."""
    pieces, templates = analysed(graph.program, cut(graph), budget, structures)
    return joined(graph, Places.of(pieces), pieces, templates)


def joined(graph: DerivationGraph, places: Places, pieces: Sequence[Piece], templates: Sequence[Template]) -> Reading:
    """The readings of samples that have been analysed, side by side."""
    beside = side_by_side(graph.choices, places, templates)
    asked, sizes = places.query.value, np.diff(places.query.ptr)
    start = np.repeat(beside.root_ptr[:-1], sizes) + np.arange(len(asked)) - np.repeat(places.query.ptr[:-1], sizes)
    each, root = np.repeat(sizes, sizes), beside.wiring.root
    ends = np.empty((3, len(asked)), dtype=np.int64)
    ends[:, asked] = [root[start], root[start + each], root[start + 2 * each]]  # yes, total, unknown
    method, is_conditional = np.zeros(len(asked), dtype=np.int64), np.zeros(len(asked), dtype=np.bool_)
    method[asked] = np.concatenate([method[:0], *(template.method_numbers for template in templates)])
    is_conditional[asked] = [one for template in templates for one in template.is_conditional]
    groups = _grouped(places, pieces, templates, beside)
    together = Template(
        wiring=replace(beside.wiring, root=np.concatenate([ends.reshape(-1), groups.ends.T.reshape(-1)])),
        methods=tuple(METHODS[one] for one in method.tolist()),
        is_conditional=tuple(is_conditional.tolist()),
        groups=groups.groups,
        groups_of=groups.groups_of,
        lifted=beside.lifted,
    )
    return _reading(graph, together)


@dataclass(frozen=True, eq=False)
class _Groups:
    """The groups of conditions of samples side by side; groups of the same conditions are one.

    Shapes: ends [groups, 2] the rows of total and unknown
    """

    groups: tuple[tuple[int, ...], ...]
    groups_of: tuple[tuple[int, ...], ...]  # of each query
    ends: Index


def _grouped(places: Places, pieces: Sequence[Piece], templates: Sequence[Template], beside: SideBySide) -> _Groups:
    groups_of: list[tuple[int, ...]] = [()] * len(places.query.value)
    number: dict[tuple[int, ...], int] = {}
    ends: list[int] = []
    members: dict[int, list[list[int]]] = {}  # of each template: where its groups' conditions are among a sample's
    asked, condition, root = (
        each.tolist() for each in (places.query.value, places.condition.value, beside.wiring.root)
    )
    query_ptr, condition_ptr, root_ptr = (
        each.tolist() for each in (places.query.ptr, places.condition.ptr, beside.root_ptr)
    )
    for sample, template in enumerate(templates):
        if not template.groups:
            continue
        own = members.get(id(template))
        if own is None:
            given = pieces[sample].own_conditions.tolist()
            own = members[id(template)] = [[given.index(one) for one in group] for group in template.groups]
        past = root_ptr[sample] + 3 * len(template.methods)
        mine = []
        for group, members_of in enumerate(own):
            named = tuple([condition[condition_ptr[sample] + place] for place in members_of])
            mine.append(number.setdefault(named, len(number)))
            if len(number) > len(ends) // 2:
                ends += [root[past + group], root[past + len(own) + group]]
        for place, under in enumerate(template.groups_of):
            groups_of[asked[query_ptr[sample] + place]] = tuple([mine[group] for group in under])
    return _Groups(tuple(number), tuple(groups_of), np.array(ends, dtype=np.int64).reshape(-1, 2))


def _reading(graph: DerivationGraph, template: Template) -> Reading:
    return Reading(
        graph=graph,
        inputs=InputRows(graph.choices),
        circuit=template.wiring.circuit(),
        methods=template.methods,
        is_conditional=torch.tensor(template.is_conditional, dtype=torch.bool),
        groups=template.groups,
        lifted=template.lifted,
        groups_of=template.groups_of,
    )


def analysed(
    program: CoreProgram, pieces: Sequence[Piece], budget: Budget, structures: Structures
) -> tuple[list[Piece], list[Template]]:
    """The pieces, numbered as their templates want it, and these; those that are not known are made, with a fair share
    of the time each."""
    numberings = structures.numberings
    found: dict[bytes, tuple[Numbering, Template]] = {}  # by the signatures that pieces come with
    missing: dict[bytes, Piece] = {}
    for piece in pieces:
        signature = piece.signature
        if signature not in found and signature not in missing:
            numbering = numberings.find(signature)
            template = None if numbering is None else structures.part(numbering.signature, budget)
            if numbering is None or template is None:
                missing[signature] = piece
                continue
            found[signature] = numbering, template
        structures.repeat()
    parts = _Parts(program, budget, structures, budget)
    clock = budget.start()
    for position, (signature, piece) in enumerate(missing.items()):
        parts.share = replace(budget, time=clock.left / (len(missing) - position))
        # Factors of pieces are alike in the order in which they came; what has none is put into an order of its own.
        template = factored(piece, parts.template)
        numbering = Numbering(signature, None) if template is not None else Numbering.of(piece)
        known = structures.find(numbering.signature, budget)
        if known is None:
            known = template or _Analysis(numbering.apply(piece).graph(), parts.share).run()
            structures.keep(numbering.signature, budget, known)
        numberings.keep(signature, numbering)
        found[signature] = numbering, known
    chosen = [found[piece.signature] for piece in pieces]
    numbered = [numbering.apply(piece) for (numbering, _), piece in zip(chosen, pieces, strict=True)]
    return numbered, [template for _, template in chosen]


@dataclass(eq=False)
class _Parts:
    """Analyses parts of samples that no sample had before."""

    program: CoreProgram
    budget: Budget
    structures: Structures
    share: Budget  # of the budget, for the present sample
    _known: dict[Problem, Template] = field(default_factory=dict[Problem, Template])  # a look without a hash of all

    def template(self, problem: Problem) -> Template:
        """What there is to know about a part."""
        known = self._known.get(problem)
        if known is None:
            signature = problem.signature
            known = self.structures.part(signature, self.budget)
            if known is None:
                known = _Analysis(problem.graph(self.program), self.share).run()
                self.structures.keep(signature, self.budget, known)
            self._known[problem] = known
        return known


class _Analysis:
    """Builds the circuit of a graph, part by part."""

    def __init__(self, graph: DerivationGraph, budget: Budget):
        self.graph = graph
        self.budget = budget
        self.clock = budget.start()
        self.maker = FormulaMaker(graph)
        self.inputs = InputRows(graph.choices)
        self.builder = CircuitBuilder(self.inputs.num_rows)
        self.lifted: list[Lifted] = []
        self.waiting = len(graph.query)

    def run(self) -> Template:
        graph = self.graph
        parts = split(graph, self.maker)
        rows = [Rows(ZERO, ONE, ZERO) for _ in graph.query]
        methods: list[Method] = ["exact" for _ in graph.query]
        is_conditional = [False for _ in graph.query]
        totals: dict[tuple[int, ...], Rows] = {}
        for part in parts.parts:
            method, found = self._part(part)
            for query, row in zip(part.queries, found, strict=True):
                rows[query], methods[query] = row, method
                is_conditional[query] = bool(part.conditions)
            totals[tuple(part.conditions)] = found[0]
        number: dict[tuple[int, ...], int] = {}
        for group in [group for groups in parts.conditions.values() for group in groups]:
            if group not in totals:
                _, (totals[group],) = self._compile([], group)
            number.setdefault(group, len(number))
        groups_of = tuple(tuple(number[group] for group in parts.conditions[scope]) for scope in parts.scope)
        columns = [[r.yes for r in rows], [r.total for r in rows], [r.unknown for r in rows]]
        columns += [[totals[group].total for group in number], [totals[group].unknown for group in number]]
        return Template(
            wiring=self.builder.build([row for column in columns for row in column]),
            methods=tuple(methods),
            is_conditional=tuple(is_conditional),
            groups=tuple(number),
            lifted=tuple(self.lifted),
            groups_of=groups_of,
        )

    def _part(self, part: Part) -> tuple[Method, list[Rows]]:
        """Queries together if that is cheap, each alone otherwise."""
        literals = [literal for q in part.queries if (literal := self.graph.query[q].literal) is not None]
        if len(literals) > 1:
            found = self._exact(self.maker.make(literals, part.conditions), Budget(self.clock.left, _TOGETHER))
            if found is not None:
                return found
        rows: list[Rows] = []
        methods: list[Method] = []
        for literal in literals:
            method, mine = self._compile([literal], part.conditions)
            rows += mine
            methods.append(method)
        return "bounds" if "bounds" in methods else max(methods), rows

    def _exact(self, formula: Formula, budget: Budget) -> tuple[Method, list[Rows]] | None:
        """The rows of a formula's targets, if the budget suffices."""
        shape = formula.shape
        if self._is_plain(shape):
            return "exact", self._plain(shape, self._weights(formula.choice, formula.leaf))
        found = sumproduct.plan(formula)
        if found is not None:
            weights = self._weights(formula.choice, formula.leaf)
            return "exact", [Rows(row, ONE, ZERO) for row in sumproduct.emit(shape, found, weights, self.builder)]
        reduced, liftings = lift(formula)
        leaf = list(reduced.leaf)
        branch = leaf.index(()) if liftings else 0
        for lifting in liftings:
            rows = [[self.inputs.leaf(number) for number in leaves] for leaves in formula.leaf]
            distributions = lifting.distribution(rows)
            self.lifted.append(distributions)
            first = self.builder.inputs(distributions.num_rows)
            width = len(lifting.values) + 1
            for start in range(first, first + distributions.num_rows, width):
                leaf[branch] = tuple(range(start, start + width))
                branch += 1
        shape = reduced.shape
        if liftings:
            weights = self._weights(reduced.choice, leaf)
            if self._is_plain(shape):
                return "exact", self._plain(shape, weights)
            found = sumproduct.plan(reduced)
            if found is not None:
                return "exact", [Rows(row, ONE, ZERO) for row in sumproduct.emit(shape, found, weights, self.builder)]
        diagram = _compiled(shape, budget)
        if diagram is None:
            return None
        return "exact (compiled)", self._emit(reduced.choice, leaf, diagram, bool(shape.conditions))

    def _is_plain(self, shape: Shape) -> bool:
        """Whether each target is certain, impossible, or one outcome of one branch, under no condition."""
        plain = (t <= 1 or (not t & 1 and isinstance(shape.gates[t >> 1], Leaf)) for t in shape.targets)
        return not shape.conditions and bool(shape.targets) and all(plain)

    def _plain(self, shape: Shape, weights: Index) -> list[Rows]:
        rows: list[Rows] = []
        for literal in shape.targets:
            gate = shape.gates[literal >> 1]
            certain = ZERO if literal & 1 else ONE
            yes = int(weights[gate.branch, gate.outcome]) if isinstance(gate, Leaf) else certain
            rows.append(Rows(yes, ONE, ZERO))
        return rows

    def _compile(self, targets: Sequence[int], conditions: Sequence[int]) -> tuple[Method, list[Rows]]:
        """The rows of each target (of the conditions alone, without targets)."""
        share = Budget(self.clock.left / max(1, self.waiting)).start()  # fair to the parts that are still to come
        self.waiting -= 1
        exactly = self._exact(self.maker.make(targets, conditions), Budget(share.left / 2, self.budget.nodes))
        if exactly is not None:
            return exactly
        problem = extract(self.graph, targets, conditions)
        prior = priors(self.graph, problem)
        bounded = Budget(share.left, min(self.budget.nodes, _BOUNDS), self.budget.epsilon)
        diagram = Conditioning(problem, prior, by_mass=True).build(bounded.start())
        choice = tuple(branch.choice for branch in problem.branches)
        leaf = tuple(branch.leaf for branch in problem.branches)
        method: Method = "bounds" if len(diagram.unknown) else "exact (compiled)"
        return method, self._emit(choice, leaf, diagram, bool(conditions))

    def _emit(
        self, choice: Sequence[int], leaf: Sequence[Sequence[int]], diagram: Diagram, is_conditional: bool
    ) -> list[Rows]:
        """A diagram as rows: the mass of a state is the sum over the edges into it.

        What a target needs after a state where it holds is that the conditions hold: the sum over the edges out.
        """
        builder = self.builder
        mass = np.arange(diagram.num_states) + builder.rows(diagram.num_states)
        builder.add(mass[:1], np.asarray([ONE]), np.asarray([ONE]))
        weight = self._weights(choice, leaf)[diagram.branch, diagram.outcome]
        builder.add(mass[diagram.target], mass[diagram.source], weight)
        later = np.full(diagram.num_states, ONE)
        if is_conditional and any(not np.isin(states, diagram.final).all() for states in diagram.holds):
            later = np.arange(diagram.num_states) + builder.rows(diagram.num_states)
            builder.add(later[diagram.final], np.full(len(diagram.final), ONE), np.full(len(diagram.final), ONE))
            builder.add(later[diagram.source], later[diagram.target], weight)
        one = np.full(diagram.num_states, ONE)
        total = self._sum(mass[diagram.final], one) if is_conditional or len(diagram.unknown) else ONE
        unknown = self._sum(mass[diagram.unknown], one)
        if not diagram.holds:
            return [Rows(total, total, unknown)]
        return [Rows(self._sum(mass[states], later[states]), total, unknown) for states in diagram.holds]

    def _weights(self, choice: Sequence[int], leaf: Sequence[Sequence[int]]) -> Index:
        """[branches, outcomes + 1]: the row of each outcome's probability; the last is that of no outcome."""
        choices = self.graph.choices
        weights = np.full((len(choice), max(map(len, leaf), default=0) + 1), ZERO)
        for branch, (number, leaves) in enumerate(zip(choice, leaf, strict=True)):
            if number < 0:  # a lifted branch: the rows of its outcomes, then that of none of them
                weights[branch, : len(leaves)] = leaves
                weights[branch, -1] = leaves[-1]
                continue
            weights[branch, : len(leaves)] = [self.inputs.leaf(node) for node in leaves]
            if len(leaves) == 1:
                weights[branch, -1] = self.inputs.other(leaves[0])
                continue
            others = set(range(int(choices.ptr[number]), int(choices.ptr[number + 1]))) - set(leaves)
            rows = [self.inputs.leaf(node) for node in sorted(others)]
            rows += [self.inputs.rest(number)] if choices.has_rest[number] else []
            weights[branch, -1] = (
                rows[0] if len(rows) == 1 else self._sum(np.asarray(rows, np.int64), np.full(len(rows), ONE))
            )
        return weights

    def _sum(self, left: Index, right: Index) -> int:
        """A row that sums row[left[i]] * row[right[i]]."""
        if not len(left):
            return ZERO
        total = self.builder.rows(1)
        self.builder.add(np.full(len(left), total), left, right[: len(left)])
        return total


@lru_cache(maxsize=_CACHED)
def _diagram_of_small(shape: Shape, nodes: int) -> Diagram | None:
    return _diagram(shape, Budget(time=60.0, nodes=nodes))


def _compiled(shape: Shape, budget: Budget) -> Diagram | None:
    """The diagram of a shape; those of small shapes are kept, as training meets them again and again."""
    if len(shape.num_outcomes) <= 64:
        return _diagram_of_small(shape, min(budget.nodes, _TOGETHER)) or (
            _diagram(shape, budget) if budget.nodes > _TOGETHER else None
        )
    return _diagram(shape, budget)


def _diagram(shape: Shape, budget: Budget) -> Diagram | None:
    diagram = compile_frontier(shape, budget.start())
    return None if diagram is None else reduced(diagram, shape)


def _condition_text(graph: DerivationGraph, literal: int) -> str:
    """An evidence literal or a constraint, as a person wrote it."""
    node = literal >> 1
    if literal & 1 and node in graph.constraint:
        derivations = range(int(graph.derivations_ptr[node]), int(graph.derivations_ptr[node + 1]))
        ids = {int(graph.rule[d]) for d in derivations}
        places = sorted(rule.span.place for rule in graph.program.constraints if rule.id in ids and rule.span)
        return "the constraint at " + ", ".join(places) if places else "a constraint"
    return f"evidence {'not ' if literal & 1 else ''}{graph.atom_of(node)}"
