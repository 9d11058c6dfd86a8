"""The folder of a teacher: found as every pretrained model is, and known by the digest of its files."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from nesy.distillation.gguf import unpacked
from nesy.errors import TeacherError
from nesy.learning.progress import Reporter
from nesy.perception.pretrained import PATTERNS, Finder


def teacher_folder(name: str | Path, reporter: Reporter | None = None) -> Path:
    """The local folder of a teacher: a folder, an installed package's, or a hub id's.

    Raises: TeacherError, one line: not there, not a model, or not to be had without a network.
    """
    note = reporter.note if reporter is not None else None
    return Finder("teacher", TeacherError, note, unpack=lambda file: unpacked(file, note)).folder(name)


def read_config(folder: Path) -> dict[str, Any]:
    """The model's config.json."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise TeacherError(f"{folder / 'config.json'}: unreadable: {error}") from None
    if not isinstance(config, dict):
        raise TeacherError(f"{folder / 'config.json'}: expected a JSON object")
    return config


def identity_of(folder: Path) -> str:
    """A digest of everything that decides what the teacher says."""
    digest = hashlib.sha256()
    files = sorted(path for pattern in PATTERNS for path in folder.glob(pattern))
    for path in files:
        digest.update(path.name.encode() + b"\0")
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()
