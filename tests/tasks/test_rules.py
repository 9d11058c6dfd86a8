"""The rules of the shipped tasks, with an encoder that knows: what they conclude, checked by hand."""

from itertools import product

import numpy as np
import pytest
import torch

import nesy
from nesy.language.core import Signature
from nesy.perception import Encoder, Keys
from nesy.perception.text.words import split_words

TOKEN = Signature("token", 2)
OPINIONS = {"good": 0.9, "bad": 0.1, "charm": 0.8}  # the chance of leaning positive; every other word has 1/2


class Knowing(Encoder):
    """Words lean as `OPINIONS` says."""

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
        return {"leans": torch.tensor([[p, 1 - p] for p in chance], dtype=torch.float64).log()}


Knowing.__abstractmethods__ = frozenset()


def chance_of_positive(*texts):
    model = nesy.Model(nesy.load("tasks/negation/program.nesy"), Knowing())
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
