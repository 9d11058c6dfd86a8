"""Syntax tree to text: the canonical layout, and `nesy fmt`.

`parse(format_text(x))` is `parse(x)`: the same statements, and every comment is kept.
"""

from __future__ import annotations

from collections.abc import Iterable

from nesy.errors import ProgramError
from nesy.language import ast
from nesy.language.collection import collection_paused
from nesy.language.parse import parse
from nesy.language.scan import Dialect
from nesy.language.values import Symbol, format_value, inside_functor, is_scoped, predicate_name

# A longer statement is broken into one condition a line.
MAX_WIDTH = 100

_BINDING = {"+": 1, "-": 1, "*": 2, "/": 2, "//": 2, "mod": 2, "xor": 2, "/\\": 2, "\\/": 2, "**": 4}
_UNARY = 3


def format_text(text: str, name: str = "<text>", dialect: Dialect = "nesy") -> str:
    """The text in canonical layout, with its comments.

    Raises: ProgramError, if it has syntax errors.

    >>> print(format_text("path(X,Y):-edge(X,Y)."), end="")
    path(X, Y) :- edge(X, Y).
    """
    with collection_paused():
        parsed = parse(text, name, dialect)
        if parsed.diagnostics:
            raise ProgramError(parsed.diagnostics)
        return _layout(parsed.file, text, dialect)


def _layout(file: ast.File, text: str, dialect: Dialect) -> str:
    """Statements and comments in the order of their text; what stood on one line stays on one if it fits."""
    items: list[tuple[int, int, str]] = []
    inside: list[tuple[int, int]] = [(s.span.start, s.span.end) for s in file.statements]
    index = 0
    for comment in file.comments:
        start, end = comment.span.start, comment.span.end
        while index < len(inside) and inside[index][1] <= start:
            index += 1
        if index < len(inside) and inside[index][0] < start:
            start = end = inside[index][0]  # a comment within a statement goes before it
        items.append((start, end, comment.text.rstrip()))
    items += [(s.span.start, s.span.end, pretty(s, dialect)) for s in file.statements]
    items.sort(key=lambda item: item[0])
    lines: list[str] = []
    previous_end: int | None = None
    for start, end, shown in items:
        gap = text[previous_end:start] if previous_end is not None and previous_end <= start else "\n"
        shares_line = previous_end is not None and "\n" not in gap
        is_open = bool(lines) and not _ends_in_line_comment(lines[-1])
        if shares_line and is_open and "\n" not in shown and len(lines[-1]) + 2 + len(shown) <= MAX_WIDTH:
            lines[-1] += ("  " if shown.startswith("%") else " ") + shown
        elif shares_line and is_open and shown.startswith("%") and not shown.startswith("%*"):
            lines[-1] += "  " + shown  # a remark stays with its statement, however long
        else:
            if previous_end is not None and gap.count("\n") > 1:
                lines.append("")
            lines += shown.split("\n")
        previous_end = max(end, previous_end or 0)
    return "\n".join(lines) + "\n" if lines else ""


def _ends_in_line_comment(line: str) -> bool:
    return "%" in line and not line.endswith("*%")


# -- statements ----------------------------------------------------------------------------------------


def pretty(statement: ast.Statement, dialect: Dialect = "nesy") -> str:
    """A statement in canonical layout."""
    match statement:
        case ast.Rule(heads, body):
            return _clause("; ".join(_head(head, dialect) for head in heads), body, "", dialect)
        case ast.Constraint(body, None):
            return _clause("", body, "", dialect)
        case ast.Constraint(body, weight):
            assert weight is not None
            return _clause("", body, f" [{pretty_term(weight)}]", dialect)
        case ast.Include(name, alias):
            return f"#include {_string(name)}{f' as {alias}' if alias else ''}."
        case ast.TypeDeclaration(name, domain):
            return f"#type {format_value(Symbol(name))} = {_domain(domain)}."
        case ast.Declaration(keyword, atoms):
            return f"#{keyword} {_list(atoms)}."
        case ast.NeuralDeclaration(atom, domain, body):
            values = "" if domain is None else f" -> {_domain(domain)}"
            return _clause(f"#neural {pretty_term(atom)}{values}", body, "", dialect)
        case ast.OpenDeclaration(predicates):
            return f"#open {', '.join(f'{_predicate(p)}/{p.arity}' for p in predicates)}."
        case ast.FactsFile(predicate, path):
            return f"#facts {pretty_term(predicate)} from {_string(path)}."
        case ast.Ask(keyword, condition):
            return f"#{keyword} {pretty_body(condition, dialect)}."


def _head(head: ast.Head, dialect: Dialect) -> str:
    chance = "" if head.probability is None else f"{pretty_term(head.probability, dialect)}::"
    return chance + pretty_term(head.atom, dialect)


