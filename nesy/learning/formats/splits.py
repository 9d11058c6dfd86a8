"""Which files of a folder hold which split, told by their names."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from nesy.errors import DataError

_WORDS: Mapping[str, str] = {
    "train": "train", "training": "train", "dev": "dev", "valid": "dev", "validation": "dev", "trial": "dev",
    "test": "test", "t10k": "test",
}  # fmt: skip
_ABOUT = frozenset({"readme", "license", "licence", "copying"})  # words in names of files that hold no data


def files_by_split(path: Path, suffixes: Sequence[str]) -> dict[str, list[Path]]:
    """The files of each split in the order of their names; a file whose name says nothing is training data.

    A path that is a file is the only one.

    Raises: DataError for a folder without such files.
    """
    files = [path] if path.is_file() else sorted(file for file in path.iterdir() if file.is_file())
    found: dict[str, list[Path]] = {}
    for file in files:
        words = re.split(r"[^a-z0-9]+", file.name.lower())
        if file.name.removesuffix(".gz").lower().endswith(tuple(suffixes)) and not _ABOUT & set(words):
            split = next((_WORDS[word] for word in words if word in _WORDS), "train")
            found.setdefault(split, []).append(file)
    if not found:
        raise DataError(f"{path}: no {', '.join(suffixes)} file in it")
    return {split: found[split] for split in ("train", "dev", "test") if split in found}
