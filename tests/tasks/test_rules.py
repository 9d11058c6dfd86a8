"""The rules of the shipped tasks, with an encoder that knows: what they conclude, checked by hand."""

from itertools import product

import numpy as np
import pytest
import torch

import nesy
from nesy.language.core import Signature
from nesy.perception import Encoder, Keys
from nesy.perception.text.edits import edits
from nesy.perception.text.words import split_words

TOKEN = Signature("token", 2)
OPINIONS = {"good": 0.9, "bad": 0.1, "charm": 0.8}  # the chance of leaning positive; every other word has 1/2


SPARES, MOOD = 0.3, 0.6  # that "not" turns nothing around where it stands; that the whole text is positive


class Knowing(Encoder):
    """Words lean as `OPINIONS` says, wherever they stand."""

    def __init__(self):
        super().__init__()
        self.nothing = torch.nn.Parameter(torch.zeros(1))

    build = from_config = config = sighting = None

    def facts(self, payload):
        return {TOKEN: list(enumerate(split_words(payload["text"]).words))}

    def payload_of(self, typed):
        return {"text": typed}

    def forward(self, payloads, requests):
        words = [split_words(payload["text"]).words for payload in payloads]
        keys = requests["leans"]
        chance = [OPINIONS.get(words[s][k[0]], 0.5) for s, k in zip(keys.sample, keys.key, strict=True)]
        scores = {"leans": torch.tensor([[p, 1 - p] for p in chance], dtype=torch.float64).log()}
        if "spares" in requests:
            scores["spares"] = torch.full((len(requests["spares"]), 1), SPARES, dtype=torch.float64).logit()
        if "mood" in requests:
            scores["mood"] = torch.tensor([[MOOD, 1 - MOOD]] * len(requests["mood"]), dtype=torch.float64).log()
        return scores


Knowing.__abstractmethods__ = frozenset()


def chance_of_positive(*texts, task="negation"):
    model = nesy.Model(nesy.load(f"tasks/{task}/program.nesy"), Knowing())
    batch = model.prepare([{"text": text} for text in texts])
    with torch.no_grad():
        return model(batch).of(["label(positive)"] * len(texts)).tolist()


def product_of_experts(*chances):
    yes, no = np.prod(chances), np.prod([1 - p for p in chances])
    return yes / (yes + no)


NOT = 0.95  # the lexicon's prior


def turned(p, negates=NOT):
    return negates * (1 - p) + (1 - negates) * p


@pytest.mark.parametrize(
    ("text", "chance"),
    [
        ("good", 0.9),
        ("a good day", 0.9),
        ("good and good", product_of_experts(0.9, 0.9)),
        ("good but bad", 0.5),
        ("not good", turned(0.9)),
        ("it is not bad", turned(0.1)),
        ("it isn't a very good day", turned(0.9)),
        ("without charm", turned(0.8, 0.9)),
        ("good , not really", 0.9),  # a negation turns what is behind it
        ("not so , but good", 0.9),  # ... up to the end of its clause
        ("not a a a a a a a a good", 0.9),  # ... and eight words at most
        ("not a a a a a a a good", turned(0.9)),
    ],
)
def test_a_sentence_says_what_its_words_say_in_their_place(text, chance):
    assert chance_of_positive(text) == [pytest.approx(chance, abs=1e-6)]


def mixed(turned, spared):
    """The experts of the worlds in which "not" turns around what is behind it, and of those in which it does not."""
    on = NOT * (1 - SPARES)
    yes, no = (on * np.prod(a) + (1 - on) * np.prod(b) for a, b in ((turned, spared), (_rest(turned), _rest(spared))))
    return yes / (yes + no)


def _rest(chances):
    return [1 - p for p in chances]


