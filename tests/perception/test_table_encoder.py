"""The table encoder: rows of numbers and words."""

import json

import numpy as np
import pytest
import torch

from nesy.errors import DataError, RunError, TaskError
from nesy.language.core import Neural, Signature
from nesy.language.values import Symbol
from nesy.perception import Interface, Keys, Sighting, encoder_class
from nesy.perception.table.encoder import TableEncoder

ROW, CELL = Signature("row", 1), Signature("cell", 2)
LOOKS = Neural("looks", ("R",), (Symbol("fine"), Symbol("odd")))
ROWS = [
    {"age": 10, "size": 1.5, "colour": "red"},
    {"age": 50, "size": 0.5, "colour": "blue"},
    {"age": 30, "size": 1.0, "colour": "red"},
]


def build(inputs=(ROW, CELL), payloads=ROWS, seed=0, **options) -> TableEncoder:
    interface = Interface({"looks": LOOKS}, tuple(inputs))
    return encoder_class("table").build({"kind": "table", "dim": 512, **options}, interface, payloads, seed).eval()


def ask(encoder, payloads):
    keys = Keys(np.arange(len(payloads)), [(0,)] * len(payloads))
    return encoder(payloads, {"looks": keys})["looks"]


def hypervectors(encoder, payloads):
    captured = []
    encoder.readouts["looks"].register_forward_hook(lambda module, inputs, output: captured.append(inputs[0]))
    ask(encoder, payloads)
    return captured[0].detach()


def test_cells_are_facts_where_the_program_wants_them():
    assert build().facts(ROWS[0]) == {ROW: [(0,)], CELL: [("age", 10), ("size", 1.5), ("colour", "red")]}
    assert build(inputs=(ROW,)).facts(ROWS[0]) == {ROW: [(0,)]}


def test_near_rows_are_more_alike_than_far_ones():
    base = {"age": 12, "size": 0.6, "colour": "red"}
    near = {**base, "age": 16}
    far = {**base, "age": 50}
    other = {**base, "colour": "blue"}
    vectors = hypervectors(build(), [base, near, far, other])
    to_near, to_far, to_other = torch.cosine_similarity(vectors[0], vectors[1:]).tolist()
    assert to_near > to_far + 0.1
    assert to_near > to_other + 0.1


def test_scores_of_a_row_do_not_depend_on_the_rest_of_the_batch():
    encoder = build()
    torch.testing.assert_close(ask(encoder, ROWS)[1:2], ask(encoder, ROWS[1:2]))


def test_numbers_outside_the_range_count_as_its_ends_and_unknown_words_as_nothing():
    encoder = build()
    inside, outside = {**ROWS[0], "age": 50}, {**ROWS[0], "age": 5000}
    torch.testing.assert_close(ask(encoder, [inside]), ask(encoder, [outside]))
    green, mauve = ({**ROWS[0], "colour": colour} for colour in ("green", "mauve"))
    torch.testing.assert_close(ask(encoder, [green]), ask(encoder, [mauve]))
    assert not torch.allclose(ask(encoder, [green]), ask(encoder, ROWS[:1]))


def test_texts_that_are_all_numbers_are_numbers_for_encoder_and_rules():
    written = [{name: str(value) for name, value in row.items()} for row in ROWS]
    encoder = build(payloads=written)
    assert encoder.facts(written[1]) == {ROW: [(0,)], CELL: [("age", 50), ("size", 0.5), ("colour", "blue")]}
    torch.testing.assert_close(ask(encoder, written), ask(build(), ROWS))
    torch.testing.assert_close(ask(build(), written), ask(build(), ROWS))  # learned from JSON, asked from CSV


