"""Random small programs as text: facts, choices, recursion, negation, aggregates, constraints, evidence."""

from hypothesis import strategies as st

CONSTANTS = [1, 2, 3]
ARITY = {"e": 2, "u": 1, "c": 1, "w": 1, "r": 2, "p": 1, "q": 1, "m": 1, "t": 2}
# Bodies may ask positively what is at most as high as the head, and negatively what is lower.
LAYER = {"e": 0, "u": 0, "c": 0, "w": 1, "r": 2, "p": 2, "q": 3, "t": 4, "m": 5}
VARIABLES = ["X", "Y", "Z"]

ELEMENTS = [
    "{Y : r(X,Y)}",
    "{Y,Z : e(X,Y), p(Z)}",
    "{Y : q(Y), X <= Y}",
    "{Y : c(Y) ; 5 : w(X)}",
    "{Y : w(Y), not q(Y)}",
]

constant = st.sampled_from(CONSTANTS)
variable = st.sampled_from(VARIABLES)
probability = st.sampled_from([0.1, 0.25, 0.5, 0.7])


@st.composite
def fact(draw, shares=("", "", "?")):
    name = draw(st.sampled_from(["e", "e", "e", "u", "u"]))
    atom = f"{name}({','.join(str(draw(constant)) for _ in range(ARITY[name]))})."
    return (f"{draw(probability)}::" if draw(st.sampled_from(shares)) else "") + atom


@st.composite
def choice(draw):
    chances = draw(st.sampled_from([(0.3, 0.7), (0.2, 0.3), (0.1, 0.2, 0.7), (0.25, 0.25, 0.5)]))
    values = draw(st.permutations(CONSTANTS))
    return "; ".join(f"{p}::c({v})" for p, v in zip(chances, values, strict=False)) + "."


@st.composite
def literal(draw, names):
    name = draw(st.sampled_from(names))
    return name, [str(draw(st.one_of(variable, variable, variable, constant))) for _ in range(ARITY[name])]


def text(name, arguments):
    return f"{name}({','.join(arguments)})"


@st.composite
def rule(draw, head):
    layer = LAYER[head]
    lower = [name for name in ARITY if LAYER[name] < layer]
    same = [name for name in ARITY if LAYER[name] <= layer]
    positive = draw(st.lists(literal(same if draw(st.booleans()) else lower), min_size=1, max_size=2))
    bound = sorted({a for _, arguments in positive for a in arguments if a in VARIABLES})
    term = st.sampled_from(bound) if bound else constant.map(str)
    body = [text(*item) for item in positive]
    if draw(st.integers(0, 2)) == 0:
        name = draw(st.sampled_from(lower))
        body.append("not " + text(name, [draw(term) for _ in range(ARITY[name])]))
    if draw(st.integers(0, 3)) == 0:
        body.append(f"{draw(term)} {draw(st.sampled_from(['!=', '<', '<=', '=']))} {draw(term)}")
    arguments = [draw(term) for _ in range(ARITY[head])]
    if draw(st.integers(0, 4)) == 0:
        body.append(f"V = ({draw(term)} + {draw(term)}) mod 4")
        arguments[0] = "V"
    chance = draw(st.sampled_from(["", "", "", f"{draw(probability)}::"])) if layer < 3 else ""
    return f"{chance}{text(head, arguments)} :- {', '.join(draw(st.permutations(body)))}."


@st.composite
def disjunction(draw):
    """At most one of two heads, for each way in which a body of facts holds."""
    name, arguments = draw(literal(["e", "u", "c"]))
    bound = sorted({a for a in arguments if a in VARIABLES})
    term = st.one_of(st.sampled_from(bound), constant.map(str)) if bound else constant.map(str)
    body = [text(name, arguments)]
    if draw(st.booleans()):
        body.append(f"not u({draw(term)})")
    heads = [
        f"{p}::{text(head, [draw(term) for _ in range(ARITY[head])])}"
        for p, head in zip(
            [0.3, draw(st.sampled_from([0.4, 0.7]))], draw(st.permutations(["w", "r", "p"])), strict=False
        )
    ]
    return f"{'; '.join(heads)} :- {', '.join(draw(st.permutations(body)))}."


@st.composite
def aggregate(draw):
    function = draw(st.sampled_from(["sum", "count", "min", "max", "avg"]))
    elements = draw(st.sampled_from(ELEMENTS))
    return f"t(X,S) :- u(X), S = #{function}{elements}."


@st.composite
def program(draw, min_rules=1, is_busy=False):
    """The lines of a program, in any order; a busy one has more facts, and more of them uncertain."""
    if is_busy:
        lines = draw(st.lists(fact(shares=("", "?", "?")), min_size=4, max_size=8))
        lines += draw(st.lists(disjunction(), max_size=1))
    else:
        lines = draw(st.lists(fact(), min_size=1, max_size=7))
    lines += draw(st.lists(choice(), max_size=1))
    heads = st.sampled_from(["w", "r", "r", "p", "p", "q", "q", "m"])
    lines += draw(st.lists(heads.flatmap(rule), min_size=min_rules, max_size=5))
    lines += draw(st.lists(aggregate(), max_size=1))
    if draw(st.integers(0, 3)) == 0:
        lines.append(f":- {draw(st.sampled_from(['p(1)', 'q(X), not w(X)', 'r(X,X)', 'e(X,Y), e(Y,X)']))}.")
    if draw(st.integers(0, 3)) == 0:
        uncertain = [line.partition("::")[2].rstrip(".") for line in lines if "::" in line and ":-" not in line]
        possible = [atom for atom in uncertain if "::" not in atom] if is_busy else []
        observed = draw(st.sampled_from([*possible * 4, "p(1)", "u(2)", "e(1,2)", "q(3)"]))
        lines.append(f"evidence({observed}, {draw(st.sampled_from(['true', 'false']))}).")
    # Every predicate is known, so that any rule may ask for it.
    lines += [f"{text(name, ['9'] * arity)} :- 1 > 2." for name, arity in ARITY.items()]
    lines += [f"#query {text(name, VARIABLES[:arity])}." for name, arity in ARITY.items()]
    return lines


@st.composite
def query(draw):
    """A question with at least one constant."""
    name, arguments = draw(literal(["r", "r", "p", "q", "m", "t"]))
    place = draw(st.integers(0, len(arguments) - 1))
    return text(name, [str(draw(constant)) if i == place else a for i, a in enumerate(arguments)])
