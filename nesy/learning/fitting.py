"""`nesy fit`: the probabilities `t(..)` of a rule file, learned from interpretations with missing values.

An interpretation is what one observation of the world says: atoms that hold and atoms that do not; of all others
nothing is known. Expectation maximisation with exact posteriors: how often each outcome of each random choice was
taken, given what was observed, is a derivative of the observation's probability, so one backward pass through the
circuit gives all expected counts.

Source: Gutmann, Thon, De Raedt, "Learning the Parameters of Probabilistic Logic Programs from Interpretations",
ECML 2011; the counts as derivatives after Darwiche, "A Differential Approach to Inference in Bayesian Networks", 2003.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nesy.errors import DataError, NesyError
from nesy.language import parse_program
from nesy.language.core import Atom as CoreAtom
from nesy.language.core import Choice, Constant, CoreProgram, Evidence, Fixed, Learnable, Variable, format_term
from nesy.language.files import dialect_of, read_file
from nesy.language.values import format_value
from nesy.learning.seeding import stream
from nesy.leaves import LeafPlan, Parameters, parameter_keys
from nesy.reasoning import DerivationGraph, Reading, exact, ground

_SEPARATOR = re.compile(r"^\s*-{3,}\s*$")
_OBSERVED = "observed interpretation"  # a name that no one types
_TOLERANCE = 1e-9  # of the largest change of a probability in a step
_JITTER = 0.1  # how far `t(_)` starts from even shares: at an exactly even start, hidden choices can be stuck

Interpretation = frozenset[tuple[str, bool]]


@dataclass(frozen=True)
class Learned:
    """One learned probability: of a head, for one value of the rule's index if it has one."""

    head: str
    index: tuple[str, ...]
    probability: float

    def __str__(self) -> str:
        where = f"   % {', '.join(self.index)}" if self.index else ""
        return f"{self.probability:.6g}::{self.head}.{where}"


@dataclass(frozen=True)
class Fit:
    """What `fit` gives."""

    learned: tuple[Learned, ...]
    log_likelihood: float
    interpretations: int
    iterations: int
    converged: bool
    program: str  # the rule file with each `t(..)` replaced by what was learned

    def to_dict(self) -> dict[str, Any]:
        """The result as JSON data."""
        return {
            "learned": [
                {"head": one.head, "index": list(one.index), "probability": one.probability} for one in self.learned
            ],
            "log_likelihood": self.log_likelihood,
            "interpretations": self.interpretations,
            "iterations": self.iterations,
            "converged": self.converged,
            "program": self.program,
        }

    def __str__(self) -> str:
        lines = [str(one) for one in self.learned]
        state = "converged" if self.converged else "stopped"
        lines.append(
            f"% {self.interpretations} interpretations, log-likelihood {self.log_likelihood:.6f}, "
            f"{state} after {self.iterations} steps"
        )
        return "\n".join(lines)


def fit(file: str | Path, examples: str | Path, *, iterations: int = 5_000, seed: int = 0) -> Fit:
    """Learn the `t(..)` probabilities of a rule file from a file of interpretations.

    The interpretations are `evidence(atom).` and `evidence(atom, false).`, apart from each other by lines of dashes.
    In a `.pl` file an annotated disjunction with a `t(..)` among several heads leaves nothing over: one of them is
    always chosen, as ProbLog has it. In a `.nesy` file what is left over is learned too.

    Cost: a pass through the circuit of all distinct interpretations per iteration.

    Raises: ProgramError, DataError; NesyError if the file has nothing to learn, or constraints.
    """
    path, data = Path(file), Path(examples)
    source = read_file(path, str(file))
    observed = read_interpretations(data, source.text, path)
    core = _with_observations(source.text, path, list(observed))
    parameters = Parameters(core)
    graph = ground(core)
    parameters.extend(parameter_keys(graph))
    if not len(parameters):
        raise NesyError(f"{file}: there is nothing to learn: no probability is written t(..)")
    uses_all = dialect_of(path) == "problog"
    names = [_shown(observations) for observations in observed]
    problem = _Problem.of(core, graph, parameters, list(observed.values()), names, data, seed, uses_all)
    theta, log_likelihood, steps, converged = problem.maximise(iterations)
    learned = _learned(core, parameters, theta)
    return Fit(
        learned=tuple(one for ones in learned.values() for one in ones),
        log_likelihood=log_likelihood,
        interpretations=sum(observed.values()),
        iterations=steps,
        converged=converged,
        program=_rewritten(source.text, core, learned),
    )


