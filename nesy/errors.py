"""What a user of nesy can catch.

Every error that a user's input can cause is a `NesyError`: its text says what is wrong, where, and
what to do. The command line prints that text and exits with 1. Anything else that escapes is a bug.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nesy.diagnostics import Diagnostic


class NesyError(Exception):
    """The base of all errors that come from what the user gave."""


class ProgramError(NesyError):
    """A rule file has mistakes: `diagnostics` holds all of them, ordered by position."""

    def __init__(self, diagnostics: Sequence[Diagnostic]):
        self.diagnostics = tuple(diagnostics)
        super().__init__("\n\n".join(d.render() for d in self.diagnostics))

    def __reduce__(self) -> tuple[type, tuple[object, ...]]:
        return ProgramError, (self.diagnostics,)  # another process may have found the mistakes


class QueryError(NesyError):
    """A query does not fit the program it is asked of."""


class InconsistentError(NesyError):
    """Evidence and constraints leave no possible world; the text names those that cannot live together."""


class LimitError(NesyError):
    """A limit on time, memory or size was reached; the text says what grew and how to raise the limit."""


class DataError(NesyError):
    """A data file or row does not fit: file, row or line number, field, value and what was expected."""


class TaskError(NesyError):
    """A task folder or its task.toml is wrong: which key, and what it may be."""


class RunError(NesyError):
    """A run folder is incomplete, foreign, or from a newer version."""


class TeacherError(NesyError):
    """A teacher cannot be found or does not fit the task."""


class MissingExtraError(NesyError):
    """A feature needs an optional package: the text names the extra to install."""

    def __init__(self, feature: str, extra: str):
        self.missing = feature, extra
        super().__init__(f"{feature} needs an optional package: pip install 'nesy[{extra}]'")

    def __reduce__(self) -> tuple[type, tuple[object, ...]]:
        return MissingExtraError, self.missing


# Names that one misspelt name is compared with: each takes some ten microseconds, and a file may have many mistakes.
MAX_NAMES = 200


def near_name(name: str, known: Iterable[str]) -> str | None:
    """The known name most like the misspelt one, or None where nothing is near.

    >>> near_name("grandparnt", ["parent", "grandparent"])
    'grandparent'
    """
    candidates = list(islice(known, 10 * MAX_NAMES))
    if len(candidates) > MAX_NAMES:
        # In a large program the name is worth a look at those that begin and end alike, and no more.
        alike = (other for other in candidates if other[:1] == name[:1] and abs(len(other) - len(name)) <= 2)
        candidates = [other for other in alike if other[-1:] == name[-1:]][: MAX_NAMES // 20]
    matches = get_close_matches(name, candidates, n=1, cutoff=0.6)
    return matches[0] if matches else None
