"""tasks/sentiment: a student small enough, and a twin of it that lacks the rules and nothing else."""

from pathlib import Path

import nesy
from nesy.learning import load_task
from nesy.learning.sources import open_data
from nesy.learning.training import build_model

FOLDER = Path(__file__).parents[2] / "tasks" / "sentiment"
TEACHERS_PARAMETERS = 22_713_986  # MiniLM with a head of two answers


def test_the_student_has_at_most_a_twentieth_of_the_teachers_parameters() -> None:
    task = load_task(FOLDER)
    model = build_model(task, open_data(task), 0)
    own = sum(p.numel() for p in model.parameters())
    learned = len(model.encoder.config()["pieces"])
    missing = task.encoder["vocabulary"] - 256 - learned  # real texts fill the vocabulary that the generator's do not
    assert own + missing * task.encoder["rank"] <= TEACHERS_PARAMETERS / 20


def test_the_twin_without_rules_turns_no_word_around() -> None:
    task = load_task(FOLDER)
    plain = task.with_options("task", program=task.distillation.plain)
    source = open_data(task)
    model, twin = (build_model(each, source, 0) for each in (task, plain))
    assert twin.core.neural == model.core.neural
    assert all(a.equal(b) for a, b in zip(twin.encoder.parameters(), model.encoder.parameters(), strict=True))
    said, turned = ({str(row["P"]): row.p for row in each.ask("lovely")} for each in (twin, model))
    assert said == turned  # no negation, no difference
    said, turned = ({str(row["P"]): row.p for row in each.ask("not lovely")} for each in (twin, model))
    assert said != turned


def test_its_rules_are_those_of_the_negation_task() -> None:
    own, other = (nesy.load(FOLDER.parent / name / "program.nesy").core for name in ("sentiment", "negation"))
    assert [str(rule) for rule in own.rules] == [str(rule) for rule in other.rules]
