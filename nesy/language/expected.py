"""What a syntax error says: what was expected, in words a person uses."""

from __future__ import annotations

from collections.abc import Sequence

from nesy.diagnostics import Diagnostic, Label
from nesy.language.catalogue import report
from nesy.language.habits import advice, directive_advice
from nesy.language.scan import Word, is_start_of_line
from nesy.source import Source, Span

_OPERATORS = frozenset(("PLUS", "MINUS", "TIMES", "SLASH", "MOD", "POWER"))
_COMPARATORS = frozenset(("EQUAL", "COMPARE", "IS"))
_STARTING = frozenset(("NAME", "QUALIFIED", "IF", "INTEGER", "DECIMAL", "SOFT"))  # what statements start with
_MARKS = {
    "END": "`.`",
    "COMMA": "`,`",
    "IF": "`:-`",
    "RPAR": "`)`",
    "RSQB": "`]`",
    "RBRACE": "`}`",
    "LBRACE": "`{`",
    "LSQB": "`[`",
    "SEMICOLON": "`;`",
    "COLON": "`:`",
    "VBAR": "`|`",
    "RANGE": "`..`",
    "ARROW": "`->`",
    "EQUAL": "`=`",
    "STRING": "a quoted text",
    "NAME": "a name",
}
_PROLOG = {
    "!": ("the cut `!`", "rules are sets here: their order does not matter, so nothing has to be cut"),
    "->": ("if-then-else `->`", "write two rules, one with the condition and one with `not` before it"),
    ":": ("a scope `:`", "make the scope the first argument of the predicate"),
    "-->": ("a grammar rule `-->`", ""),
    "~": ("`~`", "a continuous distribution has no counterpart here"),
}


def explain(words: Sequence[Word], index: int | None, accepted: frozenset[str], source: Source) -> Diagnostic:
    """The diagnostic of a statement that does not parse: `words[index]` is the first that cannot stand there."""
    if index is None:
        last = words[-1]
        start = Span(source, words[0].start, words[0].end)
        if words[0].type == "SOFT" and last.type == "END":
            return report("N112", Span(source, last.start, last.end))
        end = Span(source, last.end - 1, last.end)
        others = (Label(start, "the statement starts here"),) if start.line != end.line else ()
        return report("N103", end, others=others)
    if accepted in ({"VARIABLE"}, {"COMPARE"}):  # inside ProbLog's `p(sum<X>)`, which is rarely what was meant
        index = next(place for place in range(index - 1, -1, -1) if words[place].type == "COMPARE")
        accepted = frozenset(("COMMA", "RPAR"))
    word = words[index]
    span = Span(source, word.start, word.end)
    hint = advice(words, index, source.text)
    has_body = any(earlier.type in ("IF", "SOFT") for earlier in words[:index])
    match word.type:
        case "UNKNOWN" if word.text in _PROLOG:
            what, instead = _PROLOG[word.text]
            return report("N110", span, what=f"`{word.text}`" if hint else what, instead=hint or instead)
        case "UNKNOWN" if word.text.startswith("#") and len(word.text) > 1:
            return report("N110", span, what=f"`{word.text}`", instead=directive_advice(word.text))
        case "UNKNOWN":
            return report("N104", span, found=word.text, hint=hint or ("" if word.text.isascii() else None))
        case "OPEN_STRING":
            mark = word.text[0]
            return report("N105", Span(source, word.start, word.start + 1), mark=f"`{mark}`")
        case "OPEN_COMMENT":
            close = None if word.text.startswith("%") else "close it with `*/`"
            return report("N106", Span(source, word.start, word.start + 2), hint=close)
        case "COLON" if source.text.startswith(":=", word.start):
            return report("N102", Span(source, word.start, word.start + 2), expected="`:-`", found="`:=`")
        case "ARROW" | "COLON" if has_body or (word.type == "COLON" and "END" in accepted):
            what, instead = _PROLOG[word.text]
            return report("N110", span, what=what, instead=instead)
        case "LPAR" if words[index - 1].type == "VARIABLE":
            name = words[index - 1]
            instead = f"predicate names start with a small letter: `{name.text.lower().lstrip('_') or 'p'}`"
            return report("N109", Span(source, name.start, name.end), found=name.text, instead=instead)
        case _:
            pass
    previous = words[index - 1] if index else None
    is_new_line = previous is not None and is_start_of_line(source.text, word.start) and "END" in accepted
    if previous is not None and is_new_line and (word.type in _STARTING or word.text.startswith("#")):
        end = Span(source, previous.end - 1, previous.end)
        others = (Label(span, "the next statement seems to start here"),)
        return report("N102", end, "after this", others=others, expected="`.`", found="a new line", hint=hint)
    if word.text == "{" and "LBRACE" not in accepted:
        return report(
            "N110",
            span,
            what="a choice in braces",
            instead="write the alternatives with probabilities: `0.5::a; 0.5::b.`",
        )
    opened = _open_bracket(words[:index])
    others = ()
    if opened is not None and word.type == "END":
        others = (Label(Span(source, opened.start, opened.end), "opened here"),)
    expected = describe(accepted) if index else "the start of a statement"
    return report("N102", span, others=others, expected=expected, found=_found(word), hint=hint)


def describe(accepted: frozenset[str]) -> str:
    """What may stand at a place, from the grammar's terminals.

    >>> describe(frozenset({"COMMA", "RPAR", "PLUS", "MINUS", "TIMES"}))
    '`,` or `)`'
    """
    words: list[str] = []
    rest = set(accepted)
    if rest == {"SLASH"}:
        return "`/` and the number of arguments"
    if rest == {"INTEGER"}:
        return "a whole number"
    if {"VARIABLE", "INTEGER"} <= rest:
        words.append("a condition" if "NOT" in rest else "a term")
        closing = rest & {"RPAR", "RSQB", "RBRACE"}
        rest = closing
    elif _COMPARATORS <= rest and not rest & {"END", "RPAR", "COMMA"}:
        words.append("a comparison")
        rest.clear()
    rest -= _OPERATORS | _COMPARATORS - ({"EQUAL"} if rest == {"EQUAL"} else set())
    for rare in ("LPAR", "RANGE"):
        if rest - {rare}:
            rest.discard(rare)
    words += [_MARKS[name] for name in _MARKS if name in rest]
    if not words:
        words = ["an operator"] if accepted & (_OPERATORS | _COMPARATORS) else ["something else"]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def _found(word: Word) -> str:
    match word.type:
        case "END":
            return "the end of the statement"
        case _:
            return f"`{word.text}`" if len(word.text) <= 40 else f"`{word.text[:37]}...`"


def _open_bracket(words: Sequence[Word]) -> Word | None:
    opened: list[Word] = []
    for word in words:
        if word.type in ("LPAR", "LSQB", "LBRACE"):
            opened.append(word)
        elif word.type in ("RPAR", "RSQB", "RBRACE") and opened:
            opened.pop()
    return opened[-1] if opened else None
