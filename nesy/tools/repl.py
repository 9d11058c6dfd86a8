"""The interactive prompt: say facts and rules, ask, look at proofs, take back.

`Session` is what was said so far, and answers each line with text; it knows no terminal. `run` joins it to one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from nesy.errors import NesyError, ProgramError
from nesy.language import check_text
from nesy.language.pretty import format_text
from nesy.program import Program
from nesy.tools.workspace import Document

HELP = """\
parent(ann, bob).                 say a fact or a rule, ending in a full stop; it may go over several lines
?- parent(ann, Who).              ask; `parent(ann, Who)?` does too
:explain parent(ann, bob)         ask, and show the most probable proof of each answer
:load FILE                        take in a rule file
:list                             what was said so far
:undo                             take back the last of it
:help   :quit                     this text; leave"""

COMMANDS = (":explain", ":load", ":list", ":undo", ":help", ":quit")
_HISTORY = Path("~/.nesy_history")
# Lines kept between sessions.
_MAX_HISTORY = 1000


class Quit(Exception):
    """The person asked to leave."""


@dataclass
class Session:
    """A program that grows: `said` holds the texts in order, each of them checked when it was said."""

    said: list[str] = field(default_factory=list[str])
    pending: str = ""

    @property
    def text(self) -> str:
        """The program so far."""
        return "\n".join(self.said)

    @property
    def prompt(self) -> str:
        return "...> " if self.pending else "nesy> "

    def handle(self, line: str) -> str:
        """What to print for a line of input. Mistakes are told, and change nothing.

        Raises: Quit.

        >>> session = Session()
        >>> session.handle("0.3::rain.  wet :- rain."), session.handle("?- wet.")
        ('', 'wet  0.3')
        """
        line = line.strip()
        try:
            if self.pending:
                return self._say(f"{self.pending}\n{line}")
            if line.startswith(":") and not line.startswith((":-", ":~")):
                return self._command(line)
            if line.startswith("?-"):
                return self._ask(line[2:])
            if line.endswith("?"):
                return self._ask(line[:-1])
            return self._say(line) if line else ""
        except NesyError as error:
            self.pending = ""
            return str(error)

    def completions(self, start: str) -> list[str]:
        """Words that the last word of a line could become."""
        if start.startswith(":"):
            return [command for command in COMMANDS if command.startswith(start)]
        text = f"{self.text}\n{start}"
        return [name for name, _ in Document(text).completions(len(text))]

    def _say(self, text: str) -> str:
        is_weighted = text.lstrip().startswith(":~")
        if not text.endswith("]" if is_weighted else "."):
            self.pending = text
            return ""
        self.pending = ""
        checked = check_text("\n".join([*self.said, text]), "<prompt>")
        # Rules may be said before what they use, and what is not asked for yet may be asked for later.
        errors = [diagnostic for diagnostic in checked.errors if diagnostic.code != "N201"]
        if errors:
            raise ProgramError(errors)
        self.said.append(text)
        waiting = dict.fromkeys(d.message for d in checked.errors)
        return "\n".join(f"note: {message}, so far" for message in waiting)

    def _program(self) -> Program:
        return Program.from_text(self.text or "% nothing yet", "<prompt>")

    def _ask(self, query: str, explain: bool = False) -> str:
        answer = self._program().query(query.strip().removesuffix("."))
        rows = [row for row in answer if row.p > 0]
        if not rows:
            return "no"
        width = max(len(row.text) for row in rows)
        lines: list[str] = []
        for row in rows:
            lines.append(
                f"{row.text:{width}}  {row.p:.6g}{'' if row.method.startswith('exact') else f' ({row.method})'}"
            )
            if explain:
                lines.append(str(answer.explain(row)))
        return "\n".join(lines)

    def _command(self, line: str) -> str:
        command, _, rest = line.partition(" ")
        match command:
            case ":help":
                return HELP
            case ":quit" | ":q" | ":exit":
                raise Quit
            case ":list":
                return format_text(self.text).rstrip() if self.said else "nothing was said yet"
            case ":undo":
                if not self.said:
                    return "there is nothing to take back"
                return f"took back: {self.said.pop()}"
            case ":explain":
                return self._ask(rest, explain=True)
            case ":load":
                path = rest.strip().strip("\"'")
                return self._load(path) if path else "which file? `:load FILE`"
            case _:
                return f"there is no {command}; `:help` shows what there is"

    def _load(self, name: str) -> str:
        program = Program.load(name)  # so that what is wrong with the file is told as a mistake of the file
        escaped = str(Path(name).resolve()).replace("\\", "\\\\").replace('"', '\\"')
        self._say(f'#include "{escaped}".')
        return f"took in {name}: {len(program.core.rules)} rules, {len(program.core.facts)} facts"


def run(read: Callable[[str], str] = input, write: Callable[[str], None] = print) -> None:
    """Talk to a person until they leave; history and completion where the terminal has them."""
    session = Session()
    save = _use_readline(session) if read is input else lambda: None
    write("facts and rules end in a full stop; `?- goal.` asks; `:help` shows more")
    while True:
        try:
            output = session.handle(read(session.prompt))
        except KeyboardInterrupt:
            session.pending = ""
            write("")
            continue
        except (EOFError, Quit):
            break
        if output:
            write(output)
    save()


def _use_readline(session: Session) -> Callable[[], None]:
    """Switch history and completion on; gives what saves the history."""
    try:
        import readline
    except ImportError:  # not on every system
        return lambda: None
    path = _HISTORY.expanduser()
    try:
        readline.read_history_file(path)
    except OSError:
        pass  # the first session, or a home that cannot be read

    def complete(start: str, state: int) -> str | None:
        offers = session.completions(start)
        return offers[state] if state < len(offers) else None

    readline.set_completer(complete)
    readline.set_completer_delims(" \t\n()[]{},;|+-*/<>=")
    readline.parse_and_bind("tab: complete")

    def save() -> None:
        readline.set_history_length(_MAX_HISTORY)
        try:
            readline.write_history_file(path)
        except OSError:
            pass  # a home that cannot be written: the history is a convenience

    return save
