"""Declarations: the values of a type, the columns of a predicate, what an encoder is asked about."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from nesy.diagnostics import Label
from nesy.errors import near_name
from nesy.language import ast, core
from nesy.language.catalogue import report
from nesy.language.conditions import Conditions
from nesy.language.draft import Draft
from nesy.language.scope import Refused, Scope, variables
from nesy.language.terms import lower_term
from nesy.language.values import Value, format_value, key
from nesy.source import Span

# Values of one range: an encoder gives a score to each.
MAX_VALUES = 100_000
# Values of all types and neural predicates of a program.
MAX_ALL_VALUES = 1_000_000


def domain_values(domain: ast.Domain, types: Mapping[str, ast.TypeDeclaration]) -> tuple[Value, ...]:
    """The values that a type or a neural predicate lists.

    Raises: Refused, for anything that is not a list of different constants or a range of integers.
    """
    match domain:
        case ast.TypeName(name, span):
            if name not in types:
                near = near_name(name, types)
                instead = f"did you mean `{near}`?" if near else f"declare it: `#type {name} = {{...}}.`"
                raise Refused(report("N504", span, name=name, instead=instead))
            target = types[name].domain
            if isinstance(target, ast.TypeName):
                raise Refused(
                    report(
                        "N506",
                        target.span,
                        problem=f"type `{name}` lists no values",
                        instead="write `{a, b}` or `0..9`",
                    )
                )
            return domain_values(target, types)
        case ast.Range(low, high, span):
            if not (isinstance(low, ast.Number) and isinstance(high, ast.Number)):
                raise Refused(report("N506", span, problem="the ends of a range are integers", instead="as in `0..9`"))
            first, last = low.value, high.value
            if not (isinstance(first, int) and isinstance(last, int)):
                raise Refused(report("N506", span, problem="the ends of a range are integers", instead="as in `0..9`"))
            if not first <= last < first + MAX_VALUES:
                problem = "this range is empty" if last < first else f"this range has more than {MAX_VALUES} values"
                raise Refused(
                    report(
                        "N506",
                        span,
                        problem=problem,
                        instead=f"did you mean `{last}..{first}`?" if last < first else "",
                    )
                )
            return tuple(range(first, last + 1))
        case ast.ValueSet(terms):
            values: list[Value] = []
            seen: set[object] = set()
            for term in terms:
                lowered = lower_term(term, Scope(set(), set()), "nesy")
                if not isinstance(lowered, core.Constant):
                    raise Refused(
                        report(
                            "N506",
                            term.span,
                            problem="only constants can be values",
                            instead="names start with a small letter",
                        )
                    )
                if key(lowered.value) in seen:
                    problem = f"`{format_value(lowered.value)}` is listed twice"
                    raise Refused(report("N506", term.span, problem=problem, instead="remove one"))
                seen.add(key(lowered.value))
                values.append(lowered.value)
            return tuple(values)


def count_values(number: int, span: Span, draft: Draft) -> None:
    """Add up the values of all types and neural predicates: each is a name, an outcome, a column of scores.

    Raises: Refused, where a program has too many.
    """
    draft.num_values += number
    if draft.num_values > MAX_ALL_VALUES:
        problem = f"the types and neural predicates of this program have more than {MAX_ALL_VALUES:,} values"
        raise Refused(report("N506", span, problem=problem, instead="declare `int` for what is any number"))


def columns_of(term: ast.Term) -> tuple[str, tuple[str, ...]]:
    """Name and columns of `token(index, word)`.

    Raises: Refused.
    """
    match term:
        case ast.Call(name, arguments):
            pass
        case ast.Operation("-", (ast.Call(inner, arguments),)):
            name = f"-{inner}"
        case _:
            raise Refused(
                report(
                    "N109",
                    term.span,
                    found=term.span.text,
                    instead="write a name and its columns, as in `parent(person, person)`",
                )
            )
    columns: list[str] = []
    for argument in arguments:
        match argument:
            case ast.Call(column, ()):
                columns.append(column)
            case ast.Variable(column):
                columns.append(column.lower() if column != "_" else "_")
            case _:
                raise Refused(
                    report(
                        "N506",
                        argument.span,
                        problem="a column is declared by its name or type",
                        instead="as in `parent(person, person)`",
                    )
                )
    return name, tuple(columns)


def declare_columns(declaration: ast.Declaration, draft: Draft) -> None:
    """Declare the predicates of a `#pred` or `#input`."""
    for term in declaration.atoms:
        try:
            name, columns = columns_of(term)
        except Refused as refused:
            draft.diagnostics.append(refused.diagnostic)
            continue
        kind = "input" if declaration.keyword == "input" else "derived"
        _declare(core.Predicate(core.Signature(name, len(columns)), term.span, kind, columns), draft)


def _declare(predicate: core.Predicate, draft: Draft) -> None:
    earlier = draft.declared.get(predicate.signature)
    if earlier is not None and earlier.kind != predicate.kind and "derived" in (earlier.kind, predicate.kind):
        # A library says `#pred` of what the program that includes it says `#input` or `#neural` of.
        if predicate.kind != "derived":
            draft.declared[predicate.signature] = predicate
        return
    if earlier is not None and predicate.span is not None:
        others = (Label(earlier.span, "declared here first"),) if earlier.span is not None else ()
        name = str(predicate.signature)
        draft.diagnostics.append(report("N505", predicate.span, others=others, name=name))
        return
    draft.declared[predicate.signature] = predicate


def declare_neural(neural: ast.NeuralDeclaration, parts: Conditions) -> None:
    """Declare a neural predicate; its body says which keys the encoder is asked about."""
    draft = parts.draft
    atom = neural.atom
    if not isinstance(atom, ast.Call):
        raise Refused(report("N109", atom.span, found=atom.span.text, instead=""))
    names: list[str] = []
    for argument in atom.arguments:
        if not isinstance(argument, ast.Variable) or argument.name == "_" or argument.name in names:
            instead = "its arguments are different variables, which the body binds"
            raise Refused(
                report("N506", argument.span, problem="a neural predicate is declared over variables", instead=instead)
            )
        names.append(argument.name)
    values = None
    if neural.domain is not None:
        values = domain_values(neural.domain, draft.types)
        count_values(len(values), neural.domain.span, draft)
    if values is not None and len(values) < 2:
        assert neural.domain is not None
        instead = "a predicate with one outcome needs no `->`: it holds or not"
        raise Refused(
            report(
                "N506",
                neural.domain.span,
                problem="an encoder chooses between at least two values",
                instead=instead,
            )
        )
    if atom.name in draft.neural:
        earlier = draft.neural[atom.name].span
        others = (Label(earlier, "declared here first"),) if earlier is not None else ()
        raise Refused(report("N505", atom.name_span, others=others, name=atom.name))
    outside = Counter(variable.name for variable in variables((atom, neural.body)))
    bodies = parts.alternatives([neural.body], outside) if neural.body is not None else [()]
    if len(bodies) > 1:
        bodies = [parts.joined(bodies, neural.body, outside, neural.span)]
    scope = parts.scope((atom, bodies[0]), bodies[0], outside)
    literals = parts.lower(bodies[0], scope, outside)
    key = tuple(core.Variable(name) for name in names)
    heads = _neural_heads(atom, key, values)
    arity = len(heads[0].arguments)
    _declare(core.Predicate(core.Signature(atom.name, arity), atom.span, "neural", tuple(names)), draft)
    draft.neural[atom.name] = core.Neural(atom.name, tuple(names), values, neural.span)
    choice = core.Choice(draft.choice_id(), key, (), atom.name, exhaustive=values is not None)
    draft.add_rule(heads, literals, choice, neural)


def _neural_heads(
    atom: ast.Call, key: tuple[core.Variable, ...], values: tuple[Value, ...] | None
) -> tuple[core.Atom, ...]:
    if values is None:
        return (core.Atom(atom.name, key, atom.span),)
    return tuple(core.Atom(atom.name, (*key, core.Constant(value)), atom.span) for value in values)
