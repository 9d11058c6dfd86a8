"""A story as one page that needs nothing else: its text, its proofs as branches that open and close, its picture.

Branches are plain `details` elements, so the page works without scripts; the few lines of script that there are
mark the words a branch rests on while the pointer is over it. Everything that comes from rules or inputs is
escaped.
"""

from __future__ import annotations

import base64
from html import escape

from nesy.explanation.story import Blame, Reason, Section, Sighting, Step, Story
from nesy.explanation.svg import to_svg
from nesy.explanation.terminal import percent, standing, weight

_OPEN_DEPTH = 3  # branches that are open when the page is: enough to see what the answer rests on
_MAX_DEPTH = 60  # deeper branches say so instead: browsers nest no further in comfort

STYLE = """
:root{color-scheme:light dark;--ink:#172033;--soft:#5b6b86;--line:#dfe4ec;--back:#fff;--card:#f7f9fc;--blue:#2a5db5;
--red:#b4435a;--mark:#ffe9a8;--edge:#e3bd4d;--good:#23753f}
@media (prefers-color-scheme:dark){:root{--ink:#e6eaf2;--soft:#9aa7bb;--line:#303848;--back:#12161f;--card:#1a202c;
--blue:#8ab0f5;--red:#f08aa0;--mark:#5c4a12;--edge:#8f7420;--good:#7fd39a}}
.nesy{color:var(--ink);background:var(--back);font:15px/1.5 system-ui,-apple-system,"Segoe UI",sans-serif;
max-width:60rem;margin:0 auto;padding:1.5rem}.nesy h1{font-size:1.5rem;margin:0 0 .25rem}
.nesy h2{font-size:1rem;margin:1.75rem 0 .5rem}
.nesy h1,.nesy summary,.nesy .leaf,.nesy code,.nesy td:first-child{font-family:ui-monospace,Menlo,Consolas,
"DejaVu Sans Mono",monospace}.nesy summary,.nesy .leaf,.nesy code{font-size:.85rem}.nesy .p{color:var(--blue)}
.nesy .soft{color:var(--soft);font-weight:normal;font-size:.8rem}.nesy .no{color:var(--red);font-weight:600}
.nesy .text{font-size:1.1rem;background:var(--card);border:1px solid var(--line);border-radius:8px;padding:.7rem 1rem;
white-space:pre-wrap}
.nesy mark{background:var(--mark);color:inherit;border-radius:4px;padding:0 .15em;box-shadow:0 0 0 1px var(--edge)}
.nesy mark.on{outline:2px solid var(--blue)}
.nesy details,.nesy .leaf{margin:.1rem 0 .1rem 1.1rem;border-left:1px solid var(--line);padding-left:.6rem}
.nesy .proof>details,.nesy .proof>.leaf{margin-left:0;border:0;padding-left:0}
.nesy summary{cursor:pointer;border-radius:6px;padding:.1rem .3rem}
.nesy summary:hover,.nesy .leaf:hover{background:var(--card)}
.nesy .leaf{padding-top:.1rem;padding-bottom:.1rem;padding-left:1.75rem}
.nesy .rule{display:block;margin:.15rem 0 .3rem 1.1rem;padding:.25rem .6rem;background:var(--card);border-radius:6px;
color:var(--soft);white-space:pre-wrap}
.nesy .bar{display:inline-block;width:3.2rem;height:.55rem;border-radius:3px;background:var(--line);margin:0 .5rem;
overflow:hidden}.nesy .bar i{display:block;height:100%;background:var(--blue)}.nesy .bar.no i{background:var(--red)}
.nesy img{height:2.2rem;vertical-align:middle;image-rendering:pixelated;border:1px solid var(--line);
border-radius:4px}.nesy table{border-collapse:collapse;font-size:.85rem}
.nesy td,.nesy th{padding:.2rem .8rem .2rem 0;text-align:left}.nesy th{color:var(--soft);font-weight:normal}
.nesy .card{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:.6rem 1rem;
white-space:pre-wrap;font-size:.9rem}.nesy .card.good{border-left:4px solid var(--good)}
.nesy .card.bad{border-left:4px solid var(--red)}
.nesy .picture{overflow-x:auto;margin-inline:calc(50% - min(48vw,52rem));background:#fff;border:1px solid var(--line);
border-radius:8px}.nesy .picture svg{width:100%;height:auto;min-width:44rem;display:block}
""".replace("\n", "")

SCRIPT = """
document.querySelectorAll('.nesy [data-at]').forEach(n=>{const on=v=>{n.closest('.nesy').querySelectorAll(
'mark[data-at="'+n.dataset.at+'"]').forEach(m=>m.classList.toggle('on',v))};
n.addEventListener('mouseenter',()=>on(true));n.addEventListener('mouseleave',()=>on(false))})
""".replace("\n", "")


def to_html(story: Story, page: bool = True, picture: bool = True) -> str:
    """The story as a page, or with `page=False` as a part of one (for a notebook); `picture` adds the graph."""
    body = f"<style>{STYLE}</style><main class=nesy>{to_part(story, picture)}</main><script>{SCRIPT}</script>"
    if not page:
        return body
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(story.answer)}</title></head><body style='margin:0'>{body}</body></html>\n"
    )


