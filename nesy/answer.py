"""An answer: ground atoms with probabilities, and everything that can be said about why."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from html import escape
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nesy.errors import InconsistentError, NesyError, QueryError
from nesy.explanation import (
    Section,
    Story,
    blame,
    change_section,
    influence_section,
    render,
    repair_section,
    tell,
    tilt,
    to_dict,
    to_dot,
    to_html,
    to_markdown,
    to_part,
    to_png,
    to_raster,
    to_svg,
    to_text,
    why_not_section,
)
from nesy.language import parse_query
from nesy.language.core import Atom, Constant, Query, Structure, Term, Variable, format_term
from nesy.language.values import Compound, Value
from nesy.leaves import assuming
from nesy.perception import Facts, Influence, Payload, View
from nesy.reasoning import DerivationGraph, Proof, Reading, best_proofs
from nesy.reasoning.readings.findings import Change
from nesy.solver import Certificate, certify, explain_impossible, repair, smallest_change, why_not

_WIDEST = 120  # columns; longer lines are hard to read
_ROUNDING = 1e-6  # by which probabilities that sum to 1 may miss it: float32 scores
_MOST_BLAMED = 4  # leaves shown; the others matter less


@dataclass(frozen=True, eq=False)
class Row:
    """One ground atom of an answer. `row["Who"]` is the value of a variable of the query."""

    atom: Atom
    p: float
    lower: float
    upper: float
    method: str
    bindings: Mapping[str, Value]
    negated: bool = False
    literal: int | None = field(default=None, repr=False)

    def __getitem__(self, variable: str) -> Value:
        return self.bindings[variable]

    @property
    def text(self) -> str:
        """The atom in the program's own syntax."""
        return f"\\+{self.atom}" if self.negated else str(self.atom)

    def to_dict(self) -> dict[str, Any]:
        """The row as `nesy run --json` prints it."""
        return {
            "query": self.text,
            "probability": self.p,
            "method": self.method,
            "lower": self.lower,
            "upper": self.upper,
        }


def row_of(graph: DerivationGraph, reading: Reading, number: int, p: float, lower: float, upper: float) -> Row:
    """The row of one query of a graph, from what the reading gave for it."""
    query = graph.query[number]
    if query.literal is None and query.query.negated:
        p = lower = upper = 1.0  # what nothing derives is false in every world
    bindings: dict[str, Value] = {}
    _match(query.query.atom.arguments, [c.value for c in query.atom.arguments if isinstance(c, Constant)], bindings)
    return Row(query.atom, p, lower, upper, reading.methods[number], bindings, query.query.negated, query.literal)


@dataclass(frozen=True, eq=False)
class _Look:
    """One key that the encoder scored: what it saw there, and what moved it."""

    name: str
    text: str
    rival: str | None
    influence: Influence | None
    pixels: NDArray[np.float32] | None


