"""What `engine_probability` measures: programs of plain rules, and the right answers computed by hand.

A program is text. Its answers are computed a second time from the probabilities alone, without rules: by a recurrence,
a convolution, a frontier over the graph, a simulation. `chance` gives the probability of a leaf by its atom's text.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from itertools import product

import numpy as np

Chance = Mapping[str, float]
Answers = dict[str, float]


# -- two numbers added, digit by digit ------------------------------------------------------------


def addition(n: int) -> str:
    """Whether the digits that are shown are those of the sum."""
    places = "".join(f"place({i}). written({i}). " for i in range(n)) + f"written({n})."
    return f"""{places}
side(left). side(right).
#neural digit(S, I) -> 0..9 :- side(S), place(I).
#neural shown(I) -> 0..9 :- written(I).
carry(0, 0).
carry(J, C) :- carry(I, K), digit(left, I, X), digit(right, I, Y), shown(I, Z),
    S = X + Y + K, Z = S mod 10, C = S // 10, J = I + 1.
right :- carry({n}, C), shown({n}, C).
#query right.
"""


def addition_by_hand(n: int, chance: Chance) -> Answers:
    carry = [1.0, 0.0]
    for i in range(n):
        after = [0.0, 0.0]
        for k, x, y in product(range(2), range(10), range(10)):
            total = x + y + k
            way = chance[f"digit(left,{i},{x})"] * chance[f"digit(right,{i},{y})"] * chance[f"shown({i},{total % 10})"]
            after[total // 10] += carry[k] * way
        carry = after
    return {"right": sum(carry[c] * chance[f"shown({n},{c})"] for c in range(2))}


# -- sums and counts ------------------------------------------------------------------------------


def total(n: int) -> str:
    places = " ".join(f"place({i})." for i in range(n))
    return f"""{places}
