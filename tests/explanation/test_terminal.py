"""What a person reads: trees that fit, say what was seen, and colour nothing that is piped."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
import torch

from nesy.explanation import Section, Sighting, Story, blame, change_section, tell, to_dict, to_text, why_not_section
from nesy.language import parse_program, parse_query
from nesy.language.values import Value
from nesy.reasoning import best_proofs, exact, ground
from nesy.solver import smallest_change, why_not

PATHS = """
0.9::edge(a, b). 0.8::edge(b, c). 0.5::edge(a, c). 0.3::closed(b).
path(X, Y) :- edge(X, Y), not closed(Y).
path(X, Y) :- edge(X, Z), not closed(Z), path(Z, Y).
degree(N) :- N = #count{ X,Y : edge(X, Y) }.
busy :- degree(N), N >= 2, path(a, c).
"""

SIGNS = """
#input token(index, word).
#neural polarity(T) -> {positive, negative} :- token(T, _).
#neural negator(T) :- token(T, _).
flipped(T) :- token(T, _), negator(S), T = S + 1.
good(T) :- polarity(T, positive), not flipped(T).
good(T) :- polarity(T, negative), flipped(T).
"""


def story_of(text: str, query: str, name: str = "rules/paths.nesy", top: int = 2) -> Story:
    program = parse_program(text, name)
    graph = ground(program, queries=[parse_query(query, program)])
    leaf = torch.from_numpy(graph.choices.probability)
    reading = exact(graph)
    literal = graph.query[0].literal
    assert literal is not None
    proofs = best_proofs(graph, leaf, literal, top)
    return tell(graph, proofs, leaf.numpy(), answer=query, probability=float(reading(leaf).p[0]), method="exact")


def absence_of(text: str, query: str) -> Story:
    program = parse_program(text, "rules/paths.nesy")
    graph = ground(program, queries=[parse_query(query, program)])
    leaf = torch.from_numpy(graph.choices.probability)
    literal = graph.query[0].literal
    assert literal is not None
    return tell(graph, best_proofs(graph, leaf, literal ^ 1, 1), leaf.numpy())


def signs() -> Story:
    program = parse_program(SIGNS, "rules/signs.nesy")
    words = ["not", "good"]
    facts = {parse_query("token(_, _)", program).atom.signature: [(i, w) for i, w in enumerate(words)]}
    graph = ground(program, [facts], [parse_query("good(1)", program)])
    leaf = torch.zeros(graph.num_leaves, dtype=torch.float64)
    for number in range(graph.num_leaves):
        text = str(graph.atom_of(number))
        leaf[number] = {"polarity(1,positive)": 0.1, "polarity(1,negative)": 0.9, "negator(0)": 0.75}.get(text, 0.01)

    def saw(name: str, key: tuple[Value, ...]) -> Sighting:
        return Sighting("not", 0, 3) if key == (0,) else Sighting("good", 4, 8)

    literal = graph.query[0].literal
    assert literal is not None
    proofs = best_proofs(graph, leaf, literal, 1)
    reading = exact(graph)
    answer = float(reading(leaf).p[0])
    story = tell(graph, proofs, leaf.numpy(), answer="good(1)", probability=answer, saw=saw, text="not good")
    return replace(story, blame=blame(reading, leaf, 0, saw))


def test_a_proof_is_a_tree_with_rules_probabilities_and_shares():
    assert to_text(story_of(PATHS, "path(a,c)"), width=100) == (
        "path(a,c)  75.2 %  exact\n"
        "because (1 of 2)  50.4 %, 67.0 % of the answer\n"
        "└── path(a,c)  50.4 %  rules/paths.nesy:4\n"
        "    ├── edge(a,b)  90.0 %  rules/paths.nesy:2\n"
        "    ├── not closed(b)  70.0 %  rules/paths.nesy:2\n"
        "    └── path(b,c)  80.0 %  rules/paths.nesy:3\n"
        "        └── edge(b,c)  80.0 %  rules/paths.nesy:2\n"
        "because (2 of 2)  50.0 %, 66.5 % of the answer\n"
        "└── path(a,c)  50.0 %  rules/paths.nesy:3\n"
        "    └── edge(a,c)  50.0 %  rules/paths.nesy:2\n"
    )


def test_an_aggregate_says_what_it_counted_and_what_not():
    text = to_text(story_of(PATHS, "degree(2)", top=1))
    assert "#count = 2" in text
    assert "2 of 3 elements hold" in text
    assert "not counted: 1 (not edge(a,c))" in text


def test_leaves_say_what_was_seen_and_the_input_stands_above():
    text = to_text(signs(), width=100)
    assert text.splitlines()[1] == "not good"
    assert "polarity(1,negative)  90.0 %  saw “good”  rules/signs.nesy:3" in text
    assert "negator(0)  75.0 %  saw “not”  rules/signs.nesy:4" in text


def test_blame_ranks_leaves_by_what_the_answer_loses():
    story = signs()
    # P(good) = 0.1 * 0.25 + 0.9 * 0.75; without the negator only 0.1 of it is left
    assert story.probability == pytest.approx(0.7)
    by_text = {b.text: b for b in story.blame}
    assert by_text["negator(0)"].without == pytest.approx(0.1)
    assert by_text["negator(0)"].gradient == pytest.approx(0.9 - 0.1)
    # one of the two polarities must come out: without what was seen, both are as likely
    assert by_text["polarity(1,negative)"].without == pytest.approx(0.5 * 0.25 + 0.5 * 0.75)
    assert [b.text for b in story.blame] == ["negator(0)", "polarity(1,negative)"]


@pytest.mark.parametrize("width", [20, 40, 60, 200])
def test_no_line_is_wider_than_the_window(width: int):
    for story in (signs(), story_of(PATHS, "busy")):
        assert max(map(len, to_text(story, width).splitlines())) <= width


def test_what_is_piped_has_no_colour_and_a_terminal_has():
    assert "\x1b" not in to_text(signs())
    assert "\x1b" in to_text(signs(), color=True)


def test_a_shared_part_is_told_once_and_referred_to():
    shared = """
    0.5::a. 0.5::b.
    deep :- a, b.
    left :- deep. right :- deep.
    top :- left, right.
    """
    text = to_text(story_of(shared, "top", top=1))
    assert text.count("└── a") + text.count("├── a") == 1
    assert "deep  25.0 %  rules/paths.nesy:3  #1" in text
    assert "deep  25.0 %  (as above, #1)" in text


def test_the_json_has_the_same_steps_and_can_be_written():
    story = signs()
    data: dict[str, Any] = json.loads(json.dumps(to_dict(story)))
    assert data["answer"] == "good(1)"
    by_id = {step["id"]: step for step in data["steps"]}
    root = by_id[data["proofs"][0]["root"]]
    assert root["literal"] == "good(1)"
    assert {by_id[child]["literal"] for child in root["children"]} == {"polarity(1,negative)", "flipped(1)"}
    assert {"text": "not", "start": 0, "end": 3} in [step["saw"] for step in data["steps"]]
    assert root["rule"] == {
        "place": "rules/signs.nesy:7",
        "text": "good(T) :- polarity(T, negative), flipped(T).",
    }


def test_absence_is_explained_by_what_was_missing():
    assert to_text(absence_of(PATHS, "path(a,c)")).splitlines()[:5] == [
        "not path(a,c)  15.0 %",
        "because",
        "└── not path(a,c)  15.0 %  none of 2 ways to derive it holds",
        "    ├── not edge(a,c)  50.0 %  rules/paths.nesy:2",
        "    └── closed(b)  30.0 %  rules/paths.nesy:2",
    ]


def test_findings_are_told_in_sentences():
    program = parse_program(PATHS, "rules/paths.nesy")
    graph = ground(program, queries=[parse_query("path(a,c)", program)])
    literal = graph.query[0].literal
    assert literal is not None
    section = change_section(smallest_change(graph, graph.choices.probability, literal))
    assert section.title == "what would change it"
    assert section.lines[-1] == "0.43 times as likely as what it rests on"
    section = why_not_section(why_not(program, parse_query("path(c,a)", program).atom))
    assert section.title == "why not path(c,a)"
    assert "    there is not edge(c,a)" in section.lines
    assert section.lines[-1].startswith("missing: edge(c,")
    story = replace(story_of(PATHS, "busy"), sections=(section, Section("certificate", ("checked",), good=True)))
    assert "why not path(c,a)\n├── rules/paths.nesy:3: path(X, Y) :- edge(X, Y), not closed(Y).\n" in to_text(story)
