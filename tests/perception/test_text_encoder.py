"""The text encoder: facts, scores, sightings, and what a run folder needs."""

import json

import numpy as np
import pytest
import torch

from nesy.errors import DataError, RunError, TaskError
from nesy.language.core import Neural, Signature
from nesy.perception import Interface, Keys, Sighting, encoder_class
from nesy.perception.text.encoder import TextEncoder

TOKEN = Signature("token", 2)
LEANS = Neural("leans", ("T",), ("positive", "negative"))
TEXTS = ["The food was not good.", "It isn't BAD, honestly.", "good good good", "a tiny story"]
PAYLOADS = [{"text": text} for text in TEXTS]


def build(seed=0, neural=(LEANS,), inputs=(TOKEN,), payloads=PAYLOADS, **options) -> TextEncoder:
    interface = Interface({n.name: n for n in neural}, tuple(inputs))
    encoder = encoder_class("text").build(
        {"kind": "text", "vocabulary": 300, "dim": 32, **options}, interface, payloads, seed
    )
    return encoder.eval()


def ask(encoder, payloads, *keys, predicate="leans"):
    samples = np.array([sample for sample, _ in keys], dtype=np.int64)
    return encoder(payloads, {predicate: Keys(samples, [key for _, key in keys])})[predicate]


def test_the_words_of_a_text_are_its_facts():
    assert build().facts(PAYLOADS[1]) == {
        TOKEN: [(0, "it"), (1, "is"), (2, "n't"), (3, "bad"), (4, ","), (5, "honestly"), (6, ".")]
    }


def test_an_input_brings_facts_of_its_own_along():
    encoder = build(inputs=(TOKEN, Signature("source", 1), Signature("age", 2)))
    facts = encoder.facts({"text": "fine", "age": [["film", 3]], "source": ["mail"]})
    assert facts == {TOKEN: [(0, "fine")], Signature("source", 1): [("mail",)], Signature("age", 2): [("film", 3)]}


def test_each_key_gets_one_score_for_each_value():
    yes_no = Neural("negator", ("T",), None)
    encoder = build(neural=(LEANS, yes_no))
    keys = Keys(np.array([0, 0, 1]), [(0,), (4,), (3,)])
    scores = encoder(PAYLOADS, {"leans": keys, "negator": keys})
    assert scores["leans"].shape == (3, 2)
    assert scores["negator"].shape == (3, 1)


@pytest.mark.parametrize("readout", ["linear", "cosine", "mlp"])
@pytest.mark.parametrize("around", [{}, {"context": 2}, {"whole": True}, {"context": 1, "whole": True, "rank": 8}])
def test_scores_of_a_text_do_not_depend_on_the_rest_of_the_batch(readout, around):
    encoder = build(readout=readout, **around)
    alone = ask(encoder, [PAYLOADS[1]], (0, (0,)), (0, (6,)))
    together = ask(encoder, PAYLOADS, (1, (0,)), (1, (6,)))
    torch.testing.assert_close(alone, together)


def test_without_context_a_word_scores_the_same_everywhere():
    encoder = build()
    first, second, by_name = ask(encoder, PAYLOADS, (0, (4,)), (2, (1,)), (0, ("good",)))
    torch.testing.assert_close(first, second)
    torch.testing.assert_close(first, by_name)


def test_with_context_the_neighbours_and_their_side_matter():
    encoder = build(context=1)
    texts = [{"text": "tiny good"}, {"text": "good tiny"}, {"text": "good"}]
    before, behind, alone = ask(encoder, texts, (0, (1,)), (1, (0,)), (2, (0,)))
    assert not torch.allclose(before, behind)
    assert not torch.allclose(before, alone)


def test_context_stops_at_the_end_of_a_text():
    encoder = build(context=3)
    alone = ask(encoder, [{"text": "good"}], (0, (0,)))
    beside = ask(encoder, [{"text": "bad"}, {"text": "good"}, {"text": "story"}], (1, (0,)))
    torch.testing.assert_close(alone, beside)


