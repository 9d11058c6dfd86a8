"""A story as a picture: conclusions on the left, what they follow from on the right, what was read on top.

Shading is probability: the deeper the blue, the surer. A dashed red box does not hold, and that is why something
else does. Leaves show the words that were seen; the same words are marked in the input.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from html import escape

from nesy.explanation.layout import Layout, Place, lay_out
from nesy.explanation.outline import Box, Outline, outline
from nesy.explanation.story import Sighting, Story
from nesy.explanation.terminal import percent, standing

_CHAR, _SMALL = 7.3, 6.1  # width of a character in pixels, at 12 and 10 points of a monospaced face
_PAD, _MARGIN = 10, 24
_IMAGE = 40  # side of a picture in a box, pixels
_MAX_TEXT = 56  # characters of one line in a box; longer ones are cut, and whole in the tooltip

STYLE = """
.box{stroke:#5b6b86;stroke-width:1}
.fact{fill:#f6f7f9;stroke:#c3cad6}.rest{fill:#fff;stroke:#c3cad6;stroke-dasharray:2 3}
.denied{stroke:#b4435a;stroke-dasharray:5 3}.aggregate{stroke-width:2}.answer{stroke-width:2}
.arrow{fill:none;stroke:#9aa7bb;stroke-width:1.3}.arrow.denied{stroke:#d18a9a}
text{font-family:ui-monospace,"SFMono-Regular","DejaVu Sans Mono",Menlo,Consolas,monospace;font-size:12px;fill:#172033}
.light{fill:#fff}.small{font-size:10px;fill:#5b6b86}.light.small{fill:#dbe6fb}
.no{fill:#b4435a;font-weight:bold}.light .no{fill:#ffd5dd}
.title{font-size:18px;font-weight:600}.share{font-size:18px;fill:#2457b3}
.input{font-size:15px}.seen{fill:#ffe9a8;stroke:#e3bd4d;stroke-width:.8}.quote{fill:#6b5310}
.label{font-size:11px;font-weight:bold;fill:#2457b3;stroke:#fff;stroke-width:4px;paint-order:stroke}
""".replace("\n", "")


def to_svg(story: Story, head: bool = True) -> str:
    """The story as one SVG document; `head` is the answer and the input above the graph."""
    drawing = outline(story)
    layout = lay_out(drawing, [_size(story, box) for box in drawing.boxes])
    above, top = _head(story) if head else ("", float(_MARGIN))
    width = max(layout.width, _head_width(story) if head else 0) + 2 * _MARGIN
    height = layout.height + top + _MARGIN
    body = "".join([*_arrows(drawing, layout), *(_box(story, b, p) for b, p in _boxes(drawing, layout))])
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" '
        f'height="{height:.0f}" role="img" aria-label="{escape(story.answer, True)}">'
        f'<style>{STYLE}</style><rect width="100%" height="100%" fill="#fff"/>{above}'
        f'<g transform="translate({_MARGIN},{top:.0f})">{body}</g></svg>\n'
    )


# -- above the graph ---------------------------------------------------------------------------------------


def _head(story: Story) -> tuple[str, float]:
    parts = [
        f'<text class="title" x="{_MARGIN}" y="36">{escape(story.answer)}'
        f'<tspan class="share" dx="12">{standing(story)}</tspan></text>'
    ]
    y = 60.0
    if story.text is not None:
        for line, start in _lines(story.text):
            parts.append(_marked(line, start, y, story.sightings))
            y += 26
        y += 8
    return "".join(parts), y


_INPUT = 9.1  # width of a character of the input, pixels at 15 points
_LINE = 96  # characters of the input in one line


def _lines(text: str) -> Iterable[tuple[str, int]]:
    """Lines of the input with their offsets, broken at blanks."""
    start = 0
    while start < len(text):
        end = min(len(text), start + _LINE)
        if end < len(text) and " " in text[start:end]:
            end = start + text[start:end].rindex(" ") + 1
        yield text[start:end].replace("\n", " "), start
        start = end


def _marked(line: str, offset: int, y: float, sightings: Sequence[Sighting]) -> str:
    marks = []
    for seen in sightings:
        if seen.start is None or seen.end is None:
            continue
        first, last = max(seen.start - offset, 0), min(seen.end - offset, len(line))
        if first < last:
            marks.append(
                f'<rect class="seen" x="{_MARGIN + first * _INPUT - 2:.1f}" y="{y - 15:.0f}" '
                f'width="{(last - first) * _INPUT + 4:.1f}" height="21" rx="4"/>'
            )
    length = f' textLength="{len(line.rstrip()) * _INPUT:.0f}"' if line.strip() else ""
    return (
        "".join(marks) + f'<text class="input" xml:space="preserve" x="{_MARGIN}" y="{y:.0f}"{length}>'
        f"{escape(line.rstrip())}</text>"
    )


def _head_width(story: Story) -> float:
    title = (len(story.answer) + 10) * 11.0
    return max(title, min(len(story.text or ""), _LINE) * _INPUT)


# -- boxes and arrows ----------------------------------------------------------------------------------------


def _texts(box: Box) -> tuple[str, list[str]]:
    """The box's literal, and the small lines below it."""
    small = []
    if box.note:
        small.append(box.note)
    if box.rule is not None:
        small.append(box.rule.place)
    shown = box.text if box.holds else f"not {box.text}"
    if box.probability is not None and box.probability < 1:
        shown += f"  {percent(box.probability)}"
    return _cut(shown), [_cut(line) for line in small]


def _size(story: Story, box: Box) -> tuple[float, float]:
    text, small = _texts(box)
    width = max([len(text) * _CHAR, *(len(line) * _SMALL for line in small)]) + 2 * _PAD
    height = 14 + 14 * (1 + len(small))
    if box.sighting is not None:
        if box.sighting.text in story.pictures:
            return width + _IMAGE + 8, max(height, _IMAGE + 12)
        width = max(width, len(_quote(box.sighting)) * _CHAR + 2 * _PAD + 8)
        height += 20
    return width, height


def _boxes(drawing: Outline, layout: Layout) -> Iterable[tuple[Box, Place]]:
    return zip(drawing.boxes, layout.places, strict=True)


def _box(story: Story, box: Box, place: Place) -> str:
    classes = ["box", *([box.kind] if box.kind in ("fact", "rest", "aggregate", "answer") else [])]
    if not box.holds:
        classes.append("denied")
    fill, light = ("", "")
    if box.probability is not None and box.kind not in ("fact", "rest"):
        fill = f' fill="{shade(box.probability, box.holds)}"'
        light = " light" if box.probability > 0.55 and box.holds else ""
    text, small = _texts(box)
    parts = [
        f"<g><title>{escape(_tooltip(box))}</title>",
        f'<rect class="{" ".join(classes)}"{fill} x="{place.x:.1f}" y="{place.y:.1f}" width="{place.width:.1f}" '
        f'height="{place.height:.1f}" rx="7"/>',
    ]
    x, y = place.x + _PAD, place.y + 19
    if box.sighting is not None and box.sighting.text in story.pictures:
        data = base64.b64encode(story.pictures[box.sighting.text]).decode()
        parts.append(
            f'<image x="{place.x + place.width - _IMAGE - 6:.1f}" y="{place.middle - _IMAGE / 2:.1f}" '
            f'width="{_IMAGE}" height="{_IMAGE}" style="image-rendering:pixelated" '
            f'href="data:image/png;base64,{data}"/>'
        )
    literal = escape(text)
    if not box.holds:
        literal = f'<tspan class="no">not</tspan>{literal[3:]}'
    parts.append(f'<text class="{light.strip()}" xml:space="preserve" x="{x:.1f}" y="{y:.1f}">{literal}</text>')
    for line in small:
        y += 14
        parts.append(f'<text class="small{light}" x="{x:.1f}" y="{y:.1f}">{escape(line)}</text>')
    if box.sighting is not None and box.sighting.text not in story.pictures:
        quote = _quote(box.sighting)
        parts.append(
            f'<rect class="seen" x="{x - 2:.1f}" y="{y + 7:.1f}" width="{len(quote) * _CHAR + 8:.1f}" height="18" '
            f'rx="4"/><text class="quote" x="{x + 2:.1f}" y="{y + 20:.1f}">{escape(quote)}</text>'
        )
    return "".join(parts) + "</g>"


def _arrows(drawing: Outline, layout: Layout) -> Iterable[str]:
    for arrow in drawing.arrows:
        source, target = layout.places[arrow.source], layout.places[arrow.target]
        x1, y1 = source.x + source.width, source.middle
        x2, y2 = target.x, target.middle
        bend = max(24.0, (x2 - x1) / 2)
        denied = "" if drawing.boxes[arrow.target].holds else " denied"
        yield (
            f'<path class="arrow{denied}" d="M{x1:.1f} {y1:.1f}C{x1 + bend:.1f} {y1:.1f} {x2 - bend:.1f} {y2:.1f} '
            f'{x2:.1f} {y2:.1f}"/>'
        )
        if arrow.label:
            yield (
                f'<text class="label" text-anchor="end" x="{x2 - 5:.1f}" y="{y2 - 5:.1f}">{escape(arrow.label)}</text>'
            )


def shade(probability: float, holds: bool = True) -> str:
    """White to blue, or for what does not hold to red: how sure a step is.

    >>> shade(0.0), shade(1.0), shade(1.0, holds=False)
    ('#f5f8ff', '#2a5db5', '#f6ccd5')
    """
    low, high = ((0xF5, 0xF8, 0xFF), (0x2A, 0x5D, 0xB5)) if holds else ((0xFF, 0xFB, 0xFC), (0xF6, 0xCC, 0xD5))
    return "#" + "".join(f"{round(a + (b - a) * probability):02x}" for a, b in zip(low, high, strict=True))


def _tooltip(box: Box) -> str:
    lines = [box.text if box.holds else f"not {box.text}"]
    if box.probability is not None:
        lines.append(f"probability {box.probability:.6g}")
    if box.rule is not None:
        lines += [box.rule.place, box.rule.text]
    return "\n".join(lines)


def _quote(sighting: Sighting) -> str:
    return _cut(f"“{sighting.text}”" if sighting.start is not None else sighting.text)


def _cut(text: str) -> str:
    return text if len(text) <= _MAX_TEXT else text[: _MAX_TEXT - 1] + "…"
