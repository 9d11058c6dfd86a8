"""Plots as SVG, drawn from nothing: axes, lines, bars and matrices, for a page or as a file of their own.

Colours come from classes that `STYLE` defines, so that a page that has it once can follow the reader's light or dark
screen; `document` puts it inside for a file that stands alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 420, 300  # of one plot, pixels
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 26, 14, 46
_TICKS = 6  # at most, on one axis
_MOST_POINTS = 400  # of a line: more cannot be told apart

STYLE = """
.plot text{font:11px system-ui,-apple-system,"Segoe UI","DejaVu Sans",sans-serif;fill:#5b6b86}
.plot .name{fill:#172033}.plot .title{font-size:13px;font-weight:600;fill:#172033}
.plot .grid{stroke:#e6eaf1;stroke-width:1}.plot .axis{stroke:#9aa7bb;stroke-width:1}
.plot .ideal{stroke:#9aa7bb;stroke-width:1.2;stroke-dasharray:4 4;fill:none}
.plot .line{fill:none;stroke-width:2;stroke-linejoin:round}
.plot .s0{stroke:#2a5db5}.plot .s1{stroke:#c2571a}.plot .d0{fill:#2a5db5}.plot .d1{fill:#c2571a}
.plot .bar{fill:#2a5db5}.plot .over{fill:#e8a07a}.plot .under{fill:#a9c3ee}
.plot .cell{fill:#2a5db5}.plot .wrong{fill:#c2571a}.plot .empty{fill:#f7f9fc}
.plot .on{fill:#fff}.plot .mark{stroke:#23753f;stroke-width:1.2;stroke-dasharray:2 3}
.plot .paper{fill:#fff}
@media (prefers-color-scheme:dark){
.plot text{fill:#9aa7bb}.plot .name,.plot .title{fill:#e6eaf2}.plot .grid{stroke:#262d3b}
.plot .axis,.plot .ideal{stroke:#5b6b86}
.plot .s0{stroke:#8ab0f5}.plot .s1{stroke:#f0a070}.plot .d0,.plot .bar,.plot .cell{fill:#5f8fe0}
.plot .d1,.plot .wrong{fill:#e08a50}
.plot .over{fill:#b0602e}.plot .under{fill:#3f5c8f}
.plot .empty{fill:#1a202c}.plot .paper{fill:#12161f}.plot .mark{stroke:#7fd39a}}
""".replace("\n", "")


@dataclass(frozen=True)
class Line:
    """Points joined by a line. Shapes: x and y of one length."""

    name: str
    x: Sequence[float]
    y: Sequence[float]


@dataclass(frozen=True)
class Bar:
    """One bar from `low` to `high` on the x axis; `note` is shown while the pointer is over it."""

    low: float
    high: float
    value: float
    ideal: float  # where it would end if all were well
    weight: float  # from 0 to 1: how much there is behind it
    note: str


@dataclass(frozen=True)
class Range:
    """The values of an axis, and whether they are shares, shown in per cent."""

    low: float
    high: float
    is_share: bool = False

    @classmethod
    def around(cls, values: Sequence[float], *, is_share: bool = False) -> Range:
        """From below the least to above the greatest value; shares stay within 0 and 1."""
        finite = [value for value in values if math.isfinite(value)] or [0.0]
        low, high = min(finite), max(finite)
        margin = 0.06 * (high - low) or max(0.02, 0.05 * abs(high))
        if is_share:
            return cls(max(0.0, low - margin), min(1.0, high + margin), True)
        return cls(0.0 if 0 <= low < 0.5 * high else low - margin, high + margin)

    def ticks(self) -> list[float]:
        """Round numbers inside the range: 1, 2 or 5 times a power of ten apart."""
        span = self.high - self.low
        if span <= 0:
            return [self.low]
        step = 10 ** math.floor(math.log10(span / _TICKS))
        step *= next(times for times in (1, 2, 5, 10) if span / (step * times) <= _TICKS)
        first = math.ceil(self.low / step - 1e-9)
        return [i * step for i in range(first, math.floor(self.high / step + 1e-9) + 1)]

    def text(self, value: float) -> str:
        """A tick as it is written."""
        return f"{value * 100:.6g} %" if self.is_share else f"{value:,.6g}"


@dataclass(frozen=True)
class Axes:
    """Where values lie in the picture."""

    x: Range
    y: Range

    def at(self, x: float, y: float) -> tuple[float, float]:
        """The pixel of a point."""
        across = (x - self.x.low) / (self.x.high - self.x.low or 1.0)
        up = (y - self.y.low) / (self.y.high - self.y.low or 1.0)
        return _LEFT + across * (WIDTH - _LEFT - _RIGHT), HEIGHT - _BOTTOM - up * (HEIGHT - _TOP - _BOTTOM)

    def frame(self, x_name: str, y_name: str) -> str:
        """Grid, ticks and the axes' names."""
        parts = []
        for tick in self.y.ticks():
            x0, y = self.at(self.x.low, tick)
            x1, _ = self.at(self.x.high, tick)
            parts.append(f'<line class="grid" x1="{x0:.1f}" y1="{y:.1f}" x2="{x1:.1f}" y2="{y:.1f}"/>')
            parts.append(f'<text x="{x0 - 6:.1f}" y="{y + 4:.1f}" text-anchor="end">{self.y.text(tick)}</text>')
        for tick in self.x.ticks():
            x, y = self.at(tick, self.y.low)
            parts.append(f'<line class="axis" x1="{x:.1f}" y1="{y:.1f}" x2="{x:.1f}" y2="{y + 4:.1f}"/>')
            parts.append(f'<text x="{x:.1f}" y="{y + 17:.1f}" text-anchor="middle">{self.x.text(tick)}</text>')
        (x0, y0), (x1, y1) = self.at(self.x.low, self.y.low), self.at(self.x.high, self.y.high)
        parts.append(f'<path class="axis" fill="none" d="M{x0:.1f} {y1:.1f}V{y0:.1f}H{x1:.1f}"/>')
        middle = (x0 + x1) / 2
        parts.append(
            f'<text class="name" x="{middle:.1f}" y="{HEIGHT - 8}" text-anchor="middle">{escape(x_name)}</text>'
        )
        parts.append(
            f'<text class="name" transform="translate(13,{(y0 + y1) / 2:.1f}) rotate(-90)" text-anchor="middle">'
            f"{escape(y_name)}</text>"
        )
        return "".join(parts)


def line_plot(
    lines: Sequence[Line], x_name: str, y_name: str, *, x: Range | None = None, y: Range, mark: float | None = None
) -> str:
    """Lines over common axes, with a legend where there are several; `mark` is an x of note."""
    axes = Axes(x or Range.around([value for line in lines for value in line.x]), y)
    parts = [axes.frame(x_name, y_name)]
    if mark is not None:
        (x0, y0), (_, y1) = axes.at(mark, y.low), axes.at(mark, y.high)
        parts.append(f'<line class="mark" x1="{x0:.1f}" y1="{y0:.1f}" x2="{x0:.1f}" y2="{y1:.1f}"/>')
    for number, line in enumerate(lines):
        points = [axes.at(a, b) for a, b in zip(*_thinned(line.x, line.y), strict=True) if math.isfinite(b)]
        path = "L".join(f"{a:.1f} {b:.1f}" for a, b in points)
        if len(points) > 1:
            parts.append(f'<path class="line s{number % 2}" d="M{path}"/>')
        if len(points) <= 40:
            parts += [f'<circle class="d{number % 2}" cx="{a:.1f}" cy="{b:.1f}" r="2.6"/>' for a, b in points]
        if len(lines) > 1:
            at = _LEFT + 10 + 120 * number
            parts.append(
                f'<circle class="d{number % 2}" cx="{at}" cy="{_TOP + 2}" r="4"/>'
                f'<text x="{at + 8}" y="{_TOP + 6}">{escape(line.name)}</text>'
            )
    return _svg(WIDTH, HEIGHT, "".join(parts), y_name)


def _thinned(x: Sequence[float], y: Sequence[float]) -> tuple[list[float], list[float]]:
    """So many points that a reader can tell apart, the last among them."""
    step = max(1, math.ceil(len(x) / _MOST_POINTS))
    keep = sorted({*range(0, len(x), step), len(x) - 1}) if len(x) else []
    return [x[i] for i in keep], [y[i] for i in keep]


def bar_plot(bars: Sequence[Bar], x_name: str, y_name: str, *, diagonal: bool = False) -> str:
    """Bars of shares over shares; what a bar lacks of its ideal is orange, what it has beyond is light blue."""
    axes = Axes(Range(0.0, 1.0, True), Range(0.0, 1.0, True))
    parts = [axes.frame(x_name, y_name)]
    for bar in bars:
        (x0, y0), (x1, y1) = axes.at(bar.low, 0.0), axes.at(bar.high, bar.value)
        _, y2 = axes.at(bar.low, bar.ideal)
        kind = "over" if bar.value < bar.ideal else "under"
        place = f'x="{x0 + 1:.1f}" width="{max(1.0, x1 - x0 - 2):.1f}"'
        parts.append(
            f'<g fill-opacity="{0.3 + 0.7 * bar.weight:.2f}"><title>{escape(bar.note)}</title>'
            f'<rect class="bar" {place} y="{max(y1, y2):.1f}" height="{y0 - max(y1, y2):.1f}"/>'
            f'<rect class="{kind}" {place} y="{min(y1, y2):.1f}" height="{abs(y1 - y2):.1f}"/></g>'
        )
    if diagonal:
        (x0, y0), (x1, y1) = axes.at(0.0, 0.0), axes.at(1.0, 1.0)
        parts.append(f'<path class="ideal" d="M{x0:.1f} {y0:.1f}L{x1:.1f} {y1:.1f}"/>')
    return _svg(WIDTH, HEIGHT, "".join(parts), y_name)


def matrix_plot(table: Mapping[str, Mapping[str, int]], row_name: str, column_name: str) -> str:
    """Counts as shaded cells, each row by its own share: blue on the diagonal, orange off it."""
    names = sorted({*table, *(column for row in table.values() for column in row)}, key=_natural)
    side = min(60.0, max(16.0, 420.0 / max(1, len(names))))
    longest = max((len(name) for name in names), default=1)
    left = 30 + 6.6 * min(longest, 16)
    is_narrow = longest * 6.6 < side
    top = 30.0
    low = 26.0 if is_narrow else 20.0 + 4.8 * min(longest, 16)
    wide, high = left + side * len(names) + 14, top + side * len(names) + low + 6
    parts = [
        f'<text class="name" x="{left + side * len(names) / 2:.1f}" y="16" text-anchor="middle">'
        f"{escape(column_name)}</text>",
        f'<text class="name" transform="translate(13,{top + side * len(names) / 2:.1f}) rotate(-90)" '
        f'text-anchor="middle">{escape(row_name)}</text>',
    ]
    for i, true in enumerate(names):
        row = table.get(true, {})
        total = sum(row.values())
        y = top + side * i
        parts.append(
            f'<text x="{left - 6:.1f}" y="{y + side / 2 + 4:.1f}" text-anchor="end">{escape(_cut(true))}</text>'
        )
        for j, given in enumerate(names):
            parts.append(_cell(left + side * j, y, side, row.get(given, 0), total, true, given))
    for j, given in enumerate(names):
        x, y = left + side * (j + 0.5), top + side * len(names) + 14
        turn = "" if is_narrow else f' transform="rotate(-40 {x:.1f} {y:.1f})"'
        anchor = "middle" if is_narrow else "end"
        parts.append(f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{turn}>{escape(_cut(given))}</text>')
    return _svg(wide, high, "".join(parts), "confusion matrix")


def _cell(x: float, y: float, side: float, count: int, total: int, true: str, given: str) -> str:
    share = count / total if total else 0.0
    kind = "empty" if not count else "cell" if true == given else "wrong"
    opacity = 1.0 if not count else 0.12 + 0.88 * share
    shown = ""
    if count and side >= 6.6 * len(str(count)) + 2:
        on = ' class="on"' if opacity > 0.55 else ""
        shown = f'<text{on} x="{x + side / 2:.1f}" y="{y + side / 2 + 4:.1f}" text-anchor="middle">{count}</text>'
    note = f"<title>{escape(true)} answered as {escape(given)}: {count:,} of {total:,}</title>"
    return (
        f'<g>{note}<rect class="{kind}" fill-opacity="{opacity:.3f}" x="{x + 0.5:.1f}" y="{y + 0.5:.1f}" '
        f'width="{side - 1:.1f}" height="{side - 1:.1f}"/>{shown}</g>'
    )


def document(plots: Sequence[tuple[str, str]]) -> str:
    """Plots under titles, one below the other, as a file that needs nothing else; each is WIDTH wide."""
    parts, y = [], 0
    for title, plot in plots:
        parts.append(f'<text class="title" x="{_LEFT}" y="{y + 24}">{escape(title)}</text>')
        parts.append(plot.replace("<svg ", f'<svg x="0" y="{y + 30}" ', 1))
        y += HEIGHT + 36
    body = f'<style>{STYLE}</style><rect class="paper" width="100%" height="100%"/>{"".join(parts)}'
    return _svg(WIDTH, y + 4, body, "training curves") + "\n"


def _svg(width: float, height: float, body: str, label: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="plot" viewBox="0 0 {width:.0f} {height:.0f}" '
        f'width="{width:.0f}" height="{height:.0f}" role="img" aria-label="{escape(label, True)}">{body}</svg>'
    )


def _natural(name: str) -> tuple[int, float, str]:
    """Numbers by their size, before names."""
    try:
        return 0, float(name), name
    except ValueError:
        return 1, 0.0, name


def _cut(name: str) -> str:
    return name if len(name) <= 16 else name[:15] + "…"
