"""What became of a case, and what all suites of plain Datalog do with one: translate, check, evaluate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.conformance.words import Translation, Unsupported
from nesy.errors import NesyError, ProgramError
from nesy.language import parse_program
from nesy.reasoning import Limits, evaluate
from nesy.reasoning.evaluation import Relations

# A test program is small: one that runs longer than this (seconds) would be reported.
SECONDS = 20.0
AS_EXPECTED = "refused as expected"


@dataclass(frozen=True)
class Outcome:
    """What became of a case: agrees, differs, refused, refused as expected, or not refused."""

    case: str
    verdict: str
    reason: str = ""
    features: tuple[str, ...] = ()


@dataclass(frozen=True)
class Evaluated:
    """A translated program and its relations."""

    translation: Translation
    relations: Relations


def evaluated(name: str, translate: Callable[[], Translation]) -> Evaluated | Outcome:
    """The relations of a program of another language, or that it is refused and why."""
    try:
        translation = translate()
        return Evaluated(translation, evaluate(parse_program(translation.text, name), limits=Limits(seconds=SECONDS)))
    except Unsupported as error:
        return Outcome(name, "refused", f"no {error}")
    except ProgramError as error:
        first = error.diagnostics[0]
        return Outcome(name, "refused", f"{first.code}: {first.message}")
    except NesyError as error:
        return Outcome(name, "refused", str(error).partition("\n")[0])


def differing(found: set[str], expected: set[str]) -> str:
    """The first row that only one side has, and which; "" if both are the same."""
    if found == expected:
        return ""
    example = sorted(found ^ expected)[0]
    return f"{example!r} {'missing' if example in expected else 'too much'}"