@pytest.mark.parametrize(
    ("text", "chance"),
    [
        ("good", product_of_experts(0.9, MOOD)),
        ("not good", mixed(turned=(0.1,), spared=(0.9, MOOD))),
        ("good , not bad", mixed(turned=(0.9, 0.9), spared=(0.9, 0.1, MOOD))),
    ],
)
def test_a_sentence_has_a_say_where_no_word_is_turned_around_and_a_negating_word_may_be_spared(text, chance):
    assert chance_of_positive(text, task="sentiment") == [pytest.approx(chance, abs=1e-6)]


def by_worlds(text, lexicon):
    """The chance of a positive label by enumerating every lean and every negating word."""
    words = split_words(text).words
    free = [i for i, word in enumerate(words)]
    cues = sorted({word for word in words if word in lexicon})
    ends = {",", ".", "and", "but"}
    mass = {"positive": 0.0, "negative": 0.0}
    for negates in product([True, False], repeat=len(cues)):
        on = dict(zip(cues, negates, strict=True))
        reached = [0] * len(words)
        for start, word in enumerate(words):
            if on.get(word):
                for place in range(start + 1, min(len(words), start + 9)):
                    if words[place] in ends:
                        break
                    reached[place] += 1
        for leans in product([True, False], repeat=len(free)):
            says = {lean != (count == 1) for lean, count in zip(leans, reached, strict=True)}
            if len(says) == 1:
                p = np.prod([lexicon[cue] if on[cue] else 1 - lexicon[cue] for cue in cues])
                for lean, word in zip(leans, words, strict=True):
                    p *= OPINIONS.get(word, 0.5) if lean else 1 - OPINIONS.get(word, 0.5)
                mass["positive" if says.pop() else "negative"] += p
    return mass["positive"] / sum(mass.values())


@pytest.mark.parametrize(
    "text", ["never not good", "not bad and not good", "no charm , never bad", "not without charm"]
)
def test_two_negations_agree_with_the_enumeration_of_worlds(text):
    lexicon = {"not": 0.95, "never": 0.95, "no": 0.9, "without": 0.9}
    assert chance_of_positive(text) == [pytest.approx(by_worlds(text, lexicon), abs=1e-6)]


def test_sentences_of_one_batch_do_not_touch_each_other():
    texts = ["not good", "good", "never bad and good", "not bad"]
    assert chance_of_positive(*texts) == pytest.approx([chance_of_positive(text)[0] for text in texts])


def test_the_sum_of_two_digits_is_the_convolution_of_their_distributions():
    scores = torch.randn(4, 10, dtype=torch.float64, generator=torch.Generator().manual_seed(0))

    class Fixed(Knowing):
        def facts(self, payload):
            return {Signature("image", 1): [(0,), (1,)]}

        def forward(self, payloads, requests):
            keys: Keys = requests["digit"]
            rows = [2 * s + k[0] for s, k in zip(keys.sample.tolist(), keys.key, strict=True)]
            return {"digit": scores[rows]}

    model = nesy.Model(nesy.load("tasks/digits/program.nesy"), Fixed())
    with torch.no_grad():
        out = model(model.prepare([{}, {}]))
    p = torch.softmax(scores, 1).numpy()
    for row in range(2):
        expected = np.convolve(p[2 * row], p[2 * row + 1])
        found = {str(atom): float(value) for atom, value in zip(out.answers, out.p[row], strict=True)}
        assert found == pytest.approx({f"sum({s})": expected[s] for s in range(19)})


WIDER = {("tree", "cedar"), ("cedar tree", "tall cedar tree"), ("animal", "dog")}
EDIT = Signature("edit", 3)


class KnowingWords(Knowing):
    """Which words are wider is known; nothing but `likes` ends a relative clause."""

    def facts(self, payload):
        first, second = (split_words(payload[name]).words for name in ("sentence1", "sentence2"))
        return {TOKEN: list(enumerate(first)), EDIT: [*edits(first, second)]}

    def forward(self, payloads, requests):
        words = [split_words(payload["sentence1"]).words for payload in payloads]
        found = {}
        for name, keys in requests.items():
            places = zip(keys.sample.tolist(), keys.key, strict=True)
            known = [k in WIDER if name == "wider" else words[s][k[0]] == "likes" for s, k in places]
            score = torch.tensor(known, dtype=torch.float64)[:, None] * 100 - 50
            found[name] = torch.cat([score, -score], 1) if name == "wider" else score
        return found


