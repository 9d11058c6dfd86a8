"""The catalogue of diagnostics: every message the language can give, in one place.

`report` makes a diagnostic of an entry. `docs/diagnostics.md` is generated from this file
(`python -m nesy.tools.catalogue_page`), and the tests run each entry's wrong program and its correction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from nesy.diagnostics import Diagnostic, Label, Severity
from nesy.source import Span


@dataclass(frozen=True)
class Entry:
    """A kind of mistake. `message`, `note` and `hint` are templates over what `report` is given.

    `title` heads its page; `wrong` is a program that gives this diagnostic, `right` its correction; `files`
    are further files that either needs.
    """

    code: str
    title: str
    message: str
    wrong: str
    right: str
    note: str = ""
    hint: str = ""
    severity: Severity = "error"
    dialect: str = "nesy"
    files: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


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


_READING = (
    Entry(
        "N102",
        "A word that cannot stand here",
        "expected {expected}, found {found}",
        wrong="path(X, Y) :- edge(X Y).\nedge(a, b).",
        right="path(X, Y) :- edge(X, Y).\nedge(a, b).",
    ),
    Entry(
        "N103",
        "The text ends inside a statement",
        "the text ends inside a statement",
        hint="end the statement with `.`",
        wrong="edge(a, b).\nedge(b, c)",
        right="edge(a, b).\nedge(b, c).",
    ),
    Entry(
        "N104",
        "A character that is not part of the language",
        "`{found}` is not part of the language",
        hint="a name with other characters than letters, digits and `_` is written in quotes: `'été'`",
        wrong="costs(tea, 3 €).",
        right="costs(tea, 3, '€').",
    ),
    Entry(
        "N105",
        "A quoted text that is never closed",
        "this text is never closed",
        hint="close it with {mark} on the same line",
        wrong='says(ann, "hello).',
        right='says(ann, "hello").',
    ),
    Entry(
        "N106",
        "A comment that is never closed",
        "this comment is never closed",
        hint="close it with `*%`",
        wrong="edge(a, b).\n%* the rest is\nedge(b, c).",
        right="edge(a, b).\n%* the rest is *%\nedge(b, c).",
    ),
    Entry(
        "N107",
        "Nested too deep",
        "this is nested more than {limit} levels deep",
        hint="split it into several rules",
        wrong="n(1).\np(X) :- n(Y), X = Y" + " + 1" * 120 + ".",
        right="n(1).\np(X) :- n(Y), X = Y + 120.",
    ),
    Entry(
        "N108",
        "A statement with too many words",
        "this statement has more than {limit} words",
        hint='keep large tables in a file: `#facts p from "p.csv".`',
        wrong="#type t = {" + ", ".join(f"a{i}" for i in range(10_001)) + "}.",
        right="#type t = {a0, a1, a2}.",
    ),
    Entry(
        "N109",
        "Not an atom",
        "`{found}` is not an atom",
        note="an atom is a predicate's name, with its terms in parentheses",
        hint="{instead}",
        wrong="Path(a, b).\nX :- edge(a, b).\nedge(a, b).",
        right="path(a, b).\nx :- edge(a, b).\nedge(a, b).",
    ),
    Entry(
        "N110",
        "Something that cannot stand here",
        "{what} cannot stand here",
        hint="{instead}",
        wrong="edge(a, b).\nmany :- #count{ X : edge(X, _) }.",
        right="edge(a, b).\nmany :- #count{ X : edge(X, _) } > 2.",
    ),
    Entry(
        "N111",
        "A number that is too large",
        "the number {found} is too large",
        note="integers are 64 bits wide, decimals are finite",
        wrong="population(99999999999999999999).",
        right="population(8000000000).",
    ),
    Entry(
        "N112",
        "A soft constraint without its weight",
        "a soft constraint needs its weight",
        hint="write the weight behind the full stop: `:~ body. [1.5]`",
        wrong="0.5::a. 0.5::b.\n:~ a, b.",
        right="0.5::a. 0.5::b.\n:~ a, b. [1.5]",
    ),
    Entry(
        "N113",
        "Too many mistakes",
        "more than {limit} mistakes; the rest is left out",
        wrong="p(. " * 1001,
        right="p(a).",
    ),
)

_NAMES = (
    Entry(
        "N201",
        "A predicate that is never defined",
        "predicate `{name}` is never defined",
        hint="{instead}",
        wrong="parent(ann, bob).\ngrandparent(X, Z) :- parent(X, Y), parnt(Y, Z).",
        right="parent(ann, bob).\ngrandparent(X, Z) :- parent(X, Y), parent(Y, Z).",
    ),
    Entry(
        "N202",
        "A predicate with another number of arguments",
        "`{name}` has {expected}, not {found}",
        wrong="parent(ann, bob).\nadult(X) :- parent(X).",
        right="parent(ann, bob).\nadult(X) :- parent(X, _).",
    ),
    Entry(
        "N203",
        "A variable in the head that the body does not bind",
        "variable `{name}` in the head is never bound by the body",
        note="each head variable must occur in a positive body literal",
        wrong="brother(ann, bob). parent(bob, cy).\nuncle(X, Z) :- brother(X, Y), parent(Y, _).",
        right="brother(ann, bob). parent(bob, cy).\nuncle(X, Z) :- brother(X, Y), parent(Y, Z).",
    ),
    Entry(
        "N204",
        "A variable that occurs only under `not`",
        "variable `{name}` occurs only under `not`",
        note="`not` tests what is bound elsewhere; it cannot bind a variable",
        hint="{instead}",
        wrong="person(ann). likes(bob, ann).\nlonely(X) :- person(X), not likes(Y, X).",
        right="person(ann). likes(bob, ann).\nlonely(X) :- person(X), not likes(_, X).",
    ),
    Entry(
        "N205",
        "A variable that is compared but never bound",
        "variable `{name}` is compared but never bound",
        note="a comparison tests values; only `=` with a bound side binds a variable",
        wrong="age(ann, 31).\nadult(X) :- age(X, _), A >= 18.",
        right="age(ann, 31).\nadult(X) :- age(X, A), A >= 18.",
    ),
    Entry(
        "N206",
        "A variable of an aggregate that is never bound",
        "variable `{name}` is used in an aggregate but never bound",
        note="inside an aggregate, a variable is bound by a condition there or by the rest of the body",
        wrong="pays(ann, 3).\ntotal(S) :- S = #sum{ W : pays(_, V) }.",
        right="pays(ann, 3).\ntotal(S) :- S = #sum{ W : pays(_, W) }.",
    ),
    Entry(
        "N207",
        "A variable of a probability that is never bound",
        "variable `{name}` in the probability is never bound by the body",
        wrong="road(a, b, 0.9).\nP::open(X, Y) :- road(X, Y, _).",
        right="road(a, b, 0.9).\nP::open(X, Y) :- road(X, Y, P).",
    ),
    Entry(
        "N208",
        "Not a function",
        "`{name}` is not a function of {found} arguments",
        hint="{instead}",
        dialect="problog",
        wrong="n(4).\nr(Y) :- n(X), Y is sqr(X).",
        right="n(4).\nr(Y) :- n(X), Y is sqrt(X).",
    ),
    Entry(
        "N209",
        "Arithmetic inside an atom of a ProbLog program",
        "arithmetic inside an atom is not evaluated in ProbLog",
        hint="{instead}",
        dialect="problog",
        wrong="n(1).\nnext(X + 1) :- n(X).",
        right="n(1).\nnext(Y) :- n(X), Y is X + 1.",
    ),
    Entry(
        "N210",
        "Arithmetic without a result",
        "{problem}",
        note="a function with constant arguments is computed when the program is read",
        wrong="share(1 / 0).",
        right="share(1 / 2).",
    ),
    Entry(
        "N211",
        "An interval whose end is never bound",
        "variable `{name}` is the end of an interval but never bound",
        note="an interval gives its values; its ends come from other conditions",
        wrong="size(4).\nplace(X) :- size(M), X = 1..N.",
        right="size(4).\nplace(X) :- size(N), X = 1..N.",
    ),
    Entry(
        "N212",
        "A query that leaves open what its rules need",
        "`{name}` can only be asked with argument {place} given",
        note="its rules compute with this argument, and no condition binds it",
        dialect="problog",
        wrong="double(X, Y) :- Y is 2 * X.\nquery(double(X, Y)).",
        right="double(X, Y) :- Y is 2 * X.\nquery(double(4, Y)).",
    ),
    Entry(
        "N213",
        "A query for each answer of a body that is not made of facts",
        "only facts can say what to query for",
        note="which queries there are must be the same in every world",
        dialect="problog",
        wrong="0.5::a(1).\np(X) :- a(X).\nquery(p(X)) :- a(X).",
        right="0.5::a(1).\np(X) :- a(X).\nn(1).\nquery(p(X)) :- n(X).",
    ),
)

_STRATA = (
    Entry(
        "N301",
        "Negation through recursion",
        "`{name}` depends on its own negation",
        note="negation must be stratified: no predicate may depend on itself through `not`",
        wrong="move(a, b).\nwins(X) :- move(X, Y), not wins(Y).",
        right="move(a, b).\nmoves(X) :- move(X, _).\nwins(X) :- move(X, Y), not moves(Y).",
    ),
    Entry(
        "N302",
        "An aggregate through recursion",
        "`{name}` depends on an aggregate over itself",
        note="aggregates must be stratified: no predicate may depend on itself through an aggregate",
        wrong="score(a, 1).\nscore(b, N) :- N = #sum{ S : score(_, S) }.",
        right="score(a, 1).\ntotal(b, N) :- N = #sum{ S : score(_, S) }.",
    ),
)

_CHANCE = (
    Entry(
        "N401",
        "A probability outside of 0 to 1",
        "the probability {value} is not between 0 and 1",
        wrong="30::rain.",
        right="0.30::rain.",
    ),
    Entry(
        "N402",
        "Alternatives that sum to more than 1",
        "the probabilities of this choice sum to {total}, more than 1",
        note="the alternatives of an annotated disjunction exclude each other",
        wrong="0.6::red; 0.6::blue.",
        right="0.6::red; 0.4::blue.",
    ),
    Entry(
        "N403",
        "Alternatives without a probability",
        "this alternative has no probability",
        note="`;` in a head separates the alternatives of a choice",
        hint="give each alternative its probability, as in `0.4::a; 0.6::b.`",
        wrong="heads; tails.",
        right="0.5::heads; 0.5::tails.",
    ),
    Entry(
        "N404",
        "Not a probability",
        "this is not a number",
        hint="write a number, an expression over the rule's variables, or `t(0.3)` for one that is learned",
        wrong="often::rain.",
        right="0.7::rain.",
    ),
    Entry(
        "N405",
        "A negative weight",
        "the weight of a soft constraint must not be negative",
        hint="turn the condition round with `not`",
        wrong="0.5::rain.\n:~ rain. [-1]",
        right="0.5::rain.\n:~ not rain. [1]",
    ),
    Entry(
        "N406",
        "Something that cannot have a probability",
        "{what} cannot have a probability",
        wrong="0.5::rain.\n0.5::query(rain).",
        right="0.5::rain.\nquery(rain).",
    ),
)

_DECLARATIONS = (
    Entry(
        "N501",
        "A library that cannot be found",
        "cannot find `{name}` to include",
        note="{looked}",
        hint="{instead}",
        wrong='#include "famly".',
        right='#include "family".',
        files={"family.nesy": "parent(ann, bob)."},
    ),
    Entry(
        "N502",
        "Includes in a circle",
        "`{name}` includes itself",
        note="includes must not go in a circle",
        wrong='#include "family".\nperson(ann).',
        right="person(ann).",
        files={"family.nesy": '#include "wrong".\nparent(ann, bob).'},
    ),
    Entry(
        "N503",
        "A library included twice",
        "`{name}` is already included",
        severity="warning",
        wrong='#include "family".\n#include "family".',
        right='#include "family".',
        files={"family.nesy": "parent(ann, bob)."},
    ),
    Entry(
        "N504",
        "A type that is not declared",
        "type `{name}` is not declared",
        hint="{instead}",
        wrong="#type colour = {red, green}.\n#input box(i).\n#neural shade(I) -> color :- box(I).",
        right="#type colour = {red, green}.\n#input box(i).\n#neural shade(I) -> colour :- box(I).",
    ),
    Entry(
        "N505",
        "Declared twice",
        "`{name}` is declared twice",
        wrong="#input token(i, word).\n#input token(i, text).",
        right="#input token(i, word).",
    ),
    Entry(
        "N506",
        "A declaration that does not fit",
        "{problem}",
        hint="{instead}",
        wrong="#type digit = 9..0.",
        right="#type digit = 0..9.",
    ),
    Entry(
        "N507",
        "A rule for what data or an encoder gives",
        "`{name}` is {what} and cannot be the head of a rule",
        hint="give the rule's head a name of its own",
        wrong="#input token(i, word).\ntoken(0, start).",
        right="#input token(i, word).\nword(0, start).\nword(I, W) :- token(I, W).",
    ),
    Entry(
        "N508",
        "A file that cannot be read",
        "cannot read `{name}`: {problem}",
        wrong='#include "family".',
        right='#include "people".',
        files={"family.nesy": "\0", "people.nesy": "person(ann)."},
    ),
    Entry(
        "N509",
        "A table that cannot be read",
        "{problem}",
        note="a table is CSV, TSV, JSONL or Parquet; `#facts p(a, b) from` takes its columns by their names",
        wrong='#pred age(symbol, int).\n#facts age from "age.csv".',
        right='#pred age(symbol, int).\n#facts age from "ages.csv".',
        files={"age.csv": "ann,31\nbob,old", "ages.csv": "ann,31\nbob,42"},
    ),
    Entry(
        "N510",
        "A constant that is not of the declared type",
        "{found} is not of type `{type}`",
        hint="{instead}",
        wrong="#type colour = {red, green}.\n#pred paints(symbol, colour).\npaints(ann, redd).",
        right="#type colour = {red, green}.\n#pred paints(symbol, colour).\npaints(ann, red).",
    ),
    Entry(
        "N511",
        "A variable of two types",
        "no value of `{name}` can be of both types",
        wrong='#pred age(symbol, int).\n#pred name(symbol, string).\nage(ann, 31). name(ann, "Ann").\n'
        "odd(X) :- age(X, Y), name(X, Y).",
        right='#pred age(symbol, int).\n#pred name(symbol, string).\nage(ann, 31). name(ann, "Ann").\n'
        "known(X) :- age(X, _), name(X, _).",
    ),
    Entry(
        "N512",
        "An open predicate with a probability",
        "`{name}` cannot be open: {what}",
        note="an open predicate may hold or not, and nothing says how probable that is",
        hint="leave out `#open`, or give the predicate that is open a name of its own",
        wrong="person(ann).\n0.3::ill(X) :- person(X).\nabsent(X) :- ill(X).\n#open ill/1.",
        right="person(ann).\n0.3::ill(X) :- person(X).\nabsent(X) :- ill(X).\nabsent(X) :- person(X), away(X).\n"
        "#open away/1.",
    ),
)

_NAMESPACES = (
    Entry(
        "N513",
        "An alias that no include gives",
        "`{alias}` is not the alias of an included file",
        note="a dot inside a name, as in `kin.parent`, asks for the predicate of a file included under an alias",
        hint="{instead}",
        wrong='#include "family" as kin.\nchild(X, Y) :- kim.parent(Y, X).',
        right='#include "family" as kin.\nchild(X, Y) :- kin.parent(Y, X).',
        files={"family.nesy": "parent(ann, bob)."},
    ),
    Entry(
        "N514",
        "A predicate that two libraries define",
        "`{name}` is defined by two included files that do not know of each other",
        note="facts and rules of one name and arity belong to one predicate, wherever they stand",
        hint="{instead}",
        wrong='#include "family".\n#include "firm".',
        right='#include "family".\n#include "firm" as firm.\nboss(X) :- firm.head(X, _), not head(X, _).',
        files={"family.nesy": "head(ann, bob).", "firm.nesy": "head(cy, dan)."},
    ),
)

_PROLOG = (
    Entry(
        "N601",
        "A built-in predicate of Prolog",
        "`{name}` of Prolog is not part of the language",
        hint="{instead}",
        dialect="problog",
        wrong="p(1). p(2).\nall(L) :- findall(X, p(X), L).",
        right="p(1). p(2).\nfirst(X) :- p(X), \\+ (p(Y), Y < X).",
    ),
    Entry(
        "N602",
        "A directive of Prolog",
        "the directive `{name}` of Prolog is not part of the language",
        hint="{instead}",
        dialect="problog",
        wrong=":- use_module(library(assert)).\n0.5::heads.",
        right="0.5::heads.",
    ),
)

_WARNINGS = (
    Entry(
        "N701",
        "A variable that occurs once",
        "variable `{name}` occurs only once in this rule",
        hint="{instead}",
        severity="warning",
        wrong="parent(ann, bob).\nhas_child(X) :- parent(X, Child).",
        right="parent(ann, bob).\nhas_child(X) :- parent(X, _).",
    ),
    Entry(
        "N702",
        "A predicate that nothing uses",
        "nothing uses `{name}`",
        note="no rule, constraint, query or evidence asks for it, and this program states what it asks for",
        severity="warning",
        wrong="parent(ann, bob).\nchild(X, Y) :- parent(Y, X).\n#query parent(X, Y).",
        right="parent(ann, bob).\nchild(X, Y) :- parent(Y, X).\n#query child(X, Y).",
    ),
    Entry(
        "N703",
        "A rule that is there twice",
        "this rule says the same as another",
        severity="warning",
        wrong="edge(a, b).\npath(X, Y) :- edge(X, Y).\npath(A, B) :- edge(A, B).",
        right="edge(a, b).\npath(X, Y) :- edge(X, Y).",
    ),
    Entry(
        "N704",
        "A rule that can never fire",
        "this condition never holds",
        note="a comparison of constants is decided when the program is read",
        severity="warning",
        wrong="age(ann, 31).\nadult(X) :- age(X, _), 17 >= 18.",
        right="age(ann, 31).\nadult(X) :- age(X, A), A >= 18.",
    ),
    Entry(
        "N706",
        "A variable of two kinds",
        "no value of `{name}` is of both kinds, so this never holds",
        severity="warning",
        wrong='age(ann, 31).\nold(31, "yes").\nsays(X, W) :- age(X, A), old(X, W), A > 30.',
        right='age(ann, 31).\nold(31, "yes").\nsays(X, W) :- age(X, A), old(A, W), A > 30.',
    ),
    Entry(
        "N707",
        "A value of a kind that never comes",
        "{found} is {kind}, and here `{name}` holds only {held}",
        severity="warning",
        wrong='age(ann, 31).  age(bob, 42).\nsame(X) :- age(X, "42").',
        right="age(ann, 31).  age(bob, 42).\nsame(X) :- age(X, 42).",
    ),
    Entry(
        "N708",
        "An operand of the wrong kind",
        "`{function}` takes {wanted}, and {found}",
        note="the program stops with an error where this is computed",
        severity="warning",
        wrong='age(ann, "31").\nnext(X, A + 1) :- age(X, A).',
        right="age(ann, 31).\nnext(X, A + 1) :- age(X, A).",
    ),
    Entry(
        "N709",
        "A comparison of two kinds",
        "{sides} are {always}",
        severity="warning",
        wrong='age(ann, 31).\nadult(X) :- age(X, A), A >= "18".',
        right="age(ann, 31).\nadult(X) :- age(X, A), A >= 18.",
    ),
    Entry(
        "N710",
        "A column of two kinds",
        "column {number} of `{name}` holds numbers and texts",
        hint="write values of one kind, or declare the predicate by `#pred` if both are meant",
        severity="warning",
        wrong='age(ann, 31).\nage(bob, "42").',
        right="age(ann, 31).\nage(bob, 42).",
    ),
    Entry(
        "N711",
        "A neural predicate that sees no input",
        "`{name}` is asked about nothing that `#input` gives",
        severity="warning",
        note="an encoder looks at the input of a data row: the predicate's body says which parts of it",
        hint="declare what the body asks for by `#input`, or write a probability in place of the encoder",
        wrong="image(0). image(1).\n#neural shows(I) -> 0..9 :- image(I).\nsum(X + Y) :- shows(0, X), shows(1, Y).",
        right="#input image(i).\n#neural shows(I) -> 0..9 :- image(I).\nsum(X + Y) :- shows(0, X), shows(1, Y).",
    ),
    Entry(
        "N712",
        "More warnings than are shown",
        "more than {limit} warnings; the rest is left out",
        severity="warning",
        wrong="q(1, 2).\n" + " ".join(f"p{i}(X) :- q(X, Y)." for i in range(1001)),
        right="q(1, 2).\np0(X) :- q(X, _).",
    ),
)

# By Z3: `nesy check` gives these, and the language alone does not.
_PROOFS = (
    Entry(
        "N801",
        "Comparisons that contradict each other",
        "these comparisons never hold together, so this {what}",
        severity="warning",
        wrong="age(ann, 31).\nteen(X) :- age(X, A), A < 13, A > 19.",
        right="age(ann, 31).\nteen(X) :- age(X, A), A >= 13, A <= 19.",
    ),
    Entry(
        "N802",
        "A rule that adds nothing",
        "this rule is redundant: {why}",
        severity="warning",
        wrong="age(ann, 31).\nadult(X) :- age(X, A), A >= 18.\nadult(X) :- age(X, A), A > 20.",
        right="age(ann, 31).\nadult(X) :- age(X, A), A >= 18.",
    ),
    Entry(
        "N803",
        "A constraint that is never violated",
        "the rules can never violate this constraint",
        note="proved over all databases of at most {size} values",
        hint="leave it out, or look for a mistake in the rules that should be able to violate it",
        severity="warning",
        wrong="#input seen(x).\n#input known(x).\nnew(X) :- seen(X), not known(X).\n:- new(X), known(X).",
        right="#input seen(x).\n#input known(x).\nnew(X) :- seen(X).\n:- new(X), known(X).",
    ),
    Entry(
        "N804",
        "Constraints that no world satisfies",
        "no world satisfies {what}",
        severity="warning",
        wrong="0.5::rain.  0.5::sun.\nwet :- rain.\n:- wet.\n:- not rain.",
        right="0.5::rain.  0.5::sun.\nwet :- rain.\n:- wet.\n:- not rain, not sun.",
    ),
    Entry(
        "N805",
        "A reasoning shortcut",
        "another labelling of `{name}` gives the same answers",
        note="{exchange}: both {one} and {other} give {answers}",
        hint="the answers cannot teach which is which: ask for something that tells them apart, or label some of them",
        severity="warning",
        wrong="#input image(i).\n#neural bit(I) -> {0, 1} :- image(I).\nsame :- bit(0, X), bit(1, X).\n#query same.",
        right="#input image(i).\n#neural bit(I) -> {0, 1} :- image(I).\nsame :- bit(0, X), bit(1, X).\n#query same.\n"
        "set :- bit(0, 1).\n#query set.",
    ),
)

_ALL = (*_READING, *_NAMES, *_STRATA, *_CHANCE, *_DECLARATIONS, *_NAMESPACES, *_PROLOG, *_WARNINGS, *_PROOFS)
CATALOGUE: Mapping[str, Entry] = MappingProxyType({entry.code: entry for entry in _ALL})