#neural digit(I) -> 0..9 :- place(I).
total(S) :- S = #sum{{ D,I : digit(I, D) }}.
#query total(S).
"""


def total_by_hand(n: int, chance: Chance) -> Answers:
    row = np.ones(1)
    for i in range(n):
        row = np.convolve(row, [chance[f"digit({i},{d})"] for d in range(10)])
    return {f"total({s})": float(p) for s, p in enumerate(row)}


def count(n: int) -> str:
    facts = "".join(f"0.5::on({i}).\n" for i in range(n))
    return facts + "how_many(N) :- N = #count{ I : on(I) }.\n#query how_many(N).\n"


def count_by_hand(n: int, chance: Chance) -> Answers:
    row = np.ones(1)
    for i in range(n):
        p = chance[f"on({i})"]
        row = np.convolve(row, [1 - p, p])
    return {f"how_many({s})": float(p) for s, p in enumerate(row)}


def total_in_steps(n: int) -> str:
    """`total` for an engine without aggregates: one digit after the other."""
    rules = "sum(0,0).\nsum(J,S) :- sum(I,T), digit(I,D), S is T + D, J is I + 1.\n"
    return f"#neural digit(I)\n{rules}total(S) :- sum({n},S).\nquery(total(_)).\n"


def count_in_steps(n: int) -> str:
    """`count` for an engine without aggregates: one fact after the other."""
    facts = "".join(f"0.5::on({i}). place({i}).\n" for i in range(n))
    rules = "sum(0,0).\nsum(J,T) :- sum(I,T), place(I), \\+on(I), J is I + 1.\n"
    rules += "sum(J,S) :- sum(I,T), place(I), on(I), S is T + 1, J is I + 1.\n"
    return f"{facts}{rules}how_many(S) :- sum({n},S).\nquery(how_many(_)).\n"


# -- reliability of grids -------------------------------------------------------------------------


def grid_edges(width: int, length: int) -> list[tuple[int, int]]:
    """Edges to the right and down of a grid; nodes are numbered row by row."""
    right = [(r * width + c, r * width + c + 1) for r in range(length) for c in range(width - 1)]
    down = [(r * width + c, (r + 1) * width + c) for r in range(length - 1) for c in range(width)]
    return sorted(right + down)


def undirected(width: int, length: int | None = None) -> str:
    facts = "".join(f"0.5::edge({a},{b}).\n" for a, b in grid_edges(width, length or width))
    return f"{facts}link(X,Y) :- edge(X,Y).\nlink(X,Y) :- edge(Y,X).\n" + _reach("link", width, length or width)


def directed(width: int, length: int | None = None) -> str:
    facts = "".join(f"0.5::edge({a},{b}).\n" for a, b in grid_edges(width, length or width))
    return facts + _reach("edge", width, length or width)


def _reach(link: str, width: int, length: int) -> str:
    rules = f"path(X,Y) :- {link}(X,Y).\npath(X,Y) :- {link}(X,Z), path(Z,Y).\n"
    return f"{rules}query(path(0,{width * length - 1})).\n"


def undirected_by_hand(width: int, chance: Chance, length: int | None = None) -> Answers:
    """Edge by edge; a state says which nodes of the frontier are connected, 0 being the part of the source."""
    edges = sorted(grid_edges(width, length or width), key=lambda edge: (edge[1], edge[0]))
    goal = width * (length or width) - 1
    last = {node: number for number, edge in enumerate(edges) for node in edge}
    frontier: list[int] = [0]
    states: dict[tuple[int, ...], float] = {(0,): 1.0}
    reached = 0.0
    for number, (a, b) in enumerate(edges):
        new = [node for node in (a, b) if node not in frontier]
        frontier += new
        p = chance[f"edge({a},{b})"]
        at, to = frontier.index(a), frontier.index(b)
        stay = [i for i, node in enumerate(frontier) if last[node] > number or node == goal]
        end = frontier.index(goal) if goal in frontier else -1
        after: dict[tuple[int, ...], float] = {}
        for labels, mass in states.items():
            wide = (*labels, *(max(labels) + 1 + i for i in range(len(new))))
            low, high = sorted((wide[at], wide[to]))
            for way, weight in ((wide, 1 - p), (tuple(low if x == high else x for x in wide), p)):
                if end >= 0 and way[end] == 0:
                    reached += mass * weight
                    continue
                names = {0: 0}
                kept = tuple(names.setdefault(way[i], len(names)) for i in stay)
                if 0 in kept:
                    after[kept] = after.get(kept, 0.0) + mass * weight
        states, frontier = after, [frontier[i] for i in stay]
    return {f"path(0,{goal})": reached}


def directed_by_hand(width: int, chance: Chance, length: int | None = None) -> Answers:
    """Node by node; a state is which of the next nodes have been reached (bit i: the i-th after this one)."""
    goal = width * (length or width) - 1
    states: dict[int, float] = {1: 1.0}
    edges = set(grid_edges(width, length or width))
    for node in range(goal):
        out = [step for step in (1, width) if (node, node + step) in edges]
        after: dict[int, float] = {}
        for bits, mass in states.items():
            ways = [(bits, mass)]
            if bits & 1:
                for step in out:
                    p = chance[f"edge({node},{node + step})"]
                    ways = [(b | f << step, m * (p if f else 1 - p)) for b, m in ways for f in (0, 1)]
            for b, m in ways:
                if b >> 1:
                    after[b >> 1] = after.get(b >> 1, 0.0) + m
        states = after
    return {f"path(0,{goal})": sum(mass for bits, mass in states.items() if bits & 1)}


# -- smokers and friends --------------------------------------------------------------------------


def friends(n: int) -> list[tuple[int, int]]:
    draw = random.Random(5)
    return sorted({(x, y) for x in range(n) for y in draw.sample([k for k in range(n) if k != x], 2)})


def smokers(n: int) -> str:
    people = "".join(f"0.3::stress({x}).\n0.4::ill({x}).\nquery(asthma({x})).\n" for x in range(n))
    ties = "".join(f"0.2::influences({y},{x}).\nfriend({x},{y}).\n" for x, y in friends(n))
    rules = "smokes(X) :- stress(X).\nsmokes(X) :- friend(X,Y), influences(Y,X), smokes(Y).\n"
    return people + ties + rules + "asthma(X) :- smokes(X), ill(X).\n"


def smokers_simulated(n: int, chance: Chance, worlds: int = 200_000) -> Answers:
    """Random worlds: each answer with a standard error of at most 0.5 / sqrt(worlds)."""
    draw = np.random.default_rng(1)
    smokes = np.stack([draw.random(worlds) < chance[f"stress({x})"] for x in range(n)])
    ties = [(x, y, draw.random(worlds) < chance[f"influences({y},{x})"]) for x, y in friends(n)]
    before = -1
    while before != (before := int(smokes.sum())):
        for x, y, holds in ties:
            smokes[x] |= holds & smokes[y]
    return {f"asthma({x})": float(smokes[x].mean()) * chance[f"ill({x})"] for x in range(n)}


# -- a hidden Markov model ------------------------------------------------------------------------

STATES = ("up", "down")


def observations(t: int) -> list[str]:
    draw = random.Random(7)
    return [draw.choice("abc") for _ in range(t)]


def markov(t: int) -> str:
    """Two states, three symbols; every symbol is observed, and the last state is asked for."""
    text = ["0.6::state(0,up); 0.4::state(0,down).\n"]
    for i, symbol in enumerate(observations(t)):
        text.append(f"0.5::shows({i},up,a); 0.3::shows({i},up,b); 0.2::shows({i},up,c).\n")
        text.append(f"0.1::shows({i},down,a); 0.3::shows({i},down,b); 0.6::shows({i},down,c).\n")
        text.append(f"0.8::moves({i},up,up); 0.2::moves({i},up,down).\n")
        text.append(f"0.3::moves({i},down,up); 0.7::moves({i},down,down).\n")
        text.append(f"seen({i}) :- state({i},S), shows({i},S,{symbol}).\nevidence(seen({i})).\n")
    text.append("state(J,R) :- state(I,S), moves(I,S,R), J is I+1.\n")
    return "".join(text) + f"query(state({t},up)).\n"


def markov_by_hand(t: int, chance: Chance) -> Answers:
    """The forward algorithm, normalised at each step."""
    belief = {s: chance[f"state(0,{s})"] for s in STATES}
    for i, symbol in enumerate(observations(t)):
        weighed = {s: belief[s] * chance[f"shows({i},{s},{symbol})"] for s in STATES}
        after = {r: sum(weighed[s] * chance[f"moves({i},{s},{r})"] for s in STATES) for r in STATES}
        norm = sum(weighed.values())
        belief = {s: p / norm for s, p in after.items()}
    return {f"state({t},up)": belief["up"]}


# -- a noisy-or network ---------------------------------------------------------------------------

REACH = 5  # a node's causes are among this many before it


def causes(n: int) -> list[tuple[int, int]]:
    """(cause, effect): up to two causes for each node."""
    draw = random.Random(3)
    return [(j, i) for i in range(1, n) for j in draw.sample(range(max(0, i - REACH), i), min(2, i))]


def noisy_or(n: int) -> str:
    text = [f"0.1::cause({i}).\non({i}) :- cause({i}).\n" for i in range(n)]
    text += [f"0.4::spreads({j},{i}).\non({i}) :- on({j}), spreads({j},{i}).\n" for j, i in causes(n)]
    return "".join(text) + f"query(on({n - 1})).\n"


def noisy_or_by_hand(n: int, chance: Chance) -> Answers:
    """Node by node; a state says which of the last few are on. Nodes that nothing needs have no leaf."""
    of: dict[int, list[int]] = {}
    for j, i in causes(n):
        of.setdefault(i, []).append(j)
    states: dict[tuple[bool, ...], float] = {(False,) * REACH: 1.0}
    for i in range(n):
        after: dict[tuple[bool, ...], float] = {}
        for last, mass in states.items():
            off = 1 - chance.get(f"cause({i})", 0.0)
            for j in of.get(i, []):
                off *= 1 - chance.get(f"spreads({j},{i})", 0.0) * last[j - i]
            for on, p in ((True, 1 - off), (False, off)):
                state = (*last[1:], on)
                after[state] = after.get(state, 0.0) + mass * p
        states = after
    return {f"on({n - 1})": sum(mass for last, mass in states.items() if last[-1])}


# -- kinship stories ------------------------------------------------------------------------------

KINDS = {  # relation to the person before: for a man, for a woman
    "child": ("son", "daughter"),
    "parent": ("father", "mother"),
    "spouse": ("husband", "wife"),
    "sibling": ("brother", "sister"),
    "grandchild": ("grandson", "granddaughter"),
    "grandparent": ("grandfather", "grandmother"),
    "nephew": ("nephew", "niece"),
    "uncle": ("uncle", "aunt"),
    "child_in_law": ("son_in_law", "daughter_in_law"),
    "parent_in_law": ("father_in_law", "mother_in_law"),
}
COMPOSE = {  # the generator's rules: a K1 of a K2 is a K
    ("child", "child"): "grandchild",
    ("child", "spouse"): "child_in_law",
    ("child", "sibling"): "child",
    ("child", "uncle"): "sibling",
    ("child", "grandparent"): "parent",
    ("parent", "child"): "sibling",
    ("parent", "parent"): "grandparent",
    ("parent", "sibling"): "uncle",
    ("spouse", "parent"): "parent_in_law",
    ("spouse", "grandchild"): "grandchild",
    ("spouse", "child"): "child",
    ("sibling", "sibling"): "sibling",
    ("sibling", "grandparent"): "grandparent",
    ("sibling", "child"): "nephew",
    ("sibling", "parent"): "parent",
    ("grandchild", "sibling"): "grandchild",
}
NAMES = [name for pair in KINDS.values() for name in pair]
TOLD = [*NAMES, "stranger"]  # what a sentence may say: 21 outcomes


def kinship(k: int) -> str:
    """A story of k sentences, each on the next person; who is the last one to the first?"""
    names = "".join(
        f"name({kind},{sex},{n}). " for kind, pair in KINDS.items() for sex, n in zip("mf", pair, strict=True)
    )
    rules = "".join(f"compose({a},{b},{c}). " for (a, b), c in COMPOSE.items())
    return f"""{names}
{rules}
{" ".join(f"sentence({i})." for i in range(k))}
#neural told(I) -> {{{", ".join(TOLD)}}} :- sentence(I).
kin(1, K) :- told(0, R), name(K, _, R).
kin(J, K) :- kin(I, A), told(I, R), name(B, _, R), compose(A, B, K), J = I + 1.
relation(R) :- kin({k}, K), told({k - 1}, T), name(_, S, T), name(K, S, R).
#query relation(R).
"""


def stories(k: int, number: int) -> list[list[str]]:
    """What the sentences of some stories really say: each prefix composes."""
    draw = random.Random(11)
    found: list[list[str]] = []
    while len(found) < number:
        kind = draw.choice(list(KINDS))
        told = [kind]
        while len(told) < k and (ways := [b for a, b in COMPOSE if a == kind]):
            told.append(draw.choice(ways))
            kind = COMPOSE[kind, told[-1]]
        if len(told) == k:
            found.append([draw.choice(KINDS[one]) for one in told])
    return found


def kinship_by_hand(k: int, chance: Chance) -> Answers:
    """A recurrence over what the people so far compose to; the last sentence also gives the sex."""
    kind_of = {name: kind for kind, pair in KINDS.items() for name in pair}

    def told(i: int, name: str) -> float:
        return chance[f"told({i},{name})"]

    state = {kind: sum(told(0, name) for name in pair) for kind, pair in KINDS.items()}
    for i in range(1, k - 1):
        after = dict.fromkeys(KINDS, 0.0)
        for (a, b), c in COMPOSE.items():
            after[c] += state[a] * sum(told(i, name) for name in KINDS[b])
        state = after
    answers: Answers = {}
    for name in NAMES:
        kind, sex = kind_of[name], KINDS[kind_of[name]].index(name)
        answers[f"relation({name})"] = sum(
            state[a] * told(k - 1, KINDS[b][sex]) for (a, b), c in COMPOSE.items() if c == kind
        )
    return answers


ByHand = Callable[[int, Chance], Answers]