# -- what was observed ---------------------------------------------------------------------------


def read_interpretations(path: Path, program: str, home: Path) -> Counter[Interpretation]:
    """The distinct interpretations of a file and how often each was seen.

    Raises: DataError, ProgramError.
    """
    text = read_file(path).text
    offset = program.count("\n") + 1
    block_of: list[int] = []
    lines: list[str] = []
    block = 0
    for line in text.split("\n"):
        if _SEPARATOR.match(line):
            block += 1
            line = ""
        lines.append(line)
        block_of.append(block)
    core = parse_program("\n".join([program, *lines]), str(home), dialect_of(home), home.parent)
    found: dict[int, set[tuple[str, bool]]] = {}
    for evidence in core.evidence:
        if evidence.span is None or evidence.span.line <= offset:
            raise NesyError(f"{home}: the rule file states evidence itself: move it to the interpretations")
        line = evidence.span.line - offset
        if not _is_ground(evidence):
            raise DataError(f"{path}:{line}: `{evidence.atom}` has variables; an observation is about one ground atom")
        found.setdefault(block_of[line - 1], set()).add((str(evidence.atom), evidence.holds))
    if not found:
        raise DataError(f"{path}: there are no observations such as evidence(rain). in this file")
    if core.constraints:
        raise NesyError(f"{home}: probabilities are fitted without constraints so far; this file has some")
    return Counter(frozenset(observations) for observations in found.values())


def _is_ground(evidence: Evidence) -> bool:
    return all(isinstance(argument, Constant) for argument in evidence.atom.arguments)


def _shown(observations: Interpretation) -> str:
    """An interpretation as a rule's body."""
    return ", ".join(atom if holds else f"\\+ {atom}" for atom, holds in sorted(observations))


def _with_observations(text: str, path: Path, interpretations: Sequence[Interpretation]) -> CoreProgram:
    """The program with one atom for each interpretation that holds where all its observations do."""
    rules = []
    for number, observations in enumerate(interpretations):
        rules.append(f"'{_OBSERVED}'({number}) :- {_shown(observations)}.")
        rules.append(f"query('{_OBSERVED}'({number})).")
    core = parse_program("\n".join([text, *rules]), str(path), dialect_of(path), path.parent)
    return replace(core, queries=tuple(query for query in core.queries if query.atom.predicate == _OBSERVED))