def test_with_the_whole_text_a_word_far_away_matters_and_its_place_does_not():
    encoder = build(whole=True, dim=64)
    texts = ["good " + "story " * 9 + "tiny", "good tiny " + "story " * 9, "good " + "story " * 10]
    there, elsewhere, absent = ask(encoder, [{"text": text} for text in texts], *((i, (0,)) for i in range(3)))
    torch.testing.assert_close(there, elsewhere)
    assert not torch.allclose(there, absent, atol=1e-4)


def test_a_narrow_codebook_costs_few_weights():
    wide, narrow = build(dim=512), build(dim=512, rank=16)
    count = len(wide.pieces)
    assert wide.piece_vectors.numel() == count * 512
    assert narrow.piece_vectors.numel() + narrow.lift.numel() == count * 16 + 16 * 512
    alone, beside = ask(narrow, [{"text": "good bad"}, {"text": "good"}], (0, (0,)), (1, (0,)))
    torch.testing.assert_close(alone, beside)


def test_a_key_without_arguments_means_the_whole_text():
    encoder = build(neural=(Neural("label", (), ("a", "b")),))
    keys = Keys(np.array([0, 3, 2]), [(), (), ()])
    scores = encoder(PAYLOADS, {"label": keys})["label"]
    assert len({tuple(row) for row in scores.tolist()}) == 3
    word = Keys(np.array([0]), [("good",)])
    one_word = encoder([{"text": "good"}], {"label": Keys(np.array([0]), [()])})["label"]
    torch.testing.assert_close(one_word, encoder([{"text": "x"}], {"label": word})["label"])


def test_the_order_of_pieces_in_a_word_matters():
    encoder = build(payloads=[{"text": "zq"}])  # nothing to merge: pieces are letters
    assert not torch.allclose(*ask(encoder, [{"text": "ab ba"}], (0, (0,)), (0, (1,))))


def test_gradients_reach_the_pieces_of_the_words_asked_for_and_no_others():
    encoder = build()
    ask(encoder, [{"text": "good bad"}], (0, (0,))).sum().backward()
    touched = encoder.piece_vectors.grad.abs().sum(1) > 0
    assert set(torch.nonzero(touched).flatten().tolist()) == set(encoder.pieces.encode("good"))


@pytest.mark.parametrize("options", [{"context": 0}, {"context": 2}, {"context": 1, "whole": True}, {"rank": 8}])
def test_words_pairs_of_words_and_the_whole_text_are_differentiated_together(options):
    neural = (LEANS, Neural("mood", (), None), Neural("wider", ("V", "W"), None))
    encoder = build(neural=neural, **options)
    one = np.array([0], dtype=np.int64)
    requests = {"leans": Keys(one, [(0,)]), "mood": Keys(one, [()]), "wider": Keys(one, [("good", "bad")])}

    def total(pieces):
        parts = torch.func.functional_call(encoder, {"piece_vectors": pieces}, ([{"text": "not a good one"}], requests))
        return sum(part.sum() for part in parts.values())

    pieces = encoder.piece_vectors.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(total(pieces), pieces)
    step = torch.randn(pieces.shape, generator=torch.Generator().manual_seed(0)) * 1e-3
    with torch.no_grad():
        difference = total(pieces + step) - total(pieces - step)
    assert difference.item() == pytest.approx(2 * (gradient * step).sum().item(), rel=1e-2)


def test_dropout_works_in_training_only():
    encoder = build(dropout=0.5, word_dropout=0.5)
    keys = [(0, (i,)) for i in range(6)]
    torch.testing.assert_close(ask(encoder, PAYLOADS, *keys), ask(encoder, PAYLOADS, *keys))
    encoder.train()
    torch.manual_seed(0)
    assert not torch.allclose(ask(encoder, PAYLOADS, *keys), ask(encoder, PAYLOADS, *keys))


