"""Random programs, answered by nesy and by everything that can be trusted instead.

    python -m benchmarks.agreement --count 5000 [--seed 0] [--no-problog] [--seconds 300 --record FILE]

Each program is a handful of facts and rules with recursion, negation, annotated disjunctions, constraints, evidence and
aggregates. On each:

* every answer and the probability of the evidence are those of enumerating all worlds, to 1e-9, and ProbLog's where it
  accepts the program, to 1e-6;
* facts, rules and literals in another order give the same answers;
* a reading whose budget ends too early gives an interval with the truth in it;
* a proof is never more probable than what it proves.

On every tenth, the gradient is that of finite differences. On each, one answer is sampled: over all programs, the
intervals contain the truth at the rate that they state.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import sys
import time
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import exp, lgamma, log
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402
import torch  # noqa: E402
from hypothesis import HealthCheck, Phase, assume, given, seed, settings  # noqa: E402

from nesy.errors import InconsistentError, LimitError  # noqa: E402
from nesy.language import parse_program  # noqa: E402
from nesy.language.core import (  # noqa: E402
    Aggregate,
    Atom,
    BodyLiteral,
    Comparison,
    CoreProgram,
    Expression,
    Fixed,
    Literal,
    Query,
    Rule,
    format_term,
)
from nesy.reasoning import Budget, DerivationGraph, best_proofs, exact, ground, sample  # noqa: E402
from tests.evaluation.programs import ARITY, program  # noqa: E402
from tests.evaluation.worlds import as_atom, as_row, worlds  # noqa: E402

MOST_WORLDS = 300
WORLDS_SAMPLED = 500
CONFIDENCE = 0.9
PORTION = 250  # programs drawn from one seed
Row = tuple[object, ...]


@dataclass
class Tally:
    """What was compared, and what differed."""

    done: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)  # by ProbLog: why
    wrong: list[tuple[str, str]] = field(default_factory=list)  # what, and the program

    @property
    def coverage(self) -> float:
        """The share of sampled intervals that contain the truth."""
        return self.done["intervals with the truth"] / max(1, self.done["intervals"])

    @property
    def covers(self) -> bool:
        """Whether that share is the stated one, as far as chance allows: so few would come once in 1,000 runs."""
        number, hits = self.done["intervals"], self.done["intervals with the truth"]
        odds = log(CONFIDENCE / (1 - CONFIDENCE))
        whole = lgamma(number + 1) + number * log(1 - CONFIDENCE)
        return sum(exp(whole - lgamma(i + 1) - lgamma(number - i + 1) + i * odds) for i in range(hits + 1)) >= 1e-3


def truth(core: CoreProgram) -> tuple[dict[Row, float], float, int] | None:
    """By enumeration: each atom's probability given the conditions, that of the conditions, and the number of worlds.

    None where there are too many worlds.
    """
    joint: Counter[Row] = Counter()
    allowed, number = 0.0, 0
    for weight, _, model in worlds(core):
        number += 1
        if number > MOST_WORLDS:
            return None
        violated = any(row[0].startswith(":-") for row in model)
        if not violated and all((as_row(e.atom) in model) == e.holds for e in core.evidence):
            allowed += weight
            for row in model:
                joint[row] += weight
    if allowed < 1e-12:
        return {}, 0.0, number
    return {row: p / allowed for row, p in joint.items() if row[0] in ARITY}, allowed, number


def compare(lines: Sequence[str], number: int, tally: Tally, with_problog: bool = True) -> None:
    """Check one program; `number` decides what is drawn at random."""
    source = "\n".join(lines)
    core = parse_program(source)
    expected = truth(core)
    assume(expected is not None)
    assert expected is not None
    answers, allowed, num_worlds = expected
    tally.done["programs"] += 1
    tally.done["worlds"] += num_worlds
    for construct, is_there in constructs(core).items():
        tally.done[construct] += is_there

    def fail(what: str) -> None:
        tally.wrong.append((what, source))

    if allowed == 0:
        tally.done["programs without any world"] += 1
        try:
            graph = ground(core)
            exact(graph)(probabilities(graph))
            fail("no world meets the conditions, and there is an answer")
        except InconsistentError:
            pass
        return
    graph = ground(core)
    reading = exact(graph)
    leaf = probabilities(graph)
    found = reading(leaf)
    mine = {as_row(query.atom): p for query, p in zip(graph.query, found.p.tolist(), strict=True)}
    for row, p in answers.items():
        if abs(mine.get(row, 0.0) - p) > 1e-9:
            fail(f"{row}: {mine.get(row)} instead of {p}")
    for row, p in mine.items():
        if row not in answers and abs(p) > 1e-9:
            fail(f"{row}: {p} instead of 0")
    if len(graph.query) and abs(float(found.evidence[0]) - allowed) > 1e-9:
        fail(f"the conditions: {float(found.evidence[0])} instead of {allowed}")
    tally.done["answers"] += len(graph.query)
    draw = random.Random(number)
    _order(lines, mine, draw, fail)
    _bounds(core, answers, draw, tally, fail)
    _proofs(graph, leaf, answers, draw, tally, fail)
    _samples(graph, leaf, answers, draw, tally, number)
    if number % 10 == 0:
        _gradient(graph, leaf, number, tally, fail)
    if with_problog:
        _problog(core, mine, tally, fail)


def constructs(core: CoreProgram) -> dict[str, bool]:
    """Which constructs a program has."""
    rules = (*core.rules, *core.constraints)
    return {
        "with recursion": any(component.is_recursive for component in core.components),
        "with negation": any(isinstance(b, Literal) and b.negated for rule in rules for b in rule.body),
        "with annotated disjunctions": any(rule.choice and len(rule.heads) > 1 for rule in rules),
        "with constraints": bool(core.constraints),
        "with evidence": bool(core.evidence),
        "with aggregates": any(isinstance(b, Aggregate) for rule in rules for b in rule.body),
    }


def probabilities(graph: DerivationGraph) -> torch.Tensor:
    return torch.from_numpy(graph.choices.probability.copy())


def _order(lines: Sequence[str], mine: dict[Row, float], draw: random.Random, fail) -> None:  # type: ignore[no-untyped-def]
    """The same program with its lines, and the literals of its bodies, shuffled."""
    other = [reordered(line, draw) for line in lines]
    draw.shuffle(other)
    graph = ground(parse_program("\n".join(other)))
    again = exact(graph)(probabilities(graph)).p.tolist()
    theirs = {as_row(query.atom): p for query, p in zip(graph.query, again, strict=True)}
    if theirs.keys() != mine.keys() or any(abs(theirs[row] - p) > 1e-9 for row, p in mine.items()):
        fail("another order of lines and literals answers otherwise")


def reordered(line: str, draw: random.Random) -> str:
    """A rule with the literals of its body in another order."""
    head, arrow, body = line.partition(":-")
    if not arrow or not body.endswith("."):
        return line
    parts, depth = [""], 0
    for character in body[:-1]:
        depth += (character in "({") - (character in ")}")
        if character == "," and not depth:
            parts.append("")
        else:
            parts[-1] += character
    draw.shuffle(parts)
    return f"{head}:- {', '.join(part.strip() for part in parts)}."


def _bounds(core, answers, draw, tally, fail) -> None:  # type: ignore[no-untyped-def]
    """Answers with a budget of a few states, until one needs more: an interval, and the truth in it."""
    rows = sorted(answers, key=repr)
    for row in draw.sample(rows, min(4, len(rows))):
        graph = ground(core, queries=(Query(as_atom(row)),))
        reading = exact(graph, Budget(nodes=draw.choice([1, 2, 3, 5, 8])))
        found = reading(probabilities(graph))
        if not found.lower.item() - 1e-9 <= answers[row] <= found.upper.item() + 1e-9:
            fail(f"{row}: {answers[row]} is not in [{found.lower.item()}, {found.upper.item()}]")
        if reading.method == "bounds":
            tally.done["readings cut short"] += 1
            break


def _proofs(graph, leaf, answers, draw, tally, fail) -> None:  # type: ignore[no-untyped-def]
    """The best proofs of one answer."""
    known = [query for query in graph.query if query.literal is not None]
    if not known or len(graph.evidence) or len(graph.constraint):
        return
    query = draw.choice(known)
    try:
        proofs = best_proofs(graph, leaf, query.literal, 3)
    except LimitError:
        return
    tally.done["proofs"] += len(proofs)
    p = answers.get(as_row(query.atom), 0.0)
    if any(proof.probability > p + 1e-9 for proof in proofs) or (not proofs and p > 1e-9):
        fail(f"{query.atom}: {p}, but its proofs have {[proof.probability for proof in proofs]}")


def _samples(graph, leaf, answers, draw, tally, number) -> None:  # type: ignore[no-untyped-def]
    """One answer that is neither certain nor impossible, from random worlds."""
    open_ones = [i for i, q in enumerate(graph.query) if 1e-9 < answers.get(as_row(q.atom), 0.0) < 1 - 1e-9]
    if not open_ones:
        return
    try:
        found = sample(graph, leaf, WORLDS_SAMPLED, seed=number, confidence=CONFIDENCE)
    except InconsistentError:
        tally.done["samples without any world left"] += 1
        return
    i = draw.choice(open_ones)
    tally.done["intervals"] += 1
    tally.done["intervals with the truth"] += found.lower[i] <= answers[as_row(graph.query[i].atom)] <= found.upper[i]


def _gradient(graph: DerivationGraph, leaf: torch.Tensor, number: int, tally: Tally, fail) -> None:  # type: ignore[no-untyped-def]
    """Along one direction that keeps every choice a distribution."""
    table = graph.choices
    if not len(graph.query) or not len(leaf):
        return
    draw = np.random.default_rng(number)
    direction = draw.normal(size=len(leaf)) * 0.1
    for choice in np.flatnonzero(~table.has_rest):
        own = slice(int(table.ptr[choice]), int(table.ptr[choice + 1]))
        direction[own] -= direction[own].mean()
    weight = torch.from_numpy(draw.normal(size=len(graph.query)))
    reading = exact(graph)
    start = leaf.clone().requires_grad_(True)
    (gradient,) = torch.autograd.grad(reading(start).p @ weight, start)
    step = 1e-5 * torch.from_numpy(direction)
    measured = float((reading(leaf + step).p - reading(leaf - step).p) @ weight) / 2e-5
    computed = float(gradient @ torch.from_numpy(direction))
    tally.done["gradients"] += 1
    if abs(measured - computed) > 1e-6 * max(1.0, abs(measured)):
        fail(f"gradient {computed} instead of {measured}")


# -- ProbLog --------------------------------------------------------------------------------------


def _problog(core: CoreProgram, mine: dict[Row, float], tally: Tally, fail) -> None:  # type: ignore[no-untyped-def]
    from problog import get_evaluatable
    from problog.errors import ProbLogError
    from problog.program import PrologString

    text = as_problog(core)
    if text is None:
        tally.refused["aggregates"] += 1
        return
    try:
        found = get_evaluatable("sdd").create_from(PrologString(text)).evaluate()
    except ProbLogError as error:
        tally.refused[type(error).__name__] += 1
        return
    tally.done["answers of ProbLog's"] += len(found)
    theirs = {(term.functor, *(int(a) for a in term.args)): p for term, p in found.items() if term.is_ground()}
    tally.done["programs ProbLog accepts"] += 1
    for row in theirs.keys() | mine.keys():
        if abs(theirs.get(row, 0.0) - mine.get(row, 0.0)) > 1e-6:
            fail(f"{row}: {mine.get(row)} here, {theirs.get(row)} in ProbLog\n{text}")


def as_problog(core: CoreProgram) -> str | None:
    """A program in ProbLog's language; None where it has no form there."""
    rules = (*core.rules, *core.constraints)
    if any(isinstance(b, Aggregate) for rule in rules for b in rule.body):
        return None
    lines = [f"{fact}." for fact in core.facts]
    lines += [_rule(rule) for rule in core.rules]
    lines += [_rule(rule, head="violated") for rule in core.constraints]
    lines += ["evidence(violated, false)."] * bool(core.constraints)
    lines += [f"evidence({e.atom}, {str(e.holds).lower()})." for e in core.evidence]
    lines += [f"query({query.atom})." for query in core.queries]
    return "\n".join(lines)


