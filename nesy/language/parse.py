"""Text to syntax tree, with every syntax error of the text.

Each statement is parsed on its own by Lark's LALR parser. Most statements of a large file have the
shape of an earlier one (the same kinds of words in the same order), so the parse of a shape is kept
as a recipe, a list of reductions in the order in which to run them: a table of ten thousand facts is
parsed once and built ten thousand times.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeAlias

from lark import Lark, Token, Tree, UnexpectedInput
from lark.common import LexerConf
from lark.exceptions import UnexpectedToken
from lark.lexer import Lexer

from nesy import resources
from nesy.diagnostics import Diagnostic
from nesy.language import ast
from nesy.language.build import MAKERS, Builder, Make, SyntaxProblem
from nesy.language.catalogue import report
from nesy.language.collection import collection_paused
from nesy.language.expected import explain
from nesy.language.scan import MAX_WORDS, Dialect, Scanner, Word
from nesy.source import Source, Span

# Nodes inside nodes. Later stages walk trees recursively; this keeps them far from Python's own limit.
MAX_DEPTH = 100
# A text with more mistakes than this is not a rule file; reading on would only cost time.
MAX_ERRORS = 1000
# Shapes kept, each of at most this many words, so that hostile files cannot fill the memory.
_MAX_SHAPES, _MAX_SHAPE_WORDS = 4096, 400

# An int pushes that word, None a missing optional part, a pair reduces the last n by a maker.
_Step: TypeAlias = int | tuple[Make, int] | None


@dataclass(frozen=True, slots=True)
class _Recipe:
    steps: list[_Step]


@dataclass(frozen=True)
class Parsed:
    """What could be read of a text, and what could not."""

    file: ast.File
    diagnostics: tuple[Diagnostic, ...]
    broken: frozenset[str] = frozenset()  # names that statements with a syntax error start with
    qualified: tuple[Word, ...] = ()  # names with an alias


@dataclass(frozen=True)
class Read:
    """What one statement says, and what is wrong with it."""

    statements: tuple[ast.Statement, ...]
    diagnostics: tuple[Diagnostic, ...] = ()
    broken: frozenset[str] = frozenset()


class _GivenWords(Lexer):
    """Hands Lark the words that the scanner found."""

    def __init__(self, lexer_conf: LexerConf):
        self.terminals = lexer_conf.terminals

    def lex(self, data: Any) -> Any:
        return iter(data)


class Parser:
    """The parser of `grammars/rules.lark`; one is enough for all texts."""

    def __init__(self) -> None:
        grammar = (resources.grammars() / "rules.lark").read_text(encoding="utf-8")
        self._lark = Lark(grammar, parser="lalr", lexer=_GivenWords, keep_all_tokens=True)
        self.scanner = Scanner(self._lark.terminals)
        self._recipes: dict[tuple[str, ...], _Recipe] = {}

    def parse(self, source: Source, dialect: Dialect) -> Parsed:
        """All statements of a source that can be read, and a diagnostic for each that cannot."""
        scanned = self.scanner.scan(source.text, dialect)
        builder = Builder(source)
        statements: list[ast.Statement] = []
        diagnostics: list[Diagnostic] = []
        broken: set[str] = set()
        for words in scanned.statements:
            if len(diagnostics) >= MAX_ERRORS:
                diagnostics.append(report("N113", Span(source, words[0].start, words[0].end), limit=MAX_ERRORS))
                break
            read = self.read(words, builder, source)
            statements += read.statements
            diagnostics += read.diagnostics
            broken |= read.broken
        comments = tuple(ast.Comment(w.text, Span(source, w.start, w.end)) for w in scanned.comments)
        return Parsed(
            ast.File(tuple(statements), comments), tuple(diagnostics), frozenset(broken), tuple(builder.qualified)
        )

    def read(self, words: list[Word], builder: Builder, source: Source) -> Read:
        """What the words of one statement say; after a mistake, also what starts on a later line of theirs."""
        diagnostics: list[Diagnostic] = []
        broken: set[str] = set()
        while words and len(diagnostics) < MAX_ERRORS:
            try:
                statement = self.statement(words, builder, source)
                return Read((statement,), tuple(diagnostics), frozenset(broken))
            except SyntaxProblem as problem:
                if not diagnostics:
                    broken.update(word.text for word in words if word.type in ("NAME", "QUALIFIED"))
                diagnostics.append(problem.diagnostic)
                words = _resume(words, problem.diagnostic.span.start, source.text)
        return Read((), tuple(diagnostics), frozenset(broken))

    def parse_condition(self, source: Source) -> ast.Body | Diagnostic:
        """The one condition that a source holds, or what is wrong with it."""
        start = Word("QUERY", "#query", 0, 0)
        statements = self.scanner.scan(source.text, "query").statements
        try:
            statement = self.statement([start, *statements[0]] if statements else [start], Builder(source), source)
        except SyntaxProblem as problem:
            return problem.diagnostic
        if len(statements) > 1:
            word = statements[1][0]
            return report(
                "N102", Span(source, word.start, word.end), expected="the end of the query", found=f"`{word.text}`"
            )
        assert isinstance(statement, ast.Ask)
        return statement.condition

    def statement(self, words: list[Word], builder: Builder, source: Source) -> ast.Statement:
        """The tree of one statement.

        Raises: SyntaxProblem.
        """
        shape = tuple([word[0] for word in words]) if len(words) <= _MAX_SHAPE_WORDS else ()
        recipe = self._recipes.get(shape)
        if recipe is None:
            recipe = self._parse(words, source)
            if shape and len(self._recipes) < _MAX_SHAPES:
                self._recipes[shape] = recipe
        stack: list[Any] = []
        for step in recipe.steps:
            if step.__class__ is int:
                stack.append(words[step])  # type: ignore[index]
            elif step is None:
                stack.append(None)
            else:
                make, size = step  # type: ignore[misc]
                arguments = stack[-size:]
                del stack[-size:]
                stack.append(make(builder, *arguments))
        return stack[0]

    def _parse(self, words: list[Word], source: Source) -> _Recipe:
        if len(words) > MAX_WORDS:
            span = Span(source, words[0].start, words[0].end)
            raise SyntaxProblem(report("N108", span, limit=MAX_WORDS))
        # One by one: a mistake at the start of a long statement ends the reading there.
        tokens = (Token(word.type, word.text, index) for index, word in enumerate(words))
        try:
            tree = self._lark.parse(tokens)  # type: ignore[arg-type]
        except UnexpectedInput as error:
            if not isinstance(error, UnexpectedToken):
                raise
            accepted = error.interactive_parser.accepts() if error.interactive_parser else error.accepts
            index = error.token.start_pos if error.token.type != "$END" else None
            raise SyntaxProblem(explain(words, index, frozenset(accepted or ()), source)) from None
        steps, deepest = _linear(tree)
        if deepest is not None:
            word = words[deepest]
            raise SyntaxProblem(report("N107", Span(source, word.start, word.end), limit=MAX_DEPTH))
        return _Recipe(steps)


def _linear(tree: Tree[Token]) -> tuple[list[_Step], int | None]:
    """The tree as steps, and the index of a word that lies too deep, if one does."""
    steps: list[_Step] = []
    todo: list[tuple[Any, int, bool]] = [(tree, 0, False)]
    while todo:
        node, depth, is_done = todo.pop()
        if not isinstance(node, Tree):
            if node is not None and depth > MAX_DEPTH:
                return steps, node.start_pos
            steps.append(None if node is None else node.start_pos)
        elif is_done:
            steps.append((MAKERS[str(node.data)], len(node.children)))
        else:
            todo.append((node, depth, True))
            todo.extend((child, depth + 1, False) for child in reversed(node.children))
    return steps, None


def _resume(words: Sequence[Word], offset: int, text: str) -> list[Word]:
    """The words from the next line on that starts in the first column, where a forgotten full stop hid a statement."""
    for index, word in enumerate(words):
        at_margin = word.start == 0 or text[word.start - 1] == "\n"
        if index and word.start >= offset and at_margin and word.type in _OPENERS:
            return list(words[index:])
    return []


_OPENERS = frozenset(
    (
        "NAME",
        "QUALIFIED",
        "INTEGER",
        "DECIMAL",
        "IF",
        "SOFT",
        "INCLUDE",
        "TYPE",
        "DECLARE",
        "INPUT",
        "NEURAL",
        "OPEN",
        "FACTS",
        "QUERY",
        "EVIDENCE",
    )
)


@cache
def parser() -> Parser:
    """The parser, made on first use (its tables take a moment to build)."""
    return Parser()


def parse(text: str, name: str = "<text>", dialect: Dialect = "nesy") -> Parsed:
    """The syntax tree of a text.

    >>> parse("edge(a, b).").file.statements[0].heads[0].atom.name
    'edge'
    """
    with collection_paused():
        return parser().parse(Source(name, text), dialect)
