"""Distillation moves the rules' answers towards the teacher's."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from nesy.distillation import distill
from nesy.errors import DataError, TeacherError
from nesy.learning import train

Make = Callable[..., Path]


def test_with_all_weight_on_it_a_student_says_what_a_random_teacher_says(
    make_teacher: Make, mood: Path, tmp_path: Path
) -> None:
    teacher = make_teacher()
    run = distill(mood, teacher, tmp_path / "run", weight=1.0, epochs=15, device="cpu", progress=False)
    apart = distill(mood, teacher, tmp_path / "labels", weight=0.0, epochs=15, device="cpu", progress=False)
    assert run.extra["teacher"]["kl"] < 0.05 < apart.extra["teacher"]["kl"]
    saved = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert saved["method"] == "distillation"
    assert saved["teacher"]["rows"] == 30
    lines = str(run).splitlines()
    assert "student      teacher   no teacher" in next(line for line in lines if "teacher" in line)
    assert any("inputs on which student and teacher differ" in line for line in lines)
    assert len(saved["teacher"]["disagreements"]) == min(20, saved["teacher"]["num_disagreements"])
    student, alone = saved["students"]
    assert (student["name"], alone["name"]) == ("student", "no teacher")
    assert student["accuracy"] == saved["test"]["accuracy"]
    assert student["kl"] < alone["kl"]
    assert student["agreement"] > alone["agreement"]
    assert (student["bytes"], student["violations"]) == (alone["bytes"], 0)


def test_disagreements_come_with_the_students_proof(make_teacher: Make, mood: Path, tmp_path: Path) -> None:
    run = distill(mood, make_teacher(), tmp_path / "run", weight=0.0, compare=False, device="cpu", progress=False)
    first = run.extra["teacher"]["disagreements"][0]
    (student,), (teacher,) = first["student"].keys(), first["teacher"].keys()
    assert student != teacher
    assert f"label({student})" in first["because"]
    assert f"“{first['input']['text'].split()[0]}”" in first["because"]  # the word that the rule asks about
    assert not first["excluded_by_rules"]
    assert [each["name"] for each in run.extra["students"]] == ["student"]


def test_an_answer_that_no_rule_leads_to_counts_as_a_violation_of_the_teachers(
    make_teacher: Make, mood: Path, tmp_path: Path
) -> None:
    program = (
        (mood / "program.nesy")
        .read_text()
        .replace(
            "label(P) :- leans(0, P).",
            'label(positive) :- leans(0, positive).\nlabel(negative) :- leans(0, negative), not token(1, "soup").',
        )
    )
    (mood / "program.nesy").write_text(program)
    rows = [json.loads(line) for line in (mood / "test.jsonl").read_text().splitlines()]
    kept = [row for row in rows if not (row["label"] == "negative" and row["text"].endswith("soup"))]
    (mood / "test.jsonl").write_text("".join(json.dumps(row) + "\n" for row in kept))
    train_rows = [json.loads(line) for line in (mood / "train.jsonl").read_text().splitlines()]
    (mood / "train.jsonl").write_text("".join(json.dumps(r) + "\n" for r in train_rows if "soup" not in r["text"]))
    teacher = make_teacher()
    run = distill(mood, teacher, tmp_path / "run", compare=False, epochs=1, device="cpu", progress=False)
    soups = sum(row["text"].endswith("soup") for row in kept)
    assert run.extra["students"][0]["violations"] == 0
    assert 0 <= run.extra["teacher"]["violations"] <= soups
    excluded = [one for one in run.extra["teacher"]["disagreements"] if one["excluded_by_rules"]]
    assert len(excluded) == run.extra["teacher"]["violations"]
    assert all(one["input"]["text"].endswith("soup") and "negative" in one["teacher"] for one in excluded)


def test_a_rule_file_without_the_rules_gives_a_student_to_compare_with(
    make_teacher: Make, mood: Path, tmp_path: Path
) -> None:
    (mood / "plain.nesy").write_text((mood / "program.nesy").read_text().replace("leans(0, P)", "leans(1, P)"))
    with (mood / "task.toml").open("a") as task:
        task.write('plain = "plain.nesy"\n')
    run = distill(mood, make_teacher(), tmp_path / "run", device="cpu", progress=False)
    student, _, plain = run.extra["students"]
    assert plain["name"] == "no rules"
    assert plain["accuracy"] < student["accuracy"]  # it looks at the second word, which says nothing
    stamp = (tmp_path / "run-no-rules" / "model.safetensors").stat().st_mtime_ns
    distill(mood, make_teacher(), tmp_path / "run", device="cpu", progress=False, temperature=3.0)
    assert (tmp_path / "run-no-rules" / "model.safetensors").stat().st_mtime_ns == stamp  # trained once
    (mood / "plain.nesy").write_text((mood / "program.nesy").read_text())
    distill(mood, make_teacher(), tmp_path / "run", device="cpu", progress=False)
    assert (tmp_path / "run-no-rules" / "model.safetensors").stat().st_mtime_ns != stamp


def test_the_student_without_the_rules_may_lack_a_predicate_that_training_leaves_out(
    make_teacher: Make, mood: Path, tmp_path: Path
) -> None:
    program = (mood / "program.nesy").read_text()
    (mood / "plain.nesy").write_text(program)
    more = "#neural odd :- token(0, _).\nlabel(P) :- leans(1, P), odd.\n#query"
    (mood / "program.nesy").write_text(program.replace("#query", more))
    text = (
        (mood / "task.toml").read_text().replace("[training]", "[training]\nfact_dropout = { odd = 0.5, leans = 0.1 }")
    )
    (mood / "task.toml").write_text(text + 'plain = "plain.nesy"\n')
    run = distill(mood, make_teacher(), tmp_path / "run", epochs=1, device="cpu", progress=False)
    assert [student["name"] for student in run.extra["students"]] == ["student", "no teacher", "no rules"]


def test_slices_by_a_rule_are_in_the_table_of_all(make_teacher: Make, mood: Path, tmp_path: Path) -> None:
    with (mood / "program.nesy").open("a") as rules:
        rules.write('sweet :- token(0, "good").\n')
    with (mood / "task.toml").open("a") as task:
        task.write('\n[evaluation]\nslices = ["sweet"]\n')
    run = distill(mood, make_teacher(), tmp_path / "run", epochs=1, device="cpu", progress=False)
    lines = (mood / "test.jsonl").read_text().splitlines()
    sweet = sum(json.loads(line)["text"].startswith("good") for line in lines)
    for column in (run.extra["teacher"], *run.extra["students"]):
        assert {name: figures["rows"] for name, figures in column["slices"].items()} == {
            "sweet=true": sweet,
            "sweet=false": 30 - sweet,
        }
    assert len([line for line in str(run).splitlines() if line.startswith("sweet=true")]) == 2


def test_a_head_trained_on_the_labelled_rows_makes_a_sentence_encoder_a_teacher(
    make_teacher: Make, mood: Path, tmp_path: Path
) -> None:
    folder = make_teacher(labels=None)
    more = tmp_path / "more.txt"
    more.write_text("good soup\nawful film\n")
    run = distill(mood, folder, tmp_path / "run", head="train", unlabelled=more, device="cpu", progress=False)
    assert run.extra["teacher"]["accuracy"] > 0.9  # its random embeddings tell words apart, so a linear head can
    assert run.test is not None and run.test.accuracy > 0.9


def test_labels_that_do_not_fit_leave_nothing_half_written(make_teacher: Make, mood: Path, tmp_path: Path) -> None:
    with pytest.raises(TeacherError, match="the label `cat` of the teacher is no answer of the query"):
        distill(mood, make_teacher(labels=("cat", "dog")), tmp_path / "out" / "run", device="cpu", progress=False)
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").iterdir())


def test_the_column_that_the_teacher_reads_must_be_there(make_teacher: Make, mood: Path, tmp_path: Path) -> None:
    text = (mood / "task.toml").read_text().replace("[distillation]", '[distillation]\ninput = "sentence"')
    (mood / "task.toml").write_text(text)
    with pytest.raises(DataError, match="the teacher reads the field `sentence`, which is missing"):
        distill(mood, make_teacher(), tmp_path / "run", device="cpu", progress=False)


def test_a_run_can_be_distilled_twice_from_the_cache_with_the_same_result(
    make_teacher: Make, mood: Path, tmp_path: Path
) -> None:
    teacher = make_teacher()
    for name in ("a", "b"):
        distill(mood, teacher, tmp_path / name, epochs=2, device="cpu", progress=False)
    files = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("a", "b")]
    assert files[0] == files[1]
    plain = train(mood, tmp_path / "c", epochs=2, device="cpu", progress=False)
    assert (plain.folder / "model.safetensors").read_bytes() != files[0]


def test_inputs_that_were_cut_are_counted_also_where_the_cache_has_their_answers(
    make_teacher: Make, mood: Path, tmp_path: Path
) -> None:
    rows = [json.loads(line) for line in (mood / "train.jsonl").read_text().splitlines()]
    rows[3]["text"] += " soup" * 30
    (mood / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    teacher = make_teacher()
    with pytest.raises(TeacherError, match=r"an input has 32 tokens and the teacher reads 16: .* set truncate = true"):
        distill(mood, teacher, tmp_path / "run", epochs=1, device="cpu", progress=False)
    with (mood / "task.toml").open("a") as task:
        task.write("truncate = true\n")
    for name in ("first", "again"):
        run = distill(mood, teacher, tmp_path / name, epochs=1, compare=False, device="cpu", progress=False)
        assert run.extra["teacher"]["inputs_cut"] == 1


@pytest.mark.slow
def test_lora_fine_tunes_a_sentence_encoder_and_keeps_it_for_the_next_time(
    make_teacher: Make, mood: Path, tmp_path: Path
) -> None:
    pytest.importorskip("peft")
    folder = make_teacher(labels=None)
    before = (folder / "model.safetensors").read_bytes()
    run = distill(mood, folder, tmp_path / "run", lora=True, epochs=2, device="cpu", progress=False)
    assert "with LoRA" in run.extra["teacher"]["name"]
    kept = list((tmp_path / "cache" / "finetuned").iterdir())
    assert len(kept) == 1 and (kept[0] / "model.safetensors").is_file()
    stamp = kept[0].stat().st_mtime_ns
    distill(mood, folder, tmp_path / "again", lora=True, epochs=1, device="cpu", progress=False)
    assert kept[0].stat().st_mtime_ns == stamp
    assert (folder / "model.safetensors").read_bytes() == before


def test_a_generators_rows_beside_the_datas_own_are_learned_from_any_teacher(
    make_teacher: Make, mood: Path, tmp_path: Path
) -> None:
    text = (mood / "task.toml").read_text()
    text = text.replace('train = "train.jsonl"', 'generator = "negation"').replace(
        'test = "test.jsonl"', "beside = true"
    )
    text = text.replace("[distillation]", "[distillation]\ntruncate = true")  # the tiny teacher reads 16 tokens
    (mood / "task.toml").write_text(text + "\n[data.options]\ntrain = 20\n")
    first = train(mood, tmp_path / "first", data=mood, epochs=1, device="cpu", progress=False)
    for teacher in (make_teacher(), first.folder):
        run = distill(mood, teacher, tmp_path / "run", data=mood, epochs=1, compare=False, device="cpu", progress=False)
        assert run.extra["students"][0]["rows"] == 30
