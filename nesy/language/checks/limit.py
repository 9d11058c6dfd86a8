"""How much is said of one program: a person reads the first mistakes, and a thousand more are one mistake repeated."""

from __future__ import annotations

from collections.abc import Sequence

from nesy.diagnostics import Diagnostic
from nesy.language.catalogue import report
from nesy.language.parse import MAX_ERRORS


def limited(diagnostics: Sequence[Diagnostic]) -> list[Diagnostic]:
    """The first errors and the first warnings, and where there are more, a word of it at the first that is left out."""
    shown: list[Diagnostic] = []
    counts = {"error": 0, "warning": 0}
    for diagnostic in diagnostics:
        counts[diagnostic.severity] += 1
        if counts[diagnostic.severity] <= MAX_ERRORS or diagnostic.code == "N113":
            shown.append(diagnostic)
        elif counts[diagnostic.severity] == MAX_ERRORS + 1 and not any(d.code == "N113" for d in diagnostics):
            code = "N113" if diagnostic.severity == "error" else "N712"
            shown.append(report(code, diagnostic.span, limit=MAX_ERRORS))
    return shown