def to_part(story: Story, picture: bool = False) -> str:
    """What stands on the page, for a larger page that has `STYLE` and, at its end, `SCRIPT`: inside a `.nesy`."""
    parts = [
        f"<h1>{escape(story.answer)} <span class=p>{standing(story)}</span>"
        f"{f' <span class=soft>{escape(story.method)}</span>' if story.method else ''}</h1>"
    ]
    if story.text is not None:
        parts.append(f"<div class=text>{_marked(story)}</div>")
    writer = _Writer(story)
    parts += [writer.proof(reason, index) for index, reason in enumerate(story.reasons)]
    if story.blame:
        parts.append(_blame(story.blame))
    parts += [_section(section) for section in story.sections]
    if picture and story.reasons:
        parts.append(f"<h2>as a graph</h2><div class=picture>{to_svg(story, head=False)}</div>")
    return "".join(parts)


def _marked(story: Story) -> str:
    """The input with the words that the proofs rest on; overlapping marks are cut at the earlier one's end."""
    text, shown, at = story.text or "", [], 0
    for sighting in story.sightings:
        if sighting.start is None or sighting.end is None or sighting.start < at or sighting.end > len(text):
            continue
        shown.append(escape(text[at : sighting.start]))
        shown.append(f'<mark data-at="{sighting.start}">{escape(text[sighting.start : sighting.end])}</mark>')
        at = sighting.end
    return "".join(shown) + escape(text[at:])


class _Writer:
    """Writes each step in full the first time, and as a reference afterwards."""

    def __init__(self, story: Story):
        self.story = story
        self.told: set[int] = set()

    def proof(self, reason: Reason, index: int) -> str:
        number = f" ({index + 1} of {len(self.story.reasons)})" if len(self.story.reasons) > 1 else ""
        share = f", {percent(min(reason.share, 1.0))} of the answer" if reason.share is not None else ""
        title = f"because{number} <span class=soft>{percent(reason.probability)}{share}</span>"
        return f"<h2>{title}</h2><div class=proof>{self._step(self.story.steps[reason.root], '', 0)}</div>"

    def _step(self, step: Step, prefix: str, depth: int) -> str:
        line = f"{f'<b class=p>{escape(prefix)}</b> ' if prefix else ''}{self._line(step)}"
        at = f' data-at="{step.sighting.start}"' if step.sighting and step.sighting.start is not None else ""
        if step.id in self.told and step.children:
            return f"<div class=leaf{at}>{line} <span class=soft>(as above)</span></div>"
        self.told.add(step.id)
        rule = f"<code class=rule>{escape(step.rule.text)}</code>" if step.rule else ""
        inner = rule + (self._inside(step, depth) if depth < _MAX_DEPTH else "<div class=leaf>…</div>")
        if not inner:
            return f"<div class=leaf{at}>{line}</div>"
        opened = " open" if depth < _OPEN_DEPTH and step.children else ""
        return f"<details{opened}><summary{at}>{line}</summary>{inner}</details>"

    def _inside(self, step: Step, depth: int) -> str:
        steps = self.story.steps
        if step.kind != "aggregate":
            return "".join(self._step(steps[child], "", depth + 1) for child in step.children)
        plain = all(c.weight == 1 for c in step.counted)
        shown = [
            self._step(steps[c.step], "" if plain else weight(c).strip(), depth + 1) for c in step.counted if c.holds
        ]
        missed = [steps[c.step] for c in step.counted if not c.holds]
        if missed:
            inner = "".join(f"<div class=leaf>{self._line(other)}</div>" for other in missed)
            shown.append(
                f"<details><summary><span class=soft>not counted: {len(missed)}</span></summary>{inner}</details>"
            )
        return "".join(shown)

    def _line(self, step: Step) -> str:
        text = escape(step.text) if step.holds else f"<span class=no>not</span> {escape(step.text)}"
        parts = [text]
        if step.kind != "fact" and step.probability < 1:
            wide = f"{step.probability * 100:.1f}"
            negative = "" if step.holds else " no"
            parts.append(
                f'<span class="bar{negative}"><i style="width:{wide}%"></i></span>'
                f"<span class=p>{percent(step.probability)}</span>"
            )
        if step.sighting is not None:
            parts.append(self._seen(step.sighting))
        note = " · ".join(filter(None, [step.note, step.rule.place if step.rule else "", _kind(step)]))
        parts.append(f"<span class=soft>{escape(note)}</span>" if note else "")
        return " ".join(filter(None, parts))

    def _seen(self, sighting: Sighting) -> str:
        image = self.story.pictures.get(sighting.text)
        if image is not None:
            data = base64.b64encode(image).decode()
            return f'<img alt="{escape(sighting.text, True)}" src="data:image/png;base64,{data}">'
        return f"<mark>{escape(sighting.text)}</mark>"


def _kind(step: Step) -> str:
    return "fact" if step.kind == "fact" else ""


def _blame(blame: tuple[Blame, ...]) -> str:
    rows = "".join(
        f"<tr><td>{escape(b.text)}</td><td>{f'<mark>{escape(b.sighting.text)}</mark>' if b.sighting else ''}</td>"
        f"<td class=p>{percent(b.probability)}</td><td>{percent(max(0.0, b.without))}</td>"
        f"<td>{b.gradient:+.3f}</td></tr>"
        for b in blame
    )
    head = "<tr><th>leaf</th><th></th><th>probability</th><th>answer without it</th><th>slope</th></tr>"
    return f"<h2>what mattered</h2><table>{head}{rows}</table>"


def _section(section: Section) -> str:
    kind = "" if section.good is None else " good" if section.good else " bad"
    lines = "\n".join(map(escape, section.lines))
    return f'<h2>{escape(section.title)}</h2><div class="card{kind}">{lines}</div>'
