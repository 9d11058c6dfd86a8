"""Every key of task.toml: its type, default, bounds and meaning, in one place.

The reader (`task.py`), the reference (`docs/tasks.md`) and `nesy new` are all made from these classes, so none of
them can drift. A key is a field; its annotation is its type; `key(...)` adds the words and the checks.
"""

# ruff: noqa: RUF009 - `key` makes a field; ruff cannot see through it where the annotation is an alias

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field
from typing import Any, Literal, TypeAlias

Options: TypeAlias = Mapping[str, Any]
Metric: TypeAlias = Literal["accuracy", "macro_f1", "log_loss"]
Schedule: TypeAlias = Literal["constant", "linear", "cosine"]
Device: TypeAlias = Literal["auto", "cpu", "cuda", "mps"]


def key(
    doc: str,
    default: Any = MISSING,
    *,
    factory: Any = MISSING,
    low: float | None = None,
    high: float | None = None,
    above: float | None = None,
    is_path: bool = False,
) -> Any:
    """A documented key: `low` and `high` are inclusive, `above` is not; a path must stay inside the task's folder."""
    about = {"doc": doc, "low": low, "high": high, "above": above, "is_path": is_path}
    if factory is not MISSING:
        return field(default_factory=factory, metadata=about)
    if default is not MISSING:
        return field(default=default, metadata=about)
    return field(metadata=about)


@dataclass(frozen=True)
class TaskTable:
    """What is asked, and by which rules."""

    query: str | tuple[str, ...] = key(
        "The query that is learned and asked, such as `label(P)`; every answer is one of its instances. Or several, "
        "each of a predicate of its own."
    )
    program: str = key("The rule file.", "program.nesy", is_path=True)
    description: str = key("One sentence for people, kept in the run's model card.", "")


@dataclass(frozen=True)
class DataTable:
    """Where the rows come from: files, or a generator. `--data PATH` on the command line takes their place."""

    generator: str = key("Name of a registered generator of rows; then no files are named.", "")
    options: Options = key("Options of the generator.", factory=dict)
    beside: bool = key(
        "With `--data`, the generator's training rows are learned beside the data's own instead of making room for "
        "them; dev and test are the data's alone.",
        False,
    )
    redraw: bool = key("Draw new training rows from the generator in every epoch.", False)
    train: str = key("Training rows: `.jsonl`, `.csv` or `.tsv`.", "", is_path=True)
    dev: str = key("Rows that choose the best epoch; without it, `holdout` of the training rows.", "", is_path=True)
    test: str = key("Rows that nothing is chosen by.", "", is_path=True)
    unlabelled: str = key(
        "Rows without an answer: for distillation, and for the loss on constraints (`constraint_weight`).",
        "",
        is_path=True,
    )
    header: bool = key("Whether CSV and TSV files name their columns in the first line.", True)
    columns: tuple[str, ...] = key("Names of the columns of CSV and TSV files without a header.", ())
    input: tuple[str, ...] = key("Columns that the encoder reads; empty means all but the answer and the concepts.", ())
    answer: str = key("Column of the answer.", "answer")
    answers: Mapping[str, str] = key(
        "With several queries: the column of each one's answer, by the query's predicate; by default one of its name.",
        factory=dict,
    )
    concepts: str = key("Column with the truth of neural predicates, where it is known.", "concepts")
    statements: str = key(
        "Column with atoms of the query that hold of the row or do not, learned beside its answer or in its place.",
        "statements",
    )
    labels: Mapping[str, str] = key(
        'What an answer in the data is called in the rules, such as `1 = "positive"`.', factory=dict
    )
    holdout: float = key(
        "Share of the training rows that becomes dev when no dev rows are given.", 0.1, above=0.0, high=0.5
    )

    @property
    def answer_columns(self) -> tuple[str, ...]:
        """The columns that answers stand in."""
        return tuple(self.answers.values()) or (self.answer,)