def chance_of_entailment(first, second):
    model = nesy.Model(nesy.load("tasks/monotonicity/program.nesy"), KnowingWords())
    with torch.no_grad():
        out = model(model.prepare([{"sentence1": first, "sentence2": second}]))
    return out.of(["label(entailment)"]).item()


UP = 0.0  # how surely the direction is turned where the word stands; both "not" of a sentence are one chance
DENIED = 0.9


@pytest.mark.parametrize(
    ("frame", "turned"),
    [
        ("There is a {}.", UP),
        ("There is not a {}.", NOT),
        ("A man is not next to a {}.", NOT),
        ("It is not the case that there is a {}.", NOT),
        ("It is a lie that there is a {}.", DENIED),
        ("It is not true that there is not a {}.", UP),
        ("To say that there is not a {} is false.", NOT * (1 - DENIED) + DENIED * (1 - NOT)),
        ("There is a {}, but it is not old.", UP),
        ("He is not old, and there is a {}.", UP),
        ("He is not here when there is a {}.", UP),
        ("The boy who is not old likes a {}.", UP),
        ("The boy who is not old does not like a {}.", NOT),
        ("The boy not wearing a hat is next to a {}.", UP),
        ("The boy who does not see a {} is old.", NOT),
        ("It is not a surprise that there is a {}.", UP),
        ("It is not too shocking that there is not a {}.", NOT),
        ("The claim that he never quite likes a {} is not old.", NOT),
        ("It is not correct that he never quite likes a {}.", 2 * NOT * (1 - NOT)),
        ("The boy sees a not very old but likes a {}.", UP),
        ("The boy is next to a not very likes {}.", UP),
        ("The boy is next to a not very {} tree.", NOT),
    ],
)
def test_each_negation_that_reaches_the_word_turns_the_direction(frame, turned):
    wide, narrow = frame.format("tree"), frame.format("cedar")
    assert chance_of_entailment(narrow, wide) == pytest.approx(1 - turned, abs=1e-6)
    assert chance_of_entailment(wide, narrow) == pytest.approx(turned, abs=1e-6)


def test_words_left_out_say_less_and_under_a_negation_more():
    assert chance_of_entailment("There is a tall cedar.", "There is a cedar.") == pytest.approx(1)
    assert chance_of_entailment("There is a cedar.", "There is a tall cedar.") == pytest.approx(0)
    assert chance_of_entailment("There is not a cedar.", "There is not a tall cedar.") == pytest.approx(NOT)
    assert chance_of_entailment("There is not a tall cedar.", "There is not a cedar.") == pytest.approx(1 - NOT)


def test_a_negation_that_comes_or_goes_is_no_such_edit():
    assert chance_of_entailment("There is not a cedar.", "There is a cedar.") == pytest.approx(1 - NOT, abs=1e-6)
    assert chance_of_entailment("There is a cedar.", "There is not a cedar.") == pytest.approx(0, abs=1e-6)


def test_every_edit_has_to_keep_the_sentence_true():
    assert chance_of_entailment("A dog saw a cedar.", "An animal saw a tree.") == pytest.approx(1)
    assert chance_of_entailment("An animal saw a cedar.", "A dog saw a tree.") == pytest.approx(0)
    assert chance_of_entailment("A cedar did not see a dog.", "A tree did not see an animal.") == pytest.approx(1 - NOT)


def test_words_of_which_neither_is_wider_entail_nothing_in_any_direction():
    assert chance_of_entailment("There is a dog.", "There is a cedar.") == pytest.approx(0)
    assert chance_of_entailment("There is not a dog.", "There is not a cedar.") == pytest.approx(0)
