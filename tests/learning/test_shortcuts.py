"""Other labellings that answer the training rows as well: counted as enumeration counts them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any, final

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from nesy.language.core import Signature
from nesy.learning.batches import AnswerNames
from nesy.learning.data import Row
from nesy.learning.shortcuts import Shortcuts, candidates, find_shortcuts
from nesy.learning.training import train
from nesy.model import Model
from nesy.perception import Encoder, Facts, Keys, Payload, Sighting
from nesy.program import Program


@final
class Given(Encoder):
    """An encoder that is surely right about a payload's values."""

    def __init__(self) -> None:
        super().__init__()
        self.sureness = torch.nn.Parameter(torch.tensor(9.0))

    @classmethod
    def build(cls, options: Mapping[str, Any], interface: Any, payloads: Sequence[Payload], seed: int) -> Given:
        return cls()

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Given:
        return cls()

    def config(self) -> dict[str, Any]:
        return {}

    def facts(self, payload: Payload) -> Facts:
        return {Signature("item", 1): [(i,) for i in range(len(payload["values"]))]}

    def forward(self, payloads: Sequence[Payload], requests: Mapping[str, Keys]) -> dict[str, Tensor]:
        found = {}
        for name, keys in requests.items():
            values = [payloads[s]["values"][key[0]] for s, key in zip(keys.sample.tolist(), keys.key, strict=True)]
            if name == "on":
                found[name] = self.sureness * torch.tensor([[1.0 if value else -1.0] for value in values])
            else:
                found[name] = self.sureness * torch.nn.functional.one_hot(torch.tensor(values), 3).float()
        return found

    def sighting(self, payload: Payload, predicate: str, key: tuple[Any, ...]) -> Sighting:
        return Sighting(str(payload["values"][key[0]]))

    def payload_of(self, typed: str) -> Payload:
        return {"values": [int(word) for word in typed.split()]}


def found(
    program: str, rows: Sequence[tuple[Sequence[int], str]], told: frozenset[str] = frozenset()
) -> Shortcuts | None:
    model = Model(Program.from_text(program), Given())
    names = AnswerNames.of(model)
    made = [Row({"values": list(values)}, answer, {}, {}, f"row {i}") for i, (values, answer) in enumerate(rows)]
    return find_shortcuts(model, made, names, seed=0, told=told, column="text")


def table_program(table: Mapping[tuple[int, int], str]) -> str:
    facts = "".join(f"gives({a}, {b}, {answer}).\n" for (a, b), answer in table.items())
    return (
        f"#input item(index).\n#neural value(I) -> {{0, 1, 2}} :- item(I).\n{facts}"
        "answer(A) :- value(0, X), value(1, Y), gives(X, Y, A).\n#query answer(A).\n"
    )


tables = st.fixed_dictionaries({(a, b): st.sampled_from("pq") for a in range(3) for b in range(3)})
seen = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=12)


@settings(max_examples=8, deadline=None)
@given(tables, seen)
def test_as_many_labellings_are_admitted_as_enumeration_finds(
    table: dict[tuple[int, int], str], pairs: list[tuple[int, int]]
) -> None:
    shortcuts = found(table_program(table), [(pair, table[pair]) for pair in pairs])
    values = sorted({value for pair in pairs for value in pair})
    admitted = 0
    for targets in product(range(3), repeat=len(values)):
        means = dict(zip(values, targets, strict=True))
        if any(value != target for value, target in means.items()):
            admitted += all(table[means[a], means[b]] == table[a, b] for a, b in pairs)
    assert shortcuts is not None
    assert shortcuts.tried == shortcuts.possible == 3 ** len(values) - 1
    assert (shortcuts.right, shortcuts.admitted) == (len(pairs), admitted)


SAME = """\
#input item(index).
#neural on(I) :- item(I).
same :- on(0), on(1).
same :- item(0), item(1), not on(0), not on(1).
answer(same) :- same.
answer(different) :- item(0), item(1), not same.
#query answer(A).
"""
BOTH = [((1, 1), "same"), ((0, 0), "same"), ((0, 1), "different"), ((1, 0), "different")]


def test_yes_and_no_exchanged_are_a_shortcut_of_sameness() -> None:
    shortcuts = found(SAME, BOTH)
    assert shortcuts is not None
    assert (shortcuts.tried, shortcuts.admitted) == (3, 1)
    assert shortcuts.examples == ("on: no as yes, yes as no",)
    assert str(shortcuts).startswith(
        "warning: reasoning shortcut: 1 of 3 other labellings (such as on: no as yes, yes as no) answer 4 training rows"
    )


