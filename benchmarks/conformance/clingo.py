"""clingo's programs to rule files of nesy: the syntax only, for programs with one answer set.

The two languages share their look (ASP-Core-2), so most words stay what they are; numbers of other bases are
written as decimals, and what chooses between answer sets raises `Unsupported`.
"""

from __future__ import annotations

import re

from benchmarks.conformance.words import Translation, Unsupported, Word, split, statement_end, words_of

_TOKEN = re.compile(
    r"""\s+|%\*.*?\*%|%[^\n]*|(?P<string>"(?:[^"\\\n]|\\.)*")
    |(?P<number>0x[0-9A-Fa-f]+|0o[0-7]+|0b[01]+|[0-9]+)|(?P<directive>\#[a-z]+)|(?P<variable>_*[A-Z][A-Za-z0-9_']*)
    |(?P<name>_*[a-z][A-Za-z0-9_']*)|(?P<mark>:-|:~|\.\.|\*\*|!=|==|<=|>=|[-+*/\\<>=(),.;:{}\[\]|@&?^~_])""",
    re.VERBOSE | re.DOTALL,
)
_AGGREGATES = frozenset(("#count", "#sum", "#min", "#max"))
_SHOWN_DIRECTIVES = {"#include": "incremental solving", "#program": "incremental solving", "#const": "constants"}


def translate(text: str) -> Translation:
    """The rule file that says what a clingo program says.

    Raises: Unsupported.
    """
    words = words_of(text, _TOKEN)
    rules: list[str] = []
    arities: dict[str, tuple[str, ...]] = {}
    index = 0
    while index < len(words):
        end = statement_end(words, index)
        rules.append(_statement(words[index:end], arities))
        index = end + 1
    return Translation("\n".join(rules) + "\n", arities)


def _statement(words: list[Word], arities: dict[str, tuple[str, ...]]) -> str:
    first = words[0]
    if first.kind == "directive" and first.text not in _AGGREGATES:
        raise Unsupported(_SHOWN_DIRECTIVES.get(first.text, first.text))
    head = words[: next((i for i, word in enumerate(words) if word.text == ":-"), len(words))]
    if any(word.text in ("{", ";", "|") for word in head):
        raise Unsupported("choices between answer sets")
    shown: list[str] = []
    for place, word in enumerate(words):
        match word.kind, word.text:
            case "number", text:
                shown.append(str(int(text, 0)))
            case "directive", text if text not in _AGGREGATES:
                raise Unsupported(text)
            case "mark", ("\\" | "@" | "&" | "?" | "^" | "~" | ":~"):
                raise Unsupported(f"`{word.text}`")
            case "mark", "/":
                raise Unsupported("division")
            case (("name" | "variable"), text) if "'" in text or text.startswith("_"):
                raise Unsupported(f"the name {text}")
            case "name", text if place == 0 and text != "not":
                inside = words[2 : _closing(head, 1)] if len(head) > 1 else []
                arities[text] = ("",) * len(split(inside, ",") if inside else [])
                shown.append(text)
            case _, text:
                shown.append(text)
    return " ".join(shown) + "."


def _closing(words: list[Word], start: int) -> int:
    depth = 0
    for index in range(start, len(words)):
        depth += (words[index].text == "(") - (words[index].text == ")")
        if depth == 0:
            return index
    raise Unsupported("an open parenthesis")
