"""What grounding promises beyond probabilities: shape of the graph, samples, aggregates, errors that name rules."""

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nesy.errors import DataError, LimitError, NesyError
from nesy.language.core import Signature
from nesy.language.functions import FunctionError
from nesy.language.program import parse_program
from nesy.language.values import Symbol, make_list
from nesy.reasoning import Limits, evaluate, ground
from tests.evaluation.worlds import edges, model


def derivations(graph):
    """Each derivation as text."""
    return sorted(f"{head} <- {', '.join(body)}" for head, body in edges(graph))


def rows(relations, name, arity):
    return sorted(relations[Signature(name, arity)], key=repr)


# -- what is certain -----------------------------------------------------------------------------------


def test_certain_facts_stay_in_bodies_so_that_proofs_are_complete():
    graph = ground(parse_program("a. 0.5::b. c :- a, b. #query c."))
    assert derivations(graph) == ["a <- ", "b <- b", "c <- a, b"]


def test_a_negated_atom_is_dropped_where_impossible_and_kills_the_rule_where_certain():
    text = "0.5::x. t. imp :- t, 1 > 2. a :- x, not imp. b :- x, not t. c :- t, not x. #query a. #query b. #query c."
    graph = ground(parse_program(text))
    assert derivations(graph) == ["a <- x", "c <- t, not x", "t <- ", "x <- x"]
    assert [answer.literal is None for answer in graph.query] == [False, True, False]


def test_a_certain_atom_keeps_no_derivation_that_may_fail_or_that_goes_in_a_circle():
    text = """e(1,2). e(2,1). 0.5::e(2,3). e(2,3).
        p(X,Y) :- e(X,Y). p(X,Z) :- p(X,Y), p(Y,Z). #query p(1,3)."""
    graph = ground(parse_program(text))
    assert graph.num_leaves == 0
    needs = nx.DiGraph()
    for edge, head in enumerate(graph.head.tolist()):
        needs.add_edges_from((literal >> 1, head) for literal in graph.body_of(edge).tolist())
    assert nx.is_directed_acyclic_graph(needs) and len(set(graph.head.tolist())) == graph.num_nodes


def test_the_graph_holds_only_what_queries_evidence_and_constraints_reach():
    text = "0.5::a. 0.5::b. 0.5::c. 0.5::d. x :- a. y :- b. z :- c. #query x. evidence(y). :- z."
    graph = ground(parse_program(text))
    atoms = {str(graph.atom_of(node)) for node in range(graph.num_leaves)}
    assert atoms == {"a", "b", "c"}


def test_heads_are_sorted_and_leaves_come_first_by_choice():
    text = "0.2::c(1); 0.3::c(2). 0.5::w(X) :- c(X). p(X) :- c(X), not w(X). #query p(X)."
    graph = ground(parse_program(text))
    assert np.all(np.diff(graph.head) >= 0) and graph.head.min() >= graph.num_leaves
    table = graph.choices
    assert table.ptr.tolist() == [0, 2, 3, 4] and table.outcome.tolist() == [0, 1, 0, 0]
    assert table.key == ((), (1,), (2,)) and table.has_rest.all()
    assert table.probability.tolist() == [0.2, 0.3, 0.5, 0.5]


def test_an_exhaustive_choice_is_complete_though_one_outcome_is_reached():
    graph = ground(parse_program("0.3::c(1); 0.7::c(2). #query c(1)."))
    assert graph.num_leaves == 2 and not graph.choices.has_rest.any()
    assert [str(graph.atom_of(leaf)) for leaf in range(2)] == ["c(1)", "c(2)"]


# -- queries, evidence, constraints ----------------------------------------------------------------------


def test_answers_come_in_the_standard_order_for_each_sample():
    text = '#input x(a). p(X) :- x(X). p(0) :- x(_). #query p(X). #query p("b").'
    x = Signature("x", 1)
    graph = ground(parse_program(text), [{x: [("b",), (Symbol("b"),), (10,), (-2,)]}, {x: []}])
    shown = [(answer.sample, str(answer.atom), answer.literal is None) for answer in graph.query]
    assert shown == [
        *[(0, f"p({value})", False) for value in ("-2", "0", "10", "b", '"b"')],
        (0, 'p("b")', False),
        (1, 'p("b")', True),
    ]


def test_evidence_that_no_world_meets_is_named():
    graph = ground(parse_program("0.5::a. t. b :- a, not t. evidence(b). evidence(t, false). #query a."))
    assert graph.impossible == ("evidence `b` holds in no world", "evidence `not t`: it holds in every world")


