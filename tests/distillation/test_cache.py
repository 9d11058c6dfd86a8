"""What a teacher said is never asked twice, and never lost to an interruption or taken from another teacher."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor

from nesy.distillation.cache import OutputCache
from nesy.learning.progress import Silent


class Counting:
    """Stands for a teacher: its output is the text's length and first letter; it counts what it is asked."""

    def __init__(self, fail_after: int = 10**9) -> None:
        self.asked: list[str] = []
        self.fail_after = fail_after

    def __call__(self, texts: Sequence[str]) -> Tensor:
        if len(self.asked) >= self.fail_after:
            raise KeyboardInterrupt
        self.asked += texts
        return torch.tensor([[float(len(text)), float(ord(text[0]))] for text in texts])


class Noting(Silent):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


TEXTS = [f"{chr(97 + i % 26)}{'x' * (i % 7)}{i}" for i in range(3000)]


def cache_in(tmp_path: Path, identity: str = "t", kind: str = "logits") -> OutputCache:
    return OutputCache.of(tmp_path, identity=identity, kind=kind, width=2)


def test_outputs_come_in_the_order_of_the_texts_and_are_asked_for_once(tmp_path: Path) -> None:
    teacher = Counting()
    first = cache_in(tmp_path).outputs([*TEXTS, TEXTS[0]], teacher, 32, Silent())
    assert first[:, 0].tolist() == [float(len(text)) for text in [*TEXTS, TEXTS[0]]]
    assert sorted(teacher.asked) == sorted(TEXTS)
    second = cache_in(tmp_path).outputs(TEXTS[::-1], Counting(fail_after=0), 32, Silent())
    assert torch.equal(second, first[:-1].flip(0))


def test_another_teacher_or_another_way_to_read_has_a_cache_of_its_own(tmp_path: Path) -> None:
    cache_in(tmp_path).outputs(TEXTS[:5], Counting(), 32, Silent())
    for other in (cache_in(tmp_path, identity="u"), cache_in(tmp_path, kind="logits cut")):
        teacher = Counting()
        other.outputs(TEXTS[:5], teacher, 32, Silent())
        assert len(teacher.asked) == 5


def test_an_interruption_keeps_the_shards_that_were_full(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        cache_in(tmp_path).outputs(TEXTS, Counting(fail_after=2500), 32, Silent())
    teacher = Counting()
    cache_in(tmp_path).outputs(TEXTS, teacher, 32, Silent())
    assert len(teacher.asked) == 3000 - 2048


@pytest.mark.parametrize("damage", [lambda raw: raw[:-100], lambda raw: b"", lambda raw: b"\xff" * len(raw)])
def test_a_shard_that_was_cut_off_is_set_aside_and_computed_again(tmp_path: Path, damage) -> None:
    cache = cache_in(tmp_path)
    whole = cache.outputs(TEXTS, Counting(), 32, Silent())
    victim = sorted(cache.folder.glob("*.safetensors"))[0]
    victim.write_bytes(damage(victim.read_bytes()))
    reporter, teacher = Noting(), Counting()
    again = cache.outputs(TEXTS, teacher, 32, reporter)
    assert torch.equal(again, whole)
    assert 0 < len(teacher.asked) <= 1024
    assert reporter.notes == [f"the teacher's cache {victim} was cut off: set aside, its inputs are computed again"]
    assert victim.with_suffix(".broken").exists()
