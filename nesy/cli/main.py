"""The command line: parse the arguments, make one public call, print. It holds no logic."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from nesy.errors import NesyError, ProgramError

if TYPE_CHECKING:
    from nesy.answer import Explanation
    from nesy.truth import Truth

app = typer.Typer(
    name="nesy",
    help="Encoders propose facts with probabilities, rules derive answers, Z3 checks them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

RuleFile = Annotated[str, typer.Argument(metavar="FILE", help="A rule file: .nesy, or ProbLog's .pl")]
RunFolder = Annotated[str, typer.Argument(metavar="RUN", help="A run folder that `nesy train` wrote")]
TaskFolder = Annotated[str, typer.Argument(metavar="TASK", help="A task folder: task.toml, rules and data")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text")]
Out = Annotated[Path | None, typer.Option(metavar="RUN", help="The run folder to write [default: runs/TASK]")]
Seed = Annotated[int, typer.Option(help="Seed of everything random")]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda")]
Epochs = Annotated[int | None, typer.Option(min=1, help="Instead of what task.toml says")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with a training that was interrupted")]
Top = Annotated[int, typer.Option(min=1, help="How many proofs to show, most probable first")]
Change = Annotated[bool, typer.Option("--change", help="Also say what would change the answer")]
WhyNot = Annotated[str | None, typer.Option(metavar="ATOM", help="Say why an atom did not come out")]
Drawing = Annotated[str | None, typer.Option("--format", metavar="F", help="Draw it: json, dot, svg, png, html or md")]
Unlabelled = Annotated[Path | None, typer.Option(metavar="FILE", help="More inputs, without answers")]
Data = Annotated[Path | None, typer.Option(metavar="PATH", help="Data to use instead of the task's own")]


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and stop")] = False,
) -> None:
    if version:
        from importlib.metadata import version as version_of

        print(f"nesy {version_of('nesy')}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        print(context.get_help())
        raise typer.Exit(2)


_NO_ANSWERS = "no answers: nothing that matches the query can be derived"


@app.command()
def check(file: RuleFile, as_json: AsJson = False) -> None:
    """Check a rule file, and prove with Z3 that its constraints can hold together."""
    import nesy

    report = nesy.check(file)
    if as_json:
        _print_json(report.to_dict())
    else:
        for diagnostic in report.diagnostics:
            print(diagnostic.render(), end="\n\n", file=sys.stderr)
        print(report.summary, file=sys.stdout if report.is_ok else sys.stderr)
    raise typer.Exit(0 if report.is_ok else 1)


@app.command()
def run(
    file: RuleFile,
    query: Annotated[str | None, typer.Option(metavar="Q", help="A query instead of the file's own")] = None,
    explain: Annotated[bool, typer.Option("--explain", help="Say why each answer holds")] = False,
    top: Top = 1,
    change: Change = False,
    why_not: WhyNot = None,
    drawing: Drawing = None,
    as_json: AsJson = False,
    seconds: Annotated[
        float, typer.Option(min=0.0, help="Time limit of running the rules, and of probabilities")
    ] = 120,
    tuples: Annotated[int, typer.Option(min=1, help="Most derived rows")] = 20_000_000,
    memory: Annotated[float, typer.Option(min=0.001, help="Most memory of running the rules, in GB")] = 4.0,
    epsilon: Annotated[float, typer.Option(min=0.0, help="An interval this narrow is good enough")] = 0.0,
) -> None:
    """Answer a rule file's queries with probabilities; exact, or as an interval where the limits end before."""
    import nesy

    limits = nesy.Limits(seconds=seconds, tuples=tuples, memory=int(memory * 1e9))
    program = nesy.load(file)
    if program.core.open:
        _show_truth(program.truth(query, seconds=seconds), explain, drawing, as_json)
        return
    answer = program.query(query, limits=limits, budget=nesy.Budget(time=seconds, epsilon=epsilon))
    if as_json:
        _print_json(answer.to_dict(explain=explain))
        return
    if drawing is None:
        print(answer if len(answer) else _NO_ANSWERS)
    if explain or change or drawing:
        for row in answer:
            _show(answer.explain(row, top=top, change=change), drawing)
    if why_not is not None:
        _show(answer.why_not(why_not), drawing)


