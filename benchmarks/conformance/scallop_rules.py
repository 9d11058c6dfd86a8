"""Scallop's facts, rules, aggregates and terms."""

from __future__ import annotations

import re

from benchmarks.conformance.scallop import Program, relation, string
from benchmarks.conformance.words import Reader, Unsupported, Word, applied, quoted, split

_COMPARISONS = {"==": "=", "=": "=", "!=": "!=", "<": "<", "<=": "<=", ">": ">", ">=": ">="}
_AGGREGATES = {"count": "count", "sum": "sum", "min": "min", "max": "max", "avg": "avg"}
_FUNCTIONS = {"abs": "abs", "max": "max", "min": "min", "string_length": "length"}
_FUNCTIONS |= {"string_upper": "upper", "string_lower": "lower"}
_INTEGERS = frozenset(f"{sign}{size}" for sign in "iu" for size in ("8", "16", "32", "64", "size"))


def read_rule(words: list[Word], program: Program) -> None:
    """`rel p = {...}`, `rel p(X)` or `rel p(X) = body`."""
    place = _body_mark(words)
    head, body = (words, []) if place is None else (words[:place], words[place + 1 :])
    if len(head) == 1 and body and body[0].text == "{":
        _facts(head[0].text, Reader(body), program)
        return
    reader = Rule(head, program)
    chance = ""
    if any(word.text == "::" for word in head):
        chance = f"{reader.term()}::"
        reader.take("::")
    name = reader.take().text
    if reader.is_done:
        raise Unsupported("a head without its arguments")
    reader.take("(")
    terms = reader.terms(")")
    if not reader.is_done:
        raise Unsupported(f"`{reader.peek()}` behind a head")
    program.arities.setdefault(name, len(terms))
    program.defined.add(name)
    shown = f"{chance}{relation(name, terms)}"
    if not body:
        program.rules.append(f"{shown}.")
        return
    rule = Rule(body, program, set(re.findall(r"\bV\w+", f"{chance} {' '.join(terms)}")))
    conditions = rule.disjunction()
    if not rule.is_done:
        raise Unsupported(f"`{rule.peek()}` in a body")
    program.rules.append(f"{shown} :- {conditions}.")


def read_query(words: list[Word], program: Program) -> None:
    """`query p` asks for all of p, which is what is compared anyway; `query p(0, x)` for these."""
    if len(words) == 1:
        program.arities.setdefault(words[0].text, 0)
        return
    reader = Rule(words, program)
    name = reader.take().text
    reader.take("(")
    terms = reader.terms(")")
    named = [f"Q{i} = {term}" for i, term in enumerate(terms) if term != "_"]
    columns = [f"Q{i}" for i in range(len(terms))]
    asked = f"query {len(program.asked)}"
    program.asked.append(asked)
    program.defined.add(asked)
    program.arities[asked] = len(terms)
    program.rules.append(f"{relation(asked, columns)} :- {', '.join([relation(name, columns), *named])}.")


def _body_mark(words: list[Word]) -> int | None:
    depth = 0
    for index, word in enumerate(words):
        if word.kind == "mark":
            depth += (word.text in "([{") - (word.text in ")]}")
            if depth == 0 and word.text in ("=", ":-"):
                return index
    return None


def _facts(name: str, reader: Reader, program: Program) -> None:
    if reader.words[-1].text != "}":
        raise Unsupported("more behind a set of facts")
    inside = reader.words[1:-1]
    is_choice = len(split(inside, ";")) > 1
    program.defined.add(name)
    facts: list[str] = []
    for item in split(inside, ";" if is_choice else ","):
        if not item:
            continue
        row = Rule(item, program)
        chance = ""
        if any(word.text == "::" for word in item):
            chance = f"{row.term()}::"
            row.take("::")
        terms = row.terms(")") if row.took("(") else [row.term()]
        if not row.is_done:
            raise Unsupported(f"`{row.peek()}` in a fact")
        program.arities.setdefault(name, len(terms))
        facts.append(f"{chance}{relation(name, terms)}")
    program.rules += ["; ".join(facts) + "."] if is_choice else [f"{fact}." for fact in facts]