def test_a_seed_decides_the_start():
    same, again, other = build(seed=1), build(seed=1), build(seed=2)
    key = (0, (0,))
    assert torch.equal(ask(same, PAYLOADS, key), ask(again, PAYLOADS, key))
    assert not torch.allclose(ask(same, PAYLOADS, key), ask(other, PAYLOADS, key))


@pytest.mark.parametrize(
    "options", [{}, {"context": 2, "readout": "mlp", "hidden": 8}, {"rank": 4, "whole": True}, {"readout": "cosine"}]
)
def test_config_and_weights_bring_an_encoder_back(options):
    encoder = build(seed=3, **options)
    with torch.no_grad():
        for parameter in encoder.parameters():
            parameter.add_(0.1)
    again = encoder_class("text").from_config(json.loads(json.dumps(encoder.config())))
    again.load_state_dict(encoder.state_dict())
    again.eval()
    keys = [(0, (2,)), (1, (5,))]
    assert torch.equal(ask(encoder, PAYLOADS, *keys), ask(again, PAYLOADS, *keys))
    assert again.facts(PAYLOADS[0]) == encoder.facts(PAYLOADS[0])


def test_a_sighting_is_what_stands_in_the_text():
    encoder = build()
    assert encoder.sighting(PAYLOADS[1], "leans", (3,)) == Sighting("BAD", 9, 12)
    assert encoder.sighting(PAYLOADS[1], "leans", ("honestly",)) == Sighting("honestly", 14, 22)
    assert encoder.sighting(PAYLOADS[2], "leans", ()) == Sighting("good good good", 0, 14)


def test_a_typed_question_is_a_text():
    assert build(field="sentence", payloads=[{"sentence": "a"}]).payload_of("so?") == {"sentence": "so?"}


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        ({"txet": "a"}, "the encoder reads the field `text`, which the input does not have: did you mean `txet`?"),
        ({}, "the encoder reads the field `text`, which the input does not have: its fields are none"),
        ({"text": 3}, "field `text`: expected a text, found 3"),
        ({"text": "  "}, "the text has no words"),
        (
            {"text": "a b c d e f"},
            "a text has 6 words, more than the 5 that the option `longest` of [encoder] allows: 'a b c d e f'...",
        ),
    ],
)
def test_a_payload_that_cannot_be_read_is_refused(payload, message):
    with pytest.raises(DataError) as error:
        build(longest=5).facts(payload)
    assert str(error.value) == message


@pytest.mark.parametrize("key", [(9,), (-1,), (0, 1), (1.0,)])
def test_a_key_outside_the_text_is_refused(key):
    with pytest.raises(DataError, match="asks the text encoder about something that is not in the text"):
        ask(build(), PAYLOADS, (0, key))


def test_rows_of_facts_are_checked():
    encoder = build(inputs=(TOKEN, Signature("age", 2)))
    for written, message in [
        (3, "field `age`: expected a list of rows of age/2, found 3"),
        ([[1]], "field `age`: age/2 needs 2 values, found [1]"),
        ([[1, None]], "field `age`: expected numbers and texts, found None"),
    ]:
        with pytest.raises(DataError) as error:
            encoder.facts({"text": "a", "age": written})
        assert str(error.value) == message


def test_a_program_without_tokens_is_refused():
    with pytest.raises(TaskError) as error:
        build(inputs=(Signature("image", 1),))
    assert str(error.value) == (
        "the text encoder supplies token/2, which the program does not declare (its inputs: image/1): "
        "add `#input token(index, word).`"
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dimm": 3}, "[encoder] of kind `text` has no option `dimm`: did you mean `dim`?"),
        ({"dim": "x"}, "option `dim` of [encoder] must be a whole number, not 'x'"),
        ({"dim": True}, "option `dim` of [encoder] must be a whole number, not True"),
        ({"dropout": 1.5}, "option `dropout` of [encoder] must be from 0 to 0.95, not 1.5"),
        ({"lowercase": 1}, "option `lowercase` of [encoder] must be true or false, not 1"),
    ],
)
def test_wrong_options_are_refused(options, message):
    with pytest.raises(TaskError) as error:
        build(**options)
    assert str(error.value) == message