def _rule(rule: Rule, head: str | None = None) -> str:
    heads = [head or str(atom) for atom in rule.heads]
    if rule.choice is not None:
        weights = rule.choice.weights
        heads = [f"{_chance(w)}::{text}" for w, text in zip(weights, heads, strict=True)]
    body = sorted(map(_literal, rule.body))
    after = [text for _, text in body]  # in an order in which it can be run
    return f"{'; '.join(heads)}{' :- ' if after else ''}{', '.join(after)}."


def _chance(weight: object) -> str:
    assert isinstance(weight, Fixed)
    return format_term(weight.probability)


def _literal(literal: BodyLiteral) -> tuple[int, str]:
    """A literal, after a number that says when it can be run: what binds comes before what asks."""
    match literal:
        case Literal(atom, negated):
            return (3, f"\\+{_atom(atom)}") if negated else (0, _atom(atom))
        case Comparison("=", left, right):
            if isinstance(right, Expression):
                return 1, f"{format_term(left)} is {_expression(right)}"
            if isinstance(left, Expression):
                return 1, f"{format_term(right)} is {_expression(left)}"
            return 2, f"{format_term(left)} = {format_term(right)}"
        case Comparison(operator, left, right):
            name = {"!=": "=\\=", "<=": "=<"}.get(operator, operator)
            return 2, f"{_expression(left)} {name} {_expression(right)}"
    raise AssertionError(literal)


