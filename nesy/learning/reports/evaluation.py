"""`nesy eval --html`: everything that was measured of a run, as one page that needs nothing else.

Plots are SVG inside the page, explanations are branches that open and close; the only script is the few lines with
which an explanation marks the words it rests on. Everything that comes from data or rules is escaped.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from nesy.explanation import SCRIPT
from nesy.explanation import STYLE as EXPLANATION_STYLE
from nesy.learning.metrics import Figures, Metrics
from nesy.learning.reports import plots
from nesy.learning.reports.curves import Plots
from nesy.learning.reports.mistakes import Mistake
from nesy.learning.reports.plots import Bar, Line, Range, bar_plot, line_plot, matrix_plot

_MOST_ANSWERS = 26  # in the confusion matrix; where there are more, the commonest confusions are listed
_MOST_CONFUSIONS = 15
_MOST_SLICES = 60
_Z = 1.96  # standard deviations: 95 % of a normal distribution

_STYLE = """
.report{color:var(--ink);background:var(--back);font:15px/1.5 system-ui,-apple-system,"Segoe UI","DejaVu Sans",
sans-serif;max-width:64rem;margin:0 auto;padding:1.5rem}.report h1{font-size:1.6rem;margin:0}
.report>h2{font-size:1.15rem;margin:2.2rem 0 .6rem;border-bottom:1px solid var(--line);padding-bottom:.25rem}
.report h3{font-size:.95rem;margin:.4rem 0}.report .soft{color:var(--soft)}
.report .tiles{display:flex;flex-wrap:wrap;gap:.7rem;margin:1.2rem 0}
.report .tile{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:.5rem 1rem;min-width:7rem}
.report .tile b{display:block;font-size:1.35rem;font-weight:600}.report .tile span{color:var(--soft);font-size:.8rem}
.report .row{display:flex;flex-wrap:wrap;gap:1.2rem}.report .row>div{flex:1 1 26rem;min-width:0}
.report .plot{max-width:100%;height:auto}.report .wide{overflow-x:auto}
.report table.figures{border-collapse:collapse;font-size:.88rem;width:100%}
.report table.figures td,.report table.figures th{padding:.25rem .7rem .25rem 0;text-align:right;white-space:nowrap;
font-variant-numeric:tabular-nums}.report table.figures td:first-child,
.report table.figures th:first-child{text-align:left;white-space:normal}
.report table.figures th{color:var(--soft);font-weight:normal;border-bottom:1px solid var(--line)}
.report .track{display:inline-block;position:relative;width:9rem;height:.7rem;border-radius:3px;background:var(--line);
vertical-align:middle;margin-left:.5rem}.report .track i{position:absolute;inset:0 auto 0 0;background:var(--blue);
border-radius:3px}.report .track u{position:absolute;top:-2px;bottom:-2px;background:var(--ink);opacity:.35;
border-radius:2px}
.report details.mistake{border:1px solid var(--line);border-radius:8px;margin:.6rem 0;background:var(--card)}
.report details.mistake>summary{cursor:pointer;padding:.6rem 1rem}.report details.mistake .nesy{border-top:1px solid
var(--line);border-radius:0 0 8px 8px;max-width:none;padding:1rem}
.report .about{display:grid;grid-template-columns:max-content 1fr;gap:.2rem 1.5rem;font-size:.88rem}
.report .about dt{color:var(--soft)}.report .about dd{margin:0;overflow-wrap:anywhere}
.report .right{color:var(--good);font-weight:600}.report .bad{color:var(--red);font-weight:600}
.report blockquote{margin:.3rem 0;color:var(--ink);white-space:pre-wrap;overflow-wrap:anywhere}
""".replace("\n", "")


@dataclass(frozen=True)
class Subject:
    """What a report is about."""

    title: str
    description: str
    about: Mapping[str, Any]  # shown as a table: seed, epochs, sizes, versions
    curves: Plots


def evaluation_page(metrics: Metrics, subject: Subject, mistakes: Sequence[Mistake]) -> str:
    """The report as one HTML document."""
    parts = [
        f"<h1>{escape(subject.title)}</h1>",
        f"<p class=soft>{escape(subject.description)}</p>" if subject.description else "",
        f"<p>{metrics.overall.rows:,} rows of <b>{escape(metrics.split)}</b></p>",
        _tiles(metrics),
        "<h2>How sure, and how right</h2>",
        f"<div class=row>{_reliability(metrics)}{_coverage(metrics)}</div>",
        "<h2>What was taken for what</h2>",
        _confusion(metrics.confusion),
        _queries(metrics),
        _slices(metrics),
        _concepts(metrics),
        _mistakes(metrics, mistakes),
        _curves(subject.curves),
        _about(subject.about),
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(subject.title)}: {escape(metrics.split)}</title>"
        f"<style>{EXPLANATION_STYLE}{plots.STYLE}{_STYLE}</style></head>"
        f"<body style='margin:0;background:var(--back)'><main class=report>{''.join(parts)}</main>"
        f"<script>{SCRIPT}</script></body></html>\n"
    )


def _tiles(metrics: Metrics) -> str:
    figures = [
        ("accuracy", _percent(metrics.accuracy)),
        ("macro-F1", _number(metrics.macro_f1)),
        ("log-loss, nats", _number(metrics.log_loss)),
        ("Brier score", _number(metrics.overall.brier)),
        ("calibration error", _number(metrics.overall.ece)),
        ("answers a second", f"{metrics.answers_per_second:,.0f}"),
    ]
    figures += [(f"{name} (concept)", _percent(concept.accuracy)) for name, concept in metrics.concepts.items()]
    if metrics.statements:
        figures.append((f"of {metrics.statements.atoms:,} statements", _percent(metrics.statements.accuracy)))
    if metrics.grouped:
        figures.append(("whole groups right", _percent(metrics.grouped.all_right)))
    tiles = "".join(f"<div class=tile><b>{value}</b><span>{escape(name)}</span></div>" for name, value in figures)
    notes = []
    if metrics.underivable:
        notes.append(f"{metrics.underivable:,} rows have an answer that the rules cannot derive from their input.")
    if metrics.bounded:
        notes.append(f"{metrics.bounded}.")
    said = "".join(f"<p class=bad>{escape(note)}</p>" for note in notes)
    return f"<div class=tiles>{tiles}</div>{said}"


def _reliability(metrics: Metrics) -> str:
    most = max((b.rows for b in metrics.reliability), default=1)
    bars = [
        Bar(
            b.low,
            b.high,
            b.accuracy,
            b.confidence,
            math.sqrt(b.rows / most),
            f"{b.rows:,} rows, {b.confidence:.1%} sure on average, {b.accuracy:.1%} right",
        )
        for b in metrics.reliability
    ]
    plot = bar_plot(bars, "how sure the answer was", "how often it was right", diagonal=True)
    return (
        f"<div><h3>Reliability</h3>{plot}<p class=soft>Orange: surer than right. Light blue: righter than sure. "
        f"Weighed by rows, their size is the calibration error, {_number(metrics.overall.ece)}. Paler bars have fewer "
        f"rows.</p></div>"
    )


def _coverage(metrics: Metrics) -> str:
    sureness = metrics.confidence
    if sureness is None or not len(sureness.chance):
        return ""
    wrong = (~sureness.right).cumsum()
    count = range(1, len(wrong) + 1)
    coverage = [n / len(wrong) for n in count]
    error = [float(w) / n for w, n in zip(wrong, count, strict=True)]
    top = max(0.02, min(1.0, 1.15 * max(error[len(error) // 50 :])))
    line = Line("error", coverage, [min(value, top) for value in error])
    plot = line_plot([line], "share of rows answered, surest first", "share of them wrong", x=Range(0, 1, True),
                     y=Range(0.0, top, True))  # fmt: skip
    points = [
        (f"{point.coverage:.0%}", f"{point.threshold:.1%}", f"{point.wrong:,} of {point.answered:,}")
        for point in sureness.curve()
        if round(point.coverage * 10) in (5, 8, 9, 10)
    ]
    return (
        f"<div><h3>Coverage against error</h3>{plot}{_table(('answered', 'at least so sure', 'wrong'), points)}</div>"
    )


def _confusion(table: Mapping[str, Mapping[str, int]]) -> str:
    names = {*table, *(given for row in table.values() for given in row)}
    if not names:
        return "<p class=soft>No row has an answer that is known.</p>"
    pairs = sorted(
        ((count, true, given) for true, row in table.items() for given, count in row.items() if true != given),
        key=lambda pair: (-pair[0], pair[1], pair[2]),
    )
    rows = [
        (escape(true), escape(given), f"{count:,}", _percent(count / sum(table[true].values())))
        for count, true, given in pairs[:_MOST_CONFUSIONS]
    ]
    listed = _table(("true", "answered", "rows", "of this truth"), rows) if rows else "<p>Nothing was confused.</p>"
    if len(names) > _MOST_ANSWERS:
        return f"<p class=soft>{len(names):,} answers; the commonest confusions:</p>{listed}"
    return f"<div class=row><div class=wide>{matrix_plot(table, 'true', 'answered')}</div><div>{listed}</div></div>"


def _queries(metrics: Metrics) -> str:
    if not metrics.queries:
        return ""
    parts = [(name, own.overall) for name, own in metrics.queries.items()]
    rows = [(f"<code>{escape(name)}</code>", *_figures(figures)) for name, figures in parts]
    head = ("query", "rows", "accuracy, with its 95 % interval", "log-loss", "Brier", "ECE")
    return f"<h2>Queries</h2><div class=wide>{_table(head, rows)}</div>"


def _slices(metrics: Metrics) -> str:
    if not metrics.slices:
        return ""
    shown = list(metrics.slices.items())[:_MOST_SLICES]
    rows = [("<b>all</b>", *_figures(metrics.overall)), *((escape(name), *_figures(f)) for name, f in shown)]
    more = len(metrics.slices) - len(shown)
    note = f"<p class=soft>{more:,} more slices are in the JSON.</p>" if more else ""
    head = ("slice", "rows", "accuracy, with its 95 % interval", "log-loss", "Brier", "ECE")
    return f"<h2>Slices</h2><div class=wide>{_table(head, rows)}</div>{note}"


def _figures(f: Figures) -> tuple[str, ...]:
    low, high = interval(f.accuracy, f.rows)
    track = (
        f"<span class=track><i style='width:{f.accuracy * 100:.1f}%'></i>"
        f"<u style='left:{low * 100:.1f}%;width:{max(0.5, (high - low) * 100):.1f}%'></u></span>"
    )
    return (
        f"{f.rows:,}",
        f"{_percent(f.accuracy)} <span class=soft>{low:.1%} – {high:.1%}</span>{track}",
        _number(f.log_loss),
        _number(f.brier),
        _number(f.ece),
    )


def interval(share: float, rows: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share counted over rows.

    Source: Wilson, "Probable Inference, the Law of Succession, and Statistical Inference", JASA 1927.

    >>> [round(end, 3) for end in interval(0.9, 100)]
    [0.826, 0.945]
    """
    if not rows:
        return 0.0, 1.0
    square = _Z**2 / rows
    middle = (share + square / 2) / (1 + square)
    reach = _Z / (1 + square) * math.sqrt(share * (1 - share) / rows + square / (4 * rows))
    return max(0.0, middle - reach), min(1.0, middle + reach)


