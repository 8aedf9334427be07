"""`lens run -- COMMAND`: run a program traced, no line of it changed, and show what it did.

The program has standard input, output and error, signals and the exit code to itself; the tree goes
to standard error, so that its output can still be piped.
"""

import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import Annotated

import typer

from flujo_otel import process
from flujo_otel.model import Process, Run, RunStatus
from flujo_otel.query.nesting import outermost
from flujo_otel.spanstore.api import RunFilter, TraceReader
from flujo_otel_cli import amounts
from flujo_otel_cli.database import name_of
from flujo_otel_cli.document import trace_document, write_document
from flujo_otel_cli.drawing import draw
from flujo_otel_cli.hint import hint
from flujo_otel_cli.line import Command, Line, Piece
from flujo_otel_cli.options import Db, Json
from flujo_otel_cli.picture import picture_of
from flujo_otel_cli.problem import Exit, Problem, problem_of, traces_into
from flujo_otel_cli.program import Program
from flujo_otel_cli.terminal import Terminal, forget
from flujo_otel_cli.text import escape

SETTINGS = {
    # What follows the command's name is the command's own, options too.
    "context_settings": {"allow_interspersed_args": False}
}
_LOOKED_AT = 1000
"""Of the newest runs, so many are looked through."""
_NO_RUN = "lens run: the command made no run: {database} has none of it."
_WAYS = """\
In a Python program these are traced by themselves: flujo, pydantic-graph, LangChain, LlamaIndex, \
pydantic-ai, and whatever has an OpenTelemetry instrumentation installed.
Code of your own is a run with a decorator on its function (pip install 'flujo-otel[xray]'):
  from flujo_otel import XRay
  @XRay().traced
"""
_KILLED = (
    "lens run: the command was killed, and no span of it was written by then: what begins and ends "
    "within the last 0.2 s (FLUJO_OTEL_FLUSH_INTERVAL) is lost with it."
)
_INTERRUPTED = (
    "lens run: SIGINT ended the command; what it was in the middle of shows as completed, since "
    "OpenTelemetry sees no error in Ctrl-C."
)
_FAILED = (RunStatus.FAILED, RunStatus.DIED)


def command(
    *,
    program: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="COMMAND...", help="The command and its arguments.", show_default=False
        ),
    ] = None,
    live: Annotated[
        bool, typer.Option("--live", help="Draw the tree while it runs, below what it prints.")
    ] = False,
    db: Db = None,
    json: Json = False,
) -> None:
    """Run a program traced, then show what it did."""
    if not program:
        raise Problem(Exit.USAGE, "usage", f"Give the command to run:  {traces_into(db)}")
    from flujo_otel.bootstrap import child_environment

    started_ns = time.time_ns()
    environment = child_environment(os.environ, db)
    if live and not json:
        child = _watched(program, environment, db, started_ns)
    else:
        child = Program(program, environment)
    exit_code = child.wait()
    try:
        _tell(db, started_ns, child, json=json)
    except OSError:  # standard error leads nowhere, which is no matter of the program's
        forget(sys.stderr)
    raise typer.Exit(exit_code)


def _watched(
    program: list[str], environment: Mapping[str, str], db: str | None, started_ns: int
) -> Program:
    """Drawn until it is over; where standard error is no terminal, started alone."""
    from flujo_otel_cli.live import LiveTree, can_draw, watch
    from flujo_otel_cli.relay import Relay

    if not can_draw():
        return Program(program, environment)
    me = process.current()
    with closing(Relay()) as relay:
        child = Program(program, environment, relay.theirs)
        relay.started()
        tree = LiveTree(
            db,
            started_ns,
            lambda run: _is_of_program(run, started_ns, me),
            lambda run: _is_own(run, child.pid),
        )
        watch(child, relay, tree)
        return child


def _tell(db: str | None, started_ns: int, child: Program, *, json: bool) -> None:
    """Show what it ran; whatever is wrong with the store, the program's exit code stands."""
    from flujo_otel.spanstore.factory import open_reader

    to = Terminal.of(sys.stderr)
    try:
        with closing(open_reader(db)) as reader:
            if not _show(reader, to, db, started_ns, child, json=json):
                to.write(_told(_no_run(child, db), to))
    except Exception as error:
        problem = problem_of(error)
        said = _no_run(child, db) if problem.code == "no_database" else problem.message
        to.write(_told(said, to))


