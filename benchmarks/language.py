"""How fast rule files are read and checked: 10,000 rules, `nesy check` as a whole, and an edit of 1,000 in an editor.

    python -m benchmarks.language [--runs 5] [--json FILE]

Prints the least, median and largest time of each. Promised: 10,000 rules are checked in under 3 s, by the command as a
person runs it, with the start of Python, Z3's warnings and the end; an edit of 1,000 rules is answered in under 100 ms.
The processor's time is that of the process alone; the time on the clock is that of the machine, with whatever else
runs on it.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Timing:
    """Seconds of the processor and on the clock, one pair per run."""

    what: str
    limit: float
    processor: list[float]
    clock: list[float]

    def __str__(self) -> str:
        shown = "  ".join(
            f"{name} {min(times):.3f} / {statistics.median(times):.3f} / {max(times):.3f} s"
            for name, times in (("processor", self.processor), ("clock", self.clock))
        )
        return f"{self.what:32} {shown}  (promised: {self.limit:g} s)"


def rules(count: int) -> str:
    """A program of many rules of four conditions each, with recursion, negation and comparisons."""
    names = max(1, count // 20)
    lines = [
        f"p{i % names}(X, Y) :- p{(i * 7 + 1) % names}(X, Z), e{i % 50}(Z, Y), Z < {i}, not q{i % 20}(X)."
        for i in range(count)
    ]
    lines += [f"e{i}(1, 2)." for i in range(50)] + [f"q{i}(1)." for i in range(20)]
    return "\n".join([*lines, *(f"p{i}(1, 2)." for i in range(names))]) + "\n"


class Editor:
    """A document in the language server of this process: from the notice of an edit to what is published."""

    def __init__(self, text: str):
        from lsprotocol import types
        from pygls.workspace import Workspace

        from nesy.tools.lsp import make_server

        self.types = types
        self.server = make_server()
        self.uri, self.version = "untitled:rules.nesy", 1
        self.published: list[Any] = []
        self.server.protocol._workspace = Workspace(None, sync_kind=types.TextDocumentSyncKind.Incremental)
        self.server.text_document_publish_diagnostics = self.published.append
        item = types.TextDocumentItem(self.uri, "nesy", 1, text)
        self.server.workspace.put_text_document(item)
        self.server.protocol.fm.features["textDocument/didOpen"](types.DidOpenTextDocumentParams(item))

    def replace(self, line: int, character: int, end_line: int, end_character: int, text: str) -> None:
        """Replace a range of the document, as an editor does at each key."""
        types, self.version = self.types, self.version + 1
        place = types.Range(types.Position(line, character), types.Position(end_line, end_character))
        change = types.TextDocumentContentChangePartial(range=place, text=text)
        document = types.VersionedTextDocumentIdentifier(self.version, self.uri)
        self.server.workspace.update_text_document(document, change)
        params = types.DidChangeTextDocumentParams(document, [change])
        self.server.protocol.fm.features["textDocument/didChange"](params)


def processor_time() -> float:
    """Seconds of the processor, of this process and of those that it started and that have ended."""
    own, others = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return own.ru_utime + own.ru_stime + others.ru_utime + others.ru_stime


def command(text: str, number: int) -> None:
    """`nesy check FILE`, in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rules.nesy"
        path.write_text(f"{text}extra{number}(1).\n", encoding="utf-8")
        start = [sys.executable, "-c", "import sys; from nesy.cli.main import main; sys.exit(main())"]
        subprocess.run([*start, "check", str(path)], check=True, stdout=subprocess.DEVNULL)


def measure(what: str, limit: float, runs: int, run: Callable[[int], object]) -> Timing:
    """Run a few times; the number of the run makes each different, so that nothing is remembered."""
    processor: list[float] = []
    clock: list[float] = []
    for number in range(runs):
        before, started = processor_time(), time.perf_counter()
        run(number)
        processor.append(processor_time() - before)
        clock.append(time.perf_counter() - started)
    return Timing(what, limit, processor, clock)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--json", type=Path, help="write all times to a file")
    options = parser.parse_args(arguments)

    from nesy.language import check_text

    large, small = rules(10_000), rules(1_000)
    check_text("p(a).")  # the grammar's tables are made once for all files
    editor = Editor(small)
    line = small[: small.index("p3(X, Y)")].count("\n")

    def edit(number: int) -> None:
        """A variable of one rule is named, which is warned of, or made a `_` again: what is published tells."""
        editor.replace(line, 0, line if number == 0 else line + 1, 0, f"extra(X) :- e1(X, {'_Y'[number % 2]}).\n")
        assert [found.code for found in editor.published[-1].diagnostics] == [[], ["N701"]][number % 2]

    timings = [
        measure("check of 10,000 rules", 3.0, options.runs, lambda n: check_text(f"{large}extra{n}(1).\n")),
        measure("nesy check of 10,000 rules", 3.0, options.runs, lambda n: command(large, n)),
        measure("edit of 1,000 rules", 0.1, options.runs, edit),
    ]
    for timing in timings:
        print(timing)
    if options.json:
        options.json.write_text(json.dumps([asdict(timing) for timing in timings], indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
