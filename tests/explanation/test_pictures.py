"""Pictures and pages: complete, well formed, safe, the same every time."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest

from nesy.errors import MissingExtraError
from nesy.explanation import Blame, Section, Story, to_dot, to_html, to_markdown, to_png, to_svg
from nesy.explanation.layout import lay_out
from nesy.explanation.outline import outline

from .test_terminal import PATHS, signs, story_of

EVIL = '</text><script>alert("1")</script>&<b onload=x>'


def deep(levels: int) -> Story:
    rules = "".join(f"p{i} :- p{i - 1}.\n" for i in range(1, levels))
    return story_of(f"0.5::p0.\n{rules}", f"p{levels - 1}", top=1)


def test_the_picture_is_well_formed_and_shows_every_step_that_counts():
    story = story_of(PATHS, "busy")
    root = ElementTree.fromstring(to_svg(story))
    shown = " ".join("".join(text.itertext()) for text in root.iter("{http://www.w3.org/2000/svg}text"))
    for step in story.steps:
        if step.id in story.told and step.kind != "condition":
            assert step.text in shown
    assert "not counted: 1" in shown
    assert shown.count("edge(a,b)") == 1, "what is used twice is drawn once"


def test_arrows_point_right_and_boxes_do_not_overlap():
    for story in (signs(), story_of(PATHS, "busy"), deep(12)):
        drawing = outline(story)
        layout = lay_out(drawing, [(80 + 7 * len(box.text), 40) for box in drawing.boxes])
        for arrow in drawing.arrows:
            source, target = layout.places[arrow.source], layout.places[arrow.target]
            assert source.x + source.width < target.x
        for index, one in enumerate(layout.places):
            for other in layout.places[index + 1 :]:
                apart = one.x + one.width <= other.x or other.x + other.width <= one.x
                assert apart or one.y + one.height <= other.y or other.y + other.height <= one.y


def evil_story() -> Story:
    story = signs()
    steps = tuple(replace(step, text=step.text + EVIL, note=EVIL) for step in story.steps)
    section = Section(EVIL, (EVIL,), good=False)
    blame = (Blame(EVIL, 0.5, 0.1, 0.2, 0.3, story.blame[0].sighting),)
    return replace(story, answer=EVIL, steps=steps, text="not good" + EVIL, sections=(section,), blame=blame)


def test_nothing_from_rules_or_inputs_becomes_markup():
    story = evil_story()
    ElementTree.fromstring(to_svg(story))
    page = to_html(story)
    assert "<script>alert" not in page
    assert "<b onload" not in page
    assert page.count("<script>") == 1, "the page's own"


class _Balance(HTMLParser):
    """Notes elements that are opened and not closed, or closed and not opened."""

    VOID = frozenset({"meta", "img", "rect", "path", "image"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.wrong: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)


@pytest.mark.parametrize("make", [signs, evil_story, lambda: story_of(PATHS, "busy")])
def test_a_page_is_balanced_and_needs_nothing_from_elsewhere(make):
    page = to_html(make())
    parser = _Balance()
    parser.feed(page)
    assert parser.open == [] and parser.wrong == []
    links = re.findall(r"(?:src|href|url)\s*[=(]\s*[\"']?([^\"')\s>]+)", page)
    assert all(link.startswith("data:") for link in links)


def test_a_page_marks_the_words_that_the_answer_rests_on():
    page = to_html(signs())
    assert '<mark data-at="0">not</mark> <mark data-at="4">good</mark>' in page
    assert "<code class=rule>flipped(T) :- token(T, _), negator(S), T = S + 1.</code>" in page


def test_pictures_of_the_input_are_inside_the_page():
    story = signs()
    page = to_html(replace(story, pictures={"good": b"\x89PNG"}))
    assert '<img alt="good" src="data:image/png;base64,iVBORw==">' in page
    assert "data:image/png;base64,iVBORw==" in to_svg(replace(story, pictures={"good": b"\x89PNG"}))


def test_the_same_story_looks_the_same_every_time():
    for draw in (to_svg, to_html, to_dot, to_markdown):
        assert draw(story_of(PATHS, "busy")) == draw(story_of(PATHS, "busy"))


def test_deep_proofs_are_drawn_and_cut_where_nesting_ends():
    story = deep(300)
    assert to_svg(story).count("<rect class=") == 300
    assert "…" in to_html(story, picture=False)
    assert "…" in to_markdown(story)


def test_dot_names_negation_and_weights():
    dot = to_dot(story_of(PATHS, "path(a,c)"))
    assert dot.startswith("digraph explanation {\n  rankdir=LR;\n")
    assert 'label="not closed(b)  70.0 %\\nrules/paths.nesy:2"' in dot
    assert re.search(r"b\d+ -> b\d+ \[style=dashed", dot)


def test_markdown_escapes_and_nests():
    text = to_markdown(evil_story())
    assert "\n> **not** **good**\\</text\\>" in text
    lines = to_markdown(signs()).splitlines()
    assert lines[0] == "## `good(1)` 70.0 %"
    assert "  - `polarity(1,negative)`, 90.0 %, saw “good”, `rules/signs.nesy:3`" in lines


def test_a_png_needs_its_extra(monkeypatch: pytest.MonkeyPatch):
    def missing(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr("nesy.explanation.picture.import_module", missing)
    with pytest.raises(
        MissingExtraError, match=r"a PNG picture needs an optional package: pip install 'nesy\[picture\]'"
    ):
        to_png(signs())


def test_a_png_is_one():
    pytest.importorskip("resvg_py", reason="the picture extra is not installed")
    assert to_png(signs(), zoom=1).startswith(b"\x89PNG\r\n")
