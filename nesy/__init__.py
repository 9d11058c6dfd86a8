"""nesy: neuro-symbolic reasoning.

An encoder proposes facts with probabilities, rules derive answers, Z3 checks them.

    nesy.load("rules/family.nesy").query("grandparent(ann, Who)")
    nesy.train("tasks/negation")
    nesy.Model.from_pretrained("runs/negation").ask("The food was not good.")
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from nesy.answer import Answer
    from nesy.checking import check, format_file, prove
    from nesy.distillation import Teacher, distill
    from nesy.errors import NesyError, ProgramError
    from nesy.hub import push
    from nesy.language import Functions, function
    from nesy.learning import (
        ask_all,
        crossval,
        evaluate,
        expected_error,
        fit,
        import_data,
        new_task,
        overview,
        train,
        verify,
    )
    from nesy.model import Model
    from nesy.program import Program, String
    from nesy.reasoning import Budget, Limits

# Loaded when first used: checking a rule file should not wait for torch, nor asking a run for transformers.
_PLACES = {
    "Answer": "answer",
    "Budget": "reasoning",
    "Limits": "reasoning",
    "Model": "model",
    "NesyError": "errors",
    "Program": "program",
    "ProgramError": "errors",
    "String": "program",
    "Teacher": "distillation",
    "ask_all": "learning",
    "check": "checking",
    "crossval": "learning",
    "distill": "distillation",
    "evaluate": "learning",
    "expected_error": "learning",
    "fit": "learning",
    "format_file": "checking",
    "function": "language",
    "import_data": "learning",
    "new_task": "learning",
    "overview": "learning",
    "prove": "checking",
    "push": "hub",
    "train": "learning",
    "verify": "learning",
}

__all__ = [
    "Answer",
    "Budget",
    "Limits",
    "Model",
    "NesyError",
    "Program",
    "ProgramError",
    "String",
    "Teacher",
    "ask_all",
    "check",
    "crossval",
    "distill",
    "evaluate",
    "expected_error",
    "fit",
    "format_file",
    "function",
    "import_data",
    "load",
    "new_task",
    "overview",
    "prove",
    "push",
    "train",
    "verify",
]


def load(path: str | Path, *, functions: Functions = ()) -> Program:
    """Read and check a rule file; its rules may call the functions, Python's that `nesy.function` made.

    Raises: ProgramError, with every mistake that the file has.
    """
    from nesy.program import Program

    return Program.load(path, functions=functions)


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module 'nesy' has no attribute {name!r}")
    return getattr(import_module(f"nesy.{_PLACES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
