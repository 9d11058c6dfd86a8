"""Teachers are found, read and matched with the query's answers, or refused in one clear line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from nesy.distillation import Teacher, distill
from nesy.distillation.backbone import Reading
from nesy.distillation.teacher import map_labels
from nesy.errors import TeacherError

Make = Callable[..., Path]
ANSWERS = {"negative": "label(negative)", "positive": "label(positive)"}


def refusal(name: str | Path, **options) -> str:
    with pytest.raises(TeacherError) as caught:
        Teacher.from_pretrained(name, device="cpu", **options)
    return str(caught.value)


def test_a_classifier_in_a_folder_says_how_likely_each_label_is(make_teacher: Make) -> None:
    teacher = Teacher.from_pretrained(make_teacher(), device="cpu")
    assert teacher.labels == ("NEGATIVE", "POSITIVE")
    one = teacher.backbone.logits(["good food"])
    both = teacher.backbone.logits(["good food", "bad soup room film"])
    assert torch.allclose(one[0], both[0], atol=1e-5)  # padding changes nothing


def test_a_hub_id_is_not_fetched_when_the_network_is_switched_off() -> None:
    assert refusal("someone/some-model") == (
        "someone/some-model: no such folder, and not in the local hub cache; "
        "the network is switched off (HF_HUB_OFFLINE)"
    )


def test_a_hub_that_cannot_be_reached_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(name: str, **options: object) -> str:
        raise OSError("Connection refused\nand forty lines more")

    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.setattr("huggingface_hub.snapshot_download", unreachable)
    assert refusal("someone/some-model") == (
        "someone/some-model: no such folder, and the hub does not give it: Connection refused"
    )


def test_a_folder_that_is_not_there_suggests_its_neighbour(make_teacher: Make) -> None:
    folder = make_teacher("teacher")
    assert refusal(folder.parent / "techer").endswith(f"there is no such folder; did you mean `{folder}`?")


def test_a_folder_without_a_model_is_said_to_have_none(tmp_path: Path) -> None:
    assert refusal(tmp_path).endswith("no transformers model: the folder has no config.json")


def test_pickled_weights_are_refused(make_teacher: Make) -> None:
    folder = make_teacher()
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    assert "only pytorch_model.bin, which could run code when read; weights must be .safetensors" in refusal(folder)


def test_a_tokenizer_of_another_model_is_noticed(make_teacher: Make) -> None:
    folder = make_teacher(vocab_size=5)
    assert refusal(folder) == f"{folder}: the tokenizer does not belong to the model: it has 13 tokens, the model 5"


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: (folder / "model.safetensors").write_bytes(b"x"),
        lambda folder: (folder / "config.json").write_text("{"),
        lambda folder: (folder / "config.json").write_text('{"model_type": "no-such-type"}'),
        lambda folder: (folder / "tokenizer.json").write_text("{}"),
    ],
)
def test_a_damaged_folder_is_one_line_not_a_traceback(make_teacher: Make, damage: Callable[[Path], object]) -> None:
    folder = make_teacher()
    damage(folder)
    assert len(refusal(folder).splitlines()) == 1


def test_missing_weights_are_not_made_up(make_teacher: Make) -> None:
    folder = make_teacher(labels=None)
    config = json.loads((folder / "config.json").read_text())
    config["architectures"] = ["BertForSequenceClassification"]
    (folder / "config.json").write_text(json.dumps(config))
    assert "the weights are incomplete: 2 are missing, such as classifier.bias" in refusal(folder)


def test_labels_match_answers_by_their_words_or_as_task_toml_says(make_teacher: Make) -> None:
    plain = Teacher.from_pretrained(make_teacher("a"), device="cpu")
    assert map_labels(plain, ANSWERS, {}).column == (0, 1)
    stars = Teacher.from_pretrained(make_teacher("b", labels=("1 star", "2 stars", "5 stars")), device="cpu")
    given = {"1 star": "negative", "2 stars": "negative", "5 stars": "positive"}
    mapping = map_labels(stars, ANSWERS, given)
    added = mapping.apply(torch.tensor([[0.5, 0.2, 0.3]]).log()).exp()
    assert added[0].tolist() == pytest.approx([0.7, 0.3])


def test_labels_that_cannot_be_matched_are_shown_beside_the_answers(make_teacher: Make) -> None:
    teacher = Teacher.from_pretrained(make_teacher(labels=("LABEL_0", "LABEL_1")), device="cpu")
    with pytest.raises(TeacherError) as caught:
        map_labels(teacher, ANSWERS, {})
    assert str(caught.value).splitlines() == [
        f"{teacher.name}: the label `LABEL_0` of the teacher is no answer of the query",
        "  the teacher's labels: LABEL_0, LABEL_1",
        "  the query's answers:  negative, positive",
        "say in [distillation] of task.toml which is which, for example:",
        '  labels = { LABEL_0 = "negative", LABEL_1 = "positive" }',
    ]


def test_an_answer_that_no_label_stands_for_is_named(make_teacher: Make) -> None:
    teacher = Teacher.from_pretrained(make_teacher(), device="cpu")
    with pytest.raises(TeacherError, match="no label stands for neutral"):
        map_labels(teacher, {**ANSWERS, "neutral": "label(neutral)"}, {})


def test_an_input_over_the_limit_is_an_error_unless_it_may_be_cut_and_then_it_is_counted(make_teacher: Make) -> None:
    folder, long = make_teacher(), " ".join(["good"] * 40)
    teacher = Teacher.from_pretrained(folder, device="cpu")
    with pytest.raises(TeacherError) as caught:
        teacher.backbone.logits([long])
    assert str(caught.value) == (
        f"an input has 40 tokens and the teacher reads 16: {long[:60]!r}...: shorten it, or set truncate = true in "
        "[distillation] of task.toml (cut inputs are counted)"
    )
    cutting = Teacher.from_pretrained(folder, device="cpu", reading=Reading(truncate=True))
    assert torch.allclose(
        cutting.backbone.logits([long]), teacher.backbone.logits([" ".join(["good"] * 16)]), atol=1e-5
    )
    assert cutting.backbone.cut == {long}


def test_a_sentence_encoder_needs_a_head(make_teacher: Make, mood: Path, tmp_path: Path) -> None:
    folder = make_teacher(labels=None)
    with pytest.raises(TeacherError, match="without a classification head: train one with --head train"):
        distill(mood, folder, tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()