@dataclass(frozen=True, eq=False)
class Answer:
    """The ground answers of one query or of all queries of a file, in the program's order.

    Example:
        >>> from nesy.program import Program
        >>> answer = Program.from_text("0.9::edge(a,b). 0.8::edge(b,c).").query("edge(a, X)")
        >>> [(str(row["X"]), row.p) for row in answer]
        [('b', 0.9)]
    """

    rows: tuple[Row, ...]
    graph: DerivationGraph = field(repr=False)
    leaf: Tensor = field(repr=False)
    reading: Reading = field(repr=False)
    view: View | None = field(default=None, repr=False)
    payload: Payload | None = field(default=None, repr=False)
    facts: Facts = field(default_factory=dict, repr=False)

    @classmethod
    def of(
        cls,
        graph: DerivationGraph,
        leaf: Tensor,
        reading: Reading,
        view: View | None = None,
        payload: Payload | None = None,
        facts: Facts | None = None,
    ) -> Answer:
        """Read the queries' probabilities off a graph.

        Shapes: leaf [L]

        Raises: InconsistentError where evidence and constraints leave no world.
        """
        with torch.no_grad(), explaining_impossible(graph):
            found = reading(leaf)
        values = zip(found.p.tolist(), found.lower.tolist(), found.upper.tolist(), strict=True)
        rows = tuple(row_of(graph, reading, number, *three) for number, three in enumerate(values))
        return cls(rows, graph, leaf, reading, view, payload, facts or {})

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Row:
        return self.rows[index]

    def _repr_html_(self) -> str:
        """In a notebook: the rows, and why the most probable one holds."""
        if not self.rows:
            return "<p>no answers: nothing that matches the query can be derived</p>"
        lines = [
            f"<tr><td><code>{escape(row.text)}</code></td><td>{escape(_value(row))}</td><td>{escape(row.method)}</td></tr>"
            for row in self.rows
        ]
        return f"<table>{''.join(lines)}</table>{self.explain()._repr_html_()}"

    @property
    def text(self) -> str | None:
        """The input, where it is a text."""
        found = self.payload.get("text") if self.payload else None
        return found if isinstance(found, str) else None

    @cached_property
    def best(self) -> Row:
        """The most probable row."""
        return max(self.rows, key=lambda row: row.p)

    @property
    def surest(self) -> float:
        """The share of the best row among all, as measuring takes it for how sure an answer is; 0 without any.

        Of several queries it is that of the least sure.
        """
        totals = [(part.best.p, sum(row.p for row in part.rows)) for part in self.parts]
        return min((best / total if total else 0.0 for best, total in totals), default=0.0)

    def with_probabilities(self, chances: Mapping[str, float]) -> Answer:
        """The same answer where some facts have other probabilities: the graph is read again, no rule is run.

        Facts are named by their atoms, as in `{"rain": 0.9}`; outcomes of one choice have to fit each other.

        Raises: QueryError for an atom that is no uncertain fact or outcome of this answer, or a probability that does
        not fit; InconsistentError.
        """
        table = self.graph.choices
        place: dict[str, list[int]] = {}
        for number in range(table.num_leaves):
            place.setdefault(str(self.graph.atom_of(number)), []).append(number)
        leaf = self.leaf.clone()
        for text, chance in chances.items():
            atom = str(parse_query(text, self.graph.program).atom)
            match place.get(atom, []):
                case []:
                    raise QueryError(f"`{atom}` is not an uncertain fact that this answer depends on")
                case [number]:
                    leaf[number] = chance
                case several:
                    raise QueryError(
                        f"`{atom}` is the outcome of {len(several)} choices: which one is meant is not clear"
                    )
        whole = leaf.new_zeros(table.num_choices).index_add(0, torch.from_numpy(table.of_leaf).to(leaf.device), leaf)
        has_rest = torch.from_numpy(table.has_rest).to(leaf.device)
        fits = (whole >= 0) & (whole <= 1 + _ROUNDING) & (has_rest | (whole >= 1 - _ROUNDING))
        if bool(((leaf < 0) | (leaf > 1)).any()) or not bool(fits.all()):
            worst = self.graph.atom_of(int(table.ptr[int((~fits).int().argmax())]))
            raise QueryError(
                f"the probabilities of the choice of `{worst}` do not sum to 1, or one is not between 0 and 1"
            )
        return Answer.of(self.graph, leaf, self.reading, self.view, self.payload, self.facts)

    @property
    def parts(self) -> list[Answer]:
        """The answer to each query for itself; a query that nothing answers has no part."""
        found: dict[Query, list[Row]] = {}
        for row in self.rows:
            found.setdefault(self.graph.query[self._position(row)].query, []).append(row)
        return [replace(self, rows=tuple(rows)) for rows in found.values()]

    def top(self, number: int = 3) -> Answer:
        """The most probable rows, best first."""
        ranked = sorted(self.rows, key=lambda row: -row.p)
        return replace(self, rows=tuple(ranked[:number]))

    def explain(self, row: Row | None = None, *, top: int = 1, change: bool = False) -> Explanation:
        """Why a row (the most probable one, if none is named) holds, and what it rests on.

        Its `top` most probable proofs, with what the encoder saw at their leaves; the leaves that matter most; and
        Z3's verdict on the best proof. With `change`, also the smallest set of other outcomes after which the
        row would not hold: a search, so it may take as long as Z3's time limit.
        """
        chosen = row or self.best
        literal = chosen.literal
        proofs = best_proofs(self.graph, self.leaf, literal, top) if literal is not None else []
        position = self._position(chosen)
        saw = self.view.saw if self.view else None
        looks = self._looks(proofs[0]) if proofs else []
        story = tell(
            self.graph,
            proofs,
            self.leaf.numpy(force=True),
            answer=chosen.text,
            probability=chosen.p,
            method=chosen.method,
            saw=saw,
            text=self.text,
            pictures={look.name: to_raster(look.pixels, look.influence) for look in looks if look.pixels is not None},
            shares=[self._share(proof, chosen) for proof in proofs],
        )
        story = replace(story, blame=blame(self.reading, self.leaf, position, saw, _MOST_BLAMED))
        moved = [(look.text, look.rival, look.influence) for look in looks if look.influence is not None]
        if moved:
            story = replace(story, sections=(*story.sections, influence_section(moved)))
        if change:
            story = replace(story, sections=(*story.sections, change_section(self._change(chosen))))
        return Explanation(story, certify(self.graph, proofs[0], self.facts) if proofs else None)

    def certify(self, row: Row | None = None) -> Certificate | None:
        """Z3's verdict on the best proof of a row (the most probable one, if none is named); None without a proof."""
        literal = (row or self.best).literal
        proofs = best_proofs(self.graph, self.leaf, literal, 1) if literal is not None else []
        return certify(self.graph, proofs[0], self.facts) if proofs else None

    def why_not(self, atom: str) -> Explanation:
        """Why a ground atom did not come out: the rules that could have given it, and the fewest facts that would.

        Raises: ProgramError for an atom that does not fit the program.
        """
        program = self.graph.program
        found = why_not(program, parse_query(atom, program).atom, self.facts)
        p = next((row.p for row in self.rows if str(row.atom) == found.answer), 0.0)
        return Explanation(Story(found.answer, p, (), (), text=self.text, sections=(why_not_section(found),)), None)

    def conflicts(self) -> Explanation:
        """Where the most probable proposals violate hard constraints, and the most probable way out."""
        found = repair(
            self.graph, self.leaf.numpy(force=True), int(self.graph.query[0].sample) if self.graph.query else -1
        )
        story = Story(self.best.text, self.best.p, (), (), text=self.text, sections=(repair_section(found),))
        return Explanation(story, None)

    def _looks(self, proof: Proof) -> list[_Look]:
        """What the encoder looked at for the leaves of a proof, and which parts of it mattered."""
        found: dict[tuple[str, tuple[Value, ...]], _Look] = {}
        if self.view is None:
            return []
        choices = self.graph.choices
        rules = {rule.choice.id: rule for rule in self.graph.program.rules if rule.choice and rule.choice.neural}
        for literal in sorted(proof.assumed):
            leaf = literal >> 1
            row = int(choices.of_leaf[leaf])
            rule = rules.get(int(choices.choice[row]))
            if rule is None or rule.choice is None or rule.choice.neural is None:
                continue
            name, key = rule.choice.neural, choices.key[row]
            is_one_of_many = self.graph.program.neural[name].values is not None
            seen = self.view.saw(name, key)
            if seen is None or (literal & 1 and is_one_of_many):  # "not a 3" says little of what was seen
                continue
            influence = self.view.influence(name, key, int(choices.outcome[leaf]))
            text = str(self.graph.atom_of(leaf))
            rival = self._outcome(row, influence.rival) if influence and influence.rival is not None else None
            found[name, key] = _Look(seen.text, text, rival, influence, self.view.crop(name, key))
        return list(found.values())

    def _outcome(self, row: int, outcome: int) -> str | None:
        """The last argument of an outcome of a choice: the value that the encoder chose against."""
        choices = self.graph.choices
        for leaf in range(int(choices.ptr[row]), int(choices.ptr[row + 1])):
            if int(choices.outcome[leaf]) == outcome:
                return format_term(self.graph.atom_of(leaf).arguments[-1])
        return None

    def _change(self, row: Row) -> Change:
        """The fewest outcomes to settle otherwise so that a rival wins; for a row without one, so that it fails."""
        position = self._position(row)
        query = self.graph.query[position].query
        rivals = [i for i, other in enumerate(self.graph.query) if other.query is query]
        if len(rivals) > 1:
            found = tilt(self.reading, self.leaf, rivals)
            if found.verdict == "found" and found.answer == row.text:
                return found
        if row.literal is None:
            return Change("never", row.text, reason="no rule derives it: ask why not")
        return smallest_change(self.graph, self.leaf.numpy(force=True), row.literal)

    def _position(self, row: Row) -> int:
        """Where a row stands among the graph's queries."""
        return next(
            i for i, query in enumerate(self.graph.query) if query.atom == row.atom and query.literal == row.literal
        )

    def _share(self, proof: Proof, row: Row) -> float | None:
        """How much of an answer rests on a proof: P(proof | answer, evidence and constraints)."""
        if not row.p:
            return None
        with torch.no_grad():
            given = self.reading(assuming(self.graph, self.leaf, proof.assumed), where_impossible="nan")
            before = self.reading(self.leaf)
        position = self._position(row)
        allowed = float(given.evidence[position]) / float(before.evidence[position])
        return proof.probability * allowed / row.p

    def to_dict(self, *, explain: bool = False) -> dict[str, Any]:
        """The answer as data; `answers` has one entry per ground query atom."""
        answers = []
        for row in self.rows:
            entry = row.to_dict()
            if explain:
                entry["explanation"] = self.explain(row).to_dict()
            answers.append(entry)
        return {"answers": answers}

    def __str__(self) -> str:
        width = max((len(row.text) for row in self.rows), default=0)
        lines = []
        for row in self.rows:
            lines.append(f"{row.text:<{width}}  {_value(row)}  {row.method}")
        return "\n".join(lines)


