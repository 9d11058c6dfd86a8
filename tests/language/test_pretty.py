"""The formatter: what it prints parses to the same program, and comments stay."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from nesy.errors import ProgramError
from nesy.language import ast, parse
from nesy.language.pretty import format_text, pretty
from nesy.source import Source, Span

# Explaining a failure takes many more runs than finding it.
PHASES = (Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink)
NOWHERE = Span(Source("<made>", ""), 0, 0)


def made(cls, *arguments):
    """A node without a place."""
    missing = len([name for name in cls.__dataclass_fields__ if "span" in name])
    return cls(*arguments, *[NOWHERE] * missing)


NAMES = st.one_of(st.from_regex(r"[a-z][A-Za-z0-9_]{0,3}", fullmatch=True), st.text(min_size=1, max_size=4))
VARIABLES = st.from_regex(r"[A-Z_][A-Za-z0-9_]{0,2}", fullmatch=True).map(lambda name: made(ast.Variable, name))
NUMBERS = st.one_of(
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
).map(lambda value: made(ast.Number, value))
LEAVES = st.one_of(
    VARIABLES,
    NUMBERS,
    st.text(max_size=5).map(lambda text: made(ast.String, text)),
    NAMES.map(lambda n: made(ast.Call, n, ())),
)


def _calls(terms):
    return st.builds(
        lambda name, arguments: made(ast.Call, name, tuple(arguments)), NAMES, st.lists(terms, min_size=1, max_size=3)
    )


def _operations(terms):
    binary = st.builds(
        lambda operator, left, right: made(ast.Operation, operator, (left, right)),
        st.sampled_from(["+", "-", "*", "/", "//", "mod", "xor", "**", "/\\"]),
        terms,
        terms,
    )
    unary = st.builds(lambda operator, term: made(ast.Operation, operator, (term,)), st.sampled_from(["-", "+"]), terms)
    return st.one_of(binary, unary)


def _lists(terms):
    return st.builds(
        lambda items, tail: made(ast.ListTerm, tuple(items), tail if items else None),
        st.lists(terms, max_size=3),
        st.one_of(st.none(), terms),
    )


TERMS = st.recursive(LEAVES, lambda inner: st.one_of(_calls(inner), _operations(inner), _lists(inner)), max_leaves=8)
ATOMS = st.one_of(NAMES.map(lambda name: made(ast.Call, name, ())), _calls(TERMS))
COMPARISONS = st.builds(
    lambda first, rest: made(ast.Comparison, (first, *(t for _, t in rest)), tuple(op for op, _ in rest)),
    TERMS,
    st.lists(
        st.tuples(st.sampled_from(["=", "!=", "<", "<=", "=<", "is", "=:=", "\\=="]), TERMS), min_size=1, max_size=2
    ),
)
CONDITIONS = st.recursive(
    st.one_of(ATOMS, COMPARISONS),
    lambda inner: st.one_of(
        inner.map(lambda body: made(ast.Negation, body)),
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: made(ast.Group, made(ast.Conjunction, tuple(parts)))),
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: made(ast.Group, made(ast.Disjunction, tuple(parts)))),
    ),
    max_leaves=4,
)
AGGREGATES = st.builds(
    lambda function, elements: made(ast.Aggregate, function, tuple(elements)),
    st.sampled_from(["count", "sum", "min", "max", "avg"]),
    st.lists(
        st.builds(
            lambda terms, conditions: made(ast.Element, tuple(terms), tuple(conditions)),
            st.lists(TERMS, min_size=1, max_size=2),
            st.lists(CONDITIONS, max_size=2),
        ),
        max_size=2,
    ),
)
GUARDS = st.builds(lambda left, right: made(ast.Comparison, (left, right), ("=",)), VARIABLES, AGGREGATES)
BODIES = st.lists(st.one_of(CONDITIONS, GUARDS), min_size=1, max_size=3).map(
    lambda parts: parts[0] if len(parts) == 1 else made(ast.Conjunction, tuple(parts))
)
HEADS = st.builds(lambda chance, atom: made(ast.Head, chance, atom), st.one_of(st.none(), TERMS), ATOMS)
STATEMENTS = st.one_of(
    st.builds(
        lambda heads, body: made(ast.Rule, tuple(heads), body),
        st.lists(HEADS, min_size=1, max_size=2),
        st.one_of(st.none(), BODIES),
    ),
    st.builds(lambda body, weight: made(ast.Constraint, body, weight), BODIES, st.one_of(st.none(), TERMS)),
)


@settings(max_examples=30, deadline=None, phases=PHASES)
@given(st.lists(STATEMENTS, max_size=4))
def test_what_is_printed_parses_to_the_same_program(statements):
    text = "\n".join(pretty(statement) for statement in statements)
    parsed = parse(text)
    assert not parsed.diagnostics, parsed.diagnostics[0].render()
    assert parsed.file.statements == tuple(statements)


@settings(max_examples=30, deadline=None, phases=PHASES)
@given(st.lists(STATEMENTS, max_size=4))
def test_formatting_again_changes_nothing(statements):
    once = format_text("\n".join(pretty(statement) for statement in statements))
    assert format_text(once) == once


def test_comments_stay_where_they_belong():
    text = (
        "% people\n\n\n\nperson(ann).person(bob).   % two\n"
        "%* both\n   kinds *%\nadult( X ):-person(X), % inside\n  age(X,A),A>=18.\nage(ann,31). % last\n"
    )
    assert format_text(text) == (
        "% people\n\nperson(ann). person(bob).  % two\n"
        "%* both\n   kinds *%\n% inside\nadult(X) :- person(X), age(X, A), A >= 18.\nage(ann, 31).  % last\n"
    )


def test_a_long_rule_is_broken_into_one_condition_a_line():
    text = "target(X) :- " + ", ".join(f"condition_number_{i}(X)" for i in range(6)) + "."
    lines = format_text(text).splitlines()
    assert lines[0] == "target(X) :-" and lines[1] == "    condition_number_0(X)," and len(lines) == 7


def test_a_text_with_syntax_errors_is_not_formatted():
    with pytest.raises(ProgramError):
        format_text("p(X :- q.")


def test_the_shipped_rules_and_test_programs_survive_formatting():
    root = Path(__file__).parents[2]
    for path in [*root.glob("rules/*.nesy"), *root.glob("tests/programs/*.nesy"), *root.glob("tasks/*/*.nesy")]:
        text = path.read_text(encoding="utf-8")
        formatted = format_text(text, str(path))
        assert parse(formatted).file.statements == parse(text).file.statements
        assert [c.text for c in parse(formatted).file.comments] == [c.text.rstrip() for c in parse(text).file.comments]
