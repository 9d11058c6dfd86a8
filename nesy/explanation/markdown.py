"""A story for notes, issues and reports: nested lists."""

from __future__ import annotations

import re

from nesy.explanation.story import Step, Story
from nesy.explanation.terminal import percent, seen, standing, weight

_MAX_DEPTH = 12  # list items nested deeper are taken for code by most readers


def to_markdown(story: Story) -> str:
    """The story in Markdown."""
    lines = [f"## {_code(story.answer)} {standing(story)}", ""]
    if story.text is not None:
        lines += [f"> {_marked(story)}", ""]
    writer = _Writer(story)
    for index, reason in enumerate(story.reasons):
        number = f" ({index + 1} of {len(story.reasons)})" if len(story.reasons) > 1 else ""
        share = f", {percent(min(reason.share, 1.0))} of the answer" if reason.share is not None else ""
        lines += [f"**because{number}** {percent(reason.probability)}{share}", ""]
        writer.step(story.steps[reason.root], "", 0)
        lines += [*writer.lines, ""]
        writer.lines.clear()
    if story.blame:
        lines += ["**what mattered**", "", "| leaf | saw | probability | answer without it | slope |"]
        lines.append("|---|---|---:|---:|---:|")
        for b in story.blame:
            saw = _plain(b.sighting.text) if b.sighting else ""
            values = f"{percent(b.probability)} | {percent(max(0.0, b.without))} | {b.gradient:+.3f}"
            lines.append(f"| {_code(b.text)} | {saw} | {values} |")
        lines.append("")
    for section in story.sections:
        lines += [f"**{_plain(section.title)}**", "", *(f"    {line}" for line in section.lines), ""]
    return "\n".join(lines)


class _Writer:
    def __init__(self, story: Story):
        self.story = story
        self.lines: list[str] = []
        self.told: set[int] = set()

    def step(self, step: Step, prefix: str, depth: int) -> None:
        parts = [f"{prefix}{_code(step.shown)}"]
        if step.kind != "fact" and step.probability < 1:
            parts.append(percent(step.probability))
        if step.sighting is not None:
            parts.append(_plain(seen(step.sighting)))
        parts += filter(None, [step.note, _code(step.rule.place) if step.rule else "", _fact(step)])
        again = step.id in self.told and bool(step.children)
        self.lines.append(f"{'  ' * depth}- {', '.join(parts)}{' (as above)' if again else ''}")
        if again:
            return
        self.told.add(step.id)
        if depth >= _MAX_DEPTH and step.children:
            self.lines.append(f"{'  ' * (depth + 1)}- …")
            return
        steps = self.story.steps
        if step.kind != "aggregate":
            for child in step.children:
                self.step(steps[child], "", depth + 1)
            return
        plain = all(c.weight == 1 for c in step.counted)
        for counted in step.counted:
            if counted.holds:
                self.step(steps[counted.step], "" if plain else f"{weight(counted).strip()} ", depth + 1)
        missed = sum(not counted.holds for counted in step.counted)
        if missed:
            self.lines.append(f"{'  ' * (depth + 1)}- not counted: {missed}")


def _fact(step: Step) -> str:
    return "fact" if step.kind == "fact" else ""


def _marked(story: Story) -> str:
    text, shown, at = story.text or "", [], 0
    for sighting in story.sightings:
        if sighting.start is None or sighting.end is None or sighting.start < at or sighting.end > len(text):
            continue
        shown += [_plain(text[at : sighting.start]), f"**{_plain(text[sighting.start : sighting.end])}**"]
        at = sighting.end
    return ("".join(shown) + _plain(text[at:])).replace("\n", "\n> ")


def _plain(text: str) -> str:
    return re.sub(r"([\\`*_\[\]<>|#])", r"\\\1", text)


def _code(text: str) -> str:
    fence = "`" * (max((len(run) for run in re.findall(r"`+", text)), default=0) + 1)
    text = text.replace("|", "\\|")
    return f"{fence} {text} {fence}" if len(fence) > 1 else f"`{text}`"