def test_an_unknown_readout_is_refused_with_a_near_name():
    with pytest.raises(TaskError) as error:
        build(readout="cosinus")
    assert str(error.value).endswith("not 'cosinus'; did you mean `cosine`?")


@pytest.mark.parametrize("damage", ["pieces", "options", "seed"])
def test_a_damaged_configuration_is_refused(damage):
    config = build().config()
    del config[damage]
    with pytest.raises(RunError, match="the configuration of the text encoder is damaged"):
        TextEncoder.from_config(config)


EDIT = Signature("edit", 3)
WIDER = Neural("wider", ("V", "W"), None)
TWO = [{"first": "He has a good dog.", "second": "He has an animal."}, {"first": "tiny dog", "second": "tiny dog"}]


def of_two_texts(**options):
    return build(neural=(WIDER,), inputs=(TOKEN, EDIT), payloads=TWO, field="first", against="second", **options)


def test_of_two_texts_the_first_gives_words_and_the_second_edits():
    facts = of_two_texts().facts(TWO[0])
    assert facts[TOKEN] == [(0, "he"), (1, "has"), (2, "a"), (3, "good"), (4, "dog"), (5, ".")]
    assert facts[EDIT] == [(3, "good dog", "animal")]
    assert of_two_texts().facts(TWO[1])[EDIT] == []


def test_two_typed_texts_stand_on_both_sides_of_an_arrow():
    assert of_two_texts().payload_of("a dog => an animal") == {"first": "a dog", "second": "an animal"}
    with pytest.raises(DataError, match="two texts are read, typed as FIRST => SECOND: 'a dog'"):
        of_two_texts().payload_of("a dog")


@pytest.mark.parametrize("kind", [{"against": "second"}, {"inputs": (TOKEN, EDIT)}])
def test_a_second_text_and_the_predicate_of_edits_come_together(kind):
    message = r"the option `against` of \[encoder\] names a second text, and `#input edit\(index, old, new\).` says how"
    with pytest.raises(TaskError, match=message):
        build(payloads=TWO, field="first", **kind)


@pytest.mark.parametrize("options", [{}, {"rank": 8}, {"context": 1, "whole": True}])
def test_a_pair_of_words_scores_by_its_words_and_their_order_alone(options):
    encoder = of_two_texts(**options)
    pairs = [("dog", "animal"), ("animal", "dog"), ("good dog", "animal")]
    alone = [ask(encoder, TWO, (0, pair), predicate="wider") for pair in pairs]
    together = ask(encoder, TWO, (1, pairs[2]), (0, pairs[0]), (1, pairs[1]), predicate="wider")
    torch.testing.assert_close(together[[1, 2, 0]], torch.cat(alone))
    assert len({round(score.item(), 5) for score in alone}) == 3


def test_the_shares_of_a_pairs_pieces_and_the_offset_are_its_score():
    encoder = of_two_texts()
    found = encoder.influence(TWO[0], "wider", ("dog", "animal"), 0)
    score = ask(encoder, TWO, (0, ("dog", "animal")), predicate="wider").item()
    assert sum(share for _, share in found.parts) + found.offset == pytest.approx(score, abs=1e-5)
    assert encoder.sighting(TWO[0], "wider", ("dog", "animal")) == Sighting("dog => animal")


def test_roles_are_kept_with_the_weights():
    encoder = of_two_texts()
    again = TextEncoder.from_config(encoder.config())
    again.load_state_dict(encoder.state_dict())
    key = (0, ("dog", "animal"))
    assert torch.equal(ask(encoder, TWO, key, predicate="wider"), ask(again.eval(), TWO, key, predicate="wider"))
