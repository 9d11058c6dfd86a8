"""Answers where predicates are open: true, false or unknown, each with its proof or with a world for either case."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from html import escape
from typing import Any

from nesy.answer import Explanation
from nesy.errors import QueryError
from nesy.explanation import Reason, RuleNote, Section, Step, Story
from nesy.language.core import CoreProgram, Query
from nesy.solver import Entailment, Inference, entailments

_MOST_SHOWN = 40  # atoms of a world; all of them are in the data


@dataclass(frozen=True, eq=False)
class Decision:
    """Whether one ground atom holds in every world that the rules allow, in none, or in some."""

    atom: str
    verdict: str  # true, false, unknown; impossible: no world is allowed; undecided: a limit ended the search
    found: Entailment = field(repr=False)
    negated: bool = False

    @property
    def text(self) -> str:
        """The query in the program's own syntax."""
        return f"\\+{self.atom}" if self.negated else self.atom

    def to_dict(self) -> dict[str, Any]:
        """The row as `nesy run --json` prints it."""
        return {
            "query": self.text,
            "verdict": self.verdict,
            "method": "entailment",
            "reason": self.found.reason,
            "holding": list(self.found.holding) if self.verdict == "unknown" else [],
            "failing": list(self.found.failing) if self.verdict == "unknown" else [],
        }


_OPPOSITE = {"true": "false", "false": "true"}
_NOTES = {
    "fact": "",
    "rule": "",
    "denied": "or else the rule would conclude what does not hold",
    "last way": "the only way that is left to derive what holds",
    "no way": "no way to derive it is left",
    "constraint": "or else the constraint would be violated",
    "opposite": "its opposite is settled",
}


@dataclass(frozen=True, eq=False)
class Truth:
    """What follows for each ground atom of the queries: see `Program.truth`.

    Example:
        >>> from nesy.program import Program
        >>> program = Program.from_text("#open wet/1. slips(X) :- wet(X). -wet(a).")
        >>> print(program.truth("slips(a)"))
        slips(a)  false
    """

    rows: tuple[Decision, ...]
    program: CoreProgram = field(repr=False)

    @classmethod
    def of(cls, program: CoreProgram, queries: tuple[Query, ...], seconds: float) -> Truth:
        """Decide each query; `seconds` is the time limit of each. Raises: QueryError for evidence"""
        if program.evidence:
            raise QueryError(
                "evidence conditions probabilities; in a program with open predicates, write what is known as facts "
                "or as constraints"
            )
        rows = []
        for query in queries:
            for found in entailments(program, query.atom, {}, program.open, seconds):
                verdict = _OPPOSITE.get(found.verdict, found.verdict) if query.negated else found.verdict
                is_pattern = str(query.atom) != found.query
                if not (is_pattern and found.verdict == "false"):
                    rows.append(Decision(found.query, verdict, found, query.negated))
        return cls(tuple(rows), program)

    def __iter__(self) -> Iterator[Decision]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Decision:
        return self.rows[index]

    def __str__(self) -> str:
        width = max((len(row.text) for row in self.rows), default=0)
        lines = []
        for row in self.rows:
            why = f"  ({row.found.reason})" if row.found.reason else ""
            lines.append(f"{row.text:<{width}}  {row.verdict}{why}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        """In a notebook: the rows, and why the first one is what it is."""
        cells = ((f"<code>{escape(row.text)}</code>", escape(row.verdict)) for row in self.rows)
        lines = [f"<tr><td>{text}</td><td>{verdict}</td></tr>" for text, verdict in cells]
        return f"<table>{''.join(lines)}</table>{self.explain()._repr_html_() if self.rows else ''}"

    def explain(self, row: Decision | None = None) -> Explanation:
        """The proof of a row (the first, if none is named), or a world in which it holds and one in which it fails."""
        chosen = row or self.rows[0]
        steps = tuple(_step(number, inference) for number, inference in enumerate(chosen.found.proof))
        reasons = (Reason(len(steps) - 1, 1.0, None),) if steps else ()
        sections = tuple(self._sections(chosen))
        story = Story(chosen.text, 1.0, steps, reasons, "entailment", sections=sections, verdict=chosen.verdict)
        return Explanation(story, None)

    def to_dict(self, *, explain: bool = False) -> dict[str, Any]:
        """The rows as data."""
        answers = []
        for row in self.rows:
            entry = row.to_dict()
            if explain:
                entry["explanation"] = self.explain(row).to_dict()
            answers.append(entry)
        return {"answers": answers}

    def _sections(self, row: Decision) -> Iterator[Section]:
        match row.verdict:
            case "unknown":
                facts = {str(fact) for fact in self.program.facts}
                yield _world(f"a world in which {row.atom} holds", row.found.holding, facts)
                yield _world("a world in which it does not", row.found.failing, facts)
            case "true" | "false":
                if not row.found.proof:
                    lines = ("it takes an analysis of cases, which no single chain of steps shows",)
                    yield Section("proof", lines)
                data = {"verdict": "checked", "smt2": row.found.smt2}
                line = f"checked by Z3 ({row.found.seconds * 1000:.0f} ms)"
                yield Section("certificate", (line,), "certificate", True, data)
            case "impossible":
                lines = ("facts, rules and constraints leave no world: `nesy check` names the clash",)
                yield Section("no world", lines, "conflict", False)
            case _:
                yield Section("undecided", (row.found.reason,))


def _world(title: str, atoms: tuple[str, ...], facts: set[str]) -> Section:
    """An example world; what the program states is left out, for it holds in every one."""
    shown = [atom for atom in atoms if atom not in facts]
    more = f", and {len(shown) - _MOST_SHOWN} more" if len(shown) > _MOST_SHOWN else ""
    text = f"{', '.join(shown[:_MOST_SHOWN])}{more}" if shown else "nothing but the program's facts"
    return Section(title, (text,), data={"atoms": list(atoms)})


def _step(number: int, inference: Inference) -> Step:
    kind = "fact" if inference.how == "fact" else "absent" if inference.how == "no way" else "derived"
    rule = RuleNote.of(inference.rule)
    note = _NOTES[inference.how] if inference.premises or inference.how != "no way" else "no rule can derive it"
    return Step(number, kind, inference.text, inference.holds, 1.0, rule, children=inference.premises, note=note)
