"""A story as plain dictionaries and lists: the shape of `--json`, stable for tools to read."""

from __future__ import annotations

from typing import Any

from nesy.explanation.story import Sighting, Step, Story


def to_dict(story: Story) -> dict[str, Any]:
    """The story as data that `json.dumps` takes. Steps refer to each other by their `id`."""
    return {
        "answer": story.answer,
        "probability": story.probability,
        "method": story.method,
        "verdict": story.verdict or None,
        "text": story.text,
        "proofs": [{"root": r.root, "probability": r.probability, "share": r.share} for r in story.reasons],
        "steps": [_step(step) for step in story.steps],
        "blame": [
            {
                "leaf": b.text,
                "probability": b.probability,
                "gradient": b.gradient,
                "without": b.without,
                "loss": b.loss,
                "saw": _sighting(b.sighting),
            }
            for b in story.blame
        ],
        "findings": [
            {"kind": s.kind, "title": s.title, "lines": list(s.lines), "good": s.good, "data": s.data}
            for s in story.sections
        ],
    }


def _step(step: Step) -> dict[str, Any]:
    data: dict[str, Any] = {
        "id": step.id,
        "kind": step.kind,
        "literal": step.shown,
        "probability": step.probability,
        "rule": {"place": step.rule.place, "text": step.rule.text} if step.rule else None,
        "saw": _sighting(step.sighting),
        "children": list(step.children),
        "note": step.note,
    }
    if step.kind == "aggregate":
        data["counted"] = [{"weight": c.weight, "step": c.step, "holds": c.holds} for c in step.counted]
    return data


def _sighting(sighting: Sighting | None) -> dict[str, Any] | None:
    if sighting is None:
        return None
    return {
        "text": sighting.text,
        "start": sighting.start,
        "end": sighting.end,
    }