def test_texts_that_look_like_numbers_stay_words_where_the_task_says_so():
    written = [{"post": text} for text in ("01067", "80331", "10115")]
    encoder = build(payloads=written, words=["post"])
    assert encoder.facts(written[0])[CELL] == [("post", "01067")]
    assert encoder.payload_of("post=01067") == {"post": "01067"}
    again = encoder_class("table").from_config(json.loads(json.dumps(encoder.config())))
    assert again.facts(written[0]) == encoder.facts(written[0])
    with pytest.raises(DataError, match="reads the field `pots`, which the input does not have: did you mean `post`"):
        build(payloads=written, words=["pots"])


def test_a_column_of_which_most_texts_are_numbers_is_asked_about():
    rows = [{"age": text} for text in ("10", "n/a", "30", "4e1")]
    with pytest.raises(DataError) as error:
        build(payloads=rows)
    assert str(error.value) == (
        "field `age`: 3 of 4 cells are numbers, and 'n/a' is none: mend it, or say that the column's texts are words: "
        'words = ["age"] in [encoder]'
    )
    assert build(payloads=rows[:2]).facts(rows[0])[CELL] == [("age", "10")]  # as many words as numbers


@pytest.mark.parametrize("columns", [["age"], ["colour"], ["size", "colour"]])
def test_columns_can_be_chosen(columns):
    encoder = build(columns=columns)
    kept = {name: ROWS[0][name] for name in columns}
    torch.testing.assert_close(ask(encoder, ROWS[:1]), ask(encoder, [kept]))
    assert encoder.facts(ROWS[0])[CELL] == list(kept.items())


def test_config_and_weights_bring_an_encoder_back():
    encoder = build(seed=3, readout="kan-gaussian")
    with torch.no_grad():
        for parameter in encoder.parameters():
            parameter.add_(0.1)
    again = encoder_class("table").from_config(json.loads(json.dumps(encoder.config())))
    again.load_state_dict(encoder.state_dict())
    assert torch.equal(ask(encoder, ROWS), ask(again.eval(), ROWS))


def test_rows_can_be_typed_and_are_seen_as_a_whole():
    encoder = build()
    assert encoder.payload_of("age=37, size = 0.5,colour=red") == {"age": 37, "size": 0.5, "colour": "red"}
    assert encoder.sighting(ROWS[0], "looks", (0,)) == Sighting("age=10, size=1.5, colour=red")
    with pytest.raises(DataError) as error:
        encoder.payload_of("age 37")
    assert str(error.value) == "`age 37` is not NAME=VALUE; a row reads: age=37, colour=red"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"age": "old"}, "field `age`: expected a number, found 'old'"),
        ({"age": True}, "field `age`: expected a number, found True"),
        ({"size": float("nan")}, "field `size`: expected a number, found nan"),
        ({"colour": 3}, "field `colour`: expected a text, found 3"),
    ],
)
def test_a_cell_of_the_wrong_type_is_refused(changes, message):
    for reading in (build().facts, lambda payload: ask(build(), [payload])):
        with pytest.raises(DataError) as error:
            reading({**ROWS[0], **changes})
        assert str(error.value) == message


def test_a_missing_column_is_refused_with_the_nearest_name():
    with pytest.raises(
        DataError, match="reads the field `colour`, which the input does not have: did you mean `color`"
    ):
        ask(build(), [{"age": 1, "size": 1.0, "color": "red"}])


def test_wrong_programs_rows_and_configurations_are_refused():
    with pytest.raises(TaskError, match=r"does not declare row/1 \(its inputs: cell/2\)"):
        build(inputs=(CELL,))
    with pytest.raises(DataError, match="needs training rows"):
        build(payloads=[])
    with pytest.raises(DataError, match="no column of numbers or texts"):
        build(payloads=[{"x": [1]}])
    config = build().config()
    del config["columns"]
    with pytest.raises(RunError, match="the configuration of the table encoder is damaged"):
        TableEncoder.from_config(config)


def test_a_neural_predicate_that_all_inputs_would_share_is_refused():
    with pytest.raises(TaskError, match="`looks` does not depend on the input: all inputs would share one draw"):
        build()(ROWS, {"looks": Keys(np.array([-1]), [()])})