def test_a_constraint_that_every_world_violates_is_named_with_its_place():
    graph = ground(parse_program("0.5::a. t. #query a.\n:- t.", "x.nesy"))
    assert graph.impossible == ("a constraint is violated in every world (x.nesy:2): `:- t.`",)


def test_a_query_may_repeat_a_variable_and_look_into_structures():
    text = "0.5::e(1,1). 0.5::e(1,2). f(g(1,h)). f(g(2,[3,4])). #query e(X,X). #query f(g(X,[Y|_]))."
    graph = ground(parse_program(text))
    assert [str(answer.atom) for answer in graph.query] == ["e(1,1)", "f(g(2,[3,4]))"]


# -- samples ---------------------------------------------------------------------------------------------

SAMPLED = """#input token(i, w).
    0.5::strong(good). 0.9::negates(no).
    #neural tone(T) -> {up, down} :- token(T, _).
    near(T,S) :- token(T,_), token(S,_), S = T + 1.
    flip(T) :- near(S,T), token(S,W), negates(W).
    up(T) :- tone(T,up), not flip(T).    up(T) :- tone(T,down), flip(T).
    n(N) :- N = #count{T : up(T)}.
    loud :- token(T,W), strong(W), up(T).
    far(S,T) :- near(S,T).   far(S,T) :- far(S,R), near(R,T).
    #query n(N). #query loud. #query far(0,T). #query strong(W)."""
words = st.lists(st.sampled_from(["good", "no", "a"]), max_size=4)


@settings(max_examples=20, deadline=None)
@given(st.lists(words, min_size=1, max_size=4))
def test_a_batch_is_its_samples_side_by_side(sentences):
    program = parse_program(SAMPLED)
    token = Signature("token", 2)
    samples = [{token: [(i, Symbol(word)) for i, word in enumerate(s)]} for s in sentences]
    together = ground(program, samples)

    def shape(graph, sample):
        mine = set(np.flatnonzero((graph.sample == sample) | (graph.sample == -1)).tolist())
        own = edges(graph, lambda head, body: head in mine and mine.issuperset(body))
        answers = [(str(a.atom), a.literal is None) for a in graph.query if a.sample == sample]
        leaves = sorted(str(graph.atom_of(leaf)) for leaf in range(graph.num_leaves) if graph.sample[leaf] == sample)
        return {repr(edge) for edge in own}, answers, leaves

    for number, sample in enumerate(samples):
        alone = shape(ground(program, [sample]), 0)
        found, answers, leaves = shape(together, number)
        assert (answers, leaves) == alone[1:]
        assert alone[0] <= found  # what samples share is there if any of them needs it


def test_neural_leaves_have_no_probability_and_know_their_sample_and_key():
    graph = ground(parse_program(SAMPLED), [{Signature("token", 2): [(0, Symbol("no"))]}] * 2)
    table = graph.choices
    tones = [(sample, key) for sample, key in zip(table.sample.tolist(), table.key, strict=True) if sample >= 0]
    assert tones == [(0, (0,)), (1, (0,))]
    assert np.isnan(graph.choices.probability[graph.sample[: graph.num_leaves] >= 0]).all()


def test_rows_that_do_not_fit_their_input_are_named():
    program = parse_program("#input token(i, w). p :- token(_,_). #query p.")
    with pytest.raises(DataError, match=r"^row 2 of `token/2` has 1 values: \(1,\)$"):
        ground(program, [{Signature("token", 2): [(0, "a"), (1,)]}])
    with pytest.raises(DataError, match=r"^`word/1` is not an input of the program \(its inputs: token/2\)$"):
        ground(program, [{Signature("word", 1): [("a",)]}])
    with pytest.raises(DataError, match="no sample to ground"):
        ground(program, [])


# -- aggregates ------------------------------------------------------------------------------------------


def test_the_sum_of_exclusive_choices_has_only_the_results_that_can_be():
    text = "0.5::d(1,3); 0.5::d(1,10). 0.2::d(2,0); 0.8::d(2,1). s(S) :- S = #sum{V,I : d(I,V)}. #query s(S)."
    graph = ground(parse_program(text))
    assert [str(answer.atom) for answer in graph.query] == ["s(3)", "s(4)", "s(10)", "s(11)"]
    (aggregate,) = graph.aggregates
    assert sorted(aggregate.weight.tolist()) == [0, 1, 3, 10]


