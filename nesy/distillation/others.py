"""The students that a distilled one is compared with: the same, but without a teacher, or without the rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from nesy.errors import RunError
from nesy.learning.checkpoint import StateFile
from nesy.learning.schema import DistillationTable
from nesy.learning.sources import DataSource
from nesy.learning.task import Task
from nesy.learning.training import refuse_foreign, train_on, training_identity
from nesy.model import Model
from nesy.program import Program
from nesy.run_folder import is_run, read_json


def students_without(
    task: Task, folder: Path, source: DataSource, *, seed: int, device: str, data: str | Path | None, progress: bool
) -> Mapping[str, Model]:
    """The students by what they lack, in folders beside the run's.

    One that is there already, of the same task, rules, rows and seed, is taken as it is; one that was interrupted goes
    on where it was.
    """
    alone = replace(task, distillation=DistillationTable())
    wanted = {"no teacher": alone}
    if task.distillation.plain:
        wanted["no rules"] = _with_program(alone, task.distillation.plain)
    labelled = replace(source, splits=replace(source.splits, unlabelled=[]))
    found: dict[str, Model] = {}
    for name, other in wanted.items():
        place = folder.with_name(f"{folder.name}-{name.replace(' ', '-')}")
        refuse_foreign(place)
        identity = training_identity(other, Program.load(other.program), labelled, seed)
        if is_run(place) and read_json(place, "metrics.json").get("identity") == identity:
            found[name] = Model.from_pretrained(place, device=device)
            continue
        resume = _is_unfinished(StateFile.beside(place, identity))
        run = train_on(other, labelled, place, seed=seed, device=device, data=data, resume=resume, progress=progress)
        found[name] = run.model
    return found


def _with_program(task: Task, program: str) -> Task:
    """The task with other rules, which may lack some of the neural predicates that training is told about."""
    other = task.with_options("task", program=program)
    neural = Program.load(other.program).core.neural
    kept = {name: share for name, share in task.training.fact_dropout.items() if name in neural}
    return other.with_options("training", fact_dropout=kept)


def _is_unfinished(state: StateFile) -> bool:
    """Whether there is a state, and of this very training."""
    if not state.exists():
        return False
    try:
        state.read()
    except RunError:
        return False
    return True
