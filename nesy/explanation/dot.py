"""A story for Graphviz."""

from __future__ import annotations

from nesy.explanation.outline import Box, outline
from nesy.explanation.story import Story
from nesy.explanation.svg import shade
from nesy.explanation.terminal import percent, seen, standing


def to_dot(story: Story) -> str:
    """The story in the DOT language: conclusions on the left, shading by probability."""
    drawing = outline(story)
    lines = [
        "digraph explanation {",
        "  rankdir=LR;",
        f"  label={_quoted(f'{story.answer}  {standing(story)}')};",
        '  node [shape=box, style="rounded,filled", fontname="monospace", fontsize=11];',
        "  edge [dir=none];",
    ]
    for box in drawing.boxes:
        lines.append(f"  b{box.id} [{_attributes(box)}];")
    for arrow in drawing.arrows:
        denied = "" if drawing.boxes[arrow.target].holds else ' style=dashed color="#b4435a"'
        label = f" label={_quoted(arrow.label)}" if arrow.label else ""
        extra = (denied + label).strip()
        lines.append(f"  b{arrow.source} -> b{arrow.target}{f' [{extra}]' if extra else ''};")
    return "\n".join([*lines, "}", ""])


def _attributes(box: Box) -> str:
    texts = [box.text if box.holds else f"not {box.text}"]
    if box.probability is not None and box.probability < 1:
        texts[0] += f"  {percent(box.probability)}"
    texts += filter(None, [box.note, box.rule.place if box.rule else "", seen(box.sighting) if box.sighting else ""])
    parts = [f"label={_quoted(chr(10).join(texts))}"]
    if box.probability is not None:
        parts.append(f'fillcolor="{shade(box.probability, box.holds)}"')
        if box.holds and box.probability > 0.55:
            parts.append('fontcolor="white"')
    else:
        parts.append('fillcolor="#f6f7f9"')
    if not box.holds:
        parts.append('style="rounded,filled,dashed" color="#b4435a"')
    if box.rule is not None:
        parts.append(f"tooltip={_quoted(box.rule.text)}")
    return " ".join(parts)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