def test_an_aggregate_over_certain_atoms_is_a_plain_value():
    text = "p(1). p(2). p(2.5). 0.5::x. s(S) :- S = #sum{X : p(X)}, x. n(N) :- N = #count{X : p(X)}. \
        lo(M) :- M = #min{X : p(X)}. mean(M) :- M = #avg{X : p(X)}. none(M) :- M = #max{X : p(X), X > 9}. \
        #query s(S). #query n(N). #query lo(M). #query mean(M). #query none(M)."
    graph = ground(parse_program(text))
    assert [str(a.atom) for a in graph.query] == ["s(5.5)", "n(3)", "lo(1.0)", "mean(1.8333333333333333)"]
    assert graph.aggregates == ()


def test_results_do_not_depend_on_what_other_groups_hold():
    facts = "w(a,1). w(a,2). w(b,0.5). w(b,1). w(c,3). 0.5::w(c,4). g(a). g(b). g(c)."
    graph = ground(parse_program(facts + "s(G,S) :- g(G), S = #sum{W : w(G,W)}. #query s(G,S)."))
    assert [str(answer.atom) for answer in graph.query] == ["s(a,3)", "s(b,1.5)", "s(c,3)", "s(c,7)"]


def test_a_sum_beyond_64_bits_is_an_error():
    program = parse_program(f"w({2**62}). w({2**62 + 1}). s(S) :- S = #sum{{W : w(W)}}. #query s(S).")
    with pytest.raises(FunctionError, match="`#sum`: the result may be beyond 64-bit integers"):
        ground(program)


def test_a_thousand_digits_have_their_nine_thousand_sums():
    program = parse_program(
        "#input image(i). #neural digit(I) -> 0..9 :- image(I). s(S) :- S = #sum{D,I : digit(I,D)}. #query s(S)."
    )
    graph = ground(program, [{Signature("image", 1): [(i,) for i in range(1000)]}])
    assert [answer.atom.arguments[0].value for answer in graph.query] == list(range(9001))


def test_too_many_results_of_an_aggregate_are_an_error():
    facts = "".join(f"0.5::w({3**i})." for i in range(30))
    with pytest.raises(LimitError, match=r"`#sum` over 30 elements has more than 1,000 possible results"):
        ground(parse_program(facts + "s(S) :- S = #sum{W : w(W)}. #query s(S)."), limits=Limits(results=1000))


def test_a_sum_of_words_is_an_error_that_names_the_rule():
    with pytest.raises(FunctionError, match=r"(?s)`#sum` of `red`, which is not a number.*`s\(S\)` \(<text>:1\)"):
        ground(parse_program("c(red). s(S) :- S = #sum{C : c(C)}. #query s(S)."))


# -- errors and limits -------------------------------------------------------------------------------------


def test_a_division_by_zero_names_the_rule_and_the_values():
    with pytest.raises(FunctionError) as caught:
        ground(parse_program("p(1,0).\nq(Z) :- p(X,Y), Z = X // Y. #query q(Z).", "d.nesy"))
    assert str(caught.value) == "`1 // 0`: division by zero\n  in the rule for `q(Z)` (d.nesy:2)"


def test_a_test_that_excludes_the_zero_may_stand_anywhere():
    for body in ("p(X,Y), Z = X // Y, Y != 0", "p(X,Y), Z = X // Y, ok(Y)", "Z = X // Y, ok(Y), p(X,Y)"):
        program = parse_program(f"p(1,0). p(6,2). ok(2). q(Z) :- {body}.")
        assert rows(evaluate(program), "q", 1) == [(3,)]


def test_a_recursion_that_counts_for_ever_is_stopped_and_named():
    program = parse_program("n(0).\nn(Y) :- n(X), Y = X + 1.", "n.nesy")
    with pytest.raises(LimitError) as caught:
        evaluate(program, limits=Limits(tuples=500))
    lines = str(caught.value).splitlines()
    assert lines[0].startswith("the limit of 500 derived tuples was reached after ")
    assert lines[1].startswith("  most tuples come from the rule for `n(Y)` (n.nesy:2): 501 in 501 rounds (")
    assert lines[2] == "  hint: does the rule reach an end? if so, raise the limit with Limits(tuples=1000)"


@pytest.mark.parametrize("step", ["p(X,Y), e(Y,Z)", "p(X,Y), p(Y,Z)"])
def test_a_dense_recursion_is_limited_before_its_rows_are_made(step):
    ring = "".join(f"e({i},{(i + 1) % 300})." for i in range(300))
    with pytest.raises(LimitError, match=r"(?s)the limit of 50,000 derived tuples.*rule for `p\(X,Z\)`"):
        evaluate(parse_program(f"{ring} p(X,Y) :- e(X,Y). p(X,Z) :- {step}."), limits=Limits(tuples=50_000))


