"""The catalogue of diagnostics: every message the language can give, in one place.

`report` makes a diagnostic of an entry. `docs/diagnostics.md` is generated from this file, and the
tests run each entry's wrong program and its correction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from nesy.diagnostics import Diagnostic, Label, Severity
from nesy.source import Span


@dataclass(frozen=True)
class Entry:
    """A kind of mistake. `message`, `note` and `hint` are templates over what `report` is given.

    `wrong` is a program that gives this diagnostic, `right` its correction; `files` are the other files
    that they need.
    """

    code: str
    message: str
    note: str = ""
    hint: str = ""
    explanation: str = ""
    wrong: str = ""
    right: str = ""
    severity: Severity = "error"
    dialect: str = "nesy"


def report(
    code: str,
    span: Span,
    label: str = "",
    *,
    others: Sequence[Label] = (),
    hint: str | None = None,
    note: str | None = None,
    **values: object,
) -> Diagnostic:
    """The diagnostic of a code at a place; `hint` and `note` replace the catalogue's, "" leaves them out."""
    entry = CATALOGUE[code]
    shown_note = entry.note.format(**values) if note is None else note
    shown_hint = entry.hint.format(**values) if hint is None else hint
    return Diagnostic(
        code,
        entry.message.format(**values),
        (Label(span, label), *others),
        (shown_note,) if shown_note else (),
        (shown_hint,) if shown_hint else (),
        entry.severity,
    )


_ENTRIES = (
    # -- reading ---------------------------------------------------------------------------------
    Entry("N101", "{problem}"),
    Entry("N102", "expected {expected}, found {found}"),
    Entry("N103", "the text ends inside a statement", hint="end the statement with `.`"),
    Entry("N104", "`{found}` is not part of the language"),
    Entry("N105", "this text is never closed", hint="close it with {mark} on the same line"),
    Entry("N106", "this comment is never closed", hint="close it with `*%`"),
    Entry("N107", "this is nested more than {limit} levels deep", hint="split it into several rules"),
    Entry(
        "N108",
        "this statement has more than {limit} words",
        hint='keep large tables in a file: `#facts p from "p.csv".`',
    ),
    Entry(
        "N109",
        "`{found}` is not an atom",
        note="an atom is a predicate's name, with its terms in parentheses",
        hint="{instead}",
    ),
    Entry("N110", "{what} cannot stand here", hint="{instead}"),
    Entry("N111", "the number {found} is too large", note="integers are 64 bits wide, decimals are finite"),
    Entry("N112", "a soft constraint needs its weight", hint="write the weight behind the full stop: `:~ body. [1.5]`"),
    # -- names, arities, safety ----------------------------------------------------------------
    Entry("N201", "predicate `{name}` is never defined", hint="{instead}"),
    Entry("N202", "`{name}` has {expected} arguments, not {found}"),
    Entry(
        "N203",
        "variable `{name}` in the head is never bound by the body",
        note="each head variable must occur in a positive body literal",
    ),
    Entry(
        "N204",
        "variable `{name}` occurs only under `not`",
        note="`not` tests what is bound elsewhere; it cannot bind a variable",
        hint="{instead}",
    ),
    Entry(
        "N205",
        "variable `{name}` is compared but never bound",
        note="a comparison tests values; only `=` with a bound side binds a variable",
    ),
    Entry(
        "N206",
        "variable `{name}` is used in an aggregate but never bound",
        note="inside an aggregate, a variable is bound by a condition there or by the rest of the body",
    ),
    Entry("N207", "variable `{name}` in the probability is never bound by the body"),
    Entry("N208", "`{name}` is not a function of {found} arguments", hint="{instead}"),
    Entry("N209", "arithmetic inside an atom is not evaluated in ProbLog", hint="{instead}"),
    Entry("N210", "{problem}", note="a function with constant arguments is computed when the program is read"),
    Entry("N211", "`{name}` is a comparison's or a function's name and cannot be defined"),
    # -- strata -----------------------------------------------------------------------------------
    Entry(
        "N301",
        "`{name}` depends on its own negation",
        note="negation must be stratified: no predicate may depend on itself through `not`",
    ),
    Entry(
        "N302",
        "`{name}` depends on an aggregate over itself",
        note="aggregates must be stratified: no predicate may depend on itself through an aggregate",
    ),
    # -- probabilities and choices ------------------------------------------------------------------
    Entry("N401", "the probability {value} is not between 0 and 1"),
    Entry(
        "N402",
        "the probabilities of this choice sum to {total}, more than 1",
        note="the alternatives of an annotated disjunction exclude each other",
    ),
    Entry(
        "N403",
        "alternatives without a probability",
        note="`;` in a head separates the alternatives of a choice",
        hint="give each alternative its probability, as in `0.4::a; 0.6::b.`",
    ),
    Entry(
        "N404", "this is not a probability", hint="write a number, an expression over the rule's variables, or `t(0.3)`"
    ),
    Entry("N405", "the weight of a soft constraint must not be negative", hint="turn the condition round with `not`"),
    Entry("N406", "{what} cannot have a probability"),
    # -- declarations -----------------------------------------------------------------------------
    Entry("N501", "cannot find `{name}` to include", note="{looked}", hint="{instead}"),
    Entry("N502", "`{name}` includes itself", note="includes must not go in a circle"),
    Entry("N503", "`{name}` is already included", severity="warning"),
    Entry("N504", "type `{name}` is not declared", hint="{instead}"),
    Entry("N505", "`{name}` is declared twice"),
    Entry("N506", "{problem}", hint="{instead}"),
    Entry("N507", "`{name}` is {what} and cannot be the head of a rule"),
    Entry("N508", "cannot read `{name}`: {problem}"),
    # -- ProbLog ----------------------------------------------------------------------------------
    Entry("N601", "`{name}` of Prolog is not part of the language", hint="{instead}"),
    Entry("N602", "the directive `{name}` of Prolog is not part of the language", hint="{instead}"),
)

CATALOGUE: Mapping[str, Entry] = MappingProxyType({entry.code: entry for entry in _ENTRIES})
