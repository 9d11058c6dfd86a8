"""Classifiers in hyperspace, as scikit-learn estimators: one hypervector a class.

They differ in how the class hypervectors are found: `CentroidClassifier` bundles, `OnlineClassifier` refines the
bundles where they err, `LearnedClassifier` trains them by gradient descent. All keep the same state: a
`FeatureEncoder`, class vectors, and the temperature that makes similarities probabilities.
"""

from __future__ import annotations

import json
import os
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, Literal, Self, cast, final

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.model_selection import StratifiedShuffleSplit
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data
from torch import Tensor

from nesy.hdc.bipolar import straight_through
from nesy.hdc.features import Encoding, FeatureEncoder
from nesy.hdc.model import HypervectorError, unit

_FORMAT = "nesy.hdc.classifier.1"
_HELD_OUT = 0.2  # of the training rows, to find the temperature on
_ROWS = 256


class _Classifier(ClassifierMixin, BaseEstimator, ABC):
    """What the three have in common: encode, compare with the class vectors, calibrate, save."""

    dim: int
    encoding: Encoding
    bandwidth: float
    levels: int
    random_state: Any
    n_features_in_: int

    @abstractmethod
    def _train(self, vectors: Tensor, labels: Tensor, num_classes: int, seed: int) -> Tensor:
        """Class vectors from int8 hypervectors. Shapes: [N, D], int64 [N] -> float32 [V, D]"""

    def fit(self, X: Any, y: Any) -> Self:
        """Learn the class hypervectors, and on a fifth of the rows held out from a first fit, the temperature."""
        X, y = validate_data(self, X, y, dtype=np.float64)
        check_classification_targets(y)
        if self.dim < 1:
            raise HypervectorError(f"{type(self).__name__} needs a dimension of at least 1, not {self.dim}")
        self.classes_, indices = np.unique(y, return_inverse=True)
        seed = int(check_random_state(self.random_state).randint(2**31))
        rows, labels = torch.tensor(X), torch.tensor(indices)  # copies: X may be read-only
        self.encoder_ = FeatureEncoder.fit(rows, self.encoding, self.dim, seed, self.bandwidth, self.levels)
        vectors = self.encoder_.encode(rows)
        count = len(self.classes_)
        self.temperature_ = self._calibrate(vectors, labels, count, seed)
        self.class_vectors_ = self._train(vectors, labels, count, seed)
        return self

    def _calibrate(self, vectors: Tensor, labels: Tensor, count: int, seed: int) -> float:
        sizes = torch.bincount(labels, minlength=count)
        held_out = int(len(labels) * _HELD_OUT)
        if count < 2 or int(sizes.min()) < 2 or held_out < count:
            return 1.0 / self.dim**0.5  # too few rows to hold any out: the spread of unrelated similarities
        split = StratifiedShuffleSplit(1, test_size=held_out, random_state=seed)
        train, test = (torch.from_numpy(part) for part in next(split.split(np.zeros(len(labels)), labels.numpy())))
        class_vectors = self._train(vectors[train], labels[train], count, seed)
        return best_temperature(_similarities(vectors[test], class_vectors), labels[test])

    def similarities(self, X: Any) -> NDArray[np.float64]:
        """Cosine of each row's hypervector with each class vector. Shapes: [N, F] -> [N, classes]"""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        parts = [_similarities(self.encoder_.encode(few), self.class_vectors_) for few in torch.tensor(X).split(_ROWS)]
        return torch.cat(parts).numpy()

    def decision_function(self, X: Any) -> NDArray[np.float64]:
        """The similarities; with two classes, that of the second less that of the first."""
        scores = self.similarities(X)
        return scores[:, 1] - scores[:, 0] if len(self.classes_) == 2 else scores

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """softmax(similarity / temperature), the temperature fitted on rows held out. Shapes: [N, F] -> [N, classes]"""
        scores = torch.from_numpy(self.similarities(X))
        return torch.softmax(scores / self.temperature_, -1).numpy()

    def predict(self, X: Any) -> NDArray[Any]:
        """The class of the most similar class vector."""
        best = self.similarities(X).argmax(1)
        return self.classes_[best]

    def save(self, path: str | Path) -> None:
        """Write everything to one safetensors file."""
        check_is_fitted(self)
        if self.classes_.dtype.kind not in "iubUO":
            raise HypervectorError(f"classes of {self.classes_.dtype} cannot be saved; use integers or strings")
        tensors = {f"encoder.{name}": t.contiguous() for name, t in self.encoder_.tensors.items()}
        tensors["class_vectors"] = self.class_vectors_.contiguous()
        facts = {
            "classifier": type(self).__name__,
            "parameters": self.get_params(),
            "classes": [c.item() if isinstance(c, np.generic) else c for c in self.classes_],
            "temperature": self.temperature_,
        }
        if not all(isinstance(c, bool | int | str) for c in facts["classes"]):
            raise HypervectorError("classes that are neither integers nor strings cannot be saved")
        if not isinstance(self.random_state, int | None):
            facts["parameters"]["random_state"] = None  # a generator's state is not kept
        scratch = f"{path}.part"  # renamed when it is whole
        save_file(tensors, scratch, metadata={"format": _FORMAT, "facts": json.dumps(facts)})
        os.replace(scratch, path)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a saved classifier. Raises: HypervectorError where the file is another kind's"""
        try:
            with safe_open(str(path), framework="pt") as file:
                metadata = file.metadata() or {}
                tensors = {name: file.get_tensor(name) for name in file.keys()}
        except (OSError, SafetensorError) as error:
            raise HypervectorError(f"{path} cannot be read as safetensors: {error}") from None
        if metadata.get("format") != _FORMAT:
            raise HypervectorError(f"{path} holds no saved classifier of hypervectors")
        try:
            facts = json.loads(metadata["facts"])
            if facts["classifier"] != cls.__name__:
                raise HypervectorError(f"{path} holds a {facts['classifier']}, not a {cls.__name__}")
            loaded = cls(**facts["parameters"])
            parts = {name.removeprefix("encoder."): t for name, t in tensors.items() if name.startswith("encoder.")}
            loaded.encoder_ = FeatureEncoder(loaded.encoding, parts)
            loaded.class_vectors_ = tensors["class_vectors"]
            loaded.classes_ = np.array(facts["classes"])
            loaded.temperature_ = float(facts["temperature"])
            loaded.n_features_in_ = loaded.encoder_.num_features
        except (KeyError, TypeError, json.JSONDecodeError) as error:
            raise HypervectorError(f"{path} is damaged: {type(error).__name__}: {error}") from None
        return loaded


