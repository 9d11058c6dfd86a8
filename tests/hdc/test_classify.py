"""The classifiers: scikit-learn's own checks, accuracy above a plain bar, calibrated probabilities, safetensors."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from sklearn.datasets import load_digits, load_iris
from sklearn.utils.estimator_checks import parametrize_with_checks

from nesy.hdc import CentroidClassifier, HypervectorError, LearnedClassifier, OnlineClassifier

SMALL = [
    CentroidClassifier(dim=256, random_state=0),
    OnlineClassifier(dim=256, epochs=3, batch_size=32, random_state=0),
    LearnedClassifier(dim=256, epochs=2, random_state=0),
]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@parametrize_with_checks(SMALL)
def test_scikit_learn_accepts_the_estimator(estimator, check) -> None:
    check(estimator)


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    order = np.random.default_rng(5).permutation(len(X))
    train, test = order[:900], order[900:1300]
    return X[train], y[train], X[test], y[test]


@pytest.mark.parametrize(
    ("estimator", "bar"),
    [
        (CentroidClassifier(dim=2000, random_state=1), 0.91),
        (CentroidClassifier(dim=2000, encoding="linear", random_state=1), 0.86),
        (CentroidClassifier(dim=2000, encoding="record", random_state=1), 0.86),
        (OnlineClassifier(dim=2000, epochs=10, random_state=1), 0.93),
        (OnlineClassifier(dim=2000, epochs=10, rule="adapt", random_state=1), 0.93),
        (LearnedClassifier(dim=2000, epochs=10, random_state=1), 0.95),
        (LearnedClassifier(dim=2000, epochs=10, binary=True, random_state=1), 0.95),
    ],
    ids=lambda value: str(value),
)
def test_digits_are_told_apart_and_probabilities_are_calibrated(estimator, bar, digits) -> None:
    X, y, X_test, y_test = digits
    estimator.fit(X, y)
    p = estimator.predict_proba(X_test)
    right = p.argmax(1) == y_test
    assert right.mean() > bar
    # mean confidence is near accuracy: 400 rows give a standard error of about 0.012
    assert abs(p.max(1).mean() - right.mean()) < 0.05
    assert np.array_equal(estimator.predict(X_test), estimator.classes_[p.argmax(1)])


def test_temperature_makes_probabilities_no_worse_than_others_would(digits) -> None:
    X, y, X_test, y_test = digits
    estimator = CentroidClassifier(dim=1000, random_state=2).fit(X, y)
    scores = torch.from_numpy(estimator.similarities(X_test))
    loss = [
        torch.nn.functional.cross_entropy(scores / (estimator.temperature_ * factor), torch.from_numpy(y_test)).item()
        for factor in (1.0, 0.33, 3.0)
    ]
    assert loss[0] < min(loss[1:])


@pytest.mark.parametrize("estimator", SMALL, ids=lambda e: type(e).__name__)
@pytest.mark.parametrize("encoding", ["nonlinear", "linear", "record"])
@pytest.mark.parametrize("named", [False, True])
def test_a_saved_classifier_answers_the_same(estimator, encoding, named, tmp_path) -> None:
    X, y = load_iris(return_X_y=True)
    y = np.array(["setosa", "versicolor", "virginica"])[y] if named else y
    fitted = type(estimator)(**(estimator.get_params() | {"encoding": encoding})).fit(X, y)
    fitted.save(tmp_path / "iris.safetensors")
    again = type(estimator).load(tmp_path / "iris.safetensors")
    assert again.get_params() == fitted.get_params()
    assert np.array_equal(again.predict_proba(X), fitted.predict_proba(X))
    assert np.array_equal(again.predict(X), fitted.predict(X))


def test_loading_refuses_other_files_and_other_classifiers(tmp_path) -> None:
    X, y = load_iris(return_X_y=True)
    path = tmp_path / "iris.safetensors"
    CentroidClassifier(dim=64).fit(X, y).save(path)
    with pytest.raises(HypervectorError, match="holds a CentroidClassifier, not a OnlineClassifier"):
        OnlineClassifier.load(path)
    assert [file.name for file in tmp_path.iterdir()] == ["iris.safetensors"]
    save_file({"class_vectors": torch.zeros(1)}, path, {"format": "nesy.hdc.classifier.1", "facts": "{}"})
    with pytest.raises(HypervectorError, match=r"iris\.safetensors is damaged: KeyError: 'classifier'$"):
        CentroidClassifier.load(path)
    path.write_bytes(b"not a tensor file at all")
    with pytest.raises(HypervectorError, match="cannot be read as safetensors"):
        CentroidClassifier.load(path)
    with pytest.raises(HypervectorError, match="cannot be read as safetensors"):
        CentroidClassifier.load(tmp_path / "none.safetensors")


@pytest.mark.parametrize(
    ("estimator", "message"),
    [
        (CentroidClassifier(dim=0), "CentroidClassifier needs a dimension of at least 1, not 0"),
        (
            CentroidClassifier(dim=8, encoding="wavelet"),
            "`wavelet` is no encoding; there are nonlinear, linear, record",
        ),
        (OnlineClassifier(dim=8, rule="sgd"), "`sgd` is no rule; there are online, adapt"),
    ],
)
def test_parameters_out_of_range_are_named(estimator, message) -> None:
    with pytest.raises(HypervectorError, match=message):
        estimator.fit([[0.0], [1.0]], [0, 1])
