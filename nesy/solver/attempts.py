"""How far the rules got that could have given an answer: for each, the values with which most of its body holds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from nesy.language.core import (
    Atom,
    Constant,
    CoreProgram,
    Literal,
    Rule,
    Signature,
    Structure,
    Term,
    Variable,
    ground_atom,
)
from nesy.language.values import Value, key
from nesy.reasoning.readings.findings import Attempt
from nesy.solver.candidates import instance, unify
from nesy.solver.instances import Instances

MAX_TRIES = 20_000  # bindings looked at for one rule's best attempt


def attempts(program: CoreProgram, atom: Atom, world: Instances) -> Iterator[Attempt]:
    """For each rule whose head fits, the values with which most of its body could hold."""
    rows: dict[Signature, list[Atom]] = {}
    for possible in world.atoms:
        rows.setdefault(possible.signature, []).append(possible)
    values = tuple(a.value for a in atom.arguments if isinstance(a, Constant))
    for rule in program.rules:
        for head in rule.heads:
            bound = unify(head, values) if head.signature == atom.signature else None
            if bound is not None:
                met, unmet = _best_attempt(rule, bound, rows, world)
                place = rule.span.place if rule.span else ""
                text = " ".join(rule.span.text.split()) if rule.span else str(head)
                yield Attempt(place, text, tuple(met), tuple(unmet))


def _best_attempt(
    rule: Rule, bound: dict[str, Value], rows: Mapping[Signature, Sequence[Atom]], world: Instances
) -> tuple[list[str], list[str]]:
    literals = [part for part in rule.body if isinstance(part, Literal)]
    literals.sort(key=lambda literal: literal.negated)  # positive ones bind what negated ones need
    best: tuple[int, list[str], list[str]] = (-1, [], [])
    tries = 0

    def search(index: int, env: dict[str, Value], met: list[Literal], unmet: list[Literal]) -> None:
        nonlocal best, tries
        tries += 1
        if tries > MAX_TRIES or len(literals) - len(unmet) <= best[0]:
            return
        if index == len(literals):
            best = (len(met), [_text(one, env) for one in met], [_text(one, env) for one in unmet])
            return
        literal = literals[index]
        if literal.negated:
            terms = [instance(a, env) for a in literal.atom.arguments]
            known = [value for value in terms if value is not None]
            found = world.find(ground_atom(literal.atom.predicate, tuple(known))) if len(known) == len(terms) else None
            if found is None or found not in world.given:
                search(index + 1, env, [*met, literal], unmet)
        else:
            for row in rows.get(literal.atom.signature, ()):
                extended = _match(literal.atom, row, env)
                if extended is not None:
                    search(index + 1, extended, [*met, literal], unmet)
        search(index + 1, env, met, [*unmet, literal])

    search(0, bound, [], [])
    return best[1], best[2]


def _match(pattern: Atom, row: Atom, env: dict[str, Value]) -> dict[str, Value] | None:
    extended = dict(env)
    for term, argument in zip(pattern.arguments, row.arguments, strict=True):
        assert isinstance(argument, Constant)
        match term:
            case Variable(name):
                if key(extended.setdefault(name, argument.value)) != key(argument.value):
                    return None
            case Constant(value):
                if key(value) != key(argument.value):
                    return None
            case Structure():
                return None
    return extended


def _text(literal: Literal, env: Mapping[str, Value]) -> str:
    terms: list[Term] = [
        Constant(env[a.name]) if isinstance(a, Variable) and a.name in env else a for a in literal.atom.arguments
    ]
    shown = Atom(literal.atom.predicate, tuple(_unnamed(term) for term in terms))
    return f"not {shown}" if literal.negated else str(shown)


def _unnamed(term: Term) -> Term:
    return Variable("_") if isinstance(term, Variable) and term.name.startswith("_") else term