def test_a_growing_structure_is_stopped_and_named():
    with pytest.raises(LimitError) as caught:
        evaluate(parse_program("n(z). n(s(X)) :- n(X).", "s.nesy"), limits=Limits(depth=20))
    assert str(caught.value) == (
        "a structure `s/1` is nested more than 20 deep; raise the limit with Limits(depth=40)\n"
        "  in the rule for `n(s(X))` (s.nesy:1)"
    )


def test_time_and_joins_are_limited():
    slow = parse_program("n(0). n(Y) :- n(X), Y = X + 1.")
    with pytest.raises(LimitError, match=r"the time limit of 0.05 s was reached"):
        evaluate(slow, limits=Limits(seconds=0.05))
    wide = parse_program("".join(f"a({i})." for i in range(100)) + "p(X,Y) :- a(X), a(Y).")
    with pytest.raises(LimitError, match=r"(?s)a join of 10,000 rows is over the limit of 999.*`p\(X,Y\)`"):
        evaluate(wide, limits=Limits(instances=999))


def test_probabilities_that_make_no_distribution_name_their_rule():
    with pytest.raises(NesyError, match=r"the probability 7 is not between 0 and 1 in the rule for `a\(X\)`"):
        ground(parse_program("P::a(X) :- x(X,P). x(1,7). #query a(X)."))


def test_a_program_with_choices_is_not_evaluated():
    with pytest.raises(NesyError, match="makes a random choice: ground the program instead of evaluating it"):
        evaluate(parse_program("0.5::a. b :- a."))


# -- values ------------------------------------------------------------------------------------------------


def test_lists_are_built_and_taken_apart():
    program = parse_program("""
        l([1,2,3]). suffix(L) :- l(L). suffix(T) :- suffix([_|T]). member(X) :- suffix([X|_]).
        rev(L, []) :- l(L). rev(T, [X|R]) :- rev([X|T], R). done(R) :- rev([], R). pair(f(X,Y)) :- member(X), member(Y).
        same(X) :- pair(f(X,X)).""")
    relations = evaluate(program)
    assert rows(relations, "member", 1) == [(1,), (2,), (3,)] == rows(relations, "same", 1)
    assert rows(relations, "done", 1) == [(make_list([3, 2, 1]),)]


def test_rows_too_wide_for_one_key_and_numbers_too_large_for_an_id_are_rows_like_others():
    big = 10**15
    facts = "".join(f'w({i},{big + i},{i * 7},a{i},{i % 3},"s{i}",{i}).' for i in range(40))
    program = parse_program(
        facts
        + """
        v(A,B,C,D,E,F,G) :- w(A,B,C,D,E,F,G), E = 1.   v(A,B,C,D,2,F,H) :- v(A,B,C,D,_,F,H).
        n(X) :- v(_,B,_,_,2,F,_), w(_,B,_,_,_,F,_), X = B + 1."""
    )
    relations = evaluate(program)
    assert len(relations[Signature("v", 7)]) == 26
    assert rows(relations, "n", 1) == [(big + i + 1,) for i in range(1, 40, 3)]


def test_numbers_of_different_type_are_different_constants_that_compare_by_value():
    program = parse_program("p(1). p(1.0). p(2). q(X,Y) :- p(X), p(Y), X < Y. e(X,Y) :- p(X), p(Y), X = Y.")
    relations = evaluate(program)
    assert len(relations[Signature("p", 1)]) == 3 == len(relations[Signature("e", 2)])
    assert rows(relations, "q", 2) == [(1, 2), (1.0, 2)]


# -- programs without randomness, and the bit-row kernel -----------------------------------------------------

EDGES = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), min_size=8, max_size=60)
PATHS = [
    "p(X,Y) :- e(X,Y). p(X,Z) :- p(X,Y), e(Y,Z).",
    "p(X,Y) :- e(X,Y). p(X,Z) :- e(X,Y), p(Y,Z).",
    "p(X,Y) :- f(X,Y). p(X,Z) :- p(X,Y), e(Z,Y). p(X,Z) :- p(X,Y), f(Y,Z).",
    "p(X,Y) :- f(X,Y). p(X,Z) :- e(Y,X), p(Y,Z).",
    "p(X,Y) :- e(X,Y). p(X,Z) :- p(X,Y), p(Y,Z).",
    "p(X,Y) :- e(Z,X), e(Z,Y), X != Y. p(X,Y) :- e(A,X), p(A,B), f(B,Y).",
    "p(X,Y) :- e(X,Y). q(X,Y) :- f(X,Y). p(X,Z) :- q(Y,X), e(Y,A), p(A,Z). q(X,Z) :- p(X,Y), q(Z,Y).",
    "p(X,Y) :- e(X,Y). p(Y,X) :- p(X,Y). p(X,X) :- p(X,_), f(X,X).",
]