def _value(row: Row) -> str:
    """The probability, or the interval it lies in."""
    return f"{row.p:.6g}" if row.lower == row.upper else f"{row.p:.6g} in [{row.lower:.6g}, {row.upper:.6g}]"


@contextmanager
def explaining_impossible(graph: DerivationGraph) -> Iterator[None]:
    """Let an InconsistentError name the smallest set of evidence and constraints that no world meets."""
    try:
        yield
    except InconsistentError as error:
        raise InconsistentError(explain_impossible(graph) or str(error)) from error


@dataclass(frozen=True, eq=False)
class Explanation:
    """Why an answer holds, and Z3's verdict on the best reason. `print` draws it as a tree."""

    story: Story
    certificate: Certificate | None

    def __str__(self) -> str:
        return to_text(self._whole, width=_terminal_width()).rstrip("\n")

    def __rich__(self) -> Any:
        return render(self._whole)

    def _repr_html_(self) -> str:
        return to_html(self._whole, page=False)

    def to_dict(self) -> dict[str, Any]:
        """The explanation as data: the same facts as the tree."""
        return to_dict(self._whole)

    def to_part(self) -> str:
        """The explanation as HTML for a larger page, which has `STYLE` and `SCRIPT` of `nesy.explanation`."""
        return to_part(self._whole)

    def draw(self, kind: str = "svg") -> str | bytes:
        """The explanation as a text of one of `FORMATS`; bytes for png.

        Raises: NesyError for an unknown format; MissingExtraError for png without its renderer.
        """
        if kind not in FORMATS:
            raise NesyError(f"unknown format `{kind}`: it is {', '.join(FORMATS)}")
        return FORMATS[kind](self._whole)

    @property
    def _whole(self) -> Story:
        if self.certificate is None:
            return self.story
        said = self.certificate
        section = Section(
            "certificate",
            (str(said),),
            "certificate",
            {"checked": True, "failed": False, "unknown": None}[said.verdict],
            {
                "verdict": said.verdict,
                "premises": list(said.premises),
                "assertions": said.num_assertions,
                "seconds": said.seconds,
                "reason": said.reason,
            },
        )
        return replace(self.story, sections=(*self.story.sections, section))


# Drawings by the name that `--format` takes.
FORMATS: Mapping[str, Callable[[Story], str | bytes]] = {
    "json": lambda story: json.dumps(to_dict(story), indent=2, ensure_ascii=False),
    "dot": to_dot,
    "svg": to_svg,
    "png": to_png,
    "html": to_html,
    "md": to_markdown,
}


def _terminal_width() -> int:
    return min(_WIDEST, shutil.get_terminal_size((100, 24)).columns)


def _match(terms: tuple[Term, ...], values: list[Value], bindings: dict[str, Value]) -> None:
    """Read off the values of a query's named variables; the row is known to match."""
    for term, value in zip(terms, values, strict=True):
        match term, value:
            case Variable(name), _ if not name.startswith("_"):
                bindings[name] = value
            case Structure(_, inner), Compound(_, arguments):
                _match(inner, list(arguments), bindings)
            case _:
                pass
