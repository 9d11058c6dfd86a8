"""Soufflé's rules: conditions, terms and aggregates.

A variable is any name that is not called, so names are told apart by what follows them. Numbers divide
towards zero in Soufflé and towards minus infinity here, so `/` and `%` become expressions that agree.
"""

from __future__ import annotations

import re

from benchmarks.conformance.souffle_types import Program
from benchmarks.conformance.words import Reader, Unsupported, Word, quoted, split

_FUNCTORS = {
    "cat": "concat",
    "strlen": "length",
    "substr": "substring",
    "min": "min",
    "max": "max",
    "to_number": "number",
    "to_string": "string",
    "abs": "abs",
}
_WORDS = {"band": "/\\", "bor": "\\/", "bxor": "xor"}
_AFTER_A_TERM = frozenset(
    ("=", "!=", "<", "<=", ">", ">=", "+", "-", "*", "/", "%", "^", *_WORDS, "land", "lor", "lxor")
)
_AGGREGATES = frozenset(("count", "sum", "min", "max", "mean"))
_UNSUPPORTED_WORDS = frozenset(
    (
        "bnot",
        "land",
        "lor",
        "lxor",
        "lnot",
        "bshl",
        "bshr",
        "bshru",
        "range",
        "ord",
        "as",
        "itof",
        "ftoi",
        "utof",
        "autoinc",
        "nil",
    )
) - {"nil"}


def read_rule(words: list[Word], program: Program) -> list[str]:
    texts = [word.text for word in words]
    depth = 0
    for index, text in enumerate(texts):
        depth += (text in "([{") - (text in ")]}")
        if text == ":-" and depth == 0:
            heads, body = words[:index], words[index + 1 :]
            break
        if text == "<=" and depth == 0 and texts[index - 1] == ")" and ":-" in texts[index:]:
            raise Unsupported("subsumption")
    else:
        heads, body = words, []
    result: list[str] = []
    shown = f" :- {_Rule(body, program).body()}" if body else ""
    for head in split(heads, ","):
        rule = _Rule(head, program)
        atom = rule.atom()
        if rule.index < len(head):
            raise Unsupported(head[rule.index].text)
        result.append(f"{atom}{shown}.")
    return result


