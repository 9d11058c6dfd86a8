"""What an encoder of texts reads of an input: a text, or two that are compared.

The words of the first text are `token(Index, Word)`. With `against`, an input has a second text, and
`edit(Index, Old, New)` says where and how it differs from the first; a question is then typed as FIRST => SECOND.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from nesy.errors import DataError, TaskError
from nesy.language.core import Signature
from nesy.perception.encoder import Facts, Payload, Sighting
from nesy.perception.payloads import rows_of, text_of
from nesy.perception.text.edits import edits
from nesy.perception.text.words import Words, split_words

TOKEN: Final = Signature("token", 2)
EDIT: Final = Signature("edit", 3)
_BETWEEN: Final = "=>"  # the two texts of a typed question


@dataclass(frozen=True)
class TextFields:
    """The fields of an input that hold its text, or both of its texts, and how these are split into words."""

    field: str
    against: str  # the field of the second text; empty for one text
    lowercase: bool
    longest: int  # words

    def check(self, kind: str, inputs: Sequence[Signature]) -> None:
        """Refuse a program that declares other facts than an encoder of this kind supplies. Raises: TaskError"""
        if TOKEN not in inputs:
            known = ", ".join(map(str, inputs)) or "none"
            raise TaskError(
                f"the {kind} encoder supplies {TOKEN}, which the program does not declare (its inputs: {known}): "
                "add `#input token(index, word).`"
            )
        if bool(self.against) != (EDIT in inputs):
            raise TaskError(
                f"the option `against` of [encoder] names a second text, and `#input {EDIT.name}(index, old, new).` "
                "says how it differs from the first: a task has both or neither"
            )

    def texts(self, payload: Payload) -> list[str]:
        """The text, or both. Raises: DataError for a field that is missing or no text"""
        return [text_of(payload, name) for name in (self.field, self.against) if name]

    def words(self, text: str) -> Words:
        """The words of a text. Raises: DataError for one that has none or too many"""
        words = split_words(text, self.lowercase)
        if len(words) > self.longest:
            raise DataError(
                f"a text has {len(words):,} words, more than the {self.longest:,} that the option `longest` "
                f"of [encoder] allows: {text[:40]!r}..."
            )
        if not len(words):
            raise DataError("the text has no words")
        return words

    def facts(self, payload: Payload, further: Sequence[Signature], read: Callable[[str], Words]) -> Facts:
        """Words, edits, and the facts that the input brings along itself; `read` gives `words`, which may be kept."""
        words = [read(text).words for text in self.texts(payload)]
        found = rows_of(payload, further)
        found[TOKEN] = list(enumerate(words[0]))
        if self.against:
            found[EDIT] = [*edits(*words)]
        return found

    @staticmethod
    def further(inputs: Sequence[Signature]) -> tuple[Signature, ...]:
        """The `#input` relations that are about neither words nor edits."""
        return tuple(signature for signature in inputs if signature not in (TOKEN, EDIT))

    def payload_of(self, typed: str) -> Payload:
        """What a person typed, as an input. Raises: DataError where two texts are read and one was typed"""
        if not self.against:
            return {self.field: typed}
        first, between, second = typed.partition(_BETWEEN)
        if not between:
            raise DataError(f"two texts are read, typed as FIRST {_BETWEEN} SECOND: {typed[:60]!r}")
        return {self.field: first.strip(), self.against: second.strip()}


def pair_sighting(old: str, new: str) -> Sighting:
    """Two words that are compared: they stand in no one text, so there are no offsets."""
    return Sighting(f"{old} {_BETWEEN} {new}")
