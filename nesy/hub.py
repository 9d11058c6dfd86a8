"""Runs on the Hugging Face hub: a folder goes there as it is, and comes back file by file as its manifest names them.

Nothing is unpickled and nothing of a repository is run. The manifest comes first, and only what it names is fetched; a
run from the hub is then checked like any other folder.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from nesy import run_folder
from nesy.errors import RunError
from nesy.perception.pretrained import is_offline

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_MOST_FILES = 10_000  # of a run: a manifest that names more is not one of ours
_SECONDS = 10  # to wait for the hub's word on a file


def run_place(name: str | Path, revision: str | None = None) -> Path:
    """The local folder of a run: the folder that is named, or what the hub holds under that id.

    A name such as `runs/mine` is a folder, there or not, where `runs` is one.

    Raises: RunError for an id that the hub does not give, or gives something else than a run under.
    """
    path = Path(name).expanduser()
    text = str(name)
    if path.exists() or not _HUB_ID.fullmatch(text) or path.parent.is_dir():
        return path
    return _fetched(text, revision)


def push(folder: str | Path, repository: str, *, private: bool | None = None, token: str | None = None) -> str:
    """Upload a run folder, made new or as a new version of what is there; gives the address of the repository.

    Raises: RunError for a folder that is no whole run, an id that cannot be, or a hub that refuses.
    """
    from huggingface_hub import HfApi

    # What the client raises of a network that is not there; which of its libraries that comes from has changed before.
    from huggingface_hub.errors import HTTPError  # pyright: ignore[reportPrivateImportUsage]

    place = Path(folder)
    run_folder.check(place)
    if not _HUB_ID.fullmatch(repository):
        raise RunError(f"`{repository}` is not a hub id: write OWNER/NAME, of letters, digits, `-`, `_` and `.`")
    files = [run_folder.MANIFEST, *run_folder.files_of(place)]
    try:
        api = HfApi(token=token)
        address = api.create_repo(repository, private=private, exist_ok=True)
        api.upload_folder(
            repo_id=repository,
            folder_path=place,
            allow_patterns=[_literal(file) for file in files],
            delete_patterns="*",  # of an earlier version whatever is no longer there
            commit_message="Upload a nesy run",
        )
    except (HTTPError, OSError, ValueError) as error:
        raise RunError(f"{repository}: the hub does not take it: {_reason(error)}") from None
    return str(address)


def _fetched(name: str, revision: str | None) -> Path:
    from huggingface_hub import hf_hub_download, snapshot_download
    from huggingface_hub.errors import (
        EntryNotFoundError,
        HTTPError,  # pyright: ignore[reportPrivateImportUsage]
        LocalEntryNotFoundError,
    )

    try:
        manifest = Path(
            hf_hub_download(
                name,
                run_folder.MANIFEST,
                revision=revision,
                etag_timeout=_SECONDS,
                local_files_only=is_offline(),
            )
        )
        files = _named_by(manifest, name)
        snapshot = snapshot_download(
            name,
            revision=manifest.parent.name,  # the commit of the manifest: files of two versions are never mixed
            allow_patterns=[_literal(file) for file in files],
            etag_timeout=_SECONDS,
            local_files_only=is_offline(),
        )
    except LocalEntryNotFoundError:
        why = "the network is switched off (HF_HUB_OFFLINE)" if is_offline() else "the hub cannot be reached"
        raise RunError(f"{name}: no such run folder, not in the local hub cache, and {why}") from None
    except EntryNotFoundError:
        raise RunError(f"{name}: what the hub holds there is not a nesy run: it has no {run_folder.MANIFEST}") from None
    except (HTTPError, OSError, ValueError) as error:
        raise RunError(f"{name}: no such run folder, and the hub does not give it: {_reason(error)}") from None
    return Path(snapshot)


def _named_by(manifest: Path, name: str) -> list[str]:
    """The files that a manifest names, the manifest itself among them."""
    if not run_folder.is_run(manifest.parent):
        raise RunError(f"{name}: what the hub holds there is not a nesy run")
    files = json.loads(manifest.read_text(encoding="utf-8")).get("files")
    if not isinstance(files, dict) or len(files) > _MOST_FILES:
        raise RunError(f"{name}: its {run_folder.MANIFEST} does not list the files of a run")
    return [run_folder.MANIFEST, *map(str, files)]


def _literal(name: str) -> str:
    """A file's name as a pattern that matches nothing else."""
    return re.sub(r"([*?[])", r"[\1]", name)


def _reason(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__
