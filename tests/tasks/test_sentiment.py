"""tasks/sentiment: a student small enough, and a twin of it that lacks the rules and nothing else."""

from pathlib import Path

import pytest

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
    assert model.core.neural.keys() - twin.core.neural.keys() == {"spares"}
    weights = model.encoder.state_dict()
    assert all(weights[name].equal(tensor) for name, tensor in twin.encoder.state_dict().items())
    said, turned = ({str(row["P"]): row.p for row in each.ask("lovely")} for each in (twin, model))
    assert said == turned  # no negation, no difference
    said, turned = ({str(row["P"]): row.p for row in each.ask("not lovely")} for each in (twin, model))
    assert said != turned


def test_its_rules_are_those_of_the_negation_task() -> None:
    own, other = (
        [
            (rule.heads, rule.body)
            for rule in nesy.load(FOLDER.parent / name / "program.nesy").core.rules
            if (rule.choice is None or rule.choice.neural is None)
            and all(head.predicate != "function_word" for head in rule.heads)
        ]
        for name in ("sentiment", "negation")
    )
    assert own[:-2] == other
    assert [heads[0].predicate for heads, _ in own[-2:]] == [
        "altered",
        "label",
    ]  # the whole sentence, where it has a say


def test_sentences_written_for_the_task_are_learned_beside_real_ones(tmp_path: Path) -> None:
    names = {"train": ("a dull film", "a lovely film", "so so", "fine"), "test": ("dull", "lovely")}
    for split, texts in names.items():
        (tmp_path / f"{split}.jsonl").write_text("".join(f'{{"text": "{text}", "label": "1"}}\n' for text in texts))
    task = load_task(FOLDER)
    splits = open_data(task, tmp_path).splits
    assert [len(rows) for rows in (splits.train, splits.dev, splits.test)] == [3, 1, 2]
    assert len(splits.beside) == 4000
    assert splits.learned == [*splits.train, *splits.beside]
    written = {row.payload["text"] for row in open_data(task).splits.test}
    assert not written & {row.payload["text"] for row in splits.beside}  # whose test pairs stay new
    assert not open_data(task.with_options("data", beside=False), tmp_path).splits.beside


def test_function_words_have_no_leaning_and_need_no_other_words() -> None:
    task = load_task(FOLDER)
    model = build_model(task, open_data(task), 0)
    batch = model.prepare([{"text": "Nobody found what it isn't: dull"}])
    asked = [index for (index,) in batch.requests["leans"].key]
    assert asked == [1, 6, 7]  # "found", ":" and "dull", but none of the words that hold them together
    for text in ("nobody", "not it", "what is not here"):  # no word leans: the whole sentence is what there is to say
        assert sum(row.p for row in model.ask(text)) == pytest.approx(1)
        assert set(model.prepare([{"text": text}]).requests) == {"mood"}
