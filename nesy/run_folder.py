"""A trained run on disk: written whole or not at all, and read only if it is what was written.

A run is a folder of plain files and a `manifest.json` that names each with its SHA-256. Nothing in it is
code, and nothing is unpickled.
"""

from __future__ import annotations

import hashlib
import json
import os
import posixpath
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from nesy.errors import DataError, RunError
from nesy.language.core import RuleFile

MANIFEST = "manifest.json"
FORMAT = "nesy-run"
VERSION = 1  # raise it when an older nesy could not read what is written


@contextmanager
def writing(folder: Path) -> Iterator[Path]:
    """A scratch folder that becomes `folder` when the block ends well, and vanishes when it does not.

    Raises: RunError if `folder` exists and is not a run (nothing else is ever overwritten).
    """
    folder = Path(folder)
    if folder.exists() and not is_run(folder) and (not folder.is_dir() or any(folder.iterdir())):
        raise RunError(f"{folder}: exists and is not a nesy run, so it is not overwritten: choose another --out")
    folder.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        yield scratch
        _seal(scratch)
        scratch.chmod(0o755)
        if folder.exists():
            old = Path(tempfile.mkdtemp(prefix=f".{folder.name}-old-", dir=folder.parent))
            os.replace(folder, old / "run")
            os.replace(scratch, folder)
            shutil.rmtree(old)
        else:
            os.replace(scratch, folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def is_run(folder: Path) -> bool:
    """Whether a folder says that it is a run, of any version."""
    try:
        return json.loads((folder / MANIFEST).read_text(encoding="utf-8")).get("format") == FORMAT
    except (OSError, ValueError, AttributeError):
        return False


def check(folder: Path) -> None:
    """Make sure that a folder is a whole run that this nesy can read.

    Raises: RunError, one line: not there, not a run, newer, a file missing or changed.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise RunError(f"{folder}: no such run folder (train one with `nesy train TASK --out {folder}`)")
    if not (folder / MANIFEST).is_file():
        raise RunError(f"{folder}: not a nesy run, or an incomplete one: it has no {MANIFEST}")
    if not is_run(folder):
        raise RunError(f"{folder / MANIFEST}: not the manifest of a nesy run")
    manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    version = manifest.get("version")
    if not isinstance(version, int) or version > VERSION:
        raise RunError(
            f"{folder}: written by a newer nesy (run format {version}, this one reads up to {VERSION}): upgrade nesy"
        )
    files = manifest.get("files")
    if not isinstance(files, dict):
        raise RunError(f"{folder / MANIFEST}: lists no files")
    for name, digest in files.items():
        path = folder / name
        # What the name says counts: a hub's cache links each file to a store, and the digest says what it must hold.
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
            raise RunError(f"{folder / MANIFEST}: `{name}` lies outside the run folder")
        if not path.is_file():
            raise RunError(f"{folder}: incomplete: `{name}` is missing")
        if _digest(path) != digest:
            raise RunError(f"{path}: not the file that training wrote (its SHA-256 differs)")


def files_of(folder: Path) -> list[str]:
    """The files that the manifest of a checked run names."""
    return sorted(read_json(folder, MANIFEST)["files"])


def write_rules(folder: Path, files: Sequence[RuleFile]) -> str:
    """Copy a program's files into `rules/` of a run; gives the place of the main one.

    Each keeps its place relative to the main file, which moves down as far as an include climbs up.

    Raises: RunError for an include by an absolute path.
    """
    for file in files:
        if PurePosixPath(file.place).is_absolute():
            raise RunError(f"a run holds its rule files: include `{file.place}` by a relative path or a library's name")
    depth = max((PurePosixPath(file.place).parts.count("..") for file in files), default=0)
    base = PurePosixPath("rules", *["up"] * depth)
    for file in files:
        path = folder / posixpath.normpath(base / file.place)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(file.source.text, encoding="utf-8")
    return str(base / files[0].place)


def read_json(folder: Path, name: str) -> dict[str, Any]:
    """A JSON object of a checked run."""
    try:
        data = json.loads(read_text(folder, name))
    except ValueError as error:
        raise RunError(f"{Path(folder) / name}: unreadable: {error}") from error
    if not isinstance(data, dict):
        raise RunError(f"{Path(folder) / name}: expected a JSON object")
    return data


def read_text(folder: Path, name: str) -> str:
    """A text of a checked run."""
    try:
        return (Path(folder) / name).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise RunError(f"{Path(folder) / name}: unreadable: {error}") from error


def place_for(path: str | Path, what: str) -> Path:
    """Where a file is to be written, looked at before the work that it takes to make it.

    Raises: DataError where no file can be.
    """
    place = Path(path)
    if place.is_dir():
        raise DataError(f"{place}: is a folder: name a file for {what}")
    if not place.parent.is_dir():
        raise DataError(f"{place}: there is no folder `{place.parent}` to write {what} into")
    return place


def write_text(path: Path, text: str) -> None:
    """A text file, whole or not at all."""
    scratch = path.with_name(f".{path.name}.new")
    scratch.write_text(text, encoding="utf-8")
    os.replace(scratch, path)


def write_json(path: Path, data: Any) -> None:
    """JSON as people like to read it, whole or not at all."""
    write_text(path, json.dumps(data, indent=2, ensure_ascii=False, sort_keys=False) + "\n")


def update_json(folder: Path, name: str, data: Any) -> None:
    """Replace one JSON file of a run, and its line in the manifest, each atomically."""
    folder = Path(folder)
    write_json(folder / name, data)
    write_json(folder / MANIFEST, _manifest(folder))


def _seal(folder: Path) -> None:
    write_json(folder / MANIFEST, _manifest(folder))


def _manifest(folder: Path) -> dict[str, Any]:
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    digests = {str(path.relative_to(folder)): _digest(path) for path in files if path.name != MANIFEST}
    return {"format": FORMAT, "version": VERSION, "files": digests}


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