def _no_run(child: Program, db: str | None) -> str:
    if child.was_killed:
        return _KILLED
    said = _NO_RUN.format(database=name_of(db))
    # One that has failed has said why, which is what to read.
    return said if child.has_failed else f"{said}\n{_WAYS}"


def _show(
    reader: TraceReader,
    to: Terminal,
    db: str | None,
    started_ns: int,
    child: Program,
    *,
    json: bool,
) -> bool:
    """False: there is no run of it."""
    runs = runs_of_program(reader, started_ns)
    if not runs:
        return False
    ours = {run.run_id for run in runs}
    run = outermost(reader, chosen_of(runs, child.pid), lambda outer: outer.run_id in ours)
    picture = picture_of(reader, run, db=db)
    roots, drawing, _ = picture
    if json:
        write_document(trace_document(run, roots) | picture.document(), to.stream)
        return True
    to.write(draw(run, roots, drawing, to, time.time_ns()))
    shown = {run.run_id, *drawing.inside}
    more = [each for each in runs if each.run_id not in shown]
    to.write(_others(more, db, is_all=len(runs) < _LOOKED_AT))
    if child.was_interrupted and run.status == RunStatus.COMPLETED:
        to.write(_told(_INTERRUPTED, to))
    return True


def runs_of_program(reader: TraceReader, started_ns: int) -> list[Run]:
    """Runs made or gone on with since `started_ns` by what we started, newest first.

    Which processes it started, nobody knows once they are gone; but what was running on this
    machine before us is none of them, nor is another machine's.
    """
    runs = reader.list_runs(RunFilter(since_ns=started_ns), _LOOKED_AT)
    if len(runs) < _LOOKED_AT:
        before = RunFilter(until_ns=started_ns - 1)
        runs += reader.list_runs(before, _LOOKED_AT - len(runs))
    me = process.current()
    return [run for run in runs if _is_of_program(run, started_ns, me)]


def _is_of_program(run: Run, started_ns: int, me: Process) -> bool:
    if run.start_time_ns < started_ns:  # one that was there already, under its id
        touched = run.last_time_ns >= started_ns
        return touched and run.writer is not None and _is_later(run.writer, me)
    return run.writer is None or _is_later(run.writer, me)


def chosen_of(runs: list[Run], pid: int) -> Run:
    """Of the command's own process, where it made any: children's may be newer. The newest that
    failed, else the newest in which a span did, else the newest."""
    runs = [run for run in runs if _is_own(run, pid)] or runs
    return next(filter(_has_failed, runs), next(filter(_has_failed_spans, runs), runs[0]))


def _is_own(run: Run, pid: int) -> bool:
    """Whether, of what we started, the process `pid` made it, and not one that that started."""
    return run.writer is not None and run.writer.pid == pid


def _has_failed(run: Run) -> bool:
    return run.status in _FAILED


def _has_failed_spans(run: Run) -> bool:
    return run.error_count > 0


def _is_later(writer: Process, me: Process) -> bool:
    """Whether `writer` started after us, or may have."""
    if writer.host != me.host:
        return False
    boot, _, ticks = writer.process_start.partition(":")
    my_boot, _, my_ticks = me.process_start.partition(":")
    if not (ticks.isdecimal() and my_ticks.isdecimal()):
        return True  # not Linux: the start is a text to compare for equality alone
    return boot == my_boot and int(ticks) >= int(my_ticks)


def _others(more: list[Run], db: str | None, *, is_all: bool) -> Iterator[Line]:
    """How many more there are, and how many of those failed."""
    if not more:
        return
    failed = sum(map(_has_failed, more))
    least = "" if is_all else "at least "
    said = f"{least}{amounts.plural(len(more), 'more run')}"
    said += f", {failed:,} failed" if failed else ""
    yield [Piece(f"{said}: ", "dim"), Command(hint("list", db=db), "dim")]


def _told(text: str, to: Terminal) -> list[Line]:
    """In as many lines as a terminal needs for it."""
    lines = to.wrapped(text, to.width) if to.cuts else map(escape, text.splitlines())
    return [[Piece(line)] for line in lines]
