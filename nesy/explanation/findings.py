"""Findings of the solver as sections of a story."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict

from nesy.explanation.story import Section
from nesy.explanation.terminal import percent
from nesy.perception import Influence, Part
from nesy.reasoning.readings.findings import Change, OutcomeChange, Repair, WhyNot

_MOST_PARTS = 4  # shown of each leaf; the data has all


def influence_section(found: Sequence[tuple[str, str | None, Influence]]) -> Section:
    """Which parts of the input moved the encoder: for each leaf its text, its rival's, and the parts."""
    lines, data = [], []
    for leaf, rival, influence in found:
        ranked = sorted(influence.parts, key=lambda entry: -abs(entry[1]))
        shown = [f"{_part(part)} {value:+.1f}" for part, value in ranked[:_MOST_PARTS]]
        rest = influence.offset + sum(value for _, value in ranked[_MOST_PARTS:])
        over = f" over {rival}" if rival else ""
        lines.append(f"{leaf}  {influence.total:+.1f}{over}: {', '.join([*shown, f'the rest {rest:+.1f}'])}")
        parts = [
            {"text": p.text, "start": p.start, "end": p.end, "box": list(p.box) if p.box else None, "share": value}
            for p, value in influence.parts
        ]
        data.append({"leaf": leaf, "over": rival, "total": influence.total, "offset": influence.offset, "parts": parts})
    return Section("what moved the encoder, in log-odds", tuple(lines), "influence", data=data)


def _part(part: Part) -> str:
    if part.box is not None:
        top, left, bottom, right = part.box
        return f"rows {top}-{bottom - 1}, columns {left}-{right - 1}"
    return f"“{part.text}”" if part.start is not None else part.text


def change_section(change: Change) -> Section:
    """What would change the answer."""
    match change.verdict:
        case "never":
            lines = [f"nothing: {change.reason}"]
        case "unknown":
            lines = [f"unknown: {change.reason}"]
        case "found":
            lines = [_change(one) for one in change.changes]
            if change.instead:
                lines.append(f"then {', '.join(change.instead)}")
            fewer = "; fewer changes would not do" if len(change.changes) > 1 else ""
            lines.append(f"{_times(change.odds)} as likely as what it rests on{fewer}")
    return Section("what would change it", tuple(lines), "change", data=asdict(change))


def why_not_section(found: WhyNot) -> Section:
    """Why an answer did not come out."""
    lines: list[str] = []
    for attempt in found.attempts:
        lines.append(f"{attempt.place}: {attempt.rule}" if attempt.place else attempt.rule)
        if attempt.met:
            lines.append(f"    there is {', '.join(attempt.met)}")
        if attempt.unmet:
            lines.append(f"    there is not {', '.join(attempt.unmet)}")
    if not found.attempts:
        lines.append("no rule derives it")
    lines += [f"excluded by {text}" for text in found.excluded_by]
    match found.verdict:
        case "found":
            lines += _listed("missing", found.missing) + _listed("in the way", found.in_the_way)
            lines += _listed("then it rests on", found.chosen)
        case "never":
            lines.append(found.reason)
        case "unknown":
            lines.append(f"what is missing is unknown: {found.reason}")
    return Section(f"why not {found.answer}", tuple(lines), "why_not", data=asdict(found))


def repair_section(found: Repair) -> Section:
    """Which proposals violate constraints, and the most probable repair."""
    lines: list[str] = []
    told = ""
    for conflict in found.conflicts:
        constraint = f"{conflict.place}: {conflict.constraint}" if conflict.place else conflict.constraint
        if constraint != told:
            lines.append(constraint)
            told = constraint
        lines.append(f"    violated by {', '.join(conflict.proposals) or 'every world'}")
    match found.verdict:
        case "consistent":
            lines.append("the most probable proposals violate nothing")
        case "repaired":
            lines += [f"repaired by {_change(one)}" for one in found.changes]
            lines += _listed("then", found.answers)
        case "impossible":
            lines.append("no world satisfies all constraints")
        case "unknown":
            lines.append(f"a repair is unknown: {found.reason}")
    return Section("conflicts", tuple(lines), "conflict", found.verdict == "consistent", asdict(found))


def _change(change: OutcomeChange) -> str:
    before, after = percent(change.probability_before), percent(change.probability_after)
    return f"{change.text_after} ({after}) instead of {change.text_before} ({before})"


def _listed(title: str, texts: Iterable[str]) -> list[str]:
    shown = ", ".join(texts)
    return [f"{title}: {shown}"] if shown else []


def _times(odds: float) -> str:
    """A ratio of probabilities for people.

    >>> _times(0.25), _times(3.0), _times(0.0001)
    ('0.25 times', '3 times', '0.0001 times')
    """
    return f"{odds:.2g} times"