class _Rule(Reader):
    """A reader of one rule's words."""

    def __init__(self, words: list[Word], program: Program):
        super().__init__(words)
        self.program = program

    def body(self) -> str:
        shown = self.disjunction()
        if self.index < len(self.words):
            raise Unsupported(f"`{self.peek()}` in a body")
        return shown

    def disjunction(self) -> str:
        parts = [self.conjunction()]
        while self.peek() == ";":
            self.take()
            parts.append(self.conjunction())
        return "; ".join(parts)

    def conjunction(self) -> str:
        parts = [self.condition()]
        while self.peek() == ",":
            self.take()
            parts.append(self.condition())
        return ", ".join(parts)

    def condition(self) -> str:
        if self.peek() == "!":
            self.take()
            return f"not {self.condition()}"
        if self.peek() == "(" and not self._is_arithmetic_group():
            self.take()
            inner = self.disjunction()
            self.take(")")
            return f"({inner})"
        if self.peek() in ("true", "false") and self.peek(1) != "(":
            return self.take().text
        if self.words[self.index].kind == "name" and self.peek(1) == "(" and self.peek() in ("contains", "match"):
            return self._constraint()
        is_call = self.words[self.index].kind == "name" and self.peek(1) == "("
        if is_call and self.peek() in self.program.columns:
            return self.atom()
        if self.words[self.index].kind == "name" and self.peek(1) == ".":
            raise Unsupported("components")
        left = self.term()
        if self.peek() not in ("=", "!=", "<", "<=", ">", ">="):
            raise Unsupported(f"`{self.peek()}` in a condition")
        operator = self.take().text
        if operator == "=" and self.peek() == "range" and self.peek(1) == "(":
            return self._range(left)
        return f"{left} {operator} {self.term()}"

    def _constraint(self) -> str:
        name = self.take().text
        if name == "match":
            raise Unsupported("match")
        self.take("(")
        inner = self.term()
        self.take(",")
        outer = self.term()
        self.take(")")
        return f"contains({outer}, {inner})"

    def _range(self, value: str) -> str:
        """`x = range(a, b)`: from a to before b, upwards or downwards."""
        self.index += 2
        ends = self._terms(")")
        if len(ends) != 2 or self.peek() not in ("", ",", ";", ")", "}"):
            raise Unsupported("functor range with a step, or inside a term")
        low, high = ends
        return f"({value} = {low}..{high} - 1; {value} = {high} + 1..{low})"

    def _is_arithmetic_group(self) -> bool:
        """Whether the parenthesis that opens here belongs to a term: a comparison or operator follows it."""
        depth = 0
        for place in range(self.index, len(self.words)):
            text = self.words[place].text if self.words[place].kind == "mark" else ""
            depth += (text == "(") - (text == ")")
            if depth == 0:
                following = self.words[place + 1].text if place + 1 < len(self.words) else ""
                return following in _AFTER_A_TERM
        raise Unsupported("an open parenthesis")

    def atom(self) -> str:
        name = self.take().text
        if self.peek() == ".":
            raise Unsupported("components")
        self.take("(")
        terms: list[str] = []
        while self.peek() != ")":
            terms.append(self.term())
            if self.peek() != ")":
                self.take(",")
        self.take(")")
        return quoted(name) + (f"({', '.join(terms)})" if terms else "")

    # -- terms -------------------------------------------------------------------------------

    def term(self, level: int = 0) -> str:
        levels = (("lor",), ("lxor",), ("land",), ("bor",), ("bxor",), ("band",), ("+", "-"), ("*", "/", "%"))
        if level == len(levels):
            return self.unary()
        left = self.term(level + 1)
        while self.peek() in levels[level]:
            operator = self.take().text
            right = self.term(level + 1)
            match operator:
                case "/":
                    left = f"truncate({left} / {right})"
                case "%":
                    left = f"({left} - {right} * truncate({left} / {right}))"
                case "land":
                    left = f"abs(sign({left}) * sign({right}))"
                case "lor":
                    left = f"sign(abs({left}) + abs({right}))"
                case "lxor":
                    left = f"abs(abs(sign({left})) - abs(sign({right})))"
                case _:
                    left = f"({left} {_WORDS.get(operator, operator)} {right})"
        return left

    def unary(self) -> str:
        if self.peek() == "-":
            self.take()
            return f"-{self.unary()}"
        if self.peek() in ("bnot", "lnot"):
            return f"(-1 - {self.unary()})" if self.take().text == "bnot" else f"(1 - abs(sign({self.unary()})))"
        base = self.primary()
        if self.peek() == "^":
            self.take()
            return f"({base} ** {self.unary()})"
        return base

    def primary(self) -> str:
        word = self.take()
        match word.kind, word.text:
            case "string", text:
                return text
            case "number", text:
                return str(int(text, 0))
            case "float", text:
                return text
            case "mark", "(":
                inner = self.term()
                self.take(")")
                return inner if inner.startswith("(") else f"({inner})"
            case "mark", "[":
                return f"'record'({', '.join(self._terms(']'))})"
            case "name", "nil" if self.peek() != "(":
                return "nil"
            case "name", "_":
                return "_"
            case "name", text if text.startswith("$"):
                inside = self._terms(")") if self.peek() == "(" and self.take() else []
                return f"'{text}'({', '.join(inside)})" if inside else f"'{text}'"
            case "name", text if text in _AGGREGATES and self.peek() != "(":
                return self._aggregate(text)
            case "name", text if self.peek() == "(":
                if text not in _FUNCTORS or text in _UNSUPPORTED_WORDS:
                    raise Unsupported(f"functor {text}")
                self.take()
                inside = self._terms(")")
                return self._nested(_FUNCTORS[text], inside)
            case "name", text if text in _UNSUPPORTED_WORDS:
                raise Unsupported(f"functor {text}")
            case "name", text:
                return _variable(text)
            case _, text:
                raise Unsupported(f"`{text}` in a term")

    def _nested(self, function: str, inside: list[str]) -> str:
        """`cat(a, b, c)` of any number of arguments by the function of two."""
        if function in ("concat", "min", "max"):
            shown = inside[0]
            for other in inside[1:]:
                shown = f"{function}({shown}, {other})"
            return shown
        return f"{function}({', '.join(inside)})"

    def _terms(self, close: str) -> list[str]:
        terms: list[str] = []
        while self.peek() != close:
            terms.append(self.term())
            if self.peek() != close:
                self.take(",")
        self.take(close)
        return terms

    def _aggregate(self, function: str) -> str:
        weight = None if self.peek() == ":" else self.term()
        self.take(":")
        if self.peek() == "{":
            self.take()
            start = self.index
            inner = self.disjunction()
            end = self.index
            self.take("}")
        else:
            start = self.index
            inner = self.atom()
            end = self.index
        names = dict.fromkeys(
            _variable(word.text)
            for place, word in enumerate(self.words[start:end], start)
            if word.kind == "name" and word.text != "_" and not self._is_call(place)
        )
        if ";" in inner:
            raise Unsupported("a disjunction in an aggregate")
        # Soufflé adds over all assignments, so every variable is part of the tuple; each `_` is one too.
        parts = re.split(r"(?<![A-Za-z0-9_\"'])_(?![A-Za-z0-9_])", inner)
        fresh = [f"Any{self.index}x{number}" for number in range(len(parts) - 1)]
        names.update(dict.fromkeys(fresh))
        inner = parts[0] + "".join(name + part for name, part in zip(fresh, parts[1:], strict=True))
        keyword = {"mean": "avg"}.get(function, function)
        terms = [*([weight] if weight is not None else []), *names]
        return f"#{keyword}{{ {', '.join(terms) or '1'} : {inner} }}"

    def _is_call(self, place: int) -> bool:
        return place + 1 < len(self.words) and self.words[place + 1].text == "("


def _variable(name: str) -> str:
    return "V" + name.replace("?", "_q")