@pytest.mark.parametrize("rules", PATHS)
@settings(max_examples=6, deadline=None)
@given(EDGES, EDGES)
def test_recursion_over_pairs_gives_the_least_model(rules, e, f):
    facts = {("e", *pair) for pair in e} | {("f", *pair) for pair in f}
    program = parse_program("#input e(x,y). #input f(x,y). " + rules)
    relations = evaluate(program, {Signature("e", 2): e, Signature("f", 2): f})
    expected = closed(rules, facts)
    for name in ("p", "q"):
        if Signature(name, 2) in relations:
            assert {(name, *row) for row in relations[Signature(name, 2)]} == {r for r in expected if r[0] == name}


def closed(rules, facts):
    return model(parse_program("#input e(x,y). #input f(x,y). " + rules), {}, facts)


def test_a_long_chain_is_not_quadratic_in_rounds():
    edges = [(i, i + 1) for i in range(3000)]
    program = parse_program("#input e(x,y). r(0). r(Y) :- r(X), e(X,Y). c(N,Y) :- r(Y), e(_,Y), N = Y mod 7.")
    relations = evaluate(program, {Signature("e", 2): edges}, Limits(seconds=20))
    assert len(relations[Signature("r", 1)]) == 3001 and len(relations[Signature("c", 2)]) == 3000


def test_ids_that_outgrow_their_bits_in_the_middle_of_a_recursion_keep_all_rows():
    program = parse_program("n(0,0). n(Y,X) :- n(X,_), X < 3000, Y = X + 7. far(X) :- n(X,Y), n(Y,_), X > 2990.")
    relations = evaluate(program)
    assert rows(relations, "far", 1) == [(2996,), (3003,)]
    assert len(relations[Signature("n", 2)]) == 430


# -- demand --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", ["p(X,Y), e(Y,Z)", "e(X,Y), p(Y,Z)"])
@pytest.mark.parametrize(("question", "answers"), [("p(1990,X)", 10), ("p(X,7)", 7), ("p(1993,1997)", 1)])
def test_a_query_with_constants_needs_few_tuples_of_a_large_recursion(step, question, answers):
    facts = "".join(f"0.5::e({i},{i + 1})." for i in range(2000))
    program = parse_program(f"{facts} p(X,Y) :- e(X,Y). p(X,Z) :- {step}. #query {question}.")
    graph = ground(program, limits=Limits(tuples=2200))  # 2,000 of them are the facts
    assert sum(answer.literal is not None for answer in graph.query) == answers


def test_demand_stays_within_a_sample():
    text = "#input e(x,y). #neural w(X,Y) :- e(X,Y). p(X,Y) :- w(X,Y). p(X,Z) :- p(X,Y), w(Y,Z). #query p(1,X)."
    e = Signature("e", 2)
    graph = ground(parse_program(text), [{e: [(1, 2), (2, 3), (5, 6)]}, {e: [(2, 3)]}, {e: [(1, 9)]}])
    assert [(answer.sample, str(answer.atom)) for answer in graph.query] == [
        (0, "p(1,2)"),
        (0, "p(1,3)"),
        (2, "p(1,9)"),
    ]


def test_what_nothing_asks_for_is_not_derived():
    program = parse_program("n(0). n(Y) :- n(X), Y = X + 1. 0.5::a. b :- a. #query b.")
    assert derivations(ground(program)) == ["a <- a", "b <- a"]


def test_a_leaf_whose_atom_nothing_asks_for_has_its_name_all_the_same() -> None:
    graph = ground(parse_program("0.6::g0; 0.1::g1(X); 0.3::g2 :- d(X). d(1). :- g0. 0.2::f. #query f."))
    assert sorted(str(graph.atom_of(leaf)) for leaf in range(graph.num_leaves)) == ["f", "g0", "g1(1)", "g2"]


def test_a_goal_with_constants_does_not_wait_for_what_an_aggregate_gives():
    text = """
    item(a). item(b). item(c). heavy(a). heavy(c). name(3, c).
    good(X, M) :- item(X), N = #count{ Y : heavy(Y) }, M = N + 1, N >= 2, name(M, X).
    good(X, 0) :- N = #count{ Y : heavy(Y) }, N < 2, item(X).
    """
    program = parse_program(f"{text} query(good(c, X)). query(good(a, X)).")
    assert [str(query.atom) for query in ground(program).query if query.literal is not None] == ["good(c,3)"]
