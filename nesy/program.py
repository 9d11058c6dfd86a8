"""A rule file, ready to be asked: `nesy.load("rules/kinship.nesy").query("grandparent(ann, Who)")`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import torch

from nesy.answer import Answer, explaining_impossible
from nesy.errors import QueryError, near_name
from nesy.language import Functions, load_program, parse_program, parse_query
from nesy.language.core import Atom, Choice, Constant, CoreProgram, Fixed, Query, Rule, ground_atom
from nesy.language.values import Compound, Symbol, Value, make_list
from nesy.leaves import LeafPlan, Parameters
from nesy.reasoning import Budget, DerivationGraph, Limits, exact, ground
from nesy.truth import Truth

PythonValue: TypeAlias = "int | float | str | Symbol | Compound | String | Sequence[PythonValue]"
Rows: TypeAlias = Iterable[tuple[PythonValue, ...]] | Mapping[tuple[PythonValue, ...], float]


class String(str):
    """A quoted string where plain Python text would mean a symbol: `String("not")` is `"not"`."""

    __slots__ = ()


class Program:
    """A checked program. It never changes: `with_facts` gives a new one.

    Example:
        >>> coin = Program.from_text("0.5::heads(1). 0.6::heads(2). both :- heads(1), heads(2).")
        >>> print(f"{coin.query('both').rows[0].p:.2f}")
        0.30
    """

    def __init__(self, core: CoreProgram):
        self.core = core

    @classmethod
    def load(cls, path: str | Path, *, functions: Functions = ()) -> Program:
        """Read and check a rule file (`.nesy`, or ProbLog's `.pl`); `functions` are what `nesy.function` made.

        Raises: ProgramError, with every mistake that the file has.
        """
        return cls(load_program(path, functions=functions))

    @classmethod
    def from_text(cls, text: str, name: str = "<text>", *, functions: Functions = ()) -> Program:
        """Check a program given as a string.

        Raises: ProgramError.
        """
        return cls(parse_program(text, name, functions=functions))

    def with_facts(self, facts: Mapping[str, Rows]) -> Program:
        """This program and more facts, by predicate: rows, or rows with probabilities.

        In a row, Python text is a symbol (`"ann"` is `ann`), `nesy.String("not")` is the string `"not"`.

        Raises: QueryError for a predicate that the program does not know, or a row of another length.

        Example:
            >>> program = Program.from_text("#input edge(from, to).  path(X,Y) :- edge(X,Y).")
            >>> program.with_facts({"edge": {("a", "b"): 0.9}}).query("path(a, X)").rows[0].p
            0.9
        """
        certain: list[Atom] = []
        uncertain: list[tuple[Atom, float]] = []
        for name, rows in facts.items():
            for row in rows:
                atom = self._fact(name, row)
                probability = rows[row] if isinstance(rows, Mapping) else 1.0
                if not 0.0 <= probability <= 1.0:
                    raise QueryError(f"{atom}: probability {probability} is not between 0 and 1")
                if isinstance(rows, Mapping):
                    uncertain.append((atom, float(probability)))
                else:
                    certain.append(atom)
        everything = (*self.core.rules, *self.core.constraints)
        next_rule = 1 + max((rule.id for rule in everything), default=-1)
        next_choice = 1 + max((rule.choice.id for rule in everything if rule.choice), default=-1)
        added = tuple(
            Rule(next_rule + i, (atom,), (), Choice(next_choice + i, (), (Fixed(Constant(probability)),)))
            for i, (atom, probability) in enumerate(uncertain)
        )
        core = replace(self.core, facts=(*self.core.facts, *certain), rules=(*self.core.rules, *added))
        return Program(core)

    def ground(self, query: str | None = None, *, limits: Limits | None = None) -> DerivationGraph:
        """The derivation graph of a query, or of the queries that the file states.

        Raises: QueryError, LimitError.
        """
        return ground(self.core, queries=self._queries(query), limits=limits or Limits())

    def query(
        self,
        query: str | None = None,
        facts: Mapping[str, Rows] | None = None,
        *,
        budget: Budget | None = None,
        limits: Limits | None = None,
    ) -> Answer:
        """Answer a query, or all queries that the file states; exact unless the answer says otherwise.

        Raises: QueryError for a query that does not fit; InconsistentError where evidence and
        constraints leave no world; LimitError.
        """
        program = self.with_facts(facts) if facts else self
        if program.core.open:
            names = ", ".join(f"`{name}`" for name in sorted(program.core.open))
            raise QueryError(f"{names}: with open predicates an answer is true, false or unknown: ask `truth`")
        if program.core.neural:
            names = ", ".join(f"`{name}`" for name in program.core.neural)
            raise QueryError(
                f"{names}: neural predicates need a trained encoder: train a task with these rules "
                f"(`nesy train TASK`) and ask the run, or write their facts in the program"
            )
        graph = program.ground(query, limits=limits)
        parameters = Parameters(program.core)
        plan = LeafPlan.of(graph, parameters)
        with torch.no_grad(), explaining_impossible(graph):
            leaf = plan.assemble(parameters(), {}, ())
            return Answer.of(graph, leaf, exact(graph, budget or Budget()))

    def truth(
        self, query: str | None = None, facts: Mapping[str, Rows] | None = None, *, seconds: float = 60.0
    ) -> Truth:
        """What follows where predicates are open (`#open p/1.`): each query is true, false or unknown, with a proof.

        True is what holds in every world that facts, rules and constraints allow, false what holds in none; choices
        may come out any way. `seconds` is the time limit for each query.

        Raises: QueryError for a query that does not fit, or a program with evidence.
        """
        program = self.with_facts(facts) if facts else self
        return Truth.of(program.core, program._queries(query), seconds)

    def _queries(self, query: str | None) -> tuple[Query, ...]:
        if query is not None:
            return (parse_query(query, self.core),)
        if not self.core.queries:
            raise QueryError("the program states no query: add a line such as `#query p(X).`, or give one with --query")
        return self.core.queries

    def _fact(self, name: str, row: tuple[PythonValue, ...]) -> Atom:
        if not isinstance(row, tuple):
            raise QueryError(f"{name}: a row is a tuple of values, not {row!r}")
        atom = ground_atom(name, tuple(_value(item) for item in row))
        if atom.signature not in self.core.predicates:
            arities = sorted(s.arity for s in self.core.predicates if s.name == name)
            if arities:
                raise QueryError(f"{atom}: `{name}` has {' or '.join(map(str, arities))} columns, not {len(row)}")
            near = near_name(name, {s.name for s in self.core.predicates})
            hint = f"; did you mean `{near}`?" if near else ""
            raise QueryError(f"`{name}/{len(row)}` is not a predicate of the program{hint}")
        return atom


def _value(item: PythonValue) -> Value:
    match item:
        case String():
            return str(item)
        case str():
            return Symbol(item)
        case bool():
            raise QueryError(f"{item!r}: a truth value is not a constant; use the symbols true and false")
        case int() | float() | Symbol() | Compound():
            return item
        case list() | tuple():
            return make_list([_value(part) for part in item])
        case _:
            raise QueryError(f"{item!r}: a constant is a number, text, a Symbol or a list of these")
