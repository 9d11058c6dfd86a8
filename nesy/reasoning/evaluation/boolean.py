"""Programs without randomness: their one model, with no derivation recorded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from nesy.errors import NesyError
from nesy.language.core import CoreProgram, Signature
from nesy.language.values import Value
from nesy.reasoning.evaluation.compiled import compile_program
from nesy.reasoning.evaluation.fixpoint import fixpoint
from nesy.reasoning.evaluation.kernels import Index
from nesy.reasoning.evaluation.layout import rows_of_values
from nesy.reasoning.evaluation.limits import Guard, Limits, describe
from nesy.reasoning.evaluation.state import Sample, State


class Relations(Mapping[Signature, "Rows"]):
    """The rows of each predicate of a program."""

    def __init__(self, state: State):
        self._state = state

    def __getitem__(self, signature: Signature) -> Rows:
        if signature not in self._state.relations:
            raise KeyError(signature)
        return Rows(self._state, signature)

    def __iter__(self) -> Iterator[Signature]:
        return iter(self._state.relations)

    def __len__(self) -> int:
        return len(self._state.relations)


class Rows:
    """The rows of one predicate: counted at no cost, made into values when iterated over."""

    def __init__(self, state: State, signature: Signature):
        self._state = state
        self._run = state.relation(signature).settle()
        self._skip = int(signature in state.compiled.sampled)

    def __len__(self) -> int:
        return len(self._run)

    @property
    def ids(self) -> list[Index]:
        """The columns, as ids of the evaluation's own."""
        return self._run.packing.unpack(self._run.keys)[self._skip :]

    def __iter__(self) -> Iterator[tuple[Value, ...]]:
        return iter(rows_of_values(self.ids, len(self), self._state))


def evaluate(program: CoreProgram, sample: Sample | None = None, limits: Limits | None = None) -> Relations:
    """The relations of the program's one model; constraints are relations too, and empty where all is well.

    Raises: NesyError if the program makes random choices; LimitError; FunctionError; DataError.
    """
    for rule in (*program.rules, *program.constraints):
        if rule.choice is not None:
            raise NesyError(f"{describe(rule)} makes a random choice: ground the program instead of evaluating it")
    compiled = compile_program(program)
    state = State.create(compiled, Guard(limits or Limits()), 1, None)
    state.load([sample or {}])
    for group in (*compiled.groups, compiled.constraints):
        fixpoint(group, state)
        for signature in group.predicates:
            state.relation(signature).settle()
    return Relations(state)
