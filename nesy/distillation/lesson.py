"""`nesy distill`: the training of a task with a teacher's answer distribution in the loss."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from nesy.distillation.backbone import Reading
from nesy.distillation.cache import OutputCache, default_root
from nesy.distillation.compare import Said, columns_of, comparison
from nesy.distillation.further import with_further
from nesy.distillation.head import cross_fitted
from nesy.distillation.lora import LoraSettings, fine_tuned
from nesy.distillation.objectives import aligned, tempered_kl, trust
from nesy.distillation.others import students_without
from nesy.distillation.question import PLACE
from nesy.distillation.run_teacher import RunLesson
from nesy.distillation.teacher import LabelMap, Teacher, map_labels
from nesy.distillation.words import Facts, align, fact_kl
from nesy.errors import DataError, TaskError, TeacherError, near_name
from nesy.language.values import format_value
from nesy.learning.batches import AnswerNames, Prepared
from nesy.learning.data import Row
from nesy.learning.optimise import Objective, label_objective
from nesy.learning.progress import Reporter
from nesy.learning.run import Run
from nesy.learning.sources import DataSource, open_data
from nesy.learning.task import Task, load_task
from nesy.learning.training import Extension, train_on, with_extra
from nesy.model import Distribution, Model
from nesy.perception import WordEncoder
from nesy.run_folder import is_run

_TIMED = 64  # inputs that the teacher is timed on


def distill(
    task: str | Path | Task,
    teacher: str | Path | Teacher,
    out: str | Path | None = None,
    *,
    temperature: float | None = None,
    weight: float | None = None,
    head: Literal["train", "zero-shot"] | None = None,
    lora: bool = False,
    unlabelled: str | Path | None = None,
    seed: int = 0,
    device: str = "auto",
    data: str | Path | None = None,
    resume: bool = False,
    epochs: int | None = None,
    cache: str | Path | None = None,
    compare: bool = True,
    progress: bool = True,
) -> Run:
    """Train a task folder with a teacher: its distribution over answers and the rules' are brought together.

    The teacher is asked once for each input; what it said is cached by content, so seeds and repeated runs share it.
    A sentence encoder becomes a teacher by a head trained on the labelled rows (`head="train"`), or by LoRA (`lora`); a
    causal language model is asked by the task's `template` (`head="zero-shot"`, which it takes unless told otherwise).
    A trained run of the same query teaches its answers and the facts that it proposes, with nothing cached.
    The run's metrics hold the teacher's own figures beside the student's, and the inputs on which they disagree. With
    `compare`, students that lack the teacher or (where `plain` in [distillation] names rules without what is to be
    shown) the rules are trained after it, in folders beside the run's, and join the table.

    Raises: TeacherError, TaskError, DataError, ProgramError, RunError.
    """
    read = task if isinstance(task, Task) else load_task(task)
    read = read.with_options("training", epochs=epochs)
    read = read.with_options("distillation", temperature=temperature, weight=weight)
    if len(read.queries) > 1:
        raise TaskError(f"{read.folder}: a teacher answers one query, and [task] names {len(read.queries)}")
    if read.data.redraw:
        raise TaskError(
            f"{read.folder}: with redraw = true rows change in every epoch, and a teacher cannot be asked once"
        )
    source = with_further(open_data(read, data, seed=seed, unlabelled=unlabelled), read)
    folder = Path(out) if out is not None else Path("runs") / read.name
    lesson: Lesson | RunLesson
    if not isinstance(teacher, Teacher) and is_run(Path(teacher)):
        if head is not None or lora:
            raise TeacherError(f"{teacher}: a trained run teaches as it is: leave out --head and --lora")
        lesson = RunLesson(read, Path(teacher), source, device)
    else:
        found = _teacher(teacher, read, device)
        _check_head(found, head, lora, read)
        root = Path(cache) if cache else default_root()
        lesson = Lesson(read, found, source, root, head, lora, seed, device)

    def figures(model: Model, _source: DataSource, names: AnswerNames) -> Mapping[str, Any]:
        rows, split, said = lesson.reported()
        return comparison(model, read, rows, split, names, said)

    extension = Extension(
        name="distillation",
        rows=tuple(source.splits.unlabelled),
        objective=lesson.objective,
        settings=lesson.settings,
        after=figures,
    )
    run = train_on(
        read, source, folder, seed=seed, device=device, data=data, resume=resume, progress=progress, extension=extension
    )
    if not compare:
        return run
    others = students_without(read, folder, source, seed=seed, device=device, data=data, progress=progress)
    rows, split, said = lesson.reported()
    return with_extra(run, {"students": [*run.extra["students"], *columns_of(others, read, rows, split, said)]})


def _teacher(teacher: str | Path | Teacher, task: Task, device: str) -> Teacher:
    """A pretrained transformer as a teacher."""
    if isinstance(teacher, Teacher):
        return teacher
    reading = Reading(task.distillation.max_length, task.distillation.truncate)
    return Teacher.from_pretrained(teacher, device=device, reading=reading)


def _check_head(teacher: Teacher, head: str | None, lora: bool, task: Task) -> None:
    """Whether a teacher can answer in the way that is asked for.

    Raises: TeacherError.
    """
    if head not in (None, "train", "zero-shot"):
        raise TeacherError(f"head is `train`, `zero-shot` or nothing, not `{head}`")
    if head == "zero-shot" and lora:
        raise TeacherError("--head zero-shot asks a teacher as it is, and --lora fine-tunes it: leave one out")
    if head == "train" or lora or teacher.is_classifier:
        return
    if not teacher.is_causal:
        what = "with --head zero-shot only a language model or a classifier can be asked" if head else ""
        raise TeacherError(
            f"{teacher.name}: a sentence encoder without a classification head: train one with --head train, "
            f"or fine-tune it with --lora{'; ' if what else ''}{what}"
        )
    if not task.distillation.template:
        raise TeacherError(
            f"{teacher.name}: a language model is asked by a template, and [distillation] of task.toml has none; "
            f'for example:\n  template = "Text: {PLACE}\\nAnswer:"'
        )


@dataclass
class Lesson:
    """What one teacher says about one task's inputs."""

    task: Task
    teacher: Teacher
    source: DataSource
    root: Path
    head: Literal["train", "zero-shot"] | None
    trains_lora: bool
    seed: int
    device: str

    def __post_init__(self) -> None:
        self.trains_head = self.head == "train"
        self.answers: tuple[str, ...] = ()
        self._said: dict[str, Tensor] = {}  # text -> log-probabilities of the answers
        self._seconds_per_input = float("nan")
        self._num_cut = 0
        self.settings = {"teacher": self.teacher.identity, "head": self.head, "lora": self.trains_lora}

    def objective(self, model: Model, names: AnswerNames, reporter: Reporter) -> Objective:
        """Ask the teacher about all inputs, and give the loss that compares the student with it."""
        splits = self.source.splits
        table = self.task.distillation
        words = self._words(model) if table.facts or table.features else []
        self._ask([*splits.learned, *splits.unlabelled, *splits.dev, *splits.test], words, names, reporter)
        if table.features:
            self._align(model, words, reporter)
        facts = self._facts(model, words, names) if table.facts and table.facts_weight else None
        labels = label_objective(model, self.task.training)
        return self._loss(model, labels, facts)

    def _loss(self, model: Model, labels: Objective, facts: Facts | None) -> Objective:
        table = self.task.distillation

        def loss(prepared: Prepared, out: Distribution) -> Tensor:
            said = self.of_rows(prepared.rows).to(out.p.device, out.p.dtype)
            p = aligned(out, self.answers)
            weight = None
            if table.trust:
                weight = trust(said, _target(prepared, self.answers).to(out.p.device))
            divergence = tempered_kl(p, said, table.temperature, weight)
            total = (1 - table.weight) * labels(prepared, out) + table.weight * divergence
            if facts is not None and model.training:
                total = total + table.facts_weight * fact_kl(model, facts, facts.draw(), table.temperature)
            return total

        return loss

    def _words(self, model: Model) -> list[str]:
        """All words of the training and the unlabelled texts."""
        encoder = self._word_encoder(model)
        splits = self.source.splits
        found = (word for row in (*splits.learned, *splits.unlabelled) for word in encoder.words(row.payload))
        return sorted(set(found))

    def _word_encoder(self, model: Model) -> WordEncoder:
        if not isinstance(model.encoder, WordEncoder):
            raise TaskError(
                f"{self.task.folder}: `facts` and `features` in [distillation] are about words, and the encoder of "
                f"kind `{self.task.encoder['kind']}` has none"
            )
        return model.encoder

    def _align(self, model: Model, words: Sequence[str], reporter: Reporter) -> None:
        backbone = self.teacher.backbone
        features = self._outputs(words, "features", int(backbone.model.config.hidden_size), reporter)
        share = align(self._word_encoder(model), words, features)
        reporter.note(f"{len(words):,} words start from the teacher's features ({share:.0%} of their variance)")

    def _facts(self, model: Model, words: Sequence[str], names: AnswerNames) -> Facts:
        """What the teacher says of each word, in the order of the neural predicate's values."""
        name = self.task.distillation.facts
        neural = model.core.neural.get(name)
        if neural is None or neural.values is None:
            near = near_name(name, model.core.neural)
            hint = f"; did you mean `{near}`?" if near else ""
            raise TaskError(
                f"{self.task.folder}: `facts` in [distillation] names `{name}`, which is no neural predicate with "
                f"values{hint}"
            )
        values = [format_value(value) for value in neural.values]
        texts = [names.text_of(value) for value in values]
        unknown = [value for value, text in zip(values, texts, strict=True) if text not in self.answers]
        if unknown:
            raise TaskError(
                f"{self.task.folder}: the values of `{name}` ({', '.join(values)}) are not what the teacher answers "
                f"({', '.join(map(names.short, self.answers))}), so it cannot be asked for them"
            )
        order = [self.answers.index(text) for text in texts if text is not None]
        said = torch.stack([self._said[word] for word in words])[:, order].float()
        return Facts(name, [model.encoder.payload_of(word) for word in words], said)

    def of_rows(self, rows: Sequence[Row]) -> Tensor:
        """Log-probabilities of the answers for rows.

        Shapes: -> [N, answers]
        """
        return torch.stack([self._said[self.text_of(row)] for row in rows])

    def text_of(self, row: Row) -> str:
        """What the teacher reads of a row."""
        column = self.task.distillation.input
        value = row.columns.get(column)
        if not isinstance(value, str):
            what = "missing" if value is None else "no text"
            raise DataError(
                f"{row.origin}: the teacher reads the field `{column}`, which is {what}"
                " (`input` in [distillation] of task.toml names it)"
            )
        return value

    def reported(self) -> tuple[Sequence[Row], str, Said]:
        """The rows that figures are of, and what the teacher says of them."""
        splits = self.source.splits
        rows, split = (splits.test, "test") if splits.test else (splits.dev, "dev")
        about = {
            "name": self.teacher.name,
            "parameters": self.teacher.num_parameters,
            "bytes": self.teacher.num_bytes,
            "inputs_cut": self._num_cut,
            "answers_per_second": round(1 / self._seconds_per_input, 1),
        }
        return rows, split, Said(self.of_rows(rows), self.answers, about)

    def _ask(self, rows: Sequence[Row], words: Sequence[str], names: AnswerNames, reporter: Reporter) -> None:
        """Fill the table of what the teacher says of rows, and of words where facts are compared."""
        texts = [self.text_of(row) for row in rows]
        if self.task.distillation.facts:
            texts += words
        answers = {names.short(text): text for text in sorted(names.atoms)}
        labelled = [row for row in self.source.splits.train if row.answer is not None]
        if self.trains_lora:
            self.teacher = fine_tuned(
                self.teacher,
                [self.text_of(row) for row in labelled],
                [names.short(self._text(row, names)) for row in labelled],
                list(answers),
                settings=self._lora_settings(),
                root=self.root,
                device=self.device,
                reading=self.teacher.backbone.reading,
                reporter=reporter,
            )
        table = self.task.distillation
        if self.teacher.is_causal and not self.trains_head and not self.trains_lora:
            self.teacher = self.teacher.asked(table.template, tuple(table.labels) or tuple(answers))
        self._time([self.text_of(row) for row in rows[-_TIMED:]])
        if self.teacher.is_classifier and (self.trains_lora or not self.trains_head):
            mapping = map_labels(self.teacher, answers, table.labels)
            said = mapping.apply(self._outputs(texts, self.teacher.kind, len(self.teacher.labels), reporter))
            self._keep(texts, said, mapping.answers)
        else:
            self._with_head(texts, labelled, answers, names, reporter)
        self._num_cut = self.teacher.count_cut(texts)
        if self._num_cut:
            limit = self.teacher.backbone.limit
            reporter.note(f"{self._num_cut:,} inputs were cut to the teacher's {limit:,} tokens")

    def _with_head(
        self,
        texts: Sequence[str],
        labelled: Sequence[Row],
        answers: Mapping[str, str],
        names: AnswerNames,
        reporter: Reporter,
    ) -> None:
        order = tuple(answers.values())
        width = int(self.teacher.backbone.model.config.hidden_size)
        features = self._outputs(texts, "features", width, reporter)
        place = {text: i for i, text in enumerate(texts)}
        rows = [place[self.text_of(row)] for row in labelled]
        target = torch.tensor([order.index(self._text(row, names)) for row in labelled])
        table = self.task.distillation
        scores, head = cross_fitted(
            features[rows], target, len(order), table.head_epochs, table.head_learning_rate, table.teacher_seed
        )
        mapping = LabelMap(order, tuple(range(len(order))))
        self._keep(texts, mapping.apply(head(features)), order)
        self._keep([texts[i] for i in rows], mapping.apply(scores), order)

    def _text(self, row: Row, names: AnswerNames) -> str:
        text = names.text_of(row.answer) if row.answer is not None else None
        if text is None:
            raise DataError(names.explain_unknown(row.answer or "", row.origin))
        return text

    def _keep(self, texts: Sequence[str], said: Tensor, answers: tuple[str, ...]) -> None:
        self.answers = answers
        self._said |= dict(zip(texts, said, strict=True))

    def _outputs(self, texts: Sequence[str], kind: str, width: int, reporter: Reporter) -> Tensor:
        backbone = self.teacher.backbone
        reading = f"{kind} max_length={backbone.limit} truncate={backbone.reading.truncate} {backbone.precision}"
        cache = OutputCache.of(self.root, identity=self.teacher.identity, kind=reading, width=width)
        compute = backbone.features if kind == "features" else self.teacher.logits
        return cache.outputs(texts, compute, self.task.distillation.batch_size, reporter)

    def _lora_settings(self) -> LoraSettings:
        table = self.task.distillation
        return LoraSettings(table.lora_rank, table.lora_epochs, table.lora_learning_rate, table.teacher_seed)

    def _time(self, texts: Sequence[str]) -> None:
        """How long the teacher takes for an input, in the batches that it works in."""
        backbone, size = self.teacher.backbone, self.task.distillation.batch_size
        compute = self.teacher.logits if self.teacher.is_classifier else backbone.features
        ordered = sorted(texts, key=len)
        started = time.perf_counter()
        for start in range(0, len(ordered), size):
            compute(ordered[start : start + size])
        self._seconds_per_input = (time.perf_counter() - started) / len(ordered)


def _target(prepared: Prepared, answers: Sequence[str]) -> Tensor:
    """The rows' answers as columns among others, -1 where there is none."""
    place = {answer: column for column, answer in enumerate(answers)}
    return torch.tensor(
        [place.get(str(prepared.batch.answers[own]), -1) if own >= 0 else -1 for own in prepared.target.tolist()]
    )
