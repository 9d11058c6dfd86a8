"""Choices of rules whose bodies have alternatives, against the same program without `;` in ProbLog itself."""

from __future__ import annotations

import pytest

import nesy

problog = pytest.importorskip("problog")

PROGRAMS = [
    # One choice for each assignment of all variables, `_` included, whichever alternative holds.
    "0.3::h :- b(_).\n0.5::b(1). 0.5::b(2).\nquery(h).",
    "0.3::h :- (b; c).\n0.5::b. 0.4::c.\nquery(h).",
    "0.3::h(X) :- a(X), (b(X, Y); c(X, Y)).\na(1). a(2). 0.5::b(1, 1). 0.5::b(1, 2). 0.4::c(1, 1). 0.7::c(2, 1).\n"
    "query(h(X)).",
    "0.3::h; 0.2::k :- (b(X); c(X)).\n0.5::b(1). 0.5::b(2). 0.4::c(1).\nquery(h). query(k).",
    "q :- (a; b), \\+ (c, d).\n0.3::a. 0.4::b. 0.5::c. 0.6::d.\nquery(q).",
    "0.4::e(X, Y) :- n(X), n(Y), X < Y.\nn(1). n(2). n(3).\nr(X) :- n(X), \\+ e(X, _).\nquery(r(X)).",
    "P::w(X) :- v(X, P), \\+ u(X).\nv(a, 0.2). v(b, 0.9). 0.5::u(a).\nquery(w(_)).",
]


@pytest.mark.parametrize("text", PROGRAMS)
def test_probabilities_are_those_of_problog(text: str, tmp_path):
    from problog import get_evaluatable
    from problog.program import PrologString

    reference = get_evaluatable().create_from(PrologString(text)).evaluate()
    expected = {str(atom).replace(" ", ""): p for atom, p in reference.items()}
    path = tmp_path / "program.pl"
    path.write_text(text)
    found = {str(row.atom): row.p for row in nesy.load(path).query()}
    assert {atom: p for atom, p in found.items() if p > 0} == pytest.approx(
        {a: p for a, p in expected.items() if p > 0}
    )
