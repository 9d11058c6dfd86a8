"""Fine-tuning a teacher on a task's labelled rows with low-rank updates, kept on disk by content.

Source: Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models", ICLR 2022.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from nesy.device import choose_device
from nesy.distillation.backbone import Reading, has_fast_bfloat16
from nesy.distillation.resolve import identity_of
from nesy.distillation.teacher import Teacher
from nesy.errors import MissingExtraError
from nesy.learning.progress import Reporter
from nesy.learning.seeding import number, permutation

BATCH = 32
WARMUP = 0.1  # share of the steps


@dataclass(frozen=True)
class LoraSettings:
    """How a teacher is fine-tuned; a student's seed has no part in it, so that students share their teacher."""

    rank: int = 8
    epochs: int = 3
    rate: float = 1e-3  # peak; low-rank factors start at zero and want larger steps than full weights
    seed: int = 0


def fine_tuned(
    teacher: Teacher,
    texts: Sequence[str],
    answers: Sequence[str],
    names: Sequence[str],
    *,
    settings: LoraSettings,
    root: Path,
    device: str,
    reading: Reading,
    reporter: Reporter,
) -> Teacher:
    """The teacher as a classifier of the task's answers, fine-tuned or taken from where an earlier run has left it.

    Raises: MissingExtraError without peft.
    """
    about = {"teacher": identity_of(teacher.folder), "rows": [list(texts), list(answers)], "names": list(names)}
    about |= {**asdict(settings), "batch": BATCH, "warmup": WARMUP}
    digest = hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:32]
    folder = root / "finetuned" / digest
    if not (folder / "config.json").is_file():
        folder.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=".lora-", dir=folder.parent))
        try:
            _fine_tune(teacher, texts, answers, names, scratch, settings, device, reading, reporter)
            os.replace(scratch, folder)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    tuned = Teacher.from_pretrained(folder, device=device, reading=reading)
    return Teacher(f"{teacher.name} with LoRA", folder, tuned.backbone, tuned.labels)


def _fine_tune(
    teacher: Teacher,
    texts: Sequence[str],
    answers: Sequence[str],
    names: Sequence[str],
    out: Path,
    settings: LoraSettings,
    device: str,
    reading: Reading,
    reporter: Reporter,
) -> None:
    try:
        from peft import LoraConfig, TaskType, get_peft_model
    except ImportError:
        raise MissingExtraError("fine-tuning a teacher with LoRA", "lora") from None
    from transformers import AutoModelForSequenceClassification
    from transformers.utils import logging

    level = logging.get_verbosity()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(number(settings.seed, "lora"))
            base = AutoModelForSequenceClassification.from_pretrained(
                teacher.folder,
                local_files_only=True,
                use_safetensors=True,
                dtype=torch.float32,
                num_labels=len(names),
                id2label=dict(enumerate(names)),
                label2id={name: i for i, name in enumerate(names)},
                ignore_mismatched_sizes=True,
            )
            rank = settings.rank
            config = LoraConfig(task_type=TaskType.SEQ_CLS, r=rank, lora_alpha=2 * rank, target_modules="all-linear")
            with warnings.catch_warnings():
                # peft asks transformers for a name that transformers has deprecated: no business of the user's.
                warnings.simplefilter("ignore", FutureWarning)
                model = get_peft_model(base, config)
            model = model.to(choose_device(device)).train()
            target = torch.tensor([list(names).index(answer) for answer in answers])
            _epochs(model, teacher, texts, target, settings, reporter)
            merged: Any = model.merge_and_unload()  # pyright: ignore[reportCallIssue]
            merged.eval().save_pretrained(out)
            teacher.backbone.tokenizer.save_pretrained(out)
    finally:
        logging.set_verbosity(level)
        logging.enable_progress_bar()


def _epochs(
    model, teacher: Teacher, texts: Sequence[str], target: torch.Tensor, settings: LoraSettings, reporter: Reporter
) -> None:
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=settings.rate, weight_decay=0.01)
    device = teacher.backbone.device
    per_epoch = -(-len(texts) // BATCH)
    total, step = per_epoch * settings.epochs, 0
    for epoch in range(settings.epochs):
        reporter.stage(f"fine-tuning the teacher, epoch {epoch + 1}/{settings.epochs}", per_epoch)
        # Like lengths together, as everywhere; the mix of neighbours changes with the epoch.
        order = permutation(len(texts), settings.seed, "lora rows", epoch)
        order.sort(key=lambda i: len(texts[i]) // 16)
        plan = [order[start : start + BATCH] for start in range(0, len(order), BATCH)]
        for position in permutation(len(plan), settings.seed, "lora batches", epoch):
            rows = plan[position]
            rise = WARMUP * total
            share = step / rise if step < rise else (total - step) / (total - rise)
            for group in optimizer.param_groups:
                group["lr"] = settings.rate * share
            batch = teacher.backbone.encode([texts[i] for i in rows])
            with torch.autocast(device.type, torch.bfloat16, enabled=has_fast_bfloat16(device)):
                logits = model(**batch).logits
            loss = torch.nn.functional.cross_entropy(logits.float(), target[rows].to(device))
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(trained, 1.0)
            optimizer.step()
            step += 1
            reporter.step(len(rows), float(loss.detach()))
