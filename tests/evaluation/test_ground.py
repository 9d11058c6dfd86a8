"""Grounding agrees with enumeration of all worlds, and does not depend on how a program is written down."""

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from nesy.language.core import Variable
from nesy.language.program import parse_program
from nesy.reasoning import ground
from tests.evaluation.programs import ARITY, program, query
from tests.evaluation.worlds import as_row, edges, graph_world, worlds

MAX_WORLDS = 300


def all_worlds(core, facts=()):
    found = []
    for world in worlds(core, facts):
        found.append(world)
        assume(len(found) <= MAX_WORLDS)
    return found


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(program())
def test_each_world_makes_the_same_atoms_true_in_the_graph_and_in_the_model(lines):
    core = parse_program("\n".join(lines))
    graph = ground(core)
    asked = {answer.query.atom.predicate for answer in graph.query} | {q.atom.predicate for q in core.queries}
    for _, decided, model in all_worlds(core):
        true = graph_world(graph, decided)
        in_graph = {as_row(a.atom) for a in graph.query if a.literal is not None and true[a.literal >> 1]}
        assert in_graph == {row for row in model if row[0] in asked}
        violated = any(row[0].startswith(":-") for row in model)
        assert any(true[node] for node in graph.constraint.tolist()) == violated
        if core.evidence:
            (evidence,) = core.evidence
            observed = (as_row(evidence.atom) in model) == evidence.holds
            met = all(true[literal >> 1] != bool(literal & 1) for literal in graph.evidence.tolist())
            assert (met and not any("evidence" in text for text in graph.impossible)) == observed
        if graph.impossible and not core.evidence:
            assert violated


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(program(), st.randoms(use_true_random=False))
def test_the_order_of_statements_changes_nothing(lines, random):
    shuffled = list(lines)
    random.shuffle(shuffled)

    def shape(lines):
        graph = ground(parse_program("\n".join(lines)))
        answers = sorted(str(a.atom) for a in graph.query)
        derivations = sorted((head, sorted(body)) for head, body in edges(graph) if not head.startswith("':-"))
        return answers, derivations, graph.num_leaves, len(graph.constraint), len(graph.evidence)

    assert shape(lines) == shape(shuffled)


def test_numbers_that_stand_only_in_heads_are_told_apart() -> None:
    program = parse_program("0.5::d(0); 0.1::d(9); 0.2::d(100); 0.2::d(-7). s(X) :- d(X). #query s(X).")
    assert [str(query.atom) for query in ground(program).query] == ["s(-7)", "s(0)", "s(9)", "s(100)"]


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(program(min_rules=3), st.lists(query(), min_size=1, max_size=2))
def test_a_query_with_constants_derives_only_what_it_needs_and_that_in_full(lines, asked):
    lines = [line for line in lines if not line.startswith("#query")]
    core = parse_program("\n".join([*lines, *(f"#query {text}." for text in asked)]))
    graph = ground(core)
    for _, decided, model in all_worlds(core):
        true = graph_world(graph, decided)
        for number, question in enumerate(core.queries):
            mine = [answer for answer in graph.query if answer.query is question]
            found = {as_row(a.atom) for a in mine if a.literal is not None and true[a.literal >> 1]}
            assert found == {row for row in model if matches(question.atom, row)}, asked[number]
    # The whole program grounds to the same derivations of the same atoms, and more.
    everything = ground(parse_program("\n".join([*lines, *(f"#query {t}." for t in asked), *FREE])))
    assert {repr((head, sorted(body))) for head, body in edges(graph)} <= {
        repr((head, sorted(body))) for head, body in edges(everything)
    }


def test_a_recursion_may_aggregate_over_what_lies_below_it():
    core = parse_program("""0.5::e(1,2). 0.5::e(2,3). 0.4::e(2,1). 0.5::w(1). w(2). 0.3::w(3). r(1,0).
        r(Y,M) :- r(X,N), e(X,Y), S = #sum{W : w(W), W < Y}, M = (N + S) mod 3. #query r(X,Y).""")
    graph = ground(core)
    for _, decided, model in worlds(core):
        true = graph_world(graph, decided)
        found = {as_row(a.atom) for a in graph.query if a.literal is not None and true[a.literal >> 1]}
        assert found == {row for row in model if row[0] == "r"}


FREE = [f"#query {name}({','.join('XYZ'[:arity])})." for name, arity in ARITY.items()]


def matches(atom, row):
    if row[0] != atom.predicate or len(row) != 1 + len(atom.arguments):
        return False
    binding = {}
    return all(
        binding.setdefault(term.name, value) == value if isinstance(term, Variable) else term.value == value
        for term, value in zip(atom.arguments, row[1:], strict=True)
    )
