"""Memory is limited in bytes, the error says what grew, and an interrupted evaluation leaves nothing behind."""

from __future__ import annotations

import re
import signal
import tempfile
import threading
import time
from pathlib import Path

import pytest

from nesy.errors import LimitError
from nesy.language import parse_program
from nesy.reasoning import Limits, evaluate, ground

COUNT = "n(0).\nn(Y) :- n(X), Y = X + 1."


def test_a_recursion_that_fills_memory_is_stopped_and_named() -> None:
    program = parse_program(COUNT, "n.nesy")
    with pytest.raises(LimitError) as caught:
        evaluate(program, limits=Limits(memory=20_000))
    lines = str(caught.value).splitlines()
    assert re.fullmatch(r"the memory limit of 19\.5 kB was reached after \d+\.\d s", lines[0])
    assert re.fullmatch(
        r"  most tuples come from the rule for `n\(Y\)` \(n\.nesy:2\): [\d,]+ in [\d,]+ rounds \([\d,]+ per second\)",
        lines[1],
    )
    assert re.fullmatch(
        r"  hint: does the rule reach an end\? if so, raise the limit with Limits\(memory=\d+\)", lines[2]
    )


def test_what_the_hint_says_helps() -> None:
    program = parse_program("".join(f"a({i})." for i in range(200)) + "p(X,Y) :- a(X), a(Y).")
    with pytest.raises(LimitError) as caught:
        evaluate(program, limits=Limits(memory=100_000))
    found = re.search(r"memory=(\d+)", str(caught.value))
    assert found is not None
    assert len(evaluate(program, limits=Limits(memory=4 * int(found[1])))) > 0


def test_a_join_is_refused_before_it_is_made() -> None:
    program = parse_program("".join(f"a({i})." for i in range(3_000)) + "p(X,Y,Z) :- a(X), a(Y), a(Z).", "wide.nesy")
    start = time.process_time()
    with pytest.raises(LimitError) as caught:
        evaluate(program, limits=Limits(instances=None))
    assert time.process_time() - start < 5
    pattern = r"the memory limit of 4\.0 GB was reached, with \d+\.\d GB about to be needed after \d+\.\d s"
    lines = str(caught.value).splitlines()
    assert re.fullmatch(pattern, lines[0])
    assert lines[1] == "  in the rule for `p(X,Y,Z)` (wide.nesy:1)"


def test_recorded_derivations_count() -> None:
    text = "".join(f"0.5::e({i},{j})." for i in range(40) for j in range(40) if i != j)
    program = parse_program(text + "p(X,Z) :- e(X,Y), e(Y,Z). #query p(X,Y).")
    with pytest.raises(LimitError, match=r"the memory limit of 976\.6 kB was reached"):
        ground(program, limits=Limits(memory=1_000_000))
    assert ground(program).num_derivations > 60_000


def test_no_limit_is_no_limit() -> None:
    assert len(evaluate(parse_program("a(1). b(X) :- a(X)."), limits=Limits(memory=None))) > 0


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="the test interrupts itself with a timer signal")
def test_an_interrupt_stops_at_once_and_leaves_nothing_behind() -> None:
    program = parse_program(COUNT + "\n#query n(3).")
    scratch = Path(tempfile.gettempdir())
    before = (set(scratch.iterdir()), threading.active_count())

    def interrupt(signum: int, frame: object) -> None:
        raise KeyboardInterrupt

    old = signal.signal(signal.SIGALRM, interrupt)
    start = time.perf_counter()
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        with pytest.raises(KeyboardInterrupt):
            evaluate(program, limits=Limits(rounds=None, tuples=None, memory=None, seconds=None))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)
    assert time.perf_counter() - start < 5
    assert threading.active_count() == before[1]
    assert not {path for path in scratch.iterdir() if path.name.startswith("nesy")} - before[0]
    # The same program, whose compiled form is remembered, still answers.
    with pytest.raises(LimitError, match="the limit of 50 derived tuples"):
        evaluate(program, limits=Limits(tuples=50))
