"""How well hypervectors classify and how much they hold: accuracy beside torch-hd's, capacity beside the theory.

    python -m benchmarks.hdc_quality [digits] [sweeps] [mnist] [languages] [capacity] [resonator] [--plots] [--out FILE]

Needs torch-hd for `digits` and matplotlib for --plots (written to docs/pictures). Five seeds each: seed i draws the
split, the encoder and the order of training. mnist reads ../shared/data/mnist_10k or --mnist FOLDER.
"""

from __future__ import annotations

import argparse
import gzip
import json
import math
import os
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from benchmarks.hdc_sentences import rows as sentences
from nesy.hdc import (
    BSC,
    FHRR,
    HRR,
    MAP,
    SBC,
    VSA,
    CentroidClassifier,
    Codebook,
    FeatureEncoder,
    LearnedClassifier,
    OnlineClassifier,
    Resonator,
)  # fmt: skip
from nesy.hdc.classify import _similarities

ROOT = Path(__file__).parent.parent
SEEDS = range(5)
D = 10_000


def say(**row) -> dict:
    print(json.dumps({k: round(v, 4) if isinstance(v, float) else v for k, v in row.items()}), flush=True)
    return row


def spread(values: list[float]) -> dict:
    return {"mean": statistics.mean(values), "min": min(values), "max": max(values), "all": values}


def classifiers(seed: int, dim: int = D) -> Iterator[tuple[str, object]]:
    yield "centroid", CentroidClassifier(dim, random_state=seed)
    yield "online", OnlineClassifier(dim, random_state=seed)
    yield "adapt", OnlineClassifier(dim, rule="adapt", random_state=seed)
    yield "learned", LearnedClassifier(dim, random_state=seed)
    yield "learned binary", LearnedClassifier(dim, binary=True, random_state=seed)


