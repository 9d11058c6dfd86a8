"""Z3 itself: a script in, a verdict out.

Each call has a context of its own, fixed seeds and a time limit; nothing of Z3 leaves this file. When the time
is up, the verdict is `unknown`, and `unknown` is never taken for a pass by any caller.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal as OneOf
from typing import cast

import z3

from nesy.solver.script import Script

Verdict = OneOf["sat", "unsat", "unknown"]
DEFAULT_TIMEOUT = 5.0  # seconds; enough for any proof that a person would read


@dataclass(frozen=True)
class Outcome:
    """What Z3 said of a script.

    `true` are the Boolean symbols that hold in the model, as written in the script, where there is a model;
    `cost` is the least cost where something was preferred; `reason` says why a verdict is unknown.
    """

    verdict: Verdict
    seconds: float
    true: frozenset[str] = frozenset()
    cost: int | None = None
    reason: str = ""


def solve(script: Script, timeout: float = DEFAULT_TIMEOUT) -> Outcome:
    """Satisfiable or not, with a model if it is."""
    session = Session(script, timeout)
    return session.check()


def minimise(script: Script, timeout: float = DEFAULT_TIMEOUT) -> Outcome:
    """The model of least cost over the script's soft assertions.

    Source: Bjørner, Phan, Fleckenstein, "νZ: an optimizing SMT solver", TACAS 2015.
    """
    start = time.perf_counter()
    context = z3.Context()
    optimizer = z3.Optimize(ctx=context)
    optimizer.set("timeout", max(1, int(timeout * 1000)))
    try:
        optimizer.from_string(script.text)
        verdict = _verdict(optimizer.check())
    except z3.Z3Exception as error:
        return Outcome("unknown", time.perf_counter() - start, reason=_message(error))
    if verdict == "unknown":
        return Outcome("unknown", time.perf_counter() - start, reason=optimizer.reason_unknown())
    if verdict == "unsat":
        return Outcome("unsat", time.perf_counter() - start)
    model = optimizer.model()
    objectives = optimizer.objectives()
    cost = int(str(model.eval(objectives[0], model_completion=True))) if objectives else 0
    return Outcome("sat", time.perf_counter() - start, _true(model), cost)


@dataclass
class Session:
    """One script that is checked several times under different assumptions."""

    script: Script
    timeout: float = DEFAULT_TIMEOUT
    _solver: z3.Solver = field(init=False)
    _context: z3.Context = field(init=False)
    _start: float = field(init=False)
    _broken: str = field(init=False, default="")
    _symbols: dict[str, z3.BoolRef] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self._start = time.perf_counter()
        self._context = z3.Context()
        self._solver = z3.SimpleSolver(ctx=self._context)
        self._solver.set("random_seed", 0)
        try:
            self._solver.from_string(self.script.text)
        except z3.Z3Exception as error:  # a script that Z3 does not read is our mistake, but never a pass
            self._broken = _message(error)

    def check(self, assumptions: Sequence[str] = (), with_model: bool = True) -> Outcome:
        """Satisfiable under the assumptions (symbols or their negations) or not."""
        if self._broken:
            return Outcome("unknown", time.perf_counter() - self._start, reason=self._broken)
        left = self.timeout - (time.perf_counter() - self._start)
        if left <= 0:
            return Outcome("unknown", time.perf_counter() - self._start, reason="timeout")
        self._solver.set("timeout", max(1, int(left * 1000)))
        start = time.perf_counter()
        verdict = _verdict(self._solver.check(*(self._literal(symbol) for symbol in assumptions)))
        seconds = time.perf_counter() - (start if assumptions else self._start)
        if verdict == "unknown":
            return Outcome(verdict, seconds, reason=self._solver.reason_unknown())
        return Outcome(
            verdict, seconds, _true(self._solver.model()) if verdict == "sat" and with_model else frozenset()
        )

    def core(self) -> list[str]:
        """After `unsat`: assumptions that already cannot hold together (not yet a smallest set)."""
        return [_symbol(cast(z3.ExprRef, term)) for term in self._solver.unsat_core()]

    def _literal(self, symbol: str) -> z3.BoolRef:
        negated = symbol.startswith("(not ")
        name = symbol[5:-1] if negated else symbol
        if name not in self._symbols:
            self._symbols[name] = z3.Bool(name[1:-1], ctx=self._context)
        term = self._symbols[name]
        return cast(z3.BoolRef, z3.Not(term)) if negated else term


def _verdict(result: z3.CheckSatResult) -> Verdict:
    return "sat" if result == z3.sat else "unsat" if result == z3.unsat else "unknown"


def _true(model: z3.ModelRef) -> frozenset[str]:
    return frozenset(f"|{d.name()}|" for d in model.decls() if d.arity() == 0 and z3.is_true(model[d]))


def _symbol(term: z3.ExprRef) -> str:
    if z3.is_not(term):
        return f"(not |{cast(z3.ExprRef, term.arg(0)).decl().name()}|)"
    return f"|{term.decl().name()}|"


def _message(error: z3.Z3Exception) -> str:
    value = error.value if isinstance(error.value, str) else (error.value or b"").decode(errors="replace")
    return value.strip()