def _atom(atom: Atom) -> str:
    return str(atom)


def _expression(term) -> str:  # type: ignore[no-untyped-def]
    if isinstance(term, Expression):
        left, right = map(_expression, term.arguments)
        return f"({left} {term.function} {right})"
    return format_term(term)


# -- many -----------------------------------------------------------------------------------------


def run(count: int, first: int = 0, with_problog: bool = True, tally: Tally | None = None) -> Tally:
    """Compare many programs; the same `first` gives the same ones."""
    if with_problog:
        with warnings.catch_warnings(action="ignore", category=DeprecationWarning):  # of a module that it imports
            import problog  # noqa: F401 (it raises Python's recursion limit, which hypothesis sees if it happens later)
    tally = tally or Tally()
    number = itertools.count(1_000_000 * first)

    @seed(first)
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        derandomize=False,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(program(is_busy=True))
    def each(lines: list[str]) -> None:
        compare(lines, next(number), tally, with_problog)

    each()
    return tally


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=0, help="of the first portion of programs; the next have the next")
    parser.add_argument("--seconds", type=float, default=0, help="stop after about this long (0: never)")
    parser.add_argument("--record", help="a JSON file to go on from, and to write to: a long run in several parts")
    parser.add_argument("--no-problog", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    tally, start = Tally(), time.monotonic()
    record = Path(arguments.record) if arguments.record else None
    if record and record.exists():
        known = json.loads(record.read_text(encoding="utf-8"))
        tally = Tally(Counter(known["done"]), Counter(known["refused"]), [tuple(w) for w in known["wrong"]])
    while tally.done["programs"] < arguments.count:
        if arguments.seconds and time.monotonic() - start > arguments.seconds:
            break
        portion = tally.done["portions"]
        tally.done["portions"] += 1
        size = min(PORTION, arguments.count - tally.done["programs"])
        run(size, arguments.seed + portion, not arguments.no_problog, tally)
        wrong, done = len(tally.wrong), tally.done["programs"]
        print(f"{done:,} programs in {time.monotonic() - start:.0f} s, {wrong} wrong", flush=True)
        if record:
            found = {"done": tally.done, "refused": tally.refused, "wrong": tally.wrong}
            record.write_text(json.dumps(found, indent=1, default=int), encoding="utf-8")
    for name, number in sorted(tally.done.items()):
        print(f"{number:>9,}  {name}")
    print("ProbLog does not accept: " + ", ".join(f"{n:,} {why}" for why, n in tally.refused.most_common()))
    stated = "as stated" if tally.covers else "less than stated"
    print(f"Intervals of confidence {CONFIDENCE} contain the truth in {tally.coverage:.3f} of the cases: {stated}")
    for what, source in sorted(tally.wrong, key=lambda item: len(item[1]))[:3]:
        print(f"\nWRONG: {what}\n{source}")
    if tally.wrong or not tally.covers:
        raise SystemExit(f"{len(tally.wrong)} disagreements")


if __name__ == "__main__":
    main()