# -- expectation maximisation ----------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Problem:
    """Everything that does not change from step to step.

    Shapes: n interpretations, C ground choices, L leaves, G groups of parameters of W outcomes each.
    """

    reading: Reading
    plan: LeafPlan
    weight: Tensor  # [n] how often each interpretation was seen
    order: Tensor  # [n] where each interpretation's query is among the reading's
    choice: Tensor  # [L] ground choice of each leaf
    group: Tensor  # [C] group of each ground choice, G for a choice with nothing to learn
    slot: Tensor  # [L] place of the leaf's parameter in the flattened table, G * W for none
    mass: Tensor  # [G] what the fixed outcomes leave
    learnable: Tensor  # [G, W] which outcomes are learned
    exhaustive: Tensor  # [G] whether nothing is left over of the mass
    start: Tensor  # [G, W]
    names: Sequence[str]  # [n] each interpretation in words
    examples: Path

    @classmethod
    def of(
        cls,
        core: CoreProgram,
        graph: DerivationGraph,
        parameters: Parameters,
        counts: Sequence[int],
        names: Sequence[str],
        examples: Path,
        seed: int,
        uses_all: bool,
    ) -> _Problem:
        choices = {rule.choice.id: rule.choice for rule in core.rules if rule.choice is not None}
        groups, width = len(parameters), parameters.width
        mass, exhaustive = torch.ones(groups).double(), torch.zeros(groups, dtype=torch.bool)
        learnable, start = torch.zeros(groups, width, dtype=torch.bool), torch.zeros(groups, width).double()
        noise = torch.rand(groups, width, generator=stream(seed, "fit"), dtype=torch.float64)
        for (identity, _), row in parameters.groups.items():
            choice = choices[identity]
            mass[row] = 1 - _fixed_mass(choice)
            exhaustive[row] = choice.exhaustive or (uses_all and len(choice.weights) > 1)
            for outcome, weight in enumerate(choice.weights):
                if isinstance(weight, Learnable):
                    learnable[row, outcome] = True
                    if weight.initial is not None:
                        start[row, outcome] = weight.initial
                    else:
                        shift = 1 + _JITTER * (2 * float(noise[row, outcome]) - 1)
                        start[row, outcome] = parameters.initial(identity, outcome) * shift
        total = start.sum(dim=1, keepdim=True)
        scaled = start * mass[:, None] / total.clamp(min=1e-300)
        start = torch.where((total > mass[:, None]) | exhaustive[:, None], scaled, start)
        plan = LeafPlan.of(graph, parameters)
        of_leaf = torch.from_numpy(graph.choices.of_leaf.copy())
        slot = plan.index - graph.num_leaves
        slot = torch.where(slot >= 0, slot, torch.full_like(slot, groups * width))
        group = torch.full((graph.choices.num_choices,), groups)
        group.scatter_reduce_(0, of_leaf, torch.div(slot, max(width, 1), rounding_mode="floor"), "amin")
        place = {str(query.atom): position for position, query in enumerate(graph.query)}
        order = [place.get(str(_observed(number)), -1) for number in range(len(counts))]
        if -1 in order:
            raise DataError(f"{examples}: {names[order.index(-1)]} can never be observed under these rules")
        reading = exact(graph)
        for position, name in zip(order, names, strict=True):
            if reading.methods[position] == "bounds":
                raise DataError(
                    f"{examples}: {name} is too entangled under these rules for its exact probability, which learning "
                    "needs: observe fewer atoms together, or write rules with fewer ways to the same atom"
                )
        return cls(
            reading=reading,
            plan=plan,
            weight=torch.tensor(counts, dtype=torch.float64),
            order=torch.tensor(order),
            choice=of_leaf,
            group=group,
            slot=slot,
            mass=mass,
            learnable=learnable,
            exhaustive=exhaustive,
            start=start,
            names=names,
            examples=examples,
        )

    def maximise(self, iterations: int) -> tuple[Tensor, float, int, bool]:
        """Steps until nothing changes: the parameters, the log-likelihood, the number of steps, whether it settled."""
        theta, log_likelihood = self.start, float("-inf")
        for step in range(1, iterations + 1):
            log_likelihood, better = self._step(theta)
            change = float((better - theta).abs().max())
            theta = better
            if change < _TOLERANCE:
                return theta, log_likelihood, step, True
        return theta, log_likelihood, iterations, False

    def _step(self, theta: Tensor) -> tuple[float, Tensor]:
        flat = torch.cat([theta.flatten(), theta.new_zeros(1)])
        is_learned = self.slot < len(flat) - 1
        leaf = torch.where(is_learned, flat[self.slot], self.plan.fixed)
        # One row for each interpretation, so that each has a gradient of its own.
        rows = leaf.repeat(len(self.weight), 1).requires_grad_()
        p = self.reading(rows).p.gather(1, self.order[:, None]).squeeze(1)
        if bool((p <= 0).any()):
            name = self.names[int((p <= 0).nonzero()[0])]
            raise DataError(f"{self.examples}: {name} can never be observed with these probabilities")
        log = p.log()
        (gradient,) = torch.autograd.grad(log.sum(), rows)
        taken = self._counts(leaf, gradient, theta)
        return float((self.weight * log.detach()).sum()), taken

    def _counts(self, leaf: Tensor, gradient: Tensor, theta: Tensor) -> Tensor:
        """Expected counts, summed over instances and interpretations, made into new parameters."""
        num_rows, num_choices = len(self.weight), len(self.group)
        # With o an outcome, A_o the probability of the observation given o, and what is left over as one more
        # outcome: d log P / d theta_o = (A_o - A_rest) / P, and P is the mean of the A under theta.
        pull = leaf * gradient  # [n, L]
        index = self.choice.expand(num_rows, -1)
        pulled = torch.zeros(num_rows, num_choices).double().scatter_add_(1, index, pull)
        involved = torch.zeros(num_rows, num_choices).double().scatter_add_(1, index, gradient.abs()) > 0
        rest_ratio = (1 - pulled).clamp(min=0.0)  # A_rest / P
        # A choice that an observation does not depend on says nothing about its parameters.
        weight = self.weight[:, None] * involved
        posterior = leaf * (gradient + rest_ratio.gather(1, index)) * weight.gather(1, index)
        groups, width = self.learnable.shape
        counts = torch.zeros(groups * width + 1).double().index_add_(0, self.slot, posterior.clamp(min=0.0).sum(dim=0))
        counts = counts[:-1].reshape(groups, width)
        present = torch.zeros(num_choices).double().scatter_add_(0, self.choice, leaf)
        left = (1 - present).clamp(min=0.0)  # the mass of outcomes that are not in the graph, and of none at all
        unseen = (rest_ratio * weight).sum(dim=0) * left  # [C] how often one of those was taken
        seen = torch.zeros(num_choices, width).double()
        place = self.slot % max(width, 1)
        learned = self.slot < groups * width
        seen[self.choice[learned], place[learned]] = 1.0
        here = self.group < groups
        group = self.group[here]
        missing = theta[group] * self.learnable[group] * (1 - seen[here])  # [c, W] prior of outcomes not in the graph
        share = missing / left[here][:, None].clamp(min=1e-300) * (left[here][:, None] > 0)
        counts.index_add_(0, group, share * unseen[here][:, None])
        nothing = (
            torch.zeros(groups).double().index_add_(0, group, (1 - share.sum(dim=1)).clamp(min=0.0) * unseen[here])
        )
        nothing = torch.where(self.exhaustive, torch.zeros_like(nothing), nothing)
        total = counts.sum(dim=1) + nothing
        better = self.mass[:, None] * counts / total.clamp(min=1e-300)[:, None]
        return torch.where((total > 0)[:, None], better, theta) * self.learnable