def _concepts(metrics: Metrics) -> str:
    if not metrics.concepts:
        return ""
    rows = [
        (escape(name), f"{concept.atoms:,}", _percent(concept.accuracy)) for name, concept in metrics.concepts.items()
    ]
    return (
        "<h2>Concepts</h2><p class=soft>How often the encoder is right about each neural predicate, where its truth is "
        f"known; answers are right in {_percent(metrics.accuracy)}.</p>"
        f"{_table(('neural predicate', 'known atoms', 'right'), rows)}"
    )


def _mistakes(metrics: Metrics, mistakes: Sequence[Mistake]) -> str:
    if not mistakes:
        return "<h2>Wrong answers</h2><p>There is none.</p>"
    wrong = round((1 - metrics.accuracy) * metrics.overall.rows)
    parts = [f"<h2>Wrong answers</h2><p class=soft>The surest {len(mistakes)} of {wrong:,}.</p>"]
    for number, mistake in enumerate(mistakes):
        reason = (
            f"<div class=nesy>{mistake.explanation.to_part()}</div>"
            if mistake.explanation
            else "<p class=soft>The constraints leave this input no answer.</p>"
        )
        opened = " open" if number == 0 else ""
        parts.append(
            f"<details class=mistake{opened}><summary>answered <span class=bad>{escape(mistake.given)}</span> "
            f"({_percent(mistake.chance)}), right is <span class=right>{escape(mistake.truth)}</span> "
            f"({_percent(mistake.chance_of_truth)}) <span class=soft>{escape(mistake.origin)}</span>"
            f"<blockquote>{escape(_shown(mistake.input))}</blockquote></summary>{reason}</details>"
        )
    return "".join(parts)