@dataclass(frozen=True)
class TrainingTable:
    """How the encoder, and the rule file's `t(..)` probabilities, are trained."""

    epochs: int = key("At most this many passes over the training rows.", 20, low=1, high=100_000)
    batch_size: int = key("Rows per gradient step.", 64, low=1, high=65_536)
    learning_rate: float = key("Peak step size of AdamW for the encoder.", 1e-3, above=0.0, high=10.0)
    rule_learning_rate: float = key(
        "Peak step size for the probabilities that the rule file marks `t(..)`.", 1e-2, above=0.0, high=10.0
    )
    weight_decay: float = key("Decoupled weight decay of the encoder's weights.", 0.0, low=0.0, high=10.0)
    schedule: Schedule = key("How the step size falls over the epochs.", "cosine")
    warmup: float = key("Share of all steps in which the step size rises from 0.", 0.0, low=0.0, high=1.0)
    clip: float = key("Gradients are scaled down to this norm; 0 leaves them alone.", 1.0, low=0.0)
    smoothing: float = key("Share of the target that is spread evenly over all answers.", 0.0, low=0.0, high=0.9)
    concept_weight: float = key(
        "Weight of the loss on neural predicates whose truth a row gives; 0 learns from answers alone.", 0.0, low=0.0
    )
    fact_dropout: Mapping[str, float] = key(
        "Share of a neural predicate's atoms that training leaves out, such as `mood = 0.5`, all of their values being "
        "as likely then: what else is proposed has to carry the answer.",
        factory=dict,
        low=0.0,
        high=1.0,
    )
    constraint_weight: float = key(
        "Weight of the loss on the rules' constraints, -log of the chance that they are met: on labelled rows and on "
        "`unlabelled` ones, which need no answer for it.",
        0.0,
        low=0.0,
    )
    patience: int = key("Stop after this many epochs without a better dev metric; 0 never stops early.", 0, low=0)
    calibrate: bool = key(
        "After training, fit a temperature for each neural predicate on dev, where it has at least 50 answers.", True
    )
    length_column: str = key("Rows with like lengths of this text column share a batch.", "text")


@dataclass(frozen=True)
class EvaluationTable:
    """What is measured."""

    metric: Metric = key("The dev metric that chooses the best epoch.", "accuracy")
    slices: tuple[str, ...] = key(
        "Columns, or predicates that may hold of an input, whose values get figures of their own.", ()
    )
    groups: str = key("Column that ties rows together, as minimal pairs: how many groups are right in every row.", "")
    bins: int = key("Bins of the calibration error.", 15, low=2, high=1000)


@dataclass(frozen=True)
class DistillationTable:
    """How a teacher's answer distribution enters the loss (`nesy distill`)."""

    temperature: float = key(
        "Both distributions are softened by this before they are compared.", 2.0, above=0.0, high=100.0
    )
    weight: float = key("Weight of the teacher's term; the labels' term has weight 1 - this.", 0.5, low=0.0, high=1.0)
    input: str = key("The column that the teacher reads.", "text")
    labels: Mapping[str, str] = key(
        'Which answer a label of the teacher stands for, such as `LABEL_1 = "positive"`; of a language model, the '
        "words that it is asked for.",
        factory=dict,
    )
    template: str = key(
        "What a causal language model reads, with `{input}` where the input goes: it is asked how likely each label "
        "(or answer) is to follow.",
        "",
    )
    max_length: int = key("Most tokens the teacher reads of an input; 0 takes the teacher's own limit.", 0, low=0)
    truncate: bool = key("Cut longer inputs (they are counted); otherwise one is an error.", False)
    batch_size: int = key("Inputs per forward pass of the teacher.", 32, low=1, high=65_536)
    facts: str = key(
        "A neural predicate of a word whose values are answers, as `leans`: the teacher is asked about single words, "
        "and what it says and the predicate are compared without the rules.",
        "",
    )
    facts_weight: float = key(
        "Weight of the comparison of facts; with a run as the teacher, of all neural predicates that both have.",
        0.3,
        low=0.0,
        high=100.0,
    )
    features: bool = key(
        "Before training, start the encoder's words from the teacher's features of them (encoders of words only).",
        False,
    )
    spans: int = key(
        "So many runs of 2 to 12 words, cut from training and unlabelled texts, are further unlabelled inputs.",
        0,
        low=0,
        high=10_000_000,
    )
    variants: int = key(
        "So many training and unlabelled texts with words left out or replaced are further unlabelled inputs.",
        0,
        low=0,
        high=10_000_000,
    )
    splices: int = key(
        "So many texts, each the first part of one training or unlabelled text and the last part of another, are "
        "further unlabelled inputs.",
        0,
        low=0,
        high=10_000_000,
    )
    trust: bool = key("Weigh the teacher's term of a labelled row by the chance it gives to the row's answer.", False)
    plain: str = key(
        "A rule file without the rules whose worth is to be shown: a student with it joins the table.", "", is_path=True
    )
    head_epochs: int = key("Epochs of training a head on a sentence encoder (`--head train`).", 30, low=1, high=10_000)
    head_learning_rate: float = key("Step size of that head.", 1e-2, above=0.0, high=10.0)
    lora_rank: int = key("Rank of the updates of fine-tuning (`--lora`).", 8, low=1, high=1024)
    lora_epochs: int = key("Epochs of fine-tuning.", 3, low=1, high=1000)
    lora_learning_rate: float = key("Peak step size of fine-tuning.", 1e-3, above=0.0, high=10.0)
    teacher_seed: int = key(
        "Seed of the teacher's head or fine-tuning, apart from the student's: students of all seeds share a teacher.", 0
    )


TABLES: Mapping[str, type] = {
    "task": TaskTable,
    "data": DataTable,
    "training": TrainingTable,
    "evaluation": EvaluationTable,
    "distillation": DistillationTable,
}
