"""GGUF files, as llama.cpp has them: turned once into a folder that transformers reads fast, and kept on disk."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import tempfile
from collections.abc import Callable
from contextlib import redirect_stderr
from importlib.util import find_spec
from pathlib import Path

from nesy.distillation.cache import default_root
from nesy.errors import MissingExtraError, TeacherError


def unpacked(file: Path, note: Callable[[str], None] | None) -> Path:
    """A folder with the model's configuration, tokenizer and weights as safetensors, unpacked to 32 bits.

    Raises: MissingExtraError without the package `gguf`; TeacherError for a file that transformers cannot read.
    """
    with file.open("rb") as opened:
        digest = hashlib.file_digest(opened, "sha256").hexdigest()[:32]
    place = default_root() / "unpacked" / digest
    if (place / "config.json").is_file():
        return place
    if find_spec("gguf") is None:
        raise MissingExtraError("reading a GGUF file", "teachers")
    if note is not None:
        note(f"unpacking {file.name}, once")
    place.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=".gguf-", dir=place.parent))
    try:
        _convert(file, scratch)
        os.replace(scratch, place)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return place


def _convert(file: Path, out: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    level = logging.get_verbosity()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        options = {"gguf_file": file.name, "local_files_only": True}
        with redirect_stderr(io.StringIO()):  # progress bars that cannot be switched off
            AutoTokenizer.from_pretrained(file.parent, **options).save_pretrained(out)
            packed = AutoModelForCausalLM.from_pretrained(file.parent, dtype=torch.float32, **options)
            # What came from a quantised file is not saved; a model of the same weights that did not is.
            settings = packed.config.to_dict()
            settings.pop("quantization_config", None)
            plain = AutoModelForCausalLM.from_config(type(packed.config).from_dict(settings))
            plain.load_state_dict(packed.state_dict())
            plain.save_pretrained(out)
    except Exception as error:  # whatever a damaged file makes of three libraries: it is the file that is wrong
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise TeacherError(f"{file}: transformers cannot read this GGUF file: {reason[:300]}") from None
    finally:
        logging.set_verbosity(level)
        logging.enable_progress_bar()
