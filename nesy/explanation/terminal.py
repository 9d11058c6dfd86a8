"""A story for the terminal: a tree of lines that fits the window, in colour only where colours are shown."""

from __future__ import annotations

from collections.abc import Sequence
from io import StringIO

from rich.console import Console, Group, RenderableType
from rich.text import Text
from rich.tree import Tree

from nesy.explanation.story import Counted, Reason, Sighting, Step, Story

MAX_DEPTH = 40  # a deeper branch is cut with a note; wider windows would be needed to read it


def to_console(story: Story, console: Console) -> None:
    """Print a story."""
    console.print(render(story))


def to_text(story: Story, width: int = 100, color: bool = False) -> str:
    """The story as text of at most `width` columns, with terminal colours only if asked for."""
    out = StringIO()
    console = Console(
        file=out, width=width, force_terminal=color, color_system="standard" if color else None, highlight=False
    )
    to_console(story, console)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"


def render(story: Story) -> RenderableType:
    """The story as something that rich can print."""
    parts: list[RenderableType] = [_head(story)]
    if story.text is not None:
        parts.append(_highlighted(story.text, story.sightings))
    printer = _Printer(story)
    for index, reason in enumerate(story.reasons):
        parts.append(printer.tree(reason, index, len(story.reasons)))
    if story.blame:
        parts.append(_blame(story))
    for section in story.sections:
        style = "" if section.good is None else "green" if section.good else "red"
        tree = Tree(Text(section.title, style=f"bold {style}".strip()), guide_style="dim")
        last = tree
        for line in section.lines:
            if line.startswith(" "):  # belongs to the line before
                last.add(Text(line.lstrip()))
            else:
                last = tree.add(Text(line))
        parts.append(tree)
    return Group(*parts)


def _head(story: Story) -> Text:
    head = Text(story.answer, style="bold")
    head.append(f"  {standing(story)}", style="bold cyan")
    if story.method:
        head.append(f"  {story.method}", style="dim")
    return head


def _highlighted(text: str, sightings: Sequence[Sighting]) -> Text:
    shown = Text(text, style="italic")
    for sighting in sightings:
        if sighting.start is not None and sighting.end is not None:
            shown.stylize("bold underline yellow", sighting.start, sighting.end)
    return shown


class _Printer:
    """Prints each step in full the first time, and refers to it afterwards."""

    def __init__(self, story: Story):
        self.steps = story.steps
        self.uses = story.uses
        self.printed: dict[int, int] = {}

    def tree(self, reason: Reason, index: int, number: int) -> Tree:
        title = Text("because" if number == 1 else f"because ({index + 1} of {number})", style="bold")
        share = f", {percent(min(reason.share, 1.0))} of the answer" if reason.share is not None else ""
        if number > 1 or (reason.share is not None and reason.share < 0.9995):
            title.append(f"  {percent(reason.probability)}{share}", style="cyan")
        tree = Tree(title, guide_style="dim")
        self._add(tree, self.steps[reason.root], "", 0)
        return tree

    def _add(self, tree: Tree, step: Step, prefix: str, depth: int) -> None:
        has_more = bool(step.children)
        if step.id in self.printed:
            line = self._line(step, prefix, full=False)
            if has_more:
                line.append(f"  (as above, #{self.printed[step.id]})", style="dim")
            tree.add(line)
            return
        line = self._line(step, prefix, full=True)
        if has_more and self.uses.get(step.id, 0) > 1:
            self.printed[step.id] = len(self.printed) + 1
            line.append(f"  #{self.printed[step.id]}", style="dim")
        branch = tree.add(line)
        if depth >= MAX_DEPTH and has_more:
            branch.add(Text("… (deeper steps are in the JSON)", style="dim"))
        elif step.kind == "aggregate":
            self._add_counted(branch, step, depth)
        else:
            for child in step.children:
                self._add(branch, self.steps[child], "", depth + 1)

    def _add_counted(self, tree: Tree, step: Step, depth: int) -> None:
        held = [c for c in step.counted if c.holds]
        plain = all(c.weight == 1 for c in step.counted)
        for counted in held:
            self._add(tree, self.steps[counted.step], "" if plain else weight(counted), depth + 1)
        missed = [c for c in step.counted if not c.holds]
        if missed:
            # The least sure ones are those a reader may wonder about.
            named = sorted((self.steps[c.step] for c in missed), key=lambda step: (step.probability, step.id))
            shown = ", ".join(step.shown for step in named[:3]) + (", …" if len(named) > 3 else "")
            tree.add(Text(f"not counted: {len(missed)} ({shown})", style="dim"))

    def _line(self, step: Step, prefix: str, full: bool) -> Text:
        line = Text(prefix)
        line.append(step.shown, style="" if step.holds else "magenta")
        if step.kind != "fact" and step.probability < 1:
            line.append(f"  {percent(step.probability)}", style="cyan")
        if step.sighting is not None and full:
            line.append(f"  {seen(step.sighting)}", style="yellow")
        if step.kind == "fact":
            line.append("  fact", style="dim")
        if step.note and full:
            line.append(f"  {step.note}", style="dim")
        if step.rule is not None and full:
            line.append(f"  {step.rule.place}", style="dim blue")
        return line


def _blame(story: Story) -> Tree:
    tree = Tree(Text("what mattered", style="bold"), guide_style="dim")
    for blame in story.blame:
        line = Text(blame.text)
        line.append(f"  {percent(blame.probability)}", style="cyan")
        if blame.sighting is not None:
            line.append(f"  {seen(blame.sighting)}", style="yellow")
        line.append(f"  without it {percent(blame.without)}, slope {blame.gradient:+.3f}", style="dim")
        tree.add(line)
    return tree


def standing(story: Story) -> str:
    """How the answer stands: its probability, or its verdict."""
    return story.verdict or percent(story.probability)


def percent(probability: float) -> str:
    """A probability for people: never rounded to certainty or impossibility.

    >>> percent(0.25), percent(0.99999), percent(1.0), percent(0.00002)
    ('25.0 %', '> 99.9 %', '100 %', '< 0.1 %')
    """
    if probability in (0.0, 1.0):
        return f"{probability * 100:.0f} %"
    if probability < 0.001:
        return "< 0.1 %"
    if 0.999 < probability < 1:
        return "> 99.9 %"
    return f"{probability * 100:.1f} %"


def seen(sighting: Sighting) -> str:
    """What the encoder saw, in a few words."""
    return f"saw {sighting.text}" if sighting.start is None else f"saw “{sighting.text}”"


def weight(counted: Counted) -> str:
    """The weight of an element with its sign."""
    value = f"{counted.weight:+g}" if isinstance(counted.weight, float) else f"{counted.weight:+d}"
    return f"{value}  "
