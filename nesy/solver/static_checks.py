"""All that Z3 warns of when a rule file is checked; each kind has a time limit, and what is not proved is not said."""

from __future__ import annotations

from collections.abc import Iterator

from nesy.diagnostics import Diagnostic
from nesy.language.core import CoreProgram
from nesy.solver.constraint_checks import check_constraint_set
from nesy.solver.constraints import Consistency
from nesy.solver.rule_checks import check_rules
from nesy.solver.shortcuts import check_shortcuts

# More rules than this were generated: a check of them should be quick, and few people read what it warns of.
_MAX_WRITTEN = 5_000


def static_warnings(program: CoreProgram, consistency: Consistency) -> Iterator[Diagnostic]:
    """Rules that never fire or add nothing, constraints never violated or never all satisfied, reasoning shortcuts.

    Cost: at most 1 s for the rules (0.3 s for those of a generated file), 2 s for the constraints, 2 s for neural
    predicates; large programs are only asked about their rules.
    """
    seconds = 1.0 if len(program.rules) <= _MAX_WRITTEN else 0.3
    told: list[Diagnostic] = list(check_rules(program, seconds))
    yield from told
    places = [(diagnostic.span.source, diagnostic.span.start) for diagnostic in told]
    for diagnostic in check_constraint_set(program, consistency):
        span = diagnostic.span
        is_told = any(source is span.source and span.start <= start < span.end for source, start in places)
        if diagnostic.code != "N803" or not is_told:  # comparisons that contradict are the reason
            yield diagnostic
    yield from check_shortcuts(program)
