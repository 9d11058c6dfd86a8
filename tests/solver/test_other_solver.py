"""The scripts of certificates mean to another solver what they mean to Z3."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nesy.language import parse_program
from nesy.solver import Certifier

from .random_programs import Example, examples
from .test_certificate import NEGATION, TOKENS, claim, negation_claim, outcomes_of

cvc5 = pytest.importorskip("cvc5", reason="cvc5 is not installed")


def verdict(script: str) -> str:
    solver: Any = cvc5.Solver()
    parser: Any = cvc5.InputParser(solver)
    parser.setStringInput(cvc5.InputLanguage.SMT_LIB_2_6, script, "certificate")
    said = []
    while not (command := parser.nextCommand()).isNull():
        said.append(str(command.invoke(solver, parser.getSymbolManager())).strip())
    answers = [text for text in said if text in ("sat", "unsat", "unknown")]
    assert len(answers) == 1, said
    return answers[0]


def test_a_certificate_with_negation_and_a_sum_is_confirmed():
    certifier = Certifier(parse_program(NEGATION))
    right = certifier.certify(negation_claim("positive", {5: 0, 7: 0, 12: 1}, {10}), TOKENS)
    assert (right.verdict, verdict(right.smt2)) == ("checked", "unsat")


@settings(max_examples=25)
@given(examples(), st.data())
def test_both_solvers_agree_on_random_claims(example: Example, data: st.DataObject):
    program = parse_program(example.text)
    outcomes, _ = data.draw(st.sampled_from(list(example.worlds())))
    known = data.draw(st.sets(st.sampled_from(range(len(outcomes)))))
    chosen = {index: outcomes[index] for index in sorted(known)}
    atom = data.draw(st.sampled_from(example.atoms))
    certificate = Certifier(program).certify(claim(atom, program, outcomes_of(example, program, chosen)), {})
    assert verdict(certificate.smt2) == {"checked": "unsat", "failed": "sat"}[certificate.verdict]
