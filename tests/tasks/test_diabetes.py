"""The task of diabetes: its rows, and its rules against the enumeration of what is trusted."""

from itertools import product

import numpy as np
import pytest
import torch
from sklearn.datasets import load_diabetes

import nesy
from nesy.errors import TaskError
from nesy.learning import load_task
from nesy.learning.generators import diabetes
from nesy.learning.sources import open_data
from nesy.learning.training import build_model

ROW = {
    "age": 50.0, "sex": 1.0, "bmi": 27.0, "pressure": 95.0, "cholesterol": 190.0, "ldl": 115.0, "hdl": 50.0,
    "ratio": 4.0, "triglycerides": 120.0, "glucose": 91.0,
}  # fmt: skip


def people(rows):
    return {tuple(value for value in row.values() if isinstance(value, float)) for row in rows}


def test_training_rows_are_drawn_by_the_seed_and_test_rows_are_never_among_them():
    test = people(diabetes.rows("test", 0, 0))
    drawn = [diabetes.rows("train", seed, 0, train=50) for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1] and people(drawn[0]) != people(drawn[2])
    everything = people(diabetes.rows("train", 0, 0))
    assert len(everything) == 220 and len(test) == 222
    assert people(drawn[2]) < everything
    assert everything.isdisjoint(test)
    assert diabetes.rows("dev", 0, 0) == []
    with pytest.raises(TaskError, match="the option `train` of the generator `diabetes` must be from 2 to 220, not 1"):
        diabetes.rows("train", 0, 0, train=1)


def test_a_row_holds_the_measurements_of_a_person_in_their_units_and_how_the_disease_went_on():
    measured, progression = load_diabetes(return_X_y=True, scaled=False)
    for row in diabetes.rows("test", 0, 0)[:20]:
        same = (measured[:, 2] == row["bmi"]) & (measured[:, 3] == row["pressure"]) & (measured[:, 0] == row["age"])
        found = np.flatnonzero(same & (measured[:, 6] == row["hdl"]) & (measured[:, 9] == row["glucose"]))
        assert len(found) == 1
        assert abs(np.log(row["triglycerides"]) - measured[found[0], 8]) < 0.02
        assert row["label"] == ("faster" if progression[found[0]] > 140 else "slower")


@pytest.fixture(scope="module")
def model():
    """The task's rules with their first probabilities, and an encoder that knows nothing."""
    task = load_task("tasks/diabetes")
    made = build_model(task, open_data(task.with_options("data", options={"train": 20})), seed=0)
    with torch.no_grad():
        for weights in made.encoder.parameters():
            weights.zero_()
    return made


def by_enumeration(signs, looks=0.5, trust=0.5, heed=0.3):
    """The chance of faster: every way to trust signs, to heed the encoder, and a coin."""
    mass = {"faster": 0.0, "slower": 0.0}
    for trusted in product([True, False], repeat=len(signs)):
        for heeded, seen, coin in product([True, False], ["faster", "slower"], ["faster", "slower"]):
            said = {sign for sign, counts in zip(signs, trusted, strict=True) if counts} | {coin}
            said |= {seen} if heeded else set()
            if len(said) == 1:
                weight = trust ** sum(trusted) * (1 - trust) ** (len(signs) - sum(trusted)) * 0.5
                weight *= (heed if heeded else 1 - heed) * (looks if seen == "faster" else 1 - looks)
                mass[said.pop()] += weight
    return mass["faster"] / sum(mass.values())


@pytest.mark.parametrize(
    ("changes", "signs"),
    [
        ({}, []),
        ({"bmi": 30.0}, ["faster"]),
        ({"bmi": 24.0, "hdl": 60.0}, ["slower", "slower"]),
        ({"bmi": 31.0, "pressure": 80.0}, ["faster", "slower"]),
        ({"bmi": 31.0, "pressure": 110.0, "triglycerides": 200.0, "hdl": 70.0}, ["faster"] * 3 + ["slower"]),
        ({"bmi": 20.0, "pressure": 80.0, "triglycerides": 80.0, "hdl": 35.0}, ["slower"] * 3 + ["faster"]),
    ],
)
def test_signs_weigh_against_each_other_as_the_enumeration_of_trust_has_it(model, changes, signs):
    batch = model.prepare([{**ROW, **changes}], learn=True)
    with torch.no_grad():
        assert float(model(batch).of(["label(faster)"])) == pytest.approx(by_enumeration(signs), abs=1e-6)


def test_without_rules_the_encoder_decides_alone():
    program = nesy.load("tasks/diabetes/plain.nesy")
    assert {rule.heads[0].predicate for rule in program.core.rules} == {"looks", "label"}
