"""Coverage-guided fuzzing of the parser, the checker and the formatter, with atheris.

    pip install atheris
    python -m benchmarks.fuzz --seconds 300 [--folder .fuzz] [--input FILE]

Starts from the project's own rule files, and changes them byte by byte and word by word. An input may be up to 1 MB
long. It fails on any exception but the language's own errors, on more than 10 s of processor time for one input, and
above 2 GB of memory; the input that did it stays in the folder, and `--input` runs it again.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

MAX_BYTES = 1_000_000
SECONDS, MEGABYTES = 10, 2_048
ROOT = Path(__file__).parents[1]
# What the language is made of: words that a byte-wise change would seldom hit on.
DICTIONARY = r"""#include #type #pred #input #neural #open #facts #query #evidence #count #sum #min #max #avg not is mod
xor query evidence true fail between findall forall from as :- :~ :: -> .. ; , . ( ) [ ] { } | <- =.. != <= >= =:= =\=
\= \+ == // ** /\ \/ %* *% % ' " t(_) 0.5:: _ X """


def timed(data: bytes) -> None:
    """One input, and how long it takes of the processor: the clock says little on a busy machine."""
    start = time.process_time()
    check(data)
    seconds = time.process_time() - start
    if seconds > SECONDS:
        raise AssertionError(f"{seconds:.1f} s for {len(data)} bytes")


def check(data: bytes) -> None:
    """One input: its first byte chooses the dialect, the rest is the text."""
    from nesy.errors import ProgramError
    from nesy.language import check_text, parse
    from nesy.language.pretty import format_text

    text = data[1:].decode("utf-8", errors="replace")
    dialect = "problog" if data[:1] == b"p" else "nesy"
    checked = check_text(text, dialect=dialect)
    for diagnostic in checked.diagnostics:
        diagnostic.render()
    try:
        formatted = format_text(text, dialect=dialect)
    except ProgramError:
        return
    if parse(formatted, dialect=dialect).file.statements != parse(text, dialect=dialect).file.statements:
        raise AssertionError("formatting changed the program")


def seeds(folder: Path) -> None:
    """The project's rule files, the examples of its documents, and the catalogue's programs, as a corpus."""
    from nesy.language.catalogue import CATALOGUE

    texts = [(file.suffix == ".pl", file.read_text(encoding="utf-8")) for file in _rule_files()]
    for entry in CATALOGUE.values():
        texts += [(entry.dialect == "problog", text) for text in (entry.wrong, entry.right)]
    for page in (ROOT / "docs").glob("*.md"):
        blocks = page.read_text(encoding="utf-8").split("```prolog\n")[1:]
        texts += [(False, block.partition("```")[0]) for block in blocks]
    folder.mkdir(parents=True, exist_ok=True)
    for is_problog, text in texts:
        data = (b"p" if is_problog else b"n") + text.encode()
        (folder / hashlib.sha1(data).hexdigest()).write_bytes(data)


def _rule_files() -> list[Path]:
    return [
        file for suffix in ("nesy", "pl") for part in ("rules", "tasks") for file in (ROOT / part).rglob(f"*.{suffix}")
    ]


def main(arguments: list[str]) -> int:
    """Fuzz for so many seconds, or run one input."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=300)
    parser.add_argument("--folder", type=Path, default=ROOT / ".fuzz")
    parser.add_argument("--input", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    if options.input is not None:
        start = time.process_time()
        check(options.input.read_bytes())
        print(f"{time.process_time() - start:.2f} s")
        return 0
    try:
        import atheris
    except ImportError:
        print("atheris is not installed: pip install atheris", file=sys.stderr)
        return 1
    with atheris.instrument_imports(include=["nesy.language", "nesy.diagnostics", "nesy.source"]):
        import nesy.language.pretty  # noqa: F401  before all else: its branches guide the search
    corpus = options.folder / "corpus"
    seeds(corpus)
    words = options.folder / "words"
    quoted = (word.replace("\\", "\\\\").replace('"', '\\"') for word in DICTIONARY.split())
    words.write_text("".join(f'"{word}"\n' for word in quoted), encoding="utf-8")
    limits = [f"-max_len={MAX_BYTES}", f"-timeout={10 * SECONDS}", f"-rss_limit_mb={MEGABYTES}", f"-dict={words}"]
    how = [f"-max_total_time={options.seconds}", f"-seed={options.seed}", "-len_control=20", "-print_final_stats=1"]
    atheris.Setup([sys.argv[0], *limits, *how, f"-artifact_prefix={options.folder}/", str(corpus)], timed)
    atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
