"""The card of a run, its README.md: what it is, how good it is, how it was made, how to use it.

The first lines are the metadata that the Hugging Face hub reads.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from platform import python_version

from nesy.learning.metrics import Metrics
from nesy.learning.run import Run
from nesy.learning.task import Task
from nesy.model import Model

CARD_FILE = "README.md"
_MOST_RULES = 8_000  # characters of the main rule file that are shown; the whole is in `rules/`
_MOST_SLICES = 20


def model_card(run: Run, task: Task, model: Model) -> str:
    """The card as Markdown."""
    description = task.task.description or f"Answers {' and '.join(f'`{query}`' for query in task.queries)}."
    parts = [
        _metadata(run),
        f"# {run.task}",
        description,
        "An encoder reads the input and proposes facts with probabilities; the rules below derive the answers, each "
        f"with its proof. Trained with nesy {version('nesy')}, Python {python_version()}, torch {version('torch')}.",
        "## Use",
        _use(),
        "## How good it is",
        *(_figures(metrics) for metrics in (run.test, run.dev) if metrics is not None),
        *_caveats(run),
        "## The rules",
        _rules(model),
        "## How it was made",
        _table(("", ""), _making(run, task)),
        "The folder holds `config.json`, `model.safetensors`, the rule files, `task.json` (every setting), `log.csv` "
        "(a line an epoch), `metrics.json` and `confidence.json`; `manifest.json` has the SHA-256 of each. Nothing of "
        "it is code.",
    ]
    return "\n\n".join(parts) + "\n"


def _metadata(run: Run) -> str:
    return f"---\nlibrary_name: nesy\ntags:\n- neuro-symbolic\n- nesy\nmodel_name: {json.dumps(run.task)}\n---"


def _use() -> str:
    return (
        '```python\nimport nesy\n\nmodel = nesy.Model.from_pretrained("PATH_OR_HUB_ID")\n'
        'print(model.ask("an input").explain())\n```\n\n'
        '`nesy ask PATH_OR_HUB_ID "an input"` says the same; `nesy eval` measures it, and with `nesy verify` Z3 checks '
        "its answers."
    )


def _figures(metrics: Metrics) -> str:
    queries = [(name, own.overall) for name, own in metrics.queries.items()]
    rows = [
        (name, f"{f.rows:,}", f"{f.accuracy:.2%}", f"{f.log_loss:.4f}", f"{f.brier:.4f}", f"{f.ece:.4f}")
        for name, f in (("all", metrics.overall), *queries, *list(metrics.slices.items())[:_MOST_SLICES])
    ]
    table = _table((metrics.split, "rows", "accuracy", "log-loss", "Brier", "ECE"), rows)
    lines = [f"Macro-F1 {metrics.macro_f1:.4f}."]
    lines += [
        f"The encoder is right about `{name}` in {concept.accuracy:.2%} of {concept.atoms:,} known atoms."
        for name, concept in metrics.concepts.items()
    ]
    if metrics.underivable:
        lines.append(f"{metrics.underivable:,} rows have an answer that the rules cannot derive.")
    if metrics.bounded:
        lines.append(f"{metrics.bounded}.")
    return f"{table}\n\n{' '.join(lines)}"


def _caveats(run: Run) -> list[str]:
    found = []
    if run.shortcuts and run.shortcuts.admitted:
        found.append(f"**{str(run.shortcuts).removeprefix('warning: ').capitalize()}.**")
    found.append(
        "The figures hold for inputs like the rows they were counted on. A proof says what an answer follows from; "
        "whether the encoder read its leaves rightly is another matter."
    )
    return found


def _rules(model: Model) -> str:
    main = model.core.files[0]
    text = main.source.text.strip()
    cut = text[:_MOST_RULES] + ("\n% ..." if len(text) > _MOST_RULES else "")
    fence = "```" if "```" not in cut else "````"
    return f"{fence}prolog\n{cut}\n{fence}"


def _making(run: Run, task: Task) -> Iterable[tuple[str, str]]:
    yield "encoder", f"`{task.encoder.get('kind')}`, {run.extra.get('parameters', 0):,} parameters"
    yield "method", str(run.extra.get("method", "labels"))
    yield "seed", str(run.seed)
    yield "epochs", f"{run.epochs}, the best of them {run.best_epoch}"
    yield "seconds", f"{run.seconds:.0f}"
    temperatures = run.extra.get("temperatures") or {}
    if temperatures:
        yield "temperatures", ", ".join(f"`{name}` {value:.3g}" for name, value in temperatures.items())


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    lines += [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in rows]
    return "\n".join(lines)