class Rule(Reader):
    """A reader of conditions and terms; `group` are the variables of the head."""

    def __init__(self, words: list[Word], program: Program, group: set[str] | None = None):
        super().__init__(words)
        self.program = program
        self.group = group or set()

    # -- conditions --------------------------------------------------------------------------

    def disjunction(self) -> str:
        parts = [self.conjunction()]
        while self.took("or") or self.took("\\/"):
            parts.append(self.conjunction())
        return "; ".join(parts)

    def conjunction(self) -> str:
        parts = [self.condition()]
        while self.took(",") or self.took("and") or self.took("/\\"):
            parts.append(self.condition())
        return ", ".join(parts)

    def condition(self) -> str:
        if self.took("~") or self.took("not"):
            if self.peek() in ("exists", "forall"):
                return f"not ({self.condition()}, true)"
            inner = self.condition()
            return f"not {inner}" if re.fullmatch(r"'\w+'(\([^()]*\))?", inner) else f"not ({inner})"
        if self.peek() == "(" and not self._is_term():
            self.take()
            inner = self.disjunction()
            if self.took("=>"):
                inner = f"not ({inner}); {self.disjunction()}"
            self.take(")")
            return f"({inner})"
        if self.took("case"):
            variable = self.term()
            self.take("is")
            return f"{variable} = {self.term()}"
        if self.peek() in ("exists", "forall") and self.peek(1) == "(":
            return self._quantified()
        if self.peek() == "range" and self.peek(1) == "<":
            return self._range()
        if self.kind() == "name" and self.peek(1) == "(" and self.peek() not in self.program.constructors:
            name = self.take().text
            self.take("(")
            terms = self.terms(")")
            self.program.arities.setdefault(name, len(terms))
            return relation(name, terms)
        left = self.term()
        if self.peek() == ":=" or (self.peek() == "=" and self._is_aggregate()):
            self.take()
            return self._aggregate(left)
        operator = self.take().text
        if operator not in _COMPARISONS:
            raise Unsupported(f"`{operator}` in a condition")
        return f"{left} {_COMPARISONS[operator]} {self.term()}"

    def _is_term(self) -> bool:
        depth = 0
        for place in range(self.index, len(self.words)):
            text = self.words[place].text if self.words[place].kind == "mark" else ""
            depth += (text == "(") - (text == ")")
            if depth == 0:
                return place + 1 < len(self.words) and self.words[place + 1].text in (*_COMPARISONS, *"+-*/%")
        raise Unsupported("an open parenthesis")

    def _is_aggregate(self) -> bool:
        return self.kind(1) == "name" and self.peek(2) in ("(", "[", "<", "!") and self.peek(1) != "range"

    def _range(self) -> str:
        self.index += 1
        self.take("<")
        if self.take().text not in _INTEGERS:
            raise Unsupported("a range of floats")
        self.take(">")
        self.take("(")
        low, high, value = self.terms(")")
        return f"{value} = {low}..{high} - 1"

    def _quantified(self) -> str:
        """`exists(x: body)` and `forall(x: body => claim)` as conditions of their own."""
        word = self.take().text
        inner, claim, domain = self._quantifier_body()
        known = f"{domain}, " if domain else ""
        if word == "exists":
            return f"{known}{inner}" if claim is None else f"{known}({inner}, {claim})"
        if claim is None:
            raise Unsupported("forall without `=>`")
        return f"{known}not ({inner}, not {claim})"

    def _truth(self, word: str, result: str) -> str:
        """`b = exists(x: body)`: the value says whether it holds."""
        inner, claim, domain = self._quantifier_body()
        if word == "forall" and claim is None:
            raise Unsupported("forall without `=>`")
        if claim is not None:
            inner = f"{inner}, not {claim}" if word == "forall" else f"{inner}, {claim}"
        group = sorted(self.group & set(re.findall(r"\bV\w+", inner)))
        if group and not domain:
            raise Unsupported("a group of a truth value without its domain")
        cases = applied(f"'cases {len(self.program.rules)}'", group)
        self.program.rules.append(f"{cases} :- {inner}.")
        holds, fails = ("true", "false") if word == "exists" else ("false", "true")
        known = f"{domain}, " if domain else ""
        return f"({known}{cases}, {result} = {holds}; {known}not {cases}, {result} = {fails})"

    def _quantifier_body(self) -> tuple[str, str | None, str]:
        self.take("(")
        while self.kind() == "name" and self.peek(1) in (",", ":"):
            self.index += 2
        inner = self.disjunction()
        claim = self.conjunction() if self.took("=>") else None
        domain = self._where()
        self.take(")")
        return inner, claim, domain

    def _where(self) -> str:
        if not self.took("where"):
            return ""
        while self.kind() == "name" and self.peek(1) in (",", ":"):
            self.index += 2
        return self.conjunction()

    def _aggregate(self, result: str) -> str:
        function = self.take().text
        if function in ("exists", "forall"):
            return self._truth(function, result)
        if function not in (*_AGGREGATES, "argmax", "argmin"):
            raise Unsupported(f"the aggregate {function}")
        if self.peek() in ("<", "!"):
            raise Unsupported("an aggregate with parameters")
        extra = [f"V{name}" for name in self._names("[", "]")]
        self.take("(")
        weights: list[str] = []
        while True:
            weights.append(f"V{self.take().text}")
            if not self.took(","):
                break
        self.take(":")
        inner = self.disjunction()
        domain = self._where()
        self.take(")")
        own = dict.fromkeys([*weights, *extra])
        inside = set(re.findall(r"\bV\w+", inner))
        group = sorted(name for name in self.group & inside if name not in own or (name in extra and name != result))
        if function.startswith("arg"):
            group = [name for name in group if name not in extra]
        elif any(name in own for name in group):
            raise Unsupported("a group by what is aggregated")
        tuples = f"'tuples {len(self.program.rules)}'"
        self.program.rules.append(f"{applied(tuples, [*group, *own])} :- {inner}.")
        apart = [f"{name}_" for name in own]
        every = applied(tuples, [*group, *apart])
        if function.startswith("arg"):
            best = f"#{function[3:]}{{ {weights[0]}_ : {every} }}"
            return f"{applied(tuples, [*group, *own])}, {weights[0]} = {best}"
        known = f"{domain}, " if domain else f"{applied(tuples, [*group, *['_'] * len(own)])}, " if group else ""
        return f"{known}{result} = #{_AGGREGATES[function]}{{ {', '.join(apart)} : {every} }}"

    def _names(self, first: str, last: str) -> list[str]:
        names: list[str] = []
        if self.took(first):
            while not self.took(last):
                names.append(self.take().text)
                self.took(",")
        return names

    # -- terms -------------------------------------------------------------------------------

    def terms(self, close: str) -> list[str]:
        """The terms up to a closing mark."""
        terms: list[str] = []
        while not self.took(close):
            terms.append(self.term())
            if self.peek() != close:
                self.take(",")
        return terms

    def term(self, level: int = 0) -> str:
        """A term, and arithmetic."""
        levels = (("+", "-"), ("*", "/", "%"))
        if level == len(levels):
            return self._cast()
        left = self.term(level + 1)
        while self.peek() in levels[level] and self.kind() == "mark":
            operator = self.take().text
            right = self.term(level + 1)
            if operator == "+" and ('"' in left or '"' in right or left.startswith("concat(")):
                left = f"concat({left}, {right})"
            elif operator == "/" and not _is_float(left) and not _is_float(right):
                if self.program.has_floats:
                    raise Unsupported("division where there are floats: integers divide towards zero there")
                left = f"truncate({left} / {right})"
            else:
                left = f"({left} {'mod' if operator == '%' else operator} {right})"
        return left

    def _cast(self) -> str:
        term = self._primary()
        if self.took("as"):
            kind = self.take().text
            if kind not in _INTEGERS or self.program.has_floats:
                raise Unsupported(f"a cast to {kind}")
            return f"number({term})"
        return term

    def _primary(self) -> str:
        word = self.take()
        match word.kind, word.text:
            case "string", text:
                return string(text)
            case "number", text:
                return str(int(text))
            case "float", text:
                return repr(float(text))
            case "time", _:
                raise Unsupported("times and durations")
            case "mark", "-":
                return f"-{self._primary()}"
            case "mark", "(":
                inner = self.term()
                self.take(")")
                return f"({inner})"
            case "function", text:
                self.take("(")
                return self._function(text[1:], self.terms(")"))
            case "name", "_":
                return "_"
            case "name", ("true" | "false") as text:
                return text
            case "name", text if self.peek() == "(" and text in self.program.constructors:
                self.take("(")
                return applied(quoted(text), self.terms(")"))
            case "name", text if text in self.program.constants:
                return self.program.constants[text]
            case "name", text if self.peek() != "(":
                return f"V{text}"
            case _, text:
                raise Unsupported(f"`{text}` in a term")

    def _function(self, name: str, terms: list[str]) -> str:
        match name, terms:
            case "substring", [text, start, end]:
                return f"substring({text}, {start}, {end} - {start})"
            case "substring", [text, start]:
                return f"substring({text}, {start}, length({text}) - {start})"
            case "string_char_at", [text, place]:
                return f"substring({text}, {place}, 1)"
            case "floor", [number]:
                return f"float(floor({number}))"
            case _ if name in _FUNCTIONS:
                return applied(_FUNCTIONS[name], terms)
            case _:
                raise Unsupported(f"the function ${name}")


def _is_float(term: str) -> bool:
    return re.fullmatch(r"[0-9]+\.[0-9]+", term) is not None