@app.command()
def train(
    task: TaskFolder,
    out: Out = None,
    seed: Seed = 0,
    device: Device = "auto",
    data: Data = None,
    unlabelled: Unlabelled = None,
    epochs: Epochs = None,
    resume: Resume = False,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw the curves of loss and dev metric into an SVG file")
    ] = None,
    workers: Annotated[
        int, typer.Option(min=1, help="Processes that share each batch (needs the extra `distributed`)")
    ] = 1,
    as_json: AsJson = False,
) -> None:
    """Train a task folder into a run folder."""
    import nesy

    trained = nesy.train(
        task,
        out=out,
        seed=seed,
        device=device,
        data=data,
        unlabelled=unlabelled,
        epochs=epochs,
        resume=resume,
        plot=plot,
        workers=workers,
    )
    _print_json(trained.to_dict()) if as_json else print(trained)


@app.command("eval")
def evaluate(
    folder: RunFolder,
    split: Annotated[str, typer.Option(help="train, dev or test")] = "test",
    device: Device = "auto",
    data: Data = None,
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also write a page with plots and the surest wrong answers")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Measure a trained run on a split of its task's data."""
    import nesy

    metrics = nesy.evaluate(folder, split=split, device=device, data=data, html=html)
    _print_json(metrics.to_dict()) if as_json else print(metrics)


@app.command()
def ask(
    folder: RunFolder,
    question: Annotated[
        str | None, typer.Argument(metavar="INPUT", help="A sentence, or what the task's encoder reads")
    ] = None,
    questions: Annotated[
        Path | None, typer.Option("--input", metavar="FILE", help="Many questions: .jsonl, .csv, .tsv or lines of .txt")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where the answers to --input go, a line of JSON each")
    ] = None,
    explain: Annotated[bool, typer.Option("--explain", help="With --input: also say why, in each line")] = False,
    workers: Annotated[
        int, typer.Option(min=1, help="With --input: processes that answer (needs the extra `distributed`)")
    ] = 1,
    device: Device = "auto",
    top: Top = 1,
    change: Change = False,
    why_not: WhyNot = None,
    drawing: Drawing = None,
    abstain_below: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            max=1.0,
            metavar="P",
            help="Say nothing where no answer has the chance P, and how often others are wrong",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Answer one input, with a proof that Z3 has checked; or a file of them, a line each."""
    import nesy

    if (question is None) == (questions is None):
        raise typer.BadParameter("give one INPUT, or a file of them with --input")
    if questions is not None:
        asked = nesy.ask_all(
            folder,
            questions,
            out,
            device=device,
            abstain_below=abstain_below,
            explain=explain,
            workers=workers,
        )
        if out is not None:
            _print_json(asked.to_dict()) if as_json else print(asked)
        return
    assert question is not None
    expected = nesy.expected_error(folder, abstain_below) if abstain_below is not None else None
    answer = nesy.Model.from_pretrained(folder, device=device).ask(question)
    abstains = expected is not None and answer.surest < expected.threshold
    if as_json:
        about = {"abstains": abstains, "expected": expected.to_dict()} if expected else {}
        _print_json({**answer.to_dict(explain=True), **about})
        return
    if expected is not None and abstains:
        print(f"no answer: the best one is {answer.surest:.1%} sure, less than {expected.threshold:.0%}")
        print(expected)
        return
    if drawing is None:
        for part in answer.parts:
            print(part.top())
        if not len(answer):
            print(_NO_ANSWERS)
    if expected is not None:
        print(expected)
    for part in answer.parts:
        _show(part.explain(top=top, change=change), drawing)
    if why_not is not None:
        _show(answer.why_not(why_not), drawing)


@app.command()
def distill(
    task: TaskFolder,
    teacher: Annotated[
        str, typer.Option(metavar="PATH_OR_ID", help="A transformers model (a folder or a hub id), or a trained run")
    ],
    out: Out = None,
    seed: Seed = 0,
    device: Device = "auto",
    data: Data = None,
    unlabelled: Unlabelled = None,
    head: Annotated[
        Literal["train", "zero-shot"] | None,
        typer.Option(
            help="Of a sentence encoder: `train` one from labelled rows; a language model is asked `zero-shot`"
        ),
    ] = None,
    lora: Annotated[bool, typer.Option("--lora", help="Fine-tune the teacher first (needs the extra `lora`)")] = False,
    temperature: Annotated[
        float | None, typer.Option(help="Softens both distributions before they are compared")
    ] = None,
    weight: Annotated[
        float | None, typer.Option(help="Of the teacher's distribution beside the labels, 0 to 1")
    ] = None,
    compare: Annotated[
        bool, typer.Option(help="Also train students without the teacher and without the rules, for the table")
    ] = True,
    epochs: Epochs = None,
    resume: Resume = False,
    as_json: AsJson = False,
) -> None:
    """Train a task with the answers of a pretrained teacher, or of a trained run, in the loss."""
    import nesy

    trained = nesy.distill(
        task,
        teacher,
        out=out,
        seed=seed,
        device=device,
        data=data,
        unlabelled=unlabelled,
        head=head,
        lora=lora,
        temperature=temperature,
        weight=weight,
        compare=compare,
        epochs=epochs,
        resume=resume,
    )
    _print_json(trained.to_dict()) if as_json else print(trained)


@app.command()
def verify(
    place: Annotated[str, typer.Argument(metavar="RUN|FILE", help="A run folder, or a rule file with a property")],
    split: Annotated[str, typer.Option(help="train, dev or test: whose answers to check")] = "test",
    never: Annotated[str | None, typer.Option(metavar="CONDITION", help="No values ever make it hold")] = None,
    always: Annotated[
        str | None, typer.Option(metavar="CLAIM", help="`atom`, or `atom :- condition`: it always holds")
    ] = None,
    equivalent: Annotated[
        tuple[str, str] | None, typer.Option(metavar="P Q", help="Two predicates always hold of the same rows")
    ] = None,
    size: Annotated[int, typer.Option(min=0, help="Over all databases with at most so many values")] = 3,
    smt2: Annotated[Path | None, typer.Option(metavar="DIR", help="Write each certificate for another solver")] = None,
    data: Data = None,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Check every answer of a run with Z3, or prove a property of a rule file over all small databases."""
    import nesy

    if Path(place).is_dir() or (never is None and always is None and equivalent is None):
        found = nesy.verify(place, split, device=device, data=data, smt2=smt2)
        _print_json(found.to_dict()) if as_json else print(found)
        raise typer.Exit(0 if found.is_ok else 1)
    proved = nesy.prove(place, never=never, always=always, equivalent=equivalent, size=size)
    _print_json(asdict(proved)) if as_json else print(proved)
    raise typer.Exit(0 if proved.holds else 1)


@app.command()
def fit(
    file: RuleFile,
    examples: Annotated[str, typer.Argument(metavar="EXAMPLES", help="Interpretations: evidence, apart by `---`")],
    as_json: AsJson = False,
) -> None:
    """Learn the `t(..)` probabilities of a rule file from interpretations."""
    import nesy

    learned = nesy.fit(file, examples)
    _print_json(learned.to_dict()) if as_json else print(learned)


@app.command()
def crossval(
    task: TaskFolder,
    folds: Annotated[int, typer.Option(min=2, help="How many parts the rows are cut into")] = 5,
    seeds: Annotated[int, typer.Option(min=1, help="How many seeds each fold is trained with")] = 1,
    out: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Where the runs go")] = None,
    data: Data = None,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Train and test on each fold of a task's rows: mean and spread; finished folds are not run again."""
    import nesy

    found = nesy.crossval(task, out, folds=folds, seeds=seeds, device=device, data=data)
    _print_json(found.to_dict()) if as_json else print(found)


@app.command()
def push(
    folder: RunFolder,
    repository: Annotated[str, typer.Argument(metavar="OWNER/NAME", help="The repository, made if it is not there")],
    private: Annotated[bool, typer.Option("--private", help="Only for those who may see it")] = False,
) -> None:
    """Upload a run to the Hugging Face hub (log in with `hf auth login`, or set HF_TOKEN)."""
    import nesy

    print(nesy.push(folder, repository, private=private or None))


@app.command()
def new(folder: Annotated[str, typer.Argument(metavar="FOLDER", help="The task folder to write")]) -> None:
    """Write a commented task folder that trains at once."""
    import nesy

    print(f"{nesy.new_task(folder)}: try `nesy train {folder}`")


@app.command("data")
def show_data(
    task: TaskFolder,
    examples: Annotated[int, typer.Option(min=0, help="How many rows of each split to show")] = 3,
    seed: Seed = 0,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Read a task's data as training would, and show it in numbers and examples."""
    import nesy

    found = nesy.overview(task, data=data, seed=seed, examples=examples)
    _print_json(found.to_dict()) if as_json else print(found)


@app.command("import")
def import_files(
    name: Annotated[
        str, typer.Argument(metavar="FORMAT", help="babi, clutrr, conll, idx, sst, triples, or a package's own")
    ],
    source: Annotated[Path, typer.Argument(metavar="SOURCE", help="A file or folder of that format")],
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where train.jsonl, dev.jsonl, test.jsonl go")],
    as_json: AsJson = False,
) -> None:
    """Write data of a public format as rows that any task can take."""
    import nesy

    found = nesy.import_data(name, source, folder)
    _print_json(found.to_dict()) if as_json else print(found)


@app.command("fmt")
def format_files(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Rule files")],
    only_check: Annotated[bool, typer.Option("--check", help="Change nothing; exit 1 if a file would change")] = False,
) -> None:
    """Bring rule files into the canonical layout; comments are kept."""
    import nesy

    changed = [file for file in files if nesy.format_file(file, write=not only_check)]
    for file in changed:
        print(f"{'would change' if only_check else 'formatted'}: {file}")
    raise typer.Exit(1 if only_check and changed else 0)


@app.command()
def repl() -> None:
    """Define rules, query and explain, line by line."""
    from nesy.tools.repl import run

    run()


@app.command()
def lsp() -> None:
    """Serve an editor over standard input and output (needs the extra `lsp`)."""
    from nesy.tools.lsp import serve

    serve()


def _show(explanation: Explanation, drawing: str | None) -> None:
    """An explanation as a tree, or as the drawing that was asked for."""
    if drawing is None:
        print("", explanation, sep="\n")
        return
    drawn = explanation.draw(drawing)
    if isinstance(drawn, bytes):
        sys.stdout.buffer.write(drawn)
    else:
        print(drawn)


def _show_truth(answer: Truth, explain: bool, drawing: str | None, as_json: bool) -> None:
    """What follows where predicates are open."""
    if as_json:
        _print_json(answer.to_dict(explain=explain))
        return
    if drawing is None:
        print(answer if len(answer) else "no answers: nothing that matches the query can hold")
    if explain or drawing:
        for row in answer:
            _show(answer.explain(row), drawing)


def _print_json(data: Any) -> None:
    print(json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False))


@contextmanager
def reporting_errors() -> Iterator[None]:
    """Turn what a user can cause into one message and exit code 1; anything else is a bug and shows itself."""
    try:
        yield
    except ProgramError as error:
        num = sum(diagnostic.severity == "error" for diagnostic in error.diagnostics)
        print(error, f"\n{num} mistake{'s' if num > 1 else ''}", sep="\n", file=sys.stderr)
        sys.exit(1)
    except NesyError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)


def main() -> None:
    """The `nesy` command: 0 fine, 1 the program, data or run is wrong, 2 wrong usage."""
    with reporting_errors():
        app()


if __name__ == "__main__":
    main()