@final
class CentroidClassifier(_Classifier):
    """Each class is the bundle of its training rows.

    Source: Kleyko, Rachkovskij, Osipov, Rahimi, "A Survey on Hyperdimensional Computing", Part II, 2023, section 3.

    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True)
    >>> bool(CentroidClassifier(dim=2_000, random_state=0).fit(X, y).score(X, y) > 0.9)
    True
    """

    def __init__(
        self,
        dim: int = 10_000,
        *,
        encoding: Encoding = "nonlinear",
        bandwidth: float = 0.25,
        levels: int = 17,
        random_state: Any = None,
    ):
        self.dim = dim
        self.encoding: Encoding = encoding
        self.bandwidth = bandwidth
        self.levels = levels
        self.random_state = random_state

    def _train(self, vectors: Tensor, labels: Tensor, num_classes: int, seed: int) -> Tensor:
        return _centroids(vectors, labels, num_classes)


@final
class OnlineClassifier(_Classifier):
    """Centroids, then passes over the rows that are taken for another class: they are added to their own class vector
    and subtracted from the other, a mini-batch at a time. The answer is the mean over all passes.

    `rule="online"` weighs each by how unlike the class vector it is (OnlineHD); `rule="adapt"` weighs all by the
    share of rows wrong in the pass before (AdaptHD).
    Source: Hernández-Cano et al., "OnlineHD", DATE 2021; Imani et al., "AdaptHD", BioCAS 2019.
    """

    def __init__(
        self,
        dim: int = 10_000,
        *,
        rule: Literal["online", "adapt"] = "online",
        epochs: int = 30,
        learning_rate: float = 1.0,
        batch_size: int = 8,
        encoding: Encoding = "nonlinear",
        bandwidth: float = 0.5,
        levels: int = 17,
        random_state: Any = None,
    ):
        self.dim = dim
        self.rule: Literal["online", "adapt"] = rule
        self.epochs = epochs
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.encoding: Encoding = encoding
        self.bandwidth = bandwidth
        self.levels = levels
        self.random_state = random_state

    def _train(self, vectors: Tensor, labels: Tensor, num_classes: int, seed: int) -> Tensor:
        if self.rule not in ("online", "adapt"):
            raise HypervectorError(f"`{self.rule}` is no rule; there are online, adapt")
        # Means, not sums: a correction then weighs as much as all the rows of a class before it.
        sizes = torch.bincount(labels, minlength=num_classes)[:, None]
        classes = _centroids(vectors, labels, num_classes) / sizes
        total = torch.zeros_like(classes)
        generator = torch.Generator().manual_seed(seed)
        length = self.dim**0.5
        share_wrong = 1.0
        for _ in range(self.epochs):
            wrong = 0
            for few in torch.randperm(len(labels), generator=generator).split(self.batch_size):
                batch, truth = vectors[few].to(torch.float32), labels[few]
                similarity = batch @ unit(classes).T / length
                taken = similarity.argmax(1)
                missed = taken != truth
                if not missed.any():
                    continue
                wrong += int(missed.sum())
                batch, truth, taken, similarity = batch[missed], truth[missed], taken[missed], similarity[missed]
                if self.rule == "online":
                    own = 1 - similarity.gather(1, truth[:, None])
                    other = 1 - similarity.gather(1, taken[:, None])
                else:
                    own = other = torch.full((len(truth), 1), share_wrong)
                classes.index_add_(0, truth, batch * own, alpha=self.learning_rate)
                classes.index_add_(0, taken, batch * other, alpha=-self.learning_rate)
            total += classes
            share_wrong = wrong / len(labels)
            if wrong == 0:
                break
        return total if self.epochs else classes


