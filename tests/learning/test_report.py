"""The page of `nesy eval --html`: whole, without anything from outside, and true to the figures."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from nesy.errors import DataError, RunError
from nesy.learning.evaluation import evaluate
from nesy.learning.metrics import Metrics
from nesy.learning.progress import EpochRecord
from nesy.learning.reports.curves import draw_curves, read_log
from nesy.learning.reports.evaluation import interval
from nesy.learning.reports.plots import Bar, Range, bar_plot, matrix_plot
from nesy.learning.run import log_text
from nesy.learning.training import train

_VOID = {"meta", "img", "br", "hr"}


class Page(HTMLParser):
    """Text, attributes that fetch something, and whether every tag is closed."""

    def __init__(self, text: str):
        super().__init__()
        self.open: list[str] = []
        self.words: list[str] = []
        self.fetched: list[str] = []
        self.feed(text)
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.fetched += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href", "action")]
        if tag not in _VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open.pop() == tag, f"</{tag}> closes something else"

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def test_the_page_needs_nothing_else_and_shows_the_figures(half_trained: Path, tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    metrics = evaluate(half_trained, html=file)
    text = file.read_text()
    page = Page(text)
    assert all(place.startswith("data:") for place in page.fetched)
    assert not re.search(r"url\(|@import|<link|<script src", text)
    words = " ".join(page.words)
    assert f"{metrics.accuracy:.2%}" in words
    for figure in (metrics.macro_f1, metrics.log_loss, metrics.overall.brier, metrics.overall.ece):
        assert f"{figure:.4f}" in words
    for name in (
        "short=true",
        "short=false",
        "leans (concept)",
        "Reliability",
        "Coverage against error",
        "Dev accuracy",
    ):
        assert name in words
    assert text.count("<svg ") == 5  # reliability, coverage, confusion, two curves


def test_the_surest_wrong_answers_stand_there_with_their_proofs(half_trained: Path, tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    metrics = evaluate(half_trained, html=file)
    wrong = round((1 - metrics.accuracy) * metrics.overall.rows)
    assert wrong > 0
    page = file.read_text()
    assert page.count("<details class=mistake") == min(6, wrong)
    assert page.count("checked by Z3") == min(6, wrong)
    sure = [float(found) for found in re.findall(r"class=bad>\w+</span> \(([\d.]+)%\)", page)]
    assert sure == sorted(sure, reverse=True)


def test_what_comes_from_the_data_is_escaped(half_trained: Path, tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    evaluate(half_trained, html=file)
    assert "<b>good" not in file.read_text()


def test_a_place_where_no_report_can_go_is_refused_before_anything_is_measured(half_trained: Path) -> None:
    with pytest.raises(DataError, match=r"there is no folder `.*nowhere` to write the report into"):
        evaluate(half_trained, html=half_trained / "nowhere" / "report.html")
    with pytest.raises(DataError, match="is a folder: name a file for the report"):
        evaluate(half_trained, html=half_trained)


def test_training_draws_its_curves_where_it_is_told(mood: Path, tmp_path: Path) -> None:
    run = train(mood, tmp_path / "run", epochs=2, plot=tmp_path / "curves.svg", progress=False)
    drawn = ElementTree.parse(tmp_path / "curves.svg").getroot()
    assert len(list(drawn.iter("{http://www.w3.org/2000/svg}circle"))) >= 3 * run.epochs
    with pytest.raises(DataError, match="there is no folder"):
        train(mood, tmp_path / "other", plot=tmp_path / "nowhere" / "curves.svg", progress=False)
    assert not (tmp_path / "other").exists()


def test_a_log_that_training_did_not_write_is_refused() -> None:
    with pytest.raises(RunError, match=r"log\.csv: not what training writes there"):
        read_log("epoch,loss\n1,x\n", "log.csv")


def test_the_log_reads_back_as_it_was_written() -> None:
    records = [
        EpochRecord(1, 0.5, 0.25, 0.25, 1.5, 1e-3, 2.0, 100.0),
        EpochRecord(2, 0.25, 0.5, 0.5, 1.0, 0.0, 2.0, 90.0),
    ]
    assert read_log(log_text(records), "log.csv") == records


def test_curves_go_through_their_points_and_mark_the_best_epoch() -> None:
    records = [EpochRecord(i, 1 / i, 0.1 * i, 0.1 * i, 1 / i, 1e-3, 1.0, 10.0) for i in (1, 2, 3)]
    root = ElementTree.fromstring(draw_curves(records, "accuracy", best_epoch=3))
    inside = root.findall("{http://www.w3.org/2000/svg}svg")
    assert [plot.get("aria-label") for plot in inside] == ["nats", "accuracy"]
    scores = inside[1].findall("{http://www.w3.org/2000/svg}circle")
    xs, ys = ([float(c.get(name) or 0) for c in scores] for name in ("cx", "cy"))
    assert xs[1] - xs[0] == pytest.approx(xs[2] - xs[1], abs=0.2) and xs[1] > xs[0]
    assert ys[0] - ys[1] == pytest.approx(ys[1] - ys[2], abs=0.2) and ys[0] > ys[1]
    mark = next(line for line in inside[1].iter("{http://www.w3.org/2000/svg}line") if line.get("class") == "mark")
    assert float(mark.get("x1") or 0) == pytest.approx(xs[2])


def test_one_epoch_has_curves_too() -> None:
    ElementTree.fromstring(draw_curves([EpochRecord(1, 0.5, 0.5, 0.5, 0.5, 1e-3, 1.0, 10.0)], "log_loss", 1))


def test_a_bar_is_as_high_as_its_share_and_what_it_lacks_is_marked() -> None:
    drawn = bar_plot([Bar(0.8, 1.0, 0.5, 0.9, 1.0, "<note>")], "sure", "right")
    heights = dict(re.findall(r'<rect class="(\w+)" [^>]*?height="([\d.]+)"', drawn))
    assert float(heights["over"]) / float(heights["bar"]) == pytest.approx(0.4 / 0.5, abs=0.01)
    assert "&lt;note&gt;" in drawn


def test_a_matrix_has_a_cell_for_each_pair_in_the_order_of_numbers() -> None:
    drawn = matrix_plot({"10": {"10": 3, "2": 1}, "2": {"2": 4}}, "true", "answered")
    notes = re.findall(r"<title>(.*?)</title>", drawn)
    assert notes == [
        "2 answered as 2: 4 of 4", "2 answered as 10: 0 of 4", "10 answered as 2: 1 of 4", "10 answered as 10: 3 of 4"
    ]  # fmt: skip


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (0.9, 0.91), (3.0, 3000.0), (-2.0, 5.0), (1e-9, 2e-9)])
def test_ticks_are_few_round_and_inside(low: float, high: float) -> None:
    ticks = Range(low, high).ticks()
    assert 2 <= len(ticks) <= 7
    assert all(low - 1e-12 <= tick <= high + 1e-12 for tick in ticks)
    steps = np.diff(ticks)
    assert np.allclose(steps, steps[0])
    lead = steps[0] / 10 ** np.floor(np.log10(steps[0]) + 1e-9)
    assert round(lead, 6) in (1, 2, 5)


def test_an_interval_contains_its_share_and_narrows_with_rows() -> None:
    low, high = interval(1.0, 10)
    assert (low, high) == (pytest.approx(10 / (10 + 1.96**2)), 1.0)
    assert interval(0.5, 1000)[1] - interval(0.5, 1000)[0] < 0.07
    assert interval(0.0, 0) == (0.0, 1.0)


def test_metrics_without_rows_still_make_a_page(half_trained: Path, tmp_path: Path, mood: Path) -> None:
    """A split whose answers are all unknown has no figures, and says so."""
    unknown = tmp_path / "unknown"
    unknown.mkdir()
    rows = '{"text": "good food", "label": null}\n' * 3
    for name in ("train", "dev", "test"):
        (unknown / f"{name}.jsonl").write_text(rows)
    file = tmp_path / "report.html"
    metrics: Metrics = evaluate(half_trained, data=unknown, html=file)
    assert metrics.overall.rows == 0
    words = " ".join(Page(file.read_text()).words)
    assert "No row has an answer that is known." in words and "nan" not in words