def _clause(head: str, body: ast.Body | None, end: str, dialect: Dialect) -> str:
    if body is None:
        return f"{head}.{end}"
    mark = ":~" if end else ":-"
    start = f"{head} {mark}" if head else mark
    line = f"{start} {pretty_body(body, dialect)}.{end}"
    if len(line) <= MAX_WIDTH or not isinstance(body, ast.Conjunction):
        return line
    parts = ",\n    ".join(pretty_body(part, dialect, inside=True) for part in body.parts)
    return f"{start}\n    {parts}.{end}"


def _domain(domain: ast.Domain) -> str:
    match domain:
        case ast.ValueSet(values):
            return "{" + _list(values) + "}"
        case ast.Range(low, high):
            return f"{pretty_term(low)}..{pretty_term(high)}"
        case ast.TypeName(name, is_qualified=is_qualified):
            return predicate_name(name) if is_qualified else format_value(Symbol(name))


def _predicate(name: ast.PredicateName) -> str:
    return predicate_name(name.name) if name.is_qualified else inside_functor(name.name)


# -- bodies --------------------------------------------------------------------------------------------


def pretty_body(body: ast.Body, dialect: Dialect = "nesy", inside: bool = False) -> str:
    """A condition; `inside` a conjunction, where a disjunction cannot stand bare."""
    negation = "\\+" if dialect == "problog" else "not "
    match body:
        case ast.Conjunction(parts):
            return ", ".join(pretty_body(part, dialect, inside=True) for part in parts)
        case ast.Disjunction(parts):
            return "; ".join(pretty_body(part, dialect) for part in parts)
        case ast.Negation(inner):
            return negation + pretty_body(inner, dialect, inside=True)
        case ast.Comparison(terms, operators):
            shown = pretty_term(terms[0], dialect)
            for operator, term in zip(operators, terms[1:], strict=True):
                shown += f" {operator} {pretty_term(term, dialect)}"
            return shown
        case ast.Group(inner):
            return f"({pretty_body(inner, dialect)})"
        case _:
            return pretty_term(body, dialect)


# -- terms ---------------------------------------------------------------------------------------------


def pretty_term(term: ast.Term | ast.Body, dialect: Dialect = "nesy", tighter_than: int = 0) -> str:
    """A term, in parentheses if it binds less tightly than its place asks."""
    match term:
        case ast.Variable(name):
            return name
        case ast.Number(value):
            shown = format_value(value)
            return f"({shown})" if shown.startswith("-") and tighter_than > _UNARY else shown
        case ast.String(value):
            return _string(value)
        case ast.Call(name, arguments, is_qualified=is_qualified):
            inside = _list(arguments, dialect)
            # Not `inside_functor`: here `-p` is a name in quotes, and strong negation is an operation.
            shown = predicate_name(name) if is_qualified else "'[]'" if name == "[]" else format_value(Symbol(name))
            if dialect == "problog" and is_scoped(name):
                shown = name
            return f"{shown}({inside})" if arguments else shown
        case ast.ListTerm(items, tail):
            end = "" if tail is None else f" | {pretty_term(tail, dialect)}"
            return f"[{_list(items, dialect)}{end}]"
        case ast.Operation(operator, (left, right)):
            strength = _BINDING[operator]
            # All operators group to the left but `**`, whose right side is a sign or another power.
            first = pretty_term(left, dialect, strength + 1 if operator == "**" else strength)
            second = pretty_term(right, dialect, _UNARY if operator == "**" else strength + 1)
            return _wrap(f"{first} {operator} {second}", strength < tighter_than)
        case ast.Operation(operator, (inner,)):
            space = " " if isinstance(inner, ast.Number | ast.Operation) else ""
            return _wrap(f"{operator}{space}{pretty_term(inner, dialect, _UNARY)}", _UNARY < tighter_than)
        case ast.Operation():
            raise AssertionError(term)
        case ast.Interval(low, high):
            return f"{pretty_term(low, dialect)}..{pretty_term(high, dialect)}"
        case ast.Aggregate(function, elements):
            inside = "; ".join(_element(element, dialect) for element in elements)
            return f"#{function}{{ {inside} }}" if inside else f"#{function}{{}}"
        case _:
            return pretty_body(term, dialect, inside=True)


def _element(element: ast.Element, dialect: Dialect) -> str:
    terms = _list(element.terms, dialect)
    if not element.conditions:
        return terms
    conditions = ", ".join(pretty_body(condition, dialect, inside=True) for condition in element.conditions)
    return f"{terms} : {conditions}"


def _list(terms: Iterable[ast.Term], dialect: Dialect = "nesy") -> str:
    return ", ".join(_argument(term, dialect) for term in terms)


def _argument(term: ast.Term, dialect: Dialect) -> str:
    match term:
        case ast.Aggregate(function, (ast.Element((ast.Variable(name),), ()),)):
            return f"{format_value(Symbol(function))}<{name}>"
        case _:
            return pretty_term(term, dialect)


def _string(text: str) -> str:
    return format_value(text)


def _wrap(text: str, is_loose: bool) -> str:
    return f"({text})" if is_loose else text
