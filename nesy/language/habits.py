"""Habits of other languages: what a person meant by words that cannot stand here, and how it is said here.

Prolog, clingo, Soufflé and plain English each have shapes of their own; `advice` knows the common ones. It only adds a
hint to a syntax error that was found without it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from nesy.errors import near_name
from nesy.language.scan import Word

DIRECTIVES = ("#include", "#type", "#pred", "#input", "#neural", "#open", "#facts", "#query", "#evidence")

_RULE = "a rule starts with what it concludes: `wet :- rain.`"
_AND, _OR = "and is written `,` between conditions", "or is written `;` between conditions"
_COMMENT = "a comment starts with `%`"
_NEGATION = "negation is written `not p(X)`"

_JOINING: Mapping[str, str] = MappingProxyType(
    {
        "and": _AND,
        "or": _OR,
        "&": _AND,
        "|": _OR,
        "then": "what follows from a body is its head, before the `:-`",
        "else": "write a rule of its own, with `not` before the condition of the other",
    }
)
# Directives of clingo, of Prolog (behind `:-`) and of Soufflé (behind a full stop).
_CLINGO: Mapping[str, str] = MappingProxyType(
    {
        "#const": "write the number itself where it is used, or keep it in a fact: `size(5).`",
        "#show": "say what to answer by queries: `#query color(N, C).`",
        "#external": "leave a predicate open by its name and number of arguments: `#open p/1.`",
        "#minimize": "say what should be rare by soft constraints: `:~ p(X). [1.5]`",
        "#maximize": "say what should be rare by soft constraints: `:~ not p(X). [1.5]`",
        "#defined": "declare the predicate: `#pred p(x).`",
        "#program": "remove it: a file is one program",
        "#script": "Python functions are given by `nesy.load(path, functions=[...])`",
    }
)
_PROLOG = frozenset(("dynamic", "discontiguous", "table", "tabling", "multifile", "module", "initialization"))
_SOUFFLE: Mapping[str, str] = MappingProxyType(
    {
        "decl": "declare a predicate by `#pred edge(int, int).`, or leave that out: columns are inferred",
        "input": 'load a table by `#facts edge from "edge.csv".`',
        "output": "ask for answers by `#query path(X, Y).`",
        "printsize": "count by a rule: `size(N) :- N = #count{ X, Y : path(X, Y) }.`",
        "type": "declare a type by its values: `#type color = {red, green}.`",
    }
)


def directive_advice(name: str) -> str:
    """What to write instead of a directive that the language does not have.

    >>> directive_advice("#querry")
    'did you mean `#query`?'
    """
    near = near_name(name, DIRECTIVES)
    if name in _CLINGO or near is None:
        return _CLINGO.get(name, f"the directives are {', '.join(DIRECTIVES[:-1])} and {DIRECTIVES[-1]}")
    return f"did you mean `{near}`?"


def advice(words: Sequence[Word], index: int, text: str) -> str:
    """What to write instead, where the word at `index` cannot stand; "" where it is anyone's guess."""
    first, word = words[0], words[index]
    if first.text == "#" or text.startswith(("//", "--", "/*"), first.start):
        return _COMMENT
    if first.type == "END" and index == 0:
        return next((hint for name, hint in _SOUFFLE.items() if text.startswith(name, first.end)), "")
    if first.text in ("if", "when", "forall") and index == 1:
        return _RULE
    if first.type == "IF" and index == 2 and words[1].text in _PROLOG:
        return f"remove it: `{words[1].text}` has no counterpart here, and needs none"
    if index == 0:
        return _at_the_start(word, text)
    before = [w.type for w in words[:index]]
    if first.type in _DECLARING:
        return _in_declaration(word, first)
    depth = before.count("LPAR") - before.count("RPAR")
    if "IF" in before or "SOFT" in before:
        return _in_body(words, index, text)
    return _in_head(words, index, text, depth)


def _at_the_start(word: Word, text: str) -> str:
    if word.type == "NOT":
        return "a head says what holds; that something is false is a predicate of its own: `-sunny :- rain.`"
    if word.type == "COMMA":
        return "the statement before has its full stop: remove the `,`"
    return "ask by `#query path(a, X).`" if text.startswith("?-", word.start) else ""


def _in_declaration(word: Word, first: Word) -> str:
    match word.text, first.type:
        case ":", _:
            return "a column is written by its name or its type alone: `edge(int, int)`"
        case ",", "TYPE":
            return "list the values in braces: `#type color = {red, green}.`"
        case _:
            return ""


def _in_body(words: Sequence[Word], index: int, text: str) -> str:
    word, previous = words[index], words[index - 1]
    match word.text:
        case "!" if words[index + 1 : index + 2] and words[index + 1].type in ("NAME", "QUALIFIED"):
            return _NEGATION
        case ">" if previous.text == "=" and previous.end == word.start:
            return "at least is written `>=`"
        case "@":
            return "a soft constraint has a weight and no level: `:~ a. [1.5]`"
        case _:
            return _JOINING.get(word.text, "") or _percent(previous, text)


def _in_head(words: Sequence[Word], index: int, text: str, depth: int) -> str:
    word, previous = words[index], words[index - 1]
    match word.text:
        case "=" if depth == 0:
            return "a fact that may hold has its probability before it: `0.3::rain.`"
        case "<=" | ">" | "->" | "if" | "when" | "then" if depth == 0:
            return _RULE
        case ";" if depth > 0:
            return "write a fact for each: `p(1). p(2).`; a run of integers is an interval: `p(1..3).`"
        case "|" if depth == 0:
            return "the alternatives of a choice are separated by `;`, each with its probability: `0.4::a; 0.6::b.`"
        case "," | "and" | "&" if depth == 0:
            return "a head is one atom: end a fact with `.`, and write a rule for each conclusion"
        case _:
            return _percent(previous, text)


def _percent(previous: Word, text: str) -> str:
    if previous.type in ("INTEGER", "DECIMAL") and text.startswith("%", previous.end):
        return "`%` starts a comment; thirty percent is written `0.3::`"
    return ""


_DECLARING = frozenset(("DECLARE", "INPUT", "NEURAL", "OPEN", "FACTS", "TYPE", "INCLUDE"))
