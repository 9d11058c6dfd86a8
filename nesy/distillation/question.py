"""A causal language model as a teacher: how likely each answer word is to follow an input put into a template.

What a model says of a word mixes what it has read with how readily it says the word at all. So each word's
probability is divided by its probability after inputs that say nothing.

Source: Zhao, Wallace, Feng, Klein, Singh, "Calibrate Before Use: Improving Few-Shot Performance of Language Models",
ICML 2021, section 5, with the diagonal W; what comes out is scaled to sum to 1, where they take another softmax.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from nesy.distillation.backbone import Backbone
from nesy.errors import TeacherError

PLACE = "{input}"
_CONTENT_FREE = ("N/A", "", "[MASK]")


@dataclass(frozen=True, eq=False)
class Question:
    """A template with a place for the input, and the words that may follow it."""

    backbone: Backbone
    template: str
    words: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.template.count(PLACE) != 1:
            raise TeacherError(
                f"`template` in [distillation] of task.toml must have {PLACE} once, where the input goes: "
                f"{self.template[:60]!r}"
            )

    @property
    def kind(self) -> str:
        """What tells its outputs from those of another question to the same model."""
        digest = hashlib.sha256(json.dumps([self.template, self.words, _CONTENT_FREE]).encode()).hexdigest()
        return f"question {digest[:32]}"

    def __call__(self, texts: Sequence[str]) -> Tensor:
        """Calibrated log-odds of the words, up to a constant.

        Shapes: -> [n, words]
        """
        return self.log_likelihood(texts) - self.prior

    @torch.no_grad()
    def log_likelihood(self, texts: Sequence[str]) -> Tensor:
        """The log-probability of each word behind the template with a text, as the model has it.

        Shapes: -> [n, words]
        """
        prompts = [self._prompt(text) for text in texts]
        found = torch.zeros(len(texts), len(self.words))
        # Words that differ in their last token only need one pass of the model.
        for start in dict.fromkeys(tuple(ids[:-1]) for ids in self._continuations):
            places = [i for i, ids in enumerate(self._continuations) if tuple(ids[:-1]) == start]
            found[:, places] = self._behind(prompts, start, [self._continuations[i][-1] for i in places])
        return found

    @property
    def room(self) -> int:
        """The most tokens of a template with its input: the longest word has to stand behind it."""
        return self.backbone.limit - max(map(len, self._continuations))

    @cached_property
    def prior(self) -> Tensor:
        """The mean of what is said where nothing has been read, normalised over the words. Shapes: -> [words]"""
        return torch.softmax(self.log_likelihood(_CONTENT_FREE), dim=1).mean(dim=0).log()

    @cached_property
    def _continuations(self) -> list[list[int]]:
        tokenizer = self.backbone.tokenizer
        return [tokenizer(f" {word}", add_special_tokens=False)["input_ids"] for word in self.words]

    def _prompt(self, text: str) -> list[int]:
        """The template's tokens with a text in it, whose end is cut off if it may be and must.

        Raises: TeacherError for an input over the limit, unless inputs may be cut.
        """
        tokenizer = self.backbone.tokenizer
        room = self.room
        ids: list[int] = tokenizer(self.template.replace(PLACE, text), verbose=False)["input_ids"]
        if len(ids) <= room:
            return ids
        self.backbone.refuse_or_count(text, len(ids), room)
        own: list[int] = tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
        while own and len(ids) > room:
            own = own[: len(own) - (len(ids) - room)]
            ids = tokenizer(self.template.replace(PLACE, tokenizer.decode(own)), verbose=False)["input_ids"]
        if len(ids) > room:
            raise TeacherError(f"the template alone has {len(ids):,} tokens and the teacher reads {room:,}")
        return ids

    def _behind(self, prompts: Sequence[list[int]], start: Sequence[int], last: Sequence[int]) -> Tensor:
        """The log-probability of some tokens behind each prompt, and then of each of the last ones.

        Shapes: -> [n, len(last)]
        """
        device = self.backbone.device
        rows = [torch.tensor([*prompt, *start]) for prompt in prompts]
        ids = pad_sequence(rows, batch_first=True).to(device)
        length = torch.tensor([len(row) for row in rows], device=device)
        mask = (torch.arange(ids.shape[1], device=device) < length[:, None]).long()
        # A token is foretold where the one before it stands; scores of 50,000 tokens are kept at no other place.
        place = length[:, None] - 1 - len(start) + torch.arange(len(start) + 1, device=device)
        kept, inverse = place.unique(return_inverse=True)
        with self.backbone.autocast():
            scores = self.backbone.model(input_ids=ids, attention_mask=mask, logits_to_keep=kept).logits
        told = scores[torch.arange(len(rows), device=device)[:, None], inverse].float().log_softmax(dim=-1)
        before = told[:, torch.arange(len(start)), torch.tensor(start, dtype=torch.int64)].sum(dim=1)
        return (before[:, None] + told[:, -1, torch.tensor(last)]).cpu()