def _shown(payload: Mapping[str, Any]) -> str:
    """An input in a line or two: texts whole, of anything else what it is called."""
    if len(payload) == 1 and isinstance(value := next(iter(payload.values())), str):
        return value
    shown = ", ".join(f"{name} = {_brief(value)}" for name, value in payload.items())
    return shown if len(shown) <= 400 else f"{shown[:399]}…"


def _brief(value: object) -> str:
    if isinstance(value, list | tuple):
        return f"[{', '.join(_brief(item) for item in value)}]"
    name = getattr(value, "name", None)
    return name if isinstance(name, str) else str(value)


def _curves(curves: Plots) -> str:
    drawn = "".join(f"<div><h3>{escape(title)}</h3>{plot}</div>" for title, plot in curves)
    return f"<h2>Training</h2><div class=row>{drawn}</div>" if drawn else ""


def _about(about: Mapping[str, Any]) -> str:
    rows = "".join(f"<dt>{escape(name)}</dt><dd>{escape(str(value))}</dd>" for name, value in about.items())
    return f"<h2>The run</h2><dl class=about>{rows}</dl>"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Cells are HTML already."""
    top = "".join(f"<th>{escape(name)}</th>" for name in head)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table class=figures><tr>{top}</tr>{body}</table>"


def _percent(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.2%}"


def _number(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.4f}"
