"""`lens`: the commands, each imported when it is called, and how every error ends."""

import re
import sys
from collections.abc import Sequence
from importlib import import_module
from itertools import takewhile
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from flujo_otel_cli.interrupt import ending_at_once
from flujo_otel_cli.line import Piece
from flujo_otel_cli.problem import Exit, Problem, problem_of
from flujo_otel_cli.terminal import Terminal, forget
from flujo_otel_cli.text import escape

COMMANDS = {
    "list": "The runs, newest first.",
    "show": "A run's facts, its steps with input and output, its context.",
    "trace": "A run as a tree: what ran when, and what failed.",
    "compare": "Two runs side by side: what is different in time, cost, outcome.",
    "spans": "A run's spans one by one, in order of start.",
    "find": "Spans of any run by a piece of text, an attribute, a duration.",
    "stats": "Per span name: count, errors, percentiles, total time.",
    "tail": "Spans or runs as they start and end, live, of every process.",
    "ps": "Runs and spans that are open now, for how long, in which process.",
    "hung": "Runs and spans that are open for longer than --over.",
    "doctor": "Is the database sound, and was anything lost?",
    "delete": "Delete runs with all their spans, steps and runs inside, for good.",
    "forward": "Send stored spans to an OTLP backend, or see how far it is.",
    "serve": "Receive OpenTelemetry traces from any program, and send them on.",
    "run": "Run a program traced, then show what it did.",
}
"""What the help says of each, in its order; a command is the function of its name in
flujo_otel_cli.commands. To ask those themselves, `lens --help` imported them all, which took three
times as long."""

# typer brings a click of its own from 0.26 on, so click's error class is reached through typer.
_COMMAND_LINE_ERROR: type[Exception] = typer.BadParameter.__mro__[2]


_PLAINLY = (
    (r"is not a valid int\w*( range)?\.$", "is no whole number."),
    (r"is not a valid float( range)?\.$", "is no number."),
    (r"is not in the range x>=(\S+)\.$", r"is less than \1."),
    (r"is not in the range (\S+)<=x<=(\S+)\.$", r"is not from \1 to \2."),
    ("^Value error, ", ""),
)
"""How click says that a value is wrong, and how it is said here."""

_PLAINLY_OF_INPUT = (
    ("valid integer", "{typed!r} is no whole number."),
    ("valid number", "{typed!r} is no number."),
    ("greater than or equal to ", "{typed} is less than {bound}."),
    ("less than or equal to ", "{typed} is more than {bound}."),
)
"""The same of pydantic, which typer asks from 0.29 on: it says "Input" for the value."""


