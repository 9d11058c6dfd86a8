"""What Prolog has and the rule language has not: each is refused by name, with the way to say it here."""

from __future__ import annotations

from collections.abc import Mapping, Set
from types import MappingProxyType

from nesy.language import ast
from nesy.language.catalogue import report
from nesy.language.scope import Refused

_COLLECT = "count, sum, min, max and avg are aggregates here: `N = #count{ X : p(X) }`"
_DATABASE = "facts do not change while rules run"
_CLASS = "a rule's variables always hold values"
_TEXT = "text functions: concat, substring, length, lower, upper, contains, number, string, symbol"

_BUILTINS: Mapping[tuple[str, int], str] = MappingProxyType(
    {
        **{(name, 3): _COLLECT for name in ("findall", "bagof", "setof", "aggregate_all", "all", "all_or_none")},
        **{(name, 1): _DATABASE for name in ("assert", "asserta", "assertz", "retract", "retractall", "abolish")},
        **{
            (name, 1): _CLASS
            for name in (
                "var",
                "nonvar",
                "ground",
                "is_list",
                "atom",
                "atomic",
                "number",
                "integer",
                "float",
                "compound",
                "callable",
                "string",
            )
        },
        **{
            (name, arity): "write the atom itself"
            for name, arity in (
                ("call", 1),
                ("call", 2),
                ("call", 3),
                ("call", 4),
                ("once", 1),
                ("ignore", 1),
                ("cut", 1),
                ("try_call", 1),
            )
        },
        ("succ", 2): "write `Y is X + 1`",
        ("plus", 3): "write `Z is X + Y`",
        ("functor", 3): "",
        ("arg", 3): "",
        ("=..", 2): "",
        ("copy_term", 2): "",
        ("select_uniform", 3): "write the alternatives with `;`",
        ("select_uniform", 4): "write the alternatives with `;`",
        ("select_weighted", 4): "write the alternatives with `;`",
        ("select_weighted", 5): "write the alternatives with `;`",
        ("subquery", 2): "ask for it with its own `query`",
        ("subquery", 3): "ask for it with its own `query`",
        ("subquery", 5): "ask for it with its own `query`",
        **{
            (name, arity): "answers are printed by `nesy run`"
            for name, arity in (
                ("write", 1),
                ("writeln", 1),
                ("print", 1),
                ("writenl", 1),
                ("nl", 0),
                ("format", 2),
                ("debugprint", 1),
                ("error", 1),
            )
        },
        **{
            (name, arity): _TEXT
            for name, arity in (
                ("atom_number", 2),
                ("atom_concat", 3),
                ("atom_length", 2),
                ("sub_atom", 5),
                ("atom_chars", 2),
                ("atom_codes", 2),
            )
        },
        **{
            (name, arity): "define it by its two rules over `[H|T]`"
            for name, arity in (
                ("member", 2),
                ("append", 3),
                ("nth0", 3),
                ("nth1", 3),
                ("reverse", 2),
                ("last", 2),
                ("select", 3),
                ("sum_list", 2),
                ("sumlist", 2),
                ("max_list", 2),
                ("min_list", 2),
                ("memberchk", 2),
                ("sort", 2),
                ("msort", 2),
                ("permutation", 2),
                ("delete", 3),
                ("maplist", 2),
                ("maplist", 3),
                ("foldl", 4),
            )
        },
        **{(name, 1): "end the world by a constraint: `:- body.`" for name in ("halt",)},
        ("possible", 1): "",
        ("sample_uniform1", 3): "write the alternatives with `;`",
    }
)


def is_builtin(name: str, arity: int) -> bool:
    """Whether Prolog or ProbLog gives the predicate itself.

    >>> is_builtin("findall", 3), is_builtin("findall", 2)
    (True, False)
    """
    return (name, arity) in _BUILTINS or (name, arity) in (("forall", 2), ("length", 2))


def builtin_advice(name: str, arity: int) -> str | None:
    """What to write instead of a predicate that Prolog gives; None where it gives none of this name.

    >>> builtin_advice("plus", 3)
    'write `Z is X + Y`'
    """
    if name == "use_module":
        return "remove it: `#include` reads rules of other files"
    return _BUILTINS.get((name, arity))


# Libraries of ProbLog, and the way to say here what they are for.
_LIBRARIES: Mapping[str, str] = MappingProxyType(
    {
        "assert": "facts do not change while rules run: remove it",
        "cut": "a rule says when it applies: write `not` before the condition of the one that comes first",
        "db": 'load the table in a `.nesy` file: `#facts p from "p.csv".` (ProbLog reads its texts as names in quotes, '
        "which are none of the program's names)",
        "record": "facts do not change while rules run: remove it",
        "scope": "make the scope the first argument of a predicate",
        "string": _TEXT,
    }
)


def refuse_builtin(condition: ast.Body, defined: Set[tuple[str, int]]) -> None:
    """Raises: Refused, if the condition calls a predicate of Prolog's that the program does not define itself."""
    if isinstance(condition, ast.Call):
        signature = (condition.name, len(condition.arguments))
        if signature in _BUILTINS and signature not in defined:
            name = f"{condition.name}/{len(condition.arguments)}"
            raise Refused(report("N601", condition.span, name=name, instead=_BUILTINS[signature]))


def refuse_directive(body: ast.Body) -> None:
    """A Prolog directive `:- name(...)`: harmless ones pass, others are refused.

    Raises: Refused.
    """
    name = body.name if isinstance(body, ast.Call) else "?"
    match body:
        case ast.Call("use_module", (ast.Call("library", (ast.Call(library, ()), *_)), *_)) if library in _LIBRARIES:
            shown = f"use_module(library({library}))"
            raise Refused(report("N602", body.span, name=shown, instead=_LIBRARIES[library]))
        case _:
            pass
    instead = {
        "use_module": "remove it, and define what it provided by rules",
        "consult": 'include the file: `#include "file.pl".` in a `.nesy` file',
        "csv_load": 'load the table in a `.nesy` file: `#facts p from "p.csv".`',
        "initialization": "remove it",
    }.get(name, "")
    raise Refused(report("N602", body.span, name=name, instead=instead))
