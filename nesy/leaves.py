"""Where the probability of each leaf of a derivation graph comes from.

Three sources: the rule file (fixed), a parameter (`t(0.3)::`), an encoder's scores. They are laid out
one behind the other in one vector, and one gather brings them into the order of the leaves; that is
all the work a training step does between the encoder and the rules.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from nesy.language.core import Choice, Constant, CoreProgram, Fixed, Learnable, Variable, format_term
from nesy.language.values import Value, format_value
from nesy.perception import Keys
from nesy.reasoning import DerivationGraph, widened

ParameterKey = tuple[int, tuple[Value, ...]]  # id of the core choice, values of its index
_SMALLEST = 1e-6  # probability that an initial value of 0 or 1 is moved to: a logit must be finite


class Parameters(nn.Module):
    """The learnable probabilities `t(..)::` of a rule file.

    A choice with learnable outcomes has one group of them, or one for each value of its index. A
    group is a softmax over its learnable outcomes and what is left over, scaled to the mass that the
    choice's fixed outcomes leave; so the probabilities of a choice never sum above 1.
    """

    def __init__(self, program: CoreProgram):
        super().__init__()
        rules = [*program.rules, *program.constraints]
        self._choices = {
            rule.choice.id: rule.choice
            for rule in rules
            if rule.choice is not None and any(isinstance(weight, Learnable) for weight in rule.choice.weights)
        }
        self._heads = {rule.choice.id: rule.heads for rule in rules if rule.choice is not None}
        self.width = max((len(choice.weights) for choice in self._choices.values()), default=0)
        self.groups: dict[ParameterKey, int] = {}
        self.logits = nn.Parameter(torch.zeros(0, self.width))
        self.register_buffer("_scale", torch.zeros(0), persistent=False)
        self.register_buffer("_mask", torch.zeros(0, self.width + 1), persistent=False)
        self.extend((id, ()) for id, choice in self._choices.items() if not _index_of(choice))

    def __len__(self) -> int:
        return len(self.groups)

    def extend(self, keys: object) -> None:
        """Add groups that are not there yet, at their initial values."""
        new = [key for key in dict.fromkeys(keys) if key not in self.groups]  # type: ignore[call-overload]
        if not new:
            return
        device = self.logits.device
        logits = torch.zeros(len(new), self.width)
        mask = torch.full((len(new), self.width + 1), -torch.inf)
        scale = torch.zeros(len(new))
        for row, key in enumerate(new):
            choice = self._choices[key[0]]
            initial, fixed = _initial(choice)
            scale[row] = 1 - fixed
            rest = 0.0 if choice.exhaustive else max(_SMALLEST, 1 - fixed - sum(initial.values()))
            for outcome, probability in initial.items():
                logits[row, outcome] = float(np.log(max(probability, _SMALLEST) / (rest or 1.0)))
                mask[row, outcome] = 0.0
            if rest:
                mask[row, self.width] = 0.0
            self.groups[key] = len(self.groups)
        self.logits = nn.Parameter(torch.cat([self.logits.detach(), logits.to(device)]))
        self._scale = torch.cat([self._scale, scale.to(device)])
        self._mask = torch.cat([self._mask, mask.to(device)])

    def forward(self) -> Tensor:
        """The probabilities of all groups, flattened.

        Shapes: -> [G * width]
        """
        logits = widened(self.logits)
        rest = logits.new_zeros(len(logits), 1)
        shares = torch.softmax(torch.cat([logits, rest], 1) + self._mask.to(logits), dim=1)
        return (self._scale.to(logits)[:, None] * shares[:, : self.width]).flatten()

    def initial(self, choice_id: int, outcome: int) -> float:
        """The value a learnable outcome starts from."""
        return _initial(self._choices[choice_id])[0][outcome]

    def table(self) -> dict[str, float]:
        """Each learned probability, by the fact or head it belongs to."""
        values = self().detach().reshape(-1, max(self.width, 1))
        named = {}
        for (id, index), row in self.groups.items():
            choice = self._choices[id]
            for outcome, weight in enumerate(choice.weights):
                if isinstance(weight, Learnable):
                    suffix = f" [{','.join(map(format_value, index))}]" if index else ""
                    named[f"{self._heads[id][outcome]}{suffix}"] = float(values[row, outcome])
        return named


def _index_of(choice: Choice) -> bool:
    return any(isinstance(weight, Learnable) and weight.index for weight in choice.weights)


def _initial(choice: Choice) -> tuple[dict[int, float], float]:
    """Initial probability of each learnable outcome, and the mass of the fixed ones."""
    fixed = 0.0
    given: dict[int, float | None] = {}
    for outcome, weight in enumerate(choice.weights):
        match weight:
            case Fixed(Constant(value)) if isinstance(value, int | float):
                fixed += float(value)
            case Learnable(initial):
                given[outcome] = initial
            case _:
                raise ValueError(f"`{format_term(weight.probability)}`: a learnable choice mixes with constants only")
    free = [outcome for outcome, initial in given.items() if initial is None]
    left = 1 - fixed - sum(value for value in given.values() if value is not None)
    share = left / (len(free) + (0 if choice.exhaustive else 1)) if free else 0.0
    return {outcome: share if value is None else value for outcome, value in given.items()}, fixed


@dataclass(frozen=True, eq=False)
class LeafPlan:
    """How to put together the leaf probabilities of one graph.

    Shapes: fixed [F], index [L] into the vector fixed | parameters | neural predicates in order.
    """

    fixed: Tensor
    index: Tensor
    requests: Mapping[str, Keys]

    @classmethod
    def of(cls, graph: DerivationGraph, parameters: Parameters) -> LeafPlan:
        """Read off a graph which leaf takes its probability from where."""
        program = graph.program
        table = graph.choices
        choice_of = {rule.choice.id: rule.choice for rule in (*program.rules, *program.constraints) if rule.choice}
        fixed = table.probability.copy()
        index = np.arange(graph.num_leaves, dtype=np.int64)  # fixed leaves stand at their own number
        offset = graph.num_leaves
        requests: dict[str, Keys] = {}

        is_uncertain = np.zeros(table.num_choices, dtype=np.bool_)
        is_uncertain[table.of_leaf[np.isnan(fixed)]] = True
        uncertain = np.flatnonzero(is_uncertain)
        neural_rows: dict[str, np.ndarray] = {}
        for id in np.unique(table.choice[uncertain]):
            core = choice_of[int(id)]
            rows = uncertain[table.choice[uncertain] == id]
            if core.neural is not None:
                neural_rows[core.neural] = np.append(neural_rows.get(core.neural, rows[:0]), rows)
                continue
            for choice in rows:
                for leaf in range(int(table.ptr[choice]), int(table.ptr[choice + 1])):
                    outcome = int(table.outcome[leaf])
                    weight = core.weights[outcome]
                    if isinstance(weight, Learnable):
                        row = parameters.groups.get((core.id, _index_values(core, weight, table.key[choice])))
                        if row is None:  # an index value that training never saw
                            fixed[leaf] = parameters.initial(core.id, outcome)
                        else:
                            index[leaf] = offset + row * parameters.width + outcome
        offset += len(parameters) * parameters.width

        for name in program.neural:
            rows = np.sort(neural_rows.get(name, uncertain[:0]))
            width = program.neural[name].num_scores
            requests[name] = Keys(table.sample[rows].astype(np.int64), [table.key[row] for row in rows.tolist()])
            sizes = table.ptr[rows + 1] - table.ptr[rows]
            position = np.repeat(np.arange(len(rows)), sizes)
            within = np.arange(len(position)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
            leaves = table.ptr[rows][position] + within
            index[leaves] = offset + position * width + table.outcome[leaves]
            offset += len(rows) * width
        return cls(torch.from_numpy(np.nan_to_num(fixed)), torch.from_numpy(index), requests)

    def assemble(self, parameters: Tensor, scores: Mapping[str, Tensor], batch: tuple[int, ...]) -> Tensor:
        """The probability of every leaf, of the parameters' type.

        Shapes: parameters [P]; scores, for each neural predicate of K keys [*batch, K, V] (logits) -> [*batch, L]
        Gradient: into the parameters and the scores.
        """
        parts = [self.fixed.to(parameters), parameters]
        parts = [part.expand(*batch, len(part)) for part in parts]
        for name in self.requests:
            score = scores[name].to(parameters)
            probability = torch.sigmoid(score) if score.shape[-1] == 1 else torch.softmax(score, dim=-1)
            parts.append(probability.flatten(start_dim=-2))
        return torch.cat(parts, dim=-1).index_select(-1, self.index.to(parameters.device))


def assuming(graph: DerivationGraph, leaf: Tensor, literals: Sequence[int]) -> Tensor:
    """The leaf probabilities given that some leaf literals hold; they must not contradict each other.

    Shapes: leaf [L] -> [L]
    """
    given = leaf.clone()
    for choice in {int(graph.choices.of_leaf[literal >> 1]) for literal in literals}:
        mine = slice(int(graph.choices.ptr[choice]), int(graph.choices.ptr[choice + 1]))
        inside = [literal for literal in literals if mine.start <= literal >> 1 < mine.stop]
        chosen = [literal >> 1 for literal in inside if not literal & 1]
        if chosen:
            given[mine] = 0.0
            given[chosen[0]] = 1.0
        else:
            barred = [literal >> 1 for literal in inside]
            left = 1.0 - float(leaf[barred].sum())
            given[mine] = leaf[mine] / left if left > 0 else 0.0
            given[barred] = 0.0
    return given


def parameter_keys(graph: DerivationGraph) -> list[ParameterKey]:
    """The groups of learnable probabilities that a graph uses."""
    program, table = graph.program, graph.choices
    learnable = {
        rule.choice.id: (rule.choice, next(weight for weight in rule.choice.weights if isinstance(weight, Learnable)))
        for rule in (*program.rules, *program.constraints)
        if rule.choice and any(isinstance(weight, Learnable) for weight in rule.choice.weights)
    }
    rows = np.flatnonzero(np.isin(table.choice, list(learnable)))
    return [
        (id, _index_values(*learnable[id], table.key[row]))
        for row, id in zip(rows.tolist(), table.choice[rows].tolist(), strict=True)
    ]


def _index_values(choice: Choice, weight: Learnable, key: tuple[Value, ...]) -> tuple[Value, ...]:
    bound = {variable.name: value for variable, value in zip(choice.key, key, strict=True)}
    values = []
    for term in weight.index:
        match term:
            case Variable(name):
                values.append(bound[name])
            case Constant(value):
                values.append(value)
            case _:
                raise ValueError(
                    f"`{format_term(term)}`: an index of a learnable probability is a variable or a constant"
                )
    return tuple(values)
