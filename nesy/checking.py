"""`nesy check`: what the language finds in a rule file, and whether Z3 can satisfy its constraints together."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from nesy.diagnostics import Diagnostic
from nesy.language import Checked, check_program
from nesy.solver import Consistency, check_constraints


@dataclass(frozen=True)
class Report:
    """All there is to say of a rule file; `consistency` is None where it has errors."""

    checked: Checked
    consistency: Consistency | None

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        return self.checked.diagnostics

    @property
    def is_ok(self) -> bool:
        """No errors, and no proof that the constraints clash."""
        return self.consistency is not None and self.consistency.verdict != "conflict"

    @cached_property
    def summary(self) -> str:
        """The last line, or lines, of `nesy check`."""
        if self.consistency is None:
            return f"failed: {self.checked.summary}"
        if self.consistency.verdict == "conflict":
            return f"failed: {self.consistency}"
        said = [self.checked.summary]
        if self.consistency.num_constraints or self.consistency.verdict == "unknown":
            said.append(str(self.consistency))
        return f"ok: {'; '.join(said)}"

    def to_dict(self) -> dict[str, Any]:
        """The report as `nesy check --json` prints it."""
        found = self.consistency
        return {
            "ok": self.is_ok,
            "summary": self.summary,
            "diagnostics": [diagnostic.to_dict() for diagnostic in self.diagnostics],
            "constraints": None
            if found is None
            else {
                "verdict": found.verdict,
                "conflict": [str(demand) for demand in found.conflict],
                "scope": found.scope,
                "reason": found.reason,
                "seconds": found.seconds,
            },
        }


def check(path: str | Path) -> Report:
    """Check a rule file, and prove with Z3 that its hard constraints can be satisfied together.

    Raises: NesyError if the file cannot be read; mistakes in it are in the report.
    """
    checked = check_program(path)
    consistency = check_constraints(checked.program) if checked.program is not None else None
    return Report(checked, consistency)