@final
class LearnedClassifier(_Classifier):
    """Class vectors trained by gradient descent on the cross-entropy of their similarities, from the centroids on.

    With `binary=True` they are bipolar, trained through straight-through signs with dropout and weight decay (LeHDC):
    as small and as fast as any hypervector. Else they are real.
    Source: Duan, Liu, Ren, Xu, "LeHDC: Learning-Based Hyperdimensional Computing Classifier", DAC 2022.
    """

    def __init__(
        self,
        dim: int = 10_000,
        *,
        binary: bool = False,
        epochs: int = 30,
        learning_rate: float = 0.01,
        weight_decay: float = 0.01,
        dropout: float = 0.2,
        batch_size: int = 64,
        encoding: Encoding = "nonlinear",
        bandwidth: float = 1.0,
        levels: int = 17,
        random_state: Any = None,
    ):
        self.dim = dim
        self.binary = binary
        self.epochs = epochs
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.dropout = dropout
        self.batch_size = batch_size
        self.encoding: Encoding = encoding
        self.bandwidth = bandwidth
        self.levels = levels
        self.random_state = random_state

    def _train(self, vectors: Tensor, labels: Tensor, num_classes: int, seed: int) -> Tensor:
        generator = torch.Generator().manual_seed(seed)
        latent = (unit(_centroids(vectors, labels, num_classes)) * self.dim**0.5).requires_grad_()
        optimizer = torch.optim.AdamW([latent], lr=self.learning_rate, weight_decay=self.weight_decay)
        sharpness = self.dim**0.5  # similarities differ by about 1/√D by chance: logits by about 1
        with torch.enable_grad():
            for _ in range(self.epochs):
                for few in torch.randperm(len(labels), generator=generator).split(self.batch_size):
                    batch = vectors[few].to(torch.float32)
                    keep = torch.rand(self.dim, generator=generator) >= self.dropout
                    classes = self._shown(latent)
                    logits = batch @ (unit(classes) * keep).T / (self.dim**0.5 * (1 - self.dropout)) * sharpness
                    loss = torch.nn.functional.cross_entropy(logits, labels[few])
                    optimizer.zero_grad()
                    loss.backward()
                    optimizer.step()
        return self._shown(latent.detach()).detach()

    def _shown(self, latent: Tensor) -> Tensor:
        if not self.binary:
            return latent
        return straight_through(latent, torch.where(latent >= 0, 1.0, -1.0))


def best_temperature(similarity: Tensor, labels: Tensor) -> float:
    """The temperature with the least cross-entropy, by golden-section search over its logarithm (convex in 1/T).

    Source: Guo, Pleiss, Sun, Weinberger, "On Calibration of Modern Neural Networks", ICML 2017.
    """

    def loss(log_temperature: float) -> float:
        return float(torch.nn.functional.cross_entropy(similarity / np.exp(log_temperature), labels))

    low, high = np.log(1e-4), np.log(10.0)
    golden = (5**0.5 - 1) / 2
    for _ in range(40):
        left, right = high - golden * (high - low), low + golden * (high - low)
        if loss(left) < loss(right):
            high = right
        else:
            low = left
    return float(np.exp((low + high) / 2))


def _centroids(vectors: Tensor, labels: Tensor, num_classes: int) -> Tensor:
    """The sum of each class's hypervectors. Shapes: int8 [N, D], int64 [N] -> float32 [V, D]"""
    sums = [vectors[labels == c].sum(0, dtype=torch.float32) for c in range(num_classes)]
    return torch.stack(sums)


def _similarities(vectors: Tensor, classes: Tensor) -> Tensor:
    """Cosines, in float64 so that they do not depend on the batch. Shapes: int8 [N, D], [V, D] -> float64 [N, V]"""
    directions = unit(classes.to(torch.float64)).T / vectors.shape[1] ** 0.5
    parts = [few.to(torch.float64) @ directions for few in vectors.split(_ROWS)]
    return cast(Tensor, torch.cat(parts))
