"""Certificates agree with the enumeration of worlds, and cost little."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nesy.language import parse_program, parse_query
from nesy.language.core import CoreProgram, Signature, ground_atom
from nesy.language.values import Symbol
from nesy.reasoning import best_proofs, ground
from nesy.solver import Certifier, Claim, certify
from nesy.solver.instances import Outcome
from tests.examples import num_examples

from .random_programs import Example, examples

NEGATION = """
#input token(index, word).
#neural polarity(T) -> {positive, negative, neutral} :- token(T, _).
#neural negator(T) :- token(T, _).
scope(S, T) :- token(S, _), token(T, _), T > S, T <= S + 3.
flipped(T) :- polarity(T, _), negator(S), scope(S, T).
holds(T, positive) :- polarity(T, positive), not flipped(T).
holds(T, positive) :- polarity(T, negative), flipped(T).
holds(T, negative) :- polarity(T, negative), not flipped(T).
holds(T, negative) :- polarity(T, positive), flipped(T).
value(positive, 1). value(negative, -1).
score(S) :- S = #sum{ V,T : holds(T, P), value(P, V) }.
label(positive) :- score(S), S > 0.
label(negative) :- score(S), S < 0.
"""


def outcomes_of(example: Example, program: CoreProgram, chosen: dict[int, int | None]) -> dict[Outcome, bool]:
    """Outcomes of some of the example's choices, in the program's terms."""
    ids = {}
    for rule in program.rules:
        if rule.choice is not None:
            ids[tuple(str(head) for head in rule.heads)] = rule.choice.id
    found: dict[Outcome, bool] = {}
    for index, outcome in chosen.items():
        choice = example.choices[index]
        identity = ids[tuple(atom for _, atom in choice)]
        for number in range(len(choice)):
            if outcome is None or number == outcome:
                found[identity, (), number] = number == outcome
    return found


def claim(text: str, program: CoreProgram, outcomes: dict[Outcome, bool]) -> Claim:
    query = parse_query(text, program)
    used = frozenset(
        (atom.signature, tuple((type(a.value), a.value) for a in atom.arguments)) for atom in program.facts
    )
    return Claim(query.atom, query.negated, outcomes, used)


@settings(max_examples=num_examples(60))
@given(examples(), st.data())
def test_a_claim_is_checked_exactly_if_it_holds_in_every_world_with_its_premises(example: Example, data: st.DataObject):
    program = parse_program(example.text)
    certifier = Certifier(program)
    worlds = list(example.worlds())
    outcomes, _ = data.draw(st.sampled_from(worlds))
    known = data.draw(st.sets(st.sampled_from(range(len(outcomes)))))
    chosen = {index: outcomes[index] for index in sorted(known)}
    matching = [true for other, true in worlds if all(other[i] == o for i, o in chosen.items())]
    for atom in data.draw(st.lists(st.sampled_from(example.atoms), min_size=1, max_size=3, unique=True)):
        for negated in (False, True):
            certificate = certifier.certify(
                claim(("not " if negated else "") + atom, program, outcomes_of(example, program, chosen)), {}
            )
            holds = all((atom in true) != negated for true in matching)
            assert certificate.verdict == ("checked" if holds else "failed"), (example.text, chosen, atom, negated)


@settings(max_examples=num_examples(40))
@given(examples())
def test_every_proof_found_in_a_graph_is_certified(example: Example):
    queries = "".join(f"query({atom}).\n" for atom in example.atoms)
    graph = ground(parse_program(example.text + queries))
    leaf = torch.from_numpy(graph.choices.probability)
    for query in graph.query:
        if query.literal is None:
            continue
        for literal in (query.literal, query.literal ^ 1):
            for proof in best_proofs(graph, leaf, literal, 2):
                certificate = certify(graph, proof)
                assert certificate.verdict == "checked", (example.text, certificate)


def negation_claim(label: str, polarity: dict[int, int], negators: set[int]) -> Claim:
    program = parse_program(NEGATION)
    choices = {rule.choice.neural: rule.choice.id for rule in program.rules if rule.choice is not None}
    outcomes: dict[Outcome, bool] = {}
    for token in range(20):
        outcomes[choices["polarity"], (token,), polarity.get(token, 2)] = True
        outcomes[choices["negator"], (token,), 0] = token in negators
    return Claim(ground_atom("label", (Symbol(label),)), False, outcomes, frozenset())


TOKENS = {Signature("token", 2): [(index, Symbol(f"w{index}")) for index in range(20)]}


def test_a_sentence_of_twenty_tokens_is_certified_with_negation_and_a_sum():
    certifier = Certifier(parse_program(NEGATION))
    certificate = certifier.certify(negation_claim("positive", {5: 0, 7: 0, 12: 1}, {10}), TOKENS)
    assert certificate.verdict == "checked"
    assert len(certificate.premises) == 40
    assert "polarity(5,positive)" in certificate.premises
    assert certificate.num_assertions > 300, "the rules themselves are to be given to Z3"


def test_an_equation_of_two_computed_sides_waits_for_both():
    program = parse_program("p(2). p(4). p(5). q(X, Y) :- p(X), p(Y), X mod 2 = Y mod 2.")
    assert Certifier(program).certify(claim("q(2, 4)", program, {}), {}).verdict == "checked"
    assert Certifier(program).certify(claim("q(2, 5)", program, {}), {}).verdict == "failed"


def test_a_wrong_answer_fails_with_a_world():
    certifier = Certifier(parse_program(NEGATION))
    certificate = certifier.certify(negation_claim("positive", {5: 0, 7: 1, 12: 1}, {10, 11}), TOKENS)
    assert certificate.verdict == "checked", "the negated token 12 counts for positive"
    certificate = certifier.certify(negation_claim("negative", {5: 0, 7: 1, 12: 1}, {10, 11}), TOKENS)
    assert certificate.verdict == "failed"


def test_a_forgotten_premise_fails_with_the_world_that_was_overlooked():
    program = parse_program("0.5::rain. 0.5::sprinkler. wet :- rain. wet :- sprinkler. dry :- not wet.")
    certifier = Certifier(program)
    ids = {str(rule.heads[0]): rule.choice.id for rule in program.rules if rule.choice is not None}
    half = claim("dry", program, {(ids["rain"], (), 0): False})
    certificate = certifier.certify(half, {})
    assert certificate.verdict == "failed"
    assert "wet" in certificate.world and "dry" not in certificate.world
    both = claim("dry", program, {(ids["rain"], (), 0): False, (ids["sprinkler"], (), 0): False})
    assert certifier.certify(both, {}).verdict == "checked"


def test_premises_that_contradict_each_other_prove_nothing():
    program = parse_program("0.5::red; 0.5::blue. both :- red, blue.")
    choice = program.rules[0].choice
    assert choice is not None
    certificate = Certifier(program).certify(
        claim("both", program, {(choice.id, (), 0): True, (choice.id, (), 1): True}), {}
    )
    assert certificate.verdict == "failed"
    assert certificate.reason == "the premises contradict each other"


def test_a_loop_supports_nothing():
    program = parse_program("0.5::start. p :- q. q :- p. p :- start. quiet :- not p.")
    choice = program.rules[0].choice
    assert choice is not None
    certificate = Certifier(program).certify(claim("quiet", program, {(choice.id, (), 0): False}), {})
    assert certificate.verdict == "checked"


def test_what_takes_too_long_is_unknown_and_never_a_pass():
    program = parse_program("#input n(v). far(X, Y, Z) :- n(X), n(Y), n(Z), X + Y + Z < 0. ok :- not far(_, _, _).")
    rows = {Signature("n", 1): [(index,) for index in range(300)]}
    certificate = Certifier(program).certify(claim("ok", program, {}), rows, timeout=0.1)
    assert certificate.verdict == "unknown"
    assert certificate.reason == "the rules could not be instantiated in time"


def test_a_certificate_can_be_read_by_another_solver():
    certificate = Certifier(parse_program(NEGATION)).certify(negation_claim("positive", {5: 0}, set()), TOKENS)
    assert certificate.smt2.startswith("(set-logic ALL)\n")
    assert certificate.smt2.endswith("(check-sat)\n(exit)\n")
    assert "|polarity(5,positive)|" in certificate.smt2