def _observed(number: int) -> CoreAtom:
    return CoreAtom(_OBSERVED, (Constant(number),))


def _fixed_mass(choice: Choice) -> float:
    mass = 0.0
    for weight in choice.weights:
        match weight:
            case Fixed(Constant(value)) if isinstance(value, int | float):
                mass += float(value)
            case Fixed(expression):
                raise NesyError(f"`{format_term(expression)}`: beside t(..), a probability must be a number")
            case Learnable():
                pass
    return mass


# -- the result ------------------------------------------------------------------------------------


def _learned(core: CoreProgram, parameters: Parameters, theta: Tensor) -> Mapping[int, list[Learned]]:
    """What was learned, by the id of the rule, in the file's order."""
    found: dict[int, list[Learned]] = {}
    for rule in core.rules:
        if rule.choice is None:
            continue
        for (identity, index), row in parameters.groups.items():
            if identity != rule.choice.id:
                continue
            for outcome, weight in enumerate(rule.choice.weights):
                if isinstance(weight, Learnable):
                    values = tuple(
                        f"{format_term(term)} = {format_value(value)}"
                        if isinstance(term, Variable)
                        else format_value(value)
                        for term, value in zip(weight.index, index, strict=True)
                    )
                    found.setdefault(rule.id, []).append(
                        Learned(str(rule.heads[outcome]), values, float(theta[row, outcome]))
                    )
    return found


_TUNABLE = re.compile(r"\bt\(\s*(?:_|[0-9.eE+-]+)\s*\)(?=\s*::)")


def _rewritten(text: str, core: CoreProgram, learned: Mapping[int, Sequence[Learned]]) -> str:
    """The rule file with numbers in place of `t(..)`; a rule with an index keeps its own: one number does not do."""
    edits: list[tuple[int, int, str]] = []
    for rule in core.rules:
        values = learned.get(rule.id, ())
        if rule.span is None or not values or any(value.index for value in values):
            continue
        places = list(_TUNABLE.finditer(text, rule.span.start, rule.span.end))
        if len(places) == len(values):
            edits += [(m.start(), m.end(), f"{v.probability:.6g}") for m, v in zip(places, values, strict=True)]
    for start, end, value in sorted(set(edits), reverse=True):
        text = text[:start] + value + text[end:]
    return text
