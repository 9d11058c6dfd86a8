"""What `make demo` shows: train the negation task, then ask it three things.

Each step prints the command that does the same, so that a newcomer's next step is to change one word.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from nesy.cli.main import app, reporting_errors

TASK = "tasks/negation"
RUN = "runs/negation"
QUESTIONS = (
    "The soup was good.",
    "The soup was not good.",
    "The waiter never brought a stale dessert.",
)


def main() -> None:
    """Run the demo from the checkout's root."""
    if not Path(TASK, "task.toml").is_file():
        sys.exit(f"{TASK} is not here: run the demo from the root of the checkout, as `make demo` does")
    started = time.monotonic()
    _show("train", TASK, "--out", RUN)
    for question in QUESTIONS:
        _show("ask", RUN, question)
    print(f"\nThat took {time.monotonic() - started:.0f} seconds. Next: the same commands with words of your own:")
    print(f'    .venv/bin/nesy ask {RUN} "The music was hardly pleasant."')
    print(f"    .venv/bin/nesy eval {RUN}")
    print("    .venv/bin/nesy run rules/family.nesy --explain")


def _show(*arguments: str) -> None:
    quoted = " ".join(f'"{argument}"' if " " in argument else argument for argument in arguments)
    print(f"\n$ nesy {quoted}", flush=True)
    with reporting_errors():
        app(list(arguments), standalone_mode=False)


if __name__ == "__main__":
    main()