def digit_splits(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    X, y = load_digits(return_X_y=True)
    order = np.random.default_rng(seed).permutation(len(X))
    train, test = order[:1297], order[1297:]
    return X[train] / 16, y[train], X[test] / 16, y[test]


def digits() -> list[dict]:
    found: dict[str, list[float]] = {}
    seconds: dict[str, list[float]] = {}
    for seed in SEEDS:
        X, y, X_test, y_test = digit_splits(seed)
        found.setdefault("logistic regression on pixels", []).append(
            LogisticRegression(max_iter=2000).fit(X, y).score(X_test, y_test)
        )
        for name, estimator in classifiers(seed):
            start = time.process_time()
            estimator.fit(X, y)
            seconds.setdefault(name, []).append(time.process_time() - start)
            found.setdefault(name, []).append(estimator.score(X_test, y_test))
        for name, accuracy, spent in torchhd_digits(seed, X, y, X_test, y_test):
            found.setdefault(name, []).append(accuracy)
            seconds.setdefault(name, []).append(spent)
    return [
        say(part="digits", model=name, **spread(values), fit_s=statistics.median(seconds.get(name, [0.0])))
        for name, values in found.items()
    ]


def torchhd_digits(seed, X, y, X_test, y_test) -> Iterator[tuple[str, float, float]]:
    """torch-hd's projection and sinusoid, hard-quantised, with its centroid model in its three ways of adding."""
    import torchhd
    from torchhd.models import Centroid

    torch.manual_seed(seed)
    rows, labels = torch.tensor(X, dtype=torch.float32), torch.tensor(y)
    test = torch.tensor(X_test, dtype=torch.float32)
    for encoding, encoder in (
        ("projection", torchhd.embeddings.Projection(64, D)), ("sinusoid", torchhd.embeddings.Sinusoid(64, D)),
    ):  # fmt: skip
        train_vectors = torch.sign(encoder(rows).as_subclass(torch.Tensor))
        test_vectors = torch.sign(encoder(test).as_subclass(torch.Tensor))
        for how in ("add", "add_online", "add_adapt"):
            model = Centroid(D, 10)
            start = time.process_time()
            step = len(rows) if how == "add" else 1
            for _ in range(1 if how == "add" else 5):
                for i in range(0, len(rows), step):
                    getattr(model, how)(train_vectors[i : i + step], labels[i : i + step])
            model.normalize()
            accuracy = (model(test_vectors, dot=True).argmax(1) == torch.tensor(y_test)).float().mean().item()
            yield f"torch-hd {encoding}, {how}", accuracy, time.process_time() - start


def class_vectors(estimator, vectors: torch.Tensor, labels: torch.Tensor, seed: int) -> torch.Tensor:
    """An estimator's class vectors for hypervectors at hand: without its own encoding and calibration."""
    return estimator._train(vectors, labels, 10, seed)


def accuracy(vectors: torch.Tensor, classes: torch.Tensor, labels: torch.Tensor) -> float:
    return float((_similarities(vectors, classes).argmax(1) == labels).double().mean())


def three(seed: int, dim: int) -> list[tuple[str, object, float]]:
    """Classifiers with ten passes at most, and the bandwidth each has by default."""
    return [
        ("centroid", CentroidClassifier(dim, random_state=seed), 0.25),
        ("online", OnlineClassifier(dim, epochs=10, random_state=seed), 0.5),
        ("learned", LearnedClassifier(dim, epochs=10, random_state=seed), 1.0),
    ]


def sweeps() -> list[dict]:
    """Accuracy against D, and against flipped bits of the encoded test rows."""
    found: dict[tuple, list[float]] = {}
    for seed in SEEDS:
        X, y, X_test, y_test = (torch.tensor(part) for part in digit_splits(seed))
        for dim in (256, 512, 1024, 2048, 4096, D):
            for name, estimator, bandwidth in three(seed, dim):
                encoder = FeatureEncoder.fit(X, "nonlinear", dim, seed, bandwidth, 17)
                classes = class_vectors(estimator, encoder.encode(X), y, seed)
                vectors = encoder.encode(X_test)
                found.setdefault(("D", name, dim), []).append(accuracy(vectors, classes, y_test))
                if dim != D:
                    continue
                draw = torch.rand(vectors.shape, generator=torch.Generator().manual_seed(seed))
                for percent in (0, 5, 10, 20, 30, 40):
                    flipped = torch.where(draw < percent / 100, -vectors, vectors)
                    found.setdefault(("flips %", name, percent), []).append(accuracy(flipped, classes, y_test))
    return [say(part="sweep", axis=axis, model=name, at=at, **spread(v)) for (axis, name, at), v in found.items()]


def mnist(folder: Path) -> list[dict]:
    """MNIST's test images 0 to 6,999: 6,000 to train on and 1,000 to test, drawn by the seed."""
    if not folder.is_dir():
        return [say(part="mnist", skipped=f"no folder {folder}")]
    raw = gzip.decompress((folder / "images_0-6999.idx3-ubyte.gz").read_bytes())
    images = torch.tensor(np.frombuffer(raw, np.uint8, offset=16).reshape(-1, 784) / 255)
    marks = gzip.decompress((folder / "labels_0-6999.idx1-ubyte.gz").read_bytes())
    labels = torch.tensor(np.frombuffer(marks, np.uint8, offset=8).astype(np.int64))
    found: dict[str, list[float]] = {}
    for seed in SEEDS:
        order = torch.tensor(np.random.default_rng(seed).permutation(len(images)))
        train, test = order[:6000], order[6000:]
        pixels = LogisticRegression(max_iter=50, C=0.1).fit(images[train].numpy(), labels[train].numpy())
        score = pixels.score(images[test].numpy(), labels[test].numpy())
        found.setdefault("logistic regression on pixels, 50 steps", []).append(score)
        encoder = FeatureEncoder.fit(images[train], "nonlinear", D, seed, 0.5, 17)
        vectors, test_vectors = encoder.encode(images[train]), encoder.encode(images[test])
        for name, estimator, _ in three(seed, D):
            classes = class_vectors(estimator, vectors, labels[train], seed)
            found.setdefault(f"{name}, bandwidth 0.5", []).append(accuracy(test_vectors, classes, labels[test]))
    return [say(part="mnist", model=name, **spread(values)) for name, values in found.items()]


def languages() -> list[dict]:
    """Which of six languages a sentence is in, by its trigrams of letters: 10 sentences a language to learn from."""
    pairs = sentences()
    alphabet = sorted({letter for _, text in pairs for letter in text})
    names = sorted({name for name, _ in pairs})
    found: dict[str, list[float]] = {}
    for seed in SEEDS:
        for kind in (BSC, MAP, HRR, FHRR):
            book = Codebook.random(kind(D, seed), alphabet)
            train: dict[str, list[str]] = {}
            test: list[tuple[str, str]] = []
            for name in names:
                own = [text for language, text in pairs if language == name]
                draw_own = np.random.default_rng([seed, names.index(name)]).permutation(len(own))
                train[name] = [own[i] for i in draw_own[:10]]
                test += [(name, own[i]) for i in draw_own[10:]]
            longest = max(len(text) for _, text in pairs)

            def encode(texts: list[str], book: Codebook = book, longest: int = longest) -> torch.Tensor:
                index = torch.full((len(texts), longest), -1)
                for row, text in enumerate(texts):
                    index[row, : len(text)] = book.index(text)
                return book.model.bundle_runs(book.vectors, index, 3)

            classes = torch.stack([book.model.bundle(encode(train[name])) for name in names])
            best = book.model.similarity(encode([text for _, text in test]), classes).argmax(-1)
            right = [names[int(i)] == name for i, (name, _) in zip(best, test, strict=True)]
            found.setdefault(kind.name, []).append(float(np.mean(right)))
    return [say(part="languages", model=name, **spread(values)) for name, values in found.items()]


# Independent real numbers in a hypervector of D = 1,000, and the share of a sum's power that a bundle keeps: the sign
# of a normal number correlates with it by √(2/π), the phase of a complex one by √(π/4).
SIGNAL = {
    "MAP majority": (1000, 2 / math.pi), "BSC": (1000, 2 / math.pi), "MAP sum": (1000, 1.0), "HRR": (1000, 1.0),
    "FHRR": (2000, math.pi / 4),
}  # fmt: skip


def capacity() -> list[dict]:
    """How often each member of a bundle of M is nearer than all of 1,000 others, D = 1,000 (blocks of 64: D = 250)."""
    makers: dict[str, Callable[[int], VSA]] = {
        "MAP majority": lambda seed: MAP(1000, seed), "BSC": lambda seed: BSC(1000, seed),
        "MAP sum": lambda seed: MAP(1000, seed, torch.float32), "HRR": lambda seed: HRR(1000, seed),
        "FHRR": lambda seed: FHRR(1000, seed), "SBC, 250 of 64": lambda seed: SBC(250, seed, block_size=64),
    }  # fmt: skip
    out = []
    for name, make in makers.items():
        for members in (5, 11, 21, 41, 61, 81, 121, 161):
            rates = []
            for seed in SEEDS:
                model = make(seed)
                items = model.random(1000 + members)
                bundle = model.superpose(items[:members]) if name == "MAP sum" else model.bundle(items[:members])
                similarity = model.similarity(bundle, items)
                rates.append(float((similarity[:members] > similarity[members:].max()).float().mean()))
            facts = {"theory": theory(members, 1000, *SIGNAL[name])} if name in SIGNAL else {}
            out.append(say(part="capacity", model=name, members=members, **spread(rates), **facts))
    return out


def theory(members: int, others: int, dim: int, kept: float) -> float:
    """P(a member's similarity exceeds all others') with normal noise: signal² = kept · D / M, noise 1.

    Source: Frady, Kleyko, Sommer, "A Theory of Sequence Indexing and Working Memory in Recurrent Neural Networks",
    Neural Computation 30(6), 2018, equation for P_corr; `kept` for a majority and for phases is ours.
    """
    spare = members - 1  # a member is itself no noise
    noise = 1 - kept / members
    signal = math.sqrt(kept * dim / members / noise) if spare else math.inf
    h = np.linspace(-8, 8 + min(signal, 60), 20_001)
    normal = np.exp(-((h - signal) ** 2) / 2) / math.sqrt(2 * math.pi)
    other_noise = math.sqrt(1 / noise)  # an outsider's similarity has the full noise
    below = np.array([0.5 * math.erfc(-x / other_noise / math.sqrt(2)) for x in h])
    return float(np.trapezoid(normal * below**others, h)) if spare else 1.0


def resonator() -> list[dict]:
    """Share of products of three found within 500 steps, against combinations over D² (the published scaling)."""
    out = []
    for dim in (400, 800, 1200):
        for ratio in (0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5):
            size = round((ratio * dim * dim) ** (1 / 3))
            rates, steps = [], []
            for seed in SEEDS:
                model = MAP(dim, seed, torch.float32)
                books = [Codebook.random(model, size) for _ in range(3)]
                truth = torch.randint(0, size, (20, 3), generator=torch.Generator().manual_seed(seed))
                items = torch.stack([book.vectors[truth[:, i]] for i, book in enumerate(books)], -2)
                result = Resonator(books, max_iterations=500).factor(model.bind_all(items))
                rates.append(float((result.index == truth).all(-1).float().mean()))
                steps.append(float(result.iterations.float().median()))
            out.append(
                say(part="resonator", dim=dim, ratio=ratio, size=size, combinations=size**3, **spread(rates),
                    steps=statistics.median(steps))
            )  # fmt: skip
    return out


def plots(found: dict[str, list[dict]]) -> None:
    import matplotlib

    matplotlib.use("svg")
    import matplotlib.pyplot as plt

    plt.rcParams |= {"svg.hashsalt": "nesy", "font.size": 9, "axes.spines.top": False, "axes.spines.right": False}
    pictures = ROOT / "docs" / "pictures"
    pictures.mkdir(parents=True, exist_ok=True)

    def save(figure, name: str) -> None:
        figure.tight_layout()
        figure.savefig(pictures / name, metadata={"Date": None})

    if "sweeps" in found:
        figure, axes = plt.subplots(1, 2, figsize=(7.5, 3), sharey=True)
        for panel, axis in zip(axes, ("D", "flips %"), strict=True):
            for name in ("centroid", "online", "learned"):
                rows = [row for row in found["sweeps"] if row["axis"] == axis and row["model"] == name]
                at = [row["at"] for row in rows]
                panel.plot(at, [row["mean"] for row in rows], marker="o", ms=3, label=name)
                panel.fill_between(at, [row["min"] for row in rows], [row["max"] for row in rows], alpha=0.15)
            panel.set_xlabel("dimensions" if axis == "D" else "bits flipped, %")
        axes[0].set_xscale("log", base=2)
        axes[0].set_ylabel("accuracy, 500 digits, 5 seeds")
        axes[1].legend(frameon=False)
        save(figure, "hdc_accuracy.svg")
    if "capacity" in found and "resonator" in found:
        figure, axes = plt.subplots(1, 2, figsize=(7.5, 3), sharey=True)
        for number, name in enumerate(dict.fromkeys(row["model"] for row in found["capacity"])):
            rows = [row for row in found["capacity"] if row["model"] == name]
            members = [row["members"] for row in rows]
            axes[0].plot(members, [row["mean"] for row in rows], "o", ms=3, color=f"C{number}", label=name)
        smooth = range(5, 162, 4)
        for label, name, style in (("signs", "MAP majority", "-"), ("sums", "HRR", "--"), ("phases", "FHRR", ":")):
            curve = [theory(members, 1000, *SIGNAL[name]) for members in smooth]
            axes[0].plot(smooth, curve, style, lw=1, color="0.3", label=f"theory, {label}")
        axes[0].set_xlabel("members of the bundle, D = 1,000")
        axes[0].set_ylabel("share found")
        axes[0].legend(frameon=False, fontsize=7)
        for dim in dict.fromkeys(row["dim"] for row in found["resonator"]):
            rows = [row for row in found["resonator"] if row["dim"] == dim]
            axes[1].plot([row["ratio"] for row in rows], [row["mean"] for row in rows], "o-", ms=3, label=f"D = {dim}")
        axes[1].set_xlabel("combinations / D² (published: one curve for every D)")
        axes[1].legend(frameon=False)
        save(figure, "hdc_capacity.svg")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = ["digits", "sweeps", "mnist", "languages", "capacity", "resonator"]
    parser.add_argument("parts", nargs="*", default=names)
    parser.add_argument("--mnist", type=Path, default=ROOT.parent / "shared" / "data" / "mnist_10k")
    parser.add_argument("--plots", action="store_true")
    parser.add_argument("--out", type=Path, help="write all rows as JSON; parts already there are kept")
    options = parser.parse_args()
    torch.set_num_threads(1)
    found = json.loads(options.out.read_text()) if options.out and options.out.exists() else {}
    parts: dict[str, Callable[[], list[dict]]] = {
        "digits": digits, "sweeps": sweeps, "mnist": lambda: mnist(options.mnist), "languages": languages,
        "capacity": capacity, "resonator": resonator,
    }  # fmt: skip
    for name in options.parts:
        if name != "none":
            found[name] = parts[name]()
            if options.out:
                options.out.write_text(json.dumps(found, indent=1) + "\n")
    if options.plots:
        plots(found)


if __name__ == "__main__":
    main()