class LateCommands(TyperGroup):
    """Imports a command when it is asked for: `lens trace` never pays for `lens stats`."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        try:
            return super().resolve_command(ctx, args)
        except _COMMAND_LINE_ERROR as error:
            from flujo_otel_cli.mistyped import command_meant

            said = getattr(error, "message", "")
            if "Did you mean" not in said:  # some versions of typer say it themselves
                vars(error)["message"] = said + command_meant(args[0], COMMANDS)
            raise

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        return _command(cmd_name) if cmd_name in COMMANDS else None


def _command(name: str) -> Any:
    with ending_at_once():
        module = import_module(f"flujo_otel_cli.commands.{name}")
    single = typer.Typer(add_completion=False, rich_markup_mode=None)
    single.command(name, **getattr(module, "SETTINGS", {}))(module.command)
    return typer.main.get_command(single)


# Plain help: rich's panels cost as much again as all the rest of `lens --help`.
app = typer.Typer(
    cls=LateCommands,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    help="See what your pipelines did: runs, steps and spans from the local trace database.",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _say_version(wanted: bool) -> None:
    if wanted:
        import flujo_otel

        typer.echo(f"lens {flujo_otel.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_say_version, is_eager=True, help="The version.")
    ] = False,
) -> None:
    """See what your pipelines did: runs, steps and spans from the local trace database."""


def call(arguments: Sequence[str]) -> int:
    """Run one command; its exit code (docs/lens.md). Nothing a user does ends in a traceback."""
    wants_json = "--json" in takewhile(lambda word: word != "--", arguments)
    try:
        code = app(arguments, standalone_mode=False, prog_name="lens")
        sys.stdout.flush()
        return code if isinstance(code, int) else Exit.OK
    except _COMMAND_LINE_ERROR as error:
        return _usage(error, arguments, wants_json=wants_json)
    except (KeyboardInterrupt, typer.Abort):
        return Exit.INTERRUPTED
    except (BrokenPipeError, SystemExit) as error:
        # click makes SystemExit(1) of a closed pipe, which here would be a run that is not there.
        if not any(isinstance(each, BrokenPipeError) for each in (error, error.__context__)):
            raise
        forget(sys.stdout)
        return Exit.CLOSED_PIPE
    except Exception as error:
        problem = _undecodable(error, arguments) or problem_of(error)
        return _tell(problem, wants_json=wants_json)


def _undecodable(error: Exception, arguments: Sequence[str]) -> Problem | None:
    """A word of the command line that is no text in UTF-8, where `error` is of that: paths may be
    such words, but nothing that is asked of the database."""
    if not isinstance(error, UnicodeEncodeError):
        return None
    word = next((each for each in arguments if re.search("[\ud800-\udfff]", each)), None)
    if word is None:
        return None
    return Problem(Exit.USAGE, "usage", f"'{escape(word)}' is no text in UTF-8.")


def _usage(error: Any, arguments: Sequence[str], *, wants_json: bool) -> int:
    said = ""
    if type(error) is typer.BadParameter and error.param is not None:
        said = _plainly(error, arguments)
    elif hasattr(error, "option_name") and error.ctx is not None:
        from flujo_otel_cli.mistyped import option_meant

        said = option_meant(error, COMMANDS, _command)
    if said:
        return _tell(Problem(Exit.USAGE, "usage", said), wants_json=wants_json)
    if not wants_json:
        error.show()
        return Exit.USAGE
    return _tell(Problem(Exit.USAGE, "usage", error.format_message()), wants_json=True)


def _plainly(error: Any, arguments: Sequence[str]) -> str:
    """What is wrong with an option's value as it was typed, without the names of click's types."""
    said = plainly(str(error.message), _typed(error.param.opts, arguments))
    return escape(f"{error.param.opts[0]} {said}")


def plainly(said: str, typed: str | None) -> str:
    """What typer, of whatever version, says of the value that was `typed`."""
    if typed is not None:
        said = re.sub(r"^\S+(?= is not in the range)", lambda _: typed, said)
    for pattern, plain in _PLAINLY:
        said = re.sub(pattern, plain, said)
    if typed is not None and said.startswith("Input should be "):
        for known, plain in _PLAINLY_OF_INPUT:
            if known in said:
                return plain.format(typed=typed, bound=said.rpartition(" ")[2])
    return said


def _typed(names: Sequence[str], arguments: Sequence[str]) -> str | None:
    """The value of the option with these names, the last one: click has made a number of it."""
    typed = None
    for word, following in zip(arguments, [*arguments[1:], None], strict=True):
        option, _, value = word.partition("=")
        if option in names:
            typed = value or following
    return typed


def _tell(problem: Problem, *, wants_json: bool) -> int:
    """To standard error; as JSON to standard output, where a program waits for its document."""
    try:
        if wants_json:
            from flujo_otel_cli.document import write_document

            write_document(problem.document(), sys.stdout)
            sys.stdout.flush()
        else:
            lines = [problem.message, *problem.hints]
            # Whole, also where the terminal has to break them.
            to = Terminal.of(sys.stderr)._replace(cuts=False)
            to.write([Piece(line)] for line in lines)
    except OSError:
        forget(sys.stdout if wants_json else sys.stderr)
    return problem.exit_code
