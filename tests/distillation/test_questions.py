"""A causal language model answers by the words it foretells, calibrated for how readily it says them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from nesy.distillation import Teacher, distill
from nesy.distillation.backbone import Reading
from nesy.errors import MissingExtraError, TeacherError

Make = Callable[..., Path]
TEMPLATE = "Text : {input} Answer :"


def speaker(folder: Path, **reading: object) -> Teacher:
    return Teacher.from_pretrained(folder, device="cpu", reading=Reading(**reading))  # type: ignore[arg-type]


@torch.no_grad()
def by_hand(teacher: Teacher, prompt: str, word: str) -> float:
    """The log-probability of a word's tokens, one forward pass a token, nothing padded."""
    ids = teacher.backbone.tokenizer(prompt)["input_ids"]
    total = 0.0
    for token in teacher.backbone.tokenizer(word, add_special_tokens=False)["input_ids"]:
        total += float(teacher.backbone.model(torch.tensor([ids])).logits[0, -1].log_softmax(-1)[token])
        ids = [*ids, token]
    return total


@pytest.mark.parametrize("words", [("positive", "negative"), ("very positive", "very negative", "bad")])
def test_each_word_is_as_likely_as_its_tokens_one_after_the_other(make_language_model: Make, words) -> None:
    teacher = speaker(make_language_model()).asked(TEMPLATE, words)
    texts = ["good food", "bad", "lovely fresh room film soup"]
    assert teacher.question is not None
    found = teacher.question.log_likelihood(texts)
    expected = [[by_hand(teacher, TEMPLATE.replace("{input}", text), word) for word in words] for text in texts]
    torch.testing.assert_close(found, torch.tensor(expected), atol=1e-4, rtol=1e-4)


def test_a_words_chance_is_divided_by_its_chance_after_inputs_that_say_nothing(make_language_model: Make) -> None:
    words = ("positive", "negative")
    teacher = speaker(make_language_model()).asked(TEMPLATE, words)

    def shares(text: str) -> torch.Tensor:
        told = [by_hand(teacher, TEMPLATE.replace("{input}", text), word) for word in words]
        return torch.softmax(torch.tensor(told), 0)

    free = torch.stack([shares(text) for text in ("N/A", "", "[MASK]")]).mean(0)
    expected = shares("good food") / free
    found = torch.softmax(teacher.logits(["good food"])[0], 0)
    torch.testing.assert_close(found, expected / expected.sum(), atol=1e-4, rtol=1e-4)


def test_a_language_model_teaches_a_task_that_has_a_template(
    make_language_model: Make, mood: Path, tmp_path: Path
) -> None:
    folder = make_language_model()
    with pytest.raises(TeacherError) as caught:
        distill(mood, folder, tmp_path / "run", progress=False)
    assert str(caught.value) == (
        f"{folder}: a language model is asked by a template, and [distillation] of task.toml has none; for example:\n"
        '  template = "Text: {input}\\nAnswer:"'
    )
    with (mood / "task.toml").open("a") as task:
        task.write(f'template = "{TEMPLATE}"\n')
    run = distill(
        mood, folder, tmp_path / "run", head="zero-shot", weight=1.0, epochs=15, compare=False, progress=False
    )
    apart = distill(mood, folder, tmp_path / "labels", weight=0.0, epochs=15, compare=False, progress=False)
    assert run.extra["teacher"]["kl"] < 0.1 < apart.extra["teacher"]["kl"]
    with (mood / "task.toml").open("a") as task:
        task.write('labels = { lovely = "positive", awful = "negative" }\n')
    other = distill(mood, folder, tmp_path / "other", epochs=1, compare=False, progress=False)
    assert other.extra["teacher"]["log_loss"] != run.extra["teacher"]["log_loss"]  # asked for other words


def test_a_template_needs_a_place_for_the_input(make_language_model: Make) -> None:
    with pytest.raises(TeacherError) as caught:
        speaker(make_language_model()).asked("Is it good?", ("yes", "no"))
    assert str(caught.value) == (
        "`template` in [distillation] of task.toml must have {input} once, where the input goes: 'Is it good?'"
    )


def test_of_a_long_input_the_end_is_cut_and_the_question_stays(make_language_model: Make) -> None:
    folder, long = make_language_model(limit=12), " ".join(["good"] * 30)
    with pytest.raises(TeacherError, match="an input has 34 tokens and the teacher reads 11"):
        speaker(folder).asked(TEMPLATE, ("positive", "negative")).logits([long])
    teacher = speaker(folder, truncate=True).asked(TEMPLATE, ("positive", "negative"))
    torch.testing.assert_close(teacher.logits([long]), teacher.logits([" ".join(["good"] * 7)]))
    assert teacher.backbone.cut == {long}
    tight = speaker(make_language_model("tight", limit=4), truncate=True).asked(TEMPLATE, ("positive", "negative"))
    with pytest.raises(TeacherError, match="the template alone has 4 tokens and the teacher reads 3"):
        tight.logits([long])


def test_zero_shot_is_for_teachers_that_can_be_asked(make_teacher: Make, mood: Path, tmp_path: Path) -> None:
    encoder = make_teacher(labels=None)
    with pytest.raises(TeacherError, match="with --head zero-shot only a language model or a classifier can be asked"):
        distill(mood, encoder, tmp_path / "run", head="zero-shot", progress=False)
    with pytest.raises(TeacherError, match="--head zero-shot asks a teacher as it is, and --lora fine-tunes it"):
        distill(mood, encoder, tmp_path / "run", head="zero-shot", lora=True, progress=False)


def test_a_language_model_can_be_given_a_head_instead(make_language_model: Make, mood: Path, tmp_path: Path) -> None:
    run = distill(mood, make_language_model(), tmp_path / "run", head="train", epochs=1, compare=False, progress=False)
    assert run.extra["teacher"]["accuracy"] > 0.6  # its template is not needed then


def test_a_gguf_file_without_the_package_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "packed").mkdir()
    (tmp_path / "packed" / "model.gguf").write_bytes(b"GGUF")
    monkeypatch.setattr("nesy.distillation.gguf.find_spec", lambda name: object())
    with pytest.raises(TeacherError, match=r"model\.gguf: transformers cannot read this GGUF file: "):
        Teacher.from_pretrained(tmp_path / "packed", device="cpu")
    assert not list((tmp_path / "cache" / "unpacked").iterdir())
    monkeypatch.setattr("nesy.distillation.gguf.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError) as caught:
        Teacher.from_pretrained(tmp_path / "packed", device="cpu")
    assert str(caught.value) == "reading a GGUF file needs an optional package: pip install 'nesy[teachers]'"