def test_values_that_collapse_are_found_where_the_seen_rows_allow_it() -> None:
    shortcuts = found(SAME, [((1, 1), "same"), ((0, 0), "same")])
    assert shortcuts is not None
    assert shortcuts.admitted == 3  # all yes, all no, exchanged: with equal pairs alone nothing is told apart


def test_a_predicate_whose_truth_was_told_keeps_its_values() -> None:
    assert found(SAME, BOTH, told=frozenset({"on"})) is None


def test_nothing_is_said_where_most_answers_are_wrong() -> None:
    wrong = [(values, "same" if answer == "different" else "different") for values, answer in BOTH]
    assert found(SAME, wrong) is None


class Wide(Given):  # type: ignore[misc]
    """The same with nine values, of which three are given."""

    def forward(self, payloads: Sequence[Payload], requests: Mapping[str, Keys]) -> dict[str, Tensor]:
        narrow = super().forward(payloads, requests)["value"]
        return {"value": torch.cat([narrow, torch.full((len(narrow), 6), -9.0)], dim=1)}


@pytest.mark.parametrize(("rule", "is_shortcut"), [("A = X + Y", False), ("A = (X - Y) * (X - Y)", True)])
def test_of_many_values_exchanges_merges_and_shifts_are_tried(rule: str, is_shortcut: bool) -> None:
    program = (
        "#input item(index).\n#neural value(I) -> 0..8 :- item(I).\n"
        f"answer(A) :- value(0, X), value(1, Y), {rule}.\n#query answer(A).\n"
    )
    model = Model(Program.from_text(program), Wide())
    answers = [(a, b, a + b if not is_shortcut else (a - b) ** 2) for a in range(3) for b in range(3)]
    rows = [Row({"values": [a, b]}, answer, {}, {}, "row") for a, b, answer in answers]
    shortcuts = find_shortcuts(model, rows, AnswerNames.of(model), seed=0, told=frozenset(), column="text")
    assert shortcuts is not None
    assert shortcuts.possible == 9**3 - 1 and shortcuts.tried < shortcuts.possible
    # Differences stay where all values are shifted (by 1 to 6) or turned around (within 0..2, or 0..8).
    assert shortcuts.admitted == (8 if is_shortcut else 0)


def test_training_warns_of_a_shortcut_and_keeps_it_in_the_run(
    mood: Path, tmp_path: Path, edit: Callable[[Path, str, str], None]
) -> None:
    run = train(mood, tmp_path / "sound", progress=False)
    assert run.shortcuts is not None and run.shortcuts.admitted == 0
    assert "shortcut" not in str(run)
    # Whether the first word leans at all is asked for, not where to: nothing tells the values apart.
    edit(mood / "program.nesy", "label(P) :- leans(0, P), not turns.", "label(positive) :- leans(0, _).")
    for line in ("leans(0, positive), turns.", "leans(0, negative), turns."):
        edit(mood / "program.nesy", line, "leans(0, positive), leans(0, negative), turns.")
    for name in ("train", "test"):
        text = (mood / f"{name}.jsonl").read_text().replace('"label": "negative"', '"label": "positive"')
        (mood / f"{name}.jsonl").write_text(text)
    blind = train(mood, tmp_path / "blind", epochs=1, progress=False)
    assert blind.shortcuts is not None and blind.shortcuts.admitted == blind.shortcuts.tried > 0
    assert "warning: reasoning shortcut: " in str(blind)
    saved = json.loads((blind.folder / "metrics.json").read_text())
    assert saved["shortcuts"] == blind.shortcuts.to_dict()


def _candidates_of(count: int) -> list[tuple[int, ...]]:
    """What is tried for a predicate of so many values, all of which the encoder gives."""
    program = (
        f"#input item(index).\n#neural value(I) -> 0..{count - 1} :- item(I).\n"
        "answer(A) :- value(0, X), value(1, Y), A = X + Y.\n#query answer(A).\n"
    )
    model = Model(Program.from_text(program), Given())
    return [one["value"] for one in candidates(model, {"value": range(count)}) if "value" in one]


def test_of_very_many_values_no_more_than_some_hundred_ways_are_tried() -> None:
    maps = _candidates_of(40)
    assert 300 <= len(maps) <= 601
    assert all(len(taken_for) == 40 for taken_for in maps)
